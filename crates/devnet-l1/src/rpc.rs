//! One port for everything: JSON-RPC by POST, single requests and bounded batches, with the control methods among it, and the
//! beacon API by GET. Requests meet the fault in force; control methods (`dev_`) never do.

mod accounts;
mod beacon;
mod blocks;
mod connection;
mod control;
mod error;
mod fees;
mod lie;
mod logs;
mod params;
mod view;

use crate::{fault::FaultKind, l1::EmbeddedL1};
use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use connection::{CuttableListener, Cutter};
use error::RpcError;
use lie::Lie;
use light_node_devnet_fault::{CONTROL_PREFIX, HTML_PAGE, Met};
use params::Params;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Longest request body: a batch with a few full blob transactions in hex.
const MAX_BODY_BYTES: usize = 8 << 20;
/// Most requests of a batch.
const MAX_BATCH: usize = 100;
/// How long open requests may take after the end was asked for.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);
/// How long a slow L1 takes, and how much a huge answer is, unless the command says otherwise.
const SLOW: Duration = Duration::from_secs(1);
const HUGE_BYTES: u64 = 100 << 20;
/// Largest huge answer.
const HUGE_BYTES_MAX: u64 = 1 << 30;

/// What this L1 calls itself, in `web3_clientVersion` and in the beacon API.
const CLIENT_VERSION: &str = concat!("light-node-devnet-l1/v", env!("CARGO_PKG_VERSION"));

/// The result of a method.
type RpcResult = Result<Value, RpcError>;

/// What every request is handled with.
#[derive(Clone)]
struct Server {
    l1: EmbeddedL1,
    token: CancellationToken,
}

/// Serves until the token is cancelled, and a little longer for open requests.
pub(crate) async fn serve(l1: EmbeddedL1, listener: TcpListener, token: CancellationToken) {
    let router = Router::new()
        .route("/", post(handle))
        .merge(beacon::routes())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Server {
            l1,
            token: token.clone(),
        })
        .into_make_service_with_connect_info::<Cutter>();
    let server = axum::serve(CuttableListener(listener), router)
        .with_graceful_shutdown(token.clone().cancelled_owned());
    let overstayed = async {
        token.cancelled().await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        ended = async { server.await } => {
            if let Err(error) = ended {
                warn!(%error, "embedded L1 stopped serving");
            }
        }
        () = overstayed => {}
    }
}

/// One HTTP request.
async fn handle(
    State(server): State<Server>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    body: Bytes,
) -> Response {
    let request = serde_json::from_slice::<Value>(&body);
    let is_control = request.as_ref().is_ok_and(is_control);
    if is_control {
        return Answer::ok(answer(&server.l1, request, None)).into_response();
    }
    let met = server.l1.faults().take_for_rpc();
    let lie = met.and_then(|met| Lie::new(&server.l1, met));
    let answer = || Answer::ok(answer(&server.l1, request, lie.as_ref()));
    under_fault(&server, &cutter, met, answer).await
}

/// What a request is answered with where nothing goes wrong.
struct Answer {
    status: StatusCode,
    /// Null is no body at all.
    body: Value,
}

impl Answer {
    const fn ok(body: Value) -> Self {
        let status = StatusCode::OK;
        Self { status, body }
    }

    fn text(&self) -> String {
        // A batch of notifications has no answer at all.
        if self.body.is_null() {
            String::new()
        } else {
            self.body.to_string()
        }
    }

    fn with_text(&self, text: String) -> Response {
        if text.is_empty() {
            return self.status.into_response();
        }
        let content_type = [(header::CONTENT_TYPE, "application/json")];
        (self.status, content_type, text).into_response()
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        self.with_text(self.text())
    }
}

