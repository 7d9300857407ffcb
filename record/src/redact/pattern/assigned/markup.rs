//! XML: a credential as an element's text, or in the element after the one that names it.

use super::super::super::chars::{byte, byte_run};
use super::super::super::fields::{credential_key, pair_name};
use super::{Assigned, masked};

/// The longest head of an element, in bytes.
const HEAD: usize = 256;

/// `<password>...</password>`, `<name>DB_PASSWORD</name><value>...</value>` and
/// `<entry key="password">...</entry>`; `close` is the `>` of the first element's head.
pub(super) fn element(text: &str, done: usize, close: usize) -> Option<Assigned> {
    let head = text.as_bytes().get(done..close)?;
    let open = head.iter().rev().take(HEAD).position(|b| matches!(b, b'<' | b'>'))?;
    let start = close - open - 1;
    let head = text.get(start..close)?.strip_prefix('<')?;
    let tag = tag(head)?;
    let content = close + 1;
    if credential_key(tag) || names_credential(head) {
        return text_of(text, start, content);
    }
    if !pair_name(tag) {
        return None;
    }
    let end = byte_run(text, content, 64, |b| b != b'<');
    if !credential_key(text.get(content..end)?.trim()) || byte(text, end + 1) != b'/' {
        return None;
    }
    let after =
        |from: usize| Some(byte_run(text, from, 64, |b| b != b'>')).filter(|&at| byte(text, at) == b'>');
    let next = byte_run(text, after(end)? + 1, 64, |b| b.is_ascii_whitespace());
    if byte(text, next) != b'<' || byte(text, next + 1) == b'/' {
        return None;
    }
    text_of(text, start, after(next)? + 1)
}

/// The name of an element, without its prefix; `None` at the end of one.
fn tag(head: &str) -> Option<&str> {
    let end = head.find(|c: char| c.is_ascii_whitespace()).unwrap_or(head.len());
    let name = head.get(..end)?;
    let name = name.rsplit(':').next()?;
    (!head.ends_with('/') && !head.starts_with(['/', '!', '?'])).then_some(name)
}

/// Whether an attribute says that the element holds a credential.
fn names_credential(head: &str) -> bool {
    let named = |name: &str| {
        let value = head.split_once(&format!(" {name}=")).map_or("", |(_, value)| value);
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        quote
            .and_then(|quote| value.get(1..)?.split_once(quote))
            .is_some_and(|(value, _)| credential_key(value))
    };
    head.contains('=') && (named("key") || named("name"))
}

fn text_of(text: &str, start: usize, from: usize) -> Option<Assigned> {
    const CDATA: &str = "<![CDATA[";
    let cdata = text.get(from..)?.starts_with(CDATA);
    let value = if cdata { from + CDATA.len() } else { from };
    let rest = text.get(value..)?;
    let end = if cdata { rest.find("]]>") } else { memchr::memchr(b'<', rest.as_bytes()) };
    // A text that is cut may lack the end, but not after a mere `>`.
    let end = value + end.or(cdata.then_some(rest.len()))?;
    let shown = text.get(value..end)?;
    let (lead, kept) = (shown.len() - shown.trim_start().len(), shown.trim());
    let (value, end) = (value + lead, value + lead + kept.len());
    (!masked(kept)).then_some(Assigned { start, value, end })
}
