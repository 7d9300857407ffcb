//! Comparing what a store exports of an action with what is sealed under its origin.
//!
//! A store tells one action in several forms (user interface, API, bucket, table), each with words of its own beside
//! those of the agent: prices, tags, bookmarks, the session of the trace. So only what the agent did is compared. Who says
//! less says the same; who says more, or how it ended, amends; two that can't both be true contradict each other.

use super::compare::MILLISECONDS;
use super::sameness::CHANGED_AT;
use crate::json::{Json, parse};
use std::cmp::Ordering;
use std::collections::HashSet;

/// What one account is to another one of its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Same,
    More,
    Contradiction,
}

/// The forms that stores export, and transcripts, which say more of an action the longer they are.
const FORMS: [&[u8]; 5] = [
    br#""dialect":"langfuse.export""#,
    br#""dialect":"export""#,
    br#""dialect":"litellm.spend_log""#,
    br#""dialect":"claude_code.transcript""#,
    br#""dialect":"codex.rollout""#,
];

/// Ends that leave open how an action ended.
const OPEN: [Option<&str>; 2] = [Some("unfinished"), Some("unknown")];

/// A summary of so many characters is cut: its last word may be half a one.
const LONG: usize = 190;

/// What `ours` is to `sealed`; `None` where neither tells of an action in a form that stores export.
pub(super) fn relation(ours: &[u8], sealed: &[u8]) -> Option<Relation> {
    // Such a text stands only in `source`: in a string its quotes would be escaped.
    let is_stored = |line: &[u8]| FORMS.iter().any(|form| memchr::memmem::find(line, form).is_some());
    if !is_stored(ours) && !is_stored(sealed) {
        return None;
    }
    let read = |line| parse(std::str::from_utf8(line).ok()?).ok();
    let (ours, sealed) = (read(ours)?, read(sealed)?);
    // A score or a point in time has no life: all of it counts.
    let has_life =
        |record| text(record, &["data", "started_at"]).or_else(|| text(record, &["data", "ended_at"]));
    has_life(&ours)?;
    has_life(&sealed)?;
    Some(match compare(&ours, &sealed) {
        Relation::Contradiction => by_version(&ours, &sealed).unwrap_or(Relation::Contradiction),
        relation => relation,
    })
}

/// What `ours` is to `sealed`, which says something else of the same thing, where both are versions of one row.
pub(super) fn version(ours: &[u8], sealed: &[u8]) -> Option<Relation> {
    let both = [ours, sealed].map(|line| {
        let is_stored = FORMS.iter().any(|form| memchr::memmem::find(line, form).is_some());
        parse(std::str::from_utf8(line).ok().filter(|_| is_stored)?).ok()
    });
    let [Some(ours), Some(sealed)] = both else { return None };
    by_version(&ours, &sealed)
}

/// Which version of its row a store exported.
pub(super) fn version_of(line: &[u8]) -> Option<String> {
    let record = parse(std::str::from_utf8(line).ok()?).ok()?;
    text(&record, &["data", CHANGED_AT]).map(str::to_owned)
}

/// The store changed its row: the newer version amends, an older one is known.
fn by_version(ours: &Json<'_>, sealed: &Json<'_>) -> Option<Relation> {
    let changed = |record| text(record, &["data", CHANGED_AT]);
    let (ours, sealed) = (changed(ours)?, changed(sealed)?);
    // They are written alike, so that they sort by time.
    match ours.cmp(sealed) {
        Ordering::Greater => Some(Relation::More),
        Ordering::Less => Some(Relation::Same),
        Ordering::Equal => None,
    }
}

/// What an account says of what the agent did, as bytes: the same for the same, whatever the store says besides.
pub(super) fn essence(line: &[u8]) -> Vec<u8> {
    let Some(record) = std::str::from_utf8(line).ok().and_then(|line| parse(line).ok()) else {
        return line.to_vec();
    };
    const PATHS: [&[&str]; 6] = [
        &["data", "ended_at"],
        &["data", "outcome"],
        &["outcome", "status"],
        &["action", "input", "hash"],
        &["outcome", "hash"],
        &["agent", "model"],
    ];
    let mut bytes = Vec::new();
    let mut part = |text: &[u8]| {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text);
    };
    PATHS.iter().for_each(|path| part(text(&record, path).unwrap_or_default().as_bytes()));
    for (key, count) in tokens(&record) {
        part(key.as_bytes());
        if let Json::Int(count) = count {
            part(&count.to_be_bytes());
        }
    }
    bytes
}

