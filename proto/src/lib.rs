//! The messages on halod's wire, generated from the `.proto` files of this crate.
//!
//! What is generated is checked in, so that no build needs a compiler of protobuf; `tests/it/generated.rs`
//! makes it anew and compares. halod reads requests in place, without these messages (`adapters/src/otlp/`,
//! `adapters/src/native.rs`); it answers with them, clients send them, and reflection tells of them.

/// Records that an application sends as such: halod's native door.
pub mod ingest {
    /// `halo.ingest.v1`.
    #[allow(clippy::all, missing_debug_implementations, unreachable_pub)]
    pub mod v1 {
        include!("generated/halo.ingest.v1.rs");
    }
}

/// A `google.protobuf.FileDescriptorSet` of every `.proto` file here, without comments: what reflection serves.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");
