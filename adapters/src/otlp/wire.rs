//! The protobuf wire format over a borrowed slice.
//!
//! Accepts what prost accepts, so that it can be the test oracle: keys of at most 32 bits, varints
//! of at most ten bytes without overflow, groups skipped. Beyond that, messages may be nested
//! [`MAX_DEPTH`] deep, and what is kept of a text that is not UTF-8 is the rest of it. Source:
//! protobuf.dev, "Encoding".

use super::{DecodeError, MAX_MESSAGES};
use halod_record::charge;
use std::borrow::Cow;
use std::cell::Cell;

/// Levels of messages within messages, the request itself not counted: an attribute stands at the fourth,
/// and each level of a value that SDKs let through (64 of them, `AttributeValueDepthLimit`) takes three.
pub(crate) const MAX_DEPTH: u32 = 200;

pub(crate) const VARINT: u32 = 0;
pub(crate) const FIXED64: u32 = 1;
pub(crate) const LEN: u32 = 2;
const GROUP: u32 = 3;
const END_GROUP: u32 = 4;
pub(crate) const FIXED32: u32 = 5;

/// One message's bytes, read from the front.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a, 'b> {
    rest: &'a [u8],
    /// Offset in the request of the end of `rest`.
    end: usize,
    /// How many levels may still be entered.
    depth: u32,
    /// How many messages may still be entered, in the whole request.
    messages: &'b Cell<u32>,
}

impl<'a, 'b> Reader<'a, 'b> {
    pub(crate) fn new(bytes: &'a [u8], messages: &'b Cell<u32>) -> Self {
        Self { rest: bytes, end: bytes.len(), depth: MAX_DEPTH, messages }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// What is left of the message.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    /// The next field's key, `tag << 3 | wire type`; `None` at the end of the message.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<Option<u32>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let offset = self.offset();
        match u32::try_from(self.varint()?) {
            Ok(key) if key >> 3 != 0 && key & 7 <= FIXED32 => Ok(Some(key)),
            _ => Err(DecodeError::Key { offset }),
        }
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.rest {
            [a, rest @ ..] if *a < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*a))
            }
            [a, b, rest @ ..] if *b < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*a & 0x7f) | u64::from(*b) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let offset = self.offset();
        let mut value = 0;
        for (at, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                // The tenth byte holds bit 63 and nothing else.
                if at == 9 && byte > 1 {
                    return Err(DecodeError::Varint { offset });
                }
                self.rest = self.rest.get(at + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        if self.rest.len() < 10 {
            Err(DecodeError::Truncated { offset })
        } else {
            Err(DecodeError::Varint { offset })
        }
    }

    #[inline]
    pub(crate) fn fixed64(&mut self) -> Result<u64, DecodeError> {
        match self.rest.split_first_chunk::<8>() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(u64::from_le_bytes(*bytes))
            }
            None => Err(DecodeError::Truncated { offset: self.offset() }),
        }
    }

    #[inline]
    pub(crate) fn fixed32(&mut self) -> Result<u32, DecodeError> {
        match self.rest.split_first_chunk::<4>() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(u32::from_le_bytes(*bytes))
            }
            None => Err(DecodeError::Truncated { offset: self.offset() }),
        }
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let offset = self.offset();
        let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        match self.rest.split_at_checked(len) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(DecodeError::Truncated { offset }),
        }
    }

    /// A text. SDKs that cut values to a length may cut in the middle of a character: what is no
    /// character is replaced (U+FFFD).
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let bytes = self.bytes()?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_) => replaced(bytes),
        }
    }

    /// A text that must be UTF-8.
    #[inline]
    pub(crate) fn utf8(&mut self) -> Result<&'a str, DecodeError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8 { offset: self.offset() - bytes.len() })
    }

    /// Enters an embedded message.
    #[inline]
    pub(crate) fn message(&mut self) -> Result<Reader<'a, 'b>, DecodeError> {
        if self.depth == 0 {
            return Err(self.too_deep());
        }
        let Some(left) = self.messages.get().checked_sub(1) else {
            return Err(DecodeError::TooMany { limit: MAX_MESSAGES });
        };
        self.messages.set(left);
        let rest = self.bytes()?;
        Ok(Reader { rest, end: self.offset(), depth: self.depth - 1, messages: self.messages })
    }

    /// Enters a packed repeated field, which is no level of nesting.
    pub(crate) fn packed(&mut self) -> Result<Reader<'a, 'b>, DecodeError> {
        let rest = self.bytes()?;
        Ok(Reader { rest, end: self.offset(), depth: self.depth, messages: self.messages })
    }

    /// Skips a field that the message `message` does not know. `known` has a bit for each tag that
    /// it does know: such a field arrives here only with the wrong wire type.
    pub(crate) fn unknown(&mut self, key: u32, known: u32, message: &'static str) -> Result<(), DecodeError> {
        let tag = key >> 3;
        if tag < 32 && known >> tag & 1 == 1 {
            return Err(DecodeError::WireType { offset: self.offset(), tag, message });
        }
        self.skip(key, self.depth)
    }

    fn skip(&mut self, key: u32, depth: u32) -> Result<(), DecodeError> {
        if depth == 0 {
            return Err(self.too_deep());
        }
        match key & 7 {
            VARINT => self.varint().map(drop),
            FIXED64 => self.fixed64().map(drop),
            LEN => self.bytes().map(drop),
            FIXED32 => self.fixed32().map(drop),
            GROUP => loop {
                let offset = self.offset();
                let inner = self.key()?.ok_or(DecodeError::Truncated { offset })?;
                if inner & 7 != END_GROUP {
                    self.skip(inner, depth - 1)?;
                } else if inner >> 3 == key >> 3 {
                    return Ok(());
                } else {
                    return Err(DecodeError::Group { offset });
                }
            },
            _ => Err(DecodeError::Group { offset: self.offset() }),
        }
    }

    #[cold]
    fn too_deep(&self) -> DecodeError {
        DecodeError::TooDeep { offset: self.offset(), limit: MAX_DEPTH }
    }
}

#[cold]
fn replaced(bytes: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    // U+FFFD takes three bytes, in place of one at least.
    charge::take(bytes.len().saturating_mul(3))?;
    Ok(String::from_utf8_lossy(bytes))
}

/// A bit for each tag, for [`Reader::unknown`].
pub(crate) const fn tags(tags: &[u32]) -> u32 {
    let mut bits = 0;
    let mut at = 0;
    while at < tags.len() {
        bits |= 1 << tags[at];
        at += 1;
    }
    bits
}

/// The key of field `tag` in wire type `wire`.
pub(crate) const fn key(tag: u32, wire: u32) -> u32 {
    tag << 3 | wire
}
