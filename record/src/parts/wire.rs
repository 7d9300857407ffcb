//! A reduced fragment as one line of JSON.

use super::super::hash::{parse_hex, write_hex};
use super::super::sameness;
use crate::event::{Content, Digest, Fact, Found, Source, Status, Told, Usage};
use crate::fragment::{Fragment, Kind};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The words that the adapters name things by are part of the program; read from a file they are looked
/// up among those seen. There are few: more than this come from no adapter.
const WORDS: usize = 2000;

fn word(text: &str) -> Option<&'static str> {
    static KNOWN: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_with(HashSet::new);
    if let Some(word) = known.get(text) {
        return Some(word);
    }
    if known.len() >= WORDS || text.len() > 100 {
        return None;
    }
    let word: &'static str = Box::leak(text.into());
    known.insert(word);
    Some(word)
}

type Texts = Vec<String>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    space: String,
    id: Texts,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Texts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<Texts>,
    said: u64,
    opens: bool,
    closes: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<WireKind>,
    /// Names by the names of their fields.
    names: Vec<(Name, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<WireDigest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<WireDigest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<WireDigest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<WireStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<u64>,
    tokens: [Option<i64>; 6],
    facts: Vec<(String, WireFact)>,
    found: Vec<(String, String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    kept: Vec<(String, String)>,
    source: [String; 4],
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    #[serde(rename = "name")]
    Own,
    Model,
    Provider,
    McpServer,
    CallId,
    AgentId,
    Agent,
    AgentVersion,
    Session,
    Principal,
    Account,
    Tenant,
    ErrorType,
    FinishReason,
    ResponseId,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireKind {
    Generate,
    Embed,
    Tool,
    Retrieve,
    Boundary(String),
    Guard,
    Other,
    Step,
    Called,
    Trace,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireStatus {
    Ok,
    Error,
    Denied,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireFact {
    Number(u64),
    Flag(bool),
    Id(String),
    Label(String),
    Labels(Texts),
    Address(String),
    Text(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireTold {
    Input,
    Result { failed: bool, denied: bool },
    Error,
    ErrorType,
}

#[derive(Serialize, Deserialize)]
struct WireDigest {
    of: WireTold,
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    findings: Vec<(String, String)>,
}

/// All that a fragment says, without when it was said, without what depends on the version of redaction,
/// and without what a resend's comparison leaves out: two messages that say the same are one.
pub(super) fn said(fragment: &Fragment<'static>) -> Vec<u8> {
    let mut wire = wire(fragment);
    wire.said = 0;
    wire.found.clear();
    wire.kept.clear();
    // That a step is a tool call is known by the messages beside it.
    if matches!(wire.kind, Some(WireKind::Called)) {
        wire.kind = Some(WireKind::Step);
    }
    wire.names.retain(|(name, _)| !matches!(name, Name::Account));
    wire.facts.retain(|(key, _)| !sameness::leaves_out(key, false));
    for digest in [&mut wire.input, &mut wire.result, &mut wire.error].into_iter().flatten() {
        digest.summary = None;
        digest.findings.clear();
    }
    serde_json::to_vec(&wire).unwrap_or_default()
}

pub(super) fn write(fragment: &Fragment<'static>) -> Vec<u8> {
    // Nothing in it can fail to be written: there are no maps and no floats.
    serde_json::to_vec(&wire(fragment)).unwrap_or_default()
}

/// Bytes of the texts in a fragment, about.
pub(super) fn weight(fragment: &Fragment<'static>) -> usize {
    let found =
        |found: &[Found]| found.iter().map(|found| found.kind.len() + found.sample.len() + 48).sum::<usize>();
    let content = |content: &Content<'static>| match content {
        Content::Digest(digest) => {
            size_of::<Digest>() + digest.summary.as_ref().map_or(0, String::len) + found(&digest.findings)
        }
        Content::Undisclosed | Content::Value(_) => 0,
    };
    let fact = |fact: &Fact<'static>| match fact {
        Fact::Number(_) | Fact::Flag(_) => 0,
        Fact::Id(text) | Fact::Label(text) | Fact::Address(text) | Fact::Text(text) => text.len(),
        Fact::Labels(all) => all.iter().map(|text| text.len() + 24).sum(),
    };
    let names: usize =
        names(fragment).iter().filter_map(|(_, text)| text.as_ref()).map(|text| text.len()).sum();
    let facts: usize = fragment.facts.iter().map(|(_, value)| fact(value) + 48).sum();
    let ids = [Some(&fragment.id), fragment.parent.as_ref(), fragment.within.as_ref()];
    let ids: usize = ids.into_iter().flatten().flatten().map(|part| part.len() + 24).sum();
    names
        + facts
        + ids
        + fragment.kept.iter().map(|(_, id)| id.len() + 40).sum::<usize>()
        + fragment.found.iter().map(|(_, found)| found.kind.len() + found.sample.len() + 64).sum::<usize>()
        + content(&fragment.input)
        + content(&fragment.result)
        + content(&fragment.error)
}

/// The names of a fragment by the names of their fields.
fn names<'f>(fragment: &'f Fragment<'static>) -> [(Name, &'f Option<Cow<'static, str>>); 15] {
    let Usage { finish_reason, response_id, .. } = &fragment.usage;
    [
        (Name::Own, &fragment.name),
        (Name::Model, &fragment.model),
        (Name::Provider, &fragment.provider),
        (Name::McpServer, &fragment.mcp_server),
        (Name::CallId, &fragment.call_id),
        (Name::AgentId, &fragment.agent.id),
        (Name::Agent, &fragment.agent.name),
        (Name::AgentVersion, &fragment.agent.version),
        (Name::Session, &fragment.session),
        (Name::Principal, &fragment.principal),
        (Name::Account, &fragment.account),
        (Name::Tenant, &fragment.tenant),
        (Name::ErrorType, &fragment.error_type),
        (Name::FinishReason, finish_reason),
        (Name::ResponseId, response_id),
    ]
}

pub(super) fn read(line: &[u8]) -> Option<Fragment<'static>> {
    fragment(serde_json::from_slice(line).ok()?)
}

fn wire(fragment: &Fragment<'static>) -> Wire {
    let texts = |id: &[Cow<'_, str>]| id.iter().map(|part| part.clone().into_owned()).collect();
    let Source { adapter, via, dialect, mapping } = fragment.source;
    Wire {
        space: fragment.space.into(),
        id: texts(&fragment.id),
        parent: fragment.parent.as_deref().map(texts),
        within: fragment.within.as_deref().map(texts),
        said: fragment.said,
        opens: fragment.opens,
        closes: fragment.closes,
        kind: fragment.kind.map(|kind| match kind {
            Kind::Generate => WireKind::Generate,
            Kind::Embed => WireKind::Embed,
            Kind::Tool => WireKind::Tool,
            Kind::Retrieve => WireKind::Retrieve,
            Kind::Boundary(verb) => WireKind::Boundary(verb.into()),
            Kind::Guard => WireKind::Guard,
            Kind::Other => WireKind::Other,
            Kind::Step => WireKind::Step,
            Kind::Called => WireKind::Called,
            Kind::Trace => WireKind::Trace,
        }),
        names: names(fragment)
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.as_ref()?.clone().into_owned())))
            .collect(),
        input: digest(&fragment.input),
        result: digest(&fragment.result),
        error: digest(&fragment.error),
        status: fragment.status.and_then(|status| match status {
            Status::Ok => Some(WireStatus::Ok),
            Status::Error => Some(WireStatus::Error),
            Status::Denied => Some(WireStatus::Denied),
            // What no part of an action says is found out from the whole.
            Status::Unknown | Status::Unfinished => None,
        }),
        started: fragment.started,
        ended: fragment.ended,
        tokens: [
            fragment.usage.input_tokens,
            fragment.usage.output_tokens,
            fragment.usage.total_tokens,
            fragment.usage.cache_read_tokens,
            fragment.usage.cache_write_tokens,
            fragment.usage.reasoning_tokens,
        ],
        facts: fragment.facts.iter().map(|(key, value)| ((*key).to_owned(), fact(value))).collect(),
        found: fragment
            .found
            .iter()
            .map(|(field, found)| ((*field).to_owned(), found.kind.clone(), found.sample.clone()))
            .collect(),
        kept: fragment.kept.iter().map(|(field, id)| ((*field).to_owned(), id.clone())).collect(),
        source: [adapter, via, dialect, mapping].map(str::to_owned),
    }
}

