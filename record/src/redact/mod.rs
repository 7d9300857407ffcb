//! Redaction: what a record may say of an action's content.
//!
//! Whatever the reference (`halo-record` 0.2.46) masks is masked here; [`table`] has its patterns and
//! the additions, `ARCHITECTURE.md` every place where the outcome differs on purpose. A text goes
//! through these steps:
//!
//! 1. `cap`: at most [`MAX_TEXT`] characters, cut outside of anything that could be a secret;
//! 2. `invisible`: invisible characters inside of what could be a secret go;
//! 3. `probe`: one scan tells which rows of the table can match;
//! 4. the reference's rows of those, in order, each on what the one before left;
//! 5. `entropy`: what still looks random, except in names from known fields, names of words and issued ids; then the rows that the
//!    reference doesn't have;
//! 6. `decoded`: the same rows on the text as a reader decodes it, where something in it is encoded;
//! 7. what the operator's own patterns match ([`custom`]), with all of whatever mask it reaches into, so that they mask
//!    nothing less because of the table, nor the table because of them;
//! 8. if that changed anything, from 3. on again, until nothing changes: masking can bring out a
//!    number that ran into another one, and what is stored must be what masking it again would give.
//!
//! Everything is linear in the length of the text, whatever the text.

mod base64;
mod cap;
mod chars;
mod checks;
pub mod custom;
mod decoded;
mod encoded;
mod entropy;
mod fields;
mod findings;
mod invisible;
mod leaf;
mod letters;
mod marks;
mod names;
mod numbers;
mod pattern;
mod probe;
mod scan;
mod skip;
mod summary;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use findings::{Finding, Findings, MAX_PER_TYPE};
pub use summary::MAX_SUMMARY;
pub use table::Severity;

use crate::charge;
use custom::Custom;
pub use invisible::{invisible, shows_nothing};
use probe::{Probe, Seen};
use std::borrow::Cow;
use table::Row;
use text::Span;

/// The most characters (code points) that a masked text keeps.
pub const MAX_TEXT: usize = 65_536;

/// How often a text is masked again because masking changed it. Two rounds are the usual; a text
/// that needs more than this keeps what the last round made of it.
const ROUNDS: usize = 8;

/// The patterns, prepared. Made once; threads share it.
pub struct Redactor {
    probe: Probe,
    /// Whether names of words and issued ids are masked in free text as well.
    strict: bool,
    /// The operator's own rules.
    custom: Custom,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new()
    }
}

/// Which rules apply to a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rules {
    /// All: free text.
    Full,
    /// The reference's patterns alone: what comes before other rules.
    Reference,
    /// Not the entropy rule: paths.
    Patterns,
    /// The same, and what is random is no finding either: names, and ids as their issuers write them.
    Names,
    /// As [`Rules::Names`], without the rows of addresses and phone numbers: people.
    Person,
}

/// Rows whose matches may reach into a token, and cut off the prefix by which it is known.
const NUMBERS: [&str; 4] = ["credit_card", "iban", "phone", "ssn"];

/// Lets each of `spans` cover all of a provider's token that it is a part of: the other parts may be
/// too short, or look like a hash.
fn with_whole_tokens(text: &str, spans: &mut Vec<Span>) {
    let random = spans.len();
    if random == 0 {
        return;
    }
    let _passing = charge::passing();
    pattern::extra::prefixed(text, spans);
    if spans.len() == random {
        return;
    }
    if charge::take(size_of_val(spans.as_slice())).is_err() {
        return;
    }
    let tokens = spans.split_off(random);
    let mut tokens = tokens.into_iter().peekable();
    let mut whole: Vec<Span> = Vec::with_capacity(random);
    for span in spans.iter() {
        let mut span = *span;
        while let Some(token) = tokens.next_if(|token| token.start < span.end) {
            if token.end > span.start {
                span = Span::new(span.start.min(token.start), span.end.max(token.end));
            }
        }
        match whole.last_mut().filter(|last| span.start < last.end) {
            Some(last) => last.end = last.end.max(span.end),
            None => whole.push(span),
        }
    }
    *spans = whole;
}

impl Redactor {
    #[must_use]
    pub fn new() -> Self {
        Self::with(Custom::default())
    }

    /// One that keeps to the operator's rules as well.
    #[must_use]
    pub fn with(custom: Custom) -> Self {
        Self { probe: Probe::new(), strict: false, custom }
    }

    /// One that masks in free text what looks random even if it is a name of words or an issued id, as the
    /// reference does: what is left of the differences to the reference is what this masks beyond it.
    #[must_use]
    pub fn strict() -> Self {
        Self { strict: true, ..Self::new() }
    }

