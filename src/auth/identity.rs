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

/// Where something may be sent, or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    Otlp,
    Native,
    Langfuse,
    LangSmith,
    LiteLlm,
    OpenAiAgents,
    /// Metrics and the state of the daemon.
    Admin,
}

impl Receiver {
    pub const ALL: [(&'static str, Self); 7] = [
        ("otlp", Self::Otlp),
        ("native", Self::Native),
        ("langfuse", Self::Langfuse),
        ("langsmith", Self::LangSmith),
        ("litellm", Self::LiteLlm),
        ("openai_agents", Self::OpenAiAgents),
        ("admin", Self::Admin),
    ];
}

/// The receivers that an identity may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverScope {
    /// All that take telemetry in; the admin port has to be named.
    Telemetry,
    These(Vec<Receiver>),
}

impl ReceiverScope {
    #[must_use]
    pub fn includes(&self, receiver: Receiver) -> bool {
        match self {
            Self::Telemetry => receiver != Receiver::Admin,
            Self::These(these) => these.contains(&receiver),
        }
    }
}
