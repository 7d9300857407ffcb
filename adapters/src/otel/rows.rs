//! The attribute names of each dialect, and what they say: one row a name.
//!
//! A dialect is a set of rows and nothing else. Where several names say the same thing, the lowest
//! rank that is present wins. Sources: semantic-conventions-genai (`gen_ai.*`, `mcp.*`, current
//! names), semantic-conventions 1.26 to 1.36 (`gen_ai.*`, legacy names), and the captures in
//! `golden/otel`.

/// What an attribute says. One slot each in [`super::read::Found`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Operation,
    McpMethod,
    ToolName,
    ToolCallId,
    Arguments,
    Result,
    /// A data source, resource or prompt that was read.
    Target,
    ServerAddress,
    Model,
    Provider,
    Session,
    AgentId,
    AgentName,
    AgentVersion,
    Principal,
    ErrorType,
    RpcStatus,
    ExceptionType,
    ExceptionMessage,
    InputMessages,
    OutputMessages,
    SystemInstructions,
    InputTokens,
    OutputTokens,
    TotalTokens,
    CacheReadTokens,
    CacheWriteTokens,
    ReasoningTokens,
    FinishReason,
    /// Only of a resource.
    ServiceName,
    ServiceVersion,
}

pub(super) const FIELDS: usize = Field::ServiceVersion as usize + 1;

impl Field {
    /// Whether an empty value says something: of an output yes, of a name no.
    pub(super) const fn is_content(self) -> bool {
        matches!(
            self,
            Self::Arguments
                | Self::Result
                | Self::InputMessages
                | Self::OutputMessages
                | Self::SystemInstructions
        )
    }
}

/// Which convention a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Used by several, so it tells nothing.
    Shared,
    /// The current names of semantic-conventions-genai.
    GenAi,
    /// Names it has left behind.
    Legacy,
    Mcp,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) key: &'static str,
    pub(super) field: Field,
    pub(super) rank: u8,
    pub(super) dialect: Dialect,
}

use Dialect::{GenAi, Legacy, Mcp, Shared};
use Field::*;

const fn row(key: &'static str, field: Field, rank: u8, dialect: Dialect) -> Row {
    Row { key, field, rank, dialect }
}

#[rustfmt::skip]
static ROWS: &[Row] = &[
    row("gen_ai.operation.name", Operation, 0, Shared),
    row("mcp.method.name", McpMethod, 0, Mcp),

    row("gen_ai.tool.name", ToolName, 0, Shared),
    row("mcp.tool.name", ToolName, 1, Mcp),
    row("gen_ai.tool.call.id", ToolCallId, 0, Shared),
    row("gen_ai.tool.call_id", ToolCallId, 1, Legacy),
    row("gen_ai.tool.call.arguments", Arguments, 0, GenAi),
    row("tool_arguments", Arguments, 1, Legacy),
    row("gen_ai.tool.call.result", Result, 0, GenAi),
    row("tool_response", Result, 1, Legacy),
    row("mcp.resource.uri", Target, 0, Mcp),
    row("gen_ai.prompt.name", Target, 1, Shared),
    row("mcp.prompt.name", Target, 2, Mcp),
    row("gen_ai.data_source.id", Target, 3, Shared),
    row("server.address", ServerAddress, 0, Shared),

    row("gen_ai.response.model", Model, 0, Shared),
    row("gen_ai.request.model", Model, 1, Shared),
    row("gen_ai.provider.name", Provider, 0, GenAi),
    row("gen_ai.system", Provider, 1, Legacy),

    row("gen_ai.conversation.id", Session, 0, Shared),
    row("session.id", Session, 1, Shared),
    row("mcp.session.id", Session, 2, Mcp),
    row("gen_ai.agent.id", AgentId, 0, Shared),
    row("gen_ai.agent.name", AgentName, 0, Shared),
    row("gen_ai.workflow.name", AgentName, 1, Shared),
    row("gen_ai.agent.version", AgentVersion, 0, Shared),
    row("service.name", ServiceName, 0, Shared),
    row("service.version", ServiceVersion, 0, Shared),
    row("user.id", Principal, 0, Shared),
    row("enduser.id", Principal, 1, Shared),
    row("gen_ai.user", Principal, 2, Legacy),

    row("error.type", ErrorType, 0, Shared),
    row("rpc.response.status_code", RpcStatus, 0, Shared),
    row("exception.type", ExceptionType, 0, Shared),
    row("exception.message", ExceptionMessage, 0, Shared),

    row("gen_ai.input.messages", InputMessages, 0, GenAi),
    row("gen_ai.prompt", InputMessages, 1, Legacy),
    row("gen_ai.output.messages", OutputMessages, 0, GenAi),
    row("gen_ai.completion", OutputMessages, 1, Legacy),
    row("gen_ai.system_instructions", SystemInstructions, 0, GenAi),

    row("gen_ai.usage.input_tokens", InputTokens, 0, Shared),
    row("gen_ai.usage.prompt_tokens", InputTokens, 1, Legacy),
    row("gen_ai.usage.output_tokens", OutputTokens, 0, Shared),
    row("gen_ai.usage.completion_tokens", OutputTokens, 1, Legacy),
    row("gen_ai.usage.total_tokens", TotalTokens, 0, Shared),
    row("gen_ai.usage.cache_read.input_tokens", CacheReadTokens, 0, Shared),
    row("gen_ai.usage.cache_read_input_tokens", CacheReadTokens, 1, Legacy),
    row("gen_ai.usage.cache_write.input_tokens", CacheWriteTokens, 0, Shared),
    row("gen_ai.usage.cache_creation.input_tokens", CacheWriteTokens, 1, Legacy),
    row("gen_ai.usage.cache_creation_input_tokens", CacheWriteTokens, 2, Legacy),
    row("gen_ai.usage.cache_write_input_tokens", CacheWriteTokens, 3, Legacy),
    row("gen_ai.usage.reasoning.output_tokens", ReasoningTokens, 0, Shared),
    row("gen_ai.usage.reasoning_tokens", ReasoningTokens, 1, Legacy),
    row("gen_ai.response.finish_reasons", FinishReason, 0, Shared),
];

