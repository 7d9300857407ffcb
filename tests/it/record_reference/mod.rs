//! `docs/record.md` and `docs/halo-record.schema.json` say what the code does: their fields are those of the schema's table,
//! their members of `data` those that adapters and records have. `UPDATE_EXPECT=1` writes both anew.

mod meanings;

use self::meanings::{By, DATA, FIELDS};
use crate::support::clients::{agents, text_of};
use crate::support::random::Random;
use crate::support::root;
use halod_record::json::parse;
use halod_record::schema::{self, Field};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes a file, or demands that it is so already.
fn as_recorded(path: &str, text: &str) {
    let file = root().join(path);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&file, text).unwrap();
    }
    let is = fs::read_to_string(&file).unwrap_or_default();
    let line = is.lines().zip(text.lines()).find(|(is, should)| is != should);
    assert!(is == text, "{path} is not what the code says; UPDATE_EXPECT=1 renews it: {line:?}");
}

fn below(dir: &Path, end: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, end, found);
        } else if path.to_str().unwrap().ends_with(end) {
            found.push(path);
        }
    }
}

/// Which dialects fill which member, as the golden files of the adapters show it.
fn by_dialects() -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    below(&root().join("adapters/golden"), ".events.json", &mut files);
    assert!(files.len() > 100);
    let mut seen = BTreeMap::new();
    for file in files {
        let events: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        collect(&events, &mut seen);
    }
    seen
}

fn collect(value: &Value, seen: &mut BTreeMap<String, BTreeSet<String>>) {
    match value {
        Value::Object(members) => {
            if let Some(source) = members.get("source").and_then(Value::as_str) {
                let dialect = source.split(' ').nth(1).unwrap_or(source);
                for section in ["facts", "usage"] {
                    for name in
                        members.get(section).and_then(Value::as_object).into_iter().flat_map(Map::keys)
                    {
                        seen.entry(name.clone()).or_default().insert(dialect.to_owned());
                    }
                }
            }
            members.values().for_each(|value| collect(value, seen));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, seen)),
        _ => {}
    }
}

