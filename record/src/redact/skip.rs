//! Sixteen bytes at a time: where a text has anything but the commonest letters, blanks, commas and points; where it has
//! digits.

use wide::u8x16;

/// How many bytes are looked at together.
pub(super) const LANES: usize = 16;

/// A bit for each of the bytes, the lowest for the first.
#[derive(Clone, Copy)]
pub(super) struct Marks {
    /// The bytes of ASCII that are not [`common`].
    pub(super) rare: u32,
    /// Blanks, commas and points.
    pub(super) breaks: u32,
    /// Bytes outside ASCII.
    pub(super) foreign: u32,
}

/// Whether most of prose is made of this: what is left is worth a closer look.
pub(super) const fn common(byte: u8) -> bool {
    matches!(byte, b'a'..=b'i' | b'k'..=b'v' | b' ' | b',' | b'.')
}

/// What the bytes are.
#[inline]
pub(super) fn marks(lanes: [u8; LANES]) -> Marks {
    let bytes = u8x16::new(lanes);
    let letters = within(bytes, b'a', b'v') & !bytes.simd_eq(u8x16::splat(b'j'));
    // A comma and a point differ in one bit.
    let breaks = bytes.simd_eq(u8x16::splat(b' ')) | (bytes & u8x16::splat(0xFD)).simd_eq(u8x16::splat(b','));
    // The highest bit of each byte.
    let foreign = bytes.to_bitmask();
    let rare = !((letters | breaks).to_bitmask() | foreign) & 0xFFFF;
    Marks { rare, breaks: breaks.to_bitmask(), foreign }
}

/// What fewer bytes are.
#[inline]
pub(super) fn rest(bytes: &[u8]) -> Marks {
    let mut lanes = [b' '; LANES];
    lanes.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    marks(lanes)
}

/// A bit for each byte that is an ASCII digit.
#[inline]
pub(super) fn digits(lanes: [u8; LANES]) -> u32 {
    within(u8x16::new(lanes), b'0', b'9').to_bitmask()
}

/// The ASCII digits of a text, from left to right.
pub(super) struct Digits<'b> {
    bytes: &'b [u8],
    /// Where the digits `found` are, as [`digits`] marks them.
    at: usize,
    found: u32,
}

impl<'b> Digits<'b> {
    pub(super) fn of(bytes: &'b [u8]) -> Self {
        let mut this = Self { bytes, at: 0, found: 0 };
        this.look();
        this
    }

    fn look(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.found = match rest.first_chunk() {
            Some(lanes) => digits(*lanes),
            None => rest.iter().rev().fold(0, |bits, byte| bits << 1 | u32::from(byte.is_ascii_digit())),
        };
    }

    /// Where the next one is, at or after `from`, which is never before an earlier one; else the end.
    #[inline]
    pub(super) fn next_from(&mut self, from: usize) -> usize {
        if from < self.at + LANES {
            self.found &= !0 << from.saturating_sub(self.at);
        } else {
            self.at = from;
            self.look();
        }
        while self.found == 0 {
            self.at += LANES;
            if self.at >= self.bytes.len() {
                return self.bytes.len();
            }
            self.look();
        }
        self.at + self.found.trailing_zeros() as usize
    }
}

/// Where the next digit of any script is, from `from` on, as far as the first byte of a character tells; else the end.
pub(super) fn next_any_digit(bytes: &[u8], from: usize) -> usize {
    let marked = |lanes| {
        let lanes = u8x16::new(lanes);
        (within(lanes, b'0', b'9') | within(lanes, 0xC0, 0xFF)).to_bitmask()
    };
    next(bytes, from, marked, |byte| byte.is_ascii_digit() || byte >= 0xC0)
}

/// Where the next such byte is. Where that stands often, this is faster than `memchr`.
pub(super) fn next_byte(bytes: &[u8], from: usize, wanted: u8) -> usize {
    let marked = |lanes| u8x16::new(lanes).simd_eq(u8x16::splat(wanted)).to_bitmask();
    next(bytes, from, marked, |byte| byte == wanted)
}

#[inline]
fn next(
    bytes: &[u8],
    from: usize,
    marked: impl Fn([u8; LANES]) -> u32,
    wanted: impl Fn(u8) -> bool,
) -> usize {
    let mut at = from;
    while let Some(lanes) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        match marked(*lanes) {
            0 => at += LANES,
            found => return at + found.trailing_zeros() as usize,
        }
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| wanted(*byte)).unwrap_or(rest.len())
}

/// Whether one of `keys`, in small letters, stands anywhere in `bytes`, in either case.
pub(super) fn has_any(bytes: &[u8], keys: &[[u8; 3]]) -> bool {
    const STEP: usize = LANES - 2;
    let mut rest = bytes;
    while rest.len() > 2 {
        let mut lanes = [0; LANES];
        match rest.first_chunk() {
            Some(first) => lanes = *first,
            None => lanes.iter_mut().zip(rest).for_each(|(to, from)| *to = *from),
        }
        let small = u8x16::new(lanes) | u8x16::splat(0x20);
        let is = |byte: u8| small.simd_eq(u8x16::splat(byte)).to_bitmask();
        if keys.iter().any(|[a, b, c]| is(*a) & is(*b) >> 1 & is(*c) >> 2 != 0) {
            return true;
        }
        rest = rest.get(STEP..).unwrap_or_default();
    }
    false
}

#[inline]
fn within(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    (bytes - u8x16::splat(first)).simd_le(u8x16::splat(last - first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_digits_are_found_wherever_they_stand() {
        for before in 0..40 {
            for after in [0, 1, 20] {
                let text = |key: &str| format!("{}{key}{}", "x".repeat(before), "y".repeat(after));
                assert!(has_any(text("tEl").as_bytes(), &[*b"abc", *b"tel"]), "{before}");
                assert!(!has_any(text("tetetl").as_bytes(), &[*b"tel"]), "{before}");
                let text = text("7\u{3b1}");
                assert_eq!(Digits::of(text.as_bytes()).next_from(before), before);
                assert_eq!(Digits::of(text.as_bytes()).next_from(before + 1), text.len());
                assert_eq!(next_any_digit(text.as_bytes(), before + 1), before + 1);
                assert_eq!(next_byte(text.as_bytes(), 0, b'7'), before);
            }
        }
    }

    #[test]
    fn every_byte_is_marked_as_what_it_is() {
        for byte in 0..=255 {
            for (place, around) in
                (0..LANES).flat_map(|place| [b'a', 0xFF, 0, b' '].map(|around| (place, around)))
            {
                let mut lanes = [around; LANES];
                lanes[place] = byte;
                let Marks { rare, breaks, foreign } = marks(lanes);
                let digits = digits(lanes);
                for (at, byte) in lanes.into_iter().enumerate() {
                    let marked = |bits: u32| bits >> at & 1 != 0;
                    assert_eq!(marked(rare), byte.is_ascii() && !common(byte), "{byte}");
                    assert_eq!(marked(foreign), !byte.is_ascii(), "{byte}");
                    assert_eq!(marked(breaks), matches!(byte, b' ' | b',' | b'.'), "{byte}");
                    assert_eq!(marked(digits), byte.is_ascii_digit(), "{byte}");
                }
                assert_eq!((rare | breaks | foreign | digits) >> LANES, 0);
            }
        }
    }
}
