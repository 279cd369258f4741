//! Batcher data by hand, on a chain that stands still otherwise: what the node makes of one channel, and no more.

use super::{chain::Chain, deriving::LIMIT, process::NodeProcess, wait::until};
use alloy_primitives::B256;
use light_node_devnet::DataAvailability;
use light_node_devnet_batches::{Channel, Compression, Frame, SingularBatch, batcher_data};
use light_node_protocol::L2BlockRef;
use serde_json::json;

/// Pauses the batcher when everything is safe, and builds one more block, without transactions. Returns the safe head, which is
/// the first block on its L1 origin, and that block.
pub(crate) async fn one_block_ahead(chain: &Chain) -> (L2BlockRef, L2BlockRef) {
    let is_first = |block: &L2BlockRef| block.number > 2 && block.sequence_number == 0;
    chain.step_until(|status| is_first(&status.unsafe_l2)).await;
    let safe = chain.settle().await.safe_l2;
    chain.batcher().pause();
    chain.build_up_to(safe.number + 1).await;
    (safe, chain.source().status().unsafe_l2)
}

/// The channel of one block without transactions, in `count` frames.
pub(crate) fn frames_of(block: &L2BlockRef, count: usize) -> Vec<Frame> {
    let batch = SingularBatch::new(
        block.parent_hash,
        block.l1_origin,
        block.timestamp,
        Vec::new(),
    );
    let channel = Channel::of_batches(&[batch.encoded()], Compression::Zlib).unwrap();
    let frames = channel.frames(channel.data.len().div_ceil(count)).unwrap();
    assert_eq!(frames.len(), count);
    frames
}

/// Posts each frame as a transaction or a blob of its own.
pub(crate) async fn post(chain: &Chain, frames: &[Frame], da: DataAvailability) -> Vec<B256> {
    let data = frames.iter().map(|frame| batcher_data([frame]));
    chain.batcher().post(data.collect(), da).await.unwrap()
}

/// Waits until these transactions are on L1.
pub(crate) async fn mined(chain: &Chain, transactions: &[B256]) {
    until("all transactions on L1", LIMIT, || async {
        let missing = chain.l1().with_chain(|l1| {
            let is_missing = |hash: &&B256| l1.transaction(hash).is_none();
            transactions.iter().filter(is_missing).count()
        });
        if missing == 0 { Ok(()) } else { Err(missing) }
    })
    .await;
}

/// Waits until the node has looked through L1 to its head, and found this block safe.
pub(crate) async fn safe_is(chain: &Chain, node: &NodeProcess, safe: &L2BlockRef) {
    let rpc = node.rpc();
    until("the safe head at the head of L1", LIMIT, || async {
        let ours = rpc.sync_status().await?;
        let is_there = ours.safe_l2 == *safe && ours.current_l1 == chain.l1().heads().latest;
        if is_there {
            Ok(())
        } else {
            Err(json!({ "ours": ours, "expected": safe }))
        }
    })
    .await;
}
