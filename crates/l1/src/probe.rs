//! One endpoint examined by itself, outside of the client's failover: for a command that looks at a set-up. It asks what the
//! client asks, in one batch, and leaves the verdict to the caller.

use crate::{
    HttpError, L1Error, Transport,
    rpc::{self, Answer, DecodeError, Question},
};
use alloy_primitives::B256;
use light_node_protocol::L1BlockRef;
use std::time::Duration;

/// Five answers of the size of a block without transaction bodies.
const LIMIT_BYTES: usize = 5 * 512 * 1024;

/// What an endpoint says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Probe {
    /// `eth_chainId`.
    pub chain_id: u64,
    /// Hash of its block at the asked height; `None` if it has none, perhaps because it pruned it.
    pub genesis: Option<B256>,
    /// Its head.
    pub latest: L1BlockRef,
    /// The block of its `safe` tag; a young L1 has none.
    pub safe: Option<L1BlockRef>,
    /// The block of its `finalized` tag; a young L1 has none.
    pub finalized: Option<L1BlockRef>,
}

/// Asks for chain id, block `genesis_number`, head and tags.
///
/// # Errors
/// If there is no whole answer within `deadline`. Unless `trust_rpc`, the hash of each header is recomputed.
///
/// # Cancel safety
/// Dropping the future drops the connection.
pub async fn probe(
    transport: &dyn Transport,
    genesis_number: u64,
    trust_rpc: bool,
    deadline: Duration,
) -> Result<L1Probe, L1Error> {
    let questions = [
        Question::ChainId,
        Question::Block(genesis_number),
        Question::Latest,
        Question::Safe,
        Question::Finalized,
    ];
    let endpoint = || transport.name().to_owned();
    let post = transport.post(rpc::encode(&questions), LIMIT_BYTES);
    let body = tokio::time::timeout(deadline, post)
        .await
        .unwrap_or(Err(HttpError::Timeout { deadline }))
        .map_err(|source| L1Error::Http {
            endpoint: endpoint(),
            source,
        })?;
    let fault = |code, message| L1Error::Rpc {
        endpoint: endpoint(),
        code,
        message,
    };
    let malformed = |cause| L1Error::Malformed {
        endpoint: endpoint(),
        cause,
    };
    let answers = rpc::decode(&body, &questions, trust_rpc).map_err(|error| match error {
        DecodeError::Malformed(cause) => malformed(cause),
        DecodeError::Rpc { code, message } => fault(code, message),
    })?;
    let block = |index: usize| match answers.get(index) {
        Some(Answer::Block(block)) => Some(*block),
        _ => None,
    };
    match (answers.first(), answers.get(2)) {
        (Some(Answer::ChainId(chain_id)), Some(Answer::Head(latest, _))) => Ok(L1Probe {
            chain_id: *chain_id,
            genesis: block(1).map(|block| block.hash),
            latest: *latest,
            safe: block(3),
            finalized: block(4),
        }),
        (Some(Answer::Failed { code, message }), _)
        | (_, Some(Answer::Failed { code, message })) => Err(fault(*code, message.clone())),
        _ => Err(malformed("no chain id or no head".to_owned())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::test_utils::{Fault, MemoryL1};

    const DEADLINE: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_says_who_it_is_in_one_request() {
        let l1 = MemoryL1::new(900, 10);
        l1.set_tags(Some(8), None);
        let said = probe(&l1, 2, false, DEADLINE).await.unwrap();
        let expected = L1Probe {
            chain_id: 900,
            genesis: Some(l1.block(2).hash),
            latest: l1.head(),
            safe: Some(l1.block(8)),
            finalized: None,
        };
        assert_eq!(said, expected);
        assert_eq!(l1.requests(), 1);
        let pruned = probe(&l1, 99, false, DEADLINE).await.unwrap();
        assert_eq!(pruned.genesis, None);
    }

    #[tokio::test(start_paused = true)]
    async fn every_fault_is_an_error_within_the_deadline() {
        let l1 = MemoryL1::new(900, 10);
        for fault in [
            Fault::Refused,
            Fault::Silent,
            Fault::Status(429, None),
            Fault::Html,
            Fault::Truncated,
            Fault::RpcError,
            Fault::WrongHashes,
        ] {
            l1.set_fault(fault.clone());
            let asked = tokio::time::timeout(2 * DEADLINE, probe(&l1, 0, false, DEADLINE));
            assert!(asked.await.unwrap().is_err(), "{fault:?}");
        }
        assert!(probe(&l1, 0, true, DEADLINE).await.is_ok(), "trusted");
    }
}
