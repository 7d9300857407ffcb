//! What a resend's comparison leaves out: one list, of the record's own members and of `data`'s.
//!
//! Two records of one origin are the same when they are equal in all else. On the list is what depends on
//! when a record was sealed and on what came with it, and what older versions of halod did not say: a
//! resend of theirs contradicts nothing. LangSmith's `parent_run_id` is not on it, because it has been in
//! every record of a run.

use super::clock;
use super::keyed::HASH_KEY;
use crate::event::INHERITED;
use std::borrow::Cow;

/// Members of the record: its place in a chain, and which of its ancestors came before it.
pub(super) const OF_RECORD: [&str; 3] = ["integrity", "parent_id", "ts"];

/// Members of `data` that only halod writes.
const OF_DATA: [&str; 5] = [CLAIMED_ACCOUNT, "clock", HASH_KEY, "parent_key", "parent_record_id"];

/// Members of `data` in which halod says what telemetry says of a parent. In a record of a sender's own they
/// are names of its choice, and count.
const OF_TELEMETRY: [&str; 2] = ["parent_observation_id", "parent_span_id"];

/// Members of `data` in which halod says of which call an account of telemetry's is, and of whose action.
const OF_CALLS: [&str; 5] = ["call_keys", "contradicts", "corroborates", INHERITED, "joined_by"];

/// The member of `principal` that says by which identity a record came. A sender may change its credentials.
pub(super) const ACCOUNT: &str = "service_account";

/// The member of `data` with what the sender says there.
pub(super) const CLAIMED_ACCOUNT: &str = "claimed_account";

/// Which version of its row a store exported. A newer one amends an older one (`stored`).
pub(super) const CHANGED_AT: &str = "changed_at";

/// The parent of a span, as the span says it.
pub(super) const PARENT_SPAN: &str = "parent_span_id";

/// The parent of a sender's own record, as that says it: by its key, or by its record.
pub(super) const PARENT_KEY: &str = "parent_key";
pub(super) const PARENT_RECORD: &str = "parent_record_id";

/// Whether the comparison leaves out a member of `data`; `native` is a record of a sender's own.
pub(super) fn leaves_out(key: &str, native: bool) -> bool {
    OF_DATA.contains(&key)
        || !native && (key == CHANGED_AT || OF_TELEMETRY.contains(&key) || OF_CALLS.contains(&key))
}

/// A canonical line whose `data` begins at `data`, without the members of `data` that are on the list.
pub(super) fn without(line: &[u8], data: usize) -> Cow<'_, [u8]> {
    // The quotes of a key that stands in a text are escaped, and only what is written here opens so.
    let native = memchr::memmem::rfind(line, br#","source":{"adapter":"native","#).is_some();
    clock::without_members(line, data, |key| {
        let key = key.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\""));
        key.and_then(|key| std::str::from_utf8(key).ok()).is_some_and(|key| leaves_out(key, native))
    })
}

