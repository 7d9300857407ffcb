//! Which shapes of numbers an ASCII text can hold: one scan over its runs of digits, so that the rows
//! for cards, phones and the like read only texts that may have one.

/// Shapes, as bits. Each is what a row's numbers have at least; the row looks closer.
pub(super) const SHAPES: usize = 5;
/// Thirteen digits or more, with at most one character between two; the first four in one run.
pub(super) const CARD: u8 = 1;
/// Runs of three, two and four digits with one character between them.
pub(super) const SSN: u8 = 1 << 1;
/// Runs of three, three and four digits with one or two characters between them.
pub(super) const PHONE: u8 = 1 << 2;
/// Four runs with one character between them.
pub(super) const ADDRESS: u8 = 1 << 3;
/// A run of at least eight digits.
pub(super) const LONG: u8 = 1 << 4;

const EACH: u64 = 0x0101_0101_0101_0101;

/// A bit for each of eight bytes that is an ASCII digit.
fn digits(eight: [u8; 8]) -> u64 {
    let off = u64::from_le_bytes(eight) ^ (EACH * 0x30);
    // Beyond 9 the sum reaches the highest bit of its byte.
    let others = ((off & (EACH * 0x7F)) + EACH * 0x76) | off;
    let found = (!others >> 7) & EACH;
    // The product gathers the lowest bit of each byte in the highest byte.
    found.wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// A bit for each of up to 64 bytes that is a digit.
fn block(bytes: &[u8]) -> u64 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    eights
        .iter()
        .chain([&last])
        .take(8)
        .enumerate()
        .fold(0, |bits, (at, eight)| bits | digits(*eight) << (at * 8))
}

/// A run whose gap to the one before is of two characters, or of more; else it is of one.
const TWO: u32 = 0x20;
const FAR: u32 = 0x40;

/// The runs of digits so far.
struct Runs {
    /// The last four: a byte each, its length (at most 31) and what lies before it.
    last: u32,
    /// Where the last one ended.
    end: usize,
    /// Digits since the first run that may begin a card's number, with at most one character between.
    card: usize,
    shapes: u8,
}

impl Runs {
    fn add(&mut self, start: usize, end: usize, first: u8) {
        let length = end - start;
        let gap = match start.wrapping_sub(self.end) {
            0 | 1 => 0,
            2 => TWO,
            _ => FAR,
        };
        self.end = end;
        self.last = self.last << 8 | gap | length.min(31) as u32;
        let before = if gap == 0 { self.card } else { 0 };
        let begins = length >= 4 && matches!(first, b'3'..=b'6');
        self.card = if before > 0 || begins { before + length } else { 0 };
        let is = |mask: u32, expected: u32| self.last & mask == expected;
        self.shapes |= u8::from(self.card >= 13) * CARD
            | u8::from(is(0x1F_FF_FF, 0x03_02_04)) * SSN
            | u8::from(is(0x1F_DF_DF, 0x03_03_04)) * PHONE
            | u8::from(is(0x60_60_60, 0)) * ADDRESS
            | u8::from(length >= 8) * LONG;
    }
}

/// The shapes that occur in `bytes`; once the `wanted` ones did, others may be left out.
pub(super) fn shapes(bytes: &[u8], wanted: u8) -> u8 {
    // What comes first is far from what was before.
    let mut runs = Runs { last: FAR * 0x0101_0101, end: usize::MAX / 2, card: 0, shapes: 0 };
    // Where a run that reaches over the end of a block began.
    let mut open: Option<usize> = None;
    let first = |at: usize| bytes.get(at).copied().unwrap_or_default();
    for (at, part) in bytes.chunks(64).enumerate() {
        let mut bits = block(part);
        let mut at = at * 64;
        let end = at + 64;
        if let Some(start) = open.take() {
            let more = bits.trailing_ones() as usize;
            if more == 64 {
                open = Some(start);
                continue;
            }
            runs.add(start, at + more, first(start));
            bits >>= more;
            at += more;
        }
        while bits != 0 {
            let skip = bits.trailing_zeros() as usize;
            bits >>= skip;
            let length = bits.trailing_ones() as usize;
            at += skip;
            if at + length == end {
                open = Some(at);
                break;
            }
            runs.add(at, at + length, first(at));
            bits >>= length;
            at += length;
        }
        if runs.shapes & wanted == wanted {
            return runs.shapes;
        }
    }
    if let Some(start) = open {
        runs.add(start, bytes.len(), first(start));
    }
    runs.shapes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_is_seen_wherever_it_lies() {
        let shapes_of = |text: &str| shapes(text.as_bytes(), 0xFF);
        for (text, expected) in [
            ("4111 1111 1111 1", CARD | ADDRESS),
            ("4111111111111", CARD | LONG),
            ("1111 4111 1111", 0),
            ("123-45-6789", SSN),
            ("123-456-7890", PHONE),
            ("(123) 456-7890", PHONE),
            ("10.0.0.1", ADDRESS),
            ("12345678", LONG),
            ("123-45-123-45", ADDRESS),
            ("2025-07-14) and 12,480 rows", 0),
            ("123.  45-6789", 0),
        ] {
            for before in 0..140 {
                let text = format!("{}{text}{}", "x".repeat(before), ".".repeat(before % 7));
                assert_eq!(shapes_of(&text), expected, "{text}");
            }
        }
        assert_eq!(shapes_of(&"7".repeat(1000)), LONG);
    }

    #[test]
    fn only_digits_are_digits() {
        for byte in 0..=255 {
            for place in 0..8 {
                let mut eight = [b'x'; 8];
                eight[place] = byte;
                assert_eq!(digits(eight), u64::from(byte.is_ascii_digit()) << place, "{byte}");
            }
        }
    }
}