fn fact(fact: &Fact<'static>) -> WireFact {
    match fact {
        Fact::Number(number) => WireFact::Number(*number),
        Fact::Flag(flag) => WireFact::Flag(*flag),
        Fact::Id(text) => WireFact::Id(text.clone().into_owned()),
        Fact::Label(text) => WireFact::Label(text.clone().into_owned()),
        Fact::Labels(all) => WireFact::Labels(all.iter().map(|text| text.clone().into_owned()).collect()),
        Fact::Address(text) => WireFact::Address(text.clone().into_owned()),
        Fact::Text(text) => WireFact::Text(text.clone().into_owned()),
    }
}

fn pairs(found: &[Found]) -> Vec<(String, String)> {
    found.iter().map(|found| (found.kind.clone(), found.sample.clone())).collect()
}

/// A value never gets here: a reduced fragment has none, and one that had would be left out.
fn digest(content: &Content<'static>) -> Option<WireDigest> {
    let Content::Digest(digest) = content else { return None };
    let mut hash = Vec::with_capacity(64);
    write_hex(&digest.hash, &mut hash);
    Some(WireDigest {
        of: match digest.of {
            Told::Input => WireTold::Input,
            Told::Result { failed, denied } => WireTold::Result { failed, denied },
            Told::Error => WireTold::Error,
            Told::ErrorType => WireTold::ErrorType,
        },
        hash: String::from_utf8(hash).unwrap_or_default(),
        summary: digest.summary.clone(),
        findings: pairs(&digest.findings),
    })
}

