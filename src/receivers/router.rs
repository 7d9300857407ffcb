//! One address for everything: tells whose request it is, by content type and path.

use super::langfuse::{self, LangfuseService};
use super::langsmith::{self, LangSmithService};
use super::litellm::{self, LiteLlm};
use super::native::NativeService;
use super::openai_agents::{self, OpenAiAgents};
use super::otlp::OtlpService;
use super::stats::Counters;
use crate::ingest::requests::{RequestEntry, Transport};
use crate::net::answer::{self, Form, Refused, Reply};
use crate::net::grpc::is_grpc;
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

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let receivers = Arc::clone(&self.receivers);
        Box::pin(async move {
            if let Some(headers) = receivers.web.preflight(&request) {
                return Ok(answer::no_content(headers));
            }
            let route = Route::of(&request);
            let grpc = is_grpc(request.headers());
            let mut entry = receivers.begin(route, if grpc { Transport::Grpc } else { Transport::Http });
            if let Err(fault) = receivers.check(route, &request) {
                entry.refuse(&fault);
                entry.answer();
                let refused = if grpc {
                    answer::grpc_error(&fault)
                } else {
                    Refused(Form::Json, &fault).into_response()
                };
                return Ok(refused);
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
