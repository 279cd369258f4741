//! What a node that derives needs on this machine: the blob schedule of its L1, upgrade bundles, a place for the history of safe
//! heads.

use super::finding::{Check, Finding};
use crate::{args::node::NodeArgs, commands::derivation};
use light_node_node::UpgradeBundles;
use light_node_protocol::RollupConfig;
use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Looks at the files of derivation.
pub(crate) fn look(args: &NodeArgs, rollup: &RollupConfig) -> (Vec<Finding>, UpgradeBundles) {
    let mut findings = Vec::new();
    let check = Check::L1ChainConfig;
    let path = args.derive.l1_chain_config.as_deref();
    let name = path.map(|path| path.display().to_string());
    let name = name.as_deref().unwrap_or_default();
    findings.push(match derivation::l1_chain(args, rollup) {
        Ok(_) => {
            let detail = match path {
                Some(_) => "has the blob schedule".to_owned(),
                None => format!("the blob schedule of L1 chain {} is built in", rollup.l1_chain_id),
            };
            Finding::ok(check, name, detail)
        }
        Err(fault) => {
            let fix =
                "give the genesis.json of the execution nodes of the rollup's own L1, or the chain config in it";
            Finding::error(check, name, format!("{fault:#}"), fix)
        }
    });
    if let Err(fault) = derivation::derivable(rollup) {
        let fix = "follow a rollup node that derives this chain";
        findings.push(Finding::error(Check::Config, "", format!("{fault:#}"), fix));
    }
    let bundles = derivation::upgrades(args).unwrap_or_else(|fault| {
        let detail = format!("{fault:#}");
        let fix = "give the file as the protocol has it, bit for bit";
        findings.push(Finding::error(Check::UpgradeBundle, "", detail, fix));
        UpgradeBundles::default()
    });
    (findings, bundles)
}

/// Judges whether derivation from a block of `timestamp` (seconds) on gets past every fork that is due.
pub(crate) fn judge_bundles(
    bundles: &UpgradeBundles,
    rollup: &RollupConfig,
    timestamp: u64,
    now: SystemTime,
) -> Finding {
    let check = Check::UpgradeBundle;
    let Some(fork) = bundles.missing_after(rollup, timestamp) else {
        let detail = "no fork ahead needs a bundle that is not there";
        return Finding::ok(check, "", detail);
    };
    let activation = rollup.activation_time(fork).unwrap_or_default();
    let time = UNIX_EPOCH + Duration::from_secs(activation);
    let fix = format!(
        "give the bundle of {fork} by --rollup.upgrade-bundle=FILE, or start from a snapshot behind the activation"
    );
    match time.duration_since(now) {
        Ok(left) => {
            let days = left.as_secs() / 86_400;
            let detail = format!(
                "{fork} activates in {days} days, at {activation}, and derivation will stop before it"
            );
            Finding::warning(check, "", detail, fix)
        }
        Err(_) => {
            let detail = format!(
                "the execution layer stands before {fork}, which activated at {activation}, and derivation will stop there"
            );
            Finding::error(check, "", detail, fix)
        }
    }
}

/// Looks at the place of the history of safe heads. Nothing is left behind.
pub(crate) fn look_at_safedb(args: &NodeArgs) -> Finding {
    let check = Check::SafedbPath;
    let Some(path) = args.safedb.path.as_ref().filter(|_| !args.safedb.disable) else {
        let detail = if args.safedb.disable {
            "no history of safe heads is kept: optimism_safeHeadAtL1Block answers nothing"
        } else {
            "the history of safe heads begins anew at each start: --safedb.path keeps it"
        };
        return Finding::info(check, "", detail);
    };
    let name = path.display().to_string();
    match writable(path) {
        Ok(true) => Finding::ok(check, &name, "can be written"),
        Ok(false) => Finding::ok(check, &name, "will be made"),
        Err((place, cause)) => Finding::error(
            check,
            &name,
            format!("{}: {cause}", place.display()),
            "name a directory in which the user of the node may write, or --safedb.disable",
        ),
    }
}

/// Whether the directory is there and can be written; one that is not there is to be made where that can be written. A file
/// without a name is made and vanishes at once.
fn writable(path: &Path) -> Result<bool, (PathBuf, std::io::Error)> {
    let absolute = std::path::absolute(path).map_err(|error| (path.to_owned(), error))?;
    let place = absolute.ancestors().find(|place| place.exists());
    let place = place.unwrap_or(&absolute);
    match tempfile::tempfile_in(place) {
        Ok(_) => Ok(place == absolute),
        Err(error) => Err((place.to_owned(), error)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
