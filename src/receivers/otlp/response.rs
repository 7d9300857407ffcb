//! The answer to an export that was taken: `proto/opentelemetry/proto/collector`.

use crate::ingest::{Request, Unusable};
use crate::net::answer::{Form, shorten};
use crate::net::status::Fault;
use halo_adapters::otlp::Signal;
use prost::Message;
use serde_json::{Map, Value};

/// `Export{Trace,Logs,Metrics}ServiceResponse`: the three differ in the name of one field only,
/// which is not on the wire.
#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// `Export{Trace,Logs,Metrics}PartialSuccess`.
#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// What of a taken request was not taken, for good; or a warning about one taken whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Partial {
    pub(super) rejected: u64,
    pub(super) message: String,
}

/// Why metrics come to nothing, said in a warning rather than an error: SDKs that send all signals
/// to one address would fail on it.
const METRICS_WARNING: &str =
    "metrics are accepted and not kept: halod makes records of what agents do, from traces and logs";

/// Said where nothing of a request tells of an agent, which may be a slip of whoever configured the sender.
const NOTHING_WARNING: &str = "nothing in this request is an agent's action, so nothing of it was sealed; see \
                               halod_filtered_total, and `halod explain`";

impl Partial {
    /// What of a request that can be used was not taken.
    pub(super) fn of(signal: Signal, request: &Request) -> Self {
        let counted = request.counted();
        match (signal, counted.rejected) {
            (Signal::Metrics, 0) => Self { rejected: 0, message: METRICS_WARNING.into() },
            (_, 0) if counted.usable == 0 && counted.filtered > 0 => {
                Self { rejected: 0, message: NOTHING_WARNING.into() }
            }
            (_, 0) => Self::default(),
            (_, rejected) => Self {
                rejected,
                message: message(signal, rejected, counted.received(), request.first_reason()),
            },
        }
    }

    /// A request of which nothing can be used: that is no partial success.
    pub(super) fn none(signal: Signal, unusable: &Unusable) -> Fault {
        let Unusable { items, reason } = unusable;
        Fault::Undecodable(message(signal, *items, *items, Some(reason)))
    }

    /// The response message. Full success is the empty message: `partial_success` must not be set
    /// (OTLP specification, "Full Success").
    pub(super) fn encode(self, form: Form, signal: Signal) -> Vec<u8> {
        let unset = self.rejected == 0 && self.message.is_empty();
        let rejected = i64::try_from(self.rejected).unwrap_or(i64::MAX);
        let error_message = shorten(self.message);
        match form {
            Form::Protobuf => {
                let partial = PartialSuccess { rejected, error_message };
                ExportResponse { partial_success: Some(partial).filter(|_| !unset) }.encode_to_vec()
            }
            Form::Json if unset => b"{}".to_vec(),
            Form::Json => {
                let mut partial = Map::new();
                if rejected > 0 {
                    // 64-bit integers are strings in the protobuf JSON mapping.
                    partial.insert(rejected_name(signal).into(), rejected.to_string().into());
                }
                partial.insert("errorMessage".into(), error_message.into());
                Value::from(Map::from_iter([("partialSuccess".to_owned(), partial.into())]))
                    .to_string()
                    .into_bytes()
            }
        }
    }
}

fn rejected_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Logs => "rejectedLogRecords",
        Signal::Metrics => "rejectedDataPoints",
    }
}

fn message(signal: Signal, rejected: u64, received: u64, first: Option<&str>) -> String {
    let items = match signal {
        Signal::Traces => "spans",
        Signal::Logs => "log records",
        Signal::Metrics => "data points",
    };
    let first = first.unwrap_or("no reason is known");
    format!("{rejected} of {received} {items} cannot be used; the first: {first}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn full_success_is_the_empty_message() {
        assert!(Partial::default().encode(Form::Protobuf, Signal::Traces).is_empty());
        assert_eq!(Partial::default().encode(Form::Json, Signal::Traces), b"{}");
    }

    #[test]
    fn a_partial_success_counts_and_says_why() {
        let partial = Partial { rejected: 3, message: "why".into() };
        assert_eq!(partial.clone().encode(Form::Protobuf, Signal::Logs), b"\x0a\x07\x08\x03\x12\x03why");
        // Parsed, because another crate's features decide the order of the keys.
        let parse = |json: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&json).unwrap();
        let json = parse(partial.encode(Form::Json, Signal::Logs));
        let said = serde_json::json!({"errorMessage": "why", "rejectedLogRecords": "3"});
        assert_eq!(json, serde_json::json!({ "partialSuccess": said }));
        let warning = Partial { rejected: 0, message: "note".into() };
        let json = parse(warning.encode(Form::Json, Signal::Metrics));
        assert_eq!(json, serde_json::json!({"partialSuccess": {"errorMessage": "note"}}));
    }
}
