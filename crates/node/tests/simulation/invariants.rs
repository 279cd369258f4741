//! The invariants that must hold whatever happens, looked at after each turn.

use crate::{el::SimEl, model::Model, source::SimSource};
use light_node_engine::{EngineState, Lane};
use light_node_node::CoreHandle;
use light_node_protocol::L2BlockRef;

/// What was published before.
#[derive(Debug)]
pub struct Watch {
    before: EngineState,
    /// Something has happened for which a safe head may go back.
    safe_may_go_back: bool,
}

impl Watch {
    pub fn new(handle: &CoreHandle) -> Self {
        Self {
            before: handle.engine.state(),
            safe_may_go_back: false,
        }
    }

    /// From now on the safe head may go back: the source or L1 did, or seems to.
    pub const fn safe_may_go_back(&mut self) {
        self.safe_may_go_back = true;
    }

    /// The node stands where an honest source does, and nobody errs: from now on the safe head must not go back.
    pub const fn safe_must_hold(&mut self) {
        self.safe_may_go_back = false;
    }

    /// A new process knows nothing of what the old one published.
    pub fn restarted(&mut self, handle: &CoreHandle) {
        self.before = handle.engine.state();
    }

    /// # Errors
    /// The invariant that does not hold.
    pub fn check(
        &mut self,
        handle: &CoreHandle,
        model: &Model,
        el: &SimEl,
        source: &SimSource,
    ) -> Result<(), String> {
        if let Some(violation) = el.take_violations().first() {
            return Err(violation.clone());
        }
        let now = handle.engine.state();
        let before = std::mem::replace(&mut self.before, now);
        self.heads(&before, &now, model)
            .and_then(|()| published(&before, &now, model, el, source))
            .and_then(|()| bounds(handle, source))
            .map_err(|what| format!("{what}\nbefore {before:#?}\nnow {now:#?}"))
    }

    /// I1 to I3.
    fn heads(&self, before: &EngineState, now: &EngineState, model: &Model) -> Result<(), String> {
        let holds = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        let below = |lower: &L2BlockRef, upper: &L2BlockRef| {
            lower.is_zero() || model.is_ancestor(lower.hash, upper.hash)
        };
        holds(
            below(&now.safe_head, &now.unsafe_head),
            "I1: safe is not an ancestor of unsafe",
        )?;
        holds(
            now.safe_head.is_zero() || below(&now.finalized_head, &now.safe_head),
            "I1: finalized is not an ancestor of safe",
        )?;
        holds(
            below(&before.finalized_head, &now.finalized_head),
            "I2: finalized went back or to another branch",
        )?;
        // A backend on another branch may have been believed first; the way back to the honest one is no fault.
        let view = model.view();
        let head = before.safe_head;
        let was_honest = head.is_zero()
            || head.number <= view.l2_head() && view.l2_at(head.number).hash == head.hash;
        holds(
            self.safe_may_go_back || !was_honest || below(&head, &now.safe_head),
            "I3: safe went back without a cause",
        )
    }
}

/// I4, I5 and I7.
fn published(
    before: &EngineState,
    now: &EngineState,
    model: &Model,
    el: &SimEl,
    source: &SimSource,
) -> Result<(), String> {
    let heads = [
        ("unsafe", now.unsafe_head, before.unsafe_head),
        ("local safe", now.local_safe_head, before.local_safe_head),
        ("safe", now.safe_head, before.safe_head),
        ("finalized", now.finalized_head, before.finalized_head),
    ];
    for (name, head, before) in heads {
        if head.is_zero() {
            if !before.is_zero() {
                return Err(format!("I7: the {name} head was zeroed"));
            }
            continue;
        }
        if !el.has_confirmed(head.hash) {
            return Err(format!("I4: the {name} head was never the EL's head"));
        }
        if model.block(head.hash).map(|block| block.block_ref()) != Some(head) {
            return Err(format!("I5: the {name} head is no block that there is"));
        }
    }
    let safe = now.safe_head;
    if !safe.is_zero() && !source.has_said(safe.hash) {
        return Err("I5: the source never called that block safe".to_owned());
    }
    if now.current_l1.is_zero() {
        if !before.current_l1.is_zero() {
            return Err("I7: current_l1 was zeroed".to_owned());
        }
    } else if !source.has_said_cursor(&now.current_l1) {
        return Err("I7: the source never named that current_l1".to_owned());
    }
    Ok(())
}

/// I9, and that there is one poll at a time.
fn bounds(handle: &CoreHandle, source: &SimSource) -> Result<(), String> {
    let depths = handle.engine.status().queue_depths;
    let deep = Lane::ALL
        .into_iter()
        .zip(depths)
        .find(|(lane, depth)| *depth > if *lane == Lane::InsertUnsafe { 512 } else { 64 });
    if let Some((lane, depth)) = deep {
        return Err(format!("I9: {depth} requests wait in lane {}", lane.name()));
    }
    if source.most_calls_at_once() > 1 {
        return Err("I9: two polls at once".to_owned());
    }
    Ok(())
}
