//! The one scan that decides which rows of the table can match a text at all.
//!
//! Every row names keys: three neighbouring bytes, or byte classes, of which one occurs in each of
//! its matches. Each key has a bit; three table look-ups, ANDed, tell which keys stand at a place. One of a key's
//! three, its anchor, is never a common letter, blank, comma or point. [`skip::marks`] tells of sixteen bytes at once which
//! are anything else, and only around those the tables are asked ([`Probe::glance`]). Text with characters outside ASCII that are no
//! letters is rare, and the tables are asked at all of its bytes.

use super::pattern::number::iban_starts;
use super::skip::{self, LANES};
use super::table::{REFERENCE_ROWS, ROWS, Row};
use super::{base64, letters, numbers};
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
        // The last letters of credentials' names, and what may follow them.
        'ρ' => matches!(byte | 0x20, b'r' | b'w'),
        'ι' => matches!(byte | 0x20, b's' | b'i' | b'd'),
        'ν' => matches!(byte | 0x20, b't' | b'y' | b'n'),
        'κ' => matches!(byte | 0x20, b's' | b'l'),
        // What tells GitHub's and Stripe's tokens, and private networks, apart.
        'ο' => matches!(byte, b'p' | b'o' | b's' | b'u'),
        'θ' => matches!(byte, b'l' | b't'),
        'ψ' => matches!(byte, b'7' | b'9'),
        'β' => matches!(byte, b'b' | b'a' | b'p' | b'r' | b's'),
        // The digits and colons of an address of IPv6.
        'μ' => byte.is_ascii_hexdigit() || byte == b':',
        // The flags of `pattern::flags`.
        'π' => matches!(byte, b'u' | b'U' | b'p' | b'P' | b'a' | b'w'),
        // What stands before a parameter of a query, between a name and its value, and between two digits.
        'φ' => matches!(byte, b'?' | b'&' | b';'),
        'ω' => matches!(byte, b'=' | b':'),
        'η' => matches!(byte, b'=' | b':' | b'"' | b'\'') || byte >= 0x80,
        'υ' => byte >= 0x80,
        'χ' => matches!(byte, b'-' | b' ' | b'.'),
        // The keys of AWS for roles and sessions.
        'Σ' => matches!(byte, b'B' | b'C' | b'S'),
        'Π' => matches!(byte, b'C' | b'I'),
        // What base64 makes of the beginning of JSON, and of a colon among letters: see `BASE64`.
        'Γ' => matches!(byte, b'e' | b'W'),
        'Δ' => matches!(byte, b'y' | b'w' | b'3'),
        'Ξ' => matches!(byte, b'I' | b'J' | b'A' | b'B' | b'o' | b'p' | b's' | b't'),
        // A colon in base64, as the first and second of three bytes, whatever stands beside it.
        'γ' => matches!(byte, b'g'..=b'v'),
        'ξ' => matches!(byte, b'o'..=b'r'),
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// The keys of [`FOLDS`].
    folds: u64,
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
    /// The rows of account numbers.
    accounts: u64,
}

impl Probe {
    pub(super) fn new() -> Self {
        let mut probe = Self {
            places: Box::new([[0; 256]; 3]),
            letters: Box::new([[0; 256]; 3]),
            folds: 0,
            by_key: [0; 64],
            encoded: 0,
            base64: 0,
            keyless: 0,
            long: 0,
            scripts: 0,
            numbers: [0; numbers::SHAPES],
            accounts: 0,
        };
        let mut known: Vec<(&str, bool)> = Vec::new();
        let folds = FOLDS.map(|name| probe.key(&mut known, name, false));
        probe.folds = folds.iter().fold(0, |keys, key| keys | 1 << key);
        for name in ENCODED {
            probe.encoded |= 1 << probe.key(&mut known, name, false);
        }
        for name in BASE64 {
            probe.base64 |= 1 << probe.key(&mut known, name, false);
        }
        for (at, row) in ROWS.iter().enumerate() {
            let bit = 1 << at;
            let set = |rows: &mut u64, wanted: bool| *rows |= if wanted { bit } else { 0 };
            set(&mut probe.keyless, row.keys.is_empty());
            set(&mut probe.long, row.long);
            set(&mut probe.scripts, row.scripts);
            set(&mut probe.accounts, row.name == "iban");
            for (shape, rows) in probe.numbers.iter_mut().enumerate() {
                set(rows, row.numbers & (1 << shape) != 0);
            }
            let mut keys = if row.fold { folds.to_vec() } else { Vec::new() };
            keys.extend(row.keys.iter().map(|name| probe.key(&mut known, name, row.fold)));
            for key in keys {
                set(&mut probe.by_key[key], true);
            }
        }
        probe
    }

