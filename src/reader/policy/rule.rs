//! Rules, read strictly: what could never be violated, or never match, is refused.

use super::PACKS;
use super::matcher::Matcher;
use halod_record::canon;
use halod_record::hash::{hex_text, sha256};
use halod_record::json::{Json, Limits, parse_with};
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of a policy.
const LONGEST: u64 = 4 << 20;

const SEVERITIES: [&str; 5] = ["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"];

/// Rules, and what they are known by.
#[derive(Debug)]
pub struct Policy {
    pub(super) rules: Vec<Rule>,
    /// SHA-256 of the file.
    pub file_digest: String,
    /// SHA-256 of the rules in canonical form; fractions have none.
    pub(super) rules_digest: Option<String>,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: Json<'static>,
    pub(super) description: Json<'static>,
    pub(super) severity: Json<'static>,
    pub(super) source: Json<'static>,
    pub(super) when: Vec<Matcher>,
    pub(super) forbid: Option<Vec<Matcher>>,
    pub(super) require: Option<Vec<Matcher>>,
    pub(super) expects_evidence: bool,
}

/// Why there are no rules.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("cannot read the policy {}: {source}; packs of halod's own are: {packs}", path.display(), packs = names())]
    Read { path: PathBuf, source: io::Error },
    #[error("the policy is longer than 4 MiB")]
    Long,
    #[error("the policy is not UTF-8")]
    Text,
    #[error("the policy is not JSON: {0}")]
    Json(String),
    #[error("the policy is no list of rules: {0}")]
    Shape(String),
    #[error("rule {rule}: {what}")]
    Rule { rule: String, what: String },
}

fn names() -> String {
    PACKS.map(|pack| pack.0).join(", ")
}

impl Policy {
    /// Reads a file; where there is none, the pack of that name.
    ///
    /// # Errors
    /// There is neither, or it is no policy.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let pack = PACKS.iter().find(|(name, _)| Path::new(name) == path);
        if let Some((_, text)) = pack.filter(|_| !path.exists()) {
            return Self::parse(text.as_bytes());
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
        file.map_err(|source| PolicyError::Read { path: path.to_owned(), source })?;
        if bytes.len() as u64 > LONGEST {
            return Err(PolicyError::Long);
        }
        Self::parse(&bytes)
    }

    /// # Errors
    /// The bytes are no policy.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let text = std::str::from_utf8(bytes).map_err(|_| PolicyError::Text)?;
        let parsed =
            parse_with(text, &Limits::REQUEST).map_err(|error| PolicyError::Json(error.to_string()))?;
        if let Some(key) = parsed.duplicate {
            return Err(PolicyError::Json(format!("{:?} stands twice in one object", key.to_lossy())));
        }
        if !is_finite(&parsed.value) {
            return Err(PolicyError::Json("a number in it is not finite".into()));
        }
        let mut list = &parsed.value;
        if let Json::Object(entries) = list {
            let known = ["rules", "name", "version", "note"];
            if let Some((key, _)) = entries.iter().find(|(key, _)| !known.contains(&&*key.to_lossy())) {
                return Err(PolicyError::Shape(format!(
                    "{:?} is none of {}",
                    key.to_lossy(),
                    known.join(", ")
                )));
            }
            list = list.get("rules").ok_or_else(|| PolicyError::Shape("it has no \"rules\"".into()))?;
        }
        let Json::Array(items) = list else { return Err(PolicyError::Shape("a list is expected".into())) };
        if items.is_empty() {
            return Err(PolicyError::Shape("it is empty".into()));
        }
        let (mut rules, mut ids) = (Vec::new(), BTreeSet::new());
        for (number, item) in (1..).zip(items) {
            let id = item.get("id").filter(|id| matches!(id, Json::Str(text) if !text.as_bytes().is_empty()));
            let Some(Json::Str(id)) = id else {
                let what = "needs an \"id\" that is a text".to_owned();
                return Err(PolicyError::Rule { rule: number.to_string(), what });
            };
            let wrong = |what| PolicyError::Rule { rule: format!("{:?}", id.to_lossy()), what };
            if !ids.insert(id.as_bytes()) {
                return Err(wrong("the id stands twice".into()));
            }
            rules.push(Rule::read(item).map_err(wrong)?);
        }
        let mut canonical = Vec::new();
        let rules_digest = canon::write(list, &mut canonical).is_ok().then(|| hex_text(&sha256(&canonical)));
        Ok(Self { rules, file_digest: hex_text(&sha256(bytes)), rules_digest })
    }
}

