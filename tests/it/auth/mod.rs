//! Who may send: credentials at every receiver, tenants within an identity and beyond it, files that change, and what a halod
//! that asks nobody may listen on.

mod live;
mod start;

use crate::support::chains::{assert_verified, files, of_tenant, records};
use crate::support::grpc::{Grpc, frame};
use crate::support::halod::{BINARY, Halod, halod};
use crate::support::http::{Answer, Http, JSON, PROTOBUF};
use crate::support::spans::{attribute, request, resource, span, text};
use crate::support::wait_until;
use data_encoding::BASE64;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use prost::Message;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const UNAUTHENTICATED: i32 = 16;
const PERMISSION_DENIED: i32 = 7;

/// A directory with records, a configuration and a file of identities.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        place.identities("");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn records(&self) -> PathBuf {
        self.path("records")
    }

    fn identities(&self, text: &str) {
        let file = self.path("identities.new");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(file, self.path("identities")).unwrap();
    }

    /// Makes a token by the command, and its line.
    pub fn token(&self, name: &str, arguments: &[&str]) -> String {
        let out = Command::new(BINARY)
            .args(["token", "new", name])
            .args(arguments)
            .arg("--file")
            .arg(self.path("identities"))
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let token = String::from_utf8(out.stdout).unwrap().trim().to_owned();
        assert!(token.starts_with("halod_") && token.len() == 6 + 43, "{token}");
        token
    }

    pub fn start(&self, config: &str) -> Halod {
        self.start_with(config, &[])
    }

    fn start_with(&self, config: &str, arguments: &[&str]) -> Halod {
        let file = self.path("halod.yaml");
        let identities = self.path("identities");
        // The first section is auth's own, which `config` goes on with.
        fs::write(&file, format!("auth:\n  file: {}\n{config}", identities.display())).unwrap();
        let file = file.to_str().unwrap().to_owned();
        Halod::start_with(&self.records(), &[&["--config", &file], arguments].concat())
    }
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

fn export(halod: &Halod, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers = [&[("content-type", PROTOBUF)], headers].concat();
    halod.connect().post("/v1/traces", &headers, body).unwrap()
}

fn one(tenant: Option<&str>, n: u64) -> Vec<u8> {
    request(tenant, vec![span(0x90, n)])
}

fn export_grpc(halod: &Halod, metadata: &[(&str, &str)], body: &[u8]) -> (i32, Vec<u8>) {
    let answer = Grpc::connect(halod.grpc).unwrap().send(EXPORT, metadata, &frame(0, body)).unwrap();
    (answer.code, answer.body)
}

/// A request to each receiver that takes JSON, which comes to one record of `acme` or of nobody.
fn posts(n: usize) -> Vec<(&'static str, &'static str, Value)> {
    let run = json!({
        "id": format!("01a2024f-9552-774a-b546-{n:012x}"), "trace_id": format!("01a2024f-9552-774a-b546-{n:012x}"),
        "run_type": "tool", "name": "lookup", "inputs": {}, "outputs": {},
        "start_time": "2026-11-22T08:11:39.7Z", "end_time": "2026-11-22T08:11:40.5Z",
    });
    let event = json!({
        "id": format!("e-{n}"), "type": "generation-create", "timestamp": "2026-11-22T08:11:41Z",
        "body": {"id": format!("s-{n}"), "traceId": format!("t-{n}"), "name": "lookup",
                 "startTime": "2026-11-22T08:11:39.7Z", "endTime": "2026-11-22T08:11:40.5Z"},
    });
    let call = json!({
        "id": format!("call-{n}"), "call_type": "acompletion", "model": "gpt-4o", "status": "success",
        "startTime": 1_793_520_699.7, "endTime": 1_793_520_700.5, "messages": [], "response": {},
    });
    let item = json!({
        "object": "trace.span", "id": format!("span_{n:024x}"), "trace_id": format!("trace_{n:032x}"), "parent_id": null,
        "started_at": "2026-11-22T08:11:39.7+00:00", "ended_at": "2026-11-22T08:11:40.5+00:00",
        "span_data": {"type": "function", "name": "lookup", "input": "{}", "output": "{}"}, "error": null,
    });
    vec![
        (
            "native",
            "/v1/records",
            json!({"key": format!("k-{n}"), "action": {"type": "tool_call", "category": "security", "tool": "lookup"}}),
        ),
        ("litellm", "/litellm", json!([call])),
        ("langfuse", "/api/public/ingestion", json!({"batch": [event]})),
        ("langsmith", "/runs/batch", json!({"post": [run], "patch": []})),
        ("openai_agents", "/v1/traces/ingest", json!({"data": [item]})),
    ]
}

