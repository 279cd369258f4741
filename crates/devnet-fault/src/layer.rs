//! Faults in front of a JSON-RPC server: each HTTP request, WebSocket upgrades among them, meets the fault in force before
//! the server sees it. Requests that hold control methods alone pass.

use crate::{CONTROL_PREFIX, HTML_PAGE};
use futures::future::{BoxFuture, FutureExt};
use http::{Request, Response, StatusCode, header};
use jsonrpsee::{
    core::{BoxError, http_helpers::read_body},
    server::HttpBody,
};
use serde_json::Value;
use std::{
    fmt::Debug,
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower::{Layer, Service};

/// Largest request that is looked into for control methods, and largest answer that is cut in half.
const BODY_BYTES_MAX: u32 = 64 << 20;

/// What happens to an HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpEffect {
    /// The connection is closed without an answer.
    Refuse,
    /// No answer until [`HttpFaults::over`]; then the connection is closed.
    Hang,
    /// The right answer, after this time or at [`HttpFaults::over`].
    Slow(Duration),
    /// This status without a useful body.
    Status(StatusCode),
    /// A web page with status 200.
    Html,
    /// The first half of the right answer.
    Truncated,
    /// This many bytes of JSON that are no answer.
    Huge(usize),
}

/// Says what requests meet.
pub trait HttpFaults: Debug + Send + Sync + 'static {
    /// True if the next request will meet something. Counts nothing.
    fn is_in_force(&self) -> bool;

    /// What this request meets; counts it.
    fn take(&self) -> Option<HttpEffect>;

    /// Waits until requests that hang or wait are to be let go.
    fn over(&self) -> BoxFuture<'static, ()>;
}

/// Puts faults in front of a server.
#[derive(Clone, Debug)]
pub struct FaultLayer {
    faults: Arc<dyn HttpFaults>,
    has_control: bool,
}

impl FaultLayer {
    /// Faults in front of a server that has no control methods.
    pub fn new(faults: Arc<dyn HttpFaults>) -> Self {
        Self {
            faults,
            has_control: false,
        }
    }

    /// The same for a server with control methods, which pass.
    #[must_use]
    pub fn with_control(self) -> Self {
        Self {
            has_control: true,
            ..self
        }
    }
}

impl<S> Layer<S> for FaultLayer {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Faulty {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service behind faults.
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    layer: FaultLayer,
}

impl<S> Service<Request<HttpBody>> for Faulty<S>
where
    S: Service<Request<HttpBody>, Response = Response<HttpBody>, Error = BoxError>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<HttpBody>) -> Self::Future {
        if !self.layer.faults.is_in_force() {
            return self.inner.call(request).boxed();
        }
        // The service that is ready goes along, a clone of it stays.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        meet(inner, self.layer.clone(), request).boxed()
    }
}

async fn meet<S>(
    mut inner: S,
    layer: FaultLayer,
    mut request: Request<HttpBody>,
) -> Result<Response<HttpBody>, BoxError>
where
    S: Service<Request<HttpBody>, Response = Response<HttpBody>, Error = BoxError>,
{
    if layer.has_control {
        let is_control;
        (request, is_control) = look_into(request).await?;
        if is_control {
            return inner.call(request).await;
        }
    }
    let Some(effect) = layer.faults.take() else {
        return inner.call(request).await;
    };
    match effect {
        HttpEffect::Refuse => Err(closed()),
        HttpEffect::Hang => {
            layer.faults.over().await;
            Err(closed())
        }
        HttpEffect::Slow(delay) => {
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = layer.faults.over() => {}
            }
            inner.call(request).await
        }
        HttpEffect::Status(status) => {
            let mut response = Response::new(HttpBody::from(status.to_string()));
            *response.status_mut() = status;
            if status == StatusCode::TOO_MANY_REQUESTS {
                let one_second = http::HeaderValue::from_static("1");
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, one_second);
            }
            Ok(response)
        }
        HttpEffect::Html => Ok(with_type("text/html", HTML_PAGE.to_owned().into_bytes())),
        HttpEffect::Truncated => halve(inner.call(request).await?).await,
        HttpEffect::Huge(bytes) => {
            let mut body = br#"{"jsonrpc":"2.0","id":0,"result":""#.to_vec();
            body.resize(bytes.max(body.len()), b'0');
            Ok(with_type("application/json", body))
        }
    }
}

/// What a connection ends with that is closed on purpose.
fn closed() -> BoxError {
    io::Error::from(io::ErrorKind::ConnectionReset).into()
}

fn with_type(content_type: &'static str, body: Vec<u8>) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::from(body));
    let content_type = http::HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

async fn halve(response: Response<HttpBody>) -> Result<Response<HttpBody>, BoxError> {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let (mut bytes, _) = read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    bytes.truncate(bytes.len() / 2);
    Ok(Response::from_parts(parts, HttpBody::from(bytes)))
}

/// The request as it came, and whether it holds control methods alone.
async fn look_into(request: Request<HttpBody>) -> Result<(Request<HttpBody>, bool), BoxError> {
    if request.method() != http::Method::POST {
        return Ok((request, false));
    }
    let (parts, body) = request.into_parts();
    let (bytes, _) = read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let is_control = serde_json::from_slice(&bytes).is_ok_and(|request| is_control(&request));
    Ok((
        Request::from_parts(parts, HttpBody::from(bytes)),
        is_control,
    ))
}

/// True for a request, or a batch, of control methods alone.
fn is_control(request: &Value) -> bool {
    match request {
        Value::Array(batch) => !batch.is_empty() && batch.iter().all(is_control),
        request => request["method"]
            .as_str()
            .is_some_and(|method| method.starts_with(CONTROL_PREFIX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn control_is_a_request_or_a_batch_of_control_methods_alone() {
        let (control, other) = (
            json!({ "method": "dev_status" }),
            json!({ "method": "eth_x" }),
        );
        assert!(is_control(&control));
        assert!(is_control(&json!([control, control])));
        for request in [other.clone(), json!([control, other]), json!([]), json!(7)] {
            assert!(!is_control(&request), "{request}");
        }
    }
}
