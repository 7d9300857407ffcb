//! Which session an exchange is of, and what its bodies say.

use crate::capture::mcp::Observed;
use crate::capture::mcp::gather::{Events, Gather, Gathered};
use crate::capture::mcp::recorder::{Tell, Watch};
use bytes::Bytes;
use halo_adapters::mcp::{Budget, Message, Observer, Seen, Side};
use std::collections::HashMap;

/// Sessions that are watched at once; who was silent longest makes place for others.
const MOST_SESSIONS: usize = 1024;
/// Exchanges that are watched at once.
const MOST_EXCHANGES: usize = 4096;
/// How long a session may be silent before its end is told, in nanoseconds.
const SILENCE: u64 = 3_600_000_000_000;

/// Something that has passed, or is known of what passes. Requests and answers are told by the number of their exchange.
#[derive(Debug)]
pub enum Passed {
    /// A request came.
    Begin {
        exchange: u64,
        session: Option<String>,
        posts: bool,
        encoded: bool,
    },
    /// The head of its answer came, or nothing will.
    Head {
        exchange: u64,
        at: u64,
        status: u16,
        session: Option<String>,
        kind: Kind,
        deletes: bool,
    },
    Bytes {
        exchange: u64,
        from: Side,
        at: u64,
        bytes: Bytes,
        missed: u64,
    },
    /// A body came to its end.
    End {
        exchange: u64,
        from: Side,
        at: u64,
        whole: bool,
    },
}

impl Passed {
    /// Nothing came back: what the client is told in its place.
    pub(super) fn failed(exchange: u64, status: u16, at: u64) -> Self {
        Self::Head { exchange, at, status, session: None, kind: Kind::None, deletes: false }
    }
}

/// What an answer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Json,
    Events,
    /// What is not looked at.
    Other,
    /// There is none.
    None,
}

#[derive(Debug)]
struct Exchange {
    session: Option<String>,
    posts: bool,
    encoded: bool,
    request: Gather,
    /// What a client without a session said, until the answer tells which one it got.
    said: Option<(u64, Gathered)>,
    status: Option<u16>,
    answer: Reader,
    deletes: bool,
    asked: bool,
}

#[derive(Debug)]
enum Reader {
    Json(Gather),
    Events(Box<Events>),
    Nothing,
}

#[derive(Debug)]
struct Known {
    observer: Observer,
    last: u64,
}

/// Watches the exchanges with one server.
#[derive(Debug)]
pub struct Watched {
    observed: Observed,
    budget: Budget,
    sessions: HashMap<String, Known>,
    /// Of exchanges without a session.
    single: Observer,
    exchanges: HashMap<u64, Exchange>,
    begun: u64,
}

impl Watched {
    #[must_use]
    pub fn new(observed: Observed) -> Self {
        let budget = Budget::default();
        let single = Observer::new(observed.session("http", 0, None), budget.clone());
        Self { observed, budget, sessions: HashMap::new(), single, exchanges: HashMap::new(), begun: 0 }
    }

    /// The observer of a session, which begins where it is not known.
    fn observer(&mut self, session: Option<&str>, at: u64, tell: &mut Tell<'_>) -> &mut Observer {
        let Some(name) = session else { return &mut self.single };
        if !self.sessions.contains_key(name) && self.sessions.len() >= MOST_SESSIONS {
            let silent = self.sessions.iter().min_by_key(|(_, known)| known.last);
            if let Some(silent) = silent.map(|(name, _)| name.clone()) {
                self.end_session(&silent, at, tell);
            }
        }
        let Self { observed, budget, sessions, begun, .. } = self;
        let known = sessions.entry(name.to_owned()).or_insert_with(|| {
            *begun += 1;
            let session = observed.session("http", *begun, Some(name.to_owned()));
            Known { observer: Observer::new(session, budget.clone()), last: at }
        });
        known.last = known.last.max(at);
        &mut known.observer
    }

    fn end_session(&mut self, name: &str, at: u64, tell: &mut Tell<'_>) {
        if let Some(mut known) = self.sessions.remove(name) {
            known.observer.end(at, tell);
        }
    }

    fn begin(&mut self, exchange: u64, session: Option<String>, posts: bool, encoded: bool) {
        // Those that are too many pass unseen.
        if self.exchanges.len() < MOST_EXCHANGES {
            let exchange_of = Exchange {
                session,
                posts,
                encoded,
                request: Gather::default(),
                said: None,
                status: None,
                answer: Reader::Nothing,
                deletes: false,
                asked: false,
            };
            self.exchanges.insert(exchange, exchange_of);
        }
    }

    /// What the client said is told to the session that is known by now.
    fn hear(&mut self, exchange: u64, at: u64, tell: &mut Tell<'_>) {
        let Some(of) = self.exchanges.get_mut(&exchange) else { return };
        let Some((said_at, said)) = of.said.take() else { return };
        let session = of.session.clone();
        let seen = Seen { from: Side::Client, scope: exchange, at: said_at, message: said.message() };
        self.observer(session.as_deref(), at, tell).see(seen, tell);
    }

    fn bytes(&mut self, exchange: u64, from: Side, at: u64, bytes: &[u8], tell: &mut Tell<'_>) {
        let Some(of) = self.exchanges.get_mut(&exchange) else { return };
        let (messages, session) = match (from, &mut of.answer) {
            (Side::Client, _) => {
                if of.posts && !of.encoded {
                    of.request.push(bytes);
                }
                return;
            }
            (Side::Server, Reader::Json(gather)) => return gather.push(bytes),
            (Side::Server, Reader::Nothing) => return,
            (Side::Server, Reader::Events(events)) => {
                let mut messages = events.push(bytes);
                // The older transport says where messages go to, and with that which session it is.
                if let Some(at) = messages.iter().position(|(_, is_endpoint)| *is_endpoint) {
                    let (address, _) = messages.remove(at);
                    if let (None, Message::Whole(address)) = (&of.session, address.message()) {
                        let query = std::str::from_utf8(address).ok().and_then(|text| text.split_once('?'));
                        of.session = query.and_then(|(_, query)| session_in_query(query));
                    }
                }
                (messages, of.session.clone())
            }
        };
        for (message, _) in messages {
            let seen = Seen { from, scope: exchange, at, message: message.message() };
            self.observer(session.as_deref(), at, tell).see(seen, tell);
        }
    }

