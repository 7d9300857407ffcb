//! Summaries: what a reader of the record sees of the content.

use super::fields::{self, MASK, credential_key, credential_value, path_key, path_value};
use super::leaf::{is_patch, nested};
use super::{Findings, Redactor, chars};
use crate::hash::dumps_float;
use crate::json::{Json, Text};
use std::borrow::Cow;

/// The most characters (code points) of a summary.
pub const MAX_SUMMARY: usize = 200;

/// The characters of a text that a summary is made from.
const WINDOW: usize = 8192;

/// Containers inside each other whose text is in a summary of an outcome.
const MAX_DEPTH: usize = 6;

/// Bytes after which nothing more of a value is needed: no window has more.
const ENOUGH: usize = WINDOW * 4;

impl Redactor {
    /// `action.input.summary`: compact JSON of the masked value, a plain string without its quotes;
    /// at most [`MAX_SUMMARY`] characters. `None` when there is nothing to say.
    #[must_use]
    pub fn summary_input(&self, value: &Json<'_>) -> Option<String> {
        self.summary(value, false)
    }

    /// [`Redactor::scan`] and [`Redactor::summary_input`] in one go: where nothing is found, which is
    /// the usual case, the summary doesn't look at the leaves again.
    #[must_use]
    pub fn scan_and_summarise(&self, value: &Json<'_>, out: &mut Findings) -> Option<String> {
        let mut found = Findings::default();
        self.scan(value, &mut found);
        let clean = found.is_empty();
        out.extend(found);
        self.summary(value, clean)
    }

    /// `clean` says that nothing was found in `value`.
    fn summary(&self, value: &Json<'_>, clean: bool) -> Option<String> {
        let text = match value {
            Json::Str(text) => {
                let text = text.to_lossy();
                let masked = if clean && !is_patch(&text) {
                    text
                } else {
                    Cow::Owned(self.leaf(&text, 0, false).into_owned())
                };
                if masked.len() <= WINDOW {
                    return shorten(&masked);
                }
                masked
            }
            value => {
                let mut out = Vec::with_capacity(256);
                self.write(value, clean, ENOUGH, &mut out);
                Cow::Owned(String::from_utf8(out).ok()?)
            }
        };
        // Once more as text: a number that is a card's, and what only the whole shows.
        let masked = self.mask(window(&text), super::Rules::Patterns);
        shorten(&masked)
    }

    /// `outcome.summary`: the text of all leaves, joined by blanks as the reference joins them, masked.
    #[must_use]
    pub fn summary_outcome(&self, value: &Json<'_>) -> Option<String> {
        let mut text = String::new();
        self.join(value, 0, &mut text);
        self.summary_text(&text)
    }

    /// The summary of plain text, such as an error's.
    #[must_use]
    pub fn summary_text(&self, text: &str) -> Option<String> {
        shorten(&self.text(window(text)))
    }

    /// Appends the text of a value's leaves; returns whether there was any value.
    fn join(&self, value: &Json<'_>, depth: usize, out: &mut String) {
        if depth > MAX_DEPTH || out.len() > ENOUGH {
            return;
        }
        match value {
            Json::Null => {}
            Json::Bool(true) => out.push_str("True"),
            Json::Bool(false) => out.push_str("False"),
            Json::Int(number) => out.push_str(&number.to_string()),
            Json::BigInt(digits) => out.push_str(digits),
            Json::Float(number) => out.push_str(&python_float(*number)),
            Json::Str(text) => {
                let text = self.inner(text, depth);
                out.push_str(text.get(..text.floor_char_boundary(ENOUGH)).unwrap_or_default());
            }
            Json::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(' ');
                    }
                    if out.len() > ENOUGH {
                        return;
                    }
                    self.join(item, depth + 1, out);
                }
            }
            Json::Object(entries) => {
                let start = out.len();
                let paired = fields::paired(entries);
                for (key, value) in entries {
                    let before = out.len();
                    if before > start {
                        out.push(' ');
                    }
                    let from = out.len();
                    self.join_entry(key, value, paired.as_deref(), depth, out);
                    if out.len() == from {
                        out.truncate(before);
                    }
                }
            }
        }
    }

    fn join_entry(
        &self,
        key: &Text<'_>,
        value: &Json<'_>,
        paired: Option<&str>,
        depth: usize,
        out: &mut String,
    ) {
        let path = path_key(key);
        let name = key.to_lossy();
        let name = fields::judged(&name, paired);
        let credential = credential_key(name);
        match value {
            value if credential && credential_value(name, value) && value.as_str() != Some(MASK) => {
                out.push_str(MASK);
            }
            value if path && is_path(value) => {}
            Json::Str(_) | Json::Int(_) if let Some((_, mask)) = fields::personal(name, value) => {
                out.push_str(&mask);
            }
            Json::Array(items) if (credential || path) && depth < MAX_DEPTH => {
                for (at, item) in items.iter().filter(|item| !(path && is_path(item))).enumerate() {
                    if at > 0 {
                        out.push(' ');
                    }
                    if credential && depth + 2 <= MAX_DEPTH && credential_value(name, item) {
                        out.push_str(MASK);
                    } else {
                        self.join(item, depth + 2, out);
                    }
                }
            }
            value => self.join(value, depth + 1, out),
        }
    }

    /// The text of a string: as it is, unless it is JSON with credentials in it.
    fn inner<'t>(&self, text: &'t Text<'_>, depth: usize) -> Cow<'t, str> {
        let text = text.to_lossy();
        if nested(&text).is_some() {
            return Cow::Owned(self.leaf(&text, depth, false).into_owned());
        }
        text
    }
}

/// A path says nothing of an outcome.
fn is_path(value: &Json<'_>) -> bool {
    matches!(value, Json::Str(text) if path_value(&text.to_lossy()))
}

/// The first [`WINDOW`] characters, cut at a blank where one is in the second half.
fn window(text: &str) -> &str {
    let head = chars::first(text, WINDOW);
    if head.len() == text.len() {
        return text;
    }
    let half = chars::first(text, WINDOW / 2).len();
    let end = head.rfind([' ', '\n', '\t']).filter(|&at| at > half).unwrap_or(head.len());
    text.get(..end).unwrap_or(head)
}

fn shorten(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| chars::first(text, MAX_SUMMARY).to_owned())
}

/// A float as Python's `str` writes it.
fn python_float(number: f64) -> String {
    if !number.is_finite() {
        // `nan`, `inf`: not as in JSON.
        return number.to_string().to_ascii_lowercase();
    }
    let mut digits = Vec::new();
    dumps_float(number, &mut digits);
    String::from_utf8(digits).unwrap_or_default()
}
