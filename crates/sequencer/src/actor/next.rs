//! The next block: whether it may be begun, on what, and of what it is made.

use super::{Plan, Sequencing};
use crate::{
    origin::{self, Choice},
    schedule::{Limits, Moments, Wait, may_build, moments},
    work::{Attempt, Base, Work},
};
use light_node_actor::in_words;
use light_node_derivation::SequencedAttributes;
use light_node_protocol::L2BlockRef;
use op_alloy_rpc_types_engine::OpPayloadAttributes;
use tokio::time::Instant;
use tracing::{error, info};

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
        let Some(parent) = self.ground.block() else {
            return Plan::Wait(Wait::OriginLost, None);
        };
        if self.origins.is_lost() {
            return self.lead_back(&parent);
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
