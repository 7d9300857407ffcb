#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::draft::{Comparison, GENESIS};
use crate::event::{Agent, Source, Status, Usage};
use crate::json::{Json, Text};
use crate::time;
use proptest::prelude::*;
use serde_json::{Value, json};

const SOURCE: Source = Source { adapter: "test", via: "test", dialect: "test", mapping: "1" };

/// Texts that redaction has something to say about, and others.
fn words() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "lookup_order",
        "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678",
        "zoe.mueller@example.com",
        "4111 1111 1111 1111",
        "the password=hunter2hunter2 is here",
        "返金 🚀",
        "",
        "AKIAIOSFODNN7EXAMPLE",
        "claude-3-5-sonnet-20241022",
        "9f86d081884c7d659a2feaa0c55ad015",
        "Kx7vQ2mZ9pLw4tRbKx7vQ2mZ9pLw4tRb",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[a-zA-Z0-9 _:.-]{0,40}", 1 => "x{250,300}"]
}

fn values() -> impl Strategy<Value = Json<'static>> {
    let text = |text: String| Json::Str(Text::from(text));
    prop_oneof![
        words().prop_map(text),
        (words(), words()).prop_map(move |(a, b)| {
            Json::object(vec![
                ("q".into(), text(a)),
                ("api_key".into(), text(b)),
                ("n".into(), Json::Float(0.5)),
            ])
        }),
        Just(Json::object(vec![("isError".into(), Json::Bool(true))])),
        Just(Json::object(vec![("triggered".into(), Json::Bool(true))])),
        Just(Json::Null),
    ]
}

fn contents() -> impl Strategy<Value = Content<'static>> {
    prop_oneof![Just(Content::Undisclosed), values().prop_map(Content::Value)]
}

fn maybe(text: impl Strategy<Value = String>) -> impl Strategy<Value = Option<Cow<'static, str>>> {
    prop::option::of(text.prop_map(Cow::Owned))
}

prop_compose! {
    fn names()(name in maybe(words()), model in maybe(words()), call_id in maybe(words()), agent in maybe(words()),
               session in maybe(words()), principal in maybe(words()), error_type in maybe(words()),
               finish in maybe(words()), label in words(), text in words()) -> Fragment<'static> {
        let mut fragment = Fragment::new("test", vec!["an id with a@b.example".into()], SOURCE);
        fragment.agent = Agent { name: agent, ..Agent::default() };
        (fragment.name, fragment.model, fragment.call_id) = (name, model, call_id);
        (fragment.session, fragment.principal, fragment.error_type) = (session, principal, error_type);
        fragment.usage = Usage { finish_reason: finish, input_tokens: Some(3), ..Usage::default() };
        fragment.facts = vec![("label", Fact::Label(label.into())), ("text", Fact::Text(text.into()))];
        fragment
    }
}

prop_compose! {
    fn fragments()(names in names(), input in contents(), result in contents(), error in maybe(words()),
                   // Of a step the name tells what it is, and a masked name may tell less.
                   kind in prop::sample::select(vec![
                       Kind::Generate, Kind::Tool, Kind::Guard, Kind::Retrieve, Kind::Boundary("chain"), Kind::Trace,
                   ]).prop_map(Some),
                   status in prop::option::of(prop::sample::select(vec![Status::Ok, Status::Error])),
                   (said, opens, closes) in (0_u64..5, any::<bool>(), any::<bool>())) -> Fragment<'static> {
        let error = error.map_or(Content::Undisclosed, |text| Content::Value(Json::Str(Text::from(text.into_owned()))));
        Fragment {
            input, result, error, kind, status, said, opens, closes,
            parent: Some(vec!["p".into()]),
            ended: closes.then_some(7_000_000_000),
            ..names
        }
    }
}

fn line(draft: &Draft) -> Vec<u8> {
    let mut line = Vec::new();
    draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
    line
}

/// What stands in a record, findings in no order: several names with secrets are found in another one.
fn value(line: &[u8]) -> Value {
    let mut value: Value = serde_json::from_slice(line).unwrap();
    let findings = value["findings"].as_array_mut().unwrap();
    findings.sort_by_key(Value::to_string);
    value["integrity"] = Value::Null;
    value["data"].as_object_mut().unwrap().remove("told");
    value
}

