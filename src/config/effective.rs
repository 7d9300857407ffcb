//! What holds: every setting with its value, and where that comes from.
//!
//! Defaults are those of `config/halod.yaml`, which a test holds to be the program's.

use super::Overrides;
use super::env::{expand, has_reference};
use super::error::{ConfigError, Problem};
use super::keys::{self, Kind};
use super::raw::{self, Key, Node, Value};
use std::path::Path;

/// The file that names every setting with its default.
pub const SHIPPED: &str = include_str!("../../config/halod.yaml");

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// A line of the configuration file.
    File(u64),
    /// Environment variables that a line of the file names.
    Environment(u64),
    /// The command line.
    Flag(&'static str),
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The names of the sections around it, and its own. An entry of a list has its number.
    pub path: Vec<String>,
    /// `None` for nothing.
    pub value: Option<Shown>,
    pub origin: Origin,
}

/// A value as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    One(String),
    List(Vec<String>),
    /// A list or a mapping without anything in it.
    Nothing(&'static str),
}

/// What stands for a secret.
pub const MASK: &str = "****";

/// Keys whose values are secrets, or what secrets are known by.
const SECRET: [&str; 4] = [".tee.headers", "langfuse.secrets", "langsmith.keys", "native.tokens"];

/// Every setting of a configuration file, as it holds with the command line over it.
///
/// # Errors
/// Every problem of the file.
pub fn settings(text: &str, overrides: &Overrides) -> Result<Vec<Setting>, ConfigError> {
    let own = raw::parse(text).map_err(|problem| ConfigError::new(vec![problem]))?;
    let shipped = raw::parse(SHIPPED).map_err(|problem| ConfigError::new(vec![problem]))?;
    let mut found = Vec::new();
    walk(&mut Vec::new(), Some(&own), Some(&shipped), &mut found)?;
    let flags = [
        ("storage.directory", "--dir", overrides.directory.as_ref().map(|dir| dir.display().to_string())),
        (
            "receivers.otlp.protocols.grpc.endpoint",
            "--grpc",
            overrides.grpc.as_ref().map(ToString::to_string),
        ),
        (
            "receivers.otlp.protocols.http.endpoint",
            "--http",
            overrides.http.as_ref().map(ToString::to_string),
        ),
        ("admin.endpoint", "--admin", overrides.admin.as_ref().map(ToString::to_string)),
    ];
    for (key, flag, value) in flags {
        if let Some(value) = value {
            set(&mut found, key, value, flag);
        }
    }
    if overrides.insecure {
        for door in ["receivers.otlp.protocols.grpc", "receivers.otlp.protocols.http", "admin"] {
            set(&mut found, &format!("{door}.insecure"), "true".into(), "--insecure");
        }
    }
    Ok(found)
}

fn set(found: &mut [Setting], key: &str, value: String, flag: &'static str) {
    if let Some(setting) = found.iter_mut().find(|setting| setting.path.join(".") == key) {
        (setting.value, setting.origin) = (Some(Shown::One(value)), Origin::Flag(flag));
    }
}