fn compare(ours: &Json<'_>, sealed: &Json<'_>) -> Relation {
    let same = |path: &[&str]| text(ours, path) == text(sealed, path);
    let times = |key| part(instant(ours, key), instant(sealed, key));
    let mut found = vec![times("started_at"), times("ended_at"), ends(ours, sealed)];
    // What a mapping makes of a row is not what the row says.
    if same(&["source", "mapping"]) {
        found.extend([&["action", "input"][..], &["outcome"]].map(|of| content(ours, sealed, of)));
        if same(&["source", "dialect"]) {
            found.push(part(text(ours, &["agent", "model"]), text(sealed, &["agent", "model"])));
            found.extend(tokens(ours).map(|(key, count)| {
                let known = sealed.get("data").and_then(|data| data.get(key));
                part(Some(count), known)
            }));
        }
    }
    found.into_iter().fold(Relation::Same, |all, one| match (all, one) {
        (Relation::Contradiction, _) | (_, Relation::Contradiction) => Relation::Contradiction,
        (Relation::More, _) | (_, Relation::More) => Relation::More,
        _ => Relation::Same,
    })
}

/// Something that both may say.
fn part<T: PartialEq>(ours: Option<T>, sealed: Option<T>) -> Relation {
    match (ours, sealed) {
        (Some(ours), Some(sealed)) if ours != sealed => Relation::Contradiction,
        (Some(_), None) => Relation::More,
        _ => Relation::Same,
    }
}

/// How both say that it ended.
fn ends(ours: &Json<'_>, sealed: &Json<'_>) -> Relation {
    let end = |record| text(record, &["outcome", "status"]).or_else(|| text(record, &["data", "outcome"]));
    let (ours, sealed) = (end(ours), end(sealed));
    match (OPEN.contains(&ours), OPEN.contains(&sealed)) {
        (false, true) => Relation::More,
        (true, _) => Relation::Same,
        (false, false) => part(ours, sealed),
    }
}

/// The content of both, in `action.input` or in `outcome`. One content has several spellings, whose hashes differ:
/// then the words decide that are shown of it.
fn content(ours: &Json<'_>, sealed: &Json<'_>, place: &[&str]) -> Relation {
    let both = |key| {
        let path = [place, &[key]].concat();
        (text(ours, &path), text(sealed, &path))
    };
    match part(both("hash").0, both("hash").1) {
        Relation::Contradiction => match both("summary") {
            (Some(ours), Some(sealed)) if !says_the_same(ours, sealed) => Relation::Contradiction,
            _ => Relation::Same,
        },
        relation => relation,
    }
}

/// Whether all words of one text are in the other one, which may say more around them: as JSON does.
fn says_the_same(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(words);
    let (fewer, more) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    fewer.is_subset(&more)
}

/// The words of a summary, without escapes.
fn words(text: &str) -> HashSet<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    plain.push(code.unwrap_or(' '));
                }
                _ => plain.push(' '),
            },
            c => plain.extend(c.to_lowercase()),
        }
    }
    let is_cut = text.chars().count() >= LONG;
    let mut words: Vec<&str> =
        plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if is_cut {
        words.pop();
    }
    words.into_iter().map(str::to_owned).collect()
}

/// The counts of tokens in a record.
fn tokens<'j>(record: &'j Json<'_>) -> impl Iterator<Item = (&'j str, &'j Json<'j>)> {
    let members = match record.get("data") {
        Some(Json::Object(members)) => members.as_slice(),
        _ => &[],
    };
    members
        .iter()
        .filter_map(|(key, value)| Some((key.as_str().filter(|key| key.ends_with("_tokens"))?, value)))
}

fn instant<'j>(record: &'j Json<'_>, key: &str) -> Option<&'j str> {
    let text = text(record, &["data", key])?;
    Some(text.get(..MILLISECONDS).unwrap_or(text))
}

