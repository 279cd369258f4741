//! What single parts of kona's get wrong that a whole chain does not show, or that stops it, beside what ours make of it.

use super::{stock, *};
use crate::{
    channel::{ChannelBatches, ChannelItem},
    kona::{
        Batch, PipelineErrorKind,
        stock::{BatchReader, run_on},
        stock_parts,
    },
    span::{SpanChain, SpanError, decode_span},
    testing::{allocations::peak_of, el::FakeEl},
};
use alloy_primitives::Address;
use async_trait::async_trait;
use light_node_l1::{L1Data, L1DataError};

const CHAIN: SpanChain = SpanChain {
    chain_id: world::CHAIN_ID,
    block_time: world::L2_BLOCK_TIME,
    genesis_time: world::GENESIS_TIME,
    horizon: None,
};

/// What the stock blob source gives first, if the beacon node has these blobs for a transaction with so many.
async fn stock_blob(count: usize, answer: Option<Vec<Blob>>) -> Result<Bytes, PipelineErrorKind> {
    let mut hash = B256::repeat_byte(3);
    hash[0] = 1;
    let transaction = world::blob_transaction(&vec![hash; count], Bytes::new());
    stock_parts::blob_data(transaction, Address::repeat_byte(0xff), answer).await
}

#[tokio::test]
async fn an_empty_blob_stops_the_stock_source_and_is_skipped_by_ours() {
    let stock = stock_blob(1, Some(vec![Blob::ZERO])).await;
    assert!(matches!(stock, Err(PipelineErrorKind::Critical(_))));
    let (world, blocks) = sequenced(3).await;
    let mut hashes = blobs(&world, &batcher::channel(&singles(&blocks)));
    hashes.insert(0, world.l1.push_blob(Blob::ZERO));
    world.post(vec![with_blobs(&hashes)]);
    let mut driver = Driver::new(&world);
    driver.run().await;
    assert_eq!(driver.hashes(), world.el.hashes());
}

#[tokio::test]
async fn before_ecotone_the_input_of_a_blob_transaction_counts_which_the_stock_source_passes_over()
{
    let mut world = stock::before_jovian(2);
    world.l1.push_empty(6);
    let blocks = world.sequence_many(2).await;
    let frames = batcher::frames(1, &batcher::channel(&[span(&blocks)]), usize::MAX);
    let input = batcher::calldata(&frames);
    let transaction = world::blob_transaction(&[B256::repeat_byte(1)], input.clone());
    let stock = stock_parts::calldata(transaction, Address::repeat_byte(0xff)).await;
    let nothing = PipelineErrorKind::Temporary(PipelineError::Eof);
    assert_eq!(stock, Err(nothing));
    world.post(vec![InboxTransaction {
        sender: BATCHER,
        data: InboxData::Blobs {
            hashes: vec![B256::repeat_byte(1)],
            input,
        },
    }]);
    let mut driver = Driver::new(&world);
    driver.run().await;
    assert_eq!(driver.hashes(), world.el.hashes());
}

/// An L1 whose beacon node gives one blob more or less than was asked for.
#[derive(Debug)]
struct Miscounting {
    l1: light_node_l1::MemoryL1Source,
    gives_more: bool,
}

#[async_trait]
impl L1Source for Miscounting {
    async fn block(&self, number: u64) -> Result<Option<Arc<L1Data>>, L1DataError> {
        self.l1.block(number).await
    }

    async fn block_by_hash(&self, id: BlockNumHash) -> Result<Option<Arc<L1Data>>, L1DataError> {
        self.l1.block_by_hash(id).await
    }

    async fn blobs(
        &self,
        block: BlockNumHash,
        slot_time: u64,
        parent_beacon_root: Option<B256>,
        hashes: &[B256],
    ) -> Result<Vec<Arc<Blob>>, BlobError> {
        let blobs = self.l1.blobs(block, slot_time, parent_beacon_root, hashes);
        let mut blobs = blobs.await?;
        if self.gives_more {
            blobs.push(blobs[0].clone());
        } else {
            blobs.pop();
        }
        Ok(blobs)
    }

    fn advance(&self, cursor: BlockNumHash, batcher: Address) {
        self.l1.advance(cursor, batcher);
    }
}

