//! The servers run on a thread of their own. A flood of requests then takes one core at the most, by the operating system's
//! fair share, and never a turn of the actors' runtime: a forkchoice update does not wait behind ten thousand status queries.

use crate::RpcError;
use light_node_actor::CancellationToken;
use std::thread;
use tokio::{runtime::Builder, sync::oneshot};

/// Runs what `make` returns on a new thread with a runtime of its own, to its end. When this future is dropped, the token that
/// `make` was given is cancelled.
///
/// # Errors
/// What the future returns; or that the thread could not be started, or panicked.
pub(crate) async fn run<F>(
    token: CancellationToken,
    make: impl FnOnce(CancellationToken) -> F + Send + 'static,
) -> Result<(), RpcError>
where
    F: Future<Output = Result<(), RpcError>>,
{
    let token = token.child_token();
    let _stop = token.clone().drop_guard();
    let (done, ended) = oneshot::channel();
    let work = move || {
        let outcome = match Builder::new_current_thread().enable_all().build() {
            // The runtime goes with this arm, and with it every task that still runs.
            Ok(runtime) => runtime.block_on(make(token)),
            Err(source) => Err(RpcError::Thread { source }),
        };
        // Nobody waits only if the whole process is being torn down.
        let _ = done.send(outcome);
    };
    thread::Builder::new()
        .name("rpc".to_owned())
        .spawn(work)
        .map_err(|source| RpcError::Thread { source })?;
    ended.await.unwrap_or(Err(RpcError::Panicked))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_on_the_thread_is_an_error_here() {
        let outcome = run(CancellationToken::new(), |_| async { panic!("on purpose") }).await;
        assert!(matches!(outcome, Err(RpcError::Panicked)), "{outcome:?}");
    }

    #[tokio::test]
    async fn dropping_the_future_ends_the_thread() {
        let (seen, ended) = oneshot::channel();
        let running = run(CancellationToken::new(), |token| async move {
            token.cancelled().await;
            let _ = seen.send(());
            Ok(())
        });
        let started = tokio::time::timeout(std::time::Duration::from_millis(20), running).await;
        assert!(started.is_err(), "it runs until it is told to stop");
        ended.await.unwrap();
    }
}
