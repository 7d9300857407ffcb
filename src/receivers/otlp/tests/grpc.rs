//! Rows G1 to G14.

use super::fixture::{
    Answer, Call, Fixture, IN_FLIGHT, LOGS, METRICS, TRACES, Verdict, connect_h2, has_bad_request,
    has_retry_info, wait_for,
};
use super::sender::{TOOL, field, frame, gzip, logs, metrics, span, tool_span, tool_span_with, traces, zstd};
use crate::ingest::requests::Transport::Grpc;
use crate::pipeline::refusal::Refusal;
use halo_adapters::otlp::Signal;
use std::time::Duration;

const OK: i32 = 0;
const INVALID_ARGUMENT: i32 = 3;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNIMPLEMENTED: i32 = 12;
const UNAVAILABLE: i32 = 14;

fn one_tool() -> Vec<u8> {
    traces(&[], &[tool_span(1)])
}

fn full_success(answer: &Answer) -> bool {
    answer.grpc_status() == OK && answer.body[..] == [0; 5]
}

/// `partial_success` with a message, and no rejected items: 0x12 is the message's key, 0x08 would be the number's.
fn is_warning(message: &[u8]) -> bool {
    let body = message.get(2..).unwrap_or_default();
    // The length of 128 bytes and more takes two.
    message.first() == Some(&0x0a)
        && body.iter().take(2).any(|byte| *byte == 0x12)
        && body.first() != Some(&0x08)
}

#[test]
fn g1_three_services_answer_and_no_other() {
    let fixture = Fixture::new();
    assert!(full_success(&fixture.export(&one_tool())));
    // Nothing of them is an agent's action.
    for (path, body) in [(LOGS, logs()), (METRICS, metrics())] {
        let warned = fixture.grpc(Call { path, body: frame(0, &body), ..Call::default() });
        assert_eq!(warned.grpc_status(), OK);
        assert!(is_warning(&warned.body[5..]), "{path}");
    }
    for path in [
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
        "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
        "/",
    ] {
        let answer = fixture.grpc(Call { path, body: frame(0, b""), ..Call::default() });
        assert_eq!(answer.grpc_status(), UNIMPLEMENTED, "{path}");
    }
    assert_eq!((fixture.items(Signal::Logs, "received"), fixture.items(Signal::Logs, "filtered")), (1, 1));
    assert_eq!(fixture.requests(Grpc), [3, 3, 0]);
    assert_eq!(fixture.subjects().len(), 1);
}

#[test]
fn g2_gzip_zstd_and_identity_work_and_no_other_encoding() {
    let fixture = Fixture::new();
    let (plain, packed, packed_zstd) = (one_tool(), gzip(&one_tool()), zstd(&one_tool()));
    for (encoding, flag, message, status) in [
        (Some("identity"), 0, &plain, OK),
        (Some("gzip"), 1, &packed, OK),
        (Some("gzip"), 0, &plain, OK),
        (None, 1, &packed, INVALID_ARGUMENT),
        (None, 2, &plain, INVALID_ARGUMENT),
        (Some("gzip"), 1, &plain, INVALID_ARGUMENT),
        (Some("zstd"), 1, &packed_zstd, OK),
        (Some("zstd"), 0, &plain, OK),
        (Some("zstd"), 1, &packed, INVALID_ARGUMENT),
        (None, 1, &packed_zstd, INVALID_ARGUMENT),
        (Some("snappy"), 1, &plain, UNIMPLEMENTED),
    ] {
        let headers = encoding.map(|encoding| ("grpc-encoding", encoding)).into_iter().collect();
        let answer = fixture.grpc(Call { headers, body: frame(flag, message), ..Call::default() });
        assert_eq!(answer.grpc_status(), status, "{encoding:?} {flag}");
        let named = answer.header("grpc-accept-encoding");
        assert_eq!(named, if status == UNIMPLEMENTED { "identity,gzip,zstd" } else { "" });
    }
}

#[test]
fn g3_empty_requests_and_envelopes_are_full_success() {
    let fixture = Fixture::new();
    for message in [vec![], field(1, b""), field(1, &field(2, b"")), traces(&[], &[])] {
        assert!(full_success(&fixture.export(&message)), "{message:?}");
    }
    assert_eq!(fixture.subjects().len(), 0);
}

