//! What encodings hide: what the rows find in the text as a reader decodes it, and where that stands in the text.

use super::decoded::Decoded;
use super::fields::MASK;
use super::table::Severity;
use super::text::Span;
use super::{Redactor, Rules, leaf, names};
use crate::charge;
use std::borrow::Cow;

/// What is found in a decoded text: its type, the name before it, and what is stored in its place.
pub(super) struct Encoded {
    pub(super) kind: Cow<'static, str>,
    pub(super) severity: Severity,
    pub(super) name: String,
    pub(super) mask: String,
}

impl Redactor {
    /// What is found in the decoded text and not in `raw` itself: where that stands in `raw`, and what it is.
    pub(super) fn find_encoded(
        &self,
        raw: &str,
        rules: Rules,
        spans: &mut Vec<Span>,
    ) -> (Vec<Span>, Vec<Encoded>) {
        let mut all: Vec<(Span, Encoded)> = Vec::new();
        if let Some(decoded) = Decoded::of(raw) {
            self.find_decoded(raw, &decoded, rules, spans, &mut all);
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
            let name = text.get(span.start..span.kept).unwrap_or_default().to_owned();
            let same = raw.get(place.kept..place.end) == Some(&mask);
            if !same && charge::reserve(all, 1).is_ok() {
                all.push((place, Encoded { kind, severity, name, mask }));
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
}
