//! One call, whether a payload or a row tells of it.

use super::*;
use crate::provider::normalised;
use crate::tokens::{Parts, inclusive, of_schema};

/// What a payload and a row say in different places, taken out, and the rest of it.
pub(super) struct Call<'a, 'r> {
    pub(super) id: Cow<'a, str>,
    pub(super) row: &'r Json<'a>,
    pub(super) metadata: Json<'a>,
    pub(super) error: Json<'a>,
    pub(super) guardrails: Option<Json<'a>>,
    pub(super) guardrail_status: Option<Cow<'a, str>>,
    pub(super) usage: Option<Json<'a>>,
    pub(super) cost: Option<Cow<'a, str>>,
    pub(super) user: Option<Cow<'a, str>>,
    pub(super) team: Option<Cow<'a, str>>,
    pub(super) organization: Option<Cow<'a, str>>,
    pub(super) source: Source,
}

/// What a call type stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Generate,
    Embed,
    Mcp,
    Retrieve,
    Moderate,
    Message,
    Code,
    Manage,
}

/// Words in the names of calls that manage something at a provider rather than run a model.
const MANAGES: [&str; 13] = [
    "batch",
    "file",
    "fine_tuning",
    "assistant",
    "add_message",
    "get_messages",
    "vector_store",
    "container",
    "sandbox",
    "_list",
    "_retrieve",
    "_delete",
    "create_skill",
];

/// Errors that say that the gateway refused the call by a rule of its operator's.
const REFUSALS: [&str; 5] = [
    "GuardrailRaisedException",
    "BlockedPiiEntityError",
    "BudgetExceededError",
    "RejectedRequestError",
    "ContentPolicyViolationError",
];

fn kind(call_type: &str) -> Kind {
    // Asynchronous calls have an `a` in front, realtime ones a `_`.
    let call_type = call_type.trim_start_matches('_');
    let is = |plain: &str| call_type == plain || call_type.strip_prefix('a') == Some(plain);
    if is("embedding") {
        Kind::Embed
    } else if is("call_mcp_tool") {
        Kind::Mcp
    } else if ["rerank", "search", "vector_store_search", "query", "list_mcp_tools"].into_iter().any(is) {
        Kind::Retrieve
    } else if is("moderation") {
        Kind::Moderate
    } else if is("send_message") {
        Kind::Message
    } else if is("run_code") || is("code_interpreter_tool") {
        Kind::Code
    } else if call_type.contains("thread") && !call_type.contains("run_thread")
        || MANAGES.iter().any(|word| call_type.contains(word))
    {
        Kind::Manage
    } else {
        Kind::Generate
    }
}

