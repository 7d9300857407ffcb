//! One address for everything: which receiver a path belongs to.

use super::admission::Admission;
use super::gate::{Gate, Watchers};
use super::langfuse::LangfuseService;
use super::langsmith::LangSmithService;
use super::litellm::LiteLlm;
use super::native::{NativeService, RecordService};
use super::openai_agents::OpenAiAgents;
use super::otlp::{LogsService, MetricsService, OtlpService, TraceService};
use crate::net::layers::{PageLayer, Pages, TraceLayer, Traced};
use crate::net::limits::Limits;
use crate::net::standard::{Ready, Standard};
use crate::net::web::WebPolicy;
use axum::Router;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use tokio::sync::watch;
use tonic::server::NamedService;
use tower::ServiceBuilder;

/// The gRPC services that take telemetry.
const SERVICES: [&str; 4] =
    [TraceService::NAME, LogsService::NAME, MetricsService::NAME, RecordService::NAME];

/// Answers every request at one listener, by the receiver whose it is. Cheap to clone.
pub type Doors = TowerToHyperService<Traced<Pages<Router>>>;

/// What can be reached at a listener.
#[derive(Debug)]
pub struct Receivers {
    pub otlp: OtlpService,
    pub native: NativeService,
    pub langfuse: LangfuseService,
    pub langsmith: LangSmithService,
    pub litellm: LiteLlm,
    pub openai_agents: OpenAiAgents,
    pub web: Arc<WebPolicy>,
    pub admission: Admission,
    pub limits: Arc<Limits>,
    pub has_tls: bool,
    pub ready: Ready,
    pub draining: watch::Receiver<bool>,
    pub watchers: Watchers,
}

impl Receivers {
    #[must_use]
    pub fn doors(self) -> Doors {
        let Self { otlp, native, langfuse, langsmith, litellm, openai_agents, .. } = self;
        let Self { web, admission, limits, has_tls, ready, draining, watchers, .. } = self;
        let gate = Gate::new(Arc::clone(&web), admission, (limits, has_tls)).watched_by(watchers);
        let names = &SERVICES;
        let descriptors = halod_proto::DESCRIPTORS;
        let standard = Standard { ready, draining, web: Arc::clone(&web), names, descriptors };
        let routes = otlp.routes(standard.routes().into_axum_router(), &gate);
        let routes = native.routes(routes, &gate);
        let routes = langfuse.routes(routes, &gate);
        let routes = langsmith.routes(routes, &gate);
        let routes = litellm.routes(routes, &gate);
        let routes = openai_agents.routes(routes, &gate);
        let layers = ServiceBuilder::new().layer(TraceLayer).layer(PageLayer(web));
        TowerToHyperService::new(layers.service(routes))
    }
}
