//! Schema 0.1: which fields a record must have and what each may hold.
//!
//! The verdicts are the reference's validator's. Fields that the schema does not name may hold
//! anything; a boolean is not a number; formats (times, hashes) are not looked at.

use crate::json::{Json, Text};
use std::fmt;

/// What a value must be.
#[derive(Debug)]
pub(super) enum Shape {
    Str,
    Bool,
    Number,
    OneOf(&'static [&'static str]),
    List(&'static Shape),
    Object { required: &'static [&'static str], fields: &'static [(&'static str, Shape)] },
}

pub(super) use Shape::{Bool, List, Number, Object, OneOf, Str};

const fn object(fields: &'static [(&'static str, Shape)]) -> Shape {
    Object { required: &[], fields }
}

const SEVERITY: Shape = OneOf(&["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO"]);

const ACTION: Shape = Object {
    required: &["type", "category"],
    fields: &[
        ("type", OneOf(&["tool_call", "agent_message", "read", "write", "network"])),
        ("category", OneOf(&["security", "safety", "reliability", "privacy"])),
        ("tool", Str),
        (
            "authorization",
            object(&[
                ("decision", OneOf(&["allowed", "denied", "human_approved"])),
                ("scope", Str),
                ("approver", Str),
            ]),
        ),
        ("input", object(&[("summary", Str), ("hash", Str)])),
    ],
};

const AUTHORITY: Shape = object(&[
    ("snapshot_id", Str),
    ("same_as_previous", Bool),
    ("captured_at", Str),
    ("scope", Str),
    (
        "workspace",
        object(&[("path_hash", Str), ("git_remote_hash", Str), ("git_commit", Str), ("worktree_hash", Str)]),
    ),
    (
        "refs",
        List(&object(&[
            ("kind", Str),
            ("id", Str),
            ("uri", Str),
            ("hash", Str),
            ("version", Str),
            ("loaded", Bool),
            ("truncated", Bool),
            ("shadowed_by", Str),
        ])),
    ),
    ("omissions", List(&object(&[("kind", Str), ("reason", Str), ("hash", Str)]))),
    ("capture_limits", List(&Str)),
    ("stale_if", List(&Str)),
]);

const RECORD: Shape = Object {
    required: &["schema_version", "record_id", "session_id", "ts", "action", "integrity"],
    fields: &[
        ("schema_version", OneOf(&["0.1"])),
        ("record_id", Str),
        ("session_id", Str),
        ("parent_id", Str),
        ("ts", Str),
        ("subject", object(&[("id", Str), ("name", Str)])),
        (
            "principal",
            object(&[("human_id", Str), ("creator_id", Str), ("service_account", Str), ("role_scope", Str)]),
        ),
        (
            "agent",
            object(&[("id", Str), ("name", Str), ("version", Str), ("model", Str), ("model_version", Str)]),
        ),
        ("authority", AUTHORITY),
        ("mcp", object(&[("host", Str), ("client", Str), ("server", Str), ("server_version", Str)])),
        ("action", ACTION),
        (
            "outcome",
            object(&[("status", OneOf(&["ok", "error", "denied"])), ("summary", Str), ("hash", Str)]),
        ),
        (
            "findings",
            List(&Object {
                required: &["type", "severity"],
                fields: &[("type", Str), ("severity", SEVERITY), ("sample", Str)],
            }),
        ),
        ("severity", SEVERITY),
        ("threats", List(&Object { required: &["type"], fields: &[("type", Str), ("ref", Str)] })),
        (
            "verification",
            Object {
                required: &["status"],
                fields: &[
                    ("status", OneOf(&["allowed", "blocked", "modified", "unverified"])),
                    ("verifier", Str),
                    ("policy_ref", Str),
                    ("checked_at", Str),
                ],
            },
        ),
        (
            "data",
            object(&[
                ("region", Str),
                ("cross_region", Number),
                ("purpose", Str),
                ("zdr", Bool),
                ("pii_types", List(&Str)),
            ]),
        ),
        ("retention", object(&[("policy", Str), ("expires", Str)])),
        ("jurisdiction", Str),
        ("source", object(&[("adapter", Str), ("via", Str), ("capture", OneOf(&["captured", "ingested"]))])),
        ("framework_tags", List(&Str)),
        (
            "integrity",
            Object {
                required: &["alg", "canon", "prev_hash", "hash"],
                fields: &[
                    ("alg", OneOf(&["sha-256"])),
                    ("canon", OneOf(&["rfc8785"])),
                    ("prev_hash", Str),
                    ("hash", Str),
                ],
            },
        ),
        (
            "signature",
            Object {
                required: &["alg", "sig"],
                fields: &[("alg", OneOf(&["ecdsa-p256", "ed25519"])), ("sig", Str), ("key_id", Str)],
            },
        ),
    ],
};

