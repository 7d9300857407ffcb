//! The receiver over real sockets, with a writer that answers on command. Test names begin with
//! the rows of the OTLP server checklist: G for gRPC, H for HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;
mod grpc;
mod http;
mod sender;
mod turns;
