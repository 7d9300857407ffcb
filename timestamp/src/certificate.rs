//! What is asked of certificates beyond what the library of chains asks.

use crate::error::TokenError;
use crate::names;
use crate::oid;
use crate::read::{Item, Malformed, numbered};
use std::time::Duration;
use x509_cert::der::Tag;
use x509_cert::der::asn1::BitStringRef;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::time::Validity;

/// A certificate that was read (RFC 5280, section 4.1). Nothing of it is verified.
#[derive(Clone, Debug)]
pub(crate) struct Certificate<'a> {
    pub(crate) der: &'a [u8],
    /// The DER of a name.
    pub(crate) issuer: &'a [u8],
    /// The bytes of an INTEGER.
    pub(crate) serial: &'a [u8],
    /// The DER of a name.
    pub(crate) subject: &'a [u8],
    from: Duration,
    until: Duration,
    extensions: Vec<Extension<'a>>,
}

#[derive(Clone, Debug)]
struct Extension<'a> {
    oid: ObjectIdentifier,
    critical: bool,
    value: &'a [u8],
}

impl<'a> Certificate<'a> {
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Item::only(der, "certificate")?.sequence("certificate")?;
        let mut body = fields.next()?.sequence("tbsCertificate")?;
        // The library of chains takes version 3 alone.
        body.optional(numbered(0, true))?;
        let serial = body.next()?.integer()?;
        body.next()?;
        let issuer = body.next()?.tagged(Tag::Sequence)?.whole;
        let validity = body.next()?.value::<Validity>()?;
        let subject = body.next()?.tagged(Tag::Sequence)?.whole;
        body.next()?;
        let mut extensions = Vec::new();
        while let Some(field) = body.maybe()? {
            if field.is(numbered(3, true)) {
                let list = Item::only(field.any.value(), "extensions")?;
                for one in list.all(Tag::Sequence, "extensions")? {
                    extensions.push(Extension::read(one)?);
                }
            }
        }
        let (from, until) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
        Ok(Self { der, issuer, serial, subject, from, until, extensions })
    }

    /// The one extension with this identifier: none, where there are several.
    fn extension(&self, oid: ObjectIdentifier) -> Option<&Extension<'a>> {
        let mut all = self.extensions.iter().filter(|one| one.oid == oid);
        all.next().filter(|_| all.next().is_none())
    }

    pub(crate) fn has_key_id(&self, id: &[u8]) -> bool {
        let found = self.extension(oid::SUBJECT_KEY_IDENTIFIER);
        let value = found.and_then(|one| Item::only(one.value, "subjectKeyIdentifier").ok()?.octets().ok());
        value == Some(id)
    }

    /// Both ends belong to it (RFC 5280, section 4.1.2.5).
    pub(crate) fn check_validity(&self, which: &'static str, time: Duration) -> Result<(), TokenError> {
        let (from, until) = (self.from, self.until);
        // The ends are whole seconds, and the last one is not over before the next begins.
        if from <= time && time.as_secs() <= until.as_secs() {
            return Ok(());
        }
        Err(TokenError::Validity { which, from, until, time })
    }

    /// Time-stamping is the one use, and the extension is critical (RFC 3161, section 2.3).
    pub(crate) fn check_usage(&self) -> Result<(), TokenError> {
        let usage = self.extension(oid::EXTENDED_KEY_USAGE).ok_or(TokenError::NotForTimeStamping)?;
        let uses = Item::only(usage.value, "extKeyUsage")?.all(Tag::Sequence, "extKeyUsage")?;
        let uses = uses.into_iter().map(Item::oid).collect::<Result<Vec<_>, _>>()?;
        if !uses.contains(&oid::TIME_STAMPING) {
            return Err(TokenError::NotForTimeStamping);
        }
        if uses.len() > 1 {
            return Err(TokenError::UsageNotAlone);
        }
        if !usage.critical {
            return Err(TokenError::UsageNotCritical);
        }
        Ok(())
    }

    /// Where it has a key usage, that is for signatures, and for nothing else: 0 is digitalSignature, 1 nonRepudiation (RFC
    /// 5280, section 4.2.1.3, and what OpenSSL asks of a time-stamping certificate).
    pub(crate) fn check_signs(&self) -> Result<(), TokenError> {
        match self.key_usage()? {
            Some(bits) if bits.is_empty() || bits.iter().any(|bit| *bit > 1) => {
                Err(TokenError::KeyUsage("the signer's certificate"))
            }
            _ => Ok(()),
        }
    }

    /// Where it has a key usage, keyCertSign (5) is in it (RFC 5280, section 6.1.4 (n)).
    pub(crate) fn check_certifies(&self) -> Result<(), TokenError> {
        match self.key_usage()? {
            Some(bits) if !bits.contains(&5) => Err(TokenError::KeyUsage("a certificate above the signer's")),
            _ => Ok(()),
        }
    }

    fn key_usage(&self) -> Result<Option<Vec<usize>>, Malformed> {
        let Some(usage) = self.extension(oid::KEY_USAGE) else { return Ok(None) };
        let bits = Item::only(usage.value, "keyUsage")?.value::<BitStringRef<'_>>()?;
        Ok(Some(bits.bits().enumerate().filter_map(|(at, set)| set.then_some(at)).collect()))
    }

    /// Whether a `GeneralName` is the subject, or one of its further names.
    pub(crate) fn is_called(&self, name: &Item<'_>) -> bool {
        if names::is_directory_name(name, self.subject) {
            return true;
        }
        let found = self.extension(oid::SUBJECT_ALT_NAME);
        let further = found.and_then(|one| {
            Item::only(one.value, "subjectAltName").ok()?.all(Tag::Sequence, "subjectAltName").ok()
        });
        further.is_some_and(|all| all.iter().any(|one| one.whole == name.whole))
    }
}

impl<'a> Extension<'a> {
    fn read(item: Item<'a>) -> Result<Self, Malformed> {
        let mut fields = item.sequence("extension")?;
        let oid = fields.next()?.oid()?;
        let critical = fields.optional(Tag::Boolean)?.map(|one| one.value::<bool>()).transpose()?;
        let value = fields.next()?.octets()?;
        fields.end()?;
        Ok(Self { oid, critical: critical.unwrap_or_default(), value })
    }
}
