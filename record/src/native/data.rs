//! `data` of a sender's own record: what the schema names of a request's context, and names of the
//! sender's.

use super::super::canon::MAX_SAFE_INTEGER;
use super::super::hash::dumps_float;
use super::super::keyed::HASH_KEY;
use super::super::names::bounded;
use super::super::redact::{Findings, Redactor};
use super::super::sameness::{CLAIMED_ACCOUNT, PARENT_KEY, PARENT_RECORD};
use super::super::time;
use super::strict::{MAX_ITEMS, Place, Wrong, owned, text};
use super::{Parent, Record};
use crate::json::{Json, Text};

/// Members of one `data`, and bytes of one of its names.
const MAX_MEMBERS: usize = 64;
const MAX_NAME: usize = 64;

/// Characters of the masked `purpose` that are kept; the reference keeps as many.
const PURPOSE: usize = 500;

/// What is not the sender's to put there.
const RESERVED: [(&str, &str); 11] = [
    (CLAIMED_ACCOUNT, "is written by halod; the account stands in principal.service_account"),
    ("clock", "is written by halod when its clock is behind the chain"),
    ("key", "is written by halod; the record's own `key` stands beside `data`"),
    ("parent_key", "is written by halod; the record's own `parent` stands beside `data`"),
    ("parent_record_id", "is written by halod; the record's own `parent_id` stands beside `data`"),
    ("started_at", "is a field of the record, beside `data`"),
    ("ended_at", "is a field of the record, beside `data`"),
    ("duration_ms", "is what lies between started_at and ended_at"),
    ("ends_before_start", "is found by halod"),
    ("pii_types", "is found by halod"),
    (HASH_KEY, "is written by halod, where its hashes are keyed"),
];

/// The members of `data`, and `cross_region` apart from them.
pub(super) fn read<'a>(
    value: Json<'a>,
    place: &Place<'_>,
    redactor: &Redactor,
    wrong: &mut Wrong,
) -> (Option<Json<'a>>, Option<bool>) {
    let entries = match value {
        Json::Null => return (None, None),
        Json::Object(entries) => entries,
        _ => {
            wrong.add(place, "must be an object");
            return (None, None);
        }
    };
    if entries.len() > MAX_MEMBERS {
        wrong.add(place, "at most 64 members; content belongs into action.input and outcome.value");
        return (None, None);
    }
    let mut cross_region = None;
    let mut kept = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let name = owned(key);
        let at = Place::Field(place, &name);
        if let Some((_, why)) = RESERVED.iter().find(|(reserved, _)| *reserved == name) {
            wrong.add(&at, *why);
        } else if !is_name(&name) || redactor.named(&name) != name {
            wrong.add(&at, "must have a name of at most 64 letters, digits, `_`, `-` and `.`, and no secret");
        } else if let Some(value) = member(&name, value, &at, wrong) {
            if name == "cross_region" {
                cross_region = Some(value == Json::Bool(true));
            } else {
                kept.push((Text::from(name), value));
            }
        }
    }
    (Some(Json::object(kept)).filter(|data| *data != Json::Object(Vec::new())), cross_region)
}

fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(letter)
}

fn member<'a>(name: &str, value: Json<'a>, at: &Place<'_>, wrong: &mut Wrong) -> Option<Json<'a>> {
    match (name, value) {
        (_, Json::Null) => None,
        ("region" | "purpose", value) => text(value, at, wrong).map(|text| Json::Str(text.into())),
        ("cross_region", Json::Int(flag @ (0 | 1))) => Some(Json::Bool(flag == 1)),
        ("cross_region" | "zdr", Json::Bool(flag)) => Some(Json::Bool(flag)),
        ("cross_region" | "zdr", _) => {
            wrong.add(at, "must be true or false");
            None
        }
        (_, Json::Array(items)) if items.len() > MAX_ITEMS => {
            wrong.add(at, "at most 256 items");
            None
        }
        (_, Json::Array(items)) => {
            let read = |(nth, item)| scalar(item, &Place::Item(at, nth), wrong);
            Some(Json::Array(items.into_iter().enumerate().filter_map(read).collect()))
        }
        (_, value) => scalar(value, at, wrong),
    }
}

