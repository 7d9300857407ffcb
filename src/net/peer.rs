//! Who is at the other end of a connection, as far as the system tells.

use super::answer::Reply;
use super::conn;
use super::life::{Answering, Life};
use super::tls::certificate::ClientCertificate;
use http::{Extensions, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;

/// Who sent a request. It stands in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    Ip(IpAddr),
    /// A process of this machine, over a Unix socket: whose it was when it connected.
    Local {
        uid: u32,
        gid: u32,
    },
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.to_canonical().fmt(f),
            Self::Local { uid, .. } => write!(f, "a process of user {uid}"),
        }
    }
}

tokio::task_local! {
    static ANSWERED: Option<Peer>;
}

impl Peer {
    /// Whose request the task of `work` answers from here on.
    pub fn answering<F: Future>(peer: Option<Self>, work: F) -> impl Future<Output = F::Output> {
        ANSWERED.scope(peer, work)
    }

    /// Whose request this task answers, if it answers one.
    #[must_use]
    pub fn answered() -> Option<Self> {
        ANSWERED.try_with(|peer| *peer).ok().flatten()
    }

    /// Whose request it is; nobody's if it came through no door.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied()
    }

    /// What tells this peer from others.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Local { .. } => "local".into(),
            Self::Ip(ip) => ip.to_canonical().to_string(),
        }
    }

    /// The name of whoever sends; empty for a request that came through no door.
    #[must_use]
    pub fn name_in(extensions: &Extensions) -> String {
        Self::of(extensions).map(Self::name).unwrap_or_default()
    }
}

/// Tells of a drain of the request's door. It stands in the request's extensions.
#[derive(Clone, Debug)]
pub struct Draining(pub(super) watch::Receiver<bool>);

impl Draining {
    /// Returns so long after the drain began.
    pub(super) async fn lasts(mut self, long: Duration) {
        conn::drained(&mut self.0).await;
        tokio::time::sleep(long).await;
    }
}

/// A service whose requests tell their peer, and its certificate where it has one.
#[derive(Clone, Debug)]
pub(super) struct FromPeer<S> {
    pub(super) peer: Peer,
    pub(super) certificate: Option<Arc<ClientCertificate>>,
    pub(super) draining: Draining,
    /// Where its requests are counted as long as they are under way.
    pub(super) life: Arc<Life>,
    pub(super) service: S,
}

/// The body of an answer that is counted until it has ended.
#[derive(Debug)]
pub(super) struct Counted {
    body: Reply,
    _answering: Answering,
}

impl Body for Counted {
    type Data = <Reply as Body>::Data;
    type Error = <Reply as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<S> Service<Request<Incoming>> for FromPeer<S>
where
    S: Service<Request<Incoming>, Response = Response<Reply>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Counted>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(self.draining.clone());
        if let Some(certificate) = &self.certificate {
            request.extensions_mut().insert(Arc::clone(certificate));
        }
        let under_way = self.life.begin();
        let answer = self.service.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            let answering = under_way.answer();
            Ok(answer.map(|body| Counted { body, _answering: answering }))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::socket::Socket;
    use super::*;
    use tokio::net::{UnixListener, UnixStream};

    #[tokio::test]
    async fn a_unix_socket_tells_whose_process_connected() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("door.sock");
        let socket = Socket::Unix(Box::new(()), UnixListener::bind(&path).unwrap());
        // Gone before it is accepted: what the kernel noted stays.
        drop(UnixStream::connect(&path).await.unwrap());
        let (_, peer) = socket.accept().await.unwrap();
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        assert_eq!(peer, Peer::Local { uid, gid });
    }
}
