//! What was found, without the secret itself.

use super::Redactor;
use super::table::{self, Severity};
use crate::canon::write_str;
use std::borrow::Cow;

/// Findings of one type that a record keeps.
pub const MAX_PER_TYPE: usize = 25;

/// Personal data, by the types of its findings.
const PII: [&str; 5] = ["credit_card", "email", "iban", "phone", "ssn"];

/// One finding: `findings[]` of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// One of halod's, or the name of a pattern of the operator's.
    pub kind: Cow<'static, str>,
    pub severity: Severity,
    /// What was found, masked.
    pub sample: String,
}

/// The findings of one action, in the order of their discovery, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    pub(super) fn add(&mut self, kind: impl Into<Cow<'static, str>>, severity: Severity, sample: String) {
        let kind = kind.into();
        let mut same = 0;
        for finding in self.list.iter().filter(|finding| finding.kind == kind) {
            if finding.sample == sample {
                return;
            }
            same += 1;
        }
        if same < MAX_PER_TYPE {
            self.list.push(Finding { kind, severity, sample });
        }
    }

    /// Adds all of `others`, in their order.
    pub(super) fn extend(&mut self, others: Self) {
        others.list.into_iter().for_each(|found| self.add(found.kind, found.severity, found.sample));
    }

    /// Whether another finding of `kind` would be kept.
    pub(super) fn room_for(&self, kind: &str) -> bool {
        self.list.iter().filter(|finding| finding.kind == kind).count() < MAX_PER_TYPE
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter()
    }

    /// Forgets all, and keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// The worst of all: `severity` of the record.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.list.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Info)
    }

    /// `data.pii_types`: sorted, each once; nothing when there is no personal data.
    pub fn pii_types(&self) -> impl Iterator<Item = &'static str> {
        PII.into_iter().filter(|kind| self.list.iter().any(|finding| finding.kind == *kind))
    }

    /// Appends the array `findings` in canonical form; without samples where only hashes are kept.
    pub fn write(&self, samples: bool, out: &mut Vec<u8>) {
        out.push(b'[');
        for (at, finding) in self.list.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b",{" } else { b"{" });
            if samples {
                out.extend_from_slice(br#""sample":"#);
                write_str(&finding.sample, out);
                out.push(b',');
            }
            out.extend_from_slice(br#""severity":""#);
            out.extend_from_slice(finding.severity.name().as_bytes());
            out.extend_from_slice(br#"","type":""#);
            out.extend_from_slice(finding.kind.as_bytes());
            out.extend_from_slice(br#""}"#);
        }
        out.push(b']');
    }
}

impl Redactor {
    /// Adds to `findings` what was found before and kept by its kind. A kind that is not known here, from a later
    /// version or a pattern that is gone, is not less than a secret.
    pub fn add_known(&self, findings: &mut Findings, kind: &str, sample: String) {
        let known = || table::known(kind).map(|(kind, severity)| (Cow::Borrowed(kind), severity));
        let known = self.custom.known(kind).or_else(known);
        let (kind, severity) = known.unwrap_or((Cow::Borrowed(table::UNKNOWN), Severity::High));
        findings.add(kind, severity, sample);
    }
}
