//! Whom a chain is shared with.
#![allow(clippy::unwrap_used)]

use super::*;

fn subject(text: &str) -> ChainKey {
    ChainKey::Subject(text.into())
}

fn list(text: &str) -> AccessList {
    AccessList::parse(text.as_bytes()).unwrap()
}

fn admits(list: &AccessList, chain: &ChainKey, address: &str) -> bool {
    list.admits(chain, &address.parse().unwrap())
}

#[test]
fn what_is_granted_is_admitted_until_it_is_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let (acme, alice) = (subject("acme"), "alice@acme.com".parse().unwrap());
    assert!(!admits(&AccessList::read(dir).unwrap(), &acme, "alice@acme.com"));
    grant(dir, &acme, &alice, None).unwrap();
    grant(dir, &acme, &"buyers.example".parse().unwrap(), Some(&"2999-12-31".parse().unwrap())).unwrap();
    let known = AccessList::read(dir).unwrap();
    assert!(admits(&known, &acme, "alice@acme.com") && admits(&known, &acme, "x@eu.buyers.example"));
    assert!(!admits(&known, &acme, "bob@acme.com") && !admits(&known, &subject("other"), "alice@acme.com"));
    assert!(!admits(&known, &ChainKey::File("acme".into()), "alice@acme.com"), "another chain of that name");
    let shared = known.shared(&acme);
    assert_eq!(shared[1].until.as_deref(), Some("2999-12-31"));
    assert!(shared[0].by_whom.is_some());
    let (had, left) = revoke(dir, "acme", Some(&alice)).unwrap();
    assert_eq!((had, left.len()), (true, 1));
    assert!(!admits(&AccessList::read(dir).unwrap(), &acme, "alice@acme.com"));
    assert!(!revoke(dir, "acme", Some(&alice)).unwrap().0);
    assert!(revoke(dir, "acme", None).unwrap().0);
    assert_eq!(AccessList::read(dir).unwrap(), AccessList::default());
}

#[test]
fn what_others_wrote_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(NAME);
    let text = r#"{"$x": [1], "acme": {"allow": ["A.com"], "by": "subject", "who": {"x": 1}}, "local": {"allow": [], "by": "subject", "file": "local"}}"#;
    std::fs::write(&path, text).unwrap();
    grant(directory.path(), &subject("acme"), &"b.com".parse().unwrap(), None).unwrap();
    let value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((&value["$x"], &value["acme"]["who"]), (&json!([1]), &json!({"x": 1})));
    assert_eq!(value["acme"]["allow"], json!(["A.com", "b.com"]));
    assert_eq!(value["local"]["file"], "local");
    let refused = grant(directory.path(), &subject("local"), &"b.com".parse().unwrap(), None).unwrap_err();
    assert!(refused.to_string().contains("no subject"), "{refused}");
    let refused = grant(directory.path(), &subject("$x"), &"b.com".parse().unwrap(), None).unwrap_err();
    assert!(refused.to_string().contains("no object"), "{refused}");
}

#[test]
fn a_grant_ends() {
    let ended = list(r#"{"a": {"allow": ["x.com", "y.com"], "until": {"x.com": "2020-01-31"}}}"#);
    assert!(!admits(&ended, &subject("a"), "m@x.com") && admits(&ended, &subject("a"), "m@y.com"));
    assert!(ended.shared(&subject("a"))[0].is_over);
    let day: Until = "2027-01-31".parse().unwrap();
    assert_eq!(day.end.to_string(), "2027-02-01T00:00:00Z", "the day itself counts");
    assert!("2027-01-31T12:00:00Z".parse::<Until>().is_ok());
    for wrong in ["", "tomorrow", "2027-13-01", "2027-01-31T12:00", "31.1.2027"] {
        assert_eq!(wrong.parse::<Until>(), Err(BadUntil), "{wrong}");
    }
}

#[test]
fn what_can_not_be_read_admits_nobody_and_says_why() {
    for (text, why) in [
        (r#"{"a": {"allow": "x.com"}}"#, "no list"),
        (r#"{"a": {"allow": ["x.com"], "until": "2999-01-01"}}"#, "`until` is no object"),
        (r#"{"a": {"allow": ["x.com"], "until": {"x.com": "soon"}}}"#, "a day like"),
        (r#"{"a": {"allow": ["x.com", 7]}}"#, "something else than texts"),
        (r#"{"a": {"allow": ["x.com"], "quarantined": true}}"#, "quarantined"),
        (r#"{"a": {"allow": ["x.com"], "quarantined": "yes"}}"#, "quarantined"),
    ] {
        let list = list(text);
        assert!(!admits(&list, &subject("a"), "m@x.com"), "{text}");
        let bar = list.bar(&subject("a")).unwrap();
        assert!(bar.contains(why), "{bar}");
    }
    for (text, why) in [("{bad", "no JSON"), ("[]", "no JSON object"), ("", "no JSON")] {
        let told = AccessList::parse(text.as_bytes()).unwrap_err();
        assert!(told.contains(why) && told.contains("put the file right"), "{told}");
    }
    assert_eq!(list(r#"{"a": {"allow": ["x.com"], "quarantined": false}}"#).bar(&subject("a")), None);
}
