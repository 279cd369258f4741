//! The client of op-conductor, which knows by Raft who leads and which block is the last one. A block that it has taken is the
//! cluster's; of one whose answer did not come nobody knows whether it is.

use crate::{config::ConductorConfig, metrics::ConductorMetrics};
use light_node_actor::in_words;
use light_node_l1::{BoxTransport, HttpError, HttpTransport};
use light_node_metrics::{RequestMetrics, RequestResult};
use light_node_protocol::foreign_text;
use op_alloy_rpc_types_engine::OpExecutionPayloadEnvelope;
use serde_json::{Map, Value, json};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

/// Bytes of an answer: a word, or an error.
const LIMIT_BYTES: usize = 64 << 10;

/// Attempts at a call, as op-node makes them.
const ATTEMPTS: usize = 2;

/// Pause between them.
const PAUSE: Duration = Duration::from_millis(50);

/// Pause between two questions to a conductor that has not answered yet: it may start after us.
const GREETING_PAUSE: Duration = Duration::from_secs(10);

/// So long nothing more is said of a conductor that comes and goes.
const TROUBLE_PAUSE: Duration = Duration::from_secs(60);

/// Characters of the conductor's words that are kept.
const MAX_TEXT_CHARS: usize = 200;

/// In these words Raft refuses what only a leader may do. Then the block is not in its log.
const NOT_LEADER: &str = "not the leader";

/// Why one call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum CallError {
    #[error("the conductor does not answer: {0}")]
    Http(#[from] HttpError),
    #[error("the conductor says: {message}")]
    Rpc { message: String },
    #[error("the conductor's answer is not understood: {cause}")]
    Malformed { cause: String },
}

impl CallError {
    fn is_not_leader(&self) -> bool {
        matches!(self, Self::Rpc { message } if message.contains(NOT_LEADER))
    }

    /// The conductor itself has spoken.
    const fn is_an_answer(&self) -> bool {
        matches!(self, Self::Rpc { .. })
    }

    const fn result(&self) -> RequestResult {
        match self {
            Self::Http(HttpError::Timeout { .. }) => RequestResult::Timeout,
            Self::Http(HttpError::Connect { .. } | HttpError::Broken { .. }) => {
                RequestResult::Transport
            }
            Self::Http(HttpError::Status { .. }) => RequestResult::HttpStatus,
            Self::Http(HttpError::TooLarge { .. }) | Self::Malformed { .. } => {
                RequestResult::Malformed
            }
            Self::Rpc { .. } => RequestResult::RpcError,
        }
    }
}

/// Why a block is not the cluster's, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum CommitError {
    /// Another one leads.
    #[error("another sequencer leads")]
    NotLeader {
        /// An attempt before may have succeeded all the same.
        may_be_taken: bool,
    },
    /// Nobody knows whether it was taken.
    #[error(transparent)]
    Unknown(#[from] CallError),
}

/// A client of one conductor.
#[derive(Debug)]
pub(crate) struct Conductor {
    transport: BoxTransport,
    timeout: Duration,
    requests: RequestMetrics,
    metrics: ConductorMetrics,
    trouble: Mutex<Trouble>,
}

/// What was said of a conductor that cannot be asked.
#[derive(Debug, Default)]
struct Trouble {
    is_said: bool,
    said_at: Option<Instant>,
}

impl Conductor {
    /// A client over HTTP.
    ///
    /// # Errors
    /// The cause in words if there can be no HTTP client.
    pub(crate) fn new(config: &ConductorConfig) -> Result<Self, String> {
        let transport = HttpTransport::new(config.endpoint.clone())?;
        Ok(Self::with_transport(Box::new(transport), config.timeout))
    }

    /// A client over another transport.
    pub(crate) fn with_transport(transport: BoxTransport, timeout: Duration) -> Self {
        Self {
            transport,
            timeout,
            requests: RequestMetrics::new("conductor"),
            metrics: ConductorMetrics::default(),
            trouble: Mutex::default(),
        }
    }

