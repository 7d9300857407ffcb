//! What every request passes on its way to its receiver, and how it ends.
//!
//! ```text
//! request ─▶ counted ─▶ web pages ─▶ who sends ─▶ receiver, whose panic is a fault ─▶ counted by its end ─▶ answer
//! ```

use super::admission::Admission;
use super::newcomers::Newcomers;
use super::unserved::Unserved;
use crate::ingest::contain_future;
use crate::ingest::requests::{RequestEntry, Transport};
use crate::ingest::tap::Tap;
use crate::net::answer::{Form, Refused, grpc_error};
use crate::net::body::{Incoming, Reader};
use crate::net::grpc::{self, is_grpc};
use crate::net::limits::Limits;
use crate::net::peer::Peer;
use crate::net::status::Fault;
use crate::net::web::{self, WebPolicy};
use axum::response::{IntoResponse, Response};
use http::Request;
use http::header::USER_AGENT;
use http::request::Parts;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::Service;
use tracing::Instrument;

/// Bytes of what a sender calls itself.
const AGENT: usize = 100;

/// What takes one kind of sender's requests.
pub trait Receiver: Send + Sync + 'static {
    /// As metrics call it.
    const NAME: &'static str;

    /// Whether a body that a page's form could send is refused before the receiver sees it.
    const REFUSES_FORMS: bool = true;

    /// Whether it knows the sender of a request itself, by keys of its own, or who sends does not matter.
    fn vouches(&self, _: &Parts) -> bool {
        false
    }

    /// Counts a request that begins.
    fn begin(&self, transport: Transport) -> RequestEntry;

    /// Answers one request.
    fn answer(
        &self,
        request: Request<Incoming>,
        entry: &mut RequestEntry,
    ) -> impl Future<Output = Response> + Send;
}

/// What stands before every receiver of a door. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate {
    web: Arc<WebPolicy>,
    checks_host: bool,
    admission: Admission,
    limits: Arc<Limits>,
    unserved: Arc<Unserved>,
    watchers: Watchers,
}

/// Who is told of requests as they come.
#[derive(Clone, Debug, Default)]
pub struct Watchers {
    pub newcomers: Arc<Newcomers>,
    pub tap: Tap,
}

/// A receiver behind its gate, as a service.
#[derive(Debug)]
pub struct Gated<R> {
    gate: Gate,
    receiver: Arc<R>,
}

impl Gate {
    #[must_use]
    pub fn new(web: Arc<WebPolicy>, admission: Admission, (limits, has_tls): (Arc<Limits>, bool)) -> Self {
        let checks_host = !has_tls && !admission.asks();
        let watchers = Watchers::default();
        Self { web, checks_host, admission, limits, unserved: Arc::default(), watchers }
    }

    /// The same, telling these of its requests.
    #[must_use]
    pub fn watched_by(self, watchers: Watchers) -> Self {
        Self { watchers, ..self }
    }

    pub fn before<R: Receiver>(&self, receiver: R) -> Gated<R> {
        Gated { gate: self.clone(), receiver: Arc::new(receiver) }
    }

    /// Lets a request in. Whose it is, where that is asked, is in its extensions from then on.
    ///
    /// # Errors
    /// Who sends it may not.
    async fn admit<R: Receiver>(&self, receiver: &R, head: &mut Parts) -> Result<(), Fault> {
        self.web.check_origin(&head.headers)?;
        if self.checks_host {
            self.web.check_host((head.version, &head.uri), &head.headers, &head.extensions)?;
        }
        if R::REFUSES_FORMS && web::is_of_a_form(&head.headers) {
            return Err(Fault::MediaType);
        }
        if let Some(identity) = self.admission.identify(receiver, head).await? {
            head.extensions.insert(identity);
        }
        Ok(())
    }

    /// Refuses a request of which nothing is read. Its body makes way, or HTTP/1 would lose the answer.
    async fn refuse(&self, fault: &Fault, (head, body): (Parts, Incoming), is_call: bool) -> Response {
        let reader = Reader::new(body, &self.limits);
        if is_call {
            return grpc::refuse(fault, reader);
        }
        reader.make_way(&head).await;
        Refused(Form::of(&head.headers), fault).into_response()
    }
}

impl<R> Clone for Gated<R> {
    fn clone(&self) -> Self {
        Self { gate: self.gate.clone(), receiver: Arc::clone(&self.receiver) }
    }
}

