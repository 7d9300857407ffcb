//! The one scan that decides which rows of the table can match a text at all.
//!
//! Every row names keys: three neighbouring bytes, or byte classes, of which one occurs in each of
//! its matches. Each key has a bit; per byte of the text three table look-ups, ANDed, tell which
//! keys end there. No branches, so hostile text costs what prose costs.

use super::table::{REFERENCE_ROWS, ROWS, Row};
use super::{base64, letters, numbers};

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
        // The last letters of credentials' names, and what may follow them.
        'ρ' => matches!(byte | 0x20, b'r' | b'w'),
        'ι' => matches!(byte | 0x20, b's' | b'i' | b'd'),
        'ν' => matches!(byte | 0x20, b't' | b'y' | b'n'),
        'κ' => matches!(byte | 0x20, b's' | b'l'),
        // What tells GitHub's and Stripe's tokens, and private networks, apart.
        'ο' => matches!(byte, b'p' | b'o' | b's' | b'u'),
        'θ' => matches!(byte, b'l' | b't'),
        'ψ' => matches!(byte, b'7' | b'9'),
        // The flags of `pattern::flags`.
        'π' => matches!(byte, b'u' | b'U' | b'p' | b'P' | b'a' | b'w'),
        // What stands before a parameter of a query, between a name and its value, and between two digits.
        'φ' => matches!(byte, b'?' | b'&' | b';'),
        'ω' => matches!(byte, b'=' | b':'),
        'χ' => matches!(byte, b'-' | b' ' | b'.'),
        // The keys of AWS for roles and sessions.
        'Σ' => matches!(byte, b'B' | b'C' | b'S'),
        'Π' => matches!(byte, b'C' | b'I'),
        // What base64 makes of the beginning of JSON, and of a colon among letters: see `BASE64`.
        'Γ' => matches!(byte, b'e' | b'W'),
        'Δ' => matches!(byte, b'y' | b'w' | b'3'),
        'Ξ' => matches!(byte, b'I' | b'J' | b'A' | b'B' | b'o' | b'p' | b's' | b't'),
        'Φ' => matches!(byte, b'i'..=b'n'),
        'Ψ' => base64::value(byte) & 3 < 2,
        'Θ' => matches!(byte, b'K'..=b'Z' | b'a'..=b'e'),
        'Ω' => matches!(byte, b'D' | b'T' | b'j' | b'z'),
        'ε' => matches!(byte, b'o' | b'p'),
        'Λ' => matches!(byte, b'C'..=b'H' | b'S'..=b'X' | b'i'..=b'n' | b'y' | b'z' | b'0'..=b'3'),
        'ζ' => base64::value(byte) & 3 == 0,
        'ς' => matches!(byte, b'=' | b':' | b'>' | b'<' | b'"' | b'\'' | b'`' | b'\\' | b'\n'),
        _ if fold => symbol.is_ascii() && byte.eq_ignore_ascii_case(&(symbol as u8)),
        _ => symbol.is_ascii() && byte == symbol as u8,
    }
}

/// Text that `(?i)` folds to ASCII letters (`ſ` to s, `K` to k): rows that fold case then run.
const FOLDS: [&str; 2] = ["*\u{c5}\u{bf}", "\u{e2}\u{84}\u{aa}"];

/// What encodings begin with: percent-encoding, HTML's entities and JSON's escapes.
const ENCODED: [&str; 4] = ["%δ*", "&#*", "&λλ", "\\uδ"];

/// What text in base64 holds, of which no more is asked here than a few bits of each character: `{` or `[` and a quote,
/// blank or another bracket at its beginning; or a colon between characters of a name and of a password, as the
/// first, second and third of three bytes.
const BASE64: [&str; 4] = ["ΓΔΞ", "OΦΨ", "ΘΩε", "Λζ6"];

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

/// What a text can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The rows that may match, by their place in the table.
    rows: u64,
    /// There is a token for the entropy rule.
    pub(super) tokens: bool,
    /// Something may be encoded.
    pub(super) encoded: bool,
    /// There may be text in base64.
    pub(super) base64: bool,
}

impl Seen {
    /// No row can match, and nothing is encoded; the entropy rule may find something.
    pub(super) fn no_rows(self) -> bool {
        self.rows == 0 && !self.hides()
    }

    /// Something in the text may be encoded.
    pub(super) fn hides(self) -> bool {
        self.encoded || self.base64
    }

    /// The reference's rows that may match, in their order.
    pub(super) fn reference(self) -> impl Iterator<Item = &'static Row> {
        rows(self.rows & REFERENCE)
    }

    /// The same of the additions.
    pub(super) fn additions(self) -> impl Iterator<Item = &'static Row> {
        rows(self.rows & !REFERENCE)
    }
}

/// The bits of the reference's rows.
const REFERENCE: u64 = (1 << REFERENCE_ROWS) - 1;

fn rows(mut set: u64) -> impl Iterator<Item = &'static Row> {
    std::iter::from_fn(move || {
        let row = ROWS.get(set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(row)
    })
}

