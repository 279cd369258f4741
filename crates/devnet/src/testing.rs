//! What this crate's tests share: a devnet in parts, in which every step is taken by the test.

use crate::{
    accounts::DevAccount,
    batcher::{BatchKind, Batcher, BatcherConfig, DataAvailability, Ledger},
    config::{Blocks, DevnetConfig},
    deploy::Deployment,
    l2_chain::L2Chain,
    sequencer::Sequencer,
    source::Source,
    system_configs::is_canonical,
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use light_node_actor::CancellationToken;
use light_node_devnet_batches::Compression;
use light_node_devnet_el::{ElConfig, EmbeddedEl, InProcessEngine};
use light_node_devnet_l1::{DEVNET_L1_CHAIN_ID, EmbeddedL1};
use light_node_protocol::{Hardfork, SyncStatus};
use std::{path::PathBuf, sync::Arc};
use tokio_util::sync::DropGuard;

/// When the chains of tests start.
pub(crate) const GENESIS_TIME: u64 = 1_750_000_000;

/// The forks that every rule of the devnet is tested on.
pub(crate) const FORKS: [Hardfork; 3] = [Hardfork::Isthmus, Hardfork::Jovian, Hardfork::Karst];

/// A devnet in which nothing happens by itself.
pub(crate) fn config(fork: Hardfork) -> DevnetConfig {
    DevnetConfig {
        fork,
        l1_finalized_lag: 20,
        blocks: Blocks::OnCommand,
        traffic: false,
        deriver: false,
        ..DevnetConfig::new(PathBuf::new())
    }
}

/// The deployment of [`config`] on the default fork.
pub(crate) fn deployment() -> Deployment {
    Deployment::new(&config(Hardfork::Jovian), GENESIS_TIME).expect("the test's config is valid")
}

/// Every way to write, in small frames.
pub(crate) fn writers() -> Vec<BatcherConfig> {
    let mut writers = Vec::new();
    for batches in [BatchKind::Span, BatchKind::Singular] {
        for compression in [Compression::Brotli, Compression::Zlib] {
            for da in [DataAvailability::Blobs, DataAvailability::Calldata] {
                writers.push(BatcherConfig {
                    batches,
                    compression,
                    da,
                    frame_bytes: Some(1_000),
                });
            }
        }
    }
    writers
}

/// A transaction on L1 with ample fees.
pub(crate) fn l1_transaction(nonce: u64, to: Address, value: U256, input: Bytes) -> TxEip1559 {
    TxEip1559 {
        chain_id: DEVNET_L1_CHAIN_ID,
        nonce,
        gas_limit: 1_000_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to),
        value,
        input,
        ..TxEip1559::default()
    }
}

/// A signed call of a contract on L1.
pub(crate) fn l1_call(from: &DevAccount, nonce: u64, to: Address, call: &impl SolCall) -> Bytes {
    from.sign(l1_transaction(
        nonce,
        to,
        U256::ZERO,
        call.abi_encode().into(),
    ))
}

/// The parts of a devnet without followers. L1 blocks are mined, L2 blocks built and the source updated by hand.
pub(crate) struct Rig {
    pub(crate) l1: EmbeddedL1,
    pub(crate) l2: L2Chain,
    pub(crate) sequencer: Sequencer,
    pub(crate) batcher: Batcher,
    pub(crate) source: Source,
    _stop: DropGuard,
}

impl Rig {
    pub(crate) async fn new(fork: Hardfork) -> Self {
        Self::with(config(fork)).await
    }

    pub(crate) async fn with(config: DevnetConfig) -> Self {
        let deployment =
            Deployment::new(&config, GENESIS_TIME).expect("the test's config is valid");
        let token = CancellationToken::new();
        let rollup = deployment.rollup_config;
        let l1 = EmbeddedL1::start(deployment.l1, token.clone())
            .await
            .expect("port 0 is free");
        let el = EmbeddedEl::new(ElConfig::new(deployment.l2_genesis)).expect("genesis is ours");
        let engine = Arc::new(InProcessEngine::new(el.clone(), rollup.clone()));
        let l2 = L2Chain::new(el, rollup.clone());
        let ledger = Ledger::default();
        let source = Source::new(l1.clone(), l2.clone(), ledger.clone());
        let status = source.subscribe();
        let (sequencer, _) = Sequencer::new(rollup, engine, l1.clone(), status.clone(), false);
        let (batcher, _) = Batcher::new(l1.clone(), l2.clone(), ledger, status, config.batcher);
        Self {
            l1,
            l2,
            sequencer,
            batcher,
            source,
            _stop: token.drop_guard(),
        }
    }

    /// Builds L2 blocks until the next one would be later than `l1_blocks` more L1 blocks, which are mined one by one; the
    /// batcher sends with each.
    pub(crate) async fn advance(&mut self, l1_blocks: u64) {
        for _ in 0..l1_blocks {
            self.grow().await;
            self.batcher
                .submit(&self.status())
                .expect("batches are sent");
        }
    }

    /// Mines an L1 block, and builds L2 blocks until the next one would be later. Nothing is sent.
    pub(crate) async fn grow(&mut self) {
        let l1_head = self.l1.mine(1).expect("one block is few");
        while self.next_l2_time() <= l1_head.timestamp {
            self.sequencer.build_next().await.expect("a block is built");
        }
        self.source.update();
    }

    /// Mines what the batcher has sent, and one L1 block more.
    pub(crate) fn settle(&mut self) {
        for _ in 0..2 {
            self.l1.mine(1).expect("one block is few");
            self.source.update();
            self.batcher
                .submit(&self.status())
                .expect("batches are sent");
        }
    }

    pub(crate) fn status(&self) -> SyncStatus {
        *self.source.subscribe().borrow()
    }

    fn next_l2_time(&self) -> u64 {
        self.l2.view().head().header().timestamp + self.l2.config().block_time
    }

    /// What must hold of every status at every time.
    pub(crate) fn assert_coherent(&self) {
        let status = self.status();
        let heads = [status.finalized_l2, status.safe_l2, status.unsafe_l2];
        assert!(heads.is_sorted_by_key(|head| head.number), "{status:?}");
        assert_eq!(status.local_safe_l2, status.safe_l2);
        assert!(status.safe_l2.l1_origin.number <= status.current_l1.number);
        assert!(status.current_l1.number <= status.head_l1.number);
        self.l1.with_chain(|chain| {
            for head in heads {
                assert!(is_canonical(chain, &head.l1_origin), "{status:?}");
            }
            assert!(is_canonical(chain, &status.current_l1.id()));
        });
        let view = self.l2.view();
        for head in heads {
            let on_chain = view.block_by_number(head.number).map(|block| block.hash);
            assert_eq!(on_chain, Some(head.hash), "{status:?}");
        }
    }
}
