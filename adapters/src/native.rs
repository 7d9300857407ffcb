//! The native door's protobuf (`proto/halo/ingest/v1`), as the JSON that the same door takes: what a
//! record may hold is then checked in one place.
//!
//! The messages are tables. An unset field and an empty text are the same, as in proto3.

use crate::otlp::wire::{LEN, Reader, VARINT, key, tags};
use crate::otlp::{DecodeError, MAX_MESSAGES};
use halod_record::charge::{self, Exhausted};
use halod_record::json::{Json, Text, parse, values_in};
use halod_record::unusable::Unusable;
use std::cell::Cell;

/// A message: what its fields are called in JSON, and how they are read.
struct Table {
    /// As errors name it.
    name: &'static str,
    fields: &'static [(u32, &'static str, Kind)],
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// `repeated string`
    Texts,
    Flag,
    /// A JSON value in a string; the field's own name ends in `_json`.
    Value,
    /// The members of a JSON object in a string, beside the message's own.
    Members,
    Message(&'static Table),
    /// `repeated`
    Messages(&'static Table),
}

use Kind::{Flag, Members, Message, Messages, Text as Str, Texts, Value};

static RECORD: Table = Table {
    name: "a Record",
    fields: &[
        (1, "key", Str),
        (2, "parent", Str),
        (3, "parent_id", Str),
        (4, "session_id", Str),
        (5, "agent", Message(&AGENT)),
        (6, "subject", Message(&SUBJECT)),
        (7, "principal", Message(&PRINCIPAL)),
        (8, "action", Message(&ACTION)),
        (9, "outcome", Message(&OUTCOME)),
        (10, "authority", Message(&AUTHORITY)),
        (11, "verification", Message(&VERIFICATION)),
        (12, "threats", Messages(&THREAT)),
        (13, "data", Message(&DATA)),
        (14, "started_at", Str),
        (15, "ended_at", Str),
    ],
};

static AGENT: Table = Table {
    name: "an Agent",
    fields: &[
        (1, "id", Str),
        (2, "name", Str),
        (3, "version", Str),
        (4, "model", Str),
        (5, "model_version", Str),
    ],
};

static SUBJECT: Table = Table { name: "a Subject", fields: &[(1, "id", Str), (2, "name", Str)] };

static PRINCIPAL: Table = Table {
    name: "a Principal",
    fields: &[
        (1, "human_id", Str),
        (2, "creator_id", Str),
        (3, "service_account", Str),
        (4, "role_scope", Str),
    ],
};

static ACTION: Table = Table {
    name: "an Action",
    fields: &[
        (1, "type", Str),
        (2, "category", Str),
        (3, "tool", Str),
        (4, "authorization", Message(&AUTHORIZATION)),
        (5, "input", Value),
    ],
};

static AUTHORIZATION: Table = Table {
    name: "an Authorization",
    fields: &[(1, "decision", Str), (2, "scope", Str), (3, "approver", Str)],
};

static OUTCOME: Table =
    Table { name: "an Outcome", fields: &[(1, "status", Str), (2, "value", Value), (3, "error", Str)] };

static AUTHORITY: Table = Table {
    name: "an Authority",
    fields: &[
        (1, "snapshot_id", Str),
        (2, "same_as_previous", Flag),
        (3, "captured_at", Str),
        (4, "scope", Str),
        (5, "workspace", Message(&WORKSPACE)),
        (6, "refs", Messages(&REF)),
        (7, "omissions", Messages(&OMISSION)),
        (8, "capture_limits", Texts),
        (9, "stale_if", Texts),
    ],
};

static WORKSPACE: Table = Table {
    name: "a Workspace",
    fields: &[
        (1, "path_hash", Str),
        (2, "git_remote_hash", Str),
        (3, "git_commit", Str),
        (4, "worktree_hash", Str),
    ],
};

static REF: Table = Table {
    name: "a Ref",
    fields: &[
        (1, "kind", Str),
        (2, "id", Str),
        (3, "uri", Str),
        (4, "hash", Str),
        (5, "version", Str),
        (6, "loaded", Flag),
        (7, "truncated", Flag),
        (8, "shadowed_by", Str),
    ],
};

static OMISSION: Table =
    Table { name: "an Omission", fields: &[(1, "kind", Str), (2, "reason", Str), (3, "hash", Str)] };

static VERIFICATION: Table = Table {
    name: "a Verification",
    fields: &[(1, "status", Str), (2, "verifier", Str), (3, "policy_ref", Str), (4, "checked_at", Str)],
};

static THREAT: Table = Table { name: "a Threat", fields: &[(1, "type", Str), (2, "ref", Str)] };

static DATA: Table = Table {
    name: "a Data",
    fields: &[
        (1, "region", Str),
        (2, "cross_region", Flag),
        (3, "purpose", Str),
        (4, "zdr", Flag),
        (5, "more", Members),
    ],
};

/// Calls `take` with each record of a `WriteRequest`, one after the other: what is unusable about one is
/// about it alone.
///
/// # Errors
/// The request is no such message, or has more than [`MAX_MESSAGES`] elements; and what `take` says.
pub fn records<'a, E: From<DecodeError>>(
    request: &'a [u8],
    mut take: impl FnMut(Result<Json<'a>, Unusable>) -> Result<(), E>,
) -> Result<(), E> {
    const RECORDS: u32 = key(1, LEN);
    let left = Cell::new(MAX_MESSAGES);
    let mut reader = Reader::new(request, &left);
    while let Some(key) = reader.key()? {
        if key != RECORDS {
            reader.unknown(key, tags(&[1]), "a WriteRequest")?;
            continue;
        }
        let mut wrong = None;
        let entries = message(reader.message()?, &RECORD, &mut wrong, &left)?;
        take(match wrong {
            Some(wrong) => Err(wrong),
            None => Ok(Json::object(entries)),
        })?;
    }
    Ok(())
}

type Entries<'a> = Vec<(Text<'a>, Json<'a>)>;

fn message<'a>(
    mut reader: Reader<'a, '_>,
    table: &'static Table,
    wrong: &mut Option<Unusable>,
    left: &Cell<u32>,
) -> Result<Entries<'a>, DecodeError> {
    let mut entries = Entries::new();
    let mut parts = Parts::new();
    while let Some(found) = reader.key()? {
        let Some((tag, name, kind)) = table.fields.iter().find(|(tag, ..)| *tag == found >> 3) else {
            reader.unknown(found, 0, table.name)?;
            continue;
        };
        let wire = if matches!(kind, Flag) { VARINT } else { LEN };
        if found != key(*tag, wire) {
            return Err(DecodeError::WireType { offset: reader.offset(), tag: *tag, message: table.name });
        }
        match kind {
            Flag => {
                spend(left, 1)?;
                charge::push(&mut entries, (Text::from(*name), Json::Bool(reader.varint()? != 0)))?;
            }
            Str => {
                spend(left, 1)?;
                let text = reader.utf8()?;
                if !text.is_empty() {
                    charge::push(&mut entries, (Text::from(*name), Json::str(text)))?;
                }
            }
            Texts => {
                spend(left, 1)?;
                append(&mut entries, &mut parts, name, Json::str(reader.utf8()?))?;
            }
            Value | Members => {
                let text = reader.utf8()?;
                // A JSON text counts as many elements as it may have.
                spend(left, values_in(text))?;
                match (parse(text), kind) {
                    // Unset, or set to nothing.
                    _ if text.is_empty() => {}
                    (Ok(Json::Object(members)), Members) => extend(&mut entries, members)?,
                    (Ok(_), Members) => fault(wrong, table, name, "must be a JSON object".to_owned()),
                    (Ok(value), _) => charge::push(&mut entries, (Text::from(*name), value))?,
                    (Err(error), _) => fault(wrong, table, name, format!("is not JSON: {error}")),
                }
            }
            Message(inner) => {
                let more = message(reader.message()?, inner, wrong, left)?;
                // Parts of one message are put together.
                match part(&mut entries, &parts, name) {
                    Some(Json::Object(all)) => extend(all, more)?,
                    _ => begin(&mut entries, &mut parts, name, Json::Object(more))?,
                }
            }
            Messages(inner) => {
                let item = message(reader.message()?, inner, wrong, left)?;
                append(&mut entries, &mut parts, name, Json::Object(item))?;
            }
        }
    }
    for (_, at) in parts {
        // Of a field in several parts of a message, the last counts. Said once for all of them.
        if let Some((_, value @ Json::Object(_))) = entries.get_mut(at)
            && let Json::Object(all) = std::mem::replace(value, Json::Null)
        {
            *value = Json::object(all);
        }
    }
    match Json::object(entries) {
        Json::Object(entries) => Ok(entries),
        _ => Ok(Entries::new()),
    }
}

