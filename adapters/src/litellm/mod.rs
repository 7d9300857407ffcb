//! LiteLLM, a gateway and a library for calling models: its `StandardLoggingPayload`, as the
//! `generic_api` callback posts it, and rows of its `LiteLLM_SpendLogs` table.
//!
//! | `call_type` | becomes |
//! |---|---|
//! | completions, responses, messages, images, audio, video, OCR, pass-through, unknown ones | `model.generate`; `data.operation` says which |
//! | embeddings | `model.embed` |
//! | `call_mcp_tool` | the tool, `mcp__<server>__<tool>` |
//! | rerank, search, `list_mcp_tools` | `retrieve:<name>` |
//! | moderation | a guard |
//! | A2A messages | `agent.invoke` |
//! | files, batches, threads, stores, containers, fine-tuning | the call type as it is |
//!
//! The tenant is what the virtual key belongs to: its organization, else its team. What a caller writes
//! into a request's metadata is no claim: whoever may use a key could choose any tenant. The principal is
//! the end user, else the key's user. The session is `session_id`, else `trace_id`, which LiteLLM fills
//! with the session's id where it knows one.
//!
//! Times are kept to the millisecond, as the database keeps them: so a row that is imported is
//! recognised as the call that came live.

mod call;
#[cfg(test)]
mod tests;

use self::call::Call;
use crate::MAPPING;
use crate::fields::{content, count, decimal, instant, is_true, name, structure, text, texts, unread_times};
use crate::store::{self, Row, Store};
use halod_record::event::{
    Action, Agent, Authorization, Content, Decision, Event, Fact, Keyed, Origin, Outcome, Source, Status,
    Usage,
};
use halod_record::json::Json;
use halod_record::unusable::Unusable;
use std::borrow::Cow;

/// What a record made from a payload says of its source.
const PAYLOAD: Source =
    Source { adapter: "litellm", via: "LiteLLM gateway", dialect: "litellm.payload", mapping: MAPPING };

/// A row says less than the payload of the same call. It is another form of it, so only times and status
/// are compared.
const ROW: Source =
    Source { adapter: "litellm", via: "LiteLLM gateway", dialect: "litellm.spend_log", mapping: MAPPING };

/// What LiteLLM writes in place of content that it was told to keep to itself.
const REDACTED: &str = "redacted-by-litellm";

/// What a payload tells.
///
/// # Errors
/// It is no object, has no id, or is none of LiteLLM's.
pub fn event<'a>(payload: &Json<'a>) -> Result<Option<Event<'a>>, Unusable> {
    let metadata = structure(payload.get("metadata")).unwrap_or(Json::Null);
    let id = id(payload, "id")?;
    is_call(payload)?;
    let call = Call {
        error: structure(payload.get("error_information")).unwrap_or(Json::Null),
        guardrails: structure(payload.get("guardrail_information")),
        guardrail_status: payload.get("status_fields").and_then(|fields| text(fields, "guardrail_status")),
        cost: decimal(payload, "response_cost"),
        user: None,
        team: None,
        organization: None,
        usage: structure(metadata.get("usage_object"))
            .or_else(|| structure(payload.get("response").and_then(|response| response.get("usage")))),
        source: PAYLOAD,
        row: payload,
        metadata,
        id,
    };
    Ok(Some(call.event()))
}

/// What a row of `LiteLLM_SpendLogs` tells, as the API answers it or a database exports it: structures
/// may be in strings.
///
/// # Errors
/// It is no object, has no id, or is none of LiteLLM's.
pub fn spend_row<'a>(row: &Json<'a>) -> Result<Option<Event<'a>>, Unusable> {
    let metadata = structure(row.get("metadata")).unwrap_or(Json::Null);
    let id = id(row, "request_id")?;
    is_call(row)?;
    let call = Call {
        error: structure(metadata.get("error_information")).unwrap_or(Json::Null),
        guardrails: structure(metadata.get("guardrail_information")),
        guardrail_status: None,
        cost: decimal(row, "spend"),
        user: text(row, "user"),
        team: text(row, "team_id"),
        organization: text(row, "organization_id"),
        usage: structure(metadata.get("usage_object")),
        source: ROW,
        row,
        metadata,
        id,
    };
    Ok(Some(call.event()))
}

/// What a row without its call's type says at least of a call, beside the start that other things have as well.
const OF_A_CALL: [&str; 9] = [
    "custom_llm_provider",
    "messages",
    "model",
    "model_group",
    "prompt_tokens",
    "response",
    "response_cost",
    "spend",
    "total_tokens",
];

/// Any object may have an id. What LiteLLM writes of a call has its type, or at least its start and its model.
fn is_call(row: &Json<'_>) -> Result<(), Unusable> {
    let says = |key: &str| !matches!(row.get(key), None | Some(Json::Null));
    if says("call_type") || says("litellm_call_id") {
        return Ok(());
    }
    if !says("startTime") || !OF_A_CALL.iter().any(|key| says(key)) {
        let what = "must be the call's type, or startTime its start: it is no call of LiteLLM's";
        return Err(Unusable::new("call_type", what));
    }
    match store::of(row) {
        Some(Row::Of(Store::Litellm)) | None => Ok(()),
        Some(_) => Err(Unusable::new("", "is another store's, and no call of LiteLLM's")),
    }
}

/// The call's id in this space. What LiteLLM appends for an answer from its cache is a part of it.
fn id<'a>(row: &Json<'a>, key: &'static str) -> Result<Cow<'a, str>, Unusable> {
    match row {
        // A provider that gives its answer no id is written as Python writes nothing.
        Json::Object(_) => name(row, key)
            .filter(|id| id != "None")
            .or_else(|| text(row, "litellm_call_id"))
            .ok_or_else(|| Unusable::new(key, "must be the call's id, and there is none")),
        Json::Null => Err(Unusable::new("", "is null: LiteLLM made no payload of this call")),
        _ => Err(Unusable::new("", "must be an object, a StandardLoggingPayload")),
    }
}
