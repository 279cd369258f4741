//! The sequencer as the flags describe it, and who signs its blocks.

use crate::{
    args::{node::NodeArgs, sequencer::SequencerArgs},
    commands::derivation,
};
use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use eyre::{Report, WrapErr, bail, eyre};
use light_node_network::{BlockSigner, RemoteSigner};
use light_node_node::{ConductorConfig, SequencerConfig};
use light_node_protocol::RollupConfig;
use std::{fs, path::PathBuf, sync::Arc};
use tracing::warn;
use url::Url;

/// Where a conductor usually is.
const CONDUCTOR: &str = "http://127.0.0.1:8547";

/// The sequencer, if the node is one.
pub(crate) fn judge(
    args: &NodeArgs,
    rollup_config: &Arc<RollupConfig>,
    faults: &mut Vec<Report>,
) -> Option<SequencerConfig> {
    let sequencer = &args.sequencer;
    let conductor = conductor(sequencer).map_err(|fault| faults.push(fault));
    if !sequencer.enabled {
        return None;
    }
    if args.p2p.disable {
        // With p2p the network's judge looks at it.
        faults.extend(signer(sequencer).err());
    }
    // What a node that derives lacks, derivation says.
    let is_following = args.follow.source.is_some();
    let mut kept = |fault: Report| {
        if is_following {
            faults.push(fault);
        }
    };
    let l1_chain = derivation::l1_chain(args, rollup_config).map_err(&mut kept);
    let upgrades = derivation::upgrades(args).map_err(&mut kept);
    let mut config = SequencerConfig::new(rollup_config.clone(), l1_chain.ok()?, upgrades.ok()?);
    config.l1_confirmations = sequencer.l1_confirmations;
    config.max_safe_lag = sequencer.max_safe_lag;
    config.starts_active = !sequencer.stopped;
    config.is_recovering = sequencer.recover;
    config.state_path = sequencer.admin_state.clone();
    config.conductor = conductor.ok()?;
    Some(config)
}

fn conductor(args: &SequencerArgs) -> eyre::Result<Option<ConductorConfig>> {
    if !args.conductor {
        if args.enabled && args.conductor_rpc.is_some() {
            bail!(
                "--conductor.rpc is given, and nobody is to ask it: add --conductor.enabled, or take it out if this is the only sequencer"
            );
        }
        return Ok(None);
    }
    if !args.enabled {
        bail!("--conductor.enabled is for sequencers alone: add --sequencer.enabled");
    }
    if let Some(path) = &args.admin_state {
        bail!(
            "--conductor.enabled and --rpc.admin-state={} contradict each other: the conductor says after each start who builds; take --rpc.admin-state out",
            path.display()
        );
    }
    let endpoint = match &args.conductor_rpc {
        Some(endpoint) => endpoint.url("--conductor.rpc")?,
        None => Url::parse(CONDUCTOR)?,
    };
    Ok(Some(ConductorConfig {
        endpoint,
        timeout: args.conductor_timeout,
    }))
}

/// Who signs blocks, if anybody does.
pub(crate) fn signer(args: &SequencerArgs) -> eyre::Result<Option<BlockSigner>> {
    let ways = [
        ("--p2p.sequencer.key", args.key.is_some()),
        ("--p2p.sequencer.key-file", args.key_file.is_some()),
        ("--signer.endpoint", args.signer_endpoint.is_some()),
    ];
    let given: Vec<_> = ways.iter().filter(|(_, given)| *given).collect();
    if let [(one, _), (other, _), ..] = given.as_slice() {
        bail!("{one} and {other} both say who signs blocks: give one of them");
    }
    if let Some(key) = &args.key {
        let flag = "--p2p.sequencer.key";
        return local(key.reveal(flag)?, flag.to_owned()).map(Some);
    }
    if let Some(path) = &args.key_file {
        let name = format!("--p2p.sequencer.key-file={}", path.display());
        let text = fs::read_to_string(path).wrap_err_with(|| format!("cannot read {name}"))?;
        return local(&text, name).map(Some);
    }
    remote(args).map(|remote| remote.map(BlockSigner::Remote))
}

/// The message never has the key in it.
fn local(text: &str, name: String) -> eyre::Result<BlockSigner> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let key: PrivateKeySigner = digits
        .parse()
        .map_err(|_| eyre!("{name} is no key: it must be 64 hex digits"))?;
    Ok(BlockSigner::Local(key))
}

fn remote(args: &SequencerArgs) -> eyre::Result<Option<RemoteSigner>> {
    let (endpoint, address) = match (&args.signer_endpoint, args.signer_address) {
        (Some(endpoint), Some(address)) => (endpoint.url("--signer.endpoint")?, address),
        (Some(_), None) => bail!(
            "--signer.address=ADDRESS is missing: the account that --signer.endpoint signs with"
        ),
        (None, Some(_)) => {
            bail!("--signer.endpoint=URL is missing: where the account of --signer.address signs")
        }
        (None, None) => return Ok(None),
    };
    let identity = match (&args.signer_cert, &args.signer_key) {
        (Some(cert), Some(key)) => Some((readable(cert)?, readable(key)?)),
        (None, None) => None,
        _ => bail!("--signer.tls.cert and --signer.tls.key belong together: give both"),
    };
    let ca_path = args.signer_ca.as_ref().map(readable).transpose()?;
    Ok(Some(RemoteSigner {
        endpoint,
        address,
        ca_path,
        identity,
    }))
}

