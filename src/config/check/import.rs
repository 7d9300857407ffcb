//! `receivers.import`: folders whose files are imported.

use super::{Key, Reader, Written};
use crate::config::Config;
use crate::import::folder::Folders;
use halod_record::tenant::Tenant;

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
                Err(error) => self.report(
                    place,
                    FORMATS,
                    if shown == text { error.to_string() } else { format!("`{shown}`: {error}") },
                ),
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::config::parse;
    use crate::import::folder::Folders;
    use crate::import::format::Format;

    fn folders(text: &str) -> Result<Option<Folders>, Vec<String>> {
        let config = parse(&format!("receivers: {{ import: {{ {text} }} }}"), &|_| None);
        config
            .map(|config| config.import)
            .map_err(|error| error.problems.into_iter().map(|problem| problem.what).collect())
    }

    #[test]
    fn folders_formats_and_tenant_are_read() {
        let all = "include: ['/in/*.jsonl'], formats: { '*.csv': langfuse, '*': otlp }, tenant: acme";
        let folders = folders(all).unwrap().unwrap();
        assert_eq!(folders.include, ["/in/*.jsonl"]);
        let formats = [("*.csv".to_owned(), Format::Langfuse), ("*".to_owned(), Format::Otlp)];
        assert_eq!((folders.formats, folders.tenant), (formats.to_vec(), Some("acme".to_owned())));
    }

    #[test]
    fn nothing_is_watched_unless_files_are_named() {
        for text in ["", "include: []", "tenant: acme"] {
            assert_eq!(folders(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        for (text, why) in [
            ("include: ['/in/']", "must name files"),
            ("include: ['a***']", "must name files"),
            ("include: [a], formats: { '*': csv }", "the formats are otlp"),
            ("include: [a], formats: { '[': otlp }", "no pattern of file names"),
            ("include: [a], tenant: ''", "can't be empty"),
        ] {
            let said = folders(text).unwrap_err();
            assert!(said.iter().any(|said| said.contains(why)), "{text}: {said:?}");
        }
    }
}
