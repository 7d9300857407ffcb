//! A door's socket, whatever it is made of.

use super::authority::Allowed;
use super::peer::Peer;
use super::tls::certificate::ClientCertificate;
use super::tls::{Tls, Turned};
use std::any::Any;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::Instant;

/// A listening socket.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpListener),
    /// With what holds its file. That goes first: while the socket is open, the file can be told
    /// from another one of that name.
    Unix(Guard, UnixListener),
}

/// Anything that is to be dropped just before a socket is closed.
pub type Guard = Box<dyn Any + Send + Sync>;

/// One accepted connection, of which nothing is read yet.
#[derive(Debug)]
pub enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What requests come on. Dynamic, so that what is built upon it is built once.
pub type Stream = Box<dyn Duplex>;

pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Socket {
    /// The same socket once more, whose file, if it has one, is this one's.
    ///
    /// # Errors
    /// There is no descriptor for it.
    pub fn twin(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => {
                let twin = listener.as_fd().try_clone_to_owned()?;
                Ok(Self::Tcp(TcpListener::from_std(twin.into())?))
            }
            Self::Unix(_, listener) => {
                let twin = listener.as_fd().try_clone_to_owned()?;
                Ok(Self::Unix(Box::new(()), UnixListener::from_std(twin.into())?))
            }
        }
    }

    /// The next connection. Safe to drop at any point.
    ///
    /// # Errors
    /// As accept(2).
    pub async fn accept(&self) -> io::Result<(Accepted, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Answers are small and waited for: held back by Nagle's algorithm they would take
                // a delayed acknowledgement, about 40 ms, more.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "cannot set TCP_NODELAY");
                }
                Ok((Accepted::Tcp(stream), Peer::Ip(address.ip())))
            }
            Self::Unix(_, listener) => {
                let (stream, _) = listener.accept().await?;
                // Kept by the kernel from connect(2) on, whatever became of the process.
                let peer = stream.peer_cred()?;
                let peer = Peer::Local { uid: peer.uid(), gid: peer.gid() };
                Ok((Accepted::Unix(stream), peer))
            }
        }
    }
}

impl Accepted {
    /// What requests come on, and who its client is by its certificate. The handshake, where the door speaks TLS,
    /// has to be done by `deadline`. Unix sockets have none.
    pub(crate) async fn opened(
        self,
        tls: Option<&Tls>,
        deadline: Instant,
    ) -> Result<(Stream, Option<Arc<ClientCertificate>>), Turned> {
        match (self, tls) {
            (Self::Tcp(stream), Some(tls)) => tls.accept(stream, deadline).await,
            (Self::Tcp(stream), None) => Ok((Box::new(stream), None)),
            (Self::Unix(stream), _) => Ok((Box::new(Allowed::new(stream)), None)),
        }
    }
}

impl From<TcpListener> for Socket {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}
