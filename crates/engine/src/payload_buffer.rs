//! Unsafe payloads that wait for their parents. Bounded in bytes, number and age; of a full buffer the highest go first,
//! because the low ones link first and a light node has no derivation that would refill them.

use crate::{config::BufferLimits, payload::Payload};
use alloy_primitives::B256;
use light_node_protocol::{BlockNumHash, L2BlockRef};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// The buffer, ordered by number.
#[derive(Debug)]
pub(crate) struct PayloadBuffer {
    limits: BufferLimits,
    waiting: BTreeMap<(u64, B256), (Payload, Instant)>,
    bytes: usize,
}

impl PayloadBuffer {
    /// An empty buffer.
    pub(crate) const fn new(limits: BufferLimits) -> Self {
        Self {
            limits,
            waiting: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Takes in a payload. False if it did not fit: then it was the highest.
    pub(crate) fn insert(&mut self, payload: Payload, now: Instant) -> bool {
        let key = (payload.block.number, payload.hash());
        if self.waiting.contains_key(&key) {
            return true;
        }
        self.bytes += payload.bytes;
        self.waiting.insert(key, (payload, now));
        while self.bytes > self.limits.bytes || self.waiting.len() > self.limits.blocks {
            let Some((_, (dropped, _))) = self.waiting.pop_last() else {
                break;
            };
            self.bytes -= dropped.bytes;
        }
        self.waiting.contains_key(&key)
    }

    /// The payload of a block.
    pub(crate) fn get(&self, id: BlockNumHash) -> Option<&Payload> {
        self.waiting
            .get(&(id.number, id.hash))
            .map(|(payload, _)| payload)
    }

    /// Removes the payload of a block.
    pub(crate) fn remove(&mut self, id: BlockNumHash) -> Option<Payload> {
        let (payload, _) = self.waiting.remove(&(id.number, id.hash))?;
        self.bytes -= payload.bytes;
        Some(payload)
    }

    /// Takes out a child of `parent`.
    pub(crate) fn take_child(&mut self, parent: BlockNumHash) -> Option<Payload> {
        let number = parent.number.checked_add(1)?;
        let child = self
            .at(number)
            .find(|payload| payload.block.parent_hash == parent.hash)
            .map(|payload| payload.block.id())?;
        self.remove(child)
    }

    /// The payloads from the child of an anchor up to `tip`, lowest first, if all are here. `tip` itself need not be.
    pub(crate) fn path(
        &self,
        tip: &Payload,
        anchor: impl Fn(B256) -> bool,
    ) -> Option<Vec<Payload>> {
        let mut path = vec![tip.clone()];
        loop {
            let lowest = path.last()?.block;
            if anchor(lowest.parent_hash) {
                path.reverse();
                return Some(path);
            }
            let parent = BlockNumHash::new(lowest.number.checked_sub(1)?, lowest.parent_hash);
            path.push(self.get(parent)?.clone());
        }
    }

    /// The lowest payload above `floor` that does not link down to it, and when it came: the far side of the gap above our
    /// head. What leads from below it up over it is one, too, if the parent of the lowest `is_missing`: a branch of which a
    /// block got lost.
    pub(crate) fn gap_above(
        &self,
        floor: u64,
        is_missing: impl Fn(B256) -> bool,
    ) -> Option<(&Payload, Instant)> {
        let above = (floor.checked_add(1)?, B256::ZERO)..;
        let waiting = self.waiting.range(above).map(|(_, waiting)| waiting);
        waiting
            .filter(|(payload, _)| match self.parent(payload) {
                None => true,
                Some(parent) if parent.block.number > floor => false,
                Some(parent) => is_missing(self.lowest(parent).block.parent_hash),
            })
            .map(|(payload, at)| (payload, *at))
            .next()
    }

    fn parent(&self, payload: &Payload) -> Option<&Payload> {
        let block = &payload.block;
        let number = block.number.checked_sub(1)?;
        self.get(BlockNumHash::new(number, block.parent_hash))
    }

    /// The lowest ancestor that is here without a gap between.
    fn lowest<'a>(&'a self, payload: &'a Payload) -> &'a Payload {
        let chain = std::iter::successors(Some(payload), |payload| self.parent(payload));
        chain.last().unwrap_or(payload)
    }

    /// Forgets what has waited too long, and what is not `wanted` any more.
    pub(crate) fn prune(&mut self, wanted: impl Fn(&L2BlockRef) -> bool, now: Instant) {
        let age = self.limits.age;
        self.retain(|payload, at| now.duration_since(at) < age && wanted(&payload.block));
    }

    /// Forgets the payloads whose lowest ancestor here has a parent that is `dead`.
    pub(crate) fn drop_linked_to(&mut self, dead: impl Fn(B256) -> bool) {
        let mut dropped = std::collections::HashSet::new();
        // Ordered by number, so a parent is always judged before its child.
        for ((_, hash), (payload, _)) in &self.waiting {
            let parent = payload.block.parent_hash;
            if dropped.contains(&parent) || dead(parent) {
                dropped.insert(*hash);
            }
        }
        self.retain(|payload, _| !dropped.contains(&payload.hash()));
    }

    /// Number of payloads.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of payload.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn at(&self, number: u64) -> impl Iterator<Item = &Payload> {
        let range = (number, B256::ZERO)..=(number, B256::repeat_byte(0xff));
        self.waiting.range(range).map(|(_, (payload, _))| payload)
    }

    fn retain(&mut self, keep: impl Fn(&Payload, Instant) -> bool) {
        let bytes = &mut self.bytes;
        self.waiting.retain(|_, (payload, at)| {
            let kept = keep(payload, *at);
            if !kept {
                *bytes -= payload.bytes;
            }
            kept
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use light_node_engine_api::memory::{ChainBuilder, MemoryBlock};
    use std::time::Duration;

    fn chain(count: usize) -> Vec<Payload> {
        let builder = ChainBuilder::new();
        payloads(&builder.extend(&builder.genesis(), count, 0))
    }

    fn payloads(blocks: &[MemoryBlock]) -> Vec<Payload> {
        let config = ChainBuilder::new().config();
        blocks
            .iter()
            .map(|b| Payload::new(&config, b.envelope.clone()).unwrap())
            .collect()
    }

    fn buffer(limits: BufferLimits, payloads: &[Payload], now: Instant) -> PayloadBuffer {
        let mut buffer = PayloadBuffer::new(limits);
        for payload in payloads {
            buffer.insert(payload.clone(), now);
        }
        buffer
    }

    #[test]
    fn of_a_full_buffer_the_highest_goes_first() {
        let chain = chain(4);
        let limits = BufferLimits {
            blocks: 2,
            ..Default::default()
        };
        let now = Instant::now();
        let mut buffer = buffer(limits, &chain[1..3], now);
        assert!(
            !buffer.insert(chain[3].clone(), now),
            "it is the highest itself"
        );
        assert!(buffer.insert(chain[0].clone(), now));
        assert!(buffer.get(chain[2].block.id()).is_none());
        assert_eq!(buffer.len(), 2);
        assert_eq!(buffer.bytes(), chain[0].bytes + chain[1].bytes);
    }

    #[test]
    fn the_bound_in_bytes_holds() {
        let chain = chain(3);
        let limits = BufferLimits {
            bytes: chain[0].bytes * 2,
            ..Default::default()
        };
        let buffer = buffer(limits, &chain, Instant::now());
        assert_eq!(buffer.len(), 2);
        assert!(buffer.get(chain[2].block.id()).is_none());
    }

    #[test]
    fn old_and_low_payloads_are_forgotten() {
        let chain = chain(3);
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut buffer = buffer(BufferLimits::default(), &chain[..2], now);
        buffer.insert(chain[2].clone(), later);
        buffer.prune(|block| block.number > 1, later);
        assert_eq!(buffer.len(), 2);
        buffer.prune(|_| true, now + BufferLimits::AGE);
        assert_eq!(buffer.len(), 1);
        buffer.prune(|_| true, later + BufferLimits::AGE);
        assert_eq!((buffer.len(), buffer.bytes()), (0, 0));
    }

    #[test]
    fn a_child_is_taken_by_its_parent() {
        let chain = chain(3);
        let mut buffer = buffer(BufferLimits::default(), &chain[1..], Instant::now());
        assert!(
            buffer
                .take_child(chain[1].block.id())
                .is_some_and(|p| p.hash() == chain[2].hash())
        );
        assert!(buffer.take_child(chain[1].block.id()).is_none());
        assert_eq!(buffer.len(), 1);
    }

    #[test]
    fn a_path_leads_back_to_an_anchor_or_not_at_all() {
        let chain = chain(4);
        let buffer = buffer(BufferLimits::default(), &chain[1..3], Instant::now());
        let path = buffer
            .path(&chain[3], |hash| hash == chain[0].hash())
            .unwrap();
        let hashes: Vec<B256> = path.iter().map(Payload::hash).collect();
        assert_eq!(hashes, [chain[1].hash(), chain[2].hash(), chain[3].hash()]);
        assert!(buffer.path(&chain[3], |_| false).is_none());
    }

    #[test]
    fn the_gap_ends_at_the_lowest_payload_above_the_floor_that_has_no_parent_here() {
        let chain = chain(7);
        let waiting = [&chain[2], &chain[3], &chain[5]].map(Clone::clone);
        let buffer = buffer(BufferLimits::default(), &waiting, Instant::now());
        let gap = |floor| {
            buffer
                .gap_above(floor, |_| false)
                .map(|(payload, _)| payload.block.number)
        };
        assert_eq!(gap(0), Some(3));
        assert_eq!(gap(3), Some(6), "4 links to 3");
        assert_eq!(gap(6), None);
        assert_eq!(gap(u64::MAX), None);
    }

    #[test]
    fn a_branch_that_leads_up_over_the_floor_and_has_no_root_is_a_gap() {
        let chain = chain(6);
        let waiting = [&chain[1], &chain[2], &chain[3], &chain[4]].map(Clone::clone);
        let buffer = buffer(BufferLimits::default(), &waiting, Instant::now());
        let gap = |floor, missing: &Payload| {
            buffer
                .gap_above(floor, |parent| parent == missing.hash())
                .map(|(payload, _)| payload.block.number)
        };
        assert_eq!(gap(3, &chain[0]), Some(4));
        assert_eq!(gap(3, &chain[5]), None, "its root's parent is known");
        assert_eq!(gap(5, &chain[0]), None);
    }

    #[test]
    fn what_links_to_a_dead_branch_is_dropped_with_its_descendants() {
        let builder = ChainBuilder::new();
        let old = payloads(&builder.extend(&builder.genesis(), 4, 0));
        let new = payloads(&builder.extend(&builder.genesis(), 3, 1));
        let all: Vec<Payload> = old[1..].iter().chain(&new[1..]).cloned().collect();
        let mut buffer = buffer(BufferLimits::default(), &all, Instant::now());
        buffer.drop_linked_to(|hash| hash == old[0].hash());
        assert_eq!(buffer.len(), 2);
        assert!(buffer.get(new[2].block.id()).is_some());
    }
}
