//! The operator's own rules: patterns beside those of the table, and tokens that the entropy rule passes over.
//!
//! Expressions are those of the crate `regex`, whose time is linear in the text; how large one may become is bounded
//! when it is read.

use super::probe::{TOKEN_RUN, token};
use super::table::{self, Severity};
use super::text::{Span, add};
use regex::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// Patterns of one configuration: each is looked for in every text.
pub const MAX_PATTERNS: usize = 64;

/// Entries of one list of allowed tokens.
pub const MAX_ALLOWED: usize = 1000;

/// Bytes of one expression.
pub const MAX_EXPRESSION: usize = 1000;

/// Bytes that one expression may take when it is compiled.
const MAX_COMPILED: usize = 256 << 10;

/// Bytes that a thread may keep for one expression while it searches.
const MAX_CACHE: usize = 1 << 20;

/// Bytes of a pattern's name.
const MAX_NAME: usize = 64;

/// The group that says which part of a match is masked.
const SECRET: &str = "secret";

/// What stands for a match.
const MASK: &str = super::fields::MASK;

/// Why an entry of the operator's can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRule {
    /// The field of the entry: `name` or `regex`; none for an entry that is a text.
    pub field: Option<&'static str>,
    /// What is wrong with it, and what to do.
    pub what: String,
}

impl BadRule {
    fn of(field: &'static str, what: impl Into<String>) -> Self {
        Self { field: Some(field), what: what.into() }
    }
}

impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for BadRule {}

/// A pattern of the operator's: what it matches is masked, and is a finding of its name.
#[derive(Clone, Debug)]
pub struct Pattern {
    name: String,
    severity: Severity,
    regex: Regex,
    /// The number of the group [`SECRET`].
    group: Option<usize>,
}

impl Pattern {
    /// # Errors
    /// A name as in [`Self::check_name`], or an expression that is none, is too large or would mask its own masks.
    pub fn new(name: &str, expression: &str, severity: Severity) -> Result<Self, BadRule> {
        Self::check_name(name)?;
        let regex = compiled(expression)?;
        let matches = |text: &str| regex.find(text).map(|found| found.as_str().to_owned());
        // A place between characters is no text that could be masked.
        if matches("").is_some() || matches("a 0_-.").is_some_and(|found| found.is_empty()) {
            return Err(BadRule::of(
                "regex",
                "it matches the empty text; write + in place of *, or what has to be there",
            ));
        }
        if matches(MASK).is_some_and(|found| found != MASK) {
            let what = format!(
                "it matches a part of `{MASK}`, which stands for what was masked, and would mask it again and again; \
                 exclude *, as in [^*]"
            );
            return Err(BadRule::of("regex", what));
        }
        let group = regex.capture_names().position(|name| name == Some(SECRET));
        Ok(Self { name: name.to_owned(), severity, regex, group })
    }

    /// # Errors
    /// A name that can't be a finding's type, or is one of halod's own.
    pub fn check_name(name: &str) -> Result<(), BadRule> {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(letter) {
            let what =
                format!("write 1 to {MAX_NAME} characters of a-z, 0-9 and `_`: it becomes a finding's type");
            return Err(BadRule::of("name", what));
        }
        if table::known(name).is_some() || name == table::UNKNOWN {
            let what = format!("`{name}` is a type of halod's own findings; choose another name");
            return Err(BadRule::of("name", what));
        }
        Ok(())
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds where the pattern matches. What stands before its secret is kept.
    fn find(&self, text: &str, out: &mut Vec<Span>) {
        let Some(group) = self.group else {
            let found = self.regex.find_iter(text).filter(|found| !found.is_empty());
            return found.for_each(|found| add(out, Span::new(found.start(), found.end())));
        };
        for found in self.regex.captures_iter(text) {
            if let (Some(whole), Some(secret)) = (found.get(0), found.get(group))
                && !secret.is_empty()
            {
                add(out, Span { start: whole.start(), end: secret.end(), kept: secret.start() });
            }
        }
    }
}

/// A token that the entropy rule passes over, or an expression for such tokens.
#[derive(Clone, Debug)]
pub struct Allowed(Allow);

#[derive(Clone, Debug)]
enum Allow {
    Token(String),
    Tokens(Regex),
}

impl Allowed {
    /// # Errors
    /// The entropy rule never looks at such a text.
    pub fn token(text: &str) -> Result<Self, BadRule> {
        let bad = |what: String| Err(BadRule { field: None, what });
        if let Some(c) = text.chars().find(|c| !u8::try_from(*c).is_ok_and(token)) {
            return bad(format!(
                "the entropy rule looks at runs of letters, digits and +/=_- alone, and {c:?} is none of them; write one such \
                 run"
            ));
        }
        if text.len() < TOKEN_RUN {
            return bad(format!(
                "the entropy rule never looks at runs of less than {TOKEN_RUN} characters, and this has {}; remove it, or \
                 write the whole run",
                text.len()
            ));
        }
        Ok(Self(Allow::Token(text.to_owned())))
    }

