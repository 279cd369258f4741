//! The JSON-RPC that we speak with L1: one batch of questions out, one list of answers in. Decoding is where remote data
//! enters, so every answer is checked here against its question, and a header against its own hash.

use alloy_consensus::Header;
use alloy_primitives::{B256, Bloom, U64};
use light_node_protocol::{L1BlockRef, foreign_text};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

/// Words of an endpoint that we keep, in characters.
const MESSAGE_LIMIT: usize = 200;

/// One thing to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// `eth_chainId`.
    ChainId,
    /// The block of a height.
    Block(u64),
    /// The block of the `latest` tag.
    Latest,
    /// The block of the `safe` tag.
    Safe,
    /// The block of the `finalized` tag.
    Finalized,
}

impl Question {
    /// The JSON-RPC method that asks it.
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::ChainId => "eth_chainId",
            Self::Block(_) | Self::Latest | Self::Safe | Self::Finalized => "eth_getBlockByNumber",
        }
    }

    fn to_call(self) -> Call {
        let block = |tag: String| json!([tag, false]);
        let params = match self {
            Self::ChainId => json!([]),
            Self::Block(number) => block(format!("{number:#x}")),
            Self::Latest => block("latest".to_owned()),
            Self::Safe => block("safe".to_owned()),
            Self::Finalized => block("finalized".to_owned()),
        };
        let method = self.method();
        Call { method, params }
    }
}

/// A call whose answer is decoded by who sends it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) params: Value,
}

/// What was answered to one call.
#[derive(Debug)]
pub(crate) enum Reply<'a> {
    Result(&'a RawValue),
    /// `null`, or a client's words for a block that it does not have.
    Nothing,
    /// A JSON-RPC error for this call alone.
    Failed {
        code: i64,
        message: String,
    },
}

/// What was answered to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    ChainId(u64),
    Block(L1BlockRef),
    /// The block of the `latest` tag, with the bloom of its logs.
    Head(L1BlockRef, Box<Bloom>),
    /// There is no such block (yet).
    NoBlock,
    /// A JSON-RPC error for this question alone.
    Failed {
        code: i64,
        message: String,
    },
}

/// Why a body is not a list of answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// Not what was asked for.
    Malformed(String),
    /// One JSON-RPC error for the whole batch.
    Rpc { code: i64, message: String },
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(default)]
    id: Value,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<RpcFault>,
}

#[derive(Deserialize)]
struct RpcFault {
    code: i64,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct AnnouncedHash {
    hash: B256,
}

/// The body of a request.
pub(crate) fn encode(questions: &[Question]) -> Vec<u8> {
    let calls: Vec<Call> = questions.iter().map(|one| one.to_call()).collect();
    encode_calls(&calls)
}

/// The body of a request. One call goes out alone, because not every proxy takes a batch of one.
pub(crate) fn encode_calls(calls: &[Call]) -> Vec<u8> {
    let to_json = |(id, call): (usize, &Call)| {
        let Call { method, params } = call;
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    };
    let body = match calls {
        [call] => to_json((0, call)),
        _ => calls.iter().enumerate().map(to_json).collect(),
    };
    body.to_string().into_bytes()
}

/// The answers in the order of `questions`. Unless `trust_rpc`, the hash of each header is recomputed.
pub(crate) fn decode(
    body: &[u8],
    questions: &[Question],
    trust_rpc: bool,
) -> Result<Vec<Answer>, DecodeError> {
    let replies = replies(body, questions.len())?;
    let answers = questions.iter().zip(replies);
    answers
        .map(|(question, reply)| answer(*question, reply, trust_rpc))
        .collect()
}

/// What was answered to each of `count` calls, in their order.
pub(crate) fn replies(body: &[u8], count: usize) -> Result<Vec<Reply<'_>>, DecodeError> {
    let malformed = |error: serde_json::Error| DecodeError::Malformed(describe(body, &error));
    let is_batch = body.trim_ascii_start().first() == Some(&b'[');
    let responses: Vec<Response<'_>> = if is_batch {
        serde_json::from_slice(body).map_err(malformed)?
    } else {
        vec![serde_json::from_slice(body).map_err(malformed)?]
    };
    if !is_batch && count > 1 {
        let fault = responses.into_iter().find_map(|response| response.error);
        return Err(fault.map_or_else(
            || DecodeError::Malformed("one answer to a batch".to_owned()),
            |fault| DecodeError::Rpc {
                code: fault.code,
                message: shorten(&fault.message),
            },
        ));
    }
    (0..count)
        .map(|id| {
            let response = responses
                .iter()
                .find(|response| response.id.as_u64() == Some(id as u64))
                .ok_or_else(|| DecodeError::Malformed(format!("no answer to request {id}")))?;
            Ok(reply(response))
        })
        .collect()
}

