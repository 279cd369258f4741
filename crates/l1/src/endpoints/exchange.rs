//! The exchange with one endpoint: requests with their bounds, and the proof that it is of our chain.

use super::Endpoints;
use crate::{
    EndpointVerdict, HttpError, L1Error,
    rpc::{self, Answer, Call, DecodeError, Question},
};
use light_node_protocol::BlockNumHash;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// A block without transaction bodies, with room for a list of some thousand transaction hashes.
const BLOCK_LIMIT_BYTES: usize = 512 * 1024;

/// Answers up to this size may come side by side, as those of all usual blocks do. Longer ones come one at a time, so that an
/// endpoint cannot fill our memory by many at once.
const USUAL_LIMIT_BYTES: usize = 8 << 20;

impl Endpoints {
    /// Asks one endpoint, within `deadline`. With `verify`, or if it is not verified, it shows its identity in the same batch.
    /// The caller says what came of it: [`Self::accepted`] or [`Self::failed`].
    pub(crate) async fn exchange(
        &self,
        index: usize,
        questions: &[Question],
        deadline: Duration,
        verify: bool,
    ) -> Result<Vec<Answer>, L1Error> {
        let verify = verify || !self.is_verified(index);
        let asked: Vec<Question> = if verify {
            let identity = [
                Question::ChainId,
                Question::Block(self.shared.genesis_l1.number),
            ];
            [&identity, questions].concat()
        } else {
            questions.to_vec()
        };
        let sent_at = Instant::now();
        let outcome = self.send(index, &asked, deadline).await;
        let method = match asked.as_slice() {
            [question] => question.method(),
            _ => "batch",
        };
        self.shared.metrics.note_request(method, &outcome, sent_at);
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
        let body = self
            .post(index, rpc::encode(asked), limit_bytes, deadline)
            .await?;
        rpc::decode(&body, asked, self.shared.trust_rpc)
            .map_err(|error| self.undecodable(index, error))
    }

    async fn post(
        &self,
        index: usize,
        body: Vec<u8>,
        limit_bytes: usize,
        deadline: Duration,
    ) -> Result<Vec<u8>, L1Error> {
        self.state().requests += 1;
        let post = self.shared.transports[index].post(body, limit_bytes);
        timeout(deadline, post)
            .await
            .unwrap_or(Err(HttpError::Timeout { deadline }))
            .map_err(|source| L1Error::Http {
                endpoint: self.name(index),
                source,
            })
    }

    /// Sends `calls` to one endpoint, after it has shown its identity, and decodes the answer of at most `limit_bytes` on a
    /// thread that may take its time. The caller says what came of it: [`Self::accepted`] or [`Self::failed`].
    pub(crate) async fn call<T, F>(
        &self,
        index: usize,
        calls: &[Call],
        limit_bytes: usize,
        deadline: Duration,
        decode: F,
    ) -> Result<T, L1Error>
    where
        T: Send + 'static,
        F: FnOnce(&[u8]) -> Result<T, DecodeError> + Send + 'static,
    {
        if !self.is_verified(index) {
            self.exchange(index, &[], deadline, true).await?;
        }
        let sent_at = Instant::now();
        let body = rpc::encode_calls(calls);
        let usual_bytes = limit_bytes.min(USUAL_LIMIT_BYTES);
        let mut posted = self.post(index, body.clone(), usual_bytes, deadline).await;
        let mut turn = None;
        if usual_bytes < limit_bytes && posted.as_ref().is_err_and(is_too_large) {
            // The semaphore is never closed. The turn lasts until the answer is decoded.
            turn = self.shared.long_answers.acquire().await.ok();
            posted = self.post(index, body, limit_bytes, deadline).await;
        }
        let outcome = match posted {
            Ok(body) => self.decoded(index, body, decode).await,
            Err(error) => Err(error),
        };
        drop(turn);
        let method = match calls {
            [call] => call.method,
            _ => "batch",
        };
        self.shared.metrics.note_request(method, &outcome, sent_at);
        outcome
    }

    async fn decoded<T, F>(&self, index: usize, body: Vec<u8>, decode: F) -> Result<T, L1Error>
    where
        T: Send + 'static,
        F: FnOnce(&[u8]) -> Result<T, DecodeError> + Send + 'static,
    {
        let decoding = tokio::task::spawn_blocking(move || decode(&body));
        let outcome = decoding.await.unwrap_or_else(|_| {
            // Remote data never panics the process, even if it finds a fault in a decoder.
            Err(DecodeError::Malformed("the decoder failed".to_owned()))
        });
        outcome.map_err(|error| self.undecodable(index, error))
    }

    /// What a body that does not decode says of its endpoint.
    pub(crate) fn undecodable(&self, index: usize, error: DecodeError) -> L1Error {
        let endpoint = self.name(index);
        match error {
            DecodeError::Malformed(cause) => L1Error::Malformed { endpoint, cause },
            DecodeError::Rpc { code, message } => L1Error::Rpc {
                endpoint,
                code,
                message,
            },
        }
    }

    fn is_verified(&self, index: usize) -> bool {
        *self.state().list[index].health.verdict() == EndpointVerdict::Verified
    }

    /// The chain id must be ours; the genesis block, too, unless the endpoint has pruned it.
    fn identify(&self, index: usize, shown: &[Answer]) -> Result<(), L1Error> {
        let endpoint = self.name(index);
        let detail = match shown {
            [Answer::ChainId(id), _] if *id != self.shared.l1_chain_id => {
                format!("its chain id is {id}, expected {}", self.shared.l1_chain_id)
            }
            [Answer::ChainId(_), Answer::Block(block)]
                if block.hash != self.shared.genesis_l1.hash =>
            {
                let BlockNumHash { number, hash } = self.shared.genesis_l1;
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
}

const fn is_too_large(error: &L1Error) -> bool {
    matches!(
        error,
        L1Error::Http {
            source: HttpError::TooLarge { .. },
            ..
        }
    )
}

/// An error that makes the whole answer useless: only the tags may fail, because a young L1 does not have them.
fn unusable(answer: &Answer, question: Question) -> Option<(i64, String)> {
    match (answer, question) {
        (_, Question::Safe | Question::Finalized) => None,
        (Answer::Failed { code, message }, _) => Some((*code, message.clone())),
        (Answer::NoBlock, Question::Latest) => Some((0, "no latest block".to_owned())),
        (Answer::NoBlock | Answer::Block(_) | Answer::Head(..) | Answer::ChainId(_), _) => None,
    }
}