#[tokio::test]
async fn a_blob_too_few_or_too_many_is_asked_for_again_where_the_stock_source_stops_or_looks_away()
{
    let full = Blob::repeat_byte(1);
    let few = stock_blob(2, Some(vec![full])).await;
    assert!(matches!(few, Err(PipelineErrorKind::Critical(_))));
    let (world, blocks) = sequenced(1).await;
    let frame = batcher::frames(1, &batcher::channel(&singles(&blocks)), 3).remove(0);
    let data = frame.encode_alone();
    let many = stock_blob(1, Some(vec![blob(&data), full])).await;
    assert_eq!(many.unwrap(), data);

    let hashes = blobs(&world, &batcher::channel(&singles(&blocks)));
    world.post(vec![with_blobs(&hashes)]);
    for gives_more in [false, true] {
        let driver = Driver::new(&world);
        let l1 = world.l1.clone();
        let l1: Arc<dyn L1Source> = Arc::new(Miscounting { l1, gives_more });
        let config = DeriverConfig {
            rollup: world.config.clone(),
            l1_chain: world::l1_chain(),
            upgrades: UpgradeBundles::default(),
        };
        let mut deriver = Deriver::new(config, l1, Arc::new(driver.el.clone()));
        let genesis = driver.el.head();
        deriver.reset(&ResetPoint {
            safe_head: genesis,
            safe_config: driver.el.system_config(0),
            origin: world.l1.data(1).unwrap().block_ref(),
            origin_config: driver.el.system_config(0),
            used_up: None,
        });
        let step = loop {
            match deriver.step(Parent::Known(genesis)).await {
                Step::Advanced(_) | Step::Again => {}
                step => break step,
            }
        };
        let asks_again = matches!(
            step,
            Step::Retry(RetryCause::Blobs(BlobError::Unavailable { .. }))
        );
        assert!(asks_again, "{step:?}");
    }
}

#[tokio::test]
async fn blobs_of_a_block_that_left_l1_are_a_reset_where_the_stock_source_tries_for_ever() {
    let stock = stock_blob(1, None).await;
    assert!(matches!(stock, Err(PipelineErrorKind::Temporary(_))));
    let (world, blocks) = sequenced(3).await;
    let hashes = blobs(&world, &batcher::channel(&singles(&blocks)));
    world.post(vec![with_blobs(&hashes)]);
    world.l1.remove_blob(hashes[0]);
    let mut driver = Driver::new(&world);
    loop {
        match driver.step().await {
            Step::Advanced(_) | Step::Again => {}
            Step::Retry(RetryCause::Blobs(BlobError::Missed { .. })) => break,
            step => panic!("{step:?}"),
        }
    }
    world.l1.reorg(1);
    world.l1.push_empty(2);
    let step = driver.step().await;
    assert!(matches!(step, Step::Reset(_)), "{step:?}");
}

#[tokio::test]
async fn a_span_that_contradicts_the_safe_chain_is_dropped_which_the_stock_pipeline_goes_on_from() {
    let (world, blocks) = stock::isthmus(8).await;
    let mut overlapping = blocks.clone();
    overlapping[2].batch.transactions = world::transactions(77, 1);
    let first = batcher::post(BATCHER, 1, &singles(&blocks[..4]));
    let second = batcher::post(BATCHER, 2, &[span(&overlapping[1..])]);
    world.post(vec![first, second]);
    let (stock, ours) = stock::both(&world).await;
    assert_eq!((stock.derived.len(), ours.derived.len()), (8, 4));
}

#[tokio::test]
async fn a_failed_read_of_l2_does_not_cost_the_span_as_with_the_stock_pipeline() {
    let (world, blocks) = stock::isthmus(8).await;
    let first = batcher::post(BATCHER, 1, &singles(&blocks[..4]));
    let second = batcher::post(BATCHER, 2, &[span(&blocks[1..])]);
    world.post(vec![first, second]);
    let el = FakeEl::new(world.config.clone());
    el.fail_next(1);
    let stock = run_on(&world, el).await;
    assert_eq!(stock.derived.len(), 4);
    let mut ours = Driver::new(&world);
    ours.el.fail_next(1);
    let mut retries = 0;
    loop {
        match ours.step().await {
            Step::CaughtUp => break,
            Step::Retry(RetryCause::L2(_)) => retries += 1,
            Step::Attributes(_) | Step::Advanced(_) | Step::Again => {}
            step => panic!("{step:?}"),
        }
    }
    assert_eq!((retries, ours.safe.number), (1, 8));
}

/// A span batch without its type byte: so many blocks without transactions, the last one on this L1 block.
fn empty_blocks(rel_timestamp: &[u8], last_epoch: &[u8], origin_bits: u8) -> Vec<u8> {
    let counts = [2, origin_bits, 0, 0];
    [rel_timestamp, last_epoch, &[1; 40], &counts].concat()
}

