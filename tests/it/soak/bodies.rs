//! What is sent: batches of each door, and bombs.

use super::senders::Door;
use crate::attacks::memory::{gzip, json_bombs, otlp_bombs};
use crate::support::random::Random;
use crate::support::spans::{key, request, request_json, span};
use serde_json::{Value, json};

/// Whom bombs name as their tenant where a door asks.
pub const BOMBER: &str = "bomber";

/// One body that is small on the wire and large when it is read.
pub struct Bomb {
    pub name: &'static str,
    pub path: &'static str,
    pub kind: &'static str,
    pub packed: Vec<u8>,
}

pub fn bombs() -> Vec<Bomb> {
    let bombs = [otlp_bombs(), json_bombs()].into_iter().flatten();
    bombs
        .map(|bomb| Bomb { name: bomb.name, path: bomb.path, kind: bomb.kind, packed: gzip(&bomb.body) })
        .collect()
}

/// Some actions of one tenant's, and the bodies that tell them: each must be acknowledged, in this order.
pub struct Batch {
    pub ids: Vec<String>,
    pub bodies: Vec<Vec<u8>>,
    /// How many of them are.
    pub done: usize,
}

impl Batch {
    /// The actions from the `first` on.
    pub fn new(door: Door, first: u64, random: &mut Random) -> Self {
        // Mostly few; now and then so many that a fault may cut their write in two.
        let many = random.next().is_multiple_of(32);
        let numbers = first..first + if many { 200 } else { random.between(1, 6) };
        let all =
            |one: fn(Door, u64) -> Value| -> Vec<Value> { numbers.clone().map(|n| one(door, n)).collect() };
        let bodies = match door {
            Door::Grpc | Door::Http | Door::Json => {
                let spans = numbers.clone().map(|n| span(door.family(), n)).collect();
                let body = if door == Door::Json { request_json } else { request };
                vec![body(Some(door.tenant()), spans)]
            }
            Door::LiteLlm => vec![Value::from(all(call)).to_string().into_bytes()],
            Door::Native => vec![Value::from(all(record)).to_string().into_bytes()],
            Door::Langfuse => [create, update]
                .map(|part| json!({ "batch": all(part), "metadata": {} }).to_string().into_bytes())
                .into(),
        };
        Self { ids: numbers.map(|n| id(door, n)).collect(), bodies, done: 0 }
    }
}

fn id(door: Door, n: u64) -> String {
    match door {
        Door::Grpc | Door::Http | Door::Json => {
            let (trace, span) = key(&span(door.family(), n));
            format!("{trace}/{span}")
        }
        Door::LiteLlm | Door::Langfuse | Door::Native => format!("{}-{n}", door.tenant()),
    }
}

fn call(door: Door, n: u64) -> Value {
    json!({"id": id(door, n), "litellm_call_id": id(door, n), "call_type": "acompletion", "model": "gpt-4o", "status": "success",
        "startTime": 1_795_336_686.5, "endTime": 1_795_336_691.5})
}

fn record(door: Door, n: u64) -> Value {
    json!({"key": id(door, n), "subject": door.tenant(), "agent": {"id": "support"},
        "action": {"type": "tool_call", "category": "security", "tool": "lookup", "input": {"order": n}}})
}

fn create(door: Door, n: u64) -> Value {
    let body = json!({"name": "lookup", "input": {"order": n}, "startTime": "2026-11-25T10:00:00Z"});
    part("span-create", door, n, body)
}

fn update(door: Door, n: u64) -> Value {
    part("span-update", door, n, json!({"output": {"ok": true}, "endTime": "2026-11-25T10:00:03Z"}))
}

fn part(kind: &str, door: Door, n: u64, mut body: Value) -> Value {
    body["id"] = id(door, n).into();
    body["traceId"] = format!("trace-{}", n / 8).into();
    json!({"id": format!("{kind}-{n}"), "type": kind, "timestamp": "2026-11-25T10:00:04Z", "body": body})
}
