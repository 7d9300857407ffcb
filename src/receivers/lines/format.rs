//! What reads the lines of a log: one reader, or the one that the log's own lines tell.

use super::manner::{FormatOf, Manner, Requests};
use halo_adapters::gateway::{Format, Line, Place, Reader, Rules, Spec, detect};
use halod_record::unusable::Unusable;

/// The readers of logs that are read in one manner.
#[derive(Debug)]
pub enum Formats {
    One(Box<Reader>),
    /// In the order of [`Format::ALL`].
    Auto(Vec<Reader>),
}

impl Formats {
    /// # Errors
    /// Which setting makes no sense, and why.
    pub fn new(manner: &Manner) -> Result<Self, (&'static str, String)> {
        let rules = match &manner.requests {
            Requests::All => Rules::all(),
            Requests::Known => Rules::default(),
            Requests::Paths(paths) => Rules::new(paths).map_err(|(at, what)| {
                ("paths", format!("`{}`: {what}", paths.get(at).map_or("", String::as_str)))
            })?,
        };
        let one = |spec: Spec| Ok(Self::One(Box::new(Reader::new(spec, rules.clone()))));
        match &manner.format {
            FormatOf::Auto => {
                let reader = |format: Format| Reader::new(Spec::from(format), rules.clone());
                Ok(Self::Auto(Format::ALL.into_iter().map(reader).collect()))
            }
            FormatOf::Known(format) => one(Spec::from(*format)),
            FormatOf::Json(fields) => {
                let fields = fields.iter().map(|(field, key)| (field.as_str(), key.as_str()));
                one(Spec::json(fields).map_err(|error| ("fields", error.to_string()))?)
            }
            FormatOf::Regex(pattern) => {
                one(Spec::regex(pattern).map_err(|error| ("pattern", error.to_string()))?)
            }
        }
    }

    /// Whether a log's format is told by its lines.
    #[must_use]
    pub fn is_auto(&self) -> bool {
        matches!(self, Self::Auto(_))
    }

    /// Reads a line of a log whose format the lines up to this one have `told`. The same line of the same
    /// content is always read in the same way, however the content came.
    ///
    /// # Errors
    /// Why it can't become a record.
    pub fn line<'a>(
        &self,
        told: Option<Format>,
        line: &'a [u8],
        place: &Place<'a>,
    ) -> Result<Line<'a>, Unusable> {
        let readers = match self {
            Self::One(reader) => return reader.line(line, place),
            Self::Auto(readers) => readers,
        };
        let by = |format: Format| {
            Format::ALL.iter().position(|known| *known == format).and_then(|at| readers.get(at))
        };
        let Some(reader) = told.and_then(by) else {
            if line.trim_ascii().is_empty() {
                return Ok(Line::Preamble);
            }
            return Err(Unusable::new("", "no format that halod knows; see receivers.file_log.format"));
        };
        let said = reader.line(line, place);
        if said.is_ok() {
            return said;
        }
        // The log's configuration may have changed; this line may tell its format itself.
        match detect(&[line]).filter(|own| Some(*own) != told).and_then(by) {
            Some(other) => other.line(line, place).or(said),
            None => said,
        }
    }
}
