//! The reference's `halo serve`, `grant` and `viewers` on the same directory: links, grants and views of either work in the other.

use super::stage::{Chain, Server, Visitor, done};
use crate::support::clients::python;
use crate::support::http::Http;
use crate::support::wait_until;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// `halo serve`, which ends when it is dropped.
struct Halo {
    child: Child,
    address: SocketAddr,
}

impl Halo {
    fn start(dir: &Path) -> Self {
        // It takes no port 0; the one that was free a moment ago mostly still is.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut halo = python().command("halo");
        halo.arg("serve").arg(dir).args(["--port", &address.port().to_string()]);
        halo.env_remove("HALO_SERVE_SECRET").env_remove("HALO_SMTP_HOST");
        let child = halo.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        wait_until("halo serve listens", Duration::from_secs(60), || Http::connect(address).is_ok());
        Self { child, address }
    }

    /// The links of all chains, by their keys.
    fn links(&self, admin: &str) -> BTreeMap<String, String> {
        let answer = Http::connect(self.address).unwrap().get(&format!("/api/console?key={admin}")).unwrap();
        assert_eq!(answer.status, 200, "the operator's key is the same");
        let told: Value = serde_json::from_slice(&answer.body).unwrap();
        let link = |chain: &Value| {
            let text = |name: &str| chain[name].as_str().unwrap().to_owned();
            (text("stem"), format!("/r/{}", text("token")))
        };
        told["chains"].as_array().unwrap().iter().map(link).collect()
    }

    fn enter(&self, link: &str, email: &str) -> u16 {
        let form = format!("email={email}");
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        Http::connect(self.address).unwrap().post(link, &kind, form.as_bytes()).unwrap().status
    }
}

impl Drop for Halo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn halo(arguments: &[&str], dir: &Path) -> String {
    let (verb, rest) = arguments.split_first().unwrap();
    let out = python().command("halo").arg(verb).arg(dir).args(rest).env("PYTHONUTF8", "1").output().unwrap();
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn chains(dir: &Path) {
    Chain::of(dir, "acme", "acme", 2);
    Chain::of(dir, "a_b~c14cddc033f64b9dea80ea67", "a/b", 2);
    Chain::of(dir, "tenant~e06ff957ed48e868a41b7e7e", "公司", 2);
    Chain::of(dir, "local", "", 2);
}

const KEYS: [(&str, &str); 4] = [
    ("acme", "acme.jsonl"),
    ("a/b", "a_b~c14cddc033f64b9dea80ea67.jsonl"),
    ("公司", "tenant~e06ff957ed48e868a41b7e7e.jsonl"),
    ("local", "local.jsonl"),
];

/// All of it, whoever made the secret and the first grants.
fn both_ways(dir: &Path) {
    let admin = done(&["serve", "--admin-key"], dir).trim().to_owned();
    for (key, _) in KEYS {
        done(&["grant", key, "ours@shared.example", "--until", "2999-12-31"], dir);
        halo(&["grant", key, "theirs@shared.example"], dir);
    }
    let (server, reference) = (Server::behind_proxy(dir, &["--unverified"], &[]), Halo::start(dir));
    let links = reference.links(&admin);
    for (at, (key, file)) in KEYS.into_iter().enumerate() {
        let link = server.link(file);
        assert_eq!(links[key], link, "{key}");
        for (n, email) in ["ours@shared.example", "theirs@shared.example"].into_iter().enumerate() {
            assert_eq!(reference.enter(&link, email), 200, "{key} {email}");
            let mut visitor = Visitor::from(&format!("192.0.2.{}", 10 * at + n));
            assert_eq!(visitor.enter(&server, &link, &format!("email={email}")), 303, "{key} {email}");
            assert_eq!(visitor.get(&server, &format!("{link}/meta")).status, 200);
        }
        assert_eq!(reference.enter(&link, "eve@evil.example"), 403);
    }
    // What is revoked here is revoked there, and what is added stays.
    done(&["revoke", "acme", "theirs@shared.example"], dir);
    assert_eq!(reference.enter(&links["acme"], "theirs@shared.example"), 403);
    assert!(done(&["grant", "--list"], dir).contains("ours@shared.example (until 2999-12-31)"));
    let (theirs, ours) = (halo(&["viewers"], dir), done(&["viewers"], dir));
    assert!(theirs.contains("16 report view(s).") && ours.contains("16 report view(s)."), "{theirs}{ours}");
    for line in theirs.lines() {
        assert!(ours.contains(line), "{line}: {ours}");
    }
}

#[test]
fn links_grants_and_views_go_both_ways_from_ours() {
    let dir = tempfile::tempdir().unwrap();
    chains(dir.path());
    both_ways(dir.path());
}

#[test]
fn links_grants_and_views_go_both_ways_from_theirs() {
    let dir = tempfile::tempdir().unwrap();
    chains(dir.path());
    halo(&["grant", "acme", "first@shared.example"], dir.path());
    drop(Halo::start(dir.path()));
    assert!(dir.path().join(".halo_serve_secret").exists(), "the reference made it");
    both_ways(dir.path());
}
