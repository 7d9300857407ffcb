//! Spans of databases and of HTTP clients: they tell what an agent's actions touched, and of no action by themselves.
//!
//! Their names are the stable ones of OpenTelemetry's semantic conventions for database and HTTP spans (`db.system.name`,
//! `http.request.method`), and those of before (`db.system`, `http.method`), which instrumentations still write.

use super::outcome::ERROR;
use super::read::{Found, text};
use super::table::Field;
use super::{Resource, agent, principal, session, tenant, trace_flags, with_resource};
use crate::MAPPING;
use crate::gateway::{authority, shown_url};
use crate::otlp::model::{KeyValue, Span};
use halod_record::event::{
    ACCESS, Access, Action, Content, Event, Fact, Origin, Outcome, Source, Status, Usage,
};
use halod_record::json::{Json, Text};
use std::borrow::Cow;

/// `SPAN_KIND_SERVER` and `SPAN_KIND_CLIENT` (`trace.proto`).
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

/// A span's attributes that tell of an access, each under its current name or an old one.
#[derive(Default)]
struct Named<'a> {
    system: Option<Cow<'a, str>>,
    operation: Option<Cow<'a, str>>,
    statement: Option<Cow<'a, str>>,
    namespace: Option<Cow<'a, str>>,
    collection: Option<Cow<'a, str>>,
    rows: Option<Cow<'a, str>>,
    method: Option<Cow<'a, str>>,
    url: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    target: Option<Cow<'a, str>>,
    scheme: Option<Cow<'a, str>>,
    status: Option<Cow<'a, str>>,
    address: Option<Cow<'a, str>>,
    port: Option<Cow<'a, str>>,
}

impl<'a> Named<'a> {
    /// The current name of each comes first, so that it wins.
    fn of(attributes: &'a [KeyValue<'a>]) -> Self {
        let value = |names: &[&str]| {
            names.iter().find_map(|name| {
                let mut values = attributes.iter().rev().filter(|pair| pair.key == *name);
                values.find_map(|pair| text(&pair.value))
            })
        };
        Self {
            system: value(&["db.system.name", "db.system"]),
            operation: value(&["db.operation.name", "db.operation"]),
            statement: value(&["db.query.text", "db.statement"]),
            namespace: value(&["db.namespace", "db.name", "db.redis.database_index"]),
            collection: value(&[
                "db.collection.name",
                "db.sql.table",
                "db.mongodb.collection",
                "db.cassandra.table",
                "db.cosmosdb.container",
            ]),
            rows: value(&["db.response.returned_rows"]),
            method: value(&["http.request.method", "http.method"]),
            url: value(&["url.full", "http.url"]),
            host: value(&["http.host"]),
            target: value(&["http.target"]),
            scheme: value(&["url.scheme", "http.scheme"]),
            status: value(&["http.response.status_code", "http.status_code"]),
            address: value(&["server.address", "net.peer.name", "net.sock.peer.addr", "net.peer.ip"]),
            port: value(&["server.port", "net.peer.port"]),
        }
    }
}

/// The access that `span` tells of; `None` where it tells of none. Ask only of a span that tells of no action.
#[must_use]
pub fn access<'a>(resource: &Resource<'a>, scope: &'a str, span: &'a Span<'a>) -> Option<Event<'a>> {
    let said = Named::of(&span.attributes);
    let told = if said.system.is_some() { database(&said, span)? } else { request(&said, span)? };
    let found = Found::of_span(scope, span);
    let status = match told.failed || span.status_code == ERROR || found.has(Field::ErrorType) {
        true => Status::Error,
        false if span.end_time_unix_nano == 0 => Status::Unfinished,
        false => Status::Ok,
    };
    let failed = |field| found.text(field).filter(|_| status.failed());
    let message = Some(Cow::Borrowed(span.status_message.as_ref())).filter(|text| !text.is_empty());
    let mut facts = told.facts;
    let mut fact = |key, fact: Option<Fact<'a>>| facts.extend(fact.map(|fact| (key, fact)));
    fact("server_address", said.address.map(Fact::Address));
    fact("server_port", number(said.port.as_deref()));
    Some(Event {
        action: told.action,
        agent: with_resource(agent(&found), resource),
        session: session(&found).or_else(|| resource.session.clone()),
        principal: principal(&found).or_else(|| resource.principal.clone()),
        tenant: tenant(&found).or_else(|| resource.tenant.clone()),
        input: told.input.map_or(Content::Undisclosed, |text| Content::Value(Json::Str(Text::from(text)))),
        outcome: Outcome {
            status,
            result: Content::Undisclosed,
            error_type: failed(Field::ErrorType).or_else(|| failed(Field::ExceptionType)),
            error_text: message.filter(|_| status.failed()).or_else(|| failed(Field::ExceptionMessage)),
        },
        authorization: None,
        origin: Origin::Span {
            trace: span.trace_id,
            span: span.span_id,
            parent: span.parent_span_id,
            name: Cow::Borrowed(&span.name),
        },
        started: Some(span.start_time_unix_nano).filter(|time| *time != 0),
        ended: Some(span.end_time_unix_nano).filter(|time| *time != 0),
        usage: Usage::default(),
        source: Source { adapter: "otel", via: told.via, dialect: told.dialect, mapping: MAPPING },
        dropped: span.dropped,
        trace_flags: trace_flags(span.flags),
        facts,
    })
}

