//! The one table from what went wrong to what the sender is told.
//!
//! Two rules decide every row (OTLP specification, "Failures" and "Retryable Response Codes"):
//! a fault that sending again may cure gets a retryable code and says when; one that it cannot
//! cure never does, because the sender would repeat it for ever.

use crate::pipeline::refusal::Refusal;
use http::StatusCode;
use std::time::Duration;
use thiserror::Error;
use tonic::Code;

/// Why a request is answered with an error. The text is what the sender reads.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{0}")]
    Undecodable(String),
    #[error("the body did not arrive within {0} s, or slower than 16 KiB/s; send it again")]
    SlowBody(u64),
    #[error("unknown content type; send application/x-protobuf, application/json or application/grpc")]
    MediaType,
    #[error("unknown content encoding; send gzip, zstd, or none")]
    Coding,
    #[error("only POST is answered here")]
    Method,
    #[error("nothing is received here: {0}")]
    Unserved(&'static str),
    #[error("who sends this is not known here: {0}")]
    Unauthenticated(&'static str),
    #[error("the sender is known, and may not do this: {0}")]
    Forbidden(&'static str),
    #[error("too many passwords are being checked; send it again")]
    PasswordsBusy,
    #[error("a web page of another origin may not send here; cors.allowed_origins lists those that may")]
    ForeignOrigin,
    #[error(
        "halod is not asked for by this name; allowed_hosts lists its names, beside addresses and local ones"
    )]
    ForeignHost,
    #[error("gRPC needs HTTP/2")]
    NeedsHttp2,
    #[error("halod failed on this request, and none of it was sealed; send it again")]
    Crashed,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub http: StatusCode,
    pub grpc: Code,
    /// Sent as `Retry-After` and as `RetryInfo`; `None` for what sending again cannot cure.
    pub retry_after: Option<Duration>,
    /// The answer carries a `BadRequest` detail.
    pub bad_request: bool,
}

/// How long a sender waits after a fault that says nothing more exact.
const SOON: Duration = Duration::from_secs(1);

impl Fault {
    /// The answer to this fault.
    #[must_use]
    pub fn row(&self) -> Row {
        use StatusCode as Http;
        let permanent = |http, grpc| Row { http, grpc, retry_after: None, bad_request: false };
        let transient = |delay| Row {
            http: Http::SERVICE_UNAVAILABLE,
            grpc: Code::Unavailable,
            retry_after: Some(delay),
            bad_request: false,
        };
        match self {
            Self::Refused(Refusal::TenantRate { retry_after } | Refusal::ChainRate { retry_after }) => Row {
                http: Http::TOO_MANY_REQUESTS,
                grpc: Code::ResourceExhausted,
                ..transient(*retry_after)
            },
            Self::Refused(refusal) => match refusal.retry_after() {
                Some(delay) => transient(delay),
                None => permanent(Http::PAYLOAD_TOO_LARGE, Code::ResourceExhausted),
            },
            Self::SlowBody(_) | Self::Crashed | Self::PasswordsBusy => transient(SOON),
            Self::Undecodable(_) => {
                Row { bad_request: true, ..permanent(Http::BAD_REQUEST, Code::InvalidArgument) }
            }
            Self::MediaType => permanent(Http::UNSUPPORTED_MEDIA_TYPE, Code::Unimplemented),
            Self::Coding => permanent(Http::UNSUPPORTED_MEDIA_TYPE, Code::Unimplemented),
            Self::Method => permanent(Http::METHOD_NOT_ALLOWED, Code::Unimplemented),
            Self::Unserved(_) => permanent(Http::NOT_FOUND, Code::Unimplemented),
            Self::Unauthenticated(_) => permanent(Http::UNAUTHORIZED, Code::Unauthenticated),
            Self::ForeignOrigin | Self::ForeignHost | Self::Forbidden(_) => {
                permanent(Http::FORBIDDEN, Code::PermissionDenied)
            }
            Self::NeedsHttp2 => permanent(Http::HTTP_VERSION_NOT_SUPPORTED, Code::Unimplemented),
        }
    }

    /// A short name with a bounded set of values, for counters and logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        Self::NAMES.get(self.index()).copied().unwrap_or("other")
    }

    /// Every [`Self::name`], in the order of [`Self::index`]: refusals, then what else there is.
    pub const NAMES: [&'static str; REFUSALS + OTHERS.len()] = {
        let mut names = [""; REFUSALS + OTHERS.len()];
        let (first, rest) = names.split_at_mut(REFUSALS);
        first.copy_from_slice(&Refusal::NAMES);
        rest.copy_from_slice(&OTHERS);
        names
    };

    /// Where this fault is counted.
    #[must_use]
    pub fn index(&self) -> usize {
        let other = match self {
            Self::Refused(refusal) => return refusal.index(),
            Self::Undecodable(_) => 0,
            Self::SlowBody(_) => 1,
            Self::MediaType => 2,
            Self::Coding => 3,
            Self::Method => 4,
            Self::Unserved(_) => 5,
            Self::NeedsHttp2 => 6,
            Self::Crashed => 7,
            Self::Unauthenticated(_) => 8,
            Self::ForeignOrigin => 9,
            Self::ForeignHost => 10,
            Self::Forbidden(_) => 11,
            Self::PasswordsBusy => 12,
        };
        REFUSALS + other
    }
}

