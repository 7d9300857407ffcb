//! Answers as LangSmith's server gives them: JSON, with `detail` where something is wrong.

use super::reading::Project;
use crate::net::answer::{json, shorten};
use crate::net::limits::Limits;
use crate::net::status::Fault;
use axum::response::Response;
use http::header::ACCEPT_ENCODING;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json as value};

/// The most bytes that a client shall put into one request: LangSmith's own figure.
const BATCH_BYTES: usize = 20 << 20;

/// A UUID that stands for halod as a workspace, and for every project in it.
const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// Taken, and sealed or kept.
pub(super) fn accepted() -> Response {
    json(StatusCode::ACCEPTED, &value!({}), None)
}

/// What this server can do: what the SDKs look at before they send.
pub(super) fn info(limits: &Limits) -> Response {
    // A client closes a batch once it is that large, so the last run comes on top.
    let bytes = BATCH_BYTES.min(limits.body / 2);
    ok(&value!({
        // Of LangSmith's server: from 0.8.10 on clients send feedback together with runs.
        "version": "0.10.0",
        "instance_flags": {"zstd_compression_enabled": true, "gzip_body_enabled": true},
        "batch_ingest_config": {
            "use_multipart_endpoint": true,
            "size_limit": 100,
            "size_limit_bytes": bytes,
            "scale_up_qsize_trigger": 1000,
            "scale_up_nthreads_limit": 16,
            "scale_down_nempty_trigger": 4,
        },
    }))
}

/// The workspace, of which there is one.
pub(super) fn settings() -> Response {
    ok(&value!({"id": NIL, "display_name": "halod", "created_at": "1970-01-01T00:00:00+00:00"}))
}

/// No project is kept.
pub(super) fn projects() -> Response {
    ok(&value!([]))
}

/// A project as it was asked for: runs name theirs by themselves.
pub(super) fn project(asked: Project) -> Response {
    ok(&value!({
        "id": asked.id.unwrap_or_else(|| NIL.into()),
        "name": asked.name,
        "start_time": asked.start_time.unwrap_or_else(|| "1970-01-01T00:00:00+00:00".into()),
        "tenant_id": NIL,
        "reference_dataset_id": asked.reference_dataset_id,
    }))
}

fn ok(body: &Value) -> Response {
    json(StatusCode::OK, body, None)
}

/// The fault's status with its text.
pub(super) fn error(fault: &Fault) -> Response {
    let row = fault.row();
    let detail = match fault {
        Fault::MediaType => "unknown content type; send multipart/form-data with a boundary".to_owned(),
        Fault::Method => "this is not answered by that method".to_owned(),
        other => shorten(other.to_string()),
    };
    let mut response = json(row.http, &value!({"detail": detail}), row.retry_after);
    if *fault == Fault::Coding {
        response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd"));
    }
    response
}
