//! What a time-stamping service answers (RFC 3161, section 2.4.2).

use crate::error::TokenError;
use crate::read::{Item, Malformed};
use x509_cert::der::Tag;
use x509_cert::der::asn1::{BitStringRef, Utf8StringRef};

/// What a service says is wrong with a request: the bits of `PKIFailureInfo`.
const FAILURES: &[(usize, &str)] = &[
    (0, "badAlg"),
    (2, "badRequest"),
    (5, "badDataFormat"),
    (14, "timeNotAvailable"),
    (15, "unacceptedPolicy"),
    (16, "unacceptedExtension"),
    (17, "addInfoNotAvailable"),
    (25, "systemFailure"),
];

/// Characters of a service's text that are told.
const MAX_TEXT: usize = 500;

/// The `ContentInfo` of the token: out of a `TimeStampResp`, or as it is.
///
/// # Errors
/// The service gave no token, or the bytes are neither.
pub(crate) fn token(bytes: &[u8]) -> Result<Item<'_>, TokenError> {
    let outer = Item::only(bytes, "answer of the time-stamping service")?;
    let mut fields = outer.sequence("TimeStampResp")?;
    let first = fields.next()?;
    if first.is(Tag::ObjectIdentifier) {
        return Ok(outer);
    }
    let token = fields.maybe()?;
    fields.end()?;
    granted(first)?;
    token.ok_or(TokenError::NoToken)
}

/// Only 0 (granted) and 1 (granted with modifications) come with a token.
fn granted(info: Item<'_>) -> Result<(), TokenError> {
    let mut fields = info.sequence("PKIStatusInfo")?;
    let status = fields.next()?.value::<u32>()?;
    let text = fields.optional(Tag::Sequence)?.map(free_text).transpose()?;
    let failures = fields.optional(Tag::BitString)?.map(failures).transpose()?;
    fields.end()?;
    if status <= 1 {
        return Ok(());
    }
    let name = match status {
        2 => "rejection",
        3 => "waiting",
        4 => "revocationWarning",
        5 => "revocationNotification",
        _ => "a status that RFC 3161 does not have",
    };
    let (text, failures) = (text.unwrap_or_default(), failures.unwrap_or_default());
    Err(TokenError::Refused { status, name, text, failures })
}

fn free_text(item: Item<'_>) -> Result<String, Malformed> {
    let mut texts = Vec::new();
    for one in item.all(Tag::Sequence, "PKIFreeText")? {
        texts.push(one.value::<Utf8StringRef<'_>>()?.as_str());
    }
    let characters = texts.iter().enumerate().flat_map(|(at, text)| {
        let between = if at == 0 { "" } else { "; " };
        between.chars().chain(text.chars())
    });
    Ok(characters.take(MAX_TEXT).collect())
}

fn failures(item: Item<'_>) -> Result<String, Malformed> {
    let bits = item.value::<BitStringRef<'_>>()?;
    let set = bits.bits().enumerate().filter_map(|(at, set)| set.then_some(at));
    let name = |bit: usize| {
        let known = FAILURES.iter().find(|(at, _)| *at == bit);
        known.map_or_else(|| format!("bit {bit}"), |(_, name)| (*name).to_owned())
    };
    // A service has few reasons; a text of a million bits is none.
    Ok(set.take(8).map(name).collect::<Vec<_>>().join(", "))
}
