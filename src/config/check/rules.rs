//! The rules of redaction, written out for the programs that capture beside the daemon.
//!
//! They are a configuration with these sections alone, in JSON, which is YAML: values are expanded already, so that
//! nothing depends on another program's environment or directory.

use super::Reader;
use crate::config::raw::{Node, Value};
use serde_json::{Map, Value as Json};

/// Those of a configuration that has none.
pub(in crate::config) const NO_RULES: &str = "{}\n";

/// What becomes of the path of the key's file.
const KEY_FILE: &str = "key_file";

impl Reader<'_> {
    /// The sections `records` and `redaction`.
    pub(super) fn rules(&mut self) -> String {
        let mut sections = Map::new();
        for section in ["records", "redaction"] {
            if let Some(node) = self.node(section)
                && let Some(written) = self.written(section, node)
            {
                sections.insert(section.to_owned(), written);
            }
        }
        format!("{}\n", Json::Object(sections))
    }

    /// A node with its values expanded; `None` for nothing.
    fn written(&mut self, key: &str, node: &Node) -> Option<Json> {
        Some(match &node.value {
            Value::Null => return None,
            Value::Scalar(_) => {
                let text = self.scalar(key, node.place, &node.value)?.text;
                let text = match key.ends_with(KEY_FILE).then(|| std::path::absolute(&text)) {
                    Some(Ok(path)) => path.to_string_lossy().into_owned(),
                    _ => text,
                };
                Json::String(text.replace('$', "$$"))
            }
            Value::List(items) => {
                Json::Array(items.iter().filter_map(|item| self.written(key, item)).collect())
            }
            Value::Section(members) => {
                let mut section = Map::new();
                for (name, node) in members {
                    let written = self.written(&format!("{key}.{}", name.name), node);
                    section.extend(written.map(|written| (name.name.clone(), written)));
                }
                Json::Object(section)
            }
        })
    }
}
