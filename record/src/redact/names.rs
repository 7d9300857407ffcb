//! Names from known fields: what stays readable of them, and what stands for them.

use super::fields::{MASK, credential_key, credential_value};
use super::{Findings, Redactor, Rules, entropy, text, words};
use crate::hash;
use crate::json::{Json, Text};
use std::borrow::Cow;

/// What a mask of the contact rows leaves readable of a person that a record is to name.
pub(super) const CONTACT: [&str; 3] = ["email", "ip_internal", "phone"];

impl Redactor {
    /// Masks an id: a UUID or 16 to 64 hex digits stay as they are, whatever number they look like.
    #[must_use]
    pub fn id<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if is_plain_id(text.as_bytes())
            && (!self.custom.has_patterns() || self.custom.masked(text).is_empty())
        {
            Cow::Borrowed(text)
        } else {
            self.named(text)
        }
    }

    /// Masks the name of who is answerable for an action: credentials and account numbers, but not the
    /// address or number that a reviewer knows them by.
    #[must_use]
    pub fn person<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.mask(text, Rules::Person)
    }

    /// Masks what ought to be a word (`error.type`, a tool's name) but may be prose: prose is told by its
    /// blanks and masked as such.
    #[must_use]
    pub fn label<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text.contains(char::is_whitespace) { self.text(text) } else { self.named(text) }
    }

    /// Masks what a sender put under a name of its own beside the content: whole where the name is a
    /// credential's, a number where it is a card's.
    #[must_use]
    pub fn member<'t>(&self, name: &str, value: &'t Json<'_>) -> Json<'t> {
        if credential_key(name) && credential_value(name, value) {
            return Json::str(MASK);
        }
        match value {
            Json::Array(items) => Json::Array(items.iter().map(|item| self.member(name, item)).collect()),
            Json::Str(text) => match text.as_str() {
                Some(text) => Json::Str(self.text(text).into()),
                None => Json::Str(self.text(&text.to_lossy()).into_owned().into()),
            },
            Json::Int(number) if number.unsigned_abs() >= SHORTEST_CARD || self.custom.has_patterns() => {
                let digits = number.to_string();
                match self.named(&digits) {
                    masked if masked == digits => Json::Int(*number),
                    masked => Json::Str(Text::from(masked.into_owned())),
                }
            }
            other => other.clone(),
        }
    }

    /// Adds what a name holds to `out`, by its patterns alone.
    pub fn scan_name(&self, name: &str, out: &mut Findings) {
        self.find_custom(name, out);
        let seen = self.probe.look(name);
        let (mut spans, mut known) = (Vec::new(), Vec::new());
        self.find_reference(name, seen, &mut spans, &mut known, out);
        self.find_additions(name, seen, &mut spans, &known, out);
    }

    /// Puts a short hash in place of whatever in a name looks random: what the reference does where only
    /// hashes are kept, so that records of one session can still be told to be of one.
    #[must_use]
    pub fn pseudonym<'t>(&self, name: Cow<'t, str>) -> Cow<'t, str> {
        let mut spans = Vec::new();
        if !is_plain_id(name.as_bytes()) {
            entropy::find(&name, true, &mut spans);
        }
        text::replace(&name, &spans, &mut [], |_, found, out| short_hash(found, out)).map_or(name, Cow::Owned)
    }
}

/// The least number of 13 digits: no card's has fewer.
const SHORTEST_CARD: u64 = 1_000_000_000_000;

fn short_hash(found: &str, out: &mut String) {
    let mut digits = Vec::with_capacity(64);
    hash::write_hex(&hash::sha256(found.as_bytes()), &mut digits);
    out.push_str("sha256:");
    out.extend(digits.iter().take(16).map(|digit| char::from(*digit)));
}

/// A UUID, or 16 to 64 hex digits.
fn is_plain_id(text: &[u8]) -> bool {
    (16..=64).contains(&text.len()) && (text.iter().all(u8::is_ascii_hexdigit) || words::uuid(text))
}
