//! Who sees what: all routes, for all who may come, of all kinds of chains, in one table.

use super::stage::{Chain, Server, Visitor, done, verb};
use crate::support::wait_until;
use halod::reader::report::page;
use std::path::Path;
use std::time::Duration;

/// What is asked below a link, and how it is answered to who may: there is no signed log, so nothing is proved.
const ROUTES: [(&str, u16); 6] = [
    ("", 200),
    ("/meta", 200),
    ("/records", 200),
    ("/records?from=0", 400),
    ("/chain", 200),
    ("/proof/1", 404),
];

/// Chains that are shown, and such as are withheld from everybody.
fn chains(dir: &Path) {
    Chain::of(dir, "acme", "acme", 3);
    Chain::of(dir, "zeta", "zeta", 2);
    Chain::of(dir, "nosub", "", 1);
    let mut mixed = Chain::of(dir, "mixed", "mixed", 1);
    mixed.append("other", "");
    Chain::of(dir, "twin", "twin", 1);
    Chain::of(dir, "copy", "twin", 1);
    let broken = Chain::of(dir, "broken", "broken", 3);
    std::fs::write(&broken.path, broken.text().replacen("\"r2\"", "\"r9\"", 1)).unwrap();
    Chain::of(dir, "aside", "aside", 1);
}

fn is_open(server: &Server, visitor: &Visitor, link: &str) -> bool {
    let answer = visitor.get(server, link);
    assert_eq!(answer.status, 200);
    let is_open = answer.body == page::html().as_bytes();
    assert!(is_open || answer.text().contains("Mail address"), "{}", answer.text());
    is_open
}

#[test]
fn everybody_sees_their_own_chain_and_nothing_tells_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    chains(dir);
    for chain in ["acme", "zeta", "nosub", "aside"] {
        done(&["grant", chain, &format!("{}@{chain}.example", "reader")], dir);
        done(&["grant", chain, "all.example"], dir);
    }
    done(&["grant", "acme", "late@acme.example", "--until", "2020-01-31"], dir);
    // Whatever the list says of them.
    let path = dir.join(".halo_access.json");
    let mut list: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    list["aside"]["quarantined"] = true.into();
    for withheld in ["mixed", "twin", "broken"] {
        list[withheld] = serde_json::json!({ "allow": ["all.example"], "by": "subject" });
    }
    std::fs::write(&path, list.to_string()).unwrap();
    let server = Server::behind_proxy(dir, &["--unverified"], &[]);
    let link = |file: &str| server.link(&format!("{file}.jsonl"));
    let unknown = format!("/r/{}", "0".repeat(32));
    // Whose chains each may see.
    let people: [(&str, &[&str]); 6] = [
        ("reader@acme.example", &["acme"]),
        ("reader@zeta.example", &["zeta"]),
        ("reader@nosub.example", &["nosub"]),
        ("somebody@all.example", &["acme", "zeta", "nosub"]),
        ("late@acme.example", &[]),
        ("eve@evil.example", &[]),
    ];
    let files = ["acme", "zeta", "nosub", "mixed", "twin", "copy", "broken", "aside"];
    let nobody = Visitor::from("192.0.2.1");
    let told = |path: &str| {
        let answer = nobody.get(&server, path);
        (
            answer.status,
            answer.headers.into_iter().filter(|(name, _)| name != "date").collect::<Vec<_>>(),
            answer.body,
        )
    };
    for (route, _) in ROUTES {
        let as_unknown = told(&format!("{unknown}{route}"));
        for file in files {
            assert_eq!(told(&format!("{}{route}", link(file))), as_unknown, "{file}{route}");
        }
    }
    let mut cookies = Vec::new();
    for (at, (email, own)) in people.iter().enumerate() {
        for (n, file) in files.iter().enumerate() {
            // Each with an address of their own, so that rates are no matter.
            let mut visitor = Visitor::from(&format!("198.51.100.{}", at * files.len() + n));
            let status = visitor.enter(&server, &link(file), &format!("email={email}"));
            let may = own.contains(file);
            assert_eq!(status, if may { 303 } else { 403 }, "{email} at {file}");
            let refusal =
                Visitor::from(&format!("203.0.113.{at}")).post(&server, &unknown, "email=x@y.example");
            assert_eq!(refusal.status, if n < 10 { 403 } else { 429 });
            for (route, answered) in ROUTES {
                let answer = visitor.get(&server, &format!("{}{route}", link(file)));
                let closed = if route.is_empty() { 200 } else { 401 };
                assert_eq!(answer.status, if may { answered } else { closed }, "{email} at {file}{route}");
            }
            assert_eq!(is_open(&server, &visitor, &link(file)), may, "{email} at {file}");
            if may {
                cookies.push((*file, visitor));
            }
        }
    }
    // A cookie is good for its own chain, by whatever name it is shown.
    for (own, visitor) in &cookies {
        for file in files.iter().filter(|file| *file != own) {
            let (name, value) = visitor.cookie.split_once('=').unwrap();
            let token = |file: &str| link(file).trim_start_matches("/r/").to_owned();
            let renamed = name.replace(&token(own), &token(file));
            let thief = Visitor { cookie: format!("{renamed}={value}"), ..visitor.clone() };
            assert!(!is_open(&server, &thief, &link(file)), "the cookie of {own} at {file}");
            assert!(!is_open(&server, visitor, &link(file)));
        }
    }
    for (file, why) in [
        ("mixed", "several subjects"),
        ("twin", "copy.jsonl"),
        ("copy", "named for somebody else"),
        ("broken", "does not verify"),
        ("aside", "quarantined"),
    ] {
        let told = server.chain(&format!("{file}.jsonl"));
        assert_eq!(told["status"], "withheld", "{told}");
        assert!(told["why"].as_str().unwrap().contains(why), "{told}");
    }
}

