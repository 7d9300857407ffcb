//! One chunk's lines by themselves: everything that needs no other line.

use super::canonical::{self, Sound};
use super::ids::Key;
use super::issue::{Issue, Rule};
use crate::hash::parse_hex;
use crate::json::Json;
use crate::lines::Chunk;
use crate::parse::Stored;
use crate::schema::{self, Violation};
use crate::time::{self, Instant};

/// What linking needs of a chunk.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) lines: Vec<Line>,
    /// In order of lines.
    pub(super) issues: Vec<Issue>,
    /// Faults that are counted and not told.
    pub(super) untold: u64,
}

/// One line that is not blank.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) link: Link,
    pub(super) time: Option<Instant>,
    pub(super) id: Option<Key>,
    pub(super) parent: Option<Key>,
}

/// What a line is to the chain.
#[derive(Debug)]
pub(super) enum Link {
    /// Not a record at all: the chain goes on over it.
    Torn,
    /// A record without any fault, whose hash is that of its content.
    Sound {
        prev: [u8; 32],
        hash: [u8; 32],
    },
    /// Breaks the chain whatever comes before it; the reason is among the issues.
    Broken,
    Record(Box<Hashes>),
}

#[derive(Debug)]
pub(super) struct Hashes {
    pub(super) declared_prev: Digest,
    pub(super) stored: Digest,
    /// Over the declared previous hash; `Err` says why there is none.
    pub(super) computed: Result<[u8; 32], String>,
}

/// A stored hash, or what stands in its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Digest {
    Hash([u8; 32]),
    Other(String),
}

/// Issues told of one line; a line may hold millions.
const TOLD_PER_LINE: usize = 20;

pub(super) fn chunk(chunk: &Chunk, scratch: &mut Vec<u8>) -> Checked {
    let mut checked = Checked::default();
    for (number, bytes) in chunk.iter() {
        if let Some(line) = line(number, bytes, scratch, &mut checked) {
            checked.lines.push(line);
        }
    }
    checked
}

pub(super) fn line(number: u64, bytes: &[u8], scratch: &mut Vec<u8>, checked: &mut Checked) -> Option<Line> {
    let line = Line { number, link: Link::Torn, time: None, id: None, parent: None };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let text = format!("byte {} of the line is not UTF-8", error.valid_up_to() + 1);
            checked.issues.push(Issue::new(number, Rule::Utf8, text));
            return Some(line);
        }
    };
    if let Some(sound) = canonical::read(text) {
        return Some(of_sound(number, &sound));
    }
    if is_blank(text) {
        return None;
    }
    parsed(line, text, scratch, checked)
}

pub(super) fn of_sound(number: u64, sound: &Sound<'_>) -> Line {
    let key = |id: &str| (!id.is_empty()).then(|| Key::of(id.as_bytes()));
    Line {
        number,
        link: Link::Sound { prev: sound.prev, hash: sound.hash },
        time: time::instant(sound.ts),
        id: key(sound.record_id),
        parent: sound.parent_id.and_then(key),
    }
}

/// A line that has to be looked at in full.
pub(super) fn parsed(
    mut line: Line,
    text: &str,
    scratch: &mut Vec<u8>,
    checked: &mut Checked,
) -> Option<Line> {
    let number = line.number;
    let stored = match Stored::parse(text) {
        Ok(stored) => stored,
        Err(error) => {
            let text = format!("not a complete record: {} at column {}", error.problem, error.column);
            checked.issues.push(Issue::new(number, Rule::Json, text));
            return Some(line);
        }
    };
    if let Some(key) = stored.duplicate() {
        let text = format!(
            "the key {} stands twice in one object: readers disagree on which counts",
            schema::quote(key)
        );
        checked.issues.push(Issue::new(number, Rule::RepeatedKey, text));
    }
    let id = key_of(&stored, "record_id");
    let parent = key_of(&stored, "parent_id");
    let ids = (id.as_ref().ok().copied().flatten(), parent.as_ref().ok().copied().flatten());
    let form = form(&stored).or_else(|| id.err().map(|found| ("record_id", found)));
    let form = form.or_else(|| parent.err().map(|found| ("parent_id", found)));
    if let Some((what, found)) = form {
        let expected = if what.ends_with("_id") { "a string" } else { "an object" };
        let text = format!("{what} is of the wrong type");
        checked.issues.push(Issue::new(number, Rule::Form, text).expecting(expected, found));
        line.link = Link::Broken;
        return Some(line);
    }
    // As the reference: nothing that a line of no form says is held against another one.
    (line.id, line.parent) = ids;
    line.time = stored.field("ts").and_then(Json::as_str).and_then(time::instant);
    check_fields(&stored, number, checked);
    line.link = Link::Record(Box::new(hashes(stored, scratch)));
    Some(line)
}

