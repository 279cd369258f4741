//! The way of our own blocks: signed one after the other, in the order in which they were made, and handed to the swarm's task. A
//! block that waited too long is dropped: peers would refuse it, and those after it are of more use.

use crate::{
    config::BlockSigner,
    frame,
    metrics::{NetworkMetrics, Published},
    remote_signer::{RemoteSignerClient, RemoteSignerConfigError, RemoteSignerError},
    request::OwnBlock,
    signature::{self, SIGNATURE_LEN, SoundSignature},
    topics::BlockVersion,
    verdict::{IgnoreReason, Judge, Moment, RejectReason, Verdict},
};
use alloy_primitives::{B256, Bytes};
use alloy_signer_local::PrivateKeySigner;
use light_node_actor::{CancellationToken, in_words};
use light_node_protocol::RollupConfig;
use op_alloy_rpc_types_engine::OpExecutionPayloadEnvelope;
use std::{sync::Arc, time::Duration};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

/// A block that waited longer is dropped: op-node takes none that is older.
const WAITED_MAX: Duration = Duration::from_secs(60);
/// Time for signing a block and handing it to the swarm.
const DEADLINE: Duration = Duration::from_secs(10);

/// A block that is ready to go out.
#[derive(Debug)]
pub(crate) struct SignedBlock {
    /// Which topic it goes to.
    pub(crate) version: BlockVersion,
    /// Signature and signed part, not compressed.
    pub(crate) data: Vec<u8>,
    /// What became of it.
    pub(crate) done: oneshot::Sender<Published>,
}

