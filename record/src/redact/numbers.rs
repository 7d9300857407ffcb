//! Which shapes of numbers a text can hold that is ASCII but for letters: one scan over its runs of digits, so that the rows
//! for cards, phones and the like read only texts that may have one.

use super::skip::{LANES, digits};

/// Shapes, as bits. Each is what a row's numbers have at least; the row looks closer.
pub(super) const SHAPES: usize = 5;
/// Thirteen digits or more, with at most one character between two; the first four in one run.
pub(super) const CARD: u8 = 1;
/// Runs of three, two and four digits with one character between them.
pub(super) const SSN: u8 = 1 << 1;
/// Runs of three, three and four digits with one or two characters between them.
pub(super) const PHONE: u8 = 1 << 2;
/// Four runs with one character between them; the two in the middle of at most three digits.
pub(super) const ADDRESS: u8 = 1 << 3;
/// A run of at least eight digits.
pub(super) const LONG: u8 = 1 << 4;

/// A bit for each of the 64 bytes from `at` on that is a digit. Beyond the end there are none.
fn window(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    let gather = |all: &[u8; 64]| {
        let (lanes, _) = all.as_chunks::<LANES>();
        lanes.iter().rev().fold(0, |bits, lanes| bits << LANES | u64::from(digits(*lanes)))
    };
    rest.first_chunk().map_or_else(
        || {
            let mut last = [0; 64];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            gather(&last)
        },
        gather,
    )
}

/// How far one window is from the next: what begins here is seen to its end within 64 bytes.
const STEP: usize = 48;
/// The bits of what begins in a window.
const HERE: u64 = (1 << STEP) - 1;

/// The shapes that occur in `bytes`; once the `wanted` ones did, others may be left out. All places of
/// a window are compared at once, so that numbers cost what other text costs.
pub(super) fn shapes(bytes: &[u8], wanted: u8) -> u8 {
    let mut shapes = 0;
    // Whether the byte before the window is a digit.
    let mut before = 0;
    for at in (0..bytes.len()).step_by(STEP) {
        let bits = window(bytes, at);
        if bits != 0 {
            shapes |= begins(bytes, at, bits, before, wanted & !shapes);
            if shapes & wanted == wanted {
                return shapes;
            }
        }
        before = bits >> (STEP - 1) & 1;
    }
    shapes
}

/// The shapes that begin in a window. A shifted set of bits says of each place what stands so many
/// places after it.
fn begins(bytes: &[u8], at: usize, digits: u64, before: u64, wanted: u8) -> u8 {
    let start = digits & !(digits << 1 | before);
    let three = start & digits >> 1 & digits >> 2;
    let four = three & digits >> 3;
    // Runs of so many digits and no more.
    let (exactly_three, exactly_four) = (three & !(digits >> 3), four & !(digits >> 4));
    let exactly_two = start & digits >> 1 & !(digits >> 2);
    // Single characters between two digits.
    let gap = !digits & (digits << 1 | before) & digits >> 1;
    let ssn = exactly_three & exactly_two >> 4 & exactly_four >> 7;
    let line = exactly_three & (exactly_four >> 4 | exactly_four >> 5);
    let phone = exactly_three & (line >> 4 | line >> 5);
    let gaps = gap & (gap >> 2 | gap >> 3 | gap >> 4);
    let address = gap & (gaps >> 2 | gaps >> 3 | gaps >> 4);
    let eight = digits & digits >> 1;
    let eight = eight & eight >> 2;
    let long = eight & eight >> 4;
    let there = |shape: u8, places: u64| u8::from(places & HERE != 0) * shape;
    let mut shapes = there(SSN, ssn) | there(PHONE, phone) | there(ADDRESS, address) | there(LONG, long);
    if wanted & CARD != 0 {
        // Thirteen digits or gaps from here on.
        let joined = digits | gap;
        let joined = joined & joined >> 1;
        let joined = joined & joined >> 2;
        let joined = joined & joined >> 4;
        let mut places = four & joined & joined >> 5 & HERE;
        while places != 0 {
            if card(bytes.get(at + places.trailing_zeros() as usize..).unwrap_or_default()) {
                shapes |= CARD;
                break;
            }
            places &= places - 1;
        }
    }
    shapes
}

/// Whether `bytes` begin as a card's number may, and with thirteen digits.
fn card(bytes: &[u8]) -> bool {
    let (mut count, mut gap) = (0, false);
    for b in bytes.iter().take_while(|_| matches!(bytes, [b'2'..=b'6', ..])) {
        match (b.is_ascii_digit(), gap) {
            (true, _) => count += 1,
            (false, true) => return false,
            (false, false) => {}
        }
        gap = !b.is_ascii_digit();
        if count == 13 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_is_seen_wherever_it_lies() {
        let shapes_of = |text: &str| shapes(text.as_bytes(), 0xFF);
        for (text, expected) in [
            ("4111 1111 1111 1", CARD),
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
}
