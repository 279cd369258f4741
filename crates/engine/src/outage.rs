//! What has been said of an execution layer that fails, so that an outage of an hour is a few lines. Pure.

use light_node_engine_api::ElErrorClass;
use std::time::Duration;
use tokio::time::Instant;

/// The same kind of failure is said again in a new outage only after this time: an EL that fails at every other call would
/// else fill the log.
const QUIET: Duration = Duration::from_secs(60);

/// The present outage, if there is one, and the last ones as far as the log has to know.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// By class: said in this outage, and when it was last said in any.
    said: [(bool, Option<Instant>); ElErrorClass::ALL.len()],
}

impl Outage {
    /// Notes a failure. True if it is worth a line: the first of its kind in this outage.
    pub(crate) fn failed(&mut self, class: ElErrorClass, now: Instant) -> bool {
        let Some((said, last)) = self.said.get_mut(class as usize) else {
            return false;
        };
        let is_news = !*said && last.is_none_or(|last| now.duration_since(last) >= QUIET);
        if is_news {
            *said = true;
            *last = Some(now);
        }
        is_news
    }

    /// Notes that the EL does what it is asked. True if it is worth a line: the outage was.
    pub(crate) fn ended(&mut self) -> bool {
        let was_said = self.said.iter().any(|(said, _)| *said);
        for (said, _) in &mut self.said {
            *said = false;
        }
        was_said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ElErrorClass::{Timeout, Transport};

    #[test]
    fn a_dead_el_costs_one_line_per_kind_of_failure() {
        let start = Instant::now();
        let mut outage = Outage::default();
        let lines = (0..3_600).filter(|second| {
            let class = if second % 2 == 0 { Transport } else { Timeout };
            outage.failed(class, start + Duration::from_secs(*second))
        });
        assert_eq!(lines.count(), 2);
        assert!(outage.ended());
        assert!(!outage.ended());
    }

    #[test]
    fn an_el_that_fails_at_every_other_call_is_named_once_a_minute() {
        let start = Instant::now();
        let mut outage = Outage::default();
        let lines = (0..600).filter(|second| {
            let said = outage.failed(Transport, start + Duration::from_secs(*second));
            outage.ended();
            said
        });
        assert_eq!(lines.count(), 10);
    }

    #[test]
    fn an_outage_that_follows_at_once_is_named_when_it_lasts() {
        let start = Instant::now();
        let mut outage = Outage::default();
        assert!(outage.failed(Transport, start));
        assert!(outage.ended());
        assert!(!outage.failed(Transport, start + QUIET / 2));
        assert!(!outage.ended(), "it was not said that it began");
        assert!(!outage.failed(Transport, start + QUIET / 2));
        assert!(outage.failed(Transport, start + QUIET));
    }
}
