//! Senders that behave as real ones do: what was not acknowledged is sent again, now and then something that was
//! acknowledged too.

use super::Soak;
use super::bodies::Batch;
use super::stage::Doors;
use crate::support::grpc::Grpc;
use crate::support::http::{Answer, Http, JSON, PROTOBUF};
use crate::support::random::Random;
use serde_json::Value;
use std::io::ErrorKind;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Grpc,
    Http,
    Json,
    LiteLlm,
    Langfuse,
    Native,
}

pub const DOORS: [Door; 6] =
    [Door::Grpc, Door::Http, Door::Json, Door::LiteLlm, Door::Langfuse, Door::Native];

impl Door {
    pub fn tenant(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
            Self::Json => "Ünïcode",
            Self::LiteLlm => "litellm",
            Self::Langfuse => "langfuse",
            Self::Native => "a/b",
        }
    }

    /// Of its spans.
    pub fn family(self) -> u32 {
        0x50A0 + self as u32
    }

    fn path(self) -> &'static str {
        match self {
            Self::Grpc | Self::Http | Self::Json => "/v1/traces",
            Self::LiteLlm => "/litellm",
            Self::Langfuse => "/api/public/ingestion",
            Self::Native => "/v1/records",
        }
    }
}

enum Connection {
    Http(Http),
    Grpc(Grpc),
}

impl Connection {
    fn open(door: Door, doors: Doors) -> Option<Self> {
        match door {
            Door::Grpc => Grpc::connect(doors.grpc).ok().map(Self::Grpc),
            _ => Http::connect(doors.http).ok().map(Self::Http),
        }
    }

    /// Whether it was acknowledged; `None` when the connection broke: then nothing is known.
    fn send(&mut self, door: Door, body: &[u8]) -> Option<bool> {
        match self {
            Self::Grpc(grpc) => match grpc.export(body) {
                Ok(answer) => {
                    assert!(matches!(answer.code, 0 | 14), "{}: {}", answer.code, answer.message);
                    Some(answer.code == 0)
                }
                Err(error) => {
                    assert_ne!(error, "no answer", "{door:?}");
                    None
                }
            },
            Self::Http(http) => {
                let kind = if door == Door::Http { PROTOBUF } else { JSON };
                let headers = [("content-type", kind), ("x-tenant-id", door.tenant())];
                match http.post(door.path(), &headers, body) {
                    Ok(answer) => Some(acknowledged(door, &answer)),
                    Err(error) => {
                        let silent = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                        assert!(!silent, "{door:?}: {error}");
                        None
                    }
                }
            }
        }
    }
}

/// A refusal is for now: nothing that is sent here is wrong.
fn acknowledged(door: Door, answer: &Answer) -> bool {
    let text = answer.text();
    if matches!(answer.status, 503 | 429) {
        assert!(answer.header("retry-after").is_some(), "{door:?}: {text}");
        return false;
    }
    let said = || -> Value { serde_json::from_str(&text).expect("JSON") };
    match (door, answer.status) {
        (Door::Langfuse, 207) => assert_eq!(said()["errors"], Value::Array(Vec::new()), "{text}"),
        (Door::Native, 200) => {
            let results = said()["results"].take();
            let taken = |result: &Value| matches!(result["status"].as_str(), Some("sealed" | "duplicate"));
            assert!(results.as_array().unwrap().iter().all(taken), "{text}");
        }
        (Door::Langfuse | Door::Native, other) => panic!("{door:?}: {other}: {text}"),
        (_, status) => assert_eq!(status, 200, "{door:?}: {text}"),
    }
    true
}

/// One sender's life.
pub fn send(door: Door, soak: &Soak, mut random: Random) {
    let (stage, ledger) = (&soak.stage, &soak.ledger);
    let mut next = 0;
    let (mut waiting, mut done) = (None::<Batch>, Vec::<Batch>::new());
    let mut connection: Option<(usize, Connection)> = None;
    while waiting.is_some() || !stage.closing.load(SeqCst) {
        if stage.abandoned() {
            return;
        }
        let Some(doors) = *stage.doors.lock().unwrap() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        if connection.as_ref().is_none_or(|(of, _)| *of != doors.start) {
            connection = Connection::open(door, doors).map(|open| (doors.start, open));
        }
        let Some((_, open)) = &mut connection else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let batch = waiting.get_or_insert_with(|| {
            if random.next().is_multiple_of(10) && !done.is_empty() {
                let mut again = done.swap_remove(random.between(0, done.len() as u64) as usize);
                again.done = 0;
                return again;
            }
            let batch = Batch::new(door, next, &mut random);
            next += batch.ids.len() as u64;
            ledger.made(door.tenant(), &batch.ids);
            batch
        });
        match stage.timed(&format!("{door:?}"), || open.send(door, &batch.bodies[batch.done])) {
            Some(true) => batch.done += 1,
            Some(false) => {
                stage.refused.fetch_add(1, SeqCst);
                std::thread::sleep(Duration::from_millis(random.between(20, 100)));
            }
            None => {
                stage.broken.fetch_add(1, SeqCst);
                connection = None;
            }
        }
        if batch.done == batch.bodies.len() {
            ledger.acknowledged(door.tenant(), &batch.ids);
            done.extend(waiting.take());
            // Enough load at any moment, and no more than can be verified at the end.
            std::thread::sleep(Duration::from_millis(random.between(10, 60)));
        }
    }
}
