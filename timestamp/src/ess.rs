//! Which certificates the signer names (RFC 2634, section 5.4; RFC 5035, sections 3 and 4; RFC 5816).

use crate::attributes::Attributes;
use crate::certificate::Certificate;
use crate::digest::Digest;
use crate::error::TokenError;
use crate::names;
use crate::read::{Item, Malformed};
use x509_cert::der::Tag;

/// The certificates that one attribute names, the signer's first.
#[derive(Debug)]
pub(crate) struct Named<'a>(Vec<CertId<'a>>);

/// `ESSCertID` or `ESSCertIDv2`.
#[derive(Debug)]
struct CertId<'a> {
    /// SHA-1 where there is none. The signer's own key signs this, so nobody else can choose what collides.
    digest: Option<Digest>,
    hash: &'a [u8],
    /// The names of the issuer, and the bytes of the serial number.
    issued: Option<(Vec<Item<'a>>, &'a [u8])>,
}

/// What the attributes say. Each is evaluated for itself (RFC 5035, section 3).
pub(crate) fn named<'a>(attributes: &Attributes<'a>) -> Result<Vec<Named<'a>>, TokenError> {
    let versions = [(attributes.signing_certificate, 1), (attributes.signing_certificate_v2, 2)];
    let present = versions.into_iter().filter_map(|(value, version)| Some((value?, version)));
    present.map(|(value, version)| Named::read(value, version)).collect()
}

impl<'a> Named<'a> {
    fn read(value: Item<'a>, version: u8) -> Result<Self, TokenError> {
        let mut fields = value.sequence("signing-certificate")?;
        let ids = fields.next()?.all(Tag::Sequence, "certs of signing-certificate")?;
        // Policies of the signer's own: the caller has the list of those that are allowed.
        fields.optional(Tag::Sequence)?;
        fields.end()?;
        Ok(Self(ids.into_iter().map(|one| CertId::read(one, version)).collect::<Result<_, _>>()?))
    }

    /// The first id is the signer's certificate.
    pub(crate) fn check_signer(&self, signer: &Certificate<'_>) -> Result<(), TokenError> {
        let first = self.0.first().is_some_and(|one| one.is(signer));
        if first { Ok(()) } else { Err(TokenError::SigningCertificate) }
    }

    /// Where further certificates are named, no others may be used between signer and root, and OpenSSL asks that all of
    /// them are.
    pub(crate) fn check_path(&self, path: &[Certificate<'_>]) -> Result<(), TokenError> {
        let between = path.get(1..path.len().saturating_sub(1)).unwrap_or_default();
        let are_named = between.iter().all(|one| self.0.iter().any(|id| id.is(one)));
        let are_used = self.0.iter().all(|id| path.iter().any(|one| id.is(one)));
        let fits = self.0.len() < 2 || (are_named && are_used);
        if fits { Ok(()) } else { Err(TokenError::SigningCertificateChain) }
    }
}

impl<'a> CertId<'a> {
    fn read(item: Item<'a>, version: u8) -> Result<Self, TokenError> {
        let mut fields = item.sequence("ESSCertID")?;
        let digest = match (version, fields.optional(Tag::Sequence)?) {
            (1, None) => None,
            (2, None) => Some(Digest::Sha256),
            (_, Some(item)) if version == 2 => {
                let algorithm = item.algorithm("hashAlgorithm of ESSCertIDv2")?;
                Some(Digest::named(&algorithm).ok_or(TokenError::DigestAlgorithm(algorithm.oid))?)
            }
            _ => return Err(TokenError::SigningCertificate),
        };
        let hash = fields.next()?.octets()?;
        let issued = fields.optional(Tag::Sequence)?.map(issuer_serial).transpose()?;
        fields.end()?;
        Ok(Self { digest, hash, issued })
    }

    fn is(&self, certificate: &Certificate<'_>) -> bool {
        let hash = match self.digest {
            Some(digest) => digest.hash(certificate.der),
            None => ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, certificate.der),
        };
        let issued = self.issued.as_ref().is_none_or(|(issuer, serial)| {
            let by = |name| names::is_directory_name(name, certificate.issuer);
            *serial == certificate.serial && matches!(&issuer[..], [name] if by(name))
        });
        hash.as_ref() == self.hash && issued
    }
}

fn issuer_serial(item: Item<'_>) -> Result<(Vec<Item<'_>>, &[u8]), Malformed> {
    let mut fields = item.sequence("issuerSerial")?;
    let issuer = fields.next()?.all(Tag::Sequence, "issuer of issuerSerial")?;
    let serial = fields.next()?.integer()?;
    fields.end()?;
    Ok((issuer, serial))
}
