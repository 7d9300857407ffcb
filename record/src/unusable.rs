//! Why an item of a sender's cannot become a record.

use std::borrow::Cow;
use std::fmt;

/// What is wrong with one item, and where in it. Never holds a value: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Path of the field, e.g. `body.traceId`; empty for the item as a whole.
    pub field: Cow<'static, str>,
    /// What was expected there.
    pub what: Cow<'static, str>,
}

impl Unusable {
    #[must_use]
    pub fn new(field: impl Into<Cow<'static, str>>, what: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), what: what.into() }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.what)
        } else {
            write!(f, "{}: {}", self.field, self.what)
        }
    }
}

impl std::error::Error for Unusable {}
