//! What every actor shares: named tasks under one cancellation with a grace period ([`Supervisor`]), and the delay between
//! two attempts at a thing that failed ([`Backoff`]).

mod backoff;
mod supervisor;

pub use backoff::Backoff;
pub use supervisor::{Supervisor, TaskFailure};
pub use tokio_util::sync::CancellationToken;
