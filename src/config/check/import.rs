//! `receivers.import`: folders whose files are imported.

use super::super::raw::{Node, Value};
use super::{Reader, Written};
use crate::config::Config;
use crate::import::folder::Folders;
use crate::record::tenant::Tenant;

const INCLUDE: &str = "receivers.import.include";
const FORMATS: &str = "receivers.import.formats";
const TENANT: &str = "receivers.import.tenant";

impl Reader<'_> {
    pub(super) fn import(&mut self, config: &mut Config) {
        let mut folders = Folders::default();
        for Written { place, text, shown } in self.list(INCLUDE).unwrap_or_default() {
            match glob::Pattern::new(&text) {
                Ok(_) if !text.is_empty() && !text.ends_with('/') && !text.contains('\0') => {
                    folders.include.push(text);
                }
                _ => {
                    let what = format!("`{shown}` must name files, like /var/lib/exports/*.jsonl");
                    self.report(place, INCLUDE, what);
                }
            }
        }
        if let Some(Node { value: Value::Section(entries), .. }) = self.node(FORMATS) {
            for (key, node) in entries {
                if glob::Pattern::new(&key.name).is_err() {
                    let what = format!("`{}` is no pattern of file names", key.name);
                    self.report(key.place, FORMATS, what);
                }
                let Some(written) = self.scalar(FORMATS, node.place, &node.value) else { continue };
                match written.text.parse() {
                    Ok(format) => folders.formats.push((key.name.clone(), format)),
                    Err(error) => {
                        self.report(written.place, FORMATS, format!("`{}`: {error}", written.shown))
                    }
                }
            }
        }
        if let Some(Written { place, text, .. }) = self.value(TENANT) {
            match Tenant::claimed(&text) {
                Ok(Tenant::Subject(_)) => folders.tenant = Some(text),
                Ok(Tenant::Local) => self.report(place, TENANT, "a tenant's id can't be empty".into()),
                Err(error) => self.report(place, TENANT, error.to_string()),
            }
        }
        config.import = (!folders.include.is_empty()).then_some(folders);
    }
}
