//! What nobody should send. Each is answered for good in LangSmith's terms, nothing dies, and the next good
//! request is sealed as if nothing had happened.

use super::{BOUNDARY, form, form_type, gzip, id, items, post_form, records, whole, zstd};
use crate::support::chains::{assert_verified, gap};
use crate::support::halod::Halod;
use crate::support::http::JSON;
use crate::support::wait_until;
use serde_json::{Value, json};
use std::time::Duration;

struct Victim {
    halod: Halod,
    dir: tempfile::TempDir,
    good: u64,
}

impl Victim {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { halod: Halod::start(dir.path()), dir, good: 0 }
    }

    /// Refused for good with a `detail`, and a good request after it is taken.
    fn refused(&mut self, what: &str, status: u16, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let answer = self.halod.connect().post(path, headers, body);
        let answer = answer.unwrap_or_else(|e| panic!("{what}: no answer: {e}"));
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(answer.header("retry-after").is_none(), "{what}");
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{what}: {e}"));
        let detail = said["detail"].as_str().unwrap_or_else(|| panic!("{what}: {said}"));
        assert!((8..1100).contains(&detail.len()), "{what}: {detail}");
        assert!(self.halod.alive(), "halod died of: {what}");
        self.good += 1;
        let name = format!("post.{}", id(self.good));
        let answer = post_form(&self.halod, &form(&[(&name, whole(&id(self.good), "lookup_order"))]));
        assert_eq!(answer.status, 202, "after {what}: {}", answer.text());
    }

    fn form(&mut self, what: &str, status: u16, body: &[u8]) {
        let kind = form_type(BOUNDARY);
        self.refused(what, status, "/runs/multipart", &[("content-type", &kind)], body);
    }

    fn json(&mut self, what: &str, path: &str, body: &str) {
        self.refused(what, 400, path, &[("content-type", JSON)], body.as_bytes());
    }

    fn finish(mut self) {
        assert!(self.halod.alive());
        assert_eq!(records(self.dir.path()).len() as u64, self.good);
        let sealed = || items(&self.halod, "sealed");
        wait_until("the hold lets go", Duration::from_secs(20), || sealed() >= self.good);
        assert_eq!(sealed(), self.good);
        let memory = self.halod.peak_memory_mib();
        assert!(memory < 384, "{memory} MiB");
        assert!(self.halod.terminate().success());
        assert_verified(self.dir.path());
    }
}

fn part(name: &str, content: &str) -> String {
    format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
}

#[test]
fn forms_that_are_none() {
    let mut victim = Victim::start();
    let good = form(&[("post.1", whole("1", "lookup_order"))]);
    for kind in [
        "",
        "text/plain",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
    ] {
        victim.refused(kind, 415, "/runs/multipart", &[("content-type", kind)], &good);
    }
    let other = form_type("another");
    victim.refused("another boundary", 400, "/runs/multipart", &[("content-type", &other)], &good);
    victim.form("nothing", 400, b"");
    victim.form("no form", 400, b"{}");
    for cut in [10, 60, good.len() / 2, good.len() - 4] {
        victim.form("a form that breaks off", 400, &good[..cut]);
    }
    let head = format!("--{BOUNDARY}\r\n");
    victim.form("endless headers", 400, (head.clone() + &"x-y: z\r\n".repeat(200_000)).as_bytes());
    victim.form("an endless header", 400, (head.clone() + "x: " + &"y".repeat(1 << 20)).as_bytes());
    victim.form("headers that are no text", 400, &[head.as_bytes(), b"\xff\xfe: x\r\n\r\n--"].concat());
    victim.form(
        "too many parts",
        400,
        (part("post.1", "{}").repeat(70_000) + &format!("--{BOUNDARY}--")).as_bytes(),
    );
    victim.finish();
}

#[test]
fn parts_that_are_no_runs() {
    let mut victim = Victim::start();
    let end = format!("--{BOUNDARY}--\r\n");
    let deep = "[".repeat(100_000);
    let wide = format!("[{}0]", "0,".repeat(2_100_000));
    for (what, parts) in [
        ("no JSON", part("post.1", "{")),
        ("a run that is none", part("post.1", "[]")),
        ("a run without an id", part("post.1", "{\"name\":\"x\"}")),
        ("another id than its part's", part("post.1", "{\"id\":\"2\"}")),
        ("an id that is no text", part("post.1", "{\"id\":{}}")),
        ("a part twice", part("post.1", "{\"id\":\"1\"}") + &part("post.1.inputs", "{}").repeat(2)),
        ("inputs of no run", part("patch.1.inputs", "{}")),
        ("a name that says nothing", part("post", "{}") + &part("", "{}") + &part("post.1.more", "{}")),
        ("too deep", part("post.1", "{\"id\":\"1\"}") + &part("post.1.outputs", &deep)),
        ("too wide", part("post.1", "{\"id\":\"1\"}") + &part("post.1.outputs", &wide)),
    ] {
        victim.form(what, 400, (parts + &end).as_bytes());
    }
    let bad = [
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"post.1\"\r\n\r\n").as_bytes(),
        b"\"\xff\"\r\n",
        end.as_bytes(),
    ]
    .concat();
    victim.form("no UTF-8", 400, &bad);
    victim.finish();
}

