//! What takes a halod with settings of its own, or one that is about to stop.

use super::client::{
    Call, H2, Outcome, PATIENCE, PROTOBUF, Post, Seen, Wire, fed, grpc_request, http1, whole,
};
use super::grpc::TRACES;
use super::{Case, Ctx, Expect, own};
use crate::support::chains::of_tenant;
use crate::support::grpc::frame;
use crate::support::halod::Halod;
use crate::support::room::fill;
use crate::support::wait_until;
use bytes::Bytes;
use http_body_util::BodyExt;
use rustix::process::Signal;
use std::io::Write;
use std::time::Duration;
use tokio::runtime::Runtime;

pub fn cases() -> Vec<Case> {
    vec![
        own("G4", "the limit is the configured one", small_limits),
        own("G8", "no room: UNAVAILABLE with a time to come back, then taken", |ctx| full(ctx, true)),
        own("G11", "the number of streams is the configured one", streams),
        own("G14", "a drain finishes what was begun, and says GOAWAY", drain),
        own("G14", "what was acknowledged survives kill -9", killed),
        own("H7", "no room: 503 with Retry-After, then taken", |ctx| full(ctx, false)),
    ]
}

struct Small {
    halod: Halod,
    dir: tempfile::TempDir,
    _settings: tempfile::TempDir,
    runtime: Runtime,
}

