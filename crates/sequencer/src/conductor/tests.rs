//! A scripted conductor, for the tests of the actor too, and the client beside it.

use super::*;
use alloy_primitives::B256;
use async_trait::async_trait;
use light_node_engine_api::{memory::ChainBuilder, payload_envelope_from_json};
use light_node_l1::Transport;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

/// The deadline of a call.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);

/// What a block meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is taken, and that is said.
    Taken,
    /// It is taken, and the answer is lost.
    TakenInSilence,
    /// The call gets lost.
    Lost,
    /// The conductor fails and says so.
    Fails,
    /// Leadership moves away first.
    LeadershipMoves,
    /// It is taken, and then leadership moves away before that is said.
    TakenAndLeadershipMoves,
}

/// A conductor in memory. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct ScriptedConductor(Arc<Mutex<State>>);

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) leads: bool,
    pub(crate) is_down: bool,
    pub(crate) is_paused: bool,
    /// What the next blocks meet; then they are taken.
    pub(crate) answers: VecDeque<Answer>,
    /// What is in the log of the cluster, in order.
    pub(crate) log: Vec<B256>,
    /// All that it was asked to take.
    pub(crate) offered: Vec<(B256, B256)>,
    pub(crate) calls: Vec<String>,
}

impl Default for ScriptedConductor {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            leads: true,
            is_down: false,
            is_paused: false,
            answers: VecDeque::new(),
            log: Vec::new(),
            offered: Vec::new(),
            calls: Vec::new(),
        })))
    }
}

impl State {
    /// The block on `parent` that is in the cluster's log.
    pub(crate) fn taken_on(&self, parent: B256) -> Option<B256> {
        let offered = self.offered.iter().filter(|(on, _)| *on == parent);
        let mut hashes = offered.map(|(_, hash)| *hash);
        hashes.find(|hash| self.log.contains(hash))
    }
}

impl ScriptedConductor {
    pub(crate) fn client(self) -> Conductor {
        Conductor::with_transport(Box::new(self), TIMEOUT)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.lock().answers.extend(answers);
    }

    fn commit(&self, params: &Value) -> Option<Value> {
        let envelope = payload_envelope_from_json(&params[0].to_string()).unwrap();
        let payload = &envelope.execution_payload;
        let (parent, hash) = (payload.parent_hash(), payload.block_hash());
        let mut state = self.lock();
        state.offered.push((parent, hash));
        let refusal = json!({"error": {"code": -32000,
            "message": "failed to apply payload envelope: node is not the leader"}});
        if !state.leads {
            return Some(refusal);
        }
        let answer = state.answers.pop_front().unwrap_or(Answer::Taken);
        if matches!(
            answer,
            Answer::Taken | Answer::TakenInSilence | Answer::TakenAndLeadershipMoves
        ) {
            state.log.push(hash);
        }
        match answer {
            Answer::Taken => Some(json!({"result": null})),
            Answer::TakenInSilence | Answer::Lost => None,
            Answer::Fails => Some(json!({"error": {"code": -32000,
                "message": "leadership lost while committing log"}})),
            Answer::LeadershipMoves => {
                state.leads = false;
                Some(refusal)
            }
            Answer::TakenAndLeadershipMoves => {
                state.leads = false;
                Some(json!({"error": {"code": -32000,
                    "message": "leadership lost while committing log"}}))
            }
        }
    }
}

#[async_trait]
impl Transport for ScriptedConductor {
    async fn post(&self, body: Vec<u8>, _limit_bytes: usize) -> Result<Vec<u8>, HttpError> {
        let request: Value = serde_json::from_slice(&body).unwrap();
        let method = request["method"].as_str().unwrap().to_owned();
        let (leads, is_paused, is_down) = {
            let mut state = self.lock();
            state.calls.push(method.clone());
            (state.leads, state.is_paused, state.is_down)
        };
        let answer = match method.as_str() {
            _ if is_down => None,
            "conductor_leader" => Some(json!({"result": leads})),
            "conductor_active" => Some(json!({"result": !is_paused})),
            "conductor_commitUnsafePayload" => self.commit(&request["params"]),
            other => panic!("{other}"),
        };
        match answer {
            Some(answer) => Ok(answer.to_string().into_bytes()),
            None => std::future::pending().await,
        }
    }

    fn name(&self) -> &'static str {
        "conductor"
    }
}

