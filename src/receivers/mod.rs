//! What takes bytes from one kind of sender and owns that protocol's rules.
//!
//! [`door`] tells by path and content type whose request it is; [`delivery`] is what the receivers of
//! JSON share: reading, counting, sealing.

pub mod bill;
pub mod delivery;
pub mod door;
pub mod gaps;
pub mod langfuse;
pub mod langsmith;
pub mod lines;
pub mod litellm;
pub mod native;
pub mod openai_agents;
pub mod otlp;
pub mod rejected;
pub mod requests;
pub mod secrets;
pub mod stats;
pub mod tail;
pub mod tenancy;

use crate::net::status::Fault;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Turns a panic into a fault of this one request. It is reported as transient: a fault of halod's
/// own must not make a sender throw its data away.
pub(crate) fn contain<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Fault::Crashed))
}