/// The part of an event that differs between a database and a request.
struct Touched<'a> {
    action: Action<'a>,
    input: Option<Cow<'a, str>>,
    failed: bool,
    facts: Vec<(&'static str, Fact<'a>)>,
    via: &'static str,
    dialect: &'static str,
}

fn database<'a>(said: &Named<'a>, span: &Span<'_>) -> Option<Touched<'a>> {
    let system = said.system.clone().filter(|_| span.kind != SERVER)?;
    let of_statement = said.statement.as_deref().and_then(operation_of);
    let operation = said.operation.as_deref().map_or(of_statement, operation_of);
    if operation.is_none() && said.collection.is_none()
        || operation.is_some_and(|word| is_upkeep(&system, word))
    {
        return None;
    }
    let to = match operation {
        Some(word) if is_one_of(&["with"], word) && said.statement.as_deref().is_some_and(has_write) => {
            Access::Write
        }
        Some(word) => does(word),
        None => Access::Query,
    };
    let mut facts = vec![(ACCESS, Fact::Label("database".into()))];
    let mut label =
        |key, text: &Option<Cow<'a, str>>| facts.extend(text.clone().map(|text| (key, Fact::Label(text))));
    let named = said.operation.clone().or_else(|| Some(operation?.to_ascii_uppercase().into()));
    label("db_operation", &named);
    label("db_namespace", &said.namespace);
    label("db_collection", &said.collection);
    facts.extend(number(said.rows.as_deref()).map(|rows| ("rows", rows)));
    Some(Touched {
        action: Action::Access { of: system, to },
        input: said.statement.clone(),
        failed: false,
        facts,
        via: "OpenTelemetry database spans",
        dialect: "db",
    })
}

fn request<'a>(said: &Named<'a>, span: &Span<'_>) -> Option<Touched<'a>> {
    let method = said.method.clone().filter(|_| span.kind == CLIENT)?;
    let url = said.url.as_deref().map(shown_url);
    // Old instrumentations tell an URL in parts.
    let parts = || {
        let (host, target) = (said.host.as_deref()?, said.target.as_deref()?);
        Some(shown_url(&[said.scheme.as_deref().unwrap_or("http"), "://", host, target].concat()))
    };
    let url = url.or_else(parts);
    let host = said.address.clone().or_else(|| Some(host_of(url.as_deref()?)?.to_owned().into()));
    let status = said.status.as_deref().and_then(|status| status.parse::<u64>().ok());
    let mut facts = vec![(ACCESS, Fact::Label("http".into())), ("method", Fact::Label(method.clone()))];
    facts.extend(status.map(|status| ("http_status", Fact::Number(status))));
    Some(Touched {
        action: Action::Access { of: host.unwrap_or(Cow::Borrowed("unknown")), to: Access::Request },
        input: url.map(|url| Cow::Owned([method.as_ref(), " ", &url].concat())),
        failed: status.is_some_and(|status| status >= 400),
        facts,
        via: "OpenTelemetry HTTP spans",
        dialect: "http",
    })
}

fn number<'a>(text: Option<&str>) -> Option<Fact<'a>> {
    text?.parse().ok().map(Fact::Number)
}

/// The host of an absolute URL, without user and port.
fn host_of(url: &str) -> Option<&str> {
    let host = authority(url).0?;
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// The word that says what was done: the first of a statement, behind comments, or of an operation's name, behind
/// `BATCH`.
fn operation_of(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ';' | '{' | '"'));
        rest = if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/")?.1
        } else if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n')?.1
        } else {
            break;
        };
    }
    let mut words =
        rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    words.find(|word| !is_one_of(&["batch"], word))
}

