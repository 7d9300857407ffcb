//! Reading against a shape, strictly: what is not known is an error, and every error has its place.

use super::super::schema::{Bool, List, Number, Object, OneOf, Shape, Str};
use crate::json::{Json, Text};
use crate::spelling::nearest;
use crate::unusable::Unusable;
use std::borrow::Cow;

/// Errors that are told of one record.
const MAX_WRONG: usize = 10;

/// Items of any list but the input's and the outcome's own.
pub(super) const MAX_ITEMS: usize = 256;

/// Characters of a sender's own name for a field that a path shows.
const MAX_SHOWN: usize = 64;

/// Everything that is wrong with a record.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    all: Vec<Unusable>,
    more: usize,
}

/// Where in a record the reading is; written out for an error only.
#[derive(Clone, Copy)]
pub(super) enum Place<'p> {
    Record,
    Field(&'p Place<'p>, &'p str),
    Item(&'p Place<'p>, usize),
}

impl Place<'_> {
    fn path(&self) -> String {
        match self {
            Self::Record => String::new(),
            Self::Field(Place::Record, name) => shown(name),
            Self::Field(within, name) => [&within.path(), ".", &shown(name)].concat(),
            Self::Item(within, at) => format!("{}[{at}]", within.path()),
        }
    }
}

/// A field's name as an answer may carry it.
fn shown(name: &str) -> String {
    name.escape_debug().take(MAX_SHOWN).collect()
}

impl Wrong {
    pub(super) fn add(&mut self, place: &Place<'_>, what: impl Into<Cow<'static, str>>) {
        if self.all.len() < MAX_WRONG {
            self.all.push(Unusable::new(place.path(), what));
        } else {
            self.more += 1;
        }
    }

    /// A field that there is not; `hint` names the right place of what is often put here.
    pub(super) fn unknown(
        &mut self,
        within: &Place<'_>,
        name: &str,
        known: &[&'static str],
        hint: Option<&str>,
    ) {
        let what = match hint.or_else(|| nearest(name, known)) {
            Some(meant) => format!("unknown field; did you mean `{meant}`?"),
            None => format!("unknown field; known here: {}", known.join(", ")),
        };
        self.add(&Place::Field(within, name), what);
    }

    pub(super) fn count(&self) -> usize {
        self.all.len() + self.more
    }

    pub(super) fn into_list(mut self) -> Vec<Unusable> {
        if self.more > 0 {
            self.all.push(Unusable::new("", format!("and {} more errors", self.more)));
        }
        self.all
    }
}

/// A text; null and the empty text are none.
pub(super) fn text<'a>(value: Json<'a>, place: &Place<'_>, wrong: &mut Wrong) -> Option<Cow<'a, str>> {
    match value {
        Json::Null => None,
        Json::Str(text) => Some(owned(text)).filter(|text| !text.is_empty()),
        _ => {
            wrong.add(place, "must be text");
            None
        }
    }
}

/// The text itself; a lone surrogate, which no record can hold, reads as U+FFFD.
pub(super) fn owned(text: Text<'_>) -> Cow<'_, str> {
    match text {
        Text::Utf8(text) => text,
        wtf8 @ Text::Wtf8(_) => Cow::Owned(wtf8.to_lossy().into_owned()),
    }
}

/// One of the schema's words.
pub(super) fn word(
    value: &Json<'_>,
    words: &'static [&'static str],
    place: &Place<'_>,
    wrong: &mut Wrong,
) -> Option<&'static str> {
    let found = match value {
        Json::Str(text) => words.iter().find(|word| word.as_bytes() == text.as_bytes()).copied(),
        _ => None,
    };
    if found.is_none() && *value != Json::Null {
        wrong.add(place, format!("must be one of {}", words.join(", ")));
    }
    found
}

/// The value without what is null or empty in it, if it is of the shape; `None` for nothing at all, and
/// for what is wrong.
pub(super) fn shaped<'a>(
    value: Json<'a>,
    shape: &'static Shape,
    place: &Place<'_>,
    wrong: &mut Wrong,
) -> Option<Json<'a>> {
    match (shape, value) {
        (_, Json::Null) => None,
        (Str, value) => text(value, place, wrong).map(|text| Json::Str(text.into())),
        (OneOf(words), value) => word(&value, words, place, wrong).map(Json::str),
        (Bool, Json::Bool(flag)) => Some(Json::Bool(flag)),
        (List(item), Json::Array(items)) => list(items, item, place, wrong),
        (Object { required, fields }, Json::Object(entries)) => {
            object(entries, required, fields, place, wrong)
        }
        (Bool, _) => none(wrong, place, "must be true or false"),
        (Number, _) => none(wrong, place, "must be a number"),
        (List(_), _) => none(wrong, place, "must be a list"),
        (Object { .. }, _) => none(wrong, place, "must be an object"),
    }
}

/// The members of an object.
pub(super) fn object_of<'a>(
    value: Json<'a>,
    place: &Place<'_>,
    wrong: &mut Wrong,
) -> Option<Vec<(Text<'a>, Json<'a>)>> {
    match value {
        Json::Object(entries) => Some(entries),
        _ => none(wrong, place, "must be an object"),
    }
}

fn none<T>(wrong: &mut Wrong, place: &Place<'_>, what: &'static str) -> Option<T> {
    wrong.add(place, what);
    None
}

fn list<'a>(
    items: Vec<Json<'a>>,
    item: &'static Shape,
    place: &Place<'_>,
    wrong: &mut Wrong,
) -> Option<Json<'a>> {
    if items.len() > MAX_ITEMS {
        return none(wrong, place, "at most 256 items");
    }
    let read = |(at, value)| shaped(value, item, &Place::Item(place, at), wrong);
    let kept: Vec<_> = items.into_iter().enumerate().filter_map(read).collect();
    Some(Json::Array(kept)).filter(|list| *list != Json::Array(Vec::new()))
}

fn object<'a>(
    entries: Vec<(Text<'a>, Json<'a>)>,
    required: &'static [&'static str],
    fields: &'static [(&'static str, Shape)],
    place: &Place<'_>,
    wrong: &mut Wrong,
) -> Option<Json<'a>> {
    let mut kept = Vec::with_capacity(entries.len());
    let mut refused = Vec::new();
    for (key, value) in entries {
        let Some((name, shape)) = fields.iter().find(|(name, _)| name.as_bytes() == key.as_bytes()) else {
            let known: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
            wrong.unknown(place, &key.to_lossy(), &known, None);
            continue;
        };
        let before = wrong.count();
        match shaped(value, shape, &Place::Field(place, name), wrong) {
            Some(value) => kept.push((Text::from(*name), value)),
            // What is wrong by itself is not missing as well.
            None if wrong.count() > before => refused.push(*name),
            None => {}
        }
    }
    for &name in required {
        if !refused.contains(&name) && !kept.iter().any(|(key, _)| key.as_bytes() == name.as_bytes()) {
            wrong.add(&Place::Field(place, name), "is required");
        }
    }
    // No record may have a key twice, whoever made the value.
    Some(Json::object(kept)).filter(|object| *object != Json::Object(Vec::new()))
}
