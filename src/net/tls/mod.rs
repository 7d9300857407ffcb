//! TLS on a door: who may come in is decided before any request is read.
//!
//! ```text
//! certificates, keys (PEM) ─ config ─▶ Served ─▶ Tls ◀─ replaced when the files change
//! TCP ─ first byte ─▶ no TLS: told so ─┐
//!          └─▶ handshake ─▶ Stream, ClientCertificate
//! ```

pub mod certificate;
pub mod config;
pub mod probe;

use self::certificate::ClientCertificate;
use self::config::Served;
use super::socket::Stream;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

/// Where a door's certificate and key are, as a Collector's `tls` section has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    /// Authorities, by one of which every client's certificate has to be signed.
    pub client_ca_file: Option<PathBuf>,
    pub min_version: MinVersion,
    /// How often the files are looked at.
    pub reload_interval: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinVersion {
    Tls12,
    Tls13,
}

/// The TLS of one door, for connections that come from now on.
#[derive(Debug)]
pub struct Tls(RwLock<Served>);

/// Why a connection came to nothing before it could ask anything.
#[derive(Debug)]
pub(crate) enum Turned {
    /// What came is no TLS.
    Plain,
    Late,
    Failed(io::Error),
}

/// The first byte of TLS: a record that holds a part of a handshake.
pub(super) const HANDSHAKE: u8 = 0x16;

/// What a client is told that speaks HTTP without TLS.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 42\r\n\
    connection: close\r\n\r\nthis door speaks TLS; use https:// for it\n";

impl Tls {
    #[must_use]
    pub fn new(served: Served) -> Self {
        Self(RwLock::new(served))
    }

    /// What connections get from now on. Those that are open go on as they are.
    pub fn replace(&self, served: Served) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = served;
    }

    /// Whether clients are asked for a certificate.
    #[must_use]
    pub fn asks_clients(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).asks_clients
    }

    /// The handshake, which has to be done by `deadline`.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        deadline: Instant,
    ) -> Result<(Stream, Option<Arc<ClientCertificate>>), Turned> {
        timeout_at(deadline, self.handshake(stream)).await.unwrap_or(Err(Turned::Late))
    }

    async fn handshake(
        &self,
        mut stream: TcpStream,
    ) -> Result<(Stream, Option<Arc<ClientCertificate>>), Turned> {
        let mut first = [0];
        let length = stream.peek(&mut first).await.map_err(Turned::Failed)?;
        if length > 0 && first != [HANDSHAKE] {
            if first[0].is_ascii_uppercase() {
                let _ = stream.write_all(PLAIN).await;
            }
            return Err(Turned::Plain);
        }
        let config = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).config);
        let stream = TlsAcceptor::from(config).accept(stream).await.map_err(Turned::Failed)?;
        let certificate = match stream.get_ref().1.peer_certificates() {
            None | Some([]) => None,
            Some([own, ..]) => {
                let read = ClientCertificate::read(own);
                Some(Arc::new(read.map_err(|error| Turned::Failed(io::Error::other(error)))?))
            }
        };
        Ok((Box::new(stream), certificate))
    }
}
