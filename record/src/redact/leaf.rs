//! Walking a JSON value: the same rules leaf by leaf, with what the keys say of their values.

use super::fields::{self, credential_key, path_key, path_value};
use super::pattern::{number, people};
use super::text::Span;
use super::words::{id_key, issued, words};
use super::{Findings, Redactor, Rules, Severity, chars, table};
use crate::canon::write_str;
use crate::charge;
use crate::json::{Json, Limits, Text, parse_with};
use std::borrow::Cow;
use std::io::Write as _;

/// Containers inside each other that are looked into.
pub(super) const MAX_DEPTH: usize = 8;

/// What stands for a value that lies deeper.
pub(super) const DEEPER: &str = "\u{2026}";

const PATCH: &str = "*** Begin Patch";
const PATCH_FILES: [&str; 3] = ["*** Add File: ", "*** Update File: ", "*** Delete File: "];

/// The characters of a key that a finding's sample shows.
const KEY_SAMPLE: usize = 60;

/// Whether a match of `sk-` is a part of a name such as `task-...`: a letter or digit before it, and
/// nothing but words after it. Of 32 random characters, less than one in a million are words.
pub(super) fn part_of_name(text: &str, span: Span) -> bool {
    let found = text.get(span.start..span.end).unwrap_or_default();
    span.start > 0
        && chars::byte(text, span.start - 1).is_ascii_alphanumeric()
        && found
            .strip_prefix("sk-")
            .is_some_and(|rest| rest.as_bytes().split(|b| matches!(b, b'-' | b'_')).all(words))
}

/// What a value's place says of it.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    /// Nothing was found in the value: only what the findings leave out may have to be masked.
    clean: bool,
    /// It is the value of a path's field, or an item of it.
    path: bool,
    /// It is the value of a field for ids.
    id: bool,
    /// A number that is masked becomes a text, so that what comes of it is JSON. Elsewhere what comes of it is masked as
    /// a text.
    json: bool,
}

impl Place {
    fn top(clean: bool) -> Self {
        Self { depth: 0, clean, path: false, id: false, json: false }
    }
}

/// Whether a string may be JSON itself, as tool arguments often are.
fn is_framed(trimmed: &str) -> bool {
    (trimmed.starts_with('{') && trimmed.ends_with('}'))
        || (trimmed.starts_with('[') && trimmed.ends_with(']'))
}

/// A string that is itself JSON.
pub(super) fn nested(text: &str) -> Option<Json<'_>> {
    let trimmed = text.trim_ascii();
    if !is_framed(trimmed) {
        return None;
    }
    parse_with(trimmed, &Limits { depth: 64, ..Limits::EMBEDDED }).ok().map(|parsed| parsed.value)
}

pub(super) fn is_patch(text: &str) -> bool {
    memchr::memchr(b'*', text.as_bytes()).is_some() && text.contains(PATCH)
}

/// The parts of a patch: lines that name a file, and what is between them.
fn patch_parts(text: &str) -> impl Iterator<Item = (Option<&'static str>, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let header = |line: &str| PATCH_FILES.into_iter().find(|start| line.starts_with(start));
        if let Some(start) = header(rest) {
            let end = rest.find('\n').unwrap_or(rest.len());
            let (line, tail) = rest.split_at(end);
            rest = tail;
            return Some((Some(start), line));
        }
        let next = rest.match_indices('\n').map(|(at, _)| at + 1);
        let end = next.into_iter().find(|&at| rest.get(at..).is_some_and(|l| header(l).is_some()));
        let (part, tail) = rest.split_at(end.unwrap_or(rest.len()));
        rest = tail;
        Some((None, part))
    })
}

impl Redactor {
    /// Adds what a value holds to `out`: its strings, its keys, its numbers, credentials by their
    /// keys, and the same in strings that are JSON.
    pub fn scan(&self, value: &Json<'_>, out: &mut Findings) {
        self.scan_at(value, Place::top(false), out);
    }

    fn scan_at(&self, value: &Json<'_>, place: Place, out: &mut Findings) {
        if place.depth > MAX_DEPTH {
            return;
        }
        let inside = Place { depth: place.depth + 1, path: false, id: false, ..place };
        match value {
            Json::Str(text) => self.scan_leaf(&text.to_lossy(), place, out),
            // A number counts as a string inside it: one level deeper.
            Json::Int(number) if place.depth < MAX_DEPTH => {
                self.scan_number(&number.unsigned_abs().to_string(), out);
            }
            Json::BigInt(digits) if place.depth < MAX_DEPTH => {
                self.scan_number(digits.trim_start_matches('-'), out);
            }
            Json::Null | Json::Bool(_) | Json::Int(_) | Json::BigInt(_) | Json::Float(_) => {}
            Json::Array(items) => self.scan_items(items, place.path, inside, out),
            Json::Object(entries) => {
                let paired = fields::paired(entries);
                for (key, value) in entries {
                    let name = key.to_lossy();
                    if inside.depth <= MAX_DEPTH {
                        self.find(&name, Rules::Full, out);
                    }
                    let judged = fields::judged(&name, paired.as_deref());
                    if credential_key(judged) && fields::holds_credential(judged, value) {
                        let shown = self.text(judged);
                        let sample = format!("{}={}", chars::first(&shown, KEY_SAMPLE), fields::MASK);
                        out.add("credential_field", Severity::Critical, sample);
                    }
                    if let Some((kind, sample)) = fields::personal(judged, value) {
                        let severity = table::known(kind).map_or(Severity::High, |(_, severity)| severity);
                        out.add(kind, severity, sample);
                    }
                    let path = path_of(key, value);
                    match value {
                        // A list in a field is no level of its own.
                        Json::Array(items) => self.scan_items(items, path, inside, out),
                        Json::Str(_) => self.scan_at(value, Place { path, id: id_key(&name), ..inside }, out),
                        value => self.scan_at(value, Place { path, ..inside }, out),
                    }
                }
            }
        }
    }

