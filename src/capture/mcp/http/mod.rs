//! Between clients and a server that speak Streamable HTTP, or the older HTTP with server-sent events.
//!
//! Requests go to the one server that was named, whatever they ask for, and its answers come back as they are. What is
//! changed: `Host` names the server, nothing is compressed, and addresses of the server's own in `Location` and in the older
//! transport's `endpoint` are made relative, so that the client goes on asking here. Credentials are passed on and looked at
//! nowhere.

mod body;
mod rewrite;
mod server;
mod upstream;
pub mod watch;

use super::recorder::Tap;
use crate::net::web::WebPolicy;
use crate::tee::settings::Target;
use server::Proxy;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use upstream::Upstream;
use watch::Passed;

/// How long exchanges that are under way may go on once the proxy is to end.
const DRAIN: Duration = Duration::from_secs(1);

/// What a proxy is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub to: Target,
    /// Authorities to trust in the system's place.
    pub ca_file: Option<PathBuf>,
    pub web: WebPolicy,
}

/// Why there is no proxy.
#[derive(Debug, Error)]
pub enum HttpError {
    #[error("{address} can't be listened at: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("{to} can't be used: {what}")]
    Server { to: String, what: String },
    #[error("the system gives no runtime: {0}")]
    Runtime(io::Error),
}

/// Passes requests on until a signal ends it; `ready` is told the address. The tap is dropped by then.
///
/// # Errors
/// It never began.
pub fn run(settings: Settings, tap: Tap<Passed>, ready: impl FnOnce(SocketAddr)) -> Result<(), HttpError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(HttpError::Runtime)?;
    let ended = runtime.block_on(serve(settings, tap, ready));
    runtime.shutdown_timeout(DRAIN);
    ended
}

async fn serve(
    settings: Settings,
    tap: Tap<Passed>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), HttpError> {
    let Settings { listen, to, ca_file, web } = settings;
    let failed = |error| HttpError::Listen { address: listen, error };
    let name = to.to_string();
    let upstream =
        Upstream::new(to, ca_file.as_deref()).map_err(|what| HttpError::Server { to: name, what })?;
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let mut term = signal(SignalKind::terminate()).map_err(HttpError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(HttpError::Runtime)?;
    ready(listener.local_addr().map_err(failed)?);
    let proxy = Arc::new(Proxy::new(upstream, web, tap));
    tokio::select! {
        () = Arc::clone(&proxy).accept(listener) => {}
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    proxy.idle(DRAIN).await;
    Ok(())
}
