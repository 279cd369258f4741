//! The checks. Each builds its own branch from genesis on, and panics if the EL under test does otherwise.

use super::{Built, Fixture, LOOK_AGAIN, PATIENCE, forkchoice};
use crate::ElError;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, address};
use alloy_rpc_types_engine::{PayloadId, PayloadStatusEnum};
use light_node_protocol::{Hardfork, Severity};
use op_alloy_rpc_types_engine::OpPayloadAttributes;

const MESSAGE_PASSER: Address = address!("4200000000000000000000000000000000000016");

/// Chain id and genesis are those of the configuration, and what the EL under test builds itself it accepts.
///
/// # Panics
/// If the EL does otherwise.
pub async fn built_payloads_become_head(fixture: &Fixture) {
    let subject = &fixture.subject;
    assert_eq!(
        subject.chain_id().await.expect("a chain id"),
        fixture.config.l2_chain_id
    );
    let genesis = fixture.genesis();
    let found = subject
        .block(BlockId::number(genesis.number))
        .await
        .expect("a read");
    assert_eq!(found.expect("a genesis block").block_ref.id(), genesis.id());

    let attributes = fixture.attributes(&genesis, fixture.salt());
    let timestamp = attributes.payload_attributes.timestamp;
    let started = subject
        .fork_choice_updated(forkchoice(genesis.hash), Some(attributes))
        .await;
    let id = started
        .expect("a build starts")
        .payload_id
        .expect("a payload id");
    let envelope = subject.get_payload(id, timestamp).await.expect("a payload");
    let block_ref = crate::payload_ref(&fixture.config, &envelope).expect("its hash holds");
    assert_eq!(block_ref.parent_hash, genesis.hash);
    assert_eq!(block_ref.timestamp, timestamp);
    let block = Built {
        block_ref,
        envelope,
    };
    fixture.insert(&block).await;
    fixture.choose_until_head(&block).await;
    // The same again is no news.
    fixture.insert(&block).await;
    assert_eq!(fixture.choose(&block).await, PayloadStatusEnum::Valid);
}