#[test]
fn g4_size_limit_on_the_wire_and_after_decompression() {
    let fixture = Fixture::new();
    let headers = vec![("grpc-encoding", "gzip")];
    let padded = |length: usize| {
        let mut message = one_tool();
        message.extend(field(15, &vec![b'x'; length - message.len() - 4]));
        message
    };
    assert!(full_success(&fixture.export(&padded(100_000))));
    let bomb = gzip(&vec![0; 3 << 20]);
    assert!(bomb.len() < 50_000);
    for (headers, body) in [
        (vec![], frame(0, &padded(100_001))),
        // Only announced: refused before any of it comes.
        (vec![], [&[0], 200_000_u32.to_be_bytes().as_slice()].concat()),
        (headers.clone(), frame(1, &gzip(&padded(100_001)))),
        (headers, frame(1, &bomb)),
    ] {
        let answer = fixture.grpc(Call { headers, body, ..Call::default() });
        assert_eq!(answer.grpc_status(), RESOURCE_EXHAUSTED);
        let details = answer.grpc_details();
        assert!(!has_retry_info(&details) && details.message.contains("100000 bytes"), "{details:?}");
    }
    assert_eq!(fixture.intake.in_flight(), 0);
    assert_eq!(fixture.subjects().len(), 1);
}

/// The rest of a refused message is not read. That must neither cost the connection nor use up its
/// window, which is 8 MiB.
#[test]
fn g4_a_refusal_leaves_the_connection_whole() {
    let fixture = Fixture::new();
    fixture.runtime.block_on(async {
        let mut client = connect_h2(fixture.addr).await;
        for _ in 0..10 {
            let huge = Call { body: frame(0, &vec![0; 3 << 20]), ..Call::default() };
            let answer = client.send(huge.request()).await;
            assert_eq!(answer.grpc_status(), RESOURCE_EXHAUSTED);
            let call = Call { body: frame(0, &one_tool()), ..Call::default() };
            assert!(full_success(&client.send(call.request()).await));
        }
    });
    assert_eq!(fixture.subjects().len(), 10);
}

#[test]
fn g5_what_cannot_be_decoded_is_an_invalid_argument() {
    let fixture = Fixture::new();
    let message = one_tool();
    for (what, body) in [
        ("no message", vec![]),
        ("half a prefix", vec![0, 0, 0]),
        ("a cut message", frame(0, &message)[..20].to_vec()),
        ("two messages", frame(0, &message).repeat(2)),
        ("junk after the message", [frame(0, &message), vec![1]].concat()),
        ("a broken field", frame(0, &message[..message.len() - 1])),
        ("random bytes", frame(0, &[0xff; 40])),
        ("another signal", frame(0, &logs())),
    ] {
        let answer = fixture.grpc(Call { body, ..Call::default() });
        assert_eq!(answer.grpc_status(), INVALID_ARGUMENT, "{what}");
        let details = answer.grpc_details();
        assert!(has_bad_request(&details) && !has_retry_info(&details), "{what}");
    }
    assert_eq!(fixture.intake.in_flight(), 0);
    assert_eq!(fixture.subjects().len(), 0);
}

#[test]
fn g6_full_success_is_an_empty_message_and_nothing_to_seal_never_meets_the_writer() {
    assert!(full_success(&Fixture::new().export(&one_tool())));
    let fixture = Fixture::new();
    fixture.set(Verdict::Refuse(Refusal::Poisoned));
    let answer = fixture.export(&traces(&[], &[span(1, &[("http.method", "GET")])]));
    assert!(is_warning(&answer.body[5..]));
    assert_eq!(answer.trailers.get("grpc-status").unwrap(), "0");
    let items = |name| fixture.items(Signal::Traces, name);
    assert_eq!((items("received"), items("filtered"), fixture.requests(Grpc)), (1, 1, [1, 0, 0]));
}

