//! The Vercel AI SDK up to version 6: `ai.*`. From version 7 on it speaks the current conventions;
//! what users told as metadata is their runtime context there.

use crate::otel::table::Field::*;
use crate::otel::table::{Kind, Marker, Other, Row, Table, encoded, own, shared};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    own("ai.operationId", VercelOperation),
    own("ai.toolCall.name", ToolName),
    own("ai.toolCall.id", ToolCallId),
    encoded("ai.toolCall.args", Arguments),
    encoded("ai.toolCall.input", Arguments),
    encoded("ai.toolCall.result", Result),
    encoded("ai.toolCall.output", Result),
    own("ai.response.model", Model),
    own("ai.model.id", Model),
    own("ai.model.provider", Provider),
    own("ai.response.id", ResponseId),
    own("ai.telemetry.metadata.sessionId", Session),
    own("ai.telemetry.metadata.session_id", Session),
    own("ai.telemetry.metadata.threadId", Session),
    own("ai.telemetry.metadata.userId", Principal),
    own("ai.telemetry.metadata.user_id", Principal),
    own("ai.telemetry.metadata.tenant", Tenant),
    own("ai.telemetry.metadata.tenantId", Tenant),
    shared("ai.settings.context.sessionId", Session),
    shared("ai.settings.context.session_id", Session),
    shared("ai.settings.context.threadId", Session),
    shared("ai.settings.context.userId", Principal),
    shared("ai.settings.context.user_id", Principal),
    shared("ai.settings.context.tenant", Tenant),
    shared("ai.settings.context.tenantId", Tenant),
    own("ai.telemetry.functionId", AgentName),
    own("ai.prompt.messages", Input),
    own("ai.prompt", Input),
    own("ai.values", Input),
    encoded("ai.value", Input),
    own("ai.response.toolCalls", OutputMessages),
    own("ai.response.text", Output),
    own("ai.response.object", Output),
    own("ai.usage.inputTokens", InputTokens),
    own("ai.usage.promptTokens", InputTokens),
    own("ai.usage.tokens", InputTokens),
    own("ai.usage.outputTokens", OutputTokens),
    own("ai.usage.completionTokens", OutputTokens),
    own("ai.usage.totalTokens", TotalTokens),
    own("ai.usage.cachedInputTokens", CacheReadTokens),
    own("ai.usage.inputTokenDetails.cacheReadTokens", CacheReadTokens),
    own("ai.usage.inputTokenDetails.cacheWriteTokens", CacheWriteTokens),
    own("ai.usage.reasoningTokens", ReasoningTokens),
    own("ai.usage.outputTokenDetails.reasoningTokens", ReasoningTokens),
    own("ai.response.finishReason", FinishReason),
    own("ai.finishReason", FinishReason),
];

/// `ai.generateText` is the loop around one call or several (`.doGenerate`) and the tools between.
#[rustfmt::skip]
pub(super) const MARKER: Marker = Marker {
    field: VercelOperation,
    only: "*",
    kinds: &[
        ("ai.toolCall", Kind::Tool),
        ("*.doGenerate", Kind::Generate),
        ("*.doStream", Kind::Generate),
        ("*.doEmbed", Kind::Embed),
        ("*.doRerank", Kind::Retrieve),
        ("ai.generateText", Kind::Boundary("invoke")),
        ("ai.streamText", Kind::Boundary("invoke")),
        ("ai.generateObject", Kind::Boundary("invoke")),
        ("ai.streamObject", Kind::Boundary("invoke")),
    ],
    other: Other::Step,
    names_span: false,
};

pub(super) const TABLE: Table = Table { name: "vercel_ai", rows: ROWS, ..Table::EMPTY };
