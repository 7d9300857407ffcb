//! The bounded hand-over from receivers to the one writer thread.
//!
//! ```text
//! receiver: arrive ─▶ read, push(bytes) ─▶ Permit ─▶ decode, draft ─▶ submit(Batch) ─▶ Receipt
//!                                                  │ one message per request
//!                                                  ▼
//!                       writer thread: a fair share of what waits ─▶ chain::commit ─▶ reply, drop permits
//! ```

pub mod arriving;
pub mod batch;
mod claims;
mod fair;
mod fullness;
pub mod intake;
pub mod items;
pub mod meter;
mod pace;
pub(crate) mod quiet;
pub mod rates;
pub mod refusal;
mod room;
pub mod stats;
pub mod writer;
