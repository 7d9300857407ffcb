//! Where the parts of a JSON file lie, so that one can be changed and all others stay as they were written.
//!
//! Comments (`//`, `/* */`) are read over, and so are commas before a closing bracket: clients allow both in their
//! settings.

use std::ops::Range;

/// The deepest nesting that is read.
const DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Object(Vec<Member>),
    Array(Vec<Tree>),
    Text(String),
    Other,
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) key: String,
    /// From its key to the end of its value.
    pub(super) span: Range<usize>,
    pub(super) tree: Tree,
}

impl Tree {
    /// Reads a whole file. The error says where it stopped, as line and column.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        let read = reader.value(DEPTH).and_then(|tree| {
            reader.blank();
            if reader.at == text.len() { Some(tree) } else { None }
        });
        read.ok_or_else(|| {
            let before = text.get(..reader.at).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("is not JSON at line {line}, column {column}")
        })
    }

    pub(super) fn member(&self, key: &str) -> Option<&Member> {
        let Value::Object(members) = &self.value else { return None };
        members.iter().find(|member| member.key == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.member(key).map(|member| &member.tree)
    }

    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is = self.next() == Some(byte);
        self.at += usize::from(is);
        is
    }

    /// Blanks and comments.
    fn blank(&mut self) {
        loop {
            let rest = self.rest();
            let skipped = match rest.as_bytes() {
                [b' ' | b'\t' | b'\r' | b'\n', ..] => 1,
                [b'/', b'/', ..] => rest.find('\n').unwrap_or(rest.len()),
                [b'/', b'*', ..] => match rest.find("*/") {
                    Some(end) => end + 2,
                    None => return,
                },
                // Some editors put a mark before everything.
                _ if rest.starts_with('\u{feff}') && self.at == 0 => 3,
                _ => return,
            };
            self.at += skipped;
        }
    }

    fn value(&mut self, depth: usize) -> Option<Tree> {
        self.blank();
        let start = self.at;
        let value = match self.next()? {
            b'{' => Value::Object(self.members(depth.checked_sub(1)?)?),
            b'[' => Value::Array(self.list(depth.checked_sub(1)?)?),
            b'"' => Value::Text(self.string()?),
            _ => self.word()?,
        };
        Some(Tree { span: start..self.at, value })
    }

    fn members(&mut self, depth: usize) -> Option<Vec<Member>> {
        self.at += 1;
        let mut members = Vec::new();
        loop {
            self.blank();
            if self.take(b'}') {
                return Some(members);
            }
            let start = self.at;
            let key = self.string()?;
            self.blank();
            if !self.take(b':') {
                return None;
            }
            let tree = self.value(depth)?;
            members.push(Member { key, span: start..self.at, tree });
            self.blank();
            if !self.take(b',') && self.next() != Some(b'}') {
                return None;
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Vec<Tree>> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.blank();
            if self.take(b']') {
                return Some(items);
            }
            items.push(self.value(depth)?);
            self.blank();
            if !self.take(b',') && self.next() != Some(b']') {
                return None;
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        if !self.take(b'"') {
            return None;
        }
        loop {
            match self.next()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Option<Value> {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.')));
        let word = rest.get(..end.unwrap_or(rest.len()))?;
        serde_json::from_str::<serde_json::Value>(word).ok()?;
        self.at += word.len();
        Some(Value::Other)
    }
}
