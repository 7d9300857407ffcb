//! What a line of a log becomes, and whose.

use super::format::Formats;
use super::manner::{Encoding, Manner, TenantOf};
use super::split::{Chain, Line as Cut, Lines};
use crate::ingest::claim::TenantError;
use halo_adapters::gateway::{Format, Line, Place, detect};
use halod_record::charge;
use halod_record::event::{Event, Fact};
use halod_record::ids::kept_part;
use halod_record::tenant::Tenant;
use std::borrow::Cow;

/// How many bytes a byte of a line may take in another encoding.
const COPIES: usize = 2;

/// What a line may take while it is not known of which format it is.
const GLANCE: usize = 16 << 20;

/// Lines that begin in so many bytes of a content wait until one of them, or one after them, tells its format.
pub const WAITING: u64 = 64 << 10;

/// Reads logs in one manner.
#[derive(Debug)]
pub struct Reader {
    manner: Manner,
    formats: Formats,
}

/// One log.
#[derive(Debug)]
pub struct Log<'r> {
    reader: &'r Reader,
    path: &'r str,
    /// The same for every line's identity, so it is hashed once.
    kept: Cow<'r, str>,
    /// The tenant that the log has by the configuration or by its path.
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

impl Reader {
    /// # Errors
    /// Which setting makes no sense, and why.
    pub fn new(manner: Manner) -> Result<Self, (&'static str, String)> {
        Ok(Self { formats: Formats::new(&manner)?, manner })
    }

    #[must_use]
    pub fn manner(&self) -> &Manner {
        &self.manner
    }

    /// The tenant that a log has by the configuration or by its path.
    ///
    /// # Errors
    /// The name is too long.
    pub fn tenant(&self, log: &str) -> Result<Option<Tenant>, TenantError> {
        Ok(match &self.manner.tenant {
            TenantOf::Line => None,
            TenantOf::Fixed(id) => Some(Tenant::claimed(id)?),
            TenantOf::Path(rule) => Some(rule.find(log).map_or(Ok(Tenant::Local), Tenant::claimed)?),
        })
    }

    /// The log at this path.
    #[must_use]
    pub fn log<'r>(&'r self, path: &'r str) -> Log<'r> {
        Log { reader: self, path, kept: kept_part(path), tenant: self.tenant(path) }
    }

    /// A line in UTF-8, as far as its encoding is known.
    fn text<'l>(&self, cut: &Cut, line: &'l [u8]) -> Cow<'l, [u8]> {
        match (cut.wide, self.manner.encoding) {
            (Some(wide), _) => Cow::Owned(wide.text(line)),
            (None, Encoding::Utf8) => Cow::Borrowed(line),
            (None, Encoding::Latin1) => latin1(line),
        }
    }
}

impl Log<'_> {
    /// Reads a line of a content whose lines up to this one have `told` its format, and hands on what it is.
    pub fn line<R>(
        &self,
        told: Option<Format>,
        cut: &Cut,
        bytes: &[u8],
        take: impl FnOnce(Became<'_>) -> R,
    ) -> R {
        let _line = charge::passing();
        let as_it_is = cut.wide.is_none() && self.reader.manner.encoding == Encoding::Utf8;
        let copied = if as_it_is { 0 } else { COPIES * bytes.len() };
        if let Err(full) = charge::take(copied) {
            return take(Became::Rejected(full.to_string()));
        }
        let text = self.reader.text(cut, bytes);
        let chain = hex(&cut.chain);
        let identity = [&*self.kept, &*chain];
        let place = Place { file: self.path, identity: &identity, offset: cut.offset };
        let mut event = match self.reader.formats.line(told, &text, &place) {
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
pub struct Told {
    pub format: Option<Format>,
    pub from: usize,
}

impl Told {
    /// What is known behind a block's lines, if this was known before.
    #[must_use]
    pub fn by(format: Option<Format>, reader: &Reader, lines: &Lines) -> Self {
        if format.is_some() || !reader.formats.is_auto() {
            return Self { format, from: 0 };
        }
        let told = lines.range(0..lines.len()).enumerate().find_map(|(from, (cut, line))| {
            // Where a line takes too much, a later one tells.
            let told = charge::within(GLANCE, || detect(&[&*reader.text(cut, line)])).ok().flatten();
            // Those before it waited for it.
            let from = if cut.offset < WAITING { 0 } else { from };
            told.map(|format| Self { format: Some(format), from })
        });
        told.unwrap_or_default()
    }

    /// Whether lines of a content that came up to `position` wait for others to tell the format.
    #[must_use]
    pub fn waits(&self, reader: &Reader, position: u64) -> bool {
        self.format.is_none() && reader.formats.is_auto() && position < WAITING
    }

    /// The format in which a line of the block is read.
    #[must_use]
    pub fn at(&self, line: usize) -> Option<Format> {
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
    if cut.parts > 0 {
        facts.push(("joined_parts", Fact::Number(cut.parts.into())));
    }
}

/// A chain as a part of an identity.
#[must_use]
pub fn hex(chain: &Chain) -> String {
    let mut text = Vec::with_capacity(32);
    halod_record::hash::write_hex(chain, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

fn latin1(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.is_ascii() {
        return Cow::Borrowed(bytes);
    }
    Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes())
}
