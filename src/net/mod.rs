//! Connections: one accept loop, its limits, drain, and the table from refusal to answer.
//!
//! ```text
//! listener ─▶ conn (HTTP/1.1 or h2c, by the first bytes) ─▶ a receiver's service
//!                 body: under a permit, capped ◀───────────────┤
//!                 answer ◀─ status: the one table ◀─ Fault ◀───┘
//! ```

pub mod answer;
mod authority;
pub mod body;
pub mod coding;
pub mod conn;
pub mod connections;
mod frames;
pub mod grpc;
pub mod gzip;
pub mod layers;
mod life;
pub mod limits;
pub mod listener;
pub mod peer;
mod roster;
pub mod socket;
pub mod standard;
pub mod status;
pub mod tls;
pub mod web;
pub mod windows;
pub mod zstd;