fn is_finite(value: &Json<'_>) -> bool {
    match value {
        Json::Float(float) => float.is_finite(),
        Json::Array(items) => items.iter().all(is_finite),
        Json::Object(entries) => entries.iter().all(|(_, value)| is_finite(value)),
        _ => true,
    }
}

impl Rule {
    fn read(given: &Json<'_>) -> Result<Self, String> {
        let Json::Object(entries) = given else { return Err("is no object".into()) };
        let known =
            ["id", "description", "severity", "source", "when", "forbid", "require", "expect_evidence"];
        if let Some((key, _)) = entries.iter().find(|(key, _)| !known.contains(&&*key.to_lossy())) {
            return Err(format!("{:?} is none of {}", key.to_lossy(), known.join(", ")));
        }
        let text = |key: &str, default: &'static str| match given.get(key) {
            None => Ok(Json::str(default)),
            Some(Json::Str(text)) => Ok(Json::Str(text.clone()).into_owned()),
            Some(_) => Err(format!("{key} is no text")),
        };
        let severity = text("severity", "MEDIUM")?;
        if !severity.as_str().is_some_and(|severity| SEVERITIES.contains(&severity)) {
            return Err(format!("severity is none of {}", SEVERITIES.join(", ")));
        }
        let expects_evidence = match given.get("expect_evidence") {
            None => false,
            Some(Json::Bool(expects)) => *expects,
            Some(_) => return Err("expect_evidence is neither true nor false".into()),
        };
        let rule = Self {
            id: text("id", "")?,
            description: text("description", "")?,
            severity,
            source: text("source", "")?,
            when: matchers(given, "when")?.unwrap_or_default(),
            forbid: matchers(given, "forbid")?,
            require: matchers(given, "require")?,
            expects_evidence,
        };
        if rule.forbid.is_none() && rule.require.is_none() && !expects_evidence {
            return Err("asks for nothing: it needs forbid, require, or \"expect_evidence\": true".into());
        }
        rule.vacuous().map_or(Ok(rule), Err)
    }

    /// Why the rule could never be violated.
    fn vacuous(&self) -> Option<String> {
        let when = |matcher: &Matcher| self.when.iter().find(|when| when.path == matcher.path);
        let never = |matcher: &&Matcher| when(matcher).is_some_and(|when| matcher.never_under(when));
        if let Some(matcher) = self.forbid.iter().flatten().find(never) {
            return Some(format!("forbid can never match: when decides {:?} already", matcher.path));
        }
        let always = |matcher: &Matcher| when(matcher).is_some_and(|when| matcher.always_under(when));
        let require = self.require.as_ref()?;
        require.iter().all(always).then(|| "require always matches: when decides it already".to_owned())
    }

    pub(super) fn selects(&self, record: &Json<'_>) -> bool {
        self.when.iter().all(|matcher| matcher.matches(record))
    }

    pub(super) fn is_violated_by(&self, record: &Json<'_>) -> bool {
        let all = |matchers: &Vec<Matcher>| matchers.iter().all(|matcher| matcher.matches(record));
        self.forbid.as_ref().is_some_and(all) || self.require.as_ref().is_some_and(|require| !all(require))
    }
}

fn matchers(rule: &Json<'_>, key: &str) -> Result<Option<Vec<Matcher>>, String> {
    match rule.get(key) {
        None => Ok(None),
        Some(Json::Object(entries)) if !entries.is_empty() => {
            let read = entries.iter().map(|(path, given)| Matcher::parse(&path.to_lossy(), given));
            read.collect::<Result<_, _>>().map(Some).map_err(|what| format!("{key}: {what}"))
        }
        Some(_) => Err(format!("{key} is no object with fields in it")),
    }
}
