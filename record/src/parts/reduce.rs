//! What is kept of a message that waits for others: never content, and names as a record shows them.

use crate::build::Builder;
use crate::call;
use crate::canon;
use crate::content::error_hash;
use crate::draft::Scratch;
use crate::event::{Agent, Content, Digest, Fact, Found, Told, Usage};
use crate::fragment::{Fragment, Id, says_no, tells_of_failure};
use crate::hash;
use crate::ids::kept_part;
use crate::json::Json;
use crate::names::bounded;
use crate::redact::Findings;
use crate::sameness;
use std::borrow::Cow;

/// Bytes of a name that are kept.
const LONG: usize = 4096;

pub(super) fn fragment(
    builder: &Builder,
    fragment: Fragment<'_>,
    scratch: &mut Scratch,
) -> Fragment<'static> {
    let mut names = Reducer { builder, found: fragment.found, kept: fragment.kept };
    if let Some(session) = &fragment.session {
        names.keep("session", session, &names.name(Cow::Borrowed(session), Mask::Id));
    }
    let facts = fragment.facts.into_iter().map(|(key, fact)| (key, names.fact(key, fact))).collect();
    let name = fragment.name.map(|raw| names.datum("name", raw, Mask::Label));
    let call_id = fragment.call_id.map(|raw| names.datum("call_id", raw, Mask::Id));
    let error_type =
        fragment.error_type.map(|raw| (names.datum("error_type", raw.clone(), Mask::Label), raw));
    let counts = numbers(&fragment.usage);
    let finish_reason =
        fragment.usage.finish_reason.map(|raw| names.datum("finish_reason", raw, Mask::Label));
    let response_id = fragment.usage.response_id.map(|raw| names.datum("response_id", raw, Mask::Id));
    let error = match fragment.error {
        Content::Undisclosed => error_type
            .as_ref()
            .map_or(Content::Undisclosed, |(_, raw)| error(builder, raw, Told::ErrorType, scratch)),
        Content::Value(Json::Str(text)) => error(builder, &text.to_lossy(), Told::Error, scratch),
        // A sender may say the text in a structure; a record hashes text.
        Content::Value(value) => {
            let text = canon::charged(&value).unwrap_or_default();
            error(builder, &text, Told::Error, scratch)
        }
        Content::Digest(digest) => Content::Digest(digest),
    };
    let label = |raw: Cow<'_, str>| names.name(raw, Mask::Label);
    let id = |raw: Cow<'_, str>| names.name(raw, Mask::Id);
    Fragment {
        space: fragment.space,
        id: kept(fragment.id),
        parent: fragment.parent.map(kept),
        within: fragment.within.map(kept),
        said: fragment.said,
        opens: fragment.opens,
        closes: fragment.closes,
        kind: fragment.kind,
        name,
        model: fragment.model.map(id),
        provider: fragment.provider.map(label),
        mcp_server: fragment.mcp_server.map(label),
        call_id,
        agent: Agent {
            id: fragment.agent.id.map(id),
            name: fragment.agent.name.map(id),
            version: fragment.agent.version.map(id),
        },
        session: fragment.session.map(id),
        principal: fragment.principal.map(|raw| names.name(raw, Mask::Person)),
        account: scratch.account.as_deref().map(|account| Cow::Owned(account.to_owned())),
        tenant: fragment.tenant.map(|raw| Cow::Owned(raw.into_owned())),
        input: input(builder, fragment.input, scratch),
        result: result(builder, fragment.result, scratch),
        status: fragment.status,
        error_type: error_type.map(|(masked, _)| masked),
        error,
        started: fragment.started,
        ended: fragment.ended,
        usage: Usage { finish_reason, response_id, ..counts },
        facts,
        found: names.found,
        kept: names.kept,
        source: fragment.source,
    }
}

fn numbers(usage: &Usage<'_>) -> Usage<'static> {
    Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        total_tokens: usage.total_tokens,
        cache_read_tokens: usage.cache_read_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        finish_reason: None,
        response_id: None,
    }
}

/// A record cuts a name, after what it puts before it; only what is far too long is cut here.
fn fitting(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.len() <= LONG { name } else { bounded(name) }
}

/// Which rule masks a name.
#[derive(Clone, Copy)]
enum Mask {
    Id,
    Label,
    Text,
    Person,
}

