//! What an operator does: looks, is told, backs up, moves, upgrades. `docs/operations.md` has the commands.

use crate::support::chains::{assert_exactly, assert_verified, files, records};
use crate::support::clients::{promtool, schema};
use crate::support::halod::{BINARY, Halod, halod};
use crate::support::http::PROTOBUF;
use crate::support::root;
use crate::support::spans::{key, request, span};
use crate::support::{chains, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn told(out: &Output) -> (Option<i32>, String) {
    let said = [&out.stdout[..], &out.stderr].concat();
    (out.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn seal(halod: &Halod, tenant: &str, family: u32, count: u64) {
    halod.export(&request(Some(tenant), (0..count).map(|n| span(family, n)).collect()));
}

#[test]
fn status_is_for_people_scripts_and_monitors() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().to_str().unwrap();
    let of = |more: &[&str]| {
        told(&halod(&[&["status", "--admin", "127.0.0.1:1", "--dir", own], more].concat(), &[]))
    };
    let (code, said) = of(&[]);
    assert!(code == Some(1) && said.contains("no halod runs on"), "{said}");
    let halod = Halod::start(dir.path());
    seal(&halod, "acme", 0x61, 3);
    let (code, said) = of(&[]);
    assert!(
        code == Some(0) && said.contains("takes what is sent") && said.contains("3 records sealed"),
        "{said}"
    );
    let (code, said) = of(&["--json"]);
    let status: Value = serde_json::from_str(&said).unwrap();
    assert!(code == Some(0) && status["chains"] == 1 && status["configuration"]["problems"][0].is_null());
    assert!(halod.terminate().success());
}

#[test]
fn chains_on_disk_are_listed_with_their_tenants() {
    let dir = tempfile::tempdir().unwrap();
    let odd = "Müller & Söhne/../x";
    let halod = Halod::start(dir.path());
    seal(&halod, "acme", 0x62, 3);
    seal(&halod, odd, 0x63, 2);
    assert!(halod.terminate().success());
    let out = crate::support::halod::halod(&["chains", "--json"], &[dir.path().into()]);
    let listed: Vec<Value> = String::from_utf8(out.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(listed.len(), 2, "{listed:?}");
    for chain in &listed {
        let own = records(Path::new(chain["file"].as_str().unwrap()));
        let tenant = own[0]["subject"]["id"].as_str();
        assert_eq!(chain["tenant"].as_str(), tenant);
        assert_eq!(chain["records"], own.len());
        let last = own.last().unwrap();
        assert_eq!(chain["head"], last["integrity"]["hash"]);
        assert!(last["ts"].as_str().unwrap().starts_with(&chain["last"].as_str().unwrap()[..19]));
    }
    assert!(listed.iter().any(|chain| chain["tenant"] == odd), "{listed:?}");
    let (code, said) = told(&crate::support::halod::halod(&["chains"], &[dir.path().into()]));
    assert!(code == Some(0) && said.contains("total: 2 chains, 5 records"), "{said}");
}

#[test]
fn tap_shows_what_is_sealed_and_what_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut tap = Command::new(BINARY);
    tap.args(["tap", "--json", "--dir"]).arg(dir.path()).env_remove("HALOD_CONFIG");
    let mut tap = tap.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (sender, events) = std::sync::mpsc::channel::<Value>();
    let out = tap.stdout.take().unwrap();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let _ = sender.send(serde_json::from_str(&line).unwrap());
        }
    });
    let mut other = span(0x64, 9);
    other.attributes.clear();
    other.name = "GET /health".into();
    // It has to be there before what it shows.
    let mut sent = 0;
    let sealed = loop {
        assert!(sent < 600, "the tap shows nothing");
        halod.export(&request(Some("acme"), vec![span(0x64, sent)]));
        sent += 1;
        if let Ok(event) = events.recv_timeout(Duration::from_millis(100)) {
            break event;
        }
    };
    assert_eq!(sealed["what"], "sealed", "{sealed}");
    assert_eq!((&sealed["receiver"], &sealed["tenant"]), (&"otlp".into(), &"acme".into()), "{sealed}");
    assert!(sealed["dialects"].as_object().unwrap().len() == 1, "{sealed}");
    let next = |what: &str| loop {
        let event = events.recv_timeout(LIMIT).unwrap();
        if event["what"] == what {
            return event;
        }
    };
    halod.connect().post("/v1/traces", &[("content-type", PROTOBUF)], b"\xff\xff").unwrap();
    assert_eq!(next("refused")["reason"], "undecodable");
    halod.export(&request(Some("acme"), vec![span(0x64, 0)]));
    assert_eq!(next("duplicate")["records"], 1);
    let answer = halod.connect().export(&request(Some("acme"), vec![other])).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("nothing in this request is an agent's action"), "{}", answer.text());
    assert_eq!(next("filtered")["items"], 1);
    tap.kill().unwrap();
    tap.wait().unwrap();
    halod.await_log("a new sender");
    halod.await_log("a scope sends what tells of no agent's action");
    assert!(halod.terminate().success());
}

