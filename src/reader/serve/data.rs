//! What a report is made of: what is known of the chain, its lines, and what proves a record.

use super::Serving;
use super::customer::{Opened, Shut};
use super::doors::{answer, error, unavailable};
use super::form::{Wanted, field, range};
use super::shelf::Snapshot;
use super::stream::{FileBody, after_records};
use crate::clock;
use crate::config::secret_file::{self, Stamp};
use crate::reader::access::views::{self, Shown, View};
use crate::reader::report::given::{self, Facts, Surveyed};
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use halod_evidence::note::{Checkpoint, SignedNote};
use halod_evidence::proof::RecordProof;
use halod_record::hash::{hex_text, parse_hex};
use halod_record::parse::scan_line;
use halod_record::time::rfc3339;
use halod_record::verify::Report;
use halod_tlog::TlogError;
use halod_tlog::log::place;
use halod_tlog::reader::LogReader;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_RANGE,
    ETAG, IF_NONE_MATCH, IF_RANGE, RANGE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path as FilePath;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::spawn_blocking;

const LINES: &str = "application/x-ndjson; charset=utf-8";
const FIRST: HeaderName = HeaderName::from_static("x-first");
const COUNT: HeaderName = HeaderName::from_static("x-count");

/// Records that are given at once, if nothing is said and at most; and after how many bytes no further one is.
const SOME: u64 = 200;
const MOST: u64 = 500;
const MOST_BYTES: u64 = 8 << 20;

/// Bytes of a line whose proof is made, and of a witness file.
const LINE: u64 = 8 << 20;
const WITNESS: usize = 16 << 20;

/// How long what was given of a chain that did not change is given again: witnesses may have signed meanwhile.
const FRESH: Duration = Duration::from_secs(30);

/// After so long it is noted again that somebody saw a state.
const AGAIN: Duration = Duration::from_secs(10 * 60);
const NOTED: usize = 10_000;

/// What a page is given, and what it was made of.
#[derive(Debug)]
pub(super) struct Given {
    of: (u64, Option<[u8; 32]>, Option<Stamp>, Option<Stamp>),
    made: Instant,
    json: String,
    /// Entries and root of the newest checkpoint in it.
    checkpoint: Option<(u64, String)>,
}

/// `GET /r/TOKEN/meta`: what the page is given beside the records.
pub(super) async fn meta(
    State(serving): State<Arc<Serving>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let opened = match serving.open(&head, &token, None).await {
        Ok(opened) => opened,
        Err(shut) => return serving.shut(shut),
    };
    let own = Arc::clone(&serving);
    let made = spawn_blocking(move || {
        let given = own.given(&opened)?;
        own.note(&opened, &given);
        Ok::<_, given::GivenError>(given)
    });
    match made.await {
        Ok(Ok(given)) => fresh(answer(StatusCode::OK, "application/json; charset=utf-8", given.json.clone())),
        Ok(Err(error)) => unavailable(&error),
        Err(failed) => unavailable(&failed),
    }
}

