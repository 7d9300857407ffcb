//! Who may come in at `halod witness`, and what its operator is told.

use super::stage::{Log, Witness};
use crate::support::certificates::{Authority, Pair};
use crate::support::halod::BINARY;
use crate::support::http::Http;
use crate::support::small::Small;
use halod::tee::settings::Target;
use halod::witness::client::Client;
use halod_evidence::cosigning::{Cosigning, Next};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let out: Output = Command::new(BINARY).arg("witness").args(arguments).output().unwrap();
    (out.status.code(), String::from_utf8_lossy(&[&out.stdout[..], &out.stderr].concat()).into_owned())
}

fn token(file: &Path, name: &str, tenants: &str, receivers: &str) -> String {
    let mut command = Command::new(BINARY);
    command.args(["token", "new", name, "--tenants", tenants, "--receivers", receivers, "--file"]).arg(file);
    String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
}

fn anchor(subject: &str) -> Vec<u8> {
    json!({ "subject": subject, "count": 1, "head": "b".repeat(64), "chain_root": "a".repeat(64) })
        .to_string()
        .into_bytes()
}

fn status(witness: &Witness, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> u16 {
    witness.connect().send(method, path, headers, body).unwrap().status
}

#[test]
fn identities_write_and_read_what_is_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("identities");
    let bearer = |token: String| format!("Bearer {token}");
    let acme = bearer(token(&file, "acme", "acme", "witness"));
    let all = bearer(token(&file, "all", "*", "witness"));
    let sender = bearer(token(&file, "sender", "*", "otlp"));
    let witness = Witness::halod(&dir.path().join("w"), &["--auth", file.to_str().unwrap()]);
    let write = |key: &str, subject: &str| {
        status(&witness, "POST", "/anchor", &[("authorization", key)], &anchor(subject))
    };
    let read = |key: &str, path: &str| status(&witness, "GET", path, &[("authorization", key)], b"");
    assert_eq!(status(&witness, "POST", "/anchor", &[], &anchor("acme")), 401);
    assert_eq!(
        [write(&acme, "acme"), write(&acme, "beta"), write(&sender, "acme"), write(&all, "beta")],
        [201, 403, 403, 201]
    );
    let rooted = String::from_utf8(anchor("x")).unwrap().replace("\"x\"", "null");
    let rooted =
        |key: &str| status(&witness, "POST", "/anchor", &[("authorization", key)], rooted.as_bytes());
    assert_eq!([rooted(&acme), rooted(&all)], [403, 201]);
    let path = "/v1/checkpoints?subject=acme";
    assert_eq!(status(&witness, "GET", path, &[], b""), 401);
    assert_eq!([read(&acme, path), read(&all, path), read(&sender, path)], [200, 200, 403]);
    assert_eq!(read(&acme, "/v1/checkpoints?subject=beta"), 403);
    assert_eq!(read(&acme, "/v1/contradictions?subject=beta"), 403);
    // Who knows the hash of a first record has the chain; what logs contradict is anybody's.
    let root = "a".repeat(64);
    assert_eq!(status(&witness, "GET", &format!("/v1/checkpoints?chain_root={root}"), &[], b""), 200);
    assert_eq!(status(&witness, "GET", "/v1/contradictions?origin=x", &[], b""), 200);
    // One identity has its share of a minute.
    let mut http = witness.connect();
    let statuses: Vec<u16> = (0..700)
        .map(|_| http.post("/anchor", &[("authorization", &acme)], &anchor("acme")).unwrap().status)
        .collect();
    assert!(statuses.contains(&429) && statuses.iter().all(|status| [201, 429].contains(status)));
    // A token that is taken out of the file is not known any more.
    fs::write(&file, "").unwrap();
    kill_process(Pid::from_raw(witness.process.pid().cast_signed()).unwrap(), Signal::HUP).unwrap();
    crate::support::wait_until("the identities are read again", std::time::Duration::from_secs(20), || {
        write(&all, "beta") == 401
    });
}

#[test]
fn beyond_this_machine_nobody_anchors_without_identities() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::new());
    let witness = Witness::halod(dir.path(), &["--listen", "0.0.0.0:0", "--log", &log.key().to_string()]);
    assert!(witness.process.said().contains("from nobody"));
    assert_eq!(status(&witness, "POST", "/anchor", &[("authorization", "Bearer x")], &anchor("acme")), 401);
    assert_eq!(witness.get("/v1/checkpoints?subject=acme").status, 401);
    // A log shows who it is by its signature.
    assert_eq!(witness.add(&log.request(0, 3)).status, 200);
}

