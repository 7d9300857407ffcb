//! One exchange after the other: asked here, answered there.

use super::body::{Answered, Told};
use super::rewrite::{Endpoint, Origin};
use super::upstream::{Failed, Upstream};
use super::watch::{Kind, Passed};
use crate::capture::mcp::recorder::Tap;
use crate::clock;
use crate::net::status::Fault;
use crate::net::web::WebPolicy;
use bytes::Bytes;
use halo_adapters::mcp::Side;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections of clients at once.
const MOST_CONNECTIONS: usize = 1024;

/// How long a request's head may take to come.
const HEAD: Duration = Duration::from_secs(30);

/// How long the rest of a request may take that goes nowhere.
const REST: Duration = Duration::from_secs(2);

/// How long it is waited after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// Of one connection, and no other's (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authenticate"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

pub(super) struct Proxy {
    upstream: Upstream,
    origin: Origin,
    web: WebPolicy,
    tap: Tap<Passed>,
    exchanges: AtomicU64,
    connections: Arc<Semaphore>,
}

impl Proxy {
    pub(super) fn new(upstream: Upstream, web: WebPolicy, tap: Tap<Passed>) -> Self {
        let origin = Origin::of(upstream.target());
        let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        Self { upstream, origin, web, tap, exchanges: AtomicU64::new(1), connections }
    }

    /// Takes connections for as long as it is polled.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let proxy = Arc::clone(&self);
            tokio::spawn(async move {
                proxy.connection(stream).await;
                drop(permit);
            });
        }
    }

    /// Waits until no client is connected, for `patience` at most.
    pub(super) async fn idle(&self, patience: Duration) {
        let all = u32::try_from(MOST_CONNECTIONS).unwrap_or(u32::MAX);
        // Whoever is still connected is cut off.
        let _ = tokio::time::timeout(patience, self.connections.acquire_many(all)).await;
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        // Without it small answers wait for acknowledgements.
        let _ = stream.set_nodelay(true);
        let service = service_fn(move |request| {
            let proxy = Arc::clone(&self);
            async move { Ok::<_, Infallible>(proxy.answer(request).await) }
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD);
        // How a connection ends, its client knows best.
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Answered> {
        if let Err(fault) = self.web.check(&request) {
            let what = match fault {
                Fault::ForeignOrigin => {
                    "a web page of another origin may not ask here; --allow-origin lists those that may"
                }
                _ => {
                    "this proxy is not asked for by this name; --allow-host lists its names, beside addresses and local ones"
                }
            };
            return own(StatusCode::FORBIDDEN, what);
        }
        if *request.method() == Method::CONNECT {
            return own(StatusCode::METHOD_NOT_ALLOWED, "this proxy passes on what is asked of one server");
        }
        let exchange = self.exchanges.fetch_add(1, Ordering::Relaxed);
        let (mut head, body) = request.into_parts();
        let encoded = head.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        let session = session(&head.headers).or_else(|| session_in(&head.uri));
        let begins = Passed::Begin { exchange, session, posts: head.method == Method::POST, encoded };
        self.tap.offer(begins, 0);
        head.uri = path_of(&head.uri);
        pass_on(&mut head.headers);
        head.headers.insert(HOST, self.upstream.host());
        head.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        head.extensions.clear();
        let (gets, deletes) = (head.method == Method::GET, head.method == Method::DELETE);
        let body = Told::new(body, self.tap.clone(), exchange, Side::Client);
        match self.upstream.send(Request::from_parts(head, body)).await {
            Ok(response) => self.back(exchange, (gets, deletes), response),
            Err(Failed { why, unsent }) => {
                // What was asked for is told all the same, and a client that still sends would lose the answer.
                if let Some(request) = unsent {
                    let _ = tokio::time::timeout(REST, request.into_body().collect()).await;
                }
                let (status, at) = (StatusCode::BAD_GATEWAY, clock::unix_nanos());
                self.tap.offer(Passed::failed(exchange, status.as_u16(), at), 0);
                let to = self.upstream.target();
                own(status, &format!("halod mcp can't get an answer from {to}: {why}"))
            }
        }
    }

    fn back(
        &self,
        exchange: u64,
        (gets, deletes): (bool, bool),
        response: Response<Incoming>,
    ) -> Response<Answered> {
        let (mut head, body) = response.into_parts();
        let kind = kind(&head.headers);
        let session = session(&head.headers);
        let status = head.status.as_u16();
        let at = clock::unix_nanos();
        self.tap.offer(Passed::Head { exchange, at, status, session, kind, deletes }, 0);
        pass_on(&mut head.headers);
        if let Some(location) = head.headers.get(LOCATION).and_then(|value| self.origin.location(value)) {
            head.headers.insert(LOCATION, location);
        }
        head.extensions.clear();
        let endpoint = (gets && kind == Kind::Events).then(|| Endpoint::new(self.origin.clone()));
        if endpoint.is_some() {
            // The address may become shorter.
            head.headers.remove(CONTENT_LENGTH);
        }
        let body = Told::new(body, self.tap.clone(), exchange, Side::Server).with_endpoint(endpoint);
        Response::from_parts(head, Either::Left(body))
    }
}

/// An answer of the proxy's own.
fn own(status: StatusCode, what: &str) -> Response<Answered> {
    let mut response = Response::new(Either::Right(Full::new(Bytes::from(format!("{what}\n")))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Takes out what is of one connection alone.
fn pass_on(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn path_of(uri: &Uri) -> Uri {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    path.parse().unwrap_or_else(|_| Uri::from_static("/"))
}

/// The longest name of a session that is kept.
const MOST_NAME: usize = 256;

fn session(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(SESSION)?.to_str().ok()?;
    (!name.is_empty() && name.len() <= MOST_NAME).then(|| name.to_owned())
}

/// The older transport names it in the address that it has messages posted to.
fn session_in(uri: &Uri) -> Option<String> {
    super::watch::session_in_query(uri.query()?)
}

fn kind(headers: &HeaderMap) -> Kind {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let coded = headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    match kind.split(';').next().unwrap_or_default().trim() {
        _ if coded => Kind::Other,
        kind if kind.eq_ignore_ascii_case("text/event-stream") => Kind::Events,
        kind if kind.eq_ignore_ascii_case("application/json") => Kind::Json,
        _ => Kind::Other,
    }
}
