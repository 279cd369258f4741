//! Several L1 endpoints as one: the first that is not in back-off is asked, and before the first answer of each
//! connection is believed, the endpoint must show that it is of our chain (in the same batch, so it costs no request).

use crate::{
    BoxTransport, EndpointStatus, EndpointVerdict, HttpError, L1Config, L1Error, L1Fatal,
    rpc::{self, Answer, DecodeError, Question},
};
use light_node_actor::Backoff;
use light_node_protocol::BlockNumHash;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tracing::{error, info, warn};

/// First and longest pause after a failure of an endpoint.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long an endpoint of another chain is left alone. Short, because a load balancer that is set right again may be the
/// only way to L1, and a question each 15 s costs little.
const WRONG_CHAIN_PAUSE: Duration = Duration::from_secs(15);
/// The longest `Retry-After` that is honoured.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
/// A block without transaction bodies, with room for a list of some thousand transaction hashes.
const BLOCK_LIMIT_BYTES: usize = 512 * 1024;

#[derive(Debug)]
struct Endpoint {
    transport: BoxTransport,
    verdict: EndpointVerdict,
    backoff: Backoff,
    not_before: Option<Instant>,
    last_error: Option<L1Error>,
}

/// All endpoints, in order of preference.
#[derive(Debug)]
pub(crate) struct Endpoints {
    list: Vec<Endpoint>,
    l1_chain_id: u64,
    genesis_l1: BlockNumHash,
    trust_rpc: bool,
    active: Option<usize>,
    any_verified: bool,
    requests: u64,
}

impl Endpoints {
    pub(crate) fn new(config: &L1Config, transports: Vec<BoxTransport>) -> Self {
        let list = transports
            .into_iter()
            .map(|transport| Endpoint {
                transport,
                verdict: EndpointVerdict::Unchecked,
                backoff: Backoff::new(BACKOFF.0, BACKOFF.1),
                not_before: None,
                last_error: None,
            })
            .collect();
        Self {
            list,
            l1_chain_id: config.l1_chain_id,
            genesis_l1: config.genesis_l1,
            trust_rpc: config.trust_rpc,
            active: None,
            any_verified: false,
            requests: 0,
        }
    }

    /// Asks the first available endpoint, then the next. Each gets `deadline`.
    pub(crate) async fn ask(
        &mut self,
        questions: &[Question],
        deadline: Duration,
    ) -> Result<Vec<Answer>, L1Error> {
        let now = Instant::now();
        let mut failure = None;
        for index in 0..self.list.len() {
            if self.list[index]
                .not_before
                .is_some_and(|instant| instant > now)
            {
                continue;
            }
            match self.exchange(index, questions, deadline).await {
                Ok(answers) => {
                    self.succeeded(index);
                    return Ok(answers);
                }
                Err(error) => {
                    self.failed(index, &error);
                    failure = Some(error);
                }
            }
        }
        Err(failure.unwrap_or_else(|| L1Error::Unavailable {
            last: self.last_words(),
        }))
    }

    async fn exchange(
        &mut self,
        index: usize,
        questions: &[Question],
        deadline: Duration,
    ) -> Result<Vec<Answer>, L1Error> {
        let endpoint = &self.list[index];
        let name = endpoint.transport.name().to_owned();
        let verified = endpoint.verdict == EndpointVerdict::Verified;
        let identity = [Question::ChainId, Question::Block(self.genesis_l1.number)];
        let asked: Vec<Question> = if verified {
            questions.to_vec()
        } else {
            [&identity, questions].concat()
        };
        self.requests += 1;
        let limit_bytes = BLOCK_LIMIT_BYTES * asked.len();
        let body = timeout(
            deadline,
            endpoint.transport.post(rpc::encode(&asked), limit_bytes),
        )
        .await
        .unwrap_or(Err(HttpError::Timeout { deadline }))
        .map_err(|source| L1Error::Http {
            endpoint: name.clone(),
            source,
        })?;
        let answers = rpc::decode(&body, &asked, self.trust_rpc)
            .map_err(|error| undecodable(name.clone(), error))?;
        let (shown, own) = answers.split_at(asked.len() - questions.len());
        if !verified {
            self.identify(&name, shown)?;
        }
        if let Some(unusable) = own
            .iter()
            .zip(questions)
            .find_map(|(answer, question)| unusable(answer, *question))
        {
            let (code, message) = unusable;
            return Err(L1Error::Rpc {
                endpoint: name,
                code,
                message,
            });
        }
        Ok(own.to_vec())
    }

    /// The chain id must be ours; the genesis block, too, unless the endpoint has pruned it.
    fn identify(&self, name: &str, shown: &[Answer]) -> Result<(), L1Error> {
        let endpoint = name.to_owned();
        let detail = match shown {
            [Answer::ChainId(id), _] if *id != self.l1_chain_id => {
                format!("its chain id is {id}, expected {}", self.l1_chain_id)
            }
            [Answer::ChainId(_), Answer::Block(block)] if block.hash != self.genesis_l1.hash => {
                let BlockNumHash { number, hash } = self.genesis_l1;
                format!("its block {number} is {}, expected {hash}", block.hash)
            }
            [Answer::ChainId(_), _] => return Ok(()),
            [Answer::Failed { code, message }, _] => {
                return Err(L1Error::Rpc {
                    endpoint,
                    code: *code,
                    message: message.clone(),
                });
            }
            _ => {
                let cause = "no chain id".to_owned();
                return Err(L1Error::Malformed { endpoint, cause });
            }
        };
        Err(L1Error::WrongChain { endpoint, detail })
    }

