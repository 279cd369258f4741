//! A signer behind JSON-RPC: op-signer and those that speak like it. It is told the hash of a block and never the block. What it
//! answers is held against its account before anybody sees it: a signature of somebody else would have peers blame us.

use crate::{
    config::RemoteSigner,
    signature::{self, SIGNATURE_LEN},
};
use alloy_primitives::{Address, B256, hex};
use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{Certificate, Client, Identity, redirect::Policy};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{fs, io, path::PathBuf, time::Duration};
use thiserror::Error;

/// Time for the question whether it is there, as op-node gives it.
const STATUS_DEADLINE: Duration = Duration::from_secs(3);
/// Longest answer: a signature, or an error in words.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Characters of the signer's own words that go into a log.
const WORDS_MAX: usize = 200;

/// Why a remote signer cannot be talked with.
#[derive(Debug, Error)]
pub enum RemoteSignerConfigError {
    /// A certificate or key cannot be read.
    #[error("cannot read {} for the block signer", path.display())]
    Read {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is none.
    #[error("{} is no PEM file of what the block signer needs", path.display())]
    Pem {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: reqwest::Error,
    },
    /// No client can be made of it.
    #[error("the TLS settings of the block signer are refused")]
    Tls(#[source] reqwest::Error),
}

/// Why there is no signature.
#[derive(Debug, Error)]
pub(crate) enum RemoteSignerError {
    /// It did not answer.
    #[error("the block signer does not answer")]
    Unreachable(#[source] reqwest::Error),
    /// It, or something before it, answered with an HTTP error.
    #[error("the block signer answers with HTTP status {status}")]
    Status {
        /// Which.
        status: u16,
    },
    /// It refused.
    #[error("the block signer refuses: {message} (code {code})")]
    Refused {
        /// Of JSON-RPC.
        code: i64,
        /// In its words.
        message: String,
    },
    /// The answer is too long, no JSON, or not what was asked for.
    #[error("the block signer's answer is none")]
    NoAnswer,
    /// What it gave is no signature.
    #[error("the block signer's signature is none: {0}")]
    NoSignature(#[from] signature::SignatureError),
    /// It signed with another key than it was asked to.
    #[error("the block signer signed as {signer} and not as {expected}")]
    OtherAccount {
        /// Who signed.
        signer: Address,
        /// Who should have.
        expected: Address,
    },
    /// The certificates were read anew after a failure, and are bad now.
    #[error(transparent)]
    Config(#[from] RemoteSignerConfigError),
}

/// The client of a remote signer.
pub(crate) struct RemoteSignerClient {
    config: RemoteSigner,
    l2_chain_id: u64,
    http: Client,
    /// The last call failed; certificates may have been renewed since they were read.
    is_failing: bool,
}

#[derive(Deserialize)]
struct Answer {
    result: Option<Value>,
    error: Option<RefusalJson>,
}

#[derive(Deserialize)]
struct RefusalJson {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

impl RemoteSignerClient {
    /// Reads the certificates. Nothing is sent.
    ///
    /// # Errors
    /// [`RemoteSignerConfigError`].
    pub(crate) fn new(
        config: RemoteSigner,
        l2_chain_id: u64,
    ) -> Result<Self, RemoteSignerConfigError> {
        Ok(Self {
            http: client(&config)?,
            config,
            l2_chain_id,
            is_failing: false,
        })
    }

    /// Asks whether it is there; it answers with its version.
    ///
    /// # Errors
    /// [`RemoteSignerError`].
    pub(crate) async fn status(&self) -> Result<String, RemoteSignerError> {
        let asked = self
            .call("health_status", json!([]), STATUS_DEADLINE)
            .await?;
        asked
            .as_str()
            .map(in_few_words)
            .ok_or(RemoteSignerError::NoAnswer)
    }

    /// Has a block signed, by the hash of the signed part of its frame.
    ///
    /// # Errors
    /// [`RemoteSignerError`].
    pub(crate) async fn sign(
        &mut self,
        payload_hash: B256,
        deadline: Duration,
    ) -> Result<[u8; SIGNATURE_LEN], RemoteSignerError> {
        if self.is_failing {
            self.http = client(&self.config)?;
        }
        let signed = self.sign_once(payload_hash, deadline).await;
        self.is_failing = signed.is_err();
        signed
    }

    async fn sign_once(
        &self,
        payload_hash: B256,
        deadline: Duration,
    ) -> Result<[u8; SIGNATURE_LEN], RemoteSignerError> {
        // The shapes of a Go server: fixed bytes as a list of numbers, others in base64.
        let arguments = json!([{
            "domain": B256::ZERO.0,
            "chainId": self.l2_chain_id,
            "payloadHash": BASE64_STANDARD.encode(payload_hash),
            "senderAddress": self.config.address,
        }]);
        let answer = self
            .call("opsigner_signBlockPayload", arguments, deadline)
            .await?;
        let signature = signature_of(&answer).ok_or(RemoteSignerError::NoAnswer)?;
        let digest = signature::digest(self.l2_chain_id, payload_hash);
        let signer = signature::recover(&signature, digest)?;
        if signer != self.config.address {
            return Err(RemoteSignerError::OtherAccount {
                signer,
                expected: self.config.address,
            });
        }
        Ok(signature)
    }

    async fn call(
        &self,
        method: &str,
        params: Value,
        deadline: Duration,
    ) -> Result<Value, RemoteSignerError> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = self.http.post(self.config.endpoint.clone());
        let sent = request.timeout(deadline).json(&body).send().await;
        let mut response = sent.map_err(unreachable)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(RemoteSignerError::NoAnswer);
            }
            bytes.extend_from_slice(&chunk);
        }
        // A refusal may come with an HTTP error, and says more than it.
        match serde_json::from_slice::<Answer>(&bytes) {
            Ok(Answer {
                error: Some(refusal),
                ..
            }) => Err(RemoteSignerError::Refused {
                code: refusal.code,
                message: in_few_words(&refusal.message),
            }),
            _ if !status.is_success() => Err(RemoteSignerError::Status {
                status: status.as_u16(),
            }),
            Ok(Answer {
                result: Some(result),
                ..
            }) => Ok(result),
            _ => Err(RemoteSignerError::NoAnswer),
        }
    }
}

/// The address may hold a password, and the error would tell it.
fn unreachable(error: reqwest::Error) -> RemoteSignerError {
    RemoteSignerError::Unreachable(error.without_url())
}

/// 65 bytes in hex, as they are or in an object; some signers give the recovery id as Ethereum's transactions had it.
fn signature_of(answer: &Value) -> Option<[u8; SIGNATURE_LEN]> {
    let text = answer
        .as_str()
        .or_else(|| answer.get("signature")?.as_str())?;
    let bytes = hex::decode(text).ok()?;
    let mut signature: [u8; SIGNATURE_LEN] = bytes.try_into().ok()?;
    if let recovery_id @ 27..=28 = signature[64] {
        signature[64] = recovery_id - 27;
    }
    Some(signature)
}

fn in_few_words(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(WORDS_MAX)
        .collect()
}

fn client(config: &RemoteSigner) -> Result<Client, RemoteSignerConfigError> {
    let mut builder = Client::builder().redirect(Policy::none()).no_proxy();
    if let Some(path) = &config.ca_path {
        let certificates = Certificate::from_pem_bundle(&read(path)?).map_err(|source| {
            RemoteSignerConfigError::Pem {
                path: path.clone(),
                source,
            }
        })?;
        builder = builder.tls_certs_only(certificates);
    }
    if let Some((certificate, key)) = &config.identity {
        let mut pem = read(certificate)?;
        pem.push(b'\n');
        pem.extend_from_slice(&zeroize::Zeroizing::new(read(key)?));
        let identity = Identity::from_pem(&zeroize::Zeroizing::new(pem));
        let identity = identity.map_err(|source| RemoteSignerConfigError::Pem {
            path: certificate.clone(),
            source,
        })?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(RemoteSignerConfigError::Tls)
}

fn read(path: &PathBuf) -> Result<Vec<u8>, RemoteSignerConfigError> {
    fs::read(path).map_err(|source| RemoteSignerConfigError::Read {
        path: path.clone(),
        source,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