    /// # Errors
    /// What is no expression, too large, or would allow every token.
    pub fn tokens(expression: &str) -> Result<Self, BadRule> {
        // By itself first, so that what is wrong is told of what was written.
        compiled(expression)?;
        let regex = compiled_whole(expression)?;
        if regex.is_match(&EVERYTHING.repeat(2)) && regex.is_match(EVERYTHING) {
            return Err(BadRule::of(
                "regex",
                "it allows every token, so that the entropy rule would find nothing; write what is told apart by it",
            ));
        }
        Ok(Self(Allow::Tokens(regex)))
    }
}

/// A token of letters and digits, as no operator means one.
const EVERYTHING: &str = "q7Wm2Zx9Lk4Tn8Vb3Yc6Hd1P";

/// The operator's rules of redaction; none by default.
#[derive(Clone, Debug, Default)]
pub struct Custom {
    patterns: Vec<Pattern>,
    tokens: HashSet<String>,
    expressions: Vec<Regex>,
}

impl Custom {
    #[must_use]
    pub fn new(patterns: Vec<Pattern>, allowed: Vec<Allowed>) -> Self {
        let mut rules = Self { patterns, ..Self::default() };
        for Allowed(allowed) in allowed {
            match allowed {
                Allow::Token(token) => drop(rules.tokens.insert(token)),
                Allow::Tokens(regex) => rules.expressions.push(regex),
            }
        }
        rules
    }

    /// Whether there is any pattern.
    pub(super) fn has_patterns(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// Adds what all patterns match, by pattern; what stands before a secret is kept.
    pub(super) fn find(&self, text: &str, mut found: impl FnMut(&Pattern, &[Span])) {
        let mut spans = Vec::new();
        for pattern in &self.patterns {
            spans.clear();
            pattern.find(text, &mut spans);
            if !spans.is_empty() {
                found(pattern, &spans);
            }
        }
    }

    /// The places that the patterns mask.
    pub(super) fn masked(&self, text: &str) -> Vec<Span> {
        let mut all = Vec::new();
        self.find(text, |_, spans| {
            spans.iter().for_each(|span| add(&mut all, Span::new(span.kept, span.end)));
        });
        super::text::join(&mut all);
        all
    }

    /// Whether a token that looks random may be read: it, or the value behind its first `=`.
    pub(super) fn allows(&self, token: &str) -> bool {
        if self.tokens.is_empty() && self.expressions.is_empty() {
            return false;
        }
        let allows = |token: &str| {
            self.tokens.contains(token) || self.expressions.iter().any(|regex| regex.is_match(token))
        };
        allows(token) || token.split_once('=').is_some_and(|(_, value)| allows(value))
    }

    /// The type and severity of a finding of the operator's, by its type's name.
    pub(super) fn known(&self, kind: &str) -> Option<(Cow<'static, str>, Severity)> {
        let pattern = self.patterns.iter().find(|pattern| pattern.name == kind)?;
        Some((Cow::Owned(pattern.name.clone()), pattern.severity))
    }
}

impl Pattern {
    pub(super) fn severity(&self) -> Severity {
        self.severity
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        let patterns = |rules: &Self| -> Vec<_> {
            let one = |pattern: &Pattern| {
                (pattern.name.clone(), pattern.severity, pattern.regex.as_str().to_owned())
            };
            rules.patterns.iter().map(one).collect()
        };
        let expressions = |rules: &Self| {
            rules.expressions.iter().map(|regex| regex.as_str().to_owned()).collect::<Vec<_>>()
        };
        patterns(self) == patterns(other)
            && self.tokens == other.tokens
            && expressions(self) == expressions(other)
    }
}

impl Eq for Custom {}

/// An expression within its bounds.
fn compiled(expression: &str) -> Result<Regex, BadRule> {
    if expression.is_empty() {
        return Err(BadRule::of("regex", "it is empty; write a regular expression"));
    }
    if expression.len() > MAX_EXPRESSION {
        let what = format!("at most {MAX_EXPRESSION} bytes; write several entries");
        return Err(BadRule::of("regex", what));
    }
    build(expression).map_err(|error| BadRule::of("regex", said(&error)))
}

/// The same for a whole token.
fn compiled_whole(expression: &str) -> Result<Regex, BadRule> {
    build(&format!(r"\A(?:{expression})\z")).map_err(|error| BadRule::of("regex", said(&error)))
}

fn build(expression: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(expression).size_limit(MAX_COMPILED).dfa_size_limit(MAX_CACHE).build()
}

/// What the crate says in several lines, in one, and what to do.
fn said(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => format!(
            "it takes more than {} KiB when it is compiled; write smaller counts, and [A-Za-z0-9_] or [0-9] in place of \\w \
             or \\d, which stand for all scripts",
            MAX_COMPILED >> 10
        ),
        error => {
            let text = error.to_string();
            let what = text.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&text);
            let what = what.replace('\n', " ");
            let hint = if what.contains("look-around") {
                "; write what stands before into the expression, and what is to be masked as (?P<secret>...)"
            } else if what.contains("backreferences") {
                "; write the alternatives out"
            } else {
                "; put \\ before a sign that means itself"
            };
            format!("it is no regular expression: {what}{hint}")
        }
    }
}

#[cfg(test)]
mod tests;
