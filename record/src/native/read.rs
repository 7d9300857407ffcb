//! From a JSON value to a [`Record`], or to everything that is wrong with it.

use super::super::build::Builder;
use super::super::ids::RecordId;
use super::super::own;
use super::super::redact::Redactor;
use super::super::sameness::ACCOUNT;
use super::super::schema::{OneOf, shape};
use super::super::tenant::MAX_ID_BYTES;
use super::super::time;
use super::data;
use super::strict::{Place, Wrong, object_of, shaped, text, word};
use super::{Action, Content, MAX_KEY, Outcome, Parent, Record, Subject};
use crate::event::Status;
use crate::json::{Json, Text};
use crate::unusable::Unusable;
use crate::verdict::is_failure;
use std::borrow::Cow;

const FIELDS: [&str; 15] = [
    "key",
    "parent",
    "parent_id",
    "session_id",
    "agent",
    "subject",
    "principal",
    "action",
    "outcome",
    "authority",
    "verification",
    "threats",
    "data",
    "started_at",
    "ended_at",
];

/// Where the arguments of the reference's `build()` have their place.
const ELSEWHERE: [(&str, &str); 13] = [
    ("action_type", "action.type"),
    ("category", "action.category"),
    ("tool", "action.tool"),
    ("tool_input", "action.input"),
    ("input", "action.input"),
    ("scope", "action.authorization.scope"),
    ("decision", "action.authorization.decision"),
    ("approver", "action.authorization.approver"),
    ("ts", "started_at"),
    ("session", "session_id"),
    ("id", "key"),
    ("record_id", "key"),
    ("idempotency_key", "key"),
];

/// Reads one record, for `builder` to make a draft of.
///
/// # Errors
/// Everything that is wrong with it, each with its place. Values are not repeated.
pub fn read<'a>(value: Json<'a>, builder: &Builder) -> Result<Record<'a>, Vec<Unusable>> {
    let mut wrong = Wrong::default();
    let record = record(value, &builder.redactor, &mut wrong);
    match record {
        Some(record) if wrong.count() == 0 => Ok(record),
        _ => Err(wrong.into_list()),
    }
}

fn record<'a>(value: Json<'a>, redactor: &Redactor, wrong: &mut Wrong) -> Option<Record<'a>> {
    const TOP: Place<'static> = Place::Record;
    let entries = object_of(value, &TOP, wrong)?;
    let mut slots: [Option<Json<'a>>; FIELDS.len()] = [const { None }; FIELDS.len()];
    for (key, value) in entries {
        match FIELDS.iter().position(|field| field.as_bytes() == key.as_bytes()) {
            Some(at) => {
                if let Some(slot) = slots.get_mut(at) {
                    *slot = Some(value);
                }
            }
            None => {
                let name = key.to_lossy();
                let hint = ELSEWHERE.iter().find(|(there, _)| *there == name).map(|(_, here)| *here);
                wrong.unknown(&TOP, &name, &FIELDS, hint);
            }
        }
    }
    let [
        key,
        parent,
        parent_id,
        session,
        agent,
        subject,
        principal,
        action_of,
        outcome_of,
        authority,
        verification,
        threats,
        data_of,
        started,
        ended,
    ] = slots.map(|slot| slot.unwrap_or(Json::Null));
    let key = key_of(key, wrong);
    let parent = parent_of(parent, parent_id, wrong);
    let session = text(session, &Place::Field(&TOP, "session_id"), wrong);
    let mut section =
        |value, name: &'static str| shaped(value, shape(&[name]), &Place::Field(&TOP, name), wrong);
    let agent = section(named(agent), "agent");
    let subject = section(identified(subject), "subject");
    let mut principal = section(principal, "principal");
    let claimed_account = take_account(&mut principal);
    let authority = section(authority, "authority");
    let verification = section(verification, "verification");
    let threats = section(flagged(threats), "threats");
    not_halod(agent.as_ref(), wrong);
    checked_times(authority.as_ref(), verification.as_ref(), wrong);
    let action = action(action_of, wrong);
    let outcome = outcome(outcome_of, wrong);
    let (data, cross_region) = data::read(data_of, &Place::Field(&TOP, "data"), redactor, wrong);
    let started = moment(started, &Place::Field(&TOP, "started_at"), wrong);
    let ended = moment(ended, &Place::Field(&TOP, "ended_at"), wrong);
    Some(Record {
        key: key?,
        parent,
        session,
        action: action?,
        outcome,
        subject: subject_of(subject, wrong),
        agent,
        principal,
        claimed_account,
        authority,
        verification,
        threats,
        data,
        cross_region,
        started,
        ended,
    })
}

fn key_of<'a>(value: Json<'a>, wrong: &mut Wrong) -> Option<Cow<'a, str>> {
    let place = Place::Field(&Place::Record, "key");
    let before = wrong.count();
    let key = text(value, &place, wrong);
    match &key {
        None if wrong.count() == before => wrong.add(
            &place,
            "is required: a text that tells this action from every other one, and stays the same when it is \
             sent again; a UUID made before the first try will do",
        ),
        Some(key) if key.len() > MAX_KEY => wrong.add(&place, "at most 512 bytes"),
        _ => return key,
    }
    None
}

