//! Whole answers against a network that the test plays, through the dispatcher that serves them.
#![allow(clippy::unwrap_used)]

mod commands;
mod questions;

use super::*;
use crate::{
    metrics::RpcMetrics,
    server::dispatch::{Caller, Dispatcher},
};
use light_node_network::testing::{NetworkQuestion, ScriptedNetwork};
use serde_json::json;
use tokio::runtime::Handle;

/// The peer id of the secret key 1.
const PEER: &str = "16Uiu2HAm3cuhhRL2msUuLF62KRSfneFDx94RsuouyW25Ho42cFMq";

/// The namespace over a network, which a test plays.
struct Site {
    dispatcher: Dispatcher,
}

impl Site {
    fn new(network: Option<NetworkHandle>, enable_admin: bool) -> Self {
        Self::with_turns(network, TurnsByKind::new(&Handle::current()), enable_admin)
    }

    fn with_turns(network: Option<NetworkHandle>, turns: TurnsByKind, enable_admin: bool) -> Self {
        let methods = methods(network, turns, enable_admin).unwrap();
        Self {
            dispatcher: Dispatcher::new(methods, RpcMetrics::default()),
        }
    }

    /// With everything on.
    fn scripted() -> (Self, ScriptedNetwork) {
        let (handle, network) = NetworkHandle::scripted();
        (Self::new(Some(handle), true), network)
    }

    /// The result of a call; or its error's code and message.
    async fn call(&self, method: &str, params: Value) -> Result<Value, (i64, String)> {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let call = call.to_string();
        let caller = Caller::over_http();
        let answer = self.dispatcher.answer(call.as_bytes(), &caller);
        let mut answer: Value = serde_json::from_str(answer.await.unwrap().get()).unwrap();
        let error = &answer["error"];
        if error.is_null() {
            return Ok(answer["result"].take());
        }
        let message = error["message"].as_str().unwrap().to_owned();
        Err((error["code"].as_i64().unwrap(), message))
    }

    /// A call that the network answers, and what it was asked.
    async fn asking(
        &self,
        network: &mut ScriptedNetwork,
        method: &str,
        params: Value,
    ) -> (Result<Value, (i64, String)>, NetworkQuestion) {
        let (answer, question) = tokio::join!(self.call(method, params), network.answer_next());
        (answer, question.unwrap())
    }
}

fn peer() -> libp2p::PeerId {
    PEER.parse().unwrap()
}

#[tokio::test]
async fn without_p2p_no_method_is_there_and_each_says_why() {
    let site = Site::new(None, true);
    for name in QUESTIONS.iter().chain(&COMMANDS) {
        let words = format!("the method {name} does not exist/is not available: p2p is disabled");
        assert_eq!(site.call(name, json!([PEER])).await, Err((-32601, words)));
    }
}

#[tokio::test]
async fn without_admin_anybody_may_look_and_nobody_change_anything() {
    let (handle, mut network) = NetworkHandle::scripted();
    let site = Site::new(Some(handle), false);
    for name in COMMANDS {
        let words =
            format!("the method {name} does not exist/is not available: --rpc.enable-admin is off");
        assert_eq!(site.call(name, json!([PEER])).await, Err((-32601, words)));
    }
    let (answer, question) = site.asking(&mut network, "opp2p_self", json!([])).await;
    assert!(answer.is_ok());
    assert_eq!(
        question,
        NetworkQuestion::This,
        "no command has come through"
    );
}

#[tokio::test]
async fn a_network_that_has_ended_is_named_and_its_last_numbers_stay() {
    let (site, network) = Site::scripted();
    drop(network);
    for (method, params) in [
        ("opp2p_self", json!([])),
        ("opp2p_peers", json!([true])),
        ("opp2p_listBlockedPeers", json!([])),
        ("opp2p_blockPeer", json!([PEER])),
        (
            "opp2p_connectPeer",
            json!([format!("/ip4/127.0.0.1/tcp/1/p2p/{PEER}")]),
        ),
    ] {
        let words = "the network has stopped".to_owned();
        assert_eq!(site.call(method, params).await, Err((-32000, words)));
    }
    assert_eq!(
        site.call("opp2p_peerStats", json!([])).await.unwrap()["connected"],
        0
    );
}
