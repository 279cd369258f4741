//! Several L1 endpoints as one: which is asked next, and the exchange with one of them. The first of the list is preferred;
//! one that serves is kept as long as it serves well. Before the first answer of each connection is believed, the endpoint
//! must show that it is of our chain (in the same batch, so it costs no request). Whether an answer is accepted is judged
//! by who asked, the [`crate::fetcher`] or the [`crate::feed`], which say so here. Both share these endpoints: what one learns
//! of their health, the other need not find out.

mod exchange;

use crate::{
    BoxTransport, EndpointStatus, EndpointVerdict, L1Config, L1Error, L1Fatal, L1Metrics,
    health::{Consequence, Health},
};
use light_node_actor::in_words;
use light_node_protocol::BlockNumHash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::{sync::Semaphore, time::Instant};
use tracing::{error, info, warn};

/// All endpoints, in order of preference. Clones are the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    transports: Vec<BoxTransport>,
    l1_chain_id: u64,
    genesis_l1: BlockNumHash,
    trust_rpc: bool,
    metrics: L1Metrics,
    /// Whose answer is longer than usual waits for its turn.
    long_answers: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    list: Vec<Endpoint>,
    in_use: Option<usize>,
    any_verified: bool,
    requests: u64,
}

#[derive(Debug)]
struct Endpoint {
    name: String,
    health: Health,
    failed_at: Option<Instant>,
}

impl Endpoint {
    /// What was asked before the last failure says nothing of the time after it.
    fn is_outdated(&self, asked_at: Instant) -> bool {
        self.failed_at.is_some_and(|failed_at| asked_at < failed_at)
    }
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
        let endpoint = |transport: &BoxTransport| Endpoint {
            name: transport.name().to_owned(),
            health: Health::new(config.block_time),
            failed_at: None,
        };
        let state = State {
            list: transports.iter().map(endpoint).collect(),
            in_use: None,
            any_verified: false,
            requests: 0,
        };
        let shared = Shared {
            transports,
            l1_chain_id: config.l1_chain_id,
            genesis_l1: config.genesis_l1,
            trust_rpc: config.trust_rpc,
            metrics,
            long_answers: Semaphore::new(1),
            state: Mutex::new(state),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Nobody holds the lock across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        let state = &self.shared.state;
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is asked for news, and who after that if an answer is not accepted: preferred endpoints whose absence is over, the
    /// one in use, then the others that are not paused.
    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        let state = self.state();
        let now = Instant::now();
        let preferred = 0..state.in_use.unwrap_or(0);
        let trials = preferred.filter(|index| !state.list[*index].health.is_absent(now));
        let (mut seen, mut candidates) = (vec![false; state.list.len()], Vec::new());
        let by_turn = trials
            .map(|index| (index, true))
            .chain(state.in_use.map(|index| (index, false)))
            .chain((0..state.list.len()).map(|index| (index, false)));
        for (index, is_trial) in by_turn {
            if !seen[index] && state.list[index].health.is_available(now) {
                seen[index] = true;
                candidates.push(Candidate { index, is_trial });
            }
        }
        candidates
    }

    /// Who is asked for blocks that are known to exist: the one in use, then the others that are not paused. Trials are left to
    /// who asks for news.
    pub(crate) fn available(&self) -> Vec<usize> {
        let state = self.state();
        let now = Instant::now();
        let others = (0..state.list.len()).filter(|index| state.in_use != Some(*index));
        let by_turn = state.in_use.into_iter().chain(others);
        by_turn
            .filter(|index| state.list[*index].health.is_available(now))
            .collect()
    }

    /// It may be asked.
    pub(crate) fn is_available(&self, index: usize) -> bool {
        let health = &self.state().list[index].health;
        health.is_available(Instant::now())
    }

    /// Those that may be asked whether they are further than the one in use.
    pub(crate) fn others(&self) -> Vec<usize> {
        let state = self.state();
        let now = Instant::now();
        (0..state.list.len())
            .filter(|index| {
                state.in_use != Some(*index) && state.list[*index].health.is_available(now)
            })
            .collect()
    }

    /// The endpoint's answer to what it was asked at `asked_at` passed every check. It is put in use if it is preferred to the
    /// one in use, or that one was left.
    pub(crate) fn accepted(&self, index: usize, asked_at: Instant) {
        let mut state = self.state();
        let state = &mut *state;
        if state.list[index].is_outdated(asked_at) {
            return;
        }
        let now = Instant::now();
        state.any_verified = true;
        let health = &mut state.list[index].health;
        let was_absent = health.is_absent(now);
        let recovered = health.succeeded(now);
        if let Some(old) = state.in_use
            && old != index
            && !state.list[old].health.is_absent(now)
            && (was_absent || index > old)
        {
            // The one in use stumbled once, and this answer stands in for it.
            return;
        }
        state.list[index].health.returned();
        let to = &state.list[index].name;
        match state.in_use {
            Some(old) if old != index => {
                let from = &state.list[old].name;
                let reason = match state.list[old].health.last_error() {
                    Some(failure) if index > old => in_words(failure),
                    _ => "a preferred endpoint serves again".to_owned(),
                };
                info!(from, to, %reason, "l1 endpoint switched");
            }
            Some(_) if recovered => info!(endpoint = to, "l1 endpoint works again"),
            Some(_) => {}
            None => info!(endpoint = to, "l1 endpoint is in use"),
        }
        state.in_use = Some(index);
    }

