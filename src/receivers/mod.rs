//! What takes bytes from one kind of sender and owns that protocol's rules.

pub mod otlp;
pub mod tenancy;
