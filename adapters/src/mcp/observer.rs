//! One session, message by message.

use super::answer::{Answer, End};
use super::call::{Call, Cancelled, Id, Kept, Method, Task, id_in, id_of};
use super::pending::{Budget, Pending};
use super::tell::Context;
use super::{Large, Message, Outline, Seen};
use crate::fields::text;
use halod_record::event::Event;
use halod_record::hash::sha256;
use halod_record::json::{Json, Listing, Most, parse, split};

/// Messages of one batch, and values in all of them.
const BATCH: Most = Most { items: 10_000, values: 2_000_000 };

/// How long the answer of a cancelled call is waited for, in nanoseconds: it may be under way.
const GRACE: u64 = 5_000_000_000;

/// What is known of a session before its first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// As records name it.
    pub id: String,
    /// What tells this observation from every other one: records are numbered within it.
    pub run: String,
    /// `stdio`, `http` or `sse`.
    pub transport: &'static str,
    /// The server's name in place of the one that it gives itself.
    pub server: Option<String>,
    /// Whether messages answer each other only within one scope: several clients count their ids from the same number.
    pub scoped: bool,
}

/// A client or a server, by its own words.
#[derive(Clone, Debug, Default)]
pub(super) struct Party {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
}

/// What becomes of an event.
type Tell<'t> = dyn FnMut(&Event<'_>) + 't;

/// Watches one session.
#[derive(Debug)]
pub struct Observer {
    session: Session,
    client: Party,
    server: Party,
    protocol: Option<String>,
    pending: Pending,
    seq: u64,
    /// Messages that are none, by what is read of them.
    unread: u64,
    /// Bytes that passed and were not looked at.
    missed: u64,
    unanswered: u64,
}

impl Observer {
    #[must_use]
    pub fn new(session: Session, budget: Budget) -> Self {
        let pending = Pending::new(budget, session.scoped);
        Self {
            session,
            client: Party::default(),
            server: Party::default(),
            protocol: None,
            pending,
            seq: 0,
            unread: 0,
            missed: 0,
            unanswered: 0,
        }
    }

    /// Takes note of a message, or of several in one.
    pub fn see(&mut self, seen: Seen<'_>, tell: &mut Tell<'_>) {
        match seen.message {
            Message::Large(large) => self.large(&seen, large, tell),
            Message::Whole(bytes) => {
                let text = std::str::from_utf8(bytes).unwrap_or_default().trim_ascii();
                if !text.starts_with('[') {
                    return self.one(&seen, bytes.trim_ascii(), tell);
                }
                match split(text, &BATCH) {
                    Ok((Listing::Array, items)) => {
                        items.iter().for_each(|item| self.one(&seen, item.as_bytes(), tell));
                    }
                    _ => self.unread += 1,
                }
            }
        }
    }

    /// Takes note of bytes that passed without being looked at: answers may be among them.
    pub fn miss(&mut self, bytes: u64) {
        self.missed = self.missed.saturating_add(bytes);
    }

    /// Takes note of a message that is none.
    pub fn fail_to_read(&mut self) {
        self.unread += 1;
    }

    /// Takes note of the time.
    pub fn tick(&mut self, at: u64, tell: &mut Tell<'_>) {
        let over = |call: &Call| {
            call.cancelled.as_ref().is_some_and(|cancelled| cancelled.at.saturating_add(GRACE) <= at)
        };
        while let Some(call) = self.pending.take_first(over) {
            self.give_up(&call, End::Cancelled, at, tell);
        }
    }

    /// Takes note that no answer of this scope will come.
    pub fn close(&mut self, scope: u64, at: u64, tell: &mut Tell<'_>) {
        while let Some(call) = self.pending.take_first(|call| call.scope == scope && call.task.is_none()) {
            self.give_up(&call, End::Stream, at, tell);
        }
    }

    /// Takes note that an exchange was refused as a whole, with a status of HTTP's.
    pub fn refuse(&mut self, scope: u64, status: u16, at: u64, tell: &mut Tell<'_>) {
        while let Some(call) = self.pending.take_first(|call| call.scope == scope && call.task.is_none()) {
            self.tell(&call, &Answer::Refused(status), at, tell);
        }
    }

