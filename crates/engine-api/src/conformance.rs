//! What every implementation of [`EngineApi`] must do, as checks that run over the embedded EL, over HTTP, over the EL in
//! memory and over a real EL. Where op-reth and op-geth differ, both answers pass: the engine must live with both.

mod checks;

pub use checks::{
    ancestors_do_not_move_the_head, attributes_name_one_build, bad_attributes_are_refused,
    blocks_are_found_by_hash_number_and_label, built_payloads_become_head,
    missing_ancestors_are_syncing_until_they_arrive, payloads_are_read_back, siblings_reorganize,
    storage_root_of_the_message_passer_is_in_the_header, unknown_builds_and_blocks_are_told,
    unknown_labels_are_refused_after_the_head_moved, wrong_hashes_are_invalid,
    zero_heads_are_refused,
};

use crate::{EngineApi, payload_ref};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, U256, address};
use alloy_rpc_types_engine::{ForkchoiceState, PayloadAttributes, PayloadStatusEnum};
use light_node_protocol::{
    Hardfork, L2BlockRef, RollupConfig, l1_info::L1BlockFacts, l1_info_deposit,
};
use op_alloy_rpc_types_engine::{OpExecutionPayloadEnvelope, OpPayloadAttributes};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const FEE_RECIPIENT: Address = address!("4200000000000000000000000000000000000011");

/// How long a check waits for what an EL may do a little later than it answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two looks while a check waits.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The EL under test and a second one that builds the blocks for it.
#[derive(Debug)]
pub struct Fixture {
    /// The EL under test.
    pub subject: Arc<dyn EngineApi>,
    /// Another EL of the same genesis, which has nothing to do with the first: the embedded one.
    pub builder: Arc<dyn EngineApi>,
    /// The chain of both.
    pub config: Arc<RollupConfig>,
    next_salt: AtomicU64,
}

/// A block that the builder made and the EL under test has not seen.
#[derive(Clone, Debug)]
pub struct Built {
    /// Its reference.
    pub block_ref: L2BlockRef,
    /// Its payload.
    pub envelope: OpExecutionPayloadEnvelope,
}

impl Fixture {
    /// Checks of one fixture may follow each other: each builds its own branch from genesis. Only the one of labels comes
    /// last, because it finalizes its branch; after it a real EL wants a new data directory.
    pub fn new(
        subject: Arc<dyn EngineApi>,
        builder: Arc<dyn EngineApi>,
        config: Arc<RollupConfig>,
    ) -> Self {
        // An EL that outlives the test must not know the blocks from the last run.
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        Self {
            subject,
            builder,
            config,
            next_salt: AtomicU64::new(seconds << 20),
        }
    }

    /// A number that no other block of this fixture was salted with.
    pub fn salt(&self) -> u64 {
        self.next_salt.fetch_add(1, Ordering::Relaxed)
    }

    /// Genesis, as the configuration has it.
    pub fn genesis(&self) -> L2BlockRef {
        let genesis = self.config.genesis;
        L2BlockRef {
            hash: genesis.l2.hash,
            number: genesis.l2.number,
            parent_hash: B256::ZERO,
            timestamp: genesis.l2_time,
            l1_origin: genesis.l1,
            sequence_number: 0,
        }
    }

    /// Attributes for the child of `parent`, of its epoch, without transactions from a pool.
    ///
    /// # Panics
    /// If the configuration's fee scalar cannot be encoded.
    pub fn attributes(&self, parent: &L2BlockRef, salt: u64) -> OpPayloadAttributes {
        let config = &self.config;
        let system_config = &config.genesis.system_config;
        let timestamp = parent.timestamp + config.block_time;
        let is_active = |fork| config.is_active(fork, timestamp);
        let l1 = L1BlockFacts {
            number: parent.l1_origin.number,
            hash: parent.l1_origin.hash,
            timestamp: config.genesis.l2_time,
            base_fee: 7,
            blob_base_fee: 1,
        };
        let sequence_number = parent.sequence_number + 1;
        let deposit = l1_info_deposit(config, system_config, sequence_number, &l1, timestamp)
            .expect("the configuration has a fee scalar of a known version");
        OpPayloadAttributes {
            payload_attributes: PayloadAttributes {
                timestamp,
                prev_randao: B256::from(U256::from(salt)),
                suggested_fee_recipient: FEE_RECIPIENT,
                withdrawals: is_active(Hardfork::Canyon).then(Vec::new),
                parent_beacon_block_root: is_active(Hardfork::Ecotone).then_some(B256::ZERO),
                ..Default::default()
            },
            transactions: Some(vec![deposit.encoded_2718().into()]),
            no_tx_pool: Some(true),
            gas_limit: Some(system_config.gas_limit),
            eip_1559_params: is_active(Hardfork::Holocene).then_some(system_config.eip1559_params),
            min_base_fee: is_active(Hardfork::Jovian).then_some(system_config.min_base_fee),
        }
    }