struct Reducer<'b> {
    builder: &'b Builder,
    found: Vec<(&'static str, Found)>,
    kept: Vec<(&'static str, String)>,
}

impl Reducer<'_> {
    fn masked<'t>(&self, raw: &'t str, mask: Mask) -> Cow<'t, str> {
        let redactor = &self.builder.redactor;
        match mask {
            Mask::Id => redactor.id(raw),
            Mask::Label => redactor.label(raw),
            Mask::Text => redactor.text(raw),
            Mask::Person => redactor.person(raw),
        }
    }

    /// A name in which nothing is looked for.
    fn name(&self, raw: Cow<'_, str>, mask: Mask) -> Cow<'static, str> {
        let masked = self.masked(&raw, mask);
        let masked = match mask {
            Mask::Id if self.builder.hash_only => self.builder.redactor.pseudonym(masked),
            _ => masked,
        };
        Cow::Owned(fitting(masked).into_owned())
    }

    /// A name that goes into `data`: what is in it is a finding.
    fn datum(&mut self, field: &'static str, raw: Cow<'_, str>, mask: Mask) -> Cow<'static, str> {
        let masked = self.masked(&raw, mask).into_owned();
        // What is found in the name of a parent is a finding of the parent's.
        if masked != raw && !sameness::leaves_out(field, false) {
            let mut findings = Findings::default();
            self.builder.redactor.scan_name(&raw, &mut findings);
            self.found.extend(list(self.builder, &findings).into_iter().map(|found| (field, found)));
        }
        if call::KEPT.contains(&field) {
            self.keep(field, &raw, &masked);
        }
        Cow::Owned(fitting(Cow::Owned(masked)).into_owned())
    }

    /// Keeps an id by which a call is known, where its mask hides it.
    fn keep(&mut self, field: &'static str, raw: &str, masked: &str) {
        if masked != raw {
            self.kept.push((field, kept_part(raw).into_owned()));
        }
    }

    fn fact(&mut self, key: &'static str, fact: Fact<'_>) -> Fact<'static> {
        match fact {
            Fact::Number(number) => Fact::Number(number),
            Fact::Flag(flag) => Fact::Flag(flag),
            Fact::Id(raw) => Fact::Id(self.datum(key, raw, Mask::Id)),
            Fact::Label(raw) => Fact::Label(self.datum(key, raw, Mask::Label)),
            Fact::Labels(all) => {
                Fact::Labels(all.into_iter().map(|raw| self.datum(key, raw, Mask::Label)).collect())
            }
            Fact::Address(raw) => Fact::Address(self.datum(key, raw, Mask::Person)),
            Fact::Text(raw) => Fact::Text(self.datum(key, raw, Mask::Text)),
        }
    }
}

fn kept(id: Id<'_>) -> Id<'static> {
    id.iter().map(|part| Cow::Owned(kept_part(part).into_owned())).collect()
}

fn input(builder: &Builder, content: Content<'_>, scratch: &mut Scratch) -> Content<'static> {
    digest(
        content,
        Told::Input,
        scratch,
        |value, findings| {
            if builder.hash_only {
                builder.redactor.scan(value, findings);
                return None;
            }
            builder.redactor.scan_and_summarise(value, findings)
        },
        builder,
    )
}

fn result(builder: &Builder, content: Content<'_>, scratch: &mut Scratch) -> Content<'static> {
    let of = match &content {
        Content::Value(value) => Told::Result { failed: tells_of_failure(value), denied: says_no(value) },
        _ => Told::Result { failed: false, denied: false },
    };
    digest(
        content,
        of,
        scratch,
        |value, findings| {
            builder.redactor.scan(value, findings);
            if builder.hash_only { None } else { builder.redactor.summary_outcome(value) }
        },
        builder,
    )
}

fn digest(
    content: Content<'_>,
    of: Told,
    scratch: &mut Scratch,
    look: impl FnOnce(&Json<'_>, &mut Findings) -> Option<String>,
    builder: &Builder,
) -> Content<'static> {
    match content {
        Content::Undisclosed => Content::Undisclosed,
        Content::Digest(digest) => Content::Digest(digest),
        Content::Value(value) => {
            let mut findings = Findings::default();
            let summary = look(&value, &mut findings);
            let hash = hash::input_hash_with(&value, &mut scratch.content).0;
            Content::Digest(Box::new(Digest { of, hash, summary, findings: list(builder, &findings) }))
        }
    }
}

fn error(builder: &Builder, text: &str, of: Told, scratch: &mut Scratch) -> Content<'static> {
    let mut findings = Findings::default();
    builder.redactor.scan_text(text, &mut findings);
    let summary = if builder.hash_only { None } else { builder.redactor.summary_text(text) };
    let hash = error_hash(text, &mut scratch.content);
    Content::Digest(Box::new(Digest { of, hash, summary, findings: list(builder, &findings) }))
}

/// Where only hashes are kept, a sample is one too: enough to tell two findings apart.
fn list(builder: &Builder, findings: &Findings) -> Vec<Found> {
    let sample = |sample: &str| {
        if !builder.hash_only {
            return sample.to_owned();
        }
        let mut digits = Vec::new();
        hash::write_hex(&hash::sha256(sample.as_bytes())[..8], &mut digits);
        String::from_utf8(digits).unwrap_or_default()
    };
    findings
        .iter()
        .map(|found| Found { kind: found.kind.clone().into_owned(), sample: sample(&found.sample) })
        .collect()
}
