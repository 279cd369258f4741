//! What derivation and sequencing need of L1 and of the protocol, as the flags describe it.

use crate::args::node::NodeArgs;
use eyre::{WrapErr, bail, eyre};
use light_node_node::UpgradeBundles;
use light_node_protocol::{Hardfork, L1ChainConfig, RollupConfig};
use std::sync::Arc;
use url::Url;

/// The beacons, the preferred one first. Before blobs none is needed.
pub(crate) fn beacons(
    args: &NodeArgs,
    rollup_config: Option<&Arc<RollupConfig>>,
) -> Vec<eyre::Result<Url>> {
    let derive = &args.derive;
    let has_blobs =
        |config: &Arc<RollupConfig>| config.activation_time(Hardfork::Ecotone).is_some();
    if derive.beacons.is_empty() && rollup_config.is_none_or(has_blobs) {
        return vec![Err(eyre!(
            "--l1.beacon=URL is missing: without --l2.follow.source the node derives from L1, where batches are in blobs since Ecotone; \
             give the beacon API of your L1, or name a rollup node to follow with --l2.follow.source=URL"
        ))];
    }
    let preferred = derive.beacons.iter().map(|url| url.url("--l1.beacon"));
    let fallbacks = derive.beacon_fallbacks.iter();
    let fallbacks = fallbacks.map(|url| url.url("--l1.beacon-fallbacks"));
    preferred.chain(fallbacks).collect()
}

/// The blob schedule of L1.
pub(crate) fn l1_chain(
    args: &NodeArgs,
    rollup_config: &RollupConfig,
) -> eyre::Result<L1ChainConfig> {
    let l1_chain_id = rollup_config.l1_chain_id;
    let Some(path) = &args.derive.l1_chain_config else {
        return L1ChainConfig::by_chain_id(l1_chain_id).ok_or_else(|| {
            eyre!(
                "--l1.chain-config=FILE is missing: the blob schedule of L1 chain {l1_chain_id} is not built in; give the genesis \
                 file of that L1"
            )
        });
    };
    let name = || format!("--l1.chain-config={}", path.display());
    let json = std::fs::read_to_string(path).wrap_err_with(|| format!("cannot read {}", name()))?;
    L1ChainConfig::from_json(&json, l1_chain_id)
        .wrap_err_with(|| format!("{} gives no blob schedule", name()))
}

/// The upgrade transactions of forks, from the files that are named.
///
/// # Errors
/// A file that cannot be read, or is not bit for bit what the protocol has.
pub(crate) fn upgrades(args: &NodeArgs) -> eyre::Result<UpgradeBundles> {
    let mut bundles = UpgradeBundles::default();
    for path in &args.derive.upgrade_bundles {
        let name = || format!("--rollup.upgrade-bundle={}", path.display());
        let json = std::fs::read(path).wrap_err_with(|| format!("cannot read {}", name()))?;
        bundles
            .add(&json)
            .wrap_err_with(|| format!("{} is refused", name()))?;
    }
    Ok(bundles)
}

/// Chains that can only be followed.
pub(crate) fn derivable(rollup_config: &RollupConfig) -> eyre::Result<()> {
    if rollup_config.alt_da.is_some() {
        bail!(
            "this chain keeps its batches outside of L1 (alt_da in its rollup.json), which is not derived: name a rollup node to \
             follow with --l2.follow.source=URL"
        );
    }
    Ok(())
}
