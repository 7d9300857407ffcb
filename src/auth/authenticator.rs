//! Whose request it is, by what its head and its connection show.

use super::identity::Identity;
use super::lines::{CertificateRule, Table};
use super::passwords::Checked;
use crate::net::peer::Peer;
use crate::net::tls::certificate::ClientCertificate;
use data_encoding::BASE64_NOPAD;
use halod_record::wildcard::fits;
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderName};
use std::sync::{Arc, PoisonError, RwLock};

/// Where LangSmith's clients show a token.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Knows the identities of a daemon. They may be replaced while it is asked.
#[derive(Debug)]
pub struct Authenticator {
    table: RwLock<Arc<Table>>,
    checked: Checked,
}

/// What a request shows of its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    Identity(Arc<Identity>),
    /// Credentials, and none that is known.
    Unknown,
    Nothing,
    /// A password, while too many others are being checked.
    Busy,
}

impl Authenticator {
    /// `key` is random: nobody may know it.
    #[must_use]
    pub fn new(table: Table, key: [u8; 32]) -> Self {
        Self { table: RwLock::new(Arc::new(table)), checked: Checked::new(key) }
    }

    /// Goes on with other identities. Requests that are being asked about end with those from before.
    pub fn replace(&self, table: Table) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    /// Whose a request is. A bearer token in `Authorization` decides alone; then come a token in the place of a password or
    /// of LangSmith's API key, the password of a user, the certificate of the client, the peer of a Unix socket.
    pub async fn identify(&self, headers: &HeaderMap, extensions: &Extensions) -> Shown {
        let table = Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner));
        let authorization = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        if let Some(token) = authorization.and_then(bearer) {
            return table.tokens.find(token).map_or(Shown::Unknown, shown);
        }
        let pair = authorization.and_then(basic);
        let key = headers.get(X_API_KEY).map(|value| value.as_bytes().trim_ascii());
        let token = pair.as_ref().map(|(_, password)| password.as_slice()).or(key);
        if let Some(identity) = token.and_then(|token| table.tokens.find(token)) {
            return shown(identity);
        }
        if let Some((user, password)) = &pair {
            for own in table.passwords.iter().filter(|own| own.identity.name.as_bytes() == user) {
                match self.checked.is_right(&own.hash, password).await {
                    Ok(true) => return shown(&own.identity),
                    Ok(false) => {}
                    Err(_) => return Shown::Busy,
                }
            }
        }
        let certificate = extensions.get::<Arc<ClientCertificate>>();
        if let Some(identity) = certificate.and_then(|certificate| of_certificate(&table, certificate)) {
            return shown(identity);
        }
        if let Some(&Peer::Local { uid, gid }) = extensions.get()
            && let Some((_, identity)) = table.peers.iter().find(|(rule, _)| {
                rule.uid.is_none_or(|own| own == uid) && rule.gid.is_none_or(|own| own == gid)
            })
        {
            return shown(identity);
        }
        if authorization.is_none() && key.is_none() && certificate.is_none() {
            Shown::Nothing
        } else {
            Shown::Unknown
        }
    }
}

fn shown(identity: &Arc<Identity>) -> Shown {
    Shown::Identity(Arc::clone(identity))
}

fn of_certificate<'t>(table: &'t Table, certificate: &ClientCertificate) -> Option<&'t Arc<Identity>> {
    let is_its = |rule: &CertificateRule| match rule {
        CertificateRule::Spiffe(pattern) => {
            certificate.uris.iter().any(|uri| fits(pattern.as_bytes(), uri.as_bytes()))
        }
        CertificateRule::Subject(subject) => *subject == certificate.subject,
    };
    table.certificates.iter().find(|(rule, _)| is_its(rule)).map(|(_, identity)| identity)
}

