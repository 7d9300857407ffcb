//! Fields of a record by their dotted paths, as rules name them: `action.tool`, `findings[].type`.

use crate::schema::{Bool, List, Number, Object, OneOf, Shape, Str, shape};

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Bool,
    Number,
    OneOf(&'static [&'static str]),
    Object,
    /// A list of texts, or of objects.
    List {
        of_texts: bool,
    },
    /// What the schema says nothing of: a path that goes on below a text or a number.
    Free,
}

/// One field of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub kind: Kind,
    /// The path goes through one of the schema's lists, so that a record may have several values of it.
    pub fans: bool,
}

/// Why a path names no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoField {
    #[error("{0:?} is no path: names with dots between them are one")]
    Path(String),
    #[error("{name:?} is not a field of a record; here are: {here}")]
    Unknown { name: String, here: String },
    #[error("{0:?} is a list: \"{0}[]\" stands for its items")]
    List(String),
    #[error("{0:?} is no list, so it has no \"[]\"")]
    NoList(String),
}

/// What stands at a path.
///
/// # Errors
/// The schema has no such field.
pub fn field(path: &str) -> Result<Field, NoField> {
    let mut steps = path.split('.').peekable();
    let mut at = Some(shape(&[]));
    let mut fans = false;
    while let Some(step) = steps.next() {
        if step.is_empty() {
            return Err(NoField::Path(path.to_owned()));
        }
        let Some(Object { fields, .. }) = at else {
            at = None;
            continue;
        };
        let (name, items) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        let found = fields.iter().find(|(key, _)| *key == name).map(|(_, shape)| shape);
        at = Some(match (found, items) {
            (None, _) => {
                let mut here: Vec<&str> = fields.iter().map(|(key, _)| *key).collect();
                here.sort_unstable();
                return Err(NoField::Unknown { name: name.to_owned(), here: here.join(", ") });
            }
            (Some(List(item)), true) => {
                fans = true;
                *item
            }
            (Some(_), true) => return Err(NoField::NoList(name.to_owned())),
            (Some(List(_)), false) if steps.peek().is_some() => return Err(NoField::List(name.to_owned())),
            (Some(shape), false) => shape,
        });
    }
    Ok(Field { kind: at.map_or(Kind::Free, kind), fans })
}

fn kind(shape: &'static Shape) -> Kind {
    match shape {
        Str => Kind::Text,
        Bool => Kind::Bool,
        Number => Kind::Number,
        OneOf(values) => Kind::OneOf(values),
        Object { .. } => Kind::Object,
        List(item) => Kind::List { of_texts: matches!(item, Str) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_fields() {
        let kinds = |path| field(path).map(|field| (field.kind, field.fans));
        assert_eq!(kinds("action.tool"), Ok((Kind::Text, false)));
        assert_eq!(kinds("findings[].type"), Ok((Kind::Text, true)));
        assert_eq!(kinds("findings"), Ok((Kind::List { of_texts: false }, false)));
        assert_eq!(kinds("data.pii_types[]"), Ok((Kind::Text, true)));
        assert_eq!(kinds("data.pii_types[].x"), Ok((Kind::Free, true)));
        // The schema's lists fan out, and nothing else.
        assert_eq!(kinds("action.tool.x[]"), Ok((Kind::Free, false)));
        for wrong in
            ["", "a", "action.", ".action", "action..tool", "findings.type", "action[]", "findings[][]", "[]"]
        {
            assert!(field(wrong).is_err(), "{wrong}");
        }
    }
}
