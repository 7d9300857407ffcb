//! Requests that are small on the wire and large when they are read.

use crate::support::chains::of_tenant;
use crate::support::halod::Halod;
use crate::support::http::{JSON, PROTOBUF};
use crate::support::spans::{attribute, request, span, text};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A JSON list of so many empty lists, two bytes each with the comma.
fn list(values: usize) -> String {
    format!("[{}0]", "0,".repeat(values - 1))
}

/// A text that says more than may be read of it stays a text, which the record says, and a resend is the
/// same.
#[test]
fn a_json_text_of_millions_of_values_is_hashed_as_text() {
    const MIB: usize = 60;
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut bomb = span(0xB0, 0);
    bomb.attributes.push(attribute("gen_ai.input.messages", text(&list(MIB << 19))));
    let body = gzip(&request(Some("acme"), vec![bomb]));
    assert!(body.len() < 300_000, "{}", body.len());
    for _ in 0..2 {
        let headers = [("content-type", PROTOBUF), ("content-encoding", "gzip")];
        let answer = halod.connect().post("/v1/traces", &headers, &body).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    println!("peak memory {} MiB", halod.peak_memory_mib());
    assert!(halod.peak_memory_mib() < 400, "{} MiB", halod.peak_memory_mib());
    assert_eq!((halod.sealed(), halod.duplicates()), (1, 1));
    assert!(halod.terminate().success());
    let record = of_tenant(dir.path(), Some("acme")).remove(0);
    assert_eq!(record["data"]["unparsed"], true);
    assert!(record["action"]["input"]["hash"].as_str().unwrap().starts_with("sha256:"));
}

/// At the doors that take JSON a body of more values than a request may have is refused for good, before
/// they are all in memory.
#[test]
fn a_json_body_of_millions_of_values_is_refused_before_it_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let many = list(8 << 20);
    let doors = [
        ("/litellm", format!("[{{\"id\":\"a\",\"messages\":{many}}}]")),
        ("/v1/traces/ingest", format!("{{\"data\":[{{\"object\":\"trace.span\",\"span_data\":{many}}}]}}")),
        ("/api/public/ingestion", format!("{{\"batch\":[{{\"id\":\"a\",\"body\":{many}}}]}}")),
        ("/runs/batch", format!("{{\"post\":[{{\"id\":\"a\",\"inputs\":{{\"a\":{many}}}}}]}}")),
        ("/v1/records", format!("[{{\"key\":\"a\",\"data\":{{\"a\":{many}}}}}]")),
    ];
    for (path, body) in doors {
        let headers = [("content-type", JSON), ("content-encoding", "gzip")];
        let answer = halod.connect().post(path, &headers, &gzip(body.as_bytes())).unwrap();
        assert!(
            matches!(answer.status, 207 | 400 | 413 | 422),
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
        println!("{path}: {} {} MiB", answer.status, halod.peak_memory_mib());
        assert!(halod.peak_memory_mib() < 400, "{path}: {} MiB", halod.peak_memory_mib());
    }
    assert_eq!(halod.sealed(), 0);
    assert!(halod.terminate().success());
}
