//! `receivers.import`: folders whose files are imported.

use super::{Key, Reader, Written};
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
        for (Key { name: pattern, place: named_at }, Written { place, text, shown }) in self.map(FORMATS) {
            if glob::Pattern::new(pattern).is_err() {
                self.report(*named_at, FORMATS, format!("`{pattern}` is no pattern of file names"));
            }
            match text.parse() {
                Ok(format) => folders.formats.push((pattern.clone(), format)),
                Err(error) => self.report(place, FORMATS, format!("`{shown}`: {error}")),
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
