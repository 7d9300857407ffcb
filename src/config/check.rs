//! From the written tree to a [`Config`]: each value read, bounded and compared, all problems kept.

mod auth;
mod checkpoint;
mod connections;
mod file_log;
mod import;
mod limits;
mod redaction;
mod rules;
mod tees;
mod tls;
mod tokens;
mod tsa;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

pub(super) use self::rules::NO_RULES;
use super::env::{self, Lookup};
use super::error::{ConfigError, Place, Problem};
use super::raw::{Key, Node, Value};
use super::value::{Endpoint, duration};
use super::{Config, DoorSettings, LogFormat, LogLevel, keys};
use crate::net::web::WebPolicy;
use halod_record::hash::parse_hex;
use halod_record::tenant::Tenant;

const MIB: u64 = 1 << 20;
pub(super) const GRPC: &str = "receivers.otlp.protocols.grpc";
pub(super) const HTTP: &str = "receivers.otlp.protocols.http";
/// Names looked up per span; a longer list would be a cost on every request.
const MAX_NAMES: usize = 16;

/// Builds the configuration, starting from the defaults.
///
/// # Errors
/// Every problem of the tree.
pub(super) fn config(root: &Node, env: Lookup<'_>) -> Result<Config, ConfigError> {
    let mut reader = Reader { root, env, problems: keys::compare(root) };
    let mut config = Config::default();
    reader.doors(&mut config);
    reader.tees(&mut config);
    reader.import(&mut config);
    config.native = tokens::native(&mut reader);
    config.langsmith = tokens::langsmith(&mut reader);
    reader.file_logs(&mut config);
    reader.tenant(&mut config);
    reader.auth(&mut config);
    reader.storage(&mut config);
    reader.mebibytes("pipeline.max_in_flight_mib", 1..=65_536, |bytes| {
        config.pipeline.max_in_flight = usize::try_from(bytes).unwrap_or(usize::MAX);
    });
    config.per_tenant = reader.per_tenant();
    let flags = [("true", true), ("false", false)];
    reader.choice("records.hash_only", &flags, &mut config.records.hash_only);
    reader.choice("records.join_calls", &flags, &mut config.records.join_calls);
    reader.checkpoint(&mut config.checkpoint);
    config.redaction = reader.redaction();
    config.hash_only_for = reader.hash_only_for();
    config.hash_key = reader.hash_key();
    config.rules = reader.rules();
    reader.endpoint("admin.endpoint", &mut config.admin);
    config.admin_tls = reader.tls("admin", &config.admin);
    // Exporters give a request up after ten seconds.
    reader.duration("receivers.otlp.join_wait", (Duration::from_secs(8), "8s"), &mut config.join_wait);
    reader.web(&mut config.web);
    reader.recorded(&mut config.record_data);
    // LiteLLM gives a request up after ten minutes.
    reader.duration("receivers.litellm.wait", (Duration::from_secs(300), "5m"), &mut config.litellm_wait);
    reader.gap_interval(&mut config);
    reader.hold(&mut config);
    reader.langfuse(&mut config);
    reader.duration("shutdown_timeout", (Duration::from_secs(3600), "1h"), &mut config.shutdown_timeout);
    reader.log(&mut config);
    reader.together(&config);
    if reader.problems.is_empty() { Ok(config) } else { Err(ConfigError::new(reader.problems)) }
}

pub(super) struct Reader<'a> {
    root: &'a Node,
    env: Lookup<'a>,
    problems: Vec<Problem>,
}

/// A value that is written in the file.
pub(super) struct Written {
    pub(super) place: Place,
    /// After expansion.
    pub(super) text: String,
    /// As it may be repeated in a message: before expansion, because a variable may be a secret.
    pub(super) shown: String,
}

