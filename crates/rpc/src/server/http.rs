//! The RPC port: pages by GET, JSON-RPC by POST, an upgrade to WebSocket. Every body is bounded in size and time.

use crate::{
    config::{
        ADMIN_MESSAGE_BYTES_MAX, ADMIN_REQUEST_BYTES_MAX, ANSWER_PATIENCE, LARGE_BODIES_MAX,
        REQUEST_BYTES_MAX, TURN_PATIENCE,
    },
    server::{
        Request, Response, Site,
        connection::Connection,
        dispatch::{Caller, Dispatcher},
        websocket,
    },
};
use futures::future::{BoxFuture, FutureExt};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use jsonrpsee::types::{
    ErrorObject, Id, ResponsePayload,
    error::{OVERSIZED_REQUEST_CODE, SERVER_IS_BUSY_CODE, SERVER_IS_BUSY_MSG},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::timeout};

/// The JSON page of a path, if there is one.
pub(crate) type Pages = Box<dyn Fn(&str) -> Option<(StatusCode, Value)> + Send + Sync>;

/// What the RPC port serves.
pub(crate) struct RpcSite {
    dispatcher: Dispatcher,
    pages: Pages,
    body_bytes_max: usize,
    message_bytes_max: usize,
    large_bodies: Semaphore,
}

impl RpcSite {
    pub(crate) fn new(dispatcher: Dispatcher, pages: Pages, enable_admin: bool) -> Self {
        let (body_bytes_max, message_bytes_max) = if enable_admin {
            (ADMIN_REQUEST_BYTES_MAX, ADMIN_MESSAGE_BYTES_MAX)
        } else {
            (REQUEST_BYTES_MAX, REQUEST_BYTES_MAX)
        };
        Self {
            dispatcher,
            pages,
            body_bytes_max,
            message_bytes_max,
            large_bodies: Semaphore::new(LARGE_BODIES_MAX),
        }
    }

    pub(crate) const fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    pub(crate) const fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    async fn post(&self, request: Request, body_patience: Duration) -> Response {
        let (head, body) = request.into_parts();
        if !is_json(&head.headers) {
            let hint = "JSON-RPC needs the header content-type: application/json\n";
            return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, hint);
        }
        let announced = announced_bytes(&head.headers);
        if announced.is_some_and(|bytes| bytes > self.body_bytes_max as u64) {
            return self.too_large();
        }
        // A body of unknown length may become a large one.
        let is_large = announced.is_none_or(|bytes| bytes > REQUEST_BYTES_MAX as u64)
            && self.body_bytes_max > REQUEST_BYTES_MAX;
        let _turn = if is_large {
            match timeout(TURN_PATIENCE, self.large_bodies.acquire()).await {
                Ok(turn) => turn.ok(),
                Err(_) => return busy(StatusCode::TOO_MANY_REQUESTS),
            }
        } else {
            None
        };
        match timeout(body_patience, read(body, self.body_bytes_max)).await {
            Ok(Ok(body)) => self.answer(&body).await,
            Ok(Err(ReadError::TooLarge)) => self.too_large(),
            Ok(Err(ReadError::Broken)) => {
                last(text(StatusCode::BAD_REQUEST, "the body broke off\n"))
            }
            Err(_) => last(text(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not come in time\n",
            )),
        }
    }

    async fn answer(&self, body: &[u8]) -> Response {
        let caller = Caller::over_http();
        let Ok(answer) = timeout(ANSWER_PATIENCE, self.dispatcher.answer(body, &caller)).await
        else {
            return busy(StatusCode::SERVICE_UNAVAILABLE);
        };
        let body = answer.map_or_else(String::new, |json| String::from(Box::<str>::from(json)));
        with_type(StatusCode::OK, body, "application/json; charset=utf-8")
    }

    fn too_large(&self) -> Response {
        let message = format!("request is too big: at most {} bytes", self.body_bytes_max);
        // The rest of the body is not read, so nothing can follow it.
        last(refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            OVERSIZED_REQUEST_CODE,
            &message,
        ))
    }
}

impl Site for RpcSite {
    fn handle(
        self: Arc<Self>,
        request: Request,
        connection: Arc<Connection>,
    ) -> BoxFuture<'static, Response> {
        async move {
            if websocket::is_upgrade(&request) {
                if connection.is_reserve() {
                    return busy(StatusCode::TOO_MANY_REQUESTS);
                }
                return websocket::upgrade(request, self, connection);
            }
            match *request.method() {
                Method::GET | Method::HEAD => match (self.pages)(request.uri().path()) {
                    Some((status, page)) => with_type(status, page.to_string(), "application/json"),
                    None => text(
                        StatusCode::NOT_FOUND,
                        "JSON-RPC is served to POST; pages: /healthz /readyz /status\n",
                    ),
                },
                Method::POST if connection.is_reserve() => busy(StatusCode::TOO_MANY_REQUESTS),
                Method::POST => self.post(request, connection.limits().body).await,
                _ => text(StatusCode::METHOD_NOT_ALLOWED, "use POST\n"),
            }
        }
        .boxed()
    }
}

enum ReadError {
    TooLarge,
    Broken,
}

async fn read(body: Incoming, bytes_max: usize) -> Result<Bytes, ReadError> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ReadError::TooLarge),
        Err(_) => Err(ReadError::Broken),
    }
}

fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    media_type.is_some_and(|media_type| {
        media_type.eq_ignore_ascii_case("application/json")
            || media_type.eq_ignore_ascii_case("application/json-rpc")
    })
}

fn busy(status: StatusCode) -> Response {
    last(refusal(status, SERVER_IS_BUSY_CODE, SERVER_IS_BUSY_MSG))
}

/// A JSON-RPC error under an HTTP status, so that both kinds of clients understand it.
fn refusal(status: StatusCode, code: i32, message: &str) -> Response {
    let payload: ResponsePayload<'_, ()> =
        ResponsePayload::error(ErrorObject::owned(code, message, None::<()>));
    let answer = jsonrpsee::types::Response::new(payload, Id::Null);
    let body = serde_json::to_string(&answer).unwrap_or_default();
    with_type(status, body, "application/json; charset=utf-8")
}

pub(crate) fn text(status: StatusCode, body: &'static str) -> Response {
    with_type(status, body, "text/plain; charset=utf-8")
}

pub(crate) fn with_type(
    status: StatusCode,
    body: impl Into<Bytes>,
    content_type: &'static str,
) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The connection ends with this answer.
fn last(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
