//! Whoever has a link: the gate, and the page behind it.
//!
//! Before the gate nothing tells a link that stands for a chain from one that does not, nor one address from another: the
//! answers are the same, and mail is sent after the answer.

use super::doors::{Client, error, is_foreign, unavailable};
use super::form::{field, is_token};
use super::gate::{Gate, How};
use super::pages::{self, Said};
use super::rates::Block;
use super::session::{self, Session};
use super::shelf::{Snapshot, Unshown};
use super::{Serving, doors};
use crate::net::body::Reader;
use crate::reader::access::ChainKey;
use crate::reader::access::chains::Entry;
use crate::reader::access::recipient::Address;
use crate::reader::access::secret::Secret;
use crate::reader::report::page as report;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use std::sync::Arc;
use std::time::Instant;
use tokio::task::spawn_blocking;

/// A chain that somebody may see.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) entry: Entry,
    pub(super) seen: Snapshot,
    /// Whose address was shown; nobody's where everybody may come.
    pub(super) who: Option<Session>,
}

/// Why nothing opens.
#[derive(Debug)]
pub(super) enum Shut {
    /// Whoever asks may not, or there is nothing: it is not told which.
    Stranger,
    /// The chain is being verified.
    Busy,
    Unavailable(String),
}

/// What sessions and codes are of.
fn id(key: &ChainKey) -> String {
    match key {
        ChainKey::Subject(id) => format!("s:{id}"),
        ChainKey::File(stem) => format!("f:{stem}"),
    }
}

/// The chain of a link, and whether an address may see it.
struct Found {
    secret: Arc<Secret>,
    entry: Option<Entry>,
    admits: bool,
}

impl Serving {
    /// Looks up a link, and an address in the list. What is withheld or set aside is not there.
    async fn find(self: &Arc<Self>, token: &str, who: Option<Address>) -> Result<Found, Shut> {
        let (own, token) = (Arc::clone(self), token.to_owned());
        let found = spawn_blocking(move || {
            let (secret, table, list) = own.standing()?;
            let entry = table.get(&token).filter(|entry| entry.withheld.is_none());
            let entry = entry.filter(|entry| list.bar(&entry.key).is_none());
            let nobody = ChainKey::File(String::new());
            let key = entry.map_or(&nobody, |entry| &entry.key);
            let admits = who.is_some_and(|who| list.admits(key, &who));
            Ok::<_, crate::reader::access::AccessError>(Found { secret, entry: entry.cloned(), admits })
        });
        let found = found.await.map_err(|failed| Shut::Unavailable(failed.to_string()))?;
        found.map_err(|error| Shut::Unavailable(error.to_string()))
    }

    /// Opens the chain of a link, for a request that shows who sends it.
    pub(super) async fn open(
        self: &Arc<Self>,
        head: &Parts,
        token: &str,
        number: Option<u64>,
    ) -> Result<Opened, Shut> {
        if !is_token(token) {
            return Err(Shut::Stranger);
        }
        let who = match &self.settings.gate {
            Gate::Open => None,
            Gate::Proxy(header) => {
                // The list of proxies is held by every request; a second look costs nothing.
                let client = Client::of(self, head);
                let shown = head.headers.get(header).filter(|_| client.is_by_proxy);
                let address = shown.and_then(|shown| shown.to_str().ok()?.parse().ok());
                Some(Session { address: address.ok_or(Shut::Stranger)?, how: How::Proxy })
            }
            gate @ (Gate::Code(_) | Gate::Unverified) => {
                let name = session::name(token, self.settings.is_secure());
                let value = session::cookie(&head.headers, &name).ok_or(Shut::Stranger)?;
                let Found { secret, entry, .. } = self.find(token, None).await?;
                let entry = entry.ok_or(Shut::Stranger)?;
                let session = Session::read(value, &secret, &id(&entry.key)).ok_or(Shut::Stranger)?;
                Some(Some(session).filter(|session| gate.takes(session.how)).ok_or(Shut::Stranger)?)
            }
        };
        let Found { entry, admits, .. } =
            self.find(token, who.as_ref().map(|who| who.address.clone())).await?;
        let entry = entry.filter(|_| admits || who.is_none()).ok_or(Shut::Stranger)?;
        match self.shelf.look(&entry, number).await {
            Ok(seen) => Ok(Opened { entry, seen, who }),
            Err(Unshown::Busy) => Err(Shut::Busy),
            Err(Unshown::Withheld) => Err(Shut::Stranger),
        }
    }