/// Where among the entries those are that may come in several parts. To look for them there would take as
/// long as there are entries, each time.
type Parts = Vec<(&'static str, usize)>;

fn part<'e, 'a>(entries: &'e mut Entries<'a>, parts: &Parts, name: &str) -> Option<&'e mut Json<'a>> {
    let (_, at) = parts.iter().find(|(known, _)| *known == name)?;
    entries.get_mut(*at).map(|(_, value)| value)
}

fn begin<'a>(
    entries: &mut Entries<'a>,
    parts: &mut Parts,
    name: &'static str,
    first: Json<'a>,
) -> Result<(), Exhausted> {
    parts.push((name, entries.len()));
    charge::push(entries, (Text::from(name), first))
}

fn extend<'a>(entries: &mut Entries<'a>, more: Entries<'a>) -> Result<(), Exhausted> {
    charge::reserve(entries, more.len())?;
    entries.extend(more);
    Ok(())
}

/// Adds an item to the list under `name`.
fn append<'a>(
    entries: &mut Entries<'a>,
    parts: &mut Parts,
    name: &'static str,
    item: Json<'a>,
) -> Result<(), Exhausted> {
    match part(entries, parts, name) {
        Some(Json::Array(items)) => charge::push(items, item),
        _ => begin(entries, parts, name, Json::Array(vec![item])),
    }
}