/// The token of `Bearer TOKEN`; the scheme's case does not matter (RFC 9110, section 11.1).
pub(crate) fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// User and password of `Basic CREDENTIALS` (RFC 7617, section 2). Some senders leave the padding out.
pub(crate) fn basic(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, encoded) = value.split_at_checked(b"basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let encoded = encoded.trim_ascii();
    let digits = encoded.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let plain = BASE64_NOPAD.decode(encoded.get(..digits)?).ok()?;
    let at = plain.iter().position(|byte| *byte == b':')?;
    let password = plain.get(at + 1..)?.to_vec();
    Some((plain.get(..at)?.to_vec(), password))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::auth::passwords;
    use data_encoding::BASE64;
    use halod_record::hash::{hex_text, sha256};

    fn authenticator() -> Authenticator {
        let digest = |token: &str| hex_text(&sha256(token.as_bytes()));
        let text = format!(
            "one token={} tenants=acme\ntwo token={} tenants=beta\nuser password={} tenants=*\n\
             fleet spiffe=spiffe://example.com/agents/* tenants=*\nproxy subject=CN=proxy tenants=*\n\
             group gid=7 tenants=*\nhooks uid=1001 tenants=*",
            digest("token-one"),
            digest("token-two"),
            passwords::hash(b"correct horse", &[7; 16]).unwrap()
        );
        Authenticator::new(Table::parse(&text).unwrap(), [1; 32])
    }

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    async fn name(of: &Authenticator, headers: &HeaderMap, extensions: &Extensions) -> String {
        match of.identify(headers, extensions).await {
            Shown::Identity(identity) => identity.name.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn credentials_are_found_wherever_clients_can_show_them() {
        let own = authenticator();
        let pair = |user: &str, password: &str| {
            format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()))
        };
        for (shown, identity) in [
            (vec![("authorization", "Bearer token-one".to_owned())], "one"),
            (vec![("authorization", "bearer  token-two ".into())], "two"),
            (vec![("authorization", "Bearer token-three".into())], "Unknown"),
            (vec![("authorization", "Bearer ".into())], "Unknown"),
            (vec![("x-api-key", "token-two".into())], "two"),
            (vec![("x-api-key", "token-three".into())], "Unknown"),
            (vec![("authorization", pair("pk-lf-1", "token-one"))], "one"),
            (vec![("authorization", pair("pk-lf-1", "token-one").trim_end_matches('=').into())], "one"),
            (vec![("authorization", pair("user", "correct horse"))], "user"),
            (vec![("authorization", pair("user", "wrong"))], "Unknown"),
            (vec![("authorization", pair("nobody", "correct horse"))], "Unknown"),
            // A wrong bearer token is not made good by another credential.
            (vec![("authorization", "Bearer x".into()), ("x-api-key", "token-two".into())], "Unknown"),
            (vec![], "Nothing"),
        ] {
            let shown: Vec<_> = shown.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(name(&own, &headers(&shown), &Extensions::new()).await, identity, "{shown:?}");
        }
        own.replace(Table::default());
        let shown = headers(&[("authorization", "Bearer token-one")]);
        assert_eq!(name(&own, &shown, &Extensions::new()).await, "Unknown", "it was revoked");
    }

    #[tokio::test]
    async fn connections_show_who_is_at_their_other_end() {
        let own = authenticator();
        let certificate = |subject: &str, uri: &str| {
            let mut extensions = Extensions::new();
            extensions.insert(Arc::new(ClientCertificate {
                subject: subject.to_owned(),
                common_name: None,
                uris: vec![uri.to_owned()],
                dns: Vec::new(),
                fingerprint: [0; 32],
            }));
            extensions
        };
        let peer = |uid, gid| {
            let mut extensions = Extensions::new();
            extensions.insert(Peer::Local { uid, gid });
            extensions
        };
        for (extensions, identity) in [
            (certificate("CN=x", "spiffe://example.com/agents/a"), "fleet"),
            (certificate("CN=proxy", "spiffe://example.org/agents/a"), "proxy"),
            (certificate("CN=proxy2", "https://example.com"), "Unknown"),
            (peer(1001, 8), "hooks"),
            (peer(1001, 7), "group"),
            (peer(5, 5), "Nothing"),
        ] {
            assert_eq!(name(&own, &HeaderMap::new(), &extensions).await, identity);
        }
    }
}
