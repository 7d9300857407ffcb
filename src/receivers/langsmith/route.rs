//! What a request to LangSmith's API asks for, by its method and path.

use halo_adapters::otlp::Signal;
use http::uri::PathAndQuery;
use http::{Method, Uri};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'p> {
    /// What this server can do.
    Info,
    /// Runs and feedback in a form.
    Multipart,
    /// `{"post": [...], "patch": [...]}`.
    Batch,
    /// One run's start, or all of it.
    Post,
    /// What is new of the run of this id.
    Patch(&'p str),
    Feedback,
    /// What is new of the feedback of this id.
    FeedbackUpdate(&'p str),
    /// Settings and projects, which the SDKs ask for beside tracing.
    Settings,
    Projects,
    Project,
    /// Of something that is served, by a method that is not.
    Method,
    /// Runs and feedback are taken here, and not given back.
    Reading,
    Unknown,
}

/// Below it everything is LangSmith's.
const OURS: &str = "/langsmith";

/// The routes of LangSmith's API: all below `/langsmith`, and what nobody else has, below each address that an SDK may
/// be given.
pub(super) fn paths() -> impl Iterator<Item = String> {
    let below = |path: String| ["", "/", "/{*rest}"].map(|end| format!("{path}{end}"));
    let named = |prefix: &str| {
        ["info", "runs", "feedback", "sessions", "settings", "otel"].map(|name| format!("{prefix}/{name}"))
    };
    ["", "/api", "/v1", "/api/v1"].into_iter().flat_map(named).chain([OURS.to_owned()]).flat_map(below)
}

/// What the SDK sends over OTLP instead, where it does (`LANGSMITH_OTEL_ENABLED`).
pub(super) fn of_otlp(path: &str) -> Option<Signal> {
    (within(path) == "otel/v1/traces").then_some(Signal::Traces)
}

/// The address without `/langsmith`, if it has that.
pub(super) fn below_ours(uri: &Uri) -> Option<Uri> {
    if !is_below(uri.path(), OURS) {
        return None;
    }
    let rest = uri.path_and_query()?.as_str().strip_prefix(OURS)?;
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
    Uri::from_parts(parts).ok()
}

fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path below an address that an SDK may be given: `http://halod`, or `http://halod/api/v1`, as
/// LangSmith's own server has it.
fn within(path: &str) -> &str {
    let mut rest = path;
    for prefix in ["/api", "/v1"] {
        if is_below(rest, prefix) {
            rest = rest.get(prefix.len()..).unwrap_or_default();
        }
    }
    rest.trim_matches('/')
}

impl<'p> Route<'p> {
    pub(super) fn of(method: &Method, path: &'p str) -> Self {
        let mut segments = within(path).split('/');
        let path = [segments.next(), segments.next(), segments.next()];
        let post = method == Method::POST;
        match path {
            [Some("info"), None, _] if method == Method::GET => Self::Info,
            [Some("runs"), None, _] if post => Self::Post,
            [Some("runs"), Some("multipart"), None] if post => Self::Multipart,
            [Some("runs"), Some("batch"), None] if post => Self::Batch,
            [Some("runs"), Some("multipart" | "batch"), None] => Self::Method,
            [Some("runs"), Some(id), None] if method == Method::PATCH => Self::Patch(id),
            [Some("feedback"), None, _] if post => Self::Feedback,
            [Some("feedback"), Some("tokens"), _] => Self::Unknown,
            [Some("feedback"), Some(id), None] if method == Method::PATCH => Self::FeedbackUpdate(id),
            [Some("settings"), None, _] if method == Method::GET => Self::Settings,
            [Some("sessions"), None, _] if method == Method::GET => Self::Projects,
            [Some("sessions"), None, _] if post => Self::Project,
            [Some("sessions"), Some(_), None] if method == Method::PATCH => Self::Project,
            [Some("info" | "settings"), None, _] => Self::Method,
            [Some("runs" | "feedback" | "sessions"), ..] => Self::Reading,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// As the router has it.
    fn is_ours(path: &str) -> bool {
        paths().any(|route| match route.strip_suffix("{*rest}") {
            Some(above) => path.strip_prefix(above).is_some_and(|rest| !rest.is_empty()),
            None => route == path,
        })
    }

    #[test]
    fn every_address_of_an_sdk_leads_to_the_same() {
        for prefix in ["", "/api/v1", "/v1", "/api"] {
            for (method, path, route) in [
                (Method::GET, "/info", Route::Info),
                (Method::POST, "/runs", Route::Post),
                (Method::POST, "/runs/", Route::Post),
                (Method::POST, "/runs/multipart", Route::Multipart),
                (Method::POST, "/runs/batch", Route::Batch),
                (Method::PATCH, "/runs/a-b", Route::Patch("a-b")),
                (Method::POST, "/feedback", Route::Feedback),
                (Method::PATCH, "/feedback/7", Route::FeedbackUpdate("7")),
                (Method::GET, "/settings", Route::Settings),
                (Method::GET, "/sessions", Route::Projects),
                (Method::POST, "/sessions", Route::Project),
                (Method::PATCH, "/sessions/9", Route::Project),
                (Method::PUT, "/info", Route::Method),
                (Method::GET, "/runs/multipart", Route::Method),
                (Method::POST, "/runs/query", Route::Reading),
                (Method::GET, "/runs/a-b", Route::Reading),
                (Method::GET, "/feedback", Route::Reading),
                (Method::POST, "/feedback/tokens", Route::Unknown),
            ] {
                let whole = format!("{prefix}{path}");
                assert_eq!(Route::of(&method, &whole), route, "{method} {whole}");
                let below: Uri = format!("/langsmith{whole}?x=/y").parse().unwrap();
                assert!(is_ours(&whole) && is_ours(below.path()), "{whole}");
                assert_eq!(below_ours(&below).unwrap().to_string(), format!("{whole}?x=/y"));
            }
        }
        assert!(is_ours("/langsmith/nothing") && is_ours("/langsmith"));
        assert_eq!(Route::of(&Method::GET, "/nothing"), Route::Unknown);
        assert!(is_ours("/otel/v1/traces") && is_ours("/api/v1/otel/v1/traces"));
        assert_eq!(of_otlp("/api/v1/otel/v1/traces"), Some(Signal::Traces));
        assert_eq!(of_otlp("/otel/v1/metrics"), None);
        for (uri, rest) in
            [("/langsmith", Some("/")), ("/langsmith?x", Some("/?x")), ("/langsmithy", None), ("/info", None)]
        {
            assert_eq!(
                below_ours(&uri.parse().unwrap()).map(|uri| uri.to_string()).as_deref(),
                rest,
                "{uri}"
            );
        }
    }

    #[test]
    fn what_others_serve_is_theirs() {
        for path in [
            "/",
            "/v1/traces",
            "/v1/traces/ingest",
            "/v1/records",
            "/api/public/ingestion",
            "/langsmithy/runs",
            "/litellm",
            "/information",
        ] {
            assert!(!is_ours(path), "{path}");
        }
    }
}
