//! A socket that remembers when something last happened on it, so that its connection can be ended when the client dawdles.

use crate::config::{Limits, PAGE_HEAD_PATIENCE};
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// For a request.
    Idle,
    /// For the rest of a request's head.
    Head,
    /// For our own answer; the body has a deadline of its own.
    Request,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// Since when the socket takes no more bytes.
    blocked_since: Option<Instant>,
}

/// Times of one connection, shared by its socket, its service and the one who ends it.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    state: Arc<Mutex<State>>,
    head: Duration,
    write: Duration,
    idle: Duration,
}

impl Activity {
    /// Of a new connection: it was made to ask for something, so its first request must come soon.
    pub(crate) fn new(is_reserve: bool, limits: &Limits) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                phase: Phase::Head,
                since: Instant::now(),
                blocked_since: None,
            })),
            head: if is_reserve {
                PAGE_HEAD_PATIENCE
            } else {
                limits.head
            },
            write: limits.write,
            idle: limits.idle,
        }
    }

    pub(crate) fn request_began(&self) {
        self.enter(Phase::Request);
    }

    pub(crate) fn request_ended(&self) {
        self.enter(Phase::Idle);
    }

    /// Why the connection should end, if it should.
    pub(crate) fn overdue(&self) -> Option<&'static str> {
        self.with(|state| {
            let blocked = state.blocked_since.map(|since| since.elapsed());
            if blocked.is_some_and(|blocked| blocked >= self.write) {
                return Some("it does not read its answers");
            }
            let waited = state.since.elapsed();
            match state.phase {
                Phase::Head if waited >= self.head => Some("the head of its request does not come"),
                Phase::Idle if waited >= self.idle => Some("it is idle"),
                Phase::Head | Phase::Idle | Phase::Request => None,
            }
        })
    }

    fn enter(&self, phase: Phase) {
        self.with(|state| {
            state.phase = phase;
            state.since = Instant::now();
        });
    }

    fn bytes_came(&self) {
        self.with(|state| {
            if state.phase == Phase::Idle {
                state.phase = Phase::Head;
                state.since = Instant::now();
            }
        });
    }

    fn wrote<T>(&self, outcome: &Poll<T>) {
        self.with(|state| match outcome {
            Poll::Ready(_) => state.blocked_since = None,
            Poll::Pending => {
                state.blocked_since.get_or_insert_with(Instant::now);
            }
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The socket of one connection.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    activity: Activity,
}

impl Socket {
    pub(crate) const fn new(stream: TcpStream, activity: Activity) -> Self {
        Self { stream, activity }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(task, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes_came();
        }
        outcome
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(task, bytes);
        self.activity.wrote(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(task, slices);
        self.activity.wrote(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits::RPC;

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_patience() {
        let activity = Activity::new(false, &LIMITS);
        tokio::time::advance(LIMITS.head - Duration::from_millis(1)).await;
        assert_eq!(activity.overdue(), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(activity.overdue().is_some(), "no first request");
        activity.request_began();
        tokio::time::advance(LIMITS.idle * 2).await;
        assert_eq!(activity.overdue(), None, "the answer has its own deadline");
        activity.request_ended();
        tokio::time::advance(LIMITS.head * 2).await;
        assert_eq!(activity.overdue(), None, "between two requests");
        activity.bytes_came();
        tokio::time::advance(LIMITS.head / 2).await;
        activity.bytes_came();
        tokio::time::advance(LIMITS.head / 2).await;
        assert!(activity.overdue().is_some(), "byte by byte");
        activity.request_ended();
        tokio::time::advance(LIMITS.idle).await;
        assert_eq!(activity.overdue(), Some("it is idle"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_overdue_even_while_it_asks() {
        let activity = Activity::new(false, &LIMITS);
        activity.request_began();
        activity.wrote::<()>(&Poll::Pending);
        tokio::time::advance(LIMITS.write / 2).await;
        activity.wrote::<()>(&Poll::Pending);
        tokio::time::advance(LIMITS.write / 2).await;
        assert_eq!(activity.overdue(), Some("it does not read its answers"));
        activity.wrote(&Poll::Ready(()));
        assert_eq!(activity.overdue(), None);
    }
}