fn parent_of<'a>(key: Json<'a>, id: Json<'a>, wrong: &mut Wrong) -> Option<Parent<'a>> {
    let (by_key, by_id) = (Place::Field(&Place::Record, "parent"), Place::Field(&Place::Record, "parent_id"));
    let (key, id) = (text(key, &by_key, wrong), text(id, &by_id, wrong));
    match (key, id) {
        (None, None) => None,
        (Some(key), None) if key.len() <= MAX_KEY => Some(Parent::Key(key)),
        (Some(_), None) => {
            wrong.add(&by_key, "at most 512 bytes");
            None
        }
        (None, Some(id)) => {
            let id = RecordId::parse(&id.to_ascii_lowercase());
            if id.is_none() {
                wrong.add(&by_id, "must be a record's id, a UUID; the key of an action goes into `parent`");
            }
            id.map(Parent::Id)
        }
        (Some(_), Some(_)) => {
            wrong.add(&by_id, "there is a `parent` as well; send one of them");
            None
        }
    }
}

/// A text is both the agent's id and its name.
fn named(agent: Json<'_>) -> Json<'_> {
    match agent {
        Json::Str(text) => {
            Json::Object(vec![("id".into(), Json::Str(text.clone())), ("name".into(), Json::Str(text))])
        }
        other => other,
    }
}

/// Readers would take a record whose agent has halod's name for a notice of halod's own.
fn not_halod(agent: Option<&Json<'_>>, wrong: &mut Wrong) {
    let place = Place::Field(&Place::Record, "agent");
    for field in ["id", "name"] {
        if member(agent, field).is_some_and(|name| own::is_agent(&name)) {
            wrong.add(&Place::Field(&place, field), "is halod's own name; send the name of your agent");
        }
    }
}

/// Takes out of the section what the sender says of its own identity.
fn take_account<'a>(principal: &mut Option<Json<'a>>) -> Option<Cow<'a, str>> {
    let Some(Json::Object(members)) = principal else { return None };
    let at = members.iter().position(|(key, _)| key.as_str() == Some(ACCOUNT))?;
    let (_, account) = members.remove(at);
    if members.is_empty() {
        *principal = None;
    }
    match account {
        Json::Str(account) => Some(Cow::Owned(account.to_lossy().into_owned())),
        _ => None,
    }
}

/// A text is the subject's id.
fn identified(subject: Json<'_>) -> Json<'_> {
    match subject {
        Json::Str(text) => Json::Object(vec![("id".into(), Json::Str(text))]),
        other => other,
    }
}

/// One threat is a list of one, and a text is a threat's type.
fn flagged(threats: Json<'_>) -> Json<'_> {
    fn one(threat: Json<'_>) -> Json<'_> {
        match threat {
            Json::Str(text) => Json::Object(vec![("type".into(), Json::Str(text))]),
            other => other,
        }
    }
    match threats {
        Json::Array(items) => Json::Array(items.into_iter().map(one).collect()),
        single @ (Json::Str(_) | Json::Object(_)) => Json::Array(vec![one(single)]),
        other => other,
    }
}

fn subject_of<'a>(subject: Option<Json<'a>>, wrong: &mut Wrong) -> Subject<'a> {
    let Some(Json::Object(entries)) = subject else { return Subject::default() };
    let mut subject = Subject::default();
    for (key, value) in entries {
        let Json::Str(text) = value else { continue };
        let text = super::strict::owned(text);
        match key.as_str() {
            Some("id") => subject.id = Some(text),
            _ => subject.name = Some(text),
        }
    }
    let place = Place::Field(&Place::Record, "subject");
    if subject.id.as_ref().is_some_and(|id| id.len() > MAX_ID_BYTES) {
        wrong.add(&Place::Field(&place, "id"), "at most 512 bytes");
    }
    subject
}

fn checked_times(authority: Option<&Json<'_>>, verification: Option<&Json<'_>>, wrong: &mut Wrong) {
    for (name, section, field) in
        [("authority", authority, "captured_at"), ("verification", verification, "checked_at")]
    {
        let place = Place::Field(&Place::Record, name);
        if let Some(text) = section.and_then(|section| section.get(field)?.as_str())
            && (time::instant(text).is_none() || text.ends_with('\n'))
        {
            wrong.add(&Place::Field(&place, field), NO_TIME);
        }
        let repeats = section.and_then(|section| section.get("same_as_previous")) == Some(&Json::Bool(true));
        if repeats && section.is_some_and(|section| section.get("snapshot_id").is_none()) {
            wrong.add(&Place::Field(&place, "snapshot_id"), "is required with same_as_previous");
        }
    }
}

const NO_TIME: &str = "must be a time like 2026-11-25T08:30:00.25Z (RFC 3339)";

/// Unix nanoseconds.
fn moment(value: Json<'_>, place: &Place<'_>, wrong: &mut Wrong) -> Option<u64> {
    let text = text(value, place, wrong)?;
    let Some(nanos) = time::instant(&text).map(time::Instant::unix_nanos) else {
        wrong.add(place, NO_TIME);
        return None;
    };
    if nanos == 0 || nanos == u64::MAX {
        wrong.add(place, "must be a time from 1970 to 2554");
    }
    Some(nanos)
}

fn action<'a>(value: Json<'a>, wrong: &mut Wrong) -> Option<Action<'a>> {
    const KNOWN: [&str; 5] = ["type", "category", "tool", "authorization", "input"];
    let place = Place::Field(&Place::Record, "action");
    if value == Json::Null {
        wrong.add(&place, "is required");
        return None;
    }
    let entries = object_of(value, &place, wrong)?;
    let (mut kind, mut category, mut tool, mut input) = (None, None, None, None);
    let [mut decision, mut scope, mut approver] = [None, None, None];
    let mut given = [false; 2];
    for (key, value) in entries {
        let name = key.to_lossy();
        let at = Place::Field(&place, &name);
        match &*name {
            "type" => {
                given[0] = value != Json::Null;
                kind = words(value, &["action", "type"], &at, wrong);
            }
            "category" => {
                given[1] = value != Json::Null;
                category = words(value, &["action", "category"], &at, wrong);
            }
            "tool" => tool = tool_of(value, &at, wrong),
            "input" => input = Some(value).filter(|value| *value != Json::Null),
            "authorization" => {
                let section = shaped(value, shape(&["action", "authorization"]), &at, wrong);
                [decision, scope, approver] =
                    ["decision", "scope", "approver"].map(|field| member(section.as_ref(), field));
            }
            name => {
                let hint =
                    ELSEWHERE.iter().find(|(there, here)| *there == name && here.starts_with("action."));
                wrong.unknown(&place, name, &KNOWN, hint.map(|(_, here)| *here));
            }
        }
    }
    for (name, given) in ["type", "category"].into_iter().zip(given) {
        if !given {
            wrong.add(&Place::Field(&place, name), "is required");
        }
    }
    Some(Action { kind: kind?, category: category?, tool, decision, scope, approver, input })
}