pub(super) struct Probe {
    /// For each byte value, the keys whose first, second and third place it fits.
    places: Box<[[u64; 256]; 3]>,
    /// The same for text whose characters outside ASCII are only letters.
    letters: Box<[[u64; 256]; 3]>,
    /// For each key, the rows that want it or another.
    by_key: [u64; 64],
    /// The keys of [`ENCODED`].
    encoded: u64,
    /// The keys of [`BASE64`].
    base64: u64,
    /// The rows without keys.
    keyless: u64,
    /// The rows that want a long token.
    long: u64,
    /// The rows that are not for ASCII.
    scripts: u64,
    /// The rows that want numbers of a shape, by [`numbers`].
    numbers: [u64; numbers::SHAPES],
}

impl Probe {
    pub(super) fn new() -> Self {
        let mut probe = Self {
            places: Box::new([[0; 256]; 3]),
            letters: Box::new([[0; 256]; 3]),
            by_key: [0; 64],
            encoded: 0,
            base64: 0,
            keyless: 0,
            long: 0,
            scripts: 0,
            numbers: [0; numbers::SHAPES],
        };
        let folds: Vec<usize> = (0..FOLDS.len()).collect();
        for (key, name) in FOLDS.iter().enumerate() {
            probe.add(key, name, false);
        }
        let mut known: Vec<(&str, bool)> = FOLDS.iter().map(|key| (*key, false)).collect();
        for name in ENCODED {
            known.push((name, false));
            probe.add(known.len() - 1, name, false);
            probe.encoded |= 1 << (known.len() - 1);
        }
        for name in BASE64 {
            known.push((name, false));
            probe.add(known.len() - 1, name, false);
            probe.base64 |= 1 << (known.len() - 1);
        }
        for (at, row) in ROWS.iter().enumerate() {
            let bit = 1 << at;
            let set = |rows: &mut u64, wanted: bool| *rows |= if wanted { bit } else { 0 };
            set(&mut probe.keyless, row.keys.is_empty());
            set(&mut probe.long, row.long);
            set(&mut probe.scripts, row.scripts);
            for (shape, rows) in probe.numbers.iter_mut().enumerate() {
                set(rows, row.numbers & (1 << shape) != 0);
            }
            let mut keys = if row.fold { folds.clone() } else { Vec::new() };
            for &name in row.keys {
                let place = known.iter().position(|known| *known == (name, row.fold)).unwrap_or_else(|| {
                    known.push((name, row.fold));
                    probe.add(known.len() - 1, name, row.fold);
                    known.len() - 1
                });
                keys.push(place);
            }
            for key in keys {
                set(&mut probe.by_key[key], true);
            }
        }
        probe
    }

    /// Gives `key` its bit wherever it fits.
    fn add(&mut self, key: usize, name: &str, fold: bool) {
        let places = self.places.iter_mut().zip(self.letters.iter_mut());
        for ((place, letters), symbol) in places.zip(name.chars()) {
            for (byte, (keys, in_letters)) in (0u8..=255).zip(place.iter_mut().zip(letters)) {
                // FOLDS are given as bytes, written as the characters of those numbers.
                let raw = !symbol.is_ascii() && symbol <= '\u{ff}' && byte == symbol as u8;
                if raw || matches(symbol, byte, fold) {
                    *keys |= 1 << key;
                    // No letter is a digit.
                    *in_letters |= if symbol == 'δ' && !byte.is_ascii() { 0 } else { 1 << key };
                }
            }
        }
    }

    /// Looks at every byte of `text`.
    pub(super) fn look(&self, text: &str) -> Seen {
        self.look_at(text, text.is_ascii())
    }

    /// The same of a text of which it is known whether it is all `ascii`.
    pub(super) fn look_at(&self, text: &str, ascii: bool) -> Seen {
        let bytes = text.as_bytes();
        let letters = ascii || letters::only(text);
        let [first, second, third] = if letters { &*self.letters } else { &*self.places };
        let mut keys = 0;
        for [a, b, c] in bytes.array_windows() {
            keys |= first[usize::from(*a)] & second[usize::from(*b)] & third[usize::from(*c)];
        }
        let tokens = has_tokens(bytes);
        let encoded = keys & self.encoded != 0 || !letters;
        let base64 = keys & self.base64 != 0 && base64::has(bytes);
        let mut rows = self.keyless;
        while keys != 0 {
            rows |= self.by_key[keys.trailing_zeros() as usize];
            keys &= keys - 1;
        }
        if !tokens {
            rows &= !self.long;
        }
        if ascii {
            rows &= !self.scripts;
        }
        if rows != 0 && letters {
            // Digits and separators of other scripts are not looked at: with them every shape is possible.
            let wants = |shape: &usize| self.numbers.get(*shape).is_some_and(|rows_of| rows & rows_of != 0);
            let wanted = (0..numbers::SHAPES).filter(wants).fold(0, |all, shape| all | 1 << shape);
            if wanted != 0 {
                let shapes = numbers::shapes(bytes, wanted);
                for (shape, wanting) in self.numbers.iter().enumerate() {
                    rows &= if shapes & (1 << shape) == 0 { !wanting } else { !0 };
                }
            }
        }
        Seen { rows, tokens, encoded, base64 }
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
        assert!(
            keys.len() + FOLDS.len() + ENCODED.len() + BASE64.len() <= 64 && ROWS.len() <= 64,
            "{} {}",
            keys.len(),
            ROWS.len()
        );
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
