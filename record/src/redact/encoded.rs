//! What encodings hide: what the rows find in the text as a reader decodes it, and where that stands in the text.

use super::decoded::Decoded;
use super::fields::MASK;
use super::probe::Seen;
use super::table::Severity;
use super::text::Span;
use super::{Redactor, Rules, base64, leaf, names};
use crate::charge;
use std::borrow::Cow;

/// What is found in a decoded text: its type, how a finding shows it, and what is stored in its place.
pub(super) struct Encoded {
    pub(super) kind: Cow<'static, str>,
    pub(super) severity: Severity,
    pub(super) sample: String,
    pub(super) mask: String,
}

impl Redactor {
    /// What is found in the decoded text and not in `raw` itself: where that stands in `raw`, and what it is.
    pub(super) fn find_encoded(
        &self,
        raw: &str,
        seen: Seen,
        rules: Rules,
        spans: &mut Vec<Span>,
    ) -> (Vec<Span>, Vec<Encoded>) {
        let mut all: Vec<(Span, Encoded)> = Vec::new();
        if seen.encoded
            && let Some(decoded) = Decoded::of(raw)
        {
            self.find_decoded(raw, &decoded, rules, spans, &mut all);
        }
        if seen.base64 {
            self.find_base64(raw, spans, &mut all);
        }
        all.sort_by_key(|(place, _)| place.start);
        let (mut places, mut shown, mut done) = (Vec::new(), Vec::new(), 0);
        for (place, what) in all {
            if place.start >= done {
                done = place.end;
                places.push(place);
                shown.push(what);
            }
        }
        (places, shown)
    }

    fn find_decoded(
        &self,
        raw: &str,
        decoded: &Decoded,
        rules: Rules,
        spans: &mut Vec<Span>,
        all: &mut Vec<(Span, Encoded)>,
    ) {
        let text = &decoded.text;
        let mut add = |span: &Span, kind: Cow<'static, str>, severity: Severity, mask: String| {
            let Some(place) = decoded.raw(*span, raw) else { return };
            let sample = [text.get(span.start..span.kept).unwrap_or_default(), &mask].concat();
            let same = raw.get(place.kept..place.end) == Some(&mask);
            if !same && charge::reserve(all, 1).is_ok() {
                all.push((place, Encoded { kind, severity, sample, mask }));
            }
        };
        self.custom.find(text, |pattern, found| {
            for span in found {
                add(span, Cow::Owned(pattern.name().to_owned()), pattern.severity(), MASK.to_owned());
            }
        });
        let seen = self.probe.look(text);
        // A password's name is left to the row of all credentials' names, which masks its value alone.
        let wanted = |name| name != "password" && (rules != Rules::Person || !names::CONTACT.contains(&name));
        for row in seen.reference().chain(seen.additions()).filter(|row| wanted(row.name)) {
            spans.clear();
            (row.find)(text, spans);
            for span in spans.iter().filter(|span| !leaf::part_of_name(text, **span)) {
                let mut mask = String::new();
                (row.mask)(text.get(span.kept..span.end).unwrap_or_default(), &mut mask);
                add(span, Cow::Borrowed(row.name), row.severity, mask);
            }
        }
    }

    /// Runs of base64 that are a user's name and password, or JSON that holds a finding.
    fn find_base64(&self, raw: &str, spans: &mut Vec<Span>, all: &mut Vec<(Span, Encoded)>) {
        base64::find(raw, |place, decoded| {
            let found = match decoded {
                // What a header says is a finding of its row.
                base64::Decoded::Password(_) if after_basic(raw, place.start) => None,
                base64::Decoded::Password(user) => Some(Encoded {
                    kind: Cow::Borrowed("basic_auth"),
                    severity: Severity::Critical,
                    sample: [&user, ":", MASK].concat(),
                    mask: MASK.to_owned(),
                }),
                base64::Decoded::Json(text) => self.gravest(&text, spans),
            };
            if let Some(found) = found
                && charge::reserve(all, 1).is_ok()
            {
                all.push((Span::new(place.start, place.end), found));
            }
        });
    }

    /// The gravest of what the rows find in a text that is masked as a whole.
    fn gravest(&self, text: &str, spans: &mut Vec<Span>) -> Option<Encoded> {
        if charge::take(text.len()).is_err() {
            return None;
        }
        let mut gravest: Option<Encoded> = None;
        let mut keep = |span: &Span, kind: Cow<'static, str>, severity: Severity, shown: &str| {
            if gravest.as_ref().is_none_or(|known| severity > known.severity) {
                let sample = [text.get(span.start..span.kept).unwrap_or_default(), shown].concat();
                gravest = Some(Encoded { kind, severity, sample, mask: MASK.to_owned() });
            }
        };
        self.custom.find(text, |pattern, found| {
            if let Some(span) = found.first() {
                keep(span, Cow::Owned(pattern.name().to_owned()), pattern.severity(), MASK);
            }
        });
        let seen = self.probe.look(text);
        for row in seen.reference().chain(seen.additions()) {
            spans.clear();
            (row.find)(text, spans);
            spans.retain(|span| !leaf::part_of_name(text, *span));
            if let Some(span) = spans.first() {
                let mut shown = String::new();
                (row.mask)(text.get(span.kept..span.end).unwrap_or_default(), &mut shown);
                keep(span, Cow::Borrowed(row.name), row.severity, &shown);
            }
        }
        gravest
    }
}

/// Whether the name of the scheme stands before `at`.
fn after_basic(text: &str, at: usize) -> bool {
    let head = text.get(..at).unwrap_or_default().trim_end_matches(' ');
    head.len() < at
        && head.get(head.len().saturating_sub(5)..).is_some_and(|word| word.eq_ignore_ascii_case("basic"))
}
