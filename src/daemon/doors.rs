//! Listening sockets: bound before anything is served, so that nothing starts halfway.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::config::{Config, Endpoint};

pub const GRPC: &str = "otlp/grpc";
pub const HTTP: &str = "otlp/http";
pub const ADMIN: &str = "admin";

/// A door can't listen.
#[derive(Debug, thiserror::Error)]
#[error("{name} can't listen on {endpoint}: {error}{}", hint(.name, .error))]
pub struct BindError {
    name: &'static str,
    endpoint: Endpoint,
    error: io::Error,
}

fn hint(name: &str, error: &io::Error) -> String {
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
    pub listener: TcpListener,
    pub address: SocketAddr,
}

/// Binds the first address of the endpoint that can be.
///
/// # Errors
/// None can; the error is the first one's.
pub async fn bind(name: &'static str, endpoint: &Endpoint) -> Result<Bound, BindError> {
    let failed = |error| BindError { name, endpoint: endpoint.clone(), error };
    let mut first = None;
    for address in endpoint.resolve().map_err(failed)? {
        let bound = match TcpListener::bind(address).await {
            Ok(listener) => listener.local_addr().map(|address| Bound { listener, address }),
            Err(error) => Err(error),
        };
        match bound {
            Ok(bound) => return Ok(bound),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(failed(first.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())))
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
        let said = bind(HTTP, &Endpoint::loopback(first.address.port())).await.unwrap_err().to_string();
        assert!(
            said.starts_with(&format!("otlp/http can't listen on 127.0.0.1:{}", first.address.port())),
            "{said}"
        );
        assert!(said.ends_with("choose another address (--http)"), "{said}");
        let said = bind(ADMIN, &"198.51.100.1:0".parse().unwrap()).await.unwrap_err().to_string();
        assert!(said.ends_with("no interface of this machine has that address"), "{said}");
    }

    #[tokio::test]
    async fn localhost_is_bound() {
        assert!(bind(ADMIN, &"localhost:0".parse().unwrap()).await.unwrap().address.ip().is_loopback());
    }
}
