//! What a text holds, as findings.

use super::encoded::Encoded;
use super::fields::MASK;
use super::findings::{Findings, MAX_PER_TYPE};
use super::probe::Seen;
use super::table::{Row, Severity};
use super::text::{self, Span};
use super::{Redactor, Rules, chars, entropy};
use crate::charge;
use std::borrow::Cow;

/// The characters of a match from which a finding's sample is made.
const SAMPLE: usize = 120;

/// Matches of one of the operator's patterns of which samples are made: most are the same.
const MOST_LOOKED_AT: usize = 1000;

impl Redactor {
    /// Adds what a free text holds to `out`.
    pub fn scan_text(&self, text: &str, out: &mut Findings) {
        self.find(text, Rules::Full, out);
    }

    pub(super) fn find(&self, raw: &str, rules: Rules, out: &mut Findings) {
        let (text, seen) = self.seen(raw);
        self.find_custom(&text, out);
        if seen.no_rows() && !seen.tokens {
            return;
        }
        let _passing = charge::passing();
        let (mut spans, mut known) = (Vec::new(), Vec::new());
        self.find_reference(&text, seen, &mut spans, &mut known, out);
        // What only a mask leaves of a token is masked as well, but no finding of its own.
        spans.clear();
        if seen.tokens && rules != Rules::Names {
            self.find_random(&text, self.strict, &mut spans);
        }
        if !spans.is_empty() {
            let adjust = |_: &Row, text: &str, spans: &mut Vec<Span>| {
                spans.retain(|span| !self.in_name(text, *span, false));
            };
            let masked = text::apply(&text, None, seen.reference(), &mut spans, &mut [], adjust);
            let masked = masked.as_deref().unwrap_or(&text);
            let (kind, severity) = match rules {
                Rules::Full => ("high_entropy_secret", Severity::High),
                _ => ("high_entropy_path_value", Severity::Low),
            };
            spans.clear();
            self.find_random(masked, self.strict, &mut spans);
            for span in &spans {
                let mut sample = String::new();
                entropy::mask(masked.get(span.start..span.end).unwrap_or_default(), &mut sample);
                out.add(kind, severity, sample);
            }
        }
        self.find_additions(&text, seen, &mut spans, &known, out);
        if seen.hides() {
            // The same again makes the same finding.
            let mut known: Vec<(Cow<'static, str>, String)> = Vec::new();
            for Encoded { kind, severity, sample, .. } in self.find_encoded(&text, seen, rules, &mut spans).1
            {
                let same = known.iter().any(|(of, shown)| *of == kind && *shown == sample);
                if !same && out.room_for(&kind) {
                    out.add(kind.clone(), severity, self.sample(&sample));
                    known.push((kind, sample));
                }
            }
        }
    }

    /// Adds what the operator's patterns match. All are findings, also those that another row finds: their names are
    /// those by which the operator looks for them.
    #[inline]
    pub(super) fn find_custom(&self, text: &str, out: &mut Findings) {
        if self.custom.has_patterns() {
            self.find_patterns(text, out);
        }
    }

    #[inline(never)]
    fn find_patterns(&self, text: &str, out: &mut Findings) {
        let _passing = charge::passing();
        self.custom.find(text, |pattern, spans| {
            for span in spans.iter().take(MOST_LOOKED_AT) {
                if !out.room_for(pattern.name()) {
                    break;
                }
                // Masked before it is cut: what is left of a secret is not known for one.
                let before = self.text(text.get(span.start..span.kept).unwrap_or_default());
                let sample = [chars::first(&before, SAMPLE / 2), MASK].concat();
                out.add(pattern.name().to_owned(), pattern.severity(), self.sample(&sample));
            }
        });
    }

    /// Adds what the reference's rows find, and lists in `known` where, for the additions.
    pub(super) fn find_reference(
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
    pub(super) fn find_additions(
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
