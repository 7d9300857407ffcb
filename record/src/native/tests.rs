#![allow(clippy::unwrap_used, clippy::panic)]

use super::super::build::Builder;
use super::super::draft::{Comparison, Draft, GENESIS, Scratch};
use super::super::tenant::Tenant;
use super::super::{canon, schema, time};
use super::{Capture, read};
use crate::json::{parse, parse_with};
use proptest::prelude::*;
use std::sync::LazyLock;

static BUILDER: LazyLock<Builder> = LazyLock::new(|| Builder::new(false));

const LEAST: &str = r#"{"key":"k-1","action":{"type":"tool_call","category":"security"}}"#;

const FULL: &str = r#"{
    "key": "order-77/1", "parent": "order-77", "session_id": "s-1",
    "agent": {"id": "support", "name": "Support", "version": "1.4", "model": "gpt-4o", "model_version": "2024-08-06"},
    "subject": {"id": "acme", "name": "Acme Corp"},
    "principal": {"human_id": "zoe@example.com", "creator_id": "c", "service_account": "sa", "role_scope": "support"},
    "action": {"type": "write", "category": "safety", "tool": "issue_refund",
        "authorization": {"decision": "human_approved", "scope": "refunds", "approver": "amy@example.com"},
        "input": {"order": 77, "amount": 12.5, "mail": "bob@example.com"}},
    "outcome": {"value": {"ok": true, "id": "r-1"}},
    "authority": {"snapshot_id": "snap-1", "captured_at": "2026-11-25T08:00:00Z", "scope": "refunds",
        "workspace": {"git_commit": "0af7651916cd43dd8448eb211c80319c"}, "stale_if": ["policy changes"],
        "refs": [{"kind": "policy", "id": "p-1", "loaded": true}], "omissions": [{"kind": "prompt", "reason": "private"}],
        "capture_limits": ["no prompts"]},
    "verification": {"status": "allowed", "verifier": "gate", "policy_ref": "p-1", "checked_at": "2026-11-25T08:00:01+01:00"},
    "threats": ["prompt_injection", {"type": "exfiltration", "ref": "t-1"}],
    "data": {"region": "eu-central-1", "cross_region": true, "purpose": "refund", "zdr": false, "attempt": 2, "zz": ["a", 1]},
    "started_at": "2026-11-25T08:00:00.5Z", "ended_at": "2026-11-25T09:00:01.75+01:00"
}"#;

fn draft_with(builder: &Builder, text: &str, tenant: &Tenant) -> Draft {
    let record = read(parse(text).unwrap(), &BUILDER).unwrap();
    builder.native(&record, tenant, Capture::Ingested, &mut Scratch::default())
}

fn draft(text: &str) -> Draft {
    draft_with(&Builder::new(false), text, &Tenant::claimed("acme").unwrap())
}

fn line(draft: &Draft) -> String {
    let mut line = Vec::new();
    draft.seal(&GENESIS, &time::rfc3339(1_800_000_000_000_000_000), &mut line);
    String::from_utf8(line).unwrap()
}

fn wrong(text: &str) -> Vec<String> {
    let wrong = read(parse(text).unwrap(), &BUILDER).unwrap_err();
    wrong.iter().map(ToString::to_string).collect()
}

/// Canonical, of the schema, with safe numbers, and a draft again when it is reopened.
fn assert_sound(draft: &Draft) {
    let line = line(draft);
    let parsed = parse_with(line.trim_end(), &crate::json::Limits::PYTHON).unwrap();
    assert!(parsed.canonical && parsed.duplicate.is_none(), "{line}");
    schema::check(&parsed.value, &mut |violation| panic!("{violation}: {line}"));
    let mut canonical = Vec::new();
    canon::write(&parsed.value, &mut canonical).unwrap();
    assert_eq!(canonical, line.trim_end().as_bytes());
    let again = Draft::reopen(draft.tenant().clone(), line.as_bytes()).unwrap();
    assert_eq!((again.id(), self::line(&again)), (draft.id(), line.clone()));
    assert!(matches!(draft.compare_with(line.as_bytes()), Comparison::Same), "{line}");
    let conflict = draft.conflicting_with(draft.id());
    let conflicting = self::line(&conflict);
    assert!(parse_with(conflicting.trim_end(), &crate::json::Limits::PYTHON).unwrap().canonical);
    assert_eq!(
        self::line(&Draft::reopen(conflict.tenant().clone(), conflicting.as_bytes()).unwrap()),
        conflicting
    );
}

