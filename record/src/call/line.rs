//! The account that a sealed line gives: the same as that of the event which it was made of, as far as it
//! decides which call that was.

use super::key::Session;
use super::{Call, CallKey, Form, Kind, first_half, lasted};
use crate::event::ACCESS;
use crate::ids::RecordId;
use crate::json::{Json, parse};
use crate::own;
use crate::tenant::Tenant;
use crate::{hash, time};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The fact, and member of `data`, that says which instrumentation told of a call: its scope's name.
pub const SCOPE: &str = "instrumentation_scope";
/// The member of `data` with the digests of a call's ids.
pub(crate) const KEYS: &str = "call_keys";

/// The facts, and members of `data`, that say what was done to what an action touched.
pub(super) const DONE: [&str; 2] = ["db_operation", "method"];

/// What stands before the tool's name in a corroboration.
pub(crate) const CORROBORATES: &str = "corroborates:";

/// A sealed account of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCall {
    pub call: Call,
    /// The action whose corroboration the line is; the line's own where it is the action.
    pub action: RecordId,
    /// `action.tool` of the action.
    pub tool: String,
    /// `outcome.status`, where the line has one.
    pub status: Option<String>,
}

impl SealedCall {
    /// Reads the account that a sealed line gives; `None` where that is none of a call.
    #[must_use]
    pub fn read(line: &[u8], tenant: &Tenant) -> Option<Self> {
        Self::of(&parse(std::str::from_utf8(line).ok()?).ok()?, tenant)
    }

    pub(crate) fn of(record: &Json<'_>, tenant: &Tenant) -> Option<Self> {
        let text = |section: &str, key: &str| record.get(section)?.get(key)?.as_str();
        let data = |key: &str| text("data", key);
        let tool = text("action", "tool")?;
        let adapter = text("source", "adapter")?;
        let id = RecordId::parse(record.get("record_id")?.as_str()?)?;
        let corroborated = tool.strip_prefix(CORROBORATES);
        if adapter == "gateway" || adapter == "native" {
            return None;
        }
        let action = match corroborated {
            Some(_) => RecordId::parse(data("corroborates")?)?,
            None if text("action", "type")? == "agent_message" || own::is_tool(tool) => return None,
            None => id,
        };
        let tool = corroborated.unwrap_or(tool);
        let kind = match tool {
            "model.generate" => Kind::Generate,
            "model.embed" => Kind::Embed,
            _ if data(ACCESS).is_some() => Kind::Access,
            _ if tool.starts_with("retrieve:") => Kind::Retrieve,
            _ => Kind::Tool,
        };
        let trace = data("trace_id").and_then(|id| hash::parse_hex::<16>(id.as_bytes()));
        let span = |key: &str| data(key).and_then(|id| hash::parse_hex::<8>(id.as_bytes()));
        let (own_span, above) = (span("span_id"), span("parent_span_id"));
        let of_span = |span: [u8; 8]| trace.map(|trace| RecordId::of_span(tenant, &trace, &span));
        // A span is known by its own id, whatever else a line tells of the span that it was written under.
        let is_span = own_span.and_then(of_span) == Some(id);
        let form = match adapter {
            _ if is_span => Form::Span,
            // What passed an MCP proxy says under which span, if any.
            "otel" | "mcp" => Form::Log,
            _ => Form::Keyed,
        };
        let stated = || record.get("parent_id").and_then(Json::as_str).and_then(RecordId::parse);
        let parent = match form {
            Form::Span => above.and_then(of_span),
            Form::Log => own_span.and_then(of_span),
            Form::Keyed if corroborated.is_some() => None,
            Form::Keyed => stated(),
        };
        let thing_of = match kind {
            Kind::Generate | Kind::Embed => text("agent", "model"),
            Kind::Tool | Kind::Retrieve | Kind::Access => Some(tool),
        };
        let instant = |key: &str| data(key).and_then(time::instant).map(time::Instant::unix_nanos);
        let status = text("outcome", "status");
        let call = Call {
            kind,
            thing: thing_of.and_then(|name| thing(kind, name, DONE.iter().find_map(|key| data(key)))),
            voice: voice(adapter, text("source", "dialect")?, data(SCOPE), form),
            id,
            parent: parent.filter(|parent| *parent != id),
            lasted: lasted(instant("started_at"), instant("ended_at")),
            keys: keys(record),
            form,
            session: Session::of(tenant, record.get("session_id").and_then(Json::as_str).unwrap_or_default()),
            output_tokens: match record.get("data").and_then(|data| data.get("output_tokens")) {
                Some(Json::Int(tokens)) => Some(*tokens),
                _ => None,
            },
            failed: matches!(status, Some("error" | "denied")),
            fullness: 0,
            order: own_span.filter(|_| is_span).unwrap_or_else(|| first_half(id)),
            first: None,
            others: Vec::new(),
        };
        Some(Self { call, action, tool: tool.to_owned(), status: status.map(str::to_owned) })
    }
}

fn keys(record: &Json<'_>) -> Vec<CallKey> {
    match record.get("data").and_then(|data| data.get(KEYS)) {
        Some(Json::Array(keys)) => keys.iter().filter_map(|key| CallKey::parse(key.as_str()?)).collect(),
        _ => Vec::new(),
    }
}

/// What a call is compared by: a model without its provider, a tool without its server, and a database with what was
/// `done` to it.
pub(super) fn thing(kind: Kind, name: &str, done: Option<&str>) -> Option<String> {
    let touched;
    let name = match kind {
        Kind::Access => {
            touched = [name, " ", done.unwrap_or_default()].concat();
            &touched
        }
        Kind::Generate | Kind::Embed => name.rsplit('/').next().unwrap_or(name),
        Kind::Retrieve => name.strip_prefix("retrieve:").unwrap_or(name),
        Kind::Tool => {
            let of_server = name.strip_prefix("mcp__").and_then(|rest| rest.split_once("__"));
            of_server.map_or(name, |(_, tool)| tool)
        }
    };
    let name = name.trim().to_lowercase();
    let none = matches!(&*name, "" | "unknown" | "unnamed") || kind == Kind::Tool && name == ANY_OF_MCP;
    (!none).then_some(name)
}

/// What Claude Code's telemetry calls every tool of an MCP server, unless it may tell details.
const ANY_OF_MCP: &str = "mcp_tool";

/// Who tells of a call: the adapter, the dialect, the instrumentation and the form of the message.
pub(super) fn voice(adapter: &str, dialect: &str, scope: Option<&str>, form: Form) -> u64 {
    let mut hasher = DefaultHasher::new();
    (adapter, dialect, scope.unwrap_or(""), form).hash(&mut hasher);
    hasher.finish()
}
