#![allow(clippy::unwrap_used, clippy::panic)]

use super::{Op, feedback, fragment, run};
use halod_record::event::{Action, Content, Event, Fact, Origin, Status};
use halod_record::fragment::{Fragment, Kind};
use halod_record::json::{self, Json};

fn told<T>(text: &str, check: impl FnOnce(&Json<'_>) -> T) -> T {
    check(&json::parse(text).unwrap())
}

fn posted<T>(text: &str, check: impl FnOnce(Fragment<'_>) -> T) -> T {
    told(text, |run| check(fragment(Op::Post, run).unwrap()))
}

fn exported<T>(text: &str, check: impl FnOnce(Event<'_>) -> T) -> T {
    told(text, |row| check(run(row).unwrap().unwrap()))
}

const ID: &str = "01a2024f-9552-774a-b546-56ffb05c24c0";

fn with(members: &str) -> String {
    format!(r#"{{"id":"{ID}",{members}}}"#)
}

#[test]
fn a_run_has_one_id_however_it_is_written() {
    for id in [ID, &ID.to_uppercase(), &ID.replace('-', "")] {
        posted(&format!(r#"{{"id":"{id}"}}"#), |run| assert_eq!(run.id, [ID]));
    }
    posted(r#"{"id":"mine"}"#, |run| assert_eq!(run.id, ["mine"]));
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(300));
    for bad in ["[]", "{}", r#"{"id":null}"#, r#"{"id":""}"#, r#"{"id":7}"#, long.as_str()] {
        told(bad, |run| assert!(fragment(Op::Post, run).is_err(), "{bad}"));
    }
}

#[test]
fn a_dotted_order_says_what_the_run_does_not() {
    let order =
        format!("20261122T081139730472Z{ID}.20261122T081139750590Z01a2024f-9566-74e1-bfc4-3fa464a09342");
    posted(&format!(r#"{{"id":"x","dotted_order":"{order}"}}"#), |run| {
        assert_eq!(run.parent, Some(vec![ID.into()]));
        assert_eq!(run.started, Some(1_795_335_099_750_590_000));
        assert!(run.facts.contains(&("trace_id", Fact::Id(ID.into()))));
    });
    posted(r#"{"id":"x","dotted_order":"nonsense"}"#, |run| {
        assert_eq!((run.parent, run.started), (None, None));
    });
}

#[test]
fn a_chain_is_an_agent_where_it_has_the_agents_name() {
    for (members, kind) in [
        (r#""run_type":"chain","name":"Desk","extra":{"metadata":{"lc_agent_name":"Desk"}}"#, "invoke"),
        (r#""run_type":"chain","name":"tools","extra":{"metadata":{"lc_agent_name":"Desk"}}"#, "chain"),
        (r#""run_type":"chain","name":"LangGraph""#, "invoke"),
        (r#""run_type":"chain","name":"x","extra":{"metadata":{"ls_agent_type":"root"}}"#, "invoke"),
        (
            r#""run_type":"chain","name":"x","parent_run_id":"p","extra":{"metadata":{"ls_agent_type":"root"}}"#,
            "chain",
        ),
        (r#""run_type":"prompt","name":"x""#, "prompt"),
        (r#""run_type":"parser","name":"x""#, "step"),
        (r#""name":"x""#, "chain"),
    ] {
        posted(&with(members), |run| assert_eq!(run.kind, Some(Kind::Boundary(kind)), "{members}"));
    }
    posted(&with(r#""run_type":"llm","extra":{"metadata":{"ls_model_type":"embeddings"}}"#), |run| {
        assert_eq!(run.kind, Some(Kind::Embed));
    });
    posted(&with(r#""run_type":"quantum","name":"x""#), |run| assert_eq!(run.kind, Some(Kind::Other)));
}

/// A patch is silent on what it does not say, and says no more than it does.
#[test]
fn a_patch_overrules_nothing_that_it_does_not_say() {
    let post = with(
        r#""run_type":"tool","name":"t","trace_id":"root","session_name":"desk","inputs":{"a":1},"outputs":{},
           "start_time":"2026-11-22T08:11:39","extra":{"metadata":{"thread_id":"t-1","tenant":"acme"}}"#,
    );
    let patch =
        with(r#""trace_id":"root","session_name":"desk","outputs":{"b":2},"end_time":"2026-11-22T08:11:39""#);
    posted(&post, |post| {
        told(&patch, |patch| {
            let patch = fragment(Op::Patch, patch).unwrap();
            assert!(post.opens && !post.closes && patch.closes && !patch.opens && patch.said > post.said);
            assert_eq!(post.result, Content::Undisclosed);
            let mut whole = post.clone();
            whole.lay(patch);
            let event = whole.event();
            assert_eq!(event.session.as_deref(), Some("t-1"));
            assert_eq!(event.tenant.as_deref(), Some("acme"));
            assert_eq!(event.agent.name.as_deref(), Some("desk"));
            assert!(matches!(event.action, Action::Tool { .. }));
            assert!(
                matches!(event.input, Content::Value(_)) && matches!(event.outcome.result, Content::Value(_))
            );
        });
    });
}

#[test]
fn a_tools_arguments_and_result_are_unpacked() {
    let run = with(
        r#""run_type":"tool","name":"t","end_time":"2026-11-22T08:11:39","inputs":{"input":"{\"a\": 1}"},
           "outputs":{"output":{"content":"no","tool_call_id":"c-1","status":"error"}}"#,
    );
    exported(&run, |event| {
        assert_eq!(event.input, Content::Value(json::parse(r#"{"a":1}"#).unwrap()));
        assert_eq!(event.outcome.status, Status::Error);
        let Action::Tool { call_id, .. } = &event.action else { panic!("{event:?}") };
        assert_eq!(call_id.as_deref(), Some("c-1"));
    });
    exported(&with(r#""run_type":"tool","name":"t","inputs":{"input":"{'a': 1}"}"#), |event| {
        assert_eq!(event.input, Content::Value(Json::str("{'a': 1}")));
        assert!(event.facts.contains(&("unfinished", Fact::Flag(true))));
    });
}

#[test]
fn hidden_content_is_undisclosed() {
    exported(
        &with(r#""run_type":"llm","name":"m","end_time":1795335099730,"inputs":{},"outputs":{}"#),
        |event| {
            assert_eq!(event.input, Content::Undisclosed);
            assert_eq!(event.outcome.result, Content::Undisclosed);
            assert_eq!(event.ended, Some(1_795_335_099_730_000_000));
        },
    );
}

#[test]
fn feedback_is_a_verdict_below_its_run() {
    let text = format!(r#"{{"id":"f","run_id":"{ID}","key":"correct","score":0.5,"comment":"so so"}}"#);
    told(&text, |row| {
        let event = feedback(row).unwrap().unwrap();
        assert_eq!(event.action, Action::Guard { name: "correct".into() });
        let Origin::Keyed(keyed) = &event.origin else { panic!("{event:?}") };
        assert_eq!(keyed.id, ["feedback", "f"]);
        assert_eq!(keyed.parent, Some(vec![ID.into()]));
        assert!(event.facts.contains(&("score", Fact::Label("0.5".into()))));
    });
    for bad in ["[]", r#"{"run_id":"x"}"#, r#"{"id":"f","run_id":7}"#] {
        told(bad, |row| assert!(feedback(row).is_err(), "{bad}"));
    }
}
