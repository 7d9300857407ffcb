//! Looking things up in a run.

use halod_record::json::Json;
use std::borrow::Cow;

/// What lies at `path`: names of members, places in lists.
pub(super) fn at<'j, 'a>(value: &'j Json<'a>, path: &[&str]) -> Option<&'j Json<'a>> {
    path.iter().try_fold(value, |value, step| match value {
        Json::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => value.get(step),
    })
}

/// A text that says something, or a whole number in digits: ids are sent as either.
pub(super) fn word<'a>(value: &'a Json<'a>) -> Option<Cow<'a, str>> {
    match value {
        Json::Str(text) => Some(text.to_lossy()).filter(|text| !text.is_empty()),
        Json::Int(int) => Some(Cow::Owned(int.to_string())),
        Json::BigInt(digits) => Some(Cow::Borrowed(digits)),
        _ => None,
    }
}

/// The first of `paths` at which there is a word.
pub(super) fn first<'a>(value: &'a Json<'a>, paths: &[&[&str]]) -> Option<Cow<'a, str>> {
    paths.iter().find_map(|path| at(value, path).and_then(word))
}

/// A list of words.
pub(super) fn words<'a>(value: &'a Json<'a>) -> Vec<Cow<'a, str>> {
    match value {
        Json::Array(items) => items.iter().filter_map(word).collect(),
        _ => Vec::new(),
    }
}

/// What is disclosed: the SDKs send an empty object both where there is nothing yet and where they are
/// told to hide it (`LANGSMITH_HIDE_INPUTS`).
pub(super) fn disclosed<'j, 'a>(value: Option<&'j Json<'a>>) -> Option<&'j Json<'a>> {
    value.filter(|value| match value {
        Json::Null => false,
        Json::Object(members) => !members.is_empty(),
        _ => true,
    })
}
