//! What web pages may do: any page that somebody on this machine opens can send requests to halod's addresses.
//!
//! A browser tells a page's origin with each request that changes something or that reads across origins (`Origin` in the
//! Fetch Standard, `Sec-Fetch-Site` in Fetch Metadata Request Headers). A page whose name was pointed to this machine
//! by its owner (DNS rebinding) counts as of the same origin; it is known by the name that it asks for, which is neither
//! an address nor one of a local network.

use super::peer::Peer;
use super::status::Fault;
use halod_record::wildcard::fits;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE,
    HOST, ORIGIN, VARY,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use std::net::IpAddr;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Below these no page on the Internet has its name (RFC 6761, 6762, 8375; ICANN's `internal`; Kubernetes' `svc`).
const LOCAL: [&str; 7] = ["localhost", "local", "internal", "home.arpa", "lan", "svc", "test"];

/// How long a browser may remember that an origin is allowed, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Whose pages may send here, and by which names halod is asked for. `*` in an entry stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebPolicy {
    /// `https://app.example.com`, with the port where it is not the scheme's own.
    pub origins: Vec<String>,
    pub hosts: Vec<String>,
}

impl WebPolicy {
    /// # Errors
    /// A page that may not have sends it, or may have.
    pub fn check<B>(&self, request: &Request<B>) -> Result<(), Fault> {
        self.check_origin(request.headers())?;
        self.check_host((request.version(), request.uri()), request.headers(), request.extensions())
    }

    /// # Errors
    /// A page of another origin sends it, which may not.
    pub fn check_origin(&self, headers: &HeaderMap) -> Result<(), Fault> {
        if self.is_foreign(headers) { Err(Fault::ForeignOrigin) } else { Ok(()) }
    }

    /// Where senders show nothing that a page has not: neither a credential nor, in TLS, that they know halod by a name of
    /// its own.
    ///
    /// # Errors
    /// It is asked for by a name that may be that of a page.
    pub fn check_host(
        &self,
        (version, uri): (Version, &Uri),
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<(), Fault> {
        // Browsers speak HTTP/2 with TLS alone.
        let is_plain = version < Version::HTTP_2;
        let is_local = matches!(extensions.get(), Some(Peer::Local { .. }));
        let asked = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or(""));
        let mut asked = asked.chain(uri.authority().map(http::uri::Authority::as_str));
        if is_plain && !is_local && asked.any(|host| !self.is_ours(name(host))) {
            return Err(Fault::ForeignHost);
        }
        Ok(())
    }

    /// Whether a page of another origin sends it that may not.
    fn is_foreign(&self, headers: &HeaderMap) -> bool {
        let origin = headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or("null"));
        match origin {
            None => headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site"),
            Some(origin) if self.allows(origin) => false,
            Some(origin) => {
                let own = headers.get(HOST).and_then(|host| host.to_str().ok());
                let asked = origin.split_once("://").map(|(_, authority)| authority);
                asked.is_none() || asked != own
            }
        }
    }

    fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| is_as(allowed, origin))
    }

    fn is_ours(&self, name: &str) -> bool {
        let is_below = |local: &&str| {
            let rest =
                name.len().checked_sub(local.len()).and_then(|at| Some((name.get(..at)?, name.get(at..)?)));
            rest.is_some_and(|(rest, end)| end.eq_ignore_ascii_case(local) && rest.ends_with('.'))
        };
        name.parse::<IpAddr>().is_ok()
            || !name.is_empty() && !name.contains('.')
            || LOCAL.iter().any(is_below)
            || self.hosts.iter().any(|allowed| is_as(allowed, name))
    }

    /// What a browser is answered that asks, before its page sends, whether it may; `None` for any other request.
    #[must_use]
    pub fn preflight<B>(&self, request: &Request<B>) -> Option<HeaderMap> {
        let asked = request.headers();
        if *request.method() != Method::OPTIONS || !asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut headers = self.allowance(asked)?;
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PATCH"));
        if let Some(wanted) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(headers)
    }

    /// By which headers of an answer a browser lets an allowed page read it.
    #[must_use]
    pub fn allowance(&self, asked: &HeaderMap) -> Option<HeaderMap> {
        let origin =
            asked.get(ORIGIN).filter(|origin| origin.to_str().is_ok_and(|origin| self.allows(origin)))?;
        Some(HeaderMap::from_iter([
            (ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
            (VARY, HeaderValue::from_static("origin")),
        ]))
    }
}

