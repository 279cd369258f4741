//! What of the actor's findings is news, and so belongs in the log. Every finding is counted; said is the first good
//! answer, the beginning of a trouble, and its end. Pure but for `Instant`.

use std::time::Duration;
use tokio::time::Instant;

/// A trouble that comes and goes (one of several backends lags or is of another chain) is said once in this time.
const REPEAT_AFTER: Duration = Duration::from_secs(60);

/// The memory of what has been said.
#[derive(Debug, Default)]
pub(crate) struct News {
    has_answered: bool,
    is_unverified: bool,
    /// The trouble that was said last and has not ended.
    trouble: Option<&'static str>,
    /// When each trouble was said last. As long as the list of reasons at most.
    said: Vec<(&'static str, Instant)>,
}

impl News {
    /// The source's heads are good. News once: later it is in step again, or not.
    pub(crate) const fn is_first_answer(&mut self) -> bool {
        !std::mem::replace(&mut self.has_answered, true)
    }

    /// The source does not say which chain it serves. News once.
    pub(crate) const fn is_first_unverified(&mut self) -> bool {
        !std::mem::replace(&mut self.is_unverified, true)
    }

    /// There is trouble. News when it is another than before, and has not been said for a while.
    pub(crate) fn is_new_trouble(&mut self, reason: &'static str) -> bool {
        let now = Instant::now();
        self.said
            .retain(|(_, instant)| now.duration_since(*instant) < REPEAT_AFTER);
        if self.trouble == Some(reason) || self.said.iter().any(|(said, _)| *said == reason) {
            return false;
        }
        self.trouble = Some(reason);
        self.said.push((reason, now));
        true
    }

    /// All is well. News if a trouble has been said.
    pub(crate) const fn is_end_of_trouble(&mut self) -> bool {
        self.trouble.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn a_trouble_that_lasts_is_said_once_and_so_is_its_end() {
        let mut news = News::default();
        assert!(news.is_new_trouble("stale"));
        for _ in 0..100 {
            advance(Duration::from_secs(10)).await;
            assert!(!news.is_new_trouble("stale"));
        }
        assert!(news.is_end_of_trouble());
        assert!(!news.is_end_of_trouble());
    }

    #[tokio::test(start_paused = true)]
    async fn each_of_several_troubles_that_take_turns_is_said_once_a_minute() {
        let mut news = News::default();
        let mut said = 0;
        for second in 0..180 {
            let reason = ["stale", "replaying", "invalid"][second % 3];
            said += u32::from(news.is_new_trouble(reason));
            if second % 5 == 0 {
                news.is_end_of_trouble();
            }
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(said, 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trouble_that_comes_back_after_a_minute_is_news_also_if_it_came_back_sooner() {
        let mut news = News::default();
        assert!(news.is_new_trouble("stale"));
        assert!(news.is_end_of_trouble());
        advance(Duration::from_secs(30)).await;
        assert!(!news.is_new_trouble("stale"));
        advance(Duration::from_secs(30)).await;
        assert!(news.is_new_trouble("stale"));
    }
}
