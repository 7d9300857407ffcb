//! Every key there is, and what to say about one there isn't.

use std::borrow::Cow;

use super::error::{Place, Problem};
use super::raw::{Key, Node, Value};
use halod_record::spelling::nearest;

/// What stands under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Section,
    Value,
    List,
    /// Keys that the operator chooses, each with a single value.
    Map,
    /// A list of sections.
    Sections,
    /// A list of single values and sections.
    Entries,
}

use Kind::{Entries, List, Map, Section, Sections, Value as Single};

/// The vocabulary, but for the tees. `config/halod.yaml` explains each key; a test holds the two together.
const KEYS: &[(&str, Kind)] = &[
    ("receivers", Section),
    ("receivers.hold", Section),
    ("receivers.hold.wait", Single),
    ("receivers.hold.max_mib", Single),
    ("receivers.langfuse", Section),
    ("receivers.langfuse.keys", Map),
    ("receivers.langfuse.secrets", Map),
    ("receivers.langfuse.require_key", Single),
    ("receivers.langsmith.keys", Map),
    ("receivers.langsmith.require_key", Single),
    ("receivers.otlp", Section),
    ("receivers.otlp.join_wait", Single),
    ("receivers.otlp.record", List),
    ("receivers.otlp.protocols", Section),
    ("receivers.otlp.protocols.grpc", Section),
    ("receivers.otlp.protocols.grpc.endpoint", Single),
    ("receivers.otlp.protocols.grpc.max_recv_msg_size_mib", Single),
    ("receivers.otlp.protocols.grpc.max_concurrent_streams", Single),
    ("receivers.otlp.protocols.grpc.max_connections", Single),
    ("receivers.otlp.protocols.grpc.max_connections_per_address", Single),
    ("receivers.otlp.protocols.grpc.keepalive", Section),
    ("receivers.otlp.protocols.grpc.keepalive.server_parameters", Section),
    ("receivers.otlp.protocols.grpc.keepalive.server_parameters.max_connection_idle", Single),
    ("receivers.otlp.protocols.grpc.keepalive.server_parameters.max_connection_age", Single),
    ("receivers.otlp.protocols.grpc.keepalive.server_parameters.max_connection_age_grace", Single),
    ("receivers.otlp.protocols.grpc.auth", Single),
    ("receivers.otlp.protocols.grpc.insecure", Single),
    ("receivers.otlp.protocols.grpc.tls", Section),
    ("receivers.otlp.protocols.grpc.tls.cert_file", Single),
    ("receivers.otlp.protocols.grpc.tls.key_file", Single),
    ("receivers.otlp.protocols.grpc.tls.client_ca_file", Single),
    ("receivers.otlp.protocols.grpc.tls.min_version", Single),
    ("receivers.otlp.protocols.grpc.tls.reload_interval", Single),
    ("receivers.otlp.protocols.http", Section),
    ("receivers.otlp.protocols.http.endpoint", Single),
    ("receivers.otlp.protocols.http.max_request_body_size", Single),
    ("receivers.otlp.protocols.http.max_connections", Single),
    ("receivers.otlp.protocols.http.max_connections_per_address", Single),
    ("receivers.otlp.protocols.http.idle_timeout", Single),
    ("receivers.otlp.protocols.http.max_connection_age", Single),
    ("receivers.otlp.protocols.http.max_connection_age_grace", Single),
    ("receivers.otlp.protocols.http.auth", Single),
    ("receivers.otlp.protocols.http.insecure", Single),
    ("receivers.otlp.protocols.http.tls", Section),
    ("receivers.otlp.protocols.http.tls.cert_file", Single),
    ("receivers.otlp.protocols.http.tls.key_file", Single),
    ("receivers.otlp.protocols.http.tls.client_ca_file", Single),
    ("receivers.otlp.protocols.http.tls.min_version", Single),
    ("receivers.otlp.protocols.http.tls.reload_interval", Single),
    ("receivers.otlp.protocols.http.cors", Section),
    ("receivers.otlp.protocols.http.cors.allowed_origins", List),
    ("receivers.otlp.protocols.http.allowed_hosts", List),
    ("receivers.litellm.wait", Single),
    ("receivers.gap_interval", Single),
    ("receivers.import", Section),
    ("receivers.import.include", List),
    ("receivers.import.formats", Map),
    ("receivers.import.tenant", Single),
    ("receivers.native", Section),
    ("receivers.native.tokens", Map),
    ("receivers.file_log", Section),
    ("receivers.file_log.include", List),
    ("receivers.file_log.exclude", List),
    ("receivers.file_log.start_at", Single),
    ("receivers.file_log.format", Single),
    ("receivers.file_log.pattern", Single),
    ("receivers.file_log.fields", Map),
    ("receivers.file_log.all", Single),
    ("receivers.file_log.paths", List),
    ("receivers.file_log.tenant", Section),
    ("receivers.file_log.tenant.value", Single),
    ("receivers.file_log.tenant.path", Single),
    ("receivers.file_log.encoding", Single),
    ("receivers.file_log.compression", Single),
    ("receivers.file_log.max_log_size", Single),
    ("receivers.file_log.fingerprint_size", Single),
    ("receivers.file_log.poll_interval", Single),
    ("receivers.file_log.notify", Single),
    ("auth", Section),
    ("auth.file", Single),
    ("auth.outside_claims", Single),
    ("tenant", Section),
    ("tenant.attributes", List),
    ("tenant.headers", List),
    ("storage", Section),
    ("storage.directory", Single),
    ("storage.min_free_disk_mib", Single),
    ("storage.open_chains", Single),
    ("storage.max_tenants", Single),
    ("storage.journal_size_mib", Single),
    ("pipeline", Section),
    ("pipeline.max_in_flight_mib", Single),
    ("limits", Section),
    ("limits.per_tenant", Section),
    ("limits.per_tenant.records_per_second", Single),
    ("limits.per_tenant.bytes_per_second", Single),
    ("limits.per_tenant.new_chains_per_minute", Single),
    ("records", Section),
    ("records.hash_only", Single),
    ("records.join_calls", Single),
    ("checkpoint", Section),
    ("checkpoint.interval", Single),
    ("checkpoint.origin", Single),
    ("checkpoint.key_file", Single),
    ("checkpoint.receipts", Single),
    ("checkpoint.max_age", Single),
    ("checkpoint.witnesses", Sections),
    ("checkpoint.witnesses.vkey", Single),
    ("checkpoint.witnesses.url", Single),
    ("checkpoint.witnesses.ca_file", Single),
    ("checkpoint.tsa", Section),
    ("checkpoint.tsa.url", Single),
    ("checkpoint.tsa.roots", Single),
    ("checkpoint.tsa.every", Single),
    ("checkpoint.tsa.policies", List),
    ("checkpoint.tsa.ca_file", Single),
    ("checkpoint.halo_witness", Section),
    ("checkpoint.halo_witness.url", Single),
    ("checkpoint.halo_witness.key_file", Single),
    ("checkpoint.halo_witness.ca_file", Single),
    ("redaction", Section),
    ("redaction.patterns", Sections),
    ("redaction.patterns.name", Single),
    ("redaction.patterns.regex", Single),
    ("redaction.patterns.severity", Single),
    ("redaction.allow", Entries),
    ("redaction.allow.regex", Single),
    ("redaction.key_file", Single),
    ("redaction.hash_only_for", Sections),
    ("redaction.hash_only_for.tool", Single),
    ("redaction.hash_only_for.agent", Single),
    ("redaction.hash_only_for.tenant", Single),
    ("admin", Section),
    ("admin.endpoint", Single),
    ("admin.auth", Single),
    ("admin.insecure", Single),
    ("admin.tls", Section),
    ("admin.tls.cert_file", Single),
    ("admin.tls.key_file", Single),
    ("admin.tls.client_ca_file", Single),
    ("admin.tls.min_version", Single),
    ("admin.tls.reload_interval", Single),
    ("shutdown_timeout", Single),
    ("log", Section),
    ("log.level", Single),
    ("log.format", Single),
];

