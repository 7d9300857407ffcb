//! `receivers.file_log`, as often as it is there.

use std::time::Duration;

use halo_adapters::gateway::Format;

use super::{Config, Reader, Value, Written, keys};
use crate::receivers::tail::settings::{Encoding, FormatOf, Requests, Settings, TenantOf};
use crate::receivers::tail::{Formats, PathTenant};

/// Bytes of a line that may be kept at most.
const MAX_LINE: u64 = 16 << 20;
const HOUR: (Duration, &str) = (Duration::from_secs(3600), "1h");

impl Reader<'_> {
    /// The instances that have something to follow.
    pub(in crate::config) fn file_logs(&mut self, config: &mut Config) {
        let Some(node) = self.node("receivers") else { return };
        let Value::Section(entries) = &node.value else { return };
        let mut names: Vec<String> = Vec::new();
        for (key, _) in entries.iter().filter(|(key, _)| keys::named(&key.name) == Some("file_log")) {
            let own = key.name.replacen("filelog", "file_log", 1);
            if names.contains(&own) {
                let what = format!("the same receiver as another one here: both are `{own}`");
                self.report(key.place, &format!("receivers.{}", key.name), what);
                continue;
            }
            names.push(own.clone());
            let settings = self.file_log(&format!("receivers.{}", key.name), own);
            if !settings.include.is_empty() {
                config.file_logs.push(settings);
            }
        }
    }

    fn file_log(&mut self, key: &str, name: String) -> Settings {
        let at = |name: &str| format!("{key}.{name}");
        let mut settings = Settings { name, ..Settings::default() };
        settings.include = self.patterns(&at("include"));
        settings.exclude = self.patterns(&at("exclude"));
        self.choice(&at("start_at"), &[("beginning", false), ("end", true)], &mut settings.start_at_end);
        self.choice(&at("compression"), &[("auto", true), ("none", false)], &mut settings.packed);
        let encodings =
            [("utf-8", Encoding::Utf8), ("latin-1", Encoding::Latin1), ("iso-8859-1", Encoding::Latin1)];
        self.choice(&at("encoding"), &encodings, &mut settings.encoding);
        self.choice(&at("notify"), &[("true", true), ("false", false)], &mut settings.notify);
        self.count(&at("max_log_size"), 256..=MAX_LINE, &mut settings.max_line);
        self.count(&at("fingerprint_size"), 16..=65_536, &mut settings.fingerprint);
        self.duration(&at("poll_interval"), HOUR, &mut settings.poll_interval);
        if settings.poll_interval < Duration::from_millis(10)
            && let Some(written) = self.value(&at("poll_interval"))
        {
            self.report(written.place, &at("poll_interval"), "must be at least 10ms".into());
        }
        settings.linger = settings.linger.max(settings.poll_interval * 5);
        self.tenant_of(key, &mut settings);
        self.format(key, &mut settings);
        settings
    }

    fn patterns(&mut self, key: &str) -> Vec<String> {
        let mut patterns = Vec::new();
        for Written { place, text, shown } in self.list(key).unwrap_or_default() {
            if text.is_empty() {
                self.report(place, key, "a pattern of paths can't be empty".into());
            } else if let Err(error) = glob::Pattern::new(&text) {
                self.report(place, key, format!("`{shown}`: {}", error.msg));
            } else {
                patterns.push(text);
            }
        }
        patterns
    }

    fn tenant_of(&mut self, key: &str, settings: &mut Settings) {
        let (value, path) = (format!("{key}.tenant.value"), format!("{key}.tenant.path"));
        if let Some(Written { place, text, .. }) = self.value(&value) {
            if text.is_empty() {
                self.report(place, &value, "must be the name of a tenant".into());
            } else if let Err(error) = halod_record::tenant::Tenant::claimed(&text) {
                self.report(place, &value, error.to_string());
            }
            settings.tenant = TenantOf::Fixed(text);
        }
        let Some(Written { place, text, shown }) = self.value(&path) else { return };
        if matches!(settings.tenant, TenantOf::Fixed(_)) {
            self.report(place, &path, "the tenant is given already, by `value`; write one of the two".into());
        }
        match PathTenant::parse(&text) {
            Some(rule) => settings.tenant = TenantOf::Path(rule),
            None => {
                let what = format!(
                    "must be a path with {{tenant}} in it once, like /var/log/{{tenant}}/access.log, not `{shown}`"
                );
                self.report(place, &path, what);
            }
        }
    }

    fn format(&mut self, key: &str, settings: &mut Settings) {
        let at = |name: &str| format!("{key}.{name}");
        let mut known = None;
        let mut formats: Vec<_> = Format::ALL.iter().map(|format| (format.name(), Some(*format))).collect();
        formats.insert(0, ("auto", None));
        self.choice(&at("format"), &formats, &mut known);
        let pattern = self.value(&at("pattern"));
        let fields: Vec<_> = self
            .map(&at("fields"))
            .into_iter()
            .map(|(key, written)| (key.name.clone(), written.text))
            .collect();
        settings.format = match (known, &pattern) {
            (None, _) => FormatOf::Auto,
            (Some(Format::Regex), pattern) => {
                FormatOf::Regex(pattern.as_ref().map(|written| written.text.clone()).unwrap_or_default())
            }
            (Some(Format::Json), _) if !fields.is_empty() => FormatOf::Json(fields.clone()),
            (Some(format), _) => FormatOf::Known(format),
        };
        if known == Some(Format::Regex) && pattern.is_none() {
            let what = "is missing: `format: regex` needs an expression with a group for what was requested, as in \
                        '(?P<path>\\S+)'";
            if let Some(place) = self.node(&at("format")).map(|node| node.place) {
                self.report(place, &at("pattern"), what.into());
            }
            return;
        }
        self.only_with(&at("pattern"), "regex", pattern.is_some() && known != Some(Format::Regex));
        self.only_with(&at("fields"), "json", !fields.is_empty() && known != Some(Format::Json));
        let mut all = false;
        self.choice(&at("all"), &[("true", true), ("false", false)], &mut all);
        let paths: Vec<String> =
            self.list(&at("paths")).unwrap_or_default().into_iter().map(|path| path.text).collect();
        self.only_with(&at("paths"), "all: false", all && !paths.is_empty());
        settings.requests = match (all, paths.is_empty()) {
            (true, _) => Requests::All,
            (false, true) => Requests::Known,
            (false, false) => Requests::Paths(paths),
        };
        if let Err((name, what)) = Formats::new(&settings.manner()) {
            let place = [at(name), at("format"), key.to_owned()]
                .iter()
                .find_map(|key| self.node(key))
                .map(|n| n.place);
            if let Some(place) = place {
                self.report(place, &at(name), what);
            }
        }
    }

    /// A setting that means something with another one only.
    fn only_with(&mut self, key: &str, what: &str, misplaced: bool) {
        if misplaced && let Some(place) = self.node(key).map(|node| node.place) {
            let what = match what {
                "all: false" => {
                    "all requests are taken already, by `all: true`; write one of the two".to_owned()
                }
                format => format!("is for `format: {format}` only"),
            };
            self.report(place, key, what);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Settings> {
        crate::config::parse(text, &|_| None).unwrap().file_logs
    }

    fn said(keys: &str) -> String {
        let text = format!("receivers: {{ file_log/x: {{ include: [a], {keys} }} }}");
        crate::config::parse(&text, &|_| None).unwrap_err().to_string()
    }

    #[test]
    fn every_value_is_read() {
        let logs = read(
            "receivers:
  file_log/a:
    include: ['/var/log/*.log', '{x,y}']
    exclude: [/var/log/z.log]
    start_at: end
    format: json
    fields: { path: http.path, status: code }
    all: true
    tenant: { value: acme }
    encoding: latin-1
    compression: none
    max_log_size: 4096
    fingerprint_size: 64
    poll_interval: 2s
    notify: false
  filelog:
    include: [b]
    format: regex
    pattern: '(?P<path>.*)'
    paths: [v1/chat]
    tenant: { path: '/{tenant}/a.log' }
  file_log/idle:
",
        );
        assert_eq!(logs.len(), 2, "one without a pattern is not started");
        let first = Settings {
            name: "file_log/a".into(),
            include: vec!["/var/log/*.log".into(), "{x,y}".into()],
            exclude: vec!["/var/log/z.log".into()],
            start_at_end: true,
            poll_interval: Duration::from_secs(2),
            notify: false,
            linger: Duration::from_secs(10),
            fingerprint: 64,
            max_line: 4096,
            packed: false,
            encoding: Encoding::Latin1,
            tenant: TenantOf::Fixed("acme".into()),
            format: FormatOf::Json(vec![
                ("path".into(), "http.path".into()),
                ("status".into(), "code".into()),
            ]),
            requests: Requests::All,
        };
        assert_eq!(logs[0], first);
        assert_eq!(logs[1].name, "file_log");
        assert_eq!(logs[1].format, FormatOf::Regex("(?P<path>.*)".into()));
        assert_eq!(logs[1].requests, Requests::Paths(vec!["v1/chat".into()]));
        assert!(matches!(logs[1].tenant, TenantOf::Path(_)));
    }

    #[test]
    fn each_mistake_is_told_where_it_is() {
        for (keys, expected) in [
            ("exclude: ['[']", "exclude: `[`: "),
            ("format: apach", "format: must be one of auto, combined, nginx"),
            ("pattern: x", "pattern: is for `format: regex` only"),
            ("fields: { path: p }", "fields: is for `format: json` only"),
            ("format: json, fields: { nonsense: p }", "fields: "),
            ("format: regex", "pattern: "),
            ("format: regex, pattern: '('", "pattern: "),
            ("all: true, paths: [v1]", "paths: all requests are taken already"),
            ("paths: ['a?b']", "paths: `a?b`: "),
            ("tenant: { path: /x }", "tenant.path: must be a path with {tenant} in it once"),
            ("tenant: { path: '/{tenant}', value: a }", "tenant.path: the tenant is given already"),
            ("poll_interval: 1ms", "poll_interval: must be at least 10ms"),
            ("max_log_size: 1", "max_log_size: must be a whole number from 256"),
        ] {
            let said = said(keys);
            assert!(said.contains(&format!("receivers.file_log/x.{expected}")), "{keys}: {said}");
        }
        let twice = "receivers: { filelog: , file_log: }";
        let said = crate::config::parse(twice, &|_| None).unwrap_err().to_string();
        assert!(said.contains("the same receiver as another one here"), "{said}");
    }
}
