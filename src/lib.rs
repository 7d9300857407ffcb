//! halod: bytes from any agent telemetry in, one durable, hash-linked Halo Runtime Record per
//! agent action out, one chain per tenant.
//!
//! Modules in layer order; each may use only those above it:
//!
//! | layer | module | what it is |
//! |---|---|---|
//! | 0 | crate [`halod_record`] | pure: what an event and a record are; canonical form, hash, draft, the verifier |
//! | 1 | crate `halo_adapters` | pure: a sender's bytes to a neutral event |
//! | 2 | crate [`halod_chain`] | blocking file I/O: chains on disk, the commit |
//! | 3 | [`pipeline`] | the bounded hand-over to the one writer |
//! | 3 | [`hold`] | blocking file I/O on a thread of its own: actions told in several messages |
//! | 3 | [`checkpointer`] | blocking file I/O on a thread of its own: what the chains hold, signed |
//! | 3 | [`tsa`] | blocking, on a thread of its own: what was signed, time-stamped by others |
//! | 4 | [`net`], [`tee`] | bytes in, and on to where they went before |
//! | 4 | [`auth`] | who sends: identities, and what each may do |
//! | 4 | [`ingest`] | the one way from a receiver to the writer |
//! | 4 | [`receivers`] | whose bytes these are, and what they tell |
//! | 5 | [`spool`] | captured records between who made them and the daemon |
//! | 5 | [`import`] | files in |
//! | 5 | [`check`] | what chains and their log show |
//! | 6 | [`config`], [`telemetry`], [`daemon`] | assembly and operation |
//! | 6 | [`witness`] | being, and asking, a witness of checkpoints |
//! | 7 | [`capture`] | what is recorded where the action runs |
//! | 7 | [`reader`] | what those see who read chains |
//! | 8 | [`cli`] | one file per verb |
//!
//! Beside them, the crate `halod_client` is for those who send.

pub mod auth;
pub mod capture;
pub mod check;
pub mod checkpointer;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod hold;
pub mod import;
pub mod ingest;
pub mod net;
pub mod pipeline;
pub mod reader;
pub mod receivers;
pub mod recent;
pub mod spool;
pub mod tee;
pub mod telemetry;
pub mod tsa;
pub mod witness;
