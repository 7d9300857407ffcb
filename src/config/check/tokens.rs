//! `receivers.native.tokens`: from the SHA-256 of a token to what its sender may do.

use super::Reader;
use crate::receivers::native::tokens::{Grant, Sender, Tokens};
use crate::record::hash::parse_hex;
use crate::record::native::Capture;
use crate::record::tenant::Tenant;

const KEY: &str = "receivers.native.tokens";
/// Each is compared with every request's token.
const MAX_TOKENS: usize = 1000;

pub(super) fn read(reader: &mut Reader<'_>) -> Tokens {
    let mut senders: Vec<Sender> = Vec::new();
    for (key, value) in reader.map(KEY) {
        let name = key.name.trim();
        let digest = parse_hex(name.to_ascii_lowercase().as_bytes());
        let grant = grant(&value.text);
        match (digest, grant) {
            // What stands there may be the token itself.
            (None, _) => {
                let what = "must be the SHA-256 of a token, 64 hex digits: printf %s \"$TOKEN\" | sha256sum";
                reader.report(key.place, KEY, what.into());
            }
            (_, Err(what)) => reader.report(value.place, KEY, what),
            (Some(digest), _) if senders.iter().any(|sender| sender.digest == digest) => {
                reader.report(key.place, KEY, "the same token twice".into());
            }
            (Some(_), _) if senders.len() == MAX_TOKENS => {
                reader.report(key.place, KEY, format!("at most {MAX_TOKENS} tokens"));
                break;
            }
            (Some(digest), Ok(grant)) => senders.push(Sender { digest, grant }),
        }
    }
    Tokens::new(senders)
}

/// `TENANT`, `TENANT, captured`, or `*` for any tenant.
fn grant(text: &str) -> Result<Grant, String> {
    let (tenant, capture) = match text.rsplit_once(',') {
        Some((tenant, word)) if word.trim() == "captured" => (tenant, Capture::Captured),
        _ => (text, Capture::Ingested),
    };
    let tenant = match tenant.trim() {
        "" => {
            return Err(
                "must name the token's tenant, or `*` for any, like `acme` or `acme, captured`".into()
            );
        }
        "*" => None,
        id => Some(Tenant::claimed(id).map_err(|error| error.to_string())?),
    };
    Ok(Grant { tenant, capture })
}
