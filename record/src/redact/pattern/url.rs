//! URLs, connection strings and mail addresses.

use super::super::chars::{Lenient, at, boundary, byte, byte_run, first, space};
use super::super::skip::next_byte;
use super::super::text::{Span, add};
use memchr::memchr_iter;
use memchr::memmem::find_iter;

const ANY: usize = usize::MAX;

/// What ends a URL in running text, of ASCII: blanks, quotes and brackets.
const URL_ENDS: [bool; 256] = set(b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \"'<>");

/// What ends its authority.
const AUTHORITY_ENDS: [bool; 256] = set(b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \"'<>/?#");

const fn set(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut i = 0;
    while i < bytes.len() {
        table[bytes[i] as usize] = true;
        i += 1;
    }
    table
}

/// Where what starts at `from` ends: before one of `ends` or a blank of any script.
fn until(text: &str, from: usize, ends: &'static [bool; 256]) -> usize {
    let mut end = from;
    loop {
        end = byte_run(text, end, ANY, |b| b.is_ascii() && !ends[usize::from(b)]);
        match at(text, end).filter(|c| !c.is_ascii() && !space(*c)) {
            Some(c) => end += c.len_utf8(),
            None => return end,
        }
    }
}

/// Calls `rest` with where the part after `https://` begins; it answers with where the secret part
/// does, which must not be empty.
fn webhooks(text: &str, out: &mut Vec<Span>, rest: fn(&str, usize) -> Option<usize>) {
    let mut done = 0;
    for start in find_iter(text.as_bytes(), "https://") {
        if start < done {
            continue;
        }
        let Some(secret) = rest(text, start + 8) else { continue };
        let end = until(text, secret, &URL_ENDS);
        if end > secret {
            add(out, Span::new(start, end));
            done = end;
        }
    }
}

/// Where one of `starts` ends if it stands at `from`.
fn one_of(text: &str, from: usize, starts: &[&str]) -> Option<usize> {
    let rest = text.get(from..)?;
    starts.iter().find(|start| rest.starts_with(**start)).map(|start| from + start.len())
}

pub(in super::super) fn webhook(text: &str, out: &mut Vec<Span>) {
    webhooks(text, out, |text, host| {
        let known = one_of(
            text,
            host,
            &[
                "hooks.slack.com/services/",
                "discord.com/api/webhooks/",
                "discordapp.com/api/webhooks/",
                "outlook.office.com/webhook/",
            ],
        );
        known.or_else(|| {
            let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
            let end = byte_run(text, host, ANY, label);
            let tenant = text.get(host..end)?.strip_suffix(".webhook.office.com")?;
            one_of(text, end, &["/webhookb2/"]).filter(|_| !tenant.is_empty())
        })
    });
}

/// Slack's workflow hooks, Discord's test hosts and versioned paths, the other Outlook host.
pub(in super::super) fn other_webhook(text: &str, out: &mut Vec<Span>) {
    webhooks(text, out, |text, host| {
        let known = one_of(
            text,
            host,
            &[
                "hooks.slack.com/workflows/",
                "hooks.slack.com/triggers/",
                "ptb.discord.com/api/webhooks/",
                "canary.discord.com/api/webhooks/",
                "ptb.discordapp.com/api/webhooks/",
                "canary.discordapp.com/api/webhooks/",
                "outlook.office365.com/webhook/",
            ],
        );
        known.or_else(|| {
            let api = one_of(text, host, &["discord.com/api/v", "discordapp.com/api/v"])?;
            one_of(text, byte_run(text, api, 3, |b| b.is_ascii_digit()), &["/webhooks/"])
        })
    });
}

/// Keeps scheme, host and first segment.
pub(in super::super) fn mask_webhook(found: &str, out: &mut String) {
    let keep = found.match_indices('/').nth(3).map_or(found.len(), |(at, _)| at + 1);
    out.push_str(found.get(..keep).unwrap_or(found));
    out.push_str("****");
}

/// Longer ones first: where one scheme ends in another, the match starts with the longer.
const SCHEMES: [&str; 12] = [
    "mongodb+srv",
    "postgresql",
    "sqlserver",
    "postgres",
    "mariadb",
    "mongodb",
    "rediss",
    "amqps",
    "redis",
    "mysql",
    "mssql",
    "amqp",
];

/// The last four bytes of each.
static SCHEME_ENDS: [u32; SCHEMES.len()] = {
    let mut ends = [0; SCHEMES.len()];
    let mut i = 0;
    while i < ends.len() {
        if let Some(last) = SCHEMES[i].as_bytes().last_chunk() {
            ends[i] = u32::from_le_bytes(*last);
        }
        i += 1;
    }
    ends
};