impl<'a> Reader<'a> {
    fn doors(&mut self, config: &mut Config) {
        if self.node("receivers.otlp.protocols").is_some_and(|node| !matches!(node.value, Value::Null)) {
            // As in a Collector: only the protocols that are named are started.
            config.grpc = self.key("receivers.otlp.protocols", "grpc").map(|_| DoorSettings::grpc());
            config.http = self.key("receivers.otlp.protocols", "http").map(|_| DoorSettings::http());
        } else if let Some(node) = self.key("receivers.otlp", "protocols") {
            let what = "names no protocol; write `grpc:`, `http:` or both, or leave `protocols` out";
            self.report(node.place, "receivers.otlp.protocols", what.into());
        }
        if config.grpc.is_none() && config.http.is_none() {
            let place = self.node("receivers.otlp.protocols").map(|node| node.place);
            let what = "opens no door; write `grpc:`, `http:` or both".into();
            self.problems.push(Problem { place, key: "receivers.otlp.protocols".into(), what });
        }
        if let Some(door) = &mut config.grpc {
            self.endpoint(&format!("{GRPC}.endpoint"), &mut door.endpoint);
            door.tls = self.tls(GRPC, &door.endpoint);
            self.mebibytes(&format!("{GRPC}.max_recv_msg_size_mib"), 1..=1024, |bytes| {
                door.limits.body = usize::try_from(bytes).unwrap_or(usize::MAX);
            });
            self.number(&format!("{GRPC}.max_concurrent_streams"), 1..=65_535, |n| {
                door.limits.concurrent_streams = u32::try_from(n).unwrap_or(u32::MAX);
            });
            self.connections(GRPC, &format!("{GRPC}.keepalive.server_parameters.max_connection_idle"), door);
        }
        if let Some(door) = &mut config.http {
            self.endpoint(&format!("{HTTP}.endpoint"), &mut door.endpoint);
            door.tls = self.tls(HTTP, &door.endpoint);
            self.count(&format!("{HTTP}.max_request_body_size"), 1024..=1024 * MIB, &mut door.limits.body);
            self.connections(HTTP, &format!("{HTTP}.idle_timeout"), door);
        }
    }

    fn web(&mut self, web: &mut WebPolicy) {
        const ORIGINS: &str = "receivers.otlp.protocols.http.cors.allowed_origins";
        const HOSTS: &str = "receivers.otlp.protocols.http.allowed_hosts";
        for Written { place, text, shown } in self.list(ORIGINS).unwrap_or_default() {
            if text == "*" || text.contains("://") && !text.ends_with('/') {
                web.origins.push(text);
            } else {
                let what = format!(
                    "`{shown}` is no origin; write its scheme, name and port alone, as in https://app.example.com"
                );
                self.report(place, ORIGINS, what);
            }
        }
        for Written { place, text, shown } in self.list(HOSTS).unwrap_or_default() {
            if text.is_empty() || text.contains(['/', ':', '@']) {
                let what = format!("`{shown}` is no name; write it without scheme and port");
                self.report(place, HOSTS, what);
            } else {
                web.hosts.push(text);
            }
        }
    }

    /// What of OTLP's spans is recorded: the agents' actions always.
    fn recorded(&mut self, data: &mut bool) {
        const KEY: &str = "receivers.otlp.record";
        let Some(kinds) = self.list(KEY) else { return };
        for Written { place, text, shown } in &kinds {
            match text.as_str() {
                "actions" => {}
                "data" => *data = true,
                _ => self.report(*place, KEY, format!("`{shown}` is neither `actions` nor `data`")),
            }
        }
        if !kinds.iter().any(|kind| kind.text == "actions")
            && let Some(node) = self.node(KEY)
        {
            self.report(node.place, KEY, "must name `actions`: `data` is what they touched".into());
        }
    }

    fn tenant(&mut self, config: &mut Config) {
        if let Some(names) = self.list("tenant.attributes") {
            for name in &names {
                if name.text.is_empty() {
                    self.report(name.place, "tenant.attributes", "an attribute's name can't be empty".into());
                }
            }
            config.tenant.attributes = names.into_iter().map(|name| name.text).collect();
        }
        let Some(names) = self.list("tenant.headers") else { return };
        config.tenant.headers.clear();
        for Written { place, text, shown } in names {
            match http::HeaderName::from_str(&text) {
                Ok(name) if name == http::header::AUTHORIZATION || name == http::header::COOKIE => {
                    let what = format!("`{name}` carries a secret; a tenant's name ends up in a file name");
                    self.report(place, "tenant.headers", what);
                }
                Ok(name) => config.tenant.headers.push(name.as_str().to_owned()),
                Err(_) => {
                    self.report(place, "tenant.headers", format!("`{shown}` is not the name of a header"));
                }
            }
        }
    }

    fn storage(&mut self, config: &mut Config) {
        let storage = &mut config.storage;
        if let Some(written) = self.value("storage.directory") {
            if written.text.is_empty() || written.text.contains('\0') {
                self.report(written.place, "storage.directory", "must be a path".into());
            }
            storage.directory = written.text.into();
        }
        self.mebibytes("storage.min_free_disk_mib", 0..=1 << 30, |bytes| storage.min_free_disk = bytes);
        if self.value("storage.open_chains").is_none_or(|written| written.text != "auto") {
            let mut open = None;
            self.expect("storage.open_chains", 8..=1_000_000, "`auto` or ", |n| {
                open = usize::try_from(n).ok();
            });
            storage.open_chains = open;
        }
        self.count("storage.max_tenants", 1..=10_000_000, &mut storage.max_tenants);
        self.mebibytes("storage.journal_size_mib", 1..=4096, |bytes| storage.journal_size = bytes);
    }

