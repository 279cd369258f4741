//! Blobs from the beacon chain: several beacons with failover, blobs verified against their versioned hashes, and what is
//! missing named for what it is. The [`crate::L1Feed`] asks; nothing here remembers a blob.

mod api;
mod kzg;
mod verdict;

use crate::{
    BeaconTransport, Blob, BlobError, HttpError, HttpTransport, L1ConfigError, L1Error,
    health::{Consequence, Health},
    metrics::result,
};
use alloy_primitives::B256;
use api::{Source, Timing};
use kzg::Verifier;
use light_node_actor::in_words;
use light_node_metrics::RequestMetrics;
use light_node_protocol::{BlockNumHash, redact_url};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use url::Url;
use verdict::Verdict;

/// The client's name among those that send requests.
pub(crate) const RPC: &str = "l1-beacon-api";
/// Answers but those with blobs.
const SMALL_LIMIT_BYTES: usize = 1 << 20;
/// All blobs of a slot as sidecars: 128 of them, three times what Ethereum allows at the most so far.
const BLOBS_LIMIT_BYTES: usize = 34 << 20;
/// One block's blobs may take some seconds on a slow line.
const DEADLINE: Duration = Duration::from_secs(20);
/// One that failed before is not waited for so long, if another one works.
const TRIAL_DEADLINE: Duration = Duration::from_secs(3);
/// Blobs that were asked for at once in vain are asked for again after a time of this order, where no other slot is given.
const SLOT: Duration = Duration::from_secs(12);

/// Blobs that are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) block: BlockNumHash,
    /// Time of the block in seconds.
    pub(crate) slot_time: u64,
    pub(crate) parent_beacon_root: Option<B256>,
    /// Without repetitions.
    pub(crate) hashes: Vec<B256>,
}

/// Verified blobs by their versioned hashes.
pub(crate) type Blobs = Vec<(B256, Arc<Blob>)>;

/// Asks beacons for blobs.
#[derive(Debug)]
pub struct BeaconClient {
    beacons: Vec<Beacon>,
    slot_duration: Option<Duration>,
    verifier: Verifier,
    requests: RequestMetrics,
}

#[derive(Debug)]
struct Beacon {
    transport: Box<dyn BeaconTransport>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    health: Health,
    failed_at: Option<Instant>,
    timing: Option<Timing>,
    /// It does not serve `blobs`, but `blob_sidecars`.
    prefers_sidecars: bool,
    /// The highest slot whose blobs it keeps no longer.
    pruned_through: Option<u64>,
}

impl State {
    /// The blobs of the block of `time` have been dropped here.
    fn has_pruned(&self, time: u64) -> bool {
        let slot = self.timing.and_then(|timing| timing.slot(time).ok());
        slot.is_some_and(|slot| self.pruned_through.is_some_and(|pruned| slot <= pruned))
    }
}

impl Beacon {
    /// Nobody holds the lock across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn http(&self, source: HttpError) -> L1Error {
        L1Error::Http {
            endpoint: self.transport.name().to_owned(),
            source,
        }
    }

    fn malformed(&self, cause: String) -> L1Error {
        L1Error::Malformed {
            endpoint: self.transport.name().to_owned(),
            cause,
        }
    }
}

impl BeaconClient {
    /// A client of these beacons (http or https), the preferred one first. An L1 without `config/spec` needs its
    /// `slot_duration`.
    ///
    /// # Errors
    /// If one is not an HTTP URL.
    pub fn new(urls: &[Url], slot_duration: Option<Duration>) -> Result<Self, L1ConfigError> {
        let mut transports: Vec<Box<dyn BeaconTransport>> = Vec::with_capacity(urls.len());
        for url in urls {
            if !matches!(url.scheme(), "http" | "https") {
                return Err(L1ConfigError::UnsupportedScheme {
                    endpoint: redact_url(url),
                });
            }
            let transport = HttpTransport::new(url.clone())
                .map_err(|cause| L1ConfigError::HttpClient { cause })?;
            transports.push(Box::new(transport));
        }
        Ok(Self::with_transports(transports, slot_duration))
    }

    /// Makes ready what verifying the first blob needs, if there is a beacon. Returns at once.
    pub(crate) fn prepare(&self) {
        if !self.beacons.is_empty() {
            Verifier::prepare();
        }
    }

