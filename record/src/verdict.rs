//! What a result says of how its action ended.

use crate::json::{Json, parse_embedded};

const DENIALS: [&str; 9] =
    ["deny", "denied", "reject", "rejected", "block", "blocked", "triggered", "refuse", "refused"];

/// Whether a word says no.
#[must_use]
pub fn is_denial(word: &str) -> bool {
    DENIALS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Whether a guard's verdict is no.
#[must_use]
pub fn says_no(result: &Json<'_>) -> bool {
    let says = |key: &str, said: bool| matches!(result.get(key), Some(Json::Bool(value)) if *value == said);
    let word = |key: &str| result.get(key).and_then(Json::as_str).is_some_and(is_denial);
    ["triggered", "tripwire_triggered", "blocked", "denied"].iter().any(|key| says(key, true))
        || ["passed", "allowed", "approved"].iter().any(|key| says(key, false))
        || ["decision", "verdict", "action", "status"].iter().any(|key| word(key))
        || result.as_str().is_some_and(is_denial)
}

/// Whether a tool's result is that of a failure, though the call itself came back: as the reference
/// derives it, and MCP's `isError`. Some frameworks put the tool's own result under `output` or
/// `data`, and some send it encoded twice.
#[must_use]
pub fn tells_of_failure(result: &Json<'_>) -> bool {
    let inner = || ["output", "data"].iter().any(|key| result.get(key).is_some_and(is_failure));
    let encoded = || match result.as_str() {
        Some(text) if text.trim_start().starts_with('{') => {
            parse_embedded(text).is_ok_and(|value| is_failure(&value))
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
        Some("success") => is_false(value),
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

/// Said outright: nothing, or nothing of a kind, is not false.
fn is_false(value: &Json<'_>) -> bool {
    match value {
        Json::Bool(bool) => !bool,
        Json::Int(int) => *int == 0,
        Json::Str(text) => text.as_str().is_some_and(|text| text.eq_ignore_ascii_case("false")),
        _ => false,
    }
}

/// The exit code that a shell tool of a coding agent writes at the head of its output: Codex' `Process exited
/// with code 2` and `Exit code: 2`, Gemini CLI's `Exit Code: 2`. What the command itself printed comes after it.
#[must_use]
pub fn exit_code(output: &str) -> Option<i64> {
    const LABELS: [&str; 2] = ["process exited with code ", "exit code: "];
    output.lines().take(HEAD).take_while(|line| !line.starts_with("Output:")).find_map(|line| {
        let line = line.trim();
        let code = LABELS.iter().find_map(|label| {
            let head = line.get(..label.len())?;
            if head.eq_ignore_ascii_case(label) { line.get(label.len()..) } else { None }
        })?;
        code.trim().parse().ok()
    })
}

/// Lines that stand before what a command printed, at most.
const HEAD: usize = 8;

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
    use crate::json::parse;

    fn failed(text: &str) -> bool {
        tells_of_failure(&parse(text).unwrap())
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
            r#"{"success":false,"message":"no"}"#,
            r#"{"success":0}"#,
            r#"{"success":"False"}"#,
            r#"{"data":{"success":false}}"#,
            r#""{\"success\":false}""#,
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
            r#"{"success":true}"#,
            r#"{"success":null}"#,
            r#"{"success":""}"#,
            r#"{"success":{}}"#,
            r#"{"succeeded":false}"#,
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

    #[test]
    fn exit_codes_at_the_head_of_an_output() {
        for (text, code) in [
            ("Chunk ID: e4\nWall time: 0.0 seconds\nProcess exited with code 2\nOutput:\nx", Some(2)),
            ("Exit code: 127\nWall time: 0.1 seconds\nOutput:\n", Some(127)),
            ("Command: ls\nDirectory: (root)\nStdout: (empty)\nExit Code: 2\n", Some(2)),
            ("Process exited with code -9", Some(-9)),
            ("Process exited with code 0\nOutput:\nExit code: 3", Some(0)),
            // What the command printed is not what became of it.
            ("Wall time: 1\nOutput:\nProcess exited with code 1", None),
            ("a\nb\nc\nd\ne\nf\ng\nh\nExit code: 1", None),
            ("the process exited with code 1", None),
            ("Exit code: none", None),
            ("é", None),
            ("", None),
        ] {
            assert_eq!(exit_code(text), code, "{text}");
        }
    }
}
