//! A customer in a real browser: link, address, code, report.

use super::gate::Mails;
use super::stage::{Server, done};
use crate::checkpoints::{Place, await_covered};
use crate::support::clients::{chromium, driver};
use crate::support::root;
use crate::support::spans::{request, span};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;

/// Where the browser's program is, for those who don't look for it.
fn program() -> PathBuf {
    let browser = chromium();
    let name = browser.get_program().to_str().unwrap().to_owned();
    if name.contains('/') {
        return name.into();
    }
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|dir| dir.join(&name)).find(|file| file.is_file()).unwrap()
}

#[test]
fn a_customer_gets_in_by_a_code_and_the_report_verifies() {
    let (place, mails) = (Place::new(), Mails::start());
    let halod = place.start();
    halod.export(&request(Some("acme"), (0..5).map(|n| span(1, n)).collect()));
    await_covered(&halod, &place, 5);
    halod.terminate();
    done(&["grant", "acme", "alice@shared.example"], &place.chains());
    let server = Server::start_with(&place.chains(), &[], &mails.env());
    let link = format!("http://{}{}", server.address, server.link("acme.jsonl"));
    let code = place.path("code");
    let script = root().join("tests/clients/serve_gate.py");
    let mut python = driver().script(&script, &[&link, "alice@shared.example", code.to_str().unwrap()]);
    let browser = chromium();
    let library =
        browser.get_envs().find(|(name, _)| *name == "LD_LIBRARY_PATH").and_then(|(_, value)| value);
    python.env("HALOD_CHROMIUM", program()).env("HALOD_LIBRARIES", library.unwrap_or_default());
    let child = python.env("PYTHONUTF8", "1").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let sent = mails.code(0, "alice@shared.example");
    // It appears whole.
    std::fs::write(place.path("code.new"), sent).unwrap();
    std::fs::rename(place.path("code.new"), &code).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{}\n{}", String::from_utf8_lossy(&out.stderr), server.said());
    let said: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(!said["gate"].as_str().unwrap().contains("acme"), "the gate names nobody");
    assert!(said["wrong code"].as_str().unwrap().contains("opens nothing"), "{said}");
    assert_eq!((&said["state"], &said["again"]), (&"done".into(), &"done".into()), "{said}");
    assert!(said["report"].as_str().unwrap().contains("acme"), "{said}");
    assert_eq!(said["noise"], serde_json::json!([]));
    let viewers = done(&["viewers", "--json"], &place.chains());
    assert!(viewers.contains(r#""by":"code","count":5"#) && viewers.contains(r#""root""#), "{viewers}");
}
