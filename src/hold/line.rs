//! One line of the hold's log: a checksum, a letter, and what the letter is about.

use super::SenderDigest;
use super::table::Key;
use data_encoding::HEXLOWER;
use halod_record::hash;
use halod_record::parts::{Context, Message};
use halod_record::tenant::Tenant;
use std::borrow::Cow;

/// What a line tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// A message that is held, since `at` (Unix milliseconds).
    Message { at: u64, tenant: Option<Tenant>, sender: Option<SenderDigest>, message: Box<Message> },
    /// So many of the oldest messages of an action are sealed.
    Done { key: Key, messages: u64 },
    /// Where the parts of a whole are sealed, where only messages tell.
    Placed { key: Key, tenant: Tenant },
    /// Something happened within the action. Former versions wrote it; nothing depends on it any more.
    Inner { key: Key },
    /// What a whole says for its parts, and the tenant that it claims.
    Context { key: Key, context: Context, claim: Option<String> },
}

impl Line {
    /// Appends the line with its line feed.
    pub fn write(&self, out: &mut Vec<u8>) {
        let body = match self {
            Self::Message { at, tenant, sender, message } => {
                let tenant = written(tenant.as_ref());
                let head = match sender {
                    None => format!("m {at} {tenant} "),
                    Some(sender) => format!("s {} {at} {tenant} ", HEXLOWER.encode(sender)),
                };
                [head.as_bytes(), &message.write()].concat()
            }
            Self::Done { key, messages } => format!("d {key} {messages}").into_bytes(),
            Self::Placed { key, tenant } => format!("p {key} {}", written(Some(tenant))).into_bytes(),
            Self::Inner { key } => format!("i {key}").into_bytes(),
            Self::Context { key, context, claim } => {
                let says = serde_json::json!([context.session, context.principal, claim]);
                format!("c {key} {says}").into_bytes()
            }
        };
        out.extend_from_slice(format!("{:08x} ", crc32fast::hash(&body)).as_bytes());
        out.extend_from_slice(&body);
        out.push(b'\n');
    }

    /// Reads a line without its line feed; `None` when it is damaged.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        let (sum, body) = line.split_at_checked(9)?;
        let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?.strip_suffix(' ')?, 16).ok()?;
        if sum != crc32fast::hash(body) {
            return None;
        }
        let body = std::str::from_utf8(body).ok()?;
        let (letter, rest) = body.split_once(' ')?;
        let pair = || rest.split_once(' ');
        Some(match letter {
            "m" | "s" => {
                let (sender, rest) = match letter {
                    "s" => (Some(hash::parse_hex(pair()?.0.as_bytes())?), pair()?.1),
                    _ => (None, rest),
                };
                let (at, rest) = rest.split_once(' ')?;
                let (tenant, message) = rest.split_once(' ')?;
                let message = Box::new(Message::read(message.as_bytes())?);
                Self::Message { at: at.parse().ok()?, tenant: tenant_of(tenant)?, sender, message }
            }
            "d" => Self::Done { key: pair()?.0.parse().ok()?, messages: pair()?.1.parse().ok()? },
            "p" => Self::Placed { key: pair()?.0.parse().ok()?, tenant: tenant_of(pair()?.1)?? },
            "i" => Self::Inner { key: rest.parse().ok()? },
            "c" => {
                let says: [Option<String>; 3] = serde_json::from_str(pair()?.1).ok()?;
                let [session, principal, claim] = says;
                let context =
                    Context { session: session.map(Cow::Owned), principal: principal.map(Cow::Owned) };
                Self::Context { key: pair()?.0.parse().ok()?, context, claim }
            }
            _ => return None,
        })
    }
}

/// `-` for none, `.` for the local one, else the subject in hexadecimal: it may hold anything.
fn written(tenant: Option<&Tenant>) -> String {
    match tenant.map(Tenant::subject) {
        None => "-".into(),
        Some(None) => ".".into(),
        Some(Some(subject)) => HEXLOWER.encode(subject.as_bytes()),
    }
}

fn tenant_of(text: &str) -> Option<Option<Tenant>> {
    match text {
        "-" => Some(None),
        "." => Some(Some(Tenant::Local)),
        digits => {
            let subject = String::from_utf8(HEXLOWER.decode(digits.as_bytes()).ok()?).ok()?;
            Some(Some(Tenant::stored(&subject)))
        }
    }
}
