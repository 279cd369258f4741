//! What an event does to each peer.

use super::World;
use crate::{
    fault::{ElEvent, L1Event, SourceEvent},
    l1::L1Fault,
    source::SourceFault,
};
use alloy_rpc_types_engine::PayloadStatusEnum;
use light_node_engine_api::{
    ElError,
    memory::{CallKind, Scripted},
};
use light_node_follow::IdentityVerdict;
use std::time::Duration;

impl World {
    pub(super) fn insert_payload(&mut self, above: u64) {
        let head = self.node.handle.engine.state().unsafe_head.number;
        let envelope = {
            let model = self.model();
            let number = (head + above).min(model.view().l2_head());
            let hash = model.view().l2_at(number).hash;
            model.block(hash).unwrap().envelope.clone()
        };
        // A full queue drops gossip; that is its right.
        let _ = self.node.handle.engine.try_insert_unsafe(envelope);
    }

    pub(super) fn l1_event(&mut self, index: usize, event: L1Event) {
        let fault = match event {
            L1Event::Heal => None,
            L1Event::Refused => Some(L1Fault::Refused),
            L1Event::Silent => Some(L1Fault::Silent),
            L1Event::TooManyRequests => Some(L1Fault::TooManyRequests),
            L1Event::Html => Some(L1Fault::Html),
            L1Event::Truncated => Some(L1Fault::Truncated),
            L1Event::WrongHashes => Some(L1Fault::WrongHashes),
            // Before its first success this is a wrong configuration, and the node ends.
            L1Event::OtherChain if self.knows_l1() => Some(L1Fault::OtherChain),
            L1Event::OtherChain => None,
            L1Event::Stale => Some(L1Fault::Stale(self.old_view())),
            L1Event::Flapping => Some(L1Fault::Flapping(self.old_view())),
            L1Event::Lagging(blocks) => Some(L1Fault::Lagging(blocks)),
        };
        // A node whose L1 shows an older branch cannot tell a source that is right from one that goes back.
        if shows_another_branch(fault.as_ref())
            || self.l1[index].has_fault(|it| shows_another_branch(Some(it)))
        {
            self.watch.safe_may_go_back();
        }
        self.l1[index].set_fault(fault);
    }

    fn knows_l1(&self) -> bool {
        !self.node.handle.l1.heads().head.is_zero()
    }

    pub(super) fn source_event(&mut self, event: SourceEvent) {
        let is_identified = self.node.follow().status().identity != IdentityVerdict::Unchecked;
        let fault = match event {
            SourceEvent::Heal => None,
            SourceEvent::Down => Some(SourceFault::Down),
            SourceEvent::Hanging => Some(SourceFault::Hanging),
            SourceEvent::Slow(millis) => Some(SourceFault::Slow(Duration::from_millis(millis))),
            SourceEvent::Html => Some(SourceFault::Html),
            SourceEvent::Truncated => Some(SourceFault::Truncated),
            SourceEvent::Huge => Some(SourceFault::Huge),
            SourceEvent::RpcError => Some(SourceFault::RpcError),
            SourceEvent::ZeroHeads => Some(SourceFault::ZeroHeads),
            SourceEvent::FinalizedAboveSafe => Some(SourceFault::FinalizedAboveSafe),
            SourceEvent::UnknownOrigin => Some(SourceFault::UnknownOrigin),
            SourceEvent::BorrowedOrigin => Some(SourceFault::BorrowedOrigin),
            SourceEvent::NoCursor => Some(SourceFault::NoCursor),
            SourceEvent::Old => Some(SourceFault::At(self.old_view())),
            SourceEvent::AlternatingOld => Some(SourceFault::Alternating(self.old_view())),
            SourceEvent::Foreign(depth) => Some(SourceFault::At(self.model().foreign_view(depth))),
            SourceEvent::AlternatingForeign(depth) => {
                Some(SourceFault::Alternating(self.model().foreign_view(depth)))
            }
            SourceEvent::Back { blocks, replays } => Some(SourceFault::Back { blocks, replays }),
            // Before the source's first success these are wrong configurations, and the node ends.
            SourceEvent::OtherChain | SourceEvent::Cycle if !is_identified => None,
            SourceEvent::OtherChain => Some(SourceFault::OtherChain),
            SourceEvent::Cycle => {
                let own_id = self.node.follow().path().swap_remove(0);
                Some(SourceFault::Cycle(own_id))
            }
        };
        let goes_back = matches!(
            fault,
            Some(SourceFault::At(_) | SourceFault::Back { .. } | SourceFault::FinalizedAboveSafe)
        );
        // One of two backends is never believed by waiting; but who began with the wrong one may come back from it.
        let was_alternating = self
            .source
            .has_fault(|fault| matches!(fault, SourceFault::Alternating(_)));
        if goes_back || was_alternating {
            self.watch.safe_may_go_back();
        }
        self.source.set_fault(fault);
    }

    pub(super) fn el_event(&mut self, event: ElEvent) {
        let inner = self.el.inner();
        let forkchoice = CallKind::ForkchoiceUpdated;
        let inconsistent = || ElError::InvalidForkchoiceState {
            message: "unknown safe block".to_owned(),
        };
        match event {
            ElEvent::Heal => {
                inner.set_down(false);
                self.peers = usize::MAX;
            }
            ElEvent::Down => inner.set_down(true),
            ElEvent::Restart { lost } => {
                self.el.restart(lost);
                inner.set_down(false);
            }
            ElEvent::Wipe => self.el.wipe(),
            ElEvent::Peers(count) => self.peers = count,
            ElEvent::Busy(count) => {
                for _ in 0..count {
                    inner.script(forkchoice, Scripted::Status(PayloadStatusEnum::Syncing));
                }
            }
            ElEvent::Invalid(kind) => {
                let validation_error = "simulated".to_owned();
                let status = PayloadStatusEnum::Invalid { validation_error };
                inner.script(kind, Scripted::Status(status));
            }
            ElEvent::Inconsistent => inner.script(forkchoice, Scripted::Error(inconsistent())),
            ElEvent::MovesThenInconsistent => {
                inner.script(forkchoice, Scripted::ApplyThenError(inconsistent()));
            }
            ElEvent::LostAnswer(kind) => {
                let (endpoint, cause) = ("memory".to_owned(), "connection reset".to_owned());
                let lost = ElError::Transport { endpoint, cause };
                inner.script(kind, Scripted::ApplyThenError(lost));
            }
            ElEvent::Hang(kind) => inner.script(kind, Scripted::Hang),
            ElEvent::Null(count) => self.el.answer_null(count),
            ElEvent::Sticky(count) => inner.stick_to_branch(count),
        }
        self.el.note_head();
    }
}

const fn shows_another_branch(fault: Option<&L1Fault>) -> bool {
    matches!(
        fault,
        Some(L1Fault::Stale(_) | L1Fault::Flapping(_) | L1Fault::Lagging(_) | L1Fault::WrongHashes)
    )
}