/// The same keys under each door that can have a tee.
macro_rules! tees {
    ($($door:literal),* $(,)?) => {
        &[$(&[
            (concat!("receivers.", $door), Section),
            (concat!("receivers.", $door, ".tee"), Section),
            (concat!("receivers.", $door, ".tee.endpoint"), Single),
            (concat!("receivers.", $door, ".tee.headers"), Map),
            (concat!("receivers.", $door, ".tee.queue_size_mib"), Single),
            (concat!("receivers.", $door, ".tee.max_age"), Single),
            (concat!("receivers.", $door, ".tee.max_attempts"), Single),
            (concat!("receivers.", $door, ".tee.timeout"), Single),
            (concat!("receivers.", $door, ".tee.ca_file"), Single),
        ]),*]
    };
}

const TEES: &[&[(&str, Kind)]] = tees!["otlp", "litellm", "langfuse", "langsmith", "openai_agents"];

/// Every key with its kind; a section of a door with a tee may be there twice.
pub fn all() -> impl Iterator<Item = (&'static str, Kind)> {
    KEYS.iter().chain(TEES.iter().copied().flatten()).copied()
}
/// Receivers of which there may be several, each with a name of its own, as in `file_log/nginx`; and
/// what else they may be called.
pub const NAMED: &[(&str, &[&str])] = &[("file_log", &["filelog"])];