/// A number that not every reader would hash alike becomes its text, as in the reference.
fn scalar<'a>(value: Json<'a>, at: &Place<'_>, wrong: &mut Wrong) -> Option<Json<'a>> {
    const SAFE: f64 = MAX_SAFE_INTEGER as f64;
    match value {
        Json::Null => None,
        Json::Bool(_) => Some(value),
        Json::Str(text) => Some(Json::Str(owned(text).into())),
        Json::Int(number) if number.unsigned_abs() <= MAX_SAFE_INTEGER.unsigned_abs() => Some(value),
        Json::Int(number) => Some(Json::Str(number.to_string().into())),
        Json::BigInt(digits) => Some(Json::Str(digits.into())),
        Json::Float(number) if number.fract() == 0.0 && number.abs() <= SAFE => {
            Some(Json::Int(number as i64))
        }
        Json::Float(number) if number.fract() == 0.0 => Some(Json::Str(format!("{number:.0}").into())),
        Json::Float(number) if number.is_finite() => {
            let mut digits = Vec::new();
            dumps_float(number, &mut digits);
            Some(Json::Str(String::from_utf8(digits).unwrap_or_default().into()))
        }
        Json::Float(_) | Json::Array(_) | Json::Object(_) => {
            wrong.add(
                at,
                "must be text, a number, true or false, or a list of these; content belongs into action.input \
                 and outcome.value",
            );
            None
        }
    }
}

/// Everything that stands in the record's `data` but `pii_types`, masked. What is found in it is added
/// to `findings`.
pub(super) fn members<'r>(
    record: &'r Record<'_>,
    redactor: &Redactor,
    findings: &mut Findings,
) -> Vec<(&'r str, Json<'r>)> {
    if let Some(data) = &record.data {
        redactor.scan(data, findings);
    }
    let key = redactor.id(&record.key);
    if key != record.key {
        redactor.scan_name(&record.key, findings);
    }
    let mut members = vec![("key", Json::Str(bounded(key).into()))];
    // What is found in a parent's key is a finding of the parent's.
    members.extend(record.parent.as_ref().map(|parent| match parent {
        Parent::Key(key) => (PARENT_KEY, Json::Str(bounded(redactor.id(key)).into())),
        Parent::Id(id) => (PARENT_RECORD, Json::Str(id.to_string().into())),
    }));
    if let Some(Json::Object(entries)) = &record.data {
        members.extend(entries.iter().filter_map(|(key, value)| {
            let name = key.as_str()?;
            Some((name, shortened(name, redactor.member(name, value))))
        }));
    }
    members.extend(record.claimed_account.as_deref().map(|account| {
        let account = bounded(redactor.person(account)).into_owned();
        (CLAIMED_ACCOUNT, Json::Str(account.into()))
    }));
    if let Some(flag) = record.cross_region {
        members.push(("cross_region", Json::Int(flag.into())));
    }
    let instant = |nanos: u64| {
        let text = time::rfc3339(nanos).iter().map(|byte| char::from(*byte)).collect::<String>();
        Json::Str(text.into())
    };
    members.extend(record.started.map(|nanos| ("started_at", instant(nanos))));
    members.extend(record.ended.map(|nanos| ("ended_at", instant(nanos))));
    if let Some((from, to)) = record.started.zip(record.ended) {
        members.push(match to.checked_sub(from) {
            Some(lasted) => ("duration_ms", Json::Int((lasted / 1_000_000) as i64)),
            None => ("ends_before_start", Json::Bool(true)),
        });
    }
    members
}

fn shortened<'t>(name: &str, value: Json<'t>) -> Json<'t> {
    match value {
        Json::Str(text) if name == "purpose" => {
            let text: String = owned(text).chars().take(PURPOSE).collect();
            Json::Str(text.into())
        }
        Json::Str(text) => Json::Str(bounded(owned(text)).into()),
        Json::Array(items) => Json::Array(items.into_iter().map(|item| shortened(name, item)).collect()),
        other => other,
    }
}
