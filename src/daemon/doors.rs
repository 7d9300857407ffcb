//! Listening sockets: bound before anything is served, so that nothing starts halfway.

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::socket;
use crate::config::{Config, Endpoint};
use crate::net::socket::Socket;
use crate::net::tls::Tls;

pub const GRPC: &str = "otlp/grpc";
pub const HTTP: &str = "otlp/http";
pub const ADMIN: &str = "admin";
/// The socket in the directory that `halod import` connects to.
pub const IMPORT: &str = "import";

/// A door can't listen.
#[derive(Debug, thiserror::Error)]
#[error("{name} can't listen on {endpoint}: {error}{}", hint(.name, .endpoint, .error))]
pub struct BindError {
    name: &'static str,
    endpoint: Endpoint,
    error: io::Error,
}

fn hint(name: &str, endpoint: &Endpoint, error: &io::Error) -> String {
    if endpoint.socket().is_some() {
        // Said where it is known.
        return String::new();
    }
    let flag = name.rsplit('/').next().unwrap_or(name);
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("; another program listens there, stop it or choose another address (--{flag})")
        }
        io::ErrorKind::AddrNotAvailable => "; no interface of this machine has that address".into(),
        io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege, choose another".into(),
        _ => String::new(),
    }
}

/// One door that listens.
#[derive(Debug)]
pub struct Bound {
    pub socket: Socket,
    /// As a client would write it.
    pub address: String,
    pub tls: Option<Arc<Tls>>,
}

impl Bound {
    /// The same socket once more.
    ///
    /// # Errors
    /// There is no descriptor for it.
    pub fn twin(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.twin()?, address: self.address.clone(), tls: self.tls.clone() })
    }
}

/// Binds the first address of the endpoint that can be.
///
/// # Errors
/// None can; the error is the first one's.
pub async fn bind(name: &'static str, endpoint: &Endpoint) -> Result<Bound, BindError> {
    let failed = |error| BindError { name, endpoint: endpoint.clone(), error };
    if let Some(path) = endpoint.socket() {
        let socket = socket::bind(path, socket::MODE).await.map_err(failed)?;
        return Ok(Bound { socket, address: endpoint.to_string(), tls: None });
    }
    let mut first = None;
    for address in endpoint.resolve().map_err(failed)? {
        let bound = match TcpListener::bind(address).await {
            Ok(listener) => listener.local_addr().map(|address| Bound {
                socket: listener.into(),
                address: address.to_string(),
                tls: None,
            }),
            Err(error) => Err(error),
        };
        match bound {
            Ok(bound) => return Ok(bound),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(failed(first.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())))
}

/// Whether [`bind`] would work. What it returns holds a port until it is dropped; no file is made.
///
/// # Errors
/// What [`bind`] would say.
pub async fn check(name: &'static str, endpoint: &Endpoint) -> Result<Option<Bound>, BindError> {
    let Some(path) = endpoint.socket() else { return bind(name, endpoint).await.map(Some) };
    let checked = socket::check(path).await;
    checked.map(|()| None).map_err(|error| BindError { name, endpoint: endpoint.clone(), error })
}

/// Every endpoint the configuration opens.
#[must_use]
pub fn endpoints(config: &Config) -> Vec<(&'static str, &Endpoint)> {
    let receivers = [(GRPC, &config.grpc), (HTTP, &config.http)];
    let mut all: Vec<_> =
        receivers.iter().filter_map(|(name, door)| Some((*name, &door.as_ref()?.endpoint))).collect();
    all.push((ADMIN, &config.admin));
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_in_use_is_explained() {
        let first = bind(GRPC, &Endpoint::loopback(0)).await.unwrap();
        let said = bind(HTTP, &first.address.parse().unwrap()).await.unwrap_err().to_string();
        assert!(said.starts_with(&format!("otlp/http can't listen on {}", first.address)), "{said}");
        assert!(said.ends_with("choose another address (--http)"), "{said}");
        let said = bind(ADMIN, &"198.51.100.1:0".parse().unwrap()).await.unwrap_err().to_string();
        assert!(said.ends_with("no interface of this machine has that address"), "{said}");
    }

    #[tokio::test]
    async fn localhost_is_bound() {
        let bound = bind(ADMIN, &"localhost:0".parse().unwrap()).await.unwrap();
        assert!(bound.address.starts_with("127.0.0.1:") || bound.address.starts_with("[::1]:"));
    }
}