/// A canonical line without the identity by which it came, which stands after `hole`; and how many bytes that was.
pub(super) fn without_account(mut line: Vec<u8>, hole: usize) -> (Vec<u8>, usize) {
    // The quotes of a key that stands in a text are escaped.
    const ALONE: &[u8] = br#","principal":{"service_account":""#;
    const LAST: &[u8] = br#","service_account":""#;
    let find = |needle: &[u8]| Some(memchr::memmem::find(line.get(hole..)?, needle)? + hole);
    let found = match find(ALONE) {
        Some(at) => Some((at, ALONE.len(), 1)),
        None => find(LAST).map(|at| (at, LAST.len(), 0)),
    };
    let range = found.and_then(|(at, key, brace)| {
        let text = clock::string(line.get(at + key - 1..)?)?;
        Some(at..at + key - 1 + text + brace)
    });
    match range {
        Some(range) if range.end <= line.len() => {
            let cut = range.len();
            line.drain(range);
            (line, cut)
        }
        _ => (line, 0),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::build::Builder;
    use crate::draft::{Comparison, Draft, GENESIS, Scratch};
    use crate::event::{Action, Event, Fact, Keyed, Origin};
    use crate::sample::call;
    use crate::tenant::Tenant;
    use crate::time;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn left(line: &Value) -> Value {
        let text = serde_json::to_vec(line).unwrap();
        let data = memchr::memmem::find(&text, br#""data":{"#).unwrap();
        serde_json::from_slice(&without(&text, data)).unwrap()
    }

    fn line(data: Map<String, Value>, adapter: &str) -> Value {
        json!({"action": {}, "data": data, "source": {"adapter": adapter, "via": "x"}, "ts": "x"})
    }

    fn member() -> impl Strategy<Value = (String, Value)> {
        let known = [&OF_DATA[..], &OF_TELEMETRY, &OF_CALLS, &[CHANGED_AT]].concat();
        let key =
            prop_oneof![prop::sample::select(known).prop_map(str::to_owned), "[a-z]{1,3}|parent_[a-z]{0,2}"];
        (
            key,
            prop_oneof![
                any::<u32>().prop_map(Value::from),
                ".{0,9}".prop_map(Value::from),
                Just(json!([",", {}]))
            ],
        )
    }

    proptest! {
        /// serde_json's maps are sorted and its writer is compact, so its lines are canonical.
        #[test]
        fn what_is_on_the_list_goes_and_nothing_else(
            members in prop::collection::vec(member(), 0..8), native in any::<bool>()
        ) {
            let adapter = if native { "native" } else { "otel" };
            let data: Map<String, Value> = members.into_iter().collect();
            let kept = data.clone().into_iter().filter(|(key, _)| !leaves_out(key, native)).collect();
            prop_assert_eq!(left(&line(data, adapter)), line(kept, adapter));
        }
    }

    fn draft(change: impl FnOnce(&mut Event<'_>)) -> Draft {
        let mut event = call();
        change(&mut event);
        Builder::new(false).draft(&event, &Tenant::Local, &mut Scratch::default())
    }

    /// The same call under several parents, or under none.
    fn under(parents: &[Option<u8>]) -> Vec<[Draft; 2]> {
        let draft_of = |parent: Option<u8>| {
            let of_span = draft(|event| {
                let Origin::Span { parent: stated, .. } = &mut event.origin else { unreachable!() };
                *stated = parent.map(|parent| [parent; 8]);
            });
            let of_key = draft(|event| {
                let above = parent.map(|parent| vec![parent.to_string().into()]);
                event.origin = Origin::Keyed(Keyed { space: "test", id: vec!["a".into()], parent: above });
                let stated = parent.map(|parent| {
                    [OF_TELEMETRY[0], PARENT_SPAN].map(|key| (key, Fact::Id(parent.to_string().into())))
                });
                event.facts.extend(stated.into_iter().flatten());
            });
            [of_span, of_key]
        };
        parents.iter().map(|parent| draft_of(*parent)).collect()
    }

    fn sealed(draft: &Draft, in_chain: bool) -> Vec<u8> {
        let (mut line, ts) = (Vec::new(), time::rfc3339(1));
        let seal = if in_chain { Draft::seal } else { Draft::seal_without_parent };
        seal(draft, &GENESIS, &ts, &mut line);
        line
    }

    /// Older versions of halod stated no parent in `data`, so a line without one stands for theirs.
    #[test]
    fn a_resend_is_the_same_whatever_was_known_of_its_parent() {
        let drafts = under(&[None, Some(3), Some(4)]);
        for (ours, theirs) in drafts.iter().flat_map(|ours| drafts.iter().map(move |theirs| (ours, theirs))) {
            for ((ours, theirs), in_chain) in
                ours.iter().zip(theirs).flat_map(|pair| [(pair, true), (pair, false)])
            {
                let line = sealed(theirs, in_chain);
                assert!(
                    matches!(ours.compare_with(&line), Comparison::Same),
                    "{}",
                    String::from_utf8_lossy(&line)
                );
            }
        }
    }

    /// The id of a conflict is made of what is compared: it is what an older version of halod made it.
    #[test]
    fn a_conflict_that_comes_again_is_the_same_whatever_was_known_of_its_parent() {
        let [first, ..] = &under(&[None, Some(3), Some(4)])[..] else { unreachable!() };
        for (at, one) in first.iter().enumerate() {
            let ids: Vec<_> = under(&[None, Some(3), Some(4)])
                .iter()
                .map(|drafts| drafts[at].conflicting_with(one.id()).id())
                .collect();
            assert_eq!(ids, [ids[0]; 3]);
        }
        let other = draft(|event| event.action = Action::Boundary { verb: "invoke" });
        assert!(matches!(other.compare_with(&sealed(&first[0], true)), Comparison::Conflict));
        assert_ne!(other.conflicting_with(other.id()).id(), first[0].conflicting_with(other.id()).id());
    }

    #[test]
    fn a_parent_that_is_not_in_the_chain_leaves_no_trace_in_the_line() {
        for drafts in under(&[None, Some(3)]) {
            for draft in drafts {
                let mut moved = draft.clone();
                moved.move_under(None);
                assert_eq!(sealed(&draft, false), sealed(&moved, true));
                assert_eq!(draft.parent().is_some(), sealed(&draft, false) != sealed(&draft, true));
                let record: Value = serde_json::from_slice(&sealed(&draft, true)).unwrap();
                assert_eq!(
                    record["parent_id"].as_str().map(str::to_owned),
                    draft.parent().map(|id| id.to_string())
                );
            }
        }
    }

    #[test]
    fn what_is_said_to_be_its_own_parent_has_none() {
        let own = draft(|event| {
            let Origin::Span { span, parent, .. } = &mut event.origin else { unreachable!() };
            *parent = Some(*span);
        });
        assert_eq!(own.parent(), None);
        let record: Value = serde_json::from_slice(&sealed(&own, true)).unwrap();
        assert_eq!(record["data"]["parent_span_id"], "0202020202020202", "it is kept as it is said");
    }

    #[test]
    fn a_resend_is_the_same_whoever_shows_which_credential() {
        let by = |account: Option<&str>, human: Option<&'static str>| {
            let mut event = call();
            event.principal = human.map(Cow::Borrowed);
            let mut scratch = Scratch::default();
            if let Some(account) = account {
                scratch.come_by(account.into());
            }
            Builder::new(false).draft(&event, &Tenant::Local, &mut scratch)
        };
        for human in [None, Some("user-1")] {
            let drafts =
                [None, Some("checkout"), Some(r#"a "quoted" name"#)].map(|account| by(account, human));
            for (one, other) in drafts.iter().flat_map(|one| drafts.iter().map(move |other| (one, other))) {
                assert!(matches!(one.compare_with(&sealed(other, true)), Comparison::Same));
                assert_eq!(one.conflicting_with(one.id()).id(), other.conflicting_with(one.id()).id());
            }
            let record: Value = serde_json::from_slice(&sealed(&drafts[2], true)).unwrap();
            assert_eq!(record["principal"]["service_account"], r#"a "quoted" name"#);
            assert_eq!(record["principal"]["human_id"].as_str(), human);
            let record: Value = serde_json::from_slice(&sealed(&drafts[0], true)).unwrap();
            assert_eq!(record["principal"]["human_id"].as_str(), human);
        }
        let other = by(Some("checkout"), Some("user-2"));
        assert!(matches!(
            other.compare_with(&sealed(&by(Some("checkout"), Some("user-1")), true)),
            Comparison::Conflict
        ));
    }

    /// A secret in the name of a parent is masked. It is a finding of the parent's record, and none of this
    /// one's: an older version of halod had none, and its resend would contradict it.
    #[test]
    fn a_secret_in_a_parents_name_is_masked_and_no_finding() {
        let secret = "sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678";
        let draft = draft(|event| event.facts.push((OF_TELEMETRY[0], Fact::Id(secret.into()))));
        let line = String::from_utf8(sealed(&draft, true)).unwrap();
        assert!(!line.contains("FAKE0000") && line.contains(r#""findings":[]"#), "{line}");
        assert!(line.contains(r#""parent_observation_id":"sk-"#), "{line}");
    }

    #[test]
    fn what_is_left_of_a_line_is_canonical() {
        let text = br#"{"data":{"a":1,"clock":"x","parent_span_id":"y","z":2,"zz":3},"ts":"x"}"#;
        assert_eq!(&*without(text, 1), br#"{"data":{"a":1,"z":2,"zz":3},"ts":"x"}"#);
        let text = br#"{"data":{"clock":"x","parent_key":"y"},"ts":"x"}"#;
        assert_eq!(&*without(text, 1), br#"{"data":{},"ts":"x"}"#);
        for damaged in [&br#"{"data":{"clock":"x","a"#[..], br#"{"data":5}"#, b"{}", b""] {
            assert_eq!(&*without(damaged, 1), damaged);
        }
    }
}
