//! What a path says: which log a file belongs to, and whose it is.

use halod_record::wildcard::fits_where;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What rotation and compression put behind a name.
const ENDINGS: &[&str] = &[".gz", ".bz2", ".xz", ".zst", ".old", ".bak", "~"];

/// The name of the log that a file belongs to: the file's own, without what rotation adds to it
/// (`access.log.2.gz`, `access.log-20261125`, `access-2026-11-25.log`, `0.log.20261125-101500`).
/// Files of one log share the identities of equal content; files of two logs never do.
#[must_use]
pub fn log_name(name: &str) -> String {
    let mut rest = name;
    while let Some(shorter) = without_ending(rest).or_else(|| without_stamp(rest)) {
        rest = shorter;
    }
    // Between the name and its extension there may be a date, too.
    if let Some((stem, extension)) = rest.rsplit_once('.')
        && !extension.is_empty()
        && extension.bytes().all(|byte| byte.is_ascii_alphabetic())
    {
        let undated = std::iter::successors(Some(stem), |stem| without_date(stem)).last();
        return format!("{}.{extension}", undated.unwrap_or(stem));
    }
    rest.to_owned()
}

/// The path of the log that a file belongs to, as text: an identity's first part.
#[must_use]
pub fn log_path(path: &Path) -> String {
    let name = path.file_name().map(shown).unwrap_or_default();
    let parent = path.parent().map(|parent| shown(parent.as_os_str())).unwrap_or_default();
    format!("{}/{}", parent.trim_end_matches('/'), log_name(&name))
}

/// A path as text; bytes that are not UTF-8 as `\xHH`, so that two names never become one.
#[must_use]
pub fn shown(path: &OsStr) -> String {
    let mut text = String::new();
    for chunk in path.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

fn without_ending(name: &str) -> Option<&str> {
    ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).filter(|rest| !rest.is_empty())
}

/// The name without the number or the date that a rotation added.
fn without_stamp(name: &str) -> Option<&str> {
    if let Some((rest, number)) = name.rsplit_once('.')
        && !rest.is_empty()
        && (1..=4).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Some(rest);
    }
    without_date(name)
}

/// The name without a date or a time at its end, and the separator before it. Numbers that stand before the date
/// (`vhost-1-20261122`) are the name's own: two logs that they tell apart must not become one.
fn without_date(name: &str) -> Option<&str> {
    let of_date = |c: char| c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | 'T' | ':' | 'Z');
    let start = name.trim_end_matches(of_date).len();
    let separators = name.bytes().enumerate().skip(start.max(1)).filter(|(_, byte)| is_separator(*byte));
    let mut parts = separators.filter_map(|(at, _)| name.split_at_checked(at));
    parts.find(|(_, date)| begins_with_date(&date.as_bytes()[1..])).map(|(rest, _)| rest)
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'.')
}

/// Whether this is at least eight digits (a day, a second, a number of seconds) or a day in groups. A time may
/// follow, but not what could be the name's own numbers: a year that comes last, or groups between dots.
fn begins_with_date(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let first = digits(text);
    if first >= 8 {
        return true;
    }
    let Some((separator, rest)) = text[first..].split_first().filter(|(byte, _)| is_separator(**byte)) else {
        return false;
    };
    let second = digits(rest);
    let Some(rest) = rest[second..].strip_prefix(&[*separator]) else { return false };
    match (first, second, digits(rest)) {
        (4, 2, 2) => *separator != b'.' || rest.len() == 2,
        (2, 2, 4) => rest.len() == 4,
        _ => false,
    }
}

/// A path with one part in braces, like `/var/log/{tenant}/access.log`: what stands there names the tenant.
/// `*` stands for anything within one directory's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathTenant {
    before: String,
    after: String,
}

const PLACE: &str = "{tenant}";

impl PathTenant {
    /// `None` unless `{tenant}` stands in it once.
    #[must_use]
    pub fn parse(pattern: &str) -> Option<Self> {
        let (before, after) = pattern.split_once(PLACE)?;
        (!after.contains(PLACE)).then(|| Self { before: before.to_owned(), after: after.to_owned() })
    }

    /// The tenant that a log's path names.
    #[must_use]
    pub fn find<'p>(&self, path: &'p str) -> Option<&'p str> {
        let starts = (0..path.len()).filter(|at| path.is_char_boundary(*at));
        for start in starts.filter(|at| fits(self.before.as_bytes(), &path.as_bytes()[..*at])) {
            let rest = &path[start..];
            let name = rest.find('/').unwrap_or(rest.len());
            let ends = (1..=name).rev().filter(|at| rest.is_char_boundary(*at));
            for end in ends {
                if fits(self.after.as_bytes(), &rest.as_bytes()[end..]) {
                    return Some(&rest[..end]);
                }
            }
        }
        None
    }
}