    fn scan_items(&self, items: &[Json<'_>], paths: bool, inside: Place, out: &mut Findings) {
        for item in items {
            let path = paths && matches!(item, Json::Str(_));
            self.scan_at(item, Place { path, ..inside }, out);
        }
    }

    fn scan_leaf(&self, text: &str, place: Place, out: &mut Findings) {
        if is_patch(text) {
            for (header, part) in patch_parts(text) {
                let Some(start) = header else { continue };
                let path = part.get(start.len()..).unwrap_or_default();
                self.find(path, if path_value(path) { Rules::Patterns } else { Rules::Full }, out);
            }
            for (_, part) in patch_parts(text).filter(|(header, _)| header.is_none()) {
                self.find(part, Rules::Full, out);
            }
            return;
        }
        let rules = match place {
            Place { id: true, .. } if !self.strict && issued(text) => Rules::Names,
            Place { path: true, .. } if path_value(text) => Rules::Patterns,
            _ => Rules::Full,
        };
        self.find(text, rules, out);
        if !is_framed(text.trim_ascii()) {
            return;
        }
        let _passing = charge::passing();
        if let Some(value) = nested(text) {
            self.scan_at(&value, Place { depth: place.depth + 1, path: false, id: false, ..place }, out);
        }
    }

    /// The masked value as compact JSON.
    #[must_use]
    pub fn json(&self, value: &Json<'_>) -> String {
        let mut out = Vec::new();
        self.write_at(value, Place { json: true, ..Place::top(false) }, usize::MAX, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// Appends the compact JSON of the masked value to `out`, until that has `enough` bytes.
    pub(super) fn write(&self, value: &Json<'_>, clean: bool, enough: usize, out: &mut Vec<u8>) {
        self.write_at(value, Place::top(clean), enough, out);
    }

    fn write_at(&self, value: &Json<'_>, place: Place, enough: usize, out: &mut Vec<u8>) {
        if place.depth > MAX_DEPTH {
            write_str(DEEPER, out);
            return;
        }
        let inside = Place { depth: place.depth + 1, path: false, id: false, ..place };
        match value {
            Json::Null => out.extend_from_slice(b"null"),
            Json::Bool(true) => out.extend_from_slice(b"true"),
            Json::Bool(false) => out.extend_from_slice(b"false"),
            Json::Int(number) if place.json => self.write_number(&number.to_string(), out),
            Json::BigInt(digits) if place.json => self.write_number(digits, out),
            // Writing to a vector doesn't fail.
            Json::Int(number) => drop(write!(out, "{number}")),
            Json::BigInt(digits) => out.extend_from_slice(digits.as_bytes()),
            Json::Float(number) => write_float(*number, out),
            Json::Str(text) => {
                let text = text.to_lossy();
                let shown = self.shown(&text, place);
                let kept = if shown.len() <= enough { &*shown } else { cut(&shown, enough) };
                write_str(kept, out);
            }
            Json::Array(items) => {
                self.write_items(items, None, Place { path: place.path, ..inside }, enough, out);
            }
            Json::Object(entries) => self.write_object(entries, inside, enough, out),
        }
    }

    /// A number, or its mask as a text.
    fn write_number(&self, digits: &str, out: &mut Vec<u8>) {
        match self.named(digits) {
            masked if masked == digits => out.extend_from_slice(digits.as_bytes()),
            masked => drop(write_str(&masked, out)),
        }
    }

    fn write_object(
        &self,
        entries: &[(Text<'_>, Json<'_>)],
        inside: Place,
        enough: usize,
        out: &mut Vec<u8>,
    ) {
        out.push(b'{');
        let paired = fields::paired(entries);
        for (at, (key, value)) in entries.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            if out.len() > enough {
                break;
            }
            let name = key.to_lossy();
            // Keys as deep as this are no findings.
            let clean = inside.clean && inside.depth <= MAX_DEPTH;
            write_str(&if clean { Cow::Borrowed(&*name) } else { self.text(&name) }, out);
            out.push(b':');
            let judged = fields::judged(&name, paired.as_deref());
            let credential = credential_key(judged);
            let inside = Place { path: path_of(key, value), id: id_key(&name), ..inside };
            match value {
                value if credential && fields::credential_value(judged, value) => {
                    write_str(fields::MASK, out);
                }
                Json::Str(_) | Json::Int(_)
                    if !clean && let Some((_, mask)) = fields::personal(judged, value) =>
                {
                    write_str(&mask, out);
                }
                // A list in a field is no level of its own.
                Json::Array(items) => {
                    self.write_items(items, credential.then_some(judged), inside, enough, out);
                }
                value => self.write_at(value, inside, enough, out),
            }
        }
        out.push(b'}');
    }

    /// The items of a list; `credential` is the key of a credential's field.
    fn write_items(
        &self,
        items: &[Json<'_>],
        credential: Option<&str>,
        place: Place,
        enough: usize,
        out: &mut Vec<u8>,
    ) {
        out.push(b'[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            if out.len() > enough {
                break;
            }
            if credential.is_some_and(|key| fields::credential_value(key, item)) {
                write_str(fields::MASK, out);
            } else {
                let path = place.path && matches!(item, Json::Str(_));
                self.write_at(item, Place { path, ..place }, enough, out);
            }
        }
        out.push(b']');
    }

    fn shown<'t>(&self, text: &'t str, place: Place) -> Cow<'t, str> {
        // A patch is masked as a whole as well, and has findings only by its parts.
        if place.clean && !is_patch(text) {
            return Cow::Borrowed(text);
        }
        if place.id && !self.strict && issued(text) {
            return self.named(text);
        }
        self.leaf(text, place.depth, place.path)
    }

