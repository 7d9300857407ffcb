#![allow(clippy::unwrap_used, clippy::panic)]

use super::agree::same_call;
use super::arrange::arrange;
use super::*;
use crate::build::Builder;
use crate::draft::{Comparison, Draft, GENESIS, Scratch};
use crate::event::{Keyed, Source, Usage};
use crate::json::Json;
use crate::sample::call;
use crate::time;
use serde_json::Value;

const SECOND: u64 = 1_000_000_000;

fn draft(change: impl FnOnce(&mut Event<'static>)) -> Draft {
    let mut event = call();
    (event.started, event.ended) = (Some(100 * SECOND), Some(102 * SECOND));
    change(&mut event);
    Builder::new(false).draft(&event, &Tenant::Local, &mut Scratch::default())
}

fn span(id: u8, parent: Option<u8>, change: impl FnOnce(&mut Event<'static>)) -> Draft {
    draft(|event| {
        event.origin = Origin::Span {
            trace: [1; 16],
            span: [id; 8],
            parent: parent.map(|parent| [parent; 8]),
            name: "x".into(),
        };
        change(event);
    })
}

fn answered(id: &'static str) -> impl Fn(&mut Event<'static>) {
    move |event| event.usage.response_id = Some(id.into())
}

fn told_by(scope: &'static str) -> impl Fn(&mut Event<'static>) {
    move |event| event.facts.push((SCOPE, Fact::Label(scope.into())))
}

fn tool(name: &'static str, call_id: Option<&'static str>) -> impl Fn(&mut Event<'static>) {
    move |event| {
        let call_id = call_id.map(Into::into);
        event.action = Action::Tool { name: name.into(), mcp_server: None, call_id };
    }
}

fn sealed(draft: &Draft) -> Vec<u8> {
    let mut line = Vec::new();
    draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
    line
}

fn read(draft: &Draft) -> SealedCall {
    SealedCall::read(&sealed(draft), &Tenant::Local).unwrap()
}

fn agree(ours: &Draft, theirs: &Draft, reason: Reason) -> bool {
    let (ours, theirs) = (ours.call().unwrap(), theirs.call().unwrap());
    let both = same_call(ours, theirs, reason, false);
    assert_eq!(both, same_call(theirs, ours, reason, false), "{ours:?} {theirs:?}");
    both
}

#[test]
fn a_line_gives_the_account_that_its_event_gave() {
    let drafts = [
        span(2, Some(3), answered("chatcmpl-1")),
        span(2, None, told_by("openai")),
        span(2, Some(3), tool("lookup", Some("call_1"))),
        draft(|event| {
            event.action = Action::Tool {
                name: "lookup".into(),
                mcp_server: Some("kb".into()),
                call_id: Some("c".into()),
            };
            event.session = Some("s".into());
            event.outcome.status = Status::Error;
        }),
        draft(|event| {
            event.source = Source { adapter: "litellm", via: "x", dialect: "litellm", mapping: "3" };
            event.origin = Origin::Keyed(Keyed {
                space: "litellm",
                id: vec!["a".into()],
                parent: Some(vec!["b".into()]),
            });
            event.facts.push(("call_id", Fact::Id("a".into())));
        }),
        draft(|event| {
            event.origin = Origin::Log {
                trace: Some([1; 16]),
                span: Some([2; 8]),
                name: "x".into(),
                identity: Json::str("x"),
            };
            event.ended = None;
        }),
        draft(|event| event.action = Action::Retrieve { name: "KB".into() }),
    ];
    for draft in drafts {
        let call = Call { fullness: 0, ..draft.call().unwrap().clone() };
        let read = read(&draft);
        assert_eq!(read.call, call);
        assert_eq!(read.action, draft.id());
    }
}

#[test]
fn what_is_no_call_gives_none() {
    for draft in [
        draft(|event| event.action = Action::Boundary { verb: "invoke" }),
        draft(|event| event.action = Action::Guard { name: "pii".into() }),
        draft(|event| {
            event.action = Action::Request { tool: "http:/v1".into(), model: None };
            event.source = Source { adapter: "gateway", via: "x", dialect: "nginx", mapping: "3" };
        }),
    ] {
        assert!(draft.call().is_none());
        assert_eq!(SealedCall::read(&sealed(&draft), &Tenant::Local), None);
    }
}

#[test]
fn an_answers_id_joins_what_happened_at_one_time_by_one_model() {
    let (answered, other) = (|event: &mut Event<'static>| answered("r-1")(event), told_by("other"));
    let ours = span(2, None, answered);
    let with = |change: &dyn Fn(&mut Event<'static>)| {
        span(3, None, |event| {
            answered(event);
            other(event);
            change(event);
        })
    };
    let model = |name: &'static str| {
        move |event: &mut Event<'static>| {
            event.action = Action::Generate { provider: None, model: Some(name.into()) };
        }
    };
    let lasted = |from: u64, to: u64| {
        move |event: &mut Event<'static>| {
            (event.started, event.ended) = (Some(from * SECOND), Some(to * SECOND));
        }
    };
    let agrees = |change: &dyn Fn(&mut Event<'static>)| agree(&ours, &with(change), Reason::Response);
    assert!(agrees(&|_| {}));
    for name in ["m", "M", "m-2024-07-18", "openai/m", "m:latest"] {
        assert!(agrees(&model(name)), "{name}");
    }
    for name in ["m-mini", "mm", "n"] {
        assert!(!agrees(&model(name)), "{name}");
    }
    assert!(agrees(&|event| event.action = Action::Generate { provider: None, model: None }));
    assert!(!agrees(&|event| event.action = Action::Embed { provider: None, model: Some("m".into()) }));
    assert!(agrees(&lasted(90, 99)) && agrees(&lasted(103, 110)) && agrees(&lasted(101, 101)));
    assert!(!agrees(&lasted(90, 98)) && !agrees(&lasted(104, 110)));
    assert!(!agrees(&|event| (event.started, event.ended) = (None, None)));
    // One instrumentation tells every call once: a cache repeats the id of an answer.
    assert!(!agree(&ours, &span(3, None, answered), Reason::Response));
}

#[test]
fn a_stronger_id_that_differs_parts_what_a_weaker_one_joins() {
    let litellm = |call: &'static str, other: &'static str| {
        span(call.as_bytes()[0], None, move |event| {
            answered("r-1")(event);
            event.facts.push(("call_id", Fact::Id(call.into())));
            told_by(other)(event);
        })
    };
    assert!(!agree(&litellm("a", "x"), &litellm("b", "y"), Reason::Response));
    assert!(!agree(&litellm("a", "x"), &litellm("b", "y"), Reason::Encloses));
    assert!(agree(&litellm("a", "x"), &litellm("a", "y"), Reason::Response));
    // Who has none contradicts none.
    assert!(agree(&litellm("a", "x"), &span(9, None, answered("r-1")), Reason::Response));
}

#[test]
fn what_stands_for_no_id_is_none() {
    for none in ["", " ", "None", "null", "NULL", "undefined", "unknown", "0", "0000-0000", "<not specified>"]
    {
        assert!(span(2, None, answered(none)).call().unwrap().keys.is_empty(), "{none:?}");
    }
    assert_eq!(span(2, None, answered("0a")).call().unwrap().keys.len(), 1);
}

#[test]
fn masked_ids_that_look_alike_are_told_apart() {
    let [one, other] =
        ["sk-proj-FAKE0000aaaabbbbccccddddeeeeffff1111", "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff2222"]
            .map(|id| span(2, None, answered(id)));
    let shown = |draft: &Draft| {
        serde_json::from_slice::<Value>(&sealed(draft)).unwrap()["data"]["response_id"].clone()
    };
    assert_eq!(shown(&one), shown(&other));
    assert_ne!(one.call().unwrap().keys, other.call().unwrap().keys);
}

/// The drafts in their new order: id of the span, and that of the account which it was joined to.
fn arranged(mut drafts: Vec<Draft>) -> Vec<(u8, Option<(u8, Reason)>)> {
    let ids: Vec<(RecordId, u8)> =
        (0..=255).map(|id| (RecordId::of_span(&Tenant::Local, &[1; 16], &[id; 8]), id)).collect();
    let short = |id: RecordId| ids.iter().find(|(other, _)| *other == id).unwrap().1;
    arrange(&mut drafts);
    let first = |draft: &Draft| draft.call().and_then(Call::first).map(|(id, reason)| (short(id), reason));
    drafts.iter().map(|draft| (short(draft.id()), first(draft))).collect()
}

fn boundary(id: u8, parent: Option<u8>) -> Draft {
    span(id, parent, |event| event.action = Action::Boundary { verb: "invoke" })
}

#[test]
fn the_fullest_account_of_a_batch_comes_first() {
    let full = |event: &mut Event<'static>| {
        event.input = Content::Value(Json::str("hello"));
        event.usage = Usage { input_tokens: Some(1), ..Usage::default() };
    };
    let drafts = vec![
        boundary(1, None),
        span(2, Some(1), |_| {}),
        span(3, Some(2), |_| {}),
        span(4, Some(3), full),
        span(5, Some(1), tool("lookup", None)),
    ];
    let encloses = Some((4, Reason::Encloses));
    assert_eq!(arranged(drafts), [(1, None), (4, None), (2, encloses), (3, encloses), (5, None)]);
    // Where all say as much, the outermost does.
    let drafts = vec![boundary(1, None), span(9, Some(1), |_| {}), span(3, Some(9), |_| {})];
    assert_eq!(arranged(drafts), [(1, None), (9, None), (3, Some((9, Reason::Encloses)))]);
}

