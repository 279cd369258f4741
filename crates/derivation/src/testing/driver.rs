//! Gives derived attributes to an execution layer, as the actor and the engine do, and finds where to begin anew.

use super::{
    el::FakeEl,
    world::{World, l1_chain},
};
use crate::{Deriver, DeriverConfig, Parent, ResetPoint, Step, upgrades::UpgradeBundles};
use light_node_engine::DerivedAttributes;
use light_node_l1::L1Source;
use light_node_protocol::{L1BlockRef, L2BlockRef, SystemConfig};
use op_alloy_rpc_types_engine::OpPayloadAttributes;
use std::sync::Arc;

/// Most steps of a test: what takes more does not come to an end.
const MAX_STEPS: usize = 20_000;

/// A node, in little.
pub(crate) struct Driver {
    pub(crate) deriver: Deriver,
    pub(crate) el: FakeEl,
    world: World,
    /// The last block whose hash is known.
    pub(crate) safe: L2BlockRef,
    /// What was derived, in order.
    pub(crate) derived: Vec<DerivedAttributes>,
    /// Attributes that wait for the execution layer.
    waiting: Vec<DerivedAttributes>,
    /// L1 blocks that are used up, each with the safe head at its end.
    pub(crate) history: Vec<(u64, L2BlockRef)>,
}

impl Driver {
    /// A node at genesis.
    pub(crate) fn new(world: &World) -> Self {
        Self::with_upgrades(world, UpgradeBundles::default())
    }

    /// The same, with upgrade bundles.
    pub(crate) fn with_upgrades(world: &World, upgrades: UpgradeBundles) -> Self {
        let el = FakeEl::new(world.config.clone());
        let config = DeriverConfig {
            rollup: world.config.clone(),
            l1_chain: l1_chain(),
            upgrades,
        };
        let l1: Arc<dyn L1Source> = Arc::new(world.l1.clone());
        let genesis = el.head();
        let mut driver = Self {
            deriver: Deriver::new(config, l1, Arc::new(el.clone())),
            el,
            world: world.clone(),
            safe: genesis,
            derived: Vec::new(),
            waiting: Vec::new(),
            history: Vec::new(),
        };
        driver.reset_to(genesis.number, None);
        driver
    }

    /// Begins anew with this block as safe head, whose chain L1 bears out up to the block `used_up`.
    pub(crate) fn reset_to(&mut self, number: u64, used_up: Option<u64>) {
        self.waiting.clear();
        self.el.rewind(number);
        let safe = self.el.at(number).unwrap();
        let l1 = |number| self.world.l1.data(number).unwrap().block_ref();
        let timeout = self
            .world
            .config
            .channel_timeout(l1(safe.l1_origin.number).timestamp);
        let mut begin = safe;
        while begin.number > 0 && begin.l1_origin.number + timeout > safe.l1_origin.number {
            begin = self.el.at(begin.number - 1).unwrap();
        }
        self.safe = safe;
        self.deriver.reset(&ResetPoint {
            safe_head: safe,
            safe_config: self.el.system_config(safe.number),
            origin: l1(begin.l1_origin.number),
            origin_config: self.el.system_config(begin.number),
            used_up: used_up.map(|number| l1(number).id()),
        });
    }

    /// One step on the block that the execution layer has; the outcome is given to it at once.
    pub(crate) async fn step(&mut self) -> Step {
        let before = self.deriver.origin();
        let step = self.deriver.step(Parent::Known(self.safe)).await;
        match &step {
            Step::Attributes(derived) => self.give(derived.as_ref().clone()),
            Step::Advanced(_) => self.note_used_up(before),
            _ => {}
        }
        step
    }

    /// One step ahead of the execution layer, if attributes wait for it.
    pub(crate) async fn step_ahead(&mut self) -> Step {
        let before = self.deriver.origin();
        let parent = if self.waiting.is_empty() {
            Parent::Known(self.safe)
        } else {
            Parent::Expected
        };
        let step = self.deriver.step(parent).await;
        self.keep(step, before)
    }

    fn keep(&mut self, step: Step, before: Option<L1BlockRef>) -> Step {
        match &step {
            Step::Attributes(derived) => self.waiting.push(derived.as_ref().clone()),
            Step::Advanced(_) => self.note_used_up(before),
            _ => {}
        }
        step
    }

    /// What is read over again after a restart says nothing new of the safe head.
    fn note_used_up(&mut self, block: Option<L1BlockRef>) {
        let number = block.unwrap().number;
        let known = self.history.last().map_or(0, |(known, _)| *known);
        if number > known {
            self.history.push((number, self.safe));
        }
    }

    /// Gives the execution layer what waits, up to `count`. What follows a refused block is stale.
    pub(crate) fn settle(&mut self, count: usize) {
        let count = count.min(self.waiting.len());
        for derived in self.waiting.drain(..count).collect::<Vec<_>>() {
            let expected = derived.number;
            self.give(derived);
            if self.safe.number != expected || self.was_refused() {
                self.waiting.clear();
                return;
            }
        }
    }

    /// True if something waits for the execution layer.
    pub(crate) fn is_ahead(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn was_refused(&self) -> bool {
        let asked = self.derived.last().unwrap().attributes.transactions.clone();
        self.el.transactions(self.safe.number) != asked.unwrap_or_default()
    }

    fn give(&mut self, derived: DerivedAttributes) {
        assert_eq!(derived.number, self.safe.number + 1);
        if let Some(parent) = derived.parent {
            assert_eq!(parent, self.safe.hash);
        }
        self.safe = match self.build(&derived.attributes) {
            Some(block) => block,
            None => {
                self.deriver.flush();
                let mut attributes = derived.attributes.clone();
                let transactions = attributes.transactions.as_mut().unwrap();
                transactions.retain(|it| it.first() == Some(&0x7e));
                self.build(&attributes).expect("deposits are not refused")
            }
        };
        assert_eq!(self.safe.l1_origin, derived.l1_origin);
        assert_eq!(self.safe.sequence_number, derived.sequence_number);
        self.derived.push(derived);
    }

    /// The execution layer writes into the header what the attributes say.
    fn build(&mut self, attributes: &OpPayloadAttributes) -> Option<L2BlockRef> {
        let said = SystemConfig {
            eip1559_params: attributes.eip_1559_params.unwrap_or_default(),
            min_base_fee: attributes.min_base_fee.unwrap_or_default(),
            ..SystemConfig::default()
        };
        self.el.build(&self.safe, attributes, &said)
    }

    /// Steps until L1 has no more. Panics at troubles.
    pub(crate) async fn run(&mut self) {
        for _ in 0..MAX_STEPS {
            match self.step().await {
                Step::CaughtUp => return,
                Step::Attributes(_) | Step::Advanced(_) | Step::Again => {}
                step => panic!("{step:?} at {:?}", self.deriver.origin()),
            }
        }
        panic!("no end after {MAX_STEPS} steps");
    }

    /// Hashes of the chain that was derived.
    pub(crate) fn hashes(&self) -> Vec<alloy_primitives::B256> {
        self.el.hashes()
    }

    /// Begins anew where the history says that everything up to the L1 block `used_up` gave the chain up to `number`.
    pub(crate) fn restart_at(&mut self, used_up: u64, number: u64) {
        self.history.retain(|(l1, _)| *l1 <= used_up);
        self.derived.retain(|derived| derived.number <= number);
        self.reset_to(number, Some(used_up));
    }
}
