//! JSON-RPC 2.0 as the EL speaks it: requests, answers, batches matched by id, and errors as [`ElError`].

mod block;
mod body;
mod engine;
mod payload;
mod proof;
mod syncing;

pub(crate) use block::{decode_block, decode_header};
pub(crate) use body::decode_body;
pub(crate) use engine::{BuiltPayload, WireForkchoiceUpdated, WirePayloadStatus};
pub use payload::payload_envelope_from_json;
pub(crate) use proof::AccountProof;
pub(crate) use syncing::decode_syncing;

use crate::ElError;
use light_node_protocol::foreign_text;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// Characters of foreign text that an error keeps: enough to know the cause, too few to flood a log.
const MAX_TEXT_CHARS: usize = 300;

/// One request.
#[derive(Debug, Serialize)]
pub(crate) struct Request<P> {
    jsonrpc: &'static str,
    pub(crate) id: u64,
    pub(crate) method: &'static str,
    params: P,
}

impl<P: Serialize> Request<P> {
    pub(crate) const fn new(id: u64, method: &'static str, params: P) -> Self {
        Self {
            jsonrpc: "2.0",
            id,
            method,
            params,
        }
    }
}

/// The `error` member of an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct RpcFailure {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Option<serde_json::Value>,
}

impl RpcFailure {
    /// True for the ways in which ELs say that there is no such block: op-geth "safe block not found", erigon "unknown
    /// block", and the code that the specification of `eth_*` reserves for it.
    pub(crate) fn is_unknown_block(&self) -> bool {
        let message = self.message.to_ascii_lowercase();
        self.code == ElError::UNKNOWN_BLOCK
            || message.contains("block not found")
            || message.contains("unknown block")
    }

    pub(crate) fn into_error(self, method: &'static str) -> ElError {
        let message = self.text();
        match self.code {
            -38001 => ElError::UnknownPayload,
            -38002 => ElError::InvalidForkchoiceState { message },
            -38003 => ElError::InvalidPayloadAttributes { message },
            -38004 => ElError::TooLargeRequest { message },
            -38005 => ElError::UnsupportedFork { message },
            code => ElError::Rpc {
                method,
                code,
                message,
            },
        }
    }

    /// The message, with the detail that op-geth puts into `data.err` and others into `data` itself.
    fn text(&self) -> String {
        let data = self.data.as_ref();
        let detail = data.and_then(|data| data.get("err").unwrap_or(data).as_str());
        match detail {
            Some(detail) if detail != self.message => {
                shorten(&format!("{}: {detail}", self.message))
            }
            _ => shorten(&self.message),
        }
    }
}

/// An answer whose result is not looked into yet.
#[derive(Deserialize)]
struct Response<'a> {
    #[serde(default)]
    id: Option<u64>,
    /// `null` is a result; absence is not.
    #[serde(borrow, default, deserialize_with = "even_null")]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<RpcFailure>,
}

fn even_null<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Either the result, or what the EL says instead.
pub(crate) type Answer<'a> = Result<&'a RawValue, RpcFailure>;

impl<'a> Response<'a> {
    fn into_answer(self, method: &'static str) -> Result<Answer<'a>, ElError> {
        match (self.error, self.result) {
            (Some(failure), _) => Ok(Err(failure)),
            (None, Some(result)) => Ok(Ok(result)),
            (None, None) => Err(malformed(method, "neither result nor error")),
        }
    }
}

/// The answer to the one request `id`.
pub(crate) fn single<'a>(
    method: &'static str,
    id: u64,
    body: &'a [u8],
) -> Result<Answer<'a>, ElError> {
    let response: Response<'a> = parse(method, body)?;
    // A server that could not read the request answers with an error and the id null.
    let is_ours = response.id == Some(id) || (response.id.is_none() && response.error.is_some());
    if !is_ours {
        return Err(malformed(method, "the id is not that of the request"));
    }
    response.into_answer(method)
}

/// The answers to the `count` requests with ids from `first_id` on, in the order of the requests.
pub(crate) fn batch<'a>(
    method: &'static str,
    first_id: u64,
    count: usize,
    body: &'a [u8],
) -> Result<Vec<Answer<'a>>, ElError> {
    if body.trim_ascii_start().first() == Some(&b'{') {
        // No batch: the server refuses it as a whole.
        return match single(method, first_id, body)? {
            Err(failure) => Err(failure.into_error(method)),
            Ok(_) => Err(malformed(method, "one answer to a batch of requests")),
        };
    }
    let responses: Vec<Response<'a>> = parse(method, body)?;
    let mut answers: Vec<Option<Answer<'a>>> = (0..count).map(|_| None).collect();
    for response in responses {
        let slot = response
            .id
            .and_then(|id| id.checked_sub(first_id))
            .and_then(|index| answers.get_mut(usize::try_from(index).ok()?))
            .ok_or_else(|| malformed(method, "an id that is none of the batch"))?;
        if slot.is_some() {
            return Err(malformed(method, "the same id twice in a batch"));
        }
        *slot = Some(response.into_answer(method)?);
    }
    let answered = answers.iter().flatten().count();
    if answered < count {
        return Err(malformed(
            method,
            &format!("{answered} answers to a batch of {count}"),
        ));
    }
    Ok(answers.into_iter().flatten().collect())
}

/// Decodes a result.
pub(crate) fn decode<T: DeserializeOwned>(
    method: &'static str,
    result: &RawValue,
) -> Result<T, ElError> {
    serde_json::from_str(result.get()).map_err(|error| malformed(method, &error.to_string()))
}

pub(crate) fn malformed(method: &'static str, cause: &str) -> ElError {
    ElError::Malformed {
        method,
        cause: shorten(cause),
    }
}

fn parse<'a, T: Deserialize<'a>>(method: &'static str, body: &'a [u8]) -> Result<T, ElError> {
    serde_json::from_slice(body).map_err(|error| {
        let start = body.trim_ascii_start();
        if matches!(start.first(), Some(b'{' | b'[')) {
            return malformed(method, &error.to_string());
        }
        // A proxy's page, most of the time: its first words say whose.
        let start = String::from_utf8_lossy(&start[..start.len().min(60)]);
        malformed(method, &format!("no JSON, the body begins with {start:?}"))
    })
}

/// As much of foreign text as is kept.
pub(crate) fn shorten(text: &str) -> String {
    foreign_text(text, MAX_TEXT_CHARS)
}

#[cfg(test)]
mod tests;