fn readable(path: &PathBuf) -> eyre::Result<PathBuf> {
    fs::File::open(path)
        .wrap_err_with(|| format!("cannot read {} for --signer.tls", path.display()))?;
    Ok(path.clone())
}

/// The account that signs.
pub(crate) fn account(signer: &BlockSigner) -> Address {
    match signer {
        BlockSigner::Local(key) => key.address(),
        BlockSigner::Remote(remote) => remote.address,
    }
}

/// Says what a sequencer does whose blocks reach nobody.
pub(crate) fn note_silence(args: &NodeArgs, signs: bool) {
    if !args.sequencer.enabled || signs {
        return;
    }
    if args.p2p.disable {
        warn!("blocks made here are not gossiped: --p2p.disable");
    } else {
        warn!(
            "blocks made here are not gossiped: give --p2p.sequencer.key-file, or --signer.endpoint and --signer.address"
        );
    }
}

/// Says that others on this machine can make blocks in the sequencer's name. It is no reason to stop: secrets that are mounted into
/// containers often have such modes, and nobody else is there.
#[cfg(unix)]
pub(crate) fn note_exposed_key(args: &SequencerArgs) {
    use std::os::unix::fs::PermissionsExt;

    let Some(path) = args.key_file.as_ref().filter(|_| args.enabled) else {
        return;
    };
    let mode = fs::metadata(path).map_or(0, |file| file.permissions().mode() & 0o777);
    if mode & 0o007 != 0 {
        warn!(
            path = %path.display(),
            mode = format!("{mode:03o}"),
            "everybody on this machine may use the key that signs blocks: chmod 600"
        );
    }
}

/// Modes are a thing of Unix.
#[cfg(not(unix))]
pub(crate) fn note_exposed_key(_: &SequencerArgs) {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        args::{environment::Environment, layers::Layers},
        cli,
    };
    use std::ffi::OsString;

    fn judged(flags: &[&str]) -> (Option<SequencerConfig>, String) {
        let follows = ["--l2.follow.source=http://a"];
        let words = [&["light-node", "config", "check"], &follows[..], flags].concat();
        let words = words.iter().map(OsString::from);
        let layers = Layers::new(&cli::command(), words, &Environment::new([]));
        let (cli, _) = cli::parse(&layers).unwrap();
        let rollup = Arc::new(RollupConfig::by_network("op-sepolia").unwrap());
        let mut faults = Vec::new();
        let config = judge(cli.checked_node().unwrap().0, &rollup, &mut faults);
        let faults: Vec<_> = faults.iter().map(|fault| format!("{fault:#}")).collect();
        (config, faults.join("\n"))
    }

    #[test]
    fn every_flag_of_the_sequencer_reaches_its_configuration() {
        assert!(judged(&[]).0.is_none());
        let shown = |flags: &[&str]| {
            let (config, faults) = judged(&[&["--sequencer.enabled"], flags].concat());
            assert_eq!(faults, "", "{flags:?}");
            format!("{:?}", config.unwrap())
        };
        let usual = shown(&[]);
        let conductor = "--conductor.enabled";
        for (flags, words) in [
            (&["--sequencer.stopped"][..], "starts_active: false"),
            (&["--sequencer.l1-confs=7"], "l1_confirmations: 7"),
            (&["--sequencer.max-safe-lag=7"], "max_safe_lag: 7"),
            (&["--sequencer.recover"], "is_recovering: true"),
            (&["--rpc.admin-state=/kept"], "state_path: Some(\"/kept\")"),
            (&[conductor], "127.0.0.1:8547"),
            (&[conductor, "--conductor.rpc=http://leader:1"], "leader:1"),
            (&[conductor, "--conductor.rpc-timeout=7s"], "timeout: 7s"),
        ] {
            assert!(!usual.contains(words), "{flags:?}: {usual}");
            let config = shown(flags);
            assert!(config.contains(words), "{flags:?}: {config}");
        }
    }

    #[test]
    fn contradictions_are_answered_with_what_to_do() {
        let enabled = "--sequencer.enabled";
        let conductor = "--conductor.enabled";
        for (flags, words) in [
            (&[conductor][..], "add --sequencer.enabled"),
            (
                &[enabled, "--conductor.rpc=http://a"],
                "add --conductor.enabled",
            ),
            (
                &[enabled, conductor, "--rpc.admin-state=f"],
                "take --rpc.admin-state out",
            ),
            (
                &[enabled, conductor, "--conductor.rpc=ws://a"],
                "--conductor.rpc has the scheme",
            ),
            (
                &[enabled, "--l1.chain-config=/nowhere"],
                "--l1.chain-config=/nowhere",
            ),
            (
                &[enabled, "--rollup.upgrade-bundle=/nowhere"],
                "--rollup.upgrade-bundle=/nowhere",
            ),
            (
                &[enabled, "--p2p.disable", "--p2p.sequencer.key=x"],
                "64 hex digits",
            ),
        ] {
            let (_, faults) = judged(flags);
            assert!(faults.contains(words), "{flags:?}: {faults}");
        }
    }
}
