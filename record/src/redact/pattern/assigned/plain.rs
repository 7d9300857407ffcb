//! What stands beside a credential's name and is none: words of prose, types and references of programs.

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
    let value = value.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
    value.is_empty() || value.split([' ', '-', '_', '/', '.', '\'', '(']).all(words::words)
}

/// Types and values of languages that are no secret.
const KEYWORDS: [&str; 24] = [
    "none",
    "null",
    "nil",
    "undefined",
    "true",
    "false",
    "str",
    "&str",
    "string",
    "bytes",
    "int",
    "bool",
    "any",
    "optional",
    "required",
    "secretstr",
    "secretstring",
    "never",
    "unknown",
    "void",
    "default",
    "object",
    "self",
    "redacted",
];

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
    let path = value
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '&' | '?')))
        .unwrap_or(value.len());
    let (name, rest) = value.split_at(path);
    if KEYWORDS.iter().any(|word| word.eq_ignore_ascii_case(name.trim_end_matches('?')))
        && !rest.starts_with('-')
    {
        return true;
    }
    let word = |part: &str| words::words(part) || part.bytes().all(|b| b.is_ascii_uppercase());
    let identifier = !name.is_empty() && name.split(['.', '_', '&', '?']).all(word);
    if !identifier {
        return false;
    }
    if rest.starts_with(['(', '[']) || rest.starts_with('<') && rest.len() > 1 || rest.starts_with("::") {
        return true;
    }
    // `token=self.token`, `api_key=API_KEY`
    let last = name.rsplit('.').next().unwrap_or_default();
    rest.is_empty()
        && (last.eq_ignore_ascii_case(key)
            || (name.contains(['.', '_']) && credential_key(last))
            || name.contains("process.env"))
}
