//! The admin port: health, metrics and status over HTTP/1.1.
//!
//! | path | answer |
//! |---|---|
//! | `/healthz` | 200 while the process lives |
//! | `/readyz` | 200 when requests are accepted, with the chains that are not read yet, whose tenants wait; else 503 naming each reason: `starting`, `poisoned`, `disk_low`, `draining` |
//! | `/metrics` | Prometheus text or OpenMetrics, see [`super::metrics`] |
//! | `/`, `/status` | version, bound addresses, directory, uptime and counters, since when the configuration holds and what is wrong with a later one, chains that are set aside and damage of the journal as JSON |
//!
//! It has its own accept loop and bounds, so that neither a flood at a receiver nor a drain takes
//! health away from who watches. Nothing here changes anything. Where it asks for certificates of clients, only
//! `/healthz` and `/readyz` are answered without: probes have none.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::metrics::{Format, Metrics};
use super::reloads::Reloads;
use crate::auth::identity::ADMIN;
use crate::auth::{Authenticator, Shown};
use crate::checkpointer::{Anchoring, CheckpointStats, Newest, Stamped, Witnessed};
use crate::net::connections::{Broken, ConnectionStats};
use crate::net::peer::Peer;
use crate::net::socket::{Accepted, Socket};
use crate::net::standard::Ready;
use crate::net::status::Fault;
use crate::net::tls::Tls;
use crate::net::web::WebPolicy;
use crate::pipeline::stats::Stats;
use halod_chain::reader::Unread;
use halod_chain::setaside::Aside;
use halod_record::time::rfc3339;

/// Connections at once. For one more the oldest is closed: whoever holds many open, and asks nothing, keeps no probe
/// from its answer, which takes a moment.
const CONNECTIONS: usize = 64;
/// For a request's headers, and between two requests of one connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection's whole life, so that peers who read slowly can't hold every slot.
const LIFETIME: Duration = Duration::from_secs(60);
/// Bytes of a request's head; hyper takes no less.
const HEAD: usize = 8 << 10;
/// After an accept that failed for want of descriptors: trying again at once would spin.
const PAUSE: Duration = Duration::from_millis(100);

/// What the admin port tells.
pub struct State {
    /// Every door that listens: its name and bound address.
    pub doors: Vec<(&'static str, String)>,
    pub directory: PathBuf,
    pub started: SystemTime,
    /// The store is being opened, which may take a while after a crash.
    pub starting: AtomicBool,
    pub stats: Arc<Stats>,
    pub checkpoints: Arc<CheckpointStats>,
    /// What is known of the configuration.
    pub reloads: Arc<Reloads>,
    pub metrics: Metrics,
    /// The connections to the admin port.
    pub connections: ConnectionStats,
    /// Which web pages may read it.
    pub web: WebPolicy,
    /// Who may read more than health, where that is asked.
    pub identities: Option<Arc<Authenticator>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("doors", &self.doors)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Why nothing is accepted at the moment; empty when requests are.
    #[must_use]
    pub fn not_ready(&self) -> Vec<&'static str> {
        let reasons = [
            (&self.starting, "starting"),
            (&self.stats.poisoned, "poisoned"),
            (&self.stats.disk_low, "disk_low"),
            (&self.stats.stopping, "draining"),
        ];
        reasons.iter().filter(|(flag, _)| flag.load(Relaxed)).map(|(_, reason)| *reason).collect()
    }
}

/// The same for gRPC's health: one truth, asked each time.
pub fn readiness(state: &Arc<State>) -> Ready {
    let state = Arc::clone(state);
    Ready::new(move || state.not_ready().is_empty())
}

/// Serves until the future is dropped.
pub async fn serve(socket: Socket, tls: Option<Arc<Tls>>, state: Arc<State>) {
    state.connections.limit.set(CONNECTIONS as u64);
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                state.connections.not_accepted.inc();
                tracing::warn!(%error, "the admin port can't accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (open, tls, state) = (state.connections.open(), tls.clone(), Arc::clone(&state));
        oldest_first.retain(|connection| !connection.is_finished());
        if oldest_first.len() >= CONNECTIONS
            && let Some(oldest) = oldest_first.pop_front()
        {
            oldest.abort();
        }
        let task = tokio::spawn(async move {
            if tokio::time::timeout(LIFETIME, connection(accepted, tls, state)).await.is_err() {
                tracing::debug!("admin connection closed: its time is up");
            }
            drop(open);
        });
        oldest_first.push_back(task.abort_handle());
    }
}