/// What only looks like ours, with its members in another order, is not linked again: blanks would be filled in
/// at the wrong places.
#[test]
fn a_line_in_another_order_is_not_reopened() {
    let sealed = line(&draft(FULL));
    let elsewhere = sealed.replacen("\"data\":{", "\"date\":{", 1).replacen(
        "\"record_id\":",
        "\"data\":{},\"record_id\":",
        1,
    );
    assert!(elsewhere.find("\"data\":{") > elsewhere.find("\"integrity\":{"));
    assert!(again(&sealed).is_some() && again(&elsewhere).is_none());
}

/// Nor is a line whose hashes, time or parent are shorter than ours: blanks would cover what follows them.
#[test]
fn a_line_with_other_hashes_or_times_is_not_reopened() {
    let sealed = line(&draft(FULL));
    for (from, to) in [
        ("\"hash\":\"", "\"hash\":\"x"),
        ("\"prev_hash\":\"0000", "\"prev_hash\":\""),
        ("\"prev_hash\":\"", "\"next_hash\":\""),
        ("\"ts\":\"20", "\"ts\":\""),
        ("\"parent_id\":\"", "\"parent_id\":\"\",\"x\":\""),
    ] {
        let (before, after) = sealed.split_at(sealed.find("\"canon\":").unwrap());
        assert!(after.contains(from), "{from}");
        assert!(again(&[before, &after.replacen(from, to, 1)].concat()).is_none(), "{from}");
    }
}

fn again(line: &str) -> Option<Draft> {
    Draft::reopen(Tenant::claimed("acme").unwrap(), line.as_bytes())
}

#[test]
fn a_record_has_every_field_in_its_place() {
    let draft = draft(FULL);
    assert_sound(&draft);
    let record: serde_json::Value = serde_json::from_str(&line(&draft)).unwrap();
    let at = |path: &str| record.pointer(path).cloned().unwrap_or_default();
    for (path, expected) in [
        ("/action/tool", "issue_refund"),
        ("/action/authorization/approver", "amy@example.com"),
        ("/agent/model_version", "2024-08-06"),
        ("/principal/human_id", "zoe@example.com"),
        ("/subject/name", "Acme Corp"),
        ("/outcome/status", "ok"),
        ("/threats/1/ref", "t-1"),
        ("/threats/0/type", "prompt_injection"),
        ("/verification/checked_at", "2026-11-25T08:00:01+01:00"),
        ("/authority/refs/0/kind", "policy"),
        ("/data/key", "order-77/1"),
        ("/data/started_at", "2026-11-25T08:00:00.500000Z"),
        ("/data/ended_at", "2026-11-25T08:00:01.750000Z"),
        ("/data/region", "eu-central-1"),
        ("/data/pii_types/0", "email"),
        ("/source/capture", "ingested"),
        ("/source/adapter", "native"),
    ] {
        assert_eq!(at(path), expected, "{path}: {record}");
    }
    assert_eq!((at("/data/duration_ms"), at("/data/cross_region")), (1250.into(), 1.into()));
    assert!(!line(&draft).contains("bob@example.com"), "{record}");
    // The parent is the record of its key.
    let parent = self::draft(&LEAST.replace("k-1", "order-77"));
    assert_eq!(at("/parent_id"), parent.id().to_string());
    assert_eq!(at("/data/parent_key"), "order-77");
}

