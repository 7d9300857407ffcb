//! What a witness answers.
//!
//! | request | answer |
//! |---|---|
//! | `POST /add-checkpoint` | a cosignature, or why there is none (tlog-witness, "add-checkpoint") |
//! | `GET /HASH/checkpoint` | the checkpoint that was cosigned last of the log with this hash ("Monitor Retrieval Mechanism") |
//! | `POST /anchor` | a receipt of a chain's length and head, as the reference's witness gives it |
//! | `GET /v1/checkpoints` | the receipts of one chain |
//! | `GET /v1/contradictions` | what contradicted itself of one log or chain |
//! | `GET /healthz` | `ok` |
//! | `GET /` | the verifier keys |

use super::super::anchor::{Anchor, Chain, check_subject};
use super::super::anchors::Anchored;
use super::super::contradictions::Whose;
use super::super::logs::Verdict;
use super::super::pages::{Listing, Query, parameter};
use super::{Access, Witness};
use crate::auth::identity::WITNESS;
use crate::auth::tenants::TenantScope;
use crate::auth::{Identity, Shown};
use crate::clock;
use crate::net::answer::no_content;
use crate::net::body::{Incoming, Reader};
use crate::net::layers::{TraceLayer, Traced};
use crate::net::status::Fault;
use crate::net::web::WebPolicy;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use halod_chain::rate::Rate;
use halod_evidence::witness::{SIZE_TYPE, size_body};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};
use tokio::task::spawn_blocking;
use tower::Layer;

/// Bytes of an anchor: as for the reference.
const ANCHOR: usize = 8 << 10;

/// Anchors that an identity may send in a minute.
const RATE: u64 = 600;
const MINUTE: Duration = Duration::from_secs(60);