fn reply<'a>(response: &Response<'a>) -> Reply<'a> {
    match (&response.error, response.result) {
        (Some(fault), _) if is_no_block(&fault.message) => Reply::Nothing,
        (Some(fault), _) => Reply::Failed {
            code: fault.code,
            message: shorten(&fault.message),
        },
        (None, Some(result)) => Reply::Result(result),
        (None, None) => Reply::Nothing,
    }
}

fn answer(question: Question, reply: Reply<'_>, trust_rpc: bool) -> Result<Answer, DecodeError> {
    let result = match reply {
        Reply::Result(result) => result,
        Reply::Nothing => return Ok(Answer::NoBlock),
        Reply::Failed { code, message } => return Ok(Answer::Failed { code, message }),
    };
    let malformed = |error: serde_json::Error| DecodeError::Malformed(error.to_string());
    if question == Question::ChainId {
        let id: U64 = serde_json::from_str(result.get()).map_err(malformed)?;
        return Ok(Answer::ChainId(id.to()));
    }
    let hash = serde_json::from_str::<AnnouncedHash>(result.get())
        .map_err(malformed)?
        .hash;
    let header: Header = serde_json::from_str(result.get()).map_err(malformed)?;
    if !trust_rpc {
        let computed = header.hash_slow();
        if computed != hash {
            return Err(DecodeError::Malformed(format!(
                "header {} hashes to {computed}, not to the announced {hash}",
                header.number
            )));
        }
    }
    if let Question::Block(number) = question
        && number != header.number
    {
        let found = header.number;
        return Err(DecodeError::Malformed(format!(
            "block {found} instead of {number}"
        )));
    }
    let block = L1BlockRef {
        hash,
        number: header.number,
        parent_hash: header.parent_hash,
        timestamp: header.timestamp,
    };
    Ok(match question {
        Question::Latest => Answer::Head(block, Box::new(header.logs_bloom)),
        _ => Answer::Block(block),
    })
}

/// A young L1 has no safe or finalized block yet; each client says so in its own words.
fn is_no_block(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["block not found", "header not found", "unknown block"]
        .iter()
        .any(|words| message.contains(words))
}

/// HTML in place of JSON is so common (a proxy's error page) that it is named.
fn describe(body: &[u8], error: &serde_json::Error) -> String {
    match body.trim_ascii_start().first() {
        Some(b'<') => "html instead of json".to_owned(),
        None => "an empty body".to_owned(),
        Some(_) => error.to_string(),
    }
}

