//! One HTTP request as a command for people makes it: a deadline, a bounded body, no redirects, and the server's clock. What
//! the node itself asks goes through the clients of its crates.

use light_node_l1::HttpError;
use reqwest::{Client, RequestBuilder, header, redirect::Policy};
use std::{
    error::Error,
    time::{Duration, SystemTime},
};
use url::Url;

/// Bytes of a body that are kept; what comes after them is not read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// HTTP status code.
    pub(crate) status: u16,
    /// What the clocks say, if the answer has a `Date` header.
    pub(crate) clock: Option<ClockReading>,
    /// The beginning of the body.
    pub(crate) body: Vec<u8>,
}

/// A server's clock beside ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockReading {
    /// Our time before the request.
    pub(crate) before: SystemTime,
    /// The server's time in between, cut to whole seconds.
    pub(crate) server: SystemTime,
    /// Our time after the answer.
    pub(crate) after: SystemTime,
}

/// The way to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// No proxy: the execution layer and our own ports.
    Direct,
    /// Through the proxy of the environment, if there is one.
    Configured,
}

/// Asks with GET.
///
/// # Errors
/// If there is no answer within `deadline`.
pub(crate) async fn get(url: Url, route: Route, deadline: Duration) -> Result<Answer, HttpError> {
    exchange(client(route)?.get(url), deadline).await
}

/// Posts a JSON body.
///
/// # Errors
/// If there is no answer within `deadline`.
pub(crate) async fn post(
    url: Url,
    route: Route,
    body: String,
    deadline: Duration,
) -> Result<Answer, HttpError> {
    let request = client(route)?
        .post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body);
    exchange(request, deadline).await
}

fn client(route: Route) -> Result<Client, HttpError> {
    let builder = match route {
        Route::Direct => Client::builder().no_proxy(),
        Route::Configured => Client::builder(),
    };
    builder
        .redirect(Policy::none())
        .user_agent(concat!("light-node/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(classify)
}

async fn exchange(request: RequestBuilder, deadline: Duration) -> Result<Answer, HttpError> {
    tokio::time::timeout(deadline, read(request))
        .await
        .unwrap_or(Err(HttpError::Timeout { deadline }))
}

async fn read(request: RequestBuilder) -> Result<Answer, HttpError> {
    let before = SystemTime::now();
    let mut response = request.send().await.map_err(classify)?;
    let after = SystemTime::now();
    let server = response
        .headers()
        .get(header::DATE)
        .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(classify)? {
        let room = BODY_BYTES_MAX - body.len();
        if chunk.len() >= room {
            body.extend_from_slice(&chunk[..room]);
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status,
        clock: server.map(|server| ClockReading {
            before,
            server,
            after,
        }),
        body,
    })
}

/// The innermost cause says what happened; the outer ones repeat the URL with its credentials.
fn classify(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let mut innermost: &dyn Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let cause = innermost.to_string();
    if error.is_connect() {
        HttpError::Connect { cause }
    } else {
        HttpError::Broken { cause }
    }
}
