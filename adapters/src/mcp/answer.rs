//! What became of a call.

use super::Large;
use super::call::Method;
use crate::fields::{is_true, name, text};
use halod_record::event::{Content, Digest, Outcome, Status, Told};
use halod_record::json::Json;
use std::borrow::Cow;

/// What came back for a call, or why nothing did.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    Result(&'a Json<'a>),
    Error(&'a Json<'a>),
    /// It was too large to be held.
    Large(&'a Large),
    /// The request that asked for it was refused, with this status of HTTP's.
    Refused(u16),
    None(End),
}

/// Why no answer is waited for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Session,
    /// What its answer was to come on has ended.
    Stream,
    /// Too many other calls waited.
    PushedOut,
    Cancelled,
}

impl End {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Session => "session_end",
            Self::Stream => "stream_end",
            Self::PushedOut => "pushed_out",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Characters of an error's text that are looked at.
const MOST_TEXT: usize = 64 << 10;

pub(super) fn outcome<'a>(method: Method, answer: &Answer<'a>, task_failed: bool) -> Outcome<'a> {
    let mut outcome =
        Outcome { status: Status::Unknown, result: Content::Undisclosed, error_type: None, error_text: None };
    match answer {
        Answer::Result(result) => of_result(method, result, &mut outcome),
        Answer::Error(error) => {
            outcome.status = Status::Error;
            outcome.error_type = name(error, "code");
            outcome.error_text = text(error, "message");
        }
        Answer::Large(large) => of_large(large, &mut outcome),
        Answer::Refused(status) => {
            outcome.status = Status::Error;
            outcome.error_type = Some(Cow::Owned(format!("http_{status}")));
        }
        Answer::None(_) if task_failed => outcome.status = Status::Error,
        Answer::None(_) => {}
    }
    outcome
}

fn of_result<'a>(method: Method, result: &Json<'a>, outcome: &mut Outcome<'a>) {
    outcome.status = Status::Ok;
    match method {
        Method::ToolCall if is_true(result, "isError") => {
            outcome.status = Status::Error;
            outcome.error_type = Some(Cow::Borrowed("tool_error"));
            outcome.error_text = texts(result);
        }
        // It is asked for again with what was wanted.
        Method::ToolCall if text(result, "resultType").is_some_and(|kind| kind == "input_required") => {
            outcome.status = Status::Unfinished;
        }
        Method::Elicit => {
            let answer = text(result, "action");
            if matches!(answer.as_deref(), Some("decline" | "cancel")) {
                outcome.status = Status::Denied;
                outcome.error_text = answer;
            }
        }
        _ => {}
    }
    outcome.result = Content::Value(result.clone());
}

fn of_large(large: &Large, outcome: &mut Outcome<'_>) {
    let failed = large.outline.has_error || large.outline.is_error;
    outcome.status = if failed { Status::Error } else { Status::Ok };
    outcome.error_type = large.outline.error_code.clone().map(Cow::Owned);
    if failed && outcome.error_type.is_none() {
        outcome.error_type = Some(Cow::Borrowed("tool_error"));
    }
    let of = if failed { Told::Error } else { Told::Result { failed: false, denied: false } };
    outcome.result = digest(large, of);
}

/// The hash of a message in place of what it says.
pub(super) fn digest<'a>(large: &Large, of: Told) -> Content<'a> {
    let digest = Digest { of, hash: large.sha256, summary: None, findings: Vec::new() };
    Content::Digest(Box::new(digest))
}

/// The texts among the blocks of a result.
fn texts<'a>(result: &Json<'a>) -> Option<Cow<'a, str>> {
    let Some(Json::Array(blocks)) = result.get("content") else { return None };
    let mut texts = blocks.iter().filter_map(|block| text(block, "text"));
    let first = texts.next()?;
    let mut rest = texts.peekable();
    if rest.peek().is_none() {
        return Some(first);
    }
    let mut all = first.into_owned();
    for text in rest {
        if all.len() > MOST_TEXT {
            break;
        }
        all.push('\n');
        all.push_str(&text);
    }
    Some(Cow::Owned(all))
}