/// A reader that reads nothing holds nothing up.
#[test]
fn a_tap_that_is_not_read_slows_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut tap = Command::new(BINARY);
    tap.args(["tap", "--json", "--dir"]).arg(dir.path()).env_remove("HALOD_CONFIG");
    let mut tap = tap.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    for n in 0..1200 {
        halod.export(&request(Some("acme"), vec![span(0x67, n)]));
    }
    let mut seen = 0;
    let out = tap.stdout.take().unwrap();
    halod.signal(rustix::process::Signal::TERM);
    for line in BufReader::new(out).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        seen += event["records"].as_u64().unwrap_or(0) + event["events"].as_u64().unwrap_or(0);
    }
    assert!(seen <= 1200, "{seen}");
    tap.wait().unwrap();
    assert!(halod.wait().success());
    assert_exactly(dir.path(), (0..1200).map(|n| key(&span(0x67, n))));
}

#[test]
fn metrics_tell_of_chains_that_were_there_before_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    seal(&halod, "acme", 0x68, 3);
    seal(&halod, "beta", 0x69, 2);
    assert!(halod.terminate().success());
    let halod = Halod::start(dir.path());
    assert_eq!(halod.metric("halod_chains", ""), 2);
    wait_until("both chains are told", LIMIT, || {
        halod.metric("halod_chain_records", "chain=\"acme\"") == 3
            && halod.metric("halod_chain_records", "chain=\"beta\"") == 2
    });
    let (_, status) = halod.ask("/status").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&status).unwrap()["chains"], 2);
    seal(&halod, "acme", 0x6a, 1);
    assert_eq!(halod.metric("halod_chain_records", "chain=\"acme\""), 4);
    assert!(halod.terminate().success());
}

/// Names of metrics in an expression: those of halod's and of the process.
fn named(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let ours = |name: &&str| name.starts_with("halod_") || name.starts_with("process_");
    text.split(|c| !word(c)).filter(ours).map(str::to_owned).collect()
}

#[test]
fn rules_and_dashboard_name_metrics_that_there_are() {
    let rules = root().join("config/prometheus/halod.rules.yaml");
    let out = promtool().args(["check", "rules"]).arg(&rules).output().unwrap();
    assert!(out.status.success(), "{}", told(&out).1);
    let dashboard = std::fs::read_to_string(root().join("config/grafana/halod.json")).unwrap();
    let parsed: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = parsed["panels"].as_array().unwrap();
    let expressions: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    assert!(expressions.len() >= panels.len());
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut other = span(0x6b, 0);
    (other.attributes, other.name) = (Vec::new(), "GET /".into());
    halod.export(&request(Some("acme"), vec![span(0x6b, 1), other]));
    let (_, metrics) = halod.ask("/metrics").unwrap();
    let there: BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.split(['{', ' ']).next())
        .filter(|name| *name != "#")
        .collect();
    let rules = std::fs::read_to_string(rules).unwrap();
    let lines = rules
        .lines()
        .filter(|line| line.trim_start().starts_with("expr:"))
        .chain(expressions.iter().copied());
    for name in lines.flat_map(named) {
        assert!(there.contains(&*name), "{name} is no metric");
    }
    // Grafana's own queries are Prometheus', so its checker reads them, too.
    let own = expressions.iter().enumerate().map(|(n, expr)| {
        let expr = expr.replace("$instance", ".*");
        format!("      - {{ record: 'dashboard:{n}', expr: '{expr}' }}\n")
    });
    let file = dir.path().join("dashboard.yaml");
    std::fs::write(&file, format!("groups:\n  - name: dashboard\n    rules:\n{}", own.collect::<String>()))
        .unwrap();
    let out = promtool().args(["check", "rules"]).arg(&file).output().unwrap();
    assert!(out.status.success(), "{}", told(&out).1);
    assert!(halod.terminate().success());
}

#[test]
fn the_schema_takes_what_halod_takes_and_refuses_what_it_refuses() {
    let out = schema()
        .script(&root().join("tests/clients/schema.py"), &[root().to_str().unwrap(), BINARY])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", told(&out).1);
}

