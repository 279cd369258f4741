//! JSON-RPC over WebSocket. One task a connection reads and writes: what it has taken in and not answered is bounded in calls
//! and bytes, what waits for the client is bounded in messages, and answers in bytes too; at any bound nothing more is read. A
//! client that does not read, or does not answer pings, is dropped.

use crate::{
    config::{
        ANSWER_BYTES_MAX, CALL_BYTES_MAX, CALLS_MAX, MESSAGES_BUFFERED_MAX, PINGS_UNANSWERED_MAX,
        RESPONSE_BYTES_MAX, STOP_PATIENCE, SUBSCRIPTIONS_MAX,
    },
    server::{
        Request, Response,
        connection::Connection,
        dispatch::Caller,
        http::{RpcSite, text},
    },
};
use futures::{
    StreamExt,
    io::{BufReader, BufWriter},
    stream::{self, FuturesUnordered},
};
use http::StatusCode;
use http_body_util::Full;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use jsonrpsee::{BoundedSubscriptions, ConnectionId, MethodSink};
use serde_json::value::RawValue;
use soketto::{
    Incoming, Receiver, Sender,
    connection::Error as SocketError,
    data::ByteSlice125,
    handshake::http::{Server as Handshake, is_upgrade_request},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};
use tracing::debug;

type Io = BufReader<BufWriter<Compat<TokioIo<Upgraded>>>>;

/// Buffer for each direction of a connection, in bytes: a few calls or heads.
const BUFFER_BYTES: usize = 4096;

pub(crate) fn is_upgrade(request: &Request) -> bool {
    is_upgrade_request(request)
}

/// The way of answers to the client. Pushes have another one: they are small, and their number is bounded.
struct Answers {
    waiting: mpsc::Sender<Answer>,
    /// Bytes that may wait beside those that do.
    room: Arc<Semaphore>,
}

/// An answer and the room that it takes until it is written.
type Answer = (Box<RawValue>, OwnedSemaphorePermit);

impl Answers {
    fn new() -> (Self, mpsc::Receiver<Answer>) {
        let (waiting, answers) = mpsc::channel(MESSAGES_BUFFERED_MAX);
        let room = Arc::new(Semaphore::new(ANSWER_BYTES_MAX));
        (Self { waiting, room }, answers)
    }

    /// Waits for room. `None` when nobody writes any more.
    async fn send(&self, answer: Box<RawValue>) -> Option<()> {
        let bytes = answer.get().len().min(ANSWER_BYTES_MAX) as u32;
        let room = self.room.clone().acquire_many_owned(bytes).await.ok()?;
        self.waiting.send((answer, room)).await.ok()
    }
}

/// Answers an upgrade request, and serves the connection from then on.
pub(crate) fn upgrade(
    request: Request,
    site: Arc<RpcSite>,
    connection: Arc<Connection>,
) -> Response {
    let mut handshake = Handshake::new();
    let Ok(answer) = handshake.receive_request(&request) else {
        return text(
            StatusCode::BAD_REQUEST,
            "this is no WebSocket handshake of version 13\n",
        );
    };
    tokio::spawn(async move {
        let Ok(Ok(upgraded)) = timeout(connection.limits().head, hyper::upgrade::on(request)).await
        else {
            return;
        };
        let io = BufWriter::with_capacity(BUFFER_BYTES, TokioIo::new(upgraded).compat());
        let mut builder = handshake.into_builder(BufReader::with_capacity(BUFFER_BYTES, io));
        builder.set_max_message_size(site.message_bytes_max());
        builder.set_max_frame_size(site.message_bytes_max());
        let (sender, receiver) = builder.finish();
        session(sender, receiver, &site, &connection).await;
    });
    answer.map(|()| Full::default())
}

async fn session(
    sender: Sender<Io>,
    receiver: Receiver<Io>,
    site: &RpcSite,
    connection: &Connection,
) {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let (messages, waiting) = mpsc::channel(MESSAGES_BUFFERED_MAX);
    let sink = MethodSink::new_with_limit(messages, RESPONSE_BYTES_MAX as u32);
    let (answers, answered) = Answers::new();
    let caller = Caller {
        pushes: Some((sink, BoundedSubscriptions::new(SUBSCRIPTIONS_MAX))),
        connection: ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed)),
    };
    let heard = AtomicBool::new(true);
    // Polled together: while one waits for the socket the other goes on.
    let reason = tokio::select! {
        biased;
        reason = write(sender, waiting, answered, &heard, connection) => reason,
        reason = read(receiver, site, &caller, &answers, &heard) => reason,
    };
    debug!(reason, "WebSocket connection ended");
}

