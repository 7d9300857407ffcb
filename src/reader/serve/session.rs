//! Cookies: whose address somebody showed, for one chain, until when, and by which gate.
//!
//! A cookie says who comes, and not what they may: the list is asked with each request, so what is revoked ends at once.

use super::gate::How;
use crate::clock;
use crate::reader::access::recipient::Address;
use crate::reader::access::secret::Secret;
use data_encoding::BASE64URL_NOPAD;
use http::HeaderMap;
use http::header::COOKIE;
use std::time::Duration;

/// How long a session lasts.
pub(super) const LASTS: Duration = Duration::from_secs(24 * 60 * 60);

/// Characters of a cookie's value: an address is the longest part of it.
const MOST: usize = 1024;

/// Who has shown an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) address: Address,
    pub(super) how: How,
}

/// The name of a chain's cookie. The prefix has browsers hold that it came over TLS, where it can have.
pub(super) fn name(token: &str, is_secure: bool) -> String {
    format!("{}halo_{token}", if is_secure { "__Secure-" } else { "" })
}

/// The value of the cookie that `name` has, wherever it stands.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let headers = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    headers.into_iter().find_map(|header| super::form::cookie(header, name))
}

/// What is signed: the chain is part of it, so that a cookie is good for no other one.
fn signed(chain: &str, said: &str) -> Vec<u8> {
    [chain.as_bytes(), b"\0", said.as_bytes()].concat()
}

impl Session {
    /// The value of a cookie for a chain.
    pub(super) fn value(&self, secret: &Secret, chain: &str) -> String {
        let until = clock::unix_millis() / 1000 + LASTS.as_secs();
        let said = format!("{until} {} {}", self.how.word(), self.address);
        let tag = secret.sign(&signed(chain, &said));
        format!("{}.{}", BASE64URL_NOPAD.encode(said.as_bytes()), BASE64URL_NOPAD.encode(&tag))
    }

    /// Reads a value that was made for this chain and is still good.
    pub(super) fn read(value: &str, secret: &Secret, chain: &str) -> Option<Self> {
        let (said, tag) = value.split_once('.').filter(|_| value.len() <= MOST)?;
        let said = String::from_utf8(BASE64URL_NOPAD.decode(said.as_bytes()).ok()?).ok()?;
        let tag = BASE64URL_NOPAD.decode(tag.as_bytes()).ok()?;
        if !secret.is_signed(&signed(chain, &said), &tag) {
            return None;
        }
        let mut words = said.splitn(3, ' ');
        let until: u64 = words.next()?.parse().ok()?;
        let how = How::of(words.next()?)?;
        let address = words.next()?.parse().ok()?;
        (clock::unix_millis() / 1000 < until).then_some(Self { address, how })
    }
}

/// Reads any bytes as the value of a cookie; what was not signed says nothing.
#[must_use]
pub fn says_something(value: &str, secret: &Secret, chain: &str) -> bool {
    Session::read(value, secret, chain).is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_good_for_its_chain_and_unchanged() {
        let directory = tempfile::tempdir().unwrap();
        let secret = Secret::open(directory.path()).unwrap();
        let session = Session { address: "a@x.com".parse().unwrap(), how: How::Code };
        let value = session.value(&secret, "acme");
        assert_eq!(Session::read(&value, &secret, "acme"), Some(session));
        assert_eq!(Session::read(&value, &secret, "acme2"), None);
        for at in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(Session::read(&changed, &secret, "acme"), None, "{changed}");
        }
        for end in 0..value.len() {
            assert_eq!(Session::read(&value[..end], &secret, "acme"), None);
        }
        Secret::rotate(directory.path()).unwrap();
        let other = Secret::open(directory.path()).unwrap();
        assert_eq!(Session::read(&value, &other, "acme"), None);
    }
}
