//! Bounds what is being received. Gossip puts an RPC together in memory before it looks at it, up to 10 MiB for each connection, and
//! keeps the room for as long as the stream lives. So whoever begins an RPC that is larger than a block usually is takes one of a few
//! places; who has had one for the longest without use loses the connection when another wants it. Placed above the multiplexer.

mod frames;
#[cfg(test)]
mod tests;

use crate::standing::Standing;
use frames::Frames;
use futures::{AsyncRead, AsyncWrite, task::AtomicWaker};
use libp2p::{
    PeerId,
    core::{StreamMuxer, muxing::StreamMuxerEvent},
};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Instant,
};

/// Connections that may have sent a large RPC: more than the mesh has, so that on a chain of huge blocks nobody in it is in the way of
/// another. With 16 MiB each, and 1 MiB for each of 64 others, 320 MiB are taken at the most.
const PLACES: usize = 16;

/// The places for those who send large RPCs. Clones share them.
#[derive(Clone)]
pub(crate) struct LargeRpcs {
    standing: Standing,
    holders: Arc<Mutex<Vec<Holder>>>,
}

/// A connection that has a place.
struct Holder {
    link: Weak<Link>,
    /// When it last began a large RPC.
    at: Instant,
}

/// A connection as its streams and the places know it.
struct Link {
    peer: PeerId,
    is_ousted: AtomicBool,
    waker: AtomicWaker,
}

impl LargeRpcs {
    /// All places are free. Those in good `standing` lose theirs last.
    pub(crate) fn new(standing: Standing) -> Self {
        Self {
            standing,
            holders: Arc::new(Mutex::new(Vec::with_capacity(PLACES + 1))),
        }
    }

    /// A connection with `peer` under this bound.
    pub(crate) fn bound<M>(&self, peer: PeerId, muxer: M) -> BoundedMuxer<M> {
        BoundedMuxer {
            inner: muxer,
            rpcs: self.clone(),
            link: Arc::new(Link {
                peer,
                is_ousted: AtomicBool::new(false),
                waker: AtomicWaker::new(),
            }),
        }
    }

    /// A connection begins a large RPC. Whoever comes off worst for it is ousted, be it this one.
    fn take(&self, link: &Arc<Link>, now: Instant) {
        let mut holders = self.holders();
        holders.retain(|holder| {
            let is_another = !std::ptr::eq(holder.link.as_ptr(), Arc::as_ptr(link));
            is_another && holder.link.strong_count() > 0
        });
        holders.push(Holder {
            link: Arc::downgrade(link),
            at: now,
        });
        while holders.len() > PLACES {
            let Some(worst) = self.worst(&holders, now) else {
                return;
            };
            let ousted = holders.remove(worst);
            if let Some(link) = ousted.link.upgrade() {
                link.oust();
            }
        }
    }

    fn worst(&self, holders: &[Holder], now: Instant) -> Option<usize> {
        let worst = holders.iter().enumerate().min_by_key(|(_, holder)| {
            let link = holder.link.upgrade();
            let is_proven = link.is_some_and(|link| self.standing.is_proven(&link.peer, now));
            (is_proven, holder.at)
        });
        worst.map(|(at, _)| at)
    }

    fn holders(&self) -> MutexGuard<'_, Vec<Holder>> {
        // No code panics while it holds the lock.
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    fn oust(&self) {
        self.is_ousted.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// A connection whose inbound streams are watched. When it is ousted it fails.
pub(crate) struct BoundedMuxer<M> {
    inner: M,
    rpcs: LargeRpcs,
    link: Arc<Link>,
}

impl<M> BoundedMuxer<M> {
    fn check(&self, context: &Context<'_>) -> io::Result<()> {
        self.link.waker.register(context.waker());
        if self.link.is_ousted.load(Ordering::Acquire) {
            return Err(io::Error::other(
                "others need the room for large RPCs more than this peer",
            ));
        }
        Ok(())
    }
}

impl<M> StreamMuxer for BoundedMuxer<M>
where
    M: StreamMuxer + Unpin,
    M::Substream: Unpin,
    M::Error: Send + Sync + 'static,
{
    type Substream = BoundedStream<M::Substream>;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_inbound(context));
        let inner = stream.map_err(io::Error::other)?;
        let watch = Watch {
            frames: Frames::new(),
            rpcs: self.rpcs.clone(),
            link: Arc::clone(&self.link),
        };
        Poll::Ready(Ok(BoundedStream {
            inner,
            watch: Some(watch),
        }))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_outbound(context));
        let inner = stream.map_err(io::Error::other)?;
        // Gossip reads nothing from the streams that it opens itself.
        Poll::Ready(Ok(BoundedStream { inner, watch: None }))
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.inner).poll_close(context);
        closed.map_err(io::Error::other)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<StreamMuxerEvent>> {
        self.check(context)?;
        let event = Pin::new(&mut self.inner).poll(context);
        event.map_err(io::Error::other)
    }
}

/// A stream, watched if the peer opened it.
pub(crate) struct BoundedStream<S> {
    inner: S,
    watch: Option<Watch>,
}

struct Watch {
    frames: Frames,
    rpcs: LargeRpcs,
    link: Arc<Link>,
}

impl Watch {
    fn read(&mut self, bytes: &[u8]) {
        if self.frames.begins_large(bytes) {
            self.rpcs.take(&self.link, Instant::now());
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BoundedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        if let (Some(watch), Some(bytes)) = (&mut self.watch, buffer.get(..read)) {
            watch.read(bytes);
        }
        Poll::Ready(Ok(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BoundedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(context)
    }
}