impl Serving {
    /// What a page is given of a chain. Blocks.
    fn given(&self, opened: &Opened) -> Result<Arc<Given>, given::GivenError> {
        let (directory, seen) = (&self.settings.directory, &opened.seen);
        let witness = self.settings.witness.as_deref();
        let log = secret_file::stamp(&place(directory).join("checkpoint"));
        let of = (seen.count, seen.head, log, witness.and_then(secret_file::stamp));
        let known =
            self.given.lock().unwrap_or_else(PoisonError::into_inner).get(&opened.entry.stem).cloned();
        if let Some(known) = known.filter(|known| known.of == of && known.made.elapsed() < FRESH) {
            return Ok(known);
        }
        let mut given = given::given(directory, &opened.entry.path, &surveyed(seen))?;
        if let Some(path) = witness {
            given.witness = witnessed(path, opened);
        }
        let note = given.checkpoints.last().and_then(|note| SignedNote::parse(note).ok());
        let checkpoint = note.and_then(|note| Checkpoint::parse(&note.text).ok());
        let checkpoint = checkpoint.map(|checkpoint| (checkpoint.size, hex_text(&checkpoint.root)));
        // How the server lets readers in is no part of what a report says of its chain.
        let mut all = serde_json::to_value(&given).unwrap_or_default();
        if let Some(all) = all.as_object_mut() {
            all.insert("served".into(), json!({ "gate": self.settings.gate.word() }));
        }
        let given = Arc::new(Given { of, made: Instant::now(), json: all.to_string(), checkpoint });
        let mut kept = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, given| given.made.elapsed() < FRESH);
        kept.insert(opened.entry.stem.clone(), Arc::clone(&given));
        Ok(given)
    }

    /// Notes who was shown which state. That the reader sees it does not hang on it.
    fn note(&self, opened: &Opened, given: &Given) {
        let Some(who) = &opened.who else { return };
        let (entry, seen) = (&opened.entry, &opened.seen);
        let key = (who.address.to_string(), entry.stem.clone(), seen.count);
        {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.get(&key).is_some_and(|at| at.elapsed() < AGAIN) {
                return;
            }
            if noted.len() >= NOTED {
                noted.clear();
            }
            noted.insert(key, Instant::now());
        }
        let (size, root) = given.checkpoint.clone().unzip();
        let ts = rfc3339(clock::unix_nanos());
        let view = View {
            email: who.address.to_string(),
            chain: entry.key.text().to_owned(),
            subject: seen.tenant.subject().unwrap_or_default().to_owned(),
            ts: format!("{}Z", String::from_utf8_lossy(ts.get(..19).unwrap_or(&ts))),
            shown: Some(Shown {
                by: who.how.word().to_owned(),
                count: seen.count,
                head: seen.head.map(|head| hex_text(&head)),
                size,
                root,
            }),
            more: Map::new(),
        };
        if let Err(error) = views::append(&self.settings.directory, &view) {
            tracing::error!(%error, "it can't be noted who saw a report");
        }
    }
}

fn surveyed(seen: &Snapshot) -> Surveyed {
    let facts = Facts {
        count: seen.count,
        bytes: seen.bytes,
        head: seen.head.map(|head| hex_text(&head)),
        first: seen.first.map(|first| hex_text(&first)),
        gaps: seen.gaps,
    };
    let report = Report {
        records: seen.count,
        torn: 0,
        faults: 0,
        backwards: 0,
        parents: 0,
        unknown_parents: 0,
        broken_at: None,
        head: seen.head,
    };
    Surveyed { facts, report, issues: Vec::new(), tenant: Some(seen.tenant.clone()) }
}

/// The lines of a witness's file that are of a chain.
fn witnessed(path: &FilePath, opened: &Opened) -> Vec<String> {
    let text = match secret_file::read_with_mode(path, WITNESS) {
        Ok((bytes, _)) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(what) => {
            tracing::warn!(what, path = %path.display(), "the witness file can't be used");
            return Vec::new();
        }
    };
    let (subject, first) = (opened.seen.tenant.subject(), opened.seen.first.map(|first| hex_text(&first)));
    let is_own = |line: &&str| {
        let value: Value = serde_json::from_str(line).unwrap_or_default();
        match subject {
            Some(subject) => value["subject"] == subject,
            None => value["subject"].is_null() && first.as_deref() == value["chain_root"].as_str(),
        }
    };
    text.lines().filter(is_own).map(str::to_owned).collect()
}

/// `GET /r/TOKEN/chain`: the chain's bytes as they lie there, as far as they were verified.
pub(super) async fn chain(
    State(serving): State<Arc<Serving>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let Opened { entry, seen, .. } = match serving.open(&head, &token, None).await {
        Ok(opened) => opened,
        Err(shut) => return serving.shut(shut),
    };
    let tag = tag(&seen);
    if has(&head.headers, &IF_NONE_MATCH, &tag) {
        return tagged(answer(StatusCode::NOT_MODIFIED, LINES, Body::empty()), &tag);
    }
    let asked = head.headers.get(RANGE).and_then(|range| range.to_str().ok());
    // A part of another state would not fit the parts that came before.
    let is_same = !head.headers.contains_key(IF_RANGE) || has(&head.headers, &IF_RANGE, &tag);
    let (status, part) = match range(asked.filter(|_| is_same), seen.bytes) {
        Wanted::All => (StatusCode::OK, 0..seen.bytes),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Nothing => {
            let mut none = error(StatusCode::RANGE_NOT_SATISFIABLE, "the chain has no such bytes");
            put(none.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", seen.bytes));
            return none;
        }
    };
    let is_packed = status == StatusCode::OK && accepts_gzip(&head.headers);
    let content_range = format!("bytes {}-{}/{}", part.start, part.end.saturating_sub(1), seen.bytes);
    let mut response = of_file(&seen, status, part, is_packed);
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        put(headers, CONTENT_RANGE, &content_range);
    }
    put(headers, CONTENT_DISPOSITION, &attachment(&entry.stem, "jsonl"));
    tagged(response, &tag)
}

