//! Gates: how somebody shows that an address is theirs.

use super::mail::Mailer;
use http::HeaderName;
use std::fmt;

/// How readers are let in.
#[derive(Clone, Debug)]
pub enum Gate {
    /// By a code that is sent to their address.
    Code(Mailer),
    /// By a header that a proxy in front sets, which has asked them who they are.
    Proxy(HeaderName),
    /// By the link and an address of the list, which anybody can enter who knows both.
    Unverified,
    /// Everybody who has the link, on this machine.
    Open,
}

/// How an address was shown to be somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Code,
    Proxy,
    Unverified,
}

impl How {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Proxy => "proxy",
            Self::Unverified => "unverified",
        }
    }

    pub(super) fn of(word: &str) -> Option<Self> {
        [Self::Code, Self::Proxy, Self::Unverified].into_iter().find(|how| how.word() == word)
    }
}

impl Gate {
    /// One word for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Code(_) => How::Code.word(),
            Self::Proxy(_) => How::Proxy.word(),
            Self::Unverified => How::Unverified.word(),
            Self::Open => "open",
        }
    }

    /// Whether what was shown so is enough: a code is for where the bare address is, and not the other way round.
    pub(super) fn takes(&self, how: How) -> bool {
        match self {
            Self::Code(_) => how == How::Code,
            Self::Unverified => matches!(how, How::Code | How::Unverified),
            Self::Proxy(_) | Self::Open => false,
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(_) => f.write_str("a code that is sent to an address of the list"),
            Self::Proxy(header) => write!(f, "the header {header} of a listed proxy"),
            Self::Unverified => f.write_str("the link and an address of the list, which nobody verifies"),
            Self::Open => f.write_str("the link alone, on this machine"),
        }
    }
}
