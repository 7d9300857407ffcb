//! What can be wrong with a line, in words.

use std::fmt;

/// The rule that a line breaks, or nearly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A line that is not UTF-8.
    Utf8,
    /// A line that is not complete JSON: torn, truncated or too deeply nested.
    Json,
    /// A line, its `integrity`, `record_id` or `parent_id` is of the wrong type.
    Form,
    /// A field is missing or of a kind that schema 0.1 does not allow.
    Schema,
    /// A number that two JSON readers may hash differently.
    Number,
    /// A key twice in one object.
    RepeatedKey,
    /// A record id twice in one chain.
    RepeatedId,
    /// `integrity.prev_hash` is not the hash of the record before.
    PrevHash,
    /// `integrity.hash` is not the hash of the content.
    Hash,
    /// `ts` is earlier than the one before it.
    Time,
    /// `parent_id` names no earlier record of this chain.
    Parent,
}

/// What a broken rule means for the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// The chain does not verify.
    Fault,
    /// Worth a look; the chain verifies.
    Warning,
    Note,
}

impl Rule {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Json => "json",
            Self::Form => "form",
            Self::Schema => "schema",
            Self::Number => "number",
            Self::RepeatedKey => "repeated-key",
            Self::RepeatedId => "repeated-id",
            Self::PrevHash => "prev-hash",
            Self::Hash => "hash",
            Self::Time => "time",
            Self::Parent => "parent",
        }
    }

    #[must_use]
    pub fn gravity(self) -> Gravity {
        match self {
            Self::Time => Gravity::Warning,
            Self::Parent => Gravity::Note,
            _ => Gravity::Fault,
        }
    }
}

/// One finding about one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// From 1, counting blank lines too.
    pub line: u64,
    pub rule: Rule,
    /// The whole finding, in words.
    pub text: String,
    pub expected: Option<String>,
    pub found: Option<String>,
}

impl Issue {
    pub(super) fn new(line: u64, rule: Rule, text: impl Into<String>) -> Self {
        Self { line, rule, text: text.into(), expected: None, found: None }
    }

    pub(super) fn expecting(mut self, expected: impl Into<String>, found: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self.found = Some(found.into());
        self
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.rule.name(), self.text)?;
        if let (Some(expected), Some(found)) = (&self.expected, &self.found) {
            write!(f, " (expected {expected}, found {found})")?;
        }
        Ok(())
    }
}