/// Goes down the file and the defaults together. A value that the file leaves empty is the default's.
fn walk(
    path: &mut Vec<String>,
    own: Option<&Node>,
    shipped: Option<&Node>,
    found: &mut Vec<Setting>,
) -> Result<(), ConfigError> {
    let own = own.filter(|node| !matches!(node.value, Value::Null));
    let key = path.join(".");
    let kind = if path.is_empty() { Some(Kind::Section) } else { keys::kind(&key) };
    if kind != Some(Kind::Section) {
        return leaf(path, own, shipped, found);
    }
    // As in a Collector: where the file names protocols, the others are not started.
    let only_own = key == "receivers.otlp.protocols" && own.is_some();
    let mut names: Vec<&str> = Vec::new();
    for node in [own, shipped.filter(|_| !only_own)].into_iter().flatten() {
        for (Key { name, .. }, _) in entries(node) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    for name in names {
        path.push(name.to_owned());
        let default = shipped.and_then(|node| child(node, name)).or_else(|| {
            let kind = keys::named(name).filter(|_| key == "receivers")?;
            shipped.and_then(|node| child(node, kind))
        });
        walk(path, own.and_then(|node| child(node, name)), default, found)?;
        path.pop();
    }
    Ok(())
}

fn leaf(
    path: &[String],
    own: Option<&Node>,
    shipped: Option<&Node>,
    found: &mut Vec<Setting>,
) -> Result<(), ConfigError> {
    let Some(node) = own.or(shipped) else { return Ok(()) };
    let is_secret = SECRET.iter().any(|secret| path.join(".").ends_with(secret));
    let origin = |node: &Node, text: &str| match own {
        None => Origin::Default,
        Some(_) if has_reference(text) => Origin::Environment(node.place.line),
        Some(_) => Origin::File(node.place.line),
    };
    let expanded = |node: &Node, text: &str| {
        if is_secret {
            return Ok(MASK.to_owned());
        }
        let text = expand(text, &|name| std::env::var_os(name));
        let what = |error: super::env::EnvError| Problem {
            place: Some(node.place),
            key: path.join("."),
            what: error.to_string(),
        };
        text.map(|text| without_credentials(&text)).map_err(|error| ConfigError::new(vec![what(error)]))
    };
    let mut push = |path: Vec<String>, value, origin| found.push(Setting { path, value, origin });
    match &node.value {
        Value::Null => push(path.to_vec(), None, origin(node, "")),
        Value::Scalar(text) => {
            push(path.to_vec(), Some(Shown::One(expanded(node, text)?)), origin(node, text));
        }
        Value::List(items) if items.is_empty() => {
            push(path.to_vec(), Some(Shown::Nothing("[]")), origin(node, ""));
        }
        Value::Section(entries) if entries.is_empty() => {
            push(path.to_vec(), Some(Shown::Nothing("{}")), origin(node, ""));
        }
        Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Scalar(_))) => {
            let mut texts = Vec::new();
            let mut all = String::new();
            for item in items {
                if let Value::Scalar(text) = &item.value {
                    texts.push(expanded(item, text)?);
                    all.push_str(text);
                }
            }
            push(path.to_vec(), Some(Shown::List(texts)), origin(node, &all));
        }
        Value::List(items) => {
            for (number, item) in items.iter().enumerate() {
                let path = [path, &[number.to_string()]].concat();
                leaf(&path, own.map(|_| item), Some(item), found)?;
            }
        }
        Value::Section(entries) => {
            for (key, node) in entries {
                let path = [path, std::slice::from_ref(&key.name)].concat();
                let path_is_secret = is_secret && matches!(node.value, Value::Scalar(_));
                if path_is_secret {
                    let origin = own.map_or(Origin::Default, |_| Origin::File(node.place.line));
                    found.push(Setting { path, value: Some(Shown::One(MASK.into())), origin });
                } else {
                    leaf(&path, own.map(|_| node), Some(node), found)?;
                }
            }
        }
    }
    Ok(())
}

/// A text without what stands before the host of an address: people write keys there.
fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{MASK}@{host}{path}"),
        None => text.to_owned(),
    }
}

fn entries(node: &Node) -> &[(Key, Node)] {
    match &node.value {
        Value::Section(entries) => entries,
        _ => &[],
    }
}

fn child<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    entries(node).iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
}

