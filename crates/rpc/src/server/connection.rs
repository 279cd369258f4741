//! One connection: HTTP/1.1 until it ends, is upgraded, or its client dawdles.

use crate::{
    config::{HEAD_BYTES_MAX, HEADERS_MAX, Limits},
    server::{
        Site,
        accept::Place,
        io::{Activity, Socket},
    },
};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use light_node_actor::CancellationToken;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::net::TcpStream;
use tracing::debug;

/// How often a connection is looked at. Deadlines of connections are that precise.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What a request may know of its connection. Who goes on using the socket after an upgrade keeps it, and with it the place.
#[derive(Debug)]
pub(crate) struct Connection {
    place: Place,
    limits: Limits,
    token: CancellationToken,
}

impl Connection {
    /// True if the client came over the cap and may only ask for pages.
    pub(crate) const fn is_reserve(&self) -> bool {
        self.place.is_reserve()
    }

    /// How long the server bears with it.
    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Cancelled when the server stops.
    pub(crate) const fn token(&self) -> &CancellationToken {
        &self.token
    }
}

/// Serves one client to its end.
pub(crate) async fn serve(
    stream: TcpStream,
    site: Arc<dyn Site>,
    place: Place,
    limits: Limits,
    token: CancellationToken,
) {
    let is_reserve = place.is_reserve();
    let activity = Activity::new(is_reserve, &limits);
    let socket = Socket::new(stream, activity.clone());
    let connection = Arc::new(Connection {
        place,
        limits,
        token: token.clone(),
    });
    let service = service_fn(|request| {
        let answer = site.clone().handle(request, connection.clone());
        let activity = activity.clone();
        activity.request_began();
        async move {
            let answer = answer.await;
            activity.request_ended();
            Ok::<_, Infallible>(answer)
        }
    });
    let served = http1::Builder::new()
        // Deadlines are looked after below, where an idle client and a slow one are told apart.
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .keep_alive(!is_reserve)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    tokio::pin!(served);
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            () = token.cancelled(), if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
            }
            ended = &mut served => {
                if let Err(error) = ended {
                    debug!(%error, "connection ended");
                }
                return;
            }
            _ = looks.tick() => {
                if let Some(reason) = activity.overdue() {
                    debug!(reason, "connection closed");
                    return;
                }
            }
        }
    }
}