#[test]
fn numbers_that_overflow_wrap_as_in_the_reference_node_where_the_stock_decoder_may_panic() {
    let max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let config = crate::kona::rollup_config(&World::new().config);
    for encoded in [empty_blocks(&[5], &[0], 0b10), empty_blocks(&max, &[7], 0)] {
        let ours = decode_span(&encoded, &CHAIN).unwrap();
        assert_eq!(ours.batches.len(), 2);
        let typed = [vec![1], encoded].concat();
        let stock = std::panic::catch_unwind(|| Batch::decode(&mut &typed[..], &config).is_ok());
        assert_eq!(stock.is_err(), cfg!(debug_assertions));
    }
}

#[tokio::test]
async fn a_type_byte_of_zero_costs_its_span_where_the_stock_reader_gives_the_channel_up() {
    let mut encoded = vec![1, 5, 7];
    encoded.extend_from_slice(&[1; 40]);
    encoded.extend_from_slice(&[1, 1, 1, 0, 0]);
    encoded.extend_from_slice(&[3; 64]);
    encoded.extend_from_slice(&[4; 20]);
    encoded.extend_from_slice(&[0, 0xc3, 0x80, 0x80, 0x80, 1, 1, 0]);
    let ours = decode_span(&encoded[1..], &CHAIN);
    assert!(matches!(ours, Err(SpanError::Transactions(_))), "{ours:?}");
    let (_, blocks) = sequenced(1).await;
    let good = batcher::rlp(&singles(&blocks)[0]);
    let channel = batcher::zlib(&[batcher::rlp_string(&encoded), good].concat());
    assert_eq!(our_batches(&channel, 100_000), 2);
    assert_eq!(stock_batches(&channel, 100_000, 0), 0);
}

fn stock_batches(compressed: &[u8], limit: usize, fjord_time: u64) -> usize {
    let config = crate::kona::rollup_config(&light_node_protocol::RollupConfig {
        fjord_time: Some(fjord_time),
        ..light_node_protocol::RollupConfig::default()
    });
    let mut reader = BatchReader::new(compressed, limit);
    std::iter::from_fn(|| reader.next_batch(&config)).count()
}

/// Batches and malformed span batches.
fn our_batches(compressed: &[u8], limit: usize) -> usize {
    let compressed = Bytes::copy_from_slice(compressed);
    let mut channel = ChannelBatches::new(compressed, limit as u64, true, CHAIN).unwrap();
    let items = std::iter::from_fn(|| Some(channel.next_item()));
    items
        .take_while(|item| !matches!(item, ChannelItem::End(_)))
        .count()
}

#[tokio::test]
async fn a_zlib_bomb_is_read_to_the_limit_which_the_stock_reader_inflates_whole() {
    let bomb = batcher::zlib(&vec![0; 40_000_000]);
    assert!(bomb.len() < 100_000);
    let (_, stock) = peak_of(|| stock_batches(&bomb, 1_000_000, 0));
    let (_, ours) = peak_of(|| our_batches(&bomb, 1_000_000));
    assert!(stock > 40_000_000 && ours < 3_000_000, "{stock} {ours}");
}

#[tokio::test]
async fn a_brotli_channel_below_the_limit_is_read_where_the_stock_reader_doubles_beyond_it() {
    let (_, blocks) = sequenced(1).await;
    let batches = vec![batcher::rlp(&singles(&blocks)[0]); 40].concat();
    let channel = batcher::brotli(&batches);
    let limit = batches.len() + 1;
    assert_eq!(our_batches(&channel, limit), 40);
    assert_eq!(stock_batches(&channel, limit, 0), 0);
}

#[tokio::test]
async fn brotli_goes_by_the_time_of_l1_where_the_stock_reader_goes_by_that_of_the_batch() {
    let (_, blocks) = sequenced(1).await;
    let channel = batcher::brotli(&batcher::rlp(&singles(&blocks)[0]));
    // L1 is not there yet, though the batch is.
    let fjord_time = blocks[0].block.timestamp;
    let ours = ChannelBatches::new(channel.clone().into(), 100_000, false, CHAIN);
    assert!(ours.is_err());
    assert_eq!(stock_batches(&channel, 100_000, fjord_time), 1);
    // L1 is there, the batch of a late batcher is not.
    assert_eq!(our_batches(&channel, 100_000), 1);
    assert_eq!(stock_batches(&channel, 100_000, fjord_time + 1), 0);
}

