//! Rows G1 to G14: OTLP/gRPC.

use super::client::{Call, H2, Outcome, PATIENCE, Partial, fed, grpc_request, whole};
use super::{Case, Ctx, Expect, RETRYABLE_CODES, Target, grpc, steps};
use crate::support::grpc::frame;
use crate::support::random::Random;
use crate::support::spans::{attribute, request, resource, span, text};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;
use std::io::Write;

pub const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const PROFILES: &str = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";

/// The limit that the specification recommends.
pub const LIMIT: usize = 64 << 20;

const INVALID_ARGUMENT: i32 = 3;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNIMPLEMENTED: i32 = 12;

fn to(path: &'static str, message: &[u8]) -> Call {
    Call { path, headers: Vec::new(), body: frame(0, message) }
}

fn packed(encoding: &str, message: &[u8]) -> Call {
    Call { path: TRACES, headers: vec![("grpc-encoding", encoding.to_owned())], body: frame(1, message) }
}

pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(plain: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A zstd frame of `mib` MiB of zeros, with a window of 8 MiB or another.
pub fn zstd_zeros(mib: usize, window: u8) -> Vec<u8> {
    let mut wire = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
    for n in 1..=8 * mib {
        let header = (128_u32 << 10) << 3 | 1 << 1 | u32::from(n == 8 * mib);
        wire.extend_from_slice(&header.to_le_bytes()[..3]);
        wire.push(0);
    }
    wire
}

pub const EIGHT_MIB: u8 = 13 << 3;

pub fn logs() -> Vec<u8> {
    let record = LogRecord {
        observed_time_unix_nano: 1_760_000_000_000_000_000,
        time_unix_nano: 1_760_000_000_000_000_000,
        body: Some(text("nothing of an agent")),
        ..LogRecord::default()
    };
    let scope = ScopeLogs { log_records: vec![record], ..ScopeLogs::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec()
}

pub fn metrics() -> Vec<u8> {
    let data = Data::Gauge(Gauge { data_points: vec![NumberDataPoint::default()] });
    let metric = Metric { name: "tokens".into(), data: Some(data), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec()
}

/// An envelope in which everything that may be empty is.
pub fn hollow() -> Vec<u8> {
    let scopes = ResourceSpans { scope_spans: vec![ScopeSpans::default()], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans::default(), scopes] }.encode_to_vec()
}

/// Two spans of which the second has no usable id.
pub fn half_good(ctx: &Ctx) -> Vec<u8> {
    ctx.changed(2, |n, span| {
        if n == 2 {
            span.trace_id = vec![0; 16];
        }
    })
}

pub fn none_good(ctx: &Ctx) -> Vec<u8> {
    ctx.changed(2, |_, span| span.span_id = vec![7; 3])
}

pub fn cases() -> Vec<Case> {
    use Expect::{Full, Partial, Refused, RefusedSomehow, Taken};
    vec![
        grpc("G1", "traces", Full, |c| to(TRACES, &c.proto(2))).keeps(2),
        grpc("G1", "logs, a warning at most", Taken, |_| to(LOGS, &logs())),
        grpc("G1", "metrics: success, a warning at most", Taken, |_| to(METRICS, &metrics())),
        grpc("G1", "profiles are unimplemented", Refused(UNIMPLEMENTED), |_| to(PROFILES, b"")),
        grpc("G1", "another method of the service", Refused(UNIMPLEMENTED), |_| {
            to("/opentelemetry.proto.collector.trace.v1.TraceService/Import", b"")
        }),
        grpc("G2", "identity", Full, |c| Call { body: frame(0, &c.proto(1)), ..packed("identity", b"") })
            .keeps(1),
        grpc("G2", "gzip", Full, |c| packed("gzip", &gzip(&c.proto(1)))).keeps(1),
        grpc("G2", "gzip announced, message plain", Full, |c| Call {
            body: frame(0, &c.proto(1)),
            ..packed("gzip", b"")
        })
        .keeps(1),
        grpc("G2+", "zstd", Full, |c| packed("zstd", &zstd(&c.proto(1)))).keeps(1),
        grpc("G2", "damaged gzip", Refused(INVALID_ARGUMENT), |c| packed("gzip", &c.proto(1))).keeps(0),
        grpc("G2", "compressed, and no encoding named", RefusedSomehow, |c| Call {
            body: frame(1, &gzip(&c.proto(1))),
            ..to(TRACES, b"")
        })
        .keeps(0),
        steps("G2", "an unknown encoding names the known ones", unknown_encoding).keeps(0),
        grpc("G3", "an empty request", Full, |_| to(TRACES, b"")),
        grpc("G3", "an empty logs request", Full, |_| to(LOGS, b"")),
        grpc("G3", "empty resources and scopes", Full, |_| to(TRACES, &hollow())),
        grpc("G4", "one byte over the limit on the wire", Refused(RESOURCE_EXHAUSTED), |_| {
            to(TRACES, &vec![0; LIMIT + 1])
        }),
        grpc("G4", "a length of 4 GiB, and nothing behind it", Refused(RESOURCE_EXHAUSTED), |_| Call {
            body: vec![0, 0xff, 0xff, 0xff, 0xff, 1],
            ..to(TRACES, b"")
        }),
        grpc("G4", "over the limit after gunzip", Refused(RESOURCE_EXHAUSTED), |_| {
            packed("gzip", &gzip(&vec![0; LIMIT + 1]))
        }),
        grpc("G4+", "over the limit after unzstd", Refused(RESOURCE_EXHAUSTED), |_| {
            packed("zstd", &zstd_zeros(65, EIGHT_MIB))
        }),
        grpc("G5", "no protobuf", Refused(INVALID_ARGUMENT), |_| to(TRACES, b"\xff\xff\xff not protobuf")),
        grpc("G5", "cut off", Refused(INVALID_ARGUMENT), |c| {
            let whole = c.proto(1);
            to(TRACES, &whole[..whole.len() - 5])
        })
        .keeps(0),
        grpc("G5", "no message at all", RefusedSomehow, |_| Call { body: Vec::new(), ..to(TRACES, b"") }),
        grpc("G5", "two messages", RefusedSomehow, |c| Call {
            body: [frame(0, &c.proto(1)), frame(0, b"")].concat(),
            ..to(TRACES, b"")
        })
        .keeps(0),
        grpc("G6", "full success is 0 bytes", Full, |c| to(TRACES, &c.proto(3))).keeps(3),
        grpc("G7", "one of two is rejected and counted", Partial(1), |c| to(TRACES, &half_good(c))).keeps(1),
        grpc("G7", "none can be used", Refused(INVALID_ARGUMENT), |c| to(TRACES, &none_good(c))).keeps(0),
        steps("G9", "200 damaged requests: no code that its sender would repeat", damaged).keeps(0),
        grpc("G10", "a token that nobody asked for", Full, |c| Call {
            headers: vec![("authorization", "Bearer s3cr3t-token".into())],
            ..to(TRACES, &c.proto(1))
        })
        .kept(1, |records| match serde_json::to_string(records) {
            Ok(text) if !text.contains("s3cr3t-token") => Ok(()),
            _ => Err("the token is kept".into()),
        }),
        steps("G11", "a call overtakes one that is stalled, on one connection", overtakes).keeps(2),
        steps("G12", "the sender leaves before the answer, and sends again: kept once", sent_again).keeps(3),
        steps("G13", "a thousand reasons make a small answer", small_answer).keeps(1),
    ]
}

fn unknown_encoding(ctx: &Ctx, target: &Target) -> Outcome<String> {
    let seen = target.call(packed("snappy-of-our-own", &ctx.proto(1)))?;
    Expect::Refused(UNIMPLEMENTED)
        .grpc(&seen, target.strict)
        .map_err(|why| format!("{why}; {}", seen.summary()))?;
    match seen.header("grpc-accept-encoding") {
        Some(known) if known.split(',').any(|name| name.trim() == "gzip") => Ok(format!("known: {known}")),
        other => Err(format!("grpc-accept-encoding: {other:?}")),
    }
}

fn damaged(ctx: &Ctx, target: &Target) -> Outcome<String> {
    let mut random = Random::seeded(9);
    let mut codes = std::collections::BTreeMap::<i32, u32>::new();
    for n in 0..200 {
        let mut body = ctx.changed(1, |_, span| span.trace_id = vec![0; 16]);
        for _ in 0..=n % 4 {
            let at = random.between(0, body.len() as u64) as usize;
            // The ids stay unusable, so that nothing is kept.
            if body[at] != 0 {
                body[at] ^= 1 << random.between(0, 8);
            }
        }
        let seen = target.call(to(TRACES, &body))?;
        let code = seen.code()?;
        if RETRYABLE_CODES.contains(&code) || (code != 0 && seen.grpc_status()?.has("RetryInfo")) {
            return Err(seen.summary());
        }
        *codes.entry(code).or_default() += 1;
    }
    Ok(format!("codes {codes:?}"))
}

fn overtakes(ctx: &Ctx, target: &Target) -> Outcome<String> {
    let (first, second) = (ctx.proto(1), request(Some(&ctx.tenant), vec![span(ctx.family, 9)]));
    target.runtime.block_on(async {
        let mut h2 = H2::tcp(target.grpc).await?;
        let (feeder, body) = fed();
        let framed = Bytes::from(frame(0, &first));
        feeder.send(framed.slice(..9)).unwrap();
        let stalled = h2.begin(grpc_request(TRACES, &[], body.boxed())).await?;
        let overtaking = h2.exchange(grpc_request(TRACES, &[], whole(frame(0, &second)))).await?;
        Expect::Full.grpc(&overtaking, target.strict).map_err(|why| format!("overtaking: {why}"))?;
        feeder.send(framed.slice(9..)).unwrap();
        drop(feeder);
        let stalled = tokio::time::timeout(PATIENCE, stalled).await.map_err(|_| "no answer")??;
        Expect::Full
            .grpc(&stalled, target.strict)
            .map_err(|why| format!("overtaken: {why}; {}", stalled.summary()))?;
        Ok("both answered".into())
    })
}

fn sent_again(ctx: &Ctx, target: &Target) -> Outcome<String> {
    let body = ctx.proto(3);
    target.runtime.block_on(async {
        for _ in 0..3 {
            let mut h2 = H2::tcp(target.grpc).await?;
            let headers = [("grpc-timeout", "1n".to_owned())];
            let answer = h2.begin(grpc_request(TRACES, &headers, whole(frame(0, &body)))).await?;
            // Leaves as soon as the request is on its way.
            let left = tokio::time::timeout(std::time::Duration::from_millis(1), answer).await;
            h2.connection.abort();
            drop(left);
        }
        Ok::<_, String>(())
    })?;
    let seen = target.call(to(TRACES, &body))?;
    Expect::Full.grpc(&seen, target.strict).map_err(|why| format!("{why}; {}", seen.summary()))?;
    Ok(seen.summary())
}

fn small_answer(ctx: &Ctx, target: &Target) -> Outcome<String> {
    let long = "\u{e9}".repeat(500);
    let spans = (0..1000).map(|n| {
        let mut span = span(ctx.family, 100 + n);
        span.attributes.push(attribute("tenant.id", text(&format!("{long}{n}"))));
        span.span_id = vec![0; 8];
        span.name.clone_from(&long);
        span
    });
    let groups =
        vec![resource(Some(&ctx.tenant), vec![span(ctx.family, 1)]), resource(None, spans.collect())];
    let seen =
        target.call(to(TRACES, &ExportTraceServiceRequest { resource_spans: groups }.encode_to_vec()))?;
    Expect::Partial(1000).grpc(&seen, target.strict).map_err(|why| format!("{why}; {}", seen.summary()))?;
    let Partial { message, .. } = seen.partial()?;
    if seen.body.len() < 4 << 10 { Ok(message) } else { Err(format!("{} bytes", seen.body.len())) }
}