    /// Builds `count` blocks on `parent`, oldest first. The EL under test sees nothing of it.
    ///
    /// # Panics
    /// If the builder fails; then nothing is known about the EL under test.
    pub async fn build(&self, parent: L2BlockRef, count: usize) -> Vec<Built> {
        let mut blocks: Vec<Built> = Vec::with_capacity(count);
        for _ in 0..count {
            let parent = blocks.last().map_or(parent, |block| block.block_ref);
            let attributes = self.attributes(&parent, self.salt());
            let timestamp = attributes.payload_attributes.timestamp;
            let started = self
                .builder
                .fork_choice_updated(forkchoice(parent.hash), Some(attributes))
                .await
                .expect("the builder starts a build");
            let id = started.payload_id.expect("the builder has a payload id");
            let envelope = self
                .builder
                .get_payload(id, timestamp)
                .await
                .expect("the builder seals");
            let status = self
                .builder
                .new_payload(&envelope)
                .await
                .expect("the builder answers");
            assert!(
                status.is_valid(),
                "the builder refuses its own block: {status}"
            );
            let block_ref = payload_ref(&self.config, &envelope).expect("the builder's hash holds");
            blocks.push(Built {
                block_ref,
                envelope,
            });
        }
        blocks
    }

    /// Builds `count` blocks on `parent`, gives them to the EL under test and makes the last its head.
    ///
    /// # Panics
    /// If the EL under test refuses them.
    pub async fn extend_subject(&self, parent: L2BlockRef, count: usize) -> Vec<Built> {
        let blocks = self.build(parent, count).await;
        for block in &blocks {
            self.insert(block).await;
        }
        if let Some(last) = blocks.last() {
            self.choose_until_head(last).await;
        }
        blocks
    }

    /// Gives `block` to the EL under test, which must call it VALID.
    ///
    /// # Panics
    /// If it does not.
    pub async fn insert(&self, block: &Built) {
        let status = self
            .subject
            .new_payload(&block.envelope)
            .await
            .expect("newPayload answers");
        assert_eq!(status.status, PayloadStatusEnum::Valid);
        assert_eq!(status.latest_valid_hash, Some(block.block_ref.hash));
    }

    /// Asks the EL under test for the head `block`, without labels.
    ///
    /// # Panics
    /// If the call fails.
    pub async fn choose(&self, block: &Built) -> PayloadStatusEnum {
        let state = forkchoice(block.block_ref.hash);
        let updated = self.subject.fork_choice_updated(state, None).await;
        updated
            .expect("forkchoiceUpdated answers")
            .payload_status
            .status
    }

    /// Repeats newPayload and forkchoice until the EL's latest block is `block`: a VALID alone does not mean that.
    ///
    /// # Panics
    /// If it never comes to that.
    pub async fn choose_until_head(&self, block: &Built) {
        let moved = async {
            loop {
                self.choose(block).await;
                if self.latest().await == block.block_ref {
                    return;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
                self.insert(block).await;
            }
        };
        tokio::time::timeout(PATIENCE, moved)
            .await
            .unwrap_or_else(|_| panic!("the head never became {}", block.block_ref));
    }

    /// The latest block of the EL under test.
    ///
    /// # Panics
    /// If it has none.
    pub async fn latest(&self) -> L2BlockRef {
        let block = self.subject.block(alloy_eips::BlockId::latest()).await;
        block
            .expect("a read answers")
            .expect("there is a latest block")
            .block_ref
    }

    /// Runs all checks, one after the other.
    ///
    /// # Panics
    /// At the first that fails.
    pub async fn check_all(&self) {
        built_payloads_become_head(self).await;
        storage_root_of_the_message_passer_is_in_the_header(self).await;
        payloads_are_read_back(self).await;
        missing_ancestors_are_syncing_until_they_arrive(self).await;
        zero_heads_are_refused(self).await;
        unknown_labels_are_refused_after_the_head_moved(self).await;
        ancestors_do_not_move_the_head(self).await;
        siblings_reorganize(self).await;
        attributes_name_one_build(self).await;
        bad_attributes_are_refused(self).await;
        unknown_builds_and_blocks_are_told(self).await;
        wrong_hashes_are_invalid(self).await;
        // Last, because it finalizes a block, and no EL must leave a finalized block for another branch.
        blocks_are_found_by_hash_number_and_label(self).await;
    }
}

/// A forkchoice that names a head and leaves the labels as they are.
pub(crate) fn forkchoice(head: B256) -> ForkchoiceState {
    ForkchoiceState {
        head_block_hash: head,
        ..Default::default()
    }
}

/// The checks must hold for the EL in memory, or tests that stand on it prove nothing about a real one.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{ChainBuilder, MemoryEl, MemoryElKind};

    #[tokio::test]
    async fn the_execution_layer_in_memory_behaves_like_a_real_one() {
        let chain = ChainBuilder::new();
        for kind in MemoryElKind::ALL {
            let subject = MemoryEl::with_kind(&chain, kind);
            let fixture = Fixture::new(subject, MemoryEl::new(&chain), chain.config());
            fixture.check_all().await;
        }
    }
}
