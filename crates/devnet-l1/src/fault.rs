//! Faults on command: what a request meets instead of an answer, for a time, for a number of requests, or until cleared.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::{sync::watch, time::Instant};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    /// The connection is closed without an answer.
    Refuse,
    /// No answer until the fault is over; then the connection is closed.
    Hang,
    /// HTTP status 429.
    Http429,
    /// HTTP status 500.
    Http500,
    /// A web page with status 200, as a misconfigured proxy serves.
    Html,
    /// The first half of the right answer.
    Truncated,
}

/// A fault and how long it lasts. Without `for_ms` and `count` it lasts until it is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// How long from now, in milliseconds.
    #[serde(default, alias = "for_ms")]
    pub for_ms: Option<u64>,
    /// How many requests meet it.
    #[serde(default)]
    pub count: Option<u64>,
}

impl Fault {
    /// A fault that lasts until it is cleared.
    pub const fn until_cleared(kind: FaultKind) -> Self {
        Self {
            kind,
            for_ms: None,
            count: None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Active {
    /// Tells this fault from a later one of the same kind.
    id: u64,
    kind: FaultKind,
    until: Option<Instant>,
    left: Option<u64>,
}

impl Active {
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// The fault in force. At most one is.
#[derive(Debug)]
pub(crate) struct Faults {
    active: watch::Sender<(u64, Option<Active>)>,
    /// How many requests have met a fault.
    met: watch::Sender<u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            active: watch::Sender::new((0, None)),
            met: watch::Sender::new(0),
        }
    }
}

impl Faults {
    /// Puts a fault in force in place of any other.
    pub(crate) fn set(&self, fault: Fault) {
        self.active.send_modify(|(id, active)| {
            *id += 1;
            let until = fault
                .for_ms
                .map(|ms| Instant::now() + Duration::from_millis(ms));
            *active = Some(Active {
                id: *id,
                kind: fault.kind,
                until,
                left: fault.count,
            });
        });
    }

    /// Ends the fault in force.
    pub(crate) fn clear(&self) {
        self.active.send_modify(|(_, active)| *active = None);
    }

    /// What the next request meets; counts it. An exhausted fault stays in place, because requests may hang in it.
    pub(crate) fn take(&self) -> Option<FaultKind> {
        let mut kind = None;
        self.active.send_if_modified(|(_, active)| {
            let Some(fault) = active.as_mut().filter(|fault| !fault.is_over()) else {
                return false;
            };
            match fault.left.as_mut() {
                Some(0) => return false,
                Some(left) => *left -= 1,
                None => {}
            }
            kind = Some(fault.kind);
            false
        });
        if kind.is_some() {
            self.met.send_modify(|met| *met += 1);
        }
        kind
    }

    /// How many requests have met a fault since the start.
    pub(crate) fn met(&self) -> watch::Receiver<u64> {
        self.met.subscribe()
    }

    /// Waits until the fault that is in force now has ended.
    ///
    /// # Cancel safety
    /// Safe: it only watches.
    pub(crate) async fn over(&self) {
        let mut watch = self.active.subscribe();
        let Some(fault) = watch.borrow_and_update().1 else {
            return;
        };
        let expired = async {
            match fault.until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let replaced = watch.wait_for(|(_, now)| now.is_none_or(|now| now.id != fault.id));
        tokio::select! {
            () = expired => {}
            _ = replaced => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_fault_ends_by_count_by_time_or_by_command() {
        let faults = Faults::default();
        assert_eq!(faults.take(), None);
        faults.set(Fault {
            kind: FaultKind::Http429,
            for_ms: None,
            count: Some(2),
        });
        assert_eq!(faults.take(), Some(FaultKind::Http429));
        assert_eq!(faults.take(), Some(FaultKind::Http429));
        assert_eq!(faults.take(), None);

        faults.set(Fault {
            kind: FaultKind::Html,
            for_ms: Some(50),
            count: None,
        });
        assert_eq!(faults.take(), Some(FaultKind::Html));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(faults.take(), None);

        faults.set(Fault::until_cleared(FaultKind::Http500));
        assert_eq!(faults.take(), Some(FaultKind::Http500));
        faults.clear();
        assert_eq!(faults.take(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_is_released_when_the_fault_is_over_and_not_when_it_is_used_up() {
        let faults = Faults::default();
        faults.set(Fault {
            kind: FaultKind::Hang,
            for_ms: Some(1_000),
            count: Some(1),
        });
        assert_eq!(faults.take(), Some(FaultKind::Hang));
        let started = Instant::now();
        faults.over().await;
        assert_eq!(started.elapsed(), Duration::from_millis(1_000));

        faults.set(Fault::until_cleared(FaultKind::Hang));
        let hanging = faults.over();
        tokio::pin!(hanging);
        let still = tokio::time::timeout(Duration::from_secs(3_600), &mut hanging).await;
        assert!(still.is_err());
        faults.clear();
        hanging.await;
    }
}
