//! Time-stamp tokens of real services: OpenSSL makes them, and OpenSSL says what it takes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_debug_implementations
)]

mod accepted;
mod authority;
mod forge;
mod fuzzed;
mod halo;
mod mutated;
mod refused;

use halod_timestamp::{Expected, Imprint, Policies, Token, TokenError, Trust, Verified};

/// SHA-256 as this crate's users have it.
fn sha256(data: &[u8]) -> [u8; 32] {
    ring::digest::digest(&ring::digest::SHA256, data).as_ref().try_into().unwrap()
}

/// Verifies a token of `authority::DATA`.
fn verify(answer: &[u8], nonce: Option<u64>, roots: &[&[u8]]) -> Result<Verified, TokenError> {
    let digest = sha256(authority::DATA);
    let expected = Expected { imprint: Imprint::sha256(&digest), nonce, policies: Policies::Any };
    Token::read(answer)?.verify(&expected, &Trust { roots, further: &[] })
}
