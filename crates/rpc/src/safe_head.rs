//! `optimism_safeHeadAtL1Block`: from our own history where it proves the answer; else, following, from the source. Never a
//! guess. Deriving, as op-node: the history has no holes then, and at its end the last safe head is the answer.

use crate::{
    context::RpcPeers,
    error::{failed, internal, not_found},
    safe_source::SafeSourceHandle,
};
use jsonrpsee::types::ErrorObjectOwned;
use light_node_follow::SourceError;
use light_node_safedb::{SafeDb, SafeHeadAtL1, StoreError};
use tokio::task::spawn_blocking;

/// JSON-RPC codes by which a node says that it does not serve a method.
const NOT_SERVED: [i64; 2] = [-32601, -32001];

/// The safe head once L1 up to block `number` is derived.
pub(crate) async fn safe_head_at_l1_block(
    number: u64,
    peers: &RpcPeers,
) -> Result<SafeHeadAtL1, ErrorObjectOwned> {
    let history = peers.safe_db.clone();
    match &peers.safe_source {
        SafeSourceHandle::Follow(source) => {
            following(number, history, source.safe_head_at_l1_block(number)).await
        }
        SafeSourceHandle::Derive { .. } => deriving(number, history).await,
    }
}

/// Whatever the history does not prove, and also when it is off or fails, the source may know.
async fn following(
    number: u64,
    history: Option<SafeDb>,
    source: impl Future<Output = Result<SafeHeadAtL1, SourceError>>,
) -> Result<SafeHeadAtL1, ErrorObjectOwned> {
    if let Some(history) = history
        && let Ok(Some(answer)) = read(history, move |history| history.at(number)).await
    {
        return Ok(answer);
    }
    source.await.map_err(|error| refused(number, &error))
}

async fn deriving(number: u64, history: Option<SafeDb>) -> Result<SafeHeadAtL1, ErrorObjectOwned> {
    let Some(history) = history else {
        return Err(cannot(number, "safe head database not enabled"));
    };
    let found = read(history, move |history| history.at_or_last(number)).await;
    found
        .map_err(|cause| cannot(number, cause.message()))?
        .ok_or_else(|| not_found("not found"))
}

/// The source's refusal in its own words, where it has some; ours where it has none.
fn refused(number: u64, error: &SourceError) -> ErrorObjectOwned {
    match error {
        SourceError::Rpc { code, message, .. } if !NOT_SERVED.contains(code) => {
            let code = i32::try_from(*code).ok();
            let words = message.clone();
            code.map_or_else(
                || failed(message.clone()),
                |code| ErrorObjectOwned::owned(code, words, None::<()>),
            )
        }
        SourceError::Rpc { .. } => cannot(
            number,
            "it is not in our own history, and the follow source serves none",
        ),
        error => cannot(
            number,
            &format!(
                "it is not in our own history, and the follow source does not answer: {error}"
            ),
        ),
    }
}

/// In op-node's words.
fn cannot(number: u64, cause: &str) -> ErrorObjectOwned {
    failed(format!(
        "failed to get safe head at l1 block {number:#x}: {cause}"
    ))
}

async fn read<T: Send + 'static>(
    history: SafeDb,
    work: impl FnOnce(&SafeDb) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ErrorObjectOwned> {
    match spawn_blocking(move || work(&history)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(internal(error.to_string())),
        Err(_) => Err(internal("the node is stopping")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use light_node_protocol::{BlockNumHash, L1BlockRef, RollupConfig};
    use light_node_safedb::{Observation, SafeDbConfig};

    fn block(number: u64) -> BlockNumHash {
        BlockNumHash::new(number, B256::repeat_byte(number as u8))
    }

    fn answer(l1_number: u64, safe: u64) -> SafeHeadAtL1 {
        SafeHeadAtL1 {
            l1_block: block(l1_number),
            safe_head: block(safe),
        }
    }

    /// At L1 blocks 10 to 13, L2 block 50 was the safe head; the cursor stands on 14.
    fn history() -> SafeDb {
        let history = SafeDb::open(&SafeDbConfig::new(None), &RollupConfig::default()).unwrap();
        let seen = |number: u64| Observation {
            cursor: L1BlockRef {
                number,
                hash: block(number).hash,
                parent_hash: block(number - 1).hash,
                timestamp: number,
            },
            safe: block(50),
            is_complete: false,
        };
        history.observe(&[seen(10), seen(14)]).unwrap();
        history
    }

    fn rpc_error(code: i64, message: &str) -> SourceError {
        SourceError::Rpc {
            method: "optimism_safeHeadAtL1Block",
            code,
            message: message.to_owned(),
        }
    }

    #[tokio::test]
    async fn what_the_history_proves_needs_no_source() {
        let never = std::future::pending();
        let found = following(12, Some(history()), never).await.unwrap();
        assert_eq!(found, answer(10, 50));
    }

    #[tokio::test]
    async fn everything_else_is_asked_of_the_source() {
        for (number, history) in [(9, Some(history())), (14, Some(history())), (12, None)] {
            let source = async { Ok(answer(3, 7)) };
            let found = following(number, history, source).await.unwrap();
            assert_eq!(found, answer(3, 7), "{number}");
        }
    }

    #[tokio::test]
    async fn the_source_refuses_in_its_own_words_and_says_nothing_of_methods_it_lacks() {
        let refused = |error| async { following(9, None, async { Err(error) }).await.unwrap_err() };
        let error = refused(rpc_error(-32000, "not found")).await;
        assert_eq!((error.code(), error.message()), (-32000, "not found"));
        let error = refused(rpc_error(-32601, "Method not found")).await;
        assert_eq!(error.code(), -32000);
        assert!(error.message().contains("at l1 block 0x9: "), "{error}");
        let error = refused(SourceError::Html { method: "m" }).await;
        assert!(error.message().contains("HTML"), "{error}");
    }

    #[tokio::test]
    async fn a_node_that_derives_answers_as_op_node_does() {
        let found = deriving(1_000, Some(history())).await.unwrap();
        assert_eq!(found, answer(10, 50));
        let error = deriving(9, Some(history())).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (-32000, "not found"));
        let error = deriving(9, None).await.unwrap_err();
        assert_eq!(
            error.message(),
            "failed to get safe head at l1 block 0x9: safe head database not enabled"
        );
    }
}
