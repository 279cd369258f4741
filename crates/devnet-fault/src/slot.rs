//! The fault in force: at most one is. Pure but for the clock.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::{sync::watch, time::Instant};

/// A fault and how long it lasts. Without `for_ms` and `count` it lasts until it is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault<K> {
    /// What goes wrong.
    pub kind: K,
    /// How long from now, in milliseconds.
    #[serde(default = "none", alias = "for_ms")]
    pub for_ms: Option<u64>,
    /// How many requests meet it.
    #[serde(default = "none")]
    pub count: Option<u64>,
    /// How much, where the kind has a measure: milliseconds, blocks or bytes. The kind says which, and its default.
    #[serde(default = "none")]
    pub amount: Option<u64>,
}

const fn none() -> Option<u64> {
    None
}

impl<K> Fault<K> {
    /// A fault that lasts until it is cleared.
    pub const fn until_cleared(kind: K) -> Self {
        Self {
            kind,
            for_ms: None,
            count: None,
            amount: None,
        }
    }

    /// The same for this many requests.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self {
            count: Some(count),
            ..self
        }
    }

    /// The same for this long from the moment in which it is set.
    #[must_use]
    pub fn lasting(self, time: Duration) -> Self {
        let for_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            for_ms: Some(for_ms),
            ..self
        }
    }

    /// The same with this measure.
    #[must_use]
    pub fn by(self, amount: u64) -> Self {
        Self {
            amount: Some(amount),
            ..self
        }
    }
}

/// What a request has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Met<K> {
    /// What goes wrong.
    pub kind: K,
    /// How much, if it was said.
    pub amount: Option<u64>,
}

impl<K> Met<K> {
    /// The measure as milliseconds.
    pub fn milliseconds_or(&self, default: Duration) -> Duration {
        self.amount.map_or(default, Duration::from_millis)
    }
}

#[derive(Clone, Copy, Debug)]
struct Active<K> {
    /// Tells this fault from a later one of the same kind.
    id: u64,
    met: Met<K>,
    until: Option<Instant>,
    left: Option<u64>,
}

impl<K> Active<K> {
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    fn is_in_force(&self) -> bool {
        !self.is_over() && self.left != Some(0)
    }
}

/// The fault in force. At most one is.
#[derive(Debug)]
pub struct FaultSlot<K> {
    active: watch::Sender<(u64, Option<Active<K>>)>,
    /// How many requests have met a fault.
    met: watch::Sender<u64>,
}

impl<K> Default for FaultSlot<K> {
    fn default() -> Self {
        Self {
            active: watch::Sender::new((0, None)),
            met: watch::Sender::new(0),
        }
    }
}

impl<K: Copy> FaultSlot<K> {
    /// Puts a fault in force in place of any other.
    pub fn set(&self, fault: Fault<K>) {
        self.active.send_modify(|(id, active)| {
            *id += 1;
            // A time that the clock cannot reach is no bound.
            let until = fault
                .for_ms
                .and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
            *active = Some(Active {
                id: *id,
                met: Met {
                    kind: fault.kind,
                    amount: fault.amount,
                },
                until,
                left: fault.count,
            });
        });
    }

    /// Ends the fault in force.
    pub fn clear(&self) {
        self.active.send_modify(|(_, active)| *active = None);
    }

    /// What the next request meets; counts it. An exhausted fault stays in place, because requests may hang in it.
    pub fn take(&self) -> Option<Met<K>> {
        self.take_if(|_| true)
    }

    /// What the next request meets if the fault in force `applies` to it; counts it then.
    pub fn take_if(&self, applies: impl Fn(K) -> bool) -> Option<Met<K>> {
        let mut met = None;
        self.active.send_if_modified(|(_, active)| {
            let Some(fault) = active.as_mut().filter(|fault| fault.is_in_force()) else {
                return false;
            };
            if !applies(fault.met.kind) {
                return false;
            }
            fault.left = fault.left.map(|left| left - 1);
            met = Some(fault.met);
            false
        });
        if met.is_some() {
            self.met.send_modify(|met| *met += 1);
        }
        met
    }

