//! `GET /v1/checkpoints?subject=`: what was signed of a chain, as the reference's witness tells it; only where the operator
//! publishes it. Pages of any origin may read it.

use super::Serving;
use super::doors::{Client, error, json_of, unavailable};
use super::form::field;
use super::rates::Block;
use crate::reader::report::given::GivenError;
use axum::extract::{Request, State};
use axum::response::Response;
use halod_evidence::entry::Epoch;
use halod_record::hash::hex_text;
use halod_record::tenant::Tenant;
use halod_record::time::rfc3339;
use halod_tlog::TlogError;
use halod_tlog::reader::LogReader;
use http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::spawn_blocking;

const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Checkpoints of a chain that are listed, the newest of them.
const MOST: usize = 10_000;

pub(super) async fn list(State(serving): State<Arc<Serving>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    if !serving.settings.publish_checkpoints {
        return error(StatusCode::NOT_FOUND, "nothing is answered here");
    }
    let block = Block::of(Client::of(&serving, &head).address);
    if !serving.reads.take(block, Instant::now()) {
        return error(
            StatusCode::TOO_MANY_REQUESTS,
            "too many requests from this address; try again in a minute",
        );
    }
    let subject =
        head.uri.query().and_then(|query| field(query, "subject")).filter(|subject| !subject.is_empty());
    let Some(subject) = subject else { return error(StatusCode::BAD_REQUEST, "subject required") };
    let Ok(_turn) = serving.heavy.acquire().await else { return unavailable(&"the server stops") };
    let own = Arc::clone(&serving);
    let found = spawn_blocking(move || signed(&own.settings.directory, &subject));
    let mut response = match found.await {
        Ok(Ok(all)) => json_of(StatusCode::OK, &json!({ "count": all.len(), "checkpoints": all })),
        Ok(Err(error)) => unavailable(&error),
        Err(failed) => unavailable(&failed),
    };
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response.headers_mut().insert(RESOURCE, HeaderValue::from_static("cross-origin"));
    response
}

/// What the epochs that are kept say of a subject's chain.
fn signed(directory: &Path, subject: &str) -> Result<VecDeque<Value>, GivenError> {
    let mut all = VecDeque::new();
    let Some(log) = LogReader::open(directory)? else { return Ok(all) };
    let slot = log.slot(&Tenant::stored(subject));
    let mut times = HashMap::new();
    for (epoch, index) in log.epochs_by_number()? {
        if let Some(entry) = Epoch::read(&log.entries().entry(index)?) {
            times.insert(epoch, entry.millis);
        }
    }
    log.epochs(|block, _| {
        let row = block.rows.iter().find(|row| row.slot == slot);
        if let Some((row, millis)) = row.zip(times.get(&block.epoch)) {
            let ts = rfc3339(millis.saturating_mul(1_000_000));
            all.push_back(json!({
                "chain_root": hex_text(&row.state.first),
                "count": row.state.count,
                "head": hex_text(&row.state.head),
                "subject": subject,
                "ts": String::from_utf8_lossy(&ts),
            }));
            if all.len() > MOST {
                all.pop_front();
            }
        }
        Ok::<(), TlogError>(())
    })?;
    Ok(all)
}
