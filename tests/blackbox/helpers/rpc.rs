//! A JSON-RPC client that a test can read: one call a line.

use super::wait::until;
use light_node_protocol::SyncStatus;
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};

/// A JSON-RPC endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Rpc {
    client: reqwest::Client,
    url: String,
}

impl Rpc {
    pub(crate) fn at(addr: SocketAddr) -> Self {
        Self::url(format!("http://{addr}"))
    }

    pub(crate) fn url(url: impl Into<String>) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            client,
            url: url.into(),
        }
    }

    /// The result of a call, or the error object.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = self.client.post(&self.url).json(&request).send().await;
        let answer: Value = match answer {
            Ok(answer) => answer
                .json()
                .await
                .map_err(|cause| json!(cause.to_string()))?,
            Err(cause) => return Err(json!(cause.to_string())),
        };
        match answer.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(answer["result"].clone()),
        }
    }

    /// Status code and JSON of the answer to any body; null if it is no JSON.
    pub(crate) async fn post(&self, body: String) -> (u16, Value) {
        let request = self
            .client
            .post(&self.url)
            .header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json().await.unwrap_or_default(),
        )
    }

    pub(crate) async fn sync_status(&self) -> Result<SyncStatus, Value> {
        let status = self.call("optimism_syncStatus", json!([])).await?;
        Ok(serde_json::from_value(status).expect("a node's sync status has op-node's shape"))
    }

    /// Status code and JSON body of a page such as `/readyz`; null if it is no JSON.
    pub(crate) async fn page(&self, path: &str) -> (u16, Value) {
        let answer = self
            .client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        (
            answer.status().as_u16(),
            answer.json().await.unwrap_or_default(),
        )
    }

    /// Waits until `/readyz` is 503 with this reason among others, and returns its detail.
    pub(crate) async fn until_unready(&self, reason: &str, limit: Duration) -> String {
        until(reason, limit, || async {
            let (code, page) = self.page("/readyz").await;
            let reasons = page["reasons"].as_array().cloned().unwrap_or_default();
            let found = reasons.iter().find(|it| it["reason"] == reason);
            match found {
                Some(found) if code == 503 => Ok(found["detail"].to_string()),
                _ => Err(page),
            }
        })
        .await
    }

    /// Waits until `/readyz` says that safe is followed.
    pub(crate) async fn until_ready(&self, limit: Duration) {
        until("readiness", limit, || async {
            let (code, page) = self.page("/readyz").await;
            if code == 200 { Ok(()) } else { Err(page) }
        })
        .await;
    }
}