#[test]
fn bodies_of_json_that_are_none() {
    let mut victim = Victim::start();
    for path in ["/runs", "/runs/batch", "/feedback", "/sessions"] {
        victim.json("nothing", path, "");
        victim.json("cut", path, "{\"id\":");
    }
    victim.json("a list", "/runs", "[]");
    victim.json("no id", "/feedback", "{\"run_id\":\"x\"}");
    for batch in ["[]", "7", "{\"post\":{}}", "{\"patch\":[7]}"] {
        victim.json(batch, "/runs/batch", batch);
    }
    victim.finish();
}

#[test]
fn bodies_that_grow() {
    let mut victim = Victim::start();
    let kind = form_type(BOUNDARY);
    let large = vec![b' '; 65 << 20];
    for (coding, bomb) in [("gzip", gzip(&large)), ("zstd", zstd(&large))] {
        let headers = [("content-type", kind.as_str()), ("content-encoding", coding)];
        victim.refused(coding, 413, "/runs/multipart", &headers, &bomb);
        victim.refused(coding, 413, "/runs", &[("content-encoding", coding)], &bomb);
        victim.refused(coding, 400, "/runs/multipart", &headers, b"no such coding");
    }
    let headers = [("content-type", kind.as_str()), ("content-encoding", "br")];
    victim.refused("an unknown coding", 415, "/runs/multipart", &headers, b"x");
    victim.form("too large", 413, &large);
    victim.finish();
}

/// What the SDKs ask beside tracing, and what halod has nothing to say to.
#[test]
fn other_calls() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let get = |path: &str| {
        let answer = halod.connect().get(path).unwrap();
        (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap())
    };
    for prefix in ["", "/langsmith", "/api/v1"] {
        let (status, info) = get(&format!("{prefix}/info"));
        assert_eq!(status, 200);
        assert_eq!(info["instance_flags"]["zstd_compression_enabled"], true);
        assert_eq!(info["batch_ingest_config"]["size_limit_bytes"], 20 << 20);
    }
    assert_eq!(get("/settings").0, 200);
    assert_eq!(get("/sessions?name=x"), (200, json!([])));
    let (status, said) = get("/runs/01a2024f-9552-774a-b546-56ffb05c24c0");
    assert_eq!((status, said["detail"].is_string()), (404, true));
    assert_eq!(get("/langsmith/commits/x/y").0, 404);
    assert_eq!(get("/runs/multipart").0, 405);
    let made = super::send(&halod, "POST", "/sessions", &json!({"name": "desk"}));
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    assert_eq!(made["name"], "desk");
}

/// An hour between gaps: they are told when halod stops.
#[test]
fn what_is_refused_for_good_is_told_as_a_gap() {
    let place = tempfile::tempdir().unwrap();
    let (dir, config) = (place.path().join("records"), place.path().join("halod.yaml"));
    let receivers = "gap_interval: 1h, otlp: { protocols: { http: { max_request_body_size: 100000 } } }";
    std::fs::write(&config, format!("receivers: {{ {receivers} }}\n")).unwrap();
    let halod = Halod::start_with(&dir, &["--config", config.to_str().unwrap()]);
    let kind = form_type(BOUNDARY);
    let ask = |path: &str, tenant: Option<&str>, body: &[u8]| {
        let mut headers = vec![("content-type", if path.ends_with("multipart") { &kind } else { JSON })];
        headers.extend(tenant.map(|tenant| ("x-tenant-id", tenant)));
        halod.connect().post(path, &headers, body).unwrap().status
    };
    let acme = Some("acme-corp");
    let (large, cut) = (vec![b' '; 100_001], b"{\"post\":[");
    assert_eq!(ask("/runs/multipart", acme, &large), 413);
    assert_eq!(ask("/runs/batch", acme, cut), 400);
    let good = ("post.1", whole("1", "lookup_order"));
    let mixed = form(&[good.clone(), ("post.2", json!([])), ("post", json!({})), ("feedback.3", json!({}))]);
    assert_eq!(ask("/runs/multipart", acme, &mixed), 202);
    let bad = form(&[("post.2", json!([])), ("post.3", json!([]))]);
    assert_eq!(ask("/runs/multipart", acme, &bad), 400);
    assert_eq!(ask("/feedback", Some("initech"), b"{}"), 400);
    assert_eq!(ask("/runs", None, cut), 400);
    // No telemetry.
    for (path, status) in [("/sessions", 400), ("/runs/query", 404), ("/runs/multipart/x", 404)] {
        assert_eq!(ask(path, acme, cut), status, "{path}");
    }
    assert!(halod.terminate().success());
    let told = |tenant, keys: &[&str]| {
        let data = gap(&dir, tenant);
        keys.iter().map(|key| data[*key].as_u64().unwrap_or(0)).collect::<Vec<_>>()
    };
    let keys =
        ["requests", "bytes", "items", "langsmith.too_large", "langsmith.undecodable", "langsmith.rejected"];
    let bytes = (large.len() + cut.len()) as u64;
    assert_eq!(told(acme, &keys), [4, bytes, 5, 1, 1, 2]);
    assert_eq!(told(Some("initech"), &keys), [1, 0, 1, 0, 0, 1]);
    assert_eq!(told(None, &keys), [1, cut.len() as u64, 0, 0, 1, 0]);
    assert_verified(&dir);
}