/// The first thing whose type leaves nothing to hash.
fn form(stored: &Stored<'_>) -> Option<(&'static str, String)> {
    match (stored.value(), stored.field("integrity")) {
        (Json::Object(_), None | Some(Json::Object(_))) => None,
        (Json::Object(_), Some(other)) => Some(("integrity", schema::describe(other))),
        (other, _) => Some(("the line", schema::describe(other))),
    }
}

fn check_fields(stored: &Stored<'_>, number: u64, checked: &mut Checked) {
    let mut told = 0;
    let Checked { issues, untold, .. } = checked;
    let mut tell = |rule: Rule, violation: Violation| {
        told += 1;
        if told > TOLD_PER_LINE {
            *untold += 1;
            return;
        }
        let path = if violation.path.is_empty() { "the record" } else { &violation.path };
        let text = match rule {
            Rule::Number => format!("{path} cannot be hashed the same everywhere"),
            _ => path.to_owned(),
        };
        issues.push(Issue::new(number, rule, text).expecting(violation.expected, violation.found));
    };
    schema::check(stored.value(), &mut |violation| tell(Rule::Schema, violation));
    if !stored.has_safe_numbers() {
        schema::check_numbers(stored.value(), &mut |violation| tell(Rule::Number, violation));
    }
}

fn hashes(stored: Stored<'_>, scratch: &mut Vec<u8>) -> Hashes {
    let integrity = stored.field("integrity");
    let digest = |key| match integrity.and_then(|integrity| integrity.get(key)) {
        None => Digest::Other("nothing".to_owned()),
        Some(Json::Str(text)) => match parse_hex(text.as_bytes()) {
            Some(hash) => Digest::Hash(hash),
            None => Digest::Other(schema::quote(text)),
        },
        Some(other) => Digest::Other(schema::describe(other)),
    };
    let (declared_prev, stored_hash) = (digest("prev_hash"), digest("hash"));
    let computed = stored.compute_hash(scratch).map_err(|error| error.to_string());
    Hashes { declared_prev, stored: stored_hash, computed }
}

/// The key of an id; `Err` describes one that is not a string. The empty one is none, as in the reference:
/// records without an id repeat nobody's.
fn key_of(stored: &Stored<'_>, field: &str) -> Result<Option<Key>, String> {
    match stored.field(field) {
        None => Ok(None),
        Some(Json::Str(text)) if text.as_bytes().is_empty() => Ok(None),
        Some(Json::Str(text)) => Ok(Some(Key::of(text.as_bytes()))),
        Some(other) => Err(schema::describe(other)),
    }
}

/// A line's `record_id` and `parent_id` for a reader.
pub(super) fn shown_ids(line: &[u8]) -> (Option<String>, Option<String>) {
    let Some(stored) = std::str::from_utf8(line).ok().and_then(|text| Stored::parse(text).ok()) else {
        return (None, None);
    };
    let shown = |field| match stored.field(field) {
        Some(Json::Str(text)) => Some(schema::quote(text)),
        _ => None,
    };
    (shown("record_id"), shown("parent_id"))
}

/// Nothing but what Python's `str.strip` removes: Unicode white space and U+001C to U+001F.
fn is_blank(text: &str) -> bool {
    !text.starts_with('{') && text.chars().all(|c| c.is_whitespace() || ('\u{1C}'..='\u{1F}').contains(&c))
}