/// The row of an attribute's name, in constant time: every attribute of every span is asked for.
pub(super) fn find(key: &str) -> Option<&'static Row> {
    let mut slot = hash(key.as_bytes());
    while let Some(index) = INDEX[slot] {
        let row = ROWS.get(usize::from(index))?;
        if row.key == key {
            return Some(row);
        }
        slot = (slot + 1) % SLOTS;
    }
    None
}

const SLOTS: usize = 256;
/// Open addressing with linear probing, filled at compile time.
static INDEX: [Option<u8>; SLOTS] = {
    assert!(ROWS.len() * 2 < SLOTS, "a fuller table probes long");
    let mut index = [None; SLOTS];
    let mut at = 0;
    while at < ROWS.len() {
        let mut slot = hash(ROWS[at].key.as_bytes());
        while index[slot].is_some() {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = Some(at as u8);
        at += 1;
    }
    index
};

/// Looks at the length and four bytes from the part of the names that differs.
const fn hash(key: &[u8]) -> usize {
    let len = key.len();
    if len < 4 {
        return len;
    }
    let (a, b, c, d) = (key[len - 1], key[len - 4], key[len / 2], key[len * 3 / 4]);
    let mixed = (len as u32)
        .wrapping_mul(0x9e37_79b1)
        .wrapping_add((a as u32) << 24 | (b as u32) << 16 | (c as u32) << 8 | d as u32)
        .wrapping_mul(0x85eb_ca6b);
    (mixed >> 24) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_row_and_no_other() {
        for row in ROWS {
            let found = find(row.key).map(|found| (found.key, found.field, found.rank));
            assert_eq!(found, Some((row.key, row.field, row.rank)));
            assert!(find(&format!("{}x", row.key)).is_none());
        }
        for key in ["", "a", "gen_ai", "gen_ai.prompt.0.role", "http.route"] {
            assert!(find(key).is_none(), "{key}");
        }
    }

    #[test]
    fn ranks_within_a_field_are_distinct() {
        for (at, row) in ROWS.iter().enumerate() {
            for other in ROWS.iter().skip(at + 1) {
                assert!((row.field, row.rank) != (other.field, other.rank), "{} {}", row.key, other.key);
            }
        }
    }

    #[test]
    fn probes_are_short() {
        let longest = INDEX.split(Option::is_none).map(<[_]>::len).max();
        assert!(longest <= Some(8), "{longest:?}");
    }
}
