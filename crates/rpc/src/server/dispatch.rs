//! From the bytes of one JSON-RPC message to the bytes of its answer: single calls, batches, notifications. Both transports
//! come through here, so that limits and metrics are the same for both.

use crate::{
    config::{BATCH_MAX, RESPONSE_BYTES_MAX},
    metrics::RpcMetrics,
};
use jsonrpsee::{
    BatchResponseBuilder, BoundedSubscriptions, ConnectionId, Extensions, MethodCallback,
    MethodResponse, MethodSink, Methods, SubscriptionState,
    helpers::prepare_error,
    server::RandomIntegerIdProvider,
    types::{
        ErrorCode, ErrorObject, Id, Notification, Params, Request,
        error::{INTERNAL_ERROR_CODE, reject_too_big_batch_request, reject_too_many_subscriptions},
    },
};
use serde_json::value::RawValue;
use tokio::time::Instant;

/// What methods get beside their parameters. Ids of subscriptions are JSON numbers: harnesses decode them so.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Where pushes go and how many subscriptions there may be; none over HTTP.
    pub(crate) pushes: Option<(MethodSink, BoundedSubscriptions)>,
    pub(crate) connection: ConnectionId,
}

impl Caller {
    /// Somebody who asks over HTTP.
    pub(crate) const fn over_http() -> Self {
        Self {
            pushes: None,
            connection: ConnectionId(0),
        }
    }
}

/// The methods, with what is measured of them.
#[derive(Clone, Debug)]
pub(crate) struct Dispatcher {
    methods: Methods,
    metrics: RpcMetrics,
}

impl Dispatcher {
    pub(crate) fn new(methods: impl Into<Methods>, metrics: RpcMetrics) -> Self {
        Self {
            methods: methods.into(),
            metrics,
        }
    }

    /// Answers one message. `None` if it wants no answer, or a subscription has already sent it.
    pub(crate) async fn answer(&self, message: &[u8], caller: &Caller) -> Option<Box<RawValue>> {
        let first = message.iter().find(|byte| !byte.is_ascii_whitespace());
        let response = match first {
            Some(b'{') => self.single(message, caller).await,
            Some(b'[') => self.batch(message, caller).await,
            _ => MethodResponse::error(Id::Null, ErrorObject::from(ErrorCode::ParseError)),
        };
        (response.is_method_call() || response.is_batch()).then(|| response.into_json())
    }

    async fn single(&self, message: &[u8], caller: &Caller) -> MethodResponse {
        match parse(message) {
            Ok(Message::Call(request)) => self.call(request, caller).await,
            Ok(Message::Notification) => MethodResponse::notification(),
            Err(refusal) => refusal,
        }
    }

    async fn batch(&self, message: &[u8], caller: &Caller) -> MethodResponse {
        let Ok(entries) = serde_json::from_slice::<Vec<&RawValue>>(message) else {
            return MethodResponse::error(Id::Null, ErrorObject::from(ErrorCode::ParseError));
        };
        if entries.len() > BATCH_MAX {
            return MethodResponse::error(Id::Null, reject_too_big_batch_request(BATCH_MAX));
        }
        let mut answers = BatchResponseBuilder::new_with_limit(RESPONSE_BYTES_MAX);
        let mut notified = false;
        for entry in entries {
            let answer = match parse(entry.get().as_bytes()) {
                Ok(Message::Call(request)) => self.call(request, caller).await,
                Ok(Message::Notification) => {
                    notified = true;
                    continue;
                }
                Err(refusal) => refusal,
            };
            if answer.is_subscription() {
                // Its answer went out by itself.
                notified = true;
                continue;
            }
            if let Err(too_big) = answers.append(answer) {
                return too_big;
            }
        }
        if answers.is_empty() && notified {
            return MethodResponse::notification();
        }
        MethodResponse::from_batch(answers.finish())
    }

    async fn call(&self, request: Request<'_>, caller: &Caller) -> MethodResponse {
        let id = request.id.into_owned();
        let Some((name, callback)) = self.methods.method_with_name(&request.method) else {
            self.metrics.unknown_method();
            return MethodResponse::error(id, ErrorObject::from(ErrorCode::MethodNotFound));
        };
        let started = Instant::now();
        // Some clients write null where they have no parameters.
        let params = request.params.filter(|params| params.get() != "null");
        let params = Params::new(params.as_deref().map(RawValue::get)).into_owned();
        let response = invoke(callback, id, params, caller).await;
        self.metrics.called(name, response.as_error_code(), started);
        response
    }
}

