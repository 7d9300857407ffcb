//! Which tenant an event belongs to.

use crate::record::tenant::IdTooLong;
use thiserror::Error;

/// Where a tenant claim is looked for: resource attributes first, then the span's own, then
/// request headers; the first non-empty one wins, and without any the tenant is `_local`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRule {
    /// Names looked up among resource attributes, then among span attributes.
    pub attributes: Vec<String>,
    /// Names of request headers, lower case.
    pub headers: Vec<String>,
}

/// Why a tenant id cannot be used. The spans that it is claimed for are rejected for good.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TenantError {
    #[error(transparent)]
    TooLong(#[from] IdTooLong),
    #[error("the tenant id in the request's headers is not UTF-8")]
    NotText,
}

impl Default for TenantRule {
    fn default() -> Self {
        Self {
            attributes: vec!["tenant.id".into(), "halo.subject.id".into()],
            headers: vec!["x-tenant-id".into()],
        }
    }
}
