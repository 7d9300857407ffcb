//! What browsers are told with every answer.

use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue};

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");

/// What no page here has a use for.
const NOTHING: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), camera=(), clipboard-read=(), display-capture=(), geolocation=(), gyroscope=(), interest-cohort=(), \
     magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
);

/// Puts the heads upon an answer that every answer has, unless it has its own of that name.
pub(super) fn harden(response: &mut Response, is_secure: bool) {
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    put(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    put(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    put(OPENER, HeaderValue::from_static("same-origin"));
    put(RESOURCE, HeaderValue::from_static("same-origin"));
    put(PERMISSIONS, NOTHING);
    put(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    put(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    );
    if is_secure {
        put(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}