/// Names of facts in what ships of the adapters and of the daemon.
fn in_code() -> BTreeSet<String> {
    let mut files = Vec::new();
    for dir in ["adapters/src", "src", "record/src"] {
        below(&root().join(dir), ".rs", &mut files);
    }
    let mut names = BTreeSet::new();
    for file in files.iter().filter(|file| !file.to_str().unwrap().contains("tests")) {
        let text = fs::read_to_string(file).unwrap();
        let shipped =
            text.split("#[cfg(test)]\nmod tests {").next().unwrap().split("#[cfg(test)]\n#[allow").next();
        for (at, _) in shipped.unwrap().match_indices("\", Fact::") {
            let before = &text[..at];
            let name = &before[before.rfind('"').unwrap() + 1..];
            if before.ends_with(&format!("(\"{name}")) {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

fn page() -> String {
    let seen = by_dialects();
    let fields = schema::fields();
    let mut page = include_str!("head.md").to_owned();
    page += "\n## Fields\n\n| field | type | meaning |\n|---|---|---|\n";
    for field in &fields {
        let shape = if field.words.len() > 1 {
            field.words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        } else {
            field.shape.replace('"', "`")
        };
        let required = if field.required { ", required" } else { "" };
        let meaning = FIELDS.iter().find(|(path, _)| *path == field.path);
        let (_, meaning) = meaning.unwrap_or_else(|| panic!("{} has no meaning", field.path));
        writeln!(page, "| `{}` | {shape}{required} | {meaning} |", field.path).unwrap();
    }
    page +=
        "\n## Members of `data`\n\n| member | type | unit | meaning | filled by |\n|---|---|---|---|---|\n";
    for (name, kind, unit, by, meaning) in DATA {
        let who = match (by, seen.get(*name)) {
            (By::Dialects, Some(dialects)) => dialects.iter().cloned().collect::<Vec<_>>().join(", "),
            (By::Dialects, None) => "others".to_owned(),
            (By::Halod, _) => "halod, of every sender's".to_owned(),
            (By::Native, _) => "records of applications".to_owned(),
            (By::Notices, _) => "halod's notices".to_owned(),
        };
        writeln!(page, "| `{name}` | {kind} | {unit} | {meaning} | {who} |").unwrap();
    }
    page
}

#[test]
fn the_page_is_what_the_code_says() {
    as_recorded("docs/record.md", &page());
    assert_eq!(FIELDS.len(), schema::fields().len(), "a field has a meaning that the schema does not name");
    let names: Vec<&str> = DATA.iter().map(|(name, ..)| *name).collect();
    assert!(names.is_sorted(), "the members are not in order");
    let unsaid: Vec<String> = by_dialects().into_keys().chain(in_code()).collect();
    let unsaid: BTreeSet<_> = unsaid.iter().filter(|name| !names.contains(&name.as_str())).collect();
    assert!(unsaid.is_empty(), "members of data without a meaning: {unsaid:?}");
}

/// The schema as a JSON Schema. Like the verifier's it lets fields be that it does not name.
fn json_schema() -> Value {
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Halo Runtime Record, schema 0.1",
        "description": "What halod verify demands of a line's fields. Hashes, canonical form and order are beyond a schema.",
        "type": "object",
    });
    for Field { path, shape, words, required } in schema::fields() {
        let (_, meaning) = FIELDS.iter().find(|(of, _)| *of == path).unwrap();
        let mut value = match shape.as_str() {
            _ if !words.is_empty() => json!({ "enum": words }),
            "a string" => json!({ "type": "string" }),
            "true or false" => json!({ "type": "boolean" }),
            "a number" => json!({ "type": "number" }),
            "an array" => json!({ "type": "array", "items": { "type": "string" } }),
            "an object" => json!({ "type": "object" }),
            other => panic!("{path}: {other}"),
        };
        value["description"] = (*meaning).into();
        let mut place = &mut root;
        let parts: Vec<&str> = path.split('.').collect();
        let (name, above) = parts.split_last().unwrap();
        for part in above {
            let (part, items) = part.strip_suffix("[]").map_or((*part, false), |part| (part, true));
            place = &mut place["properties"][part];
            if items {
                place = &mut place["items"];
                place["type"] = "object".into();
            }
        }
        place["properties"][*name] = value;
        if required {
            let list = &mut place["required"];
            if list.is_null() {
                *list = json!([]);
            }
            list.as_array_mut().unwrap().push((*name).into());
        }
    }
    root
}

#[test]
fn the_schema_is_what_the_code_says() {
    let text = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    as_recorded("docs/halo-record.schema.json", &text);
}

/// A record that has every field, and one with those alone that it must have.
fn samples() -> [Value; 2] {
    let mut full = json!({});
    for Field { path, shape, words, .. } in schema::fields() {
        let value = match shape.as_str() {
            _ if !words.is_empty() => json!(words[0]),
            "a string" => json!("x"),
            "true or false" => json!(true),
            "a number" => json!(1),
            "an array" => json!(["x"]),
            _ => json!({}),
        };
        let mut place = &mut full;
        let parts: Vec<&str> = path.split('.').collect();
        let (name, above) = parts.split_last().unwrap();
        for part in above {
            match part.strip_suffix("[]") {
                Some(list) => {
                    if place[list][0].is_string() {
                        place[list] = json!([{}]);
                    }
                    place = &mut place[list][0];
                }
                None => place = &mut place[*part],
            }
        }
        place[*name] = value;
    }
    let least = json!({
        "schema_version": "0.1", "record_id": "r", "session_id": "s", "ts": "t",
        "action": { "type": "read", "category": "safety" },
        "integrity": { "alg": "sha-256", "canon": "rfc8785", "prev_hash": "", "hash": "" },
    });
    [full, least]
}

/// Every place within a value, as a JSON pointer.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    let mut inner = |key: &str, value: &Value| {
        let at = format!("{at}/{key}");
        all.push(at.clone());
        places(value, &at, all);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| inner(key, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| inner(&at.to_string(), value)),
        _ => {}
    }
}

/// Where a JSON Schema can say what the verifier demands, it says that.
#[test]
fn the_schema_and_the_verifier_agree() {
    let mut random = Random::new("schema");
    let others =
        [json!(null), json!(true), json!(7), json!("ok"), json!([]), json!({}), json!([1]), json!("LOW")];
    let mut records = samples().to_vec();
    for sample in samples() {
        let mut all = Vec::new();
        places(&sample, "", &mut all);
        for place in &all {
            let mut without = sample.clone();
            let (above, name) = place.rsplit_once('/').unwrap();
            if let Some(members) = without.pointer_mut(above).unwrap().as_object_mut() {
                members.remove(name);
                records.push(without);
            }
            for other in &others {
                let mut changed = sample.clone();
                *changed.pointer_mut(place).unwrap() = other.clone();
                if random.between(0, 2) == 0 {
                    changed["a_field_of_tomorrow"] = other.clone();
                }
                records.push(changed);
            }
        }
    }
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("records.jsonl");
    fs::write(&file, records.iter().map(|record| format!("{record}\n")).collect::<String>()).unwrap();
    let schema = root().join("docs/halo-record.schema.json");
    let script = root().join("tests/clients/schema_check.py");
    let mut command = agents().script(&script, &[schema.to_str().unwrap(), file.to_str().unwrap()]);
    let theirs = text_of(command.output().unwrap(), "schema_check.py");
    let mut counts = [0, 0];
    for (record, theirs) in records.iter().zip(theirs.lines()) {
        let text = record.to_string();
        let mut ours = Vec::new();
        schema::check(&parse(&text).unwrap(), &mut |violation| ours.push(violation.to_string()));
        assert_eq!(if ours.is_empty() { "valid" } else { "invalid" }, theirs, "{text}: {ours:?}");
        counts[usize::from(ours.is_empty())] += 1;
    }
    assert_eq!(theirs.lines().count(), records.len());
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}
