//! One door: its listening socket and the accept loop.

use super::answer::Reply;
use super::conn::{self, Builder, Ending, Serving};
use super::connections::{Broken, Closed, ConnectionStats};
use super::limits::Limits;
use super::peer::{Draining, FromPeer, Peer};
use super::roster::{Member, Roster};
use super::socket::{Accepted, Socket};
use super::tls::{Tls, Turned};
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
use tokio::time::Instant;

/// How long to wait after an accept that failed for want of something (descriptors, memory):
/// trying at once would spin, and closing connections is what gives it back.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections that may wait for a place, beside those that have one. More wait in the listen queue.
const WAITING: usize = 8;

/// What a door is made of.
#[derive(Debug)]
pub struct Door {
    pub socket: Socket,
    pub tls: Option<Arc<Tls>>,
    pub limits: Arc<Limits>,
    pub windows: Windows,
    pub stats: ConnectionStats,
}

/// What all connections of a door share.
struct Shared {
    tls: Option<Arc<Tls>>,
    limits: Arc<Limits>,
    windows: Windows,
    large: Builder,
    small: Builder,
    stats: ConnectionStats,
    roster: Arc<Roster>,
    drain: watch::Receiver<bool>,
}

/// Accepts connections and serves them until `drain` turns true; then closes the socket, lets
/// every connection finish what it has begun, and returns. Dropping the future cuts them off.
pub async fn serve<S>(door: Door, service: S, mut drain: watch::Receiver<bool>)
where
    S: Service<Request<Incoming>, Response = Response<Reply>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let Door { socket, tls, limits, windows, stats } = door;
    let shared = Arc::new(Shared {
        large: conn::builder(&limits, windows::LARGE),
        small: conn::builder(&limits, windows::SMALL),
        roster: Arc::new(Roster::new(&limits, stats.clone())),
        tls,
        limits,
        windows,
        stats,
        drain: drain.clone(),
    });
    let turns = Arc::new(Semaphore::new(WAITING));
    let mut connections = JoinSet::new();
    loop {
        let (accepted, peer, turn) = tokio::select! {
            () = conn::drained(&mut drain) => break,
            accepted = accept(&socket, &turns, &shared.stats) => accepted,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
        };
        let Some(member) = shared.roster.admit(peer) else { continue };
        let (shared, service) = (Arc::clone(&shared), service.clone());
        connections.spawn(async move { shared.connection((accepted, peer), (member, turn), service).await });
    }
    drop(socket);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

impl Shared {
    async fn connection<S>(
        &self,
        (accepted, peer): (Accepted, Peer),
        (mut member, turn): (Member, OwnedSemaphorePermit),
        service: S,
    ) where
        S: Service<Request<Incoming>, Response = Response<Reply>, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let mut drain = self.drain.clone();
        tokio::select! {
            () = member.placed() => {}
            () = conn::drained(&mut drain) => return,
        }
        drop(turn);
        let open = self.stats.open();
        match self.served(accepted, peer, &member, service).await {
            None => {}
            Some(Ending::Closed(why)) => {
                self.stats.closed(why);
                if why.is_flood() {
                    let door = self.stats.door;
                    self.roster.say("flood", |again| {
                        tracing::warn!(door, %peer, ?why, again, "a connection brought more frames without use than may be");
                    });
                }
            }
            Some(Ending::Broken(how)) => {
                self.stats.broke(how);
                if how == Broken::Tls {
                    let door = self.stats.door;
                    self.roster.say("tls", |again| {
                        tracing::warn!(door, %peer, again, "a client speaks TLS where `tls` is not configured");
                    });
                }
            }
        }
        drop(open);
    }

    async fn served<S>(&self, accepted: Accepted, peer: Peer, member: &Member, service: S) -> Option<Ending>
    where
        S: Service<Request<Incoming>, Response = Response<Reply>, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let (limits, life, mut drain) = (&*self.limits, &member.life, self.drain.clone());
        let deadline = Instant::now() + limits.header_timeout;
        let opened = tokio::select! {
            opened = accepted.opened(self.tls.as_deref(), deadline) => opened,
            // Nothing was asked yet.
            () = conn::drained(&mut drain) => return Some(Ending::Closed(Closed::Draining)),
            why = life.eviction() => return Some(Ending::Closed(why)),
        };
        let (stream, certificate) = match opened {
            Ok(opened) => opened,
            Err(turned) => return self.turned(&turned, peer).map(Ending::Broken),
        };
        let window = self.windows.take();
        let builder = if window.is_some() { &self.large } else { &self.small };
        let draining = Draining(drain.clone());
        let service = FromPeer { peer, certificate, draining, life: Arc::clone(life), service };
        let serving = Serving { builder, limits, life, deadline, drain };
        serving.serve((stream, window), service).await
    }

    /// Logged; how it is counted.
    fn turned(&self, turned: &Turned, peer: Peer) -> Option<Broken> {
        let door = self.stats.door;
        match turned {
            Turned::Left => {}
            Turned::Plain => {
                tracing::debug!(door, %peer, "a client speaks without TLS where `tls` is configured");
            }
            Turned::Late => tracing::debug!(door, %peer, "a TLS handshake took too long"),
            Turned::Failed(error) => self.roster.say("handshake", |again| {
                tracing::warn!(door, %peer, %error, again, "a TLS handshake failed");
            }),
        }
        Broken::of(turned)
    }
}

/// The next connection, with its turn to wait for a place. Safe to drop at any point: a stream is taken from
/// the system only when it is returned.
async fn accept(
    socket: &Socket,
    turns: &Arc<Semaphore>,
    stats: &ConnectionStats,
) -> (Accepted, Peer, OwnedSemaphorePermit) {
    let Ok(turn) = Arc::clone(turns).acquire_owned().await else {
        // Nobody closes the semaphore.
        return std::future::pending().await;
    };
    let mut told = false;
    loop {
        let error = match socket.accept().await {
            Ok((accepted, peer)) => return (accepted, peer, turn),
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
