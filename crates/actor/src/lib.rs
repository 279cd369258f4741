//! What every actor shares: named tasks under one cancellation with a grace period ([`Supervisor`]), and the delay between
//! two attempts at a thing that failed ([`Backoff`]), what is random ([`jittered`], [`random_id`]), an error in one line ([`in_words`]),
//! and files that are whole or absent ([`files`]).

mod backoff;
pub mod files;
mod random;
mod supervisor;
mod words;

pub use backoff::Backoff;
#[cfg(any(test, feature = "test-utils"))]
pub use random::seed_thread;
pub use random::{jittered, random_id};
pub use supervisor::{Supervisor, TaskFailure};
pub use tokio_util::sync::CancellationToken;
pub use words::in_words;
