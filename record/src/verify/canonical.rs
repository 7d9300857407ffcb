//! A record that is without fault and written in its canonical form, read in one pass.
//!
//! That is what almost every line is. The pass holds the text against the canonical form and against schema 0.1 at once,
//! builds nothing, and notes where `integrity` has its hashes: a canonical object without one member and its comma is
//! canonical again, so the hash is that of the bytes around it. Whatever is unusual is left to who reads a line in full,
//! and to whom alone it is left to say what is wrong.

use crate::canon::MAX_SAFE_INTEGER;
use crate::hash::parse_hex;
use crate::json::{cmp_utf16, next_special};
use crate::schema::{self, Shape};
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::sync::LazyLock;

/// What is known of a line that is without fault by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sound<'l> {
    pub(super) prev: [u8; 32],
    /// As it is stored, and as it was computed.
    pub(super) hash: [u8; 32],
    pub(super) record_id: &'l str,
    pub(super) parent_id: Option<&'l str>,
    pub(super) ts: &'l str,
}

/// Containers inside each other; what is deeper is unusual.
const DEPTH: usize = 48;

/// Reads a line, if it is a record without fault in canonical form.
pub(super) fn read(line: &str) -> Option<Sound<'_>> {
    let mut pass = Pass { line, bytes: line.as_bytes(), at: 0, noted: [None; NOTED] };
    pass.take(b'{')?;
    pass.object(&RECORD, DEPTH)?;
    if pass.at != pass.bytes.len() {
        return None;
    }
    let [hash, prev, record_id, parent_id, ts] = pass.noted;
    let (from, to) = hash?;
    let text = |(from, to): (usize, usize)| line.get(from..to);
    let stored = parse_hex(text((from, to))?.as_bytes())?;
    // `prev_hash` stands behind it, so there is a comma to leave out.
    let before = line.get(..from)?.strip_suffix("\"hash\":\"")?;
    let after = line.get(to..)?.strip_prefix("\",")?;
    let computed: [u8; 32] = Sha256::new().chain_update(before).chain_update(after).finalize().into();
    if computed != stored {
        return None;
    }
    Some(Sound {
        prev: parse_hex(text(prev?)?.as_bytes())?,
        hash: stored,
        record_id: text(record_id?)?,
        parent_id: match parent_id {
            Some(place) => Some(text(place)?),
            None => None,
        },
        ts: text(ts?)?,
    })
}

/// Members whose place is noted.
const NOTED: usize = 5;
const NOTES: [&[&str]; NOTED] =
    [&["integrity", "hash"], &["integrity", "prev_hash"], &["record_id"], &["parent_id"], &["ts"]];

/// What a value must be: [`Shape`], with the members of objects in order of their names.
enum Node {
    Any,
    Str(Option<usize>),
    Bool,
    Number,
    OneOf(&'static [&'static str]),
    List(Box<Node>),
    Object(Fields),
}

struct Fields {
    required: usize,
    /// In order of names, which are ASCII.
    fields: Vec<Field>,
}

struct Field {
    name: &'static [u8],
    required: bool,
    node: Node,
}

static RECORD: LazyLock<Fields> = LazyLock::new(|| match node(schema::shape(&[]), &mut Vec::new()) {
    Node::Object(fields) => fields,
    _ => Fields { required: usize::MAX, fields: Vec::new() },
});

static ANY: Fields = Fields { required: 0, fields: Vec::new() };

fn node(shape: &'static Shape, path: &mut Vec<&'static str>) -> Node {
    match shape {
        Shape::Str => Node::Str(NOTES.iter().position(|noted| *noted == path.as_slice())),
        Shape::Bool => Node::Bool,
        Shape::Number => Node::Number,
        Shape::OneOf(allowed) => Node::OneOf(allowed),
        Shape::List(item) => {
            // No path leads into a list.
            path.push("");
            let item = node(item, path);
            path.pop();
            Node::List(Box::new(item))
        }
        Shape::Object { required, fields } => {
            let field = |(name, shape): &'static (&'static str, Shape)| {
                path.push(name);
                let node = node(shape, path);
                path.pop();
                Field { name: name.as_bytes(), required: required.contains(name), node }
            };
            let mut fields: Vec<Field> = fields.iter().map(field).collect();
            fields.sort_by_key(|field| field.name);
            Node::Object(Fields { required: required.len(), fields })
        }
    }
}

