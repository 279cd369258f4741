//! JSON over HTTP POST with every bound that remote data needs: body size, deadline, no redirects. The object-safe
//! [`Transport`] is the seam for tests; the follow source speaks through the same one.

use async_trait::async_trait;
use core::fmt::{self, Debug};
use light_node_protocol::redact_url;
use std::{error::Error as _, time::Duration};
use thiserror::Error;
use url::Url;

/// A failed exchange over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HttpError {
    /// No connection: refused, DNS, TLS.
    #[error("cannot connect: {cause}")]
    Connect {
        /// The innermost cause.
        cause: String,
    },
    /// The connection broke before the answer was complete.
    #[error("the connection broke: {cause}")]
    Broken {
        /// The innermost cause.
        cause: String,
    },
    /// No complete answer within the deadline.
    #[error("no answer within {deadline:?}")]
    Timeout {
        /// The deadline that passed.
        deadline: Duration,
    },
    /// Another HTTP status than 200.
    #[error("http status {status}")]
    Status {
        /// HTTP status code.
        status: u16,
        /// What the `Retry-After` header asks for, in seconds.
        retry_after: Option<Duration>,
    },
    /// The body is larger than allowed.
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit that was passed.
        limit_bytes: usize,
    },
}

/// One JSON body out, one JSON body in.
#[async_trait]
pub trait Transport: Debug + Send + Sync + 'static {
    /// Posts `body` and returns the answer of at most `limit_bytes`. The caller sets the deadline.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    async fn post(&self, body: Vec<u8>, limit_bytes: usize) -> Result<Vec<u8>, HttpError>;

    /// The endpoint for logs: without credentials.
    fn name(&self) -> &str;
}

/// A boxed transport.
pub type BoxTransport = Box<dyn Transport>;

/// A path out, a JSON body in: how beacons are asked.
#[async_trait]
pub trait BeaconTransport: Debug + Send + Sync + 'static {
    /// Gets `path`, which begins with a slash and may have a query, below the beacon's URL, and returns the answer of at most
    /// `limit_bytes`. The caller sets the deadline.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    async fn get(&self, path: &str, limit_bytes: usize) -> Result<Vec<u8>, HttpError>;

    /// The beacon for logs: without credentials.
    fn name(&self) -> &str;
}

/// Posts to one URL. Credentials in the URL become an `Authorization` header; the path is kept as it is.
#[derive(Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
    url: Url,
    name: String,
}

impl HttpTransport {
    /// A transport to `url`.
    ///
    /// # Errors
    /// The cause in words if the HTTP client cannot be built (TLS set-up).
    pub fn new(url: Url) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("light-node/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| innermost(&error))?;
        let name = redact_url(&url);
        Ok(Self { client, url, name })
    }
}

impl Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn post(&self, body: Vec<u8>, limit_bytes: usize) -> Result<Vec<u8>, HttpError> {
        let request = self
            .client
            .post(self.url.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body);
        exchange(request, limit_bytes).await
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[async_trait]
impl BeaconTransport for HttpTransport {
    async fn get(&self, path: &str, limit_bytes: usize) -> Result<Vec<u8>, HttpError> {
        let request = self
            .client
            .get(below(&self.url, path))
            .header(reqwest::header::ACCEPT, "application/json");
        exchange(request, limit_bytes).await
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// `path` below a URL that may itself have a path, and a query with a key.
fn below(base: &Url, path: &str) -> Url {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    let queries = [base.query().unwrap_or_default(), query];
    let query = queries.into_iter().filter(|query| !query.is_empty());
    let query = query.collect::<Vec<_>>().join("&");
    url.set_query((!query.is_empty()).then_some(query.as_str()));
    url
}

/// Sends a request and reads an answer of at most `limit_bytes`.
async fn exchange(
    request: reqwest::RequestBuilder,
    limit_bytes: usize,
) -> Result<Vec<u8>, HttpError> {
    let mut response = request.send().await.map_err(classify)?;
    let status = response.status().as_u16();
    if status != 200 {
        let retry_after = response
            .headers()
            .get(reqwest::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        return Err(HttpError::Status {
            status,
            retry_after,
        });
    }
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(classify)? {
        if answer.len() + chunk.len() > limit_bytes {
            return Err(HttpError::TooLarge { limit_bytes });
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(answer)
}

fn classify(error: reqwest::Error) -> HttpError {
    let cause = innermost(&error);
    if error.is_connect() {
        HttpError::Connect { cause }
    } else {
        HttpError::Broken { cause }
    }
}

/// The innermost cause says what happened ("connection refused"); the outer ones repeat the URL with its credentials.
fn innermost(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else {
        return "request failed".to_owned();
    };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
