//! `GET /healthz`, `/readyz` and `/status` on the RPC port, for probes and people. Everything else goes on to JSON-RPC.

use crate::{context::RpcContext, readiness, status};
use futures::future::{BoxFuture, FutureExt};
use http::{Method, Request, Response, StatusCode, header};
use jsonrpsee::server::HttpBody;
use serde_json::json;
use std::{
    sync::Arc,
    task::{Context, Poll},
};
use tower::{Layer, Service};

/// Puts [`Pages`] in front of the JSON-RPC service.
#[derive(Clone, Debug)]
pub(crate) struct PagesLayer {
    context: Arc<RpcContext>,
}

impl PagesLayer {
    pub(crate) const fn new(context: Arc<RpcContext>) -> Self {
        Self { context }
    }
}

impl<S> Layer<S> for PagesLayer {
    type Service = Pages<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Pages {
            inner,
            context: self.context.clone(),
        }
    }
}

/// Answers the pages itself.
#[derive(Clone, Debug)]
pub(crate) struct Pages<S> {
    inner: S,
    context: Arc<RpcContext>,
}

impl<S, B> Service<Request<B>> for Pages<S>
where
    S: Service<Request<B>, Response = Response<HttpBody>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if matches!(*request.method(), Method::GET | Method::HEAD)
            && let Some(response) = page(&self.context, request.uri().path())
        {
            return std::future::ready(Ok(response)).boxed();
        }
        self.inner.call(request).boxed()
    }
}

fn page(context: &RpcContext, path: &str) -> Option<Response<HttpBody>> {
    let (status, body) = match path {
        "/healthz" => (StatusCode::OK, json!({ "version": context.version })),
        "/readyz" => {
            let reasons = readiness::not_ready(&context.peers);
            let status = if reasons.is_empty() {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            (
                status,
                json!({ "ready": reasons.is_empty(), "reasons": reasons }),
            )
        }
        "/status" => (StatusCode::OK, status::status(context)),
        _ => return None,
    };
    let mut response = Response::new(HttpBody::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    Some(response)
}