    /// What whoever may not is shown in place of the page.
    fn gate(&self) -> Response {
        match self.settings.gate {
            Gate::Code(_) => pages::gate(StatusCode::OK, Said::Nothing, true),
            Gate::Unverified => pages::gate(StatusCode::OK, Said::Nothing, false),
            Gate::Proxy(_) | Gate::Open => {
                pages::page(StatusCode::NOT_FOUND, "There is no report here", "", false)
            }
        }
    }

    /// What whoever may not is answered who asks for data.
    pub(super) fn shut(&self, shut: Shut) -> Response {
        match shut {
            Shut::Stranger => match self.settings.gate {
                Gate::Code(_) | Gate::Unverified => {
                    error(StatusCode::UNAUTHORIZED, "open the report's link in the browser first")
                }
                Gate::Proxy(_) | Gate::Open => error(StatusCode::NOT_FOUND, "there is no report here"),
            },
            Shut::Busy => {
                error(StatusCode::SERVICE_UNAVAILABLE, "the chain is being verified; try again in a moment")
            }
            Shut::Unavailable(why) => unavailable(&why),
        }
    }
}

/// `GET /r/TOKEN`.
pub(super) async fn page(
    State(serving): State<Arc<Serving>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    match serving.open(&head, &token, None).await {
        Ok(_) => {
            let mut response = doors::answer(StatusCode::OK, "text/html; charset=utf-8", report::html());
            if let Ok(policy) = HeaderValue::from_str(&report::content_security_policy("'self'")) {
                response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            }
            response
        }
        Err(Shut::Stranger) => serving.gate(),
        Err(shut) => serving.shut(shut),
    }
}

/// `POST /r/TOKEN`.
pub(super) async fn enter(
    State(serving): State<Arc<Serving>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let client = Client::of(&serving, &head);
    if matches!(serving.settings.gate, Gate::Proxy(_) | Gate::Open) {
        return serving.gate();
    }
    if is_foreign(client, &head.headers) {
        return error(StatusCode::FORBIDDEN, "the form was sent by a page of another origin");
    }
    if !serving.posts.take(Block::of(client.address), Instant::now()) {
        return error(
            StatusCode::TOO_MANY_REQUESTS,
            "too many tries from this address; try again in a minute",
        );
    }
    let form = match read(&serving, body).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let is_verified = matches!(serving.settings.gate, Gate::Code(_));
    let Some(Ok(address)) = field(&form, "email").map(|email| email.parse::<Address>()) else {
        return pages::gate(StatusCode::BAD_REQUEST, Said::NoAddress, is_verified);
    };
    let code = field(&form, "code").map(|code| code.trim().to_owned());
    let entered = match (&serving.settings.gate, code) {
        (Gate::Code(_), None) => {
            send_later(&serving, token, address.clone());
            return pages::code(StatusCode::OK, Said::Nothing, address.as_str());
        }
        (Gate::Code(_), Some(code)) => serving.enter_by_code(&token, &address, &code).await,
        _ => serving.enter_unverified(&token, &address).await,
    };
    match entered {
        Ok(cookie) => {
            let mut response = doors::text(StatusCode::SEE_OTHER, "");
            let headers = response.headers_mut();
            let location = HeaderValue::from_str(&format!("/r/{token}"));
            headers.extend(location.into_iter().map(|location| (LOCATION, location)));
            headers.extend(HeaderValue::from_str(&cookie).into_iter().map(|cookie| (SET_COOKIE, cookie)));
            response
        }
        Err(Shut::Stranger) if is_verified => {
            pages::code(StatusCode::FORBIDDEN, Said::WrongCode, address.as_str())
        }
        Err(Shut::Stranger) => pages::gate(StatusCode::FORBIDDEN, Said::NotAdmitted, false),
        Err(shut) => serving.shut(shut),
    }
}

