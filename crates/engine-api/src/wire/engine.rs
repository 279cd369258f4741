//! Answers of the `engine_*` methods, read leniently where real ELs differ from the specification.

use super::{malformed, payload::WirePayload, shorten};
use crate::{ElError, versions::GetPayloadVersion};
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_engine::{ForkchoiceUpdated, PayloadId, PayloadStatus, PayloadStatusEnum};
use op_alloy_rpc_types_engine::{OpExecutionPayload, OpExecutionPayloadEnvelope};
use serde::Deserialize;

/// `PayloadStatusV1`. op-geth answers INVALID with `validationError` null, too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WirePayloadStatus {
    status: Status,
    #[serde(default)]
    latest_valid_hash: Option<B256>,
    #[serde(default)]
    validation_error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Valid,
    Invalid,
    /// Of the first version of the specification; still INVALID.
    InvalidBlockHash,
    Syncing,
    Accepted,
}

impl From<WirePayloadStatus> for PayloadStatus {
    fn from(wire: WirePayloadStatus) -> Self {
        let reason = |default: &str| shorten(wire.validation_error.as_deref().unwrap_or(default));
        let status = match wire.status {
            Status::Valid => PayloadStatusEnum::Valid,
            Status::Syncing => PayloadStatusEnum::Syncing,
            Status::Accepted => PayloadStatusEnum::Accepted,
            Status::Invalid => PayloadStatusEnum::Invalid {
                validation_error: reason("no reason given"),
            },
            Status::InvalidBlockHash => PayloadStatusEnum::Invalid {
                validation_error: reason("block hash mismatch"),
            },
        };
        Self::new(status, wire.latest_valid_hash)
    }
}

/// The answer of `engine_forkchoiceUpdated`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireForkchoiceUpdated {
    payload_status: WirePayloadStatus,
    #[serde(default)]
    payload_id: Option<PayloadId>,
}

impl From<WireForkchoiceUpdated> for ForkchoiceUpdated {
    fn from(wire: WireForkchoiceUpdated) -> Self {
        Self {
            payload_status: wire.payload_status.into(),
            payload_id: wire.payload_id,
        }
    }
}

/// The answer of `engine_getPayload`. Block value, blobs and the builder's hint mean nothing on L2 and are skipped.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuiltPayload {
    execution_payload: WirePayload,
    #[serde(default)]
    parent_beacon_block_root: Option<B256>,
    #[serde(default)]
    execution_requests: Option<Vec<Bytes>>,
}

impl BuiltPayload {
    /// The envelope, if it has the shape that `version` promises.
    pub(crate) fn into_envelope(
        self,
        version: GetPayloadVersion,
    ) -> Result<OpExecutionPayloadEnvelope, ElError> {
        let method = version.method();
        let Self {
            execution_payload,
            parent_beacon_block_root,
            execution_requests,
        } = self;
        let execution_payload = OpExecutionPayload::from(execution_payload);
        let fits = match (version, &execution_payload) {
            (GetPayloadVersion::V2, OpExecutionPayload::V1(_) | OpExecutionPayload::V2(_)) => {
                parent_beacon_block_root.is_none()
            }
            (GetPayloadVersion::V3, OpExecutionPayload::V3(_))
            | (GetPayloadVersion::V4 | GetPayloadVersion::V5, OpExecutionPayload::V4(_)) => {
                parent_beacon_block_root.is_some()
            }
            (
                GetPayloadVersion::V2
                | GetPayloadVersion::V3
                | GetPayloadVersion::V4
                | GetPayloadVersion::V5,
                _,
            ) => false,
        };
        if !fits {
            return Err(malformed(
                method,
                "the payload's fields are those of another fork",
            ));
        }
        if execution_requests.is_some_and(|requests| !requests.is_empty()) {
            return Err(malformed(
                method,
                "the payload has execution requests, which no L2 block has",
            ));
        }
        Ok(OpExecutionPayloadEnvelope {
            parent_beacon_block_root,
            execution_payload,
        })
    }
}