/// Why a block is not signed.
#[derive(Debug, Error)]
enum SignError {
    /// Nobody here can sign.
    #[error("no block signer is configured")]
    NoSigner,
    /// The block has no place in gossip.
    #[error(transparent)]
    Frame(#[from] frame::FrameError),
    /// Our key refuses.
    #[error(transparent)]
    Local(#[from] alloy_signer::Error),
    /// The remote signer gave no signature.
    #[error(transparent)]
    Remote(#[from] RemoteSignerError),
}

enum Signer {
    Local(PrivateKeySigner),
    Remote(Box<RemoteSignerClient>),
}

/// Signs blocks and hands them on.
pub(crate) struct Publisher {
    rollup_config: Arc<RollupConfig>,
    signer: Option<Signer>,
    judge: Arc<Judge>,
    blocks: mpsc::Receiver<OwnBlock>,
    signed: mpsc::Sender<SignedBlock>,
    metrics: NetworkMetrics,
    /// What became of the last one: only changes are logged.
    last: Option<Published>,
    is_foreign: bool,
}

impl Publisher {
    /// Signs what comes out of `blocks` and gives it to `signed`.
    ///
    /// # Errors
    /// [`RemoteSignerConfigError`].
    pub(crate) fn new(
        rollup_config: Arc<RollupConfig>,
        signer: Option<BlockSigner>,
        judge: Arc<Judge>,
        blocks: mpsc::Receiver<OwnBlock>,
        signed: mpsc::Sender<SignedBlock>,
        metrics: NetworkMetrics,
    ) -> Result<Self, RemoteSignerConfigError> {
        let signer = match signer {
            None => None,
            Some(BlockSigner::Local(key)) => Some(Signer::Local(key)),
            Some(BlockSigner::Remote(remote)) => {
                let client = RemoteSignerClient::new(remote, rollup_config.l2_chain_id)?;
                Some(Signer::Remote(Box::new(client)))
            }
        };
        Ok(Self {
            rollup_config,
            signer,
            judge,
            blocks,
            signed,
            metrics,
            last: None,
            is_foreign: false,
        })
    }

    /// Publishes until cancelled, or until nobody is left who could ask for it.
    pub(crate) async fn run(mut self, token: CancellationToken) {
        let published = async {
            self.greet_signer().await;
            while let Some(block) = self.blocks.recv().await {
                self.publish(block).await;
            }
        };
        // Also in the middle of a block: what was signed after the end was asked for goes nowhere.
        token.run_until_cancelled(published).await;
    }

    async fn greet_signer(&self) {
        if let Some(Signer::Remote(client)) = &self.signer {
            match client.status().await {
                Ok(version) => info!(version, "The block signer is there"),
                Err(error) => warn!(
                    cause = in_words(&error),
                    "The block signer does not answer; blocks are not gossiped until it does"
                ),
            }
        }
    }

    async fn publish(&mut self, block: OwnBlock) {
        let number = block.envelope.execution_payload.block_number();
        let outcome = if block.published_at.elapsed() > WAITED_MAX {
            debug!(number, "A block waited too long to be gossiped");
            Published::Expired
        } else {
            let sent = self.sign_and_send(&block.envelope);
            match tokio::time::timeout(DEADLINE, sent).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(error)) => {
                    if self.last != Some(Published::NotSigned) {
                        warn!(number, cause = in_words(&error), "A block is not gossiped");
                    }
                    Published::NotSigned
                }
                Err(_) => Published::TimedOut,
            }
        };
        self.metrics.published(outcome);
        if self.last != Some(outcome) {
            info!(
                number,
                outcome = outcome.as_str(),
                "What becomes of own blocks has changed"
            );
            self.last = Some(outcome);
        }
    }

    async fn sign_and_send(
        &mut self,
        envelope: &OpExecutionPayloadEnvelope,
    ) -> Result<Published, SignError> {
        let timestamp = envelope.execution_payload.timestamp();
        let version = BlockVersion::at(&self.rollup_config, timestamp);
        let signed = frame::encode(version, envelope)?;
        let payload_hash = signature::payload_hash(&signed);
        let signature = self.sign(payload_hash).await?;
        let data = frame::seal(&signature, &signed);
        if self.judge_own(version, &data).await {
            self.note_foreign(&signature, payload_hash);
        }
        let (done, published) = oneshot::channel();
        let block = SignedBlock {
            version,
            data,
            done,
        };
        if self.signed.send(block).await.is_err() {
            return Ok(Published::Failed);
        }
        Ok(published.await.unwrap_or(Published::Failed))
    }

    async fn sign(&mut self, payload_hash: B256) -> Result<[u8; SIGNATURE_LEN], SignError> {
        let l2_chain_id = self.rollup_config.l2_chain_id;
        match &mut self.signer {
            None => Err(SignError::NoSigner),
            Some(Signer::Local(key)) => {
                let digest = signature::digest(l2_chain_id, payload_hash);
                Ok(signature::sign(key, digest)?)
            }
            Some(Signer::Remote(client)) => Ok(client.sign(payload_hash, DEADLINE).await?),
        }
    }

    /// Has our own judge see the block: it is then known, and if it came back to us it would not reach the engine again. That
    /// our judge refuses it does not stop it, for L1 may name us a moment later, but is worth a word: true if it is to be said.
    async fn judge_own(&mut self, version: BlockVersion, data: &[u8]) -> bool {
        let (judge, data) = (Arc::clone(&self.judge), Bytes::copy_from_slice(data));
        let judged = tokio::task::spawn_blocking(move || judge.judge(version, data, Moment::now()));
        let Ok(judgement) = judged.await else {
            return false;
        };
        let is_foreign = matches!(
            judgement.verdict,
            Verdict::Reject(RejectReason::Signer) | Verdict::Ignore(IgnoreReason::SignerUndecided)
        );
        let was_foreign = std::mem::replace(&mut self.is_foreign, is_foreign);
        is_foreign && !was_foreign
    }

    /// Says who signs and who should.
    fn note_foreign(&self, signature: &[u8; SIGNATURE_LEN], payload_hash: B256) {
        let digest = signature::digest(self.rollup_config.l2_chain_id, payload_hash);
        let signer = SoundSignature::parse(signature).and_then(|sound| sound.signer(digest));
        let signer = signer.ok().map(tracing::field::display);
        let named = self.judge.signer().map(tracing::field::display);
        warn!(
            signer,
            named, "Own blocks are signed by another account than L1 names; peers refuse them"
        );
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
