//! Base64 of JSON or of `user:password`, one level deep: in either alphabet, with or without padding.

use super::words;
use std::ops::Range;

/// The shortest run that is looked at: nine bytes.
pub(super) const SHORTEST: usize = 12;

/// The characters of a run that are decoded.
const LONGEST: usize = 4096;

/// The characters whose bytes tell whether a run may be text at all.
const HEAD: usize = 8;

/// The value of each character of both alphabets (RFC 4648, sections 4 and 5); `NONE` for all others.
static VALUES: [u8; 256] = {
    let mut table = [NONE; 256];
    let mut value = 0;
    while value < 26 {
        table[(b'A' + value) as usize] = value;
        table[(b'a' + value) as usize] = value + 26;
        value += 1;
    }
    let mut digit = 0;
    while digit < 10 {
        table[(b'0' + digit) as usize] = digit + 52;
        digit += 1;
    }
    table[b'+' as usize] = 62;
    table[b'-' as usize] = 62;
    table[b'/' as usize] = 63;
    table[b'_' as usize] = 63;
    table
};

const NONE: u8 = 0xFF;

pub(super) fn value(byte: u8) -> u8 {
    VALUES[usize::from(byte)]
}

/// Calls `found` with each run of at least [`SHORTEST`] characters, until it says that it is enough. Each covers a place
/// that is a multiple of that length, so only those places are looked at.
fn runs(bytes: &[u8], mut found: impl FnMut(Range<usize>) -> bool) -> bool {
    let mut done = 0;
    for at in (SHORTEST - 1..bytes.len()).step_by(SHORTEST) {
        if at < done || bytes.get(at).is_none_or(|b| value(*b) == NONE) {
            continue;
        }
        let (head, tail) = bytes.split_at(at);
        let back =
            head.get(done..).unwrap_or_default().iter().rev().take_while(|b| value(**b) != NONE).count();
        let end = at + tail.iter().take_while(|b| value(**b) != NONE).count();
        if end - (at - back) >= SHORTEST && found(at - back..end) {
            return true;
        }
        done = end;
    }
    false
}

/// A run, and what lies between the slashes in it: in a path they are no part of what is encoded.
fn parts(bytes: &[u8], run: &Range<usize>, mut part: impl FnMut(Range<usize>) -> bool) -> bool {
    if part(run.clone()) {
        return true;
    }
    let mut start = run.start;
    let within = bytes.get(run.clone()).unwrap_or_default();
    for slash in memchr::memchr_iter(b'/', within).map(|at| run.start + at).chain([run.end]) {
        if slash - start >= SHORTEST && slash - start < run.len() && part(start..slash) {
            return true;
        }
        start = slash + 1;
    }
    false
}

/// Whether the first bytes of a run are characters of ASCII, or the first one opens JSON.
fn plausible(run: &[u8]) -> bool {
    let Some([a, b, c, d, more @ ..]) = run.first_chunk::<HEAD>() else { return false };
    let [first, second, third] = three([*a, *b, *c, *d]);
    let [fourth, fifth, sixth] = three(*more);
    text(first)
        && text(second)
        && (matches!(first, b'{' | b'[') || text(third) && text(fourth) && text(fifth) && text(sixth))
}

fn three([a, b, c, d]: [u8; 4]) -> [u8; 3] {
    let bits = u32::from(value(a)) << 18
        | u32::from(value(b)) << 12
        | u32::from(value(c)) << 6
        | u32::from(value(d));
    let [_, first, second, third] = bits.to_be_bytes();
    [first, second, third]
}

/// A character of text in ASCII.
fn text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

/// Whether there is a run that may be text: the cheap look before [`find`].
pub(super) fn has(bytes: &[u8]) -> bool {
    runs(bytes, |run| parts(bytes, &run, |part| plausible(bytes.get(part).unwrap_or_default())))
}

/// What a run decodes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    Json(String),
    /// `user:password`: the user.
    Password(String),
}

/// Calls `found` with each run that is JSON or a password, and with its padding.
pub(super) fn find(text: &str, mut found: impl FnMut(Range<usize>, Decoded)) {
    let bytes = text.as_bytes();
    runs(bytes, |run| {
        parts(bytes, &run, |part| {
            let encoded = bytes.get(part.clone()).unwrap_or_default();
            let Some(decoded) = plausible(encoded).then(|| decode(encoded)).flatten().and_then(read) else {
                return false;
            };
            let signs =
                bytes.get(part.end..).unwrap_or_default().iter().take(2).take_while(|b| **b == b'=').count();
            let padding = if (encoded.len() + signs).is_multiple_of(4) { signs } else { 0 };
            found(part.start..part.end + padding, decoded);
            // A run that is one is no path.
            part == run
        });
        false
    });
}