    /// Whether a match of `sk-` is a part of a name and stays readable.
    fn in_name(&self, text: &str, span: Span, name: bool) -> bool {
        (name || !self.strict) && leaf::part_of_name(text, span)
    }

    /// Masks free text: every pattern and the entropy rule.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.mask(text, Rules::Full)
    }

    /// Masks a name that comes from a known field: a model, tool, agent, scope, path or id. The
    /// entropy rule doesn't apply, and such names stay readable.
    #[must_use]
    pub fn named<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.mask(text, Rules::Names)
    }

    fn mask<'t>(&self, raw: &'t str, rules: Rules) -> Cow<'t, str> {
        let (kept, mut withheld) = cap::cut(self, raw);
        let (visible, seen) = self.seen(kept);
        let mut spans = Vec::new();
        let Some(mut masked) = self.pass(&visible, seen, rules, &mut spans) else {
            // Nothing to mask: then invisible characters may stay as well.
            return if withheld == 0 { Cow::Borrowed(raw) } else { Cow::Owned(cap::marked(kept, withheld)) };
        };
        for _ in 1..ROUNDS {
            // Masks can be longer than what they mask.
            let (kept, more) = cap::cut(self, &masked);
            withheld += more;
            let (visible, seen) = self.seen(kept);
            match self.pass(&visible, seen, rules, &mut spans) {
                Some(again) => masked = again,
                None if more > 0 => masked.truncate(kept.len()),
                None => break,
            }
        }
        Cow::Owned(if withheld == 0 { masked } else { cap::marked(&masked, withheld) })
    }

    /// The text without invisible characters inside what could be a secret, and what it can hold.
    fn seen<'t>(&self, text: &'t str) -> (Cow<'t, str>, Seen) {
        if let Some(seen) = self.probe.glance(text) {
            return (Cow::Borrowed(text), seen);
        }
        let visible = invisible::visible(text);
        let seen = self.probe.look(&visible);
        (visible, seen)
    }

    /// One round; `None` when it changes nothing.
    fn pass(&self, text: &str, seen: Seen, rules: Rules, spans: &mut Vec<Span>) -> Option<String> {
        let mut own = if self.custom.has_patterns() { self.custom.masked(text) } else { Vec::new() };
        let masked = self.rows(text, seen, rules, spans, &mut own);
        if own.is_empty() {
            return masked;
        }
        text::join(&mut own);
        let left = masked.as_deref().unwrap_or(text);
        text::replace(left, &own, &mut [], |_, _, out| out.push_str(fields::MASK)).or(masked)
    }

    /// What the rows and the entropy rule make of a text; `own` are the places of the operator's patterns, which
    /// move along.
    fn rows(
        &self,
        text: &str,
        seen: Seen,
        rules: Rules,
        spans: &mut Vec<Span>,
        own: &mut [Span],
    ) -> Option<String> {
        if seen.no_rows() && !(seen.tokens && rules == Rules::Full) {
            return None;
        }
        let name = matches!(rules, Rules::Names | Rules::Person);
        let adjust = |row: &Row, text: &str, spans: &mut Vec<Span>| {
            spans.retain(|span| !self.in_name(text, *span, name));
            if NUMBERS.contains(&row.name) {
                with_whole_tokens(text, spans);
            }
        };
        let wanted = |row: &&Row| rules != Rules::Person || !names::CONTACT.contains(&row.name);
        let mut masked = text::apply(text, None, seen.reference().filter(wanted), spans, own, adjust);
        if rules == Rules::Full && seen.tokens {
            let left = masked.as_deref().unwrap_or(text);
            spans.clear();
            self.find_random(left, self.strict, spans);
            with_whole_tokens(left, spans);
            masked = text::replace(left, spans, own, |_, found, out| entropy::mask(found, out)).or(masked);
        }
        if rules == Rules::Reference {
            return masked;
        }
        let masked = text::apply(text, masked, seen.additions(), spans, own, adjust);
        if !seen.hides() {
            return masked;
        }
        let left = masked.as_deref().unwrap_or(text);
        let (places, shown) = self.find_encoded(left, seen, rules, spans);
        let mask = |at: usize, _: &str, out: &mut String| {
            out.push_str(shown.get(at).map_or(fields::MASK, |what| &what.mask));
        };
        text::replace(left, &places, own, mask).or(masked)
    }

    /// What looks random to the entropy rule, but for what the operator allows.
    fn find_random(&self, text: &str, strict: bool, spans: &mut Vec<Span>) {
        entropy::find(text, strict, spans);
        spans.retain(|span| !self.custom.allows(text.get(span.start..span.end).unwrap_or_default()));
    }
}