    /// Takes note that what was asked for in an exchange was not taken, and is asked for elsewhere.
    pub fn forget(&mut self, scope: u64) {
        while self.pending.take_first(|call| call.scope == scope && call.task.is_none()).is_some() {}
    }

    /// Takes note that the session is over, or is not watched any more.
    pub fn end(&mut self, at: u64, tell: &mut Tell<'_>) {
        while let Some(call) = self.pending.take_first(|_| true) {
            self.give_up(&call, End::Session, at, tell);
        }
        // Of a message or two that come when a session is over there is nothing to tell.
        if self.seq > 0 || self.unread > 0 || self.missed > 0 {
            let counts = [
                ("unanswered", self.unanswered),
                ("unread_messages", self.unread),
                ("missed_bytes", self.missed),
            ];
            self.seq += 1;
            self.context().end(&counts, at, tell);
        }
    }

    fn one(&mut self, seen: &Seen<'_>, bytes: &[u8], tell: &mut Tell<'_>) {
        if bytes.is_empty() {
            return;
        }
        let text = std::str::from_utf8(bytes).ok();
        match text.and_then(|text| Some((text, parse(text).ok()?))) {
            Some((text, message)) => self.message(seen, text, &message, tell),
            // A peer may read what this parser does not: too deep a nesting, or bytes that are no UTF-8.
            None => {
                let mut outline = Outline::default();
                outline.push(bytes);
                let large = Large { outline, bytes: bytes.len() as u64, sha256: sha256(bytes) };
                self.large(seen, &large, tell);
            }
        }
    }

    fn message(&mut self, seen: &Seen<'_>, raw: &str, message: &Json<'_>, tell: &mut Tell<'_>) {
        let method = text(message, "method");
        let id = id_of(message.get("id"));
        match (method.as_deref(), id) {
            (Some(method), Some(id)) => {
                let token = message
                    .get("params")
                    .and_then(|params| params.get("_meta"))
                    .and_then(|meta| id_of(meta.get("progressToken")));
                self.request(seen, method, id, token, Kept::Whole(raw.to_owned()), tell);
            }
            (Some(method), None) => self.notification(seen, method, message.get("params"), tell),
            (None, Some(id)) => match (message.get("result"), message.get("error")) {
                (_, Some(error)) if *error != Json::Null => {
                    self.answer(seen, &id, &Answer::Error(error), tell);
                }
                (Some(result), _) => self.answer(seen, &id, &Answer::Result(result), tell),
                _ => self.unread += 1,
            },
            (None, None) => self.unread += 1,
        }
    }

    fn large(&mut self, seen: &Seen<'_>, large: &Large, tell: &mut Tell<'_>) {
        let outline = &large.outline;
        match (outline.method.as_deref(), id_in(outline)) {
            (Some(method), Some(id)) => {
                self.request(seen, method, id, None, Kept::Large(Box::new(large.clone())), tell);
            }
            (None, Some(id)) if outline.has_result || outline.has_error => {
                self.answer(seen, &id, &Answer::Large(large), tell);
            }
            (Some(_), None) => {}
            _ => self.unread += 1,
        }
    }

    fn request(
        &mut self,
        seen: &Seen<'_>,
        method: &str,
        id: Id,
        progress_token: Option<Id>,
        request: Kept,
        tell: &mut Tell<'_>,
    ) {
        let Some(method) = Method::of(method).filter(|method| seen.from.asks(*method)) else { return };
        let call = Call {
            method,
            by: seen.from,
            id,
            scope: seen.scope,
            request,
            at: seen.at,
            progress: 0,
            progress_token,
            cancelled: None,
            task: None,
            id_reused: false,
        };
        if let Some(call) = self.pending.add(call) {
            self.give_up(&call, End::PushedOut, seen.at, tell);
        }
    }

