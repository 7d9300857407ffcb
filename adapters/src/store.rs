//! Whose row it is, by the names of its members: what one store wrote must not be read as another's, since a
//! false record cannot be taken back from a chain.

use halod_record::json::Json;

/// A store or a sender whose rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Otlp,
    Litellm,
    Langfuse,
    Langsmith,
    OpenaiAgents,
    ClaudeCode,
    Codex,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// It may tell of actions.
    Of(Store),
    /// It is of a table, or a file, of the store that tells of no action; its name, in the plural.
    Aside(Store, &'static str),
    /// It is in a format that is known and not read; its name, and what may be read in its place.
    Unread(&'static str, &'static str),
}

impl Store {
    /// As people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Otlp => "OTLP",
            Self::Litellm => "LiteLLM",
            Self::Langfuse => "Langfuse",
            Self::Langsmith => "LangSmith",
            Self::OpenaiAgents => "the OpenAI Agents SDK",
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex",
        }
    }
}

/// What a row is; `None` where its members tell nothing.
#[must_use]
pub fn of(row: &Json<'_>) -> Option<Row> {
    // Answers of APIs have their rows in a list.
    let first = ["data", "runs"].iter().find_map(|key| match row.get(key) {
        Some(Json::Array(rows)) => rows.first(),
        _ => None,
    });
    let members = Members(first.unwrap_or(row));
    members.read().map(Row::Of).or_else(|| members.unread()).or_else(|| members.aside())
}

/// What the rows under these names of columns are.
#[must_use]
pub fn of_columns(names: &[String]) -> Option<Row> {
    // A column has no value of its own, so a kind that a value would tell is told by the others.
    of(&Json::Object(names.iter().map(|name| (name.as_str().into(), Json::Null)).collect()))
}

/// Whether a row is a trace of Langfuse's, and not an observation or a score.
#[must_use]
pub fn is_trace(row: &Json<'_>) -> bool {
    Members(row).is_trace()
}

/// Whether a row is an observation of Langfuse's.
#[must_use]
pub fn is_observation(row: &Json<'_>) -> bool {
    Members(row).is_observation()
}

/// Types of observations, as Langfuse's store writes them.
const TYPES: [&str; 10] = [
    "GENERATION",
    "SPAN",
    "EVENT",
    "TOOL",
    "AGENT",
    "CHAIN",
    "RETRIEVER",
    "EMBEDDING",
    "GUARDRAIL",
    "EVALUATOR",
];

/// What traces of Langfuse have, a name for each spelling. Other things have an id and a time, too.
const TRACE: [&[&str]; 14] = [
    &["sessionId", "session_id"],
    &["userId", "user_id"],
    &["projectId", "project_id"],
    &["observations"],
    &["scores"],
    &["environment"],
    &["release"],
    &["version"],
    &["public"],
    &["bookmarked"],
    &["tags"],
    &["metadata"],
    &["input"],
    &["output"],
];

/// So many of these tell a trace.
const ENOUGH: usize = 3;

struct Members<'r, 'j>(&'r Json<'j>);

impl Members<'_, '_> {
    fn has(&self, key: &str) -> bool {
        self.0.get(key).is_some()
    }

    fn all(&self, keys: &[&str]) -> bool {
        keys.iter().all(|key| self.has(key))
    }

