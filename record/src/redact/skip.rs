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

/// Where the next ASCII digit is, from `from` on; else the end.
pub(super) fn next_digit(bytes: &[u8], from: usize) -> usize {
    next(bytes, from, digits, |byte| byte.is_ascii_digit())
}

/// The same of a digit of any script, as far as the first byte of a character tells.
pub(super) fn next_any_digit(bytes: &[u8], from: usize) -> usize {
    let marked = |lanes| {
        let lanes = u8x16::new(lanes);
        (within(lanes, b'0', b'9') | within(lanes, 0xC0, 0xFF)).to_bitmask()
    };
    next(bytes, from, marked, |byte| byte.is_ascii_digit() || byte >= 0xC0)
}

/// The same of one byte. Where that stands often, this is faster than `memchr`.
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

#[inline]
fn within(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    (bytes - u8x16::splat(first)).simd_le(u8x16::splat(last - first))
}

#[cfg(test)]
mod tests {
    use super::*;

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
