//! One door: its listening socket and the accept loop.

use super::answer::Reply;
use super::conn;
use super::connections::ConnectionStats;
use super::limits::Limits;
use super::peer::{FromPeer, Peer};
use super::socket::{Socket, Stream};
use super::windows::{self, Windows};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// How long to wait after an accept that failed for want of something (descriptors, memory):
/// trying at once would spin, and closing connections is what gives it back.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections and serves them until `drain` turns true; then closes the socket, lets
/// every connection finish what it has begun, and returns. Dropping the future cuts them off.
pub async fn serve<S>(
    socket: Socket,
    service: S,
    limits: Arc<Limits>,
    mut drain: watch::Receiver<bool>,
    stats: ConnectionStats,
    windows: Windows,
) where
    S: Service<Request<Incoming>, Response = Response<Reply>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let large = Arc::new(conn::builder(&limits, windows::LARGE));
    let small = Arc::new(conn::builder(&limits, windows::SMALL));
    let slots = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    stats.limit.set(limits.connections as u64);
    let signal = drain.clone();
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer, slot) = tokio::select! {
            () = conn::drained(&mut drain) => break,
            accepted = accept(&socket, &slots, &stats) => accepted,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
        };
        let window = windows.take();
        let builder = Arc::clone(if window.is_some() { &large } else { &small });
        let (service, drain) = (FromPeer { peer, service: service.clone() }, signal.clone());
        let header_timeout = limits.header_timeout;
        let (open, broken) = (stats.open(), stats.broken.clone());
        connections.spawn(async move {
            if conn::serve((stream, window), &builder, service, header_timeout, drain).await.is_err() {
                broken.inc();
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
) -> (Stream, Peer, OwnedSemaphorePermit) {
    let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
        // Nobody closes the semaphore.
        return std::future::pending().await;
    };
    let mut told = false;
    loop {
        let error = match socket.accept().await {
            Ok((stream, peer)) => return (stream, peer, slot),
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

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}