    pub(super) fn duration(&mut self, path: &str, (most, said): (Duration, &str), setting: &mut Duration) {
        let Some(Written { place, text, shown }) = self.value(path) else { return };
        match duration(&text) {
            Some(given) if given <= most => *setting = given,
            Some(_) => self.report(place, path, format!("must be at most {said}")),
            None => {
                let what = format!("must be a duration like 30s or 1m30s, not `{shown}`");
                self.report(place, path, what);
            }
        }
    }

    fn gap_interval(&mut self, config: &mut Config) {
        const KEY: &str = "receivers.gap_interval";
        self.duration(KEY, (Duration::from_secs(3600), "1h"), &mut config.gap_interval);
        if config.gap_interval < Duration::from_secs(1) {
            let place = self.node(KEY).map(|node| node.place);
            let what = "must be at least 1s: a notice for every refusal would fill the chain".into();
            self.problems.push(Problem { place, key: KEY.into(), what });
        }
    }

    fn hold(&mut self, config: &mut Config) {
        let key = "receivers.hold.wait";
        self.duration(key, (Duration::from_secs(86_400), "24h"), &mut config.hold.wait);
        if config.hold.wait < Duration::from_secs(1)
            && let Some(place) = self.node(key).map(|node| node.place)
        {
            self.report(place, key, "must be at least 1s: senders tell the end apart from the start".into());
        }
        self.mebibytes("receivers.hold.max_mib", 1..=4096, |bytes| {
            config.hold.bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        });
    }

