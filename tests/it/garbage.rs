//! What no sender should send. Each is answered for good (or sealed, where it is legal), nothing
//! dies, and the next good request is sealed as if nothing had happened.

use crate::support::chains::{assert_verified, files, npm_verify, records, spans};
use crate::support::grpc::{EXPORT, Grpc, frame};
use crate::support::halod::{Halod, halod_verify};
use crate::support::http::{JSON, PROTOBUF};
use crate::support::random::Random;
use crate::support::spans::{attribute, hex, key, request, request_json, resource, span, text};
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::io::Write;

/// The most that halod may hold: the default `pipeline.max_in_flight_mib` and as much again for
/// what is built from it, beside the process itself.
const MEMORY_MIB: u64 = 384;

/// A daemon under test, and how many good requests it took.
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

    /// Posts and expects success or a permanent refusal; returns the status.
    fn post(&self, what: &str, headers: &[(&str, &str)], body: &[u8]) -> u16 {
        let answer = self.halod.connect().post("/v1/traces", headers, body);
        let answer = answer.unwrap_or_else(|e| panic!("{what}: no answer: {e}"));
        assert!(
            matches!(answer.status, 200 | 400 | 413 | 415) && answer.header("retry-after").is_none(),
            "{what}: {} {:?} {}",
            answer.status,
            answer.headers,
            answer.text()
        );
        answer.status
    }

    fn protobuf(&self, what: &str, body: &[u8]) -> u16 {
        self.post(what, &[("content-type", PROTOBUF)], body)
    }

    fn json(&self, what: &str, body: &[u8]) -> u16 {
        self.post(what, &[("content-type", JSON)], body)
    }

    /// Sends a frame over gRPC and expects success or a permanent code; returns the code.
    fn grpc(&self, what: &str, metadata: &[(&str, &str)], framed: &[u8]) -> i32 {
        let mut grpc = Grpc::connect(self.halod.grpc).unwrap();
        let answer = grpc.send(EXPORT, metadata, framed);
        let answer = answer.unwrap_or_else(|e| panic!("{what}: no answer: {e}"));
        // INVALID_ARGUMENT, RESOURCE_EXHAUSTED without a delay, OUT_OF_RANGE, UNIMPLEMENTED.
        assert!(matches!(answer.code, 0 | 3 | 8 | 11 | 12), "{what}: {} {}", answer.code, answer.message);
        answer.code
    }

    /// A good request on every way in is sealed.
    fn still_works(&mut self, after: &str) {
        assert!(self.halod.alive(), "halod died of: {after}");
        let mut good = || {
            self.good += 1;
            vec![span(0xE0, self.good)]
        };
        let (pb, json, grpc) = (good(), good(), good());
        assert_eq!(self.protobuf(after, &request(Some("good"), pb)), 200);
        assert_eq!(self.json(after, &request_json(Some("good"), json)), 200);
        assert_eq!(self.grpc(after, &[], &frame(0, &request(Some("good"), grpc))), 0);
    }

    /// Every good span is in its chain, every chain verifies, and memory stayed bounded.
    fn finish(mut self) {
        self.still_works("everything");
        let memory = self.halod.peak_memory_mib();
        println!("peak memory {memory} MiB");
        assert!(memory < MEMORY_MIB, "{memory} MiB");
        assert_eq!(self.halod.metric("halod_ready", ""), 1);
        assert!(self.halod.terminate().success());
        let sealed = spans(self.dir.path());
        for n in 1..=self.good {
            assert_eq!(sealed.get(&key(&span(0xE0, n))), Some(&1), "good span {n}");
        }
        halod_verify(self.dir.path());
        assert_verified(self.dir.path());
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A gzip stream of `mib` MiB of zeros.
fn bomb(mib: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..mib {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap()
}

/// A span's request with one more attribute, given as an encoded `AnyValue`.
fn with_raw_value(n: u64, any_value: &[u8]) -> Vec<u8> {
    let mut pair = Vec::new();
    field(&mut pair, 1, b"gen_ai.input.messages");
    field(&mut pair, 2, any_value);
    let mut bytes = span(0xE1, n).encode_to_vec();
    field(&mut bytes, 9, &pair);
    let (mut scope, mut resource, mut all) = (Vec::new(), Vec::new(), Vec::new());
    field(&mut scope, 2, &bytes);
    field(&mut resource, 2, &scope);
    field(&mut all, 1, &resource);
    all
}

/// A length-delimited protobuf field.
fn field(into: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, into);
    prost::encoding::encode_varint(bytes.len() as u64, into);
    into.extend_from_slice(bytes);
}

/// `AnyValue` arrays within arrays.
fn nested(depth: usize) -> Vec<u8> {
    let mut value = text("core").encode_to_vec();
    for _ in 0..depth {
        let mut array = Vec::new();
        field(&mut array, 1, &value);
        value.clear();
        field(&mut value, 5, &array);
    }
    value
}

fn one(span: Span) -> Vec<u8> {
    request(Some("odd"), vec![span])
}

#[test]
fn bytes_that_are_no_request() {
    let mut victim = Victim::start();
    let mut random = Random::new("garbage");
    for n in 0..150 {
        let length = random.between(1, 2048) as usize;
        let bytes = random.bytes(length);
        let what = format!("{n}: {} random bytes", bytes.len());
        victim.protobuf(&what, &bytes);
        assert_eq!(victim.json(&what, &bytes), 400, "{what}");
        victim.grpc(&what, &[], &frame(0, &bytes));
        victim.grpc(&what, &[], &bytes);
    }
    victim.still_works("random bytes");
    let whole = request(Some("cut"), vec![span(0xE1, 1), span(0xE1, 2)]);
    for cut in (0..whole.len()).step_by(7) {
        victim.protobuf(&format!("cut at {cut}"), &whole[..cut]);
        victim.grpc(&format!("cut at {cut}"), &[], &frame(0, &whole[..cut]));
    }
    let whole = request_json(Some("cut"), vec![span(0xE1, 1)]);
    for cut in (0..whole.len()).step_by(11) {
        assert_eq!(victim.json(&format!("cut at {cut}"), &whole[..cut]), 400);
    }
    victim.still_works("truncated requests");
    for n in 0..300 {
        let mut flipped = request(Some("flipped"), vec![span(0xE2, n)]);
        for _ in 0..random.between(1, 6) {
            let at = random.between(0, flipped.len() as u64) as usize;
            flipped[at] ^= 1 << random.between(0, 8);
        }
        victim.protobuf(&format!("{n}: flipped bits"), &flipped);
    }
    let odd_json: &[(&str, &[u8])] = &[
        ("nothing", b""),
        ("null", b"null"),
        ("an array", b"[]"),
        ("a lone surrogate", br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"\ud800"}]}]}]}"#),
        ("invalid UTF-8", b"{\"resourceSpans\":[{\"x\":\"\xff\xfe\"}]}"),
        ("a huge number", br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":1e999}]}]}]}"#),
        ("ids that are no hex", br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}"#),
    ];
    for (what, body) in odd_json {
        victim.json(what, body);
    }
    victim.still_works("odd JSON");
    victim.finish();
}

