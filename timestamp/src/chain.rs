//! The chain of certificates from the signer to a root, at the time that the token tells (RFC 5280, section 6.1).

use crate::certificate::Certificate;
use crate::error::TokenError;
use crate::ess::Named;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::cell::RefCell;
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, VerifiedPath, anchor_from_trusted_cert};

/// The contents of the identifier of time-stamping, 1.3.6.1.5.5.7.3.8.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

/// What a chain has to fit.
pub(crate) struct Demands<'a> {
    pub(crate) time: Duration,
    /// Certificates that may stand between. They are not trusted.
    pub(crate) further: &'a [CertificateDer<'a>],
    pub(crate) roots: &'a [&'a [u8]],
    /// What the signer says of the chain.
    pub(crate) named: &'a [Named<'a>],
}

impl Demands<'_> {
    /// The DER of the certificates from the signer's to the root, both included. Where several chains lead to a root, the first
    /// that fits is taken. Certificates between them that have an extended key usage need time-stamping in it; the signer's is
    /// looked at elsewhere.
    pub(crate) fn lead(&self, signer: &EndEntityCert<'_>) -> Result<Vec<Vec<u8>>, TokenError> {
        let roots: Vec<CertificateDer<'_>> =
            self.roots.iter().map(|root| CertificateDer::from(*root)).collect();
        let mut anchors: Vec<TrustAnchor<'_>> = Vec::with_capacity(roots.len());
        for (at, root) in roots.iter().enumerate() {
            let anchor = anchor_from_trusted_cert(root);
            anchors.push(anchor.map_err(|why| TokenError::Root { at, why })?);
        }
        let found = RefCell::new(None);
        let judge = |path: &VerifiedPath<'_>| {
            let between = path.intermediate_certificates().map(|one| one.der().to_vec());
            let start: Vec<Vec<u8>> = std::iter::once(signer.der().to_vec()).chain(between).collect();
            // A key may have several certificates, of several times.
            let ends = self.roots.iter().zip(&anchors).filter(|(_, anchor)| *anchor == path.anchor());
            for (root, _) in ends {
                let chain = [&start[..], &[root.to_vec()]].concat();
                let fits = self.fits(&chain).map(|()| chain);
                let done = fits.is_ok();
                *found.borrow_mut() = Some(fits);
                if done {
                    return Ok(());
                }
            }
            Err(webpki::Error::UnknownIssuer)
        };
        let usage = KeyUsage::required_if_present(TIME_STAMPING);
        let moment = UnixTime::since_unix_epoch(self.time);
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        let path =
            signer.verify_for_usage(algorithms, &anchors, self.further, moment, usage, None, Some(&judge));
        let why = path.err().unwrap_or(webpki::Error::UnknownIssuer);
        // Of chains that lead to a root and do not fit, what is wrong with the last says more.
        found.into_inner().unwrap_or(Err(TokenError::Chain(why)))
    }

    /// What the library does not look at: the key usage of those who certify, the root's validity, and which certificates the
    /// signer names.
    fn fits(&self, chain: &[Vec<u8>]) -> Result<(), TokenError> {
        let path = chain.iter().map(|one| Certificate::read(one)).collect::<Result<Vec<_>, _>>()?;
        for one in path.iter().skip(1) {
            one.check_certifies()?;
        }
        if let Some(root) = path.last() {
            root.check_validity("the root certificate", self.time)?;
        }
        self.named.iter().try_for_each(|one| one.check_path(&path))
    }
}