    /// The number of a key, which is new unless it is `known`.
    fn key(&mut self, known: &mut Vec<(&'static str, bool)>, name: &'static str, fold: bool) -> usize {
        known.iter().position(|known| *known == (name, fold)).unwrap_or_else(|| {
            known.push((name, fold));
            self.add(known.len() - 1, name, fold);
            known.len() - 1
        })
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
                    // No letter is a digit, and none shows nothing.
                    let letter = byte.is_ascii() || !matches!(symbol, 'δ' | 'η' | 'υ');
                    *in_letters |= if letter { 1 << key } else { 0 };
                }
            }
        }
    }

    /// What `text` can hold.
    pub(super) fn look(&self, text: &str) -> Seen {
        self.glance(text).unwrap_or_else(|| self.look_everywhere(text))
    }

    /// The same; `None` where a character outside ASCII is no letter.
    pub(super) fn glance(&self, text: &str) -> Option<Seen> {
        let bytes = text.as_bytes();
        if is_plain(bytes) {
            return Some(Seen::default());
        }
        let mut keys = 0;
        // The blanks before, and up to where no run of token characters is long enough.
        let (mut breaks, mut short) = (!0, 0);
        let mut letters = Letters::default();
        let (all, rest) = bytes.as_chunks();
        for (number, lanes) in all.iter().enumerate() {
            let at = number * LANES;
            let marks = skip::marks(*lanes);
            if marks.rare != 0 {
                keys |= self.keys_at(bytes, at, marks.rare);
            }
            // A run covers two halves.
            if (breaks >> 8 | marks.breaks & 0xFF) == 0 && at >= short {
                short = short_until(bytes, at);
            }
            if marks.breaks == 0 && at + 8 >= short {
                short = short_until(bytes, at + 8);
            }
            breaks = marks.breaks;
            if marks.foreign != 0 {
                keys |= letters.read(bytes, at, marks.foreign)? & self.folds;
            }
        }
        if !rest.is_empty() {
            let at = all.len() * LANES;
            let marks = skip::rest(rest);
            if marks.rare != 0 {
                keys |= self.keys_at(bytes, at, marks.rare);
            }
            if (breaks >> 8 | marks.breaks & 0xFF) == 0 && at >= short {
                short = short_until(bytes, at);
            }
            if marks.foreign != 0 {
                keys |= letters.read(bytes, at, marks.foreign)? & self.folds;
            }
        }
        let tokens = short == usize::MAX;
        if keys == 0 && !tokens {
            return Some(Seen { rows: self.keyless & !self.long, ..Seen::default() });
        }
        let foreign = letters.end > 0;
        let rows = self.rows(keys, tokens) & if foreign { !0 } else { !self.scripts };
        Some(Seen {
            rows: self.with_numbers(text, foreign, rows),
            tokens,
            encoded: keys & self.encoded != 0,
            base64: keys & self.base64 != 0 && base64::has(bytes),
        })
    }

    /// The keys with an anchor among the `rare` bytes from `at` on.
    #[inline(never)]
    fn keys_at(&self, bytes: &[u8], at: usize, mut rare: u32) -> u64 {
        // So many are looked up sooner than one by one.
        const MANY: u32 = 6;
        if rare.count_ones() >= MANY {
            let near = bytes.get(at.saturating_sub(2)..bytes.len().min(at + LANES + 2)).unwrap_or_default();
            return match near.first_chunk::<{ LANES + 4 }>() {
                // Of so many bytes exactly, which takes half the time.
                Some(near) => keys_everywhere(&self.letters, near),
                None => keys_everywhere(&self.letters, near),
            };
        }
        let [first, second, third] = &*self.letters;
        let mut keys = 0;
        while rare != 0 {
            let at = at + rare.trailing_zeros() as usize;
            rare &= rare - 1;
            keys |= match bytes.get(at.wrapping_sub(2)..at + 3) {
                Some(&[a, b, c, d, e]) => {
                    let [a, b, c, d, e] = [a, b, c, d, e].map(usize::from);
                    first[a] & second[b] & third[c]
                        | first[b] & second[c] & third[d]
                        | first[c] & second[d] & third[e]
                }
                _ => {
                    let near = bytes.get(at.saturating_sub(2)..bytes.len().min(at + 3));
                    keys_everywhere(&self.letters, near.unwrap_or_default())
                }
            };
        }
        keys
    }

    /// What a text can hold that has characters outside ASCII which are no letters: the tables are asked at all bytes.
    fn look_everywhere(&self, text: &str) -> Seen {
        let bytes = text.as_bytes();
        let keys = keys_everywhere(&self.places, bytes);
        let tokens = has_tokens(bytes);
        Seen {
            // Digits and separators of other scripts are not looked at: with them every shape is possible.
            rows: self.rows(keys, tokens),
            tokens,
            encoded: true,
            base64: keys & self.base64 != 0 && base64::has(bytes),
        }
    }

    /// The rows that want one of `keys`, or none.
    fn rows(&self, mut keys: u64, tokens: bool) -> u64 {
        let mut rows = self.keyless;
        while keys != 0 {
            rows |= self.by_key[keys.trailing_zeros() as usize];
            keys &= keys - 1;
        }
        if tokens { rows } else { rows & !self.long }
    }

    /// Those of `rows` whose numbers are there, in text that is ASCII but for letters; `foreign` says that there are any.
    fn with_numbers(&self, text: &str, foreign: bool, mut rows: u64) -> u64 {
        let wants = |shape: &usize| self.numbers.get(*shape).is_some_and(|rows_of| rows & rows_of != 0);
        let wanted = (0..numbers::SHAPES).filter(wants).fold(0, |all, shape| all | 1 << shape);
        if wanted != 0 {
            let shapes = numbers::shapes(text.as_bytes(), wanted);
            for (shape, wanting) in self.numbers.iter().enumerate() {
                rows &= if shapes & (1 << shape) == 0 { !wanting } else { !0 };
            }
        }
        // Hashes have the keys of account numbers, but no beginning of one. The mask of another row could set one free,
        // and letters outside ASCII are folded.
        let accounts = rows & self.accounts;
        if accounts != 0
            && rows & REFERENCE == accounts & REFERENCE
            && !foreign
            && iban_starts(text).next().is_none()
        {
            rows &= !accounts;
        }
        rows
    }
}

