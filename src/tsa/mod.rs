//! A time-stamping service (TSA, RFC 3161) has the newest checkpoint every now and then: nobody has to believe halod's clock then.
//!
//! ```text
//! checkpointer ─signed─▶ Permit.wait ─▶ newest note ─SHA-256─▶ [the service] ─▶ token, verified ─▶ .halod/log/tsa/SIZE.tsr
//! ```
//!
//! What a token shows, and what of it is checked: `docs/timestamps.md`. Nothing here is on the way of a record.

mod client;
mod roots;
mod stamper;
mod state;

pub use roots::{Roots, RootsError};
pub use stamper::Stamper;
pub use state::{StateError, stamp};

use crate::tee::settings::Target;
use halod_timestamp::ObjectIdentifier;
use std::path::PathBuf;
use std::time::Duration;

/// Who is asked for tokens, and whom halod believes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TsaSettings {
    pub url: Target,
    /// The certificates in PEM that a token has to lead to.
    pub roots: PathBuf,
    /// From one token to the next, if something was signed meanwhile.
    pub every: Duration,
    /// The policies under which a token may be made; empty for any.
    pub policies: Vec<ObjectIdentifier>,
    /// Authorities to trust for an `https` address, in PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
}
