//! Takes connections in, as many as the cap allows, and closes the others at once.

use crate::{
    config::{Limits, STOP_PATIENCE},
    metrics::ConnectionMetrics,
    server::{Site, connection},
};
use light_node_actor::CancellationToken;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};
use tracing::{info, warn};

/// Pause after the machine refused us a connection: it has no file descriptor left, and asking at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A machine that is short of file descriptors gives one now and then. It has enough again when it refused none for this long.
const CALM: Duration = Duration::from_secs(10);

/// The places for connections on one port.
#[derive(Debug)]
struct Places {
    limits: Limits,
    full: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    is_reserve: bool,
    metrics: ConnectionMetrics,
}

impl Place {
    /// True if the connection may only ask for pages.
    pub(crate) const fn is_reserve(&self) -> bool {
        self.is_reserve
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.closed();
    }
}

impl Places {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            full: Arc::new(Semaphore::new(limits.connections)),
            reserve: Arc::new(Semaphore::new(limits.page_connections)),
        }
    }

    fn take(&self, metrics: &ConnectionMetrics) -> Option<Place> {
        let place = |permit, is_reserve| {
            metrics.opened();
            Place {
                _permit: permit,
                is_reserve,
                metrics: metrics.clone(),
            }
        };
        if let Ok(permit) = self.full.clone().try_acquire_owned() {
            return Some(place(permit, false));
        }
        let permit = self.reserve.clone().try_acquire_owned().ok()?;
        Some(place(permit, true))
    }

    /// Waits until every place was given back.
    async fn all_free(&self) {
        let count = |places: usize| u32::try_from(places).unwrap_or(u32::MAX);
        // The semaphores are never closed.
        let _ = self.full.acquire_many(count(self.limits.connections)).await;
        let _ = self
            .reserve
            .acquire_many(count(self.limits.page_connections))
            .await;
    }
}

/// Serves `site` until `token` is cancelled. `name` is what logs call it.
pub(crate) async fn serve(
    name: &'static str,
    listener: TcpListener,
    site: Arc<dyn Site>,
    limits: Limits,
    metrics: ConnectionMetrics,
    token: CancellationToken,
) {
    let places = Places::new(limits);
    let mut refused_at: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = token.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                if refused_at.is_some_and(|refused| refused.elapsed() >= CALM) {
                    refused_at = None;
                    info!(server = name, "connections are accepted again");
                }
                take_in(stream, &site, &places, &metrics, &token);
            }
            // The client went away before its turn.
            Err(error) if is_of_client(&error) => {}
            Err(error) => {
                metrics.rejected();
                if refused_at.replace(Instant::now()).is_none() {
                    warn!(server = name, %error, "cannot accept connections: raise the limit of open files (ulimit -n)");
                }
                tokio::select! {
                    () = token.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
    drop(listener);
    // A client that does not read its answers must not hold up the end of the process.
    if timeout(STOP_PATIENCE, places.all_free()).await.is_err() {
        warn!(server = name, "some connections did not end and are cut");
    }
}

fn take_in(
    stream: TcpStream,
    site: &Arc<dyn Site>,
    places: &Places,
    metrics: &ConnectionMetrics,
    token: &CancellationToken,
) {
    let Some(place) = places.take(metrics) else {
        metrics.rejected();
        return;
    };
    // An error means that the client has gone already, which reading finds out too.
    let _ = stream.set_nodelay(true);
    tokio::spawn(connection::serve(
        stream,
        site.clone(),
        place,
        places.limits,
        token.clone(),
    ));
}

fn is_of_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