#[test]
fn pages_read_and_do_not_write() {
    let dir = tempfile::tempdir().unwrap();
    let witness = Witness::halod(dir.path(), &[]);
    let asks = [
        ("origin", "https://reader.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let told = witness.connect().send("OPTIONS", "/v1/checkpoints?subject=a", &asks, b"").unwrap();
    assert_eq!((told.status, told.header("access-control-allow-origin")), (204, Some("*")));
    assert!(
        told.header("access-control-allow-headers").unwrap().to_ascii_lowercase().contains("authorization")
    );
    for path in
        ["/v1/checkpoints?subject=a", "/v1/checkpoints", "/v1/contradictions?origin=x", "/0/checkpoint", "/"]
    {
        assert_eq!(witness.get(path).header("access-control-allow-origin"), Some("*"), "{path}");
    }
    for (name, value) in
        [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("host", "evil.example")]
    {
        let headers = [(name, value)];
        // The client's own host comes first, and any of two is looked at.
        assert_eq!(status(&witness, "POST", "/anchor", &headers, &anchor("acme")) / 100, 4, "{name}");
    }
    assert_eq!(status(&witness, "POST", "/anchor", &[], &anchor("acme")), 201);
    for (method, path, expected) in [
        ("GET", "/anchor", 405),
        ("PUT", "/add-checkpoint", 405),
        ("POST", "/v1/checkpoints", 405),
        ("GET", "/x", 404),
    ] {
        assert_eq!(status(&witness, method, path, &[], b""), expected, "{method} {path}");
    }
    assert_eq!(witness.get("/healthz").text(), "ok\n");
}

#[test]
fn it_speaks_tls_to_the_client_of_halod() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::new());
    let authority = Authority::new(dir.path(), "authority");
    let Pair { certificate, key } = authority.server("door", 30);
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let own = dir.path().join("w");
    let witness =
        Witness::halod(&own, &["--tls-cert", certificate, "--tls-key", key, "--log", &log.key().to_string()]);
    let url: Target = format!("https://localhost:{}", witness.address.port()).parse().unwrap();
    let ask = |client: &mut Client| {
        let mut cosigning = Cosigning::new(log.note(5), witness.key.clone(), 0).unwrap();
        client.cosign(&mut cosigning, |from, to| Ok::<_, Infallible>(log.proof(from, to)))
    };
    let mut client = Client::new(url.clone(), Some(&authority.own.certificate)).unwrap();
    assert!(matches!(ask(&mut client), Ok((Next::Done(_), _))));
    let stranger = Authority::new(dir.path(), "stranger");
    let said =
        ask(&mut Client::new(url.clone(), Some(&stranger.own.certificate)).unwrap()).unwrap_err().to_string();
    assert!(said.contains("certificate"), "{said}");
    assert!(Client::new(url, Some(&dir.path().join("nowhere.pem"))).is_err());
}

#[test]
fn it_says_why_it_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let own = path("w");
    let (code, key) = run(&["key", "--dir", &own, "--name", "w.example/1"]);
    assert!(code == Some(0) && key.starts_with("w.example/1+"), "{key}");
    assert_eq!(run(&["key", "--dir", &own]).1, key, "the same key each time");
    let logs = path("logs");
    fs::write(&logs, format!("# theirs\n\n{}\nx\n", Log::new().key())).unwrap();
    let identities = path("identities");
    fs::write(&identities, "acme token=x tenants=acme\n").unwrap();
    for (arguments, what) in [
        (vec!["--log", "x"], "it is no verifier key"),
        (vec!["--log", key.trim()], "a log's is of type 1"),
        (vec!["--logs", &logs], "line 4: it is no verifier key"),
        (vec!["--auth", &identities], "line 1"),
        (vec!["--name", "w.example/2"], "is called w.example/1"),
        (vec!["--listen", "x"], "host:port"),
        (vec!["--tls-cert", &logs], "--tls-key"),
        (vec!["--tls-cert", &logs, "--tls-key", &logs], "holds no certificate"),
    ] {
        let listen = if arguments[0] == "--listen" { &[][..] } else { &["--listen", "127.0.0.1:0"] };
        let (code, said) = run(&[&["--dir", &own], listen, &arguments[..]].concat());
        assert!(code == Some(2) && said.contains(what), "{arguments:?}: {code:?} {said}");
    }
    let witness = Witness::halod(Path::new(&own), &[]);
    let (code, said) = run(&["--dir", &own, "--listen", "127.0.0.1:0"]);
    assert!(code == Some(2) && said.contains("another witness runs"), "{said}");
    let taken = witness.address.to_string();
    let (code, said) = run(&["--dir", &path("other"), "--listen", &taken]);
    assert!(code == Some(2) && said.contains("choose another address (--listen)"), "{said}");
    // SIGTERM ends it, whoever is connected.
    let _open = Http::connect(witness.address).unwrap();
    kill_process(Pid::from_raw(witness.process.pid().cast_signed()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(witness.process.wait(), Some(0));
    fs::set_permissions(dir.path().join("w/witness.p8"), fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = run(&["--dir", &own, "--listen", "127.0.0.1:0"]);
    assert!(code == Some(2) && said.contains("chmod 600"), "{said}");
}

/// A full disk is answered with 503, and nothing of what could not be kept is said or left behind.
#[test]
fn a_full_disk_is_told_and_nothing_is_said_that_is_not_kept() {
    let Some(disk) = Small::mount(4) else { return };
    let log = Log::new();
    let dir = disk.path().join("w");
    let arguments = ["--log", &log.key().to_string()];
    let witness = Witness::halod(&dir, &arguments);
    assert_eq!(witness.add(&log.request(0, 3)).status, 200);
    let add = |count: u64| {
        let body =
            String::from_utf8(anchor("acme")).unwrap().replace("\"count\":1", &format!("\"count\":{count}"));
        status(&witness, "POST", "/anchor", &[], body.as_bytes())
    };
    assert_eq!(add(1), 201);
    disk.fill_up_to(0);
    assert_eq!(witness.add(&log.request(3, 5)).status, 503);
    // A page of the file has room for some more.
    let kept = (2..).take_while(|count| add(*count) == 201).count() as u64 + 1;
    let listed = |witness: &Witness| {
        let (status, told) = witness.json("/v1/checkpoints?subject=acme");
        (status, told["count"].as_u64().unwrap())
    };
    assert_eq!((add(kept + 1), listed(&witness)), (503, (200, kept)));
    disk.make_room();
    assert_eq!(
        (witness.add(&log.request(3, 5)).status, add(kept + 1), listed(&witness)),
        (200, 201, (200, kept + 1))
    );
    witness.process.kill9();
    let witness = Witness::halod(&dir, &arguments);
    assert!(!witness.process.said().contains("put aside"), "{}", witness.process.said());
    assert_eq!((witness.add(&log.request(5, 6)).status, listed(&witness)), (200, (200, kept + 1)));
}