const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers every request. Cheap to clone.
pub(super) fn service(witness: Arc<Witness>) -> TowerToHyperService<Traced<Router>> {
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{log}/checkpoint", get(checkpoint).options(preflight))
        .route("/anchor", post(anchor))
        .route("/v1/checkpoints", get(checkpoints).options(preflight))
        .route("/v1/contradictions", get(contradictions).options(preflight))
        .route("/healthz", get(async || answer(StatusCode::OK, TEXT, "ok\n")))
        .route("/", get(keys))
        .fallback(async || error(StatusCode::NOT_FOUND, "nothing is answered here"))
        .method_not_allowed_fallback(async || error(StatusCode::METHOD_NOT_ALLOWED, "not by this method"))
        .with_state(witness);
    TowerToHyperService::new(TraceLayer.layer(router))
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn json(status: StatusCode, body: &Value) -> Response {
    answer(status, JSON, body.to_string())
}

fn error(status: StatusCode, what: &str) -> Response {
    let mut response = json(status, &json!({ "error": what }));
    match status {
        StatusCode::UNAUTHORIZED => {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        _ => {}
    }
    response
}

/// Pages of any origin may read: that is what they are for.
fn readable(mut response: Response) -> Response {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// What a browser asks before its page reads with a credential.
async fn preflight() -> Response {
    no_content(HeaderMap::from_iter([
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, OPTIONS")),
        (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type")),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200")),
    ]))
}

/// The verifier keys, for whoever is to believe this witness: they are to be compared with what its operator says elsewhere.
async fn keys(State(witness): State<Arc<Witness>>) -> Response {
    let (cosigns, receipts) = (witness.keys.cosigns.key(), witness.keys.receipts.key());
    let body = json!({ "name": cosigns.name(), "cosignatures": cosigns.to_string(), "receipts": receipts.to_string() });
    readable(json(StatusCode::OK, &body))
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, request: Request<Incoming>) -> Response {
    let (head, body) = request.into_parts();
    let body = match read(&witness, &head, body, witness.limits.body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let now = clock::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let own = Arc::clone(&witness);
    let verdict =
        spawn_blocking(move || own.logs.add(&body, now, &own.keys.cosigns, &own.contradictions)).await;
    match verdict {
        Ok(Verdict::Cosigned(line)) => answer(StatusCode::OK, TEXT, line.to_string()),
        Ok(Verdict::Malformed(what)) => answer(StatusCode::BAD_REQUEST, TEXT, format!("{what}\n")),
        Ok(Verdict::Unknown) => answer(StatusCode::NOT_FOUND, TEXT, "this log is not watched here\n"),
        Ok(Verdict::Unsigned) => {
            let what =
                "the checkpoint has no signature of a key of its log that is known here, or a wrong one\n";
            answer(StatusCode::FORBIDDEN, TEXT, what)
        }
        Ok(Verdict::Other(size)) => answer(StatusCode::CONFLICT, SIZE_TYPE, size_body(size)),
        Ok(Verdict::Inconsistent(what)) => {
            answer(StatusCode::UNPROCESSABLE_ENTITY, TEXT, format!("{what}\n"))
        }
        Ok(Verdict::Unavailable(what)) => unavailable(&what),
        Err(failed) => unavailable(&failed.to_string()),
    }
}

async fn checkpoint(State(witness): State<Arc<Witness>>, Path(log): Path<String>) -> Response {
    readable(match witness.logs.checkpoint(&log) {
        Ok(Some(note)) => answer(StatusCode::OK, TEXT, note),
        Ok(None) => error(StatusCode::NOT_FOUND, "no checkpoint of this log was cosigned"),
        Err(what) => unavailable(&what),
    })
}

async fn anchor(State(witness): State<Arc<Witness>>, request: Request<Incoming>) -> Response {
    let (head, body) = request.into_parts();
    let identity = match writer(&witness, &head).await {
        Ok(identity) => identity,
        Err(refused) => return refused,
    };
    let body = match read(&witness, &head, body, ANCHOR).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let anchor = match Anchor::parse(&body) {
        Ok(anchor) => anchor,
        Err(what) => return error(StatusCode::BAD_REQUEST, &what),
    };
    if let Some(identity) = &identity {
        if !is_within(&identity.tenants, &anchor.chain()) {
            return error(StatusCode::FORBIDDEN, "key not authorized for this subject");
        }
        if !witness.has_room(&identity.name) {
            return error(StatusCode::TOO_MANY_REQUESTS, "too many anchors for this key; retry later");
        }
    }
    let own = Arc::clone(&witness);
    let kept = spawn_blocking(move || own.anchor(&anchor)).await;
    kept.unwrap_or_else(|failed| unavailable(&failed.to_string()))
}

impl Witness {
    /// Blocks: for a thread that may.
    fn anchor(&self, anchor: &Anchor) -> Response {
        let kept = self.anchors().add(anchor, clock::unix_nanos(), &self.keys.receipts);
        match kept {
            Anchored::Kept(line) => match serde_json::from_str::<Value>(&line) {
                Ok(receipt) => json(StatusCode::CREATED, &json!({ "ok": true, "receipt": receipt })),
                Err(failed) => unavailable(&failed.to_string()),
            },
            Anchored::Lower(count) => {
                let what = "the chain had more records before; a chain never has fewer";
                json(StatusCode::CONFLICT, &json!({ "error": what, "count": count }))
            }
            Anchored::Contradicts(known, why) => {
                let kept = self.accuse(anchor, &known, why);
                json(StatusCode::CONFLICT, &json!({ "error": why, "contradiction": kept }))
            }
            Anchored::Unavailable(what) => unavailable(&what),
        }
    }

    /// Keeps what shows that a vendor has said two things of one chain: the receipt that was given, and what came now. The
    /// witness signs that it came: whoever holds the key of a vendor may have sent it.
    fn accuse(&self, anchor: &Anchor, known: &str, why: &str) -> Option<String> {
        let chain = anchor.chain().name();
        let known: Value = serde_json::from_str(known).unwrap_or_default();
        let refused = anchor.members();
        let text = format!("halod-refused-anchor/v1\nreason {why}\n{refused}\n");
        let note = self.keys.receipts.sign(&text).ok();
        let evidence = json!({
            "type": "halod-anchor-contradiction/v1", "chain": chain, "why": why, "kept": known, "refused": refused, "note": note,
        });
        let (id, error) = match self.contradictions.keep(&Whose::Chain(chain.clone()), &evidence.to_string())
        {
            Ok(id) => (id, None),
            Err(error) => (None, Some(error.to_string())),
        };
        // Without an id there are enough of this chain, or the evidence could not be kept.
        tracing::error!(chain, why, id, error, "an anchor contradicts what the witness has, and was refused");
        id
    }

    /// Takes an anchor from the rate of an identity.
    fn has_room(&self, identity: &str) -> bool {
        let (rate, now) = (Rate::new(RATE, MINUTE, MINUTE), Instant::now());
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(identity.to_owned()).or_default();
        let has_room = bucket.left(&rate, now) > 0;
        if has_room {
            bucket.take(1, &rate, now);
        }
        has_room
    }
}

async fn checkpoints(State(witness): State<Arc<Witness>>, request: Request<Incoming>) -> Response {
    let (head, _) = request.into_parts();
    readable(list(&witness, &head).await.unwrap_or_else(|refused| refused))
}

async fn list(witness: &Arc<Witness>, head: &Parts) -> Result<Response, Response> {
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let query = query.map_err(|what| error(StatusCode::BAD_REQUEST, what))?;
    reader(witness, head, &query.chain).await?;
    let (own, chain) = (Arc::clone(witness), query.chain.clone());
    let all = spawn_blocking(move || own.anchors().count(&chain)).await;
    match all {
        Ok(Ok(all)) => {
            Ok(answer(StatusCode::OK, JSON, Body::new(Listing::new(Arc::clone(witness), query, all))))
        }
        Ok(Err(what)) => Err(unavailable(&what)),
        Err(failed) => Err(unavailable(&failed.to_string())),
    }
}

async fn contradictions(State(witness): State<Arc<Witness>>, request: Request<Incoming>) -> Response {
    let (head, _) = request.into_parts();
    readable(accused(&witness, &head).await.unwrap_or_else(|refused| refused))
}

async fn accused(witness: &Arc<Witness>, head: &Parts) -> Result<Response, Response> {
    let query = head.uri.query().unwrap_or_default();
    let whose = match parameter(query, "origin") {
        Some(origin) => Whose::Log(origin),
        None => {
            let query = Query::parse(query).map_err(|_| {
                error(StatusCode::BAD_REQUEST, "origin (of a log), subject or chain_root required")
            })?;
            reader(witness, head, &query.chain).await?;
            Whose::Chain(query.chain.name())
        }
    };
    let own = Arc::clone(witness);
    let found = spawn_blocking(move || own.contradictions.of(&whose)).await;
    let found = found.map_err(|failed| unavailable(&failed.to_string()))?;
    let found = found.map_err(|failed| unavailable(&failed.to_string()))?;
    let found: Vec<Value> = found.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    Ok(json(StatusCode::OK, &json!({ "contradictions": found, "count": found.len() })))
}

/// What can't be answered for now. Readers must not take it for an empty list.
fn unavailable(what: &str) -> Response {
    tracing::debug!(what, "a request can't be answered");
    error(
        StatusCode::SERVICE_UNAVAILABLE,
        &format!("the witness store is damaged or full, and its operator has to see to it: {what}"),
    )
}

/// A body of at most `most` bytes.
async fn read(witness: &Witness, head: &Parts, body: Incoming, most: usize) -> Result<Vec<u8>, Response> {
    let mut reader = Reader::new(body, &witness.limits);
    let mut bytes = Vec::new();
    let too_large = || error(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body has more than {most} bytes"));
    if reader.length() > most as u64 {
        reader.make_way(head).await;
        return Err(too_large());
    }
    loop {
        match reader.next().await {
            Ok(None) => return Ok(bytes),
            Ok(Some(piece)) if bytes.len() + piece.len() > most => {
                reader.make_way(head).await;
                return Err(too_large());
            }
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Err(fault) => return Err(of_fault(&fault)),
        }
    }
}

fn of_fault(fault: &Fault) -> Response {
    error(fault.row().http, &fault.to_string())
}

/// Who anchors; `None` where anybody on this machine may.
async fn writer(witness: &Witness, head: &Parts) -> Result<Option<Arc<Identity>>, Response> {
    // Any page that somebody on this machine opens could send anchors.
    let web = WebPolicy::default();
    web.check_origin(&head.headers).map_err(|fault| of_fault(&fault))?;
    match &witness.access {
        Access::Open => {
            let target = (head.version, &head.uri);
            let checked = web.check_host(target, &head.headers, &head.extensions);
            checked.map(|()| None).map_err(|fault| of_fault(&fault))
        }
        Access::Closed => Err(error(
            StatusCode::UNAUTHORIZED,
            "no key may anchor here: the witness was started without --auth",
        )),
        Access::Identities(_) => identity(witness, head).await.map(Some),
    }
}

/// Whether a chain's anchors may be read. Nobody guesses the hash of a first record.
async fn reader(witness: &Witness, head: &Parts, chain: &Chain) -> Result<(), Response> {
    if let Chain::Subject(subject) = chain {
        check_subject(subject).map_err(|what| error(StatusCode::BAD_REQUEST, &what))?;
    }
    let is_guessable = matches!(chain, Chain::Subject(_));
    if witness.public_reads || !is_guessable || matches!(witness.access, Access::Open) {
        return Ok(());
    }
    let identity = identity(witness, head).await?;
    if is_within(&identity.tenants, chain) {
        Ok(())
    } else {
        Err(error(StatusCode::FORBIDDEN, "key not authorized for this subject"))
    }
}

async fn identity(witness: &Witness, head: &Parts) -> Result<Arc<Identity>, Response> {
    let Access::Identities(identities) = &witness.access else {
        return Err(error(
            StatusCode::UNAUTHORIZED,
            "no key may read here: the witness was started without --auth",
        ));
    };
    match identities.identify(&head.headers, &head.extensions).await {
        Shown::Identity(identity) if identity.receivers.includes(WITNESS) => Ok(identity),
        Shown::Identity(_) => Err(error(
            StatusCode::FORBIDDEN,
            "the identity's line does not name `witness` among its receivers",
        )),
        Shown::Busy => Err(of_fault(&Fault::PasswordsBusy)),
        Shown::Nothing | Shown::Unknown => Err(error(
            StatusCode::UNAUTHORIZED,
            "send `authorization: Bearer KEY`, with a key that is known here",
        )),
    }
}

/// Whether an identity speaks for a chain. One without a subject is anybody's, so it takes an identity for all.
fn is_within(tenants: &TenantScope, chain: &Chain) -> bool {
    match chain {
        Chain::Subject(subject) => tenants.includes(subject),
        Chain::Root(_) => *tenants == TenantScope::any(),
    }
}
