#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    MESSAGE_PASSER,
    testing::{TestChain, foreign_blocks, forkchoice, withdrawal},
};
use light_node_protocol::Hardfork;

fn engine(chain: &TestChain) -> Arc<InProcessEngine> {
    Arc::new(InProcessEngine::new(
        chain.el.clone(),
        Arc::new(chain.config.clone()),
    ))
}

#[tokio::test]
async fn a_block_is_built_inserted_and_read_back_through_the_trait() {
    for fork in [Hardfork::Ecotone, Hardfork::Jovian, Hardfork::Karst] {
        let chain = TestChain::new(fork);
        let engine = engine(&chain);
        assert_eq!(engine.chain_id().await, Ok(901));
        let genesis = engine.block(BlockId::latest()).await.unwrap().unwrap();
        assert_eq!(genesis.block_ref.l1_origin, chain.config.genesis.l1);

        chain.submit(&withdrawal(0, 0));
        let attributes = chain.attributes_on(&chain.head());
        let timestamp = attributes.payload_attributes.timestamp;
        let state = forkchoice(genesis.block_ref.hash);
        let started = engine.fork_choice_updated(state, Some(attributes)).await;
        let id = started.unwrap().payload_id.unwrap();
        let envelope = engine.get_payload(id, timestamp).await.unwrap();
        assert!(engine.new_payload(&envelope).await.unwrap().is_valid());
        let hash = envelope.execution_payload.block_hash();
        let state = forkchoice(hash);
        let updated = engine.fork_choice_updated(state, None).await.unwrap();
        assert!(updated.is_valid());

        let reader: Arc<dyn ElReader> = engine.as_reader();
        let ids = [BlockId::latest(), 7.into(), BlockId::safe(), hash.into()];
        let blocks = reader.blocks(&ids).await.unwrap();
        let latest = blocks[0].unwrap();
        assert_eq!(latest.block_ref.hash, hash);
        assert_eq!(latest.block_ref.l1_origin.number, 100);
        assert_eq!(latest.block_ref.sequence_number, 1);
        assert_eq!(
            (blocks[1], blocks[2], blocks[3]),
            (None, None, Some(latest))
        );
        let root = reader.storage_root(MESSAGE_PASSER, hash).await.unwrap();
        if fork >= Hardfork::Isthmus {
            assert_eq!(latest.withdrawals_root, Some(root));
        }
        assert!(
            reader
                .storage_root(MESSAGE_PASSER, B256::ZERO)
                .await
                .is_err()
        );
        assert!(reader.client_version().await.unwrap().is_some());
    }
}

#[tokio::test]
async fn errors_are_those_that_the_http_client_would_read() {
    let chain = TestChain::new(Hardfork::Isthmus);
    let engine = engine(&chain);
    let zero = engine
        .fork_choice_updated(forkchoice(B256::ZERO), None)
        .await;
    assert!(matches!(zero, Err(ElError::InvalidForkchoiceState { .. })));
    let unknown = engine.get_payload(PayloadId::default(), 0).await;
    assert_eq!(unknown, Err(ElError::UnknownPayload));
    let head = chain.head();
    let mut attributes = chain.attributes_on(&head);
    attributes.gas_limit = None;
    let state = forkchoice(head.hash);
    let refused = engine.fork_choice_updated(state, Some(attributes)).await;
    assert!(matches!(refused, Err(ElError::Rpc { code: -32602, .. })));
    let mut envelope = chain
        .build(head.hash, chain.attributes_on(&head))
        .envelope();
    envelope.parent_beacon_block_root = None;
    let refused = engine.new_payload(&envelope).await;
    assert!(matches!(refused, Err(ElError::Rpc { code: -32602, .. })));
}

#[tokio::test]
async fn an_unknown_head_is_reported_as_syncing_until_it_is_there() {
    let chain = TestChain::new(Hardfork::Isthmus);
    let engine = engine(&chain);
    let blocks = foreign_blocks(Hardfork::Isthmus, 2);
    assert_eq!(engine.syncing().await, Ok(ElSyncing::Idle));
    let payload = |index: usize| {
        let data = crate::testing::data(&blocks[index]);
        OpExecutionPayloadEnvelope {
            parent_beacon_block_root: data.parent_beacon_block_root(),
            execution_payload: data.payload,
        }
    };
    assert!(engine.new_payload(&payload(1)).await.unwrap().is_syncing());
    let state = forkchoice(blocks[1].hash);
    let updated = engine.fork_choice_updated(state, None).await.unwrap();
    assert!(updated.is_syncing());
    let expected = ElSyncing::Syncing {
        current: 0,
        highest: 2,
        marks: 0,
    };
    assert_eq!(engine.syncing().await, Ok(expected));
    assert!(engine.new_payload(&payload(0)).await.unwrap().is_valid());
    assert_eq!(engine.syncing().await, Ok(ElSyncing::Idle));
}