/// `GET /r/TOKEN/records?from=N&n=200`: the lines of some records; the first is number 1.
pub(super) async fn records(
    State(serving): State<Arc<Serving>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    let number = |name, default| field(query, name).map_or(Some(default), |text| text.parse::<u64>().ok());
    let asked = number("from", 1).zip(number("n", SOME)).filter(|(from, n)| *from > 0 && *n > 0);
    // Whoever may not is told the same whatever they ask for.
    let opened = match serving.open(&head, &token, asked.map(|(from, _)| from)).await {
        Ok(opened) => opened,
        Err(shut) => return serving.shut(shut),
    };
    let Some((from, n)) = asked else {
        return error(StatusCode::BAD_REQUEST, "from and n are numbers from 1 on");
    };
    let seen = opened.seen;
    let Some((place, at)) = seen.near else {
        return error(StatusCode::NOT_FOUND, &format!("the chain has {} records", seen.count));
    };
    let (file, end) = (Arc::clone(&seen.file), seen.bytes);
    let found = spawn_blocking(move || -> io::Result<(u64, u64, u64)> {
        let (begin, _) = after_records(&file, place, end, from - at, u64::MAX)?;
        let (end, count) = after_records(&file, begin, end, n.min(MOST), MOST_BYTES)?;
        Ok((begin, end, count))
    });
    match found.await {
        Ok(Ok((begin, end, count))) => {
            let mut response = of_file(&seen, StatusCode::OK, begin..end, accepts_gzip(&head.headers));
            put(response.headers_mut(), FIRST, &from.to_string());
            put(response.headers_mut(), COUNT, &count.to_string());
            tagged(response, &tag(&seen))
        }
        Ok(Err(error)) => unavailable(&error),
        Err(failed) => unavailable(&failed),
    }
}