/// A halod with 1 MiB limits, and room for one such request.
fn small() -> Small {
    let settings = tempfile::tempdir().unwrap();
    let file = settings.path().join("halod.yaml");
    let doors = "grpc: { max_recv_msg_size_mib: 1, max_concurrent_streams: 3 }";
    let http = "http: { max_request_body_size: 1048576 }";
    let text = format!(
        "receivers: {{ otlp: {{ protocols: {{ {doors}, {http} }} }} }}\npipeline: {{ max_in_flight_mib: 1 }}\n"
    );
    std::fs::File::create(&file).unwrap().write_all(text.as_bytes()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start_with(dir.path(), &["--config", file.to_str().unwrap()]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    Small { halod, dir, _settings: settings, runtime }
}

impl Small {
    fn call(&self, message: &[u8]) -> Outcome<Seen> {
        let call = Call { path: TRACES, headers: vec![], body: frame(0, message) };
        self.runtime.block_on(async {
            let mut h2 = H2::tcp(self.halod.grpc).await?;
            h2.exchange(grpc_request(call.path, &call.headers, whole(call.body))).await
        })
    }

    fn post(&self, message: &[u8]) -> Outcome<Seen> {
        http1(self.halod.http, &Post::new(PROTOBUF, message).bytes())
    }
}

fn small_limits(ctx: &Ctx) -> Outcome<String> {
    let small = small();
    let seen = small.call(&vec![0; (1 << 20) + 1])?;
    Expect::Refused(8).grpc(&seen, true)?;
    let seen = small.post(&vec![0; (1 << 20) + 1])?;
    Expect::Refused(413).http(Some(PROTOBUF), &seen, true)?;
    let seen = small.call(&ctx.proto(1))?;
    Expect::Full.grpc(&seen, true).map(|()| seen.summary())
}

/// Requests hold all the room there is; another one is told to come back, and does.
fn full(ctx: &Ctx, over_grpc: bool) -> Outcome<String> {
    let small = small();
    let attempt = || if over_grpc { small.call(&ctx.proto(2)) } else { small.post(&ctx.proto(2)) };
    let filled = fill(&small.halod, small.dir.path());
    let refused = attempt()?;
    if over_grpc {
        Expect::Later.grpc(&refused, true).map_err(|why| format!("{why}; {}", refused.summary()))?;
        if !refused.body.is_empty() {
            return Err("an error with a message".into());
        }
    } else {
        Expect::Later
            .http(Some(PROTOBUF), &refused, true)
            .map_err(|why| format!("{why}; {}", refused.summary()))?;
    }
    if !of_tenant(small.dir.path(), Some(&ctx.tenant)).is_empty() {
        return Err("something of it is kept".into());
    }
    drop(filled);
    wait_until("the room is free", Duration::from_secs(20), || {
        small.halod.metric("halod_in_flight_bytes", "") == 0
    });
    let taken = attempt()?;
    if over_grpc {
        Expect::Full.grpc(&taken, true)?;
    } else {
        Expect::Full.http(Some(PROTOBUF), &taken, true)?;
    }
    let kept = of_tenant(small.dir.path(), Some(&ctx.tenant)).len();
    if kept == 2 { Ok(refused.summary()) } else { Err(format!("{kept} records are kept")) }
}

/// The server's first frame has its settings: 6 bytes each, number and value.
fn streams(_: &Ctx) -> Outcome<String> {
    let small = small();
    let mut wire = Wire::connect(small.halod.grpc)?;
    wire.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")?;
    let length = |bytes: &[u8]| usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
    let read = wire.read_until(|bytes| bytes.len() >= 9 && bytes.len() >= 9 + length(bytes))?;
    let settings = &read[9..9 + length(read)];
    match settings.chunks_exact(6).find(|setting| setting[..2] == [0, 3]) {
        Some([_, _, 0, 0, 0, 3]) => Ok("MAX_CONCURRENT_STREAMS is 3".into()),
        other => Err(format!("MAX_CONCURRENT_STREAMS: {other:?}")),
    }
}

fn drain(ctx: &Ctx) -> Outcome<String> {
    let dir = tempfile::tempdir().unwrap();
    let mut halod = Halod::start(dir.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let framed = Bytes::from(frame(0, &ctx.proto(1)));
    let (answer, feeder, connection) = runtime.block_on(async {
        let mut h2 = H2::tcp(halod.grpc).await?;
        let (feeder, body) = fed();
        feeder.send(framed.slice(..20)).unwrap();
        let answer = h2.begin(grpc_request(TRACES, &[], body.boxed())).await?;
        Ok::<_, String>((tokio::spawn(answer), feeder, h2))
    })?;
    wait_until("the request is admitted", Duration::from_secs(20), || {
        halod.metric("halod_in_flight_bytes", "") > 0
    });
    halod.signal(Signal::TERM);
    wait_until("it drains", Duration::from_secs(20), || halod.ready() != 200);
    wait_until("no one else gets in", Duration::from_secs(20), || Wire::connect(halod.grpc).is_err());
    feeder.send(framed.slice(20..)).unwrap();
    drop(feeder);
    let seen = runtime.block_on(async { tokio::time::timeout(PATIENCE, answer).await });
    let seen = seen.map_err(|_| "no answer")?.map_err(|e| e.to_string())??;
    Expect::Full.grpc(&seen, true).map_err(|why| format!("{why}; {}", seen.summary()))?;
    // After GOAWAY and the last answer, hyper's client ends the connection by itself.
    let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, connection.connection).await });
    ended.map_err(|_| "no GOAWAY")?.map_err(|e| e.to_string())?;
    let status = halod.wait_within(Duration::from_secs(20));
    let kept = of_tenant(dir.path(), Some(&ctx.tenant)).len();
    if status.success() && kept == 1 { Ok(seen.summary()) } else { Err(format!("{status}, {kept} kept")) }
}

fn killed(ctx: &Ctx) -> Outcome<String> {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    let seen = http1(halod.http, &Post::new(PROTOBUF, ctx.proto(5)).bytes())?;
    Expect::Full.http(Some(PROTOBUF), &seen, true)?;
    halod.kill9();
    let halod = Halod::start(dir.path());
    let seen = http1(halod.http, &Post::new(PROTOBUF, ctx.proto(5)).bytes())?;
    Expect::Full.http(Some(PROTOBUF), &seen, true)?;
    drop(halod);
    let kept = of_tenant(dir.path(), Some(&ctx.tenant)).len();
    if kept == 5 { Ok("5 kept, once".into()) } else { Err(format!("{kept} kept")) }
}
