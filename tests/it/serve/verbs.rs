//! What is said on the command line, and where serving is refused.

use super::stage::{Chain, Server, done, refused, verb};
use crate::support::wait_until;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

#[test]
fn grants_are_made_listed_and_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    Chain::of(dir, "acme", "acme", 1);
    Chain::of(dir, "a_b~c14cddc033f64b9dea80ea67", "a/b", 1);
    Chain::of(dir, "nosub", "", 1);
    Chain::of(dir, "free", "Other Co", 1);
    let mut mixed = Chain::of(dir, "mixed", "mixed", 1);
    mixed.append("m2", "");
    assert_eq!(done(&["grant", "acme", "Alice@Acme.com"], dir), "recipients for acme: alice@acme.com\n");
    let until = ["grant", "acme", "@buyers.example", "--until", "2999-12-31"];
    assert_eq!(done(&until, dir), "recipients for acme: alice@acme.com, buyers.example (until 2999-12-31)\n");
    assert_eq!(
        done(&["grant", "a_b~c14cddc033f64b9dea80ea67", "x@y.example"], dir),
        "recipients for a/b: x@y.example\n"
    );
    done(&["grant", "nosub", "x@y.example"], dir);
    let unknown = verb(&["grant", "nosuch", "x@y.example"], dir);
    assert_eq!(unknown.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("has no chain of \"nosuch\""));
    assert_eq!(done(&["grant", "--list"], dir).lines().count(), 4);
    for (arguments, code, why) in [
        (&["grant", "acme", "no address"][..], 2, "an address like"),
        (&["grant", "acme"], 2, "WHO"),
        (&["grant", "acme", "x@y.example", "--until", "soon"], 2, "a day like"),
        (&["grant", "free", "x@y.example"], 2, "named for somebody else"),
        (&["grant", "Other Co", "x@y.example"], 2, "named for somebody else"),
        (&["grant", "mixed", "x@y.example"], 2, "several subjects"),
        (&["revoke", "acme", "bob@acme.com"], 1, "was not shared with bob@acme.com"),
        (&["revoke", "acme"], 2, "WHO"),
    ] {
        let (found, said) = refused(arguments, dir);
        assert_eq!(found, code, "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    assert_eq!(
        done(&["revoke", "acme", "alice@acme.com"], dir),
        "recipients for acme: buyers.example (until 2999-12-31)\n"
    );
    assert_eq!(done(&["revoke", "acme", "--all"], dir), "recipients for acme: nobody\n");
    let (code, said) = refused(&["grant", "acme", "x@y.example"], &dir.join("nowhere"));
    assert_eq!(code, 2, "{said}");
}

#[test]
fn viewers_tells_what_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(done(&["viewers"], dir), "0 report view(s).\n");
    let theirs = r#"{"email":"a@x.com","chain":"acme","subject":"Acme","ts":"2026-12-01T01:28:21Z"}"#;
    let ours = r#"{"email":"b@x.com","chain":"公司","subject":"","ts":"2026-12-01T01:28:22Z","halod":{"by":"code","count":3,"head":null}}"#;
    let path = dir.join(".halo_leads.jsonl");
    std::fs::write(&path, format!("{theirs}\n{ours}\n")).unwrap();
    let said = done(&["viewers"], dir);
    assert_eq!(
        said,
        "2026-12-01T01:28:21Z  a@x.com                       acme\n\
         2026-12-01T01:28:22Z  b@x.com                       公司  3 records\n2 report view(s).\n"
    );
    assert_eq!(done(&["viewers", "--json"], dir).lines().count(), 2);
    std::fs::write(&path, format!("{theirs}\n{{bad\n\u{1b}\n")).unwrap();
    let out = verb(&["viewers"], dir);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("2 lines can't be read, the first is line 2"));
}

#[test]
fn nothing_is_served_in_the_clear_or_to_anybody() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    Chain::of(dir, "acme", "acme", 1);
    for (arguments, why) in [
        (&["serve"][..], "nothing shows that an address is the reader's own"),
        (&["serve", "--unverified", "--listen", "0.0.0.0:0"], "over TLS"),
        (&["serve", "--unverified", "--listen", "192.0.2.1:0"], "over TLS"),
        (&["serve", "--open", "--listen", "0.0.0.0:0"], "this machine alone"),
        (&["serve", "--open", "--behind-proxy", "127.0.0.1"], "this machine alone"),
        (&["serve", "--proxy-auth", "x-user"], "--behind-proxy"),
        (&["serve", "--open", "--unverified"], "cannot be used with"),
        (&["serve", "--tls-cert", "x.pem"], "--tls-key"),
    ] {
        let (code, said) = refused(arguments, dir);
        assert_eq!(code, 2, "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    let (code, said) = refused(&["serve", "--open"], &dir.join("nowhere"));
    assert_eq!(code, 2);
    assert!(said.contains("no directory of chains"), "{said}");
    done(&["serve", "--admin-key"], dir);
    let secret = dir.join(".halo_serve_secret");
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o640)).unwrap();
    let (code, said) = refused(&["serve", "--open", "--listen", "127.0.0.1:0"], dir);
    assert_eq!(code, 2);
    assert!(said.contains("chmod 600"), "{said}");
}

#[test]
fn the_operator_comes_by_a_link_once_or_with_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    Chain::of(dir, "acme", "acme", 2);
    done(&["grant", "acme", "alice@acme.example"], dir);
    done(&["grant", "nosuch", "alice@acme.example"], dir);
    let server = Server::start(dir, &["--unverified"]);
    wait_until("the link is printed", Duration::from_secs(10), || server.said().contains("/?once="));
    let said = server.said();
    let at = said.find("/?once=").unwrap();
    let link: String = said[at..].chars().take_while(|c| !matches!(c, '"' | '\\' | ' ')).collect();
    let landing = server.get("/", &[]);
    assert!(landing.status == 200 && !landing.text().contains("acme"), "{}", landing.text());
    assert_eq!(server.get("/api/console", &[]).status, 401);
    let came = server.get(&link, &[]);
    assert_eq!((came.status, came.header("location")), (303, Some("/")));
    let cookie = came.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(server.get(&link, &[]).status, 403, "it works once");
    server.chain("acme.jsonl");
    let console = server.get("/", &[("cookie", &cookie)]).text();
    for part in
        ["acme.jsonl", "served by its link", "alice@acme.example", "A grant for nosuch lets nobody in"]
    {
        assert!(console.contains(part), "{part}: {console}");
    }
    assert!(!server.said().contains("x-forwarded") && server.console()["chains"][0]["records"] == 2);
    // Keys can't be tried out.
    let wrong = |_| server.get("/api/console", &[("authorization", "Bearer wrong")]).status;
    let answers: Vec<u16> = (0..12).map(wrong).collect();
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 10, "{answers:?}");
    assert_eq!(answers.last(), Some(&429));
}
