#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::event::Content;
use crate::json::Json;
use crate::otlp::model::AnyValue;

fn pair(key: String, value: &str) -> KeyValue<'static> {
    KeyValue { key: key.into(), value: AnyValue::Str(value.to_owned().into()) }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_tenant_is_claimed_by_the_first_name_that_says_something() {
    let mut attributes = vec![
        pair("halo.subject.id".to_owned(), "second"),
        pair("tenant.id".to_owned(), "overridden"),
        pair("tenant.id".to_owned(), "first"),
        pair("tenant.id".to_owned(), ""),
    ];
    let claim = |wanted: &[&str], attributes: &[KeyValue<'_>]| {
        tenant_claim(&names(wanted), attributes).map(Cow::into_owned)
    };
    assert_eq!(claim(&["tenant.id", "halo.subject.id"], &attributes).as_deref(), Some("first"));
    assert_eq!(claim(&["halo.subject.id", "tenant.id"], &attributes).as_deref(), Some("second"));
    assert_eq!(claim(&["other"], &attributes), None);
    assert_eq!(claim(&[], &attributes), None);
    attributes.push(KeyValue { key: "number".into(), value: AnyValue::Int(42) });
    attributes.push(KeyValue { key: "flag".into(), value: AnyValue::Bool(true) });
    assert_eq!(claim(&["flag", "number"], &attributes).as_deref(), Some("42"));
}

#[test]
fn many_attributes_take_time_in_proportion() {
    let indexed = |at: u32| {
        [
            pair(format!("gen_ai.prompt.{}.content", at % 50_000), "x"),
            pair("gen_ai.request.model".to_owned(), "m"),
        ]
    };
    let mut attributes = vec![pair("gen_ai.operation.name".to_owned(), "chat")];
    attributes.extend((0..100_000).rev().flat_map(indexed));
    let span = Span { attributes, ..Span::default() };
    let event = event(&Resource::default(), &span).unwrap();
    let Content::Value(Json::Array(messages)) = event.input else { panic!("{:?}", event.input) };
    assert_eq!(messages.len(), 50_000);
}

#[test]
fn one_message_with_many_names_keeps_the_last_of_each() {
    let mut attributes = vec![pair("gen_ai.operation.name".to_owned(), "chat")];
    for round in ["first", "last"] {
        attributes.extend((0..50_000).map(|at| pair(format!("gen_ai.prompt.0.part{at}"), round)));
    }
    let span = Span { attributes, ..Span::default() };
    let event = event(&Resource::default(), &span).unwrap();
    let Content::Value(Json::Array(messages)) = event.input else { panic!("{:?}", event.input) };
    let Json::Object(parts) = &messages[0] else { panic!("{:?}", messages[0]) };
    assert_eq!(parts.len(), 50_000);
    assert!(parts.iter().all(|(_, value)| value.as_str() == Some("last")));
}