fn shorten(message: &str) -> String {
    foreign_text(message, MESSAGE_LIMIT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_primitives::b256;

    /// Block 1 of Ethereum mainnet, as an archive node answers it.
    const MAINNET_BLOCK_1: &str = r#"{
        "hash":"0x88e96d4537bea4d9c05d12549907b32561d3bf31f45aae734cdc119f13406cb6",
        "number":"0x1","timestamp":"0x55ba4224",
        "parentHash":"0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
        "sha3Uncles":"0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
        "miner":"0x05a56e2d52c817161883f50c441c3228cfe54d9f",
        "stateRoot":"0xd67e4d450343046425ae4271474353857ab860dbc0a1dde64b41b5cd3a532bf3",
        "transactionsRoot":"0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
        "receiptsRoot":"0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
        "logsBloom":"0xBLOOM","difficulty":"0x3ff800000","gasLimit":"0x1388","gasUsed":"0x0",
        "extraData":"0x476574682f76312e302e302f6c696e75782f676f312e342e32",
        "mixHash":"0x969b900de27b6ac6a67742365dd65f55a0526c41fd18e1b16f1a1215c2e66f59",
        "nonce":"0x539bd4979fef1ec4","size":"0x219","totalDifficulty":"0x7ff800000",
        "transactions":[],"uncles":[]}"#;

    fn block() -> String {
        MAINNET_BLOCK_1.replace("BLOOM", &"0".repeat(512))
    }

    fn one(result: &str) -> Vec<u8> {
        format!(r#"{{"jsonrpc":"2.0","id":0,"result":{result}}}"#).into_bytes()
    }

    #[test]
    fn a_true_header_is_recomputed_and_accepted() {
        let answers = decode(&one(&block()), &[Question::Block(1)], false).unwrap();
        let Answer::Block(block) = &answers[0] else {
            panic!("{answers:?}")
        };
        let hash = b256!("88e96d4537bea4d9c05d12549907b32561d3bf31f45aae734cdc119f13406cb6");
        assert_eq!((block.number, block.hash), (1, hash));
    }

    #[test]
    fn a_header_with_another_hash_is_refused_unless_the_endpoint_is_trusted() {
        let forged = block().replace("0x88e96d45", "0x88e96d46");
        let refused = decode(&one(&forged), &[Question::Latest], false);
        assert!(
            matches!(refused, Err(DecodeError::Malformed(_))),
            "{refused:?}"
        );
        assert!(decode(&one(&forged), &[Question::Latest], true).is_ok());
    }

    #[test]
    fn a_block_of_another_height_is_refused() {
        let refused = decode(&one(&block()), &[Question::Block(2)], false);
        assert_eq!(
            refused,
            Err(DecodeError::Malformed("block 1 instead of 2".to_owned()))
        );
    }

    #[test]
    fn null_and_every_client_s_words_for_no_block_mean_no_block() {
        let null = decode(&one("null"), &[Question::Safe], false).unwrap();
        assert_eq!(null, [Answer::NoBlock]);
        for words in ["safe block not found", "Header Not Found", "Unknown block"] {
            let body = format!(r#"{{"id":0,"error":{{"code":-39001,"message":"{words}"}}}}"#);
            let answers = decode(body.as_bytes(), &[Question::Safe], false).unwrap();
            assert_eq!(answers, [Answer::NoBlock]);
        }
    }

    #[test]
    fn bodies_that_are_no_answers_are_errors_and_never_panics() {
        let questions = [Question::Latest, Question::Safe];
        let whole = format!("[{0},{0}]", String::from_utf8(one(&block())).unwrap());
        for length in 0..whole.len() {
            assert!(decode(&whole.as_bytes()[..length], &questions, false).is_err());
        }
        for body in [
            "<html></html>",
            "[]",
            "{}",
            "[1,2]",
            "null",
            r#"[{"id":7,"result":null}]"#,
        ] {
            assert!(
                decode(body.as_bytes(), &questions, false).is_err(),
                "{body}"
            );
        }
    }

    #[test]
    fn one_error_for_a_whole_batch_is_that_error() {
        let body = br#"{"id":null,"error":{"code":-32600,"message":"batch\ntoo large"}}"#;
        let refused = decode(body, &[Question::Latest, Question::Safe], false);
        let message = r"batch\ntoo large".to_owned();
        assert_eq!(
            refused,
            Err(DecodeError::Rpc {
                code: -32600,
                message
            })
        );
    }
}
