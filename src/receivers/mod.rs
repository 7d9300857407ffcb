//! What takes bytes from one kind of sender and owns that protocol's rules.
//!
//! [`router`] tells by path whose request it is, and [`gate`] lets it in. What becomes of it goes to the writer by
//! [`crate::ingest`].

pub mod admission;
pub mod gate;
pub mod langfuse;
pub mod langsmith;
pub mod lines;
pub mod litellm;
pub mod native;
pub mod newcomers;
pub mod openai_agents;
pub mod otlp;
pub mod rejected;
pub mod router;
pub mod stats;
pub mod tail;
mod unserved;
