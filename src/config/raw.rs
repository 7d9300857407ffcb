//! The YAML as it was written: a tree of located nodes.
//!
//! The tree is untyped on purpose. A typed mirror stops at its first mistake; this one lets
//! `check` report all of them, each with the place where it stands. Scalars stay text, so a value
//! that came from an environment variable is read exactly like one that was written out.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

use super::env::has_reference;
use super::error::{Place, Problem};

/// The largest configuration file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// The deepest nesting that is read; the vocabulary needs six levels.
const MAX_DEPTH: usize = 32;

/// One node and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

/// What stands there.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, `~` or `null`: as if the key were not there.
    Null,
    Scalar(String),
    List(Vec<Node>),
    /// In file order; keys may repeat.
    Section(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub struct Key {
    pub place: Place,
    pub name: String,
}

/// Reads one YAML document. Nothing but comments is an empty document.
///
/// # Errors
/// What the YAML reader found first.
pub fn parse(text: &str) -> Result<Node, Problem> {
    if text.len() > MAX_BYTES {
        let what = format!("larger than {MAX_BYTES} bytes; this is not a halod configuration");
        return Err(Problem { place: None, key: String::new(), what });
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Error,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Tree>>(text, options) {
        Ok(tree) => Ok(tree.into()),
        Err(error) => Err(syntax(text, &error)),
    }
}

/// The reader's message without the place at its end, which is told apart from it.
fn syntax(text: &str, error: &serde_saphyr::Error) -> Problem {
    let place = error.location().map(|at| Place { line: at.line(), column: at.column() });
    let mut what = error.to_string();
    if what.starts_with("multiple YAML documents") {
        // The reader's own words are for those who program with it.
        let place = second_document(text).or(place);
        let what = "more than one YAML document: a line `---` begins another; keep one, in a file of its own";
        return Problem { place, key: String::new(), what: what.into() };
    }
    if let Some(place) = place {
        let suffix = format!(" at line {}, column {}", place.line, place.column);
        if let Some(shorter) = what.strip_suffix(&suffix) {
            what = shorter.to_owned();
        }
        let line = usize::try_from(place.line).unwrap_or(usize::MAX);
        if text.lines().nth(line.saturating_sub(1)).is_some_and(has_reference) {
            what.push_str("; inside { } or [ ] a value with ${...} must be quoted");
        }
    }
    Problem { place, key: String::new(), what: format!("not YAML: {what}") }
}

/// Where the second document begins.
fn second_document(text: &str) -> Option<Place> {
    let has_content = |line: &str| !line.trim().is_empty() && !line.starts_with(['#', '%']);
    let mut begun = false;
    for (line, text) in (1..).zip(text.lines()) {
        if text == "---" || text.starts_with("--- ") {
            if begun {
                return Some(Place { line, column: 1 });
            }
            begun = true;
        } else {
            begun |= has_content(text);
        }
    }
    None
}

impl From<Spanned<Tree>> for Node {
    fn from(tree: Spanned<Tree>) -> Self {
        let place = Place { line: tree.referenced.line(), column: tree.referenced.column() };
        let value = match tree.value {
            Tree::Null => Value::Null,
            Tree::Scalar(text) => Value::Scalar(text),
            Tree::List(items) => Value::List(items.into_iter().map(Self::from).collect()),
            Tree::Section(entries) => Value::Section(entries.into_iter().map(entry).collect()),
        };
        Self { place, value }
    }
}

fn entry((key, value): (Spanned<String>, Spanned<Tree>)) -> (Key, Node) {
    let place = Place { line: key.referenced.line(), column: key.referenced.column() };
    (Key { place, name: key.value }, value.into())
}

/// What serde fills; the places come from the wrapper around each node.
enum Tree {
    Null,
    Scalar(String),
    List(Vec<Spanned<Self>>),
    Section(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a section")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Scalar(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Section(entries))
    }
}
