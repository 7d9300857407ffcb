#![allow(clippy::unwrap_used)]

use super::super::model::{Logs, ResourceLogs, ResourceSpans, ScopeLogs, ScopeSpans, Traces};
use super::super::oracle;
use super::*;
use proptest::prelude::*;
use prost::Message;

/// The same request with its spans decoded again, each by itself.
fn read_spans<'a>(traces: Traces<'a, SpanPlace<'a>>) -> Result<Traces<'a>, DecodeError> {
    let scope = |scope: ScopeSpans<'a, SpanPlace<'a>>| {
        let spans = scope.spans.iter().map(SpanPlace::read).collect::<Result<_, _>>()?;
        for (place, span) in scope.spans.iter().zip(&spans) {
            let span: &Span<'_> = span;
            let ids = (span.trace_id, span.span_id, span.parent_span_id, span.start_time_unix_nano);
            assert_eq!(
                (place.trace_id, place.span_id, place.parent_span_id, place.start_time_unix_nano),
                ids
            );
        }
        Ok::<_, DecodeError>(ScopeSpans {
            scope_name: scope.scope_name,
            scope_version: scope.scope_version,
            spans,
        })
    };
    let group = |group: ResourceSpans<'a, SpanPlace<'a>>| {
        let scopes = group.scopes.into_iter().map(scope).collect::<Result<_, _>>()?;
        Ok::<_, DecodeError>(ResourceSpans { resource: group.resource, scopes })
    };
    let resource_spans = traces.resource_spans.into_iter().map(group).collect::<Result<_, _>>()?;
    Ok(Traces { resource_spans, rejected: traces.rejected })
}

fn read_records<'a>(logs: Logs<'a, RecordPlace<'a>>) -> Result<Logs<'a>, DecodeError> {
    let scope = |scope: ScopeLogs<'a, RecordPlace<'a>>| {
        let records = scope.records.iter().map(RecordPlace::read).collect::<Result<_, _>>()?;
        Ok::<_, DecodeError>(ScopeLogs {
            scope_name: scope.scope_name,
            scope_version: scope.scope_version,
            records,
        })
    };
    let group = |group: ResourceLogs<'a, RecordPlace<'a>>| {
        let scopes = group.scopes.into_iter().map(scope).collect::<Result<_, _>>()?;
        Ok::<_, DecodeError>(ResourceLogs { resource: group.resource, scopes })
    };
    let resource_logs = logs.resource_logs.into_iter().map(group).collect::<Result<_, _>>()?;
    Ok(Logs { resource_logs, rejected: logs.rejected })
}

/// Values that hold NaN are unequal to themselves; their `Debug` forms are not.
fn both_ways_agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let spans = protobuf::span_places(bytes).and_then(read_spans);
    prop_assert_eq!(format!("{:?}", spans), format!("{:?}", protobuf::traces(bytes)));
    let records = protobuf::log_places(bytes).and_then(read_records);
    prop_assert_eq!(format!("{:?}", records), format!("{:?}", protobuf::logs(bytes)));
    let spans = json::span_places(bytes).and_then(read_spans);
    prop_assert_eq!(format!("{:?}", spans), format!("{:?}", json::traces(bytes)));
    let records = json::log_places(bytes).and_then(read_records);
    prop_assert_eq!(format!("{:?}", records), format!("{:?}", json::logs(bytes)));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn spans_are_the_same_from_their_places(request in oracle::any_request(), edits in oracle::edits()) {
        for message in [request.encode_to_vec(), serde_json::to_vec(&request).unwrap()] {
            both_ways_agree(&message)?;
            both_ways_agree(&oracle::edited(message, &edits))?;
        }
    }

    #[test]
    fn records_are_the_same_from_their_places(request in oracle::any_logs(), edits in oracle::edits()) {
        for message in [request.encode_to_vec(), serde_json::to_vec(&request).unwrap()] {
            both_ways_agree(&message)?;
            both_ways_agree(&oracle::edited(message, &edits))?;
        }
    }
}

#[test]
fn a_place_is_smaller_than_what_stands_there() {
    assert!(size_of::<SpanPlace<'_>>() <= 64 && size_of::<RecordPlace<'_>>() <= 24);
}
