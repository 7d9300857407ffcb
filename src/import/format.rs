//! The formats there are, and telling them by a file's first row.

use super::traces::{is_observation, is_trace};
use halo_adapters::gateway;
use halod_record::json::Json;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Whose files they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Format {
    /// OTLP export requests: traces and logs, JSON or protobuf.
    Otlp,
    /// Payloads of LiteLLM's callbacks, and rows of its spend logs.
    Litellm,
    /// Traces, observations and scores of Langfuse.
    Langfuse,
    /// Runs and feedback of LangSmith.
    Langsmith,
    /// Traces and spans of the OpenAI Agents SDK.
    OpenaiAgents,
    /// Access logs of gateways; without a format of its own the first lines tell it.
    Gateway(Option<gateway::Format>),
}

/// What formats are called; a gateway's may go on with `:` and the log's own format.
pub const NAMES: &str = "otlp, litellm, langfuse, langsmith, openai_agents, gateway";

impl Format {
    /// The format of a file that has this row; `None` when it is of none that rows tell.
    #[must_use]
    pub fn of(row: &Json<'_>) -> Option<Self> {
        // Answers of APIs have their rows in a list.
        let first = ["data", "runs"].iter().find_map(|key| match row.get(key) {
            Some(Json::Array(rows)) => rows.first(),
            _ => None,
        });
        let row = first.unwrap_or(row);
        let has = |key: &str| row.get(key).is_some();
        let all = |keys: &[&str]| keys.iter().all(|key| has(key));
        if has("resourceSpans") || has("resourceLogs") || has("resourceMetrics") {
            Some(Self::Otlp)
        } else if matches!(row.get("object").and_then(Json::as_str), Some("trace" | "trace.span")) {
            Some(Self::OpenaiAgents)
        } else if all(&["run_type", "id"]) || all(&["run_id", "key", "score"]) {
            Some(Self::Langsmith)
        } else if is_observation(row) || (is_trace(row) && TRACE.iter().any(|key| has(key))) {
            Some(Self::Langfuse)
        } else if has("call_type") && (has("litellm_call_id") || has("request_id") || has("model_group")) {
            Some(Self::Litellm)
        } else {
            None
        }
    }
}

/// What traces of Langfuse have, in either spelling.
const TRACE: [&str; 4] = ["sessionId", "session_id", "userId", "user_id"];

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Otlp => f.write_str("otlp"),
            Self::Litellm => f.write_str("litellm"),
            Self::Langfuse => f.write_str("langfuse"),
            Self::Langsmith => f.write_str("langsmith"),
            Self::OpenaiAgents => f.write_str("openai_agents"),
            Self::Gateway(None) => f.write_str("gateway"),
            Self::Gateway(Some(log)) => write!(f, "gateway:{log}"),
        }
    }
}

impl From<Format> for String {
    fn from(format: Format) -> Self {
        format.to_string()
    }
}

/// Not the name of a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownFormat {
    #[error("the formats are {NAMES}")]
    Format,
    #[error("a gateway's log formats are {}", logs().collect::<Vec<_>>().join(", "))]
    Log,
}

/// Log formats that need no further settings.
fn logs() -> impl Iterator<Item = String> {
    gateway::Format::ALL.into_iter().filter(|log| *log != gateway::Format::Regex).map(|log| log.to_string())
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Ok(match name {
            "otlp" => Self::Otlp,
            "litellm" => Self::Litellm,
            "langfuse" => Self::Langfuse,
            "langsmith" => Self::Langsmith,
            "openai_agents" => Self::OpenaiAgents,
            "gateway" => Self::Gateway(None),
            _ => {
                let log = name.strip_prefix("gateway:").ok_or(UnknownFormat::Format)?;
                match log.parse() {
                    Ok(log) if log != gateway::Format::Regex => Self::Gateway(Some(log)),
                    _ => return Err(UnknownFormat::Log),
                }
            }
        })
    }
}

impl TryFrom<String> for Format {
    type Error = UnknownFormat;

    fn try_from(name: String) -> Result<Self, UnknownFormat> {
        name.parse()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::json::parse;

    #[test]
    fn names_go_both_ways() {
        for name in NAMES.split(", ").chain(["gateway:nginx", "gateway:combined"]) {
            assert_eq!(name.parse::<Format>().unwrap().to_string(), name);
        }
        for name in ["", "OTLP", "gateway:", "gateway:regex", "gateway:iis", "langfuse2"] {
            assert!(name.parse::<Format>().is_err(), "{name}");
        }
        assert!("x".parse::<Format>().unwrap_err().to_string().contains("langsmith"));
        assert!("gateway:x".parse::<Format>().unwrap_err().to_string().contains("nginx"));
    }

    #[test]
    fn rows_tell_their_format() {
        let of = |row: &str| Format::of(&parse(row).unwrap());
        assert_eq!(of(r#"{"resourceLogs":[]}"#), Some(Format::Otlp));
        assert_eq!(of(r#"{"id":"r","run_type":"llm","trace_id":"t"}"#), Some(Format::Langsmith));
        assert_eq!(of(r#"{"runs":[{"id":"r","run_type":"llm"}],"cursors":{}}"#), Some(Format::Langsmith));
        assert_eq!(of(r#"{"data":[{"object":"trace","id":"t"}]}"#), Some(Format::OpenaiAgents));
        assert_eq!(of(r#"{"data":[{"id":"o","traceId":"t","type":"SPAN"}]}"#), Some(Format::Langfuse));
        assert_eq!(of(r#"{"id":"t","timestamp":"2026","user_id":null}"#), Some(Format::Langfuse));
        assert_eq!(of(r#"{"request_id":"r","call_type":"acompletion","spend":0}"#), Some(Format::Litellm));
        for row in ["{}", "[]", "1", r#"{"id":"x","type":"y"}"#, r#"{"data":[]}"#] {
            assert_eq!(of(row), None, "{row}");
        }
    }
}
