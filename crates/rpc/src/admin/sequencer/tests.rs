#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    context::TurnsByKind,
    metrics::RpcMetrics,
    server::dispatch::{Caller, Dispatcher},
};
use light_node_protocol::BlockNumHash;
use light_node_sequencer::test_utils::{ScriptedSequencer, SequencerCommand};
use serde_json::{Value, json};
use tokio::runtime::Handle;

type Answer = Result<Value, (i64, String)>;

fn site(sequencer: Option<SequencerHandle>) -> Dispatcher {
    let turns = TurnsByKind::new(&Handle::current());
    let methods = methods(sequencer, turns.commands).unwrap();
    Dispatcher::new(methods, RpcMetrics::default())
}

async fn call(site: &Dispatcher, method: &str, params: Value) -> Answer {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let caller = Caller::over_http();
    let answer = site.answer(call.to_string().as_bytes(), &caller).await;
    let mut answer: Value = serde_json::from_str(answer.unwrap().get()).unwrap();
    let error = &answer["error"];
    if error.is_null() {
        return Ok(answer["result"].take());
    }
    let message = error["message"].as_str().unwrap().to_owned();
    Err((error["code"].as_i64().unwrap(), message))
}

/// A call that the sequencer answers so, and what it was told.
async fn told(
    method: &str,
    params: Value,
    answer: Result<B256, SequencerCommandError>,
) -> (Answer, SequencerCommand) {
    let (handle, mut sequencer): (_, ScriptedSequencer) = SequencerHandle::scripted();
    let site = site(Some(handle));
    let (answered, command) = tokio::join!(call(&site, method, params), sequencer.answer(answer));
    (answered, command.unwrap())
}

#[tokio::test]
async fn each_command_comes_to_the_sequencer() {
    let hash = B256::repeat_byte(7);
    for (method, params, result, command) in [
        (
            "admin_startSequencer",
            json!([hash]),
            json!(null),
            SequencerCommand::Start(Some(hash)),
        ),
        (
            "admin_startSequencer",
            json!([]),
            json!(null),
            SequencerCommand::Start(None),
        ),
        (
            "admin_startSequencer",
            json!(null),
            json!(null),
            SequencerCommand::Start(None),
        ),
        (
            "admin_startSequencer",
            json!([null]),
            json!(null),
            SequencerCommand::Start(None),
        ),
        (
            "admin_stopSequencer",
            json!([]),
            json!(hash),
            SequencerCommand::Stop,
        ),
        (
            "admin_overrideLeader",
            json!([]),
            json!(null),
            SequencerCommand::OverrideLeader,
        ),
        (
            "admin_setRecoverMode",
            json!([true]),
            json!(null),
            SequencerCommand::SetRecoverMode(true),
        ),
        (
            "admin_setRecoverMode",
            json!([false]),
            json!(null),
            SequencerCommand::SetRecoverMode(false),
        ),
    ] {
        assert_eq!(told(method, params, Ok(hash)).await, (Ok(result), command));
    }
}

#[tokio::test]
async fn what_the_sequencer_refuses_is_refused_in_its_words() {
    let (head, given) = (B256::repeat_byte(7), B256::repeat_byte(8));
    let refusal = SequencerCommandError::WrongHead {
        head: BlockNumHash::new(7, head),
        given,
    };
    let words = format!("block hash does not match: head {head}, received {given}");
    let (answer, _) = told("admin_startSequencer", json!([given]), Err(refusal)).await;
    assert_eq!(answer, Err((-32000, words)));
    let (answer, _) = told(
        "admin_stopSequencer",
        json!([]),
        Err(SequencerCommandError::NotActive),
    )
    .await;
    assert_eq!(answer, Err((-32000, "sequencer not running".to_owned())));
}

#[tokio::test]
async fn where_it_stands_is_told_without_asking_it() {
    let (handle, sequencer) = SequencerHandle::scripted();
    let site = site(Some(handle));
    for is_set in [true, false] {
        sequencer.set_status(SequencerStatus {
            is_active: is_set,
            has_conductor: is_set,
            is_recovering: is_set,
            ..SequencerStatus::default()
        });
        for method in [
            "admin_sequencerActive",
            "admin_conductorEnabled",
            "admin_adminRecoverMode",
        ] {
            assert_eq!(
                call(&site, method, json!([])).await,
                Ok(json!(is_set)),
                "{method}"
            );
        }
    }
}

#[tokio::test]
async fn a_node_that_does_not_sequence_is_not_active_and_refuses_the_rest() {
    let site = site(None);
    for method in ["admin_sequencerActive", "admin_conductorEnabled"] {
        assert_eq!(
            call(&site, method, json!([])).await,
            Ok(json!(false)),
            "{method}"
        );
    }
    for (method, params) in [
        ("admin_startSequencer", json!([B256::ZERO])),
        ("admin_stopSequencer", json!([])),
        ("admin_overrideLeader", json!([])),
        ("admin_setRecoverMode", json!([true])),
    ] {
        let words = "sequencer is not enabled".to_owned();
        assert_eq!(
            call(&site, method, params).await,
            Err((-32000, words)),
            "{method}"
        );
    }
}

#[tokio::test]
async fn a_sequencer_that_has_ended_says_so() {
    let (handle, sequencer) = SequencerHandle::scripted();
    drop(sequencer);
    let answer = call(&site(Some(handle)), "admin_stopSequencer", json!([])).await;
    assert_eq!(
        answer,
        Err((-32000, "the sequencer has stopped".to_owned()))
    );
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let (handle, _sequencer) = SequencerHandle::scripted();
    let site = site(Some(handle));
    for (method, params, words) in [
        (
            "admin_startSequencer",
            json!(["0x12"]),
            "expected the hash of the unsafe head",
        ),
        (
            "admin_startSequencer",
            json!([7]),
            "expected the hash of the unsafe head",
        ),
        ("admin_setRecoverMode", json!([]), "expected true or false"),
        (
            "admin_setRecoverMode",
            json!(["on"]),
            "expected true or false",
        ),
    ] {
        let (code, message) = call(&site, method, params).await.unwrap_err();
        assert_eq!(code, -32602, "{method}");
        assert!(message.starts_with(words), "{message}");
    }
}