/// `GET /r/TOKEN/proof/N`: what proves record N without the chain; with `?record=1` the record is in it.
pub(super) async fn proof(
    State(serving): State<Arc<Serving>>,
    Path((token, number)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let wanted = number.parse::<u64>().ok();
    let opened = match serving.open(&head, &token, wanted).await {
        Ok(opened) => opened,
        Err(shut) => return serving.shut(shut),
    };
    let (Some(number), Some(near)) = (wanted, opened.seen.near) else {
        return error(StatusCode::NOT_FOUND, &format!("the chain has {} records", opened.seen.count));
    };
    let with_record =
        head.uri.query().and_then(|query| field(query, "record")).is_some_and(|value| value == "1");
    let Ok(_turn) = serving.heavy.acquire().await else { return serving.shut(Shut::Busy) };
    let (own, stem) = (Arc::clone(&serving), opened.entry.stem.clone());
    let made = spawn_blocking(move || prove(&own.settings.directory, &opened, (number, near), with_record));
    match made.await {
        Ok(Ok(Some(proof))) => {
            let mut response = fresh(answer(StatusCode::OK, "application/json; charset=utf-8", proof));
            put(
                response.headers_mut(),
                CONTENT_DISPOSITION,
                &attachment(&format!("{stem}-{number}"), "halod-proof"),
            );
            response
        }
        Ok(Ok(None)) => error(StatusCode::NOT_FOUND, "no signed checkpoint covers this record yet"),
        Ok(Err(error)) => unavailable(&error),
        Err(failed) => unavailable(&failed),
    }
}

fn prove(
    directory: &FilePath,
    opened: &Opened,
    (number, (place, at)): (u64, (u64, u64)),
    with_record: bool,
) -> Result<Option<String>, Box<dyn std::error::Error + Send + Sync>> {
    let seen = &opened.seen;
    let (begin, _) = after_records(&seen.file, place, seen.bytes, number - at, u64::MAX)?;
    let (end, _) = after_records(&seen.file, begin, seen.bytes, 1, LINE)?;
    if end - begin > LINE {
        return Err("the record is too long for a proof".into());
    }
    let mut line = vec![0; usize::try_from(end - begin)?];
    seen.file.read_exact_at(&mut line, begin)?;
    let line = String::from_utf8(line)?;
    let hash = scan_line(line.trim().as_bytes()).and_then(|facts| parse_hex(facts.hash.as_bytes()));
    let hash = hash.ok_or("the record has no hash")?;
    let record = with_record.then(|| line.trim().to_owned());
    let Some(log) = LogReader::open(directory)? else { return Ok(None) };
    // Under the newest checkpoint that witnesses have seen, if that covers the record.
    let mut proof = proof_of(&log.as_witnessed()?, opened, (number, hash))?;
    if proof.is_none()
        && let Some(log) = LogReader::open(directory)?
    {
        proof = proof_of(&log, opened, (number, hash))?;
    }
    let Some(proof) = proof else { return Ok(None) };
    let proof = RecordProof { record, ..proof };
    proof.check()?;
    Ok(Some(proof.text()))
}

fn proof_of(
    log: &LogReader,
    opened: &Opened,
    (number, hash): (u64, [u8; 32]),
) -> Result<Option<RecordProof>, TlogError> {
    let tenant = &opened.seen.tenant;
    let Some((index, epoch)) = log.last_epoch()? else { return Ok(None) };
    let slot = log.slot_proof(tenant, index, &log.states(epoch.epoch)?)?;
    let Some((state, _)) = slot.state.as_ref().filter(|(state, _)| number <= state.count) else {
        return Ok(None);
    };
    let path = log.record_path(&opened.entry.stem, number, state)?;
    let (tenant, note) = (tenant.clone(), log.note.to_string());
    Ok(Some(RecordProof { tenant, number, hash, path, slot, note, record: None, stamp: None }))
}

/// Which state of a chain an answer is of.
fn tag(seen: &Snapshot) -> String {
    format!("\"{}-{}\"", seen.head.map(|head| hex_text(&head)).unwrap_or_default(), seen.bytes)
}

/// Whether a header names this state.
fn has(headers: &HeaderMap, name: &HeaderName, tag: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|known| known == tag)
}

/// Whether a browser takes gzip (RFC 9110, section 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = values.flat_map(|value| value.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let is_none = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim_matches(['0', '.']).is_empty());
        name.trim().eq_ignore_ascii_case("gzip") && !is_none
    })
}

fn of_file(seen: &Snapshot, status: StatusCode, part: Range<u64>, is_packed: bool) -> Response {
    let body = Body::new(FileBody::new(Arc::clone(&seen.file), part, is_packed));
    let mut response = fresh(answer(status, LINES, body));
    if is_packed {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// May be kept by this reader's browser, which has to ask each time whether it is still so.
fn fresh(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

fn tagged(response: Response, tag: &str) -> Response {
    let mut response = fresh(response);
    put(response.headers_mut(), ETAG, tag);
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding, cookie"));
    response
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A name for what is saved, of characters that no system minds.
fn attachment(stem: &str, end: &str) -> String {
    let name: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.~".contains(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{name}.{end}\"")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_chosen_by_the_reader() {
        for (value, takes) in [
            ("gzip, br", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("gzip;q=0", false),
            ("gzip;q=0.0", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(accepts_gzip(&headers), takes, "{value}");
        }
    }

    #[test]
    fn a_state_is_known_by_its_tag() {
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static("\"a-1\", W/\"b-2\""))]);
        assert!(has(&headers, &IF_NONE_MATCH, "\"b-2\"") && !has(&headers, &IF_NONE_MATCH, "\"b-3\""));
    }
}