async fn connection((accepted, peer): (Accepted, Peer), tls: Option<Arc<Tls>>, state: Arc<State>) {
    let deadline = Instant::now() + HEADER_TIMEOUT;
    let (stream, certificate) = match accepted.opened(tls.as_deref(), deadline).await {
        Ok(opened) => opened,
        Err(turned) => {
            tracing::debug!(%peer, ?turned, "an admin connection came to nothing");
            if let Some(how) = Broken::of(&turned) {
                state.connections.broke(how);
            }
            return;
        }
    };
    let is_known = certificate.is_some() || !tls.is_some_and(|tls| tls.asks_clients());
    let service = service_fn(move |mut request: Request<_>| {
        request.extensions_mut().insert(peer);
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(Arc::clone(certificate));
        }
        let state = Arc::clone(&state);
        async move {
            let request: Request<hyper::body::Incoming> = request;
            let refused =
                refusal(request.uri().path(), request.headers(), request.extensions(), &state).await;
            Ok::<_, Infallible>(refused.unwrap_or_else(|| answer(&request, is_known, &state)))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "admin connection ended");
    }
}

/// What whoever asks for more than health is answered who may not. Probes have no credentials.
async fn refusal(
    path: &str,
    headers: &HeaderMap,
    extensions: &Extensions,
    state: &State,
) -> Option<Response<Full<Bytes>>> {
    let identities = state.identities.as_ref()?;
    if matches!(path, "/healthz" | "/readyz") {
        return None;
    }
    let fault = match identities.identify(headers, extensions).await {
        Shown::Identity(identity) if identity.receivers.includes(ADMIN) => return None,
        Shown::Identity(_) => {
            Fault::Forbidden("the identity's line does not name `admin` among its receivers")
        }
        Shown::Busy => Fault::PasswordsBusy,
        Shown::Nothing | Shown::Unknown => Fault::Unauthenticated(
            "send `authorization: Bearer TOKEN`, with a token whose line names `admin`",
        ),
    };
    let mut refused = json_response(fault.row().http, &json!({ "error": fault.to_string() }));
    if matches!(fault, Fault::Unauthenticated(_)) {
        refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    Some(refused)
}

/// The body of a request is not looked at.
fn answer<B>(request: &Request<B>, is_known: bool, state: &State) -> Response<Full<Bytes>> {
    if !is_known && !matches!(request.uri().path(), "/healthz" | "/readyz") {
        let what = "this path needs a certificate of a client; /healthz and /readyz do not";
        return json_response(StatusCode::FORBIDDEN, &json!({ "error": what }));
    }
    let checked = match state.identities {
        Some(_) => state.web.check_origin(request.headers()),
        None => state.web.check(request),
    };
    if let Err(fault) = checked {
        return json_response(fault.row().http, &json!({ "error": fault.to_string() }));
    }
    let known = matches!(request.uri().path(), "/" | "/status" | "/healthz" | "/readyz" | "/metrics");
    if known && !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = json_response(
            StatusCode::METHOD_NOT_ALLOWED,
            &json!({ "error": "only GET and HEAD are served" }),
        );
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/healthz" => json_response(StatusCode::OK, &json!({ "status": "alive" })),
        "/readyz" => ready(state),
        "/metrics" => {
            let format = Format::wanted(request.headers());
            match state.metrics.render(state.not_ready().is_empty(), format) {
                Ok(text) => response(StatusCode::OK, format.content_type(), text),
                Err(_) => json_response(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &json!({ "error": "the metrics cannot be written" }),
                ),
            }
        }
        "/" | "/status" => json_response(StatusCode::OK, &status(state)),
        _ => {
            let paths = ["/status", "/healthz", "/readyz", "/metrics"];
            let mut told = json!({ "error": "no such path", "paths": paths });
            if *request.method() == Method::POST {
                told["error"] = "this is the admin port, and telemetry is received at others".into();
                told["listening"] = doors(state);
            }
            json_response(StatusCode::NOT_FOUND, &told)
        }
    }
}

fn ready(state: &State) -> Response<Full<Bytes>> {
    let reasons = state.not_ready();
    if reasons.is_empty() {
        // It still takes what there is room for: whoever is sent elsewhere for it would find less of that.
        let mut ready = match state.stats.full.lasts() {
            Some(lasts) => {
                json!({ "status": "ready", "degraded": ["full"], "full_seconds": lasts.as_secs() })
            }
            None => json!({ "status": "ready" }),
        };
        if let Some(unread) = unread(state) {
            ready["unread"] = unread;
        }
        return json_response(StatusCode::OK, &ready);
    }
    json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "not_ready", "reasons": reasons }))
}

