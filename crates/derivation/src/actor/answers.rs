//! What is under way to the engine, in order, and what its answers ask for.

use super::{DerivationActor, Stage};
use crate::{
    in_flight::{IN_FLIGHT_MAX, InFlight, Sent},
    trouble::DerivationTrouble,
};
use futures::{
    StreamExt,
    future::{BoxFuture, FutureExt},
    stream::FuturesOrdered,
};
use light_node_engine::{ConsolidateOutcome, DerivedAttributes, EngineGone, EngineHandle};
use light_node_protocol::{L1BlockRef, L2BlockRef};
use tracing::warn;

/// Calls that may be under way: the derived blocks, and as many cursors between them. Beyond that no step is made.
const CALLS_MAX: usize = 2 * IN_FLIGHT_MAX;

/// One answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// What became of a derived block.
    Block(Sent, ConsolidateOutcome),
    /// The engine knows that everything before this L1 block, and it, is used up.
    Cursor(L1BlockRef),
}

/// Calls to the engine. Each is sent when its turn comes, so what is sent later stands later in the engine's queue.
#[derive(Default)]
pub(super) struct Answers {
    calls: FuturesOrdered<BoxFuture<'static, Result<Answer, EngineGone>>>,
}

impl Answers {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Some have to be answered first.
    pub(super) fn is_full(&self) -> bool {
        self.calls.len() >= CALLS_MAX
    }

    /// The next answer, in the order of the calls. To be asked only while there are calls.
    pub(super) async fn next(&mut self) -> Result<Answer, EngineGone> {
        self.calls.next().await.unwrap_or(Err(EngineGone))
    }

    /// Nobody waits for these answers any more; what was not sent yet is not sent.
    pub(super) fn clear(&mut self) {
        self.calls = FuturesOrdered::new();
    }

    pub(super) fn consolidate(
        &mut self,
        engine: &EngineHandle,
        epoch: u64,
        sent: Sent,
        derived: DerivedAttributes,
    ) {
        let engine = engine.clone();
        let call = async move {
            let outcome = engine.consolidate(epoch, derived).await?;
            Ok(Answer::Block(sent, outcome))
        };
        self.calls.push_back(call.boxed());
    }

    pub(super) fn cursor(&mut self, engine: &EngineHandle, l1: L1BlockRef) {
        let engine = engine.clone();
        let call = async move {
            engine.cursor(l1).await?;
            Ok(Answer::Cursor(l1))
        };
        self.calls.push_back(call.boxed());
    }
}

impl DerivationActor {
    /// The engine has answered for the first of what is under way.
    pub(super) fn handle_answer(&mut self, answer: Answer, answers: &mut Answers) {
        match answer {
            Answer::Cursor(l1) => self.history.note(l1, self.in_flight.safe().id()),
            Answer::Block(sent, ConsolidateOutcome::Safe(block)) => {
                self.handle_safe(sent, block, answers);
            }
            Answer::Block(sent, ConsolidateOutcome::DepositsOnly(block)) => {
                warn!(
                    number = block.number,
                    hash = %block.hash,
                    l1_number = sent.derived_from.number,
                    "a derived block was refused and stands without its transactions"
                );
                self.report.count(|counters| counters.deposits_only += 1);
                self.handle_safe(sent, block, answers);
                self.flush(answers);
                self.flush_due = self.stage == Stage::Deriving;
            }
            Answer::Block(sent, ConsolidateOutcome::Dropped(safe)) => {
                warn!(
                    number = sent.number,
                    l1_number = sent.derived_from.number,
                    "a derived block was refused and its batch is dropped"
                );
                self.report.count(|counters| counters.dropped += 1);
                self.flush(answers);
                self.in_flight = InFlight::at(safe);
            }
            Answer::Block(sent, ConsolidateOutcome::Reset(reason)) => {
                let here = sent.derived_from.number;
                if let Some(trouble) = DerivationTrouble::of_engine(&reason, here) {
                    self.note_stuck(here, trouble);
                }
                self.start_over(reason.to_string(), answers);
            }
            Answer::Block(_, ConsolidateOutcome::Stale) => {
                self.start_over("the engine was reset".to_owned(), answers);
            }
        }
        self.publish_position();
    }

    fn handle_safe(&mut self, sent: Sent, block: L2BlockRef, answers: &mut Answers) {
        if !self.in_flight.note_safe(block) {
            let cause = format!(
                "the engine answered for block {} with block {}",
                sent.number, block.number
            );
            self.start_over(cause, answers);
            return;
        }
        self.history.note_derived();
        self.finality.note_safe(sent.derived_from, block.id());
        self.report.count(|counters| counters.blocks += 1);
        let (config, derived_from) = (&self.config.rollup_config, sent.derived_from.number);
        if self.drought.note_safe(config, derived_from, sent.l1_origin) {
            self.report.note_batch();
        }
    }

    /// What is under way behind a refused block is given up, here as in the engine.
    fn flush(&mut self, answers: &mut Answers) {
        answers.clear();
        self.in_flight.give_up();
    }
}
