//! Logs in UTF-16, which a byte order mark at their beginning tells: programs on Windows write them.

use memchr::memchr_iter;
use serde::{Deserialize, Serialize};
use std::char::{REPLACEMENT_CHARACTER, decode_utf16};

/// Which byte of a unit comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Wide {
    #[serde(rename = "utf-16le")]
    Little,
    #[serde(rename = "utf-16be")]
    Big,
}

/// What the first bytes of a content say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// More of them are needed.
    Unclear,
    Is(Option<Wide>),
}

impl Wide {
    /// The byte order mark alone does not tell: a log in bytes may begin with anything. The first character of a line is
    /// one of ASCII.
    pub(super) fn of(start: &[u8]) -> Begin {
        match *start {
            // A line that is over already is one of bytes.
            [0xff, 0xfe, 0 | b'\n', ..] => Begin::Is(None),
            [0xff, 0xfe, _, 0, ..] => Begin::Is(Some(Self::Little)),
            [0xfe, 0xff, 0, low, ..] if low != 0 => Begin::Is(Some(Self::Big)),
            [] | [0xff | 0xfe] | [0xff, 0xfe] | [0xfe, 0xff] | [0xff, 0xfe, _] | [0xfe, 0xff, 0] => {
                Begin::Unclear
            }
            _ => Begin::Is(None),
        }
    }

    fn unit(self, [first, second]: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes([first, second]),
            Self::Big => u16::from_be_bytes([first, second]),
        }
    }

    pub(super) fn is(self, bytes: &[u8], character: char) -> bool {
        matches!(*bytes, [first, second] if u32::from(self.unit([first, second])) == u32::from(character))
    }

    /// How much of `block`, which begins at `position` and behind the byte `last`, belongs to a line that ends in it.
    pub(super) fn line_end(self, position: u64, last: u8, block: &[u8]) -> Option<usize> {
        // The first half of a unit may have come before.
        let from = usize::from(position % 2 == 1);
        if from == 1 && block.first().is_some_and(|first| self.is(&[last, *first], '\n')) {
            return Some(1);
        }
        memchr_iter(b'\n', block).find_map(|at| {
            let start = at.checked_sub(usize::from(self == Self::Big))?;
            let aligned = start >= from && (start - from).is_multiple_of(2);
            (aligned && self.is(block.get(start..start + 2)?, '\n')).then_some(start + 2)
        })
    }

    /// The text in UTF-8; halves of characters are replaced.
    pub(super) fn text(self, bytes: &[u8]) -> Vec<u8> {
        let units = bytes.as_chunks::<2>().0.iter().map(|unit| self.unit(*unit));
        let text: String = decode_utf16(units).map(|c| c.unwrap_or(REPLACEMENT_CHARACTER)).collect();
        text.into_bytes()
    }
}