    fn any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.has(key))
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Json::as_str)
    }

    /// Whether the member is one of these texts.
    fn is(&self, key: &str, texts: &[&str]) -> bool {
        self.text(key).is_some_and(|text| texts.contains(&text))
    }

    fn within(&self, key: &str) -> Option<Members<'_, '_>> {
        self.0.get(key).filter(|value| matches!(value, Json::Object(_))).map(Members)
    }

    fn first(&self, key: &str) -> Option<Members<'_, '_>> {
        match self.0.get(key) {
            Some(Json::Array(items)) => items.first().map(Members),
            _ => None,
        }
    }

    fn read(&self) -> Option<Store> {
        if self.any(&["resourceSpans", "resourceLogs", "resourceMetrics"]) {
            Some(Store::Otlp)
        } else if self.is("object", &["trace", "trace.span"]) {
            Some(Store::OpenaiAgents)
        } else if self.all(&["run_type", "id"]) || self.is_feedback() {
            Some(Store::Langsmith)
        } else if self.is_observation() || self.is_score() || self.is_trace() || self.is_download() {
            Some(Store::Langfuse)
        } else if self.is_call() {
            Some(Store::Litellm)
        } else if self.is_of_claude_code() {
            Some(Store::ClaudeCode)
        } else if self.is_of_codex() {
            Some(Store::Codex)
        } else {
            None
        }
    }

    /// A line of a transcript: of the tree of a conversation, or of what is noted beside it.
    fn is_of_claude_code(&self) -> bool {
        const NOTES: [&str; 8] = [
            "queue-operation",
            "mode",
            "permission-mode",
            "last-prompt",
            "ai-title",
            "custom-title",
            "agent-name",
            "summary",
        ];
        self.any(&["parentUuid", "leafUuid"]) && self.any(&["type", "uuid"])
            || self.all(&["sessionId", "type", "uuid"])
            || self.all(&["type", "messageId", "snapshot"])
            || self.has("sessionId") && self.is("type", &NOTES)
    }

    fn is_of_codex(&self) -> bool {
        const TYPES: [&str; 7] = [
            "session_meta",
            "response_item",
            "event_msg",
            "turn_context",
            "token_usage_record",
            "compacted",
            "world_state",
        ];
        self.has("payload") && self.is("type", &TYPES)
    }

    /// LangSmith's.
    fn is_feedback(&self) -> bool {
        self.all(&["key", "run_id"]) && self.any(&["score", "value", "comment", "feedback_source"])
    }

    /// LiteLLM's.
    fn is_call(&self) -> bool {
        const BESIDE: [&str; 4] = ["request_id", "model_group", "custom_llm_provider", "startTime"];
        let sent =
            self.has("ddsource") && self.text("message").is_some_and(|it| it.contains("\"call_type\""));
        sent || self.has("litellm_call_id") || self.has("call_type") && self.any(&BESIDE)
    }

    fn is_observation(&self) -> bool {
        let kind = match self.0.get("type") {
            // Of a column only its name is known.
            Some(Json::Null) => true,
            Some(Json::Str(text)) => text.as_str().is_some_and(|text| {
                TYPES.contains(&text)
                    || self.any(&["startTime", "start_time"])
                        && TYPES.iter().any(|name: &&str| name.eq_ignore_ascii_case(text))
            }),
            _ => false,
        };
        kind && self.any(&["traceId", "trace_id"]) && self.any(&["id", "span_id"])
    }

    fn is_score(&self) -> bool {
        let kind = self.any(&["dataType", "data_type"]);
        let of_trace = self.any(&["traceId", "trace_id"]) && (kind || self.any(&["timestamp", "source"]));
        let of_another = kind && self.any(&["sessionId", "session_id", "datasetRunId", "dataset_run_id"]);
        let says = self.any(&["value", "stringValue", "string_value"]);
        self.has("name") && says && !self.has("type") && (of_trace || of_another)
    }

    fn is_trace(&self) -> bool {
        let other = ["traceId", "trace_id", "type", "value", "run_type", "object", "call_type"];
        self.all(&["id", "timestamp"])
            && !self.any(&other)
            && TRACE.iter().filter(|names| self.any(names)).count() >= ENOUGH
    }

    /// A trace as Langfuse's page gives it to be downloaded.
    fn is_download(&self) -> bool {
        self.has("observations") && self.within("trace").is_some_and(|trace| trace.has("id"))
    }

    fn unread(&self) -> Option<Row> {
        const OTLP: &str = "have it sent to halod over OTLP, or export it as OTLP JSON";
        let found = if self.is("object", &["chat.completion", "response", "text_completion", "conversation"])
            || self.all(&["custom_id", "response"])
        {
            ("OpenAI's stored completions or responses", "trace the calls with an SDK that halod reads")
        } else if self.all(&["root_span_id", "span_attributes"]) {
            ("Braintrust", OTLP)
        } else if self.any(&["request_id", "requestId", "response_id"])
            && self.any(&["request_created_at", "requestCreatedAt", "request_user_id", "costUSD"])
        {
            ("Helicone", OTLP)
        } else if self.all(&["traceID", "spans"]) || self.all(&["spanID", "operationName"]) {
            ("Jaeger", OTLP)
        } else if self.within("trace").is_some_and(|trace| trace.has("resourceSpans"))
            || self
                .first("batches")
                .is_some_and(|batch| batch.any(&["scopeSpans", "instrumentationLibrarySpans", "resource"]))
        {
            (
                "Tempo",
                "import what is in its member `trace`, or `batches` under the name `resourceSpans`, as otlp",
            )
        } else if self.all(&["traceId", "localEndpoint"]) {
            ("Zipkin", OTLP)
        } else if self.is_mlflow() {
            ("MLflow", OTLP)
        } else if self.any(&["span_kind", "context.span_id", "context.trace_id"])
            && self.any(&["context", "context.span_id", "context.trace_id", "attributes"])
        {
            ("Phoenix", OTLP)
        } else if self.within("context").is_some_and(|context| context.all(&["trace_id", "span_id"])) {
            ("OpenTelemetry's console exporter", OTLP)
        } else if self.first("batch").is_some_and(|event| event.all(&["type", "body"]))
            || self.all(&["type", "body"]) && self.text("type").is_some_and(|kind| kind.ends_with("-create"))
        {
            ("Langfuse's ingestion events", "post it to halod at /api/public/ingestion")
        } else {
            return None;
        };
        Some(Row::Unread(found.0, found.1))
    }

    fn is_mlflow(&self) -> bool {
        let trace = self.within("info").is_some_and(|info| info.any(&["request_id", "trace_id"]));
        trace && self.has("data")
            || self.any(&["trace_id", "request_id"])
                && self.any(&[
                    "execution_time_ms",
                    "execution_duration",
                    "request_metadata",
                    "trace_metadata",
                ])
            || self.any(&["execution_time_ms", "execution_duration"]) && self.has("spans")
    }

    fn aside(&self) -> Option<Row> {
        let langfuse = |what| Some(Row::Aside(Store::Langfuse, what));
        let dated = self.any(&["createdAt", "created_at"]);
        let owned = self.any(&["projectId", "project_id"]);
        if self.has("exportSource") && self.any(&["files", "tables", "window"]) {
            langfuse("manifests")
        } else if self.any(&["userIds", "countTraces", "sessionDuration"]) {
            langfuse("sessions")
        } else if self.any(&["firstEvent", "lastEvent"]) && self.any(&["userId", "user_id"]) {
            langfuse("users")
        } else if self.any(&["resourceType", "resource_type"]) && self.has("action") {
            langfuse("entries of the audit log")
        } else if self.any(&["datasetId", "dataset_id"]) {
            match self.any(&["inputs", "modified_at"]) {
                true => Some(Row::Aside(Store::Langsmith, "examples")),
                false => langfuse("items or runs of datasets"),
            }
        } else if self.any(&["objectType", "object_type"]) && self.any(&["objectId", "object_id"]) {
            langfuse("comments")
        } else if self.any(&["matchPattern", "match_pattern"]) {
            langfuse("models")
        } else if self.all(&["name", "version"]) && self.any(&["prompt", "labels"]) {
            langfuse("prompts")
        } else if owned && dated && self.all(&["name", "description"]) {
            langfuse("datasets")
        } else if owned && dated && self.any(&["isArchived", "is_archived"]) {
            langfuse("settings of scores")
        } else if owned && dated && self.all(&["id", "environment"]) && !self.any(&["name", "type"]) {
            langfuse("sessions")
        } else if self.all(&["agentType", "toolUseId"]) || self.all(&["agentType", "spawnDepth"]) {
            Some(Row::Aside(Store::ClaudeCode, "descriptions of sub-agents"))
        } else {
            None
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::json::parse;

    fn told(row: &str) -> Option<Row> {
        of(&parse(row).unwrap())
    }

    #[test]
    fn rows_tell_their_store() {
        for (row, store) in [
            (r#"{"resourceLogs":[]}"#, Store::Otlp),
            (r#"{"id":"r","run_type":"llm","trace_id":"t"}"#, Store::Langsmith),
            (r#"{"runs":[{"id":"r","run_type":"llm"}],"cursors":{}}"#, Store::Langsmith),
            (r#"{"id":"f","run_id":"r","key":"k","score":1}"#, Store::Langsmith),
            (r#"{"data":[{"object":"trace","id":"t"}]}"#, Store::OpenaiAgents),
            (r#"{"data":[{"id":"o","traceId":"t","type":"SPAN"}]}"#, Store::Langfuse),
            (r#"{"span_id":"o","trace_id":"t","type":"span","start_time":"x"}"#, Store::Langfuse),
            (r#"{"id":"t","timestamp":"2026","user_id":null,"session_id":null,"tags":[]}"#, Store::Langfuse),
            (r#"{"id":"s","traceId":"t","name":"x","value":1,"timestamp":"2026"}"#, Store::Langfuse),
            (r#"{"id":"s","sessionId":"t","name":"x","value":1,"dataType":"NUMERIC"}"#, Store::Langfuse),
            (r#"{"trace":{"id":"t"},"observations":[]}"#, Store::Langfuse),
            (r#"{"request_id":"r","call_type":"acompletion","spend":0}"#, Store::Litellm),
            (r#"{"parentUuid":null,"sessionId":"s","type":"assistant","uuid":"u"}"#, Store::ClaudeCode),
            (r#"{"type":"summary","summary":"s","leafUuid":"u"}"#, Store::ClaudeCode),
            (r#"{"type":"queue-operation","operation":"enqueue","sessionId":"s"}"#, Store::ClaudeCode),
            (r#"{"type":"file-history-snapshot","messageId":"m","snapshot":{}}"#, Store::ClaudeCode),
            (r#"{"timestamp":"t","type":"response_item","payload":{}}"#, Store::Codex),
        ] {
            assert_eq!(told(row), Some(Row::Of(store)), "{row}");
        }
    }

    #[test]
    fn what_only_looks_like_a_row_tells_nothing() {
        for row in [
            "{}",
            "[]",
            "1",
            r#"{"id":"x","type":"y"}"#,
            r#"{"data":[]}"#,
            r#"{"id":"a1","colour":"red"}"#,
            r#"{"id":"p1","name":"Nord","value":12,"timestamp":"2026-10-05T10:00:00Z"}"#,
            r#"{"id":"u1","name":"Pia","user_id":"7","timestamp":"2026-10-05T10:00:00Z"}"#,
            r#"{"id":"e","type":"event","trace_id":"t"}"#,
            r#"{"id":"a","call_type":"inbound"}"#,
            r#"{"id":"a","sessionId":"s","name":"n","value":1}"#,
        ] {
            assert_eq!(told(row), None, "{row}");
        }
    }

    #[test]
    fn what_is_known_and_not_read_has_a_name() {
        for (row, name) in [
            (r#"{"object":"list","data":[{"object":"chat.completion","id":"c"}]}"#, "OpenAI"),
            (r#"{"id":"resp_1","object":"response","output":[]}"#, "OpenAI"),
            (r#"{"id":"b","span_id":"b","root_span_id":"b","span_attributes":{"type":"llm"}}"#, "Braintrust"),
            (r#"{"request_id":"q","request_created_at":"t","response_status":200}"#, "Helicone"),
            (r#"{"data":[{"traceID":"t","spans":[],"processes":{}}]}"#, "Jaeger"),
            (r#"{"batches":[{"resource":{},"scopeSpans":[]}]}"#, "Tempo"),
            (r#"{"trace":{"resourceSpans":[]}}"#, "Tempo"),
            (r#"{"info":{"trace_id":"t"},"data":{"spans":[]}}"#, "MLflow"),
            (r#"{"name":"a","span_kind":"LLM","context":{"trace_id":"t","span_id":"s"}}"#, "Phoenix"),
            (r#"{"name":"a","kind":"x","context":{"trace_id":"t","span_id":"s"}}"#, "console"),
            (r#"{"batch":[{"id":"e","type":"trace-create","body":{}}]}"#, "ingestion"),
        ] {
            let Some(Row::Unread(told, _)) = told(row) else { unreachable!("{row}") };
            assert!(told.contains(name), "{row}: {told}");
        }
    }

    #[test]
    fn tables_without_actions_are_told_from_scores() {
        for (row, table) in [
            (r#"{"version":1,"exportSource":"OBSERVATIONS_V2","window":{},"files":[]}"#, "manifests"),
            (r#"{"id":"v","userIds":[],"countTraces":1,"createdAt":"t"}"#, "sessions"),
            (r#"{"data":[{"id":"v","createdAt":"t","projectId":"p","environment":"e"}]}"#, "sessions"),
            (r#"{"id":"d","datasetId":"d","input":{},"expectedOutput":{}}"#, "items or runs of datasets"),
            (r#"{"id":"d","resource_type":"trace","action":"delete"}"#, "entries of the audit log"),
        ] {
            assert_eq!(told(row), Some(Row::Aside(Store::Langfuse, table)), "{row}");
        }
    }

    #[test]
    fn columns_tell_as_rows_do() {
        let columns = |names: &str| of_columns(&names.split(',').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(columns("id,traceId,type"), Some(Row::Of(Store::Langfuse)));
        assert_eq!(columns("id,timestamp,name,trace_id,value,data_type"), Some(Row::Of(Store::Langfuse)));
        assert_eq!(columns("id,timestamp,user_id,session_id,tags"), Some(Row::Of(Store::Langfuse)));
        assert_eq!(columns("request_id,call_type,spend"), Some(Row::Of(Store::Litellm)));
        assert_eq!(columns("id,name,run_type,start_time"), Some(Row::Of(Store::Langsmith)));
        assert_eq!(columns("id,name,price"), None);
    }
}