/// Keys a Collector configuration has and halod does not, with the reason. The longest match wins.
const FOREIGN: &[(&str, &str)] = &[
    (
        "processors.batch",
        "halod has no batch processor: a batch in front of the chain answers the sender before its \
         records are on disk. Requests that arrive together are committed together anyway",
    ),
    ("processors.memory_limiter", "memory is bounded by pipeline.max_in_flight_mib"),
    ("processors", "halod has no processors: what arrives is sealed as it is"),
    ("connectors", "halod has no connectors: every receiver feeds the one chain of its tenant"),
    (
        "exporters",
        "halod has no exporters: every receiver feeds the one chain of its tenant, under \
         storage.directory; receivers.otlp.tee passes requests on as they came",
    ),
    ("extensions.health_check", "health is served at admin.endpoint, paths /healthz and /readyz"),
    ("extensions", "halod has no extensions; health and metrics are served at admin.endpoint"),
    (
        "service.pipelines",
        "halod has no pipelines: every receiver that is configured is started and feeds the one \
         chain of its tenant",
    ),
    (
        "service.telemetry",
        "use log.level and log.format; metrics are served at admin.endpoint, path /metrics",
    ),
    (
        "service",
        "halod needs no service section: every receiver that is configured is started and feeds \
         the one chain of its tenant",
    ),
];

/// Sections whose children are looked at one by one, to name each with its own reason.
const FOREIGN_SECTIONS: &[&str] = &["processors", "service", "extensions"];

/// Compares the tree's shape with the vocabulary and reports every difference.
#[must_use]
pub fn compare(root: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    match &root.value {
        Value::Null => {}
        Value::Section(entries) => section(entries, "", &mut problems),
        _ => problems.push(problem(root.place, "", "must be a mapping of sections, like `storage:`".into())),
    }
    problems
}

fn section(entries: &[(Key, Node)], path: &str, problems: &mut Vec<Problem>) {
    let mut seen: std::collections::BTreeMap<&str, Place> = std::collections::BTreeMap::new();
    for (key, node) in entries {
        let full = join(path, &key.name);
        if let Some(first) = seen.get(key.name.as_str()) {
            let what = format!("given twice; the first is at line {}", first.line);
            problems.push(problem(key.place, &full, what));
            continue;
        }
        seen.insert(&key.name, key.place);
        match kind(&full) {
            Some(kind) => shape(node, kind, &full, problems),
            None => unknown(key, node, path, &full, problems),
        }
    }
}

fn shape(node: &Node, kind: Kind, path: &str, problems: &mut Vec<Problem>) {
    match (kind, &node.value) {
        (_, Value::Null) | (Single, Value::Scalar(_)) => {}
        (Section, Value::Section(entries)) => section(entries, path, problems),
        (Section, _) => problems.push(problem(
            node.place,
            path,
            format!("must be a section with keys {}", names(&children(path))),
        )),
        (Single, _) => problems.push(problem(node.place, path, "must be a single value".into())),
        (List, Value::List(items)) => {
            for item in items {
                if !matches!(item.value, Value::Scalar(_)) {
                    problems.push(problem(item.place, path, "each item must be a single value".into()));
                }
            }
        }
        (Map, Value::Section(entries)) => map(entries, path, problems),
        (Sections | Entries, Value::List(items)) => list(items, kind, path, problems),
        (Sections | Entries, _) => problems.push(problem(
            node.place,
            path,
            format!("must be a list, with a `-` before each entry of {}", names(&children(path))),
        )),
        (Map, _) => problems.push(problem(node.place, path, "must be a mapping, like { a: b }".into())),
        (List, _) => problems.push(problem(node.place, path, "must be a list, like [a, b]".into())),
    }
}

fn list(items: &[Node], kind: Kind, path: &str, problems: &mut Vec<Problem>) {
    for (at, item) in items.iter().enumerate() {
        let nth = at + 1;
        match &item.value {
            Value::Section(entries) => section(entries, path, problems),
            Value::Scalar(_) if kind == Entries => {}
            _ => {
                let text = if kind == Entries { "a single value, or " } else { "" };
                let what =
                    format!("entry {nth}: must be {text}a section with keys {}", names(&children(path)));
                problems.push(problem(item.place, path, what));
            }
        }
    }
}

fn map(entries: &[(Key, Node)], path: &str, problems: &mut Vec<Problem>) {
    let mut seen: std::collections::BTreeMap<&str, Place> = std::collections::BTreeMap::new();
    for (key, node) in entries {
        if let Some(first) = seen.insert(&key.name, key.place) {
            let what = format!("given twice; the first is at line {}", first.line);
            problems.push(problem(key.place, path, what));
        } else if !matches!(node.value, Value::Scalar(_)) {
            problems.push(problem(node.place, path, "each value must be a single one".into()));
        }
    }
}

