//! The beacon API as far as blobs need it: paths out, bodies in. Pure; what an answer claims about blobs is believed only by
//! [`super::kzg`].

use crate::Blob;
use alloy_primitives::{B256, hex};
use serde::Deserialize;
use std::{
    borrow::Cow,
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub(super) const GENESIS: &str = "/eth/v1/beacon/genesis";
pub(super) const SPEC: &str = "/eth/v1/config/spec";

/// Epochs for which beacons must serve blobs, and slots of an epoch (`MIN_EPOCHS_FOR_BLOB_SIDECARS_REQUESTS`).
const RETENTION_SLOTS: u32 = 4096 * 32;
/// With more hashes than these a path would be longer than some servers take, and all blobs of the slot are asked for.
const MAX_FILTERED: usize = 48;
/// More blobs than a slot can have.
const MAX_BLOBS: usize = 256;
/// A slot of an hour is a configuration of nobody.
const MAX_SLOT_DURATION: Duration = Duration::from_secs(3600);

/// When slots begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    genesis_time: u64,
    slot_duration: Duration,
}

impl Timing {
    pub(super) fn new(genesis_time: u64, slot_duration: Duration) -> Result<Self, String> {
        if slot_duration < Duration::from_millis(1) || slot_duration > MAX_SLOT_DURATION {
            return Err(format!("a slot of {slot_duration:?}"));
        }
        Ok(Self {
            genesis_time,
            slot_duration,
        })
    }

    /// The slot that begins at `time` (seconds).
    pub(super) fn slot(&self, time: u64) -> Result<u64, String> {
        let Self {
            genesis_time,
            slot_duration,
        } = *self;
        let millis = time
            .checked_sub(genesis_time)
            .map(|seconds| u128::from(seconds) * 1000);
        let slot_millis = slot_duration.as_millis();
        let slot = millis.map(|millis| (millis, millis.div_ceil(slot_millis)));
        // A block's time is in whole seconds, where its slot may begin within one.
        match slot {
            Some((millis, slot)) if slot * slot_millis - millis < 1000 => {
                u64::try_from(slot).map_err(|_| format!("slot {slot}"))
            }
            _ => Err(format!(
                "no slot begins at {time} if the beacon chain began at {genesis_time} and a slot takes {slot_duration:?}"
            )),
        }
    }

    /// Beacons need not have the blobs of the block of `time` any more.
    pub(super) fn is_beyond_retention(&self, time: u64) -> bool {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        now.saturating_sub(Duration::from_secs(time)) > self.slot_duration * RETENTION_SLOTS
    }
}

/// Where blobs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `blobs`: those that are asked for.
    Blobs,
    /// `blob_sidecars`: those of the slot, with commitments. Gone from beacons after Fusaka.
    Sidecars,
}

impl Source {
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Blobs => "beacon_blobs",
            Self::Sidecars => "beacon_blob_sidecars",
        }
    }

    /// Path and query. The parameter is repeated, because not every beacon takes a list.
    pub(super) fn path(self, slot: u64, hashes: &[B256]) -> String {
        match self {
            Self::Blobs => {
                let mut path = format!("/eth/v1/beacon/blobs/{slot}");
                let filter = hashes.iter().filter(|_| hashes.len() <= MAX_FILTERED);
                for (index, hash) in filter.enumerate() {
                    let separator = if index == 0 { '?' } else { '&' };
                    // Writing to a string cannot fail.
                    let _ = write!(path, "{separator}versioned_hashes={hash}");
                }
                path
            }
            Self::Sidecars => format!("/eth/v1/beacon/blob_sidecars/{slot}"),
        }
    }

    /// The blobs of an answer, with the commitments that it claims for them.
    pub(super) fn decode(self, body: &[u8]) -> Result<Vec<Claimed>, String> {
        let claims: Vec<Claim<'_>> = match self {
            Self::Blobs => {
                let blobs: Vec<Cow<'_, str>> = data::<Borrowed<'_>>(body)?
                    .into_iter()
                    .map(|one| one.0)
                    .collect();
                let claim = |blob| Claim {
                    blob,
                    kzg_commitment: None,
                };
                blobs.into_iter().map(claim).collect()
            }
            Self::Sidecars => data(body)?,
        };
        if claims.len() > MAX_BLOBS {
            return Err(format!("{} blobs", claims.len()));
        }
        claims.into_iter().map(Claim::decode).collect()
    }
}

pub(super) fn header_path(id: &str) -> String {
    format!("/eth/v1/beacon/headers/{id}")
}

/// A blob as it was given.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) blob: Box<Blob>,
    pub(super) commitment: Option<[u8; 48]>,
}

#[derive(Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Claim<'a> {
    #[serde(borrow)]
    blob: Cow<'a, str>,
    #[serde(borrow)]
    kzg_commitment: Option<Cow<'a, str>>,
}

impl Claim<'_> {
    fn decode(self) -> Result<Claimed, String> {
        let mut blob = Box::new(Blob::ZERO);
        hex::decode_to_slice(self.blob.as_bytes(), blob.as_mut_slice())
            .map_err(|error| format!("a blob does not decode: {error}"))?;
        let commitment = self.kzg_commitment.map(|commitment| {
            hex::decode_to_array(commitment.as_bytes())
                .map_err(|error| format!("a commitment does not decode: {error}"))
        });
        Ok(Claimed {
            blob,
            commitment: commitment.transpose()?,
        })
    }
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
}

