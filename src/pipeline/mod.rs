//! The bounded hand-over from receivers to the one writer thread.
//!
//! ```text
//! receiver: admit(bytes) ─▶ Permit ─▶ read, decode, draft ─▶ submit(Batch) ─▶ Receipt
//!                                                  │ one message per request
//!                                                  ▼
//!                       writer thread: a fair share of what waits ─▶ chain::commit ─▶ reply, drop permits
//! ```

pub mod batch;
mod fair;
pub mod intake;
pub mod items;
pub mod meter;
pub(crate) mod quiet;
pub mod refusal;
pub mod stats;
pub mod writer;
