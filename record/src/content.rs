//! What a record says of an action's content: its hash, a masked summary, what was found in it.

use super::build::Builder;
use super::canon::write_str;
use super::hash;
use super::keyed::Hasher;
use super::redact::Findings;
use crate::event::{Digest, Status};
use crate::json::{Json, Text};
use std::borrow::Cow;

/// What an outcome is hashed and summarised from: as in the reference, an error wins over a result.
#[derive(Clone, Copy)]
pub(super) enum OutcomeContent<'e> {
    Result(&'e Json<'e>),
    Digest(&'e Digest),
    Error(&'e str),
}

impl Builder {
    /// Adds what is in an input to `findings`. The summary is none where only hashes are kept (`hash_only`).
    pub(super) fn input_summary(
        &self,
        value: &Json<'_>,
        hash_only: bool,
        findings: &mut Findings,
    ) -> Option<String> {
        if hash_only {
            self.redactor.scan(value, findings);
            return None;
        }
        Some(self.redactor.scan_and_summarise(value, findings).unwrap_or_default())
    }

    /// The same of a value that is known by its digest.
    pub(super) fn digested(
        &self,
        digest: &Digest,
        hash_only: bool,
        findings: &mut Findings,
    ) -> Option<String> {
        digest
            .findings
            .iter()
            .for_each(|found| self.redactor.add_known(findings, &found.kind, found.sample.clone()));
        digest.summary.clone().filter(|_| !hash_only)
    }

    /// The same of an outcome.
    pub(super) fn outcome_summary(
        &self,
        content: OutcomeContent<'_>,
        hash_only: bool,
        findings: &mut Findings,
    ) -> Option<String> {
        match content {
            OutcomeContent::Result(result) => {
                self.redactor.scan(result, findings);
                if hash_only { None } else { self.redactor.summary_outcome(result) }
            }
            OutcomeContent::Digest(digest) => self.digested(digest, hash_only, findings),
            OutcomeContent::Error(error) => {
                self.redactor.scan_text(error, findings);
                if hash_only { None } else { self.redactor.summary_text(error) }
            }
        }
    }
}

/// `action.input`, and a comma.
pub(super) fn input(line: &mut Vec<u8>, hasher: &Hasher, digest: &[u8; 32], summary: Option<&str>) {
    line.extend_from_slice(br#""input":{"hash":"#);
    hasher.write(digest, line);
    if let Some(summary) = summary {
        line.extend_from_slice(br#","summary":"#);
        write_str(summary, line);
    }
    line.extend_from_slice(b"},");
}

/// `outcome`, after a comma.
pub(super) fn outcome(
    line: &mut Vec<u8>,
    status: Status,
    (content, hasher): (Option<OutcomeContent<'_>>, &Hasher),
    summary: Option<&str>,
    scratch: &mut Vec<u8>,
) {
    line.extend_from_slice(br#","outcome":{"#);
    if let Some(content) = content {
        line.extend_from_slice(br#""hash":"#);
        match content {
            OutcomeContent::Result(result) => {
                hasher.write(&hash::input_hash_with(result, scratch).0, line);
            }
            OutcomeContent::Digest(digest) => hasher.write(&digest.hash, line),
            OutcomeContent::Error(error) => hasher.write(&error_hash(error, scratch), line),
        }
        line.push(b',');
    }
    if let Some(status) = status.word() {
        line.extend_from_slice(br#""status":""#);
        line.extend_from_slice(status.as_bytes());
        line.extend_from_slice(b"\",");
    }
    if let Some(summary) = summary {
        line.extend_from_slice(br#""summary":"#);
        write_str(summary, line);
        line.push(b',');
    }
    if line.last() == Some(&b',') {
        line.pop();
    }
    line.push(b'}');
}

/// As the reference derives it: an error is hashed as `{"error": text}`.
pub(super) fn error_hash(error: &str, scratch: &mut Vec<u8>) -> [u8; 32] {
    let error = Json::Str(Text::Utf8(Cow::Borrowed(error)));
    hash::input_hash_with(&Json::Object(vec![("error".into(), error)]), scratch).0
}
