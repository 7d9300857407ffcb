//! Bearer tokens: who sends, for which tenant, and whether it may say that it captured what it sends.

use crate::auth::bearer;
use crate::auth::identity::Identity;
use crate::auth::secrets::Secrets;
use crate::auth::tenants::TenantScope;
use crate::net::status::Fault;
use halod_record::native::Capture;
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// The tokens that are taken; without any, everybody may send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    senders: Secrets<Grant>,
}

/// What a sender may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub tenants: TenantScope,
    pub capture: Capture,
}

impl Tokens {
    #[must_use]
    pub fn new(senders: Secrets<Grant>) -> Self {
        Self { senders }
    }

    /// Whether the sender shows a token that the operator knows.
    #[must_use]
    pub fn vouch(&self, headers: &HeaderMap) -> bool {
        !self.senders.is_empty() && self.grant(None, headers).is_ok()
    }

    /// What the identity of the sender allows, or the request's bearer token.
    ///
    /// # Errors
    /// Tokens are wanted, and it has none of them.
    pub fn grant(&self, identity: Option<&Identity>, headers: &HeaderMap) -> Result<Grant, Fault> {
        if let Some(Identity { tenants, capture, .. }) = identity {
            return Ok(Grant { tenants: tenants.clone(), capture: *capture });
        }
        if self.senders.is_empty() {
            return Ok(Grant { tenants: TenantScope::any(), capture: Capture::Ingested });
        }
        let token = headers
            .get(AUTHORIZATION)
            .and_then(|value| bearer(value.as_bytes()))
            .ok_or(Fault::Unauthenticated("send `authorization: Bearer TOKEN`"))?;
        self.senders
            .find(token)
            .cloned()
            .ok_or(Fault::Unauthenticated("the bearer token is not one of receivers.native.tokens"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use halod_record::hash::sha256;
    use http::HeaderValue;

    fn grant(tokens: &Tokens, value: Option<&'static str>) -> Result<Grant, Fault> {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        }
        tokens.grant(None, &headers)
    }

    #[test]
    fn a_token_is_known_by_its_hash() {
        let sender = |token: &[u8], tenant: Option<&str>, capture| {
            let tenants = tenant.map_or(TenantScope::any(), |id| TenantScope::parse(id).unwrap());
            (sha256(token), Grant { tenants, capture })
        };
        let tokens = Tokens::new(Secrets::new(vec![
            sender(b"one", Some("acme"), Capture::Ingested),
            sender(b"two", None, Capture::Captured),
        ]));
        let one = grant(&tokens, Some("Bearer one")).unwrap();
        assert_eq!((one.tenants, one.capture), (TenantScope::parse("acme").unwrap(), Capture::Ingested));
        let two = grant(&tokens, Some("bearer  two ")).unwrap();
        assert_eq!((two.tenants, two.capture), (TenantScope::any(), Capture::Captured));
        for none in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer on"),
            Some("Basic one"),
            Some("one"),
        ] {
            assert!(matches!(grant(&tokens, none), Err(Fault::Unauthenticated(_))), "{none:?}");
        }
        let hash = format!("{:?}", sha256(b"one"));
        assert!(!format!("{tokens:?}").contains(&hash));
        let open = grant(&Tokens::default(), None).unwrap();
        assert_eq!((open.tenants, open.capture), (TenantScope::any(), Capture::Ingested));
    }
}
