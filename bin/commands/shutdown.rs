//! Ctrl-C and SIGTERM: the first asks for a clean end, the second ends at once.

use light_node_actor::CancellationToken;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

/// Exit code of a process that a second signal ended: 128 + SIGINT, as shells report it.
const FORCED_EXIT_CODE: i32 = 130;

/// Within this time after the first signal further ones mean nothing: process managers that forward signals often send the
/// same one twice.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// Cancels the returned token at the first SIGINT or SIGTERM.
///
/// # Errors
/// If the signal handlers cannot be installed.
pub(crate) fn on_signal() -> eyre::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let cancelled = token.clone();
    tokio::spawn(async move {
        let name = next(&mut interrupt, &mut terminate).await;
        info!(signal = name, "stopping");
        cancelled.cancel();
        let first_at = Instant::now();
        let mut name = next(&mut interrupt, &mut terminate).await;
        while first_at.elapsed() < SAME_SIGNAL {
            name = next(&mut interrupt, &mut terminate).await;
        }
        warn!(signal = name, "second signal, ending at once");
        std::process::exit(FORCED_EXIT_CODE);
    });
    Ok(token)
}

async fn next(
    interrupt: &mut tokio::signal::unix::Signal,
    terminate: &mut tokio::signal::unix::Signal,
) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