/// A form, which is small.
async fn read(serving: &Serving, body: Body) -> Result<String, Response> {
    let mut reader = Reader::new(body, &serving.limits);
    let mut bytes = Vec::new();
    loop {
        match reader.next().await {
            Ok(None) => break,
            Ok(Some(piece)) if bytes.len() + piece.len() <= serving.limits.body => {
                bytes.extend_from_slice(&piece);
            }
            Ok(Some(_)) => return Err(error(StatusCode::PAYLOAD_TOO_LARGE, "a form is smaller")),
            Err(fault) => return Err(error(fault.row().http, &fault.to_string())),
        }
    }
    String::from_utf8(bytes).map_err(|_| error(StatusCode::BAD_REQUEST, "the form is not UTF-8"))
}

impl Serving {
    async fn enter_by_code(
        self: &Arc<Self>,
        token: &str,
        address: &Address,
        code: &str,
    ) -> Result<String, Shut> {
        let Found { secret, entry, admits } = self.find(token, Some(address.clone())).await?;
        let chain = entry.as_ref().map_or_else(String::new, |entry| id(&entry.key));
        let is_it = self.codes.redeem(&chain, address, code, Instant::now());
        let entry = entry.filter(|_| is_it && admits).ok_or(Shut::Stranger)?;
        Ok(self.cookie(&secret, &entry, token, address, How::Code))
    }

    async fn enter_unverified(self: &Arc<Self>, token: &str, address: &Address) -> Result<String, Shut> {
        let Found { secret, entry, admits } = self.find(token, Some(address.clone())).await?;
        let entry = entry.filter(|_| admits).ok_or(Shut::Stranger)?;
        match self.shelf.look(&entry, None).await {
            Ok(_) => Ok(self.cookie(&secret, &entry, token, address, How::Unverified)),
            Err(Unshown::Busy) => Err(Shut::Busy),
            Err(Unshown::Withheld) => Err(Shut::Stranger),
        }
    }

    fn cookie(&self, secret: &Secret, entry: &Entry, token: &str, address: &Address, how: How) -> String {
        let is_secure = self.settings.is_secure();
        let session = Session { address: address.clone(), how };
        format!(
            "{}={}; Path=/r/{token}; HttpOnly; SameSite=Lax; Max-Age={}{}",
            session::name(token, is_secure),
            session.value(secret, &id(&entry.key)),
            session::LASTS.as_secs(),
            if is_secure { "; Secure" } else { "" }
        )
    }
}

/// Sends a code if the address may see the chain of the link, after the answer was given.
fn send_later(serving: &Arc<Serving>, token: String, address: Address) {
    let Ok(turn) = Arc::clone(&serving.mails).try_acquire_owned() else {
        tracing::warn!("a code is not sent: too many mails are under way");
        return;
    };
    let own = Arc::clone(serving);
    tokio::spawn(async move {
        let Gate::Code(mailer) = &own.settings.gate else { return };
        let Ok(Found { entry: Some(entry), admits: true, .. }) =
            own.find(&token, Some(address.clone())).await
        else {
            return;
        };
        if matches!(own.shelf.look(&entry, None).await, Err(Unshown::Withheld)) {
            return;
        }
        let Some(code) = own.codes.issue(&id(&entry.key), &address, Instant::now()) else {
            tracing::warn!(chain = entry.stem, "a code is not sent: there were enough in this hour");
            return;
        };
        if let Err(error) = mailer.send(&address, &code).await {
            tracing::error!(error, chain = entry.stem, "a code can't be sent by mail");
        }
        drop(turn);
    });
}