/// The keys that stand anywhere in `bytes`.
#[inline(always)]
fn keys_everywhere([first, second, third]: &[[u64; 256]; 3], bytes: &[u8]) -> u64 {
    bytes.array_windows().fold(0, |keys, [a, b, c]| {
        keys | first[usize::from(*a)] & second[usize::from(*b)] & third[usize::from(*c)]
    })
}

/// Whether this is a short word or name in which no row can find anything: most keys and many values are.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    // Neither a token nor base64 of anything, nor a sign, a digit or a capital.
    bytes.len() < TOKEN_RUN && bytes.iter().all(|byte| PLAIN[usize::from(*byte)])
}

static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = byte as u8 == b'_' || skip::common(byte as u8);
        byte += 1;
    }
    table
};

/// The characters of a text outside ASCII, as far as they are read.
#[derive(Default)]
struct Letters {
    /// Where the last one ends.
    end: usize,
}

impl Letters {
    /// Reads those of the bytes from `at` on that are `foreign`; `None` at one that is no letter. The answer has all bits
    /// where one is folded to a letter of ASCII.
    fn read(&mut self, bytes: &[u8], at: usize, mut foreign: u32) -> Option<u64> {
        let mut folds = 0;
        while foreign != 0 {
            let at = at + foreign.trailing_zeros() as usize;
            foreign &= foreign - 1;
            if at < self.end {
                continue;
            }
            let rest = bytes.get(at..)?;
            self.end = at + letters::letter(rest)?;
            // All but one at the beginning of a text, as the tables see it.
            folds |= if at > 0 && rest.starts_with("ſ".as_bytes()) { !0 } else { 0 };
        }
        Some(folds)
    }
}

