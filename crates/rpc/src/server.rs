//! One HTTP/1.1 server for both ports of the node: it accepts under a cap, gives each connection its deadlines, and hands
//! requests to a [`Site`]. `accept` -> `connection` -> `Site::handle`: the RPC site (`http`, `websocket`, both over `dispatch`)
//! or the metrics site.

pub(crate) mod accept;
pub(crate) mod connection;
pub(crate) mod dispatch;
pub(crate) mod http;
mod io;
#[cfg(test)]
mod tests;
mod websocket;

use self::connection::Connection;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use std::sync::Arc;

pub(crate) type Request = ::http::Request<Incoming>;
pub(crate) type Response = ::http::Response<Full<Bytes>>;

/// What is served on one port.
pub(crate) trait Site: Send + Sync + 'static {
    /// Answers one request. Dropped when the connection ends.
    fn handle(
        self: Arc<Self>,
        request: Request,
        connection: Arc<Connection>,
    ) -> BoxFuture<'static, Response>;
}
