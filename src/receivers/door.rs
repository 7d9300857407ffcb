//! One address for everything: tells whose request it is, by content type and path.

use super::langfuse::{self, LangfuseService};
use super::langsmith::{self, LangSmithService};
use super::litellm::{self, LiteLlm};
use super::native::NativeService;
use super::openai_agents::{self, OpenAiAgents};
use super::otlp::OtlpService;
use crate::net::answer::Reply;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

/// Answers every request at one door. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Door {
    receivers: Arc<Receivers>,
}

/// What can be reached at a door.
#[derive(Debug)]
pub struct Receivers {
    pub otlp: OtlpService,
    pub native: NativeService,
    pub langfuse: LangfuseService,
    pub langsmith: LangSmithService,
    pub litellm: LiteLlm,
    pub openai_agents: OpenAiAgents,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Otlp,
    Native,
    Langfuse,
    LangSmith,
    LiteLlm,
    OpenAiAgents,
}

impl Room {
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

impl Door {
    #[must_use]
    pub fn new(receivers: Receivers) -> Self {
        Self { receivers: Arc::new(receivers) }
    }
}

impl Service<Request<Incoming>> for Door {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Reply>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let receivers = Arc::clone(&self.receivers);
        Box::pin(async move {
            Ok(match Room::of(&request) {
                Room::Otlp => receivers.otlp.answer(request).await,
                Room::Native => receivers.native.answer(request).await,
                Room::Langfuse => receivers.langfuse.answer(request).await,
                Room::LangSmith => receivers.langsmith.answer(request).await,
                Room::LiteLlm => receivers.litellm.answer(request).await,
                Room::OpenAiAgents => receivers.openai_agents.answer(request).await,
            })
        })
    }
}
