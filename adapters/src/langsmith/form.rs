//! The operations in a form of LangSmith's: runs told in parts, and feedback.

use super::multipart::Part;
use super::run::Op;
use halod_record::charge;
use halod_record::json::{Json, Text};
use std::collections::HashMap;

/// What a part takes at most, as a run of its own.
const PART: usize = 512;

/// What stands beside a run in a part of its own.
const FIELDS: [&str; 6] = ["inputs", "outputs", "events", "extra", "error", "serialized"];

/// One thing that a form tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Told<'f, 'a> {
    Run(RunParts<'f, 'a>),
    Feedback(&'a [u8]),
    /// A part that no rule explains, by its place.
    Unknown(usize),
}

/// A run in parts that are not parsed yet.
#[derive(Debug, PartialEq, Eq)]
pub struct RunParts<'f, 'a> {
    pub op: Op,
    /// As the names of its parts say it.
    id: &'f str,
    main: Option<&'a [u8]>,
    fields: Vec<(&'static str, &'a [u8])>,
    attachments: u64,
    /// Something was said twice.
    repeated: Option<&'static str>,
}

/// What a form tells, in the order in which it begins to.
///
/// The Python SDK writes operations into one form as they come, so that one run may be patched twice in
/// it: each part with the run itself begins another operation.
#[must_use]
pub fn told<'f, 'a>(parts: &'f [Part<'a>]) -> Vec<Told<'f, 'a>> {
    if charge::take(parts.len() * PART).is_err() {
        return Vec::new();
    }
    let mut all: Vec<Told<'f, 'a>> = Vec::new();
    let mut latest: HashMap<(Op, &'f str), usize> = HashMap::new();
    let mut hanging: Vec<&'f str> = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let (kind, rest) = part.name.split_once('.').unwrap_or((part.name.as_ref(), ""));
        let op = match kind {
            "post" => Op::Post,
            "patch" => Op::Patch,
            "feedback" => {
                all.push(Told::Feedback(part.content));
                continue;
            }
            "attachment" => {
                hanging.push(rest.split_once('.').map_or(rest, |(id, _)| id));
                continue;
            }
            _ => {
                all.push(Told::Unknown(place));
                continue;
            }
        };
        let (id, key) = rest.split_once('.').map_or((rest, None), |(id, key)| (id, Some(key)));
        let Some(field) = key.map_or(Some(None), |key| FIELDS.iter().find(|field| **field == key).map(Some))
        else {
            all.push(Told::Unknown(place));
            continue;
        };
        let known = latest.get(&(op, id)).copied().and_then(|at| match all.get_mut(at) {
            Some(Told::Run(run)) if field.is_some() || run.main.is_none() => Some(run),
            _ => None,
        });
        match known {
            Some(run) => run.add(field.copied(), part.content),
            None => {
                let mut run =
                    RunParts { op, id, main: None, fields: Vec::new(), attachments: 0, repeated: None };
                run.add(field.copied(), part.content);
                latest.insert((op, id), all.len());
                all.push(Told::Run(run));
            }
        }
    }
    for id in hanging {
        let run = [Op::Post, Op::Patch].into_iter().find_map(|op| latest.get(&(op, id)));
        if let Some(Told::Run(run)) = run.and_then(|at| all.get_mut(*at)) {
            run.attachments += 1;
        }
    }
    all
}

