//! The formats there are.

use halo_adapters::gateway;
use halo_adapters::store::Store;
use halo_adapters::transcript::Client;
use halod_record::spelling::nearest;
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
    /// Transcripts of Claude Code and of Codex.
    Transcript(Client),
    /// Access logs of gateways; without a format of its own the first lines tell it.
    Gateway(Option<gateway::Format>),
}

/// What formats are called; a gateway's may go on with `:` and the log's own format.
pub const NAMES: &str = "otlp, litellm, langfuse, langsmith, openai_agents, claude-code, codex, gateway";

impl From<Store> for Format {
    fn from(store: Store) -> Self {
        match store {
            Store::Otlp => Self::Otlp,
            Store::Litellm => Self::Litellm,
            Store::Langfuse => Self::Langfuse,
            Store::Langsmith => Self::Langsmith,
            Store::OpenaiAgents => Self::OpenaiAgents,
            Store::ClaudeCode => Self::Transcript(Client::ClaudeCode),
            Store::Codex => Self::Transcript(Client::Codex),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Otlp => f.write_str("otlp"),
            Self::Litellm => f.write_str("litellm"),
            Self::Langfuse => f.write_str("langfuse"),
            Self::Langsmith => f.write_str("langsmith"),
            Self::OpenaiAgents => f.write_str("openai_agents"),
            Self::Transcript(Client::ClaudeCode) => f.write_str("claude-code"),
            Self::Transcript(Client::Codex) => f.write_str("codex"),
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
    #[error("`{}` is no format{}; the formats are {NAMES}", .0, meant(.0, &NAMES.split(", ").collect::<Vec<_>>()))]
    Format(String),
    #[error("`{}` is no format of a gateway's log{}; they are {}", .0, meant(.0, &logs().iter().map(String::as_str).collect::<Vec<_>>()), logs().join(", "))]
    Log(String),
}

/// What the name was probably meant to be.
fn meant(name: &str, known: &[&str]) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!(": did you mean `{near}`?"))
}

/// Log formats that need no further settings.
fn logs() -> Vec<String> {
    let known = gateway::Format::ALL.into_iter().filter(|log| *log != gateway::Format::Regex);
    known.map(|log| log.to_string()).collect()
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
            "claude-code" => Self::Transcript(Client::ClaudeCode),
            "codex" => Self::Transcript(Client::Codex),
            "gateway" => Self::Gateway(None),
            _ => {
                let log =
                    name.strip_prefix("gateway:").ok_or_else(|| UnknownFormat::Format(name.to_owned()))?;
                match log.parse() {
                    Ok(log) if log != gateway::Format::Regex => Self::Gateway(Some(log)),
                    _ => return Err(UnknownFormat::Log(log.to_owned())),
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

    #[test]
    fn names_go_both_ways() {
        for name in NAMES.split(", ").chain(["gateway:nginx", "gateway:combined"]) {
            assert_eq!(name.parse::<Format>().unwrap().to_string(), name);
        }
        for name in ["", "OTLP", "gateway:", "gateway:regex", "gateway:iis", "langfuse2"] {
            assert!(name.parse::<Format>().is_err(), "{name}");
        }
        let said = "langfuze".parse::<Format>().unwrap_err().to_string();
        assert!(said.starts_with("`langfuze` is no format: did you mean `langfuse`?"), "{said}");
        assert!("x".parse::<Format>().unwrap_err().to_string().contains("langsmith"));
        assert!("gateway:x".parse::<Format>().unwrap_err().to_string().contains("nginx"));
    }
}
