//! The actor's first work: the start-up probe, with back-off until the EL answers. Only here can an EL end the engine.

use super::EngineActor;
use crate::{
    outage::Outage,
    queue::Lane,
    status::EngineError,
    tasks::probe::{self, ProbeError},
};
use light_node_actor::Backoff;
use light_node_engine_api::{ElError, EngineApi};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Pauses between two probes of an EL that does not answer. The first is short because an EL that is started together
/// with us listens after a moment.
const PROBE_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Before the first success a JWT may be refused for this time: the EL may still be reading its own secret, or a clock
/// may be about to be set. After it the configuration is wrong.
const JWT_PATIENCE: Duration = Duration::from_secs(30);

/// The start-up probe.
#[derive(Debug)]
pub(super) struct Probe {
    /// It has succeeded once.
    pub(super) succeeded: bool,
    /// When it is made again.
    pub(super) due: Instant,
    backoff: Backoff,
    refused_since: Option<Instant>,
}

impl Probe {
    /// A probe that is due now.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            succeeded: false,
            due: now,
            backoff: Backoff::new(PROBE_PAUSES.0, PROBE_PAUSES.1),
            refused_since: None,
        }
    }
}

impl EngineActor {
    /// Probes the EL. While it does not answer, those who wait for an answer of ours are told so.
    ///
    /// # Errors
    /// [`EngineError`] if it is an EL that we cannot work with.
    pub(super) async fn handle_probe(&mut self, el: &dyn EngineApi) -> Result<(), EngineError> {
        let failure = match probe::probe(el, &mut self.ctx).await {
            Ok(version) => {
                self.probe.succeeded = true;
                self.outage = Outage::default();
                self.status.send_modify(|status| {
                    status.probed = true;
                    status.el_version = version.map(Arc::from);
                    status.last_error = None;
                    status.failing_since = None;
                });
                return Ok(());
            }
            Err(ProbeError::WrongChain { expected, found }) => {
                return Err(EngineError::WrongChain { expected, found });
            }
            Err(ProbeError::WrongGenesis { expected, found }) => {
                return Err(EngineError::WrongGenesis { expected, found });
            }
            Err(failure @ (ProbeError::El(_) | ProbeError::Empty)) => failure,
        };
        let now = Instant::now();
        if let ProbeError::El(ElError::Unauthorized(refusal)) = &failure {
            let period = now - *self.probe.refused_since.get_or_insert(now);
            if period >= JWT_PATIENCE {
                let refusal = refusal.clone();
                return Err(EngineError::JwtRefused { refusal, period });
            }
        } else {
            self.probe.refused_since = None;
        }
        self.note_failure(&failure, failure.class());
        self.probe.due = now + self.probe.backoff.next_delay();
        // Whoever waits is told, rather than left to wait for an EL that may be down for hours.
        let cause = failure.to_string();
        for lane in Lane::ALL.into_iter().filter(|lane| *lane != Lane::Reset) {
            for task in self.queue.drain(lane) {
                task.item.answer_unasked(&cause);
            }
        }
        Ok(())
    }
}
