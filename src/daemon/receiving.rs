//! The receivers of a door, made of what those of all doors share.

use crate::hold::Hold;
use crate::net::limits::Limits;
use crate::pipeline::intake::Intake;
use crate::receivers::delivery::Delivery;
use crate::receivers::door::Receivers;
use crate::receivers::langfuse::{Keys, LangfuseService};
use crate::receivers::native::{NativeService, Senders};
use crate::receivers::otlp::{OtlpService, Reading};
use crate::receivers::stats::{Counters, ReceiverStats};
use crate::receivers::tenancy::TenantRule;
use crate::record::build::Builder;
use crate::tee::{self, Tee, Tees};
use std::sync::Arc;

/// What the receivers of all doors share.
pub(super) struct Receiving<'a> {
    pub intake: Intake,
    pub reading: Arc<Reading>,
    pub builder: Arc<Builder>,
    pub counters: Arc<Counters>,
    pub hold: Hold,
    pub tenant: Arc<TenantRule>,
    pub langfuse: Arc<Keys>,
    pub senders: Arc<Senders>,
    pub tees: &'a Tees,
}

impl Receiving<'_> {
    /// Those of one door, which has `limits`.
    pub(super) fn receivers(&self, limits: &Arc<Limits>) -> Receivers {
        let delivery = |stats: fn(&Counters) -> &ReceiverStats, tee: Tee| Delivery {
            intake: self.intake.clone(),
            builder: Arc::clone(&self.builder),
            limits: Arc::clone(limits),
            counters: Arc::clone(&self.counters),
            stats,
            tee,
        };
        let otlp = OtlpService::new(
            self.intake.clone(),
            Arc::clone(&self.reading),
            Arc::clone(limits),
            Arc::clone(&self.counters),
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
        Receivers { otlp, native, langfuse }
    }
}
