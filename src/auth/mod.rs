//! Who sends: identities that the operator gave to senders, and how a request shows that it is one of them.
//!
//! ```text
//! head of a request ─▶ Authenticator ─▶ Identity: name, tenants, receivers, whether it may say `captured`
//!                          └─ Table ◀─ lines: one identity a line, read again when the file changes
//!                                └─ token | password | certificate | peer of a Unix socket
//! ```
//!
//! The format of the file: `docs/auth.md`. No credential is kept in clear, compared in a time that tells of it, or
//! repeated in an error.

mod authenticator;
pub mod identity;
pub mod lines;
mod passwords;
pub mod secrets;
pub mod tenants;

use ring::rand::{SecureRandom, SystemRandom};

pub use self::authenticator::{Authenticator, Shown};
pub(crate) use self::authenticator::{basic, bearer};
pub use self::identity::Identity;
pub use self::lines::Table;
pub use self::passwords::hash as password_hash;

/// Random bytes, which nobody can guess.
///
/// # Errors
/// The system gives none.
pub fn random<const BYTES: usize>() -> Result<[u8; BYTES], &'static str> {
    let mut bytes = [0; BYTES];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err("the system gives no random numbers"),
    }
}