fn post(halod: &Halod, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers = [&[("content-type", JSON)], headers].concat();
    halod.connect().post(path, &headers, body.to_string().as_bytes()).unwrap()
}

/// What Langfuse tells waits for its trace.
fn await_sealed(halod: &Halod, records: u64) {
    wait_until("all is sealed", Duration::from_secs(30), || halod.sealed() >= records);
}

#[test]
fn every_receiver_asks_and_says_in_the_record_who_sent_it() {
    let place = Place::new();
    let token = place.token("checkout", &["--tenants", "acme"]);
    let halod = place.start("");
    let (name, value) = bearer(&token);
    let shown = [(name, value.as_str())];
    let wrong = [(name, "Bearer halod_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")];
    for (receiver, path, body) in posts(1) {
        for headers in [&[][..], &wrong] {
            let answer = post(&halod, path, headers, &body);
            assert_eq!(answer.status, 401, "{path}: {}", answer.text());
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{path}");
        }
        assert_eq!(
            halod
                .metric_of("halod_requests_total", &[&format!("receiver=\"{receiver}\""), "unauthenticated"]),
            2
        );
        let answer = post(&halod, path, &shown, &body);
        assert!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
    }
    assert_eq!(export(&halod, &[], &one(None, 1)).status, 401);
    assert_eq!(export(&halod, &shown, &one(None, 1)).status, 200);
    assert_eq!(export_grpc(&halod, &[], &one(None, 2)).0, UNAUTHENTICATED);
    assert_eq!(export_grpc(&halod, &shown, &one(None, 2)).0, 0);
    await_sealed(&halod, 7);
    // Nobody needs a credential to ask for health.
    assert_eq!(halod.connect().get("/api/public/health").unwrap().status, 200);
    assert_eq!(halod.connect().get("/info").unwrap().status, 200);
    assert_eq!(halod.ready(), 200);
    let log = halod.log();
    assert!(halod.terminate().success());
    let records = of_tenant(&place.records(), Some("acme"));
    assert_eq!(records.len(), 7, "{records:?}");
    for record in &records {
        assert_eq!(record["principal"]["service_account"], "checkout", "{record}");
    }
    assert_eq!(files(&place.records()).len(), 1, "nothing went anywhere else");
    assert!(log.contains("a sender was turned away") && log.contains("none of this halod's"), "{log}");
    assert!(!log.contains("AAAAAAAA"), "{log}");
    assert!(
        !log.contains(&token) && !fs::read_to_string(&files(&place.records())[0]).unwrap().contains(&token)
    );
    assert_verified(&place.records());
}

#[test]
fn a_token_is_shown_wherever_a_client_has_room_for_it() {
    let place = Place::new();
    let token = place.token("checkout", &["--tenants", "acme"]);
    let halod = place.start("");
    let pair = format!("Basic {}", BASE64.encode(format!("pk-lf-anything:{token}").as_bytes()));
    for (_, path, body) in posts(2) {
        let headers = match path {
            "/runs/batch" => ("x-api-key", token.as_str()),
            "/api/public/ingestion" => ("authorization", pair.as_str()),
            _ => continue,
        };
        let answer = post(&halod, path, &[headers], &body);
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
    }
    await_sealed(&halod, 2);
    assert!(halod.terminate().success());
    let records = of_tenant(&place.records(), Some("acme"));
    assert_eq!(records.len(), 2, "{records:?}");
    assert!(records.iter().all(|record| record["principal"]["service_account"] == "checkout"), "{records:?}");
}