fn whole(builder: &Builder, messages: &[Message]) -> Draft {
    let context = Context::default();
    let whole = Whole { messages, context: &context, unfinished: false };
    builder.whole(whole, &Tenant::Local, &mut Scratch::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// What was kept on disk makes the record that the messages themselves would have made.
    #[test]
    fn nothing_is_lost_by_waiting(told in prop::collection::vec(fragments(), 1..4), hash_only: bool) {
        let builder = Builder::new(hash_only);
        let mut scratch = Scratch::default();
        let messages: Vec<Message> = told
            .iter()
            .map(|fragment| Message::read(&builder.reduce(fragment.clone(), &mut scratch).write()).unwrap())
            .collect();
        let held = whole(&builder, &messages);
        let mut order: Vec<_> = told.into_iter().zip(&messages).collect();
        order.sort_by_key(|(fragment, message)| (!fragment.opens, fragment.said, *message.mark()));
        let mut order = order.into_iter().map(|(fragment, _)| fragment);
        let mut all = order.next().unwrap();
        order.for_each(|fragment| all.lay(fragment));
        let told = builder.draft(&all.event(), &Tenant::Local, &mut scratch);
        prop_assert_eq!(value(&line(&held)), value(&line(&told)));
    }

    /// What is kept is what would be kept of it again, and reads as it was written.
    #[test]
    fn what_is_kept_is_kept_as_it_is(fragment in fragments(), hash_only: bool) {
        let builder = Builder::new(hash_only);
        let mut scratch = Scratch::default();
        let once = builder.reduce(fragment, &mut scratch);
        let again = builder.reduce(once.fragment().clone(), &mut scratch);
        prop_assert_eq!(again.mark(), once.mark());
        prop_assert_eq!(&again, &once);
        prop_assert_eq!(Message::read(&once.write()), Some(once));
    }

    /// No message that a record was made of is new to it, whatever others it comes with.
    #[test]
    fn a_record_knows_its_messages(told in prop::collection::vec(fragments(), 1..5), some: [bool; 5]) {
        let builder = Builder::new(false);
        let mut scratch = Scratch::default();
        let messages: Vec<Message> =
            told.into_iter().map(|fragment| builder.reduce(fragment, &mut scratch)).collect();
        let sealed = line(&whole(&builder, &messages));
        let again: Vec<Message> =
            messages.iter().zip(some).filter(|(_, some)| *some).map(|(message, _)| message.clone()).collect();
        if !again.is_empty() {
            prop_assert!(matches!(whole(&builder, &again).compare_with(&sealed), Comparison::Same));
        }
    }
}

fn secret() -> Fragment<'static> {
    let secret = "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678";
    let mut fragment = Fragment::new("test", vec![secret.into()], SOURCE);
    fragment.name = Some(secret.into());
    fragment.session = Some(format!("of {secret}").into());
    fragment.input = Content::Value(Json::str("hunter2 sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678"));
    fragment.error = Content::Value(Json::str("it was sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678"));
    fragment.facts = vec![("text", Fact::Text(secret.into()))];
    fragment
}

#[test]
fn no_secret_is_kept_and_no_text_where_only_hashes_are() {
    let mut scratch = Scratch::default();
    let kept = |hash_only| {
        String::from_utf8(Builder::new(hash_only).reduce(secret(), &mut Scratch::default()).write()).unwrap()
    };
    assert!(!kept(false).contains("aaaabbbb") && kept(false).contains("hunter2"));
    assert!(!kept(true).contains("aaaabbbb") && !kept(true).contains("hunter2"));
    let message = Builder::new(false).reduce(secret(), &mut scratch);
    let draft = whole(&Builder::new(false), std::slice::from_ref(&message));
    let value: Value = serde_json::from_slice(&line(&draft)).unwrap();
    assert_eq!(value["severity"], "CRITICAL");
    assert_eq!(value["outcome"]["status"], "error");
}

#[test]
fn a_message_that_a_record_does_not_know_is_told_by_itself() {
    let builder = Builder::new(false);
    let mut scratch = Scratch::default();
    let mut part = |name: Option<&'static str>, result: Option<&'static str>| {
        let mut fragment = Fragment::new("test", vec!["a".into()], SOURCE);
        fragment.opens = name.is_some();
        fragment.closes = result.is_some();
        fragment.name = name.map(Cow::Borrowed);
        fragment.result = result.map_or(Content::Undisclosed, |text| Content::Value(Json::str(text)));
        builder.reduce(fragment, &mut scratch)
    };
    let (create, end, other) = (part(Some("x"), None), part(None, Some("r")), part(None, Some("s")));
    let sealed = line(&whole(&builder, std::slice::from_ref(&create)));
    let both = whole(&builder, &[create, end.clone()]);
    let Comparison::Apart(apart) = both.compare_with(&sealed) else { unreachable!("it says more") };
    let [update] = apart[..] else { unreachable!("only the end is new") };
    let update_line = line(update);
    let value: Value = serde_json::from_slice(&update_line).unwrap();
    let first: Value = serde_json::from_slice(&sealed).unwrap();
    assert_eq!(value["action"]["tool"], "agent.update");
    assert_eq!(value["parent_id"], first["record_id"]);
    assert_eq!(value["data"], json!({ "amends": first["record_id"], "closes": true }));
    // It is the same whenever it comes, and another message is another.
    let alone = whole(&builder, std::slice::from_ref(&end));
    let Comparison::Apart(again) = alone.compare_with(&sealed) else { unreachable!("it says more") };
    assert_eq!(line(again[0]), update_line);
    assert!(matches!(again[0].compare_with(&update_line), Comparison::Same));
    let other = whole(&builder, &[other]);
    let Comparison::Apart(others) = other.compare_with(&sealed) else { unreachable!("it says more") };
    assert_ne!(others[0].id(), again[0].id());
}

