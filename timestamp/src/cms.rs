//! Signed data (RFC 5652, section 5), as far as a time-stamp token has it.
//!
//! The library's own types (`cms` 0.2.3) would bring a second `der` into the tree, and refuse sets whose members are not
//! sorted, which OpenSSL writes where DER asks for the order and nothing is signed: so here are the few that are needed.

use crate::certificate::Certificate;
use crate::digest::Digest;
use crate::error::TokenError;
use crate::oid;
use crate::read::{Algorithm, Item, numbered};
use x509_cert::der::Tag;

#[derive(Debug)]
pub(crate) struct SignedData<'a> {
    /// The DER of `TSTInfo`.
    pub(crate) content: &'a [u8],
    /// In the token's order.
    pub(crate) certificates: Vec<Certificate<'a>>,
    pub(crate) signer: Signer<'a>,
}

/// The one signature.
#[derive(Debug)]
pub(crate) struct Signer<'a> {
    pub(crate) id: SignerId<'a>,
    pub(crate) digest: Digest,
    /// The attributes, one after the other.
    pub(crate) attributes: &'a [u8],
    pub(crate) algorithm: Algorithm<'a>,
    pub(crate) signature: &'a [u8],
}

/// Whose certificate the signer's is.
#[derive(Debug)]
pub(crate) enum SignerId<'a> {
    /// The DER of the issuer's name, and the bytes of the serial number.
    Issued { issuer: &'a [u8], serial: &'a [u8] },
    /// The certificate's key identifier.
    Key(&'a [u8]),
}

impl<'a> SignedData<'a> {
    /// From a `ContentInfo` (section 3).
    pub(crate) fn read(token: Item<'a>) -> Result<Self, TokenError> {
        let mut fields = token.sequence("ContentInfo")?;
        let content_type = fields.next()?.oid()?;
        if content_type != oid::SIGNED_DATA {
            return Err(TokenError::NotSignedData(content_type));
        }
        let content = fields.next()?.tagged(numbered(0, true))?.any.value();
        fields.end()?;

        let mut fields = Item::only(content, "SignedData")?.sequence("SignedData")?;
        version("SignedData", fields.next()?, &[1, 3, 4, 5])?;
        let digests = fields.next()?.all(Tag::Set, "digestAlgorithms")?;
        let content = encapsulated(fields.next()?)?;
        let certificates = match fields.optional(numbered(0, true))? {
            Some(set) => set.all(numbered(0, true), "certificates")?,
            None => Vec::new(),
        };
        // Lists of revoked certificates: revocation is not looked at.
        fields.optional(numbered(1, true))?;
        let signers = fields.next()?.all(Tag::Set, "signerInfos")?;
        fields.end()?;
        let [signer] = signers[..] else { return Err(TokenError::Signers(signers.len())) };
        let signer = Signer::read(signer)?;

        let mut listed = false;
        for one in digests {
            let algorithm = one.algorithm("digestAlgorithms")?;
            listed |= Digest::named(&algorithm) == Some(signer.digest);
        }
        if !listed {
            return Err(TokenError::DigestNotListed(signer.digest));
        }
        let mut read = Vec::new();
        for one in certificates {
            // Other kinds of certificates (section 10.2.2) sign no token.
            if !(0..4).any(|kind| one.is(numbered(kind, true))) {
                read.push(Certificate::read(one.whole)?);
            }
        }
        Ok(Self { content, certificates: read, signer })
    }
}

/// The content, which is no other than `TSTInfo` (RFC 3161, section 2.4.2).
fn encapsulated(item: Item<'_>) -> Result<&[u8], TokenError> {
    let mut fields = item.sequence("encapContentInfo")?;
    let content_type = fields.next()?.oid()?;
    if content_type != oid::TST_INFO {
        return Err(TokenError::NotTstInfo(content_type));
    }
    let content = fields.maybe()?.ok_or(TokenError::NoContent)?;
    fields.end()?;
    let content = content.tagged(numbered(0, true))?.any.value();
    Ok(Item::only(content, "eContent")?.octets()?)
}

fn version(what: &'static str, item: Item<'_>, known: &[u32]) -> Result<(), TokenError> {
    let found = item.value::<u32>()?;
    if known.contains(&found) { Ok(()) } else { Err(TokenError::Version { what, found }) }
}

impl<'a> Signer<'a> {
    fn read(item: Item<'a>) -> Result<Self, TokenError> {
        let mut fields = item.sequence("SignerInfo")?;
        let number = fields.next()?;
        let id = fields.next()?;
        // Section 5.3: the version says which kind of id follows.
        let id = if id.is(numbered(0, false)) {
            version("SignerInfo", number, &[3])?;
            SignerId::Key(id.any.value())
        } else {
            version("SignerInfo", number, &[1])?;
            let mut parts = id.sequence("issuerAndSerialNumber")?;
            let issuer = parts.next()?.tagged(Tag::Sequence)?.whole;
            let serial = parts.next()?.integer()?;
            parts.end()?;
            SignerId::Issued { issuer, serial }
        };
        let digest = fields.next()?.algorithm("digestAlgorithm")?;
        let digest = Digest::named(&digest).ok_or(TokenError::DigestAlgorithm(digest.oid))?;
        let attributes = fields.optional(numbered(0, true))?.ok_or(TokenError::NoAttributes)?;
        let algorithm = fields.next()?.algorithm("signatureAlgorithm")?;
        let signature = fields.next()?.octets()?;
        // Attributes that nobody signed say nothing.
        fields.optional(numbered(1, true))?;
        fields.end()?;
        Ok(Self { id, digest, attributes: attributes.any.value(), algorithm, signature })
    }
}
