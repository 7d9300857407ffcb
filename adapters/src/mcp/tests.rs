#![allow(clippy::unwrap_used)]

use super::*;
use halod_record::event::{Action, Content, Event, Fact, Origin, Status};
use halod_record::hash::sha256;
use halod_record::json::Json;

/// A session, and what was told of it.
struct Watched {
    observer: Observer,
    at: u64,
    told: Vec<Told>,
}

/// What an event says that these tests are about.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    what: String,
    status: Status,
    input: String,
    result: String,
    error: Option<String>,
    lasted: Option<u64>,
    facts: Vec<(String, String)>,
    trace: bool,
    session: String,
    agent: String,
}

impl Told {
    fn of(event: &Event<'_>) -> Self {
        let content = |content: &Content<'_>| match content {
            Content::Undisclosed => "-".to_owned(),
            Content::Value(value) => shown(value),
            Content::Digest(digest) => format!("digest {:?}", digest.of),
        };
        let fact = |(key, fact): &(&'static str, Fact<'_>)| {
            let text = match fact {
                Fact::Number(number) => number.to_string(),
                Fact::Flag(flag) => flag.to_string(),
                Fact::Id(text) | Fact::Label(text) | Fact::Text(text) | Fact::Address(text) => {
                    text.to_string()
                }
                Fact::Labels(labels) => labels.join(","),
            };
            ((*key).to_owned(), text)
        };
        let what = match &event.action {
            Action::Tool { name, mcp_server, call_id } => {
                format!("{}/{name} {}", mcp_server.as_deref().unwrap(), call_id.as_deref().unwrap_or("-"))
            }
            Action::Retrieve { name } => format!("retrieve {name}"),
            Action::Boundary { verb } => (*verb).to_owned(),
            other => format!("{other:?}"),
        };
        Self {
            what,
            status: event.outcome.status,
            input: content(&event.input),
            result: content(&event.outcome.result),
            error: event
                .outcome
                .error_type
                .as_ref()
                .map(|kind| format!("{kind}: {}", event.outcome.error_text.as_deref().unwrap_or_default())),
            lasted: event.started.zip(event.ended).map(|(from, to)| to - from),
            facts: event.facts.iter().map(fact).collect(),
            trace: matches!(event.origin, Origin::Log { trace: Some(_), span: Some(_), .. }),
            session: event.session.as_deref().unwrap().to_owned(),
            agent: event.agent.name.as_deref().unwrap_or("-").to_owned(),
        }
    }

    fn fact(&self, key: &str) -> Option<&str> {
        self.facts.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

fn shown(value: &Json<'_>) -> String {
    let mut text = Vec::new();
    halod_record::canon::write(value, &mut text).map_or("?".into(), |()| String::from_utf8(text).unwrap())
}

fn session() -> Session {
    Session { id: "s-1".into(), run: "r-1".into(), transport: "stdio", server: None, scoped: false }
}

impl Watched {
    fn new() -> Self {
        Self { observer: Observer::new(session(), Budget::default()), at: 1_000, told: Vec::new() }
    }

    fn greeted() -> Self {
        let mut watched = Self::new();
        watched.client(
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"name":"agent","version":"9"}}}"#,
        );
        watched.server(
            r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","serverInfo":{"name":"acme","version":"1"}}}"#,
        );
        assert_eq!(watched.told.pop().unwrap().what, "session_start");
        watched
    }

    fn say(&mut self, from: Side, scope: u64, message: Message<'_>) {
        self.at += 1_000;
        let Self { observer, at, told } = self;
        observer.see(Seen { from, scope, at: *at, message }, &mut |event| told.push(Told::of(event)));
    }

    fn client(&mut self, text: &str) {
        self.say(Side::Client, 0, Message::Whole(text.as_bytes()));
    }

    fn server(&mut self, text: &str) {
        self.say(Side::Server, 0, Message::Whole(text.as_bytes()));
    }

    fn end(mut self) -> Vec<Told> {
        let Self { observer, at, told } = &mut self;
        observer.end(*at, &mut |event| told.push(Told::of(event)));
        self.told
    }
}