/// Blocks are read by hash, number and label, in the order of the question, and unknown ones are `None`.
///
/// # Panics
/// If the EL does otherwise.
pub async fn blocks_are_found_by_hash_number_and_label(fixture: &Fixture) {
    let blocks = fixture.extend_subject(fixture.genesis(), 3).await;
    let mut state = forkchoice(blocks[2].block_ref.hash);
    state.safe_block_hash = blocks[1].block_ref.hash;
    state.finalized_block_hash = blocks[0].block_ref.hash;
    let updated = fixture
        .subject
        .fork_choice_updated(state, None)
        .await
        .expect("an answer");
    assert!(updated.is_valid());

    let ids = [
        BlockId::from(B256::repeat_byte(0xee)),
        BlockId::Number(BlockNumberOrTag::Finalized),
        BlockId::Number(BlockNumberOrTag::Safe),
        BlockId::latest(),
        BlockId::from(blocks[0].block_ref.hash),
        BlockId::number(blocks[1].block_ref.number),
        BlockId::number(u64::from(u32::MAX)),
    ];
    let [first, second, third] = [0, 1, 2].map(|index: usize| Some(blocks[index].block_ref));
    let expected = [None, first, second, third, first, second, None];
    let mut found = Vec::new();
    let agreed = async {
        while found != expected {
            let answer = fixture
                .subject
                .blocks(&ids)
                .await
                .expect("a batch of reads");
            found = answer
                .iter()
                .map(|block| block.map(|block| block.block_ref))
                .collect();
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    // op-reth answers with the old labels for a moment.
    let agreed = tokio::time::timeout(PATIENCE, agreed).await;
    assert!(agreed.is_ok(), "the labels never came: {found:?}");
}

/// From Isthmus on the header has the storage root of the message passer; the proof says the same.
///
/// # Panics
/// If the EL does otherwise.
pub async fn storage_root_of_the_message_passer_is_in_the_header(fixture: &Fixture) {
    let blocks = fixture.extend_subject(fixture.genesis(), 1).await;
    let this = blocks[0].block_ref;
    let proven = fixture
        .subject
        .storage_root(MESSAGE_PASSER, this.hash)
        .await;
    let proven = proven.expect("a proof that holds");
    if fixture.config.is_active(Hardfork::Isthmus, this.timestamp) {
        let block = fixture
            .subject
            .block(this.hash.into())
            .await
            .expect("a read");
        assert_eq!(block.expect("the block").withdrawals_root, Some(proven));
    }
    let unknown = fixture
        .subject
        .storage_root(MESSAGE_PASSER, B256::repeat_byte(0xee))
        .await;
    assert!(
        unknown.is_err(),
        "a proof for an unknown block: {unknown:?}"
    );
}

/// The payload of a block is read by hash, by number and by label, as it came.
///
/// # Panics
/// If the EL does otherwise.
pub async fn payloads_are_read_back(fixture: &Fixture) {
    let blocks = fixture.extend_subject(fixture.genesis(), 2).await;
    let [first, last] = [&blocks[0], &blocks[1]];
    fixture.choose_until_head(last).await;
    let by_number = BlockId::number(first.block_ref.number);
    for (id, block) in [
        (BlockId::from(first.block_ref.hash), first),
        (by_number, first),
        (BlockId::latest(), last),
    ] {
        let read = fixture.subject.payload(id).await.expect("a read");
        assert_eq!(read.as_ref(), Some(&block.envelope), "{id:?}");
    }
    let genesis = fixture.subject.payload(BlockId::number(0)).await;
    let genesis = genesis.expect("a read").expect("a genesis block");
    assert_eq!(
        genesis.execution_payload.block_hash(),
        fixture.genesis().hash
    );
    for unknown in [
        BlockId::from(B256::repeat_byte(0xee)),
        BlockId::number(u64::from(u32::MAX)),
    ] {
        let read = fixture.subject.payload(unknown).await;
        assert_eq!(read.expect("a read"), None, "{unknown:?}");
    }
}

/// A payload without its ancestors is SYNCING, as payload and as head; when they have come it becomes head.
///
/// # Panics
/// If the EL does otherwise.
pub async fn missing_ancestors_are_syncing_until_they_arrive(fixture: &Fixture) {
    let blocks = fixture.build(fixture.genesis(), 4).await;
    let last = &blocks[3];
    let status = fixture
        .subject
        .new_payload(&last.envelope)
        .await
        .expect("an answer")
        .status;
    let waits = [PayloadStatusEnum::Syncing, PayloadStatusEnum::Accepted];
    assert!(
        waits.contains(&status),
        "newPayload without ancestors: {status}"
    );
    assert_eq!(fixture.choose(last).await, PayloadStatusEnum::Syncing);
    assert_ne!(fixture.latest().await, last.block_ref);
    for block in &blocks[..3] {
        fixture.insert(block).await;
    }
    fixture.choose_until_head(last).await;
}

/// A zero head is refused: op-reth -38002, op-geth INVALID.
///
/// # Panics
/// If the EL does otherwise.
pub async fn zero_heads_are_refused(fixture: &Fixture) {
    let before = fixture.latest().await;
    match fixture
        .subject
        .fork_choice_updated(forkchoice(B256::ZERO), None)
        .await
    {
        Err(ElError::InvalidForkchoiceState { .. }) => {}
        Ok(updated) => assert!(updated.is_invalid(), "a zero head: {updated:?}"),
        Err(error) => panic!("a zero head: {error}"),
    }
    assert_eq!(fixture.latest().await, before);
}

/// An unknown safe block is -38002, and the head has moved all the same.
///
/// # Panics
/// If the EL does otherwise.
pub async fn unknown_labels_are_refused_after_the_head_moved(fixture: &Fixture) {
    let blocks = fixture.extend_subject(fixture.genesis(), 1).await;
    let next = fixture.build(blocks[0].block_ref, 1).await.remove(0);
    fixture.insert(&next).await;
    let mut state = forkchoice(next.block_ref.hash);
    state.safe_block_hash = B256::repeat_byte(0xee);
    let refused = fixture.subject.fork_choice_updated(state, None).await;
    assert!(
        matches!(refused, Err(ElError::InvalidForkchoiceState { .. })),
        "{refused:?}"
    );
    fixture.choose_until_head(&next).await;
}

/// A head that is an ancestor of the latest block is VALID and nothing moves; attributes on it are built.
///
/// # Panics
/// If the EL does otherwise.
pub async fn ancestors_do_not_move_the_head(fixture: &Fixture) {
    let blocks = fixture.extend_subject(fixture.genesis(), 3).await;
    assert_eq!(fixture.choose(&blocks[0]).await, PayloadStatusEnum::Valid);
    assert_eq!(fixture.latest().await, blocks[2].block_ref);

    let attributes = fixture.attributes(&blocks[0].block_ref, fixture.salt());
    let timestamp = attributes.payload_attributes.timestamp;
    let state = forkchoice(blocks[0].block_ref.hash);
    let started = fixture
        .subject
        .fork_choice_updated(state, Some(attributes))
        .await;
    let id = started
        .expect("a build on an ancestor")
        .payload_id
        .expect("a payload id");
    let envelope = fixture
        .subject
        .get_payload(id, timestamp)
        .await
        .expect("a payload");
    assert_eq!(
        envelope.execution_payload.parent_hash(),
        blocks[0].block_ref.hash
    );
}

/// A head on another branch is a reorg, there and back.
///
/// # Panics
/// If the EL does otherwise.
pub async fn siblings_reorganize(fixture: &Fixture) {
    let ours = fixture.extend_subject(fixture.genesis(), 3).await;
    let theirs = fixture.build(ours[0].block_ref, 2).await;
    for block in &theirs {
        fixture.insert(block).await;
    }
    assert_eq!(
        fixture.latest().await,
        ours[2].block_ref,
        "newPayload alone moves no head"
    );
    assert_eq!(fixture.choose(&theirs[1]).await, PayloadStatusEnum::Valid);
    fixture.choose_until_head(&theirs[1]).await;
    let number = theirs[0].block_ref.number;
    let block = fixture
        .subject
        .block(BlockId::number(number))
        .await
        .expect("a read");
    assert_eq!(block.expect("the block").block_ref, theirs[0].block_ref);

    assert_eq!(fixture.choose(&ours[2]).await, PayloadStatusEnum::Valid);
    fixture.choose_until_head(&ours[2]).await;
}

/// The same attributes on the same head give the same payload id, other ones another.
///
/// # Panics
/// If the EL does otherwise.
pub async fn attributes_name_one_build(fixture: &Fixture) {
    let blocks = fixture.extend_subject(fixture.genesis(), 1).await;
    let this = blocks[0].block_ref;
    let one = fixture.attributes(&this, fixture.salt());
    let other = fixture.attributes(&this, fixture.salt());
    let start = async |attributes: &OpPayloadAttributes| {
        let attributes = Some(attributes.clone());
        let started = fixture
            .subject
            .fork_choice_updated(forkchoice(this.hash), attributes)
            .await;
        started
            .expect("a build starts")
            .payload_id
            .expect("a payload id")
    };
    let id = start(&one).await;
    assert_eq!(start(&one).await, id);
    assert_ne!(start(&other).await, id);
}

/// Attributes with an old timestamp, without gas limit, or with a transaction that does not decode start no build, and
/// the error says that trying again is of no use. (-38003 or -32602, as the EL likes.)
///
/// # Panics
/// If the EL does otherwise.
pub async fn bad_attributes_are_refused(fixture: &Fixture) {
    let blocks = fixture.extend_subject(fixture.genesis(), 1).await;
    let this = blocks[0].block_ref;
    let good = fixture.attributes(&this, fixture.salt());
    let mut old = good.clone();
    old.payload_attributes.timestamp = this.timestamp;
    let no_gas_limit = OpPayloadAttributes {
        gas_limit: None,
        ..good.clone()
    };
    let undecodable = OpPayloadAttributes {
        transactions: Some(vec![Bytes::from_static(&[0x7e, 1])]),
        ..good
    };
    for (name, bad) in [
        ("old", old),
        ("no gas limit", no_gas_limit),
        ("undecodable", undecodable),
    ] {
        let refused = fixture
            .subject
            .fork_choice_updated(forkchoice(this.hash), Some(bad))
            .await;
        match refused {
            Err(error) => assert_eq!(error.severity(), Severity::Drop, "{name}: {error}"),
            Ok(updated) => panic!("{name}: {updated:?}"),
        }
    }
}

/// An unknown payload id is -38001.
///
/// # Panics
/// If the EL does otherwise.
pub async fn unknown_builds_and_blocks_are_told(fixture: &Fixture) {
    let genesis = fixture.genesis();
    let id = PayloadId::new([3, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee]);
    let timestamp = genesis.timestamp + fixture.config.block_time;
    let unknown = fixture.subject.get_payload(id, timestamp).await;
    assert_eq!(unknown.err(), Some(ElError::UnknownPayload));
    let unknown = fixture.subject.block(B256::repeat_byte(0xee).into()).await;
    assert_eq!(unknown, Ok(None));
}

/// A payload that does not hash to what it announces is INVALID, and the head stays.
///
/// # Panics
/// If the EL does otherwise.
pub async fn wrong_hashes_are_invalid(fixture: &Fixture) {
    let blocks = fixture.extend_subject(fixture.genesis(), 1).await;
    let mut next = fixture.build(blocks[0].block_ref, 1).await.remove(0);
    next.envelope.execution_payload.as_v1_mut().block_hash = B256::repeat_byte(0xee);
    let status = fixture
        .subject
        .new_payload(&next.envelope)
        .await
        .expect("an answer");
    assert!(status.is_invalid(), "a wrong block hash: {status}");
    assert_eq!(fixture.latest().await, blocks[0].block_ref);
}