impl TryFrom<String> for PathTenant {
    type Error = &'static str;

    fn try_from(pattern: String) -> Result<Self, Self::Error> {
        Self::parse(&pattern).ok_or("a path in which {tenant} does not stand once")
    }
}

impl From<PathTenant> for String {
    fn from(rule: PathTenant) -> Self {
        [&*rule.before, PLACE, &*rule.after].concat()
    }
}

/// Whether `text` is what `pattern` describes; `*` is anything without a slash.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    fits_where(pattern, text, |byte| byte != b'/')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_belong_to_their_log() {
        for name in [
            "access.log",
            "access.log.1",
            "access.log.12.gz",
            "access.log-20261122",
            "access.log-20261122-1795336218",
            "access.log-20261122.gz",
            "access.log.2026-11-22T10:00:00Z",
            "access-20261122.log",
            "access_2026-11-22.log.gz",
            "access.log.old",
            "access.log~",
        ] {
            assert_eq!(log_name(name), "access.log", "{name}");
        }
        assert_eq!(log_name("0.log.20261125-101500.gz"), "0.log");
        assert_eq!(log_name("access.22-11-2026.log"), "access.log");
        for own in ["vhost-1.log", "access", "1", ".gz", "20261122", "10.0.0.1.log", "a.json", "v2.log"] {
            assert_eq!(log_name(own), own);
        }
        assert_eq!(log_path(Path::new("/var/log/x.log.1")), "/var/log/x.log");
        assert_eq!(log_path(Path::new("/x.log.1")), "/x.log");
    }

    #[test]
    fn a_date_takes_nothing_of_the_name_before_it() {
        for (own, rotated) in [
            ("vhost-1.log", ["vhost-1-20261122.log", "vhost-1.log-20261122"]),
            ("vhost-1", ["vhost-1-20261122", "vhost-1-2026-11-22.gz"]),
            ("srv-443.log", ["srv-443-2026-11-22.log", "srv-443.22-11-2026.log"]),
            ("10.0.0.1.log", ["10.0.0.1-20261122.log", "10.0.0.1.2026-11-22T10:00:00Z.log"]),
            ("AUDIT", ["AUDIT-20261122", "AUDIT.20261122-101500"]),
            ("20261122", ["20261122-20261123", "20261122.1"]),
        ] {
            assert_eq!(log_name(own), own);
            assert_eq!(rotated.map(log_name), [own, own], "{rotated:?}");
        }
    }

    #[test]
    fn names_that_are_no_text_stay_apart() {
        let one = log_path(Path::new(OsStr::from_bytes(b"/var/\xff.log")));
        assert_eq!(one, "/var/\\xFF.log");
    }

    /// Every star would try every place for every place of the one before it: 10^16 steps.
    #[test]
    fn many_stars_cost_no_more_than_one() {
        let rule = PathTenant::parse("/*a*a*a*a*a*a*a*a*b/{tenant}").unwrap();
        assert_eq!(rule.find(&format!("/{}/x", "a".repeat(250))), None);
        assert_eq!(rule.find(&format!("/{}b/x", "a".repeat(250))), Some("x"));
    }

    #[test]
    fn tenants_come_from_the_path() {
        let rule = PathTenant::parse("/var/log/*/{tenant}-access.log").unwrap();
        assert_eq!(rule.find("/var/log/nginx/acme-access.log"), Some("acme"));
        assert_eq!(rule.find("/var/log/nginx/a-b-access.log"), Some("a-b"));
        assert_eq!(rule.find("/var/log/nginx/-access.log"), None);
        assert_eq!(rule.find("/var/log/x/y/acme-access.log"), None);
        let rule = PathTenant::parse("/var/log/{tenant}/access.log").unwrap();
        assert_eq!(rule.find("/var/log/café/access.log"), Some("café"));
        assert_eq!(rule.find("/var/log/a/b/access.log"), None);
        let rule = PathTenant::parse("/*-b*/a*b/{tenant}").unwrap();
        assert_eq!(rule.find("/a-a-b/aab*b/x"), Some("x"));
        assert_eq!(rule.find("/a-a/b/ab/x"), None);
        assert_eq!(PathTenant::parse("/var/log"), None);
        assert_eq!(PathTenant::parse("/{tenant}/{tenant}"), None);
    }
}
