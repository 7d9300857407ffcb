//! Who sends: Langfuse's key pairs, in Basic authentication.

use crate::auth::basic;
use crate::auth::secrets::is_secret;
use crate::net::status::Fault;
use halod_record::tenant::Tenant;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::collections::HashMap;
use std::fmt;

/// What the operator says of keys. Without any, every sender is taken, with or without a key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Public key to tenant.
    pub tenants: HashMap<String, Tenant>,
    /// Public key to the SHA-256 of its secret key, where that is to be checked.
    pub secrets: HashMap<String, [u8; 32]>,
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
    /// Whether the sender shows a pair of keys of which the operator knows both.
    pub(super) fn vouch(&self, headers: &HeaderMap) -> bool {
        let pair = headers.get(AUTHORIZATION).and_then(|value| pair(value.as_bytes()));
        pair.is_some_and(|(public, secret)| {
            self.secrets.get(&public).is_some_and(|right| is_secret(right, secret.as_bytes()))
        })
    }

    /// The tenant that the request's key stands for.
    ///
    /// # Errors
    /// The key is needed and not there, or its secret is not the one that is configured.
    pub(super) fn tenant(&self, headers: &HeaderMap) -> Result<Option<Tenant>, Fault> {
        let pair = headers.get(AUTHORIZATION).and_then(|value| pair(value.as_bytes()));
        let Some((public, secret)) = pair else {
            return if self.required { Err(UNKNOWN) } else { Ok(None) };
        };
        if self.secrets.get(&public).is_some_and(|right| !is_secret(right, secret.as_bytes())) {
            return Err(UNKNOWN);
        }
        match self.tenants.get(&public) {
            Some(tenant) => Ok(Some(tenant.clone())),
            None if self.required && !self.secrets.contains_key(&public) => Err(UNKNOWN),
            None => Ok(None),
        }
    }
}

const UNKNOWN: Fault =
    Fault::Unauthenticated("use a key pair that receivers.langfuse of this halod's configuration lists");

/// The public and the secret key.
fn pair(value: &[u8]) -> Option<(String, String)> {
    let (public, secret) = basic(value)?;
    Some((String::from_utf8(public).ok()?, String::from_utf8(secret).ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::hash::sha256;

    fn keys(required: bool) -> Keys {
        let tenants = [("pk-lf-a", "acme"), ("pk-lf-b", "")];
        Keys {
            tenants: tenants.map(|(key, id)| (key.to_owned(), Tenant::stored(id))).into(),
            secrets: [("pk-lf-a".to_owned(), sha256(b"sk-lf-a"))].into(),
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
    fn secrets_are_never_shown() {
        let shown = format!("{:?}", keys(true));
        assert!(!shown.contains("sk-lf") && !shown.contains("secrets: {"), "{shown}");
    }
}