/// The commands of a recipe in `docs/operations.md`: the block after its heading.
fn recipe(heading: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (_, rest) = page.split_once(&format!("## {heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let (_, block) = rest.split_once("```sh\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// Runs a recipe as it is written, with the places of the page put elsewhere.
fn follow(heading: &str, places: &[(&str, &Path)]) {
    let mut script = recipe(heading);
    for (written, place) in places {
        script = script.replace(written, place.to_str().unwrap());
    }
    let bin = Path::new(BINARY).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(bin.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut shell = Command::new("sh");
    shell.args(["-euxc", &script]).env("PATH", path.unwrap()).env_remove("HALOD_CONFIG");
    let (code, said) = told(&shell.stdin(Stdio::null()).output().unwrap());
    assert_eq!(code, Some(0), "{heading}: {said}");
}

#[test]
fn a_backup_that_is_taken_while_it_runs_is_restored() {
    let place = tempfile::tempdir().unwrap();
    let (records, backup) = (place.path().join("records"), place.path().join("backup"));
    std::fs::create_dir(&backup).unwrap();
    let halod = Halod::start(&records);
    seal(&halod, "acme", 0x6c, 20);
    wait_until("what is sealed is signed", LIMIT, || halod.ask("/status").unwrap().1.contains("\"epoch\":"));
    let places: [(&str, &Path); 2] = [("/var/lib/halod", &records), ("/backup", &backup)];
    follow("Back up", &places);
    seal(&halod, "acme", 0x6d, 5);
    halod.kill9();
    std::fs::remove_dir_all(&records).unwrap();
    follow("Restore", &places);
    let halod = Halod::start(&records);
    // What came after the backup comes again, as senders that keep what they sent do it.
    seal(&halod, "acme", 0x6c, 20);
    seal(&halod, "acme", 0x6d, 5);
    assert_eq!(halod.duplicates(), 20);
    assert!(halod.terminate().success());
    assert_exactly(&records, (0..20).map(|n| key(&span(0x6c, n))).chain((0..5).map(|n| key(&span(0x6d, n)))));
    assert_verified(&records);
}

#[test]
fn a_directory_is_moved() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (place.path().join("old"), place.path().join("new"));
    let halod = Halod::start(&old);
    seal(&halod, "acme", 0x6e, 7);
    assert!(halod.terminate().success());
    follow("Move", &[("/var/lib/halod", &old), ("/mnt/new/halod", &new)]);
    let halod = Halod::start(&new);
    seal(&halod, "acme", 0x6e, 8);
    assert_eq!((halod.duplicates(), halod.sealed()), (7, 1));
    assert!(halod.terminate().success());
    assert_verified(&new);
}

#[test]
fn an_upgrade_is_tried_before_it_is_made() {
    let place = tempfile::tempdir().unwrap();
    let (records, file) = (place.path().join("records"), place.path().join("halod.yaml"));
    let ports = "receivers: { otlp: { protocols: { grpc: { endpoint: '127.0.0.1:0' }, http: { endpoint: '127.0.0.1:0' } } } }\n\
                 admin: { endpoint: '127.0.0.1:0' }\n";
    std::fs::write(&file, ports).unwrap();
    let halod = Halod::start_with(&records, &["--config", file.to_str().unwrap()]);
    seal(&halod, "acme", 0x6f, 2);
    follow("Upgrade", &[("/etc/halod/halod.yaml", &file), ("/var/lib/halod", &records)]);
    assert!(halod.terminate().success());
    assert_verified(&records);
}

#[test]
fn a_token_is_rotated_without_a_gap() {
    let place = tempfile::tempdir().unwrap();
    let (records, identities, file) =
        (place.path().join("records"), place.path().join("identities"), place.path().join("halod.yaml"));
    std::fs::write(&identities, "hooks uid=7 tenants=acme\n").unwrap();
    std::fs::write(&file, format!("auth: {{ file: {} }}\n", identities.display())).unwrap();
    let halod = Halod::start_with(&records, &["--config", file.to_str().unwrap()]);
    follow("Rotate keys and tokens", &[("/etc/halod/identities", &identities), ("/var/lib/halod", &records)]);
    let lines = std::fs::read_to_string(&identities).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    halod.await_log("the identities of senders were read again");
    assert!(halod.terminate().success());
}

/// The page says how much room a record takes; this is about what it does.
#[test]
fn sizes_are_about_what_the_page_says() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    for n in 0..10 {
        halod.export(&request(Some("acme"), (n * 100..n * 100 + 100).map(|n| span(0x70, n)).collect()));
    }
    assert!(halod.terminate().success());
    let [file] = files(dir.path()).try_into().unwrap();
    let each = file.metadata().unwrap().len() / chains::records(&file).len() as u64;
    assert!((500..2000).contains(&each), "{each} bytes a record");
}
