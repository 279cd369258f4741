//! How well one endpoint serves: when it may be asked again, and when it is preferred again. Pure rules over instants; who
//! is asked next is decided in [`crate::endpoints`].
//!
//! There are two pauses. The short one says when an endpoint that failed may be asked at all, so that a lone endpoint is found
//! soon after its return. The long one says when an endpoint that was left for another is tried again although the other
//! serves, so that a broken first endpoint costs next to nothing and one that comes and goes does not make us flap.

use crate::{EndpointVerdict, HttpError, L1Error};
use light_node_actor::Backoff;
use std::time::Duration;
use tokio::time::Instant;

/// The first short pause.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest short pause, whatever the block time is.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// First and longest time for which another endpoint is preferred after this one was left.
const ABSENCE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));
/// After so long without a failure the next absence is the first again.
const STEADY: Duration = Duration::from_secs(600);
/// How long an endpoint of another chain is left alone. Short, because a load balancer that is set right again may be the
/// only way to L1, and a question each 15 s costs little.
const WRONG_CHAIN_PAUSE: Duration = Duration::from_secs(15);
/// The longest `Retry-After` that is honoured.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
/// So many bad answers in a row make us leave an endpoint; a single one may be a request that met a reorg.
const STRIKES: u32 = 2;

/// What a failure meant to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// It failed already before, in the same way.
    Nothing,
    /// It worked before.
    Failed,
    /// It is known to be of another chain from now on.
    Refused,
}

#[derive(Debug)]
pub(crate) struct Health {
    verdict: EndpointVerdict,
    pauses: Backoff,
    absences: Backoff,
    paused_until: Option<Instant>,
    absent_until: Option<Instant>,
    good_since: Option<Instant>,
    strikes: u32,
    bad_answers: u64,
    last_error: Option<L1Error>,
}

impl Health {
    /// Not asked yet. The longest short pause, with its jitter, ends within two blocks: so soon a lone endpoint is found again.
    pub(crate) fn new(block_time: Duration) -> Self {
        let max_pause = (block_time * 3 / 2).clamp(FIRST_PAUSE, MAX_PAUSE);
        Self {
            verdict: EndpointVerdict::Unchecked,
            pauses: Backoff::new(FIRST_PAUSE, max_pause),
            absences: Backoff::new(ABSENCE.0, ABSENCE.1),
            paused_until: None,
            absent_until: None,
            good_since: None,
            strikes: 0,
            bad_answers: 0,
            last_error: None,
        }
    }

    pub(crate) const fn verdict(&self) -> &EndpointVerdict {
        &self.verdict
    }

    pub(crate) const fn last_error(&self) -> Option<&L1Error> {
        self.last_error.as_ref()
    }

    pub(crate) const fn bad_answers(&self) -> u64 {
        self.bad_answers
    }

    /// When it may be asked again, if that is later than now.
    pub(crate) const fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// It may be asked.
    pub(crate) fn is_available(&self, now: Instant) -> bool {
        self.paused_until.is_none_or(|until| until <= now)
    }

    /// Another endpoint is preferred, whatever the order.
    pub(crate) fn is_absent(&self, now: Instant) -> bool {
        self.absent_until.is_some_and(|until| until > now)
    }

    /// Its answer was accepted. True if it had failed before.
    pub(crate) fn succeeded(&mut self, now: Instant) -> bool {
        self.verdict = EndpointVerdict::Verified;
        self.pauses.reset();
        self.paused_until = None;
        self.strikes = 0;
        self.good_since.get_or_insert(now);
        self.last_error.take().is_some()
    }

    /// It is in use (again).
    pub(crate) const fn returned(&mut self) {
        self.absent_until = None;
    }

    /// It was asked at `asked_at` and did not answer, or its answer was not accepted. Its identity is asked for again before it
    /// is believed. The pause counts from the question: waiting for an endpoint that is silent is a pause, too.
    pub(crate) fn failed(&mut self, asked_at: Instant, failure: &L1Error) -> Consequence {
        let now = Instant::now();
        let (verdict, pause) = match failure {
            L1Error::WrongChain { detail, .. } => {
                let detail = detail.clone();
                (EndpointVerdict::WrongChain { detail }, WRONG_CHAIN_PAUSE)
            }
            L1Error::Http {
                source: HttpError::Status { retry_after, .. },
                ..
            } => {
                let asked_for = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
                let asked_for = asked_for + now.saturating_duration_since(asked_at);
                let pause = self.pauses.next_delay().max(asked_for);
                (EndpointVerdict::Unchecked, pause)
            }
            _ => (EndpointVerdict::Unchecked, self.pauses.next_delay()),
        };
        let consequence = if matches!(verdict, EndpointVerdict::WrongChain { .. }) {
            if self.verdict == verdict {
                Consequence::Nothing
            } else {
                Consequence::Refused
            }
        } else if self.last_error.is_none() {
            Consequence::Failed
        } else {
            Consequence::Nothing
        };
        self.verdict = verdict;
        self.paused_until = Some((asked_at + pause).max(now + FIRST_PAUSE));
        let is_bad_answer = failure.is_bad_answer();
        if is_bad_answer {
            self.bad_answers += 1;
            self.strikes += 1;
        }
        if !is_bad_answer || self.strikes >= STRIKES {
            self.leave(now);
        }
        self.last_error = Some(failure.clone());
        consequence
    }

