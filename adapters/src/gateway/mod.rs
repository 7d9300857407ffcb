//! Access logs of gateways and reverse proxies: one line in, one request out.
//!
//! ```text
//! line ─ Reader ─▶ text (combined, HAProxy, Envoy, Traefik, ALB) or JSON, by the format ─▶ Row ─ Rules ─▶ Event
//! ```
//!
//! A [`Format`] is a program; whether it writes text or JSON is told line by line. Every line comes to
//! something that can be counted: an event, a request that is no agent's, a line that is no request, or
//! a reason why it cannot be read.

mod alb;
mod combined;
mod detect;
mod envoy;
mod event;
mod fields;
mod format;
mod haproxy;
mod ingress;
mod json;
mod litellm;
mod number;
mod path;
mod prefix;
mod row;
mod rules;
mod spec;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod traefik;

pub use detect::detect;
pub use format::Format;
pub(crate) use path::{authority, url as shown_url};
pub use prefix::{Part, PartOf, part};
pub use rules::Rules;
pub use spec::{BadSpec, Spec};

use crate::MAPPING;
use halod_record::charge::{self, Exhausted};
use halod_record::event::Event;
use halod_record::unusable::Unusable;
use std::borrow::Cow;

/// Where a line stands: what its record is identified by, and how a reader finds the line again.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// What the record calls the file.
    pub file: &'a str,
    /// What tells the file's content from every other one's, whatever it is called by now.
    pub identity: &'a [&'a str],
    /// Bytes before the line.
    pub offset: u64,
}

/// What one line is.
#[derive(Clone, Debug, PartialEq)]
pub enum Line<'a> {
    /// A request that an agent made.
    Event(Box<Event<'a>>),
    /// A request, but by the rules no agent's.
    Filtered,
    /// No request: a blank line, a program's banner, what it says of itself.
    Preamble,
}

/// Reads the lines of logs of one format by one set of rules.
#[derive(Debug)]
pub struct Reader {
    spec: Spec,
    rules: Rules,
}

impl Reader {
    #[must_use]
    pub fn new(spec: Spec, rules: Rules) -> Self {
        Self { spec, rules }
    }

    /// Reads a line, which has no line break at its end any more.
    ///
    /// # Errors
    /// What in the line is not as the format has it. Never a value: it may be a secret.
    pub fn line<'a>(&self, line: &'a [u8], place: &Place<'a>) -> Result<Line<'a>, Unusable> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(Line::Preamble);
        }
        let no_memory = |error: Exhausted| Unusable::new("", error.to_string());
        charge::take(COPIES * line.len()).map_err(no_memory)?;
        let (text, damaged) = match std::str::from_utf8(line) {
            Ok(text) => (Cow::Borrowed(text), false),
            Err(_) => {
                charge::take(DAMAGED * line.len()).map_err(no_memory)?;
                (String::from_utf8_lossy(line), true)
            }
        };
        let own = match text {
            Cow::Borrowed(text) => self.spec.unwrapped(text)?,
            Cow::Owned(text) => Cow::Owned(self.spec.unwrapped(&text)?.into_owned()),
        };
        let mut row = match own {
            Cow::Borrowed(text) => self.spec.row(text)?,
            // What was read from a copy cannot borrow from the line.
            Cow::Owned(text) => self.spec.row(&text)?.map(row::Row::into_owned),
        };
        if let Some(row) = &mut row {
            row.damaged |= damaged;
        }
        let Some(row) = row else { return Ok(Line::Preamble) };
        if row.bad_status {
            return Err(Unusable::new("status", "a number that is no HTTP status"));
        }
        let target = row.target();
        if !self.rules.agent(&row, &target) {
            return Ok(Line::Filtered);
        }
        Ok(Line::Event(Box::new(event::event(row, target, place, self.spec.format().name()))))
    }
}

/// How many bytes of copies of its texts a line's byte takes: in its row, in its event.
const COPIES: usize = 2;

/// How many one takes that is no UTF-8.
const DAMAGED: usize = 4;
