//! The paths of Langfuse's API: keys, polite answers, and bodies that are wrong.

use super::*;
use crate::support::chains::{assert_verified, gap};
use crate::support::wait_until;
use std::time::Duration;

/// `pk-lf-a:sk-lf-a`, `pk-lf-a:sk-lf-x` and `pk-lf-b:any`.
const RIGHT: &str = "Basic cGstbGYtYTpzay1sZi1h";
const WRONG: &str = "Basic cGstbGYtYTpzay1sZi14";
const STRANGER: &str = "Basic cGstbGYtYjphbnk=";

fn span(name: &str) -> Value {
    let body = json!({ "name": name, "input": 1, "startTime": at(1), "endTime": at(2),
                       "metadata": { "tenant": "claimed" } });
    event("tool-create", name, 1, body)
}

#[test]
fn a_key_decides_whose_chain_it_is() {
    let place = Place::with(
        "  langfuse: { keys: { pk-lf-a: acme-corp }, secrets: { pk-lf-a: 7aadadc2c06830cac2714895e93b44097ab3a4b59be29f0dc63da264025f734d }, require_key: true }\n",
    );
    let halod = place.start();
    let body = json!({ "batch": [trace(), span("lookup")] }).to_string();
    let ask = |path: &str, key: Option<&str>, kind: &str, body: &[u8]| {
        let mut headers = vec![("content-type", kind)];
        headers.extend(key.map(|key| ("authorization", key)));
        halod.connect().post(path, &headers, body).unwrap()
    };
    let spans = include_bytes!("../../../adapters/golden/otel/crewai.json");
    for key in [None, Some(WRONG), Some(STRANGER), Some("Bearer x")] {
        for path in [INGESTION, "/api/public/otel/v1/traces", "/api/public/scores"] {
            let answer = ask(path, key, JSON, body.as_bytes());
            assert_eq!(answer.status, 401, "{key:?} {path}");
            assert!(answer.text().contains("UnauthorizedError"), "{}", answer.text());
        }
    }
    assert_eq!(halod.sealed(), 0);
    assert_eq!(ask(INGESTION, Some(RIGHT), JSON, body.as_bytes()).status, 207);
    assert_eq!(ask("/api/public/otel/v1/traces", Some(RIGHT), JSON, spans).status, 200);
    assert!(halod.terminate().success());
    assert_eq!(files(&place.records()).len(), 1);
    let records = place.of_tenant();
    assert_eq!(tools(&records, "lookup")[0]["data"]["claimed_tenant"], "claimed");
    assert!(records.len() > 2, "spans are of the key's tenant too");
    assert_nowhere(&place.records(), &["sk-lf-a"]);
    assert_verified(&place.records());
}

#[test]
fn what_is_asked_for_is_answered_truthfully() {
    let place = Place::with("");
    let halod = place.start();
    let get = |path: &str| {
        let answer = halod.connect().get(path).unwrap();
        let said: Value = serde_json::from_slice(&answer.body).unwrap();
        (answer.status, said)
    };
    assert_eq!(get("/api/public/health").1["status"], "OK");
    assert_eq!(get("/api/public/projects").1["data"][0]["name"], "halod");
    for path in ["/api/public/v2/prompts/x", "/api/public/v2/datasets", "/api/public/media/1", "/api/public/"]
    {
        let (status, said) = get(path);
        assert_eq!((status, &said["error"]), (404, &json!("LangfuseNotFoundError")), "{path}");
    }
    assert_eq!(post(&halod, "/api/public/media", b"{}").status, 404);
    for (status, _) in [get(INGESTION), get("/api/public/otel/v1/traces")] {
        assert_eq!(status, 405);
    }
    let answer =
        post(&halod, "/api/public/scores", br#"{"id":"1","traceId":"t","name":"good","value":-0.5}"#);
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"id":"1"}"#));
    // Its trace is not told: it waits shortly.
    wait_until("the score is sealed", Duration::from_secs(60), || halod.sealed() == 1);
    assert!(halod.terminate().success());
    let all = place.all();
    assert_eq!(all[0]["data"]["score"], "-0.5");
    assert_eq!(all[0]["session_id"], "t");
    assert_verified(&place.records());
}

