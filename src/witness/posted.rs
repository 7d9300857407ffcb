//! What a witness makes of an anchor: which subjects it takes, and what its answers mean.

use super::anchor::{Anchor, check_subject};
use super::client::Received;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Characters of a subject that the reference's witness takes.
const LONGEST: usize = 200;

/// Characters of a witness' error that are shown.
const SHOWN: usize = 200;

/// How long the reference's witness counts anchors; it does not say so itself.
const MINUTE: Duration = Duration::from_secs(60);

/// Which witnesses take a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The reference's `halo witness-serve` (0.2.46, as it answered), and `halod witness`.
    Everywhere,
    /// `halod witness` alone.
    ByHalod,
    Nowhere,
}

/// Which witnesses take chains of a subject; without one, a chain's first record is its name.
#[must_use]
pub fn taken(subject: Option<&str>) -> Taken {
    let Some(subject) = subject else { return Taken::Everywhere };
    let is_plain = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    if subject.len() <= LONGEST && subject.split(' ').all(is_plain) {
        Taken::Everywhere
    } else if check_subject(subject).is_ok() {
        Taken::ByHalod
    } else {
        Taken::Nowhere
    }
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// The witness has the anchor.
    Kept,
    /// The witness does not take this anchor, and may take others.
    Refused { status: u16, why: String },
    /// Nothing can be sent now, and when to try again, if the answer tells.
    Failed { why: String, wait: Option<Duration> },
}

#[derive(Deserialize)]
struct Receipt {
    receipt: Value,
}

/// What the answer to an anchor means.
#[must_use]
pub fn posted(received: &Received, anchor: &Anchor) -> Posted {
    let Received { status, retry_after, body, .. } = received;
    let wait = *retry_after;
    match *status {
        200 | 201 => {
            let receipt = serde_json::from_slice(body).ok().map(|Receipt { receipt }| receipt.to_string());
            if receipt.is_some_and(|text| Anchor::parse(text.as_bytes()).as_ref() == Ok(anchor)) {
                return Posted::Kept;
            }
            Posted::Failed { why: "the witness answers with no receipt of what it was sent".into(), wait }
        }
        400 | 403 | 409 | 413 => Posted::Refused { status: *status, why: refusal(*status, body) },
        429 => Posted::Failed { why: refusal(429, body), wait: Some(wait.unwrap_or(MINUTE)) },
        401 => Posted::Failed {
            why: format!("the witness does not know the key ({})", refusal(401, body)),
            wait,
        },
        status => Posted::Failed { why: refusal(status, body), wait },
    }
}

/// What a witness says that it refuses for, on one line.
#[must_use]
pub fn refusal(status: u16, body: &[u8]) -> String {
    let said = serde_json::from_slice(body).ok();
    let said = said.and_then(|said: Value| Some(said.get("error")?.as_str()?.to_owned()));
    match said {
        Some(text) => {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
            format!("the witness answers {status}: {shown}")
        }
        None => format!("the witness answers {status}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_those_that_the_reference_takes() {
        let long = "x".repeat(LONGEST);
        for fits in ["a", "a b", "a.b", ".a", "-a", "_", "..", "a . b", ". .", "A9", "local", &long] {
            assert_eq!(taken(Some(fits)), Taken::Everywhere, "{fits}");
        }
        let longer = "x".repeat(LONGEST + 1);
        for other in
            ["a  b", " a", "a ", " ", "a:b", "a/b", "a@b", "a,b", "a'b", "é", "a\u{a0}b", "a+b", &longer]
        {
            assert_eq!(taken(Some(other)), Taken::ByHalod, "{other}");
        }
        for none in ["", "a\tb", "a\n", &"x".repeat(513)] {
            assert_eq!(taken(Some(none)), Taken::Nowhere, "{none}");
        }
        assert_eq!(taken(None), Taken::Everywhere);
    }

    #[test]
    fn an_answer_is_believed_with_its_receipt_alone() {
        let anchor = Anchor::of_chain(Some("acme"), 3, [1; 32], [2; 32]);
        let receipt = |count: u64| {
            let anchor = Anchor::of_chain(Some("acme"), count, [1; 32], [2; 32]);
            format!(r#"{{"ok":true,"receipt":{}}}"#, anchor.unsigned_line("2026-11-30T09:00:00Z", None))
        };
        let of = |status, body: &str| {
            let received =
                Received { status, content_type: None, retry_after: None, body: body.as_bytes().to_vec() };
            posted(&received, &anchor)
        };
        assert_eq!(of(201, &receipt(3)), Posted::Kept);
        for body in [&receipt(4)[..], "{}", "", "[]", r#"{"ok":true}"#, r#"{"receipt":{"count":3}}"#] {
            assert!(matches!(of(201, body), Posted::Failed { .. }), "{body}");
        }
        let why = "the witness answers 400: invalid subject".to_owned();
        assert_eq!(of(400, "{\"error\":\"invalid\\n subject\"}"), Posted::Refused { status: 400, why });
        assert!(matches!(of(429, ""), Posted::Failed { wait: Some(MINUTE), .. }));
        for status in [301, 401, 404, 500, 503] {
            assert!(matches!(of(status, &receipt(3)), Posted::Failed { wait: None, .. }), "{status}");
        }
    }
}