fn call(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"pay","arguments":{{"n":1}}}}}}"#
    )
}

fn answer(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"done"}}],"isError":false}}}}"#
    )
}

#[test]
fn a_call_is_told_with_what_went_in_and_came_out() {
    let mut watched = Watched::greeted();
    watched.client(&call("1"));
    assert_eq!(watched.told, []);
    watched.server(&answer("1"));
    let told = watched.told[0].clone();
    assert_eq!((told.what.as_str(), told.status), ("acme/pay -", Status::Ok));
    assert_eq!((told.input.as_str(), told.lasted), (r#"{"n":1}"#, Some(1_000)));
    assert_eq!(told.result, r#"{"content":[{"text":"done","type":"text"}],"isError":false}"#);
    assert_eq!((told.session.as_str(), told.agent.as_str()), ("s-1", "agent"));
    for (key, value) in [
        ("mcp_method", "tools/call"),
        ("seq", "2"),
        ("run", "r-1"),
        ("transport", "stdio"),
        ("protocol_version", "2025-06-18"),
        ("server_name", "acme"),
        ("server_version", "1"),
        ("rpc_id", "1"),
        ("asked_by", "client"),
    ] {
        assert_eq!(told.fact(key), Some(value), "{key}");
    }
    let told = watched.end();
    assert_eq!((told.len(), told[1].what.as_str()), (2, "session_end"));
    assert_eq!((told[1].fact("seq"), told[1].fact("unanswered")), (Some("3"), Some("0")));
}

#[test]
fn failures_are_told_as_such() {
    let mut watched = Watched::greeted();
    watched.client(&call("1"));
    watched.server(
        r#"{"id":1,"result":{"content":[{"type":"text","text":"no"},{"type":"image"},{"type":"text","text":"way"}],"isError":true}}"#,
    );
    watched.client(&call("2"));
    watched.server(r#"{"id":2,"error":{"code":-32602,"message":"Unknown tool"}}"#);
    let ends =
        watched.told.iter().map(|told| (told.status, told.error.as_deref().unwrap())).collect::<Vec<_>>();
    assert_eq!(ends, [(Status::Error, "tool_error: no\nway"), (Status::Error, "-32602: Unknown tool")]);
}

#[test]
fn every_method_of_the_table_is_told() {
    let mut watched = Watched::greeted();
    watched.client(r#"{"id":1,"method":"resources/read","params":{"uri":"file:///a","_meta":{"x":1}}}"#);
    watched.server(r#"{"id":1,"result":{"contents":[]}}"#);
    watched.client(r#"{"id":2,"method":"prompts/get","params":{"name":"greet"}}"#);
    watched.server(r#"{"id":2,"result":{"messages":[]}}"#);
    // What the server asks for has ids of its own.
    watched.client(&call("1"));
    watched.server(r#"{"id":1,"method":"sampling/createMessage","params":{"messages":[],"maxTokens":5}}"#);
    watched.client(
        r#"{"id":1,"result":{"role":"assistant","content":{"type":"text","text":"hi"},"model":"m-1"}}"#,
    );
    watched.server(r#"{"id":2,"method":"elicitation/create","params":{"message":"Sure?"}}"#);
    watched.client(r#"{"id":2,"result":{"action":"decline"}}"#);
    watched.server(&answer("1"));
    let told: Vec<_> = watched.told.iter().map(|told| (told.what.as_str(), told.status)).collect();
    assert_eq!(
        told,
        [
            ("retrieve file:///a", Status::Ok),
            ("retrieve greet", Status::Ok),
            ("sample", Status::Ok),
            ("elicit", Status::Denied),
            ("acme/pay -", Status::Ok),
        ]
    );
    assert_eq!(watched.told[0].input, r#"{"uri":"file:///a"}"#);
    assert_eq!(
        (watched.told[2].fact("model"), watched.told[2].fact("asked_by")),
        (Some("m-1"), Some("server"))
    );
    // A server can't call tools, nor a client itself.
    watched.server(&call("9"));
    watched.client(r#"{"id":9,"method":"sampling/createMessage","params":{}}"#);
    watched.client(&answer("9"));
    assert_eq!(watched.end().len(), 6);
}

#[test]
fn batches_are_taken_apart() {
    let mut watched = Watched::greeted();
    watched.client(&format!("[{},{},\n{}]", call("1"), call("\"1\""), r#"{"method":"notifications/x"}"#));
    watched.server(&format!(" [{}, {}]", answer("\"1\""), answer("1")));
    let ids: Vec<_> = watched.told.iter().map(|told| told.fact("rpc_id").unwrap()).collect();
    assert_eq!(ids, ["\"1\"", "1"]);
    watched.client("[{\"id\":1");
    assert_eq!(watched.end().last().unwrap().fact("unread_messages"), Some("1"));
}

#[test]
fn ids_are_of_every_type() {
    let mut watched = Watched::greeted();
    for (asked, answered) in [
        ("0", "0"),
        ("\"\"", "\"\""),
        ("null", "null"),
        ("-7", "-7"),
        ("2", "2.0"),
        ("1.5", "1.5"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("\"\\u00e9\"", "\"é\""),
    ] {
        watched.client(&call(asked));
        watched.server(&answer(answered));
        assert_eq!(watched.told.len(), 1, "{asked}");
        watched.told.clear();
    }
    for (asked, answered) in [("1", "\"1\""), ("1", "2"), ("{}", "{}"), ("[1]", "[1]"), ("true", "true")] {
        watched.client(&call(asked));
        watched.server(&answer(answered));
        assert_eq!(watched.told, [], "{asked}");
    }
    let long = format!("\"{}\"", "x".repeat(600));
    watched.client(&call(&long));
    watched.server(&answer(&long));
    assert_eq!(watched.told, []);
}

#[test]
fn a_call_is_answered_once() {
    let mut watched = Watched::greeted();
    watched.client(&call("1"));
    watched.server(&answer("1"));
    watched.server(&answer("1"));
    assert_eq!(watched.told.len(), 1);
    // Two calls of one id: answers come in some order, and nobody can tell which.
    watched.client(&call("2"));
    watched.client(&call("2"));
    watched.server(&answer("2"));
    watched.server(&answer("2"));
    let reused: Vec<_> = watched.told[1..].iter().map(|told| told.fact("id_reused")).collect();
    assert_eq!(reused, [None, Some("true")]);
}

#[test]
fn who_never_answers_is_told_at_the_end() {
    let mut watched = Watched::greeted();
    watched.client(&call("1"));
    let told = watched.end();
    assert_eq!((told[0].status, told[0].fact("ended_by")), (Status::Unknown, Some("session_end")));
    assert_eq!((told[0].lasted, told[0].result.as_str()), (None, "-"));
    assert_eq!(told[1].fact("unanswered"), Some("1"));
}

#[test]
fn a_cancelled_call_may_still_be_answered() {
    let cancel =
        r#"{"method":"notifications/cancelled","params":{"requestId":1,"reason":"changed my mind"}}"#;
    let mut watched = Watched::greeted();
    watched.client(&call("1"));
    watched.client(cancel);
    watched.server(&answer("1"));
    assert_eq!((watched.told[0].status, watched.told[0].fact("cancelled_by")), (Status::Ok, Some("client")));
    watched.told.clear();
    watched.client(&call("1"));
    watched.client(cancel);
    let Watched { observer, at, told } = &mut watched;
    observer.tick(*at + 1_000_000_000, &mut |event| told.push(Told::of(event)));
    assert_eq!(*told, []);
    observer.tick(*at + 6_000_000_000, &mut |event| told.push(Told::of(event)));
    assert_eq!((told[0].status, told[0].fact("ended_by")), (Status::Unknown, Some("cancelled")));
    assert_eq!(told[0].fact("cancel_reason"), Some("changed my mind"));
    watched.server(&answer("1"));
    // A server may not cancel what a client asked for.
    watched.client(&call("3"));
    watched.server(r#"{"method":"notifications/cancelled","params":{"requestId":3}}"#);
    watched.server(&answer("3"));
    assert_eq!((watched.told.len(), watched.told[1].fact("cancelled_by")), (2, None));
}

#[test]
fn progress_is_counted() {
    let mut watched = Watched::greeted();
    watched.client(r#"{"id":1,"method":"tools/call","params":{"name":"pay","_meta":{"progressToken":"t"}}}"#);
    for token in ["\"t\"", "\"t\"", "\"u\"", "null"] {
        watched.server(&format!(
            r#"{{"method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#
        ));
    }
    watched.server(&answer("1"));
    assert_eq!((watched.told[0].fact("progress"), watched.told[0].input.as_str()), (Some("2"), "{}"));
}

#[test]
fn a_task_is_told_with_its_result() {
    let promise = r#"{"id":1,"result":{"task":{"taskId":"t-1","status":"working"}}}"#;
    let mut watched = Watched::greeted();
    watched.client(&call("1"));
    watched.server(promise);
    watched.client(r#"{"id":2,"method":"tasks/get","params":{"taskId":"t-1"}}"#);
    watched.server(r#"{"id":2,"result":{"taskId":"t-1","status":"working"}}"#);
    watched
        .server(r#"{"method":"notifications/tasks/status","params":{"taskId":"t-1","status":"completed"}}"#);
    // The id is free again.
    watched.client(&call("1"));
    watched.server(&answer("1"));
    assert_eq!((watched.told.len(), watched.told[0].fact("task_id")), (1, None));
    watched.client(r#"{"id":3,"method":"tasks/result","params":{"taskId":"t-1"}}"#);
    watched.server(&answer("3"));
    let told = &watched.told[1];
    assert_eq!(
        (told.status, told.fact("task_id"), told.fact("task_status")),
        (Status::Ok, Some("t-1"), Some("completed"))
    );
    watched.client(&call("4"));
    watched.server(&promise.replace("\"id\":1", "\"id\":4"));
    watched
        .server(r#"{"method":"notifications/tasks/status","params":{"taskId":"t-1","status":"cancelled"}}"#);
    assert_eq!(watched.told[2].status, Status::Unknown);
    watched.client(&call("5"));
    watched.server(&promise.replace("\"id\":1", "\"id\":5"));
    watched.server(r#"{"method":"notifications/tasks/status","params":{"taskId":"t-1","status":"failed"}}"#);
    assert_eq!(watched.end()[3].status, Status::Error);
}

#[test]
fn what_others_know_a_call_by_is_told() {
    let mut watched = Watched::greeted();
    watched.client(
        r#"{"id":1,"method":"tools/call","params":{"name":"pay","_meta":{
            "traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "claudecode/toolUseId":"toolu_1","claudecode/sessionId":"c-1"}}}"#,
    );
    watched.server(&answer("1"));
    let told = &watched.told[0];
    assert_eq!((told.what.as_str(), told.session.as_str(), told.trace), ("acme/pay toolu_1", "c-1", true));
    for none in [
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7",
        "",
    ] {
        watched.client(&format!(
            r#"{{"id":1,"method":"tools/call","params":{{"name":"pay","_meta":{{"traceparent":"{none}"}}}}}}"#
        ));
        watched.server(&answer("1"));
        assert!(!watched.told.pop().unwrap().trace, "{none}");
    }
}

#[test]
fn what_is_too_large_is_told_by_its_hash() {
    let large = |text: &str| {
        let mut outline = Outline::default();
        outline.push(text.as_bytes());
        Large { outline, bytes: text.len() as u64, sha256: sha256(text.as_bytes()) }
    };
    let mut watched = Watched::greeted();
    watched.say(Side::Client, 0, Message::Large(&large(&call("1"))));
    watched.say(Side::Server, 0, Message::Large(&large(&answer("1"))));
    let told = watched.told.remove(0);
    assert_eq!(
        (told.what.as_str(), told.status, told.input.as_str()),
        ("acme/pay -", Status::Ok, "digest Input")
    );
    assert_eq!((told.fact("hash_of_message"), told.fact("rpc_id")), (Some("input,outcome"), Some("1")));
    assert_eq!(told.fact("request_bytes"), Some(call("1").len().to_string().as_str()));
    watched.client(&call("2"));
    watched.say(
        Side::Server,
        0,
        Message::Large(&large(r#"{"id":2,"result":{"content":[],"isError":true}}"#)),
    );
    assert_eq!((watched.told[0].status, watched.told[0].result.as_str()), (Status::Error, "digest Error"));
    // Nesting that the parser does not follow.
    let deep = format!(r#"{{"id":3,"result":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    watched.client(&call("3"));
    watched.server(&deep);
    assert_eq!(watched.told[1].fact("hash_of_message"), Some("outcome"));
}

#[test]
fn what_waits_is_bounded() {
    let budget = Budget::new(4096);
    let mut watched = Watched { observer: Observer::new(session(), budget.clone()), ..Watched::new() };
    for n in 0..5000 {
        watched.client(&call(&n.to_string()));
    }
    assert_eq!((watched.told.len(), watched.told[0].fact("ended_by")), (904, Some("pushed_out")));
    watched.server(&answer("4999"));
    let told = watched.told.last().unwrap().clone();
    assert_eq!((told.what.as_str(), told.input.as_str()), ("unknown/pay -", "-"));
    assert_eq!(told.fact("request_dropped"), Some("true"));
    assert_eq!(watched.end().last().unwrap().fact("unanswered"), Some("4999"));
    // All that it took is there for others.
    let mut other = Watched { observer: Observer::new(session(), budget), ..Watched::new() };
    other.client(&call("1"));
    other.server(&answer("1"));
    assert_eq!(other.told[0].fact("request_dropped"), None);
}

#[test]
fn scopes_answer_only_themselves() {
    let scoped = Session { scoped: true, ..session() };
    let mut watched = Watched { observer: Observer::new(scoped, Budget::default()), ..Watched::new() };
    watched.say(Side::Client, 1, Message::Whole(call("1").as_bytes()));
    watched.say(Side::Client, 2, Message::Whole(call("1").as_bytes()));
    watched.say(Side::Server, 2, Message::Whole(answer("1").as_bytes()));
    assert_eq!(watched.told[0].lasted, Some(1_000));
    let Watched { observer, at, told } = &mut watched;
    observer.close(1, *at, &mut |event| told.push(Told::of(event)));
    assert_eq!((told.len(), told[1].fact("ended_by")), (2, Some("stream_end")));
}

#[test]
fn what_is_refused_as_a_whole_is_an_error() {
    let mut watched = Watched::greeted();
    watched.say(Side::Client, 1, Message::Whole(call("1").as_bytes()));
    watched.say(Side::Client, 2, Message::Whole(call("2").as_bytes()));
    watched.say(Side::Client, 3, Message::Whole(call("3").as_bytes()));
    let Watched { observer, at, told } = &mut watched;
    observer.refuse(1, 404, *at, &mut |event| told.push(Told::of(event)));
    observer.forget(3);
    assert_eq!((told[0].status, told[0].error.as_deref()), (Status::Error, Some("http_404: ")));
    // Within one session an answer may come on any exchange.
    watched.say(Side::Server, 9, Message::Whole(answer("2").as_bytes()));
    assert_eq!(watched.told[1].status, Status::Ok);
    assert_eq!(watched.end().len(), 3);
}

#[test]
fn garbage_is_counted() {
    let mut watched = Watched::greeted();
    for garbage in ["x", "{", "7", "null", "\"a\"", "{}", r#"{"id":1}"#, "\u{0}", "[[", r#"{"result":1}"#] {
        watched.server(garbage);
    }
    watched.say(Side::Server, 0, Message::Whole(b"\xff\xfe"));
    watched.server("");
    watched.server("  ");
    watched.observer.miss(17);
    let told = watched.end();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].fact("unread_messages"), told[0].fact("missed_bytes")), (Some("11"), Some("17")));
}
