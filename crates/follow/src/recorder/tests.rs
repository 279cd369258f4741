#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    poll::{Failure, Finding},
    regression::{CheckedAnswer, L1Facts},
    source::SourceError,
};
use light_node_actor::CancellationToken;
use light_node_l1::{BoxTransport, L1Config, L1Fatal, L1Watcher, test_utils::MemoryL1};
use light_node_protocol::{L2BlockRef, RollupConfig};
use light_node_safedb::SafeDbConfig;
use tokio::{task::JoinHandle, time::advance};

const FINALIZED: u64 = 10;

/// A recorder on a history in memory, and the L1 that it asks.
struct Rig {
    recorder: Recorder,
    history: SafeDb,
    l1: MemoryL1,
    handle: L1Handle,
    token: CancellationToken,
    _watcher: JoinHandle<Result<(), L1Fatal>>,
}

fn l2(number: u64) -> L2BlockRef {
    L2BlockRef {
        hash: B256::repeat_byte(number as u8),
        number,
        ..L2BlockRef::default()
    }
}

impl Rig {
    async fn new() -> Self {
        let history = SafeDb::open(&SafeDbConfig::new(None), &RollupConfig::default()).unwrap();
        let l1 = MemoryL1::new(900, 102);
        let transport: BoxTransport = Box::new(l1.clone());
        let config = L1Config::new(Vec::new(), 900, l1.id(0));
        let (watcher, handle) = L1Watcher::with_transports(config, vec![transport]).unwrap();
        let token = CancellationToken::new();
        Self {
            recorder: Recorder::new(Some(history.clone())),
            history,
            l1,
            handle,
            _watcher: tokio::spawn(watcher.run(token.clone())),
            token,
        }
    }

    fn said(&self, cursor: u64, safe: u64) -> DerivationState {
        DerivationState {
            current_l1: self.l1.block(cursor),
            local_safe: l2(safe),
            safe: l2(safe),
            finalized: l2(FINALIZED),
        }
    }

    /// A poll that finds this, a second after the last one, and is applied.
    async fn poll(&mut self, cursor: u64, safe: u64) {
        self.poll_as(cursor, safe, false).await;
    }

    async fn poll_as(&mut self, cursor: u64, safe: u64, moved_back: bool) {
        advance(Duration::from_secs(1)).await;
        let said = self.said(cursor, safe);
        let answer = CheckedAnswer {
            said,
            cursor_is_canonical: true,
            facts: L1Facts::default(),
        };
        let finding = Ok(Finding::New(answer));
        self.recorder.note_poll(&finding, self.handle.reorgs());
        self.recorder.offer(&said, moved_back);
        self.recorder.write(&self.handle).await;
    }

    fn fail(&mut self) {
        let method = "optimism_syncStatus";
        let failure = Failure::Source(SourceError::Html { method });
        self.recorder.note_poll(&Err(failure), self.handle.reorgs());
    }

