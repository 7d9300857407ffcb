//! Bearer tokens: who sends, for which tenant, and whether it may say that it captured what it sends.

use crate::net::status::Fault;
use crate::receivers::secrets::Secrets;
use halod_record::native::Capture;
use halod_record::tenant::Tenant;
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
    /// The only tenant that it may send for; any, when there is none.
    pub tenant: Option<Tenant>,
    pub capture: Capture,
}

impl Tokens {
    #[must_use]
    pub fn new(senders: Secrets<Grant>) -> Self {
        Self { senders }
    }

    /// What the request's bearer token allows.
    ///
    /// # Errors
    /// Tokens are wanted, and it has none of them.
    pub fn grant(&self, headers: &HeaderMap) -> Result<Grant, Fault> {
        if self.senders.is_empty() {
            return Ok(Grant { tenant: None, capture: Capture::Ingested });
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

/// The token of `Bearer TOKEN`; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
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
        tokens.grant(&headers)
    }

    #[test]
    fn a_token_is_known_by_its_hash() {
        let sender = |token: &[u8], tenant: Option<&str>, capture| {
            (sha256(token), Grant { tenant: tenant.map(|id| Tenant::claimed(id).unwrap()), capture })
        };
        let tokens = Tokens::new(Secrets::new(vec![
            sender(b"one", Some("acme"), Capture::Ingested),
            sender(b"two", None, Capture::Captured),
        ]));
        let one = grant(&tokens, Some("Bearer one")).unwrap();
        assert_eq!((one.tenant.unwrap().subject(), one.capture), (Some("acme"), Capture::Ingested));
        let two = grant(&tokens, Some("bearer  two ")).unwrap();
        assert_eq!((two.tenant, two.capture), (None, Capture::Captured));
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
        assert_eq!((open.tenant, open.capture), (None, Capture::Ingested));
    }
}
