//! Runs the node: turns flags into configuration, then runs until a signal or a fatal cause.

use crate::{
    args::{log::LogArgs, node::NodeArgs},
    commands::shutdown,
    telemetry,
};
use eyre::{OptionExt, bail};
use light_node_engine_api::{ElDeadlines, HttpEngineConfig, JwtSource};
use light_node_l1::L1Config;
use light_node_node::{EngineDoor, FollowSettings, Node, NodeConfig, SafeSource};
use light_node_protocol::RollupConfig;
use light_node_rpc::RpcConfig;
use std::sync::Arc;

/// Runs the node until a signal ends it.
///
/// # Errors
/// If the configuration is wrong, or an actor cannot go on.
pub(crate) fn run(args: &NodeArgs, log: &LogArgs) -> eyre::Result<()> {
    telemetry::init(log, "info", None)?;
    let config = config(args)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let token = shutdown::on_signal()?;
            let (node, _) = Node::new(config)?;
            Ok(node.run(token).await?)
        })
}

/// The configuration that the flags describe.
fn config(args: &NodeArgs) -> eyre::Result<NodeConfig> {
    let source = args.follow.source.as_ref().ok_or_eyre(
        "--l2.follow.source=URL is missing: this build has no derivation of its own, it follows another rollup node",
    )?;
    let source = source.url("--l2.follow.source")?;
    if args.l1.endpoints.is_empty() {
        bail!(
            "--l1=URL is missing: follow mode checks the L1 origin of every safe and finalized block that \
             --l2.follow.source names against your own L1 (no beacon endpoint is needed)"
        );
    }
    let rollup_config = args.chain.load()?;
    Ok(NodeConfig {
        engine: EngineDoor::Http(engine_config(args, rollup_config.clone())?),
        l1: l1_config(args, &rollup_config)?,
        safe_source: SafeSource::Follow(FollowSettings {
            source,
            poll_interval: args.follow.poll_interval,
            max_age: args.follow.max_age,
            request_deadline: args.follow.request_timeout,
        }),
        rpc: RpcConfig {
            listen: args.rpc.listen(),
            enable_admin: args.rpc.enable_admin,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        rollup_config,
    })
}

fn engine_config(
    args: &NodeArgs,
    rollup_config: Arc<RollupConfig>,
) -> eyre::Result<HttpEngineConfig> {
    let url = args.l2.engine.as_ref().ok_or_eyre(
        "--l2=URL is missing: the authenticated Engine API of your op-reth or op-geth, usually http://127.0.0.1:8551",
    )?;
    let jwt_secret = args.l2.jwt_secret.clone().ok_or_eyre(
        "--l2.jwt-secret=FILE is missing: the file with the JWT secret that the execution layer was started with",
    )?;
    Ok(HttpEngineConfig {
        url: url.url("--l2")?,
        jwt: JwtSource::File(jwt_secret),
        rollup_config,
        deadlines: ElDeadlines::default(),
    })
}

fn l1_config(args: &NodeArgs, rollup_config: &RollupConfig) -> eyre::Result<L1Config> {
    let endpoints = args
        .l1
        .endpoints
        .iter()
        .map(|endpoint| endpoint.url("--l1"))
        .collect::<eyre::Result<_>>()?;
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
    Ok(config)
}
