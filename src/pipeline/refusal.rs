//! Why a request was not taken. `net::status` maps each to its HTTP and gRPC answer.

use halod_chain::error::ChainUnusable;
use std::fmt;
use std::time::Duration;

/// Nothing of the request was taken, or only parts that may be sent again without harm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{limit} bytes are in flight already; send again after {} s", .retry_after.as_secs())]
    Full { limit: usize, retry_after: Duration },
    #[error(
        "there is no room for all requests, and this body came too slowly to keep its own; send it again"
    )]
    BodyCut,
    #[error("{what} is larger than {limit} bytes")]
    TooLarge { what: Large, limit: usize },
    #[error("halod is shutting down; send again to its successor")]
    Stopping,
    #[error("a write or sync failed; halod is stopping and a restart will recover")]
    Poisoned,
    #[error("free disk space is below the configured floor; nothing is accepted until there is room")]
    DiskLow,
    #[error("a chain cannot be written now (the operator's log says why); send again")]
    ChainUnusable,
    #[error(
        "there are as many chains as this halod may keep, and this tenant has none; send again when its operator has made room"
    )]
    TooManyTenants,
    #[error(
        "more comes of this tenant than limits.per_tenant allows; what is sealed stays so: send the same again after {} s",
        whole_seconds(*.retry_after)
    )]
    TenantRate { retry_after: Duration },
    #[error(
        "more tenants come that have no chain yet than limits.per_tenant allows; send again after {} s",
        whole_seconds(*.retry_after)
    )]
    ChainRate { retry_after: Duration },
}

fn whole_seconds(delay: Duration) -> u64 {
    delay.as_secs() + u64::from(delay.subsec_nanos() > 0)
}

impl From<&ChainUnusable> for Refusal {
    fn from(why: &ChainUnusable) -> Self {
        match why {
            ChainUnusable::TooMany(_) => Self::TooManyTenants,
            ChainUnusable::TooSoon(retry_after) => Self::ChainRate { retry_after: *retry_after },
            _ => Self::ChainUnusable,
        }
    }
}

/// What of a request was too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Large {
    /// As it came.
    Body,
    /// Without compression.
    Unpacked,
    /// All that halod has to hold for it until it is sealed.
    Held,
}

impl fmt::Display for Large {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Body => "the body",
            Self::Unpacked => "the body without compression",
            Self::Held => "what halod has to hold for this request (pipeline.max_in_flight_mib)",
        })
    }
}

impl Refusal {
    /// What each is called where it is counted, in the order of [`Self::index`].
    pub const NAMES: [&'static str; 10] = [
        "full",
        "too_large",
        "stopping",
        "poisoned",
        "disk_low",
        "chain_unusable",
        "too_many_tenants",
        "body_cut",
        "tenant_rate",
        "chain_rate",
    ];

    /// Where this refusal is counted.
    #[must_use]
    pub fn index(&self) -> usize {
        match self {
            Self::Full { .. } => 0,
            Self::TooLarge { .. } => 1,
            Self::Stopping => 2,
            Self::Poisoned => 3,
            Self::DiskLow => 4,
            Self::ChainUnusable => 5,
            Self::TooManyTenants => 6,
            Self::BodyCut => 7,
            Self::TenantRate { .. } => 8,
            Self::ChainRate { .. } => 9,
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Full { retry_after, .. }
            | Self::TenantRate { retry_after }
            | Self::ChainRate { retry_after } => Some(*retry_after),
            Self::TooLarge { .. } => None,
            Self::BodyCut | Self::Stopping | Self::Poisoned | Self::ChainUnusable => {
                Some(Duration::from_secs(1))
            }
            Self::DiskLow => Some(Duration::from_secs(10)),
            // An operator has to make room.
            Self::TooManyTenants => Some(Duration::from_secs(60)),
        }
    }
}
