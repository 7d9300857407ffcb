//! A look at what becomes of requests while it happens: what is sealed, and what is not and why.
//!
//! Nothing is made for it while nobody looks. Who looks gets events from a ring of [`KEPT`]; one that reads more slowly
//! than they come misses the oldest and is told how many, so that nothing ever waits for a reader.

use crate::clock::unix_nanos;
use crate::net::peer::Peer;
use crate::pipeline::batch::Receipt;
use bytes::Bytes;
use halod_record::draft::{Draft, GENESIS};
use halod_record::tenant::Tenant;
use halod_record::time::rfc3339;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::broadcast::{self, error::RecvError};

/// Events that wait for who looks.
const KEPT: usize = 1024;
/// Drafts of a request that are looked at for their dialects and tools; of more only the number is told.
const DRAFTS: usize = 64;
/// Those that are named of one request.
const NAMED: usize = 16;
/// Bytes of a text in an event.
const TEXT: usize = 300;

/// Where events are put. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tap(broadcast::Sender<Arc<str>>);

impl Default for Tap {
    fn default() -> Self {
        Self(broadcast::channel(KEPT).0)
    }
}

/// What a request is about to have sealed, by tenant.
#[derive(Debug, Default)]
pub struct Sealing {
    dialects: HashMap<Tenant, BTreeMap<String, u64>>,
    tools: HashMap<Tenant, Vec<String>>,
}

impl Tap {
    /// Whether anybody looks.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Begins to look.
    #[must_use]
    pub fn listen(&self) -> Events {
        Events { next: Some(Box::pin(wait(self.0.subscribe()))) }
    }

    fn tell(&self, what: &str, receiver: &str, more: Map<String, Value>) {
        let at = rfc3339(unix_nanos());
        let mut event = json!({ "at": String::from_utf8_lossy(&at), "what": what, "receiver": receiver });
        if let Some(fields) = event.as_object_mut() {
            if let Some(peer) = Peer::answered() {
                fields.insert("sender".into(), peer.to_string().into());
            }
            fields.extend(more);
        }
        // Nobody looks any more where this fails.
        let _ = self.0.send(event.to_string().into());
    }

    /// Looks at drafts before they are handed over; `None` while nobody looks.
    #[must_use]
    pub fn sealing(&self, drafts: &[Draft]) -> Option<Sealing> {
        if !self.is_on() {
            return None;
        }
        let mut sealing = Sealing::default();
        for draft in drafts.iter().take(DRAFTS) {
            let mut line = Vec::new();
            draft.seal_without_parent(&GENESIS, &rfc3339(0), &mut line);
            let record: Value = serde_json::from_slice(&line).unwrap_or_default();
            let dialect = record.pointer("/source/dialect").and_then(Value::as_str).unwrap_or("none");
            let of = sealing.dialects.entry(draft.tenant().clone()).or_default();
            *of.entry(dialect.to_owned()).or_default() += 1;
            let tools = sealing.tools.entry(draft.tenant().clone()).or_default();
            if tools.len() < NAMED && !tools.iter().any(|tool| tool == draft.tool()) {
                tools.push(draft.tool().to_owned());
            }
        }
        Some(sealing)
    }

    /// Tells of a request that has its receipt.
    pub fn sealed(&self, receiver: &str, sealing: Option<Sealing>, receipt: &Receipt) {
        let Some(sealing) = sealing.filter(|_| self.is_on()) else { return };
        for (tenant, records) in &receipt.sealed_for {
            let dialects = sealing.dialects.get(tenant).cloned().unwrap_or_default();
            let tools = sealing.tools.get(tenant).cloned().unwrap_or_default();
            let more =
                json!({ "tenant": named(tenant), "records": records, "dialects": dialects, "tools": tools });
            self.tell("sealed", receiver, fields(more));
        }
        if receipt.duplicate > 0 {
            let why = "it was sealed before";
            self.tell("duplicate", receiver, fields(json!({ "records": receipt.duplicate, "why": why })));
        }
    }

    /// Tells of items that no record tells of.
    pub fn not_sealed(
        &self,
        what: &'static str,
        receiver: &str,
        tenant: Option<&Tenant>,
        items: u64,
        why: &str,
    ) {
        if items == 0 || !self.is_on() {
            return;
        }
        let why = &why[..why.floor_char_boundary(TEXT)];
        let more = json!({ "tenant": tenant.map(named), "items": items, "why": why });
        self.tell(what, receiver, fields(more));
    }

    /// Tells of a request that was refused.
    pub fn refused(&self, receiver: &str, tenant: Option<&Tenant>, reason: &str, why: &str) {
        if !self.is_on() {
            return;
        }
        let why = &why[..why.floor_char_boundary(TEXT)];
        let more = json!({ "tenant": tenant.map(named), "reason": reason, "why": why });
        self.tell("refused", receiver, fields(more));
    }
}

/// As its sender names it; `_local` for nobody's.
fn named(tenant: &Tenant) -> &str {
    tenant.subject().unwrap_or("_local")
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

type Waiting = Pin<Box<dyn Future<Output = (broadcast::Receiver<Arc<str>>, Option<Bytes>)> + Send>>;

/// Events as lines, one after the other.
pub struct Events {
    next: Option<Waiting>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

async fn wait(mut receiver: broadcast::Receiver<Arc<str>>) -> (broadcast::Receiver<Arc<str>>, Option<Bytes>) {
    let line = match receiver.recv().await {
        Ok(event) => Some(format!("{event}\n")),
        Err(RecvError::Lagged(missed)) => {
            let event =
                json!({ "what": "missed", "events": missed, "why": "they came faster than they were read" });
            Some(format!("{event}\n"))
        }
        Err(RecvError::Closed) => None,
    };
    (receiver, line.map(Bytes::from))
}

impl Events {
    /// The next line; `None` when there will be none.
    pub fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let Poll::Ready((receiver, line)) = next.as_mut().poll(cx) else { return Poll::Pending };
        self.next = line.is_some().then(|| Box::pin(wait(receiver)) as Waiting);
        Poll::Ready(line)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test]
    async fn who_reads_slowly_misses_the_oldest_and_is_told() {
        let tap = Tap::default();
        tap.not_sealed("filtered", "otlp", None, 1, "nobody looks");
        let mut events = tap.listen();
        for n in 0..KEPT + 10 {
            tap.not_sealed("filtered", "otlp", None, 1, &n.to_string());
        }
        let mut next = async || -> Value {
            let line = poll_fn(|cx| events.poll_line(cx)).await.unwrap();
            serde_json::from_slice(&line).unwrap()
        };
        let missed = next().await;
        assert_eq!((&missed["what"], &missed["events"]), (&json!("missed"), &json!(10)));
        let first = next().await;
        assert_eq!((&first["why"], &first["receiver"]), (&json!("10"), &json!("otlp")));
        assert!(first.get("tenant").is_none(), "{first}");
        drop(events);
        assert!(!tap.is_on());
    }
}