#[test]
fn a_claim_beyond_the_identity_is_refused_or_told() {
    for (config, refuses) in [("", true), ("  outside_claims: record\n", false)] {
        let place = Place::new();
        let sole = place.token("sole", &["--tenants", "acme"]);
        let list = place.token("list", &["--tenants", "acme,team-*"]);
        let halod = place.start(config);
        let (sole, list) = (bearer(&sole), bearer(&list));
        for (n, (name, value)) in [(0, &sole), (1, &list)] {
            let shown = (*name, value.as_str());
            let base = 100 * n;
            let by_header = |tenant: &'static str| [shown, ("x-tenant-id", tenant)];
            let status = export(&halod, &by_header("beta"), &one(None, base)).status;
            assert_eq!(status, if refuses { 403 } else { 200 });
            let code = export_grpc(&halod, &by_header("beta"), &one(None, base + 1)).0;
            assert_eq!(code, if refuses { PERMISSION_DENIED } else { 0 });
            assert_eq!(export(&halod, &by_header("acme"), &one(None, base + 2)).status, 200);
            // One of two spans claims another tenant.
            let spans = vec![
                resource(Some("acme"), vec![span(0x90, base + 3)]),
                resource(Some("beta"), vec![span(0x90, base + 4)]),
            ];
            let body = ExportTraceServiceRequest { resource_spans: spans }.encode_to_vec();
            let answer = export(&halod, &[shown], &body);
            assert_eq!(answer.status, 200, "{}", answer.text());
            let partial = ExportTraceServiceResponse::decode(&answer.body[..]).unwrap().partial_success;
            assert_eq!(partial.as_ref().map_or(0, |partial| partial.rejected_spans), i64::from(refuses));
            if let Some(partial) = partial.filter(|_| refuses) {
                assert!(partial.error_message.contains("identity"), "{partial:?}");
            }
            // A span's own attribute, in a trace of its own.
            let mut own = span(0x91, base + 5);
            own.attributes.push(attribute("tenant.id", text("beta")));
            let answer = export(&halod, &[shown], &request(None, vec![own]));
            assert_eq!(answer.status, if refuses { 400 } else { 200 }, "{}", answer.text());
            // The receivers with ids and tenants of their own.
            let native = json!({"key": format!("n-{n}"), "subject": "beta", "action": {"type": "tool_call", "category": "security", "tool": "t"}});
            let answer = post(&halod, "/v1/records", &[shown], &native);
            assert!(answer.text().contains("permission denied"), "{}", answer.text());
            let mut posts = posts(10 + n as usize);
            posts[2].2["batch"][0]["body"]["metadata"] = json!({"tenant": "beta"});
            posts[3].2["post"][0]["extra"] = json!({"metadata": {"tenant": "beta"}});
            for at in [2, 3] {
                let (_, path, body) = &posts[at];
                let answer = post(&halod, path, &[shown], body);
                assert!(answer.status < 500, "{path}: {}", answer.text());
            }
        }
        assert_eq!(
            export(&halod, &[(list.0, &list.1), ("x-tenant-id", "team-7")], &one(None, 500)).status,
            200
        );
        await_sealed(&halod, if refuses { 5 } else { 17 });
        assert!(halod.terminate().success());
        let dir = place.records();
        assert!(of_tenant(&dir, Some("beta")).is_empty(), "no record came to another tenant");
        assert_eq!(of_tenant(&dir, Some("team-7")).len(), 1);
        let all: Vec<Value> = files(&dir).iter().flat_map(|file| records(file)).collect();
        let told = all.iter().filter(|record| record["data"]["claimed_tenant"] == "beta").count();
        if refuses {
            assert_eq!(told, 0, "{all:#?}");
            let ours = all.iter().filter(|record| record["agent"]["id"] != "halod").count();
            assert_eq!(ours, 2 * 2 + 1, "{all:#?}");
        } else {
            // By header twice, by resource, by attribute, by Langfuse, by LangSmith; for each identity.
            assert_eq!(told, 12, "{all:#?}");
            let acme = of_tenant(&dir, Some("acme"));
            let ours = acme.iter().filter(|record| record["agent"]["id"] != "halod").count();
            assert_eq!(ours, 6 + 1 + 1 + 2, "{all:#?}");
        }
        assert_verified(&dir);
    }
}