impl<'a> Call<'a, '_> {
    pub(super) fn event(self) -> Event<'a> {
        let row = self.row;
        let operation = text(row, "call_type");
        let kind = kind(operation.as_deref().unwrap_or_default());
        let mcp = structure(self.metadata.get("mcp_tool_call_metadata")).unwrap_or(Json::Null);
        let response = structure(row.get("response"));
        let (input, result) = self.content(kind, &mcp, response.as_ref());
        let (outcome, authorization) = self.outcome(result, &mcp);
        let counts = outcome.status == Status::Ok && matches!(kind, Kind::Generate | Kind::Embed);
        let (usage, unclear) = self.usage(response.as_ref(), outcome.status, counts);
        let (started, ended) = (millis(instant(row.get("startTime"))), millis(instant(row.get("endTime"))));
        let mut facts = self.facts(operation.clone(), started);
        facts.extend(unclear);
        facts.extend(unread_times(row, &["startTime", "endTime", "completionStartTime"]));
        Event {
            action: self.action(kind, operation.as_ref(), &mcp),
            agent: Agent { id: text(row, "agent_id"), ..Agent::default() },
            session: text(row, "session_id").or_else(|| text(row, "trace_id")),
            principal: self.principal(),
            tenant: self.organization().or_else(|| self.team()),
            input,
            facts,
            outcome,
            authorization,
            started,
            ended,
            usage,
            source: self.source,
            dropped: 0,
            trace_flags: None,
            origin: Origin::Keyed(Keyed { space: "litellm", id: vec![self.id], parent: None }),
        }
    }

    fn action(&self, kind: Kind, operation: Option<&Cow<'a, str>>, mcp: &Json<'a>) -> Action<'a> {
        let (provider, model) = (self.provider(), self.model());
        let operation = || operation.cloned().unwrap_or(Cow::Borrowed("call"));
        let named = || self.group().or_else(|| model.clone()).or_else(|| provider.clone());
        match kind {
            Kind::Generate => Action::Generate { provider, model },
            Kind::Embed => Action::Embed { provider, model },
            Kind::Retrieve => Action::Retrieve { name: named().unwrap_or_else(operation) },
            Kind::Moderate => Action::Guard { name: named().unwrap_or_else(operation) },
            Kind::Message => Action::Boundary { verb: "invoke" },
            Kind::Code => {
                Action::Tool { name: Cow::Borrowed("code_interpreter"), mcp_server: None, call_id: None }
            }
            Kind::Manage => Action::Other { name: operation() },
            Kind::Mcp => {
                let (server, tool) = self.mcp_tool(mcp);
                Action::Tool { name: tool.unwrap_or_else(operation), mcp_server: Some(server), call_id: None }
            }
        }
    }

    /// The server and the tool of an MCP call. LiteLLM writes both into one name, `server/tool`.
    fn mcp_tool(&self, mcp: &Json<'a>) -> (Cow<'a, str>, Option<Cow<'a, str>>) {
        let spaced = text(mcp, "namespaced_tool_name").or_else(|| text(self.row, "mcp_namespaced_tool_name"));
        let (server, tool) = match &spaced {
            Some(spaced) => match spaced.split_once('/') {
                Some((server, tool)) => (Some(server.to_owned()), Some(tool.to_owned())),
                None => (None, Some(spaced.clone().into_owned())),
            },
            None => (None, None),
        };
        let server = text(mcp, "mcp_server_name").or(server.map(Cow::Owned));
        (server.unwrap_or(Cow::Borrowed("unknown")), text(mcp, "name").or(tool.map(Cow::Owned)))
    }

    fn provider(&self) -> Option<Cow<'a, str>> {
        text(self.row, "custom_llm_provider")
            .or_else(|| text(&self.error, "llm_provider"))
            .and_then(normalised)
    }

    /// The model, without the provider that the proxy writes in front of it.
    fn model(&self) -> Option<Cow<'a, str>> {
        let model = text(self.row, "model")?;
        let provider = text(self.row, "custom_llm_provider");
        let bare = provider
            .as_deref()
            .and_then(|provider| model.strip_prefix(provider)?.strip_prefix('/'))
            .filter(|bare| !bare.is_empty())
            .map(str::to_owned);
        Some(bare.map_or(model, Cow::Owned))
    }

    fn group(&self) -> Option<Cow<'a, str>> {
        text(self.row, "model_group")
    }

    fn organization(&self) -> Option<Cow<'a, str>> {
        self.organization.clone().or_else(|| text(&self.metadata, "user_api_key_org_id"))
    }

    fn team(&self) -> Option<Cow<'a, str>> {
        let of_key = || text(&self.metadata, "user_api_key_team_id");
        self.team.clone().or_else(of_key).or_else(|| text(&self.metadata, "team_id"))
    }

    /// Whom the key was given to; the proxy's own default is nobody.
    fn key_user(&self) -> Option<Cow<'a, str>> {
        let user = self.user.clone().or_else(|| text(&self.metadata, "user_api_key_user_id"));
        user.filter(|user| user != "default_user_id")
    }

    fn principal(&self) -> Option<Cow<'a, str>> {
        text(self.row, "end_user")
            .or_else(|| text(&self.metadata, "user_api_key_end_user_id"))
            // The caller tells the provider its end user: without a proxy nobody else does.
            .or_else(|| text(self.row.get("model_parameters")?, "user"))
            .or_else(|| self.key_user())
    }

    fn content(&self, kind: Kind, mcp: &Json<'a>, response: Option<&Json<'a>>) -> (Content<'a>, Content<'a>) {
        if kind == Kind::Mcp {
            let result = mcp.get("result").or(response).filter(|result| !is_empty(result));
            return (content(mcp.get("arguments")), content(result));
        }
        let asked = || structure(self.row.get("proxy_server_request"));
        let input = match content(self.row.get("messages")) {
            Content::Value(messages) if !is_empty(&messages) && !is_redacted(&messages) => {
                Content::Value(messages)
            }
            _ => {
                let asked =
                    asked().as_ref().and_then(|asked| asked.get("messages").or(asked.get("input"))).cloned();
                content(asked.filter(|asked| !is_redacted(asked)).as_ref())
            }
        };
        let said = response.map(|response| {
            // The parts that say something; what is around them is in `data`.
            ["choices", "output", "content", "data", "results"]
                .iter()
                .find_map(|key| response.get(key))
                .unwrap_or(response)
        });
        let said = said.or(self.row.get("response").filter(|said| matches!(said, Json::Str(_))));
        let result = said.filter(|said| !is_empty(said) && !is_redacted_answer(said));
        (input, content(result))
    }

    fn outcome(&self, result: Content<'a>, mcp: &Json<'a>) -> (Outcome<'a>, Option<Authorization<'a>>) {
        let failed = ["status"].iter().any(|key| text(self.row, key).as_deref() == Some("failure"))
            || text(&self.metadata, "status").as_deref() == Some("failure");
        let tool_failed = matches!(&result, Content::Value(value) if is_true(value, "isError"))
            || mcp.get("result").is_some_and(|result| is_true(result, "isError"));
        if !failed {
            let status = if tool_failed { Status::Error } else { Status::Ok };
            return (Outcome { status, result, error_type: None, error_text: None }, None);
        }
        let class = text(&self.error, "error_class");
        let refused = matches!(self.http_status(), Some(401 | 403))
            || class.as_deref().is_some_and(|class| REFUSALS.contains(&class));
        let guard = self.intervened();
        let status = if refused || guard.is_some() { Status::Denied } else { Status::Error };
        let outcome = Outcome {
            status,
            result,
            error_type: class.or_else(|| name(&self.error, "error_code")),
            error_text: text(self.row, "error_str").or_else(|| text(&self.error, "error_message")),
        };
        let decided = guard.map(|approver| Authorization { decision: Decision::Denied, approver });
        (outcome, decided)
    }

    /// The guardrail that stopped the call, if one did; its name where it has one.
    fn intervened(&self) -> Option<Option<Cow<'a, str>>> {
        let stopped = |guard: &&Json<'a>| {
            matches!(text(guard, "guardrail_status").as_deref(), Some("guardrail_intervened" | "blocked"))
        };
        match self.guards().iter().find(stopped) {
            Some(guard) => Some(text(guard, "guardrail_name")),
            None => (self.guardrail_status.as_deref() == Some("guardrail_intervened")).then_some(None),
        }
    }

    fn guards(&self) -> &[Json<'a>] {
        match &self.guardrails {
            Some(Json::Array(guards)) => guards,
            Some(guard @ Json::Object(_)) => std::slice::from_ref(guard),
            _ => &[],
        }
    }

    fn http_status(&self) -> Option<u64> {
        let code = count(&self.error, "error_code")?;
        u64::try_from(code).ok().filter(|code| (100..=599).contains(code))
    }

    fn usage(
        &self,
        response: Option<&Json<'a>>,
        status: Status,
        counts: bool,
    ) -> (Usage<'a>, Option<(&'static str, Fact<'a>)>) {
        let none = Json::Null;
        let answered = response.and_then(|response| response.get("usage"));
        let usage = self.usage.as_ref().filter(|usage| !is_empty(usage)).or(answered).unwrap_or(&none);
        let within = |outer: &str, inner: &str| usage.get(outer).and_then(|details| count(details, inner));
        // LiteLLM writes zeros for calls that no model answered. Some calls have their counts only in the answer.
        let told = |key: &str, other: &str| {
            let own = count(self.row, key).filter(|tokens| *tokens > 0 || counts);
            own.or_else(|| if counts { count(usage, key).or_else(|| count(usage, other)) } else { None })
        };
        let first = response.and_then(|response| match response.get("choices") {
            Some(Json::Array(choices)) => choices.first(),
            _ => None,
        });
        let answer = response.filter(|_| status == Status::Ok);
        let counted = usage;
        let usage = Usage {
            input_tokens: told("prompt_tokens", "input_tokens"),
            output_tokens: told("completion_tokens", "output_tokens"),
            total_tokens: told("total_tokens", "total_tokens"),
            cache_read_tokens: count(usage, "cache_read_input_tokens")
                .or_else(|| within("prompt_tokens_details", "cached_tokens"))
                .or_else(|| within("input_tokens_details", "cached_tokens")),
            cache_write_tokens: count(usage, "cache_creation_input_tokens")
                .or_else(|| within("prompt_tokens_details", "cache_creation_tokens")),
            reasoning_tokens: within("completion_tokens_details", "reasoning_tokens")
                .or_else(|| within("output_tokens_details", "reasoning_tokens")),
            finish_reason: first
                .and_then(|choice| text(choice, "finish_reason"))
                .or_else(|| answer.and_then(|answer| text(answer, "stop_reason"))),
            response_id: answer.and_then(|answer| text(answer, "id")).filter(|id| is_id(id)),
        };
        // Its own counts are OpenAI's; an answer in another provider's form has that provider's.
        let own = count(self.row, "prompt_tokens").is_some();
        let input = if own { Parts::Within } else { of_schema(|key| counted.get(key).is_some()) };
        inclusive(usage, input, Parts::Within)
    }

    fn facts(&self, operation: Option<Cow<'a, str>>, started: Option<u64>) -> Vec<(&'static str, Fact<'a>)> {
        let (row, metadata) = (self.row, &self.metadata);
        let mut facts = Vec::new();
        let mut put = |key, fact: Option<Fact<'a>>| facts.extend(fact.map(|fact| (key, fact)));
        let session = text(row, "session_id");
        let first = instant(row.get("completionStartTime")).and_then(|at| millis(Some(at)));
        let streams = is_true(row, "stream");
        let to_first = first.zip(started).filter(|_| streams).and_then(|(at, from)| at.checked_sub(from));
        put("call_id", text(row, "litellm_call_id").map(Fact::Id));
        put("cache_hit", is_true(row, "cache_hit").then_some(Fact::Flag(true)));
        put("cost", self.cost.clone().map(Fact::Label));
        put("first_token_ms", to_first.map(|nanos| Fact::Number(nanos / 1_000_000)));
        put("guardrail_status", self.ran_guards().map(Fact::Label));
        put("guardrails", labels(self.guards().iter().filter_map(verdict).collect()));
        put("http_status", self.http_status().map(Fact::Number));
        put("key_alias", text(metadata, "user_api_key_alias").map(Fact::Label));
        put(
            "key_user",
            self.key_user().filter(|user| Some(user) != self.principal().as_ref()).map(Fact::Label),
        );
        put(
            "model_group",
            self.group().filter(|group| Some(group) != self.model().as_ref()).map(Fact::Label),
        );
        put("operation", operation.map(Fact::Label));
        put("organization", self.organization().map(Fact::Label));
        put("project", text(metadata, "user_api_key_project_id").map(Fact::Label));
        put("route", text(metadata, "user_api_key_request_route").map(Fact::Label));
        put("stream", streams.then_some(Fact::Flag(true)));
        put("tags", labels(texts(structure(row.get("request_tags")).as_ref())));
        put("team", self.team().map(Fact::Label));
        put("team_alias", text(metadata, "user_api_key_team_alias").map(Fact::Label));
        put("trace_id", session.and_then(|_| text(row, "trace_id")).map(Fact::Id));
        facts
    }

    fn ran_guards(&self) -> Option<Cow<'a, str>> {
        self.guardrail_status.clone().filter(|status| status != "not_run")
    }
}