/// Answers a request, or lets it meet a fault. A lie is in the answer already.
async fn under_fault(
    server: &Server,
    cutter: &Cutter,
    met: Option<Met<FaultKind>>,
    answer: impl FnOnce() -> Answer,
) -> Response {
    let Some(met) = met else {
        return answer().into_response();
    };
    match met.kind {
        FaultKind::Refuse => {
            cutter.cut();
            ().into_response()
        }
        FaultKind::Reset => {
            cutter.reset();
            ().into_response()
        }
        FaultKind::Hang => {
            tokio::select! {
                () = server.l1.faults().slot.over() => {}
                () = server.token.cancelled() => {}
            }
            cutter.cut();
            ().into_response()
        }
        FaultKind::Slow => {
            tokio::select! {
                () = tokio::time::sleep(met.milliseconds_or(SLOW)) => {}
                () = server.token.cancelled() => {}
            }
            answer().into_response()
        }
        FaultKind::Http429 => {
            let seconds = met.amount.unwrap_or(1).to_string();
            let status = StatusCode::TOO_MANY_REQUESTS;
            (
                status,
                [(header::RETRY_AFTER, seconds)],
                "too many requests",
            )
                .into_response()
        }
        FaultKind::Http500 => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal server error").into_response()
        }
        FaultKind::Http503 => {
            (StatusCode::SERVICE_UNAVAILABLE, "service unavailable").into_response()
        }
        FaultKind::Html => ([(header::CONTENT_TYPE, "text/html")], HTML_PAGE).into_response(),
        FaultKind::Truncated => {
            let answer = answer();
            let mut text = answer.text();
            // An answer is ASCII, so every index is a boundary.
            text.truncate(text.len() / 2);
            answer.with_text(text)
        }
        FaultKind::Huge => {
            let bytes = met.amount.unwrap_or(HUGE_BYTES).min(HUGE_BYTES_MAX);
            let mut text = r#"{"jsonrpc":"2.0","id":0,"result":""#.to_owned();
            text.extend(std::iter::repeat_n(
                '0',
                usize::try_from(bytes).unwrap_or(0),
            ));
            ([(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        // What is wrong is in the answer already.
        _ => answer().into_response(),
    }
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

/// The answer to a body; null when it has none.
fn answer(l1: &EmbeddedL1, request: serde_json::Result<Value>, lie: Option<&Lie>) -> Value {
    match request {
        Err(error) => failure(Value::Null, &RpcError::parse(&error)),
        Ok(Value::Array(batch)) if batch.is_empty() => {
            failure(Value::Null, &RpcError::invalid_request("empty batch"))
        }
        Ok(Value::Array(batch)) if batch.len() > MAX_BATCH => {
            let message = format!(
                "batch too large: {} requests, limit {MAX_BATCH}",
                batch.len()
            );
            failure(Value::Null, &RpcError::invalid_request(message))
        }
        Ok(Value::Array(batch)) => {
            let answers = batch
                .into_iter()
                .filter_map(|request| answer_one(l1, request, lie));
            let answers = answers.collect::<Vec<_>>();
            if answers.is_empty() {
                Value::Null
            } else {
                Value::Array(answers)
            }
        }
        Ok(request) => answer_one(l1, request, lie).unwrap_or_default(),
    }
}

/// The answer to one request; none for a notification.
fn answer_one(l1: &EmbeddedL1, mut request: Value, lie: Option<&Lie>) -> Option<Value> {
    // Not by index: indexing a value that is no object would panic.
    let method = request.get_mut("method").map(Value::take);
    let Some(Value::String(method)) = method else {
        let id = request.get("id").cloned().unwrap_or_default();
        return Some(failure(id, &RpcError::invalid_request("invalid request")));
    };
    let params = request.get_mut("params").map(Value::take);
    let result = Params::new(params).and_then(|params| match lie {
        None => call(l1, &method, &params),
        Some(lie) => lie.call(l1, &method, &params),
    });
    let id = request.get_mut("id").map(Value::take)?;
    Some(match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => failure(id, &error),
    })
}

fn failure(id: Value, error: &RpcError) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": error.to_json() })
}

/// Runs a method.
fn call(l1: &EmbeddedL1, method: &str, params: &Params) -> RpcResult {
    match method {
        "eth_chainId" => Ok(quantity(chain_id(l1))),
        "net_version" => Ok(json!(chain_id(l1).to_string())),
        "net_listening" => Ok(json!(true)),
        "net_peerCount" => Ok(quantity(0u64)),
        "web3_clientVersion" => Ok(json!(CLIENT_VERSION)),
        "eth_syncing" => Ok(json!(false)),
        "eth_accounts" => Ok(json!([])),

        "eth_blockNumber" => Ok(quantity(l1.heads().latest.number)),
        "eth_getBlockByNumber" => blocks::block_by_number(l1, params),
        "eth_getBlockByHash" => blocks::block_by_hash(l1, params),
        "eth_getBlockReceipts" => blocks::block_receipts(l1, params),
        "eth_getTransactionByHash" => blocks::transaction_by_hash(l1, params),
        "eth_getTransactionReceipt" => blocks::transaction_receipt(l1, params),
        "debug_getRawHeader" => blocks::raw_header(l1, params),
        "debug_getRawReceipts" => blocks::raw_receipts(l1, params),
        "eth_getLogs" => logs::get_logs(l1, params),

        "eth_getBalance" => accounts::balance(l1, params),
        "eth_getTransactionCount" => accounts::transaction_count(l1, params),
        "eth_getCode" => accounts::code(l1, params),
        "eth_getStorageAt" => accounts::storage_at(l1, params),
        "eth_getProof" => accounts::proof(l1, params),
        "eth_call" => accounts::call(l1, params),
        "eth_estimateGas" => accounts::estimate_gas(l1, params),
        "eth_sendRawTransaction" => {
            let bytes: alloy_primitives::Bytes = params.required(0)?;
            Ok(json!(l1.submit(&bytes)?))
        }

        "eth_gasPrice" => Ok(fees::gas_price(l1)),
        "eth_maxPriorityFeePerGas" => Ok(quantity(fees::SUGGESTED_TIP)),
        "eth_blobBaseFee" => Ok(quantity(l1.with_chain(|chain| chain.next_blob_base_fee()))),
        "eth_feeHistory" => fees::fee_history(l1, params),

        method if method.starts_with(CONTROL_PREFIX) => control::call(l1, method, params),
        method => Err(RpcError::method_not_found(method)),
    }
}

fn chain_id(l1: &EmbeddedL1) -> u64 {
    l1.with_chain(|chain| chain.config().chain_id)
}

/// A number as Ethereum's JSON writes it.
fn quantity(number: impl std::fmt::LowerHex) -> Value {
    json!(format!("{number:#x}"))
}

#[cfg(test)]
mod tests;
