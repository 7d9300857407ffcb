//! The chain of certificates from the signer to a root, at the time that the token tells (RFC 5280, section 6.1).

use crate::certificate::Certificate;
use crate::error::TokenError;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// The contents of the identifier of time-stamping, 1.3.6.1.5.5.7.3.8.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

/// The DER of the certificates from the signer's to the root, both included. Certificates between them that have an extended
/// key usage need time-stamping in it; the signer's is looked at elsewhere.
pub(crate) fn lead(
    signer: &EndEntityCert<'_>,
    further: &[CertificateDer<'_>],
    roots: &[&[u8]],
    time: Duration,
) -> Result<Vec<Vec<u8>>, TokenError> {
    let roots: Vec<CertificateDer<'_>> = roots.iter().map(|root| CertificateDer::from(*root)).collect();
    let mut anchors: Vec<TrustAnchor<'_>> = Vec::with_capacity(roots.len());
    for (at, root) in roots.iter().enumerate() {
        let anchor = anchor_from_trusted_cert(root);
        anchors.push(anchor.map_err(|why| TokenError::Root { at, why })?);
    }
    let usage = KeyUsage::required_if_present(TIME_STAMPING);
    let moment = UnixTime::since_unix_epoch(time);
    let path = signer
        .verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, further, moment, usage, None, None)
        .map_err(TokenError::Chain)?;
    let mut chain = vec![signer.der().to_vec()];
    chain.extend(path.intermediate_certificates().map(|one| one.der().to_vec()));
    // The anchor is one of those above.
    let root = anchors.iter().position(|one| one == path.anchor());
    chain.extend(root.and_then(|at| roots.get(at)).map(|root| root.to_vec()));
    Ok(chain)
}

/// What the library does not look at: the key usage of those who certify, and the root's validity.
pub(crate) fn check(path: &[Certificate<'_>], time: Duration) -> Result<(), TokenError> {
    for one in path.iter().skip(1) {
        one.check_certifies()?;
    }
    match path.last() {
        Some(root) => root.check_validity("the root certificate", time),
        None => Ok(()),
    }
}