#[test]
fn g7_permanent_rejects_are_counted_exactly() {
    let fixture = Fixture::new();
    let bad = || span(0, &[TOOL]);
    let long = "x".repeat(5000);
    let misplaced = tool_span_with(2, ("tenant.id", &long));
    let partly = fixture.export(&traces(&[], &[bad(), tool_span(1), misplaced, bad()]));
    assert_eq!(partly.grpc_status(), OK);
    let message = &partly.body[5..];
    assert_eq!(message[0], 0x0a, "partial_success is set");
    assert!(message.windows(4).any(|bytes| bytes == [0x08, 3, 0x12, message[5]]), "{message:?}");
    let wholly = fixture.export(&traces(&[], &[bad(), bad()]));
    assert_eq!(wholly.grpc_status(), INVALID_ARGUMENT);
    assert!(wholly.grpc_details().message.contains("2 of 2 spans"), "{:?}", wholly.grpc_details());
    let items = |name| fixture.items(Signal::Traces, name);
    assert_eq!((items("received"), items("sealed")), (6, 1));
    assert_eq!((items("invalid"), items("tenant")), (4, 1));
    assert_eq!(fixture.requests(Grpc), [1, 1, 0]);
}

#[test]
fn g8_transient_trouble_is_unavailable_with_a_delay() {
    let fixture = Fixture::new();
    for refusal in [
        Refusal::Full { limit: 1, retry_after: Duration::from_millis(1500) },
        Refusal::Stopping,
        Refusal::Poisoned,
        Refusal::DiskLow,
        Refusal::ChainUnusable,
    ] {
        fixture.set(Verdict::Refuse(refusal.clone()));
        // A span that is rejected for good beside one that is not: no partial success.
        let answer = fixture.export(&traces(&[], &[tool_span(1), span(0, &[TOOL])]));
        assert_eq!(answer.grpc_status(), UNAVAILABLE, "{refusal}");
        assert!(has_retry_info(&answer.grpc_details()), "{refusal}");
        assert_eq!(fixture.intake.in_flight(), 0);
    }
    assert_eq!((fixture.items(Signal::Traces, "refused"), fixture.items(Signal::Traces, "invalid")), (5, 5));
    assert_eq!((fixture.items(Signal::Traces, "received"), fixture.requests(Grpc)), (10, [0, 5, 0]));
}

#[test]
fn g8_what_does_not_fit_in_flight_is_refused_before_it_is_read() {
    let fixture = Fixture::new();
    let everything = fixture.intake.admit(IN_FLIGHT).unwrap();
    let answer = fixture.export(&one_tool());
    assert_eq!(answer.grpc_status(), UNAVAILABLE);
    assert!(has_retry_info(&answer.grpc_details()));
    drop(everything);
    assert!(full_success(&fixture.export(&one_tool())));
}

#[test]
fn g9_a_dead_writer_and_a_panic_are_unavailable() {
    let fixture = Fixture::new();
    fixture.set(Verdict::Vanish);
    for _ in 0..2 {
        assert_eq!(fixture.export(&one_tool()).grpc_status(), UNAVAILABLE);
    }
    assert_eq!(fixture.items(Signal::Traces, "refused"), 2, "also what the writer dropped");
    let contained = crate::ingest::contain::<()>(|| panic!("on purpose"));
    let fault = contained.unwrap_err();
    assert_eq!(fault.row().grpc as i32, UNAVAILABLE);
    assert!(fault.row().retry_after.is_some());
}

#[test]
fn g11_calls_on_one_connection_end_out_of_order() {
    let fixture = Fixture::new();
    fixture.runtime.block_on(async {
        let mut client = connect_h2(fixture.addr).await;
        fixture.set(Verdict::Hold);
        let call = || Call { body: frame(0, &one_tool()), ..Call::default() }.request();
        let slow = tokio::spawn(client.begin(call()));
        tokio::task::block_in_place(|| fixture.wait_until_held(1));
        fixture.set(Verdict::Acknowledge);
        for _ in 0..3 {
            assert!(full_success(&client.send(call()).await));
        }
        assert!(!slow.is_finished());
        fixture.release();
        assert!(full_success(&Answer::read(slow.await.unwrap().unwrap()).await));
    });
}

