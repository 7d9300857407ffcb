//! Comparing two lines of one origin apart from the content of the action.
//!
//! Content may reach halod apart from its action (GenAI instrumentation tells it in log records), and
//! is joined to it when it comes in time. The same span, sent again without it, is still the same; it
//! only says less. What a record says of content: `action.input`, the outcome's hash and summary, and
//! what was found in both.

use super::draft::ContentHash;
use super::keyed::HASH_KEY;
use super::own;
use super::parts::Mark;
use super::sameness;
use crate::json::{Json, Text, parse};

/// The hashes of input and outcome in a line in canonical form. Only the record's own keys can look
/// like these: in a string their quotes would be escaped.
pub(super) fn content(line: &[u8]) -> [Option<ContentHash>; 2] {
    [&br#""input":{"hash":""#[..], br#","outcome":{"hash":""#].map(|key| {
        let at = memchr::memmem::find(line, key)? + key.len();
        let rest = line.get(at..)?;
        let hash = rest.strip_prefix(b"sha256:").or_else(|| rest.strip_prefix(b"hmac-sha256:"))?;
        hash.first_chunk().copied()
    })
}

/// Whether the hashes of two lines can't be compared, as they are made under different keys or one without any.
pub(super) fn are_keyed_apart(ours: &[u8], sealed: &[u8]) -> bool {
    const KEYED: &[u8] = br#""hash":"hmac-sha256:"#;
    let has_key = |line| memchr::memmem::find(line, KEYED).is_some();
    if !has_key(ours) && !has_key(sealed) {
        return false;
    }
    let key = |line| {
        let record = parse(std::str::from_utf8(line).ok()?).ok()?;
        record.get("data")?.get(HASH_KEY)?.as_str().map(str::to_owned)
    };
    let hashes = |line| content(line).iter().any(Option::is_some);
    hashes(ours) && hashes(sealed) && key(ours) != key(sealed)
}

/// Whether two lines say that something ended at the same time, or that it did not.
pub(super) fn end_alike(ours: &[u8], sealed: &[u8]) -> bool {
    let end = |line| {
        let record = parse(std::str::from_utf8(line).ok()?).ok()?;
        record.get("data")?.get("ended_at")?.as_str().map(str::to_owned)
    };
    end(ours) == end(sealed)
}

/// Whether all the content that `ours` has is that of `sealed`.
pub(super) fn has_content_of(ours: &[u8], sealed: &[u8]) -> bool {
    content(ours).into_iter().zip(content(sealed)).all(|(ours, sealed)| ours.is_none() || ours == sealed)
}

/// Whether two lines were made by different versions of the mapping of something that began and ended
/// alike, or of different forms of the same telemetry of something that also came off alike. What stores
/// export is cut to milliseconds.
pub(super) fn same_life_in_other_words(ours: &[u8], sealed: &[u8]) -> bool {
    let read = |line| parse(std::str::from_utf8(line).ok()?).ok();
    let (Some(ours), Some(sealed)) = (read(ours), read(sealed)) else { return false };
    let both = |section: &str, key: &str| {
        [&ours, &sealed].map(|record| record.get(section).and_then(|section| section.get(key)?.as_str()))
    };
    let same = |section: &str, key: &str| {
        let [ours, sealed] = both(section, key);
        ours == sealed
    };
    let other_form = !same("source", "dialect") || !same("source", "adapter");
    let same_instant = |key: &str| {
        let [ours, sealed] = both("data", key);
        let cut = |text: Option<&str>| text.map(|text| text.get(..MILLISECONDS).unwrap_or(text).to_owned());
        ours == sealed || other_form && cut(ours) == cut(sealed)
    };
    let other_mapping = !same("source", "mapping");
    let alike = other_mapping || other_form && same("outcome", "status") && same("data", "outcome");
    alike && same_instant("started_at") && same_instant("ended_at")
}

/// How many characters of `2026-11-25T00:00:00.123456Z` stand up to the milliseconds.
pub(super) const MILLISECONDS: usize = 23;

