//! Record ids, derived from the origin's own identity.
//!
//! The same span, sent again by anyone at any time, gets the same id, so a resend is recognised
//! and `halo verify`, which fails on a repeated id, is an outside check on exactly-once. The tenant
//! is part of what is hashed: ids of two tenants never meet, and none can guess another's.

use super::hash::parse_hex;
use super::tenant::Tenant;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// 128 bits in UUID form, version 8 (RFC 9562, section 5.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordId([u8; 16]);

/// What an id is derived from; the name keeps the derivations apart.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    /// Trace id, span id.
    Span,
    /// The hash of what tells a log record from every other one.
    Log,
    /// The space and the parts of an id that the sender gave.
    Keyed,
    /// The id of the record of another call with the same origin, the digest of its own call's id.
    Call,
    /// The id of the record that is contradicted, the hash of the contradicting content.
    Conflict,
    /// The id of the record that is amended, the hash of what amends it.
    Update,
    /// What halod says of itself: the notice's kind and the facts that make it one of a kind.
    Notice,
}

/// What a part of a sender's id is kept as where it waits on disk: its hash, as an id may hold
/// anything, unless it is one of OpenTelemetry's. What is kept already stays as it is.
#[must_use]
pub fn kept_part(part: &str) -> Cow<'_, str> {
    const MARK: &str = "#";
    let is_kept = part.strip_prefix(MARK).is_some_and(|rest| parse_hex::<32>(rest.as_bytes()).is_some());
    if is_kept || parse_hex::<16>(part.as_bytes()).is_some() || parse_hex::<8>(part.as_bytes()).is_some() {
        return Cow::Borrowed(part);
    }
    let mut kept = MARK.as_bytes().to_vec();
    super::hash::write_hex(&super::hash::sha256(part.as_bytes()), &mut kept);
    Cow::Owned(String::from_utf8(kept).unwrap_or_default())
}

fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl RecordId {
    /// SHA-256 over the domain, the tenant and the length-prefixed parts, cut to 128 bits.
    #[must_use]
    pub fn derive(origin: Origin, tenant: &Tenant, parts: &[&[u8]]) -> Self {
        let domain: &[u8] = match origin {
            Origin::Span => b"halod/record-id/1 span\0",
            Origin::Log => b"halod/record-id/1 log\0",
            Origin::Keyed => b"halod/record-id/1 keyed\0",
            Origin::Call => b"halod/record-id/1 call\0",
            Origin::Conflict => b"halod/record-id/1 conflict\0",
            Origin::Update => b"halod/record-id/1 update\0",
            Origin::Notice => b"halod/record-id/1 notice\0",
        };
        let mut hash = Sha256::new();
        hash.update(domain);
        // A subject is never empty, so the empty string stands for `Local` alone.
        for part in std::iter::once(tenant.subject().unwrap_or("").as_bytes()).chain(parts.iter().copied()) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&hash.finalize()[..16]);
        id[6] = id[6] & 0x0f | 0x80;
        id[8] = id[8] & 0x3f | 0x80;
        Self(id)
    }

    /// The id of the record of a span.
    #[must_use]
    pub fn of_span(tenant: &Tenant, trace: &[u8; 16], span: &[u8; 8]) -> Self {
        Self::derive(Origin::Span, tenant, &[trace, span])
    }

    /// The id of the record of something that its sender gave an id of its own. A part may be given as
    /// what [`kept_part`] made of it. `span`, a trace id and a span id are that span in every space: what
    /// is told of it beside OpenTelemetry names it so.
    #[must_use]
    pub fn of_key(tenant: &Tenant, space: &str, id: &[impl AsRef<str>]) -> Self {
        let kept: Vec<Cow<'_, str>> = id.iter().map(|part| kept_part(part.as_ref())).collect();
        if let [word, trace, span] = kept.as_slice()
            && let (Some(trace), Some(span)) = (parse_hex(trace.as_bytes()), parse_hex(span.as_bytes()))
            && *word == kept_part("span")
        {
            return Self::of_span(tenant, &trace, &span);
        }
        let parts: Vec<&[u8]> =
            std::iter::once(space.as_bytes()).chain(kept.iter().map(|part| part.as_bytes())).collect();
        Self::derive(Origin::Keyed, tenant, &parts)
    }

    /// The 36 characters of the UUID, lower case.
    #[must_use]
    pub fn text(&self) -> [u8; 36] {
        let mut out = [b'-'; 36];
        let mut at = 0;
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                at += 1;
            }
            out[at] = HEX[usize::from(byte >> 4)];
            out[at + 1] = HEX[usize::from(byte & 15)];
            at += 2;
        }
        out
    }

    /// Reads what [`Self::text`] writes; `None` for anything else, such as ids of other recorders.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
        let mut id = [0; 16];
        let mut at = 0;
        for (i, byte) in id.iter_mut().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                at += 1;
            }
            *byte = digit(text[at])? << 4 | digit(text[at + 1])?;
            at += 2;
        }
        let id = Self(id);
        (id.text() == *text).then_some(id)
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The key under which the exactly-once index looks: uniform, as the id is a hash.
    #[must_use]
    pub fn key(&self) -> u64 {
        u128::from_be_bytes(self.0).wrapping_shr(64) as u64 ^ u128::from_be_bytes(self.0) as u64
    }
}

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn id(tenant: &Tenant, span: u8) -> RecordId {
        RecordId::derive(Origin::Span, tenant, &[&[1; 16], &[span; 8]])
    }

    #[test]
    fn a_kept_id_is_the_same_id() {
        let acme = Tenant::Subject("acme".into());
        for id in ["a", "sk-proj-abc", "0af7651916cd43dd8448eb211c80319c", "", "#", "é"] {
            let kept = kept_part(id).into_owned();
            assert_eq!(kept_part(&kept), kept);
            let of = |id: &str| RecordId::of_key(&acme, "test", &[id, "x"]);
            assert_eq!(of(id), of(&kept), "{id}");
            assert_ne!(of(id), of("other"));
        }
        let span = ["span", "01010101010101010101010101010101", "0202020202020202"];
        assert_eq!(RecordId::of_key(&acme, "test", &span), RecordId::of_span(&acme, &[1; 16], &[2; 8]));
    }

    #[test]
    fn same_origin_same_id_and_nothing_else() {
        let acme = Tenant::Subject("acme".into());
        assert_eq!(id(&acme, 1), id(&acme, 1));
        assert_ne!(id(&acme, 1), id(&acme, 2));
        assert_ne!(id(&acme, 1), id(&Tenant::Local, 1));
        let moved = RecordId::derive(Origin::Span, &acme, &[&[1; 15], &[1; 9]]);
        assert_ne!(id(&acme, 1), moved, "parts are length-prefixed");
    }

    #[test]
    fn text_is_a_version_8_uuid_and_parses_back() {
        let id = id(&Tenant::Local, 7);
        let text = id.to_string();
        assert_eq!(text.len(), 36);
        assert_eq!(text.as_bytes()[14], b'8');
        assert!(b"89ab".contains(&text.as_bytes()[19]));
        assert_eq!(RecordId::parse(&text), Some(id));
        for bad in ["", "zz", &text.to_uppercase(), &text.replace('-', "0"), &format!("{text}0")] {
            assert_eq!(RecordId::parse(bad), None, "{bad}");
        }
    }
}