#[test]
fn g12_a_sender_that_leaves_changes_nothing_for_the_writer() {
    let fixture = Fixture::new();
    fixture.set(Verdict::Hold);
    fixture.runtime.block_on(async {
        let mut client = connect_h2(fixture.addr).await;
        let call = client.begin(Call { body: frame(0, &one_tool()), ..Call::default() }.request());
        assert!(tokio::time::timeout(Duration::from_millis(200), call).await.is_err());
        client.connection.abort();
    });
    let items = |name| fixture.items(Signal::Traces, name);
    wait_for("the request to be abandoned", || fixture.requests(Grpc) == [0, 0, 1]);
    assert_eq!((items("received"), items("in_flight")), (1, 1), "the writer has what was sent");
    fixture.wait_until_held(1);
    fixture.release();
    wait_for("the permit to come back", || fixture.intake.in_flight() == 0);
    assert_eq!((items("sealed"), items("abandoned"), items("in_flight")), (1, 0, 0));
}

#[test]
fn g14_drain_finishes_what_was_accepted_and_takes_nothing_more() {
    let mut fixture = Fixture::new();
    fixture.set(Verdict::Hold);
    let server = fixture.server.take().unwrap();
    fixture.runtime.block_on(async {
        let mut client = connect_h2(fixture.addr).await;
        let idle = connect_h2(fixture.addr).await;
        let silent = tokio::net::TcpStream::connect(fixture.addr).await.unwrap();
        let call = || Call { body: frame(0, &one_tool()), ..Call::default() }.request();
        let slow = tokio::spawn(client.begin(call()));
        tokio::task::block_in_place(|| fixture.wait_until_held(1));
        fixture.drain.send(true).unwrap();
        idle.connection.await.unwrap();
        // A call that was on its way before GOAWAY arrived is taken, and held like the first.
        let turned_away = async {
            while !matches!(
                tokio::time::timeout(Duration::from_millis(100), client.begin(call())).await,
                Ok(Err(_))
            ) {}
        };
        tokio::time::timeout(Duration::from_secs(10), turned_away).await.expect("no new call after GOAWAY");
        assert!(!server.is_finished() && !slow.is_finished());
        // Another test may have got the port by now; it doesn't speak before it is spoken to.
        if let Ok(stranger) = tokio::net::TcpStream::connect(fixture.addr).await {
            assert!(tokio::time::timeout(Duration::from_millis(200), stranger.readable()).await.is_err());
        }
        fixture.release();
        assert!(full_success(&Answer::read(slow.await.unwrap().unwrap()).await));
        tokio::time::timeout(Duration::from_secs(5), server).await.unwrap().unwrap();
        drop(silent);
    });
}

#[test]
fn tenants_come_from_resource_then_span_then_header() {
    let fixture = Fixture::new();
    let own = || tool_span_with(1, ("tenant.id", "from-span"));
    let headers = || vec![("x-tenant-id", "from-header")];
    let resource = [("service.name", "agent"), ("tenant.id", "from-resource")];
    for (headers, message) in [
        (headers(), traces(&resource, &[own()])),
        (headers(), traces(&[], &[own(), tool_span(2)])),
        (vec![], traces(&[("tenant.id", "")], &[tool_span(1)])),
        (vec![("x-tenant-id", "")], traces(&[], &[tool_span(1)])),
    ] {
        let answer = fixture.grpc(Call { headers, body: frame(0, &message), ..Call::default() });
        assert!(full_success(&answer));
    }
    let subjects = fixture.subjects();
    let subjects: Vec<_> = subjects.iter().map(|subject| subject.as_deref()).collect();
    assert_eq!(subjects, [Some("from-resource"), Some("from-span"), Some("from-header"), None, None]);
}

#[test]
fn big_requests_are_decoded_beside_the_workers() {
    let fixture = Fixture::with(crate::net::limits::Limits::default());
    let spans: Vec<_> =
        (1..=250).map(|id| tool_span_with(id, ("gen_ai.prompt", &"x".repeat(8000)))).collect();
    let message = traces(&[], &spans);
    assert!(message.len() > 1 << 20);
    assert!(full_success(&fixture.export(&message)));
    let headers = vec![("grpc-encoding", "gzip")];
    let packed = fixture.grpc(Call { path: TRACES, headers, body: frame(1, &gzip(&message)) });
    assert!(full_success(&packed));
    assert_eq!(fixture.subjects().len(), 500);
    assert_eq!(fixture.intake.in_flight(), 0);
}
