//! A traces request's spans as drafts.

use super::Reading;
use super::decode::{Decoded, Placer};
use super::lineage::Lineage;
use crate::net::status::Fault;
use crate::receivers::bill::Bill;
use crate::receivers::tenancy::CLAIMED;
use halo_adapters::otel::{self, Resource};
use halo_adapters::otlp::model::{Span, Traces};
use halod_record::draft::{Draft, Scratch};
use halod_record::event::{Event, Fact};
use halod_record::tenant::Tenant;

/// The resource that spans stand under.
struct Group<'a> {
    resource: Resource<'a>,
    claim: Option<std::borrow::Cow<'a, str>>,
}

impl Decoded {
    /// Makes the drafts of all spans while `body` bytes are held as well. Returns how many bytes
    /// the drafts hold.
    pub(super) fn spans(
        &mut self,
        traces: &Traces<'_>,
        placer: &mut Placer<'_>,
        reading: &Reading,
        body: usize,
    ) -> Result<usize, Fault> {
        self.invalid = traces.rejected.items;
        self.received = traces.rejected.items;
        self.first_reason.clone_from(&traces.rejected.first_reason);
        let mut bill = Bill::new(body);
        let mut scratch = Scratch::default();
        let mut lineage = Lineage::default();
        let spans =
            traces.resource_spans.iter().flat_map(|group| &group.scopes).map(|scope| scope.spans.len());
        self.drafts.reserve(spans.sum::<usize>().min(1024));
        for group in &traces.resource_spans {
            let claim = otel::tenant_claim(&placer.rule.attributes, &group.resource);
            let under = Group { resource: Resource::new(&group.resource), claim };
            for scope in &group.scopes {
                let before = self.filtered;
                for span in &scope.spans {
                    self.received += 1;
                    let placed = self.placed(span, &under, placer);
                    let draft = placed.as_ref().map(|_| self.drafts.len());
                    let key = (span.trace_id, span.span_id);
                    lineage.add(key, span.parent_span_id, draft, span.start_time_unix_nano);
                    let Some((event, tenant)) = placed else { continue };
                    let draft =
                        self.joined.draft(&reading.joins, &reading.builder, event, &tenant, &mut scratch);
                    bill.add(size_of::<Draft>() + draft.len());
                    self.drafts.push(draft);
                    bill.pay(&mut self.permit)?;
                }
                self.filtered_by.add(&scope.scope_name, self.filtered - before);
            }
        }
        self.drafts = lineage.settle(std::mem::take(&mut self.drafts));
        self.items = self.drafts.len() as u64;
        Ok(bill.held())
    }

    /// What a span tells and whose it is; otherwise it is counted as filtered or misplaced.
    fn placed<'a>(
        &mut self,
        span: &'a Span<'a>,
        under: &Group<'a>,
        placer: &mut Placer<'_>,
    ) -> Option<(Event<'a>, Tenant)> {
        let Some(mut event) = otel::event(&under.resource, span) else {
            self.filtered += 1;
            return None;
        };
        let placed = placer.place_and_tell(under.claim.as_deref(), &span.attributes, event.tenant.as_deref());
        match placed {
            Ok((tenant, claim)) => {
                event.facts.extend(claim.map(|claim| (CLAIMED, Fact::Label(claim.into()))));
                Some((event, tenant))
            }
            Err(reason) => {
                self.misplaced += 1;
                self.first_reason.get_or_insert_with(|| reason.to_string());
                None
            }
        }
    }
}
