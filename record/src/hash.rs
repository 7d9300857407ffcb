//! Content hashes, and hexadecimal.

use super::canon::{PIECE, Sink, append, pass_within};
use super::charge;
use crate::json::{Json, Text};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::fmt;
use wide::u8x16;

/// The hash of an input or an outcome: SHA-256, shown as `sha256:` and 64 lower-case digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InputHash(pub [u8; 32]);

impl fmt::Display for InputHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl InputHash {
    /// Appends `sha256:<hex>`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"sha256:");
        out.extend_from_slice(&hex(&self.0));
    }
}

/// Levels of nesting at which the reference leaves the canonical form: what is left of CPython's
/// 1,000 frames below `halo hash`, at three frames a level.
const CANON_LEVELS: usize = 332;

/// The reference's hash of any value: over the canonical form, or, where there is none (a
/// fraction, an unsafe integer, a surrogate in a key, deep nesting), over Python's
/// `json.dumps(value, sort_keys=True, separators=(",", ":"))`.
#[must_use]
pub fn input_hash(value: &Json<'_>) -> InputHash {
    input_hash_with(value, &mut Vec::new())
}

/// As [`input_hash`], with a buffer to reuse; what it holds is replaced.
#[must_use]
pub fn input_hash_with(value: &Json<'_>, scratch: &mut Vec<u8>) -> InputHash {
    let _passing = charge::passing();
    let mut form = Hashed::new(scratch);
    if pass_within(value, CANON_LEVELS, &mut form).is_err() {
        form = Hashed::new(scratch);
        dumps(value, &mut form);
    }
    InputHash(form.finish())
}

/// A form that is hashed piece by piece, because it can be many times as long as its value takes.
struct Hashed<'s> {
    /// What is not hashed yet.
    buffer: &'s mut Vec<u8>,
    /// Of what was hashed; most forms are shorter than a piece.
    state: Option<Sha256>,
}

impl<'s> Hashed<'s> {
    fn new(buffer: &'s mut Vec<u8>) -> Self {
        buffer.clear();
        Self { buffer, state: None }
    }

    fn finish(self) -> [u8; 32] {
        match self.state {
            None => sha256(self.buffer),
            Some(state) => state.chain_update(self.buffer).finalize().into(),
        }
    }
}

impl Sink for Hashed<'_> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer
    }

    fn pass(&mut self) {
        if self.buffer.len() >= PIECE {
            self.state.get_or_insert_default().update(&self.buffer);
            self.buffer.clear();
        }
    }
}

#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Python's compact `json.dumps` with sorted keys: ASCII only, keys in code-point order.
fn dumps(value: &Json<'_>, out: &mut impl Sink) {
    match value {
        Json::Null => out.buffer().extend_from_slice(b"null"),
        Json::Bool(true) => out.buffer().extend_from_slice(b"true"),
        Json::Bool(false) => out.buffer().extend_from_slice(b"false"),
        Json::Int(int) => append(out.buffer(), format_args!("{int}")),
        Json::BigInt(digits) => out.buffer().extend_from_slice(digits.as_bytes()),
        Json::Float(float) => dumps_float(*float, out.buffer()),
        Json::Str(text) => dumps_text(text, out),
        Json::Array(items) => {
            out.buffer().push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.buffer().push(b',');
                }
                dumps(item, out);
                out.pass();
            }
            out.buffer().push(b']');
        }
        Json::Object(entries) => {
            if charge::take(size_of_val(entries.as_slice()) / 2).is_err() {
                return;
            }
            let mut order: Vec<_> = entries.iter().collect();
            order.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
            out.buffer().push(b'{');
            for (at, (key, value)) in order.into_iter().enumerate() {
                if at > 0 {
                    out.buffer().push(b',');
                }
                dumps_text(key, out);
                out.buffer().push(b':');
                dumps(value, out);
                out.pass();
            }
            out.buffer().push(b'}');
        }
    }
}

