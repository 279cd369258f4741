//! A tap on the wire: an HTTP server between the node and one of its peers which forwards every request and notes when it came,
//! when it was answered, and what both said.

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    response::Response,
};
use serde_json::Value;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::net::TcpListener;

/// Bodies of the devnet's parts are far smaller.
const BODY_BYTES_MAX: usize = 16 << 20;

/// One HTTP request; a batch is one.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// When its last byte had come.
    pub(crate) asked: Instant,
    /// When its answer was handed back.
    pub(crate) answered: Instant,
    pub(crate) request: Value,
    pub(crate) answer: Value,
}

impl Exchange {
    /// The methods it calls.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &str> {
        let calls = self
            .request
            .as_array()
            .map_or_else(|| std::slice::from_ref(&self.request), Vec::as_slice);
        calls.iter().filter_map(|call| call["method"].as_str())
    }

    pub(crate) fn calls(&self, method: &str) -> bool {
        self.methods().any(|called| called.starts_with(method))
    }

    pub(crate) fn duration(&self) -> Duration {
        self.answered - self.asked
    }
}

/// The tap; its clones share the notes.
#[derive(Clone, Debug)]
pub(crate) struct Tap {
    addr: SocketAddr,
    notes: Arc<Mutex<Vec<Exchange>>>,
}

#[derive(Clone, Debug)]
struct Line {
    upstream: String,
    client: reqwest::Client,
    notes: Arc<Mutex<Vec<Exchange>>>,
}

impl Tap {
    /// Opens a tap in front of `upstream`.
    pub(crate) async fn on(upstream: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let tap = Self {
            addr: listener.local_addr().unwrap(),
            notes: Arc::default(),
        };
        let line = Line {
            upstream: upstream.to_owned(),
            client: reqwest::Client::new(),
            notes: tap.notes.clone(),
        };
        let app = Router::new().fallback(forward).with_state(line);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        tap
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Everything noted so far.
    pub(crate) fn notes(&self) -> Vec<Exchange> {
        self.notes.lock().unwrap().clone()
    }

    /// Forgets what was noted.
    pub(crate) fn clear(&self) {
        self.notes.lock().unwrap().clear();
    }
}

async fn forward(State(line): State<Line>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap();
    let asked = Instant::now();
    let mut headers = parts.headers;
    headers.remove("host");
    let answer = line
        .client
        .post(&line.upstream)
        .headers(headers)
        .body(body.clone())
        .send()
        .await
        .unwrap();
    let status = answer.status();
    let answer: Bytes = answer.bytes().await.unwrap();
    line.notes.lock().unwrap().push(Exchange {
        asked,
        answered: Instant::now(),
        request: serde_json::from_slice(&body).unwrap_or_default(),
        answer: serde_json::from_slice(&answer).unwrap_or_default(),
    });
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(answer))
        .unwrap()
}