#[derive(Deserialize)]
struct One<T> {
    data: T,
}

fn data<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<Vec<T>, String> {
    let list: List<T> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(list.data)
}

fn one<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    let one: One<T> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(one.data)
}

/// Seconds since 1970.
pub(super) fn genesis_time(body: &[u8]) -> Result<u64, String> {
    #[derive(Deserialize)]
    struct Genesis {
        genesis_time: String,
    }
    number(&one::<Genesis>(body)?.genesis_time)
}

/// The length of a slot, from the newer or the older constant.
pub(super) fn slot_duration(body: &[u8]) -> Result<Duration, String> {
    #[derive(Deserialize)]
    struct Spec {
        #[serde(rename = "SLOT_DURATION_MS")]
        millis: Option<String>,
        #[serde(rename = "SECONDS_PER_SLOT")]
        seconds: Option<String>,
    }
    let spec: Spec = one(body)?;
    match (spec.seconds, spec.millis) {
        (_, Some(millis)) => Ok(Duration::from_millis(number(&millis)?)),
        (Some(seconds), None) => Ok(Duration::from_secs(number(&seconds)?)),
        (None, None) => Err("no length of a slot in config/spec".to_owned()),
    }
}

/// What is read of a beacon block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) slot: u64,
    pub(super) parent_root: B256,
}

pub(super) fn header(body: &[u8]) -> Result<Header, String> {
    #[derive(Deserialize)]
    struct Entry {
        header: Signed,
    }
    #[derive(Deserialize)]
    struct Signed {
        message: Message,
    }
    #[derive(Deserialize)]
    struct Message {
        slot: String,
        parent_root: B256,
    }
    let Message { slot, parent_root } = one::<Entry>(body)?.header.message;
    Ok(Header {
        slot: number(&slot)?,
        parent_root,
    })
}

fn number(decimal: &str) -> Result<u64, String> {
    decimal
        .parse()
        .map_err(|error| format!("no decimal number: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_found_by_its_time_and_a_time_within_a_slot_is_refused() {
        let mainnet = Timing::new(1_606_824_023, Duration::from_secs(12)).unwrap();
        assert_eq!(mainnet.slot(1_606_824_023), Ok(0));
        assert_eq!(mainnet.slot(1_606_824_023 + 12 * 7_000_000), Ok(7_000_000));
        for time in [0, 1_606_824_022, 1_606_824_024, 1_606_824_034] {
            assert!(mainnet.slot(time).is_err(), "{time}");
        }
        let odd = Timing::new(0, Duration::from_millis(1500)).unwrap();
        let slots: Vec<_> = (0..7).map(|time| odd.slot(time).ok()).collect();
        let expected = [Some(0), Some(1), None, Some(2), Some(3), None, Some(4)];
        assert_eq!(slots, expected);
        assert!(Timing::new(0, Duration::ZERO).is_err());
    }

    #[test]
    fn slot_lengths_of_both_constants_are_read() {
        for (spec, expected) in [
            (r#"{"SECONDS_PER_SLOT":"12"}"#, Some(12_000)),
            (
                r#"{"SECONDS_PER_SLOT":"12","SLOT_DURATION_MS":"6000"}"#,
                Some(6000),
            ),
            (
                r#"{"SLOT_DURATION_MS":"6000","BLOB_SCHEDULE":[{"EPOCH":"1"}]}"#,
                Some(6000),
            ),
            (r#"{"SECONDS_PER_SLOT":"-1"}"#, None),
            ("{}", None),
        ] {
            let body = format!(r#"{{"data":{spec}}}"#);
            let duration = slot_duration(body.as_bytes()).ok();
            assert_eq!(duration.map(|one| one.as_millis()), expected, "{spec}");
        }
    }

    #[test]
    fn every_wanted_hash_is_a_parameter_of_its_own() {
        let hashes = [B256::repeat_byte(1), B256::repeat_byte(2)];
        let path = Source::Blobs.path(9, &hashes);
        let expected = format!(
            "/eth/v1/beacon/blobs/9?versioned_hashes={}&versioned_hashes={}",
            hashes[0], hashes[1]
        );
        assert_eq!(path, expected);
        let many = [B256::ZERO; MAX_FILTERED + 1];
        assert_eq!(Source::Blobs.path(9, &many), "/eth/v1/beacon/blobs/9");
        assert!(Source::Blobs.path(9, &many[1..]).len() < 6000);
        assert_eq!(
            Source::Sidecars.path(9, &hashes),
            "/eth/v1/beacon/blob_sidecars/9"
        );
    }

    #[test]
    fn bodies_that_are_no_answers_are_errors_and_never_panics() {
        for body in [
            "",
            "null",
            "{}",
            r#"{"data":null}"#,
            r#"{"data":[1]}"#,
            r#"{"data":["0x00"]}"#,
            r#"{"data":["0xzz"]}"#,
            r#"{"data":[{"blob":"0x00","kzg_commitment":"0x00"}]}"#,
        ] {
            let body = body.as_bytes();
            assert!(Source::Blobs.decode(body).is_err());
            assert!(Source::Sidecars.decode(body).is_err());
            assert!(header(body).is_err() && genesis_time(body).is_err());
        }
        assert_eq!(Source::Blobs.decode(br#"{"data":[]}"#).unwrap().len(), 0);
    }
}