async fn invoke(
    callback: &MethodCallback,
    id: Id<'static>,
    params: Params<'static>,
    caller: &Caller,
) -> MethodResponse {
    let (connection, extensions) = (caller.connection, Extensions::new());
    match (callback, &caller.pushes) {
        (MethodCallback::Sync(callback), _) => callback(id, params, RESPONSE_BYTES_MAX, extensions),
        (MethodCallback::Async(callback), _) => {
            callback(id, params, connection, RESPONSE_BYTES_MAX, extensions).await
        }
        (MethodCallback::Subscription(callback), Some((sink, subscriptions))) => {
            let Some(permit) = subscriptions.acquire() else {
                return MethodResponse::error(
                    id,
                    reject_too_many_subscriptions(subscriptions.max()),
                );
            };
            let state = SubscriptionState {
                conn_id: connection,
                id_provider: &RandomIntegerIdProvider,
                subscription_permit: permit,
            };
            callback(id, params, sink.clone(), state, extensions).await
        }
        (MethodCallback::Unsubscription(callback), Some(_)) => {
            callback(id, params, connection, RESPONSE_BYTES_MAX, extensions)
        }
        (MethodCallback::Subscription(_) | MethodCallback::Unsubscription(_), None) => {
            let message = "subscriptions need a WebSocket connection";
            MethodResponse::error(
                id,
                ErrorObject::borrowed(INTERNAL_ERROR_CODE, message, None),
            )
        }
    }
}

enum Message<'a> {
    Call(Request<'a>),
    Notification,
}

fn parse(message: &[u8]) -> Result<Message<'_>, MethodResponse> {
    if let Ok(request) = serde_json::from_slice::<Request<'_>>(message) {
        return Ok(Message::Call(request));
    }
    if serde_json::from_slice::<Notification<'_, Option<&RawValue>>>(message).is_ok() {
        return Ok(Message::Notification);
    }
    let (id, code) = prepare_error(message);
    Err(MethodResponse::error(id, ErrorObject::from(code)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use jsonrpsee::RpcModule;
    use serde_json::{Value, json};

    async fn answer(message: &str) -> Option<Value> {
        let mut module = RpcModule::new(());
        module
            .register_method("echo", |params, _, _| params.parse::<Value>())
            .unwrap();
        module
            .register_method("count", |params, _, _| {
                params.sequence().optional_next::<u64>()
            })
            .unwrap();
        module
            .register_subscription("sub", "sub", "unsub", |_, _, _, _| async { Ok(()) })
            .unwrap();
        let dispatcher = Dispatcher::new(module, RpcMetrics::default());
        let answer = dispatcher
            .answer(message.as_bytes(), &Caller::over_http())
            .await?;
        Some(serde_json::from_str(answer.get()).unwrap())
    }

    #[tokio::test]
    async fn a_call_is_answered_under_its_id() {
        for id in [json!(7), json!("seven")] {
            let call = json!({ "jsonrpc": "2.0", "id": id, "method": "echo", "params": ["x"] });
            let answer = answer(&call.to_string()).await.unwrap();
            assert_eq!(
                answer,
                json!({ "jsonrpc": "2.0", "id": id, "result": ["x"] })
            );
        }
    }

    #[tokio::test]
    async fn missing_null_and_empty_parameters_are_the_same() {
        for params in ["", r#","params":null"#, r#","params":[]"#] {
            let call = format!(r#" {{"jsonrpc":"2.0","id":1,"method":"count"{params}}}"#);
            assert_eq!(
                answer(&call).await.unwrap()["result"],
                json!(null),
                "{params}"
            );
        }
    }

    #[tokio::test]
    async fn a_batch_is_answered_in_its_order_without_its_notifications() {
        let batch = json!([
            { "jsonrpc": "2.0", "id": 1, "method": "echo", "params": [1] },
            { "jsonrpc": "2.0", "method": "echo", "params": [2] },
            { "jsonrpc": "2.0", "id": 3, "method": "nothing" },
            7,
        ]);
        let answers = answer(&batch.to_string()).await.unwrap();
        let codes: Vec<_> = answers
            .as_array()
            .unwrap()
            .iter()
            .map(|answer| (answer["id"].clone(), answer["error"]["code"].as_i64()))
            .collect();
        let expected = [
            (json!(1), None),
            (json!(3), Some(-32601)),
            (json!(null), Some(-32700)),
        ];
        assert_eq!(codes, expected);
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_by_its_kind() {
        let code = |message: &'static str| async move {
            answer(message).await.unwrap()["error"]["code"].as_i64()
        };
        assert_eq!(code("").await, Some(-32700));
        assert_eq!(code("<html>").await, Some(-32700));
        assert_eq!(code("{").await, Some(-32700));
        assert_eq!(code("[").await, Some(-32700));
        assert_eq!(code("[]").await, Some(-32600));
        assert_eq!(code(r#"{"id":1}"#).await, Some(-32600));
        let subscribe = r#"{"jsonrpc":"2.0","id":1,"method":"sub"}"#;
        assert_eq!(code(subscribe).await, Some(-32603), "over HTTP");
        let notification = r#"{"jsonrpc":"2.0","method":"echo"}"#;
        assert_eq!(answer(notification).await, None);
    }

    #[tokio::test]
    async fn deep_json_is_refused_and_not_walked() {
        let deep = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"echo","params":{}{}}}"#,
            "[".repeat(20_000),
            "]".repeat(20_000)
        );
        assert!(answer(&deep).await.unwrap()["error"]["code"].is_i64());
    }
}