#[test]
fn what_is_moved_before_what_encloses_it_names_what_is_above_both() {
    let mut drafts = vec![
        boundary(1, None),
        span(2, Some(1), |_| {}),
        span(3, Some(2), |event| event.input = Content::Value(Json::str("hello"))),
    ];
    arrange(&mut drafts);
    let above = RecordId::of_span(&Tenant::Local, &[1; 16], &[1; 8]);
    assert_eq!(drafts[1].parent(), Some(above));
    let line: Value = serde_json::from_slice(&sealed(&drafts[1])).unwrap();
    assert_eq!(line["parent_id"], above.to_string());
    assert_eq!(line["data"]["parent_span_id"], "0202020202020202");
}

#[test]
fn attempts_below_one_call_are_calls_and_chunks_of_a_stream_are_none() {
    let attempts = vec![span(1, None, |_| {}), span(2, Some(1), |_| {}), span(3, Some(1), |_| {})];
    assert_eq!(arranged(attempts), [(1, None), (2, Some((1, Reason::Encloses))), (3, None)]);
    let chunk =
        |id| span(id, Some(1), |event| event.action = Action::Generate { provider: None, model: None });
    let stream = vec![span(1, None, |_| {}), chunk(2), chunk(3)];
    let encloses = Some((1, Reason::Encloses));
    assert_eq!(arranged(stream), [(1, None), (2, encloses), (3, encloses)]);
}

