//! One read of the signer: the endpoint in use is asked first, then the others that are not paused. Only what is wrong with the
//! way to an endpoint is held against it: one that has no storage to show may serve heads well.

use super::{SignerConfig, UNSAFE_BLOCK_SIGNER_SLOT};
use crate::{
    L1Error, L1Handle,
    endpoints::Endpoints,
    rpc::{self, Answer, Call, DecodeError, Question, Reply},
};
use alloy_primitives::{Address, B256};
use light_node_protocol::BlockNumHash;
use serde_json::json;
use tokio::time::Instant;

/// A word of storage, or an error with its words.
const LIMIT_BYTES: usize = 16 * 1024;

/// The signer, and the block it was read at.
pub(super) async fn signer(
    l1: &L1Handle,
    config: &SignerConfig,
) -> Result<(BlockNumHash, Address), L1Error> {
    let head = l1.heads().head.id();
    let endpoints = l1.endpoints();
    let mut failure = None;
    for index in endpoints.available() {
        let asked_at = Instant::now();
        match signer_of(endpoints, index, config, head).await {
            Ok(found) => {
                endpoints.accepted(index, asked_at);
                return Ok(found);
            }
            Err(error) => {
                if matches!(error, L1Error::Http { .. } | L1Error::WrongChain { .. }) {
                    endpoints.failed(index, asked_at, &error);
                }
                failure = Some(error);
            }
        }
    }
    Err(failure.unwrap_or_else(|| endpoints.unavailable(None)))
}

async fn signer_of(
    endpoints: &Endpoints,
    index: usize,
    config: &SignerConfig,
    head: BlockNumHash,
) -> Result<(BlockNumHash, Address), L1Error> {
    let deadline = config.request_deadline;
    let number = head.number.saturating_sub(config.confirmations);
    let missing = || L1Error::Missing {
        endpoint: endpoints.name(index),
        number,
        head: head.number,
    };
    let block = if number == head.number {
        head
    } else {
        let questions = [Question::Block(number)];
        let answers = endpoints
            .exchange(index, &questions, deadline, false)
            .await?;
        match answers.first() {
            Some(Answer::Block(block)) => block.id(),
            _ => return Err(missing()),
        }
    };
    let call = Call {
        method: "eth_getStorageAt",
        params: json!([config.system_config, UNSAFE_BLOCK_SIGNER_SLOT, {"blockHash": block.hash}]),
    };
    let answer = endpoints
        .call(index, &[call], LIMIT_BYTES, deadline, decode)
        .await?;
    Ok((block, answer.ok_or_else(missing)?))
}

/// The address in the answer; none if the endpoint lacks the block.
fn decode(body: &[u8]) -> Result<Option<Address>, DecodeError> {
    let malformed = |words: &str| DecodeError::Malformed(words.to_owned());
    let result = match rpc::replies(body, 1)?.pop() {
        Some(Reply::Result(result)) => result,
        Some(Reply::Nothing) => return Ok(None),
        Some(Reply::Failed { code, message }) => return Err(DecodeError::Rpc { code, message }),
        None => return Err(malformed("no answer")),
    };
    let text: &str = serde_json::from_str(result.get())
        .map_err(|_| malformed("a storage word that is no string"))?;
    let word = word(text).ok_or_else(|| malformed("a storage word that is not hexadecimal"))?;
    // The contract stores a whole word, so anything above the address is none of its making.
    if word[..12].iter().any(|byte| *byte != 0) {
        return Err(malformed("a signer that is no address"));
    }
    Ok(Some(Address::from_word(word)))
}

/// A word as clients write it: some leave zeros in front out.
fn word(text: &str) -> Option<B256> {
    let digits = text.strip_prefix("0x")?;
    let is_word =
        (1..=64).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_hexdigit());
    is_word.then(|| format!("{digits:0>64}").parse().ok())?
}
