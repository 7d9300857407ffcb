//! Credentials as arguments of programs: `--password x`, `mysql -px`, `curl -u user:x`.

use super::super::chars::{byte, byte_run};
use super::super::fields::credential_key;
use super::super::text::{Span, add};
use memchr::memchr_iter;

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
    // Behind a path, a name's sign, or a letter of another script.
    let before = word.bytes().rposition(|b| matches!(b, b'/' | b'=') || !b.is_ascii());
    Some(match before.map_or(Some(word), |at| word.get(at + 1..))? {
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

/// Short flags of the programs above.
const SHORT: &[u8] = b"uaUpPw";

pub(in super::super) fn find(text: &str, out: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut command = Command::default();
    let mut done = 0;
    for dash in memchr_iter(b'-', bytes) {
        if dash < done || !begins_word(bytes, dash) {
            continue;
        }
        let found = match byte(text, dash + 1) {
            b'-' => {
                let end = byte_run(text, dash, WORD, |b| !between(b));
                text.get(dash..end).and_then(|word| long(text, dash, word))
            }
            flag if SHORT.contains(&flag) => {
                command.takes_at(text, dash).and_then(|takes| short(text, dash, takes))
            }
            _ => None,
        };
        if let Some(span) = found {
            add(out, span);
            done = span.end;
        }
    }
}

/// Whether a word begins at `at`: a sign of a difference may stand before it, or a letter of another script; before a
/// long flag also the sign of a name.
fn begins_word(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at).unwrap_or_default().iter().rev();
    let long = bytes.get(at + 1) == Some(&b'-');
    let apart = |b: u8| between(b) || !b.is_ascii() || long && b == b'=';
    before.copied().find(|b| *b != b'+').is_none_or(apart)
}

/// What is known of the command around a place.
#[derive(Default)]
struct Command {
    /// Up to here all is read.
    read: usize,
    takes: Option<Takes>,
}

impl Command {
    /// What the last program takes that the command around `at` names before it.
    fn takes_at(&mut self, text: &str, at: usize) -> Option<Takes> {
        let unread = text.as_bytes().get(self.read..at).unwrap_or_default();
        // The next command.
        if let Some(end) = unread.iter().rposition(|b| matches!(b, b'\n' | b'|' | b';' | b'&')) {
            self.takes = None;
            self.read += end + 1;
        }
        while self.read < at {
            if between(byte(text, self.read)) || byte(text, self.read) == b'+' {
                self.read += 1;
                continue;
            }
            let end = byte_run(text, self.read, usize::MAX, |b| !between(b));
            let word = text.get(self.read..end).filter(|word| !word.starts_with('-'));
            self.takes = word.and_then(program).or(self.takes);
            self.read = end;
        }
        self.takes
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