/// Writes what waits, and pings. Ends when the client does not take it.
async fn write(
    mut sender: Sender<Io>,
    mut waiting: mpsc::Receiver<Box<RawValue>>,
    mut answers: mpsc::Receiver<Answer>,
    heard: &AtomicBool,
    connection: &Connection,
) -> &'static str {
    let (limits, token) = (connection.limits(), connection.token());
    let mut pings = tokio::time::interval(limits.ping_interval);
    pings.reset();
    let mut unanswered = 0;
    loop {
        let written = tokio::select! {
            biased;
            () = token.cancelled() => {
                // The client is told if it listens; the process does not wait for it.
                let _ = timeout(STOP_PATIENCE / 2, sender.close()).await;
                return "the server stops";
            }
            _ = pings.tick() => {
                unanswered = if heard.swap(false, Ordering::Relaxed) { 0 } else { unanswered + 1 };
                if unanswered >= PINGS_UNANSWERED_MAX {
                    return "it does not answer pings";
                }
                within(limits.write, ping(&mut sender)).await
            }
            Some((answer, _room)) = answers.recv() => within(limits.write, send(&mut sender, answer)).await,
            message = waiting.recv() => match message {
                Some(message) => within(limits.write, send(&mut sender, message)).await,
                None => return "nothing is left to say",
            },
        };
        if !written {
            return "it does not read";
        }
    }
}

async fn send(sender: &mut Sender<Io>, message: Box<RawValue>) -> Result<(), SocketError> {
    sender
        .send_text_owned(String::from(Box::<str>::from(message)))
        .await?;
    sender.flush().await
}

async fn ping(sender: &mut Sender<Io>) -> Result<(), SocketError> {
    if let Ok(nothing) = ByteSlice125::try_from(&[][..]) {
        sender.send_ping(nothing).await?;
    }
    sender.flush().await
}

async fn within(patience: Duration, work: impl Future<Output = Result<(), SocketError>>) -> bool {
    matches!(timeout(patience, work).await, Ok(Ok(())))
}

/// Reads calls and works on them, a few at a time. It waits while too much waits for the client.
async fn read(
    receiver: Receiver<Io>,
    site: &RpcSite,
    caller: &Caller,
    answers: &Answers,
    heard: &AtomicBool,
) -> &'static str {
    // Receiving must not be dropped half-way, so it is a stream that keeps its place.
    let frames = stream::unfold(receiver, |mut receiver| async {
        let mut message = Vec::new();
        let frame = match receiver.receive(&mut message).await {
            Ok(Incoming::Data(_)) => Ok(Some(message)),
            Ok(Incoming::Pong(_)) => Ok(None),
            Ok(Incoming::Closed(_)) | Err(SocketError::Closed) => return None,
            Err(error) => Err(error),
        };
        Some((frame, receiver))
    });
    tokio::pin!(frames);
    let mut calls = FuturesUnordered::new();
    let mut call_bytes = 0;
    loop {
        tokio::select! {
            biased;
            Some((answer, bytes)) = calls.next() => {
                call_bytes -= bytes;
                if let Some(answer) = answer && answers.send(answer).await.is_none() {
                    return "it is gone";
                }
            }
            frame = frames.next(), if calls.len() < CALLS_MAX && call_bytes < CALL_BYTES_MAX => {
                heard.store(true, Ordering::Relaxed);
                match frame {
                    Some(Ok(Some(message))) => {
                        call_bytes += message.len();
                        calls.push(async move {
                            let answer = site.dispatcher().answer(&message, caller).await;
                            (answer, message.len())
                        });
                    }
                    Some(Ok(None)) => {}
                    Some(Err(SocketError::MessageTooLarge { .. })) => return "its message is too large",
                    Some(Err(_)) => return "its frames are broken",
                    None => return "it closed the connection",
                }
            }
        }
    }
}
