//! Time-stamp tokens (RFC 3161): what a time-stamping service is asked, and what its answer shows. The crate is pure: times
//! and roots are arguments.
//!
//! ```text
//! SHA-256 ─request─▶ TimeStampReq ─▶ the service ─▶ TimeStampResp ─Token::read─▶ Token ─verify─▶ Verified: time, serial, chain
//!                                                                                   ▲
//!                                                      digest, nonce, policies; roots
//! ```
//!
//! A token is verified in full, with its chain of certificates at its own time. Revocation is **not** looked up: it has no
//! place in a file, and a revoked certificate may have signed honest tokens before. `docs/timestamps.md` has the list of what
//! is checked, with the source of each rule.

mod attributes;
mod certificate;
mod chain;
mod cms;
mod digest;
mod error;
mod ess;
pub mod halo;
mod info;
mod names;
mod oid;
mod read;
mod request;
mod response;
mod signature;
mod time;
mod token;

pub use digest::{Digest, Imprint};
pub use error::TokenError;
pub use read::Malformed;
pub use request::request;
pub use token::{Expected, MAX_BYTES, Policies, Token, Trust, Verified};
pub use x509_cert::der::oid::ObjectIdentifier;
