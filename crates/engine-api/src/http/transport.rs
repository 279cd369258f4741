//! One HTTP POST with a fresh token, a deadline and a bounded answer. Knows HTTP, not what the bodies mean.

use crate::{ElError, JwtRefusal, JwtSecret, JwtSource};
use alloy_primitives::bytes::Bytes;
use light_node_protocol::redact_url;
use reqwest::{Client, StatusCode, header, redirect::Policy};
use std::{
    error::Error,
    sync::{PoisonError, RwLock},
    time::{Duration, SystemTime},
};
use tokio::time::timeout;
use tracing::info;
use url::Url;

/// Largest answer that is read. A payload of an L2 block has a few MiB in hex; op-geth bounds a batch at 250 MB, which
/// would be an attack on our memory.
const MAX_BODY_BYTES: usize = 64 << 20;

/// Idle connections live shorter than the ELs' own limit (op-geth: 120 s), so that a request never meets a connection
/// that the EL is just closing.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

const USER_AGENT: &str = concat!("light-node/", env!("CARGO_PKG_VERSION"));

pub(super) struct Transport {
    client: Client,
    url: Url,
    endpoint: String,
    source: JwtSource,
    secret: RwLock<JwtSecret>,
    max_body_bytes: usize,
}

impl Transport {
    pub(super) fn new(
        url: Url,
        source: JwtSource,
        secret: JwtSecret,
    ) -> Result<Self, reqwest::Error> {
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .http1_only()
            .no_proxy()
            .redirect(Policy::none())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .tcp_nodelay(true);
        if url.scheme() == "http" {
            // The system's root certificates cost start-up time and memory, and nobody will ask for them.
            builder = builder.tls_certs_only([]);
        }
        let endpoint = redact_url(&url);
        Ok(Self {
            client: builder.build()?,
            url,
            endpoint,
            source,
            secret: RwLock::new(secret),
            max_body_bytes: MAX_BODY_BYTES,
        })
    }

    /// URL without credentials.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    #[cfg(test)]
    pub(super) const fn set_max_body_bytes(&mut self, max_body_bytes: usize) {
        self.max_body_bytes = max_body_bytes;
    }

    /// Posts `body` and returns the body of the answer. The one retry of this client is here: after a 401 the secret is
    /// read again and the request repeated once, within the same deadline.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection; the EL may have carried out the call all the same.
    pub(super) async fn post(
        &self,
        method: &'static str,
        deadline: Duration,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, ElError> {
        let attempts = async {
            let body = Bytes::from(body);
            match self.attempt(method, body.clone()).await {
                Err(ElError::Unauthorized(refusal)) if refusal.status == 401 => {
                    match self.reread_secret().await {
                        Ok(()) => self.attempt(method, body).await,
                        Err(secret_error) => Err(ElError::Unauthorized(Box::new(JwtRefusal {
                            secret_error: Some(secret_error),
                            ..*refusal
                        }))),
                    }
                }
                answer => answer,
            }
        };
        match timeout(deadline, attempts).await {
            Ok(answer) => answer,
            Err(_) => Err(ElError::Timeout { method, deadline }),
        }
    }

    async fn attempt(&self, method: &'static str, body: Bytes) -> Result<Vec<u8>, ElError> {
        let secret = *self.secret.read().unwrap_or_else(PoisonError::into_inner);
        let response = self
            .client
            .post(self.url.clone())
            .bearer_auth(secret.token())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await
            .map_err(|error| self.transport_error(error))?;
        match response.status() {
            StatusCode::OK => self.read_body(method, response).await,
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let secret_file = match &self.source {
                    JwtSource::File(path) => Some(path.clone()),
                    JwtSource::Secret(_) => None,
                };
                Err(ElError::Unauthorized(Box::new(JwtRefusal {
                    status: status.as_u16(),
                    secret_file,
                    secret_error: None,
                    clock_offset_secs: clock_offset_secs(response.headers()),
                })))
            }
            status => Err(ElError::Http {
                method,
                status: status.as_u16(),
            }),
        }
    }

    async fn read_body(
        &self,
        method: &'static str,
        mut response: reqwest::Response,
    ) -> Result<Vec<u8>, ElError> {
        let limit = self.max_body_bytes;
        let too_large = || ElError::Malformed {
            method,
            cause: format!("the answer is larger than {limit} bytes"),
        };
        let announced =
            usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(announced);
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.transport_error(error))?
        {
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Reads the secret again. The words of the failure if it cannot be read: then another attempt is of no use.
    async fn reread_secret(&self) -> Result<(), String> {
        let source = self.source.clone();
        let loaded = tokio::task::spawn_blocking(move || source.load()).await;
        let fresh = loaded
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        let mut secret = self.secret.write().unwrap_or_else(PoisonError::into_inner);
        if *secret != fresh {
            info!(endpoint = %self.endpoint, "took over a changed JWT secret");
            *secret = fresh;
        }
        Ok(())
    }

    fn transport_error(&self, error: reqwest::Error) -> ElError {
        let error = error.without_url();
        let mut cause: &dyn Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        ElError::Transport {
            endpoint: self.endpoint.clone(),
            cause: cause.to_string(),
        }
    }
}

/// The clock of whoever answered less ours, in seconds.
fn clock_offset_secs(headers: &header::HeaderMap) -> Option<i64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let theirs = httpdate::parse_http_date(date).ok()?;
    let ours = SystemTime::now();
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).ok();
    match theirs.duration_since(ours) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => seconds(behind.duration()).map(|seconds| -seconds),
    }
}