    /// A map from Langfuse's public keys to what `read` makes of the texts beside them.
    fn by_public_key<T>(
        &mut self,
        path: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> HashMap<String, T> {
        let mut of = HashMap::new();
        for (key, Written { place, text, .. }) in self.map(path) {
            let public = key.name.clone();
            if public.is_empty() || public.contains(':') {
                self.report(place, path, "a public key is not empty and has no colon".into());
            }
            match read(text.trim()) {
                Ok(what) => drop(of.insert(public, what)),
                Err(what) => self.report(place, path, what),
            }
        }
        of
    }

    fn langfuse(&mut self, config: &mut Config) {
        let keys = &mut config.langfuse;
        keys.tenants = self.by_public_key("receivers.langfuse.keys", |text| {
            Tenant::claimed(text).map_err(|error| error.to_string())
        });
        keys.secrets = self.by_public_key("receivers.langfuse.secrets", |text| {
            // What stands there may be the secret itself, so it is not shown.
            parse_hex(text.to_ascii_lowercase().as_bytes()).ok_or_else(|| {
                "must be the SHA-256 of a secret key, 64 hex digits: printf %s \"$LANGFUSE_SECRET_KEY\" | sha256sum"
                    .to_owned()
            })
        });
        self.choice(
            "receivers.langfuse.require_key",
            &[("true", true), ("false", false)],
            &mut keys.required,
        );
        if keys.required && keys.tenants.is_empty() && keys.secrets.is_empty() {
            let place = self.node("receivers.langfuse.require_key").map(|node| node.place);
            let what = "nobody could send: list public keys in receivers.langfuse.keys or .secrets".into();
            self.problems.push(Problem { place, key: "receivers.langfuse.require_key".into(), what });
        }
    }

    fn log(&mut self, config: &mut Config) {
        let levels = [
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
            ("trace", LogLevel::Trace),
        ];
        self.choice("log.level", &levels, &mut config.log.level);
        let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
        self.choice("log.format", &formats, &mut config.log.format);
    }

    /// What must hold between values.
    fn together(&mut self, config: &Config) {
        let doors = [
            (&config.grpc, "receivers.otlp.protocols.grpc.max_recv_msg_size_mib"),
            (&config.http, "receivers.otlp.protocols.http.max_request_body_size"),
        ];
        for (door, key) in doors {
            let body = door.as_ref().map_or(0, |door| door.limits.body);
            if body > config.pipeline.max_in_flight {
                let in_flight = "pipeline.max_in_flight_mib";
                let place = self.node(key).or_else(|| self.node(in_flight)).map(|node| node.place);
                let what = format!(
                    "a request of {body} bytes could never be taken: {in_flight} allows {} bytes over all requests",
                    config.pipeline.max_in_flight
                );
                self.problems.push(Problem { place, key: key.to_owned(), what });
            }
        }
        let grpc = config.grpc.as_ref().map(|door| (&door.endpoint, format!("{GRPC}.endpoint")));
        let http = config.http.as_ref().map(|door| (&door.endpoint, format!("{HTTP}.endpoint")));
        let admin = Some((&config.admin, "admin.endpoint".to_owned()));
        let all: Vec<_> = [grpc, http, admin].into_iter().flatten().collect();
        for (i, (endpoint, key)) in all.iter().enumerate() {
            let alike = |other: &Endpoint| other == *endpoint && !other.takes_a_free_port();
            let before = all.iter().take(i).find(|(other, _)| alike(other));
            if let Some((_, other)) = before {
                let place = self.node(key).or_else(|| self.node(other)).map(|node| node.place);
                let what = format!("{endpoint} is also {other}; each needs its own");
                self.problems.push(Problem { place, key: key.clone(), what });
            }
        }
    }

    fn endpoint(&mut self, key: &str, into: &mut Endpoint) {
        let Some(Written { place, text, shown }) = self.value(key) else { return };
        match text.parse() {
            Ok(endpoint) => *into = endpoint,
            Err(error) => self.report(place, key, format!("`{shown}`: {error}")),
        }
    }

    pub(super) fn count(&mut self, key: &str, range: RangeInclusive<u64>, into: &mut usize) {
        self.number(key, range, |n| *into = usize::try_from(n).unwrap_or(usize::MAX));
    }

    fn mebibytes(&mut self, key: &str, range: RangeInclusive<u64>, into: impl FnOnce(u64)) {
        self.number(key, range, |n| into(n.saturating_mul(MIB)));
    }

    fn number(&mut self, key: &str, range: RangeInclusive<u64>, into: impl FnOnce(u64)) {
        self.expect(key, range, "", into);
    }

    /// A whole number; `or` names what else would have been taken.
    fn expect(&mut self, key: &str, range: RangeInclusive<u64>, or: &str, into: impl FnOnce(u64)) {
        let Some(Written { place, text, shown }) = self.value(key) else { return };
        match text.parse::<u64>() {
            Ok(n) if range.contains(&n) => into(n),
            _ => {
                let (low, high) = (range.start(), range.end());
                self.report(
                    place,
                    key,
                    format!("must be {or}a whole number from {low} to {high}, not `{shown}`"),
                );
            }
        }
    }

    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)], into: &mut T) {
        let Some(Written { place, text, shown }) = self.value(key) else { return };
        match choices.iter().find(|(name, _)| *name == text) {
            Some((_, choice)) => *into = *choice,
            None => {
                let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
                self.report(place, key, format!("must be one of {}, not `{shown}`", names.join(", ")));
            }
        }
    }

    /// The expanded scalar under a key, unless it is absent, null or can't be expanded; what is not
    /// a scalar has been reported by the comparison of shapes.
    pub(super) fn value(&mut self, key: &str) -> Option<Written> {
        let node = self.node(key)?;
        self.scalar(key, node.place, &node.value)
    }

    pub(super) fn list(&mut self, key: &str) -> Option<Vec<Written>> {
        let node = self.node(key)?;
        let Value::List(items) = &node.value else { return None };
        if items.len() > MAX_NAMES {
            self.report(node.place, key, format!("at most {MAX_NAMES} names"));
            return None;
        }
        Some(items.iter().filter_map(|item| self.scalar(key, item.place, &item.value)).collect())
    }

    /// The entries of a mapping whose keys the operator chose.
    pub(super) fn map(&mut self, key: &str) -> Vec<(&'a Key, Written)> {
        let Some(Node { value: Value::Section(entries), .. }) = self.node(key) else { return Vec::new() };
        let expand = |(name, node): &'a (Key, Node)| Some((name, self.scalar(key, node.place, &node.value)?));
        entries.iter().filter_map(expand).collect()
    }

    pub(super) fn scalar(&mut self, key: &str, place: Place, value: &Value) -> Option<Written> {
        let Value::Scalar(shown) = value else { return None };
        match env::expand(shown, self.env) {
            Ok(text) => Some(Written { place, text, shown: shown.clone() }),
            Err(error) => {
                // A value may be asked for more than once; the report is deduplicated.
                self.report(place, key, error.to_string());
                None
            }
        }
    }

    pub(super) fn report(&mut self, place: Place, key: &str, what: String) {
        self.problems.push(Problem { place: Some(place), key: key.to_owned(), what });
    }
}

impl<'a> Reader<'a> {
    /// The node under a dotted key; the first one where a key repeats.
    pub(super) fn node(&self, key: &str) -> Option<&'a Node> {
        key.split('.').try_fold(self.root, |node, name| child(node, name))
    }

    /// The node of one key in a section, null or not.
    fn key(&self, section: &str, name: &str) -> Option<&'a Node> {
        self.node(section).and_then(|node| child(node, name))
    }
}

fn child<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Value::Section(entries) = &node.value else { return None };
    entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
}