fn text<'j>(record: &'j Json<'_>, path: &[&str]) -> Option<&'j str> {
    path.iter().try_fold(record, |at, key| at.get(key))?.as_str()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn record(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut record = json!({
            "action": {"tool": "model.generate", "input": {"hash": "sha256:1", "summary": "ask"}},
            "agent": {"model": "m"},
            "data": {"started_at": "2026-10-05T10:00:00.250Z", "ended_at": "2026-10-05T10:00:01.750Z", "input_tokens": 5, "cost": "0.1"},
            "outcome": {"hash": "sha256:2", "status": "ok", "summary": "an answer of 100 EUR"},
            "source": {"adapter": "langfuse", "dialect": "langfuse.export", "mapping": "3"}
        });
        change(&mut record);
        serde_json::to_vec(&record).unwrap()
    }

    fn between(ours: impl FnOnce(&mut Value), sealed: impl FnOnce(&mut Value)) -> Relation {
        relation(&record(ours), &record(sealed)).unwrap()
    }

    fn set(path: &'static str, value: Value) -> impl Fn(&mut Value) {
        move |record| {
            let (parent, key) = path.rsplit_once('/').unwrap();
            record.pointer_mut(parent).unwrap()[key] = value.clone();
        }
    }

    fn unfinished(record: &mut Value) {
        record["outcome"] = json!({});
        record["data"] = json!({"started_at": "2026-10-05T10:00:00.250Z", "outcome": "unfinished"});
    }

    #[test]
    fn the_words_of_the_store_are_no_part_of_the_action() {
        for path in ["/data/cost", "/data/tags", "/session_id", "/principal", "/data/version"] {
            assert_eq!(between(set(path, json!("x")), |_| {}), Relation::Same, "{path}");
        }
    }

    #[test]
    fn who_says_how_it_ended_says_more_and_who_does_not_says_less() {
        assert_eq!(between(|_| {}, unfinished), Relation::More);
        assert_eq!(between(unfinished, |_| {}), Relation::Same);
        assert_eq!(between(unfinished, unfinished), Relation::Same);
        assert_eq!(between(set("/data/output_tokens", json!(7)), |_| {}), Relation::More);
    }

    #[test]
    fn what_cannot_both_be_true_is_a_contradiction() {
        for (path, value) in [
            ("/outcome/status", json!("error")),
            ("/data/started_at", json!("2026-10-05T10:00:00.251Z")),
            ("/data/ended_at", json!("2026-10-05T10:00:01.751Z")),
            ("/data/input_tokens", json!(6)),
            ("/agent/model", json!("n")),
        ] {
            assert_eq!(between(set(path, value), |_| {}), Relation::Contradiction, "{path}");
        }
        let other = |record: &mut Value| {
            record["outcome"] =
                json!({"hash": "sha256:3", "status": "ok", "summary": "an answer of 900 EUR"});
        };
        assert_eq!(between(other, |_| {}), Relation::Contradiction);
        assert_eq!(
            between(other, |record| record["source"]["dialect"] = json!("langfuse.batch")),
            Relation::Contradiction
        );
    }

    #[test]
    fn a_newer_version_of_a_row_amends_and_an_older_one_is_known() {
        let version = |at: &'static str, output: &'static str| {
            move |record: &mut Value| {
                record["data"]["changed_at"] = json!(at);
                record["outcome"] = json!({"hash": output, "status": "ok", "summary": output});
            }
        };
        let (old, new) = ("2026-10-05T10:00:06.000000Z", "2026-10-05T10:05:00.000000Z");
        assert_eq!(between(version(new, "two"), version(old, "one")), Relation::More);
        assert_eq!(between(version(old, "one"), version(new, "two")), Relation::Same);
        assert_eq!(between(version(new, "one"), version(old, "one")), Relation::Same);
        assert_eq!(between(version(old, "two"), version(old, "one")), Relation::Contradiction);
        // What came live is no version of the store's.
        assert_eq!(between(version(new, "two"), |_| {}), Relation::Contradiction);
    }

    #[test]
    fn another_spelling_of_a_content_is_the_same() {
        for summary in [
            r#"{"role":"assistant","content":"An answer of 100 EUR"}"#,
            r#"{\"content\": \"an answer\nof \u0031\u0030\u0030 EUR\"}"#,
        ] {
            let other = |record: &mut Value| {
                record["outcome"] = json!({"hash": "sha256:3", "status": "ok", "summary": summary});
            };
            assert_eq!(between(other, |_| {}), Relation::Same, "{summary}");
            assert_eq!(between(|_| {}, other), Relation::Same, "{summary}");
        }
        let hashed = |record: &mut Value| record["outcome"] = json!({"hash": "sha256:3", "status": "ok"});
        assert_eq!(between(hashed, |_| {}), Relation::Same, "nothing is shown of it");
    }

    #[test]
    fn only_exports_of_actions_are_compared_so() {
        let live = record(|record| record["source"]["dialect"] = json!("langfuse.batch"));
        assert_eq!(relation(&live, &live), None);
        let score = record(|record| record["data"] = json!({"score": 1}));
        assert_eq!(relation(&score, &score), None);
    }
}
