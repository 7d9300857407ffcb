//! The settings as a JSON Schema, for editors and for whoever checks files before halod does.
//!
//! Its keys are the vocabulary's, and what a value may be is what the reading of the shipped file took it for: nothing is
//! said twice.

use super::check::{self, Type};
use super::effective::SHIPPED;
use super::keys::{self, Kind};
use super::{effective, raw};
use serde_json::{Map, Value, json};

/// A value that is taken from the environment.
const FROM_ENVIRONMENT: &str = r"\$\{env:";
/// Durations, as the Collector writes them.
const DURATION: &str = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";
/// Named receivers of a type.
const NAMED: &str = "^(file_log|filelog)(/[A-Za-z0-9_-]+)?$";

/// The schema (draft 2020-12) of a configuration file.
#[must_use]
pub fn schema() -> Value {
    let types = raw::parse(effective::SHIPPED).map(|root| check::types(&root)).unwrap_or_default();
    let of = |key: &str| types.get(key);
    let mut schema = section("", &of);
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        fields.insert("title".into(), "Configuration of halod".into());
        fields.insert("type".into(), json!(["object", "null"]));
    }
    schema
}

fn section<'t>(path: &str, of: &impl Fn(&str) -> Option<&'t Type>) -> Value {
    let (mut properties, mut patterns) = (Map::new(), Map::new());
    for name in keys::children(path) {
        let key = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let mut inner = value(&key, of);
        if let (Some(fields), Some(text)) = (inner.as_object_mut(), comment(&key)) {
            fields.insert("description".into(), text.into());
        }
        if path == "receivers" && keys::named(name).is_some() {
            patterns.insert(NAMED.into(), inner);
        } else {
            properties.insert(name.to_owned(), inner);
        }
    }
    let mut schema = json!({
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": false,
    });
    if let (Some(fields), false) = (schema.as_object_mut(), patterns.is_empty()) {
        fields.insert("patternProperties".into(), patterns.into());
    }
    schema
}

fn value<'t>(key: &str, of: &impl Fn(&str) -> Option<&'t Type>) -> Value {
    let single = json!({ "type": ["string", "number", "boolean"] });
    match keys::kind(key) {
        Some(Kind::Section) => section(key, of),
        Some(Kind::List) => json!({ "type": ["array", "null"], "items": single }),
        Some(Kind::Map) => json!({ "type": ["object", "null"], "additionalProperties": single }),
        Some(Kind::Sections) => {
            let mut entry = section(key, of);
            entry["type"] = "object".into();
            json!({ "type": ["array", "null"], "items": entry })
        }
        Some(Kind::Entries) => {
            let mut entry = section(key, of);
            entry["type"] = "object".into();
            json!({ "type": ["array", "null"], "items": { "anyOf": [single, entry] } })
        }
        Some(Kind::Value) | None => one(of(key)),
    }
}

/// A single value; nothing, and what comes from the environment, may stand everywhere.
fn one(kind: Option<&Type>) -> Value {
    let own = match kind {
        None => return json!({ "type": ["string", "number", "boolean", "null"] }),
        Some(Type::Choice(names)) if names == &["true", "false"] => json!({ "type": "boolean" }),
        Some(Type::Choice(names)) => {
            // A name like 1.2 is a number to YAML.
            let numbers = names.iter().filter_map(|name| name.parse::<f64>().ok()).map(Value::from);
            let all: Vec<_> = names.iter().map(|name| Value::from(name.as_str())).chain(numbers).collect();
            json!({ "enum": all })
        }
        Some(Type::Number(range, other)) => {
            let number = json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() });
            match other {
                Some(word) => json!({ "anyOf": [number, { "const": word }] }),
                None => number,
            }
        }
        Some(Type::Duration) => json!({ "type": "string", "pattern": DURATION, "minLength": 2 }),
    };
    json!({ "anyOf": [own, { "type": "string", "pattern": FROM_ENVIRONMENT }, { "type": "null" }] })
}

/// What the shipped file says above a key.
fn comment(key: &str) -> Option<String> {
    let (mut path, mut said): (Vec<(usize, &str)>, Vec<&str>) = (Vec::new(), Vec::new());
    for line in SHIPPED.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if let Some(text) = text.strip_prefix('#') {
            said.push(text.trim());
            continue;
        }
        let Some((name, _)) = text.split_once(':') else {
            said.clear();
            continue;
        };
        path.retain(|(other, _)| *other < indent);
        path.push((indent, name));
        let here = path.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(".");
        if here == key {
            return (!said.is_empty()).then(|| said.join(" "));
        }
        said.clear();
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    const FILE: &str = "config/halod.schema.json";

    /// The checked-in file is what the settings say. `UPDATE_EXPECT=1` renews it.
    #[test]
    fn the_file_is_what_the_settings_say() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        // A map without an order of its own, whatever another crate's features are.
        let said: Value = serde_json::from_str(&schema().to_string()).unwrap();
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, serde_json::to_string_pretty(&said).unwrap() + "\n").unwrap();
        }
        let file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(file, said, "{FILE} is not what the settings say; UPDATE_EXPECT=1 renews it");
    }

    #[test]
    fn values_are_as_they_are_read() {
        let schema = schema();
        let at = |path: &str| schema.pointer(path).unwrap_or_else(|| panic!("{path}"));
        let level = at("/properties/log/properties/level/anyOf/0/enum");
        assert_eq!(*level, json!(["error", "warn", "info", "debug", "trace"]));
        let chains = at("/properties/storage/properties/open_chains/anyOf/0/anyOf/1/const");
        assert_eq!(*chains, json!("auto"));
        let wait = at("/properties/receivers/properties/hold/properties/wait/anyOf/0/pattern");
        assert_eq!(*wait, json!(DURATION));
        assert_eq!(*at("/additionalProperties"), json!(false));
    }
}
