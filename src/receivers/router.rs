//! One address for everything: tells whose request it is, by content type and path.

use super::gate::Gate;
use super::langfuse::{self, LangfuseService};
use super::langsmith::{self, LangSmithService};
use super::litellm::{self, LiteLlm};
use super::native::NativeService;
use super::openai_agents::{self, OpenAiAgents};
use super::otlp::OtlpService;
use super::stats::Counters;
use crate::auth::Identity;
use crate::auth::identity::Receiver;
use crate::ingest::requests::{RequestEntry, Transport};
use crate::net::answer::{self, Form, Refused, Reply};
use crate::net::body::Reader;
use crate::net::grpc::{self, is_grpc};
use crate::net::status::Fault;
use crate::net::web::{self, WebPolicy};
use axum::response::IntoResponse;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

/// Answers every request at one listener, by the receiver whose it is. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Router {
    receivers: Arc<Receivers>,
}

/// What can be reached at a listener.
#[derive(Debug)]
pub struct Receivers {
    pub counters: Arc<Counters>,
    pub otlp: OtlpService,
    pub native: NativeService,
    pub langfuse: LangfuseService,
    pub langsmith: LangSmithService,
    pub litellm: LiteLlm,
    pub openai_agents: OpenAiAgents,
    pub web: Arc<WebPolicy>,
    pub gate: Gate,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Otlp,
    Native,
    Langfuse,
    LangSmith,
    LiteLlm,
    OpenAiAgents,
}

impl Route {
    /// OTLP answers what nobody else knows: its answers tell which paths there are.
    fn of<B>(request: &Request<B>) -> Self {
        match request.uri().path() {
            path if NativeService::serves(path) => Self::Native,
            path if path.starts_with(langfuse::PREFIX) => Self::Langfuse,
            path if litellm::PATHS.contains(&path) => Self::LiteLlm,
            openai_agents::PATH => Self::OpenAiAgents,
            path if langsmith::is_ours(path) => Self::LangSmith,
            _ => Self::Otlp,
        }
    }

    fn receiver(self) -> Receiver {
        match self {
            Self::Otlp => Receiver::Otlp,
            Self::Native => Receiver::Native,
            Self::Langfuse => Receiver::Langfuse,
            Self::LangSmith => Receiver::LangSmith,
            Self::LiteLlm => Receiver::LiteLlm,
            Self::OpenAiAgents => Receiver::OpenAiAgents,
        }
    }
}

impl Receivers {
    /// # Errors
    /// A web page sends it, or may have, that may not.
    fn check<B>(&self, route: Route, request: &Request<B>) -> Result<(), Fault> {
        self.web.check(request)?;
        // The receivers of OTLP and LangSmith know their types themselves.
        if !matches!(route, Route::Otlp | Route::LangSmith) && web::is_of_a_form(request.headers()) {
            return Err(Fault::MediaType);
        }
        Ok(())
    }

    /// Whose a request is, where that is asked.
    ///
    /// # Errors
    /// Its sender may not send it.
    async fn identify<B>(&self, route: Route, request: &Request<B>) -> Result<Option<Arc<Identity>>, Fault> {
        let vouches = || match route {
            Route::Native => self.native.vouches(request),
            Route::Langfuse => self.langfuse.vouches(request),
            Route::LangSmith => self.langsmith.vouches(request),
            Route::Otlp | Route::LiteLlm | Route::OpenAiAgents => false,
        };
        let shown = (request.headers(), request.extensions());
        self.gate.identify(route.receiver(), shown, vouches).await
    }

    /// Refuses a request of which nothing is read. Its body makes way, or HTTP/1 would lose the answer.
    async fn refuse(&self, fault: &Fault, request: Request<Incoming>, is_call: bool) -> Response<Reply> {
        let (head, body) = request.into_parts();
        let reader = Reader::new(body, self.otlp.limits());
        if is_call {
            return grpc::refuse(fault, reader);
        }
        reader.make_way(head.version, &head.headers).await;
        Refused(Form::of(&head.headers), fault).into_response()
    }

    fn begin(&self, route: Route, transport: Transport) -> RequestEntry {
        let all = &*self.counters;
        match route {
            Route::Otlp => all.otlp.begin(transport),
            Route::Native => all.native.begin(transport),
            Route::Langfuse => all.langfuse.begin(transport),
            Route::LangSmith => all.langsmith.begin(transport),
            Route::LiteLlm => all.litellm.begin(transport),
            Route::OpenAiAgents => all.openai_agents.begin(transport),
        }
    }
}

impl Router {
    #[must_use]
    pub fn new(receivers: Receivers) -> Self {
        Self { receivers: Arc::new(receivers) }
    }
}

impl Service<Request<Incoming>> for Router {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Reply>, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let receivers = Arc::clone(&self.receivers);
        Box::pin(async move {
            if let Some(headers) = receivers.web.preflight(&request) {
                return Ok(answer::no_content(headers));
            }
            let route = Route::of(&request);
            let is_call = is_grpc(request.headers());
            let mut entry = receivers.begin(route, if is_call { Transport::Grpc } else { Transport::Http });
            let checked = match receivers.check(route, &request) {
                Ok(()) => receivers.identify(route, &request).await,
                Err(fault) => Err(fault),
            };
            match checked {
                Ok(None) => {}
                Ok(Some(identity)) => drop(request.extensions_mut().insert(identity)),
                Err(fault) => {
                    entry.refuse(&fault);
                    entry.answer();
                    return Ok(receivers.refuse(&fault, request, is_call).await);
                }
            }
            let allowance = receivers.web.allowance(request.headers());
            let mut response = match route {
                Route::Otlp => receivers.otlp.answer(request, &mut entry).await,
                Route::Native => receivers.native.answer(request, &mut entry).await,
                Route::Langfuse => receivers.langfuse.answer(request, &mut entry).await,
                Route::LangSmith => receivers.langsmith.answer(request, &mut entry).await,
                Route::LiteLlm => receivers.litellm.answer(request, &mut entry).await,
                Route::OpenAiAgents => receivers.openai_agents.answer(request, &mut entry).await,
            };
            entry.answer();
            response.headers_mut().extend(allowance.unwrap_or_default());
            Ok(response)
        })
    }
}
