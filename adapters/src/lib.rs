//! Pure functions from a sender's bytes to neutral agent actions.
//!
//! ```text
//! bytes ─ otlp::{protobuf, json} ─▶ otlp::model::Span<'a>      ─ otel::event ──────▶ event::Event<'a>
//!                                ─▶ otlp::model::LogRecord<'a> ─ otel::logs::item ─▶ Event or Part
//! ```
//!
//! Nothing here does I/O, reads a clock, hashes or redacts; everything borrows from the input.
//! [`halod_record::json::Json`] is the one value type that content travels in.

pub mod count;
mod fields;
pub mod gateway;
pub mod hook;
pub mod langfuse;
pub mod langsmith;
pub mod litellm;
pub mod native;
pub mod openai_agents;
pub mod otel;
pub mod otlp;
mod provider;
pub mod store;
mod time;
mod tokens;
pub mod transcript;

pub use fields::UNREAD_TIMES;

/// Version of the mapping, in every record: raised whenever an event comes out differently.
const MAPPING: &str = "3";
