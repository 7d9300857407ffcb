//! What is signed: `TSTInfo` (RFC 3161, section 2.4.2).

use crate::error::TokenError;
use crate::read::{Algorithm, Item, numbered};
use crate::time::gen_time;
use std::time::Duration;
use x509_cert::der::Tag;
use x509_cert::der::oid::ObjectIdentifier;

#[derive(Debug)]
pub(crate) struct Info<'a> {
    pub(crate) policy: ObjectIdentifier,
    pub(crate) imprint_algorithm: Algorithm<'a>,
    pub(crate) imprint: &'a [u8],
    /// The bytes of an INTEGER.
    pub(crate) serial: &'a [u8],
    /// Since 1970.
    pub(crate) time: Duration,
    pub(crate) accuracy: Option<Duration>,
    /// The bytes of an INTEGER.
    pub(crate) nonce: Option<&'a [u8]>,
    /// A `GeneralName`.
    pub(crate) tsa: Option<Item<'a>>,
}

impl<'a> Info<'a> {
    pub(crate) fn read(content: &'a [u8]) -> Result<Self, TokenError> {
        let mut fields = Item::only(content, "TSTInfo")?.sequence("TSTInfo")?;
        let version = fields.next()?.value::<u32>()?;
        if version != 1 {
            return Err(TokenError::Version { what: "TSTInfo", found: version });
        }
        let policy = fields.next()?.oid()?;
        let mut message_imprint = fields.next()?.sequence("messageImprint")?;
        let imprint_algorithm = message_imprint.next()?.algorithm("algorithm of messageImprint")?;
        let imprint = message_imprint.next()?.octets()?;
        message_imprint.end()?;
        let serial = fields.next()?.integer()?;
        let text = fields.next()?.tagged(Tag::GeneralizedTime)?.any.value();
        let time = gen_time(text).map_err(|why| {
            let text = String::from_utf8_lossy(text).chars().take(40).collect();
            TokenError::GenTime { text, why }
        })?;
        let accuracy = fields.optional(Tag::Sequence)?.map(accuracy).transpose()?;
        // `ordering` says something of tokens beside each other. This one is looked at alone.
        fields.optional(Tag::Boolean)?.map(|one| one.value::<bool>()).transpose()?;
        let nonce = fields.optional(Tag::Integer)?.map(Item::integer).transpose()?;
        let tsa = match fields.optional(numbered(0, true))? {
            Some(item) => Some(Item::only(item.any.value(), "tsa")?),
            None => None,
        };
        if let Some(item) = fields.optional(numbered(1, true))? {
            extensions(item)?;
        }
        fields.end()?;
        Ok(Self { policy, imprint_algorithm, imprint, serial, time, accuracy, nonce, tsa })
    }
}

/// Fields that are left out are zero (section 2.4.2).
fn accuracy(item: Item<'_>) -> Result<Duration, TokenError> {
    let mut fields = item.sequence("accuracy")?;
    let seconds = fields.optional(Tag::Integer)?.map(|one| number(one, Tag::Integer)).transpose()?;
    let mut small = |tag: Tag| -> Result<u64, TokenError> {
        match fields.optional(tag)?.map(|one| number(one, tag)).transpose()? {
            None => Ok(0),
            Some(number @ 1..=999) => Ok(number),
            Some(_) => Err(TokenError::Accuracy),
        }
    };
    let (millis, micros) = (small(numbered(0, false))?, small(numbered(1, false))?);
    fields.end()?;
    let seconds = Duration::from_secs(seconds.unwrap_or_default());
    Ok(seconds + Duration::from_millis(millis) + Duration::from_micros(micros))
}

/// A number that fits a signed 32-bit one, so that no sum overflows.
fn number(item: Item<'_>, tag: Tag) -> Result<u64, TokenError> {
    let bytes = item.integer_tagged(tag)?;
    if bytes.len() > 4 || bytes[0] > 0x7f {
        return Err(TokenError::Accuracy);
    }
    Ok(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

/// `Extensions` without their tag. What is critical has to be understood (RFC 5280, section 4.2).
fn extensions(item: Item<'_>) -> Result<(), TokenError> {
    for extension in item.all(numbered(1, true), "extensions of TSTInfo")? {
        let mut fields = extension.sequence("extension of TSTInfo")?;
        let oid = fields.next()?.oid()?;
        let critical = fields.optional(Tag::Boolean)?.map(|one| one.value::<bool>()).transpose()?;
        fields.next()?.octets()?;
        fields.end()?;
        if critical == Some(true) {
            return Err(TokenError::CriticalExtension(oid));
        }
    }
    Ok(())
}
