//! gRPC `halo.ingest.v1`, by a real client and by bytes.

use super::{assert_heads, record};
use crate::support::chains::{assert_verified, of_tenant};
use crate::support::clients::python;
use crate::support::grpc::{Grpc, frame};
use crate::support::halod::Halod;
use crate::support::root;
use halod_proto::ingest::v1;
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

const WRITE: &str = "/halo.ingest.v1.RecordService/Write";

/// A record of the JSON door in the JSON form of the protobuf message.
fn message(mut record: Value) -> Value {
    let input = record["action"].as_object_mut().unwrap().remove("input").unwrap();
    record["action"]["input_json"] = input.to_string().into();
    let value = record["outcome"].as_object_mut().unwrap().remove("value").unwrap();
    record["outcome"]["value_json"] = value.to_string().into();
    let attempt = record["data"].as_object_mut().unwrap().remove("attempt").unwrap();
    record["data"]["more_json"] = json!({"attempt": attempt}).to_string().into();
    let subject = record["subject"].take();
    record["subject"] = json!({"id": subject});
    record
}

/// Sends requests with grpcio, by messages that it makes of the .proto file.
fn grpcio(halod: &Halod, requests: &[Value]) -> Vec<Value> {
    let proto = root().join("proto/halo/ingest/v1/record.proto");
    let script = root().join("tests/clients/native_grpc.py");
    let target = halod.grpc.to_string();
    let mut client = python().script(&script, &[&target, proto.to_str().unwrap()]);
    let mut child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("run python");
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "native_grpc.py: {}", out.status);
    let answers = String::from_utf8(out.stdout).unwrap();
    answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn grpcio_and_http_write_the_same_records() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut wrong = message(record("k-2", "acme"));
    wrong["action"]["input_json"] = "{".into();
    wrong["outcome"]["status"] = "fine".into();
    let mut other = message(record("k-1", "acme"));
    other["action"]["tool"] = "other".into();
    let requests = [
        json!({"records": [message(record("k-1", "acme")), wrong, message(record("k-3", "initech"))]}),
        json!({"records": [message(record("k-1", "acme")), other]}),
        json!({"records": []}),
    ];
    let answers = grpcio(&halod, &requests);
    let statuses = |answer: &Value| {
        let results = answer["results"].as_array().unwrap();
        results.iter().map(|result| result["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(statuses(&answers[0]), ["STATUS_SEALED", "STATUS_REJECTED", "STATUS_SEALED"]);
    let error = &answers[0]["results"][1]["errors"][0];
    assert_eq!(error["field"], "records[1].action.input_json");
    assert!(error["message"].as_str().unwrap().starts_with("is not JSON"), "{error}");
    assert_eq!(statuses(&answers[1]), ["STATUS_DUPLICATE", "STATUS_CONFLICT"]);
    assert_eq!(answers[1]["results"][1]["conflicts_with"], answers[0]["results"][0]["record_id"]);
    assert_eq!(answers[2], json!({}));
    // 64-bit numbers are texts in protobuf's JSON.
    let mut last = answers[1].clone();
    for head in last["heads"].as_array_mut().unwrap() {
        head["records"] = head["records"].as_str().unwrap().parse::<u64>().unwrap().into();
    }
    assert_heads(dir.path(), &last);
    // The same record by the other door is the same record.
    let again = super::write(&halod, &json!([record("k-1", "acme"), record("k-3", "initech")]), 200);
    assert_eq!(super::fates(&again), ["duplicate", "duplicate"]);
    assert!(halod.terminate().success());
    assert_eq!(of_tenant(dir.path(), Some("acme")).len(), 2);
    assert_verified(dir.path());
}

/// The client that is generated from the contract.
#[test]
fn the_generated_client_writes_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let action = v1::Action { r#type: "read".into(), category: "safety".into(), ..Default::default() };
    let good = v1::Record { key: "k".into(), action: Some(action), ..Default::default() };
    let records = vec![good.clone(), v1::Record { key: String::new(), ..good.clone() }, good];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (answer, refused) = runtime.block_on(async {
        let to = format!("http://{}", halod.grpc);
        let mut client = v1::record_service_client::RecordServiceClient::connect(to).await.unwrap();
        let answer = client.write(v1::WriteRequest { records }).await.unwrap().into_inner();
        let many = v1::WriteRequest { records: vec![v1::Record::default(); 10_001] };
        (answer, client.write(many).await.unwrap_err())
    });
    let statuses: Vec<_> = answer.results.iter().map(v1::Result::status).collect();
    use v1::result::Status::{Duplicate, Rejected, Sealed};
    assert_eq!(statuses, [Sealed, Rejected, Duplicate]);
    assert_eq!(answer.results[1].errors[0].field, "records[1].key");
    assert_eq!(answer.heads[0].records, 1);
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    assert!(halod.terminate().success());
    assert_verified(dir.path());
}

fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 128);
    [&[tag << 3 | 2, bytes.len() as u8], bytes].concat()
}

/// The answer's bytes are those of the contract.
#[test]
fn a_call_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let mut grpc = Grpc::connect(halod.grpc).unwrap();
    let action = [field(1, b"read"), field(2, b"safety")].concat();
    let request = field(1, &[field(1, b"k"), field(8, &action)].concat());
    let answer = grpc.send(WRITE, &[], &frame(0, &request)).unwrap();
    assert_eq!(answer.code, 0, "{}", answer.message);
    let chain = of_tenant(dir.path(), None);
    let (id, hash) = (&chain[0]["record_id"], &chain[0]["integrity"]["hash"]);
    let result = [vec![1 << 3, 1], field(2, id.as_str().unwrap().as_bytes())].concat();
    let head = [field(2, hash.as_str().unwrap().as_bytes()), vec![3 << 3, 1]].concat();
    assert_eq!(answer.body, [field(1, &result), field(2, &head)].concat());
    // What is no request is refused whole, and for good.
    for (path, body, code) in [
        (WRITE, frame(0, &[0x0a, 5, 1]), 3),
        (WRITE, frame(0, &[0x08, 1]), 3),
        (WRITE, frame(1, b"not gzip"), 3),
        (WRITE, [frame(0, &[]), frame(0, &[])].concat(), 3),
        (WRITE, vec![0, 0xff, 0xff, 0xff, 0xff], 8),
        ("/halo.ingest.v1.RecordService/Read", frame(0, &[]), 12),
    ] {
        let answer = grpc.send(path, &[], &body).unwrap();
        assert_eq!(answer.code, code, "{}", answer.message);
    }
    assert!(halod.terminate().success());
    assert_eq!(of_tenant(dir.path(), None).len(), 1);
    assert_verified(dir.path());
}