/// Python's `repr` of a float: shortest digits that round-trip, exponent form below 1e-4 and from
/// 1e16, with a sign and at least two digits in the exponent.
pub fn dumps_float(float: f64, out: &mut Vec<u8>) {
    if float.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if float.is_infinite() {
        return out.extend_from_slice(if float > 0.0 { b"Infinity" } else { b"-Infinity" });
    }
    if !dumps_decimal(float, out) {
        dumps_shortest(float, out);
    }
}

fn dumps_shortest(float: f64, out: &mut Vec<u8>) {
    let scientific = shortest(float);
    match scientific.split_once('e') {
        Some((digits, exponent)) if !(-4..16).contains(&exponent.parse::<i32>().unwrap_or(0)) => {
            let (sign, size) = exponent.strip_prefix('-').map_or(('+', exponent), |size| ('-', size));
            append(out, format_args!("{digits}e{sign}{size:0>2}"));
        }
        Some((digits, exponent)) => {
            // As many digits after the point as there are beyond the exponent, and at least one.
            let beyond = digits.bytes().filter(u8::is_ascii_digit).count() as i32 - 1;
            let places = (beyond - exponent.parse::<i32>().unwrap_or(0)).max(1);
            append(out, format_args!("{float:.*}", places.unsigned_abs() as usize));
        }
        None => append(out, format_args!("{float:?}")),
    }
}

/// Writes amounts, rates and the like without searching for their digits: a quotient of two exact
/// numbers is rounded as its decimal text is read, so a float equal to `n / 10^k` with `n` below
/// 10^15 has these digits, and no shorter ones if `k` is the least.
fn dumps_decimal(float: f64, out: &mut Vec<u8>) -> bool {
    const SCALES: [(usize, f64); 4] = [(1, 1e1), (2, 1e2), (3, 1e3), (4, 1e4)];
    let size = float.abs();
    if !(1e-3..1e9).contains(&size) {
        return false;
    }
    let exact = SCALES.into_iter().find(|(_, scale)| (size * scale).round() / scale == size);
    let Some((places, scale)) = exact else { return false };
    if float < 0.0 {
        out.push(b'-');
    }
    let mut rest = (size * scale).round() as u64;
    let mut digits = *b"00000000000000";
    let point = digits.len() - 1 - places;
    for at in (0..digits.len()).rev() {
        if at == point {
            digits[at] = b'.';
        } else {
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    let zeros = digits[..point - 1].iter().take_while(|digit| **digit == b'0').count();
    out.extend_from_slice(&digits[zeros..]);
    true
}

/// The shortest digits that round-trip, in scientific form. Where two such decimals are equally
/// near, Python takes the even digit and Rust need not.
fn shortest(float: f64) -> String {
    let text = format!("{float:e}");
    let Some((digits, _)) = text.split_once('e') else { return text };
    let places = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let nearest = format!("{float:.places$e}");
    if nearest.parse() == Ok(float) { nearest } else { text }
}

fn dumps_text(text: &Text<'_>, out: &mut impl Sink) {
    out.buffer().push(b'"');
    let text = text.as_bytes();
    if text.len() <= PIECE {
        dumps_piece(text, out.buffer());
    } else {
        dumps_pieces(text, out);
    }
    out.buffer().push(b'"');
}

#[cold]
fn dumps_pieces(text: &[u8], out: &mut impl Sink) {
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(piece_of(rest));
        dumps_piece(piece, out.buffer());
        out.pass();
        rest = tail;
    }
}

/// The length of the first piece of a WTF-8 text: no character is cut.
fn piece_of(text: &[u8]) -> usize {
    let cut = |end: &usize| text.get(*end).is_none_or(|byte| !(0x80..0xC0).contains(byte));
    let end = PIECE.min(text.len());
    (end.saturating_sub(3)..=end).rev().find(cut).unwrap_or(end).max(1)
}

#[inline(always)]
fn dumps_piece(piece: &[u8], out: &mut Vec<u8>) {
    let mut rest = piece;
    loop {
        // Most text is printable ASCII, which stands for itself.
        let (run, other) = rest.split_at(plain_run(rest));
        out.extend_from_slice(run);
        let mut units = Units(other);
        let Some(unit) = units.next() else { break };
        rest = units.0;
        match unit {
            0x22 | 0x5C => out.extend_from_slice(&[b'\\', unit as u8]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0A => out.extend_from_slice(b"\\n"),
            0x0C => out.extend_from_slice(b"\\f"),
            0x0D => out.extend_from_slice(b"\\r"),
            0x1_0000.. => {
                write_unit(0xD7C0 + (unit >> 10), out);
                write_unit(0xDC00 + (unit & 0x3FF), out);
            }
            _ => write_unit(unit, out),
        }
    }
}

/// How many bytes stand for themselves.
fn plain_run(bytes: &[u8]) -> usize {
    let (all, tail) = bytes.as_chunks();
    let mut run = 0;
    for lanes in all {
        let lanes = u8x16::new(*lanes);
        let printable = (lanes - u8x16::splat(0x20)).simd_le(u8x16::splat(0x7E - 0x20));
        let quotes = lanes.simd_eq(u8x16::splat(b'"')) | lanes.simd_eq(u8x16::splat(b'\\'));
        let plain = (printable & !quotes).to_bitmask().trailing_ones() as usize;
        run += plain;
        if plain < lanes.to_array().len() {
            return run;
        }
    }
    run + tail.iter().take_while(|byte| matches!(byte, 0x20..=0x7E if !b"\"\\".contains(byte))).count()
}

/// `\uXXXX` of a UTF-16 code unit.
fn write_unit(unit: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\u");
    write_hex(&(unit as u16).to_be_bytes(), out);
}

/// The code points of a WTF-8 text, lone surrogates among them.
struct Units<'a>(&'a [u8]);

impl Iterator for Units<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (&lead, rest) = self.0.split_first()?;
        let (bits, more) = match lead {
            0..0x80 => (u32::from(lead), 0),
            0x80..0xE0 => (u32::from(lead & 0x1F), 1),
            0xE0..0xF0 => (u32::from(lead & 0x0F), 2),
            _ => (u32::from(lead & 0x07), 3),
        };
        let (tail, rest) = rest.split_at_checked(more).unwrap_or((rest, &[]));
        self.0 = rest;
        Some(tail.iter().fold(bits, |bits, &byte| bits << 6 | u32::from(byte & 0x3F)))
    }
}

