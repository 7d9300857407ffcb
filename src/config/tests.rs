#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::auth::secrets::Secrets;
use crate::auth::tenants::TenantScope;
use crate::ingest::claim::OutsideClaims;
use crate::receivers::langsmith;
use crate::receivers::native::tokens::{Grant, Tokens};
use halod_record::hash::parse_hex;
use halod_record::hash_only::HashOnlyFor;
use halod_record::native::Capture;
use halod_record::redact::Severity;
use halod_record::redact::custom::{Allowed, Pattern};
use halod_record::tenant::Tenant;

fn read(text: &str) -> Result<Config, ConfigError> {
    parse(text, &|name| match name {
        "PORT" => Some("14317".into()),
        "SECRET" => Some("hunter2".into()),
        "DIR" => Some("/srv/a\nadmin: { endpoint: 0.0.0.0:1 }".into()),
        _ => None,
    })
}

fn messages(text: &str) -> Vec<String> {
    let error = read(text).expect_err(text).in_file(Path::new("h.yaml"));
    error.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn nothing_written_is_the_default() {
    for text in
        ["", "# only a comment\n", "receivers:\n", "receivers: { otlp: }\n", "storage: {}\nlog:\n", "~"]
    {
        assert_eq!(read(text).unwrap(), Config::default(), "{text:?}");
    }
    assert_eq!(load(None).unwrap(), Config::default());
}

#[test]
fn every_value_is_read() {
    let text = "
receivers:
  hold: { wait: 1h, max_mib: 7 }
  langfuse: { keys: { pk-lf-1: acme }, secrets: { pk-lf-1: 'f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7' }, require_key: true }
  otlp:
    protocols:
      grpc: { endpoint: '[::1]:1', max_recv_msg_size_mib: 2, max_concurrent_streams: 3, max_connections: 4 }
      http: { endpoint: localhost:0, max_request_body_size: 5000, max_connections: \"6\" }
  litellm: { wait: 90s }
  gap_interval: 5m
tenant:
  attributes: [a.b]
  headers: [X-Org]
storage:
  directory: /var/lib/halod
  min_free_disk_mib: 0
  open_chains: 9
  max_tenants: 10
  journal_size_mib: 11
pipeline: { max_in_flight_mib: 12 }
limits: { per_tenant: { records_per_second: 14, bytes_per_second: 1500, new_chains_per_minute: 16 } }
admin: { endpoint: 0.0.0.0:13 }
shutdown_timeout: 1m
log: { level: debug, format: json }
redaction:
  patterns:
    - { name: badge, regex: 'B-[0-9]{4}', severity: Low }
    - name: client
      regex: 'client (?P<secret>[a-z]+)$'
  allow: [abcdefghijklmnop-4711-XYZ, { regex: 'build-[0-9]+' }]
  hash_only_for: [{ tool: 'pay*' }, { agent: a, tenant: b }]
";
    let config = read(text).unwrap();
    let patterns = vec![
        Pattern::new("badge", "B-[0-9]{4}", Severity::Low).unwrap(),
        Pattern::new("client", "client (?P<secret>[a-z]+)$", Severity::High).unwrap(),
    ];
    let allowed =
        vec![Allowed::token("abcdefghijklmnop-4711-XYZ").unwrap(), Allowed::tokens("build-[0-9]+").unwrap()];
    assert_eq!(config.redaction, Custom::new(patterns, allowed));
    let named = |name: &str| Some(name.to_owned());
    let hashed =
        [HashOnlyFor::new(named("pay*"), None, None), HashOnlyFor::new(None, named("a"), named("b"))];
    assert_eq!(config.hash_only_for, hashed.into_iter().flatten().collect::<Vec<_>>());
    let (grpc, http) = (config.grpc.unwrap(), config.http.unwrap());
    assert_eq!(grpc.endpoint.to_string(), "[::1]:1");
    assert_eq!((grpc.limits.body, grpc.limits.concurrent_streams, grpc.limits.connections), (2 << 20, 3, 4));
    let public = || "pk-lf-1".to_owned();
    let keys = Keys {
        tenants: [(public(), Tenant::stored("acme"))].into(),
        secrets: [(public(), halod_record::hash::sha256(b"hunter2"))].into(),
        required: true,
    };
    assert_eq!(config.langfuse, keys);
    assert_eq!(http.endpoint.to_string(), "localhost:0");
    assert_eq!(config.hold, HoldSettings { wait: Duration::from_secs(3600), bytes: 7 << 20 });
    assert_eq!((http.limits.body, http.limits.connections), (5000, 6));
    let (attributes, headers) = (vec!["a.b".into()], vec!["x-org".into()]);
    assert_eq!(config.tenant, TenantRule { attributes, headers, outside: OutsideClaims::Refuse });
    let storage = StorageSettings {
        directory: "/var/lib/halod".into(),
        min_free_disk: 0,
        open_chains: Some(9),
        max_tenants: 10,
        journal_size: 11 << 20,
    };
    assert_eq!(config.storage, storage);
    assert_eq!(config.pipeline.max_in_flight, 12 << 20);
    let per_tenant = PerTenant {
        records_per_second: Some(14),
        bytes_per_second: Some(1500),
        new_chains_per_minute: Some(16),
    };
    assert_eq!(config.per_tenant, per_tenant);
    assert_eq!(config.admin.to_string(), "0.0.0.0:13");
    assert_eq!(config.shutdown_timeout, Duration::from_secs(60));
    assert_eq!(config.litellm_wait, Duration::from_secs(90));
    assert_eq!(config.gap_interval, Duration::from_secs(300));
    assert_eq!(config.log, LogSettings { level: LogLevel::Debug, format: LogFormat::Json });
}

#[test]
fn tokens_are_known_by_their_hash_and_never_repeated() {
    let digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let with = |entries: &str| format!("receivers:\n  native:\n    tokens:\n{entries}");
    let sender = |digest: &str, tenant: Option<&str>, capture| {
        let tenants = tenant.map(|id| TenantScope::only(Tenant::claimed(id).unwrap()));
        let tenants = tenants.unwrap_or_else(TenantScope::any);
        (parse_hex(digest.as_bytes()).unwrap(), Grant { tenants, capture })
    };
    let (zeros, ones) = ("0".repeat(64), "1".repeat(64));
    let text = with(&format!(
        "      {}: acme\n      \"{zeros}\": \"a, b , captured\"\n      \"{ones}\": \"*,captured\"\n",
        digest.to_uppercase()
    ));
    let expected = Tokens::new(Secrets::new(vec![
        sender(digest, Some("acme"), Capture::Ingested),
        sender(&zeros, Some("a, b"), Capture::Captured),
        sender(&ones, None, Capture::Captured),
    ]));
    assert_eq!(read(&text).unwrap().native, expected);
    for (entries, said) in [
        (
            "      hunter2hunter2: acme\n".to_owned(),
            "h.yaml:4:7: receivers.native.tokens: must be the SHA-256 of a token, 64 hex digits: printf %s \"$TOKEN\" | \
             sha256sum",
        ),
        (
            format!("      {digest}: acme\n      {}: initech\n", digest.to_uppercase()),
            "h.yaml:5:7: receivers.native.tokens: the same token twice",
        ),
        (
            format!("      {digest}: \", captured\"\n"),
            "h.yaml:4:73: receivers.native.tokens: must name the token's tenant, or `*` for any, like `acme` or `acme, \
             captured`",
        ),
        (
            format!("      {digest}: [acme]\n"),
            "h.yaml:4:73: receivers.native.tokens: each value must be a single one",
        ),
    ] {
        assert_eq!(messages(&with(&entries)), [said]);
    }
    // A token by mistake in the place of its hash is not shown.
    assert!(!messages(&with("      hunter2hunter2: acme\n"))[0].contains("hunter2"));
}

#[test]
fn keys_of_langsmith_are_known_by_their_hash_and_never_repeated() {
    let digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let zeros = "0".repeat(64);
    let with = |keys: &str| format!("receivers:\n  langsmith: {{ {keys} }}\n");
    let text = with(&format!("keys: {{ {digest}: acme, \"{zeros}\": '' }}, require_key: true"));
    let of = [(digest, "acme"), (&zeros, "")]
        .map(|(digest, id)| (parse_hex(digest.as_bytes()).unwrap(), Tenant::claimed(id).unwrap()));
    let expected = langsmith::Keys { tenants: Secrets::new(of.to_vec()), required: true };
    assert_eq!(read(&text).unwrap().langsmith, expected);
    for (keys, said) in [
        (
            "keys: { lsv2_pt_hunter2: acme }".to_owned(),
            "h.yaml:2:24: receivers.langsmith.keys: must be the SHA-256 of a key, 64 hex digits: printf %s \
             \"$LANGSMITH_API_KEY\" | sha256sum",
        ),
        (
            format!("keys: {{ {digest}: a, {}: b }}", digest.to_uppercase()),
            "h.yaml:2:93: receivers.langsmith.keys: the same key twice",
        ),
        (
            "require_key: true".to_owned(),
            "h.yaml:2:29: receivers.langsmith.require_key: nobody could send: list keys in receivers.langsmith.keys",
        ),
    ] {
        assert_eq!(messages(&with(&keys)), [said]);
    }
}

#[test]
fn a_rule_of_redaction_that_cannot_be_used_is_told_by_entry_and_field() {
    let long = (0..65).map(|n| format!("{{ name: n{n}, regex: a }}")).collect::<Vec<_>>().join(", ");
    for (text, said) in [
        (
            "redaction:\n  patterns:\n    - { name: ok, regex: a }\n    - { name: bad, regex: '(a' }\n",
            "h.yaml:4:27: redaction.patterns.regex: entry 2 (`bad`): it is no regular expression: unclosed group; put \\ before \
             a sign that means itself",
        ),
        (
            "redaction: { patterns: [{ regex: a }] }",
            "h.yaml:1:25: redaction.patterns.name: entry 1: has no `name`",
        ),
        (
            "redaction: { patterns: [{ name: x }] }",
            "h.yaml:1:25: redaction.patterns.regex: entry 1 (`x`): has no `regex`",
        ),
        (
            "redaction: { patterns: [{ name: email, regex: a }] }",
            "h.yaml:1:33: redaction.patterns.name: entry 1 (`email`): `email` is a type of halod's own findings; choose \
             another name",
        ),
        (
            "redaction: { patterns: [{ name: x, regex: a }, { name: x, regex: b }] }",
            "h.yaml:1:48: redaction.patterns.name: entry 2: `x` is the name of an entry before; put both expressions into one, \
             as in (?:a|b), or choose another name",
        ),
        (
            "redaction: { patterns: [{ name: x, regex: a, severity: bad }] }",
            "h.yaml:1:56: redaction.patterns.severity: entry 1 (`x`): must be one of critical, high, medium, low, info, not \
             `bad`",
        ),
        (
            "redaction: { patterns: [{ name: x, regexp: a, regex: a }] }",
            "h.yaml:1:36: redaction.patterns.regexp: unknown key; did you mean `regex`?",
        ),
        (
            "redaction: { patterns: [x] }",
            "h.yaml:1:25: redaction.patterns: entry 1: must be a section with keys `name`, `regex`, `severity`",
        ),
        (
            "redaction: { patterns: { name: x } }",
            "h.yaml:1:24: redaction.patterns: must be a list, with a `-` before each entry of `name`, `regex`, `severity`",
        ),
        (
            &format!("redaction: {{ patterns: [{long}] }}"),
            "h.yaml:1:24: redaction.patterns: at most 64 entries, and these are 65",
        ),
        (
            "redaction: { allow: [short] }",
            "h.yaml:1:22: redaction.allow: entry 1: the entropy rule never looks at runs of less than 24 characters, and this \
             has 5; remove it, or write the whole run",
        ),
        (
            "redaction: { allow: [{ regex: '.+' }] }",
            "h.yaml:1:31: redaction.allow.regex: entry 1: it allows every token, so that the entropy rule would find nothing; \
             write what is told apart by it",
        ),
        (
            "redaction: { allow: [{ }] }",
            "h.yaml:1:22: redaction.allow.regex: entry 1: has no `regex`; write the text itself, or { regex: ... }",
        ),
        (
            "redaction: { hash_only_for: [{ tool: }, { tool: '' }] }",
            "h.yaml:1:30: redaction.hash_only_for: entry 1: names nothing; write a `tool`, an `agent` or a `tenant`\n\
             h.yaml:1:49: redaction.hash_only_for.tool: entry 2: write a name of 1 to 256 bytes, in which * stands for any text",
        ),
        (
            "redaction: { hash_only_for: [pay] }",
            "h.yaml:1:30: redaction.hash_only_for: entry 1: must be a section with keys `tool`, `agent`, `tenant`",
        ),
    ] {
        assert_eq!(messages(text).join("\n"), said, "{text}");
    }
}

#[test]
fn a_tee_is_read_and_prints_no_secret() {
    let text = "
receivers:
  langsmith:
    tee: { endpoint: 'https://api.smith.langchain.com/', headers: { X-API-Key: '${env:SECRET}', x-tenant-id: '' } }
  otlp:
    tee: { endpoint: 'http://x:4318/otel', queue_size_mib: 2, max_age: 3h, max_attempts: 4, timeout: 5s }
";
    let config = read(text).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    let [(tee::Door::Otlp, otlp), (tee::Door::Langsmith, langsmith)] = &config.tees[..] else {
        panic!("{:?}", config.tees)
    };
    assert_eq!(otlp.endpoint.to_string(), "http://x:4318/otel");
    let limits = (otlp.queue_size, otlp.max_age, otlp.max_attempts, otlp.timeout);
    assert_eq!(limits, (2 << 20, Duration::from_secs(3 * 3600), 4, Duration::from_secs(5)));
    assert_eq!(langsmith.headers["x-api-key"], "hunter2");
    assert_eq!(langsmith.headers["x-tenant-id"], "");
    assert_eq!(read("receivers: { otlp: { tee: { timeout: 5s } } }").unwrap(), Config::default());
}

#[test]
fn only_the_named_protocols_are_started() {
    let config = read("receivers: { otlp: { protocols: { grpc: } } }").unwrap();
    assert_eq!((config.grpc, config.http), (Some(DoorSettings::grpc()), None));
    let config = read("receivers:\n  otlp:\n    protocols:\n      http:\n").unwrap();
    assert_eq!((config.grpc, config.http), (None, Some(DoorSettings::http())));
}

#[test]
fn the_command_line_is_above_the_file() {
    let overrides = Overrides {
        directory: Some("/d".into()),
        grpc: Some(Endpoint::loopback(0)),
        http: None,
        admin: Some(Endpoint::loopback(9)),
        insecure: false,
    };
    let config = read("receivers: { otlp: { protocols: { http: } } }").unwrap().with(overrides);
    assert_eq!(config.storage.directory, Path::new("/d"));
    assert_eq!(config.grpc.unwrap().endpoint, Endpoint::loopback(0));
    assert_eq!(config.http.unwrap().endpoint, Endpoint::loopback(4318));
    assert_eq!(config.admin, Endpoint::loopback(9));
}

#[test]
fn variables_are_expanded_inside_their_value_only() {
    let config =
        read("admin: { endpoint: \"127.0.0.1:${env:PORT}\" }\nstorage:\n  directory: ${env:DIR}\n").unwrap();
    assert_eq!(config.admin, Endpoint::loopback(14317));
    assert_eq!(config.storage.directory, Path::new("/srv/a\nadmin: { endpoint: 0.0.0.0:1 }"));
    let config = read("storage:\n  max_tenants: ${env:PORT}\n  directory: ${env:NOPE:-./x}\n").unwrap();
    assert_eq!((config.storage.max_tenants, config.storage.directory), (14317, "./x".into()));
}

/// One mistake each: what was written, what is said.
#[test]
fn each_mistake_has_its_place_and_its_remedy() {
    let cases: &[(&str, &str)] = &[
        ("storag:\n", "h.yaml:1:1: storag: unknown key; did you mean `storage`?"),
        (
            "receivers:\n  otlp:\n    protocols:\n      grpc:\n        endpont: a:1\n",
            "h.yaml:5:9: receivers.otlp.protocols.grpc.endpont: unknown key; did you mean `endpoint`?",
        ),
        ("directory: x\n", "h.yaml:1:1: directory: unknown key; did you mean `storage.directory`?"),
        ("log: { colour: x }\n", "h.yaml:1:8: log.colour: unknown key; known here: `level`, `format`"),
        ("log: {}\nlog: {}\n", "h.yaml:2:1: log: given twice; the first is at line 1"),
        ("log: info\n", "h.yaml:1:6: log: must be a section with keys `level`, `format`"),
        ("- a\n", "h.yaml:1:1: must be a mapping of sections, like `storage:`"),
        ("tenant: { headers: x-a }\n", "h.yaml:1:20: tenant.headers: must be a list, like [a, b]"),
        ("tenant: { headers: [[x]] }\n", "h.yaml:1:21: tenant.headers: each item must be a single value"),
        ("tenant: { headers: ['a b'] }\n", "h.yaml:1:21: tenant.headers: `a b` is not the name of a header"),
        (
            "tenant: { headers: [Authorization] }\n",
            "h.yaml:1:21: tenant.headers: `authorization` carries a secret; a tenant's name ends up in a file name",
        ),
        (
            "tenant: { attributes: [''] }\n",
            "h.yaml:1:24: tenant.attributes: an attribute's name can't be empty",
        ),
        ("receivers: { litellm: { wait: 6m } }\n", "h.yaml:1:31: receivers.litellm.wait: must be at most 5m"),
        (
            "receivers: { gap_interval: 0s }\n",
            "h.yaml:1:28: receivers.gap_interval: must be at least 1s: a notice for every refusal would fill the chain",
        ),
        (
            "limits: { per_tenant: { bytes_per_second: 100 } }\n",
            "h.yaml:1:43: limits.per_tenant.bytes_per_second: must be a whole number from 1024 to 1099511627776, not `100`",
        ),
        (
            "limits: { per_tenant: { records_per_second: 0 } }\n",
            "h.yaml:1:45: limits.per_tenant.records_per_second: must be a whole number from 1 to 1099511627776, not `0`",
        ),
        ("storage: { directory: [a] }\n", "h.yaml:1:23: storage.directory: must be a single value"),
        ("storage: { directory: '' }\n", "h.yaml:1:23: storage.directory: must be a path"),
        (
            "storage: { max_tenants: -1 }\n",
            "h.yaml:1:25: storage.max_tenants: must be a whole number from 1 to 10000000, not `-1`",
        ),
        (
            "storage: { open_chains: many }\n",
            "h.yaml:1:25: storage.open_chains: must be `auto` or a whole number from 8 to 1000000, not `many`",
        ),
        (
            "storage: { max_tenants: \"${env:SECRET}\" }\n",
            "h.yaml:1:25: storage.max_tenants: must be a whole number from 1 to 10000000, not `${env:SECRET}`",
        ),
        (
            "storage:\n  directory: ${env:NOPE}\n",
            "h.yaml:2:14: storage.directory: environment variable NOPE is not set; set it, or give a default: \
             ${env:NOPE:-value}",
        ),
        (
            "admin: { endpoint: 13133 }\n",
            "h.yaml:1:20: admin.endpoint: `13133`: must be host:port, like 127.0.0.1:4317 (port 0 takes a free one)",
        ),
        (
            "shutdown_timeout: 30\n",
            "h.yaml:1:19: shutdown_timeout: must be a duration like 30s or 1m30s, not `30`",
        ),
        ("shutdown_timeout: 2h\n", "h.yaml:1:19: shutdown_timeout: must be at most 1h"),
        (
            "receivers: { otlp: { join_wait: 9s } }\n",
            "h.yaml:1:33: receivers.otlp.join_wait: must be at most 8s",
        ),
        (
            "log: { level: loud }\n",
            "h.yaml:1:15: log.level: must be one of error, warn, info, debug, trace, not `loud`",
        ),
        (
            "pipeline: { max_in_flight_mib: 64 }\nreceivers: { otlp: { protocols: { http: { max_request_body_size: \
             67108865 } } } }\n",
            "h.yaml:2:66: receivers.otlp.protocols.http.max_request_body_size: a request of 67108865 bytes could \
             never be taken: pipeline.max_in_flight_mib allows 67108864 bytes over all requests",
        ),
        (
            "admin: { endpoint: 127.0.0.1:4318 }\n",
            "h.yaml:1:20: admin.endpoint: 127.0.0.1:4318 is also receivers.otlp.protocols.http.endpoint; each needs \
             its own",
        ),
        (
            "receivers: { otlp: { protocols: { http: { endpoint: unix:run/ } } } }\n",
            "h.yaml:1:53: receivers.otlp.protocols.http.endpoint: `unix:run/`: a Unix socket is unix: and its path, \
             like unix:/run/halod/otlp.sock",
        ),
        (
            "receivers: { otlp: { protocols: } }\n",
            "h.yaml:1:31: receivers.otlp.protocols: names no protocol; write `grpc:`, `http:` or both, or leave \
             `protocols` out",
        ),
        (
            "receivers: { otlp: { protocols: {} } }\n",
            "h.yaml:1:33: receivers.otlp.protocols: opens no door; write `grpc:`, `http:` or both",
        ),
        (
            "admin: { endpoint: ${env:PORT} }\n",
            "h.yaml:1:21: not YAML: while parsing a flow mapping, did not find expected ',' or '}'; inside { } or \
             [ ] a value with ${...} must be quoted",
        ),
        (
            "receivers: { otlp: { tee: { endpoint: 'https://pk:${env:SECRET}@x' } } }\n",
            "h.yaml:1:39: receivers.otlp.tee.endpoint: must not carry a user or password; put credentials of the \
             tee's own under `headers`",
        ),
        (
            "receivers: { langfuse: { tee: { headers: { host: a } } } }\n",
            "h.yaml:1:44: receivers.langfuse.tee.headers: `host` is set by halod",
        ),
        (
            "receivers: { langfuse: { secrets: { pk-lf-1: '${env:SECRET}' } } }\n",
            "h.yaml:1:46: receivers.langfuse.secrets: must be the SHA-256 of a secret key, 64 hex digits: printf %s \"$LANGFUSE_SECRET_KEY\" | sha256sum",
        ),
        (
            "receivers: { langfuse: { tee: { headers: { x-key: \"a\\nb${env:SECRET}\" } } } }\n",
            "h.yaml:1:51: receivers.langfuse.tee.headers: the value of `x-key` has characters that a header can't \
             carry",
        ),
        (
            "receivers: { litellm: { tee: { timeout: 0s } } }\n",
            "h.yaml:1:41: receivers.litellm.tee.timeout: must be more than 0s",
        ),
        (
            "receivers: { otlp: { tee: { endpoint: 'http://x', ca_file: ca.pem } } }\n",
            "h.yaml:1:60: receivers.otlp.tee.ca_file: goes with an endpoint that begins with https://",
        ),
        ("a: b: c\n", "h.yaml:1:5: not YAML: mapping values are not allowed in this context"),
    ];
    for (text, expected) in cases {
        assert_eq!(messages(text), [*expected], "{text}");
    }
}

#[test]
fn what_a_collector_has_and_halod_does_not_is_explained() {
    let text = "
processors:
  batch:
  memory_limiter: { limit_mib: 1 }
exporters:
  otlp/x: { endpoint: y:1 }
extensions: { health_check: }
service:
  pipelines:
    traces: { receivers: [otlp], exporters: [otlp/x] }
";
    let said = messages(text);
    let starts = [
        "h.yaml:3:3: processors.batch: halod has no batch processor",
        "h.yaml:4:3: processors.memory_limiter: memory is bounded by pipeline.max_in_flight_mib",
        "h.yaml:5:1: exporters: halod has no exporters: every receiver feeds the one chain",
        "h.yaml:7:15: extensions.health_check: health is served at admin.endpoint",
        "h.yaml:9:3: service.pipelines: halod has no pipelines: every receiver",
    ];
    assert_eq!(said.len(), starts.len(), "{said:#?}");
    for (said, start) in said.iter().zip(starts) {
        assert!(said.starts_with(start), "{said}");
    }
    assert!(messages("processors: { batch/small: {} }")[0].contains("no batch processor"));
}

#[test]
fn all_problems_are_reported_in_file_order() {
    let said = messages(
        "log: { level: loud, formt: x }\nstorage: { max_tenants: 0 }\nprocessors:\nadmin: { endpoint: x }\n",
    );
    let places: Vec<_> = said.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["h.yaml:1:15", "h.yaml:1:21", "h.yaml:2:25", "h.yaml:3:1", "h.yaml:4:20"]);
}

#[test]
fn deep_nesting_is_refused() {
    let said = messages(&"[".repeat(100_000));
    assert!(said[0].starts_with("h.yaml:1:") && said[0].contains("not YAML"), "{said:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = load(Some(Path::new("/nonexistent/halod.yaml"))).unwrap_err().to_string();
    assert!(error.starts_with("/nonexistent/halod.yaml: can't be read: "), "{error}");
}

/// A value under a dotted key.
fn nested(key: &str, value: &str) -> String {
    let open: String = key.split('.').map(|name| format!("{{ {name}: ")).collect();
    open + value + &" }".repeat(key.matches('.').count() + 1)
}

/// The list and the name of a key that stands in entries of a list.
fn in_entry(key: &'static str) -> Option<(&'static str, &'static str)> {
    let (list, name) = key.rsplit_once('.')?;
    let is_list = |kind| matches!(kind, keys::Kind::Sections | keys::Kind::Entries);
    keys::all().any(|(of, kind)| of == list && is_list(kind)).then_some((list, name))
}

/// No key of the vocabulary is decoration: a wrong value under it is noticed.
#[test]
fn every_key_is_checked() {
    for (key, kind) in keys::all() {
        let wrong = match (kind, key) {
            (keys::Kind::Section, _) => "[]".to_owned(),
            (keys::Kind::List, _) => "['']".to_owned(),
            (keys::Kind::Map, _) => "[]".to_owned(),
            (keys::Kind::Sections | keys::Kind::Entries, _) => "[[]]".to_owned(),
            (keys::Kind::Value, _) => "''".to_owned(),
        };
        // A key of an entry stands in an entry of a list.
        let text = match in_entry(key) {
            Some((list, name)) => nested(list, &format!("[{{ {name}: '' }}]")),
            None => nested(key, &wrong),
        };
        assert!(messages(&text).iter().any(|said| said.contains(key)), "{text}");
    }
}

/// The shipped file says what holds without it, and explains the whole vocabulary.
#[test]
fn the_shipped_file_is_the_default_and_names_every_key() {
    let text = include_str!("../../config/halod.yaml");
    let shipped = read(text).unwrap();
    // What it writes out is in the rules that are handed on, and comes to the same.
    assert_eq!(read(&shipped.rules).unwrap(), Config { rules: shipped.rules.clone(), ..Config::default() });
    assert_eq!(Config { rules: Config::default().rules, ..shipped }, Config::default());
    let root = raw::parse(text).unwrap();
    for (key, _) in keys::all() {
        // No entry is there by default; the comment above the list explains its keys.
        if let Some((list, name)) = in_entry(key) {
            let list = list.rsplit('.').next().unwrap();
            let (comment, _) = text.split_once(&format!("\n  {list}: []")).unwrap();
            let comment = comment.rsplit_once("\n\n").unwrap().1;
            assert!(comment.contains(&format!("{name}: ")), "{key} is not explained in config/halod.yaml");
            continue;
        }
        let found = key.split('.').try_fold(&root, |node, name| match &node.value {
            raw::Value::Section(entries) => {
                entries.iter().find(|(k, _)| k.name == name).map(|(_, node)| node)
            }
            _ => None,
        });
        assert!(found.is_some(), "{key} is missing from config/halod.yaml");
    }
}

#[test]
fn every_example_is_valid() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let config = parse(&text, &|_| None).map_err(|error| error.in_file(&path)).unwrap();
        assert_ne!(config, Config::default(), "{}", path.display());
        assert_eq!(config.check_exposure(), Ok(()), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 3, "{seen}");
}
