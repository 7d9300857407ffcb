//! What a line of a log becomes, and whose: for sealing, and for the preview that seals nothing.

use super::format::Formats;
use super::lines::{Line as Cut, Lines};
use super::position::hex;
use super::settings::{Encoding, Settings, TenantOf};
use crate::receivers::tenancy::TenantError;
use crate::record::ids::kept_part;
use crate::record::tenant::Tenant;
use halo_adapters::event::{Event, Fact};
use halo_adapters::gateway::{Format, Line, Place, detect};
use std::borrow::Cow;

/// One instance: what its lines are, and whose.
#[derive(Debug)]
pub(super) struct Instance {
    pub settings: Settings,
    pub formats: Formats,
}

/// One log of an instance.
#[derive(Debug)]
pub(super) struct Log<'i> {
    instance: &'i Instance,
    path: &'i str,
    /// The same for every line's identity, so it is hashed once.
    kept: Cow<'i, str>,
    /// Whose it is by itself.
    tenant: Result<Option<Tenant>, TenantError>,
}

/// What one line is.
#[derive(Debug)]
pub enum Became<'a> {
    Action(&'a Event<'a>, &'a Tenant),
    /// A request, but no agent's.
    Filtered,
    /// No request.
    Preamble,
    /// Why it can't become a record.
    Rejected(String),
}

impl Instance {
    /// Whose a log is by itself: by the configuration or by its path.
    ///
    /// # Errors
    /// The name is too long.
    pub(super) fn tenant(&self, log: &str) -> Result<Option<Tenant>, TenantError> {
        Ok(match &self.settings.tenant {
            TenantOf::Line => None,
            TenantOf::Fixed(id) => Some(Tenant::claimed(id)?),
            TenantOf::Path(rule) => Some(rule.find(log).map_or(Ok(Tenant::Local), Tenant::claimed)?),
        })
    }

    pub(super) fn log<'i>(&'i self, path: &'i str) -> Log<'i> {
        Log { instance: self, path, kept: kept_part(path), tenant: self.tenant(path) }
    }

    /// A line in UTF-8, as far as its encoding is known.
    fn text<'l>(&self, line: &'l [u8]) -> Cow<'l, [u8]> {
        match self.settings.encoding {
            Encoding::Utf8 => Cow::Borrowed(line),
            Encoding::Latin1 => latin1(line),
        }
    }
}

impl Log<'_> {
    /// Reads a line of a content whose lines up to this one have `told` its format, and hands on what it is.
    pub(super) fn line<R>(
        &self,
        told: Option<Format>,
        cut: &Cut,
        bytes: &[u8],
        take: impl FnOnce(Became<'_>) -> R,
    ) -> R {
        let text = self.instance.text(bytes);
        let chain = hex(&cut.chain);
        let identity = [&*self.kept, &*chain];
        let place = Place { file: self.path, identity: &identity, offset: cut.offset };
        let mut event = match self.instance.formats.line(told, &text, &place) {
            Ok(Line::Event(event)) => event,
            Ok(Line::Filtered) => return take(Became::Filtered),
            Ok(Line::Preamble) => return take(Became::Preamble),
            Err(unusable) => return take(Became::Rejected(unusable.to_string())),
        };
        disclose(cut, &mut event.facts);
        let named;
        let tenant = match &self.tenant {
            Ok(Some(tenant)) => Ok(tenant),
            Ok(None) => {
                named = event.tenant.as_deref().map_or(Ok(Tenant::Local), Tenant::claimed);
                named.as_ref().map_err(ToString::to_string)
            }
            Err(error) => Err(error.to_string()),
        };
        take(match tenant {
            Ok(tenant) => Became::Action(&event, tenant),
            Err(why) => Became::Rejected(why),
        })
    }
}

/// What the lines of a content have told of its format, and from which line of a block on they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub format: Option<Format>,
    from: usize,
}

impl Told {
    /// What is known behind a block's lines, if this was known before.
    #[must_use]
    pub(super) fn by(format: Option<Format>, instance: &Instance, lines: &Lines) -> Self {
        if format.is_some() || !instance.formats.is_auto() {
            return Self { format, from: 0 };
        }
        let told = lines.range(0..lines.len()).enumerate().find_map(|(from, (_, line))| {
            detect(&[&*instance.text(line)]).map(|format| Self { format: Some(format), from })
        });
        told.unwrap_or_default()
    }

    pub(super) fn at(&self, line: usize) -> Option<Format> {
        self.format.filter(|_| line >= self.from)
    }
}

/// What was done to a line before it was read.
fn disclose<'a>(cut: &Cut, facts: &mut Vec<(&'static str, Fact<'a>)>) {
    if cut.cut > 0 {
        facts.push(("cut_bytes", Fact::Number(cut.cut)));
    }
    if cut.nuls > 0 {
        facts.push(("nul_bytes", Fact::Number(cut.nuls)));
    }
    if cut.open {
        facts.push(("no_newline", Fact::Flag(true)));
    }
}

fn latin1(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.is_ascii() {
        return Cow::Borrowed(bytes);
    }
    Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes())
}
