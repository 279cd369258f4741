//! JWT in front of the authenticated port: every HTTP request, WebSocket upgrades among them, carries a fresh token signed
//! with the shared secret (Engine API specification, authentication), or is answered 401 and goes no further.

use alloy_rpc_types_engine::JwtSecret;
use futures::future::{BoxFuture, FutureExt};
use http::{HeaderMap, Request, Response, StatusCode, header};
use jsonrpsee::server::HttpBody;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Puts [`Auth`] in front of a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuthLayer {
    secret: JwtSecret,
}

impl AuthLayer {
    pub(super) const fn new(secret: JwtSecret) -> Self {
        Self { secret }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth {
            inner,
            secret: self.secret,
        }
    }
}

/// Lets requests with a valid token through.
#[derive(Clone, Debug)]
pub(super) struct Auth<S> {
    inner: S,
    secret: JwtSecret,
}

impl<S, B> Service<Request<B>> for Auth<S>
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
        match check(&self.secret, request.headers()) {
            Ok(()) => self.inner.call(request).boxed(),
            Err(refusal) => {
                tracing::debug!(refusal, "refused a request on the authenticated port");
                std::future::ready(Ok(unauthorized(refusal))).boxed()
            }
        }
    }
}

/// `Authorization: Bearer <token>`, the token signed with `secret` and issued at most 60 s from now.
fn check(secret: &JwtSecret, headers: &HeaderMap) -> Result<(), String> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| "missing token".to_owned())?;
    secret
        .validate(token.trim())
        .map_err(|error| error.to_string())
}

fn unauthorized(refusal: String) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::from(refusal));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_rpc_types_engine::Claims;

    fn headers(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, authorization.parse().unwrap())])
    }

    fn token(secret: &JwtSecret, seconds_from_now: i64) -> String {
        let now = Claims::with_current_timestamp().iat;
        let iat = now.checked_add_signed(seconds_from_now).unwrap();
        secret.encode(&Claims { iat, exp: None }).unwrap()
    }

    #[test]
    fn a_fresh_token_of_the_secret_is_let_in() {
        let secret = JwtSecret::random();
        for seconds in [0, -50, 50] {
            let token = token(&secret, seconds);
            assert_eq!(check(&secret, &headers(&format!("Bearer {token}"))), Ok(()));
        }
    }

    #[test]
    fn an_old_or_future_token_is_refused() {
        let secret = JwtSecret::random();
        for seconds in [-70, 70] {
            let token = token(&secret, seconds);
            assert!(check(&secret, &headers(&format!("Bearer {token}"))).is_err());
        }
    }

    #[test]
    fn another_secret_another_scheme_and_no_header_are_refused() {
        let secret = JwtSecret::random();
        let foreign = token(&JwtSecret::random(), 0);
        let own = token(&secret, 0);
        assert!(check(&secret, &headers(&format!("Bearer {foreign}"))).is_err());
        assert!(check(&secret, &headers(&format!("Basic {own}"))).is_err());
        assert!(check(&secret, &headers("Bearer")).is_err());
        assert!(check(&secret, &HeaderMap::new()).is_err());
    }

    #[test]
    fn an_unsigned_token_is_refused() {
        // {"alg":"none","typ":"JWT"} . {"iat":0}
        let unsigned = "Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJpYXQiOjB9.";
        assert!(check(&JwtSecret::random(), &headers(unsigned)).is_err());
    }
}