    /// The fault that the next request would meet. Counts nothing.
    pub fn current(&self) -> Option<Met<K>> {
        let active = self.active.borrow();
        let fault = active.1.as_ref().filter(|fault| fault.is_in_force());
        fault.map(|fault| fault.met)
    }

    /// How many requests have met a fault since the start, so that a test can wait for one instead of sleeping.
    pub fn met(&self) -> watch::Receiver<u64> {
        self.met.subscribe()
    }

    /// Waits until the fault that is in force now has ended.
    ///
    /// # Cancel safety
    /// Safe: it only watches.
    pub async fn over(&self) {
        let mut watch = self.active.subscribe();
        let Some((id, until)) = watch
            .borrow_and_update()
            .1
            .as_ref()
            .map(|fault| (fault.id, fault.until))
        else {
            return;
        };
        let expired = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let replaced = watch.wait_for(|(_, now)| now.as_ref().is_none_or(|now| now.id != id));
        tokio::select! {
            () = expired => {}
            _ = replaced => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        Hang,
        Page,
    }

    fn kind(met: Option<Met<Kind>>) -> Option<Kind> {
        met.map(|met| met.kind)
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_ends_by_count_by_time_or_by_command() {
        let faults = FaultSlot::default();
        assert_eq!(faults.take(), None);
        faults.set(Fault::until_cleared(Kind::Page).times(2));
        assert_eq!(kind(faults.take()), Some(Kind::Page));
        assert_eq!(kind(faults.current()), Some(Kind::Page));
        assert_eq!(kind(faults.take()), Some(Kind::Page));
        assert_eq!(faults.take(), None);

        let time = Duration::from_millis(50);
        faults.set(Fault::until_cleared(Kind::Hang).lasting(time));
        assert_eq!(kind(faults.take()), Some(Kind::Hang));
        tokio::time::sleep(time).await;
        assert_eq!(faults.take(), None);
        assert_eq!(faults.current(), None);

        faults.set(Fault::until_cleared(Kind::Page).by(7));
        assert_eq!(faults.take().unwrap().amount, Some(7));
        faults.clear();
        assert_eq!(faults.take(), None);
        assert_eq!(*faults.met().borrow(), 4);
    }

    #[test]
    fn a_request_that_the_fault_does_not_concern_is_not_counted() {
        let faults = FaultSlot::default();
        faults.set(Fault::until_cleared(Kind::Page).times(1));
        assert_eq!(faults.take_if(|kind| kind == Kind::Hang), None);
        assert_eq!(
            kind(faults.take_if(|kind| kind == Kind::Page)),
            Some(Kind::Page)
        );
        assert_eq!(*faults.met().borrow(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_is_released_when_the_fault_is_over_and_not_when_it_is_used_up() {
        let faults = FaultSlot::default();
        let time = Duration::from_secs(1);
        faults.set(Fault::until_cleared(Kind::Hang).lasting(time).times(1));
        assert_eq!(kind(faults.take()), Some(Kind::Hang));
        let started = Instant::now();
        faults.over().await;
        assert_eq!(started.elapsed(), time);

        faults.set(Fault::until_cleared(Kind::Hang));
        let hanging = faults.over();
        tokio::pin!(hanging);
        let still = tokio::time::timeout(Duration::from_secs(3_600), &mut hanging).await;
        assert!(still.is_err());
        faults.clear();
        hanging.await;
    }

    #[test]
    fn a_fault_is_written_as_json_with_what_it_needs() {
        let fault: Fault<Kind> =
            serde_json::from_str(r#"{"kind": "hang", "forMs": 5, "amount": 2}"#).unwrap();
        let expected = Fault::until_cleared(Kind::Hang)
            .lasting(Duration::from_millis(5))
            .by(2);
        assert_eq!(fault, expected);
        assert!(serde_json::from_str::<Fault<Kind>>(r#"{"kind": "hang", "for": 5}"#).is_err());
    }
}