#[test]
fn what_is_revoked_ends_with_the_next_request() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut chain = Chain::of(dir, "acme", "acme", 2);
    done(&["grant", "acme", "alice@acme.example"], dir);
    let server = Server::behind_proxy(dir, &["--unverified"], &[]);
    let link = server.link("acme.jsonl");
    let mut alice = Visitor::from("192.0.2.1");
    assert_eq!(alice.enter(&server, &link, "email=Alice%40acme.example"), 303);
    assert!(is_open(&server, &alice, &link));
    done(&["revoke", "acme", "alice@acme.example"], dir);
    assert!(!is_open(&server, &alice, &link));
    done(&["grant", "acme", "alice@acme.example"], dir);
    assert!(is_open(&server, &alice, &link), "the session lasts as long as she may");
    // A chain that stops verifying is nobody's to see, and comes back when it does again.
    let whole = chain.text();
    std::fs::write(&chain.path, whole.replacen("\"r1\"", "\"r9\"", 1)).unwrap();
    assert!(!is_open(&server, &alice, &link));
    std::fs::write(&chain.path, &whole).unwrap();
    assert!(is_open(&server, &alice, &link));
    chain.append("acme", "");
    assert!(is_open(&server, &alice, &link));
    chain.append("evil", "");
    assert!(!is_open(&server, &alice, &link));
    std::fs::write(&chain.path, &whole).unwrap();
    assert!(is_open(&server, &alice, &link));
    // New links end everything.
    done(&["serve", "--rotate-links"], dir);
    assert!(!is_open(&server, &alice, &link));
    assert_eq!(alice.post(&server, &link, "email=alice%40acme.example").status, 403);
}

#[test]
fn garbage_in_the_files_lets_nobody_in_and_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    Chain::of(dir, "acme", "acme", 2);
    done(&["grant", "acme", "alice@acme.example"], dir);
    let server = Server::behind_proxy(dir, &["--unverified"], &[]);
    let link = server.link("acme.jsonl");
    let mut alice = Visitor::from("192.0.2.1");
    assert_eq!(alice.enter(&server, &link, "email=alice@acme.example"), 303);
    let path = dir.join(".halo_access.json");
    let list = std::fs::read(&path).unwrap();
    let huge = vec![b' '; 17 << 20];
    for (garbage, why) in [
        (&b"{\"acme\": "[..], "no JSON"),
        (b"[]", "no JSON object"),
        (b"\xff\xfe", "no JSON"),
        (&huge, "more than 16777216 bytes"),
    ] {
        std::fs::write(&path, garbage).unwrap();
        assert!(!is_open(&server, &alice, &link), "{why}");
        let problem = server.console()["access_problem"].as_str().unwrap().to_owned();
        assert!(problem.contains(why) && problem.contains(".halo_access.json"), "{problem}");
        let (code, said) = super::stage::refused(&["grant", "acme", "bob@acme.example"], dir);
        assert_eq!(code, 2);
        assert!(said.contains(why), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), garbage, "it stays as it was");
    }
    std::fs::write(
        &path,
        "{\"acme\": {\"allow\": [\"acme.example\"], \"until\": {\"acme.example\": \"soon\"}}}",
    )
    .unwrap();
    assert!(!is_open(&server, &alice, &link));
    let told = server.chain("acme.jsonl");
    assert!(told["why"].as_str().unwrap().contains("a day like"), "{told}");
    std::fs::write(&path, &list).unwrap();
    assert!(is_open(&server, &alice, &link));
    std::fs::write(dir.join(".halo_serve_secret"), "short").unwrap();
    wait_until("the secret is read", Duration::from_secs(10), || alice.get(&server, &link).status == 503);
    let out = verb(&["serve", "--admin-key"], dir);
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("16 characters"));
}
