//! What is answered, and what every request goes through before.
//!
//! | request | answer |
//! |---|---|
//! | `GET /r/TOKEN` | the report, or the gate |
//! | `POST /r/TOKEN` | the gate: an address, then a code |
//! | `GET /r/TOKEN/meta`, `/records`, `/chain`, `/proof/N` | what the report is made of |
//! | `GET /` | the operator's console, behind their key |
//! | `GET /api/console` | the same as JSON |
//! | `GET /v1/checkpoints` | what was signed of a chain, where that is published |
//! | `GET /healthz` | `ok` |

use super::{Serving, checkpoints, console, customer, data, headers};
use crate::net::layers::{TraceLayer, Traced};
use crate::net::peer::Peer;
use crate::net::web::WebPolicy;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use http::header::{CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use tower::Layer;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Answers every request. Cheap to clone.
pub(super) fn service(serving: Arc<Serving>) -> TowerToHyperService<Traced<Router>> {
    let router = Router::new()
        .route("/r/{token}", get(customer::page).post(customer::enter))
        .route("/r/{token}/meta", get(data::meta))
        .route("/r/{token}/records", get(data::records))
        .route("/r/{token}/chain", get(data::chain))
        .route("/r/{token}/proof/{number}", get(data::proof))
        .route("/", get(console::page))
        .route("/api/console", get(console::json))
        .route("/v1/checkpoints", get(checkpoints::list))
        .route("/healthz", get(async || text(StatusCode::OK, "ok\n")))
        .fallback(async || error(StatusCode::NOT_FOUND, "nothing is answered here"))
        .method_not_allowed_fallback(async || error(StatusCode::METHOD_NOT_ALLOWED, "not by this method"))
        .layer(from_fn_with_state(Arc::clone(&serving), pass))
        .with_state(serving);
    TowerToHyperService::new(TraceLayer.layer(router))
}

/// Who asks, as far as can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) address: Option<IpAddr>,
    /// A listed proxy brings the request.
    pub(super) is_by_proxy: bool,
}

impl Client {
    pub(super) fn of(serving: &Serving, head: &Parts) -> Self {
        let peer = match Peer::of(&head.extensions) {
            Some(Peer::Ip(address)) => Some(address.to_canonical()),
            _ => None,
        };
        let is_by_proxy = peer.is_some_and(|peer| serving.settings.proxies.contains(&peer));
        if !is_by_proxy {
            return Self { address: peer, is_by_proxy };
        }
        // The last one is the proxy's own word; what stands before it, anybody may have sent.
        let told = head.headers.get_all(FORWARDED_FOR).iter().next_back().and_then(|told| told.to_str().ok());
        let told = told.and_then(|told| told.rsplit(',').next()?.trim().parse().ok());
        Self { address: told.or(peer), is_by_proxy }
    }
}

/// What every request goes through.
async fn pass(State(serving): State<Arc<Serving>>, request: Request, next: Next) -> Response {
    let is_secure = serving.settings.is_secure();
    let (head, body) = request.into_parts();
    let mut response = match check(&serving, &head) {
        Some(refused) => refused,
        None => next.run(Request::from_parts(head, body)).await,
    };
    headers::harden(&mut response, is_secure);
    response
}

fn check(serving: &Serving, head: &Parts) -> Option<Response> {
    if head.uri.path() == "/healthz" {
        return None;
    }
    let settings = &serving.settings;
    if !settings.proxies.is_empty() && !Client::of(serving, head).is_by_proxy {
        return Some(error(
            StatusCode::FORBIDDEN,
            "requests come by the proxy in front, and this one does not",
        ));
    }
    // A page whose name was pointed to this machine could read what the browser may read here.
    if !settings.is_secure() {
        let target = (head.version, &head.uri);
        let checked = WebPolicy::default().check_host(target, &head.headers, &head.extensions);
        return checked.err().map(|fault| error(fault.row().http, &fault.to_string()));
    }
    None
}

/// Whether a form may have been sent by a page of another origin.
pub(super) fn is_foreign(client: Client, headers: &HeaderMap) -> bool {
    // No page can set this header.
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let asked = headers.get(FORWARDED_HOST).filter(|_| client.is_by_proxy).or_else(|| headers.get(HOST));
    let own = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, own)| own);
    own.is_none() || own != asked.and_then(|asked| asked.to_str().ok())
}

pub(super) fn text(status: StatusCode, body: impl Into<Body>) -> Response {
    answer(status, "text/plain; charset=utf-8", body)
}

pub(super) fn answer(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub(super) fn json_of(status: StatusCode, body: &Value) -> Response {
    answer(status, "application/json; charset=utf-8", format!("{body}\n"))
}

pub(super) fn error(status: StatusCode, what: &str) -> Response {
    let mut response = json_of(status, &json!({ "error": what }));
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        let wait = if status == StatusCode::TOO_MANY_REQUESTS { "60" } else { "5" };
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(wait));
    }
    response
}

/// What stays untold to whoever asks: it is the operator's to see to.
pub(super) fn unavailable(error_: &dyn std::fmt::Display) -> Response {
    tracing::error!(error = %error_, "a request can't be answered");
    error(StatusCode::SERVICE_UNAVAILABLE, "this can't be answered now; whoever runs the server sees why")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_other_origins_are_known() {
        let client = |is_by_proxy| Client { address: None, is_by_proxy };
        let headers = |pairs: &[(HeaderName, &'static str)]| {
            pairs
                .iter()
                .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
                .collect::<HeaderMap>()
        };
        for (by_proxy, pairs, foreign) in [
            (false, &[][..], false),
            (false, &[(SEC_FETCH_SITE, "same-origin")], false),
            (false, &[(SEC_FETCH_SITE, "cross-site"), (ORIGIN, "https://a"), (HOST, "a")], true),
            (false, &[(SEC_FETCH_SITE, "same-site")], true),
            (false, &[(ORIGIN, "https://a:1"), (HOST, "a:1")], false),
            (false, &[(ORIGIN, "https://b:1"), (HOST, "a:1")], true),
            (false, &[(ORIGIN, "null"), (HOST, "a:1")], true),
            (false, &[(ORIGIN, "https://b"), (HOST, "a"), (FORWARDED_HOST, "b")], true),
            (true, &[(ORIGIN, "https://b"), (HOST, "a"), (FORWARDED_HOST, "b")], false),
        ] {
            assert_eq!(is_foreign(client(by_proxy), &headers(pairs)), foreign, "{pairs:?}");
        }
    }
}
