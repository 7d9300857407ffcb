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
    eights.iter().chain([&last]).take(8).enumerate().fold(0, |bits, (at, eight)| bits | digits(*eight) << (at * 8))
}

/// The last runs of digits and what is between them.
#[derive(Default)]
struct Runs {
    /// Lengths of the last two runs before the current one.
    before: [usize; 2],
    /// Characters between the run before and the one before that.
    gap_before: usize,
    /// Where the last run ended.
    end: usize,
    /// Runs in a row with single characters between them.
    chain: usize,
    /// Digits since the first of those that may begin a card's number, if there is one.
    card: usize,
    shapes: u8,
}

impl Runs {
    fn add(&mut self, start: usize, length: usize, first: u8) {
        // Nothing before counts as far away.
        let gap = if self.before[1] == 0 { usize::MAX } else { start - self.end };
        if gap > 1 {
            self.chain = 0;
            self.card = 0;
        }
        self.chain += 1;
        if self.card > 0 || (length >= 4 && matches!(first, b'3'..=b'6')) {
            self.card += length;
        }
        let [second, third] = self.before;
        let near = |most: usize| gap <= most && self.gap_before <= most;
        let shapes = [
            (CARD, self.card >= 13),
            (SSN, length == 4 && third == 2 && second == 3 && near(1)),
            (PHONE, length == 4 && third == 3 && second == 3 && near(2)),
            (ADDRESS, self.chain >= 4),
            (LONG, length >= 8),
        ];
        for (shape, there) in shapes {
            self.shapes |= if there { shape } else { 0 };
        }
        self.before = [third, length];
        self.gap_before = gap;
        self.end = start + length;
    }
}

/// The shapes that occur in `bytes`.
pub(super) fn shapes(bytes: &[u8]) -> u8 {
    let mut runs = Runs::default();
    // Where a run that reaches over the end of a block began.
    let mut open: Option<usize> = None;
    let mut take = |start: usize, end: usize| {
        runs.add(start, end - start, bytes.get(start).copied().unwrap_or_default());
    };
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
            take(start, at + more);
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
            take(at, at + length);
            bits >>= length;
            at += length;
        }
    }
    if let Some(start) = open {
        take(start, bytes.len());
    }
    runs.shapes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_is_seen_wherever_it_lies() {
        let shapes_of = |text: &str| shapes(text.as_bytes());
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
