//! What HTTP/2 senders send before halod has looked at it, and how calls end that are refused.

use crate::protocol::client::{H2, whole};
use crate::support::clients::{python, text_of};
use crate::support::grpc::EXPORT;
use crate::support::halod::Halod;
use crate::support::http::JSON;
use crate::support::room::fill;
use crate::support::root;
use crate::support::spans::{attribute, request, span, text};
use bytes::{Buf, BufMut, Bytes};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

const CONNECTIONS: usize = 400;
const STREAMS: usize = 4;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// 1.6 GiB at once, of which halod takes no more than it has room for.
#[test]
fn hundreds_of_connections_full_of_bodies_stay_within_the_bound() {
    let dir = tempfile::tempdir().unwrap();
    let halod = Halod::start(dir.path());
    // Calls are of no interest here, so there are none.
    let body = Bytes::from([b"[]".as_slice(), &vec![b' '; (1 << 20) - 2]].concat());
    let began = Instant::now();
    let answers = runtime().block_on(async {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(H2::tcp(halod.http).await.unwrap());
        }
        let mut calls = tokio::task::JoinSet::new();
        for mut h2 in connections {
            for _ in 0..STREAMS {
                let request = http::Request::post("http://halod/litellm").header("content-type", JSON);
                let answer = h2.begin(request.body(whole(body.clone())).unwrap()).await.unwrap();
                calls.spawn(answer);
            }
            // The connection goes on in a task of its own.
            drop(h2);
        }
        let mut answers = BTreeMap::<u16, usize>::new();
        while let Some(answer) = calls.join_next().await {
            *answers.entry(answer.unwrap().unwrap().status).or_default() += 1;
        }
        answers
    });
    println!("answers {answers:?} in {:?}; peak {} MiB", began.elapsed(), halod.peak_memory_mib());
    assert_eq!(answers.values().sum::<usize>(), CONNECTIONS * STREAMS);
    assert!(answers.keys().all(|status| matches!(status, 200 | 503)), "{answers:?}");
    assert!(halod.peak_memory_mib() <= 128 * 3 / 2 + 64, "{} MiB", halod.peak_memory_mib());
    assert!(halod.terminate().success());
}

/// A halod with one MiB of room.
fn small(dir: &std::path::Path) -> (tempfile::TempDir, Halod) {
    let config = tempfile::tempdir().unwrap();
    let file = config.path().join("halod.yaml");
    let doors = "grpc: { max_recv_msg_size_mib: 1 }, http: { max_request_body_size: 1048576 }";
    let text = format!(
        "receivers: {{ otlp: {{ protocols: {{ {doors} }} }} }}\npipeline: {{ max_in_flight_mib: 1 }}\n"
    );
    std::fs::write(&file, text).unwrap();
    let halod = Halod::start_with(dir, &["--config", file.to_str().unwrap()]);
    (config, halod)
}

/// Messages as they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// A message that is not there yet when it is refused.
fn long() -> Vec<u8> {
    let mut long = span(0x61, 0);
    long.attributes.push(attribute("gen_ai.output.messages", text(&"x".repeat(60_000))));
    request(Some("long"), vec![long])
}

async fn call(channel: Channel, message: Bytes) -> Code {
    let mut client = tonic::client::Grpc::new(channel);
    if let Err(error) = client.ready().await {
        panic!("the connection is gone: {error}");
    }
    let path = http::uri::PathAndQuery::from_static(EXPORT);
    match client.unary(Request::new(message), path, Raw).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

/// A way to halod on which bytes take their time: 32 KiB, then a pause.
async fn narrow(to: std::net::SocketAddr) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (mut from, mut back) = client.into_split();
            let (mut answers, mut on) = TcpStream::connect(to).await.unwrap().into_split();
            tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
            tokio::spawn(async move {
                let mut piece = vec![0; 32 << 10];
                while let Ok(read @ 1..) = from.read(&mut piece).await {
                    if on.write_all(&piece[..read]).await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_micros(100)).await;
                }
            });
        }
    });
    address
}

/// Refused calls whose messages are still on their way, on one connection: each is UNAVAILABLE, also after more of
/// them than the HTTP/2 library lets a connection reset.
#[test]
fn tonic_sees_unavailable_however_long_the_overload() {
    let dir = tempfile::tempdir().unwrap();
    let (_config, halod) = small(dir.path());
    let filled = fill(&halod, dir.path());
    let began = Instant::now();
    let codes = runtime().block_on(async {
        let endpoint = Endpoint::from_shared(format!("http://{}", narrow(halod.grpc).await)).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let message = Bytes::from(long());
        let mut codes = BTreeMap::<i32, usize>::new();
        let mut calls = tokio::task::JoinSet::new();
        // Requests that fill the room are refused after 5 s.
        while began.elapsed() < Duration::from_secs(3) {
            calls.spawn(call(channel.clone(), message.clone()));
            if calls.len() >= 100 {
                *codes.entry(calls.join_next().await.unwrap().unwrap() as i32).or_default() += 1;
            }
        }
        while let Some(code) = calls.join_next().await {
            *codes.entry(code.unwrap() as i32).or_default() += 1;
        }
        codes
    });
    println!("{codes:?} in {:?}", began.elapsed());
    drop(filled);
    let allowed = [Code::Ok, Code::Unavailable].map(|code| code as i32);
    assert!(codes.keys().all(|code| allowed.contains(code)), "{codes:?}");
    assert!(codes[&(Code::Unavailable as i32)] > 200, "{codes:?}");
    let accepted = halod.metric("halod_connections_accepted_total", "door=\"otlp/grpc\"");
    assert_eq!(accepted, 1, "the connection was never ended");
}

#[test]
fn grpcio_sees_unavailable_however_long_the_overload() {
    let dir = tempfile::tempdir().unwrap();
    let (_config, halod) = small(dir.path());
    // Python starts before the room is filled: what fills it is refused after 5 s.
    python();
    let filled = fill(&halod, dir.path());
    let target = halod.grpc.to_string();
    let script = root().join("tests/clients/grpc_overload.py");
    let message = dir.path().join("message");
    std::fs::write(&message, long()).unwrap();
    let out =
        python().script(&script, &[&target, message.to_str().unwrap(), "2"]).output().expect("run python");
    let codes = text_of(out, "grpc_overload.py");
    drop(filled);
    println!("{codes}");
    let codes: BTreeMap<String, u64> = serde_json::from_str(&codes).unwrap();
    assert!(codes.keys().all(|code| matches!(code.as_str(), "OK" | "UNAVAILABLE")), "{codes:?}");
    assert!(codes["UNAVAILABLE"] > 200, "{codes:?}");
}