fn is_one_of(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Operations that only keep a connection or a transaction.
const UPKEEP: [&str; 23] = [
    "auth",
    "begin",
    "client",
    "close",
    "commit",
    "connect",
    "deallocate",
    "discard",
    "hello",
    "isready",
    "ismaster",
    "endsessions",
    "ping",
    "pool",
    "prepare",
    "quit",
    "release",
    "rollback",
    "savepoint",
    "start",
    "use",
    "watch",
    "pragma",
];

/// Stores in which `SET` writes; in SQL it is about the connection.
const OF_KEYS: [&str; 3] = ["redis", "valkey", "memcached"];

fn is_upkeep(system: &str, word: &str) -> bool {
    is_one_of(&UPKEEP, word) || is_one_of(&["set"], word) && !is_one_of(&OF_KEYS, system)
}

/// Words of SQL, of document stores and of Redis by which something is read; longer names that begin with one of the
/// first list, such as `GetItem` and `find_one`, do the same.
const READS: [&str; 21] = [
    "select",
    "find",
    "get",
    "query",
    "search",
    "scan",
    "read",
    "list",
    "show",
    "describe",
    "desc",
    "explain",
    "count",
    "fetch",
    "lookup",
    "distinct",
    "aggregate",
    "values",
    "batchget",
    "msearch",
    "table",
];
const READS_OF_REDIS: [&str; 36] = [
    "mget",
    "hget",
    "hgetall",
    "hmget",
    "hkeys",
    "hvals",
    "hlen",
    "hexists",
    "hscan",
    "lrange",
    "lindex",
    "llen",
    "lpos",
    "smembers",
    "sismember",
    "smismember",
    "scard",
    "sscan",
    "srandmember",
    "sinter",
    "sunion",
    "sdiff",
    "zrange",
    "zrangebyscore",
    "zrevrange",
    "zscore",
    "zcard",
    "zcount",
    "zrank",
    "zscan",
    "xrange",
    "xread",
    "xlen",
    "exists",
    "keys",
    "strlen",
];
const MORE_READS_OF_REDIS: [&str; 9] =
    ["ttl", "pttl", "type", "dump", "getrange", "getbit", "bitcount", "pfcount", "with"];

/// As [`READS`], of what is written.
const WRITES: [&str; 28] = [
    "insert",
    "update",
    "delete",
    "upsert",
    "replace",
    "merge",
    "create",
    "drop",
    "alter",
    "truncate",
    "put",
    "write",
    "remove",
    "rename",
    "save",
    "set",
    "add",
    "append",
    "index",
    "bulk",
    "copy",
    "grant",
    "revoke",
    "batchwrite",
    "transactwrite",
    "call",
    "exec",
    "modify",
];
const WRITES_OF_REDIS: [&str; 38] = [
    "setex", "setnx", "mset", "hset", "hmset", "hdel", "hincrby", "lpush", "rpush", "lpop", "rpop", "lrem",
    "lset", "ltrim", "sadd", "srem", "spop", "smove", "zadd", "zrem", "zincrby", "xadd", "xdel", "xack",
    "del", "unlink", "expire", "pexpire", "persist", "incr", "incrby", "decr", "decrby", "getset", "getdel",
    "publish", "flushdb", "flushall",
];

/// An operation's effect, as far as its name tells.
fn does(word: &str) -> Access {
    let begins = |words: &[&str]| {
        words.iter().any(|known| word.get(..known.len()).is_some_and(|head| head.eq_ignore_ascii_case(known)))
    };
    // The whole names come first: `getset` writes, and `settings` is no `set`.
    if is_one_of(&WRITES_OF_REDIS, word) || is_one_of(&WRITES, word) {
        return Access::Write;
    }
    if is_one_of(&READS_OF_REDIS, word) || is_one_of(&MORE_READS_OF_REDIS, word) || is_one_of(&READS, word) {
        return Access::Read;
    }
    // `findAndModify`, `findOneAndUpdate` and their like.
    let lower = word.to_ascii_lowercase();
    if ["modify", "update", "delete", "replace"].iter().any(|change| lower.contains(change)) {
        return Access::Write;
    }
    match (begins(&READS), begins(&WRITES)) {
        (true, false) => Access::Read,
        (false, true) => Access::Write,
        _ => Access::Query,
    }
}

/// Whether some word of a statement writes.
fn has_write(statement: &str) -> bool {
    let words = statement.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.into_iter().any(|word| is_one_of(&["insert", "update", "delete", "merge"], word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_reads_or_writes() {
        use Access::{Query, Read, Write};
        for (statement, expected) in [
            ("SELECT * FROM users WHERE id = $1", Some(Read)),
            ("/* app:desk */ select 1", Some(Read)),
            ("-- a comment\nUPDATE users SET a = 1", Some(Write)),
            ("(SELECT 1) UNION (SELECT 2)", Some(Read)),
            ("BATCH INSERT", Some(Write)),
            ("GetItem", Some(Read)),
            ("BatchWriteItem", Some(Write)),
            ("findAndModify", Some(Write)),
            ("find_one", Some(Read)),
            ("GETSET k v", Some(Write)),
            ("HGETALL session:1", Some(Read)),
            ("settings", Some(Write)),
            ("frobnicate", Some(Query)),
            ("", None),
            ("/* no end", None),
            ("日本語", None),
        ] {
            assert_eq!(operation_of(statement).map(does), expected, "{statement}");
        }
        assert!(has_write("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone"));
        assert!(!has_write("WITH a AS (SELECT updated_at FROM t) SELECT * FROM a"));
        assert!(["BEGIN", "commit", "Ping", "SET"].into_iter().all(|word| is_upkeep("postgresql", word)));
        assert!(!is_upkeep("redis", "SET"));
    }

    #[test]
    fn hosts_of_urls() {
        for (url, host) in [
            ("https://api.example.com/v1?q=1", Some("api.example.com")),
            ("http://10.0.0.7:8080", Some("10.0.0.7")),
            ("http://[::1]:8080/x", Some("::1")),
            ("/v1/x", None),
            ("http://", None),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }
}
