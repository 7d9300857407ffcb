//! What halod says about itself: logs, metrics, health.

pub mod admin;
pub mod control;
pub mod log;
pub mod metrics;
pub mod reloads;