    /// The same over given transports. Without any, every question for blobs fails by that name.
    pub fn with_transports(
        transports: Vec<Box<dyn BeaconTransport>>,
        slot_duration: Option<Duration>,
    ) -> Self {
        let slot_duration = slot_duration.filter(|duration| !duration.is_zero());
        let beacon = |transport| Beacon {
            transport,
            state: Mutex::new(State {
                health: Health::new(slot_duration.unwrap_or(SLOT)),
                failed_at: None,
                timing: None,
                prefers_sidecars: false,
                pruned_through: None,
            }),
        };
        Self {
            beacons: transports.into_iter().map(beacon).collect(),
            slot_duration,
            verifier: Verifier::default(),
            requests: RequestMetrics::new(RPC),
        }
    }

    pub(crate) fn set_metrics(&mut self, requests: RequestMetrics) {
        self.requests = requests;
    }

    /// All of the wanted blobs, from the first beacon that has them.
    pub(crate) async fn blobs(&self, wanted: &Wanted) -> Result<Blobs, BlobError> {
        let mut verdicts = Vec::new();
        for beacon in self.by_turn(wanted.slot_time) {
            let asked_at = Instant::now();
            match self.ask(beacon, wanted).await {
                Ok(Ok(blobs)) => {
                    succeeded(beacon, asked_at);
                    return Ok(blobs);
                }
                Ok(Err(verdict)) => {
                    succeeded(beacon, asked_at);
                    if let Verdict::Pruned { slot } = verdict {
                        let pruned = &mut beacon.state().pruned_through;
                        *pruned = (*pruned).max(Some(slot));
                    }
                    verdicts.push((beacon.transport.name(), verdict));
                }
                Err(error) => failed(beacon, asked_at, &error),
            }
        }
        let failures: Vec<String> = self
            .beacons
            .iter()
            .filter_map(|beacon| {
                beacon
                    .state()
                    .health
                    .last_error()
                    .map(|error| in_words(error))
            })
            .collect();
        Err(verdict::conclusion(wanted.block, &verdicts, &failures))
    }

    /// Those that may be asked for the blobs of the block of `time`: in order of preference, those that were left for others
    /// later, and those that keep them no longer last.
    fn by_turn(&self, time: u64) -> Vec<&Beacon> {
        let now = Instant::now();
        let mut beacons = Vec::with_capacity(self.beacons.len());
        for beacon in &self.beacons {
            let state = beacon.state();
            if state.health.is_available(now) {
                let place = (state.has_pruned(time), state.health.is_absent(now));
                beacons.push((place, beacon));
            }
        }
        beacons.sort_by_key(|(place, _)| *place);
        beacons.into_iter().map(|(_, beacon)| beacon).collect()
    }

    /// One beacon's blobs, or why it has none.
    async fn ask(
        &self,
        beacon: &Beacon,
        wanted: &Wanted,
    ) -> Result<Result<Blobs, Verdict>, L1Error> {
        let timing = self.timing(beacon).await?;
        let slot = timing
            .slot(wanted.slot_time)
            .map_err(|detail| L1Error::WrongChain {
                endpoint: beacon.transport.name().to_owned(),
                detail,
            })?;
        let sources = if beacon.state().prefers_sidecars {
            [Source::Sidecars, Source::Blobs]
        } else {
            [Source::Blobs, Source::Sidecars]
        };
        let (mut refusal, mut mismatch, mut is_missing) = (None, None, false);
        for source in sources {
            let path = source.path(slot, &wanted.hashes);
            match self
                .get(beacon, source.method(), &path, BLOBS_LIMIT_BYTES)
                .await
            {
                Ok(body) => match self.verifier.verified(source, body, &wanted.hashes).await {
                    Ok(Some(blobs)) => {
                        beacon.state().prefers_sidecars = source == Source::Sidecars;
                        return Ok(Ok(blobs));
                    }
                    Ok(None) => is_missing = true,
                    Err(cause) => mismatch = Some(beacon.malformed(cause)),
                },
                Err(error) => match refused_with(&error) {
                    Some(404) => is_missing = true,
                    Some(_) => refusal = Some(error),
                    // What the first source said is enough to go on with.
                    None if is_missing => {}
                    None => return Err(error),
                },
            }
        }
        if let (None, false, Some(refusal)) = (&mismatch, is_missing, refusal) {
            return Err(refusal);
        }
        let verdict = self.verdict(beacon, slot, timing, wanted).await?;
        match mismatch {
            // Blobs of another block in the slot are no lie.
            Some(mismatch) if !matches!(verdict, Verdict::Reorged { .. }) => Err(mismatch),
            _ => Ok(Err(verdict)),
        }
    }

