//! Which chain the node serves.

use clap::Args;
use eyre::{Context, OptionExt};
use light_node_protocol::RollupConfig;
use std::{path::PathBuf, sync::Arc};

/// Flags that choose the chain.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Chain")]
pub(crate) struct ChainArgs {
    /// Built-in chain, by name (`op-mainnet`, `base-sepolia`, ...) or by chain id.
    #[arg(
        long,
        value_name = "NAME|ID",
        env = "LIGHT_NODE_NETWORK",
        conflicts_with = "rollup_config"
    )]
    pub(crate) network: Option<String>,

    /// Chain configuration in the format of op-node's rollup.json.
    #[arg(
        long = "rollup.config",
        value_name = "FILE",
        env = "LIGHT_NODE_ROLLUP_CONFIG"
    )]
    pub(crate) rollup_config: Option<PathBuf>,
}

impl ChainArgs {
    /// Loads and checks the chain configuration that the flags name.
    ///
    /// # Errors
    /// If no chain is named, if the name is unknown, or if the file cannot be read or does not hold a valid configuration.
    pub(crate) fn load(&self) -> eyre::Result<Arc<RollupConfig>> {
        if let Some(network) = &self.network {
            let config = RollupConfig::by_network(network)?;
            return Ok(Arc::new(config));
        }
        let path = self
            .rollup_config
            .as_deref()
            .ok_or_eyre("which chain? give --network=NAME (e.g. op-mainnet) or --rollup.config=FILE (op-node's rollup.json)")?;
        let json = std::fs::read_to_string(path)
            .wrap_err_with(|| format!("cannot read --rollup.config={}", path.display()))?;
        let config = RollupConfig::from_json(&json).wrap_err_with(|| {
            format!(
                "--rollup.config={} is not a valid rollup.json",
                path.display()
            )
        })?;
        config
            .check()
            .wrap_err_with(|| format!("--rollup.config={} cannot be right", path.display()))?;
        Ok(Arc::new(config))
    }
}
