//! The engine with a real writer behind it, driven over files that are rotated in every way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;
mod model;
mod scenes;
mod ways;