    /// A string of a value, masked by what it is: a patch, a path, JSON or free text.
    pub(super) fn leaf<'t>(&self, text: &'t str, depth: usize, path: bool) -> Cow<'t, str> {
        if is_patch(text) {
            return Cow::Owned(self.patch(text));
        }
        if path && path_value(text) {
            return self.mask(text, Rules::Patterns);
        }
        let masked = self.text(text);
        match nested(&masked) {
            Some(value) if depth < MAX_DEPTH => match self.nested_text(&value, depth, masked.len()) {
                // The same value, in other words, stays as it was written.
                Some(inner) => Cow::Owned(self.text(&inner).into_owned()),
                None => masked,
            },
            _ => self.unparsed(text, masked, depth),
        }
    }

    /// JSON whose masked text is no JSON any more (a masked number has no quotes) is masked leaf by
    /// leaf first. A key's armour can reach over several leaves: then the text stays as it is.
    fn unparsed<'t>(&self, text: &'t str, masked: Cow<'t, str>, depth: usize) -> Cow<'t, str> {
        if masked == text || depth >= MAX_DEPTH || text.contains("-----BEGIN") {
            return masked;
        }
        match nested(text).and_then(|value| self.nested_text(&value, depth, text.len())) {
            Some(inner) => Cow::Owned(self.text(&inner).into_owned()),
            None => masked,
        }
    }

    /// The masked text of JSON inside a string; `None` when there is nothing to mask in its leaves.
    fn nested_text(&self, value: &Json<'_>, depth: usize, length: usize) -> Option<String> {
        let mut findings = Findings::default();
        let place = Place { depth: depth + 1, ..Place::top(false) };
        self.scan_at(value, place, &mut findings);
        // What is written again is about as long as it was.
        if findings.is_empty() || charge::take(length.saturating_mul(2)).is_err() {
            return None;
        }
        let mut out = Vec::with_capacity(length);
        self.write_at(value, place, usize::MAX, &mut out);
        String::from_utf8(out).ok()
    }

    fn scan_number(&self, digits: &str, out: &mut Findings) {
        self.find_custom(digits, out);
        if digits.len() >= 13 && (number::card_number(digits) || people::card_number(digits)) {
            let mut sample = String::new();
            number::last_four("****", digits, &mut sample);
            out.add("credit_card", Severity::High, sample);
        }
    }

    fn patch(&self, text: &str) -> String {
        // First as a whole, because a match may reach over a line that names a file.
        let whole = self.mask(text, Rules::Reference);
        let mut out = String::with_capacity(whole.len());
        for (header, part) in patch_parts(&whole) {
            let path = header.and_then(|start| part.get(start.len()..)).filter(|path| path_value(path));
            out.push_str(&self.mask(part, if path.is_some() { Rules::Patterns } else { Rules::Full }));
        }
        out
    }
}

/// The beginning of a text, at most so many bytes.
#[cold]
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

/// Whether `value` is, or lists, the paths of a path's field.
fn path_of(key: &Text<'_>, value: &Json<'_>) -> bool {
    matches!(value, Json::Str(_) | Json::Array(_)) && path_key(key)
}

/// A number as JavaScript's `JSON.stringify` writes it.
fn write_float(number: f64, out: &mut Vec<u8>) {
    let size = number.abs();
    // Writing to a vector doesn't fail.
    let _ = if !number.is_finite() {
        write!(out, "null")
    } else if number == 0.0 {
        write!(out, "0")
    } else if !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        write!(out, "{}", if size >= 1e21 { text.replace('e', "e+") } else { text })
    } else {
        write!(out, "{number}")
    };
}