    fn head(&mut self, exchange: u64, at: u64, head: (u16, Option<String>, Kind, bool), tell: &mut Tell<'_>) {
        let (status, session, kind, deletes) = head;
        let Some(of) = self.exchanges.get_mut(&exchange) else { return };
        of.status = Some(status);
        of.deletes = deletes;
        if of.session.is_none() {
            of.session = session;
        }
        of.answer = match kind {
            Kind::Json => Reader::Json(Gather::default()),
            Kind::Events => Reader::Events(Box::default()),
            Kind::Other | Kind::None => Reader::Nothing,
        };
        self.hear(exchange, at, tell);
        if kind == Kind::None {
            self.over(exchange, at, tell);
        }
    }

    fn ended(&mut self, exchange: u64, from: Side, at: u64, whole: bool, tell: &mut Tell<'_>) {
        let Some(of) = self.exchanges.get_mut(&exchange) else { return };
        if from == Side::Client {
            of.asked = true;
            // A body that was cut off says nothing.
            of.said = of.request.take().filter(|_| whole).map(|said| (at, said));
            // Who has a session is heard at once, everybody when the answer begins.
            if of.session.is_some() || of.status.is_some() {
                self.hear(exchange, at, tell);
            }
            return;
        }
        if let Reader::Json(gather) = &mut of.answer
            && let Some(answer) = gather.take().filter(|_| whole)
        {
            let session = of.session.clone();
            let seen = Seen { from, scope: exchange, at, message: answer.message() };
            self.observer(session.as_deref(), at, tell).see(seen, tell);
        }
        self.over(exchange, at, tell);
    }

    /// Nothing more comes of an exchange.
    fn over(&mut self, exchange: u64, at: u64, tell: &mut Tell<'_>) {
        self.hear(exchange, at, tell);
        let Some(of) = self.exchanges.remove(&exchange) else { return };
        let status = of.status.unwrap_or(0);
        let session = of.session.as_deref();
        match status {
            300..400 => self.observer(session, at, tell).forget(exchange),
            400.. if of.posts => self.observer(session, at, tell).refuse(exchange, status, at, tell),
            _ if session.is_none() => self.single.close(exchange, at, tell),
            _ => {}
        }
        let gone = of.deletes && (200..300).contains(&status);
        if let Some(name) = session.filter(|_| gone) {
            self.end_session(name, at, tell);
        }
    }
}

impl Watch for Watched {
    type Item = Passed;

    fn take(&mut self, passed: Passed, tell: &mut Tell<'_>) {
        match passed {
            Passed::Begin { exchange, session, posts, encoded } => {
                self.begin(exchange, session, posts, encoded);
            }
            Passed::Head { exchange, at, status, session, kind, deletes } => {
                self.head(exchange, at, (status, session, kind, deletes), tell);
            }
            Passed::Bytes { exchange, from, at, bytes, missed } => {
                if missed > 0 {
                    self.miss(exchange, from, missed, at, tell);
                }
                self.bytes(exchange, from, at, &bytes, tell);
            }
            Passed::End { exchange, from, at, whole } => self.ended(exchange, from, at, whole, tell),
        }
    }

    fn tick(&mut self, at: u64, tell: &mut Tell<'_>) {
        self.single.tick(at, tell);
        self.sessions.values_mut().for_each(|known| known.observer.tick(at, tell));
        let busy: Vec<&String> = self.exchanges.values().filter_map(|of| of.session.as_ref()).collect();
        let is_over = |(name, known): (&String, &Known)| {
            let silent = known.last.saturating_add(SILENCE) <= at && !busy.contains(&name);
            silent.then(|| name.clone())
        };
        let over: Vec<String> = self.sessions.iter().filter_map(is_over).collect();
        over.iter().for_each(|name| self.end_session(name, at, tell));
    }

    fn end(&mut self, at: u64, tell: &mut Tell<'_>) {
        self.single.end(at, tell);
        let names: Vec<String> = self.sessions.keys().cloned().collect();
        names.iter().for_each(|name| self.end_session(name, at, tell));
    }
}

impl Watched {
    /// Some bytes of a body passed without being told: what it says is not known any more.
    fn miss(&mut self, exchange: u64, from: Side, bytes: u64, at: u64, tell: &mut Tell<'_>) {
        let Some(of) = self.exchanges.get_mut(&exchange) else { return };
        match (from, &mut of.answer) {
            (Side::Client, _) => of.encoded = true,
            (Side::Server, Reader::Events(events)) => **events = Events::default(),
            (Side::Server, answer) => *answer = Reader::Nothing,
        }
        let session = of.session.clone();
        self.observer(session.as_deref(), at, tell).miss(bytes);
    }
}

/// The session that an address of the older transport names.
#[must_use]
pub fn session_in_query(query: &str) -> Option<String> {
    let named = query.split('&').filter_map(|part| part.split_once('='));
    let mut named = named.filter(|(name, _)| matches!(*name, "session_id" | "sessionId"));
    let (_, name) = named.next()?;
    (!name.is_empty() && name.len() <= 256).then(|| name.to_owned())
}
