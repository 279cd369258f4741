//! `GET /healthz`, `/readyz` and `/status` on the RPC port, for probes and people. From memory.

use crate::{context::RpcContext, readiness, status};
use http::StatusCode;
use serde_json::{Value, json};

/// Status code and body of the page at `path`; `None` if there is no such page.
pub(crate) fn page(context: &RpcContext, path: &str) -> Option<(StatusCode, Value)> {
    match path {
        "/healthz" => Some((StatusCode::OK, json!({ "version": context.version }))),
        "/readyz" => {
            let reasons = readiness::not_ready(&context.peers);
            let status = if reasons.is_empty() {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            let page = json!({ "ready": reasons.is_empty(), "reasons": reasons });
            Some((status, page))
        }
        "/status" => Some((StatusCode::OK, status::status(context))),
        _ => None,
    }
}