    fn notification(
        &mut self,
        seen: &Seen<'_>,
        method: &str,
        params: Option<&Json<'_>>,
        tell: &mut Tell<'_>,
    ) {
        let Some(params) = params else { return };
        let (by, scope) = (seen.from, seen.scope);
        match method {
            "notifications/cancelled" => {
                let Some(id) = id_of(params.get("requestId")) else { return };
                // It comes on a request of its own.
                let is = |call: &Call| call.by == by && call.id == id && call.cancelled.is_none();
                if let Some(call) = self.pending.find_mut(is) {
                    let reason = text(params, "reason").map(|reason| reason.chars().take(500).collect());
                    call.cancelled = Some(Cancelled { at: seen.at, reason });
                }
            }
            "notifications/progress" => {
                let token = id_of(params.get("progressToken"));
                let is = |call: &Call| call.by == by.other() && call.progress_token == token;
                let scoped = self.session.scoped;
                let here = |call: &Call| !scoped || call.scope == scope;
                if token.is_some()
                    && let Some(call) = self.pending.find_mut(|call| here(call) && is(call))
                {
                    call.progress += 1;
                }
            }
            "notifications/tasks/status" => {
                let (Some(task), status) = (text(params, "taskId"), text(params, "status")) else { return };
                let is_over = status.as_deref() == Some("cancelled");
                let of =
                    |call: &Call| call.by == by.other() && call.task.as_ref().is_some_and(|of| of.id == task);
                if let Some(of) = self.pending.find_mut(of).and_then(|call| call.task.as_mut()) {
                    of.status = status.map(|status| status.chars().take(64).collect());
                }
                if is_over && let Some(call) = self.pending.of_task(by.other(), &task) {
                    self.give_up(&call, End::Cancelled, seen.at, tell);
                }
            }
            _ => {}
        }
    }

    fn answer(&mut self, seen: &Seen<'_>, id: &Id, answer: &Answer<'_>, tell: &mut Tell<'_>) {
        let asked_by = seen.from.other();
        let Some(mut call) = self.pending.answered(asked_by, seen.scope, id) else { return };
        match call.method {
            Method::Initialize => {
                self.introduce(&call, answer);
                self.seq += 1;
                self.context().start(&call, answer, seen.at, tell);
            }
            Method::TaskResult => {
                let Kept::Whole(request) = &call.request else { return };
                let request = parse(request).ok();
                let task = request.as_ref().and_then(|request| text(request.get("params")?, "taskId"));
                if let Some(call) = task.and_then(|task| self.pending.of_task(asked_by, &task)) {
                    self.tell(&call, answer, seen.at, tell);
                }
            }
            _ => match task_of(answer) {
                Some(task) if call.task.is_none() => {
                    call.task = Some(task);
                    self.pending.put_back(call);
                }
                _ => self.tell(&call, answer, seen.at, tell),
            },
        }
    }

    /// Takes note of who talks to whom.
    fn introduce(&mut self, call: &Call, answer: &Answer<'_>) {
        let owned = |info: &Json<'_>, key| text(info, key).map(|text| text.chars().take(256).collect());
        let party = |info: &Json<'_>| Party { name: owned(info, "name"), version: owned(info, "version") };
        if let Kept::Whole(request) = &call.request
            && let Ok(request) = parse(request)
            && let Some(info) = request.get("params").and_then(|params| params.get("clientInfo"))
        {
            self.client = party(info);
        }
        if let Answer::Result(result) = answer {
            self.server = result.get("serverInfo").map(party).unwrap_or_default();
            self.protocol = owned(result, "protocolVersion");
        }
    }

    fn give_up(&mut self, call: &Call, end: End, at: u64, tell: &mut Tell<'_>) {
        if call.method.is_a_step() {
            return;
        }
        self.unanswered += 1;
        self.tell(call, &Answer::None(end), at, tell);
    }

    fn tell(&mut self, call: &Call, answer: &Answer<'_>, at: u64, tell: &mut Tell<'_>) {
        if call.method.is_a_step() {
            return;
        }
        self.seq += 1;
        self.context().call(call, answer, at, tell);
    }

    fn context(&self) -> Context<'_> {
        Context {
            session: &self.session,
            client: &self.client,
            server: &self.server,
            protocol: self.protocol.as_deref(),
            seq: self.seq,
        }
    }
}

/// The task that an answer promises in place of a result.
fn task_of(answer: &Answer<'_>) -> Option<Task> {
    let Answer::Result(result) = answer else { return None };
    let task = result.get("task")?;
    let id: String = text(task, "taskId")?.chars().take(256).collect();
    Some(Task { id, status: text(task, "status").map(|status| status.chars().take(64).collect()) })
}