    /// Why a beacon that answers has not got the blobs of a slot.
    async fn verdict(
        &self,
        beacon: &Beacon,
        slot: u64,
        timing: Timing,
        wanted: &Wanted,
    ) -> Result<Verdict, L1Error> {
        let is_old = timing.is_beyond_retention(wanted.slot_time);
        let header = self.header(beacon, &slot.to_string()).await?;
        if let Some(header) = header {
            let is_other = |root| header.parent_root != root;
            return Ok(if wanted.parent_beacon_root.is_some_and(is_other) {
                Verdict::Reorged { slot }
            } else if is_old {
                Verdict::Pruned { slot }
            } else {
                Verdict::Withheld { slot }
            });
        }
        if is_old {
            return Ok(Verdict::Pruned { slot });
        }
        let head = self.header(beacon, "head").await?;
        Ok(match head {
            Some(head) if head.slot < slot => Verdict::Behind {
                slot,
                head: head.slot,
            },
            _ => Verdict::Missed { slot },
        })
    }

    /// `None` if the beacon has no such block, or serves no headers.
    async fn header(&self, beacon: &Beacon, id: &str) -> Result<Option<api::Header>, L1Error> {
        let path = api::header_path(id);
        let body = match self
            .get(beacon, "beacon_headers", &path, SMALL_LIMIT_BYTES)
            .await
        {
            Ok(body) => body,
            Err(error) if refused_with(&error).is_some() => return Ok(None),
            Err(error) => return Err(error),
        };
        let header = api::header(&body).map_err(|cause| beacon.malformed(cause))?;
        Ok(Some(header))
    }

    /// When slots begin and how long they are, asked for once.
    async fn timing(&self, beacon: &Beacon) -> Result<Timing, L1Error> {
        let known = beacon.state().timing;
        if let Some(timing) = known {
            return Ok(timing);
        }
        let malformed = |cause| beacon.malformed(cause);
        let unknown = |cause: String| {
            beacon.malformed(format!(
                "{cause}; --l1.slot-duration says how long a slot is"
            ))
        };
        let body = self
            .get(beacon, "beacon_genesis", api::GENESIS, SMALL_LIMIT_BYTES)
            .await?;
        let genesis_time = api::genesis_time(&body).map_err(malformed)?;
        let slot_duration = match self.slot_duration {
            Some(duration) => duration,
            None => {
                let spec = self.get(beacon, "config_spec", api::SPEC, SMALL_LIMIT_BYTES);
                let body = spec.await.map_err(|error| match refused_with(&error) {
                    Some(_) => unknown(format!("it serves no config/spec ({})", in_words(&error))),
                    None => error,
                })?;
                api::slot_duration(&body).map_err(unknown)?
            }
        };
        let timing = Timing::new(genesis_time, slot_duration).map_err(malformed)?;
        beacon.state().timing = Some(timing);
        Ok(timing)
    }

    async fn get(
        &self,
        beacon: &Beacon,
        method: &'static str,
        path: &str,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, L1Error> {
        let sent_at = Instant::now();
        let works = |one: &Beacon| one.state().health.last_error().is_none();
        let is_trial = !works(beacon) && self.beacons.iter().any(works);
        let deadline = if is_trial { TRIAL_DEADLINE } else { DEADLINE };
        let answer = timeout(deadline, beacon.transport.get(path, limit_bytes))
            .await
            .unwrap_or(Err(HttpError::Timeout { deadline }))
            .map_err(|source| beacon.http(source));
        self.requests.observe(method, result(&answer), sent_at);
        answer
    }
}

/// The status with which a beacon that works says that it has not got, or does not serve, what was asked for.
const fn refused_with(error: &L1Error) -> Option<u16> {
    match error {
        L1Error::Http {
            source: HttpError::Status { status, .. },
            ..
        } if matches!(*status, 400 | 404 | 405 | 406 | 410 | 415 | 501) => Some(*status),
        _ => None,
    }
}

fn succeeded(beacon: &Beacon, asked_at: Instant) {
    let mut state = beacon.state();
    if state
        .failed_at
        .is_some_and(|failed_at| asked_at < failed_at)
    {
        return;
    }
    state.health.returned();
    if state.health.succeeded(Instant::now()) {
        info!(beacon = beacon.transport.name(), "beacon works again");
    }
}

/// Of several requests that were under way when it failed, the first counts.
fn failed(beacon: &Beacon, asked_at: Instant, failure: &L1Error) {
    let mut state = beacon.state();
    if state
        .failed_at
        .is_some_and(|failed_at| asked_at < failed_at)
    {
        return;
    }
    state.failed_at = Some(Instant::now());
    match state.health.failed(asked_at, failure) {
        Consequence::Nothing => {}
        Consequence::Failed | Consequence::Refused => {
            warn!(failure = %in_words(failure), "beacon failed");
        }
    }
}

#[cfg(test)]
mod tests;