#[test]
fn compressed_bodies_that_lie() {
    let mut victim = Victim::start();
    let header = [("content-type", PROTOBUF), ("content-encoding", "gzip")];
    let metadata = [("grpc-encoding", "gzip")];
    let bomb = bomb(200);
    assert_eq!(victim.post("a gzip bomb", &header, &bomb), 413);
    assert_ne!(victim.grpc("a gzip bomb", &metadata, &frame(1, &bomb)), 0);
    victim.still_works("a gzip bomb");
    let good = gzip(&request(Some("zip"), vec![span(0xE1, 1)]));
    assert_eq!(victim.post("half a gzip stream", &header, &good[..good.len() / 2]), 400);
    assert_eq!(victim.post("no gzip at all", &header, b"not gzip"), 400);
    assert_eq!(victim.grpc("half a gzip stream", &metadata, &frame(1, &good[..good.len() / 2])), 3);
    victim.grpc("compressed without saying how", &[], &frame(1, &good));
    let odd = [("content-type", PROTOBUF), ("content-encoding", "br")];
    assert_eq!(victim.post("an unknown coding", &odd, &good), 415);
    let odd = [("content-type", "text/plain")];
    assert_eq!(victim.post("an unknown type", &odd, &good), 415);
    let mut lying = frame(0, &good);
    lying[1] = 0xff;
    assert_ne!(victim.grpc("a frame that claims 4 GiB", &[], &lying), 0);
    assert_eq!(victim.post("gzip", &header, &good), 200);
    victim.still_works("lying bodies");
    victim.finish();
}