/// Chains whose tenants wait until they are read; all others are served.
fn unread(state: &State) -> Option<serde_json::Value> {
    let unread = state.stats.unread.lock().unwrap_or_else(PoisonError::into_inner);
    let Unread { chains, bytes, names } = &*unread;
    (*chains > 0).then(|| json!({ "chains": chains, "bytes": bytes, "names": names }))
}

fn doors(state: &State) -> serde_json::Value {
    let address = |(name, address): &(&'static str, String)| ((*name).to_owned(), json!(address));
    state.doors.iter().map(address).collect::<serde_json::Map<_, _>>().into()
}

/// What `/status` says.
#[must_use]
pub fn status(state: &State) -> serde_json::Value {
    let stats = &state.stats;
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_seconds": state.started.elapsed().map_or(0, |age| age.as_secs()),
        "ready": state.not_ready().is_empty(),
        "not_ready_reasons": state.not_ready(),
        "listening": doors(state),
        "directory": state.directory.display().to_string(),
        "records": {
            "sealed": stats.sealed.get(),
            "duplicate": stats.duplicate.get(),
            "conflict": stats.conflict.get(),
        },
        "commits": stats.commits.get(),
        "chains": stats.chains.get(),
        "in_flight_bytes": stats.in_flight.get(),
        "full_seconds": stats.full.lasts().map(|lasts| lasts.as_secs()),
        "unread": unread(state),
        "set_aside": set_aside(state),
        "log": log(state),
        "configuration": state.reloads.told(),
        "journal_damage": *stats.journal_damage.lock().unwrap_or_else(PoisonError::into_inner),
    })
}

/// What is signed of the chains, and what is not.
fn log(state: &State) -> serde_json::Value {
    let Newest { key, signed, alarms, witnesses, stamped, anchoring, halt, failure } =
        state.checkpoints.newest();
    let (key, fingerprint) = key.unzip();
    let signed = signed
        .map(|(size, root, epoch, at)| json!({ "size": size, "root": root, "epoch": epoch, "at": told(at) }));
    let alarms: Vec<_> = alarms.iter().map(|(chain, why)| json!({ "chain": chain, "why": why })).collect();
    let witness = |(name, Witnessed { newest, failure }): (&String, &Witnessed)| {
        let (size, seconds) = newest.unzip();
        json!({ "witness": name, "size": size, "unix_seconds": seconds, "failure": failure })
    };
    json!({
        "key": key,
        "fingerprint": fingerprint,
        "newest": signed,
        "witnesses": witnesses.iter().map(witness).collect::<Vec<_>>(),
        "time_stamps": time_stamps(stamped),
        "halo_witness": anchoring.map(anchors),
        "alarms": alarms,
        "halted": halt.map(|halt| halt.to_string()),
        "failure": failure,
    })
}

/// What a time-stamping service did since the start.
fn time_stamps(stamped: Stamped) -> serde_json::Value {
    let Stamped { newest, failure } = stamped;
    let newest = newest.map(|(size, time, authority)| {
        json!({ "size": size, "time": told(SystemTime::UNIX_EPOCH + time), "authority": authority })
    });
    json!({ "newest": newest, "failure": failure })
}

/// What a witness of chains was sent.
fn anchors(anchoring: Anchoring) -> serde_json::Value {
    let Anchoring { posted, waiting, unanchorable, first, failure } = anchoring;
    let first: Vec<_> = first.iter().map(|(tenant, why)| json!({ "tenant": tenant, "why": why })).collect();
    json!({
        "posted": posted,
        "waiting": waiting,
        "unanchorable": { "tenants": unanchorable, "first": first },
        "failure": failure,
    })
}

/// A time in RFC 3339.
fn told(at: SystemTime) -> String {
    let nanos = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    String::from_utf8_lossy(&rfc3339(u64::try_from(nanos).unwrap_or(0))).into_owned()
}

/// Chains whose tenants are refused until they can be had again, and those of which acknowledged records wait.
fn set_aside(state: &State) -> serde_json::Value {
    let aside = state.stats.aside.lock().unwrap_or_else(PoisonError::into_inner);
    let named = |one: &Aside| json!({ "chain": one.chain, "since": told(one.since), "why": one.why });
    json!({
        "chains": aside.chains,
        "first": aside.first.iter().map(named).collect::<Vec<_>>(),
        "records_wait_of": aside.records_of,
    })
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    response(status, "application/json", format!("{body}\n"))
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
#[path = "admin_tests.rs"]
mod tests;