#[test]
fn another_kind_between_two_calls_parts_them() {
    let drafts =
        vec![span(1, None, tool("ask", None)), span(2, Some(1), |_| {}), span(3, Some(2), tool("ask", None))];
    assert_eq!(arranged(drafts), [(1, None), (2, None), (3, None)]);
    let drafts =
        vec![span(1, None, tool("ask", None)), boundary(2, Some(1)), span(3, Some(2), tool("ask", None))];
    assert_eq!(arranged(drafts)[2], (3, Some((1, Reason::Encloses))));
}

#[test]
fn the_client_and_the_server_of_a_tool_are_one_call() {
    let server = |event: &mut Event<'static>| {
        event.action =
            Action::Tool { name: "lookup".into(), mcp_server: Some("kb".into()), call_id: Some("9".into()) };
        told_by("server")(event);
    };
    let drafts = vec![span(1, None, tool("lookup", None)), span(2, Some(1), server)];
    assert_eq!(arranged(drafts), [(1, None), (2, Some((1, Reason::Encloses)))]);
}

#[test]
fn two_voices_beside_each_other_are_one_call_only_where_it_is_clear_which() {
    let at = |id: u8, scope: &'static str, from: u64, to: u64| {
        span(id, Some(1), move |event| {
            told_by(scope)(event);
            event.outcome.status = Status::Error;
            (event.started, event.ended) = (Some(from * SECOND), Some(to * SECOND));
        })
    };
    let pair = vec![boundary(1, None), at(2, "a", 10, 20), at(3, "b", 11, 19)];
    assert_eq!(arranged(pair)[1..], [(2, None), (3, Some((2, Reason::During)))]);
    let apart = vec![boundary(1, None), at(2, "a", 10, 20), at(3, "b", 21, 22)];
    assert_eq!(arranged(apart)[1..], [(2, None), (3, None)]);
    let crowd = vec![boundary(1, None), at(2, "a", 10, 20), at(4, "a", 11, 21), at(3, "b", 12, 19)];
    assert_eq!(arranged(crowd)[1..], [(2, None), (4, None), (3, None)]);
}