impl<'a> RunParts<'_, 'a> {
    fn add(&mut self, field: Option<&'static str>, content: &'a [u8]) {
        match field {
            None => self.main = Some(content),
            Some(field) if self.fields.iter().any(|(known, _)| *known == field) => {
                self.repeated = Some(field);
            }
            Some(field) => self.fields.push((field, content)),
        }
    }

    /// The bytes of its parts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.main.map_or(0, <[u8]>::len) + self.fields.iter().map(|(_, content)| content.len()).sum::<usize>()
    }

    /// Whether nothing is said in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The run as one object, its parts read by `parse`.
    ///
    /// # Errors
    /// What `parse` says, or why the parts are no run; with the name of the part.
    pub fn assemble(
        &self,
        mut parse: impl FnMut(&'a [u8]) -> Result<Json<'a>, String>,
    ) -> Result<Json<'a>, String> {
        let word = match self.op {
            Op::Post => "post",
            Op::Patch => "patch",
        };
        if let Some(field) = self.repeated {
            return Err(format!("{word} of a run: there are two parts of {field}"));
        }
        let Some(main) = self.main else {
            return Err(format!("{word} of a run: the part with the run itself is missing"));
        };
        let run = parse(main).map_err(|error| format!("{word} of a run: {error}"))?;
        let Json::Object(mut members) = run else {
            return Err(format!("{word} of a run: a run is an object"));
        };
        for (field, content) in &self.fields {
            let value = parse(content).map_err(|error| format!("{field} of a run: {error}"))?;
            members.push((Text::from(*field), value));
        }
        if self.attachments > 0 {
            members.push((Text::from("attachments"), Json::Int(self.attachments.cast_signed())));
        }
        let run = Json::object(members);
        let same = |id: &str| super::run::usual(id) == super::run::usual(self.id);
        match run.get("id").and_then(Json::as_str) {
            Some(id) if !same(id) => Err(format!("{word} of a run: its id is not that of its part")),
            _ => Ok(run),
        }
    }
}

/// The text of a part.
///
/// # Errors
/// It is not UTF-8.
pub fn text(content: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use halod_record::json;
    use std::borrow::Cow;

    fn assembled(parts: &[(&'static str, &'static str)]) -> Vec<String> {
        let parts: Vec<_> = parts
            .iter()
            .map(|(name, content)| Part { name: Cow::Borrowed(*name), content: content.as_bytes() })
            .collect();
        let parse = |bytes| json::parse(text(bytes)?).map_err(|error| error.problem.to_string());
        told(&parts)
            .iter()
            .map(|told| match told {
                Told::Run(run) => match run.assemble(parse) {
                    Ok(Json::Object(members)) => {
                        let keys: Vec<_> = members.iter().map(|(key, _)| key.as_str().unwrap()).collect();
                        format!("{:?} {}", run.op, keys.join(" "))
                    }
                    Ok(_) => panic!("no object"),
                    Err(error) => error,
                },
                Told::Feedback(content) => format!("feedback {}", text(content).unwrap()),
                Told::Unknown(place) => format!("unknown {place}"),
            })
            .collect()
    }

    #[test]
    fn parts_of_a_run_become_one_run() {
        let all = assembled(&[
            ("post.1", r#"{"id":"1"}"#),
            ("post.1.inputs", "{}"),
            ("attachment.1.photo", "\u{fffd}"),
            ("patch.1", r#"{"id":"1"}"#),
            ("patch.1.error", "\"no\""),
            ("feedback.7", "{}"),
            ("patch.1", r#"{"id":"1"}"#),
            ("patch.1.outputs", "{}"),
            ("attachment.9.stray", ""),
        ]);
        let expected = ["Post id inputs attachments", "Patch id error", "feedback {}", "Patch id outputs"];
        assert_eq!(all, expected);
    }

    #[test]
    fn parts_that_are_no_run_are_told_apart_from_those_that_are() {
        let all = assembled(&[
            ("post.1.inputs", "{}"),
            ("post.2", r#"{"id":"2"}"#),
            ("post.2.outputs", "{}"),
            ("post.2.outputs", "[]"),
            ("post.3", "[]"),
            ("post.4", r#"{"id":"5"}"#),
            ("post.6.more", "{}"),
            ("nonsense", ""),
            ("post.7", "{"),
        ]);
        assert_eq!(all[0], "post of a run: the part with the run itself is missing");
        assert_eq!(all[1], "post of a run: there are two parts of outputs");
        assert_eq!(all[2], "post of a run: a run is an object");
        assert_eq!(all[3], "post of a run: its id is not that of its part");
        assert_eq!(all[4], "unknown 6");
        assert_eq!(all[5], "unknown 7");
        assert!(all[6].starts_with("post of a run: "), "{}", all[6]);
        assert_eq!(all.len(), 7);
    }
}
