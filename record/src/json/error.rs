//! What is wrong with a text that is not JSON, and where.

use crate::charge::Exhausted;
use std::fmt;

/// Why a text is not JSON (or not within the limits), and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at line {line} column {column} (byte {offset})")]
pub struct ParseError {
    pub problem: Problem,
    /// Bytes from the start of the text.
    pub offset: usize,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    ExpectedValue,
    ExpectedKey,
    ExpectedColon,
    ExpectedCommaOrEnd,
    UnterminatedString,
    ControlCharacter,
    BadEscape,
    ExtraData,
    TooDeep {
        limit: usize,
    },
    IntegerTooLong {
        limit: usize,
    },
    TooMany {
        limit: usize,
    },
    /// There is no memory for the value ([`crate::charge`]), whatever the text.
    Exhausted,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpectedValue => f.write_str("expected a value"),
            Self::ExpectedKey => f.write_str("expected a key in double quotes"),
            Self::ExpectedColon => f.write_str("expected ':' after a key"),
            Self::ExpectedCommaOrEnd => f.write_str("expected ',' or the closing bracket"),
            Self::UnterminatedString => f.write_str("a string without its closing quote"),
            Self::ControlCharacter => f.write_str("a raw control character inside a string"),
            Self::BadEscape => f.write_str("an invalid escape sequence"),
            Self::ExtraData => f.write_str("unexpected text after the value"),
            Self::TooDeep { limit } => write!(f, "nested more than {limit} levels deep"),
            Self::IntegerTooLong { limit } => write!(f, "an integer of more than {limit} digits"),
            Self::TooMany { limit } => write!(f, "more than {limit} items or values"),
            Self::Exhausted => Exhausted.fmt(f),
        }
    }
}

impl ParseError {
    pub(super) fn new(problem: Problem, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1;
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        Self { problem, offset, line, column }
    }
}
