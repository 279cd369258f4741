//! A JSON-RPC endpoint in front of others: it keeps what was asked and when, may change the answers, hands requests to several
//! backends in turn as a load balancer does, or never answers, some requests or any.

use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Changes an answer, given the request.
type Change = dyn Fn(&Value, Value) -> Value + Send + Sync;

/// Picks requests.
type Pick = dyn Fn(&Value) -> bool + Send + Sync;

/// The endpoint. It serves until the test's runtime ends.
#[derive(Debug)]
pub(crate) struct Recorder {
    addr: SocketAddr,
    asked: watch::Receiver<Vec<(Instant, Value)>>,
}

/// What becomes of a request.
enum Behaviour {
    Forward {
        client: reqwest::Client,
        backends: Vec<String>,
        /// Counts requests, to take the backends in turn.
        turn: AtomicUsize,
        change: Box<Change>,
        /// Picks those that are never answered.
        held: Box<Pick>,
    },
    Hang,
}

impl Recorder {
    /// Forwards to `url`, and sends back what `change` makes of each answer.
    pub(crate) async fn new(
        url: &str,
        change: impl Fn(&Value, Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        Self::forward(vec![url.to_owned()], change, |_| false).await
    }

    /// Forwards to `url` all but what `is_held` picks: that is never answered.
    pub(crate) async fn holding(
        url: &str,
        is_held: impl Fn(&Value) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::forward(vec![url.to_owned()], |_, answer| answer, is_held).await
    }

    /// Hands each request to the next of `backends`, whoever asks.
    pub(crate) async fn balancer(backends: Vec<String>) -> Self {
        Self::forward(backends, |_, answer| answer, |_| false).await
    }

    async fn forward(
        backends: Vec<String>,
        change: impl Fn(&Value, Value) -> Value + Send + Sync + 'static,
        held: impl Fn(&Value) -> bool + Send + Sync + 'static,
    ) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self::start(Behaviour::Forward {
            client,
            backends,
            turn: AtomicUsize::new(0),
            change: Box::new(change),
            held: Box::new(held),
        })
        .await
    }

    /// Takes requests and never answers.
    pub(crate) async fn hanging() -> Self {
        Self::start(Behaviour::Hang).await
    }

    async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (record, asked) = watch::channel(Vec::new());
        let (behaviour, record) = (Arc::new(behaviour), Arc::new(record));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let serving = serve(client, behaviour.clone(), record.clone());
                tokio::spawn(serving);
            }
        });
        Self { addr, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How many requests have come that `is_one` picks.
    pub(crate) fn count(&self, is_one: impl Fn(&Value) -> bool) -> usize {
        let asked = self.asked.borrow();
        asked.iter().filter(|(_, request)| is_one(request)).count()
    }

    /// When the requests came that `is_one` picks, once there are `count` of them.
    pub(crate) async fn until_asked(
        &self,
        count: usize,
        limit: Duration,
        is_one: impl Fn(&Value) -> bool,
    ) -> Vec<Instant> {
        let mut asked = self.asked.clone();
        let picked = |asked: &Vec<(Instant, Value)>| -> Vec<Instant> {
            let asked = asked.iter().filter(|(_, request)| is_one(request));
            asked.map(|(at, _)| *at).collect()
        };
        let there = asked.wait_for(|asked| picked(asked).len() >= count);
        match tokio::time::timeout(limit, there).await {
            Ok(asked) => picked(&asked.unwrap()),
            Err(_) => panic!(
                "not asked {count} times within {limit:?}: {:#?}",
                self.asked.borrow()
            ),
        }
    }
}

/// Whether a request, or one of a batch, is of this method with this word among its parameters.
pub(crate) fn asks(request: &Value, method: &str, word: &str) -> bool {
    let is_one = |request: &Value| {
        request["method"] == method && request["params"].to_string().contains(word)
    };
    match request {
        Value::Array(batch) => batch.iter().any(is_one),
        request => is_one(request),
    }
}

/// Serves one connection: plain HTTP/1.1, one request after the other.
async fn serve(
    client: TcpStream,
    behaviour: Arc<Behaviour>,
    record: Arc<watch::Sender<Vec<(Instant, Value)>>>,
) {
    let mut client = BufReader::new(client);
    while let Some(body) = request_body(&mut client).await {
        let request: Value = serde_json::from_slice(&body).unwrap_or_default();
        record.send_modify(|asked| asked.push((Instant::now(), request.clone())));
        let answer = match &*behaviour {
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Forward { held, .. } if held(&request) => std::future::pending().await,
            Behaviour::Forward {
                client,
                backends,
                turn,
                change,
                ..
            } => {
                let url = &backends[turn.fetch_add(1, Ordering::Relaxed) % backends.len()];
                let answer = client.post(url).json(&request).send().await;
                let answer = match answer {
                    Ok(answer) => answer.json().await.unwrap_or_default(),
                    Err(_) => return,
                };
                change(&request, answer).to_string()
            }
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        let answer = head + &answer;
        if client.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The body of the next request; none at the end of the connection.
async fn request_body(client: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).await.ok()?;
    Some(body)
}
