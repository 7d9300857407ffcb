//! What a reader asks of the anchors: whose, and which part of them.

use super::anchor::Chain;
use super::server::Witness;
use bytes::Bytes;
use data_encoding::HEXLOWER_PERMISSIVE;
use halod_record::hash::parse_hex;
use http_body::{Body, Frame};
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::{JoinHandle, spawn_blocking};

/// Anchors of one page, at most.
pub(super) const MOST: usize = 10_000;

/// A query of `GET /v1/checkpoints`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub(super) chain: Chain,
    /// How many the reader has already.
    pub(super) after: usize,
    /// `None`: all there are, as the reference's clients want it.
    pub(super) limit: Option<usize>,
}

impl Query {
    /// Reads the part of an address behind its `?` (WHATWG URL, "application/x-www-form-urlencoded parsing").
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(query: &str) -> Result<Self, &'static str> {
        let (mut subject, mut root, mut after, mut limit) = (None, None, None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match decoded(name).as_deref() {
                Some("subject") => &mut subject,
                Some("chain_root") => &mut root,
                Some("after") => &mut after,
                Some("limit") => &mut limit,
                _ => continue,
            };
            let value = decoded(value).ok_or("a value is not UTF-8, or wrongly percent-encoded")?;
            if place.replace(value).is_some() {
                return Err("a parameter is given twice");
            }
        }
        let number =
            |text: Option<String>, what| text.map(|text| text.parse::<usize>().map_err(|_| what)).transpose();
        let limit = number(limit, "limit is no number")?;
        if limit.is_some_and(|limit| !(1..=MOST).contains(&limit)) {
            return Err("limit is not from 1 to 10000");
        }
        let chain = match (subject, root) {
            (Some(subject), None) => Chain::Subject(subject),
            (None, Some(root)) => {
                Chain::Root(parse_hex(root.as_bytes()).ok_or("chain_root is not 64 hexadecimal digits")?)
            }
            (Some(_), Some(_)) => {
                return Err("subject and chain_root are given; one of them says whose chain it is");
            }
            (None, None) => return Err("subject or chain_root required"),
        };
        Ok(Self { chain, after: number(after, "after is no number")?.unwrap_or(0), limit })
    }
}

/// The value of a parameter of a query, where it can be read.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(own, _)| decoded(own).as_deref() == Some(name)).and_then(|(_, value)| decoded(value))
}

/// Bytes of anchors that are read at once for an answer.
const PIECE: usize = 64 << 10;

/// The body of an answer that lists anchors: `{"checkpoints":[...],"count":N}`, read piece by piece, so that a long list takes
/// no more memory than a short one. Where a page ends before the list does, `next` says how many the reader has then.
pub(super) struct Listing {
    witness: Arc<Witness>,
    chain: Chain,
    range: Range<usize>,
    /// Of the whole list.
    all: usize,
    from: usize,
    state: State,
}

enum State {
    Begin,
    Between,
    Reading(JoinHandle<Result<Vec<String>, String>>),
    End,
}

impl Listing {
    /// Of a list that has `all` anchors now.
    pub(super) fn new(witness: Arc<Witness>, query: Query, all: usize) -> Self {
        let from = query.after.min(all);
        let to = query.limit.map_or(all, |limit| all.min(from.saturating_add(limit)));
        Self { witness, chain: query.chain, range: from..to, all, from, state: State::Begin }
    }

    /// What ends the list.
    fn end(&self) -> String {
        let next =
            if self.range.end < self.all { format!(",\"next\":{}", self.range.end) } else { String::new() };
        format!("],\"count\":{}{next}}}", self.range.end - self.from)
    }
}

impl Body for Listing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Begin => {
                    this.state = State::Between;
                    return Poll::Ready(Some(Ok(Frame::data("{\"checkpoints\":[".into()))));
                }
                State::Between if this.range.is_empty() => {
                    this.state = State::End;
                    return Poll::Ready(Some(Ok(Frame::data(this.end().into()))));
                }
                State::Between => {
                    let (witness, chain, range) =
                        (Arc::clone(&this.witness), this.chain.clone(), this.range.clone());
                    this.state =
                        State::Reading(spawn_blocking(move || witness.anchors().lines(&chain, range, PIECE)));
                }
                State::Reading(reading) => {
                    let read = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other);
                    let lines = match read.and_then(|read| read.map_err(io::Error::other)) {
                        Ok(lines) if !lines.is_empty() => lines,
                        // A list that breaks off is no JSON, so nobody takes it for the whole one.
                        Ok(_) => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    };
                    let comma = if this.range.start > this.from { "," } else { "" };
                    this.range.start += lines.len();
                    this.state = State::Between;
                    return Poll::Ready(Some(Ok(Frame::data(format!("{comma}{}", lines.join(",")).into()))));
                }
                State::End => return Poll::Ready(None),
            }
        }
    }
}

/// A name or a value: `+` is a blank, `%` begins two digits of a byte.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_first_chunk::<2>()?;
                rest = after;
                HEXLOWER_PERMISSIVE.decode(digits).ok()?.first().copied()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn queries() {
        let subject = |text: &str| Chain::Subject(text.into());
        let all = |chain| Ok(Query { chain, after: 0, limit: None });
        assert_eq!(Query::parse("subject=acme"), all(subject("acme")));
        assert_eq!(Query::parse("subject=a+b%20c%2B&x=%ff"), all(subject("a b c+")));
        assert_eq!(Query::parse("subject=%E5%AE%A2"), all(subject("客")));
        assert_eq!(Query::parse(&format!("chain_root={}", "ab".repeat(32))), all(Chain::Root([0xab; 32])));
        let paged = Query { chain: subject("a"), after: 7, limit: Some(5) };
        assert_eq!(Query::parse("limit=5&after=7&subject=a"), Ok(paged));
        for wrong in [
            "",
            "subject=a&chain_root=b",
            "chain_root=b",
            "subject=a&subject=b",
            "subject=%f",
            "subject=%zz",
            "subject=%ff",
            "subject=a&limit=0",
            "subject=a&limit=10001",
            "subject=a&after=-1",
        ] {
            assert!(Query::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_subject_can_be_asked_for(text in ".{0,40}") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(Query::parse(&format!("subject={encoded}")).unwrap().chain, Chain::Subject(text));
        }
    }
}
