//! Codes that were sent by mail: in memory alone, for ten minutes and five tries.

use super::rates::Rates;
use crate::reader::access::recipient::Address;
use ring::hmac::{HMAC_SHA256, Key, sign, verify};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const LASTS: Duration = Duration::from_secs(10 * 60);
const TRIES: u8 = 5;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Codes in an hour, to one address and for one chain.
const OF_ADDRESS: usize = 5;
const OF_CHAIN: usize = 30;

/// Codes that are remembered at once.
const MOST: usize = 10_000;

pub(super) struct Codes {
    key: Key,
    open: Mutex<HashMap<(String, Address), Code>>,
    addresses: Rates<Address>,
    chains: Rates<String>,
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codes").finish_non_exhaustive()
    }
}

struct Code {
    tag: Vec<u8>,
    until: Instant,
    tries: u8,
}

impl Codes {
    /// `None` where the system gives no random numbers.
    pub(super) fn new() -> Option<Self> {
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key).ok()?;
        Some(Self {
            key: Key::new(HMAC_SHA256, &key),
            open: Mutex::default(),
            addresses: Rates::new(OF_ADDRESS, HOUR),
            chains: Rates::new(OF_CHAIN, HOUR),
        })
    }

    /// A new code of an address for a chain, in place of the one before; `None` where there were enough.
    pub(super) fn issue(&self, chain: &str, address: &Address, now: Instant) -> Option<String> {
        if !self.addresses.take(address.clone(), now) || !self.chains.take(chain.to_owned(), now) {
            return None;
        }
        let code = random()?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MOST {
            open.retain(|_, code| code.until > now);
            if open.len() >= MOST {
                return None;
            }
        }
        let tag = sign(&self.key, code.as_bytes()).as_ref().to_vec();
        open.insert((chain.to_owned(), address.clone()), Code { tag, until: now + LASTS, tries: TRIES });
        Some(code)
    }

    /// Whether this is the code of an address for a chain, which ends with that. What is compared takes the same time for any
    /// text, and for an address that has no code.
    pub(super) fn redeem(&self, chain: &str, address: &Address, code: &str, now: Instant) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (chain.to_owned(), address.clone());
        let Some(known) = open.get_mut(&key) else {
            let _ = verify(&self.key, code.as_bytes(), &[0; 32]);
            return false;
        };
        let is_it = verify(&self.key, code.as_bytes(), &known.tag).is_ok() && known.until > now;
        known.tries = known.tries.saturating_sub(1);
        if is_it || known.tries == 0 {
            open.remove(&key);
        }
        is_it
    }
}

/// Six random digits, each as likely as any other.
fn random() -> Option<String> {
    let random = SystemRandom::new();
    loop {
        let mut bytes = [0; 4];
        random.fill(&mut bytes).ok()?;
        let number = u32::from_be_bytes(bytes);
        // The rest would make small codes likelier.
        if number < u32::MAX / 1_000_000 * 1_000_000 {
            return Some(format!("{:06}", number % 1_000_000));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn address(n: usize) -> Address {
        format!("a{n}@x.com").parse().unwrap()
    }

    #[test]
    fn a_code_lets_in_once_in_time_whom_it_was_sent_to() {
        let (codes, now) = (Codes::new().unwrap(), Instant::now());
        let code = codes.issue("acme", &address(1), now).unwrap();
        assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()));
        assert!(!codes.redeem("other", &address(1), &code, now));
        assert!(!codes.redeem("acme", &address(2), &code, now));
        assert!(codes.redeem("acme", &address(1), &code, now));
        assert!(!codes.redeem("acme", &address(1), &code, now), "it was used");
        let late = codes.issue("acme", &address(1), now).unwrap();
        assert!(!codes.redeem("acme", &address(1), &late, now + LASTS));
    }

    #[test]
    fn five_tries_end_it() {
        let (codes, now) = (Codes::new().unwrap(), Instant::now());
        let code = codes.issue("acme", &address(1), now).unwrap();
        for _ in 0..TRIES {
            assert!(!codes.redeem("acme", &address(1), "x", now));
        }
        assert!(!codes.redeem("acme", &address(1), &code, now));
    }

    #[test]
    fn an_hour_has_so_many_codes() {
        let (codes, now) = (Codes::new().unwrap(), Instant::now());
        let one = (0..9).filter(|_| codes.issue("acme", &address(0), now).is_some()).count();
        assert_eq!(one, OF_ADDRESS);
        let all = (1..40).filter(|n| codes.issue("acme", &address(*n), now).is_some()).count();
        assert_eq!(all, OF_CHAIN - OF_ADDRESS);
        assert!(codes.issue("other", &address(99), now).is_some());
        assert!(codes.issue("acme", &address(0), now + HOUR).is_some());
    }
}