fn unknown(key: &Key, node: &Node, path: &str, full: &str, problems: &mut Vec<Problem>) {
    if let Some(reason) = foreign(full) {
        if let (true, Value::Section(entries)) = (FOREIGN_SECTIONS.contains(&full), &node.value)
            && !entries.is_empty()
        {
            for (child, _) in entries {
                let full = join(full, &child.name);
                problems.push(problem(child.place, &full, foreign(&full).unwrap_or(reason).to_owned()));
            }
        } else {
            problems.push(problem(key.place, full, reason.to_owned()));
        }
        return;
    }
    problems.push(problem(key.place, full, format!("unknown key; {}", suggestion(path, &key.name))));
}

/// The reason why a Collector's key is not here: its own, or that of the section around it; a
/// named component like `batch/small` counts as its type.
fn foreign(full: &str) -> Option<&'static str> {
    let typed = full.split('/').next().unwrap_or(full);
    let fits =
        |name: &str| typed == name || typed.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    FOREIGN
        .iter()
        .filter(|(name, _)| fits(name))
        .max_by_key(|(name, _)| name.len())
        .map(|(_, reason)| *reason)
}

/// The key as it stands in [`KEYS`]: a named receiver under its type, an alias under the name itself.
fn canonical(path: &str) -> Cow<'_, str> {
    let Some(rest) = path.strip_prefix("receivers.") else { return path.into() };
    let (receiver, rest) =
        rest.split_once('.').map_or((rest, None), |(receiver, rest)| (receiver, Some(rest)));
    match (named(receiver), rest) {
        (None, _) => path.into(),
        (Some(kind), None) => format!("receivers.{kind}").into(),
        (Some(kind), Some(rest)) => format!("receivers.{kind}.{rest}").into(),
    }
}

/// The type of a receiver that may have a name: `file_log` of `filelog/nginx`. A name is made of letters,
/// digits, `-` and `_`.
#[must_use]
pub fn named(receiver: &str) -> Option<&'static str> {
    let (kind, name) = receiver.split_once('/').unwrap_or((receiver, "_"));
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let fits = |(own, aliases): &&(&str, &[&str])| *own == kind || aliases.contains(&kind);
    let known = NAMED.iter().find(fits).map(|(own, _)| *own);
    known.filter(|_| !name.is_empty() && name.bytes().all(of_name))
}

/// A near name among the siblings, else the place where a key of this name belongs, else all
/// siblings.
fn suggestion(path: &str, name: &str) -> String {
    let siblings = children(path);
    if let Some(sibling) = nearest(name, &siblings) {
        return format!("did you mean `{sibling}`?");
    }
    let elsewhere = all().find(|(key, _)| key.rsplit('.').next() == Some(name));
    if let Some((key, _)) = elsewhere {
        return format!("did you mean `{key}`?");
    }
    let place = if path.is_empty() { "at the top" } else { "here" };
    format!("known {place}: {}", names(&siblings))
}

/// What stands under a dotted key, if there is such a key.
pub(super) fn kind(path: &str) -> Option<Kind> {
    let path = canonical(path);
    all().find(|(key, _)| *key == path).map(|(_, kind)| kind)
}

/// The names of the keys below a dotted key.
pub(super) fn children(path: &str) -> Vec<&'static str> {
    let path = &*canonical(path);
    let under = |key: &'static str| {
        if path.is_empty() {
            Some(key)
        } else {
            key.strip_prefix(path).and_then(|rest| rest.strip_prefix('.'))
        }
    };
    let mut names = Vec::new();
    for name in all().filter_map(|(key, _)| under(key)).filter(|rest| !rest.contains('.')) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn names(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn problem(place: Place, key: &str, what: String) -> Problem {
    Problem { place: Some(place), key: key.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_receivers_have_the_keys_of_their_type() {
        assert_eq!(kind("receivers.filelog/nginx-1.tenant.path"), Some(Single));
        assert_eq!(kind("receivers.file_log"), Some(Section));
        for none in ["receivers.file_log/", "receivers.file_log/a/b", "receivers.otlp/x", "file_log"] {
            assert_eq!(kind(none), None, "{none}");
        }
        assert!(children("receivers.file_log/x").contains(&"include"));
    }

    #[test]
    fn every_key_has_its_section() {
        for (key, _) in all() {
            if let Some((parent, _)) = key.rsplit_once('.') {
                assert!(matches!(kind(parent), Some(Section | Sections | Entries)), "{key}");
            }
            assert!(foreign(key).is_none(), "{key}");
        }
    }
}
