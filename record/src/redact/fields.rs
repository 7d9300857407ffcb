//! What a field's name says of its value: credentials are masked whole, paths stay readable.

use super::invisible::invisible;
use super::pattern::{number, people};
use crate::json::{Json, Text};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Endings of the reference's credential names.
const ENDINGS: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "api_key",
    "apikey",
    "token",
    "private_key",
    "privatekey",
    "secret_key",
    "secretkey",
];

/// Last segments of the reference's credential names.
const SEGMENTS: [&str; 6] = ["pass", "pwd", "auth", "authorization", "credential", "credentials"];

/// Endings that the reference takes for ordinary names.
const MORE_ENDINGS: [&str; 15] = [
    "secret_access_key",
    "secretaccesskey",
    "account_key",
    "accountkey",
    "shared_access_key",
    "sharedaccesskey",
    "signing_key",
    "encryption_key",
    "connection_string",
    "connectionstring",
    "cookie",
    "passcode",
    "subscription_key",
    "master_key",
    "auth_key",
];

/// Of these, a number is a secret too.
const PASSWORDS: [&str; 4] = ["password", "passwd", "passphrase", "passcode"];

/// Last segments for which a number is a secret too.
const PASSWORD_SEGMENTS: [&str; 2] = ["pass", "pwd"];

/// Letters in lower case; blanks, dots and hyphens as `_`.
static NORMAL: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = if matches!(b as u8, b' ' | b'.' | b'-') { b'_' } else { (b as u8).to_ascii_lowercase() };
        b += 1;
    }
    table
};

/// Whether `key` ends in `name` when written in the normal way; `segment`: as its last part.
fn ends(key: &[u8], name: &str, segment: bool) -> bool {
    let normal = |b: &u8| NORMAL[usize::from(*b)];
    key.len().checked_sub(name.len()).is_some_and(|rest| {
        let same = key.iter().rev().zip(name.bytes().rev()).all(|(b, expected)| normal(b) == expected);
        same && (!segment || rest == 0 || key.get(rest - 1).is_some_and(|b| normal(b) == b'_'))
    })
}

/// Longer keys than this are read only from the end; no name is longer.
const LONGEST: usize = 64;

/// Calls `f` with the end of a key, without blanks at the end or anything invisible.
fn with_visible<T>(key: &str, f: impl Fn(&[u8]) -> T) -> T {
    if key.is_ascii() {
        if key.as_bytes().last().is_some_and(u8::is_ascii_alphanumeric) {
            return f(key.as_bytes());
        }
        return f(key.trim_end_matches(super::chars::space).as_bytes());
    }
    let visible = key.chars().rev().filter(|c| !invisible(*c));
    let mut end: Vec<char> = visible.skip_while(|c| super::chars::space(*c)).take(LONGEST).collect();
    end.reverse();
    f(end.into_iter().flat_map(char::to_lowercase).collect::<String>().as_bytes())
}

/// Names of credentials by their last byte, and whether they are segments.
static NAMES: LazyLock<Vec<Vec<(&str, bool)>>> = LazyLock::new(|| {
    let endings = ENDINGS.iter().chain(&MORE_ENDINGS).map(|name| (*name, false));
    let all: Vec<_> = endings.chain(SEGMENTS.iter().map(|name| (*name, true))).collect();
    let with = |b: u8| all.iter().copied().filter(|(name, _)| name.bytes().next_back() == Some(b)).collect();
    (0..=255).map(with).collect()
});

/// Whether one of these names ends in these letters.
fn may_end_in(last: [u8; 3]) -> bool {
    matches!(
        &last.map(|b| b | 0x20),
        b"ord"
            | b"swd"
            | b"ase"
            | b"ret"
            | b"key"
            | b"ken"
            | b"ass"
            | b"pwd"
            | b"uth"
            | b"ion"
            | b"ial"
            | b"als"
            | b"ing"
            | b"kie"
            | b"ode"
    )
}

/// Names of tokens that say where a list goes on, and let nobody in.
const CURSORS: [&str; 6] =
    ["page_token", "pagetoken", "next_token", "nexttoken", "continuation_token", "continuationtoken"];

/// Whether a field of this name holds a credential.
pub(super) fn credential_key(key: &str) -> bool {
    // Most keys end in letters with which no such name ends, and need no more work.
    if let Some(end @ [_, _, last]) = key.as_bytes().last_chunk()
        && last.is_ascii_alphanumeric()
        && end.is_ascii()
        && !may_end_in(*end)
    {
        return false;
    }
    with_visible(key, |key| {
        let names = key.last().and_then(|b| NAMES.get(usize::from(NORMAL[usize::from(*b)])));
        names.is_some_and(|names| names.iter().any(|(name, segment)| ends(key, name, *segment)))
            && !CURSORS.iter().any(|cursor| ends(key, cursor, false))
    })
}

/// Whether a number in a field of this name is a credential.
pub(super) fn password_key(key: &str) -> bool {
    with_visible(key, |key| {
        PASSWORDS.iter().any(|name| ends(key, name, false))
            || PASSWORD_SEGMENTS.iter().any(|name| ends(key, name, true))
    })
}