fn tool_of<'a>(value: Json<'a>, place: &Place<'_>, wrong: &mut Wrong) -> Option<Cow<'a, str>> {
    let tool = text(value, place, wrong)?;
    if own::is_tool(&tool) {
        wrong.add(
            place,
            "names of tools that begin with `halod.` or `corroborates:` are halod's own; send another name",
        );
    }
    Some(tool)
}

fn words(value: Json<'_>, field: &[&str], place: &Place<'_>, wrong: &mut Wrong) -> Option<&'static str> {
    let OneOf(words) = shape(field) else { return None };
    word(&value, words, place, wrong)
}

fn member<'a>(section: Option<&Json<'a>>, name: &str) -> Option<Cow<'a, str>> {
    match section?.get(name)? {
        Json::Str(Text::Utf8(text)) => Some(text.clone()),
        _ => None,
    }
}

fn outcome<'a>(value: Json<'a>, wrong: &mut Wrong) -> Option<Outcome<'a>> {
    const KNOWN: [&str; 3] = ["status", "value", "error"];
    let place = Place::Field(&Place::Record, "outcome");
    if value == Json::Null {
        return None;
    }
    let entries = object_of(value, &place, wrong)?;
    let (mut status, mut value_of, mut error) = (None, None, None);
    for (key, value) in entries {
        let name = key.to_lossy();
        let at = Place::Field(&place, &name);
        match &*name {
            "status" => status = words(value, &["outcome", "status"], &at, wrong),
            "value" => value_of = Some(value),
            "error" => error = text(value, &at, wrong),
            "summary" | "hash" => wrong.add(&at, "is made by halod; send the whole value as `value`"),
            "result" => wrong.unknown(&place, &name, &KNOWN, Some("value")),
            name => wrong.unknown(&place, name, &KNOWN, None),
        }
    }
    let status = status.map(|word| match word {
        "ok" => Status::Ok,
        "denied" => Status::Denied,
        _ => Status::Error,
    });
    let failed = |value: &Json<'_>| if is_failure(value) { Status::Error } else { Status::Ok };
    match (value_of, error) {
        (Some(_), Some(_)) => wrong.add(&place, "has both a value and an error; send one of them"),
        (None, Some(_)) if status == Some(Status::Ok) => {
            wrong.add(&Place::Field(&place, "status"), "is ok, though there is an error");
        }
        (None, Some(error)) => {
            let status = status.unwrap_or(Status::Error);
            return Some(Outcome { status, content: Content::Error(error) });
        }
        (Some(value), None) => {
            let status = status.unwrap_or_else(|| failed(&value));
            return Some(Outcome { status, content: Content::Value(value) });
        }
        (None, None) => match status {
            Some(status) => return Some(Outcome { status, content: Content::None }),
            None => wrong.add(&place, "says nothing; send a status, a value or an error"),
        },
    }
    None
}
