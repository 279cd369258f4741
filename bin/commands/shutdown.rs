//! The end of a process that serves: the first signal asks for a clean end, the second ends at once. And once the work is done,
//! nothing that still runs holds the process up.

use crate::telemetry;
use futures::{Stream, StreamExt, stream};
use light_node_actor::CancellationToken;
use std::{future::Future, io, task::Poll, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};
use tracing::{info, warn};

/// Exit code of a process that a second signal ended: 128 + SIGINT, as shells report it.
const FORCED_EXIT_CODE: i32 = 130;

/// Within this time after the first signal further ones mean nothing: process managers that forward signals often send the
/// same one twice.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// Runs `work`, which ends soon after its token is cancelled: at the first SIGINT, SIGTERM or SIGHUP. SIGHUP is left alone where it
/// was ignored before (`nohup`).
///
/// # Errors
/// If the runtime or the signal handlers cannot be set up, or the error of `work`.
pub(crate) fn run_until_signal<W: Future<Output = eyre::Result<()>>>(
    work: impl FnOnce(CancellationToken) -> W,
) -> eyre::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let token = on_signal()?;
        work(token).await
    });
    // A name that is still being looked up, or a client that does not read, ends with the process.
    runtime.shutdown_background();
    outcome
}

/// Cancels the returned token at the first signal, and ends the process at the second.
fn on_signal() -> eyre::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut kinds = vec![
        (SignalKind::interrupt(), "SIGINT"),
        (SignalKind::terminate(), "SIGTERM"),
    ];
    if !is_hangup_ignored() {
        kinds.push((SignalKind::hangup(), "SIGHUP"));
    }
    let signals: io::Result<Vec<_>> = kinds
        .into_iter()
        .map(|(kind, name)| named(kind, name))
        .collect();
    let obeyed = obey(stream::select_all(signals?), token.clone());
    tokio::spawn(async move {
        let code = obeyed.await;
        telemetry::flush();
        std::process::exit(code);
    });
    Ok(token)
}

/// The signal's name each time it comes.
fn named(
    kind: SignalKind,
    name: &'static str,
) -> io::Result<impl Stream<Item = &'static str> + Unpin + Send> {
    let mut signal = signal(kind)?;
    Ok(stream::poll_fn(move |task| {
        let polled: Poll<Option<()>> = signal.poll_recv(task);
        polled.map(|come| come.map(|()| name))
    }))
}

/// Returns the exit code when the process must not wait for its clean end any longer.
async fn obey(
    mut signals: impl Stream<Item = &'static str> + Unpin,
    token: CancellationToken,
) -> i32 {
    let name = next(&mut signals).await;
    info!(signal = name, "stopping");
    token.cancel();
    let first_at = Instant::now();
    let name = loop {
        let name = next(&mut signals).await;
        if first_at.elapsed() >= SAME_SIGNAL {
            break name;
        }
    };
    warn!(signal = name, "second signal, ending at once");
    FORCED_EXIT_CODE
}

async fn next(signals: &mut (impl Stream<Item = &'static str> + Unpin)) -> &'static str {
    match signals.next().await {
        Some(name) => name,
        // No more signals come, and nobody is to be ended for that.
        None => std::future::pending().await,
    }
}

/// Whether our parent wants us to outlive the terminal. Told by Linux; elsewhere SIGHUP ends the process.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores_hangup(&status)
}

/// Reads the mask of ignored signals, in which the lowest bit is signal 1.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::{sync::mpsc, time::sleep};

    fn channel() -> (
        mpsc::UnboundedSender<&'static str>,
        impl Stream<Item = &'static str> + Unpin,
    ) {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        (
            sender,
            stream::poll_fn(move |task| receiver.poll_recv(task)),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_signal_asks_and_the_second_ends() {
        let (sender, signals) = channel();
        let token = CancellationToken::new();
        let ended = tokio::spawn(obey(signals, token.clone()));
        sleep(Duration::from_secs(60)).await;
        assert!(!token.is_cancelled());
        sender.send("SIGTERM").unwrap();
        token.cancelled().await;
        sleep(SAME_SIGNAL).await;
        assert!(!ended.is_finished());
        sender.send("SIGINT").unwrap();
        assert_eq!(ended.await.unwrap(), FORCED_EXIT_CODE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_signal_twice_at_once_is_one() {
        let (sender, signals) = channel();
        let token = CancellationToken::new();
        let ended = tokio::spawn(obey(signals, token.clone()));
        sender.send("SIGTERM").unwrap();
        sender.send("SIGTERM").unwrap();
        token.cancelled().await;
        sleep(Duration::from_secs(60)).await;
        assert!(!ended.is_finished());
        drop(sender);
        sleep(Duration::from_secs(60)).await;
        assert!(!ended.is_finished(), "no signals is not a signal");
    }

    #[test]
    fn a_hangup_that_was_ignored_stays_ignored() {
        assert!(ignores_hangup("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup("SigIgn: ?\n"));
        assert!(!ignores_hangup(""));
    }

    #[test]
    fn what_blocks_a_thread_does_not_hold_up_the_end() {
        let started = std::time::Instant::now();
        run_until_signal(|_| async {
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(5)));
            Ok(())
        })
        .unwrap();
        assert!(started.elapsed() < Duration::from_secs(3));
    }
}
