//! Runs the node: turns flags into configuration, then runs until a signal or a fatal cause.

use crate::{
    args::{l1, layers::Notice, log::LogArgs, node::NodeArgs},
    commands::{
        self,
        derivation::{beacons, derivable, l1_chain, upgrades},
        network, sequencer, shutdown,
    },
    telemetry,
};
use eyre::{OptionExt, Report, bail, eyre};
use light_node_engine_api::{
    ElDeadlines, HttpEngineConfig, JwtSecret, JwtSource, check_engine_url,
};
use light_node_l1::{L1Config, L1FeedConfig};
use light_node_node::{
    DeriveSettings, EngineDoor, FollowSettings, Node, NodeConfig, STATUS_INTERVAL, SafeDbConfig,
    SafeSource,
};
use light_node_protocol::{RollupConfig, redact_url};
use light_node_rpc::{RpcConfig, SetLogLevel};
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use tracing::{info, warn};
use url::Url;

/// Runs the node until a signal ends it. `notices` are names that have no effect.
///
/// # Errors
/// If the configuration is wrong, or an actor cannot go on.
pub(crate) fn run(args: &NodeArgs, log: &LogArgs, notices: &[Notice]) -> eyre::Result<()> {
    telemetry::init(log, telemetry::NODE_LEVEL, None)?;
    for Notice { names, reason } in notices {
        let names = names.join(" ");
        warn!(names, reason, "settings without effect");
    }
    let mut config = config(args)?;
    if let Some(network) = &mut config.network {
        network::open(&args.p2p, network)?;
    }
    note_role(&config);
    let signer = config.network.as_ref().and_then(|it| it.signer.as_ref());
    sequencer::note_silence(args, signer.is_some());
    sequencer::note_exposed_key(&args.sequencer);
    shutdown::run_until_signal(|token| async {
        let (node, _) = Node::new(config)?;
        Ok(node.run(token).await?)
    })
}

/// Says what this node is to others: whoever reads a log should not have to know its flags.
fn note_role(config: &NodeConfig) {
    let follows = match &config.safe_source {
        SafeSource::Follow(follow) => Some(redact_url(&follow.source)),
        SafeSource::Derive(_) => None,
    };
    let derives = follows.is_none();
    let network = config.network.as_ref();
    let conductor = config.sequencer.as_ref();
    let conductor = conductor.and_then(|sequencer| sequencer.conductor.as_ref());
    let conductor = conductor.map(|conductor| redact_url(&conductor.endpoint));
    let signer = network.and_then(|network| network.signer.as_ref());
    let signer = signer.map(|signer| sequencer::account(signer).to_string());
    info!(
        derives,
        follows,
        gossips = network.is_some(),
        sequences = config.sequencer.is_some(),
        conductor,
        signer,
        "what this node is"
    );
}

/// The configuration that the flags describe.
///
/// # Errors
/// Everything that is missing or wrong, not only the first.
fn config(args: &NodeArgs) -> eyre::Result<NodeConfig> {
    let (config, faults) = judge(args);
    config.ok_or_else(|| {
        let faults: Vec<_> = faults.iter().map(|fault| format!("{fault:#}")).collect();
        eyre!(commands::all_of(&faults))
    })
}