fn envelope() -> OpExecutionPayloadEnvelope {
    let builder = ChainBuilder::new();
    let genesis = builder.genesis();
    builder.extend(&genesis, 1, 0).remove(0).envelope
}

#[tokio::test(start_paused = true)]
async fn a_block_is_taken_when_the_conductor_says_so() {
    let conductor = ScriptedConductor::default();
    conductor
        .clone()
        .client()
        .commit(&envelope())
        .await
        .unwrap();
    let hash = envelope().execution_payload.block_hash();
    assert_eq!(conductor.lock().log, [hash]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_made_twice_within_its_timeouts() {
    let conductor = ScriptedConductor::default();
    conductor.answer([Answer::Lost, Answer::Taken]);
    let client = conductor.clone().client();
    client.commit(&envelope()).await.unwrap();
    conductor.answer([Answer::Lost, Answer::Lost]);
    let begun_at = Instant::now();
    let error = client.commit(&envelope()).await.unwrap_err();
    assert!(matches!(error, CommitError::Unknown(_)), "{error:?}");
    assert_eq!(begun_at.elapsed(), 2 * TIMEOUT + PAUSE);
    assert_eq!(conductor.lock().offered.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_lead_is_told_whether_the_block_may_have_been_taken_before() {
    let conductor = ScriptedConductor::default();
    let client = conductor.clone().client();
    conductor.answer([Answer::TakenAndLeadershipMoves]);
    let error = client.commit(&envelope()).await.unwrap_err();
    assert_eq!(error, CommitError::NotLeader { may_be_taken: true });
    let error = client.commit(&envelope()).await.unwrap_err();
    let may_be_taken = false;
    assert_eq!(error, CommitError::NotLeader { may_be_taken });
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_does_not_lead() {
    let conductor = ScriptedConductor::default();
    let client = conductor.clone().client();
    assert_eq!(client.leader().await, Ok(true));
    assert_eq!(client.active().await, Ok(true));
    conductor.lock().leads = false;
    assert_eq!(client.leader().await, Ok(false));
    conductor.lock().is_down = true;
    assert!(client.leader().await.is_err());
}

#[test]
fn only_a_result_is_an_answer() {
    assert_eq!(decode(br#"{"id":1,"result":null}"#), Ok(Value::Null));
    assert_eq!(decode(br#"{"result":true,"error":null}"#), Ok(json!(true)));
    for malformed in ["", "[]", "{}", r#"{"id":1}"#, "<html>"] {
        let decoded = decode(malformed.as_bytes());
        assert!(matches!(decoded, Err(CallError::Malformed { .. })));
    }
    let refused = decode(br#"{"error":{"code":-32000,"message":"no\nleader"}}"#);
    assert_eq!(
        refused.unwrap_err().to_string(),
        r"the conductor says: no\nleader"
    );
}

#[tokio::test(start_paused = true)]
async fn a_conductor_that_cannot_be_asked_is_said_once_and_when_it_answers_again() {
    let conductor = ScriptedConductor::default();
    let client = conductor.clone().client();
    let is_said = || client.trouble.lock().unwrap().is_said;
    let said_at = || client.trouble.lock().unwrap().said_at.unwrap();
    client.leader().await.unwrap();
    assert!(!is_said());
    conductor.lock().is_down = true;
    client.leader().await.unwrap_err();
    assert!(is_said());
    let first = said_at();
    for _ in 0..100 {
        client.commit(&envelope()).await.unwrap_err();
    }
    assert_eq!(said_at(), first);
    conductor.lock().is_down = false;
    client.commit(&envelope()).await.unwrap();
    assert!(!is_said());
    // One that comes and goes is said again after a minute at the earliest, though not each time.
    for _ in 0..100 {
        let (before, told) = (said_at(), is_said());
        conductor.lock().is_down = true;
        client.leader().await.unwrap_err();
        let said = said_at();
        assert!(said == before || said - before >= TROUBLE_PAUSE);
        assert!(is_said() || said.elapsed() < TROUBLE_PAUSE);
        assert!(!told);
        conductor.lock().is_down = false;
        client.leader().await.unwrap();
    }
    // What the conductor itself says of a block is its word, and no trouble with it.
    conductor.answer([Answer::Fails, Answer::Fails]);
    tokio::time::advance(TROUBLE_PAUSE).await;
    client.commit(&envelope()).await.unwrap_err();
    assert!(!is_said());
}