fn fragment(wire: Wire) -> Option<Fragment<'static>> {
    let texts = |texts: Texts| texts.into_iter().map(Cow::Owned).collect();
    let [adapter, via, dialect, mapping] = wire.source;
    let source = Source {
        adapter: word(&adapter)?,
        via: word(&via)?,
        dialect: word(&dialect)?,
        mapping: word(&mapping)?,
    };
    let mut out = Fragment::new(word(&wire.space)?, texts(wire.id), source);
    out.parent = wire.parent.map(texts);
    out.within = wire.within.map(texts);
    (out.said, out.opens, out.closes) = (wire.said, wire.opens, wire.closes);
    out.kind = match wire.kind {
        None => None,
        Some(WireKind::Boundary(verb)) => Some(Kind::Boundary(word(&verb)?)),
        Some(WireKind::Generate) => Some(Kind::Generate),
        Some(WireKind::Embed) => Some(Kind::Embed),
        Some(WireKind::Tool) => Some(Kind::Tool),
        Some(WireKind::Retrieve) => Some(Kind::Retrieve),
        Some(WireKind::Guard) => Some(Kind::Guard),
        Some(WireKind::Other) => Some(Kind::Other),
        Some(WireKind::Step) => Some(Kind::Step),
        Some(WireKind::Called) => Some(Kind::Called),
        Some(WireKind::Trace) => Some(Kind::Trace),
    };
    for (name, text) in wire.names {
        *name_of(&mut out, name) = Some(Cow::Owned(text));
    }
    out.input = content(wire.input)?;
    out.result = content(wire.result)?;
    out.error = content(wire.error)?;
    out.status = wire.status.map(|status| match status {
        WireStatus::Ok => Status::Ok,
        WireStatus::Error => Status::Error,
        WireStatus::Denied => Status::Denied,
    });
    (out.started, out.ended) = (wire.started, wire.ended);
    let [input, output, total, read, written, reasoning] = wire.tokens;
    let usage = &mut out.usage;
    (usage.input_tokens, usage.output_tokens, usage.total_tokens) = (input, output, total);
    (usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens) = (read, written, reasoning);
    for (key, fact) in wire.facts {
        let fact = match fact {
            WireFact::Number(number) => Fact::Number(number),
            WireFact::Flag(flag) => Fact::Flag(flag),
            WireFact::Id(text) => Fact::Id(text.into()),
            WireFact::Label(text) => Fact::Label(text.into()),
            WireFact::Labels(all) => Fact::Labels(texts(all)),
            WireFact::Address(text) => Fact::Address(text.into()),
            WireFact::Text(text) => Fact::Text(text.into()),
        };
        out.facts.push((word(&key)?, fact));
    }
    for (field, kind, sample) in wire.found {
        out.found.push((word(&field)?, Found { kind, sample }));
    }
    for (field, id) in wire.kept {
        out.kept.push((word(&field)?, id));
    }
    Some(out)
}

fn name_of<'f>(out: &'f mut Fragment<'static>, name: Name) -> &'f mut Option<Cow<'static, str>> {
    match name {
        Name::Own => &mut out.name,
        Name::Model => &mut out.model,
        Name::Provider => &mut out.provider,
        Name::McpServer => &mut out.mcp_server,
        Name::CallId => &mut out.call_id,
        Name::AgentId => &mut out.agent.id,
        Name::Agent => &mut out.agent.name,
        Name::AgentVersion => &mut out.agent.version,
        Name::Session => &mut out.session,
        Name::Principal => &mut out.principal,
        Name::Account => &mut out.account,
        Name::Tenant => &mut out.tenant,
        Name::ErrorType => &mut out.error_type,
        Name::FinishReason => &mut out.usage.finish_reason,
        Name::ResponseId => &mut out.usage.response_id,
    }
}

fn content(digest: Option<WireDigest>) -> Option<Content<'static>> {
    let Some(wire) = digest else { return Some(Content::Undisclosed) };
    let hash = parse_hex(wire.hash.as_bytes())?;
    let of = match wire.of {
        WireTold::Input => Told::Input,
        WireTold::Result { failed, denied } => Told::Result { failed, denied },
        WireTold::Error => Told::Error,
        WireTold::ErrorType => Told::ErrorType,
    };
    Some(Content::Digest(Box::new(Digest {
        of,
        hash,
        summary: wire.summary,
        findings: found(wire.findings),
    })))
}

fn found(pairs: Vec<(String, String)>) -> Vec<Found> {
    pairs.into_iter().map(|(kind, sample)| Found { kind, sample }).collect()
}
