//! Blocks: from gossip to the judges, from the judges to peers and the engine, and our own to peers.

use super::Session;
use crate::{
    metrics::{Published, Unjudged},
    pool::{Job, Judged},
    publish::SignedBlock,
    topics::{BlockVersion, is_shed},
    verdict::Verdict,
};
use libp2p::{
    PeerId,
    gossipsub::{Message, MessageAcceptance, MessageId, PublishError},
};
use std::time::Instant;
use tracing::{debug, error};

impl Session<'_> {
    /// A message came: it is judged, or dropped without blame if its sender or all of them send too much.
    pub(super) fn on_message(&mut self, source: PeerId, id: MessageId, message: Message) {
        let received_at = Instant::now();
        if is_shed(&message) {
            // Counted where it was shed.
            self.report(&id, &source, MessageAcceptance::Ignore);
            return;
        }
        let topic = self.topics.iter().position(|topic| *topic == message.topic);
        let Some(version) = topic.and_then(|index| BlockVersion::ALL.get(index).copied()) else {
            // Gossip hands out only what it is subscribed to.
            self.report(&id, &source, MessageAcceptance::Ignore);
            return;
        };
        // What it costs was charged when it came.
        if self.swarm.behaviour().gossip.is_spent(&source) {
            self.network.metrics.unjudged(Unjudged::Budget);
            self.report(&id, &source, MessageAcceptance::Ignore);
            return;
        }
        let job = Job {
            id,
            source,
            version,
            data: message.data.into(),
            received_at,
        };
        for dropped in self.pool.offer(job) {
            self.network.metrics.unjudged(Unjudged::QueueFull);
            self.report(&dropped.id, &dropped.source, MessageAcceptance::Ignore);
        }
    }

    /// A verdict came: peers learn of it before the engine has the block, for they wait for each other.
    pub(super) fn on_judged(&mut self, judged: Judged) {
        let Some(judgement) = judged.judgement else {
            error!("A gossiped block made the judge panic; it is dropped");
            self.network.metrics.unjudged(Unjudged::Panic);
            self.report(&judged.id, &judged.source, MessageAcceptance::Ignore);
            return;
        };
        let acceptance = match &judgement.verdict {
            Verdict::Accept(_) => MessageAcceptance::Accept,
            Verdict::Ignore(_) => MessageAcceptance::Ignore,
            Verdict::Reject(_) => MessageAcceptance::Reject,
        };
        self.report(&judged.id, &judged.source, acceptance);
        let metrics = &self.network.metrics;
        metrics.judged(&judgement.verdict, judged.received_at.elapsed());
        if judgement.signer_mismatch {
            self.network.signer.recheck();
        }
        match judgement.verdict {
            Verdict::Accept(envelope) => {
                self.swarm.behaviour().gossip.prove(judged.source);
                let number = envelope.execution_payload.block_number();
                let taken = self.network.engine.try_insert_unsafe(*envelope);
                metrics.handed_over(taken, judged.received_at.elapsed());
                if let Err(error) = taken {
                    debug!(number, %error, "The engine did not take a gossiped block");
                }
            }
            verdict => {
                let (verdict, reason) = verdict.as_strs();
                debug!(verdict, reason, peer = %judged.source, "Dropped a gossiped block");
            }
        }
    }

    /// An own block goes out.
    pub(super) fn on_signed(&mut self, block: SignedBlock) {
        let topic = self.topics[block.version.index()].clone();
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        let outcome = match gossip.publish(topic, block.data) {
            Ok(_) => Published::Sent,
            // The same block a second time; peers have it.
            Err(PublishError::Duplicate) => Published::Sent,
            Err(PublishError::NoPeersSubscribedToTopic) => Published::NoPeers,
            Err(error) => {
                debug!(%error, "Gossip refused an own block");
                Published::Failed
            }
        };
        // The publisher may have given up meanwhile.
        let _ = block.done.send(outcome);
    }

    fn report(&mut self, id: &MessageId, source: &PeerId, acceptance: MessageAcceptance) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if !gossip.report_message_validation_result(id, source, acceptance) {
            self.network.metrics.unjudged(Unjudged::Forgotten);
        }
    }
}
