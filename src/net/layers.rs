//! What every request at a door goes through, whoever answers it: a span of tracing, and what web pages ask before they
//! send.

use super::answer::no_content;
use super::peer::Peer;
use super::web::WebPolicy;
use axum::response::Response;
use http::Request;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::{Layer, Service};
use tracing::Instrument;
use tracing::instrument::Instrumented;

/// Puts what is logged of a request into a span with its method, path and peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceLayer;

#[derive(Clone, Copy, Debug)]
pub struct Traced<S>(S);

impl<S> Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, service: S) -> Traced<S> {
        Traced(service)
    }
}

impl<S, B> Service<Request<B>> for Traced<S>
where
    S: Service<Request<B>, Error = Infallible>,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = Instrumented<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let span = tracing::debug_span!(
            "request",
            method = %request.method(),
            path = request.uri().path(),
            peer = Peer::name_in(request.extensions()),
        );
        self.0.call(request).instrument(span)
    }
}

/// Answers what a browser asks before its page sends, and lets pages that are allowed read their answers.
#[derive(Clone, Debug)]
pub struct PageLayer(pub Arc<WebPolicy>);

#[derive(Clone, Debug)]
pub struct Pages<S> {
    service: S,
    web: Arc<WebPolicy>,
}

impl<S> Layer<S> for PageLayer {
    type Service = Pages<S>;

    fn layer(&self, service: S) -> Pages<S> {
        Pages { service, web: Arc::clone(&self.0) }
    }
}

impl<S, B> Service<Request<B>> for Pages<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(headers) = self.web.preflight(&request) {
            return Box::pin(std::future::ready(Ok(no_content(headers))));
        }
        let allowance = self.web.allowance(request.headers());
        let answer = self.service.call(request);
        match allowance {
            None => Box::pin(answer),
            Some(allowance) => Box::pin(async move {
                let mut response = answer.await?;
                response.headers_mut().extend(allowance);
                Ok(response)
            }),
        }
    }
}
