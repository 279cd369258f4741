//! Blocks of a trusted endpoint: headers and transactions as they are announced, and the logs of many blocks by one question.

use super::{BODY_LIMIT_BYTES, Fetch, Id, checked_body, data, hex, result};
use crate::{
    L1Data, L1Error,
    feed::decode::{self, Body, LogsByBlock},
    rpc::{self, Call},
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Logs of two contracts in [`MAX_RANGE`] blocks.
const LOGS_LIMIT_BYTES: usize = 64 << 20;
/// Blocks whose logs are asked for at once. Providers allow some hundred; more would not save much.
const MAX_RANGE: u64 = 32;
/// Bodies of one range that are asked for at the same time.
const BODIES_AT_ONCE: usize = 8;
/// After so many answers longer ranges are tried again: what looked like a limit may have been an outage.
const GROW_AFTER: u32 = 64;

/// Of how many blocks logs are asked for at once. A refusal halves it, and many answers double it again.
#[derive(Debug)]
pub(super) struct RangeLength(Mutex<Length>);

#[derive(Debug)]
struct Length {
    blocks: u64,
    answers: u32,
}

impl Default for RangeLength {
    fn default() -> Self {
        Self(Mutex::new(Length {
            blocks: MAX_RANGE,
            answers: 0,
        }))
    }
}

impl RangeLength {
    pub(super) fn get(&self) -> u64 {
        self.lock().blocks
    }

    /// Logs of so many blocks were refused.
    pub(super) fn refused(&self, blocks: u64) {
        let mut length = self.lock();
        length.blocks = length.blocks.min(blocks / 2).max(1);
        length.answers = 0;
    }

    /// Logs of so many blocks were given.
    pub(super) fn answered(&self, blocks: usize) {
        let mut length = self.lock();
        if (blocks as u64) < length.blocks {
            return;
        }
        length.answers += 1;
        if length.answers >= GROW_AFTER {
            length.answers = 0;
            length.blocks = (2 * length.blocks).min(MAX_RANGE);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Length> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetch {
    /// Blocks in a row of a trusted endpoint: their logs by one question, which travels with the last block, so that the answer
    /// is of the chain that the others must link up to.
    pub(super) async fn range(
        &self,
        index: usize,
        first: u64,
        last: u64,
    ) -> Result<Option<Vec<L1Data>>, L1Error> {
        let filter = json!({"fromBlock": hex(first), "toBlock": hex(last)});
        let tip = self.body_and_logs(index, Id::Number(last), filter);
        let lower = stream::iter(first..last)
            .map(|number| self.trusted_body(index, number))
            .buffered(BODIES_AT_ONCE)
            .try_collect::<Vec<_>>();
        let (tip, lower) = tokio::try_join!(tip, lower)?;
        let (Some((tip, logs)), Some(mut bodies)) =
            (tip, lower.into_iter().collect::<Option<Vec<_>>>())
        else {
            return Ok(None);
        };
        bodies.push(tip);
        self.joined(index, bodies, logs).map(Some)
    }

    pub(super) async fn body_and_logs(
        &self,
        index: usize,
        id: Id,
        mut filter: serde_json::Value,
    ) -> Result<Option<(Body, LogsByBlock)>, L1Error> {
        let addresses = self.addresses;
        filter["address"] = json!([addresses.portal, addresses.system_config]);
        let logs = Call {
            method: "eth_getLogs",
            params: json!([filter]),
        };
        let decode = move |bytes: &[u8]| {
            let mut replies = rpc::replies(bytes, 2)?.into_iter();
            let body = checked_body(replies.next(), id, &addresses, true)?;
            let logs = result(replies.next())?;
            let (Some(body), Some(logs)) = (body, logs) else {
                return Ok(None);
            };
            Ok(Some((body, decode::logs(logs.get(), &addresses)?)))
        };
        let limit_bytes = BODY_LIMIT_BYTES + LOGS_LIMIT_BYTES;
        self.call(index, &[id.body(), logs], limit_bytes, decode)
            .await
    }

    async fn trusted_body(&self, index: usize, number: u64) -> Result<Option<Body>, L1Error> {
        let (id, addresses) = (Id::Number(number), self.addresses);
        let decode = move |bytes: &[u8]| {
            let mut replies = rpc::replies(bytes, 1)?.into_iter();
            checked_body(replies.next(), id, &addresses, true)
        };
        self.call(index, &[id.body()], BODY_LIMIT_BYTES, decode)
            .await
    }

    /// Gives each block its logs. Blocks that do not link, and logs of others, are what a reorg leaves between two answers.
    pub(super) fn joined(
        &self,
        index: usize,
        bodies: Vec<Body>,
        mut logs: LogsByBlock,
    ) -> Result<Vec<L1Data>, L1Error> {
        let number = bodies.last().map_or(0, |body| body.header.number);
        for pair in bodies.windows(2) {
            if pair[1].header.parent_hash != pair[0].hash {
                return Err(self.inconsistent(index, pair[0].header.number));
            }
        }
        let blocks = bodies.into_iter().map(|body| {
            let logs = logs.remove(&body.hash).unwrap_or_default();
            data(body, logs)
        });
        let blocks = blocks.collect();
        if logs.is_empty() {
            Ok(blocks)
        } else {
            Err(self.inconsistent(index, number))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_halves_the_range_and_many_answers_double_it_again() {
        let length = RangeLength::default();
        for expected in [16, 8, 4, 2, 1, 1] {
            length.refused(length.get());
            assert_eq!(length.get(), expected);
        }
        for expected in [2, 4, 8, 16, 32, 32] {
            for _ in 0..GROW_AFTER {
                // A shorter one at the end of a window says nothing.
                length.answered(0);
                length.answered(usize::try_from(length.get()).unwrap_or(0));
            }
            assert_eq!(length.get(), expected);
        }
    }
}
