//! What the operator says of one sender.

use super::tenants::TenantScope;
use halod_record::native::Capture;
use std::sync::Arc;

/// Bytes of an identity's name.
pub const MAX_NAME: usize = 128;

/// A sender, as the operator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Stands in its records as `principal.service_account`.
    pub name: Arc<str>,
    pub tenants: TenantScope,
    pub receivers: ReceiverScope,
    /// Whether its own records may say that they were made where the action ran.
    pub capture: Capture,
}

/// Metrics and the state of the daemon.
pub const ADMIN: &str = "admin";

/// The anchors of `halod witness`: writing them, and reading them where that is not anybody's.
pub const WITNESS: &str = "witness";

/// Where something may be sent, or read.
pub const RECEIVERS: [&str; 8] =
    ["otlp", "native", "langfuse", "langsmith", "litellm", "openai_agents", ADMIN, WITNESS];

/// The receivers that an identity may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverScope {
    /// All that take telemetry in; the admin port and a witness have to be named.
    Telemetry,
    These(Vec<&'static str>),
}

impl ReceiverScope {
    #[must_use]
    pub fn includes(&self, receiver: &str) -> bool {
        match self {
            Self::Telemetry => receiver != ADMIN && receiver != WITNESS,
            Self::These(these) => these.contains(&receiver),
        }
    }
}