/// The bytes of a run, as far as they are decoded.
fn decode(run: &[u8]) -> Option<Vec<u8>> {
    let cut = run.get(..LONGEST);
    let (fours, rest) = cut.unwrap_or(run).as_chunks::<4>();
    let mut out: Vec<u8> = fours.iter().flat_map(|four| three(*four)).collect();
    // What is left over of the last byte is nought.
    match *rest {
        [] => {}
        [a, b] => out.push(exact(value(a) << 2, value(b), 4)?),
        [a, b, c] => {
            out.push(value(a) << 2 | value(b) >> 4);
            out.push(exact(value(b) << 4, value(c), 2)?);
        }
        _ => return None,
    }
    Some(out)
}

fn exact(high: u8, low: u8, shift: u32) -> Option<u8> {
    (low & ((1 << shift) - 1) == 0).then_some(high | low >> shift)
}

fn read(bytes: Vec<u8>) -> Option<Decoded> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        // A character may be cut at the end of what is decoded.
        Err(error) if error.utf8_error().error_len().is_none() => {
            let valid = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(valid);
            String::from_utf8(bytes).ok()?
        }
        Err(_) => return None,
    };
    let json = text.trim_start();
    if json.starts_with(['{', '[']) && json.contains('"') {
        return Some(Decoded::Json(text));
    }
    let (user, password) = text.split_once(':')?;
    (is_user(user) && is_password(password)).then(|| Decoded::Password(user.to_owned()))
}

/// Words before a colon that name no user.
const NO_USERS: [&str; 8] = ["sha1", "sha256", "sha384", "sha512", "md5", "urn", "arn", "data"];

fn is_user(user: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@' | b'+');
    (1..=64).contains(&user.len())
        && user.bytes().all(letter)
        && user.bytes().any(|b| b.is_ascii_alphabetic())
        && !NO_USERS.contains(&user)
}

/// Not a number or an id: so stores encode names of things (`Product:4711`).
fn is_password(password: &str) -> bool {
    let id = password.bytes().all(|b| b.is_ascii_hexdigit()) && password.len() >= 16
        || words::uuid(password.as_bytes());
    (4..=128).contains(&password.len())
        && password.bytes().all(|b| b.is_ascii_graphic())
        && password.bytes().any(|b| !b.is_ascii_digit())
        && !password.starts_with("//")
        && !id
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};

    fn all(text: &str) -> Vec<(String, Decoded)> {
        let mut all = Vec::new();
        find(text, |at, decoded| all.push((text[at].to_owned(), decoded)));
        assert!(all.is_empty() || has(text.as_bytes()), "{text}");
        all
    }

    #[test]
    fn every_alphabet_and_padding_is_decoded() {
        for content in ["{\"a\": \"?>~\u{fe}\u{ff}\"}", "{\"key\":1}\n", "[\"xyz\", {}]", "{\"é\": \"ÿÿÿ\"}"]
        {
            for encoding in [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD] {
                let encoded = encoding.encode(content.as_bytes());
                for text in [
                    encoded.clone(),
                    format!("see {encoded}, and"),
                    format!("x={encoded}"),
                    format!("/a/{encoded}/b"),
                ] {
                    if encoded.contains('/') && text.starts_with('/') {
                        continue;
                    }
                    assert_eq!(all(&text), [(encoded.clone(), Decoded::Json(content.to_owned()))], "{text}");
                }
            }
        }
        assert_eq!(all("dXNlcjpwYXNz"), [("dXNlcjpwYXNz".to_owned(), Decoded::Password("user".to_owned()))]);
    }

    #[test]
    fn what_is_no_such_text_is_nothing() {
        for content in [
            "Product:4711-12".replace("-12", "").as_str(),
            "04:User583231",
            "User:550e8400-e29b-41d4-a716-446655440000",
            "sha256:abcd-abcd",
            "https://example.com/a",
            "a sentence: with blanks",
            "no colon here",
            "user:abc",
            "{just a brace",
        ] {
            assert_eq!(all(&BASE64.encode(content.as_bytes())), [], "{content}");
        }
        // Of the bytes of images, and what is not decoded to its last bit.
        for encoded in [
            "iVBORw0KGgoAAAANSUhEUgAAAAUA",
            "/9j/4AAQSkZJRgABAQEASABIAAD",
            "R0lGODlhAQABAIAAAAAAAP///yH5",
            "dXNlcjpwYXN0Zf",
            "dXNlcjpwYXNzd",
        ] {
            assert_eq!(all(encoded), [], "{encoded}");
        }
    }

    #[test]
    fn runs_are_found_wherever_they_lie_and_decoded_to_their_limit() {
        let encoded = "dXNlcjpwYXNz";
        for before in 0..40 {
            let text = format!("{}{encoded}{}", ". ".repeat(before), " .".repeat(before));
            assert_eq!(all(&text).len(), 1, "{before}");
        }
        let long = format!("{{\"a\":\"{}\"}}", "é".repeat(10_000));
        let encoded = BASE64.encode(long.as_bytes());
        let found = all(&encoded);
        assert!(
            matches!(&found[..], [(run, Decoded::Json(text))] if *run == encoded && text.len() <= LONGEST)
        );
    }
}