/// The configuration, or everything that is wrong with it as far as it shows without asking anybody. Files are read, and
/// nothing else is touched.
pub(crate) fn judge(args: &NodeArgs) -> (Option<NodeConfig>, Vec<Report>) {
    let mut faults = Vec::new();
    let l1_endpoints = kept_all(l1_endpoints(args), &mut faults);
    let rollup_config = kept(args.chain.load(), &mut faults);
    let safe_source = safe_source(args, rollup_config.as_ref(), &mut faults);
    let engine_url = kept(engine_url(args), &mut faults);
    let jwt_secret = kept(jwt_secret(args), &mut faults);
    kept(ports(args), &mut faults);
    let (network, sequencer) = match &rollup_config {
        Some(rollup) => (
            network::judge(args, rollup, &mut faults),
            sequencer::judge(args, rollup, &mut faults),
        ),
        None => (None, None),
    };
    let all = (|| {
        let rollup_config = rollup_config?;
        Some(NodeConfig {
            engine: EngineDoor::Http(HttpEngineConfig {
                url: engine_url?,
                jwt: JwtSource::File(jwt_secret?),
                rollup_config: rollup_config.clone(),
                deadlines: ElDeadlines::default(),
            }),
            l1: l1_config(args, l1_endpoints, &rollup_config),
            safe_source: safe_source?,
            network,
            signer_interval: args.l1.signer_interval,
            sequencer,
            safe_db: (!args.safedb.disable).then(|| SafeDbConfig::new(args.safedb.path.clone())),
            rpc: RpcConfig {
                listen: args.rpc.listen(),
                enable_admin: args.rpc.enable_admin,
                set_log_level: Some(SetLogLevel::new(telemetry::set_level)),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            metrics: args.metrics.config(),
            status_interval: Some(STATUS_INTERVAL),
            rollup_config,
        })
    })();
    (all.filter(|_| faults.is_empty()), faults)
}

fn kept<T>(outcome: eyre::Result<T>, faults: &mut Vec<Report>) -> Option<T> {
    outcome.map_err(|fault| faults.push(fault)).ok()
}

fn kept_all<T>(outcomes: Vec<eyre::Result<T>>, faults: &mut Vec<Report>) -> Vec<T> {
    let kept = |outcome| kept(outcome, faults);
    outcomes.into_iter().filter_map(kept).collect()
}

/// The node that is followed, or, where none is named, what derivation needs.
fn safe_source(
    args: &NodeArgs,
    rollup_config: Option<&Arc<RollupConfig>>,
    faults: &mut Vec<Report>,
) -> Option<SafeSource> {
    if let Some(source) = source(args) {
        return Some(SafeSource::Follow(FollowSettings {
            source: kept(source, faults)?,
            poll_interval: args.follow.poll_interval,
            max_age: args.follow.max_age,
            request_deadline: args.follow.request_timeout,
        }));
    }
    let beacons = kept_all(beacons(args, rollup_config), faults);
    let upgrades = kept(upgrades(args), faults);
    let rollup_config = rollup_config?;
    let l1_chain = kept(l1_chain(args, rollup_config), faults);
    kept(derivable(rollup_config), faults);
    let mut feed = L1FeedConfig::new(rollup_config);
    feed.calls_per_second = args.derive.calls_per_second;
    feed.max_concurrency = args.derive.max_concurrency as usize;
    let slot_duration = args.l1.slot_duration;
    Some(SafeSource::Derive(DeriveSettings {
        beacons,
        slot_duration: (slot_duration != l1::SLOT_DURATION).then_some(slot_duration),
        feed,
        l1_chain: l1_chain?,
        upgrades: upgrades?,
        l1_confirmations: args.derive.l1_confirmations,
        sync_mode: args.derive.sync_mode.into(),
        el_safe_offset: args.derive.offset_el_safe,
    }))
}

/// The node that is followed, if one is.
pub(crate) fn source(args: &NodeArgs) -> Option<eyre::Result<Url>> {
    let source = args.follow.source.as_ref()?;
    Some(source.url("--l2.follow.source"))
}

pub(crate) fn l1_endpoints(args: &NodeArgs) -> Vec<eyre::Result<Url>> {
    if args.l1.endpoints.is_empty() {
        return vec![Err(eyre!(
            "--l1=URL is missing: the node derives from your own L1, or, with --l2.follow.source, checks against it the L1 origin of \
             every safe and finalized block that the source names"
        ))];
    }
    let endpoints = args.l1.endpoints.iter();
    endpoints.map(|endpoint| endpoint.url("--l1")).collect()
}

pub(crate) fn engine_url(args: &NodeArgs) -> eyre::Result<Url> {
    let url = args.l2.engine.as_ref().ok_or_eyre(
        "--l2=URL is missing: the authenticated Engine API of your op-reth or op-geth, usually http://127.0.0.1:8551",
    )?;
    let url = url.url("--l2")?;
    check_engine_url(&url)?;
    Ok(url)
}

/// The file, of which it is sure that it holds a secret.
fn jwt_secret(args: &NodeArgs) -> eyre::Result<PathBuf> {
    let path = args.l2.jwt_secret.clone().ok_or_eyre(
        "--l2.jwt-secret=FILE is missing: the file with the JWT secret that the execution layer was started with",
    )?;
    JwtSecret::from_file(&path)?;
    Ok(path)
}

/// Two servers need two ports.
pub(crate) fn ports(args: &NodeArgs) -> eyre::Result<()> {
    let rpc = args.rpc.listen();
    let Some(metrics) = args.metrics.config().map(|config| config.listen) else {
        return Ok(());
    };
    let is_any = |listen: SocketAddr| listen.ip().is_unspecified();
    let overlap = rpc.ip() == metrics.ip() || is_any(rpc) || is_any(metrics);
    if rpc.port() != 0 && rpc.port() == metrics.port() && overlap {
        bail!(
            "--rpc.port and --metrics.port are the same, {rpc} and {metrics}: give one of them another port"
        );
    }
    Ok(())
}

fn l1_config(args: &NodeArgs, endpoints: Vec<Url>, rollup_config: &RollupConfig) -> L1Config {
    let mut config = L1Config::new(
        endpoints,
        rollup_config.l1_chain_id,
        rollup_config.genesis.l1,
    )
    .with_block_time(args.l1.slot_duration)
    .with_epoch_poll_interval(args.l1.epoch_poll_interval);
    config.request_deadline = args.l1.request_timeout;
    config.check_deadline = config.check_deadline.min(args.l1.request_timeout);
    config.trust_rpc = args.l1.trust_rpc;
    config
}
