//! The receivers of a door, made of what those of all doors share.

use super::doors::{Bound, GRPC, HTTP};
use crate::auth::Authenticator;
use crate::checkpointer::receipts::{ReceiptSigner, Receipts};
use crate::config::{Config, DoorSettings};
use crate::hold::Hold;
use crate::import::importer::Importer;
use crate::ingest::Ingest;
use crate::ingest::claim::TenantRule;
use crate::ingest::gaps::Gaps;
use crate::ingest::stats::ReceiverStats;
use crate::net::connections::ConnectionFamilies;
use crate::net::limits::Limits;
use crate::net::listener;
use crate::net::standard::Ready;
use crate::net::web::WebPolicy;
use crate::net::windows::Windows;
use crate::pipeline::intake::Intake;
use crate::receivers::admission::Admission;
use crate::receivers::langfuse::{Keys, LangfuseService};
use crate::receivers::langsmith::{self, LangSmithService};
use crate::receivers::litellm::LiteLlm;
use crate::receivers::native::{self, NativeService, Senders};
use crate::receivers::openai_agents::OpenAiAgents;
use crate::receivers::otlp::join::ContentJoin;
use crate::receivers::otlp::signals::Signals;
use crate::receivers::otlp::{self, OtlpService, OtlpState};
use crate::receivers::router::Receivers;
use crate::receivers::stats::Counters;
use crate::spool::taker::Taker;
use crate::tee::{self, Tee, Tees};
use halod_chain::traces::TraceTenants;
use halod_record::build::Builder;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What the receivers of all doors share.
pub(super) struct Receiving<'a> {
    pub intake: Intake,
    pub otlp: Arc<OtlpState>,
    pub builder: Arc<Builder>,
    pub counters: Arc<Counters>,
    pub hold: Hold,
    pub tenant: Arc<TenantRule>,
    pub langfuse: Arc<Keys>,
    pub langsmith: Arc<langsmith::Shared>,
    pub senders: Arc<Senders>,
    pub gaps: Gaps,
    pub litellm_wait: Duration,
    pub traces: Arc<TraceTenants>,
    pub tees: &'a Tees,
    pub web: Arc<WebPolicy>,
    pub identities: Option<Arc<Authenticator>>,
    pub ready: Ready,
    /// Who signs receipts, where senders get any.
    pub receipts: Option<Arc<ReceiptSigner>>,
}

/// Where what is taken in goes, and what is known of it.
pub(super) struct Taking {
    pub intake: Intake,
    pub hold: Hold,
    pub gaps: Gaps,
    pub traces: Arc<TraceTenants>,
    /// Who may send, where doors ask.
    pub identities: Option<Arc<Authenticator>>,
    pub receipts: Arc<ReceiptSigner>,
}

impl<'a> Receiving<'a> {
    pub(super) fn new(
        config: &Config,
        counters: &Arc<Counters>,
        Taking { intake, hold, gaps, traces, identities, receipts }: &Taking,
        tees: &'a Tees,
        (draining, ready): (&watch::Receiver<bool>, Ready),
    ) -> Self {
        // Content that waits must leave room for the spans that it waits for.
        let joins = ContentJoin::new(config.join_wait, config.pipeline.max_in_flight / 4, draining.clone());
        let otlp =
            OtlpState::new(config.tenant.clone(), joins, Arc::clone(traces), Arc::clone(&counters.otlp))
                .recording(config.record_data);
        let langsmith = langsmith::Shared::new(
            config.tenant.clone(),
            config.langsmith.clone(),
            hold.clone(),
            Arc::clone(traces),
        );
        Self {
            intake: intake.clone(),
            otlp: Arc::new(otlp),
            builder: Arc::new(config.builder()),
            counters: Arc::clone(counters),
            hold: hold.clone(),
            langsmith: Arc::new(langsmith),
            web: Arc::new(config.web.clone()),
            tenant: Arc::new(config.tenant.clone()),
            langfuse: Arc::new(config.langfuse.clone()),
            senders: Arc::new(Senders { tenant: config.tenant.clone(), tokens: config.native.clone() }),
            gaps: gaps.clone(),
            litellm_wait: config.litellm_wait,
            traces: Arc::clone(traces),
            tees,
            identities: identities.clone(),
            ready,
            receipts: config.checkpoint.receipts.then(|| Arc::clone(receipts)),
        }
    }

    /// Serves the doors that are bound. The tasks end when they are drained.
    pub(super) fn serve(
        &self,
        sockets: [Option<Bound>; 2],
        settings: [Option<DoorSettings>; 2],
        (connections, windows): (&ConnectionFamilies, Windows),
        draining: &watch::Receiver<bool>,
        doors: &mut JoinSet<()>,
    ) {
        for ((name, bound), settings) in [GRPC, HTTP].into_iter().zip(sockets).zip(settings) {
            if let (Some(bound), Some(settings)) = (bound, settings) {
                let limits = Arc::new(settings.limits);
                let identities = self.identities.clone().filter(|_| settings.access.asks);
                let admission = Admission::new(identities, Arc::clone(&self.tenant));
                let has_tls = bound.tls.is_some();
                let router = self.receivers((&limits, has_tls), (admission, draining)).doors();
                let Bound { socket, tls, .. } = bound;
                let (windows, stats) = (windows.clone(), connections.of(name));
                let door = listener::Door { socket, tls, limits, windows, stats };
                doors.spawn(listener::serve(door, router, draining.clone()));
            }
        }
    }
}

