//! The services of gRPC itself: health (`grpc.health.v1`) and reflection (`grpc.reflection.v1`, `v1alpha`).
//!
//! They are small and public: their messages are cut to what they need, no credential is asked for, and they are not
//! counted as requests of a receiver. Their streams, which may stay open for as long as a peer likes, end when halod
//! drains.

use super::answer::grpc_error;
use super::web::WebPolicy;
use axum::response::IntoResponse;
use axum::response::Response as Answer;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::body::Body;
use tonic::codegen::tokio_stream::Stream;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{self, HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb as reflection;
use tonic_reflection::server::{Builder, v1, v1alpha};
use tower::Service;

/// Bytes of a message to these services: names of services and symbols.
const MESSAGE: usize = 4 << 10;

/// How often a watched state is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Whether requests are accepted: what `/readyz` says.
#[derive(Clone)]
pub struct Ready(Arc<dyn Fn() -> bool + Send + Sync>);

impl Ready {
    pub fn new(ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(ready))
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ready").field(&(self.0)()).finish()
    }
}

/// What the services tell of.
#[derive(Clone, Debug)]
pub struct Standard {
    pub ready: Ready,
    pub draining: watch::Receiver<bool>,
    pub web: Arc<WebPolicy>,
    /// The services whose health is asked for by name.
    pub names: &'static [&'static str],
    /// A `google.protobuf.FileDescriptorSet` of them.
    pub descriptors: &'static [u8],
}

impl Standard {
    /// Health and reflection as routes, in which nothing else is yet.
    #[must_use]
    pub fn routes(&self) -> Routes {
        let health = HealthServer::new(Watched { standard: self.clone() });
        let mut routes = Routes::default().add_service(self.guard(health.max_decoding_message_size(MESSAGE)));
        match self.reflection() {
            Ok((current, former)) => {
                routes = routes.add_service(self.guard(current)).add_service(self.guard(former));
            }
            // The descriptors are halod's own, and a test reads them.
            Err(error) => tracing::error!(%error, "gRPC reflection is not served"),
        }
        routes
    }

    #[allow(clippy::type_complexity)]
    fn reflection(
        &self,
    ) -> Result<
        (
            v1::ServerReflectionServer<impl v1::ServerReflection + use<>>,
            v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection + use<>>,
        ),
        tonic_reflection::server::Error,
    > {
        let all = || {
            // Each version tells of both.
            let all = [
                self.descriptors,
                pb::FILE_DESCRIPTOR_SET,
                reflection::v1::FILE_DESCRIPTOR_SET,
                reflection::v1alpha::FILE_DESCRIPTOR_SET,
            ];
            let empty = Builder::configure().include_reflection_service(false);
            all.into_iter().fold(empty, Builder::register_encoded_file_descriptor_set)
        };
        let current = all().build_v1()?.max_decoding_message_size(MESSAGE);
        Ok((current, all().build_v1alpha()?.max_decoding_message_size(MESSAGE)))
    }

    fn guard<S>(&self, service: S) -> Guarded<S> {
        Guarded { service, web: Arc::clone(&self.web), draining: self.draining.clone() }
    }
}

/// The health of halod as a whole, and of each of its services, which is the same.
struct Watched {
    standard: Standard,
}

impl Watched {
    fn knows(&self, name: &str) -> bool {
        name.is_empty()
            || self.standard.names.contains(&name)
            || name == <HealthServer<Self> as NamedService>::NAME
    }
}

#[tonic::async_trait]
impl Health for Watched {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.knows(&request.get_ref().service) {
            return Err(Status::not_found("no service of that name is here"));
        }
        Ok(Response::new(HealthCheckResponse { status: self.standard.ready.status() as i32 }))
    }

    type WatchStream = Watch;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Watch>, Status> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ready = self.knows(&request.get_ref().service).then(|| self.standard.ready.clone());
        Ok(Response::new(Watch { ready, draining: self.standard.draining.clone(), told: None, look }))
    }
}

impl Ready {
    fn status(&self) -> ServingStatus {
        if (self.0)() { ServingStatus::Serving } else { ServingStatus::NotServing }
    }
}

/// The state of a service, and each change of it.
#[derive(Debug)]
pub struct Watch {
    /// None for a service that is not there, which may yet come, as the protocol has it.
    ready: Option<Ready>,
    draining: watch::Receiver<bool>,
    told: Option<ServingStatus>,
    look: Interval,
}

impl Stream for Watch {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            std::task::ready!(self.look.poll_tick(cx));
            let status = self.ready.as_ref().map_or(ServingStatus::ServiceUnknown, Ready::status);
            if self.told.replace(status) != Some(status) {
                return Poll::Ready(Some(Ok(HealthCheckResponse { status: status as i32 })));
            }
            if *self.draining.borrow() {
                return Poll::Ready(None);
            }
        }
    }
}

/// One of these services, for whom the policy of web pages lets in, and whose requests end when halod drains.
#[derive(Clone)]
struct Guarded<S> {
    service: S,
    web: Arc<WebPolicy>,
    draining: watch::Receiver<bool>,
}

impl<S: NamedService> NamedService for Guarded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Guarded<S>
where
    S: Service<http::Request<Body>, Error = Infallible>,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if let Err(fault) = self.web.check(&request) {
            return Box::pin(std::future::ready(Ok(grpc_error(&fault))));
        }
        let mut draining = self.draining.clone();
        let drained = Box::pin(async move { drop(draining.wait_for(|draining| *draining).await) });
        let answer = self.service.call(request.map(|body| Body::new(UntilDrained { body, drained })));
        Box::pin(async move { answer.await.map(IntoResponse::into_response) })
    }
}

/// A body that ends when halod drains.
struct UntilDrained {
    body: Body,
    drained: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl http_body::Body for UntilDrained {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending if self.drained.as_mut().poll(cx).is_ready() => Poll::Ready(None),
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
