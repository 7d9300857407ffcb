//! What stands beside a credential's name and is none: words of prose, types and references of programs.

use super::super::super::chars::byte_run;
use super::super::super::fields::credential_key;
use super::super::super::words;

/// Schemes of `Authorization` (the IANA registry's, and those of well-known services).
pub(super) const SCHEMES: [&str; 14] = [
    "Bearer",
    "Basic",
    "Digest",
    "Negotiate",
    "NTLM",
    "Token",
    "token",
    "ApiKey",
    "Api-Key",
    "Key",
    "SharedAccessSignature",
    "SharedKey",
    "GenieKey",
    "Bot",
];

/// Names that are also words of prose: with a colon, only what is no word is their value.
const WEAK: [&str; 9] =
    ["pass", "auth", "token", "secret", "cookie", "credential", "credentials", "authorization", "pw"];

pub(super) fn weak(key: &str) -> bool {
    WEAK.iter().any(|weak| weak.eq_ignore_ascii_case(key))
}

/// Headers whose value goes on to the end of the line.
pub(super) fn known_header(key: &str) -> bool {
    let ends = |end: &str| {
        key.len()
            .checked_sub(end.len())
            .and_then(|at| key.get(at..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    ["authorization", "cookie"].iter().any(|end| ends(end))
        || key.get(..2).is_some_and(|x| x.eq_ignore_ascii_case("x-"))
}

/// Words, with what ends a sentence.
pub(super) fn plain(value: &str) -> bool {
    let ends = |b: &&u8| matches!(b, b'.' | b',' | b';' | b':' | b'!' | b'?' | b')');
    let ending = value.bytes().rev().take_while(|b| ends(&b)).count();
    let value = value.as_bytes().get(..value.len() - ending).unwrap_or_default();
    value.is_empty()
        || value.split(|b| matches!(b, b' ' | b'-' | b'_' | b'/' | b'.' | b'\'' | b'(')).all(words::words)
}

/// Types and values of languages that are no secret, in either case.
fn keyword(name: &[u8]) -> bool {
    let mut lower = [0; 12];
    let Some(lower) = lower.get_mut(..name.len()) else { return false };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    matches!(
        &*lower,
        b"none"
            | b"null"
            | b"nil"
            | b"undefined"
            | b"true"
            | b"false"
            | b"str"
            | b"&str"
            | b"string"
            | b"bytes"
            | b"int"
            | b"bool"
            | b"any"
            | b"optional"
            | b"required"
            | b"secretstr"
            | b"secretstring"
            | b"never"
            | b"unknown"
            | b"void"
            | b"default"
            | b"object"
            | b"self"
            | b"redacted"
    )
}

/// Whether an unquoted value is a type, a variable, a call or a placeholder.
pub(super) fn code(key: &str, value: &str) -> bool {
    if value.starts_with("${")
        || value.starts_with("$(")
        || value.starts_with("{{")
        || value.starts_with("%(")
    {
        return true;
    }
    if let Some(name) = value.strip_prefix('$') {
        let variable = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        return name.strip_prefix("env:").unwrap_or(name).bytes().all(variable);
    }
    if value.starts_with('<')
        && value.ends_with(|c: char| c == '>' || c.is_ascii_alphabetic())
        && value.len() > 2
    {
        return value
            .bytes()
            .all(|b| b.is_ascii_alphabetic() || matches!(b, b'<' | b'>' | b'-' | b'_' | b' '));
    }
    let path = byte_run(value, 0, usize::MAX, |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'&' | b'?')
    });
    let (name, rest) = value.split_at_checked(path).unwrap_or((value, ""));
    let questions = name.bytes().rev().take_while(|b| *b == b'?').count();
    let bare = name.as_bytes().get(..name.len() - questions).unwrap_or_default();
    if keyword(bare) && !rest.starts_with('-') {
        return true;
    }
    let call =
        rest.starts_with(['(', '[']) || rest.starts_with('<') && rest.len() > 1 || rest.starts_with("::");
    if !call && !rest.is_empty() {
        return false;
    }
    let word = |part: &[u8]| words::words(part) || part.iter().all(u8::is_ascii_uppercase);
    let identifier =
        !name.is_empty() && name.as_bytes().split(|b| matches!(b, b'.' | b'_' | b'&' | b'?')).all(word);
    if !identifier {
        return false;
    }
    if call {
        return true;
    }
    // `token=self.token`, `api_key=API_KEY`
    let last = name.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case(key)
        || (name.contains(['.', '_']) && credential_key(last))
        || name.contains("process.env")
}
