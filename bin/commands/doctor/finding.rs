//! What the doctor says: findings with stable ids, for people one a line, for programs as JSON.

use serde::Serialize;
use std::fmt::Write;

/// What was looked at. The ids are stable: alerts and scripts know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Check {
    /// Flags, environment and files, before anybody is asked.
    Config,
    /// A host name resolves.
    Dns,
    /// The port of our RPC server.
    RpcPort,
    /// The port of our metrics server.
    MetricsPort,
    /// The ports for peers.
    P2pPort,
    /// The node that runs there already is ready.
    NodeReady,
    /// Who reaches the admin namespace.
    RpcAdmin,
    /// The file of the JWT secret holds one.
    JwtFile,
    /// Who may read that file.
    JwtPermissions,
    /// An L1 endpoint answers.
    L1Reachable,
    /// Its answers are those of an L1.
    L1Answer,
    /// It is of the configured L1.
    L1ChainId,
    /// It has the L1 block after which the rollup starts.
    L1Genesis,
    /// Its head is fresh.
    L1Head,
    /// It serves `safe` and `finalized`.
    L1Tags,
    /// The blob schedule of the L1 is built in, or in the file that the flags name.
    L1ChainConfig,
    /// A beacon answers.
    BeaconReachable,
    /// Its answers are those of a beacon.
    BeaconAnswer,
    /// It is of our L1.
    BeaconChain,
    /// It has the blobs of a recent L1 block.
    BeaconBlobs,
    /// No fork ahead needs a bundle that is not there.
    UpgradeBundle,
    /// The history of safe heads can be written.
    SafedbPath,
    /// The execution layer answers.
    ElReachable,
    /// `--l2` is its authenticated port.
    ElEnginePort,
    /// It accepts our secret.
    ElJwt,
    /// Its answers are those of an execution layer.
    ElAnswer,
    /// It runs the configured chain.
    ElChainId,
    /// It has the configured genesis.
    ElGenesis,
    /// Which program it is.
    ElClient,
    /// Whether it syncs.
    ElSync,
    /// It has peers from which it fetches blocks.
    ElPeers,
    /// Its heads and their ages.
    ElHeads,
    /// It has the block that the source calls finalized.
    ElFinalized,
    /// The follow source answers.
    SourceReachable,
    /// Its answers are those of a rollup node.
    SourceAnswer,
    /// It serves the configured chain.
    SourceChain,
    /// It does not follow us.
    SourceCycle,
    /// Its heads make sense.
    SourceStatus,
    /// Its L1 head beside ours.
    SourceLag,
    /// Our clock beside theirs.
    ClockOffset,
}

impl Check {
    /// The id as a word.
    pub(crate) fn id(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(id)) => id,
            // A unit variant is a word.
            _ => format!("{self:?}"),
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Info,
    /// The node works, but not as well as it could, or not for long.
    Warning,
    /// The node will not work like this.
    Error,
}