/// The run of token characters that reaches over `at` or begins there, as far as that decides whether it is long enough.
fn run_at(bytes: &[u8], at: usize) -> Range<usize> {
    let (head, tail) = bytes.split_at_checked(at).unwrap_or((bytes, &[]));
    let on = tail.iter().take(TOKEN_RUN).take_while(|&&b| token(b)).count();
    let back = head.iter().rev().take(if on == 0 { 0 } else { TOKEN_RUN }).take_while(|&&b| token(b)).count();
    at - back..at + on
}

/// Where the run around `at` ends if it is too short for a token, else the end of all.
#[inline(never)]
fn short_until(bytes: &[u8], at: usize) -> usize {
    let run = run_at(bytes, at);
    if run.len() >= TOKEN_RUN { usize::MAX } else { run.end }
}

/// Whether a run of [`TOKEN_RUN`] token characters is there. Such a run covers a position that is a
/// multiple of its length, so only those positions are looked at.
fn has_tokens(bytes: &[u8]) -> bool {
    (0..bytes.len()).step_by(TOKEN_RUN).any(|at| run_at(bytes, at).len() >= TOKEN_RUN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::{prelude::*, sample};

    /// What [`Probe::glance`] finds, found at all bytes.
    fn plain(probe: &Probe, text: &str) -> Seen {
        let bytes = text.as_bytes();
        let keys = keys_everywhere(&probe.letters, bytes);
        let tokens = has_tokens(bytes);
        let rows = probe.rows(keys, tokens) & if text.is_ascii() { !probe.scripts } else { !0 };
        Seen {
            rows: probe.with_numbers(text, !text.is_ascii(), rows),
            tokens,
            encoded: keys & probe.encoded != 0,
            base64: keys & probe.base64 != 0 && base64::has(bytes),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_glance_sees_what_the_tables_see_at_all_bytes(
            parts in vec(prop_oneof![
                "[a-z]{0,9}[ ,.]?",
                "[ -~\n\t]{0,6}",
                "[A-Za-z0-9+/=_-]{0,30}",
                "[0-9]{1,4}[-. :]",
                "[éб東🚀“ſ]{1,3}",
                sample::select(ROWS.iter().flat_map(|row| row.keys).copied().chain(BASE64).chain(ENCODED).collect::<Vec<_>>())
                    .prop_map(|key| key.chars().map(letter_of).collect::<String>()),
            ], 0..12),
        ) {
            let (probe, text) = (Probe::new(), parts.concat());
            let seen = if is_plain(text.as_bytes()) { Seen::default() } else { plain(&probe, &text) };
            prop_assert_eq!(probe.glance(&text), Some(seen));
        }
    }

    proptest! {
        #[test]
        fn no_row_finds_anything_in_plain_words(text in "[a-ik-v_ ,.]{0,23}") {
            prop_assert!(is_plain(text.as_bytes()));
            let mut found = Vec::new();
            ROWS.iter().for_each(|row| (row.find)(&text, &mut found));
            base64::find(&text, |_, _| found.push(super::super::text::Span::new(0, 0)));
            prop_assert_eq!(found, []);
        }
    }

    /// A character that fits a symbol of keys.
    fn letter_of(symbol: char) -> char {
        let fits = |byte: &u8| matches(symbol, *byte, false) && *byte != b'*';
        (b'0'..=b'~').chain(b' '..b'0').find(fits).map_or('x', char::from)
    }

    #[test]
    fn every_key_has_an_anchor() {
        for (key, fold) in ROWS.iter().flat_map(|row| row.keys.iter().map(|key| (*key, row.fold))) {
            let common = |symbol| (0..0x80).any(|byte| skip::common(byte) && matches(symbol, byte, fold));
            assert!(!key.chars().all(common), "{key}");
        }
        assert!(BASE64.iter().chain(&ENCODED).all(|key| {
            !key.chars()
                .all(|symbol| (0..0x80).any(|byte| skip::common(byte) && matches(symbol, byte, false)))
        }));
    }

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
