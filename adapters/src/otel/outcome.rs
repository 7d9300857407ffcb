//! How an action ended.

use super::action::{Decision, Why};
use super::read::Found;
use super::table::{Field, Kind};
use crate::event::{self, Authorization, Content, Outcome, Status};
use crate::json::{self, Json};
use crate::otlp::model::{AnyValue, Span};
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
    let status = status(decision, found, &result, finish_reason, span);
    if status == Status::Ok {
        return Outcome { status, result, error_type: None, error_text: None };
    }
    let message = Some(Cow::Borrowed(span.status_message.as_ref())).filter(|text| !text.is_empty());
    let first = |fields: [Field; 3]| fields.into_iter().find_map(|field| found.text(field));
    Outcome {
        status,
        result,
        error_type: first([Field::ErrorType, Field::ExceptionType, Field::RpcStatus]),
        error_text: message
            .or_else(|| found.text(Field::ErrorText))
            .or_else(|| found.text(Field::ExceptionMessage)),
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
        || found.has(Field::ErrorType)
        || found.exception && (span.status_code == UNSET || decision.dialect == Some("langsmith"))
        || says_so(Field::Outcome)
        // Everybody has a `success`; here it is known what it is about.
        || matches!(decision.why, Why::Marker(Field::ClaudeType)) && unsuccessful(found)
        || decision.kind == Kind::Generate && finish_reason == Some("error")
        || matches!(decision.kind, Kind::Tool | Kind::McpTool)
            && matches!(result, Content::Value(result) if tells_of_failure(result));
    if failed { Status::Error } else { Status::Ok }
}

const FAILURES: [&str; 3] = ["error", "failure", "failed"];
const DENIALS: [&str; 9] =
    ["deny", "denied", "reject", "rejected", "block", "blocked", "triggered", "refuse", "refused"];

const APPROVALS: [&str; 7] = ["accept", "accepted", "approve", "approved", "confirm", "confirmed", "modify"];

/// What was decided before an action, where the span is of the decision itself. A human decided
/// where the sender says `user`, and in Haystack's hook of that name.
pub(super) fn authorization<'a>(decision: &Decision, found: &Found<'a>) -> Option<Authorization<'a>> {
    if decision.kind != Kind::Boundary("approval") {
        return None;
    }
    let (word, approver) = (found.text(Field::Verdict)?, found.text(Field::Approver));
    let human =
        matches!(decision.why, Why::Name(_)) || approver.as_ref().is_some_and(|by| by.starts_with("user"));
    let decision = match word.as_ref() {
        word if is_one_of(&DENIALS, word) => event::Decision::Denied,
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
        Some(AnyValue::Str(word)) => is_one_of(&DENIALS, word) || word == "true",
        _ => false,
    };
    by_attribute || matches!(result, Content::Value(result) if says_no(result))
}

/// Whether a guard's verdict is no.
pub(crate) fn says_no(result: &Json<'_>) -> bool {
    let says = |key: &str, said: bool| matches!(result.get(key), Some(Json::Bool(value)) if *value == said);
    let word =
        |key: &str| result.get(key).and_then(Json::as_str).is_some_and(|word| is_one_of(&DENIALS, word));
    ["triggered", "tripwire_triggered", "blocked", "denied"].iter().any(|key| says(key, true))
        || ["passed", "allowed", "approved"].iter().any(|key| says(key, false))
        || ["decision", "verdict", "action", "status"].iter().any(|key| word(key))
        || result.as_str().is_some_and(|word| is_one_of(&DENIALS, word))
}

/// Whether a tool's result is that of a failure, though the call itself came back: as the reference
/// derives it, and MCP's `isError`. Some frameworks put the tool's own result under `output` or
/// `data`, and some send it encoded twice.
pub(crate) fn tells_of_failure(result: &Json<'_>) -> bool {
    let inner = || ["output", "data"].iter().any(|key| result.get(key).is_some_and(is_failure));
    let encoded = || match result.as_str() {
        Some(text) if text.trim_start().starts_with('{') => {
            json::parse(text).is_ok_and(|value| is_failure(&value))
        }
        _ => false,
    };
    is_failure(result) || inner() || encoded()
}

/// Whether a result says of itself that it is a failure: as the reference derives it, and MCP's `isError`.
#[must_use]
pub fn is_failure(value: &Json<'_>) -> bool {
    let Json::Object(entries) = value else { return false };
    // One pass, however many entries: these are a sender's own.
    entries.iter().any(|(key, value)| match key.as_str() {
        Some("is_error" | "isError" | "error") => is_truthy(value),
        Some("status") => value.as_str() == Some("error"),
        Some("exit_code" | "exitCode" | "returncode" | "return_code") => is_nonzero(value),
        _ => false,
    })
}

fn is_truthy(value: &Json<'_>) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(bool) => *bool,
        Json::Int(int) => *int != 0,
        Json::BigInt(_) => true,
        Json::Float(float) => *float != 0.0,
        Json::Str(text) => !text.as_bytes().is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(entries) => !entries.is_empty(),
    }
}

fn is_nonzero(value: &Json<'_>) -> bool {
    match value {
        Json::Int(_) | Json::BigInt(_) | Json::Float(_) => is_truthy(value),
        Json::Str(text) => {
            text.as_str().and_then(|text| text.trim().parse::<f64>().ok()).is_some_and(|code| code != 0.0)
        }
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn failed(text: &str) -> bool {
        tells_of_failure(&json::parse(text).unwrap())
    }

    #[test]
    fn results_that_tell_of_a_failure() {
        for text in [
            r#"{"is_error":true}"#,
            r#"{"isError":true,"content":[]}"#,
            r#"{"error":"no"}"#,
            r#"{"error":{"code":1}}"#,
            r#"{"status":"error"}"#,
            r#"{"exit_code":2}"#,
            r#"{"exitCode":"1"}"#,
            r#"{"returncode":-9}"#,
            r#"{"return_code":0.5}"#,
            r#"{"output":{"status":"error"}}"#,
            r#"{"data":{"status":"error"}}"#,
            r#""{\"error\":\"no\"}""#,
        ] {
            assert!(failed(text), "{text}");
        }
        for text in [
            r#"{"is_error":false}"#,
            r#"{"error":null}"#,
            r#"{"error":""}"#,
            r#"{"error":[]}"#,
            r#"{"error":{}}"#,
            r#"{"status":"failed"}"#,
            r#"{"exit_code":0}"#,
            r#"{"exit_code":"0.0"}"#,
            r#"{"exit_code":"none"}"#,
            r#"{"exit_code":true}"#,
            r#"[{"error":"no"}]"#,
            "\"error\"",
            "null",
            "{}",
            r#"{"other":{"error":"no"}}"#,
        ] {
            assert!(!failed(text), "{text}");
        }
    }
}