#[test]
fn values_out_of_all_measure() {
    let mut victim = Victim::start();
    let big = "x".repeat(10 << 20);
    let mut huge = span(0xE1, 1);
    huge.attributes.push(attribute("gen_ai.input.messages", text(&big)));
    assert_eq!(victim.protobuf("a 10 MB attribute", &one(huge)), 200);
    let mut named = span(0xE1, 3);
    named.attributes[1] = attribute("gen_ai.tool.name", text(&big));
    assert_eq!(victim.protobuf("a 10 MB tool name", &one(named)), 200);
    victim.still_works("10 MB attributes");
    for depth in [10, 100, 1_000, 10_000] {
        let what = format!("protobuf nested {depth} deep");
        let body = with_raw_value(depth as u64 * 2, &nested(depth));
        victim.protobuf(&what, &body);
        victim.grpc(&what, &[], &frame(0, &body));
        let what = format!("JSON nested {depth} deep");
        victim.json(&what, ("[".repeat(depth) + &"]".repeat(depth)).as_bytes());
        let open = r#"{"arrayValue":{"values":["#.repeat(depth);
        let close = "]}}".repeat(depth);
        let attribute = format!(r#"{{"key":"gen_ai.x","value":{open}{close}}}"#);
        let spans = format!(r#"{{"resourceSpans":[{{"resource":{{"attributes":[{attribute}]}}}}]}}"#);
        victim.json(&what, spans.as_bytes());
        let mut inside = span(0xE1, depth as u64 * 2 + 1);
        let arguments = "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
        inside.attributes[2] = attribute_of("gen_ai.tool.call.arguments", &arguments);
        assert_eq!(victim.protobuf("arguments that are nested JSON text", &one(inside)), 200);
        victim.still_works(&what);
    }
    let mut many = span(0xE1, 5);
    many.attributes.extend((0..100_000).map(|n| attribute(&format!("gen_ai.k{n}"), text("v"))));
    assert_eq!(victim.protobuf("100,000 attributes", &one(many.clone())), 200);
    many.span_id[7] ^= 0x40;
    many.attributes.iter_mut().for_each(|a| a.key = "gen_ai.request.model".to_owned());
    victim.protobuf("100,000 times one attribute", &one(many));
    let crowd = request(Some("crowd"), (0..20_000).map(|n| span(0xE3, n)).collect());
    assert_eq!(victim.protobuf("20,000 spans in a request", &crowd), 200);
    let mut empty = Vec::new();
    for _ in 0..500_000 {
        field(&mut empty, 1, b"");
    }
    assert_eq!(victim.protobuf("500,000 empty resources", &empty), 200);
    victim.finish();
}

fn attribute_of(key: &str, value: &str) -> opentelemetry_proto::tonic::common::v1::KeyValue {
    attribute(key, text(value))
}

#[test]
fn ids_names_and_times_that_are_wrong() {
    let mut victim = Victim::start();
    let names = [
        "nul\0nul",
        "../../etc/passwd",
        "a/b",
        ".",
        "..",
        "\u{202e}abc",
        " ",
        "\n",
        "CON",
        "~",
        "_local",
        "local",
    ];
    let long = "t".repeat(100_000);
    for (n, tenant) in names.iter().copied().chain([long.as_str()]).enumerate() {
        let body = request(Some(tenant), vec![span(0xE4, n as u64)]);
        victim.protobuf(&format!("tenant {:?}", tenant.chars().take(20).collect::<String>()), &body);
        let mut tool = span(0xE5, 2 * n as u64 + 1);
        tool.attributes[1] = attribute_of("gen_ai.tool.name", tenant);
        assert_eq!(victim.protobuf("an odd tool name", &one(tool)), 200);
    }
    victim.still_works("odd names");
    let marker = "QQQQ";
    let mut bytes =
        ExportTraceServiceRequest { resource_spans: vec![resource(Some(marker), vec![span(0xE6, 1)])] }
            .encode_to_vec();
    let at = bytes.windows(4).position(|w| w == marker.as_bytes()).unwrap();
    bytes[at..at + 4].copy_from_slice(&[0xff, 0xfe, 0xc0, 0x80]);
    assert_eq!(victim.protobuf("invalid UTF-8 in a tenant", &bytes), 400);
    assert_eq!(victim.grpc("invalid UTF-8 in a tenant", &[], &frame(0, &bytes)), 3);
    let headers = [("content-type", PROTOBUF), ("x-tenant-id", "\u{fffd}../\u{1}")];
    victim.post("a tenant header of odd bytes", &headers, &request(None, vec![span(0xE6, 2)]));
    let ids: [(&str, usize, usize); 6] = [
        ("zero ids", 16, 8),
        ("no ids", 0, 0),
        ("short ids", 8, 4),
        ("long ids", 32, 16),
        ("a huge id", 1 << 20, 8),
        ("no span id", 16, 0),
    ];
    for (what, trace, id) in ids {
        let mut odd = span(0xE6, 3);
        (odd.trace_id, odd.span_id) = (vec![0; trace], vec![0; id]);
        let sealed = victim.halod.sealed();
        victim.protobuf(what, &one(odd.clone()));
        victim.json(what, &request_json(Some("odd"), vec![odd]));
        assert_eq!(victim.halod.sealed(), sealed, "{what}: a span without an identity is not sealed");
    }
    victim.still_works("odd ids");
    let times = [(0, 0), (u64::MAX, u64::MAX), (u64::MAX, 0), (0, u64::MAX), (5, 4), (1, 1 << 63)];
    for (n, (start, end)) in times.into_iter().enumerate() {
        let mut odd = span(0xE7, n as u64);
        (odd.start_time_unix_nano, odd.end_time_unix_nano) = (start, end);
        assert_eq!(victim.protobuf(&format!("times {start} {end}"), &one(odd.clone())), 200);
        assert_eq!(victim.json("the same in JSON", &request_json(Some("odd"), vec![odd])), 200);
    }
    for file in files(victim.dir.path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name.is_ascii() && name.len() <= 255 && !name.starts_with('.'), "{name}");
        assert!(records(&file).iter().all(|r| r["ts"].as_str().is_some_and(|ts| ts.starts_with("20"))));
    }
    npm_verify(&files(victim.dir.path()));
    victim.finish();
    assert_eq!(hex(&[0, 255]), "00ff");
}
