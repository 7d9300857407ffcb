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
//! 7. if that changed anything, from 3. on again, until nothing changes: masking can bring out a
//!    number that ran into another one, and what is stored must be what masking it again would give.
//!
//! Everything is linear in the length of the text, whatever the text.

mod cap;
mod chars;
mod checks;
mod decoded;
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
pub(crate) use invisible::shows_nothing;
use probe::{Probe, Seen};
use std::borrow::Cow;
use table::Row;
use text::Span;

/// The most characters (code points) that a masked text keeps.
pub const MAX_TEXT: usize = 65_536;

/// How often a text is masked again because masking changed it. Two rounds are the usual; a text
/// that needs more than this keeps what the last round made of it.
const ROUNDS: usize = 8;

/// The characters of a match from which a finding's sample is made.
const SAMPLE: usize = 120;

/// The patterns, prepared. Made once; threads share it.
pub struct Redactor {
    probe: Probe,
    /// Whether names of words and issued ids are masked in free text as well.
    strict: bool,
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

/// What a row finds in a decoded text: the name before it, and what is stored in its place.
struct Encoded {
    row: &'static Row,
    name: String,
    mask: String,
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
        Self { probe: Probe::new(), strict: false }
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
        let visible = invisible::remove(kept);
        let mut spans = Vec::new();
        let Some(mut masked) = self.pass(&visible, rules, &mut spans) else {
            // Nothing to mask: then invisible characters may stay as well.
            return if withheld == 0 { Cow::Borrowed(raw) } else { Cow::Owned(cap::marked(kept, withheld)) };
        };
        for _ in 1..ROUNDS {
            // Masks can be longer than what they mask.
            let (kept, more) = cap::cut(self, &masked);
            withheld += more;
            match self.pass(&invisible::remove(kept), rules, &mut spans) {
                Some(again) => masked = again,
                None if more > 0 => masked.truncate(kept.len()),
                None => break,
            }
        }
        Cow::Owned(if withheld == 0 { masked } else { cap::marked(&masked, withheld) })
    }

