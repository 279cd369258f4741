//! The sequencer's door: the attributes of a block that is not on L1 yet, by the one rule by which derivation makes them again
//! when its batch has come.

use crate::{
    attributes::{BuildError, Ingredients},
    cause::ResetCause,
    epochs::Epoch,
    kona::SingleBatch,
    upgrades::UpgradeBundles,
};
use light_node_l1::L1Data;
use light_node_protocol::{Hardfork, L1ChainConfig, L2BlockRef, RollupConfig, SystemConfig};
use op_alloy_rpc_types_engine::OpPayloadAttributes;
use thiserror::Error;

/// What the attributes of the next block are made of.
#[derive(Clone, Copy, Debug)]
pub struct SequencedAttributes<'a> {
    /// The chain.
    pub config: &'a RollupConfig,
    /// Since when which blob parameters hold on L1.
    pub l1_chain: &'a L1ChainConfig,
    /// Upgrade transactions of forks.
    pub upgrades: &'a UpgradeBundles,
    /// The block to build on.
    pub parent: &'a L2BlockRef,
    /// The system config in force at the parent.
    pub parent_config: &'a SystemConfig,
    /// The L1 origin: that of the parent, or the L1 block after it.
    pub origin: &'a L1Data,
    /// Nothing but what the protocol demands goes into the block.
    pub no_tx_pool: bool,
}

/// Why there are no attributes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SequencedAttributesError {
    /// The origin does not go with the parent, or holds what no L1 block can hold.
    #[error(transparent)]
    Origin(#[from] Box<ResetCause>),
    /// The block is the first of a fork whose upgrade bundle is missing.
    #[error("the upgrade bundle of {} is missing", .0.name())]
    MissingBundle(Hardfork),
}

impl SequencedAttributes<'_> {
    /// The attributes.
    ///
    /// # Errors
    /// [`SequencedAttributesError`].
    pub fn build(&self) -> Result<OpPayloadAttributes, SequencedAttributesError> {
        let ingredients = Ingredients {
            config: self.config,
            l1_chain: self.l1_chain,
            upgrades: self.upgrades,
            parent: self.parent,
            parent_config: self.parent_config,
            epoch: &Epoch::new(self.origin),
            batch: &SingleBatch::default(),
        };
        let built = ingredients.build().map_err(|error| match error {
            BuildError::Reset(cause) => SequencedAttributesError::Origin(cause),
            BuildError::MissingBundle(fork) => SequencedAttributesError::MissingBundle(fork),
        })?;
        Ok(OpPayloadAttributes {
            no_tx_pool: Some(self.no_tx_pool),
            ..built.attributes
        })
    }
}
