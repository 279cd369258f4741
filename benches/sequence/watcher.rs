//! Who notes when blocks become the head of the execution layer, and when a timer that has nothing to do is woken, on a thread of
//! its own that nothing else has.

use crate::{BLOCK_TIME, GLANCE, chain::Chain, supply, unix_now};
use light_node_devnet_el::EmbeddedEl;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// So early the timer is woken, as the sequencer is: a moment when not everything else on the machine wakes.
const EARLY: Duration = Duration::from_millis(50);

/// A block that became the head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    /// Seconds from its own time until then.
    pub(crate) after_due: f64,
}

#[derive(Debug, Default)]
struct Notes {
    blocks: Vec<Seen>,
    ticks: Vec<Instant>,
}

/// Notes until the process ends.
#[derive(Debug)]
pub(crate) struct Watcher {
    notes: Arc<Mutex<Notes>>,
}

impl Watcher {
    pub(crate) fn on(el: &Arc<EmbeddedEl>) -> Self {
        let notes = Arc::<Mutex<Notes>>::default();
        let (el, taken) = (el.clone(), notes.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(watch(&el, &taken));
        });
        Self { notes }
    }

    pub(crate) fn blocks_since(&self, since: Instant) -> Vec<Seen> {
        let notes = self.notes.lock().unwrap();
        let later = notes.blocks.iter().filter(|block| block.at >= since);
        later.copied().collect()
    }

    pub(crate) fn ticks_since(&self, since: Instant) -> Vec<Instant> {
        let notes = self.notes.lock().unwrap();
        let later = notes.ticks.iter().filter(|at| **at >= since);
        later.copied().collect()
    }

    /// Waits for a block that comes about when it is due, and for the one after it.
    pub(crate) async fn on_time(&self, chain: &mut Chain, until: Instant) {
        let began = Instant::now();
        let mut given = chain.head();
        let half = BLOCK_TIME.as_secs_f64() / 2.0;
        while self
            .blocks_since(began)
            .iter()
            .filter(|block| block.after_due < half)
            .count()
            < 2
        {
            assert!(Instant::now() < until, "no block is made at its own time");
            tokio::time::sleep(GLANCE).await;
            given = supply(chain, given);
        }
    }
}

async fn watch(el: &EmbeddedEl, notes: &Mutex<Notes>) {
    let mut views = el.subscribe();
    let mut head = el.view().head().hash;
    let mut next = next_tick();
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(next.into()) => {
                notes.lock().unwrap().ticks.push(Instant::now());
                next = next_tick();
            }
            changed = views.changed() => {
                let (at, now) = (Instant::now(), unix_now());
                if changed.is_err() {
                    return;
                }
                let view = views.borrow_and_update().clone();
                if view.head().hash == head {
                    continue;
                }
                head = view.head().hash;
                let due = view.head().header().timestamp as f64;
                let after_due = now.as_secs_f64() - due;
                notes.lock().unwrap().blocks.push(Seen { at, after_due });
            }
        }
    }
}

/// The next moment that is [`EARLY`] before a full second.
fn next_tick() -> Instant {
    let (at, now) = (Instant::now(), unix_now() + EARLY);
    at + (BLOCK_TIME - Duration::from_nanos(now.subsec_nanos().into()))
}
