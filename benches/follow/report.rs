//! Figures beside their limits.

/// Collects figures and prints them as they come.
#[derive(Debug, Default)]
pub(crate) struct Report {
    broken: Vec<String>,
}

impl Report {
    /// A figure that must not be above `limit`.
    pub(crate) fn at_most(&mut self, what: &str, figure: f64, limit: f64, unit: &str) {
        self.judge(what, figure, limit, unit, figure <= limit);
    }

    /// A figure that must not be below `limit`.
    #[allow(dead_code)] // not every bench has one
    pub(crate) fn at_least(&mut self, what: &str, figure: f64, limit: f64, unit: &str) {
        self.judge(what, figure, limit, unit, figure >= limit);
    }

    fn judge(&mut self, what: &str, figure: f64, limit: f64, unit: &str, holds: bool) {
        let verdict = if holds { "ok" } else { "BROKEN" };
        println!("{what:<58} {figure:>9.3} {unit:<9} limit {limit:>7.2}  {verdict}");
        if !holds {
            self.broken.push(what.to_owned());
        }
    }

    /// A figure without a limit.
    pub(crate) fn note(what: &str, figure: f64, unit: &str) {
        println!("{what:<58} {figure:>9.3} {unit:<9}");
    }

    /// Says which limits are broken, if any.
    pub(crate) fn finish(self) -> Result<(), String> {
        if self.broken.is_empty() {
            return Ok(());
        }
        Err(format!("limits broken: {}", self.broken.join("; ")))
    }
}

/// The value below which `percent` of the sample lies.
pub(crate) fn percentile(sample: &mut [f64], percent: usize) -> f64 {
    assert!(!sample.is_empty(), "nothing was measured");
    sample.sort_by(f64::total_cmp);
    sample[(sample.len() - 1) * percent / 100]
}
