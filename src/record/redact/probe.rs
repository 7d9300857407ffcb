//! The one scan that decides which rows of the table can match a text at all.
//!
//! Every row names keys: three neighbouring bytes, or byte classes, of which one occurs in each of
//! its matches. Each key has a bit; per byte of the text three table look-ups, ANDed, tell which
//! keys end there. No branches, so hostile text costs what prose costs.

use super::table::{REFERENCE_ROWS, ROWS, Row};
use std::ops::Range;

/// A key is three of these characters: an ASCII character means itself (in either case where the row
/// folds case), the others mean a class. Bytes outside ASCII are in every class, because the other
/// scripts' digits, letters and separators are.
fn matches(symbol: char, byte: u8, fold: bool) -> bool {
    match symbol {
        'δ' => byte.is_ascii_digit() || byte >= 0x80,
        'λ' => byte.is_ascii_alphabetic() || byte >= 0x80,
        'τ' => byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-',
        'σ' => !byte.is_ascii_alphanumeric(),
        '*' => true,
        _ if fold => symbol.is_ascii() && byte.eq_ignore_ascii_case(&(symbol as u8)),
        _ => symbol.is_ascii() && byte == symbol as u8,
    }
}

/// Text that `(?i)` folds to ASCII letters (`ſ` to s, `K` to k): rows that fold case then run.
const FOLDS: [&str; 2] = ["*\u{c5}\u{bf}", "\u{e2}\u{84}\u{aa}"];

/// A run of this many token characters is what the entropy rule looks at.
pub(super) const TOKEN_RUN: usize = 24;

/// Whether `byte` may be part of a token to the entropy rule.
pub(super) fn token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = (b as u8).is_ascii_alphanumeric() || matches!(b as u8, b'+' | b'/' | b'=' | b'_' | b'-');
        b += 1;
    }
    table
};

/// What a text holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    keys: u64,
    digits: usize,
    pub(super) tokens: bool,
    ascii: bool,
}

pub(super) struct Probe {
    /// For each byte value, the keys whose first, second and third place it fits.
    places: Box<[[u64; 256]; 3]>,
    /// For each row, the keys of which one must be there.
    needs: Vec<u64>,
}

impl Probe {
    pub(super) fn new() -> Self {
        let mut places = Box::new([[0; 256]; 3]);
        let mut bit = 1u64;
        let mut add = |key: &str, fold: bool| {
            let this = bit;
            for (place, symbol) in places.iter_mut().zip(key.chars()) {
                for (byte, keys) in (0u8..=255).zip(place.iter_mut()) {
                    // FOLDS are given as bytes, written as the characters of those numbers.
                    let raw = !symbol.is_ascii() && symbol <= '\u{ff}' && byte == symbol as u8;
                    if raw || matches(symbol, byte, fold) {
                        *keys |= this;
                    }
                }
            }
            bit = bit.wrapping_shl(1);
            this
        };
        let folds = FOLDS.iter().map(|key| add(key, false)).fold(0, |all, bit| all | bit);
        let mut known: Vec<(&str, bool, u64)> = Vec::new();
        let mut needs = Vec::with_capacity(ROWS.len());
        for row in ROWS {
            let mut need = if row.fold { folds } else { 0 };
            for &key in row.keys {
                let bit = match known.iter().find(|(k, fold, _)| (*k, *fold) == (key, row.fold)) {
                    Some((_, _, bit)) => *bit,
                    None => {
                        let bit = add(key, row.fold);
                        known.push((key, row.fold, bit));
                        bit
                    }
                };
                need |= bit;
            }
            needs.push(need);
        }
        Self { places, needs }
    }

    /// Looks once at every byte of `text`.
    pub(super) fn look(&self, text: &str) -> Seen {
        let bytes = text.as_bytes();
        let [first, second, third] = &*self.places;
        let mut keys = 0;
        for window in bytes.windows(3) {
            if let [a, b, c] = window {
                keys |= first[usize::from(*a)] & second[usize::from(*b)] & third[usize::from(*c)];
            }
        }
        let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
        // Digits of other scripts are not counted: then their number decides nothing.
        let ascii = text.is_ascii();
        let digits = if ascii { digits } else { usize::MAX };
        Seen { keys, digits, tokens: has_tokens(bytes), ascii }
    }

    /// The reference's rows that may match a text in which `seen` was seen, in their order.
    pub(super) fn reference<'p>(&'p self, seen: &'p Seen) -> impl Iterator<Item = &'static Row> + 'p {
        self.rows(seen, 0..REFERENCE_ROWS)
    }

    /// The same of the additions.
    pub(super) fn additions<'p>(&'p self, seen: &'p Seen) -> impl Iterator<Item = &'static Row> + 'p {
        self.rows(seen, REFERENCE_ROWS..ROWS.len())
    }

    fn rows<'p>(&'p self, seen: &'p Seen, which: Range<usize>) -> impl Iterator<Item = &'static Row> + 'p {
        let can = |(row, need): &(&Row, &u64)| {
            let key = row.keys.is_empty() || **need & seen.keys != 0;
            key && !(row.scripts && seen.ascii) && row.digits <= seen.digits && (!row.long || seen.tokens)
        };
        ROWS.iter().zip(&self.needs).take(which.end).skip(which.start).filter(can).map(|(row, _)| row)
    }
}

/// Whether a run of [`TOKEN_RUN`] token characters is there. Such a run covers a position that is a
/// multiple of its length, so only those positions are looked at.
fn has_tokens(bytes: &[u8]) -> bool {
    let mut done = 0;
    for at in (TOKEN_RUN - 1..bytes.len()).step_by(TOKEN_RUN) {
        if at < done || !bytes.get(at).is_some_and(|&b| token(b)) {
            continue;
        }
        let (head, tail) = bytes.split_at(at);
        let back = head.iter().rev().take(TOKEN_RUN).take_while(|&&b| token(b)).count();
        let on = tail.iter().take(TOKEN_RUN).take_while(|&&b| token(b)).count();
        if back + on >= TOKEN_RUN {
            return true;
        }
        done = at + on;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_fewer_keys_than_bits() {
        let mut keys: Vec<_> = ROWS.iter().flat_map(|row| row.keys.iter().map(|k| (*k, row.fold))).collect();
        keys.sort_unstable();
        keys.dedup();
        assert!(keys.len() + FOLDS.len() <= 64, "{}", keys.len());
        assert!(keys.iter().all(|(key, _)| key.chars().count() == 3), "{keys:?}");
    }

    #[test]
    fn runs_of_tokens_are_found_wherever_they_lie() {
        for before in 0..60 {
            for length in 20..30 {
                let text = format!("{}{}{}", ". ".repeat(before), "x".repeat(length), " .".repeat(before));
                assert_eq!(has_tokens(text.as_bytes()), length >= TOKEN_RUN, "{before} {length}");
            }
        }
    }
}
