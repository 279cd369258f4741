//! A place for one piece of work that is under way, to be awaited beside other things.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
};

/// Holds at most one future. Nobody ever locks the mutex: with it the slot may be looked at from elsewhere, so that who holds one can be
/// spawned.
pub(crate) struct Slot<T>(Option<Mutex<Work<T>>>);

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<T> Slot<T> {
    /// With nothing under way.
    pub(crate) const fn empty() -> Self {
        Self(None)
    }

    /// True if something is under way.
    pub(crate) const fn is_taken(&self) -> bool {
        self.0.is_some()
    }

    /// Puts `work` in the place of what was there, which is dropped.
    pub(crate) fn put(&mut self, work: impl Future<Output = T> + Send + 'static) {
        self.0 = Some(Mutex::new(Box::pin(work)));
    }

    /// Drops what is under way.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    /// Waits for the end of what is under way; for ever if there is nothing.
    ///
    /// # Cancel safety
    /// The work stays where it is.
    pub(crate) async fn done(&mut self) -> T {
        let Some(work) = &mut self.0 else {
            return std::future::pending().await;
        };
        let work = work.get_mut().unwrap_or_else(PoisonError::into_inner);
        let outcome = work.as_mut().await;
        self.0 = None;
        outcome
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slot").field(&self.is_taken()).finish()
    }
}
