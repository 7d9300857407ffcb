//! What a log asks of a witness, and what that answers (C2SP tlog-witness, "add-checkpoint").

use crate::Hash;
use crate::note::{NoteError, Signature, SignedNote, base64};
use data_encoding::BASE64;

/// Bytes of a request or an answer that are read.
pub const MAX_BYTES: usize = 64 << 10;

/// Hashes of a proof (tlog-witness, "add-checkpoint"): a tree has less than 2^63 leaves.
pub const MAX_PROOF: usize = 63;

/// The kind of the body that tells a size (tlog-witness, "add-checkpoint").
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// A checkpoint, and the proof that the one which the witness knows is its begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The size of the tree that the witness knows.
    pub old: u64,
    pub proof: Vec<Hash>,
    pub note: SignedNote,
}

/// Why something is no request or no answer of this protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("it is no request to a witness: {0}")]
    Request(&'static str),
    #[error("the answer of the witness is none of the protocol: {0}")]
    Answer(&'static str),
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// What a witness answers, by its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: lines of signatures; nothing of them is verified yet.
    Cosigned(Vec<Signature>),
    /// 409: the witness knows a tree of another size.
    Other(u64),
    /// 404: the witness has no key of this log.
    Unknown,
    /// 403: no signature is one of a key that the witness has of this log.
    Unsigned,
    /// 400: the witness does not understand the request.
    Malformed,
    /// 422: the checkpoint is no continuation of what the witness knows.
    Inconsistent,
    /// 408, 425, 429 and 5xx: the same request may be answered otherwise later.
    Later(u16),
}

/// A number as the protocol writes it: no sign, and no zero before it.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

impl Request {
    #[must_use]
    pub fn write(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| BASE64.encode(hash) + "\n").collect();
        format!("old {}\n{proof}\n{}", self.old, self.note)
    }

    /// # Errors
    /// It is no request, or too large a one.
    pub fn parse(bytes: &[u8]) -> Result<Self, WitnessError> {
        let wrong = WitnessError::Request;
        if bytes.len() > MAX_BYTES {
            return Err(WitnessError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or(wrong("no empty line ends the proof"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| number(line.strip_prefix("old ")?));
        let old = old.ok_or(wrong("its first line is not `old` and a size"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_PROOF {
                return Err(wrong("its proof has more than 63 hashes"));
            }
            let hash = base64(line).and_then(|hash| hash.try_into().ok());
            proof.push(hash.ok_or(wrong("a line of its proof is not 32 bytes in base64"))?);
        }
        Ok(Self { old, proof, note: SignedNote::parse(note)? })
    }
}

/// The body that tells the size of the tree which a witness knows.
#[must_use]
pub fn size_body(size: u64) -> String {
    format!("{size}\n")
}

impl Answer {
    /// Reads an answer by its status, the value of its `Content-Type` and its body.
    ///
    /// # Errors
    /// A witness would not answer so.
    pub fn parse(status: u16, content_type: Option<&str>, body: &[u8]) -> Result<Self, WitnessError> {
        let wrong = WitnessError::Answer;
        if body.len() > MAX_BYTES {
            return Err(WitnessError::TooLarge);
        }
        Ok(match status {
            200 => Self::Cosigned(signatures(body)?),
            400 => Self::Malformed,
            403 => Self::Unsigned,
            404 => Self::Unknown,
            408 | 425 | 429 | 500..=599 => Self::Later(status),
            409 => {
                let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
                if !kind.trim().eq_ignore_ascii_case(SIZE_TYPE) {
                    return Err(wrong("409 without the type text/x.tlog.size"));
                }
                let size = std::str::from_utf8(body).ok().and_then(|body| number(body.strip_suffix('\n')?));
                Self::Other(size.ok_or(wrong("409 without a size"))?)
            }
            422 => Self::Inconsistent,
            300..=399 => return Err(wrong("a redirect, which is not followed")),
            _ => return Err(wrong("a status that the protocol has not")),
        })
    }
}

/// One or more lines of signatures.
fn signatures(body: &[u8]) -> Result<Vec<Signature>, WitnessError> {
    let wrong = || WitnessError::Answer("200 without lines of signatures");
    let lines = std::str::from_utf8(body).ok().and_then(|body| body.strip_suffix('\n')).ok_or_else(wrong)?;
    let signatures: Result<Vec<_>, _> = lines.split('\n').map(Signature::parse).collect();
    signatures.map_err(|_| wrong())
}

#[cfg(test)]
#[path = "witness_tests.rs"]
mod tests;