impl Receiving<'_> {
    fn ingest_with(&self, limits: &Arc<Limits>, stats: &Arc<ReceiverStats>, tee: Tee) -> Ingest {
        Ingest {
            intake: self.intake.clone(),
            builder: Arc::clone(&self.builder),
            limits: Arc::clone(limits),
            stats: Arc::clone(stats),
            tee,
            gaps: Some(self.gaps.clone()),
            limited: true,
            receipts: None,
        }
    }

    /// The same, whose senders get receipts that list at most so many records, where any are signed.
    fn with_receipts(&self, ingest: Ingest, most: usize) -> Ingest {
        let receipts = self.receipts.as_ref().map(|signer| Receipts { signer: Arc::clone(signer), most });
        Ingest { receipts, ..ingest }
    }

    fn ingest_of_files(&self, stats: &Arc<ReceiverStats>) -> Arc<Ingest> {
        let (intake, builder) = (self.intake.clone(), Arc::clone(&self.builder));
        Arc::new(Ingest::of_files(intake, builder, Arc::clone(stats)))
    }

    /// Where imported rows become records. It holds an intake.
    pub(super) fn importer(&self) -> Arc<Importer> {
        let ingest = self.ingest_of_files(&self.counters.import);
        Arc::new(Importer::new(ingest, Arc::clone(&self.otlp)))
    }

    /// Where captured records are taken up. It holds an intake.
    pub(super) fn taker(&self) -> Arc<Taker> {
        Arc::new(Taker::new(self.ingest_of_files(&self.counters.captured)))
    }

    /// The way of followed logs, which come through no door.
    pub(super) fn ingest_of_logs(&self) -> Arc<Ingest> {
        self.ingest_of_files(&self.counters.file_log)
    }

    /// Those of one door, which has `limits`.
    fn receivers(
        &self,
        (limits, has_tls): (&Arc<Limits>, bool),
        (admission, draining): (Admission, &watch::Receiver<bool>),
    ) -> Receivers {
        let counters = &self.counters;
        let ingest =
            |stats: &Arc<ReceiverStats>, door| Arc::new(self.ingest_with(limits, stats, self.tees.of(door)));
        let signal = |stats: &Arc<ReceiverStats>, door| {
            let ingest = self.ingest_with(limits, stats, self.tees.of(door));
            Arc::new(self.with_receipts(ingest, otlp::LISTED))
        };
        let signals = |stats: &Signals<Arc<ReceiverStats>>, door| stats.map(|stats| signal(stats, door));
        let otlp = OtlpService::new(Arc::clone(&self.otlp), signals(&counters.otlp.signals, tee::Door::Otlp));
        // The sender is told of each record.
        let native = Ingest { gaps: None, ..self.ingest_with(limits, &counters.native, Tee::default()) };
        let native = self.with_receipts(native, native::MAX_RECORDS);
        let native = NativeService::new(Arc::new(native), Arc::clone(&self.senders));
        let langfuse = LangfuseService {
            ingest: ingest(&counters.langfuse, tee::Door::Langfuse),
            hold: self.hold.clone(),
            otlp: otlp.clone(),
            otlp_ingest: signals(&counters.langfuse_otlp, tee::Door::Langfuse),
            tenant: Arc::clone(&self.tenant),
            keys: Arc::clone(&self.langfuse),
            traces: Arc::clone(&self.traces),
        };
        let langsmith = LangSmithService::new(
            ingest(&counters.langsmith, tee::Door::Langsmith),
            otlp.clone(),
            signals(&counters.langsmith_otlp, tee::Door::Langsmith),
            Arc::clone(&self.langsmith),
        );
        let litellm = LiteLlm {
            ingest: ingest(&counters.litellm, tee::Door::Litellm),
            tenant: Arc::clone(&self.tenant),
            wait: self.litellm_wait,
        };
        let openai_agents = OpenAiAgents {
            ingest: ingest(&counters.openai_agents, tee::Door::OpenaiAgents),
            tenant: Arc::clone(&self.tenant),
            traces: Arc::clone(&self.traces),
        };
        Receivers {
            otlp,
            native,
            langfuse,
            langsmith,
            litellm,
            openai_agents,
            web: Arc::clone(&self.web),
            admission,
            limits: Arc::clone(limits),
            has_tls,
            ready: self.ready.clone(),
            draining: draining.clone(),
        }
    }
}
