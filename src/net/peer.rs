//! Who is at the other end of a connection, as far as the system tells.

use super::answer::Reply;
use http::{Extensions, Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use std::convert::Infallible;
use std::net::IpAddr;

/// Who sent a request. It stands in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Ip(IpAddr),
    /// A process of this machine, over a Unix socket.
    Local,
}

impl Peer {
    /// Whose request it is; nobody's if it came through no door.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied()
    }

    /// What tells this peer from others.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Local => "local".into(),
            Self::Ip(ip) => ip.to_canonical().to_string(),
        }
    }

    /// The name of whoever sends; empty for a request that came through no door.
    #[must_use]
    pub fn name_in(extensions: &Extensions) -> String {
        Self::of(extensions).map(Self::name).unwrap_or_default()
    }
}

/// A service whose requests tell their peer.
#[derive(Clone, Debug)]
pub(super) struct FromPeer<S> {
    pub(super) peer: Peer,
    pub(super) service: S,
}

impl<S> Service<Request<Incoming>> for FromPeer<S>
where
    S: Service<Request<Incoming>, Response = Response<Reply>, Error = Infallible>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.service.call(request)
    }
}