/// The settings as a configuration file, with a comment for each that tells where it comes from. Where nothing is masked, it
/// says the same as what it was made of.
#[must_use]
pub fn yaml(settings: &[Setting], file: Option<&Path>) -> String {
    let file = file.map_or_else(|| "file".to_owned(), |file| file.display().to_string());
    let mut out = String::new();
    let mut around: Vec<&String> = Vec::new();
    for Setting { path, value, origin } in settings {
        let Some((name, sections)) = path.split_last() else { continue };
        let shared = around.iter().zip(sections).take_while(|(a, b)| **a == *b).count();
        around.truncate(shared);
        for section in sections.iter().skip(shared) {
            if is_number(section) {
                out.push_str(&format!("{}-\n", "  ".repeat(around.len())));
            } else {
                out.push_str(&format!("{}{}:\n", "  ".repeat(around.len()), quoted(section)));
            }
            around.push(section);
        }
        let indent = "  ".repeat(around.len());
        let value = match value {
            None => String::new(),
            Some(Shown::One(text)) => format!(" {}", quoted(text)),
            Some(Shown::List(texts)) => {
                format!(" [{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
            }
            Some(Shown::Nothing(nothing)) => format!(" {nothing}"),
        };
        let from = match origin {
            Origin::Default => "default".to_owned(),
            Origin::File(line) => format!("{file}:{line}"),
            Origin::Environment(line) => format!("environment, by {file}:{line}"),
            Origin::Flag(flag) => (*flag).to_owned(),
        };
        let name = if is_number(name) { "-".to_owned() } else { format!("{}:", quoted(name)) };
        out.push_str(&format!("{indent}{name}{value}  # {from}\n"));
    }
    out
}

fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// A scalar that is read as this text again.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'.' | b'-');
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'/');
    if begins && text.bytes().all(plain) && text != "null" {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.replace('$', "$$").chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn shown(text: &str) -> String {
        yaml(&settings(text, &Overrides::default()).unwrap(), Some(Path::new("h.yaml")))
    }

    #[test]
    fn what_is_shown_says_the_same() {
        for text in [
            "",
            "log: { level: debug }\nstorage: { directory: '/a b/$${x}' }\n",
            "receivers: { otlp: { protocols: { grpc: } } }\n",
            "receivers:\n  file_log/x:\n    include: ['/a/*.log', \"b\"]\n    format: regex\n    pattern: '(?P<path>\\S+)$'\n",
            "redaction:\n  patterns:\n    - { name: badge, regex: 'b[0-9]{4}' }\n    - { name: other, regex: 'c', severity: low }\n  allow: [prod-eu1-9F3kQ7pX2mLw8ZtR, { regex: 'build-[0-9a-z]{24}' }]\n",
            "receivers: { langfuse: { keys: { pk-1: acme } } }\n",
        ] {
            // The rules for those who capture are the sections as they are written, with their defaults or without.
            let config = |text: &str| Config {
                rules: String::new(),
                ..crate::config::parse(text, &|_| None).unwrap()
            };
            let again = shown(text);
            assert_eq!(config(&again), config(text), "{again}");
        }
        let shipped = crate::config::parse(SHIPPED, &|_| None).unwrap();
        assert_eq!(Config { rules: Config::default().rules, ..shipped }, Config::default());
    }

    #[test]
    fn each_value_tells_where_it_comes_from() {
        let said = shown("\nlog:\n  level: debug\n");
        assert!(said.contains("log:\n  level: debug  # h.yaml:3\n  format: auto  # default\n"), "{said}");
        let overrides = Overrides { directory: Some("/elsewhere".into()), ..Overrides::default() };
        let said = yaml(&settings("", &overrides).unwrap(), None);
        assert!(said.contains("  directory: /elsewhere  # --dir\n"), "{said}");
    }

    #[test]
    fn secrets_are_masked() {
        let token = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        let said = shown(&format!(
            "receivers:\n  native: {{ tokens: {{ {token}: acme }} }}\n  langfuse: {{ secrets: {{ pk: {token} }} }}\n  \
             otlp: {{ tee: {{ endpoint: 'https://user:hidden@x/y', headers: {{ authorization: hidden }} }} }}\n"
        ));
        assert!(!said.contains("hidden") && !said.contains(&format!("pk: {token}")), "{said}");
        assert!(said.contains("https://****@x/y"), "{said}");
    }
}