/// Whether a body is of a kind that any page may send without asking first (Fetch Standard, "CORS-safelisted
/// request-header"), and that no client of JSON means.
#[must_use]
pub fn is_of_a_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    ["text/plain", "application/x-www-form-urlencoded"].iter().any(|form| essence.eq_ignore_ascii_case(form))
}

/// The name or the address in an authority, without user, port and brackets.
fn name(authority: &str) -> &str {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.rsplit_once(':').map_or(authority, |(name, _)| name),
    }
}

/// Whether a text is as an entry says; names know no case.
fn is_as(entry: &str, text: &str) -> bool {
    fits(entry.to_ascii_lowercase().as_bytes(), text.to_ascii_lowercase().as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method("POST").uri("/v1/traces");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn policy() -> WebPolicy {
        let origins = ["https://app.example.com", "https://*.dev.example.com:8443"].map(str::to_owned);
        WebPolicy { origins: origins.into(), hosts: vec!["halod.example.com".into()] }
    }

    #[test]
    fn pages_of_other_origins_may_not_send() {
        let check = |headers: &[(&str, &str)]| policy().check(&request(headers));
        for (origin, expected) in [
            ("https://app.example.com", Ok(())),
            ("https://APP.example.com", Ok(())),
            ("https://a.b.dev.example.com:8443", Ok(())),
            ("https://a.dev.example.com", Err(Fault::ForeignOrigin)),
            ("http://app.example.com", Err(Fault::ForeignOrigin)),
            ("https://app.example.com.evil.org", Err(Fault::ForeignOrigin)),
            ("https://evil.org", Err(Fault::ForeignOrigin)),
            ("null", Err(Fault::ForeignOrigin)),
            ("http://127.0.0.1:4318", Ok(())),
            ("http://127.0.0.1:4319", Err(Fault::ForeignOrigin)),
        ] {
            assert_eq!(check(&[("host", "127.0.0.1:4318"), ("origin", origin)]), expected, "{origin}");
        }
        assert_eq!(
            check(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]),
            Err(Fault::ForeignOrigin)
        );
        assert_eq!(check(&[("host", "localhost"), ("sec-fetch-site", "none")]), Ok(()));
        assert_eq!(check(&[("host", "localhost:4318")]), Ok(()));
    }

    #[test]
    fn names_of_the_internet_are_not_halods() {
        for (host, ours) in [
            ("127.0.0.1:4318", true),
            ("[::1]:4318", true),
            ("10.0.0.7", true),
            ("localhost", true),
            ("halod", true),
            ("halod:4318", true),
            ("halod.default.svc.cluster.local:4318", true),
            ("host.docker.internal", true),
            ("halod.example.com:4318", true),
            ("HALOD.example.com", true),
            ("evil.org:4318", false),
            ("127.0.0.1.evil.org", false),
            ("evillocal.org", false),
            ("notlocal.xlocal", false),
            ("halod.example.com.evil.org", false),
            ("", false),
        ] {
            assert_eq!(policy().check(&request(&[("host", host)])).is_ok(), ours, "{host}");
        }
        let mut local = request(&[("host", "evil.org")]);
        local.extensions_mut().insert(Peer::Local { uid: 0, gid: 0 });
        assert_eq!(policy().check(&local), Ok(()), "no page reaches a Unix socket");
        assert_eq!(policy().check(&request(&[])), Ok(()));
    }

    #[test]
    fn a_browser_is_told_what_its_page_may_do() {
        let mut asks = request(&[
            ("origin", "https://app.example.com"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ]);
        assert_eq!(policy().preflight(&asks), None, "it is a POST");
        *asks.method_mut() = Method::OPTIONS;
        let told = policy().preflight(&asks).unwrap();
        assert_eq!(told[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example.com");
        assert_eq!(told[ACCESS_CONTROL_ALLOW_HEADERS], "content-type");
        assert_eq!(WebPolicy::default().preflight(&asks), None);
    }

    #[test]
    fn forms_are_known_by_their_type() {
        for (kind, form) in [
            ("text/plain;charset=UTF-8", true),
            ("Text/Plain", true),
            ("application/x-www-form-urlencoded", true),
            ("application/json", false),
            ("multipart/form-data; boundary=x", false),
        ] {
            assert_eq!(is_of_a_form(request(&[("content-type", kind)]).headers()), form, "{kind}");
        }
        assert!(!is_of_a_form(request(&[]).headers()));
    }
}