    /// One round; `None` when it changes nothing.
    fn pass(&self, text: &str, rules: Rules, spans: &mut Vec<Span>) -> Option<String> {
        let seen = self.probe.look(text);
        if seen.no_rows() && !seen.encoded && !(seen.tokens && rules == Rules::Full) {
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
        let mut masked = text::apply(text, None, seen.reference().filter(wanted), spans, adjust);
        if rules == Rules::Full && seen.tokens {
            let left = masked.as_deref().unwrap_or(text);
            spans.clear();
            entropy::find(left, self.strict, spans);
            with_whole_tokens(left, spans);
            masked = text::replace(left, spans, entropy::mask).or(masked);
        }
        if rules == Rules::Reference {
            return masked;
        }
        let masked = text::apply(text, masked, seen.additions(), spans, adjust);
        if !seen.encoded {
            return masked;
        }
        let left = masked.as_deref().unwrap_or(text);
        let (places, shown) = self.find_encoded(left, rules, spans);
        text::replace_each(left, &places, &shown).or(masked)
    }

    /// What the rows find in the decoded text and not in `raw` itself: where that stands in `raw`, and what it is.
    fn find_encoded(&self, raw: &str, rules: Rules, spans: &mut Vec<Span>) -> (Vec<Span>, Vec<Encoded>) {
        let (mut places, mut shown): (Vec<Span>, Vec<Encoded>) = (Vec::new(), Vec::new());
        let Some(decoded) = decoded::Decoded::of(raw) else { return (places, shown) };
        let seen = self.probe.look(&decoded.text);
        let mut all: Vec<(Span, Encoded)> = Vec::new();
        let wanted = |row: &&Row| rules != Rules::Person || !names::CONTACT.contains(&row.name);
        // A password's name is left to the row of all credentials' names, which masks its value alone.
        let wanted = |row: &&Row| wanted(row) && row.name != "password";
        for row in seen.reference().chain(seen.additions()).filter(wanted) {
            spans.clear();
            (row.find)(&decoded.text, spans);
            for span in spans.iter().filter(|span| !leaf::part_of_name(&decoded.text, **span)) {
                let Some(place) = decoded.raw(*span, raw) else { continue };
                let mut mask = String::new();
                (row.mask)(decoded.text.get(span.kept..span.end).unwrap_or_default(), &mut mask);
                let name = decoded.text.get(span.start..span.kept).unwrap_or_default().to_owned();
                let same = raw.get(place.kept..place.end) == Some(&mask);
                if !same && charge::reserve(&mut all, 1).is_ok() {
                    all.push((place, Encoded { row, name, mask }));
                }
            }
        }
        all.sort_by_key(|(place, _)| place.start);
        let mut done = 0;
        for (place, what) in all {
            if place.start >= done {
                done = place.end;
                places.push(place);
                shown.push(what);
            }
        }
        (places, shown)
    }

    /// Adds what a free text holds to `out`.
    pub fn scan_text(&self, text: &str, out: &mut Findings) {
        self.find(text, Rules::Full, out);
    }

    fn find(&self, raw: &str, rules: Rules, out: &mut Findings) {
        let text = invisible::remove(raw);
        let seen = self.probe.look(&text);
        if seen.no_rows() && !seen.tokens && !seen.encoded {
            return;
        }
        let _passing = charge::passing();
        let (mut spans, mut known) = (Vec::new(), Vec::new());
        self.find_reference(&text, seen, &mut spans, &mut known, out);
        // What only a mask leaves of a token is masked as well, but no finding of its own.
        spans.clear();
        if seen.tokens && rules != Rules::Names {
            entropy::find(&text, self.strict, &mut spans);
        }
        if !spans.is_empty() {
            let adjust = |_: &Row, text: &str, spans: &mut Vec<Span>| {
                spans.retain(|span| !self.in_name(text, *span, false));
            };
            let masked = text::apply(&text, None, seen.reference(), &mut spans, adjust);
            let masked = masked.as_deref().unwrap_or(&text);
            let (kind, severity) = match rules {
                Rules::Full => ("high_entropy_secret", Severity::High),
                _ => ("high_entropy_path_value", Severity::Low),
            };
            spans.clear();
            entropy::find(masked, self.strict, &mut spans);
            for span in &spans {
                let mut sample = String::new();
                entropy::mask(masked.get(span.start..span.end).unwrap_or_default(), &mut sample);
                out.add(kind, severity, sample);
            }
        }
        self.find_additions(&text, seen, &mut spans, &known, out);
        if seen.encoded {
            for Encoded { row, name, mask } in self.find_encoded(&text, rules, &mut spans).1 {
                out.add(row.name, row.severity, self.sample(&(name + &mask)));
            }
        }
    }

    /// Adds what the reference's rows find, and lists in `known` where, for the additions.
    fn find_reference(
        &self,
        text: &str,
        seen: Seen,
        spans: &mut Vec<Span>,
        known: &mut Vec<(Severity, Span)>,
        out: &mut Findings,
    ) {
        let additions = seen.additions().next().is_some();
        self.find_rows(text, seen.reference(), spans, out, |row, spans| {
            if additions && charge::reserve(known, spans.len()).is_ok() {
                known.extend(spans.iter().map(|span| (row.severity, *span)));
            }
        });
    }

    /// Adds what the additions find outside of `known`: a secret is one finding, and a graver one is
    /// not left out for a lesser.
    fn find_additions(
        &self,
        text: &str,
        seen: Seen,
        spans: &mut Vec<Span>,
        known: &[(Severity, Span)],
        out: &mut Findings,
    ) {
        self.find_rows(text, seen.additions(), spans, out, |row, spans| {
            if charge::take(size_of_val(known)).is_err() {
                return;
            }
            let as_grave = known.iter().filter(|(severity, _)| *severity >= row.severity);
            let mut known = as_grave.map(|(_, span)| *span).collect();
            text::join(&mut known);
            text::keep_outside(spans, &known);
        });
    }

    fn find_rows(
        &self,
        text: &str,
        rows: impl Iterator<Item = &'static Row>,
        spans: &mut Vec<Span>,
        out: &mut Findings,
        mut found_by_row: impl FnMut(&'static Row, &mut Vec<Span>),
    ) {
        let mut known: Vec<String> = Vec::new();
        let mut sample = String::new();
        for row in rows {
            spans.clear();
            known.clear();
            (row.find)(text, spans);
            spans.retain(|span| !self.in_name(text, *span, false));
            found_by_row(row, spans);
            let mut last = "";
            for span in spans.iter() {
                let found = text.get(span.start..span.end).unwrap_or_default();
                if found == last {
                    continue;
                }
                last = found;
                sample.clear();
                // The password of a connection string may lie beyond a sample's length.
                let shown = if row.name == "db_conn" { found } else { chars::first(found, SAMPLE) };
                let kept = (span.kept - span.start).min(shown.len());
                let (kept, shown) = shown.split_at_checked(kept).unwrap_or(("", shown));
                sample.push_str(kept);
                (row.mask)(shown, &mut sample);
                // The same again makes the same finding.
                if known.contains(&sample) {
                    continue;
                }
                if !out.room_for(row.name) {
                    break;
                }
                out.add(row.name, row.severity, self.sample(&sample));
                if known.len() < MAX_PER_TYPE {
                    known.push(sample.clone());
                }
            }
        }
    }

    /// A sample as it is stored: cut, and masked as any free text, because what surrounds a secret in
    /// a match may be one too.
    fn sample(&self, sample: &str) -> String {
        self.text(chars::first(sample, SAMPLE)).into_owned()
    }
}