#[test]
fn what_a_sender_says_of_its_own_identity_is_a_claim() {
    let record = read(parse(FULL).unwrap(), &BUILDER).unwrap();
    let alone = FULL.replace(
        r#"{"human_id": "zoe@example.com", "creator_id": "c", "service_account": "sa", "role_scope": "support"}"#,
        r#"{"service_account": "sa"}"#,
    );
    let bare = read(parse(&alone).unwrap(), &BUILDER).unwrap();
    for account in [None, Some("checkout")] {
        let mut scratch = Scratch::default();
        if let Some(account) = account {
            scratch.come_by(account.into());
        }
        for record in [&record, &bare] {
            let acme = Tenant::claimed("acme").unwrap();
            let draft = Builder::new(false).native(record, &acme, Capture::Ingested, &mut scratch);
            assert_sound(&draft);
            let sealed: serde_json::Value = serde_json::from_str(&line(&draft)).unwrap();
            assert_eq!(sealed["principal"]["service_account"].as_str(), account, "{sealed}");
            assert_eq!(sealed["data"]["claimed_account"], "sa");
            assert_eq!(sealed.get("principal").is_some(), account.is_some() || record.principal.is_some());
            // What was sealed before the claim had a place of its own is the same.
            let before = line(&self::draft(if record.principal.is_some() { FULL } else { &alone }));
            let before = before.replace(r#""claimed_account":"sa","#, "");
            let human = r#""human_id":"zoe@example.com","role_scope":"support""#;
            let before = if record.principal.is_some() {
                before.replace(human, &format!(r#"{human},"service_account":"sa""#))
            } else {
                before.replace(r#","record_id""#, r#","principal":{"service_account":"sa"},"record_id""#)
            };
            assert!(before.contains(r#""service_account":"sa""#) && !before.contains("claimed_account"));
            assert!(draft.same_content(before.as_bytes()), "{before}");
        }
    }
}

#[test]
fn a_parent_is_told_as_its_sender_names_it() {
    let data = |parent: &str| {
        let draft = draft(&LEAST.replace("\"action\"", &format!("{parent},\"action\"")));
        assert_sound(&draft);
        let record: serde_json::Value = serde_json::from_str(&line(&draft)).unwrap();
        (record["data"].clone(), record["parent_id"].clone())
    };
    let id = "0af76519-16cd-8d84-8448-eb211c80319c";
    let (by_id, named) = data(&format!(r#""parent_id":"{}""#, id.to_uppercase()));
    assert_eq!((&by_id["parent_record_id"], named), (&id.into(), id.into()));
    // What is found in it is a finding of the parent's.
    let (by_key, _) = data(r#""parent":"sk-proj-FAKE0000aaaabbbbccccddddeeeeffff12345678""#);
    assert!(by_key["parent_key"].as_str().unwrap().starts_with("sk-"), "{by_key}");
    assert!(!by_key.to_string().contains("FAKE0000"), "{by_key}");
    let long = "é".repeat(256);
    assert_eq!(data(&format!(r#""parent":"{long}""#)).0["parent_key"], long);
    let (own, parent) = data(r#""parent":"k-1""#);
    assert_eq!((&own["parent_key"], parent), (&"k-1".into(), serde_json::Value::Null));
    for name in ["parent_key", "parent_record_id"] {
        let text = LEAST.replace("\"action\"", &format!(r#""data":{{"{name}":"x"}},"action""#));
        assert!(
            wrong(&text)[0].starts_with(&format!("data.{name}: is written by halod")),
            "{:?}",
            wrong(&text)
        );
    }
}

/// A resend is compared without its parent; names of the sender's own that only look like parents count.
#[test]
fn another_parent_is_no_contradiction_and_another_name_is() {
    let sealed = line(&draft(FULL));
    for parent in [
        r#""parent": "order-78""#,
        r#""parent_id": "0af76519-16cd-8d84-8448-eb211c80319c""#,
        r#""parent": null"#,
    ] {
        let other = draft(&FULL.replace(r#""parent": "order-77""#, parent));
        assert!(matches!(other.compare_with(sealed.as_bytes()), Comparison::Same), "{parent}");
    }
    let named = |n: u8| draft(&FULL.replace("\"attempt\": 2", &format!("\"parent_span_id\": \"{n}\"")));
    assert!(matches!(named(1).compare_with(line(&named(2)).as_bytes()), Comparison::Conflict));
}

#[test]
fn the_least_record_says_so() {
    let draft = draft_with(&Builder::new(false), LEAST, &Tenant::Local);
    assert_sound(&draft);
    let text = line(&draft);
    for part in [
        r#""agent":{"id":"unknown","name":"unknown"},"data":{"key":"k-1"}"#,
        r#""session_id":"local","severity":"INFO","source":"#,
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("outcome") && !text.contains("subject") && !text.contains("parent_id"), "{text}");
}

#[test]
fn words_of_the_reference_are_short_forms() {
    let text = LEAST.replace(
        r#""key""#,
        r#""agent":"bot","subject":"acme","threats":"jailbreak","outcome":{"error":"boom"},"key""#,
    );
    let text = line(&draft(&text));
    for part in [
        r#""agent":{"id":"bot","name":"bot"}"#,
        r#""subject":{"id":"acme"}"#,
        r#""threats":[{"type":"jailbreak"}]"#,
        r#""status":"error","summary":"boom""#,
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let cases: &[(&str, &[&str])] = &[
        ("[]", &["must be an object"]),
        (
            "{}",
            &[
                "key: is required: a text that tells this action from every other one, and stays the same when it is \
                 sent again; a UUID made before the first try will do",
                "action: is required",
            ],
        ),
        (
            r#"{"key":7,"action":{"type":"x"}}"#,
            &[
                "key: must be text",
                "action.type: must be one of tool_call, agent_message, read, write, network",
                "action.category: is required",
            ],
        ),
        (
            r#"{"sesion_id":"s","tool_input":1,"colour":2,"key":"k","action":{"type":"read","category":"safety"}}"#,
            &[
                "sesion_id: unknown field; did you mean `session_id`?",
                "tool_input: unknown field; did you mean `action.input`?",
                "colour: unknown field; known here: key, parent, parent_id, session_id, agent, subject, principal, action, \
             outcome, authority, verification, threats, data, started_at, ended_at",
            ],
        ),
        (
            r#"{"key":"k","action":{"type":"read","category":"safety","scope":"s","authorization":{"decision":"yes","aprover":"a"}}}"#,
            &[
                "action.scope: unknown field; did you mean `action.authorization.scope`?",
                "action.authorization.decision: must be one of allowed, denied, human_approved",
                "action.authorization.aprover: unknown field; did you mean `approver`?",
            ],
        ),
        (
            r#"{"key":"k","action":{"type":"read","category":"safety"},"outcome":{"value":1,"error":"e"},"parent":"a","parent_id":"b"}"#,
            &[
                "parent_id: there is a `parent` as well; send one of them",
                "outcome: has both a value and an error; send one of them",
            ],
        ),
        (
            r#"{"key":"k","action":{"type":"read","category":"safety"},"outcome":{"status":"ok","error":"e"},"parent_id":"b"}"#,
            &[
                "parent_id: must be a record's id, a UUID; the key of an action goes into `parent`",
                "outcome.status: is ok, though there is an error",
            ],
        ),
        (
            r#"{"key":"k","action":{"type":"read","category":"safety"},"outcome":{},"threats":[{"ref":"r"},5],"verification":{"checked_at":"now"}}"#,
            &[
                "verification.status: is required",
                "threats[0].type: is required",
                "threats[1]: must be an object",
                "verification.checked_at: must be a time like 2026-11-25T08:30:00.25Z (RFC 3339)",
                "outcome: says nothing; send a status, a value or an error",
            ],
        ),
        (
            r#"{"key":"k","action":{"type":"read","category":"safety"},"data":{"zdr":"yes","pii_types":[],"a b":1,"x":{"y":1},"cross_region":2},"ended_at":"today","started_at":"1960-01-01T00:00:00Z"}"#,
            &[
                "data.zdr: must be true or false",
                "data.pii_types: is found by halod",
                "data.a b: must have a name of at most 64 letters, digits, `_`, `-` and `.`, and no secret",
                "data.x: must be text, a number, true or false, or a list of these; content belongs into action.input and \
             outcome.value",
                "data.cross_region: must be true or false",
                "started_at: must be a time from 1970 to 2554",
                "ended_at: must be a time like 2026-11-25T08:30:00.25Z (RFC 3339)",
            ],
        ),
        (
            r#"{"key":"k","action":{"type":"read","category":"safety"},"authority":{"same_as_previous":true,"refs":[{"uri":1}],"ref":1}}"#,
            &[
                "authority.refs[0].uri: must be text",
                "authority.ref: unknown field; did you mean `refs`?",
                "authority.snapshot_id: is required with same_as_previous",
            ],
        ),
        (
            r#"{"key":"k","action":{"type":"read","category":"safety","tool":" \u200bHalod.gap"},"agent":"halod"}"#,
            &[
                "agent.id: is halod's own name; send the name of your agent",
                "agent.name: is halod's own name; send the name of your agent",
                "action.tool: names of tools that begin with `halod.` or `corroborates:` are halod's own; send another name",
            ],
        ),
        (
            r#"{"key":"k","action":{"type":"read","category":"safety","tool":"corroborates:pay"},"source":{"adapter":"halod","capture":"captured"}}"#,
            &[
                "source: unknown field; known here: key, parent, parent_id, session_id, agent, subject, principal, action, \
             outcome, authority, verification, threats, data, started_at, ended_at",
                "action.tool: names of tools that begin with `halod.` or `corroborates:` are halod's own; send another name",
            ],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(wrong(text), *expected, "{text}");
    }
}

#[test]
fn what_is_told_of_a_record_has_an_end() {
    let many: String = (0..100).map(|n| format!("\"unknown-{n}\":1,")).collect();
    let told = wrong(&LEAST.replace("\"key\"", &format!("{many}\"key\"")));
    assert_eq!((told.len(), told.last().unwrap().as_str()), (11, "and 90 more errors"));
    let long = wrong(&LEAST.replace("\"key\"", &format!("\"{}\":1,\"key\"", "x".repeat(10_000))));
    assert!(long[0].len() < 400, "{long:?}");
    assert!(wrong(&LEAST.replace("k-1", &"k".repeat(513)))[0].starts_with("key: at most"));
}

#[test]
fn a_value_is_never_repeated_in_an_error() {
    let secret = "sk-proj-FAKEabcdefghijklmnopqrstuvwxyz0123456789";
    let text = FULL
        .replace("\"write\"", &format!("\"{secret}\""))
        .replace("\"2026-11-25T08:00:00Z\"", &format!("\"{secret}\""));
    assert!(!wrong(&text).concat().contains("FAKE"));
}

#[test]
fn look_alikes_of_a_lines_own_members_are_only_text() {
    let fake = r#"\"integrity\":{\"alg\":\"sha-256\",\"canon\":\"rfc8785\",\"hash\":\"0\"},\"parent_id\":\"x\",\"ts\":\"1\",\"record_id\":\"\""#;
    for field in
        ["\"s-1\"", "\"refund\"", "\"p-1\"", "\"snap-1\"", "\"issue_refund\"", "\"t-1\"", "\"Acme Corp\""]
    {
        assert_sound(&draft(&FULL.replace(field, &format!("\"{fake}\""))));
    }
    let names = r#""integrity":"x","record_id":"00000000-0000-8000-8000-000000000000","parent_id":"p","ts":"t","mapping":"7","hash":"h","status":"s","source":"y","attempt""#;
    assert_sound(&draft(&FULL.replace("\"attempt\"", names)));
}

#[test]
fn what_is_said_decides_and_not_how_it_is_written() {
    let one = draft(FULL);
    let sealed = line(&one);
    let reordered = FULL.replace(r#""zdr": false, "attempt": 2"#, r#""attempt": 2.0, "zdr": false"#);
    assert!(matches!(draft(&reordered).compare_with(sealed.as_bytes()), Comparison::Same));
    for (part, other) in [
        ("\"refunds\"", "\"x\""),
        ("\"attempt\": 2", "\"attempt\": 3"),
        ("\"t-1\"", "\"t-2\""),
        ("77, \"amount\"", "78, \"amount\""),
    ] {
        let other = draft(&FULL.replace(part, other));
        assert!(matches!(other.compare_with(sealed.as_bytes()), Comparison::Conflict), "{part}");
        assert_eq!(other.id(), one.id());
    }
    // A sender's own name in `data` is not the version of the mapping.
    let named = |n: u8| FULL.replace("\"attempt\": 2", &format!("\"mapping\": \"{n}\""));
    assert!(matches!(
        draft(&named(1)).compare_with(line(&draft(&named(2))).as_bytes()),
        Comparison::Conflict
    ));
}

#[test]
fn hash_only_keeps_no_text_of_content() {
    let text = FULL
        .replace("s-1", "session_01HZX3Q9V7W2K8M4N6P0R5T1Y2")
        .replace("\"ok\": true", "\"ok\": \"all is well\"");
    let draft = draft_with(&Builder::new(true), &text, &Tenant::claimed("acme").unwrap());
    assert_sound(&draft);
    let line = line(&draft);
    assert!(!line.contains("summary") && !line.contains("sample") && !line.contains("all is well"), "{line}");
    assert!(line.contains(r#""session_id":"sha256:"#), "{line}");
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(|n| serde_json::json!(n)),
        any::<String>().prop_map(Into::into),
        prop::sample::select(vec![
            "",
            "allowed",
            "ok",
            "read",
            "2026-11-25T08:00:00Z",
            "sk-proj-FAKEabcdefghijklmnopqrstuvwxyz0123456789",
            "4111 1111 1111 1111",
            "halod",
            "halod.gap"
        ])
        .prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let name = prop_oneof![
            "[a-z_]{1,8}",
            prop::sample::select(vec![
                "id".to_owned(),
                "type".into(),
                "name".into(),
                "status".into(),
                "password".into()
            ])
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::vec((name, inner), 0..5)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Every place of the full record.
const PLACES: [&str; 30] = [
    "/key",
    "/parent",
    "/session_id",
    "/agent",
    "/agent/name",
    "/subject",
    "/subject/name",
    "/principal",
    "/principal/human_id",
    "/action",
    "/action/tool",
    "/action/input",
    "/action/authorization",
    "/action/authorization/scope",
    "/outcome",
    "/outcome/value",
    "/authority",
    "/authority/scope",
    "/authority/refs",
    "/authority/refs/0/uri",
    "/verification",
    "/verification/verifier",
    "/verification/checked_at",
    "/threats",
    "/threats/0",
    "/data",
    "/data/purpose",
    "/data/zz",
    "/data/new",
    "/started_at",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_value_in_any_place_is_refused_or_sealed_soundly(place in 0..PLACES.len(), value in any_json(), hash_only in any::<bool>()) {
        let mut record: serde_json::Value = serde_json::from_str(FULL).unwrap();
        let (within, name) = PLACES[place].rsplit_once('/').unwrap();
        match record.pointer_mut(within).unwrap() {
            serde_json::Value::Object(entries) => drop(entries.insert(name.to_owned(), value)),
            serde_json::Value::Array(items) => items[0] = value,
            _ => unreachable!(),
        }
        let text = record.to_string();
        match read(parse(&text).unwrap(), &BUILDER) {
            Ok(record) => {
                let draft = Builder::new(hash_only).native(&record, &Tenant::Local, Capture::Captured, &mut Scratch::default());
                assert_sound(&draft);
                let line = line(&draft);
                prop_assert!(!line.contains("FAKEabc"));
                let sealed: serde_json::Value = serde_json::from_str(&line).unwrap();
                let named = |path: &str| sealed.pointer(path).and_then(|name| name.as_str()).unwrap_or_default();
                let agents = ["/agent/id", "/agent/name"].map(|path| crate::own::is_agent(named(path)));
                let own = [crate::own::is_tool(named("/action/tool")), agents[0], agents[1]];
                prop_assert_eq!(own, [false; 3], "{}", line);
            }
            Err(wrong) => {
                prop_assert!(!wrong.is_empty() && wrong.len() <= 11);
                prop_assert!(wrong.iter().all(|wrong| !wrong.to_string().contains("FAKEabc")));
            }
        }
    }
}

#[test]
fn numbers_in_data_are_safe() {
    let text = FULL.replace("\"attempt\": 2", r#""a": 2.5, "b": 1e300, "c": 9007199254740993, "d": -0.0, "e": 4111111111111111, "f": 123456789012345678901234567890"#);
    let draft = draft(&text);
    assert_sound(&draft);
    let record = line(&draft);
    for part in [r#""a":"2.5""#, r#""c":"9007199254740993""#, r#""d":0"#, r#""e":"****1111""#] {
        assert!(record.contains(part), "{part}: {record}");
    }
}