const REFUSALS: usize = Refusal::NAMES.len();

/// What faults are called that are no refusals.
const OTHERS: [&str; 13] = [
    "undecodable",
    "slow_body",
    "media_type",
    "coding",
    "method",
    "unserved",
    "needs_http2",
    "crashed",
    "unauthenticated",
    "foreign_origin",
    "foreign_host",
    "forbidden",
    "passwords_busy",
];

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::pipeline::refusal::Large;

    pub(in crate::net) fn every_fault() -> Vec<(Fault, u16, Code, Option<u64>)> {
        use Code::{
            InvalidArgument, PermissionDenied, ResourceExhausted, Unauthenticated, Unavailable, Unimplemented,
        };
        let retry_after = Duration::from_secs(7);
        let full = Refusal::Full { limit: 1, retry_after: Duration::from_secs(3) };
        vec![
            (full.into(), 503, Unavailable, Some(3)),
            (Refusal::TooLarge { what: Large::Body, limit: 1 }.into(), 413, ResourceExhausted, None),
            (Refusal::Stopping.into(), 503, Unavailable, Some(1)),
            (Refusal::Poisoned.into(), 503, Unavailable, Some(1)),
            (Refusal::DiskLow.into(), 503, Unavailable, Some(10)),
            (Refusal::ChainUnusable.into(), 503, Unavailable, Some(1)),
            (Refusal::TooManyTenants.into(), 503, Unavailable, Some(60)),
            (Refusal::BodyCut.into(), 503, Unavailable, Some(1)),
            (Refusal::TenantRate { retry_after }.into(), 429, ResourceExhausted, Some(7)),
            (Refusal::ChainRate { retry_after }.into(), 429, ResourceExhausted, Some(7)),
            (Fault::Undecodable("not JSON".into()), 400, InvalidArgument, None),
            (Fault::SlowBody(30), 503, Unavailable, Some(1)),
            (Fault::MediaType, 415, Unimplemented, None),
            (Fault::Coding, 415, Unimplemented, None),
            (Fault::Method, 405, Unimplemented, None),
            (Fault::Unserved("here"), 404, Unimplemented, None),
            (Fault::NeedsHttp2, 505, Unimplemented, None),
            (Fault::Crashed, 503, Unavailable, Some(1)),
            (Fault::Unauthenticated("send a token"), 401, Unauthenticated, None),
            (Fault::ForeignOrigin, 403, PermissionDenied, None),
            (Fault::ForeignHost, 403, PermissionDenied, None),
            (Fault::Forbidden("that"), 403, PermissionDenied, None),
            (Fault::PasswordsBusy, 503, Unavailable, Some(1)),
        ]
    }

    #[test]
    fn every_fault_has_the_row_the_specification_wants() {
        let faults = every_fault();
        assert_eq!(faults.len(), Fault::NAMES.len());
        for (at, (fault, http, grpc, seconds)) in faults.into_iter().enumerate() {
            let row = fault.row();
            assert_eq!(fault.index(), at, "{fault:?}");
            assert_eq!(row.http.as_u16(), http, "{fault:?}");
            assert_eq!(row.grpc, grpc, "{fault:?}");
            assert_eq!(row.retry_after, seconds.map(Duration::from_secs), "{fault:?}");
            assert_eq!(row.bad_request, row.grpc == Code::InvalidArgument, "{fault:?}");
        }
    }

    /// Retryable are UNAVAILABLE, 429 and 503 among the codes used here, and RESOURCE_EXHAUSTED with a `RetryInfo`:
    /// that of 429 has one, and that of 413 never.
    #[test]
    fn a_retry_hint_comes_with_retryable_codes_and_with_no_other() {
        for (fault, ..) in every_fault() {
            let row = fault.row();
            let hinted = row.retry_after.is_some();
            let limited = row.http == StatusCode::TOO_MANY_REQUESTS;
            assert!(!limited || row.grpc == Code::ResourceExhausted, "{fault:?}");
            assert_eq!(hinted, row.grpc == Code::Unavailable || limited, "{fault:?}");
            assert_eq!(hinted, matches!(row.http.as_u16(), 429 | 502..=504), "{fault:?}");
            assert!(!matches!(row.http.as_u16(), 408 | 500), "{fault:?}");
        }
    }

    #[test]
    fn messages_say_something_and_stay_short() {
        for (fault, ..) in every_fault() {
            let text = fault.to_string();
            assert!((8..200).contains(&text.len()), "{text}");
        }
    }
}