impl<R: Receiver> Gated<R> {
    async fn answer(self, request: Request<Incoming>) -> Response {
        let Self { gate, receiver } = self;
        let (mut head, body) = request.into_parts();
        let is_call = is_grpc(&head.headers);
        let mut entry = receiver.begin(if is_call { Transport::Grpc } else { Transport::Http });
        let form = Form::of(&head.headers);
        let asked = (head.uri.path_and_query().cloned(), Peer::of(&head.extensions));
        let agent = head.headers.get(USER_AGENT).cloned();
        let response = match gate.admit(&*receiver, &mut head).await {
            Ok(()) => {
                let answered = receiver.answer(Request::from_parts(head, body), &mut entry);
                contain_future(answered).await.unwrap_or_else(|fault| {
                    entry.refuse(&fault);
                    if is_call { grpc_error(&fault) } else { Refused(form, &fault).into_response() }
                })
            }
            Err(fault) => {
                entry.refuse(&fault);
                gate.watchers.tap.refused(R::NAME, None, fault.name(), &fault.to_string());
                gate.refuse(&fault, (head, body), is_call).await
            }
        };
        if let Some(said) = entry.unserved() {
            let (path, peer) = asked;
            gate.unserved.tell(path.as_ref().map_or("", |path| path.path()), said, peer);
        }
        if entry.is_fine() {
            let agent = agent.as_ref().and_then(|agent| agent.to_str().ok());
            let agent = agent.map(|agent| &agent[..agent.floor_char_boundary(AGENT)]);
            gate.watchers.newcomers.greet(R::NAME, Peer::answered(), agent);
        }
        entry.answer();
        response
    }
}

impl<R: Receiver> Service<Request<Incoming>> for Gated<R> {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let gated = self.clone();
        let span = tracing::debug_span!("received", receiver = R::NAME);
        let peer = Peer::of(request.extensions());
        Box::pin(Peer::answering(peer, async move { Ok(gated.answer(request).await) }.instrument(span)))
    }
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ingest::requests::{RequestFamilies, RequestStats};
    use http_body_util::BodyExt;

    /// Does as the request's method says.
    struct Acts(Arc<RequestStats>);

    impl Receiver for Acts {
        const NAME: &'static str = "acts";

        fn begin(&self, _: Transport) -> RequestEntry {
            self.0.begin()
        }

        async fn answer(&self, request: Request<Incoming>, entry: &mut RequestEntry) -> Response {
            tokio::task::yield_now().await;
            match request.method().as_str() {
                "PANIC" => panic!("as asked"),
                "REFUSE" => entry.refuse(&Fault::Method),
                "WAIT" => std::future::pending().await,
                _ => {}
            }
            Response::default()
        }
    }

    fn request(method: &str, kind: &str) -> Request<Incoming> {
        let request = Request::builder().method(method).header("content-type", kind);
        request.body(Incoming::empty()).unwrap()
    }

    #[tokio::test]
    async fn every_request_begins_and_ends_once() {
        let stats = RequestFamilies::default().of("acts", Transport::Http);
        let mut gated = Gate::new(Arc::default(), Admission::default(), (Arc::default(), false))
            .before(Acts(Arc::clone(&stats)));
        let mut call = |method, kind| gated.call(request(method, kind));
        assert_eq!(call("GET", "application/json").await.unwrap().status(), 200);
        assert_eq!(stats.ended(), [1, 0, 0]);
        call("REFUSE", "application/json").await.unwrap();
        assert_eq!(call("GET", "text/plain").await.unwrap().status(), 415);
        assert_eq!(stats.ended(), [1, 2, 0]);
        let left = call("WAIT", "application/json");
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), left).await.is_err());
        assert_eq!(stats.ended(), [1, 2, 1]);
    }

    #[tokio::test]
    async fn a_panic_is_a_fault_of_its_request() {
        let stats = RequestFamilies::default().of("acts", Transport::Http);
        let mut gated = Gate::new(Arc::default(), Admission::default(), (Arc::default(), false))
            .before(Acts(Arc::clone(&stats)));
        let answer = gated.call(request("PANIC", "application/json")).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (503, &"1".parse().unwrap())
        );
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("halod failed on this request"), "{body:?}");
        let answer = gated.call(request("PANIC", "application/grpc")).await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "14");
        let answer = gated.call(request("PANIC", "application/x-protobuf")).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/x-protobuf");
        assert_eq!(stats.ended(), [0, 3, 0]);
    }
}
