//! What a certificate says of whom it is made out to, and until when.
//!
//! Only certificates that rustls has verified, and the door's own, are read here.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::time::Duration;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Who a client is, by its certificate, which an authority of the door's has signed. It stands in the
/// request's extensions, in an `Arc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// In the form of RFC 4514: `CN=agent,O=Acme`.
    pub subject: String,
    /// The common name in the subject, as it is, where there is one and no more.
    pub common_name: Option<String>,
    /// URIs among the alternative names: a SPIFFE id is one.
    pub uris: Vec<String>,
    /// DNS names among the alternative names.
    pub dns: Vec<String>,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
}

/// A certificate can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the certificate can't be read: {0}")]
pub struct Unreadable(#[from] x509_cert::der::Error);

impl ClientCertificate {
    /// # Errors
    /// It is no certificate, or has a part of another form than RFC 5280's.
    pub fn read(der: &[u8]) -> Result<Self, Unreadable> {
        let certificate = Certificate::from_der(der)?;
        let tbs = certificate.tbs_certificate();
        let names = tbs.subject().iter().filter(|part| part.oid == COMMON_NAME).count();
        let common_name = tbs.subject().common_name().ok().flatten().filter(|_| names == 1);
        let common_name = common_name.map(|name| name.value().into_owned());
        let (mut uris, mut dns) = (Vec::new(), Vec::new());
        let names = tbs.get_extension::<SubjectAltName>()?;
        for name in names.map(|(_, names)| names.0).unwrap_or_default() {
            match name {
                GeneralName::UniformResourceIdentifier(uri) => uris.push(uri.to_string()),
                GeneralName::DnsName(name) => dns.push(name.to_string()),
                _ => {}
            }
        }
        let subject = tbs.subject().to_string();
        Ok(Self { subject, common_name, uris, dns, fingerprint: Sha256::digest(der).into() })
    }
}

/// When a certificate ends, after 1970.
///
/// # Errors
/// As [`ClientCertificate::read`].
pub fn not_after(certificate: &CertificateDer<'_>) -> Result<Duration, Unreadable> {
    Ok(Certificate::from_der(certificate)?.tbs_certificate().validity().not_after.to_unix_duration())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject;

    fn certificate(name: &str) -> CertificateDer<'static> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls/");
        CertificateDer::from_pem_file(format!("{folder}{name}")).unwrap()
    }

    #[test]
    fn a_certificate_says_who_and_until_when() {
        let der = certificate("client.pem");
        let read = ClientCertificate::read(&der).unwrap();
        assert_eq!(read.subject, r"CN=agent\, one,OU=Support,O=Acme Ltd");
        assert_eq!(read.common_name.as_deref(), Some("agent, one"));
        assert_eq!(read.uris, ["spiffe://acme.example/ns/agents/sa/one"]);
        assert_eq!(read.dns, ["agent-one.acme.example"]);
        assert_eq!(read.fingerprint[..], Sha256::digest(&der)[..]);
        // A hundred years from 2026.
        assert!(not_after(&der).unwrap() > Duration::from_secs(4_900_000_000));
    }

    #[test]
    fn what_is_cut_short_or_changed_is_told() {
        let der = certificate("client.pem");
        for end in 0..der.len() {
            assert!(ClientCertificate::read(&der[..end]).is_err(), "{end}");
        }
        for at in 0..der.len() {
            let mut changed = der.to_vec();
            changed[at] ^= 0x55;
            // No panic; what it says then does not matter, as rustls would refuse it.
            let _ = ClientCertificate::read(&changed);
        }
    }
}
