//! Several L1 endpoints as one: which is asked next, and the exchange with one of them. The first of the list is preferred;
//! one that serves is kept as long as it serves well. Before the first answer of each connection is believed, the endpoint
//! must show that it is of our chain (in the same batch, so it costs no request). Whether an answer is accepted is judged
//! by the [`crate::fetcher`], which says so here.

use crate::{
    BoxTransport, EndpointStatus, EndpointVerdict, HttpError, L1Config, L1Error, L1Fatal,
    L1Metrics,
    error::words,
    health::{Consequence, Health},
    rpc::{self, Answer, DecodeError, Question},
};
use light_node_protocol::BlockNumHash;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tracing::{error, info, warn};

/// A block without transaction bodies, with room for a list of some thousand transaction hashes.
const BLOCK_LIMIT_BYTES: usize = 512 * 1024;

#[derive(Debug)]
struct Endpoint {
    transport: BoxTransport,
    health: Health,
    asked_at: Instant,
}

/// All endpoints, in order of preference.
#[derive(Debug)]
pub(crate) struct Endpoints {
    list: Vec<Endpoint>,
    l1_chain_id: u64,
    genesis_l1: BlockNumHash,
    trust_rpc: bool,
    in_use: Option<usize>,
    any_verified: bool,
    requests: u64,
    metrics: L1Metrics,
}

/// An endpoint to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) index: usize,
    /// It is preferred to the endpoint in use, and was left before: it must show that it does not lag.
    pub(crate) is_trial: bool,
}

impl Endpoints {
    pub(crate) fn new(
        config: &L1Config,
        transports: Vec<BoxTransport>,
        metrics: L1Metrics,
    ) -> Self {
        let list = transports
            .into_iter()
            .map(|transport| Endpoint {
                transport,
                health: Health::new(config.block_time),
                asked_at: Instant::now(),
            })
            .collect();
        Self {
            list,
            l1_chain_id: config.l1_chain_id,
            genesis_l1: config.genesis_l1,
            trust_rpc: config.trust_rpc,
            in_use: None,
            any_verified: false,
            requests: 0,
            metrics,
        }
    }