/// A guardrail's name and what it said.
fn verdict<'a>(guard: &Json<'a>) -> Option<Cow<'a, str>> {
    let name = text(guard, "guardrail_name")?;
    Some(match text(guard, "guardrail_status") {
        Some(status) => [name.as_ref(), ": ", status.as_ref()].concat().into(),
        None => name,
    })
}

fn labels(labels: Vec<Cow<'_, str>>) -> Option<Fact<'_>> {
    // A caller may give as many tags as it likes.
    const MOST: usize = 32;
    (!labels.is_empty()).then(|| Fact::Labels(labels.into_iter().take(MOST).collect()))
}

/// Words that some proxies write in place of an id.
fn is_id(id: &str) -> bool {
    !matches!(id, "None" | "null" | "undefined")
}

/// Microseconds to nanoseconds, cut to the millisecond.
fn millis(micros: Option<u64>) -> Option<u64> {
    micros.and_then(|micros| (micros / 1000).checked_mul(1_000_000))
}

fn is_empty(value: &Json<'_>) -> bool {
    matches!(value, Json::Object(entries) if entries.is_empty())
}

/// LiteLLM puts one message in the place of all, or a text.
fn is_redacted(messages: &Json<'_>) -> bool {
    match messages {
        Json::Array(all) => matches!(&all[..], [message] if says_redacted(message.get("content"))),
        other => says_redacted(Some(other)),
    }
}

/// Of an answer every part is replaced: what a message says, or each text of an output.
fn is_redacted_answer(said: &Json<'_>) -> bool {
    let Json::Array(parts) = said else { return says_redacted(Some(said)) };
    let part = |part: &Json<'_>| {
        let content = part.get("message").unwrap_or(part).get("content");
        match content {
            Some(Json::Array(texts)) => texts.iter().all(|text| says_redacted(text.get("text"))),
            content => says_redacted(content),
        }
    };
    !parts.is_empty() && parts.iter().all(part)
}

fn says_redacted(value: Option<&Json<'_>>) -> bool {
    value.and_then(Json::as_str) == Some(REDACTED)
}