#[test]
fn a_record_that_comes_again_by_another_identity_is_the_same() {
    let place = Place::new();
    let tokens = ["old", "new"].map(|name| place.token(name, &["--tenants", "acme"]));
    let halod = place.start("");
    for token in &tokens {
        let (name, value) = bearer(token);
        let shown = [(name, value.as_str())];
        assert_eq!(export(&halod, &shown, &one(None, 1)).status, 200);
        for (_, path, body) in posts(3) {
            let answer = post(&halod, path, &shown, &body);
            assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
        }
    }
    await_sealed(&halod, 6);
    assert!(halod.terminate().success());
    let records = of_tenant(&place.records(), Some("acme"));
    assert_eq!(records.len(), 6, "{records:#?}");
    assert!(records.iter().all(|record| record["principal"]["service_account"] == "old"), "{records:#?}");
    // And by nobody, where nobody is asked any more.
    let halod = Halod::start(&place.records());
    assert_eq!(export(&halod, &[("x-tenant-id", "acme")], &one(None, 1)).status, 200);
    assert_eq!((halod.sealed(), halod.duplicates()), (0, 1));
}

#[test]
fn the_file_is_read_again_when_it_changes() {
    let place = Place::new();
    let token = place.token("checkout", &["--tenants", "acme"]);
    let halod = place.start("");
    let (name, value) = bearer(&token);
    let shown = [(name, value.as_str())];
    let (mut http, mut grpc) = (halod.connect(), Grpc::connect(halod.grpc).unwrap());
    let headers = [("content-type", PROTOBUF), shown[0]];
    assert_eq!(http.post("/v1/traces", &headers, &one(None, 1)).unwrap().status, 200);
    let before = fs::read_to_string(place.path("identities")).unwrap();
    // A file that can't be used changes nothing.
    place.identities("checkout token=abc tenants=*\n");
    halod.await_log("line 1: token is not the SHA-256");
    assert_eq!(export(&halod, &shown, &one(None, 2)).status, 200);
    fs::remove_file(place.path("identities")).unwrap();
    halod.await_log("identities: can't be read");
    assert_eq!(export(&halod, &shown, &one(None, 3)).status, 200);
    // Another token instead: the old one is revoked, on connections that are open too.
    place.identities("");
    let other = place.token("other", &["--tenants", "acme"]);
    wait_until("the token is revoked", Duration::from_secs(20), || {
        http.post("/v1/traces", &headers, &one(None, 4)).unwrap().status == 401
    });
    let answer = grpc.send(EXPORT, &shown, &frame(0, &one(None, 5))).unwrap();
    assert_eq!(answer.code, UNAUTHENTICATED, "{}", answer.message);
    let (name, value) = bearer(&other);
    assert_eq!(export(&halod, &[(name, &value)], &one(None, 6)).status, 200);
    // Back again.
    place.identities(&before);
    wait_until("the token is known again", Duration::from_secs(20), || {
        http.post("/v1/traces", &headers, &one(None, 7)).unwrap().status == 200
    });
    assert!(halod.terminate().success());
}

