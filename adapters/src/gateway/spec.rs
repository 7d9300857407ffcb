//! How the lines of one log are read.

use super::fields::{Field, NAMES, named};
use super::format::Format;
use super::row::{Row, Value};
use super::{alb, combined, envoy, haproxy, json, litellm, prefix, traefik};
use halod_record::unusable::Unusable;
use regex::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::fmt;

/// A format, with what it needs to be told.
#[derive(Clone, Debug)]
pub struct Spec(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Known(Format),
    /// A field, and the keys that lead to it.
    Map(Vec<(Field, Vec<Box<str>>)>),
    /// The fields by their groups' numbers.
    Regex(Regex, Vec<(usize, Field)>),
}

/// What is wrong with a map or a regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSpec(String);

impl fmt::Display for BadSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadSpec {}

/// A compiled expression may take this much memory.
const MAX_REGEX: usize = 1 << 20;

impl From<Format> for Spec {
    /// [`Format::Regex`] reads nothing without its expression: see [`Spec::regex`].
    fn from(format: Format) -> Self {
        Self(Kind::Known(format))
    }
}

impl Spec {
    /// `format: json` with a map from fields to keys, with dots between the keys of nested objects:
    /// `status: http.response.code`. A key that has a dot in its own name is found too.
    ///
    /// # Errors
    /// A field that is none, or an empty key.
    pub fn json<'s>(map: impl IntoIterator<Item = (&'s str, &'s str)>) -> Result<Self, BadSpec> {
        let fields = map.into_iter().map(|(name, key)| {
            let field = named(name).ok_or_else(|| unknown(name))?;
            if key.is_empty() {
                return Err(BadSpec(format!("the key of \"{name}\" is empty")));
            }
            Ok((field, key.split('.').map(Box::from).collect()))
        });
        Ok(Self(Kind::Map(fields.collect::<Result<_, _>>()?)))
    }

    /// `format: regex`: an expression whose named groups are fields.
    ///
    /// # Errors
    /// What is no regular expression, has a group of another name, or none that tells what was requested.
    pub fn regex(expression: &str) -> Result<Self, BadSpec> {
        let built = RegexBuilder::new(expression).size_limit(MAX_REGEX).dfa_size_limit(MAX_REGEX).build();
        let regex = built.map_err(|error| BadSpec(error.to_string()))?;
        let mut groups = Vec::new();
        for (at, name) in regex.capture_names().enumerate() {
            if let Some(name) = name {
                groups.push((at, named(name).ok_or_else(|| unknown(name))?));
            }
        }
        let tells = |field: &Field| {
            matches!(field, Field::Path | Field::Url | Field::Request | Field::Model | Field::Tool)
        };
        if !groups.iter().any(|(_, field)| tells(field)) {
            let what = "names no group for what was requested, so that no line could become a record: name one of path, url, request, model or tool, as in (?P<path>\\S+)";
            return Err(BadSpec(what.into()));
        }
        Ok(Self(Kind::Regex(regex, groups)))
    }

    #[must_use]
    pub fn format(&self) -> Format {
        match &self.0 {
            Kind::Known(format) => *format,
            Kind::Map(_) => Format::Json,
            Kind::Regex(..) => Format::Regex,
        }
    }

    /// The program's own line, without what stands before it. An expression is for whole lines, and HAProxy's
    /// reader knows its own.
    ///
    /// # Errors
    /// The line is a part of one.
    pub(super) fn unwrapped<'a>(&self, line: &'a str) -> Result<Cow<'a, str>, Unusable> {
        match self.0 {
            Kind::Regex(..) | Kind::Known(Format::Haproxy) => Ok(Cow::Borrowed(line)),
            _ => prefix::unwrapped(line),
        }
    }

    /// The request of a line; none if the line is no request.
    pub(super) fn row<'a>(&self, line: &'a str) -> Result<Option<Row<'a>>, Unusable> {
        match &self.0 {
            Kind::Known(format) => known(*format, line),
            Kind::Map(fields) => json::with_object(line, |mut object| {
                let mut row = Row::default();
                for (field, path) in fields {
                    let whole: Box<str> = path.join(".").into();
                    let value = json::at(&mut object, path).or_else(|| json::at(&mut object, &[whole]));
                    if let Some(value) = value.and_then(Value::of) {
                        row.put(*field, value);
                    }
                }
                Ok(row.is_request().then_some(row))
            }),
            Kind::Regex(regex, groups) => {
                let found =
                    regex.captures(line).ok_or_else(|| Unusable::new("", "the expression does not match"))?;
                let mut row = Row::default();
                for (at, field) in groups {
                    if let Some(group) = found.get(*at) {
                        row.put(*field, Value::Text(Cow::Borrowed(group.as_str())));
                    }
                }
                Ok(row.is_request().then_some(row))
            }
        }
    }
}

fn known(format: Format, line: &str) -> Result<Option<Row<'_>>, Unusable> {
    let object = line.starts_with('{');
    match format {
        Format::Litellm => litellm::row(line),
        Format::Alb => alb::row(line).map(Some),
        Format::Combined | Format::Nginx | Format::Apache if !object => combined::row(line, format).map(Some),
        Format::Traefik if !object => traefik::row(line).map(Some),
        Format::Envoy if !object => envoy::row(line).map(Some),
        // Syslog may stand before the object.
        Format::Haproxy if !object => match line.find("]: {") {
            Some(at) => json::row(&line[at + 3..], format),
            None => haproxy::row(line),
        },
        Format::Regex => Err(Unusable::new("", "no expression was given for the format regex")),
        _ if !object => Err(Unusable::new("", "no JSON object")),
        _ => json::row(line, format),
    }
}

fn unknown(name: &str) -> BadSpec {
    let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    BadSpec(format!("\"{name}\" is no field; those are {}", names.join(", ")))
}
