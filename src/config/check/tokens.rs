//! Secrets by their SHA-256: `receivers.native.tokens`, and what a sender may do with each;
//! `receivers.langsmith.keys`, and whose it is.

use super::Reader;
use crate::auth::secrets::Secrets;
use crate::auth::tenants::TenantScope;
use crate::receivers::langsmith;
use crate::receivers::native::tokens::{Grant, Tokens};
use halod_record::hash::parse_hex;
use halod_record::native::Capture;
use halod_record::tenant::Tenant;

/// Each is compared with every request's.
const MAX_SECRETS: usize = 1000;

/// A secret in words: what it is called, and how a shell may have it.
type Words = (&'static str, &'static str);

pub(super) fn native(reader: &mut Reader<'_>) -> Tokens {
    Tokens::new(secrets(reader, "receivers.native.tokens", ("token", "TOKEN"), grant))
}

pub(super) fn langsmith(reader: &mut Reader<'_>) -> langsmith::Keys {
    const KEY: &str = "receivers.langsmith.require_key";
    let tenant = |text: &str| Tenant::claimed(text.trim()).map_err(|error| error.to_string());
    let tenants = secrets(reader, "receivers.langsmith.keys", ("key", "LANGSMITH_API_KEY"), tenant);
    let mut required = false;
    reader.choice(KEY, &[("true", true), ("false", false)], &mut required);
    if required
        && tenants.is_empty()
        && let Some(place) = reader.node(KEY).map(|node| node.place)
    {
        reader.report(place, KEY, "nobody could send: list keys in receivers.langsmith.keys".into());
    }
    langsmith::Keys { tenants, required }
}

/// A map from the SHA-256 of secrets to what they stand for.
fn secrets<T>(
    reader: &mut Reader<'_>,
    path: &str,
    (called, variable): Words,
    read: impl Fn(&str) -> Result<T, String>,
) -> Secrets<T> {
    let mut secrets: Vec<([u8; 32], T)> = Vec::new();
    for (key, value) in reader.map(path) {
        let digest = parse_hex(key.name.trim().to_ascii_lowercase().as_bytes());
        match (digest, read(&value.text)) {
            // What stands there may be the secret itself.
            (None, _) => {
                let what = format!(
                    "must be the SHA-256 of a {called}, 64 hex digits: printf %s \"${variable}\" | sha256sum"
                );
                reader.report(key.place, path, what);
            }
            (_, Err(what)) => reader.report(value.place, path, what),
            (Some(digest), _) if secrets.iter().any(|(known, _)| *known == digest) => {
                reader.report(key.place, path, format!("the same {called} twice"));
            }
            (Some(_), _) if secrets.len() == MAX_SECRETS => {
                reader.report(key.place, path, format!("at most {MAX_SECRETS} {called}s"));
                break;
            }
            (Some(digest), Ok(what)) => secrets.push((digest, what)),
        }
    }
    Secrets::new(secrets)
}

/// `TENANT`, `TENANT, captured`, or `*` for any tenant.
fn grant(text: &str) -> Result<Grant, String> {
    let (tenant, capture) = match text.rsplit_once(',') {
        Some((tenant, word)) if word.trim() == "captured" => (tenant, Capture::Captured),
        _ => (text, Capture::Ingested),
    };
    let tenants = match tenant.trim() {
        "" => {
            return Err(
                "must name the token's tenant, or `*` for any, like `acme` or `acme, captured`".into()
            );
        }
        "*" => TenantScope::any(),
        id => TenantScope::only(Tenant::claimed(id).map_err(|error| error.to_string())?),
    };
    Ok(Grant { tenants, capture })
}
