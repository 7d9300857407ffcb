//! Which model was asked, and who provides it.

use super::read::{Found, text};
use super::table::Field;
use super::usage;
use crate::otlp::model::{AnyValue, KeyValue, Span};
use crate::provider::normalised;
use std::borrow::Cow;

pub(super) fn model<'a>(found: &Found<'a>, span: &'a Span<'a>) -> Option<Cow<'a, str>> {
    let asked = || found.member(Field::Parameters, &["model", "model_name"]);
    let model = || found.text(Field::Model).or_else(|| found.text(Field::LooseModel));
    prefixed(found)
        .map(|(_, model)| model)
        .or_else(model)
        .or_else(asked)
        .or_else(|| Some(qualified(found)?.1))
        .or_else(|| raw(found, span, "model").and_then(text))
        .or_else(|| usage::answered_by(found))
}

/// The providers that LangWatch's SDKs put before the name of a model. Other models have a slash in their own.
const PREFIXES: [&str; 12] = [
    "anthropic",
    "azure",
    "bedrock",
    "cohere",
    "deepseek",
    "gemini",
    "google",
    "groq",
    "mistral",
    "openai",
    "vertex_ai",
    "xai",
];

/// The provider and the model where LangWatch told both as the model.
fn prefixed<'a>(found: &Found<'a>) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    if found.has(Field::Provider) {
        return None;
    }
    let both = split(found.text(Field::Model)?)?;
    (PREFIXES.contains(&both.0.as_ref()) && found.is_told_in("langwatch")).then_some(both)
}

/// The provider and the model where one attribute is of both.
fn qualified<'a>(found: &Found<'a>) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    split(found.text(Field::QualifiedModel)?)
}

/// The provider and the model of `openai/gpt-4o`.
fn split(both: Cow<'_, str>) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    match both {
        Cow::Borrowed(text) => {
            text.split_once('/').map(|(provider, model)| (Cow::Borrowed(provider), Cow::Borrowed(model)))
        }
        Cow::Owned(text) => text
            .split_once('/')
            .map(|(provider, model)| (Cow::Owned(provider.to_owned()), Cow::Owned(model.to_owned()))),
    }
}

/// Who provides the model; a framework's name only where there is no better one.
pub(super) fn provider<'a>(found: &Found<'a>, span: &'a Span<'a>) -> Option<Cow<'a, str>> {
    let named = found.text(Field::Provider).and_then(normalised);
    named
        .or_else(|| normalised(qualified(found).or_else(|| prefixed(found))?.0))
        .or_else(|| of_class(&found.text(Field::ModelClass)?).map(Cow::Borrowed))
        .or_else(|| normalised(raw_provider(found, span)?))
        .or_else(|| found.text(Field::Framework))
}

/// The provider by the name of LlamaIndex' class for it: `openai_llm`, `OpenAIEmbedding`.
fn of_class(class: &str) -> Option<&'static str> {
    #[rustfmt::skip]
    const CLASSES: [(&str, &str); 12] = [
        ("openai", "openai"),
        ("openai_responses", "openai"),
        ("azure_openai", "azure.ai.openai"),
        ("azureopenai", "azure.ai.openai"),
        ("anthropic", "anthropic"),
        ("gemini", "gcp.gemini"),
        ("googlegenai", "gcp.gemini"),
        ("mistralai", "mistral_ai"),
        ("cohere", "cohere"),
        ("bedrock", "aws.bedrock"),
        ("bedrock_converse", "aws.bedrock"),
        ("groq", "groq"),
    ];
    let class = class.to_ascii_lowercase();
    let name = ["_llm", "embedding"].iter().find_map(|end| class.strip_suffix(end)).unwrap_or(&class);
    CLASSES.iter().find(|(known, _)| *known == name).map(|(_, provider)| *provider)
}

/// A value of LiteLLM's account of what it sent to a provider: `llm.<provider>.<key>`.
pub(super) fn raw<'a>(found: &Found<'a>, span: &'a Span<'a>, key: &str) -> Option<&'a AnyValue<'a>> {
    if !found.is_raw {
        return None;
    }
    let named = |pair: &&'a KeyValue<'a>| raw_key(&pair.key).is_some_and(|(_, name)| name == key);
    span.attributes.iter().find(named).map(|pair| &pair.value)
}

/// The provider and the rest of such a key.
pub(super) fn raw_key(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix("llm.")?.split_once('.')
}

fn raw_provider<'a>(found: &Found<'a>, span: &'a Span<'a>) -> Option<Cow<'a, str>> {
    if !found.is_raw {
        return None;
    }
    let provider = span.attributes.iter().find_map(|pair| Some(raw_key(&pair.key)?.0))?;
    (provider != "None").then_some(Cow::Borrowed(provider))
}
