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
    /// A process of this machine, over a Unix socket: whose it was when it connected.
    Local {
        uid: u32,
        gid: u32,
    },
}

impl Peer {
    /// What tells this peer from others; empty for a request that came through no door.
    #[must_use]
    pub fn name_in(extensions: &Extensions) -> String {
        match extensions.get() {
            None => String::new(),
            Some(Self::Local { .. }) => "local".into(),
            Some(Self::Ip(ip)) => ip.to_canonical().to_string(),
        }
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
