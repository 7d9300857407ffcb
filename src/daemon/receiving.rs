//! The receivers of a door, made of what those of all doors share.

use crate::hold::Hold;
use crate::import::desk::Desk;
use crate::net::limits::Limits;
use crate::pipeline::intake::Intake;
use crate::receivers::delivery::Delivery;
use crate::receivers::door::Receivers;
use crate::receivers::gaps::Gaps;
use crate::receivers::langfuse::{Keys, LangfuseService};
use crate::receivers::langsmith::{self, LangSmithService};
use crate::receivers::litellm::LiteLlm;
use crate::receivers::native::{NativeService, Senders};
use crate::receivers::openai_agents::{OpenAiAgents, Traces};
use crate::receivers::otlp::{OtlpService, Reading};
use crate::receivers::stats::{Counters, ReceiverStats};
use crate::receivers::tenancy::TenantRule;
use crate::tee::{self, Tee, Tees};
use halod_record::build::Builder;
use std::sync::Arc;
use std::time::Duration;

/// What the receivers of all doors share.
pub(super) struct Receiving<'a> {
    pub intake: Intake,
    pub reading: Arc<Reading>,
    pub builder: Arc<Builder>,
    pub counters: Arc<Counters>,
    pub hold: Hold,
    pub tenant: Arc<TenantRule>,
    pub langfuse: Arc<Keys>,
    pub langsmith: Arc<langsmith::Shared>,
    pub senders: Arc<Senders>,
    pub gaps: Gaps,
    pub litellm_wait: Duration,
    pub traces: Arc<Traces>,
    pub tees: &'a Tees,
}

impl Receiving<'_> {
    fn delivery(&self, limits: &Arc<Limits>, stats: fn(&Counters) -> &ReceiverStats, tee: Tee) -> Delivery {
        Delivery {
            intake: self.intake.clone(),
            builder: Arc::clone(&self.builder),
            limits: Arc::clone(limits),
            counters: Arc::clone(&self.counters),
            stats,
            tee,
            gaps: self.gaps.clone(),
        }
    }

    /// Where imported rows become records. It holds an intake.
    pub(super) fn desk(&self) -> Arc<Desk> {
        let (reading, builder) = (Arc::clone(&self.reading), Arc::clone(&self.builder));
        Arc::new(Desk::new(self.intake.clone(), reading, builder, Arc::clone(&self.counters)))
    }

    /// The way of followed logs, which come through no door.
    pub(super) fn delivery_of_logs(&self) -> Delivery {
        self.delivery(&Arc::default(), |all| &all.file_log, Tee::default())
    }

    /// Those of one door, which has `limits`.
    pub(super) fn receivers(&self, limits: &Arc<Limits>) -> Receivers {
        let delivery = |stats, tee| self.delivery(limits, stats, tee);
        let otlp = OtlpService::new(
            self.intake.clone(),
            Arc::clone(&self.reading),
            Arc::clone(limits),
            Arc::clone(&self.counters),
            self.gaps.clone(),
        );
        let native =
            NativeService::new(delivery(|all| &all.native, Tee::default()), Arc::clone(&self.senders));
        let langfuse = LangfuseService {
            delivery: delivery(|all| &all.langfuse, self.tees.of(tee::Door::Langfuse)),
            hold: self.hold.clone(),
            otlp: otlp.clone(),
            tenant: Arc::clone(&self.tenant),
            keys: Arc::clone(&self.langfuse),
        };
        let langsmith = LangSmithService::new(
            delivery(|all| &all.langsmith, self.tees.of(tee::Door::Langsmith)),
            otlp.clone(),
            Arc::clone(&self.langsmith),
        );
        let litellm = LiteLlm {
            delivery: delivery(|all| &all.litellm, self.tees.of(tee::Door::Litellm)),
            tenant: Arc::clone(&self.tenant),
            wait: self.litellm_wait,
        };
        let openai_agents = OpenAiAgents {
            delivery: delivery(|all| &all.openai_agents, self.tees.of(tee::Door::OpenaiAgents)),
            tenant: Arc::clone(&self.tenant),
            traces: Arc::clone(&self.traces),
        };
        Receivers {
            counters: Arc::clone(&self.counters),
            otlp,
            native,
            langfuse,
            langsmith,
            litellm,
            openai_agents,
        }
    }
}
