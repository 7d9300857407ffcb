//! One door: its listening socket and the accept loop.

use super::answer::Reply;
use super::conn;
use super::connections::{Broken, ConnectionStats};
use super::limits::Limits;
use super::peer::{FromPeer, Peer};
use super::socket::{Accepted, Socket};
use super::tls::{Tls, Turned};
use super::windows::{self, Windows};
use crate::pipeline::quiet::Quiet;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long to wait after an accept that failed for want of something (descriptors, memory):
/// trying at once would spin, and closing connections is what gives it back.
const PAUSE: Duration = Duration::from_millis(100);

/// What a door is made of.
#[derive(Debug)]
pub struct Door {
    pub socket: Socket,
    pub tls: Option<Arc<Tls>>,
    pub limits: Arc<Limits>,
    pub windows: Windows,
    pub stats: ConnectionStats,
}

/// Accepts connections and serves them until `drain` turns true; then closes the socket, lets
/// every connection finish what it has begun, and returns. Dropping the future cuts them off.
pub async fn serve<S>(door: Door, service: S, mut drain: watch::Receiver<bool>)
where
    S: Service<Request<Incoming>, Response = Response<Reply>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let Door { socket, tls, limits, windows, stats } = door;
    let large = Arc::new(conn::builder(&limits, windows::LARGE));
    let small = Arc::new(conn::builder(&limits, windows::SMALL));
    let slots = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    stats.limit.set(limits.connections as u64);
    let signal = drain.clone();
    let told = Arc::new(Mutex::new(Quiet::default()));
    let mut connections = JoinSet::new();
    loop {
        let (accepted, peer, slot) = tokio::select! {
            () = conn::drained(&mut drain) => break,
            accepted = accept(&socket, &slots, &stats) => accepted,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
        };
        let window = windows.take();
        let builder = Arc::clone(if window.is_some() { &large } else { &small });
        let (service, drain) = (service.clone(), signal.clone());
        let (tls, told, open) = (tls.clone(), Arc::clone(&told), stats.open());
        let (stats, deadline) = (stats.clone(), Instant::now() + limits.header_timeout);
        connections.spawn(async move {
            let served = async {
                let (stream, certificate) = accepted
                    .opened(tls.as_deref(), deadline)
                    .await
                    .map_err(|turned| turned.told(peer, &told))?;
                let service = FromPeer { peer, certificate, service };
                conn::serve((stream, window), &builder, service, deadline, drain).await
            };
            if let Err(broken) = served.await {
                stats.broke(broken);
                if broken == Broken::Tls {
                    say(&told, "tls", |again| {
                        tracing::warn!(%peer, again, "a client speaks TLS where `tls` is not configured");
                    });
                }
            }
            drop((open, slot));
        });
    }
    drop(socket);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

/// The next connection that a slot is free for. Safe to drop at any point: a stream is taken from
/// the system only when it is returned.
async fn accept(
    socket: &Socket,
    slots: &Arc<Semaphore>,
    stats: &ConnectionStats,
) -> (Accepted, Peer, OwnedSemaphorePermit) {
    let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
        // Nobody closes the semaphore.
        return std::future::pending().await;
    };
    let mut told = false;
    loop {
        let error = match socket.accept().await {
            Ok((accepted, peer)) => return (accepted, peer, slot),
            Err(error) => error,
        };
        stats.not_accepted.inc();
        if !is_of_one_connection(&error) {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(%error, "cannot accept connections; trying again until it works");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The peer was gone before it was accepted; the next one is not concerned (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Says a line of a door at most once a minute.
fn say(told: &Mutex<Quiet>, line: &str, log: impl FnOnce(u64)) {
    told.lock().unwrap_or_else(PoisonError::into_inner).say(line, log);
}

impl Turned {
    /// Logged; how it is counted.
    fn told(self, peer: Peer, told: &Mutex<Quiet>) -> Broken {
        match &self {
            Self::Plain => tracing::debug!(%peer, "a client speaks without TLS where `tls` is configured"),
            Self::Late => tracing::debug!(%peer, "a TLS handshake took too long"),
            Self::Failed(error) => say(told, "handshake", |again| {
                tracing::warn!(%peer, %error, again, "a TLS handshake failed");
            }),
        }
        Broken::from(&self)
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}
