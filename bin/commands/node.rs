//! Runs the node: turns flags into configuration, then runs until a signal or a fatal cause.

use crate::{
    args::{layers::Notice, log::LogArgs, node::NodeArgs},
    commands::{self, shutdown},
    telemetry,
};
use eyre::{OptionExt, Report, bail, eyre};
use light_node_engine_api::{
    ElDeadlines, HttpEngineConfig, JwtSecret, JwtSource, check_engine_url,
};
use light_node_l1::L1Config;
use light_node_node::{EngineDoor, FollowSettings, Node, NodeConfig, STATUS_INTERVAL, SafeSource};
use light_node_protocol::RollupConfig;
use light_node_rpc::RpcConfig;
use std::{net::SocketAddr, path::PathBuf};
use tracing::warn;
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
    let config = config(args)?;
    shutdown::run_until_signal(|token| async {
        let (node, _) = Node::new(config)?;
        Ok(node.run(token).await?)
    })
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
    let source = kept(source(args), &mut faults);
    let l1_endpoints = kept_all(l1_endpoints(args), &mut faults);
    let rollup_config = kept(args.chain.load(), &mut faults);
    let engine_url = kept(engine_url(args), &mut faults);
    let jwt_secret = kept(jwt_secret(args), &mut faults);
    kept(ports(args), &mut faults);
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
            safe_source: SafeSource::Follow(FollowSettings {
                source: source?,
                poll_interval: args.follow.poll_interval,
                max_age: args.follow.max_age,
                request_deadline: args.follow.request_timeout,
            }),
            rpc: RpcConfig {
                listen: args.rpc.listen(),
                enable_admin: args.rpc.enable_admin,
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

pub(crate) fn source(args: &NodeArgs) -> eyre::Result<Url> {
    let source = args.follow.source.as_ref().ok_or_eyre(
        "--l2.follow.source=URL is missing: this build has no derivation of its own, it follows another rollup node",
    )?;
    source.url("--l2.follow.source")
}

pub(crate) fn l1_endpoints(args: &NodeArgs) -> Vec<eyre::Result<Url>> {
    if args.l1.endpoints.is_empty() {
        return vec![Err(eyre!(
            "--l1=URL is missing: follow mode checks the L1 origin of every safe and finalized block that \
             --l2.follow.source names against your own L1 (no beacon endpoint is needed)"
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
