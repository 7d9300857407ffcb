//! `halod healthcheck`: whether a running halod takes what is sent, for whatever starts and watches it.

use super::output::{FAILED, OK, USAGE, complain, finish, line};
use super::run;
use crate::config::Endpoint;
use crate::net::tls::{TlsSettings, probe};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// For the connection, and for each part of the answer.
const WAIT: Duration = Duration::from_secs(4);

/// Bytes of an answer that are read.
const ANSWER: u64 = 4 << 20;

/// Ask a running halod whether it takes what is sent
///
/// Asks the admin port of the daemon that has this configuration (`/readyz`; with --live `/healthz`, which only tells that
/// it runs), from inside of a container as well, which needs no shell and no curl for it. Where the admin port speaks TLS
/// so does this; a certificate that is not that of `admin.tls.cert_file` is told and changes nothing, since nothing secret
/// is sent. Exit code: 0 if so; 1 if not, or if nobody answers within seconds; 2 if the configuration can't be used.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    settings: run::Args,
    /// Ask only whether it runs
    #[arg(long)]
    live: bool,
}

impl Args {
    pub(super) fn run(self) -> ExitCode {
        let (admin, tls) = match self.settings.settings() {
            Ok(config) => (config.admin, config.admin_tls),
            Err(error) => {
                complain(error);
                return USAGE.into();
            }
        };
        let path = if self.live { "/healthz" } else { "/readyz" };
        match ask(&admin, tls.as_ref(), path) {
            Ok((200, answer)) => finish(line(word(&answer)).map(|()| OK)),
            Ok((status, answer)) => {
                complain(format_args!("{admin}{path}: {status}, {}", answer.trim()));
                FAILED.into()
            }
            Err(error) => {
                complain(format_args!("{admin}{path}: {error}"));
                FAILED.into()
            }
        }
    }
}

/// The status in a word, as the answer has it.
fn word(answer: &str) -> String {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    answer.get("status").and_then(Value::as_str).unwrap_or("ok").to_owned()
}

/// The status and the body that the admin port answers.
pub(super) fn ask(admin: &Endpoint, tls: Option<&TlsSettings>, path: &str) -> io::Result<(u16, String)> {
    match admin {
        Endpoint::Unix(socket) => {
            let stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(WAIT))?;
            stream.set_write_timeout(Some(WAIT))?;
            exchange(stream, path)
        }
        Endpoint::Tcp { host, port } => {
            let mut last = io::Error::other("the name has no address");
            for address in (reachable(host), *port).to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, WAIT) {
                    Ok(stream) => {
                        stream.set_read_timeout(Some(WAIT))?;
                        stream.set_write_timeout(Some(WAIT))?;
                        return match tls {
                            None => exchange(stream, path),
                            Some(tls) => exchange(secured(stream, host, tls)?, path),
                        };
                    }
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
    }
}

/// The connection with TLS. Whose certificate it is only matters to who reads this.
fn secured(
    stream: TcpStream,
    host: &str,
    tls: &TlsSettings,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let config = Arc::new(probe::client().map_err(io::Error::other)?);
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    let shown = stream.conn.peer_certificates().and_then(<[_]>::first);
    let own = CertificateDer::from_pem_file(&tls.cert_file);
    if own.is_ok_and(|own| shown != Some(&own)) {
        complain(format_args!(
            "the certificate is not that of {}: it was not read again yet, or another program answers",
            tls.cert_file.display()
        ));
    }
    Ok(stream)
}

/// Where one is reached from this machine who listens on every interface.
fn reachable(host: &str) -> &str {
    match host {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    }
}

fn exchange(mut stream: impl Read + Write, path: &str) -> io::Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.take(ANSWER).read_to_end(&mut answer) {
        // TLS that ends without its goodbye; whether the answer is whole is seen from it.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => {}
        read => drop(read?),
    }
    let answer = String::from_utf8_lossy(&answer);
    let foreign = || io::Error::new(io::ErrorKind::InvalidData, "what answers is no HTTP server");
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(foreign)?;
    Ok((status.ok_or_else(foreign)?, body.to_owned()))
}