/// 64 lower-case digits.
#[must_use]
pub fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    let mut out = [0; 64];
    HEXLOWER.encode_mut(bytes, &mut out);
    out
}

/// Appends two lower-case digits for each byte.
pub fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len() * 2, 0);
    HEXLOWER.encode_mut(bytes, &mut out[start..]);
}

/// Two lower-case digits for each byte.
#[must_use]
pub fn hex_text(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// The bytes of exactly twice as many lower-case digits; anything else, upper case included, is `None`.
#[must_use]
pub fn parse_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let fits = HEXLOWER.decode_len(digits.len()) == Ok(N);
    (fits && HEXLOWER.decode_mut(digits, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::json::parse;

    fn dumped(text: &str) -> String {
        let mut out = Vec::new();
        dumps(&parse(text).unwrap(), &mut out);
        String::from_utf8(out).unwrap()
    }

    /// The text that is hashed: canonical where possible.
    fn assert_hashes_as(text: &str, form: &str) {
        assert_eq!(input_hash(&parse(text).unwrap()).0, sha256(form.as_bytes()), "{text}");
    }

    #[test]
    fn known_hashes() {
        assert_eq!(
            input_hash(&Json::Null).to_string(),
            "sha256:74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b"
        );
        assert_eq!(
            input_hash(&parse(r#"{"a":2}"#).unwrap()).to_string(),
            "sha256:7e8059f495589fcd981232cc11d00b00da3802c01d688fa1cf1f6bed6e5bb33c"
        );
    }

    #[test]
    fn decimals_are_written_as_the_shortest_digits_are() {
        let mut random = 88_172_645_463_325_252_u64;
        for round in 0..200_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let digits = random % 10_u64.pow(1 + round % 13);
            let float = digits as f64 / 10_f64.powi(1 + (random >> 60) as i32 % 5);
            let float = if random & 1 == 0 { float } else { -float };
            let (mut fast, mut slow) = (Vec::new(), Vec::new());
            if dumps_decimal(float, &mut fast) {
                dumps_shortest(float, &mut slow);
                assert_eq!(String::from_utf8(fast).unwrap(), String::from_utf8(slow).unwrap());
            }
        }
    }

    #[test]
    fn long_texts_are_hashed_in_pieces_as_they_are_whole() {
        let unit = "é\u{1}\"\u{20ac}😀x";
        let long = unit.repeat(PIECE);
        let text = serde_json::to_string(&long).unwrap();
        assert_hashes_as(&text, &text);
        let once = dumped(&serde_json::to_string(unit).unwrap());
        let many = once.trim_matches('"').repeat(PIECE);
        assert_hashes_as(&format!("[0.5,{text}]"), &format!("[0.5,\"{many}\"]"));
    }

    #[test]
    fn one_fraction_switches_the_whole_value() {
        assert_hashes_as(r#"["é",2.0]"#, r#"["é",2]"#);
        assert_hashes_as(r#"["é",2.0,0.5]"#, r#"["\u00e9",2.0,0.5]"#);
        assert_hashes_as("{\"\u{e000}\":0.5,\"😀\":1}", r#"{"\ue000":0.5,"\ud83d\ude00":1}"#);
        assert_hashes_as("9007199254740992", "9007199254740992");
        assert_hashes_as(r#"{"\ud800":1}"#, r#"{"\ud800":1}"#);
    }

    #[test]
    fn floats_print_as_python_prints_them() {
        let cases = "1e16 1e+16,1.5e16 1.5e+16,123456789012345680.0 1.2345678901234568e+17,\
            9999999999999998.0 9999999999999998.0,0.0001 0.0001,0.00001 1e-05,1e-7 1e-07,5e-324 5e-324,\
            -0.0 -0.0,1e22 1e+22,1.7976931348623157e308 1.7976931348623157e+308,1e400 Infinity,\
            -Infinity -Infinity,NaN NaN,0.1 0.1,100.0 100.0,\
            2207668850344023.25 2207668850344023.2,2207668850344023.75 2207668850344023.8,\
            9007199254740992.0 9007199254740992.0,-1234.5 -1234.5";
        for case in cases.split(',') {
            let (from, to) = case.trim().split_once(' ').unwrap();
            assert_eq!(dumped(from), to);
        }
    }

    #[test]
    fn the_second_form_is_ascii() {
        assert_eq!(
            dumped(r#""\u007f\u0000\b\t\n\f\r\"\\/é\u2028😀\udc00""#),
            r#""\u007f\u0000\b\t\n\f\r\"\\/\u00e9\u2028\ud83d\ude00\udc00""#
        );
    }

    #[test]
    fn deep_nesting_switches_too() {
        let nest = |levels: usize, leaf: &str| "[".repeat(levels) + leaf + &"]".repeat(levels);
        for (levels, leaf) in [(331, "\"é\""), (331, "[\"é\",[]]"), (330, "\"é\\n\"")] {
            let levels = levels - leaf.matches('[').count().min(1);
            let canonical = nest(levels, leaf);
            assert_hashes_as(&canonical, &canonical);
            let deeper = nest(levels + 1, leaf);
            assert_hashes_as(&deeper, &deeper.replace('é', "\\u00e9"));
        }
    }

    #[test]
    fn hex_both_ways() {
        let bytes = std::array::from_fn(|at| (at * 8) as u8);
        assert_eq!(parse_hex(&hex(&bytes)), Some(bytes));
        let mut out = Vec::new();
        write_hex(&[0, 0x9f, 0xff], &mut out);
        assert_eq!(out, b"009fff");
        assert_eq!(parse_hex::<32>(&hex(&bytes).to_ascii_uppercase()), None);
        assert_eq!(parse_hex::<32>(b"00"), None);
        assert_eq!(parse_hex::<32>(&[b'0'; 65]), None);
    }
}
