//! Certificates by openssl, as an operator makes them, and clients that speak TLS.

use super::clients;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Pair {
    /// A door's section of the configuration.
    pub fn section(&self, more: &str) -> String {
        format!("{{ cert_file: {}, key_file: {}{more} }}", self.certificate.display(), self.key.display())
    }
}

/// Somebody who signs certificates.
pub struct Authority {
    dir: PathBuf,
    pub own: Pair,
}

/// Runs openssl and returns what it says.
pub fn openssl(arguments: &[&str]) -> String {
    let mut command = clients::openssl();
    let out = command.args(arguments).stdin(Stdio::null()).output();
    let out = out.unwrap_or_else(|e| panic!("openssl: {e}; the tests need it"));
    let said = String::from_utf8_lossy(&[&out.stdout[..], &out.stderr].concat()).into_owned();
    assert!(out.status.success(), "openssl {arguments:?}: {said}");
    said
}

/// openssl's configuration, so that the machine's own plays no part.
const CONFIGURATION: &str = "[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=critical,CA:TRUE\n\
    keyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n[door]\nbasicConstraints=critical,CA:FALSE\n\
    subjectAltName=DNS:localhost\n";

/// A certificate that signs itself, as the `part` of the configuration has it.
pub fn signed_by_itself(dir: &Path, name: &str, subject: &str, key: &[&str], part: &str) -> Pair {
    let path = |end: &str| dir.join(format!("{name}{end}"));
    let pair = Pair { certificate: path(".pem"), key: path(".key") };
    let configuration = dir.join("openssl.cnf");
    std::fs::write(&configuration, CONFIGURATION).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (configuration, to, out) = (text(&configuration), text(&pair.key), text(&pair.certificate));
    let made = ["req", "-x509", "-nodes", "-days", "30", "-config", &configuration, "-extensions", part];
    openssl(&[&made[..], &["-subj", subject, "-keyout", &to, "-out", &out], key].concat());
    pair
}

const P256: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

impl Authority {
    /// One that signs itself, in `dir`.
    pub fn new(dir: &Path, name: &str) -> Self {
        let own = signed_by_itself(dir, name, &format!("/CN={name}"), &P256, "ca");
        Self { dir: dir.to_owned(), own }
    }

    /// A certificate for `localhost` and 127.0.0.1.
    pub fn server(&self, name: &str, days: u32) -> Pair {
        let extensions = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n";
        self.issue(name, "/CN=localhost", extensions, days)
    }

    /// A client's, with a SPIFFE id.
    pub fn client(&self, name: &str) -> Pair {
        let extensions = format!("subjectAltName=URI:spiffe://acme/{name}\nextendedKeyUsage=clientAuth\n");
        self.issue(name, &format!("/O=Acme/CN={name}"), &extensions, 30)
    }

    /// An authority below this one.
    pub fn below(&self, name: &str) -> Self {
        let extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
        let own = self.issue(name, &format!("/CN={name}"), extensions, 30);
        Self { dir: self.dir.clone(), own }
    }

    fn issue(&self, name: &str, subject: &str, extensions: &str, days: u32) -> Pair {
        let path = |end: &str| self.dir.join(format!("{name}{end}"));
        let pair = Pair { certificate: path(".pem"), key: path(".key") };
        let (request, wants) = (path(".csr"), path(".ext"));
        let ids = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
        std::fs::write(&wants, format!("{extensions}{ids}")).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let made = ["req", "-nodes", "-subj", subject, "-keyout", &text(&pair.key), "-out", &text(&request)];
        openssl(&[&made[..], &P256].concat());
        openssl(&[
            "x509",
            "-req",
            "-in",
            &text(&request),
            "-CA",
            &text(&self.own.certificate),
            "-CAkey",
            &text(&self.own.key),
            "-CAcreateserial",
            "-days",
            &days.to_string(),
            "-extfile",
            &text(&wants),
            "-out",
            &text(&pair.certificate),
        ]);
        pair
    }
}

pub const EVERY: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];

/// A client that trusts the authority in `trusts`, and shows the certificate in `shows`.
pub fn client(
    trusts: &Path,
    shows: Option<&Pair>,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(trusts).unwrap() {
        roots.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match shows {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = CertificateDer::pem_file_iter(&pair.certificate).unwrap();
            let chain = chain.collect::<Result<_, _>>().unwrap();
            let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// A connection that a blocking client has.
pub struct Secured {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Secured {
    pub fn connect(to: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        let session = ClientConnection::new(Arc::clone(config), localhost()).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream })
    }

    /// The certificate that the door showed.
    pub fn shown(&self) -> CertificateDer<'static> {
        self.stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
    }

    /// One request of HTTP/1.1: the status and what comes with it.
    pub fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, String)> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        self.stream.write_all(&[head.as_bytes(), body].concat())?;
        let (mut read, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let length = self.stream.read(&mut piece)?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            read.extend_from_slice(&piece[..length]);
            let text = String::from_utf8_lossy(&read).into_owned();
            let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if rest.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
                return Ok((status.ok_or_else(|| io::Error::other(head.to_owned()))?, rest.to_owned()));
            }
        }
    }

    pub fn export(&mut self, body: &[u8]) -> io::Result<u16> {
        self.ask("POST", "/v1/traces", body).map(|(status, _)| status)
    }
}

/// A connection for HTTP/2.
pub async fn connect(
    to: SocketAddr,
    config: &Arc<ClientConfig>,
) -> io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    let stream = tokio::net::TcpStream::connect(to).await?;
    tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(localhost(), stream).await
}
