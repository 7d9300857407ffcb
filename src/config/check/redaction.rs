//! `redaction`: the operator's own rules, each entry of which is reported by its number and name.

use super::{Reader, Written, child};
use crate::config::error::Place;
use crate::config::key_file;
use crate::config::raw::{Node, Value};
use halod_record::hash_only::{HashOnlyFor, MAX_NAME};
use halod_record::keyed::HashKey;
use halod_record::redact::Severity;
use halod_record::redact::custom::{Allowed, BadRule, Custom, MAX_ALLOWED, MAX_PATTERNS, Pattern};

use std::path::Path;

const PATTERNS: &str = "redaction.patterns";
const ALLOW: &str = "redaction.allow";
const HASH_ONLY_FOR: &str = "redaction.hash_only_for";
const KEY_FILE: &str = "redaction.key_file";

/// Each is compared with the names of every record.
const MAX_HASH_ONLY: usize = 256;

const SEVERITIES: [(&str, Severity); 5] = [
    ("critical", Severity::Critical),
    ("high", Severity::High),
    ("medium", Severity::Medium),
    ("low", Severity::Low),
    ("info", Severity::Info),
];

impl<'a> Reader<'a> {
    pub(super) fn redaction(&mut self) -> Custom {
        let mut patterns: Vec<Pattern> = Vec::new();
        for (at, node) in self.entries(PATTERNS, MAX_PATTERNS) {
            let Some(pattern) = self.pattern(at, node) else { continue };
            match patterns.iter().position(|known| known.name() == pattern.name()) {
                Some(_) => {
                    let what = format!(
                        "entry {at}: `{}` is the name of an entry before; put both expressions into one, as in (?:a|b), or \
                         choose another name",
                        pattern.name()
                    );
                    self.report(node.place, &format!("{PATTERNS}.name"), what);
                }
                None => patterns.push(pattern),
            }
        }
        let allowed = self.entries(ALLOW, MAX_ALLOWED);
        let allowed = allowed.into_iter().filter_map(|(at, node)| self.allowed(at, node)).collect();
        Custom::new(patterns, allowed)
    }

    /// The entries of a list, numbered from 1.
    pub(super) fn entries(&mut self, key: &str, most: usize) -> Vec<(usize, &'a Node)> {
        let Some(Node { place, value: Value::List(items) }) = self.node(key) else { return Vec::new() };
        if items.len() > most {
            self.report(*place, key, format!("at most {most} entries, and these are {}", items.len()));
            return Vec::new();
        }
        items.iter().enumerate().map(|(at, node)| (at + 1, node)).collect()
    }

    /// A member of an entry.
    pub(super) fn member(&mut self, list: &str, node: &Node, name: &str) -> Option<Written> {
        let found = child(node, name)?;
        self.scalar(&format!("{list}.{name}"), found.place, &found.value)
    }

    fn pattern(&mut self, at: usize, node: &Node) -> Option<Pattern> {
        let Value::Section(_) = node.value else { return None };
        let [name, regex, severity] =
            ["name", "regex", "severity"].map(|key| self.member(PATTERNS, node, key));
        let called = match &name {
            Some(name) => format!("entry {at} (`{}`)", name.shown),
            None => format!("entry {at}"),
        };
        for (field, written) in [("name", &name), ("regex", &regex)] {
            let unexpanded = child(node, field).is_some_and(|node| matches!(node.value, Value::Scalar(_)));
            if written.is_none() && !unexpanded {
                self.report(
                    node.place,
                    &format!("{PATTERNS}.{field}"),
                    format!("{called}: has no `{field}`"),
                );
            }
        }
        let severity = match &severity {
            None => Some(Severity::High),
            Some(written) => {
                let known =
                    SEVERITIES.into_iter().find(|(word, _)| *word == written.text.to_ascii_lowercase());
                if known.is_none() {
                    let words = SEVERITIES.map(|(word, _)| word).join(", ");
                    let what = format!("{called}: must be one of {words}, not `{}`", written.shown);
                    self.report(written.place, &format!("{PATTERNS}.severity"), what);
                }
                known.map(|(_, severity)| severity)
            }
        };
        let wrong_name =
            name.as_ref().and_then(|name| Some((Pattern::check_name(&name.text).err()?, name.place)));
        if let Some((wrong, place)) = &wrong_name {
            self.bad(PATTERNS, &called, wrong, *place);
        }
        let regex = regex?;
        // A name that is right, so that the expression is looked at all the same.
        let named = name.filter(|_| wrong_name.is_none());
        let text = named.as_ref().map_or("x", |name| &name.text);
        let pattern = Pattern::new(text, &regex.text, severity.unwrap_or(Severity::High));
        let pattern = pattern.map_err(|wrong| self.bad(PATTERNS, &called, &wrong, regex.place)).ok();
        pattern.filter(|_| named.is_some() && severity.is_some())
    }

    fn allowed(&mut self, at: usize, node: &Node) -> Option<Allowed> {
        let called = format!("entry {at}");
        let (written, allowed) = match &node.value {
            Value::Scalar(_) => {
                let written = self.scalar(ALLOW, node.place, &node.value)?;
                let allowed = Allowed::token(&written.text);
                (written, allowed)
            }
            Value::Section(_) => {
                let Some(written) = self.member(ALLOW, node, "regex") else {
                    if child(node, "regex").is_none_or(|node| matches!(node.value, Value::Null)) {
                        let what =
                            format!("{called}: has no `regex`; write the text itself, or {{ regex: ... }}");
                        self.report(node.place, &format!("{ALLOW}.regex"), what);
                    }
                    return None;
                };
                let allowed = Allowed::tokens(&written.text);
                (written, allowed)
            }
            Value::Null | Value::List(_) => return None,
        };
        allowed.map_err(|wrong| self.bad(ALLOW, &called, &wrong, written.place)).ok()
    }

    pub(super) fn hash_only_for(&mut self) -> Vec<HashOnlyFor> {
        let entries = self.entries(HASH_ONLY_FOR, MAX_HASH_ONLY);
        entries.into_iter().filter_map(|(at, node)| self.hash_only(at, node)).collect()
    }

    pub(super) fn hash_key(&mut self) -> Option<HashKey> {
        let written = self.value(KEY_FILE)?;
        key_file::read(Path::new(&written.text))
            .map_err(|what| self.report(written.place, KEY_FILE, what))
            .ok()
    }

    fn hash_only(&mut self, at: usize, node: &Node) -> Option<HashOnlyFor> {
        let Value::Section(members) = &node.value else { return None };
        let names = ["tool", "agent", "tenant"].map(|field| {
            let written = self.member(HASH_ONLY_FOR, node, field)?;
            if !(1..=MAX_NAME).contains(&written.text.len()) {
                let what = format!(
                    "entry {at}: write a name of 1 to {MAX_NAME} bytes, in which * stands for any text"
                );
                self.report(written.place, &format!("{HASH_ONLY_FOR}.{field}"), what);
            }
            Some(written.text)
        });
        let [tool, agent, tenant] = names;
        let entry = HashOnlyFor::new(tool, agent, tenant);
        if entry.is_none() && members.iter().all(|(_, node)| matches!(node.value, Value::Null)) {
            let what = format!("entry {at}: names nothing; write a `tool`, an `agent` or a `tenant`");
            self.report(node.place, HASH_ONLY_FOR, what);
        }
        entry
    }

    fn bad(&mut self, list: &str, called: &str, BadRule { field, what }: &BadRule, place: Place) {
        let key = field.map_or_else(|| list.to_owned(), |field| format!("{list}.{field}"));
        self.report(place, &key, format!("{called}: {what}"));
    }
}