/// A field that the schema names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// From the record inwards: `action.authorization.scope`, `findings[].type`.
    pub path: String,
    /// What it must be, as [`Violation::expected`] says it.
    pub shape: String,
    /// The words that it may be, where they are few.
    pub words: &'static [&'static str],
    /// Whether what it stands in must have it.
    pub required: bool,
}

/// Every field that the schema names, those of an object after it.
#[must_use]
pub fn fields() -> Vec<Field> {
    let mut all = Vec::new();
    within(&RECORD, "", &mut all);
    all
}

fn within(shape: &'static Shape, path: &str, all: &mut Vec<Field>) {
    match shape {
        Object { required, fields } => {
            for (name, shape) in *fields {
                let path = if path.is_empty() { (*name).to_owned() } else { [path, ".", name].concat() };
                let words = if let OneOf(words) = shape { *words } else { &[] };
                let field = Field {
                    path: path.clone(),
                    shape: shape.to_string(),
                    words,
                    required: required.contains(name),
                };
                all.push(field);
                within(shape, &path, all);
            }
        }
        List(item) => within(item, &[path, "[]"].concat(), all),
        Str | Bool | Number | OneOf(_) => {}
    }
}

/// One way in which a record is not of schema 0.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where: `findings[2].severity`; empty for the record itself.
    pub path: String,
    /// What the schema wants there: `a string`, `one of ok, error, denied`, `present`.
    pub expected: String,
    /// What is there: a JSON type, a text in quotes, or `nothing`.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the record" } else { &self.path };
        write!(f, "{path}: expected {}, found {}", self.expected, self.found)
    }
}

/// What one of the record's own fields must be; `fields` goes from the record inwards.
pub(super) fn shape(fields: &[&str]) -> &'static Shape {
    fields.iter().fold(&RECORD, |shape, name| match shape {
        Object { fields, .. } => fields.iter().find(|(key, _)| key == name).map_or(&Str, |(_, shape)| shape),
        other => other,
    })
}

/// Calls `report` for each violation of schema 0.1.
pub fn check(record: &Json<'_>, report: &mut dyn FnMut(Violation)) {
    walk(record, &RECORD, &Path::ROOT, report);
}

/// Calls `report` with each number that two JSON readers may hash differently: any with a
/// fraction or an exponent, and integers beyond 2^53-1.
pub fn check_numbers(value: &Json<'_>, report: &mut dyn FnMut(Violation)) {
    numbers(value, &Path::ROOT, report);
}

fn walk(value: &Json<'_>, shape: &Shape, path: &Path<'_>, report: &mut dyn FnMut(Violation)) {
    match (shape, value) {
        (Str, Json::Str(_))
        | (Bool, Json::Bool(_))
        | (Number, Json::Int(_) | Json::BigInt(_) | Json::Float(_)) => {}
        (OneOf(allowed), Json::Str(text)) if allowed.iter().any(|one| one.as_bytes() == text.as_bytes()) => {}
        (List(item), Json::Array(items)) => {
            for (at, value) in items.iter().enumerate() {
                walk(value, item, &Path { parent: Some(path), step: Step::Item(at) }, report);
            }
        }
        (Object { required, fields }, Json::Object(entries)) => {
            for &key in *required {
                if !entries.iter().any(|(name, _)| name.as_bytes() == key.as_bytes()) {
                    let path = Path { parent: Some(path), step: Step::Key(key.as_bytes()) };
                    report(path.violation("it to be there".to_owned(), "nothing".to_owned()));
                }
            }
            for (key, value) in entries {
                let name = key.as_bytes();
                if let Some((_, shape)) = fields.iter().find(|(field, _)| field.as_bytes() == name) {
                    walk(value, shape, &Path { parent: Some(path), step: Step::Key(name) }, report);
                }
            }
        }
        _ => report(path.violation(shape.to_string(), describe(value))),
    }
}

fn numbers(value: &Json<'_>, path: &Path<'_>, report: &mut dyn FnMut(Violation)) {
    match value {
        Json::Float(float) => {
            report(path.violation("an integer".to_owned(), format!("{float:?}, or another way to write it")));
        }
        Json::BigInt(_) => report(path.violation(SAFE.to_owned(), "a larger one".to_owned())),
        Json::Int(int) if int.unsigned_abs() > super::canon::MAX_SAFE_INTEGER.unsigned_abs() => {
            report(path.violation(SAFE.to_owned(), int.to_string()));
        }
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                numbers(item, &Path { parent: Some(path), step: Step::Item(at) }, report);
            }
        }
        Json::Object(entries) => {
            for (key, value) in entries {
                numbers(value, &Path { parent: Some(path), step: Step::Key(key.as_bytes()) }, report);
            }
        }
        _ => {}
    }
}