#[test]
fn a_corroboration_is_the_same_account_in_another_role() {
    let action = span(2, None, |_| {});
    let further = span(3, Some(2), |event| {
        told_by("sdk")(event);
        event.outcome.status = Status::Error;
        event.outcome.error_text = Some("boom".into());
    });
    let role = role::Role::beside(&read(&action), Reason::Encloses);
    let line = sealed(&further.in_role(&role));
    let record: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(record["action"]["type"], "agent_message");
    assert_eq!(record["action"]["category"], "reliability");
    assert_eq!(record["action"]["tool"], "corroborates:model.generate");
    assert!(record["action"].get("authorization").is_none());
    assert_eq!(record["parent_id"], action.id().to_string());
    assert_eq!(record["data"]["corroborates"], action.id().to_string());
    assert_eq!(record["data"]["joined_by"], "encloses");
    assert_eq!(record["data"]["contradicts"], serde_json::json!(["outcome.status"]));
    assert_eq!(record["severity"], "MEDIUM");
    assert_eq!(record["record_id"], further.id().to_string());
    // It comes again, and is what it was; and it tells of the same call.
    assert!(matches!(further.compare_with(&line), Comparison::Same));
    let read = SealedCall::read(&line, &Tenant::Local).unwrap();
    assert_eq!((read.action, read.call.kind), (action.id(), Kind::Generate));
    assert_eq!(read.call, Call { fullness: 0, ..further.call().unwrap().clone() });
    // Something else under its id is something else in that role, too.
    let other = span(3, Some(2), |event| event.outcome.status = Status::Error);
    assert!(matches!(other.compare_with(&line), Comparison::Conflict));
}

#[test]
fn a_span_and_a_log_record_of_one_session_are_one_call_when_they_fit() {
    let told = |form: Form, from: u64, to: u64, tokens: Option<i64>| {
        draft(move |event| {
            event.session = Some("s".into());
            event.usage.output_tokens = tokens;
            (event.started, event.ended) = (Some(from * SECOND / 10), Some(to * SECOND / 10));
            event.origin = match form {
                Form::Span => Origin::Span { trace: [1; 16], span: [9; 8], parent: None, name: "x".into() },
                _ => Origin::Log { trace: None, span: None, name: "x".into(), identity: Json::str("x") },
            };
        })
    };
    let fits = |ours: &Draft, theirs: &Draft| {
        let (ours, theirs) = (ours.call().unwrap(), theirs.call().unwrap());
        agree::one_during_the_other(ours, theirs)
    };
    let span = told(Form::Span, 10, 30, Some(7));
    assert!(fits(&span, &told(Form::Log, 11, 29, None)));
    assert!(fits(&told(Form::Log, 5, 35, Some(7)), &span));
    assert!(!fits(&span, &told(Form::Log, 11, 31, None)));
    assert!(!fits(&span, &told(Form::Log, 11, 29, Some(8))));
    assert!(!fits(&span, &told(Form::Span, 11, 29, Some(7))));
    // It is found under the keys of when it began, and only in its session.
    let log = told(Form::Log, 11, 29, None);
    let place = span.call().unwrap().index_keys().last().unwrap();
    assert!(log.call().unwrap().about_then().contains(&place));
    assert!(!told(Form::Log, 11_000, 11_001, None).call().unwrap().about_then().contains(&place));
}