impl Severity {
    const fn mark(self) -> char {
        match self {
            Self::Ok => '✓',
            Self::Info => '·',
            Self::Warning => '!',
            Self::Error => '✗',
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    #[serde(rename = "id")]
    pub(crate) check: Check,
    pub(crate) severity: Severity,
    /// The endpoint, file or address, without credentials.
    pub(crate) subject: Option<String>,
    /// What was found.
    pub(crate) detail: String,
    /// What to do about it; of warnings and errors only.
    pub(crate) fix: Option<String>,
}

impl Finding {
    pub(crate) fn ok(check: Check, subject: &str, detail: impl Into<String>) -> Self {
        Self::new(check, Severity::Ok, subject, detail.into(), None)
    }

    pub(crate) fn info(check: Check, subject: &str, detail: impl Into<String>) -> Self {
        Self::new(check, Severity::Info, subject, detail.into(), None)
    }

    pub(crate) fn warning(
        check: Check,
        subject: &str,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(
            check,
            Severity::Warning,
            subject,
            detail.into(),
            Some(fix.into()),
        )
    }

    pub(crate) fn error(
        check: Check,
        subject: &str,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(
            check,
            Severity::Error,
            subject,
            detail.into(),
            Some(fix.into()),
        )
    }

    fn new(
        check: Check,
        severity: Severity,
        subject: &str,
        detail: String,
        fix: Option<String>,
    ) -> Self {
        Self {
            check,
            severity,
            subject: (!subject.is_empty()).then(|| subject.to_owned()),
            detail,
            fix,
        }
    }
}

/// All findings of one examination.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    version: &'static str,
    /// No finding is an error.
    pub(crate) healthy: bool,
    findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn new(findings: Vec<Finding>) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            healthy: findings.iter().all(|one| one.severity < Severity::Error),
            findings,
        }
    }

    /// The report for programs.
    ///
    /// # Errors
    /// None that could happen: it is words and truth values.
    pub(crate) fn json(&self) -> eyre::Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// The report for people.
    pub(crate) fn text(&self) -> String {
        let width = self.findings.iter().map(|one| one.check.id().len()).max();
        let width = width.unwrap_or_default();
        let mut text = String::new();
        for (index, finding) in self.findings.iter().enumerate() {
            let Finding {
                severity, detail, ..
            } = finding;
            let (mark, id) = (severity.mark(), finding.check.id());
            let subject = finding.subject.as_deref().map(|it| format!("{it}: "));
            let found = subject.unwrap_or_default() + detail;
            let _ = writeln!(text, "{mark} {id:width$}  {}", printable(&found));
            // What helps against several findings in a row is said behind the last one.
            let next = self.findings.get(index + 1);
            let is_said_later = next.is_some_and(|next| next.fix == finding.fix);
            if let Some(fix) = finding.fix.as_ref().filter(|_| !is_said_later) {
                let _ = writeln!(text, "  {:width$}  fix: {}", "", printable(fix));
            }
        }
        text + &self.summary()
    }

    /// Says what is wrong once more: it may have scrolled away behind all that is not.
    fn summary(&self) -> String {
        let errors = self.counted(Severity::Error, "error");
        let warnings = self.counted(Severity::Warning, "warning");
        match (errors, warnings) {
            (None, None) => "\nNothing is wrong.".to_owned(),
            (None, Some(warnings)) => format!("\nNo error, {warnings}."),
            (Some(errors), None) => format!("\nThe node will not work like this: {errors}."),
            (Some(errors), Some(warnings)) => {
                format!("\nThe node will not work like this: {errors}, {warnings}.")
            }
        }
    }

    /// How many there are, and their ids; none if there are none.
    fn counted(&self, severity: Severity, what: &str) -> Option<String> {
        let found = self.findings.iter().filter(|one| one.severity == severity);
        let mut ids: Vec<_> = found.map(|one| one.check.id()).collect();
        let count = ids.len();
        let plural = if count == 1 { "" } else { "s" };
        ids.dedup();
        (count > 0).then(|| format!("{count} {what}{plural} ({})", ids.join(", ")))
    }
}

/// Words of a remote server must not steer the terminal.
fn printable(words: &str) -> String {
    let replaced = |letter: char| if letter.is_control() { ' ' } else { letter };
    words.chars().map(replaced).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report::new(vec![
            Finding::ok(Check::L1ChainId, "http://l1:8545", "chain 900"),
            Finding::warning(Check::ClockOffset, "", "11 s", "set the clock"),
            Finding::error(
                Check::ElJwt,
                "http://el:8551",
                "refused\u{1b}[2J\n",
                "same file",
            ),
        ])
    }

    #[test]
    fn the_json_has_its_shape() {
        let json: serde_json::Value = serde_json::from_str(&report().json().unwrap()).unwrap();
        assert_eq!(json["healthy"], false);
        let expected = serde_json::json!({
            "id": "L1_CHAIN_ID", "severity": "ok", "subject": "http://l1:8545", "detail": "chain 900", "fix": null
        });
        assert_eq!(json["findings"][0], expected);
        assert_eq!(json["findings"][1]["severity"], "warning");
        assert_eq!(json["findings"][1]["subject"], serde_json::Value::Null);
        assert_eq!(json["findings"][2]["fix"], "same file");
    }

    #[test]
    fn the_text_has_one_line_a_finding_and_one_for_its_fix() {
        let text = report().text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "✓ L1_CHAIN_ID   http://l1:8545: chain 900");
        assert_eq!(lines[1], "! CLOCK_OFFSET  11 s");
        assert_eq!(lines[2], "                fix: set the clock");
        assert_eq!(lines[3], "✗ EL_JWT        http://el:8551: refused [2J ");
        let last = "like this: 1 error (EL_JWT), 1 warning (CLOCK_OFFSET).";
        assert!(text.ends_with(last), "{text}");
    }

    #[test]
    fn a_fix_for_several_findings_in_a_row_is_said_once() {
        let one = |detail: &str, fix: &str| Finding::error(Check::Config, "", detail, fix);
        let report = Report::new(vec![one("a", "x"), one("b", "x"), one("c", "y")]);
        let text = report.text();
        assert_eq!(text.matches("fix: x").count(), 1, "{text}");
        assert!(text.find("fix: x") > text.find("✗ CONFIG  b"), "{text}");
        assert!(text.ends_with("3 errors (CONFIG)."), "{text}");
        let json = report.json().unwrap();
        assert_eq!(json.matches(r#""fix": "x""#).count(), 2, "{json}");
    }

    #[test]
    fn only_errors_make_a_report_unhealthy() {
        let mut findings = report().findings;
        assert!(!Report::new(findings.clone()).healthy);
        findings.pop();
        assert!(Report::new(findings).healthy);
    }
}