    /// Asks until the conductor answers, whatever it says.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn until_it_answers(&self) {
        while self.leader().await.is_err() {
            sleep(GREETING_PAUSE).await;
        }
    }

    /// Says when the conductor cannot be asked, and when it can be again; of one that comes and goes, once a minute.
    fn note_trouble(&self, error: Option<&CallError>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let url = self.transport.name();
        let Some(error) = error else {
            if std::mem::take(&mut trouble.is_said) {
                info!(url, "the conductor answers");
            }
            return;
        };
        let is_recent = |at: Instant| at.elapsed() < TROUBLE_PAUSE;
        if trouble.is_said || trouble.said_at.is_some_and(is_recent) {
            return;
        }
        *trouble = Trouble {
            is_said: true,
            said_at: Some(Instant::now()),
        };
        let cause = in_words(error);
        warn!(
            url,
            cause,
            "the conductor cannot be asked, and without it no block is made: it must run at --conductor.rpc"
        );
    }

    /// What became of its calls.
    pub(crate) fn metrics(&self) -> ConductorMetrics {
        self.metrics.clone()
    }

    /// How long its requests took.
    pub(crate) fn request_metrics(&self) -> RequestMetrics {
        self.requests.clone()
    }

    /// Whether the conductor beside us leads.
    ///
    /// # Errors
    /// [`CallError`]; who does not know is no leader.
    pub(crate) async fn leader(&self) -> Result<bool, CallError> {
        let mut attempt = 1;
        loop {
            match self.flag("conductor_leader").await {
                Err(_) if attempt < ATTEMPTS => attempt += 1,
                answer => {
                    self.note_trouble(answer.as_ref().err());
                    return answer;
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Whether the conductor is at work: neither paused nor stopped.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn active(&self) -> Result<bool, CallError> {
        self.flag("conductor_active").await
    }

    /// Gives it a block, which is the cluster's when this returns well. The same block may be given again.
    ///
    /// # Errors
    /// [`CommitError`].
    pub(crate) async fn commit(
        &self,
        envelope: &OpExecutionPayloadEnvelope,
    ) -> Result<(), CommitError> {
        let params = json!([envelope]);
        let (mut attempt, mut may_be_taken) = (1, false);
        loop {
            let answer = self.call("conductor_commitUnsafePayload", &params).await;
            let error = match answer {
                Ok(_) => {
                    self.note_trouble(None);
                    self.metrics.commit("taken");
                    return Ok(());
                }
                Err(error) if error.is_not_leader() => {
                    self.note_trouble(None);
                    self.metrics.commit("not_leader");
                    return Err(CommitError::NotLeader { may_be_taken });
                }
                Err(error) => error,
            };
            self.metrics.commit("unknown");
            may_be_taken = true;
            if attempt == ATTEMPTS {
                self.note_trouble(Some(&error).filter(|error| !error.is_an_answer()));
                return Err(error.into());
            }
            attempt += 1;
            sleep(PAUSE).await;
        }
    }

    async fn flag(&self, method: &'static str) -> Result<bool, CallError> {
        let answer = self.call(method, &json!([])).await?;
        answer.as_bool().ok_or_else(|| CallError::Malformed {
            cause: format!("{method} is neither true nor false"),
        })
    }

    async fn call(&self, method: &'static str, params: &Value) -> Result<Value, CallError> {
        let sent_at = Instant::now();
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let body = request.to_string().into_bytes();
        let answer = timeout(self.timeout, self.transport.post(body, LIMIT_BYTES)).await;
        let answer = answer
            .unwrap_or(Err(HttpError::Timeout {
                deadline: self.timeout,
            }))
            .map_err(CallError::from)
            .and_then(|body| decode(&body));
        let result = answer
            .as_ref()
            .map_or_else(CallError::result, |_| RequestResult::Ok);
        self.requests.observe(method, result, sent_at);
        answer
    }
}

fn decode(body: &[u8]) -> Result<Value, CallError> {
    let malformed = |cause: String| CallError::Malformed { cause };
    let mut response: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    if let Some(error) = response.get("error").filter(|error| !error.is_null()) {
        let message = error.get("message").and_then(Value::as_str);
        let message = foreign_text(message.unwrap_or("an error without words"), MAX_TEXT_CHARS);
        return Err(CallError::Rpc { message });
    }
    // A block is taken only if the conductor says so; its word for that is null.
    let result = response.remove("result");
    result.ok_or_else(|| malformed("it has neither a result nor an error".to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