    fn succeeded(&mut self, index: usize) {
        let endpoint = &mut self.list[index];
        let name = endpoint.transport.name();
        if endpoint.last_error.take().is_some() {
            info!(endpoint = name, "l1 endpoint works again");
        } else if self.active != Some(index) {
            info!(endpoint = name, "l1 endpoint is in use");
        }
        endpoint.verdict = EndpointVerdict::Verified;
        endpoint.backoff.reset();
        endpoint.not_before = None;
        self.active = Some(index);
        self.any_verified = true;
    }

    fn failed(&mut self, index: usize, failure: &L1Error) {
        let endpoint = &mut self.list[index];
        let (verdict, pause) = match failure {
            L1Error::WrongChain { detail, .. } => (
                EndpointVerdict::WrongChain {
                    detail: detail.clone(),
                },
                WRONG_CHAIN_PAUSE,
            ),
            L1Error::Http {
                source: HttpError::Status { retry_after, .. },
                ..
            } => {
                let asked_for = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
                (
                    EndpointVerdict::Unchecked,
                    endpoint.backoff.next_delay().max(asked_for),
                )
            }
            _ => (EndpointVerdict::Unchecked, endpoint.backoff.next_delay()),
        };
        let wrong_chain = matches!(verdict, EndpointVerdict::WrongChain { .. });
        let is_news = endpoint.last_error.is_none() || wrong_chain && endpoint.verdict != verdict;
        if is_news && wrong_chain {
            error!(%failure, "l1 endpoint refused");
        } else if is_news {
            warn!(failure = %words(failure), "l1 endpoint failed");
        }
        endpoint.verdict = verdict;
        endpoint.not_before = Some(Instant::now() + pause);
        endpoint.last_error = Some(failure.clone());
    }

    /// An endpoint whose answers contradict each other is put aside like one that failed.
    pub(crate) fn distrust_active(&mut self, failure: &L1Error) {
        if let Some(index) = self.active {
            self.failed(index, failure);
        }
    }

    /// The endpoint that answered last.
    pub(crate) fn active_name(&self) -> Option<&str> {
        self.active.map(|index| self.list[index].transport.name())
    }

    /// When the first endpoint is available again; now, if one is.
    pub(crate) fn available_at(&self) -> Instant {
        let now = Instant::now();
        self.list
            .iter()
            .map(|endpoint| endpoint.not_before.unwrap_or(now))
            .min()
            .unwrap_or(now)
    }

    /// The reason to end the process: all are of another chain, and none was ever of ours.
    pub(crate) fn fatal(&self) -> Option<L1Fatal> {
        let wrong = |endpoint: &Endpoint| match &endpoint.verdict {
            EndpointVerdict::WrongChain { detail } => {
                Some(format!("{}: {detail}", endpoint.transport.name()))
            }
            EndpointVerdict::Unchecked | EndpointVerdict::Verified => None,
        };
        if self.any_verified {
            return None;
        }
        let details: Option<Vec<String>> = self.list.iter().map(wrong).collect();
        Some(L1Fatal::WrongChain {
            expected: self.l1_chain_id,
            details: details?.join("; "),
        })
    }

    pub(crate) const fn requests(&self) -> u64 {
        self.requests
    }

    pub(crate) fn statuses(&self) -> Vec<EndpointStatus> {
        let status = |endpoint: &Endpoint| EndpointStatus {
            endpoint: endpoint.transport.name().to_owned(),
            verdict: endpoint.verdict.clone(),
            last_error: endpoint.last_error.as_ref().map(words),
        };
        self.list.iter().map(status).collect()
    }

    fn last_words(&self) -> String {
        let first = self
            .list
            .iter()
            .find_map(|endpoint| endpoint.last_error.as_ref());
        first.map_or_else(|| "none".to_owned(), words)
    }
}

/// An error that makes the whole answer useless: only the tags may fail, because a young L1 does not have them.
fn unusable(answer: &Answer, question: Question) -> Option<(i64, String)> {
    match (answer, question) {
        (_, Question::Safe | Question::Finalized) => None,
        (Answer::Failed { code, message }, _) => Some((*code, message.clone())),
        (Answer::NoBlock, Question::Latest) => Some((0, "no latest block".to_owned())),
        (Answer::NoBlock | Answer::Block(_) | Answer::ChainId(_), _) => None,
    }
}

fn undecodable(endpoint: String, error: DecodeError) -> L1Error {
    match error {
        DecodeError::Malformed(cause) => L1Error::Malformed { endpoint, cause },
        DecodeError::Rpc { code, message } => L1Error::Rpc {
            endpoint,
            code,
            message,
        },
    }
}

/// An error with its cause in one line.
pub(crate) fn words(failure: &L1Error) -> String {
    match std::error::Error::source(failure) {
        Some(cause) => format!("{failure}: {cause}"),
        None => failure.to_string(),
    }
}

#[cfg(test)]
mod tests;
