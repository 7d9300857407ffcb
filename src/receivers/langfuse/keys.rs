//! Who sends: Langfuse's key pairs, in Basic authentication.

use crate::net::status::Fault;
use crate::record::tenant::Tenant;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::collections::HashMap;
use std::fmt;

/// What the operator says of keys. Without any, every sender is taken, with or without a key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Public key to tenant.
    pub tenants: HashMap<String, String>,
    /// Public key to secret key, where it is to be checked.
    pub secrets: HashMap<String, String>,
    /// Whether a sender needs one of the public keys above.
    pub required: bool,
}

/// Secrets are never shown.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenants, secrets, required } = self;
        f.debug_struct("Keys")
            .field("tenants", tenants)
            .field("secrets", &secrets.len())
            .field("required", required)
            .finish()
    }
}

impl Keys {
    /// The tenant that the request's key stands for.
    ///
    /// # Errors
    /// The key is needed and not there, or its secret is not the one that is configured.
    pub(super) fn tenant(&self, headers: &HeaderMap) -> Result<Option<Tenant>, Fault> {
        let pair = headers.get(AUTHORIZATION).and_then(|value| pair(value.as_bytes()));
        let Some((public, secret)) = pair else {
            return if self.required { Err(UNKNOWN) } else { Ok(None) };
        };
        if let Some(right) = self.secrets.get(&public)
            && !same(right.as_bytes(), secret.as_bytes())
        {
            return Err(UNKNOWN);
        }
        match self.tenants.get(&public) {
            Some(tenant) => Ok(Some(Tenant::claimed(tenant).unwrap_or(Tenant::Local))),
            None if self.required && !self.secrets.contains_key(&public) => Err(UNKNOWN),
            None => Ok(None),
        }
    }
}

const UNKNOWN: Fault =
    Fault::Unauthenticated("use a key pair that receivers.langfuse of this halod's configuration lists");

/// The public and the secret key.
fn pair(value: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(decode(encoded.trim().as_bytes())?).ok()?;
    let (public, secret) = plain.split_once(':')?;
    Some((public.to_owned(), secret.to_owned()))
}

/// Base64 with or without padding (RFC 4648, section 4).
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.chunks(4) {
        let mut bits = 0_u32;
        for &letter in group {
            let digit = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(digit);
        }
        let whole = match group.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        bits <<= 6 * (4 - u32::try_from(group.len()).ok()?);
        out.extend_from_slice(&bits.to_be_bytes()[1..=whole]);
    }
    Some(out)
}

/// Whether two texts are the same, in a time that tells nothing of where they differ.
fn same(right: &[u8], given: &[u8]) -> bool {
    let mut differ = right.len() ^ given.len();
    for (at, byte) in given.iter().enumerate() {
        differ |= usize::from(byte ^ right.get(at).copied().unwrap_or(0));
    }
    differ == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn keys(required: bool) -> Keys {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        Keys {
            tenants: map(&[("pk-lf-a", "acme"), ("pk-lf-b", "")]),
            secrets: map(&[("pk-lf-a", "sk-lf-a")]),
            required,
        }
    }

    fn ask(keys: &Keys, authorization: Option<&str>) -> Result<Option<Tenant>, Fault> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        keys.tenant(&headers)
    }

    #[test]
    fn a_key_stands_for_its_tenant() {
        let acme = Some(Tenant::Subject("acme".into()));
        for required in [false, true] {
            let keys = keys(required);
            // pk-lf-a:sk-lf-a, pk-lf-a:sk-lf-x, pk-lf-b:any, pk-lf-c:any
            assert_eq!(ask(&keys, Some("Basic cGstbGYtYTpzay1sZi1h")), Ok(acme.clone()));
            assert_eq!(ask(&keys, Some("basic cGstbGYtYTpzay1sZi14")), Err(UNKNOWN));
            assert_eq!(ask(&keys, Some("Basic cGstbGYtYjphbnk=")), Ok(Some(Tenant::Local)));
            let strangers = if required { Err(UNKNOWN) } else { Ok(None) };
            for stranger in
                [None, Some("Basic cGstbGYtYzphbnk="), Some("Bearer x"), Some("Basic !"), Some("Basic")]
            {
                assert_eq!(ask(&keys, stranger), strangers, "{stranger:?}");
            }
        }
        assert_eq!(ask(&Keys::default(), Some("Basic cGstbGYtYTpzay1sZi1h")), Ok(None));
    }

    #[test]
    fn secrets_are_compared_whole() {
        for (right, given, same_) in
            [("ab", "ab", true), ("ab", "a", false), ("a", "ab", false), ("", "", true)]
        {
            assert_eq!(same(right.as_bytes(), given.as_bytes()), same_, "{right} {given}");
        }
        let shown = format!("{:?}", keys(true));
        assert!(!shown.contains("sk-lf"), "{shown}");
    }
}