    /// The endpoint did not answer what it was asked at `asked_at`, or its answer was not accepted. Of several requests that
    /// were under way when it failed, the first counts.
    pub(crate) fn failed(&self, index: usize, asked_at: Instant, failure: &L1Error) {
        let mut state = self.state();
        let endpoint = &mut state.list[index];
        if endpoint.is_outdated(asked_at) {
            return;
        }
        endpoint.failed_at = Some(Instant::now());
        let consequence = endpoint.health.failed(asked_at, failure);
        let failure = in_words(failure);
        match consequence {
            Consequence::Nothing => {}
            Consequence::Failed => warn!(%failure, "l1 endpoint failed"),
            Consequence::Refused if state.wrong_chain().is_some() => {
                error!(%failure, "l1 endpoint refused, and no other is left");
            }
            Consequence::Refused => warn!(%failure, "l1 endpoint refused"),
        }
    }

    /// The endpoint answers well, but is behind what another has.
    pub(crate) fn lags(&self, index: usize, failure: &L1Error) {
        let mut state = self.state();
        if state.list[index].health.lags(Instant::now(), failure) {
            warn!(failure = %in_words(failure), "l1 endpoint lags");
        }
    }

    /// The endpoint in use; `None` before the first good answer.
    pub(crate) fn in_use(&self) -> Option<usize> {
        self.state().in_use
    }

    /// An endpoint without credentials.
    pub(crate) fn name(&self, index: usize) -> String {
        self.shared.transports[index].name().to_owned()
    }

    /// Announced hashes are believed.
    pub(crate) fn trust_rpc(&self) -> bool {
        self.shared.trust_rpc
    }

    /// When the first endpoint is available again; now, if one is.
    pub(crate) fn available_at(&self) -> Instant {
        let now = Instant::now();
        let state = self.state();
        let times = state.list.iter();
        let times = times.map(|endpoint| endpoint.health.paused_until().unwrap_or(now));
        times.min().unwrap_or(now)
    }

    /// Each endpoint and what differs, if all are of another chain.
    pub(crate) fn wrong_chain(&self) -> Option<String> {
        self.state().wrong_chain()
    }

    /// The reason to end the process: all are of another chain, and none was ever of ours.
    pub(crate) fn fatal(&self) -> Option<L1Fatal> {
        let state = self.state();
        if state.any_verified {
            return None;
        }
        Some(L1Fatal::WrongChain {
            expected: self.shared.l1_chain_id,
            details: state.wrong_chain()?,
        })
    }

    /// What an endpoint says of a branch without our finalized block, if one does.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let state = self.state();
        state
            .last_errors()
            .find(|error| matches!(error, L1Error::BelowFinalized { .. }))
            .map(|error| in_words(error))
    }

    pub(crate) fn requests(&self) -> u64 {
        self.state().requests
    }

    pub(crate) fn statuses(&self) -> Vec<EndpointStatus> {
        let status = |endpoint: &Endpoint| EndpointStatus {
            endpoint: endpoint.name.clone(),
            verdict: endpoint.health.verdict().clone(),
            last_error: endpoint.health.last_error().map(|error| in_words(error)),
            bad_answers: endpoint.health.bad_answers(),
        };
        self.state().list.iter().map(status).collect()
    }

    /// Why nobody answered: the error of the only endpoint, or each one's in words.
    pub(crate) fn unavailable(&self, failure: Option<L1Error>) -> L1Error {
        let state = self.state();
        if let Some(failure) = failure
            && state.list.len() == 1
        {
            return failure;
        }
        let causes: Vec<String> = state.last_errors().map(|error| in_words(error)).collect();
        L1Error::Unavailable {
            all_contradict: !causes.is_empty()
                && state.last_errors().all(L1Error::is_contradiction),
            causes: causes.join("; "),
        }
    }
}

impl State {
    fn wrong_chain(&self) -> Option<String> {
        let wrong = |endpoint: &Endpoint| match endpoint.health.verdict() {
            EndpointVerdict::WrongChain { detail } => Some(format!("{}: {detail}", endpoint.name)),
            EndpointVerdict::Unchecked | EndpointVerdict::Verified => None,
        };
        let details: Option<Vec<String>> = self.list.iter().map(wrong).collect();
        Some(details?.join("; "))
    }

    fn last_errors(&self) -> impl Iterator<Item = &L1Error> {
        self.list
            .iter()
            .filter_map(|endpoint| endpoint.health.last_error())
    }
}

#[cfg(test)]
mod tests;