#[test]
fn bodies_that_are_wrong_are_refused_for_good_and_leave_nothing() {
    let place = Place::with("  otlp: { protocols: { http: { max_request_body_size: 100000 } } }\n");
    let halod = place.start();
    let deep = format!(r#"{{"batch":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let whole = json!({ "batch": [trace(), span("lookup")] }).to_string();
    let mut wrong: Vec<Vec<u8>> = [
        "",
        "{",
        "[]",
        "null",
        "{}",
        r#"{"batch":{}}"#,
        r#"{"batch":null}"#,
        "\u{feff}{}",
        &deep,
        &whole[..whole.len() / 2],
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    wrong.push(vec![0xff; 100]);
    for body in &wrong {
        for path in [INGESTION, "/api/public/scores"] {
            let answer = post(&halod, path, body);
            if path == "/api/public/scores" && body.as_slice() == b"[]" {
                continue;
            }
            assert_eq!(answer.status, 400, "{path} {:?}", String::from_utf8_lossy(body));
        }
    }
    assert_eq!(post(&halod, INGESTION, &vec![b' '; 100_001]).status, 413);
    // Of a batch, what is wrong is refused by itself.
    let events = json!([
        1, null, {}, { "type": "x" }, { "type": "span-create" }, { "type": "span-create", "body": [] },
        { "type": "span-create", "id": "1", "body": {} }, { "type": "sdk-log", "id": "2", "body": { "log": "x" } },
        { "type": "score-create", "id": "3", "body": { "name": "x" } },
        { "type": "trace-create", "id": "4", "body": { "id": "t", "metadata": { "tenant": "x".repeat(600) } } },
        trace(), span("lookup"),
    ]);
    let answer = post(&halod, INGESTION, json!({ "batch": events }).to_string().as_bytes());
    assert_eq!(answer.status, 207);
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(said["successes"].as_array().unwrap().len(), 4, "{said}");
    assert_eq!(said["errors"].as_array().unwrap().len(), 8, "{said}");
    assert!(said["errors"].as_array().unwrap().iter().all(|error| error["status"] == 400), "{said}");
    assert_eq!(halod.items("langfuse", "rejected"), 8);
    assert!(halod.terminate().success());
    assert_eq!(counts(&of_tenant(&place.records(), Some("claimed"))), [("lookup ok".to_owned(), 1)].into());
    assert_verified(&place.records());
}

/// An hour between gaps: they are told when halod stops.
#[test]
fn what_is_refused_for_good_is_told_as_a_gap() {
    let place = Place::with(
        "  gap_interval: 1h\n  hold: { wait: 1s }\n  otlp: { protocols: { http: { max_request_body_size: 100000 } } }
  langfuse: { keys: { pk-lf-a: acme-corp }, secrets: { pk-lf-a: 7aadadc2c06830cac2714895e93b44097ab3a4b59be29f0dc63da264025f734d } }\n",
    );
    let halod = place.start();
    let ask = |path: &str, headers: &[(&str, &str)], body: &str| {
        let headers = [&[("content-type", JSON)], headers].concat();
        halod.connect().post(path, &headers, body.as_bytes()).unwrap().status
    };
    let (acme, initech) = ([("authorization", RIGHT)], [("x-tenant-id", "initech")]);
    let (large, cut) = (" ".repeat(100_001), r#"{"batch":["#);
    assert_eq!(ask(INGESTION, &acme, &large), 413);
    assert_eq!(ask(INGESTION, &acme, cut), 400);
    let events = json!({ "batch": [1, trace(), { "type": "span-create" }, span("lookup"), {}] });
    assert_eq!(ask(INGESTION, &acme, &events.to_string()), 207);
    let score = json!({ "id": "1", "traceId": "t", "name": "good", "value": 1 });
    let bad = json!({ "name": "of nothing" });
    assert_eq!(ask("/api/public/scores", &acme, &json!([score, bad]).to_string()), 207);
    let bad = bad.to_string();
    assert_eq!(ask("/api/public/scores", &acme, &bad), 400);
    assert_eq!(ask(INGESTION, &initech, cut), 400);
    assert_eq!(ask(INGESTION, &[], cut), 400);
    // The key's, whatever else the request says.
    let both = [acme[0], ("x-tenant-id", "victim")];
    assert_eq!(ask("/api/public/otel/v1/traces", &both, cut), 400);
    // Nobody's, or no telemetry.
    assert_eq!(ask(INGESTION, &[("authorization", WRONG)], &large), 401);
    assert_eq!(ask("/api/public/media", &acme, cut), 404);
    assert!(halod.terminate().success());
    let told = |tenant, keys: &[&str]| {
        let data = gap(&place.records(), tenant);
        keys.iter().map(|key| data[*key].as_u64().unwrap_or(0)).collect::<Vec<_>>()
    };
    let keys = [
        "requests",
        "bytes",
        "items",
        "langfuse.too_large",
        "langfuse.undecodable",
        "langfuse.rejected",
        "otlp.undecodable",
    ];
    let bytes = (large.len() + 2 * cut.len() + bad.len()) as u64;
    assert_eq!(told(Some(TENANT), &keys), [6, bytes, 4, 1, 2, 2, 1]);
    for tenant in [Some("initech"), None] {
        assert_eq!(told(tenant, &keys), [1, cut.len() as u64, 0, 0, 1, 0, 0], "{tenant:?}");
    }
    assert_verified(&place.records());
}
