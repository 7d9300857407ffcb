//! What a record is: canonical form, hash, draft and seal, schema, tenant names, ids, time.
//!
//! Pure: no I/O, no clock, no globals. Facts about the format are those of the reference
//! implementation `halo-record` 0.2.46, schema version 0.1.

pub mod build;
pub mod canon;
mod clock;
mod compare;
mod content;
mod data;
pub mod draft;
pub mod hash;
pub mod ids;
mod members;
mod names;
pub mod native;
pub mod notice;
pub mod own;
pub mod parse;
pub mod redact;
pub mod schema;
pub mod tenant;
pub mod time;
pub mod told;
pub mod vocabulary;
