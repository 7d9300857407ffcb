//! A traces request's spans as drafts.

use super::OtlpState;
use super::lineage::Lineage;
use super::read::Content;
use crate::ingest::RequestBuilder;
use crate::ingest::claim::CLAIMED;
use crate::net::status::Fault;
use halo_adapters::otel::{self, Resource};
use halo_adapters::otlp::model::{Span, Traces};
use halod_record::charge;
use halod_record::event::{Event, Fact};
use halod_record::tenant::Tenant;

/// The resource that spans stand under.
struct Group<'a> {
    resource: Resource<'a>,
    claim: Option<std::borrow::Cow<'a, str>>,
}

impl Content {
    /// Makes the drafts of all spans.
    pub(super) fn spans(
        &mut self,
        traces: &Traces<'_>,
        state: &OtlpState,
        request: &mut RequestBuilder,
    ) -> Result<(), Fault> {
        let rejected = &traces.rejected;
        request.reject_all(rejected.items, || rejected.first_reason.clone().unwrap_or_default());
        let mut lineage = Lineage::default();
        let first = request.drafts();
        for group in &traces.resource_spans {
            let claim = otel::tenant_claim(&state.tenant.attributes, &group.resource);
            let under = Group { resource: Resource::new(&group.resource), claim };
            for scope in &group.scopes {
                let before = request.counted().filtered;
                for span in &scope.spans {
                    let _item = charge::passing();
                    let placed = placed(span, &under, state, request);
                    let draft = placed.as_ref().map(|_| request.drafts() - first);
                    let key = (span.trace_id, span.span_id);
                    lineage.add(key, span.parent_span_id, draft, span.start_time_unix_nano);
                    let Some((event, tenant)) = placed else { continue };
                    let draft = self.joined.draft(&state.joins, event, &tenant, request);
                    request.push_draft(draft)?;
                }
                self.filtered_by.add(&scope.scope_name, request.counted().filtered - before);
            }
        }
        request.reorder(first, |drafts| lineage.settle(drafts));
        Ok(())
    }
}

/// What a span tells and whose it is; otherwise it is counted as filtered or misplaced.
fn placed<'a>(
    span: &'a Span<'a>,
    under: &Group<'a>,
    state: &OtlpState,
    request: &mut RequestBuilder,
) -> Option<(Event<'a>, Tenant)> {
    let Some(mut event) = otel::event(&under.resource, span) else {
        request.filter(1);
        return None;
    };
    let own = match &under.claim {
        Some(_) => None,
        None => otel::tenant_claim(&state.tenant.attributes, &span.attributes),
    };
    let stated = under.claim.as_deref().or(own.as_deref());
    match request.tenants.place_and_tell(stated, event.tenant.as_deref()) {
        Ok((tenant, claim)) => {
            event.facts.extend(claim.map(|claim| (CLAIMED, Fact::Label(claim.into()))));
            Some((event, tenant))
        }
        Err(reason) => {
            request.misplace(reason.to_string());
            None
        }
    }
}
