//! Golden files: what senders sent, and beside each file what the adapters make of it. `UPDATE_EXPECT=1
//! cargo test -p halo-adapters` rewrites the latter.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod event;
mod files;
mod gateway;
mod hook;
mod items;
mod langfuse;
mod langsmith;
mod otel;
mod otel_data;
mod otel_logs;
mod transcript;
