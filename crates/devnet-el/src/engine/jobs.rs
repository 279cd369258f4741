//! Builds that a forkchoice update has started and `engine_getPayload` may seal. A build is executed at once, which finds
//! what is wrong with it, and again when it is sealed if the pool has changed since.

use super::{EngineError, lock};
use crate::{
    execution::{BuildError, CheckedAttributes, ExecutedBlock, Parent, build},
    pool::TransactionPool,
    spec::ElSpec,
};
use alloy_primitives::U256;
use alloy_rpc_types_engine::PayloadId;
use op_alloy_rpc_types_engine::{OpExecutionData, OpExecutionPayloadEnvelope};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

/// How many builds are kept. A sequencer has one, two around a reorg.
const MAX_JOBS: usize = 16;

/// A block built for `engine_getPayload`. It becomes part of the chain by `engine_newPayload`.
#[derive(Clone, Debug)]
pub struct SealedPayload {
    block: Arc<ExecutedBlock>,
}

impl SealedPayload {
    /// The block.
    pub const fn block(&self) -> &Arc<ExecutedBlock> {
        &self.block
    }

    /// The payload with its beacon block root.
    pub fn envelope(&self) -> OpExecutionPayloadEnvelope {
        let data = OpExecutionData::from_block_unchecked(self.block.hash, &self.block.block);
        OpExecutionPayloadEnvelope {
            parent_beacon_block_root: data.parent_beacon_block_root(),
            execution_payload: data.payload,
        }
    }

    /// `blockValue` in wei.
    pub fn value(&self) -> U256 {
        self.block.value()
    }
}

#[derive(Debug)]
struct Job {
    id: PayloadId,
    parent: Parent,
    attributes: CheckedAttributes,
    built: Arc<ExecutedBlock>,
    /// [`TransactionPool::generation`] when it was built.
    pool_generation: u64,
}

/// The builds, oldest first.
#[derive(Debug, Default)]
pub(super) struct PayloadJobs {
    jobs: VecDeque<Job>,
}

impl PayloadJobs {
    pub(super) fn contains(&self, id: PayloadId) -> bool {
        self.jobs.iter().any(|job| job.id == id)
    }

    /// Starts a build; the oldest makes room.
    ///
    /// # Errors
    ///
    /// If no block can be built.
    pub(super) fn start(
        &mut self,
        spec: &ElSpec,
        id: PayloadId,
        parent: Parent,
        attributes: CheckedAttributes,
        pool: &Mutex<TransactionPool>,
    ) -> Result<(), BuildError> {
        let (built, pool_generation) = build_with_pool(spec, &parent, &attributes, pool)?;
        if self.jobs.len() >= MAX_JOBS {
            self.jobs.pop_front();
        }
        self.jobs.push_back(Job {
            id,
            parent,
            attributes,
            built,
            pool_generation,
        });
        Ok(())
    }

    /// The block of a build with what the pool holds now.
    pub(super) fn seal(
        &mut self,
        spec: &ElSpec,
        id: PayloadId,
        pool: &Mutex<TransactionPool>,
    ) -> Result<SealedPayload, EngineError> {
        let job = self
            .jobs
            .iter_mut()
            .find(|job| job.id == id)
            .ok_or(EngineError::UnknownPayload)?;
        if job.attributes.uses_pool() && lock(pool).generation() != job.pool_generation {
            let (built, generation) = build_with_pool(spec, &job.parent, &job.attributes, pool)?;
            job.built = built;
            job.pool_generation = generation;
        }
        Ok(SealedPayload {
            block: job.built.clone(),
        })
    }
}

/// Builds a block. The pool is locked for the copy of its best transactions, not during execution.
fn build_with_pool(
    spec: &ElSpec,
    parent: &Parent,
    attributes: &CheckedAttributes,
    pool: &Mutex<TransactionPool>,
) -> Result<(Arc<ExecutedBlock>, u64), BuildError> {
    let (transactions, generation) = {
        let pool = lock(pool);
        let transactions = if attributes.uses_pool() {
            pool.best(attributes.base_fee, &parent.state)
        } else {
            Vec::new()
        };
        (transactions, pool.generation())
    };
    let built = build(spec, parent, attributes, transactions)?;
    if !built.rejected.is_empty() {
        tracing::debug!(
            count = built.rejected.len(),
            "invalid transactions in the pool"
        );
        // Not a new generation: building again would give the same block.
        lock(pool).drop_rejected(&built.rejected);
    }
    Ok((Arc::new(built.block), generation))
}
