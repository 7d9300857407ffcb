//! Addresses of mail, and the domains that stand for all addresses below them.

use std::fmt;
use std::str::FromStr;

/// Bytes of an address (RFC 5321, section 4.5.3.1), and of what stands before its `@`.
const ADDRESS: usize = 254;
const LOCAL_PART: usize = 64;
const DOMAIN: usize = 253;
const LABEL: usize = 63;

/// Neither an address nor a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an address like alice@example.com or a domain like example.com is expected, in ASCII (a domain of another script in its xn-- form)"
)]
pub struct BadRecipient;

/// One address, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(String);

/// Whom a chain is shared with: one address, or everybody of a domain and of those below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    Address(Address),
    Domain(String),
}

impl Address {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Domain(domain) => f.write_str(domain),
        }
    }
}

impl FromStr for Address {
    type Err = BadRecipient;

    fn from_str(text: &str) -> Result<Self, BadRecipient> {
        let text = text.trim();
        if text.len() > ADDRESS {
            return Err(BadRecipient);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(BadRecipient)?;
        // RFC 5322, `dot-atom-text`. Quoted local parts are refused: nobody has them, and they carry anything.
        let is_of_atoms = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
        let is_local = !local.is_empty()
            && local.len() <= LOCAL_PART
            && local.bytes().all(is_of_atoms)
            && local.split('.').all(|atom| !atom.is_empty());
        if is_local && is_domain(domain) { Ok(Self(text.to_ascii_lowercase())) } else { Err(BadRecipient) }
    }
}

impl FromStr for Recipient {
    type Err = BadRecipient;

    fn from_str(text: &str) -> Result<Self, BadRecipient> {
        let text = text.trim();
        match text.strip_prefix('@').unwrap_or(text) {
            address if address.contains('@') => address.parse().map(Self::Address),
            domain if is_domain(domain) => Ok(Self::Domain(domain.to_ascii_lowercase())),
            _ => Err(BadRecipient),
        }
    }
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // No top-level domain is a number, or has one letter.
    let is_top = |label: &str| label.len() > 1 && label.bytes().any(|byte| byte.is_ascii_alphabetic());
    text.len() <= DOMAIN
        && text.split('.').all(is_label)
        && text.rsplit_once('.').is_some_and(|(_, top)| is_top(top))
}

impl Recipient {
    /// Whether an address is meant.
    #[must_use]
    pub fn includes(&self, address: &Address) -> bool {
        match self {
            Self::Address(own) => own == address,
            Self::Domain(own) => {
                let domain = address.domain();
                domain.strip_suffix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_domains_are_read() {
        for (text, shown) in [
            ("alice@Acme-Corp.com", Some("alice@acme-corp.com")),
            (" Bob.B+x@a.example ", Some("bob.b+x@a.example")),
            ("acme.com", Some("acme.com")),
            ("@Acme.com", Some("acme.com")),
            ("x@y.z", None),
            ("x@1.2.3.4", None),
            ("localhost", None),
            ("", None),
            ("@", None),
            ("a@b@c.de", None),
            ("a b@c.de", None),
            ("a..b@c.de", None),
            ("a@-c.de", None),
            ("a@c..de", None),
            ("a\r\nBcc: x@c.de", None),
            ("\"a\"@c.de", None),
            ("ä@c.de", None),
        ] {
            let read = text.parse::<Recipient>().ok().map(|recipient| recipient.to_string());
            assert_eq!(read.as_deref(), shown, "{text:?}");
        }
    }

    #[test]
    fn a_domain_stands_for_those_below_it_and_for_no_other() {
        let includes = |recipient: &str, address: &str| {
            recipient.parse::<Recipient>().unwrap().includes(&address.parse().unwrap())
        };
        assert!(includes("acme.com", "a@acme.com") && includes("acme.com", "a@eu.acme.com"));
        assert!(!includes("acme.com", "a@notacme.com") && !includes("acme.com", "acme.com@evil.org"));
        assert!(includes("a@acme.com", "A@ACME.com") && !includes("a@acme.com", "b@acme.com"));
        assert!(!includes("eu.acme.com", "a@acme.com"));
    }
}
