//! From certificates and keys in PEM to what a door speaks TLS with.

use super::certificate::not_after;
use super::{MinVersion, TlsSettings};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The contents of the files that a door's settings name.
#[derive(Clone, Debug)]
pub struct Pem {
    pub certificates: Vec<u8>,
    pub key: Vec<u8>,
    pub authorities: Option<Vec<u8>>,
}

/// What a door speaks TLS with.
#[derive(Clone, Debug)]
pub struct Served {
    pub config: Arc<ServerConfig>,
    /// Clients are asked for a certificate.
    pub asks_clients: bool,
    /// When the door's certificate ends, after 1970.
    pub not_after: Duration,
}

/// A file can't be used: which, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct TlsError {
    pub path: PathBuf,
    pub what: String,
}

impl TlsError {
    pub fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), what: what.into() }
    }
}

/// Who is asked for a certificate, and in which protocols the door speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/2 and HTTP/1.1; where there are authorities, every client needs a certificate of theirs.
    Both,
    /// HTTP/1.1; a client may come without a certificate, and its requests tell.
    Http1,
}

/// # Errors
/// What is in one of the files can't be used.
pub fn server(settings: &TlsSettings, pem: &Pem, speaks: Speaks) -> Result<Served, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = certificates(&settings.cert_file, &pem.certificates)?;
    let Some(own) = chain.first() else {
        return Err(TlsError::new(&settings.cert_file, "holds no certificate in PEM"));
    };
    let not_after = not_after(own).map_err(|error| TlsError::new(&settings.cert_file, error.to_string()))?;
    let key = key(&settings.key_file, &pem.key)?;
    let versions: &[&SupportedProtocolVersion] = match settings.min_version {
        MinVersion::Tls12 => &[&TLS12, &TLS13],
        MinVersion::Tls13 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| TlsError::new(&settings.cert_file, error.to_string()))?;
    let authorities = settings.client_ca_file.as_deref().zip(pem.authorities.as_deref());
    let builder = match authorities {
        None => builder.with_no_client_auth(),
        Some((path, pem)) => builder.with_client_cert_verifier(verifier(path, pem, &provider, speaks)?),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::new(&settings.key_file, of_key(&error, &settings.cert_file)))?;
    config.alpn_protocols = match speaks {
        Speaks::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Speaks::Http1 => vec![b"http/1.1".to_vec()],
    };
    if authorities.is_some() {
        // A session that is resumed is not verified again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
    }
    Ok(Served { config: Arc::new(config), asks_clients: authorities.is_some(), not_after })
}

fn verifier(
    path: &Path,
    pem: &[u8],
    provider: &Arc<CryptoProvider>,
    speaks: Speaks,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path, pem)? {
        let unusable = |error| TlsError::new(path, format!("holds an unusable certificate: {error}"));
        roots.add(authority).map_err(unusable)?;
    }
    if roots.is_empty() {
        return Err(TlsError::new(
            path,
            "holds no certificate in PEM; it has to hold those of the authorities",
        ));
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
    let builder = if speaks == Speaks::Http1 { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|error| TlsError::new(path, error.to_string()))
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error| TlsError::new(path, format!("can't be read as PEM: {error}"));
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(unreadable)
}

fn key(path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    // PKCS#8 says so in the section's name, the older forms in a line of the section.
    let encrypted = |marker: &[u8]| pem.windows(marker.len()).any(|window| window == marker);
    if encrypted(b"BEGIN ENCRYPTED PRIVATE KEY") || encrypted(b"Proc-Type: 4,ENCRYPTED") {
        let how =
            format!("the key is encrypted; decrypt it first: openssl pkey -in {} -out NEW", path.display());
        return Err(TlsError::new(path, how));
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        let what = "holds no private key in PEM that can be read (PKCS#8, PKCS#1 or SEC1)";
        TlsError::new(path, what)
    })
}

/// Why a key can't be used.
fn of_key(error: &Error, certificate: &Path) -> String {
    if matches!(error, Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) {
        return format!(
            "the key is not that of the first certificate in {}; the two have to be made for each other, and a chain has \
             to begin with the door's own certificate",
            certificate.display()
        );
    }
    format!(
        "the key can't be used: {error}; RSA of 2048 bits or more, ECDSA (P-256, P-384) and Ed25519 can be"
    )
}