const SAFE: &str = "an integer within 2^53-1";

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Str => f.write_str("a string"),
            Bool => f.write_str("true or false"),
            Number => f.write_str("a number"),
            OneOf([one]) => write!(f, "\"{one}\""),
            OneOf(allowed) => write!(f, "one of {}", allowed.join(", ")),
            List(_) => f.write_str("an array"),
            Object { .. } => f.write_str("an object"),
        }
    }
}

/// A value's type, or a short text itself.
#[must_use]
pub fn describe(value: &Json<'_>) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(_) => "a boolean".to_owned(),
        Json::Int(_) | Json::BigInt(_) | Json::Float(_) => "a number".to_owned(),
        Json::Str(text) => quote(text),
        Json::Array(_) => "an array".to_owned(),
        Json::Object(_) => "an object".to_owned(),
    }
}

/// A text in quotes, cut to 80 characters, without anything a terminal would act on.
#[must_use]
pub fn quote(text: &Text<'_>) -> String {
    let lossy = text.to_lossy();
    let cut: String = lossy.chars().take(80).collect();
    let more = if cut.len() < lossy.len() { "..." } else { "" };
    format!("{cut:?}{more}")
}

/// Where in a record the walk is, kept on the stack and only written out for a violation.
struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
}

enum Step<'p> {
    Root,
    Key(&'p [u8]),
    Item(usize),
}

impl Path<'_> {
    const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

    fn violation(&self, expected: String, found: String) -> Violation {
        let mut path = String::new();
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(step) = at {
            steps.push(&step.step);
            at = step.parent;
        }
        for step in steps.into_iter().rev().take(MAX_STEPS) {
            match step {
                Step::Root => {}
                Step::Key(key) => {
                    let key: String = String::from_utf8_lossy(key).escape_debug().take(80).collect();
                    path.push_str(if path.is_empty() { "" } else { "." });
                    path.push_str(&key);
                }
                Step::Item(at) => path.push_str(&format!("[{at}]")),
            }
        }
        Violation { path, expected, found }
    }
}

/// What is shown of a path: enough for every place the schema names.
const MAX_STEPS: usize = 16;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::json::parse;

    const GOOD: &str = r#"{"schema_version":"0.1","record_id":"r","session_id":"s","ts":"x",
        "action":{"type":"read","category":"safety"},
        "integrity":{"alg":"sha-256","canon":"rfc8785","prev_hash":"","hash":""}"#;

    fn check_with(more: &str) -> Vec<String> {
        let text = format!("{GOOD}{more}}}");
        let mut found = Vec::new();
        check(&parse(&text).unwrap(), &mut |violation| found.push(violation.to_string()));
        found
    }

    #[test]
    fn unknown_fields_and_reserved_blocks_pass() {
        assert_eq!(check_with(""), [""; 0]);
        let more = r#","other":{"a":[null]},"mcp":{"host":"h","x":1},"retention":{},"framework_tags":["a"],
            "signature":{"alg":"ed25519","sig":"s"},"data":{"cross_region":1,"zdr":true},"findings":[]"#;
        assert_eq!(check_with(more), [""; 0]);
    }

    #[test]
    fn violations_name_the_place() {
        let more = r#","data":{"cross_region":true,"pii_types":["a",1]},"severity":"info",
            "findings":[{"type":"x"},5,{"type":1,"severity":"LOW"}],"parent_id":null,"signature":{}"#;
        assert_eq!(
            check_with(more),
            [
                "data.cross_region: expected a number, found a boolean",
                "data.pii_types[1]: expected a string, found a number",
                "severity: expected one of CRITICAL, HIGH, MEDIUM, LOW, INFO, found \"info\"",
                "findings[0].severity: expected it to be there, found nothing",
                "findings[1]: expected an object, found a number",
                "findings[2].type: expected a string, found a number",
                "parent_id: expected a string, found null",
                "signature.alg: expected it to be there, found nothing",
                "signature.sig: expected it to be there, found nothing",
            ]
        );
        let mut found = Vec::new();
        check(&parse("[]").unwrap(), &mut |violation| found.push(violation.to_string()));
        assert_eq!(found, ["the record: expected an object, found an array"]);
    }

    #[test]
    fn numbers_must_be_safe_integers() {
        let mut paths = Vec::new();
        let text = r#"{"a":1.0,"b":[1,{"c":9007199254740992}],"d":1e3,"e":-9007199254740991,"f":99999999999999999999}"#;
        check_numbers(&parse(text).unwrap(), &mut |violation| paths.push(violation.path));
        assert_eq!(paths, ["a", "b[1].c", "d", "f"]);
    }
}