/// A string's content: where it begins and ends, and whether it has escapes.
type Place = (usize, usize, bool);

struct Pass<'l> {
    line: &'l str,
    bytes: &'l [u8],
    at: usize,
    noted: [Option<(usize, usize)>; NOTED],
}

impl Pass<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        rest.starts_with(literal).then(|| self.at += literal.len())
    }

    /// Reads an object behind its brace.
    fn object(&mut self, fields: &Fields, depth: usize) -> Option<()> {
        let below = depth.checked_sub(1)?;
        let (mut rest, mut missing) = (fields.fields.as_slice(), fields.required);
        if self.peek()? == b'}' {
            self.at += 1;
            return (missing == 0).then_some(());
        }
        let mut last: Option<(usize, usize)> = None;
        loop {
            self.take(b'"')?;
            let (from, to, false) = self.string()? else { return None };
            let key = self.bytes.get(from..to)?;
            if let Some((from, to)) = last
                && cmp_utf16(self.bytes.get(from..to)?, key) != Ordering::Less
            {
                return None;
            }
            last = Some((from, to));
            self.take(b':')?;
            while let Some((field, after)) = rest.split_first()
                && field.name < key
            {
                rest = after;
            }
            let field = rest.first().filter(|field| field.name == key);
            missing -= usize::from(field.is_some_and(|field| field.required));
            self.value(field.map_or(&Node::Any, |field| &field.node), below)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return (missing == 0).then_some(());
                }
                _ => return None,
            }
        }
    }

    /// Reads an array behind its bracket.
    fn array(&mut self, item: &Node, depth: usize) -> Option<()> {
        let below = depth.checked_sub(1)?;
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.value(item, below)?;
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    fn value(&mut self, node: &Node, depth: usize) -> Option<()> {
        match (self.peek()?, node) {
            (b'"', Node::Any | Node::Str(_) | Node::OneOf(_)) => {
                self.at += 1;
                let (from, to, escaped) = self.string()?;
                match node {
                    Node::Str(Some(note)) if !escaped => {
                        *self.noted.get_mut(*note)? = Some((from, to));
                        Some(())
                    }
                    Node::Str(Some(_)) => None,
                    Node::OneOf(allowed) => {
                        let text = self.line.get(from..to)?;
                        allowed.contains(&text).then_some(())
                    }
                    _ => Some(()),
                }
            }
            (b'{', Node::Object(_) | Node::Any) => {
                self.at += 1;
                self.object(if let Node::Object(fields) = node { fields } else { &ANY }, depth)
            }
            (b'[', Node::List(_) | Node::Any) => {
                self.at += 1;
                self.array(if let Node::List(item) = node { item } else { &Node::Any }, depth)
            }
            (b'-' | b'0'..=b'9', Node::Number | Node::Any) => self.integer(),
            (b't', Node::Bool | Node::Any) => self.literal(b"true"),
            (b'f', Node::Bool | Node::Any) => self.literal(b"false"),
            (b'n', Node::Any) => self.literal(b"null"),
            _ => None,
        }
    }

    /// Reads an integer that all readers hash alike. What stands behind it is for the caller.
    fn integer(&mut self) -> Option<()> {
        let negative = self.literal(b"-").is_some();
        let digits = self.bytes.get(self.at..)?.iter().take_while(|byte| byte.is_ascii_digit());
        // 2^53-1 has 16 digits.
        let digits: &[u8] = self.bytes.get(self.at..self.at + digits.take(17).count())?;
        let value = digits.iter().fold(0i64, |sum, digit| sum.wrapping_mul(10) + i64::from(digit - b'0'));
        let is_canonical = match digits {
            [] => false,
            [b'0'] => !negative,
            [b'0', ..] => false,
            digits => digits.len() <= 16 && value <= MAX_SAFE_INTEGER,
        };
        self.at += digits.len();
        is_canonical.then_some(())
    }

    /// Reads a string behind its opening quote, as far as it is escaped as the canonical form escapes.
    #[inline]
    fn string(&mut self) -> Option<Place> {
        let from = self.at;
        let end = next_special(self.bytes, from);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Some((from, end, false));
        }
        self.escaped(from, end)
    }

    fn escaped(&mut self, from: usize, first: usize) -> Option<Place> {
        let mut at = first;
        loop {
            match self.bytes.get(at)? {
                b'"' => {
                    self.at = at + 1;
                    return Some((from, at, true));
                }
                b'\\' => {}
                _ => return None,
            }
            let length = match self.bytes.get(at + 1..)? {
                [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
                [b'u', b'0', b'0', high @ (b'0' | b'1'), low, ..] => {
                    let low = match low {
                        b'0'..=b'9' => low - b'0',
                        b'a'..=b'f' => low - b'a' + 10,
                        _ => return None,
                    };
                    let code = (high - b'0') << 4 | low;
                    // These have a shorter escape.
                    if matches!(code, 0x08 | 0x09 | 0x0a | 0x0c | 0x0d) {
                        return None;
                    }
                    6
                }
                _ => return None,
            };
            at = next_special(self.bytes, at + length);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::super::check::{self, Checked, Digest as Told, Link, line, of_sound, parsed};
    use super::*;
    use crate::hash::{hex, sha256};
    use proptest::prelude::*;

    /// A canonical record with the hash of its content; `more` stands before `integrity`.
    fn record(more: &str, id: &str) -> String {
        let head = format!(
            r#"{{"action":{{"category":"safety","type":"read"}},{more}"integrity":{{"alg":"sha-256","canon":"rfc8785","#
        );
        let tail = format!(
            r#""prev_hash":"{}"}},"record_id":"{id}","schema_version":"0.1","session_id":"s","ts":"2026-01-01T00:00:00Z"}}"#,
            "0".repeat(64)
        );
        let hash = String::from_utf8(hex(&sha256(format!("{head}{tail}").as_bytes())).to_vec()).unwrap();
        format!(r#"{head}"hash":"{hash}",{tail}"#)
    }

    /// The line as it is read in full, alone.
    fn slowly(text: &str) -> (Option<check::Line>, Checked) {
        let mut checked = Checked::default();
        let empty = check::Line { number: 1, link: Link::Torn, time: None, id: None, parent: None };
        let line = parsed(empty, text, &mut Vec::new(), &mut checked);
        (line, checked)
    }

    /// What is read in one pass is what reading in full says, without an issue. Says whether it was read in one pass.
    fn assert_agrees(text: &str) -> bool {
        let Some(sound) = read(text) else { return false };
        let (slow, checked) = slowly(text);
        assert!(checked.issues.is_empty() && checked.untold == 0, "{:?}: {text}", checked.issues);
        let (slow, fast) = (slow.unwrap(), of_sound(1, &sound));
        assert_eq!((slow.time, slow.id, slow.parent), (fast.time, fast.id, fast.parent), "{text}");
        let Link::Record(hashes) = slow.link else { panic!("{text}") };
        assert_eq!(hashes.computed.as_ref().unwrap(), &sound.hash);
        assert_eq!(hashes.stored, Told::Hash(sound.hash));
        assert_eq!(hashes.declared_prev, Told::Hash(sound.prev));
        true
    }

    #[test]
    fn what_is_canonical_is_read_in_one_pass() {
        for more in [
            "",
            r#""agent":{"id":"a","x":[1,-5,{"y":null}],"z":true},"#,
            r#""data":{"cross_region":1,"n":9007199254740991,"pii_types":["a","\u0001\n\""],"é":{},"😀":1},"#,
            "\"data\":{\"😀\":1,\"\u{e000}\":2},",
            r#""findings":[{"severity":"LOW","type":"x"}],"#,
        ] {
            assert!(assert_agrees(&record(more, "r")), "{more}");
        }
        assert!(assert_agrees(&record("", "")));
    }

    #[test]
    fn what_is_unusual_is_left_to_reading_in_full() {
        for more in [
            r#""data":{"zdr":1},"#,
            r#""data":{"b":1,"a":1},"#,
            r#""data":{"a":1,"a":1},"#,
            r#""data":{"a":1.0},"#,
            r#""data":{"a":-0},"#,
            r#""data":{"a":01},"#,
            r#""data":{"a":9007199254740992},"#,
            r#""data":{"a":"\/"},"#,
            r#""data":{"a":"\u000a"},"#,
            r#""data":{"a":"\u001F"},"#,
            r#""data":{"a": 1},"#,
            r#""data":{"a":1,},"#,
            r#""data":{"a":[1,]},"#,
            r#""findings":[{"type":"x"}],"#,
            r#""agent":{"id":null},"#,
            "\"data\":{\"\u{e000}\":1,\"😀\":1},",
        ] {
            let line = record(more, "r");
            assert!(read(&line).is_none(), "{more}");
        }
        assert!(read(&record("", r"\n")).is_none());
        let good = record("", "r");
        for broken in [
            good.replace("safety", "privacy"),
            good.replace("\"hash\"", "\"hasi\""),
            format!("{good}\r"),
            format!(" {good}"),
            good[..good.len() - 1].to_owned(),
            format!("{good}}}"),
            good.replace("safety", "other"),
            String::new(),
        ] {
            assert!(read(&broken).is_none(), "{broken}");
        }
        let deep = format!(r#""data":{{"a":{}{}}},"#, "[".repeat(DEPTH), "]".repeat(DEPTH));
        assert!(read(&record(&deep, "r")).is_none());
    }

    /// Golden records, whose content has everything that halod writes, and lines of our own.
    fn seeds() -> Vec<String> {
        let golden = include_str!("../../golden/calls.jsonl").lines().map(str::to_owned);
        let own =
            ["", r#""data":{"a":[1,"\u0001\\",{"b":"é😀"}]},"#, r#""outcome":{"status":"ok"},"parent":0,"#];
        golden.chain(own.iter().map(|more| record(more, "r"))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn mutated_lines_get_the_same_verdict(
            seed in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(),
            piece in prop::sample::select(vec![
                "\"", "\\", "\\u0001", "\\n", "\\/", "{", "}", "[", "]", ",", ":", "0", "-", "9", "1.5", " ", "null", "true",
                "é", "😀", "\u{e000}", "\"a\":1,", "\"\":[],", "\n", "\u{1}", "e3", "\"zz\":{},", "",
            ]), way in 0..3_u8, again in any::<bool>(),
        ) {
            let seeds = seeds();
            let mut text = seeds[seed.index(seeds.len())].clone();
            let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let at = boundaries[at.index(boundaries.len())];
            let until = match way {
                0 => at,
                1 => at + text[at..].chars().next().unwrap().len_utf8(),
                _ => boundaries[to.index(boundaries.len())].max(at),
            };
            text.replace_range(at..until, piece);
            if again {
                text = rehashed(&text);
            }
            assert_agrees(&text);
            // Whatever is read in full has the same verdict as before; what is read in one pass is no issue.
            let mut checked = Checked::default();
            line(1, text.as_bytes(), &mut Vec::new(), &mut checked);
            prop_assert_eq!(checked.issues, slowly(&text).1.issues);
        }
    }

    /// The line with the hash that its content has, if a hash can be found in it.
    fn rehashed(text: &str) -> String {
        let needle = "\"hash\":\"";
        let Some(at) = text.find("\"integrity\"").and_then(|from| Some(from + text[from..].find(needle)?))
        else {
            return text.to_owned();
        };
        let from = at + needle.len();
        let Some(after) = text.get(from + 64..).and_then(|rest| rest.strip_prefix("\",")) else {
            return text.to_owned();
        };
        let hash = hex(&sha256(format!("{}{after}", &text[..at]).as_bytes()));
        format!("{}{}\",{after}", &text[..from], String::from_utf8(hash.to_vec()).unwrap())
    }
}
