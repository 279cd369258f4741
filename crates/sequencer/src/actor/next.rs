//! The next block: whether it may be begun, on what, and of what it is made.

use super::{Plan, Sequencing};
use crate::{
    origin::{self, Choice},
    schedule::{Limits, Moments, Wait, may_build, moments},
    source_head::Standing,
    work::{Attempt, Base, Work},
};
use light_node_actor::in_words;
use light_node_derivation::SequencedAttributes;
use light_node_protocol::L2BlockRef;
use op_alloy_rpc_types_engine::OpPayloadAttributes;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{error, info, warn};

/// Pause between two looks at what the follow source has said: it is asked about each second.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Sequencing {
    pub(super) fn moments(&self, parent: &L2BlockRef) -> Moments {
        moments(parent.timestamp, self.config.rollup_config.block_time)
    }

    /// Begins the next block, if everything for it is at hand.
    pub(super) fn next_build(&mut self) -> Plan {
        let overdue_at = self.started_at + self.config.source_patience;
        let limits = Limits {
            max_safe_lag: self.config.max_safe_lag,
            is_source_overdue: overdue_at <= Instant::now(),
        };
        if let Err(wait) = may_build(&self.state, &limits) {
            return Plan::Wait(wait, (wait == Wait::Source).then_some(overdue_at));
        }
        if let Some(plan) = self.catch_up().or_else(|| self.ask_who_leads()) {
            return plan;
        }
        let Some(parent) = self.ground.block() else {
            return Plan::Wait(Wait::OriginLost, None);
        };
        if self.origins.is_lost() {
            return self.lead_back(&parent);
        }
        if self.state.origin_left_l1
            && parent == self.state.unsafe_head
            && self.origins.stands(parent.l1_origin)
        {
            // L1 has come back to it.
            self.begin_stand();
            return Plan::Busy;
        }
        let start = self.moments(&parent).start;
        if self.clock.now() < start {
            return Plan::At(self.clock.instant_of(start));
        }
        if let Some(kept) = self.shelf.take(parent.hash, self.state.unsafe_head.hash) {
            info!(block = %kept.block, "the chain is back where a block was made that the conductor has, or may have; it is gone on with");
            self.go_on_with(&kept);
            self.work = Work::Kept(kept);
            return Plan::Busy;
        }
        let base = Base {
            parent,
            head: self.state.unsafe_head.hash,
            epoch: self.state.epoch,
        };
        let attempt = self.attempt.take().filter(|attempt| attempt.base == base);
        let attributes = match attempt {
            Some(attempt) => attempt.attributes,
            None => match self.attributes() {
                Ok(attributes) => attributes,
                Err(plan) => return plan,
            },
        };
        self.begin_build(Attempt { base, attributes });
        Plan::Busy
    }

    /// A light sequencer gets to the unsafe head of its source first. None if it is there.
    fn catch_up(&mut self) -> Option<Plan> {
        let head = self.state.unsafe_head;
        let block_time = self.config.rollup_config.block_time;
        match self.catch_up.look(&head, self.clock.now(), block_time) {
            Standing::There => None,
            Standing::GivenUp => {
                warn!(%head, "the unsafe head of the follow source does not come; blocks are built on our own");
                None
            }
            Standing::Fetch(theirs) => {
                info!(%head, number = theirs.number, hash = %theirs.hash, "the follow source has later blocks; they are fetched before any is built");
                self.begin_fetch(theirs);
                Some(Plan::Busy)
            }
            Standing::Silent | Standing::Behind => {
                let again_at = Instant::now() + LOOK_AGAIN;
                Some(Plan::Wait(Wait::SourceHead, Some(again_at)))
            }
        }
    }

    /// After the conductor has said that another one leads, it is asked before a block is begun. None if this one leads.
    fn ask_who_leads(&mut self) -> Option<Plan> {
        let conductor = self.asked_conductor().filter(|_| self.is_outvoted)?;
        self.begin_leader(conductor);
        Some(Plan::Busy)
    }

    /// The attributes of the next block, if all of L1 and of the parent that they need is at hand.
    fn attributes(&mut self) -> Result<OpPayloadAttributes, Plan> {
        let Some((parent, parent_config)) = self.ground.ready() else {
            return Err(Plan::Wait(Wait::Parent, None));
        };
        let Some(current) = self.origins.current() else {
            return Err(Plan::Wait(Wait::L1, None));
        };
        let config = &self.config;
        let next = self.origins.next_state();
        let choice = origin::choose(
            &config.rollup_config,
            &parent,
            &current.block_ref(),
            next,
            self.is_recovering,
        );
        let (origin, no_tx_pool) = match choice {
            Choice::Stay { no_tx_pool } => (Some(current), no_tx_pool),
            Choice::Advance { no_tx_pool } => (self.origins.next(), no_tx_pool),
            Choice::Wait(wait) => return Err(Plan::Wait(wait, None)),
            Choice::Broken => {
                self.origins.doubt();
                return Err(Plan::Wait(Wait::L1, None));
            }
        };
        let Some(origin) = origin else {
            return Err(Plan::Wait(Wait::L1, None));
        };
        let built = SequencedAttributes {
            config: &config.rollup_config,
            l1_chain: &config.l1_chain,
            upgrades: &config.upgrades,
            parent: &parent,
            parent_config: &parent_config,
            origin,
            no_tx_pool,
        }
        .build();
        let l1_number = origin.header.number;
        built.map_err(|cause| {
            let error = in_words(&cause);
            error!(%parent, l1_number, error, "the next block has no attributes");
            self.pause(self.block_time(), Wait::Attributes);
            Plan::Wait(Wait::Attributes, Some(self.not_before))
        })
    }

    /// The L1 origin of what would be built on has left L1.
    fn lead_back(&mut self, parent: &L2BlockRef) -> Plan {
        let state = &self.state;
        let floor = state.local_safe_head.number;
        let floor = floor.max(state.finalized_head.number);
        // Without a word on what is safe nobody knows how far the chain may be led back.
        let is_known = !(state.local_safe_head.is_zero() && state.finalized_head.is_zero());
        if parent.number <= floor || !is_known {
            return Plan::Wait(Wait::OriginLost, None);
        }
        self.ground.lead_back(floor);
        self.begin_lead_back();
        Plan::Busy
    }
}