    fn at(&self, l1_number: u64) -> Option<u64> {
        let found = self.history.at(l1_number).unwrap();
        found.map(|answer| answer.safe_head.number)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.token.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn a_safe_head_that_was_seen_to_be_reached_is_known_once_the_cursor_has_left() {
    let mut rig = Rig::new().await;
    rig.poll(50, 20).await;
    rig.poll(50, 23).await;
    assert_eq!(rig.at(50), None, "more may come out of it");
    rig.poll(51, 23).await;
    assert_eq!(rig.at(50), Some(23));
    rig.poll(60, 23).await;
    assert_eq!((rig.at(59), rig.at(60), rig.at(49)), (Some(23), None, None));
}

#[tokio::test(start_paused = true)]
async fn the_safe_head_of_a_source_that_derives_again_is_not_believed() {
    let mut rig = Rig::new().await;
    // It has just started: the safe head comes from its execution layer, the cursor from a channel timeout before.
    for cursor in 40..60 {
        rig.poll(cursor, 30).await;
    }
    assert_eq!(rig.at(45), None);
    // It is where it was, and goes on.
    rig.poll(60, 31).await;
    rig.poll(61, 31).await;
    assert_eq!((rig.at(59), rig.at(60)), (None, Some(31)));
}

#[tokio::test(start_paused = true)]
async fn what_happened_between_two_polls_that_failed_is_not_guessed() {
    let mut rig = Rig::new().await;
    rig.poll(50, 20).await;
    rig.poll(50, 21).await;
    // It went on to block 55 and safe head 25, was restarted, and derives block 50 again.
    rig.fail();
    rig.poll(50, 25).await;
    rig.poll(51, 25).await;
    assert_eq!((rig.at(50), rig.at(51)), (None, None));
    advance(CONTINUITY_MAX).await;
    rig.poll(52, 26).await;
    rig.poll(53, 26).await;
    assert_eq!(rig.at(52), None, "the polls were too far apart");
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_went_back_between_polls_is_a_replay() {
    let mut rig = Rig::new().await;
    rig.poll(50, 20).await;
    rig.poll(50, 21).await;
    for cursor in [40, 50, 51, 52] {
        rig.poll(cursor, 29).await;
    }
    assert_eq!((rig.at(50), rig.at(51)), (None, None));
}

#[tokio::test(start_paused = true)]
async fn what_was_reached_once_stays_known_through_an_outage() {
    let mut rig = Rig::new().await;
    rig.poll(50, 20).await;
    rig.poll(50, 21).await;
    rig.fail();
    rig.poll(58, 21).await;
    assert_eq!(rig.at(57), Some(21));
}

#[tokio::test(start_paused = true)]
async fn an_l1_reorg_takes_the_history_back_to_what_is_still_there() {
    let mut rig = Rig::new().await;
    rig.poll(90, 19).await;
    for cursor in 90..99 {
        rig.poll(cursor, cursor - 70).await;
        rig.poll(cursor + 1, cursor - 70).await;
    }
    assert_eq!((rig.at(92), rig.at(97)), (Some(22), Some(27)));
    rig.l1.reorg(5, 8);
    let reorgs = rig.handle.reorgs();
    while rig.handle.reorgs() == reorgs {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // The source keeps its safe head, and reads the new branch from the fork on.
    rig.poll(97, 28).await;
    assert_eq!((rig.at(92), rig.at(97)), (Some(22), None));
    rig.poll(98, 28).await;
    assert_eq!(
        rig.at(97),
        None,
        "nobody knows yet what the new branch brings"
    );
    rig.poll(99, 29).await;
    rig.poll(100, 29).await;
    assert_eq!(rig.at(99), Some(29));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_leads_the_safe_chain_back_takes_the_history_with_it() {
    let mut rig = Rig::new().await;
    rig.poll(50, 20).await;
    rig.poll(50, 21).await;
    rig.poll(52, 21).await;
    assert_eq!(rig.at(51), Some(21));
    rig.poll_as(53, 15, true).await;
    assert_eq!(rig.at(51), None);
}

#[tokio::test(start_paused = true)]
async fn without_a_history_or_a_cursor_nothing_waits_to_be_written() {
    let mut rig = Rig::new().await;
    let mut said = rig.said(50, 20);
    said.current_l1 = L1BlockRef::default();
    rig.recorder.offer(&said, false);
    assert_eq!(rig.recorder.waiting, None);
    let mut off = Recorder::default();
    off.offer(&rig.said(50, 20), false);
    assert_eq!(off.waiting, None);
}

#[test]
fn a_cursor_on_another_branch_than_the_last_one_costs_a_sample_and_not_the_history() {
    let history = SafeDb::open(&SafeDbConfig::new(None), &RollupConfig::default()).unwrap();
    let block = |number: u64, parent: u8| L1BlockRef {
        hash: B256::repeat_byte(number as u8),
        number,
        parent_hash: B256::repeat_byte(parent),
        timestamp: number,
    };
    let sample = |cursor| Sample {
        cursor,
        safe: BlockNumHash::new(20, B256::repeat_byte(20)),
        finalized: BlockNumHash::default(),
        is_reached: true,
        moved_back: false,
    };
    observe(&history, &sample(block(50, 49))).unwrap();
    observe(&history, &sample(block(51, 50))).unwrap();
    observe(&history, &sample(block(52, 7))).unwrap();
    assert_eq!(history.at(50).unwrap().unwrap().safe_head.number, 20);
    assert_eq!(history.at(51).unwrap(), None);
}
