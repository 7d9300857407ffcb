//! Credentials as arguments of programs: `--password x`, `mysql -px`, `curl -u user:x`.

use super::super::chars::{byte, byte_run};
use super::super::fields::credential_key;
use super::super::text::{Span, add};

/// What a short flag's argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument {
    /// A password, glued to the flag.
    Glued,
    /// A password, glued or apart.
    Either,
    /// A user and, after a sign, a password.
    User(u8),
}

/// What a flag of a program takes.
type Takes = (u8, Argument);

/// The flag of a program that takes a password.
fn program(word: &str) -> Option<Takes> {
    use Argument::{Either, Glued, User};
    Some(match word.rsplit('/').next()? {
        "curl" => (b'u', User(b':')),
        "http" | "https" => (b'a', User(b':')),
        "smbclient" | "rpcclient" => (b'U', User(b'%')),
        "mysql" | "mysqldump" | "mysqladmin" | "mysqlimport" | "mariadb" | "mariadb-dump" => (b'p', Glued),
        "sshpass" | "login" | "mongo" | "mongosh" | "mongodump" | "mongorestore" => (b'p', Either),
        "zip" | "unzip" | "sqlcmd" | "bcp" => (b'P', Either),
        "redis-cli" => (b'a', Either),
        "ldapsearch" | "ldapmodify" | "ldapadd" => (b'w', Either),
        _ => return None,
    })
}

/// Long flags that take a user and a password.
const USERS: [&str; 3] = ["user", "proxy-user", "basic"];

/// The longest word that is looked at.
const WORD: usize = 64;

/// What stands between the words of a command, also in a list of arguments.
fn between(b: u8) -> bool {
    b.is_ascii_whitespace()
        || matches!(b, b'"' | b'\'' | b'`' | b'(' | b'[' | b',' | b'|' | b';' | b'&' | b'\\' | b'<' | b'>')
}

pub(in super::super) fn find(text: &str, out: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut takes = None;
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        // A sign of a difference may stand before a word.
        if between(b) || b == b'+' {
            // The next command.
            takes = takes.filter(|_| !matches!(b, b'\n' | b'|' | b';' | b'&'));
            at += 1;
            continue;
        }
        let end = byte_run(text, at, usize::MAX, |b| !between(b));
        let word = text.get(at..end.min(at + WORD)).unwrap_or_default();
        let found = match word.strip_prefix('-') {
            Some(flag) if flag.starts_with('-') => long(text, at, word),
            Some(_) => takes.and_then(|takes| short(text, at, takes)),
            None => {
                takes = program(word).or(takes);
                None
            }
        };
        at = found.map_or(end, |span| span.end);
        if let Some(span) = found {
            add(out, span);
        }
    }
}

fn long(text: &str, dash: usize, word: &str) -> Option<Span> {
    let name = word.get(2..)?;
    let name = name.split_once('=').map_or(name, |(name, _)| name);
    let user = USERS.contains(&name);
    let end = dash + 2 + name.len();
    let glued = byte(text, end) == b'=';
    if !user && (glued || !credential_key(name)) {
        return None;
    }
    if user {
        return password_of(text, dash, end + usize::from(glued), b':');
    }
    // Another flag is no value; a switch has none.
    let value = byte_run(text, end, 6, |b| matches!(b, b' ' | b'"' | b'\'' | b',' | b'\\'));
    let none = matches!(byte(text, value), b'-' | b'|' | b'&' | b';' | b'>' | b'<' | b'\n' | 0);
    if value == end || none { None } else { argument(text, dash, end) }
}

fn short(text: &str, dash: usize, (flag, argument_of): Takes) -> Option<Span> {
    if byte(text, dash + 1) != flag {
        return None;
    }
    match argument_of {
        Argument::User(sign) => password_of(text, dash, dash + 2, sign),
        Argument::Glued if between(byte(text, dash + 2)) => None,
        Argument::Glued | Argument::Either => argument(text, dash, dash + 2),
    }
}

/// The password after the user and `sign`.
fn password_of(text: &str, dash: usize, value: usize, sign: u8) -> Option<Span> {
    let whole = argument(text, dash, value)?;
    let at = text.as_bytes().get(whole.kept..whole.end)?.iter().position(|b| *b == sign)?;
    let kept = whole.kept + at + 1;
    (!matches!(text.get(kept..whole.end)?, "" | "****")).then_some(Span { kept, ..whole })
}

/// One argument of a command, in quotes or without, which begins at `from` or after what separates it.
fn argument(text: &str, dash: usize, from: usize) -> Option<Span> {
    let kept = byte_run(text, from, 6, |b| matches!(b, b' ' | b'"' | b'\'' | b',' | b'\\'));
    let quote = if kept > from { byte(text, kept - 1) } else { 0 };
    let end = if matches!(quote, b'"' | b'\'') {
        byte_run(text, kept, usize::MAX, |b| b != quote && b != b'\n')
    } else {
        byte_run(text, kept, usize::MAX, |b| !between(b) || b == b',' || b == b'(' || b == b'[')
    };
    let shown = text.get(kept..end)?.trim_end_matches([',', ']', ')', '\\']);
    let variable = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"_{}".contains(&b);
    let reference = shown.strip_prefix('$').is_some_and(|name| name.bytes().all(variable));
    (!matches!(shown, "" | "****") && !reference).then(|| Span { start: dash, end: kept + shown.len(), kept })
}