/// Where `://` stands.
fn signs(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    memchr_iter(b':', bytes).filter(move |&at| bytes.get(at + 1..at + 3) == Some(b"//"))
}

pub(in super::super) fn db_conn(text: &str, out: &mut Vec<Span>) {
    let mut done = 0;
    for sign in signs(text) {
        let before = text.get(done..sign).unwrap_or_default();
        if !before
            .as_bytes()
            .last_chunk()
            .is_some_and(|last| SCHEME_ENDS.contains(&u32::from_le_bytes(*last)))
        {
            continue;
        }
        let scheme =
            SCHEMES.iter().find(|scheme| before.ends_with(**scheme)).map_or(0, |scheme| scheme.len());
        let end = if scheme > 0 { until(text, sign + 3, &URL_ENDS) } else { 0 };
        if end > sign + 3 {
            add(out, Span::new(sign - scheme, end));
            done = end;
        }
    }
}

/// Any other URL with a password: `https://user:password@host`.
pub(in super::super) fn userinfo(text: &str, out: &mut Vec<Span>) {
    let mut done = 0;
    for sign in signs(text) {
        if sign < done || sign == 0 {
            continue;
        }
        let authority = until(text, sign + 3, &AUTHORITY_ENDS);
        let Some(info) = text
            .get(sign + 3..authority)
            .and_then(|a| a.bytes().rposition(|b| b == b'@').and_then(|at| a.get(..at)))
        else {
            continue;
        };
        let scheme = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-');
        let before = text.as_bytes().get(done..sign).unwrap_or_default();
        let start = sign - before.iter().rev().take(32).take_while(|b| scheme(b)).count();
        let password = info.split_once(':').map_or("", |(_, password)| password);
        if start < sign && !password.is_empty() && password != "****" {
            done = sign + 3 + info.len() + 1;
            add(out, Span::new(start, done));
        }
    }
}

/// `scheme://user:password@rest` without the password, up to the last `@`; anything else as it is.
pub(in super::super) fn mask_userinfo(found: &str, out: &mut String) {
    out.push_str(masked_userinfo(found).as_deref().unwrap_or(found));
}

fn masked_userinfo(found: &str) -> Option<String> {
    let user = found.find("://")? + 3;
    let colon = user + found.get(user..)?.find([':', '/', '@'])?;
    let last = found.rfind('@').filter(|&last| last > colon && byte(found, colon) == b':')?;
    Some(format!("{}****{}", found.get(..=colon)?, found.get(last..)?))
}

fn local(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-')
}

pub(in super::super) fn email<const LENIENT: Lenient>(text: &str, out: &mut Vec<Span>) {
    let mut done = 0;
    let mut from = 0;
    loop {
        let sign = next_byte(text.as_bytes(), from, b'@');
        if sign >= text.len() {
            return;
        }
        from = sign + 1;
        let Some(end) = domain::<LENIENT>(text, sign + 1) else { continue };
        let Some(name) = text.as_bytes().get(done..sign) else { continue };
        let length = name.iter().rev().take(64).take_while(|b| local(**b)).count();
        // Every byte of the name is ASCII, so each is a character's first. The start is lenient always:
        // an earlier one only masks more.
        if let Some(start) = (sign - length..sign).find(|&at| boundary::<true>(text, at)) {
            add(out, Span::new(start, end));
            done = end;
        }
    }
}

/// Where the domain that starts at `from` ends: after the last label that can be a top-level one.
fn domain<const LENIENT: Lenient>(text: &str, from: usize) -> Option<usize> {
    let label = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let mut end = None;
    let mut start = from;
    for _ in 0..16 {
        let dot = byte_run(text, start, 64, label);
        if dot == start || dot - start > 63 || byte(text, dot) != b'.' {
            break;
        }
        start = dot + 1;
        let top = byte_run(text, start, 25, |b| b.is_ascii_alphabetic());
        if (2..=24).contains(&(top - start)) && boundary::<LENIENT>(text, top) {
            end = Some(top);
        }
    }
    end
}

/// Keeps the name's first character and the domain.
pub(in super::super) fn mask_email(found: &str, out: &mut String) {
    let sign = found.find('@').unwrap_or(found.len());
    out.push_str(first(found, 1));
    out.push_str("****");
    out.push_str(found.get(sign..).unwrap_or_default());
}