#[test]
fn another_form_of_the_same_telemetry_says_nothing_new() {
    let builder = Builder::new(false);
    let mut fragment = Fragment::new("test", vec!["a".into()], SOURCE);
    (fragment.opens, fragment.closes) = (true, true);
    (fragment.started, fragment.ended) = (Some(1_000_123_456_000), Some(2_000_654_321_000));
    fragment.name = Some("x".into());
    let message = builder.reduce(fragment.clone(), &mut Scratch::default());
    let live = whole(&builder, std::slice::from_ref(&message));
    // As a store exports it.
    fragment.source.dialect = "test.export";
    (fragment.started, fragment.ended) = (Some(1_000_123_000_000), Some(2_000_654_000_000));
    fragment.name = Some("other words".into());
    let mut exported = fragment.event();
    let draft = |event: &_| builder.draft(event, &Tenant::Local, &mut Scratch::default());
    assert!(matches!(draft(&exported).compare_with(&line(&live)), Comparison::Same));
    assert!(matches!(live.compare_with(&line(&draft(&exported))), Comparison::Same));
    exported.ended = Some(3_000_000_000_000);
    assert!(matches!(draft(&exported).compare_with(&line(&live)), Comparison::Conflict));
}

/// What halod says of a parent in `data` tells no message from another one: older versions did not say it.
#[test]
fn the_identity_of_the_first_message_is_that_of_the_record() {
    let builder = Builder::new(false);
    let message = |account: Option<&str>, said: u64, name: &'static str| {
        let mut fragment = Fragment::new("test", vec!["an id".into()], SOURCE);
        fragment.said = said;
        fragment.opens = said == 1;
        fragment.kind = Some(Kind::Tool);
        fragment.name = Some(name.into());
        let mut scratch = Scratch::default();
        if let Some(account) = account {
            scratch.come_by(account.into());
        }
        let message = builder.reduce(fragment, &mut scratch);
        let again = Message::read(&message.write()).unwrap();
        assert_eq!(again, message);
        again
    };
    let (first, second) = (message(Some("checkout"), 1, "a"), message(Some("other"), 2, "b"));
    assert_eq!(
        first.mark(),
        message(None, 1, "a").mark(),
        "the same message, whoever shows which credential"
    );
    let sealed = value(&line(&whole(&builder, &[second, first])));
    assert_eq!(sealed["principal"]["service_account"], "checkout");
    // Whoever completes the action is not who began it.
    let mut scratch = Scratch::default();
    scratch.come_by("third".into());
    let context = Context::default();
    let nobodys = message(None, 1, "a");
    let of = Whole { messages: std::slice::from_ref(&nobodys), context: &context, unfinished: false };
    let sealed = value(&line(&builder.whole(of, &Tenant::Local, &mut scratch).unwrap()));
    assert_eq!(sealed.get("principal"), None);
}

#[test]
fn a_message_is_known_whatever_is_said_of_its_parent() {
    let message = |parent: Option<&'static str>| {
        let mut fragment = Fragment::new("test", vec!["a".into()], SOURCE);
        fragment.facts = vec![("observation_id", Fact::Id("a".into()))];
        fragment.facts.extend(parent.map(|parent| ("parent_observation_id", Fact::Id(parent.into()))));
        fragment.parent = Some(vec!["p".into()]);
        Builder::new(false).reduce(fragment, &mut Scratch::default())
    };
    let (silent, told) = (message(None), message(Some("p")));
    assert_eq!(silent.mark(), told.mark());
    let sealed = line(&whole(&Builder::new(false), &[Message::read(&told.write()).unwrap()]));
    assert_eq!(value(&sealed)["data"]["parent_observation_id"], "p");
    assert!(matches!(whole(&Builder::new(false), &[silent]).compare_with(&sealed), Comparison::Same));
}

#[test]
fn lines_of_other_shapes_are_no_messages() {
    for line in ["", "{}", "[]", "null", r#"{"space":"x"}"#, "\u{0}"] {
        assert_eq!(Message::read(line.as_bytes()), None, "{line:?}");
    }
}
