//! The socket in the directory for halod's own verbs: `reload`, `status` and `tap`.
//!
//! | request | answer |
//! |---|---|
//! | `GET /status` | what the admin port says there |
//! | `POST /reload` | 200 where the configuration that was read holds, else 422; what changed and what is wrong |
//! | `GET /tap` | a line of JSON for what becomes of each request, until either side closes |
//!
//! Its file is for halod's own user, and so is who connects; root may too, who can do all of it anyway.

use super::admin;
use crate::ingest::tap::{Events, Tap};
use crate::net::answer::{Reply, json};
use crate::net::peer::Peer;
use crate::net::socket::{Accepted, Socket};
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use serde_json::json as value;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// Where it is in the directory of records.
pub const SOCKET: &str = ".halod/control.sock";

/// Connections at once: a verb has one.
const CONNECTIONS: usize = 16;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// Asks for the configuration to be read again.
pub type Asking = mpsc::Sender<oneshot::Sender<Outcome>>;

/// What became of a configuration that was read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome<S = &'static str> {
    /// The sections that are not as before, and hold.
    pub changed: Vec<S>,
    /// Those that only a restart can change.
    pub restart: Vec<S>,
    /// Why the one before stays.
    pub problems: Vec<String>,
}

impl Outcome {
    #[must_use]
    pub fn refused(problems: Vec<String>) -> Self {
        Self { problems, ..Self::default() }
    }
}

/// What the socket gives access to.
#[derive(Clone, Debug)]
pub struct Control {
    /// That of the configuration that runs.
    pub state: watch::Receiver<Option<Arc<admin::State>>>,
    pub asking: Asking,
    pub tap: Tap,
}

/// Serves until the future is dropped.
pub async fn serve(socket: Socket, control: Control) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (accepted, peer) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the control socket can't accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Accepted::Unix(stream) = accepted else { continue };
        if !is_ours(peer) {
            continue;
        }
        while connections.try_join_next().is_some() {}
        let control = control.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| control.clone().answer(request));
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection to the control socket ended");
            }
            drop(place);
        });
    }
}

fn is_ours(peer: Peer) -> bool {
    let own = rustix::process::geteuid().as_raw();
    matches!(peer, Peer::Local { uid, .. } if uid == own || uid == 0)
}

impl Control {
    async fn answer(self, request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
        let said = |status, what: &str| json(status, &value!({ "error": what }), None);
        Ok(match (request.method(), request.uri().path()) {
            (&Method::GET, "/status") => match self.state.borrow().as_deref() {
                Some(state) => json(StatusCode::OK, &admin::status(state), None),
                None => said(StatusCode::SERVICE_UNAVAILABLE, "halod is starting"),
            },
            (&Method::POST, "/reload") => self.reload().await,
            (&Method::GET, "/tap") => Response::new(Body::new(Tapped(self.tap.listen()))),
            (_, "/status" | "/reload" | "/tap") => {
                said(StatusCode::METHOD_NOT_ALLOWED, "another method is served there")
            }
            _ => said(StatusCode::NOT_FOUND, "no such path; use the command of the same version"),
        })
    }

    async fn reload(&self) -> Response<Reply> {
        let (answer, outcome) = oneshot::channel();
        let asked = self.asking.send(answer).await;
        let outcome = match (asked, outcome.await) {
            (Ok(()), Ok(outcome)) => outcome,
            _ => Outcome::refused(vec!["halod is stopping".into()]),
        };
        let status =
            if outcome.problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        json(status, &serde_json::to_value(&outcome).unwrap_or_default(), None)
    }
}

/// Events as they come. Who reads slowly misses some, and is told how many.
struct Tapped(Events);

impl http_body::Body for Tapped {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_line(cx).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