#[test]
fn passwords_are_taken_by_their_hash() {
    let place = Place::new();
    let mut command = Command::new(BINARY);
    command
        .args(["token", "password", "grafana", "--tenants", "acme"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"correct horse battery\n").unwrap();
    let out = child.wait_with_output().unwrap();
    let line = String::from_utf8(out.stdout).unwrap();
    assert!(line.starts_with("grafana password=$argon2id$"), "{line}");
    place.identities(&line);
    let halod = place.start("");
    let shown = |password: &str| format!("Basic {}", BASE64.encode(format!("grafana:{password}").as_bytes()));
    for n in 0..3 {
        let right = shown("correct horse battery");
        assert_eq!(export(&halod, &[("authorization", &right)], &one(None, n)).status, 200);
        let wrong = shown("correct horse batterz");
        assert_eq!(export(&halod, &[("authorization", &wrong)], &one(None, n)).status, 401);
    }
    assert!(halod.terminate().success());
    let records = of_tenant(&place.records(), Some("acme"));
    assert_eq!((records.len(), &records[0]["principal"]["service_account"]), (3, &json!("grafana")));
}

/// Argon2 takes tens of milliseconds and megabytes: whoever guesses has it for one guess at a time.
#[test]
fn guessing_passwords_costs_others_nothing() {
    let place = Place::new();
    let token = place.token("app", &["--tenants", "acme"]);
    let tokens = fs::read_to_string(place.path("identities")).unwrap();
    let hash = halod::auth::password_hash(b"correct horse battery", &[7; 16]).unwrap();
    place.identities(&format!("{tokens}grafana password={hash} tenants=acme\n"));
    let halod = place.start("");
    let guess = |n: usize| {
        let shown = format!("Basic {}", BASE64.encode(format!("grafana:guess-{n}").as_bytes()));
        export(&halod, &[("authorization", &shown)], &one(None, 1)).status
    };
    std::thread::scope(|scope| {
        let guessing: Vec<_> = (0..40)
            .map(|at| scope.spawn(move || (0..4).map(|n| guess(at * 4 + n)).collect::<Vec<_>>()))
            .collect();
        let (name, value) = bearer(&token);
        let mut slowest = Duration::ZERO;
        for n in 0..100 {
            let since = std::time::Instant::now();
            assert_eq!(export(&halod, &[(name, &value)], &one(None, n)).status, 200);
            slowest = slowest.max(since.elapsed());
        }
        println!("the slowest of 100 requests beside 160 guesses: {slowest:?}");
        assert!(slowest < Duration::from_secs(5), "{slowest:?}");
        let answers: Vec<u16> = guessing.into_iter().flat_map(|guesses| guesses.join().unwrap()).collect();
        // Who has not had a turn in time is told to come again.
        assert!(answers.iter().all(|status| matches!(status, 401 | 503)), "{answers:?}");
    });
    assert!(halod.peak_memory_mib() < 512, "{}", halod.peak_memory_mib());
    assert!(halod.terminate().success());
}

#[test]
fn a_process_at_a_unix_socket_is_known_by_its_user() {
    let place = Place::new();
    let uid = fs::metadata(place.dir.path()).map(|meta| std::os::unix::fs::MetadataExt::uid(&meta)).unwrap();
    place.identities(&format!("me uid={uid} tenants=acme\nother uid={} tenants=beta\n", uid + 1));
    let socket = place.path("http.sock");
    let door = format!("unix:{}", socket.display());
    let halod = place.start_with("", &["--http", &door]);
    let body = place.path("body");
    fs::write(&body, one(None, 1)).unwrap();
    let status = |headers: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "30", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket"])
            .arg(&socket);
        curl.args(["-H", "content-type: application/x-protobuf"]).args(headers);
        curl.arg("--data-binary").arg(format!("@{}", body.display())).arg("http://localhost/v1/traces");
        String::from_utf8(curl.output().unwrap().stdout).unwrap()
    };
    assert_eq!(status(&[]), "200");
    assert_eq!(status(&["-H", "authorization: Bearer nonsense"]), "401", "a wrong token is not made good");
    place.identities(&format!("other uid={} tenants=beta\n", uid + 1));
    wait_until("nobody knows this user any more", Duration::from_secs(20), || status(&[]) == "401");
    assert!(halod.terminate().success());
    let records = of_tenant(&place.records(), Some("acme"));
    assert_eq!((records.len(), &records[0]["principal"]["service_account"]), (1, &json!("me")));
}