/// Members that name what another member of the same object holds.
const PAIR_NAMES: [&str; 7] = ["name", "key", "variable", "header", "parameter", "param", "field"];

/// Members that hold what another one names.
const PAIR_VALUES: [&str; 6] = ["value", "val", "string_value", "stringValue", "string", "default"];

pub(super) fn pair_name(key: &str) -> bool {
    PAIR_NAMES.iter().any(|name| name.eq_ignore_ascii_case(key))
}

pub(super) fn pair_value(key: &str) -> bool {
    PAIR_VALUES.iter().any(|name| name.eq_ignore_ascii_case(key))
}

/// The credential's name that a pair's object holds: `{"name": "DB_PASSWORD", "value": "..."}`.
pub(super) fn paired<'j>(entries: &'j [(Text<'_>, Json<'_>)]) -> Option<Cow<'j, str>> {
    let names = entries.iter().filter(|(key, value)| {
        matches!(value, Json::Str(_)) && key.as_str().is_some_and(|key| key.len() <= 9 && pair_name(key))
    });
    names
        .map(|(_, value)| if let Json::Str(name) = value { name.to_lossy() } else { Cow::Borrowed("") })
        .find(|name| name.len() <= LONGEST && credential_key(name))
}

/// The name by which a member is judged: in a pair's object, `value` goes by the name beside it.
pub(super) fn judged<'n>(name: &'n str, paired: Option<&'n str>) -> &'n str {
    paired.filter(|_| pair_value(name)).unwrap_or(name)
}

pub(super) const MASK: &str = "****";

/// Whether `value`, by itself, is the credential of a field named `key`, for which
/// [`credential_key`] holds.
pub(super) fn credential_value(key: &str, value: &Json<'_>) -> bool {
    match value {
        Json::Str(text) => !text.as_bytes().is_empty(),
        Json::Int(_) | Json::BigInt(_) | Json::Float(_) => password_key(key),
        _ => false,
    }
}

/// A number of a person's that only the name of its member tells from any other: the finding's type, and what stands for
/// it.
#[inline]
pub(super) fn personal(name: &str, value: &Json<'_>) -> Option<(&'static str, String)> {
    // Most values are none.
    let digit = |b: &u8| b.is_ascii_digit() || matches!(b, b'(' | b'+');
    match value {
        Json::Str(text) if text.as_bytes().first().is_some_and(digit) => number_of(name, value),
        Json::Int(100_000..) => number_of(name, value),
        _ => None,
    }
}

fn number_of(name: &str, value: &Json<'_>) -> Option<(&'static str, String)> {
    let text = match value {
        Json::Str(text) => text.to_lossy(),
        Json::Int(number) => Cow::Owned(number.to_string()),
        _ => return None,
    };
    let kind = people::member(name, &text)?;
    let mut mask = String::new();
    number::last_four(if kind == "ssn" { "***-**-" } else { "***-***-" }, &text, &mut mask);
    Some((kind, mask))
}

/// Whether there is a credential under `key` that is not masked yet: the value, or an item of it.
pub(super) fn holds_credential(key: &str, value: &Json<'_>) -> bool {
    let one = |value: &Json<'_>| {
        credential_value(key, value)
            && !matches!(value, Json::Str(text) if text.as_bytes() == MASK.as_bytes())
    };
    match value {
        Json::Array(items) => items.iter().any(one),
        _ => one(value),
    }
}

/// Names whose values are paths, as the reference spells them.
const PATHS: [&str; 23] = [
    "file_path",
    "filePath",
    "notebook_path",
    "notebookPath",
    "path",
    "paths",
    "filenames",
    "files",
    "file",
    "cwd",
    "pattern",
    "glob",
    "directory",
    "dir",
    "old_path",
    "new_path",
    "target_file",
    "source_file",
    "workdir",
    "url",
    "uri",
    "href",
    "urls",
];

pub(super) fn path_key(key: &Text<'_>) -> bool {
    key.as_str().is_some_and(|key| PATHS.contains(&key))
}

/// Whether the value of a path's field is anchored as a path, and not a secret put there.
pub(super) fn path_value(value: &str) -> bool {
    if value.contains(['=', '?', '&', '%', '@']) {
        return false;
    }
    match value.strip_prefix(['/', '~']) {
        // One segment may be any token after such a sign, also with a `*` in it.
        Some(rest) => rest.contains(['/', '.']),
        None => rooted(value) || scheme(value) || extension(value) || value.contains(['*', '[', '{']),
    }
}

fn rooted(value: &str) -> bool {
    let drive = matches!(value.as_bytes(), [drive, b':', b'/' | b'\\', ..] if drive.is_ascii_alphabetic());
    drive || value.starts_with("./") || value.starts_with("../")
}

fn scheme(value: &str) -> bool {
    value.split_once("://").is_some_and(|(scheme, _)| {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'.' | b'-');
        scheme.starts_with(|c: char| c.is_ascii_lowercase()) && scheme.bytes().all(letter)
    })
}

/// A short extension at the end (a final newline, as `$` in Python, doesn't count).
fn extension(value: &str) -> bool {
    let value = value.strip_suffix('\n').unwrap_or(value);
    value.rsplit_once('.').is_some_and(|(_, extension)| {
        (1..=6).contains(&extension.len()) && extension.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}
