//! The publisher alone: a test stands where the swarm is.

use super::*;
use crate::{config::RemoteSigner, handle::BLOCKS_MAX, test_chain};
use std::time::Instant;

const V4: BlockVersion = BlockVersion::V4;

struct Desk {
    blocks: mpsc::Sender<OwnBlock>,
    signed: mpsc::Receiver<SignedBlock>,
    judge: Arc<Judge>,
    metrics: NetworkMetrics,
    token: CancellationToken,
}

fn desk(signer: Option<BlockSigner>) -> Desk {
    let (blocks, to_publish) = mpsc::channel(BLOCKS_MAX);
    let (to_send, signed) = mpsc::channel(1);
    let age_max = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let judge = Arc::new(Judge::new(test_chain::config(), age_max));
    let address = test_chain::key().address();
    judge.observe_signer(Some(address), false, Instant::now());
    let metrics = NetworkMetrics::default();
    let token = CancellationToken::new();
    let publisher = Publisher::new(
        test_chain::config(),
        signer,
        Arc::clone(&judge),
        to_publish,
        to_send,
        metrics.clone(),
    );
    tokio::spawn(publisher.unwrap().run(token.clone()));
    Desk {
        blocks,
        signed,
        judge,
        metrics,
        token,
    }
}

fn local() -> Option<BlockSigner> {
    Some(BlockSigner::Local(test_chain::key()))
}

fn numbered(number: u64) -> OpExecutionPayloadEnvelope {
    test_chain::changed(V4, |payload| payload.as_v1_mut().block_number = number)
}

impl Desk {
    async fn give(&self, envelope: OpExecutionPayloadEnvelope, published_at: Instant) {
        let block = OwnBlock {
            envelope,
            published_at,
        };
        self.blocks.send(block).await.unwrap();
    }

    async fn next(&mut self) -> SignedBlock {
        self.signed.recv().await.unwrap()
    }
}

#[tokio::test]
async fn blocks_go_out_in_their_order_each_on_the_topic_of_its_time() {
    let mut desk = desk(local());
    for version in BlockVersion::ALL {
        desk.give(test_chain::block(version, Vec::new()), Instant::now())
            .await;
    }
    for version in BlockVersion::ALL {
        let block = desk.next().await;
        let sent = test_chain::block(version, Vec::new());
        assert_eq!(block.version, version);
        assert_eq!(
            block.data,
            test_chain::data(version, &sent, &test_chain::key()).to_vec()
        );
        block.done.send(Published::Sent).unwrap();
    }
}

#[tokio::test]
async fn a_block_that_waited_for_more_than_a_minute_is_dropped() {
    let mut desk = desk(local());
    let long_ago = Instant::now()
        .checked_sub(WAITED_MAX + Duration::from_secs(1))
        .unwrap();
    desk.give(numbered(1), long_ago).await;
    desk.give(numbered(2), Instant::now()).await;
    let sent = test_chain::data(V4, &numbered(2), &test_chain::key());
    assert_eq!(desk.next().await.data, sent.to_vec());
    assert_eq!(desk.metrics.count_published(Published::Expired), 1);
}

#[tokio::test]
async fn an_own_block_is_known_before_it_goes_out() {
    let mut desk = desk(local());
    desk.give(numbered(1), Instant::now()).await;
    let block = desk.next().await;
    let judged = desk.judge.judge(V4, block.data.into(), Moment::now());
    assert_eq!(judged.verdict, Verdict::Ignore(IgnoreReason::Seen));
}

#[tokio::test]
async fn a_block_that_cannot_be_signed_does_not_stop_those_after_it() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let away = BlockSigner::Remote(RemoteSigner {
        endpoint: format!("http://{port}").parse().unwrap(),
        address: test_chain::key().address(),
        ca_path: None,
        identity: None,
    });
    for signer in [None, Some(away)] {
        let desk = desk(signer);
        for number in 0..3 {
            desk.give(numbered(number), Instant::now()).await;
        }
        let metrics = desk.metrics.clone();
        while metrics.count_published(Published::NotSigned) < 3 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_block_that_is_not_of_its_time_is_not_signed_and_the_next_is() {
    let mut desk = desk(local());
    // Of the last fork by its time, and of the first by its fields.
    let mut odd = test_chain::block(BlockVersion::V1, Vec::new());
    odd.execution_payload.as_v1_mut().timestamp = test_chain::time_of(V4);
    desk.give(odd, Instant::now()).await;
    desk.give(numbered(2), Instant::now()).await;
    assert_eq!(desk.next().await.version, V4);
    assert_eq!(desk.metrics.count_published(Published::NotSigned), 1);
}

#[tokio::test]
async fn after_the_end_was_asked_for_nothing_goes_out() {
    let mut desk = desk(local());
    desk.give(numbered(1), Instant::now()).await;
    desk.give(numbered(2), Instant::now()).await;
    let first = desk.next().await;
    desk.token.cancel();
    assert!(desk.signed.recv().await.is_none());
    drop(first);
}

/// Keeps the fields of what is said of foreign signatures.
#[derive(Clone, Default)]
struct Said(Arc<std::sync::Mutex<Vec<String>>>);

impl tracing::Subscriber for Said {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Fields(String);
        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{field}={value:?} "));
            }
        }
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn blocks_that_another_account_has_to_sign_are_said_once_with_both_accounts() {
    let said = Said::default();
    let _guard = tracing::subscriber::set_default(said.clone());
    let mut desk = desk(local());
    let named = alloy_primitives::Address::repeat_byte(7);
    desk.judge
        .observe_signer(Some(named), false, Instant::now());
    // The signer of before has its grace; another one takes that, too.
    desk.judge.observe_signer(
        Some(alloy_primitives::Address::repeat_byte(8)),
        false,
        Instant::now(),
    );
    desk.judge
        .observe_signer(Some(named), false, Instant::now());
    for number in 0..3 {
        desk.give(numbered(number), Instant::now()).await;
        desk.next().await.done.send(Published::Sent).unwrap();
    }
    let lines = said.0.lock().unwrap().clone();
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    let signer = test_chain::key().address();
    assert!(line.contains(&format!("signer={signer}")), "{line}");
    assert!(line.contains(&format!("named={named}")), "{line}");
}
