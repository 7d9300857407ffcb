//! The signed attributes (RFC 5652, sections 5.3 and 11).

use crate::cms::SignedData;
use crate::error::TokenError;
use crate::oid;
use crate::read::{Item, Malformed};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Encode, Header, Length, Tag};

/// Those that a token needs, and the bytes that were signed.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    /// A SET OF in DER (section 5.4): in the token its tag is another.
    pub(crate) signed: Vec<u8>,
    /// The values of signing-certificate, in its first and its second version.
    pub(crate) signing_certificate: Option<Item<'a>>,
    pub(crate) signing_certificate_v2: Option<Item<'a>>,
}

const NAMES: &[(ObjectIdentifier, &str)] = &[
    (oid::CONTENT_TYPE, "content-type"),
    (oid::MESSAGE_DIGEST, "message-digest"),
    (oid::SIGNING_CERTIFICATE, "signing-certificate"),
    (oid::SIGNING_CERTIFICATE_V2, "signing-certificate-v2"),
];

impl<'a> Attributes<'a> {
    /// Reads the attributes, and holds content-type and message-digest against the content.
    pub(crate) fn check(data: &SignedData<'a>) -> Result<Self, TokenError> {
        let bytes = data.signer.attributes;
        let header = Header::new(Tag::Set, length(bytes)?).to_der().map_err(unwritten)?;
        let signed = [&header[..], bytes].concat();
        let found = read(bytes)?;
        let [content_type, message_digest, signing_certificate, signing_certificate_v2] = found;

        let content_type = content_type.ok_or(TokenError::AttributeMissing("content-type"))?.oid()?;
        if content_type != oid::TST_INFO {
            return Err(TokenError::ContentTypeAttribute(content_type));
        }
        let message_digest =
            message_digest.ok_or(TokenError::AttributeMissing("message-digest"))?.octets()?;
        if message_digest != data.signer.digest.hash(data.content).as_ref() {
            return Err(TokenError::MessageDigest);
        }
        if signing_certificate.is_none() && signing_certificate_v2.is_none() {
            return Err(TokenError::AttributeMissing("signing-certificate"));
        }
        Ok(Self { signed, signing_certificate, signing_certificate_v2 })
    }
}

/// The values of the attributes in `NAMES`. In DER the members of a set stand in the order of their bytes (X.690, section
/// 11.6), so none is there twice.
fn read(bytes: &[u8]) -> Result<[Option<Item<'_>>; NAMES.len()], TokenError> {
    let mut found = [None; NAMES.len()];
    let mut last: &[u8] = &[];
    for attribute in crate::read::members(bytes, "signed attributes")? {
        if attribute.whole <= last {
            return Err(TokenError::AttributeOrder);
        }
        last = attribute.whole;
        let mut fields = attribute.sequence("signed attribute")?;
        let oid = fields.next()?.oid()?;
        let values = fields.next()?.all(Tag::Set, "values of a signed attribute")?;
        fields.end()?;
        if !values.is_sorted_by(|one, next| one.whole <= next.whole) {
            return Err(TokenError::AttributeOrder);
        }
        let Some(at) = NAMES.iter().position(|(known, _)| *known == oid) else { continue };
        match (&values[..], found[at]) {
            ([one], None) => found[at] = Some(*one),
            _ => return Err(TokenError::AttributeRepeated(NAMES[at].1)),
        }
    }
    Ok(found)
}

fn length(bytes: &[u8]) -> Result<Length, TokenError> {
    Ok(Length::try_from(bytes.len()).map_err(unwritten)?)
}

fn unwritten(why: x509_cert::der::Error) -> Malformed {
    Malformed { place: "signed attributes", why }
}