#[test]
fn an_identity_uses_the_receivers_of_its_line() {
    let place = Place::new();
    let native = place.token("app", &["--tenants", "acme", "--receivers", "native", "--captured"]);
    let admin = place.token("prometheus", &["--tenants", "*", "--receivers", "admin"]);
    let both = place.token("app2", &["--tenants", "acme"]);
    let halod = place.start("admin: { auth: true }\n");
    let ask = |path: &str, token: Option<&str>| {
        let shown = token.map(bearer);
        let headers: Vec<_> = shown.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Http::connect(halod.admin).unwrap().send("GET", path, &headers, b"").unwrap().status
    };
    for (token, at_otlp, at_native, at_admin) in
        [(&native, 403, 200, 403), (&admin, 403, 403, 200), (&both, 200, 200, 403)]
    {
        let (name, value) = bearer(token);
        assert_eq!(export(&halod, &[(name, &value)], &one(None, 1)).status, at_otlp);
        let (_, path, body) = &posts(1)[0];
        assert_eq!(post(&halod, path, &[(name, &value)], body).status, at_native);
        for path in ["/metrics", "/status", "/"] {
            assert_eq!(ask(path, Some(token)), at_admin, "{path}");
        }
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(path, None), 200);
    }
    assert_eq!(ask("/metrics", None), 401);
    assert!(halod.terminate().success());
    let records = of_tenant(&place.records(), Some("acme"));
    let captured = records.iter().find(|record| record["data"]["key"] == "k-1").unwrap();
    assert_eq!(
        (&captured["source"]["capture"], &captured["principal"]["service_account"]),
        (&json!("captured"), &json!("app"))
    );
}

/// Keys that receivers know themselves go on to work where identities are asked for.
#[test]
fn receivers_vouch_for_senders_whose_keys_they_know() {
    let place = Place::new();
    let digest = |secret: &str| halod_record::hash::hex_text(&halod_record::hash::sha256(secret.as_bytes()));
    let config = format!(
        "receivers:\n  langfuse: {{ keys: {{ pk-1: acme, pk-2: acme }}, secrets: {{ pk-1: \"{}\" }} }}\n  \
         langsmith: {{ keys: {{ \"{}\": acme }} }}\n  native: {{ tokens: {{ \"{}\": acme }} }}\n",
        digest("sk-1"),
        digest("lsv2"),
        digest("own")
    );
    let halod = place.start(&config);
    let pair = |pair: &str| format!("Basic {}", BASE64.encode(pair.as_bytes()));
    for (at, header, right, wrong) in [
        (2, "authorization", pair("pk-1:sk-1"), pair("pk-1:sk-2")),
        // Of this one nobody knows the secret.
        (2, "authorization", pair("pk-1:sk-1"), pair("pk-2:sk-2")),
        (3, "x-api-key", "lsv2".to_owned(), "lsv3".to_owned()),
        (0, "authorization", "Bearer own".to_owned(), "Bearer owm".to_owned()),
    ] {
        let (_, path, body) = &posts(4)[at];
        assert_eq!(post(&halod, path, &[(header, &wrong)], body).status, 401, "{path}");
        let answer = post(&halod, path, &[(header, &right)], body);
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
        // It is a key of that receiver, and of no other.
        assert_eq!(export(&halod, &[(header, &right)], &one(None, 1)).status, 401, "{path}");
    }
    await_sealed(&halod, 3);
    assert!(halod.terminate().success());
    assert_eq!(of_tenant(&place.records(), Some("acme")).len(), 3);
}