fn fault(wrong: &mut Option<Unusable>, table: &Table, name: &str, what: String) {
    let within = match table.name {
        "an Action" => "action",
        "an Outcome" => "outcome",
        _ => "data",
    };
    wrong.get_or_insert_with(|| Unusable::new(format!("{within}.{name}_json"), what));
}

/// So many elements come; those of messages are counted by the reader.
fn spend(left: &Cell<u32>, elements: usize) -> Result<(), DecodeError> {
    let some = u32::try_from(elements).unwrap_or(u32::MAX);
    left.set(left.get().checked_sub(some).ok_or(DecodeError::TooMany { limit: MAX_MESSAGES })?);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn field(tag: u32, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for mut number in [u64::from(tag << 3 | LEN), bytes.len() as u64] {
            while number > 127 {
                out.push(number as u8 | 128);
                number >>= 7;
            }
            out.push(number as u8);
        }
        out.extend_from_slice(bytes);
        out
    }

    fn read(request: &[u8]) -> Result<Vec<Result<Json<'_>, Unusable>>, DecodeError> {
        let mut all = Vec::new();
        records::<DecodeError>(request, |record| {
            all.push(record);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn a_message_is_the_json_of_the_door() {
        let action = [field(1, b"read"), field(4, &field(2, b"s")), field(5, br#"{"a":[1,2.5]}"#)].concat();
        let again = field(3, b"grep");
        let threat = |name: &[u8]| field(12, &field(1, name));
        let data = [field(1, b"eu"), vec![2 << 3, 1, 4 << 3, 0], field(5, br#"{"attempt":2}"#)].concat();
        let record = [
            field(1, b"k-1"),
            field(4, b""),
            field(8, &action),
            field(8, &again),
            threat(b"a"),
            field(99, b"unknown"),
            threat(b"b"),
            field(13, &data),
        ]
        .concat();
        let request = [field(1, &record), field(1, b""), field(7, b"x")].concat();
        let expected = r#"{"key":"k-1","action":{"type":"read","authorization":{"scope":"s"},"input":{"a":[1,2.5]},
            "tool":"grep"},"threats":[{"type":"a"},{"type":"b"}],"data":{"region":"eu","cross_region":true,
            "zdr":false,"attempt":2}}"#;
        let all = read(&request).unwrap();
        assert_eq!(all, [Ok(parse(expected).unwrap()), Ok(Json::Object(vec![]))]);
    }

    #[test]
    fn of_a_field_in_two_parts_of_a_message_the_last_counts() {
        let agent = |id: &[u8], name: &[u8]| field(5, &[field(1, id), field(2, name)].concat());
        let request = field(1, &[agent(b"a", b"x"), agent(b"b", b""), field(5, &field(1, b"c"))].concat());
        let all = read(&request).unwrap();
        assert_eq!(all, [Ok(parse(r#"{"agent":{"id":"c","name":"x"}}"#).unwrap())]);
    }

    #[test]
    fn what_is_no_json_is_about_its_record_alone() {
        let broken = field(1, &field(8, &field(5, b"{")));
        let list = field(1, &field(13, &field(5, b"[]")));
        let fine = field(1, &field(1, b"k"));
        let request = [broken, fine, list].concat();
        let all = read(&request).unwrap();
        let said = all[0].as_ref().unwrap_err().to_string();
        assert!(said.starts_with("action.input_json: is not JSON: expected"), "{said}");
        assert!(all[1].is_ok());
        assert_eq!(all[2].as_ref().unwrap_err().to_string(), "data.more_json: must be a JSON object");
    }

    #[test]
    fn broken_requests_are_refused_whole() {
        assert!(matches!(read(&[0x0a, 5, 1]), Err(DecodeError::Truncated { .. })));
        assert!(matches!(read(&[0x08, 1]), Err(DecodeError::WireType { tag: 1, .. })));
        assert!(matches!(read(&field(1, &[0x08, 1])), Err(DecodeError::WireType { tag: 1, .. })));
        assert!(matches!(read(&field(1, &field(1, &[0xff]))), Err(DecodeError::Utf8 { .. })));
        let hollow = field(1, &field(8, &field(5, format!("[{}0]", "0,".repeat(2_000_001)).as_bytes())));
        assert!(matches!(read(&hollow), Err(DecodeError::TooMany { .. })));
        let empty = [0x0a, 0].repeat(2_000_001);
        assert!(matches!(read(&empty), Err(DecodeError::TooMany { .. })));
    }

    /// A field of one or two bytes takes dozens in memory.
    #[test]
    fn every_field_counts_as_an_element() {
        let text = field(1, &field(1, b"k").repeat(2_000_001));
        let flag = field(1, &field(13, &[2 << 3, 1].repeat(2_000_001)));
        let list = field(1, &field(10, &field(8, b"").repeat(2_000_001)));
        for request in [text, flag, list] {
            assert!(matches!(read(&request), Err(DecodeError::TooMany { .. })));
        }
    }

    /// Parts of messages and items of lists are added without looking through what is there already: this would
    /// take some 10^11 steps.
    #[test]
    fn many_parts_take_no_longer_each_than_few() {
        let members: Vec<String> = (0..300_000).map(|n| format!("\"{n}\":0")).collect();
        let members = field(13, &field(5, format!("{{{}}}", members.join(",")).as_bytes()));
        let parts = field(13, b"").repeat(500_000);
        let keys = field(1, b"k").repeat(300_000);
        let threats = field(12, b"").repeat(500_000);
        let request = field(1, &[members, parts, keys, threats].concat());
        let all = read(&request).unwrap();
        let record = all[0].as_ref().unwrap();
        assert!(matches!(record.get("data"), Some(Json::Object(all)) if all.len() == 300_000));
        assert!(matches!(record.get("threats"), Some(Json::Array(all)) if all.len() == 500_000));
    }

    /// The table's tags are those of the readable contract.
    #[test]
    fn the_tables_say_what_the_proto_file_says() {
        let proto = include_str!("../../proto/halo/ingest/v1/record.proto");
        let tables = [
            &RECORD,
            &AGENT,
            &SUBJECT,
            &PRINCIPAL,
            &ACTION,
            &AUTHORIZATION,
            &OUTCOME,
            &AUTHORITY,
            &WORKSPACE,
            &REF,
            &OMISSION,
            &VERIFICATION,
            &THREAT,
            &DATA,
        ];
        for table in tables {
            let (_, name) = table.name.split_once(' ').unwrap();
            let (_, body) = proto.split_once(&format!("\nmessage {name} {{\n")).unwrap();
            let body = body.split("\n}").next().unwrap();
            let fields: Vec<&str> = body
                .lines()
                .map(str::trim)
                .filter(|line| line.ends_with(';') && !line.starts_with("//"))
                .collect();
            let ours: Vec<String> = table
                .fields
                .iter()
                .map(|(tag, name, kind)| match kind {
                    Str => format!("string {name} = {tag};"),
                    Texts => format!("repeated string {name} = {tag};"),
                    Flag => format!("optional bool {name} = {tag};"),
                    Value | Members => format!("string {name}_json = {tag};"),
                    Message(inner) => format!("{} {name} = {tag};", inner.name.split_once(' ').unwrap().1),
                    Messages(inner) => {
                        format!("repeated {} {name} = {tag};", inner.name.split_once(' ').unwrap().1)
                    }
                })
                .collect();
            assert_eq!(fields, ours, "{name}");
        }
    }
}