    /// Who is asked, and who after that if an answer is not accepted: preferred endpoints whose absence is over, the one in
    /// use, then the others that are not paused.
    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        let now = Instant::now();
        let preferred = 0..self.in_use.unwrap_or(0);
        let trials = preferred.filter(|index| !self.list[*index].health.is_absent(now));
        let (mut seen, mut candidates) = (vec![false; self.list.len()], Vec::new());
        let by_turn = trials
            .map(|index| (index, true))
            .chain(self.in_use.map(|index| (index, false)))
            .chain((0..self.list.len()).map(|index| (index, false)));
        for (index, is_trial) in by_turn {
            if !seen[index] && self.list[index].health.is_available(now) {
                seen[index] = true;
                candidates.push(Candidate { index, is_trial });
            }
        }
        candidates
    }

    /// Those that may be asked whether they are further than the one in use.
    pub(crate) fn others(&self) -> Vec<usize> {
        let now = Instant::now();
        (0..self.list.len())
            .filter(|index| {
                self.in_use != Some(*index) && self.list[*index].health.is_available(now)
            })
            .collect()
    }

    /// Asks one endpoint, within `deadline`. With `verify`, or if it is not verified, it shows its identity in the same batch.
    /// The caller says what came of it: [`Self::accepted`] or [`Self::failed`].
    pub(crate) async fn exchange(
        &mut self,
        index: usize,
        questions: &[Question],
        deadline: Duration,
        verify: bool,
    ) -> Result<Vec<Answer>, L1Error> {
        let endpoint = &mut self.list[index];
        endpoint.asked_at = Instant::now();
        let verify = verify || *endpoint.health.verdict() != EndpointVerdict::Verified;
        let asked: Vec<Question> = if verify {
            let identity = [Question::ChainId, Question::Block(self.genesis_l1.number)];
            [&identity, questions].concat()
        } else {
            questions.to_vec()
        };
        self.requests += 1;
        let sent_at = endpoint.asked_at;
        let outcome = self.send(index, &asked, deadline).await;
        self.metrics.note_request(&asked, &outcome, sent_at);
        let answers = outcome?;
        let (shown, own) = answers.split_at(asked.len() - questions.len());
        if verify {
            self.identify(index, shown)?;
        }
        let faults = own.iter().zip(questions);
        if let Some((code, message)) = faults
            .filter_map(|(answer, question)| unusable(answer, *question))
            .next()
        {
            return Err(L1Error::Rpc {
                endpoint: self.name(index),
                code,
                message,
            });
        }
        Ok(own.to_vec())
    }

    async fn send(
        &self,
        index: usize,
        asked: &[Question],
        deadline: Duration,
    ) -> Result<Vec<Answer>, L1Error> {
        let limit_bytes = BLOCK_LIMIT_BYTES * asked.len();
        let transport = &self.list[index].transport;
        let post = transport.post(rpc::encode(asked), limit_bytes);
        let body = timeout(deadline, post)
            .await
            .unwrap_or(Err(HttpError::Timeout { deadline }))
            .map_err(|source| L1Error::Http {
                endpoint: self.name(index),
                source,
            })?;
        rpc::decode(&body, asked, self.trust_rpc)
            .map_err(|error| undecodable(self.name(index), error))
    }

    /// The chain id must be ours; the genesis block, too, unless the endpoint has pruned it.
    fn identify(&self, index: usize, shown: &[Answer]) -> Result<(), L1Error> {
        let endpoint = self.name(index);
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

    /// The endpoint's answer passed every check. It is put in use if it is preferred to the one in use, or that one was left.
    pub(crate) fn accepted(&mut self, index: usize) {
        let now = Instant::now();
        self.any_verified = true;
        let health = &mut self.list[index].health;
        let was_absent = health.is_absent(now);
        let recovered = health.succeeded(now);
        if let Some(old) = self.in_use
            && old != index
            && !self.list[old].health.is_absent(now)
            && (was_absent || index > old)
        {
            // The one in use stumbled once, and this answer stands in for it.
            return;
        }
        self.list[index].health.returned();
        let to = self.list[index].transport.name();
        match self.in_use {
            Some(old) if old != index => {
                let from = self.list[old].transport.name();
                let reason = match self.list[old].health.last_error() {
                    Some(failure) if index > old => words(failure),
                    _ => "a preferred endpoint serves again".to_owned(),
                };
                info!(from, to, %reason, "l1 endpoint switched");
            }
            Some(_) if recovered => info!(endpoint = to, "l1 endpoint works again"),
            Some(_) => {}
            None => info!(endpoint = to, "l1 endpoint is in use"),
        }
        self.in_use = Some(index);
    }

    /// The endpoint did not answer, or its answer was not accepted.
    pub(crate) fn failed(&mut self, index: usize, failure: &L1Error) {
        let Endpoint {
            health, asked_at, ..
        } = &mut self.list[index];
        let consequence = health.failed(*asked_at, failure);
        let failure = words(failure);
        match consequence {
            Consequence::Nothing => {}
            Consequence::Failed => warn!(%failure, "l1 endpoint failed"),
            Consequence::Refused if self.wrong_chain().is_some() => {
                error!(%failure, "l1 endpoint refused, and no other is left");
            }
            Consequence::Refused => warn!(%failure, "l1 endpoint refused"),
        }
    }

    /// The endpoint answers well, but is behind what another has.
    pub(crate) fn lags(&mut self, index: usize, failure: &L1Error) {
        if self.list[index].health.lags(Instant::now(), failure) {
            warn!(failure = %words(failure), "l1 endpoint lags");
        }
    }

    /// The endpoint in use; `None` before the first good answer.
    pub(crate) const fn in_use(&self) -> Option<usize> {
        self.in_use
    }

    /// An endpoint without credentials.
    pub(crate) fn name(&self, index: usize) -> String {
        self.list[index].transport.name().to_owned()
    }

    /// When the first endpoint is available again; now, if one is.
    pub(crate) fn available_at(&self) -> Instant {
        let now = Instant::now();
        self.list
            .iter()
            .map(|endpoint| endpoint.health.paused_until().unwrap_or(now))
            .min()
            .unwrap_or(now)
    }

    /// Each endpoint and what differs, if all are of another chain.
    pub(crate) fn wrong_chain(&self) -> Option<String> {
        let wrong = |endpoint: &Endpoint| match endpoint.health.verdict() {
            EndpointVerdict::WrongChain { detail } => {
                Some(format!("{}: {detail}", endpoint.transport.name()))
            }
            EndpointVerdict::Unchecked | EndpointVerdict::Verified => None,
        };
        let details: Option<Vec<String>> = self.list.iter().map(wrong).collect();
        Some(details?.join("; "))
    }

    /// The reason to end the process: all are of another chain, and none was ever of ours.
    pub(crate) fn fatal(&self) -> Option<L1Fatal> {
        if self.any_verified {
            return None;
        }
        Some(L1Fatal::WrongChain {
            expected: self.l1_chain_id,
            details: self.wrong_chain()?,
        })
    }

    /// What an endpoint says of a branch without our finalized block, if one does.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let mut errors = self
            .list
            .iter()
            .filter_map(|endpoint| endpoint.health.last_error());
        errors
            .find(|error| matches!(error, L1Error::BelowFinalized { .. }))
            .map(words)
    }

    pub(crate) const fn requests(&self) -> u64 {
        self.requests
    }

    pub(crate) fn statuses(&self) -> Vec<EndpointStatus> {
        let status = |endpoint: &Endpoint| EndpointStatus {
            endpoint: endpoint.transport.name().to_owned(),
            verdict: endpoint.health.verdict().clone(),
            last_error: endpoint.health.last_error().map(words),
            bad_answers: endpoint.health.bad_answers(),
        };
        self.list.iter().map(status).collect()
    }

    /// Why nobody answered: the error of the only endpoint, or each one's in words.
    pub(crate) fn unavailable(&self, failure: Option<L1Error>) -> L1Error {
        if let Some(failure) = failure
            && self.list.len() == 1
        {
            return failure;
        }
        let errors = self
            .list
            .iter()
            .filter_map(|endpoint| endpoint.health.last_error());
        let causes: Vec<String> = errors.map(words).collect();
        L1Error::Unavailable {
            causes: causes.join("; "),
        }
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

#[cfg(test)]
mod tests;