#[tokio::test]
async fn blocks_of_jovian_are_read_which_the_stock_types_cannot_read() {
    let (world, blocks) = sequenced(2).await;
    let number = blocks[1].block.number;
    let config = world.el.system_config(number);
    let extra_data = config.extra_data(&world.config, blocks[1].block.timestamp);
    assert_eq!(extra_data.len(), 17);
    let stock = stock_parts::reads_block(&world, number, extra_data.clone()).await;
    assert_eq!(stock, (false, false));
    assert_eq!(world.el.at(number), Some(blocks[1].block));

    // With the L1 information of Isthmus, as in the first block of Jovian, its extra data is still too long.
    let (world, _) = stock::isthmus(2).await;
    let stock = stock_parts::reads_block(&world, 2, extra_data).await;
    assert_eq!(stock, (true, false));
}

#[tokio::test]
async fn an_l1_with_headers_of_glamsterdam_is_read_which_stops_the_stock_pipeline() {
    let mut world = stock::before_jovian(7);
    world.l1.push_with(Vec::new(), Vec::new(), |header| {
        header.timestamp = world::GENESIS_TIME + 2;
        header.withdrawals_root = Some(B256::ZERO);
        header.blob_gas_used = Some(0);
        header.excess_blob_gas = Some(0);
        header.parent_beacon_block_root = Some(B256::ZERO);
        header.requests_hash = Some(B256::ZERO);
        header.block_access_list_hash = Some(B256::repeat_byte(1));
        header.slot_number = Some(77);
    });
    let header = world.l1.data(2).unwrap().header.clone();
    assert!(!stock_parts::reads_header(&header));
    let blocks = world.sequence_many(2).await;
    world.post(vec![batcher::post(BATCHER, 1, &singles(&blocks))]);
    let (stock, ours) = stock::both(&world).await;
    assert_eq!(ours.hashes(), world.el.hashes());
    assert!(stock.derived.len() < ours.derived.len());
}

#[tokio::test]
async fn a_span_far_ahead_of_l1_gives_what_the_stock_pipeline_makes_of_it() {
    let mut world = stock::before_jovian(7);
    world.l1.push_empty(3);
    let mut blocks = Vec::new();
    // The drift of Fjord is half an hour; behind it all are empty, as an honest sequencer would have it.
    for number in 0..1000_u64 {
        let transactions = if number < 850 {
            world::transactions(number, 1)
        } else {
            Vec::new()
        };
        blocks.push(world.sequence_on(1, transactions).await);
    }
    world.post(vec![batcher::post(BATCHER, 1, &[span(&blocks)])]);
    let (stock, ours) = stock::both(&world).await;
    let derived = ours.derived.len();
    assert!((850..1000).contains(&derived), "{derived}");
    stock::assert_same(&stock, &ours, "a span far ahead");
}

#[tokio::test]
async fn beyond_a_sequencing_window_drifting_batches_cost_their_channel_as_with_the_stock_pipeline()
{
    let mut world = World::with(|config| {
        config.jovian_time = None;
        config.seq_window_size = 5;
    });
    // L1 blocks a second apart, so that L2 is soon half an hour ahead of them.
    let post = |world: &World, inbox: Vec<InboxTransaction>| {
        let timestamp = world.l1.head().timestamp + 1;
        let at = |header: &mut alloy_consensus::Header| header.timestamp = timestamp;
        world.l1.push_with(inbox, Vec::new(), at);
    };
    post(&world, Vec::new());
    post(&world, Vec::new());
    let mut blocks = Vec::new();
    for number in 0..900 {
        blocks.push(world.sequence_on(1, world::transactions(number, 1)).await);
    }
    post(&world, vec![batcher::post(BATCHER, 1, &[span(&blocks)])]);
    let mut late = Vec::new();
    for epoch in [2, 3] {
        late.push(world.sequence_on(epoch, Vec::new()).await);
    }
    // Here the window of the first epoch ends, and no block is left to be made on it.
    post(&world, Vec::new());
    post(&world, Vec::new());
    post(&world, vec![batcher::post(BATCHER, 2, &singles(&late))]);
    let (stock, ours) = stock::both(&world).await;
    assert_eq!(
        ours.safe.number, 901,
        "made without its batch, and none after it"
    );
    stock::assert_same(&stock, &ours, "beyond a window");
}