    /// It answers well, but others are further. It need not show its identity again. True if that is news.
    pub(crate) fn lags(&mut self, now: Instant, failure: &L1Error) -> bool {
        self.leave(now);
        let is_news = self.last_error.is_none();
        self.last_error = Some(failure.clone());
        is_news
    }

    fn leave(&mut self, now: Instant) {
        if self
            .good_since
            .take()
            .is_some_and(|since| now.saturating_duration_since(since) >= STEADY)
        {
            self.absences.reset();
        }
        self.absent_until = Some(now + self.absences.next_delay());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn http(status: u16, retry_after: Option<Duration>) -> L1Error {
        let source = HttpError::Status {
            status,
            retry_after,
        };
        let endpoint = "first".to_owned();
        L1Error::Http { endpoint, source }
    }

    fn malformed() -> L1Error {
        let (endpoint, cause) = ("first".to_owned(), "html".to_owned());
        L1Error::Malformed { endpoint, cause }
    }

    fn health() -> Health {
        Health::new(Duration::from_secs(12))
    }

    #[test]
    fn one_bad_answer_is_forgiven_and_two_in_a_row_are_not() {
        let now = Instant::now();
        let mut health = health();
        for _ in 0..2 {
            health.failed(now, &malformed());
            assert!(!health.is_available(now) && !health.is_absent(now));
            health.succeeded(now);
        }
        health.failed(now, &malformed());
        health.failed(now, &malformed());
        assert!(health.is_absent(now));
        assert_eq!(health.bad_answers(), 4);
    }

    #[test]
    fn no_answer_at_all_makes_us_leave_at_once() {
        let now = Instant::now();
        let mut health = health();
        assert_eq!(health.failed(now, &http(503, None)), Consequence::Failed);
        assert!(health.is_absent(now));
        assert_eq!(health.failed(now, &http(503, None)), Consequence::Nothing);
        assert_eq!(health.bad_answers(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_endpoint_is_asked_again_within_two_blocks_and_its_absence_grows() {
        for waited in [Duration::ZERO, Duration::from_secs(10)] {
            let mut health = health();
            for _ in 0..20 {
                let asked_at = Instant::now();
                advance(waited).await;
                health.failed(asked_at, &http(503, None));
                let until = health.paused_until().unwrap();
                assert!(until - Instant::now() >= FIRST_PAUSE);
                assert!(until - asked_at < Duration::from_secs(24));
                advance(until - Instant::now()).await;
            }
            let now = Instant::now();
            assert!(health.is_absent(now + Duration::from_secs(190)));
            assert!(!health.is_absent(now + Duration::from_secs(400)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_steady_service_makes_the_absence_short_again() {
        let long = Duration::from_secs(100);
        for (served, is_long) in [(long, true), (STEADY, false)] {
            let mut health = health();
            for _ in 0..9 {
                health.failed(Instant::now(), &http(503, None));
            }
            health.succeeded(Instant::now());
            advance(served / 2).await;
            health.succeeded(Instant::now());
            advance(served / 2).await;
            let now = Instant::now();
            health.failed(now, &http(503, None));
            assert_eq!(health.is_absent(now + long), is_long, "{served:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_honoured_but_not_for_ever() {
        for (asked_for, least, most) in [(90, 90, 90), (86_400, 300, 300), (0, 0, 2)] {
            let mut health = health();
            let asked_at = Instant::now();
            advance(Duration::from_secs(7)).await;
            health.failed(asked_at, &http(429, Some(Duration::from_secs(asked_for))));
            let pause = (health.paused_until().unwrap() - Instant::now()).as_secs();
            assert!((least..=most).contains(&pause), "{pause}");
        }
    }

    #[test]
    fn another_chain_is_news_once() {
        let now = Instant::now();
        let (endpoint, detail) = ("first".to_owned(), "its chain id is 5".to_owned());
        let wrong = L1Error::WrongChain { endpoint, detail };
        let mut health = health();
        health.failed(now, &http(503, None));
        assert_eq!(health.failed(now, &wrong), Consequence::Refused);
        assert_eq!(health.failed(now, &wrong), Consequence::Nothing);
    }
}