/// The messages that a line was made of.
pub(super) fn parts(line: &[u8]) -> Vec<Mark> {
    let read = |line| parse(std::str::from_utf8(line).ok()?).ok();
    let Some(record) = read(line) else { return Vec::new() };
    match record.get("data").and_then(|data| data.get("told")) {
        Some(Json::Array(marks)) => {
            marks.iter().filter_map(|mark| mark.as_str()?.as_bytes().try_into().ok()).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether two lines say the same but for the action's content.
pub(super) fn same_but_content(ours: &[u8], sealed: &[u8]) -> bool {
    let derived = derived(ours, sealed);
    let ours = without_content(ours, &derived);
    ours.is_some() && ours == without_content(sealed, &derived)
}

/// Members of the record that stand for what one of two lines has from others, as `data.inherited` tells: an action
/// may come again without what was around it.
fn derived(ours: &[u8], sealed: &[u8]) -> Vec<&'static str> {
    let has = |what: &str| {
        [ours, sealed].into_iter().any(|line| {
            let listed = memchr::memmem::find(line, br#""inherited":["#).and_then(|at| line.get(at..));
            let list = listed.and_then(|rest| rest.get(..memchr::memchr(b']', rest)?));
            list.is_some_and(|list| memchr::memmem::find(list, what.as_bytes()).is_some())
        })
    };
    let members = [("\"session\"", "session_id"), ("\"principal\"", "principal")];
    members.into_iter().filter(|(what, _)| has(what)).map(|(_, member)| member).collect()
}

/// Whether two lines say the same but for what one of them has from others.
pub(super) fn same_but_inherited(ours: &[u8], sealed: &[u8]) -> bool {
    !derived(ours, sealed).is_empty() && content(ours) == content(sealed) && same_but_content(ours, sealed)
}

/// The record without its content, its place in a chain and what is derived.
fn without_content<'l>(line: &'l [u8], derived: &[&str]) -> Option<Vec<(Text<'l>, Json<'l>)>> {
    let Ok(Json::Object(mut record)) = parse(std::str::from_utf8(line).ok()?) else { return None };
    drop_keys(&mut record, &sameness::OF_RECORD);
    drop_keys(&mut record, &["findings", "severity"]);
    drop_keys(&mut record, derived);
    unclaim(&mut record);
    let adapter = record.iter().find(|(key, _)| key.as_str() == Some("source")).map(|(_, source)| source);
    let native = adapter.and_then(|source| source.get("adapter")?.as_str()) == Some("native");
    for (key, value) in &mut record {
        let Json::Object(members) = value else { continue };
        match key.as_str() {
            Some("action") => drop_keys(members, &["input"]),
            Some("outcome") => drop_keys(members, &["hash", "summary"]),
            Some("principal") => drop_keys(members, &[sameness::ACCOUNT]),
            Some("data") => {
                drop_keys(members, &["pii_types", "undisclosed"]);
                members.retain(|(key, _)| !key.as_str().is_some_and(|key| sameness::leaves_out(key, native)));
            }
            _ => {}
        }
    }
    record.retain(|(key, value)| {
        key.as_str() != Some("principal") || !matches!(value, Json::Object(members) if members.is_empty())
    });
    Some(record)
}

/// Takes the mark off names of halod's own that telemetry claimed: what was sealed before there was such a
/// mark has them as they came.
fn unclaim(record: &mut [(Text<'_>, Json<'_>)]) {
    let sections = record.iter_mut().filter(|(key, _)| matches!(key.as_str(), Some("action" | "agent")));
    for (key, value) in sections.flat_map(|(_, section)| match section {
        Json::Object(members) => members.as_mut_slice(),
        _ => &mut [],
    }) {
        if matches!(key.as_str(), Some("id" | "name" | "tool"))
            && let Some(claimed) = value.as_str().and_then(own::unclaimed)
        {
            *value = Json::Str(claimed.to_owned().into());
        }
    }
}

fn drop_keys(members: &mut Vec<(Text<'_>, Json<'_>)>, keys: &[&str]) {
    members.retain(|(key, _)| !key.as_str().is_some_and(|key| keys.contains(&key)));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::build::Builder;
    use crate::draft::{Comparison, Draft, GENESIS, Scratch};
    use crate::event::{Action, Content, Event, Status};
    use crate::json::Json;
    use crate::sample::call;
    use crate::tenant::Tenant;
    use crate::time;

    fn draft(change: impl FnOnce(&mut Event<'_>)) -> Draft {
        let mut event = call();
        change(&mut event);
        Builder::new(false).draft(&event, &Tenant::Local, &mut Scratch::default())
    }

    fn with(input: Option<&'static str>, outcome: Option<&'static str>) -> Draft {
        let content = |text: Option<&'static str>| match text {
            Some(text) => Content::Value(Json::str(text)),
            None => Content::Undisclosed,
        };
        draft(|event| {
            event.input = content(input);
            event.outcome.result = content(outcome);
        })
    }

    fn line(draft: &Draft) -> Vec<u8> {
        let mut line = Vec::new();
        draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
        line
    }

    fn comparison(mut ours: Draft, joined: bool, sealed: &Draft) -> &'static str {
        if joined {
            ours.joined_from(vec![with(None, None)]);
        }
        match ours.compare_with(&line(sealed)) {
            Comparison::Same => "same",
            Comparison::Apart(_) => "apart",
            Comparison::More => "more",
            Comparison::Conflict => "conflict",
        }
    }

    #[test]
    fn who_says_less_of_the_content_says_the_same() {
        // The address puts a finding and a type of personal data into the record as well.
        let input = Some("write to zoe.mueller@example.com");
        let sealed = with(input, Some("done"));
        for ours in [with(None, None), with(input, None), with(None, Some("done")), with(input, Some("done"))]
        {
            assert_eq!(comparison(ours, false, &sealed), "same");
        }
        assert_eq!(comparison(with(None, None), false, &with(None, None)), "same");
    }

    #[test]
    fn who_says_more_or_something_else_does_not() {
        for (ours, sealed) in [
            (with(Some("a"), None), with(None, None)),
            (with(Some("a"), None), with(Some("b"), None)),
            (with(Some("a"), Some("x")), with(Some("a"), None)),
        ] {
            assert_eq!(comparison(ours.clone(), false, &sealed), "conflict");
            assert_eq!(comparison(ours, true, &sealed), "apart");
        }
        let failed = draft(|event| event.outcome.status = Status::Error);
        for joined in [false, true] {
            assert_eq!(comparison(with(None, None), joined, &failed), "conflict");
            assert_eq!(comparison(failed.clone(), joined, &with(Some("a"), None)), "conflict");
        }
    }

    #[test]
    fn joined_content_outlives_a_change_of_the_mapping() {
        let older = |draft: &Draft| {
            let text = String::from_utf8(line(draft)).unwrap();
            text.replace(r#""mapping":""#, r#""mapping":"0."#).into_bytes()
        };
        let mut ours = with(Some("a"), None);
        assert!(matches!(ours.compare_with(&older(&with(None, None))), Comparison::Same));
        ours.joined_from(vec![with(None, None)]);
        assert!(matches!(ours.compare_with(&older(&with(None, None))), Comparison::Apart(_)));
        assert!(matches!(ours.compare_with(&older(&with(Some("a"), None))), Comparison::Same));
    }

    /// What a mapping makes of a span is not what the span says: across versions only its times are compared.
    #[test]
    fn another_version_of_the_mapping_contradicts_nothing_but_times() {
        let older = |draft: &Draft| {
            let text = String::from_utf8(line(draft)).unwrap();
            text.replace(r#""mapping":""#, r#""mapping":"0."#).into_bytes()
        };
        let sealed = older(&draft(|event| event.action = tool("Tool.execute")));
        let same = |ours: &Draft| matches!(ours.compare_with(&sealed), Comparison::Same);
        assert!(same(&draft(|event| event.action = tool("bash"))));
        assert!(same(&draft(|event| event.action = Action::Other { name: "Tool.execute".into() })));
        assert!(same(&draft(|event| event.usage.input_tokens = Some(7))));
        for status in [Status::Error, Status::Denied, Status::Unknown, Status::Unfinished] {
            assert!(same(&draft(|event| event.outcome.status = status)), "{status:?}");
        }
        assert!(!same(&draft(|event| event.ended = Some(3_000_000))));
        assert!(!same(&draft(|event| event.started = None)));
        // Within one version all of it counts.
        let sealed = draft(|event| event.outcome.status = Status::Unfinished);
        assert_eq!(comparison(draft(|_| ()), false, &sealed), "conflict");
        assert_eq!(comparison(sealed.clone(), false, &sealed), "same");
    }

    fn tool(name: &'static str) -> Action<'static> {
        Action::Tool { name: name.into(), mcp_server: None, call_id: None }
    }

    #[test]
    fn a_name_of_halods_that_was_sealed_as_it_came_is_the_same() {
        let claim = |draft: &Draft| {
            let text = String::from_utf8(line(draft)).unwrap();
            let before = text.replace("claimed:", "");
            assert_ne!(text, before);
            before.into_bytes()
        };
        let named = |tool: &'static str, input: Option<&'static str>| {
            draft(|event| {
                event.action = Action::Tool { name: tool.into(), mcp_server: None, call_id: None };
                event.agent.id = Some("halod".into());
                event.input = input.map_or(Content::Undisclosed, |text| Content::Value(Json::str(text)));
            })
        };
        let sealed = claim(&named("halod.gap", Some("a")));
        for (ours, comparison) in [
            (named("halod.gap", Some("a")), "same"),
            (named("halod.gap", None), "same"),
            (named("halod.gap", Some("b")), "conflict"),
            (named("halod.gas", Some("a")), "conflict"),
            (named("gap", Some("a")), "conflict"),
        ] {
            let is = match ours.compare_with(&sealed) {
                Comparison::Same => "same",
                Comparison::Apart(_) => "apart",
                Comparison::More => "more",
                Comparison::Conflict => "conflict",
            };
            assert_eq!(is, comparison, "{}", ours.tool());
        }
        // Only halod's own names were ever sealed without the mark.
        let marked = named("claimed:pay", None);
        assert!(matches!(marked.compare_with(&line(&named("pay", None))), Comparison::Conflict));
    }

    #[test]
    fn content_is_found_by_its_hash() {
        let [input, outcome] = with(Some("a"), None).content();
        assert!(input.is_some() && outcome.is_none());
        assert_eq!(with(Some("a"), Some("a")).content()[0], input);
        let fake = r#""input":{"hash":"sha256:00000000000000000000000000000000"#;
        let named = draft(|event| event.session = Some(fake.into()));
        assert_eq!(named.content(), [None, None]);
    }
}
