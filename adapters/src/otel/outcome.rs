//! How an action ended.

use super::action::{Decision, Why};
use super::read::Found;
use super::table::{Field, Kind};
use crate::otlp::model::{AnyValue, Span};
use halod_record::event::{self, Authorization, Content, Outcome, Status};
use halod_record::json::{self, Json, Text};
use halod_record::verdict::{is_denial, says_no, tells_of_failure};
use std::borrow::Cow;

/// `STATUS_CODE_UNSET` and `STATUS_CODE_ERROR` (`trace.proto`).
const UNSET: i32 = 0;
pub(super) const ERROR: i32 = 2;

pub(super) fn of<'a>(
    decision: &Decision,
    found: &Found<'a>,
    result: Content<'a>,
    finish_reason: Option<&str>,
    span: &'a Span<'a>,
) -> Outcome<'a> {
    let status = match status(decision, found, &result, finish_reason, span) {
        Status::Ok if span.end_time_unix_nano == 0 => Status::Unfinished,
        Status::Ok if says_nothing(decision, found, span) => Status::Unknown,
        status => status,
    };
    if !status.failed() {
        return Outcome { status, result, error_type: None, error_text: None };
    }
    let message = Some(Cow::Borrowed(span.status_message.as_ref())).filter(|text| !text.is_empty());
    let first = |fields: [Field; 3]| fields.into_iter().find_map(|field| found.text(field));
    Outcome {
        status,
        error_type: first([Field::ErrorType, Field::ExceptionType, Field::RpcStatus]),
        error_text: message
            .or_else(|| found.text(Field::ErrorText))
            .or_else(|| found.text(Field::ExceptionMessage))
            .or_else(|| reason(&result)),
        result,
    }
}

/// Why an action failed, as its result says.
fn reason<'a>(result: &Content<'a>) -> Option<Cow<'a, str>> {
    let Content::Value(result) = result else { return None };
    let text = |value: &Json<'a>| match value {
        // Encoded twice.
        Json::Str(Text::Utf8(text)) if text.trim_start().starts_with('{') => None,
        Json::Str(Text::Utf8(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    let within =
        |value: &Json<'a>| ["error", "message", "detail"].iter().find_map(|key| text(value.get(key)?));
    let encoded = match result {
        Json::Str(Text::Utf8(Cow::Borrowed(text))) => json::parse_embedded(text).ok(),
        _ => None,
    };
    let result = encoded.as_ref().unwrap_or(result);
    text(result).or_else(|| within(result)).or_else(|| within(result.get("error")?))
}

/// Whether the sender leaves the status unset whatever came of the action. Elsewhere unset means that no
/// fault was seen (`trace.proto`).
///
/// Claude Code's span of a tool call says only that it was asked for: how it ended is on the span within.
/// Gemini CLI's says OK also of those that failed. The MCP SDK's tells that an answer came, be it that the tool
/// failed.
fn says_nothing(decision: &Decision, found: &Found<'_>, span: &Span<'_>) -> bool {
    let unset = span.status_code == UNSET;
    match decision.kind {
        Kind::Tool if found.is_told_in("gemini_cli") => true,
        Kind::Tool => {
            unset
                && found.text(Field::ClaudeType).as_deref() == Some("tool")
                && span.name.starts_with("claude_code.")
                && !found.has(Field::Success)
        }
        Kind::McpTool => unset && span.name.starts_with("MCP send "),
        _ => false,
    }
}

fn status<'a>(
    decision: &Decision,
    found: &Found<'a>,
    result: &Content<'a>,
    finish_reason: Option<&str>,
    span: &Span<'_>,
) -> Status {
    let guards = matches!(decision.kind, Kind::Guard | Kind::Boundary("approval"));
    if guards && denied(found, result) {
        return Status::Denied;
    }
    let says_so = |field| match found.value(field) {
        Some(AnyValue::Str(word)) => is_one_of(&FAILURES, word),
        Some(AnyValue::Bool(failed)) => *failed,
        _ => false,
    };
    // An exception that the sender went on from has an explicit status of OK. LangSmith's exporter writes
    // OK when a run begins, which no later status overrules, and an exception only of a run that failed.
    let failed = span.status_code == ERROR
        || decision.kind == Kind::Boundary("error")
        || found.has(Field::ErrorType)
        || found.exception && (span.status_code == UNSET || decision.dialect == Some("langsmith"))
        || says_so(Field::Outcome)
        // Everybody has a `success`; here it is known what it is about.
        || found.has(Field::ClaudeType) && span.name.starts_with("claude_code.") && unsuccessful(found)
        || decision.kind == Kind::Generate && finish_reason == Some("error")
        || matches!(decision.kind, Kind::Tool | Kind::McpTool)
            && matches!(result, Content::Value(result) if tells_of_failure(result));
    if failed { Status::Error } else { Status::Ok }
}

const FAILURES: [&str; 3] = ["error", "failure", "failed"];

const APPROVALS: [&str; 7] = ["accept", "accepted", "approve", "approved", "confirm", "confirmed", "modify"];

/// What was decided before an action: as `halo.decision` states it in the record's own words, or where the span is of the
/// decision itself. A human decided where the sender says `user`, and in Haystack's hook of that name.
pub(super) fn authorization<'a>(decision: &Decision, found: &Found<'a>) -> Option<Authorization<'a>> {
    let stated = found.text(Field::Decided).and_then(|word| {
        Some(match word.as_ref() {
            "allowed" => event::Decision::Allowed,
            "denied" => event::Decision::Denied,
            "human_approved" => event::Decision::HumanApproved,
            _ => return None,
        })
    });
    if let Some(decision) = stated {
        return Some(Authorization { decision, approver: found.text(Field::DecidedBy) });
    }
    if decision.kind != Kind::Boundary("approval") {
        return None;
    }
    let (word, approver) = (found.text(Field::Verdict)?, found.text(Field::Approver));
    let human =
        matches!(decision.why, Why::Name(_)) || approver.as_ref().is_some_and(|by| by.starts_with("user"));
    let decision = match word.as_ref() {
        word if is_denial(word) => event::Decision::Denied,
        word if is_one_of(&APPROVALS, word) && human => event::Decision::HumanApproved,
        word if is_one_of(&APPROVALS, word) => event::Decision::Allowed,
        _ => return None,
    };
    Some(Authorization { decision, approver })
}

fn is_one_of(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn unsuccessful(found: &Found<'_>) -> bool {
    match found.value(Field::Success) {
        Some(AnyValue::Bool(success)) => !success,
        Some(AnyValue::Str(success)) => success == "false",
        _ => false,
    }
}

/// Whether a guard or a human said no: by an attribute, or in the result.
fn denied(found: &Found<'_>, result: &Content<'_>) -> bool {
    let by_attribute = match found.value(Field::Verdict) {
        Some(AnyValue::Bool(triggered)) => *triggered,
        Some(AnyValue::Str(word)) => is_denial(word) || word == "true",
        _ => false,
    };
    by_attribute || matches!(result, Content::Value(result) if says_no(result))
}