/// What a trace's runs say of its tenant places the runs of the same identity, and no others'.
#[test]
fn nobody_writes_into_anothers_trace() {
    let place = Place::new();
    let [ours, theirs] = [("ours", "acme,acme-2"), ("theirs", "beta,beta-2")]
        .map(|(name, tenants)| place.token(name, &["--tenants", tenants]));
    let halod = place.start("");
    let id = |n: u64| format!("01a2024f-9552-774a-b546-{n:012x}");
    let run = |n: u64, of: u64| {
        json!({
            "id": id(n), "trace_id": id(of), "parent_run_id": if n == of { Value::Null } else { id(of).into() },
            "run_type": "tool", "name": "lookup", "inputs": {}, "outputs": {},
            "start_time": "2026-11-22T08:11:39.7Z", "end_time": "2026-11-22T08:11:40.5Z",
        })
    };
    let mut root = run(1, 1);
    root["extra"] = json!({"metadata": {"tenant": "acme"}});
    let feedback =
        |n: u64| json!({"id": id(n), "run_id": id(1), "trace_id": id(1), "key": "helpful", "score": 1});
    for (token, path, body) in [
        (&ours, "/runs/batch", json!({"post": [root], "patch": []})),
        (&ours, "/runs/batch", json!({"post": [run(2, 1)], "patch": []})),
        (&theirs, "/runs/batch", json!({"post": [run(3, 1)], "patch": []})),
        (&ours, "/feedback", feedback(4)),
        (&theirs, "/feedback", feedback(5)),
    ] {
        let (name, value) = bearer(token);
        let answer = post(&halod, path, &[(name, &value)], &body);
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
    }
    await_sealed(&halod, 5);
    assert!(halod.terminate().success());
    let by = |tenant: Option<&str>| {
        let records = of_tenant(&place.records(), tenant);
        let by = records.iter().filter_map(|record| record["principal"]["service_account"].as_str());
        by.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!((by(Some("acme")), by(None)), (vec!["ours".to_owned(); 3], vec!["theirs".to_owned(); 2]));
    assert_eq!(files(&place.records()).len(), 2);
}

/// The client's account of a tool call and the server's, each by a process with a token of its own.
#[test]
fn a_call_that_two_identities_tell_of_is_confirmed() {
    let place = Place::new();
    let tokens = ["agent", "tool-server"].map(|name| place.token(name, &["--tenants", "acme"]));
    let halod = place.start("");
    for (n, (token, scope)) in tokens.iter().zip(["agent.sdk", "tool.server"]).enumerate() {
        let mut told = span(0x95, 1);
        told.span_id = vec![n as u8 + 1; 8];
        told.attributes.push(attribute("gen_ai.tool.call.id", text("call_4711")));
        let mut told = resource(None, vec![told]);
        told.scope_spans[0].scope = Some(InstrumentationScope { name: scope.into(), ..Default::default() });
        let body = ExportTraceServiceRequest { resource_spans: vec![told] }.encode_to_vec();
        let (name, value) = bearer(token);
        assert_eq!(export(&halod, &[(name, &value)], &body).status, 200);
    }
    assert!(halod.terminate().success());
    let chain = files(&place.records())[0].clone();
    let out = halod_verb(&["explain", chain.to_str().unwrap()]);
    assert!(out.contains("confirmed by 2 sources: agent, tool-server"), "{out}");
    assert!(out.contains("1 tool calls (0 failed)"), "{out}");
}

fn halod_verb(arguments: &[&str]) -> String {
    let out = Command::new(BINARY).args(arguments).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}
