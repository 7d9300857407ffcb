//! What a line says of one request, whoever wrote it.

use super::fields::Field;
use super::number;
use super::path::Target;
use super::text::said;
use super::time::{self, Time};
use halod_record::json::Json;
use std::borrow::Cow;

/// A request as it was logged. Nothing is masked yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Row<'a> {
    pub(super) method: Option<Cow<'a, str>>,
    /// The path, with or without the query, or the whole URL.
    pub(super) path: Option<Cow<'a, str>>,
    pub(super) query: Option<Cow<'a, str>>,
    pub(super) url: Option<Cow<'a, str>>,
    pub(super) status: Option<u16>,
    /// The status was logged as text: the reference hashes it as such.
    pub(super) status_is_text: bool,
    pub(super) tool: Option<Cow<'a, str>>,
    pub(super) model: Option<Cow<'a, str>>,
    pub(super) started: Option<Time>,
    pub(super) ended: Option<Time>,
    /// In nanoseconds.
    pub(super) duration: Option<u64>,
    pub(super) latency: Option<u64>,
    pub(super) bytes_in: Option<u64>,
    pub(super) bytes_out: Option<u64>,
    pub(super) principal: Option<Cow<'a, str>>,
    pub(super) session: Option<Cow<'a, str>>,
    pub(super) tenant: Option<Cow<'a, str>>,
    pub(super) request_id: Option<Cow<'a, str>>,
    pub(super) traceparent: Option<Cow<'a, str>>,
    pub(super) error: Option<Cow<'a, str>>,
    pub(super) error_type: Option<Cow<'a, str>>,
    pub(super) flags: Option<Cow<'a, str>>,
    pub(super) gateway: Option<Cow<'a, str>>,
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) total_tokens: Option<u64>,
    pub(super) cached: Option<bool>,
    /// Names that go into the record as they are.
    pub(super) facts: Vec<(&'static str, Cow<'a, str>)>,
    /// A number that is no HTTP status was logged as one.
    pub(super) bad_status: bool,
    /// Values of fields that matter were logged in a form that is not understood.
    pub(super) unread: Unread,
    /// A status was logged in words that are not understood.
    pub(super) unclear_status: bool,
    pub(super) loose_status: Option<u16>,
    /// The gateway could make nothing of what was sent: `<BADREQ>`, a TLS handshake on a plain port.
    pub(super) malformed: bool,
    /// A field says what was requested, even if that is nothing.
    pub(super) asked: bool,
    /// The connection ended before the answer did.
    pub(super) aborted: Option<&'static str>,
    /// It was refused by the gateway itself.
    pub(super) denied: bool,
    /// The log has only a part of the request.
    pub(super) cut: bool,
    /// Bytes that are no UTF-8 were replaced.
    pub(super) damaged: bool,
}

/// The values of a row that were logged and are not understood. Another field may say the same.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unread {
    time: bool,
    duration: bool,
    latency: bool,
}

/// A logged value.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Whole(i64),
    Float(f64),
    Flag(bool),
}

impl<'a> Value<'a> {
    /// Of a JSON value; a list's first, as headers are logged.
    pub(super) fn of(json: Json<'a>) -> Option<Self> {
        Some(match json {
            Json::Str(halod_record::json::Text::Utf8(text)) => Self::Text(text),
            Json::Str(text) => Self::Text(Cow::Owned(text.to_lossy().into_owned())),
            Json::Int(int) => Self::Whole(int),
            Json::BigInt(digits) => Self::Text(digits),
            Json::Float(float) => Self::Float(float),
            Json::Bool(flag) => Self::Flag(flag),
            Json::Array(items) => return items.into_iter().next().and_then(Self::of),
            Json::Null | Json::Object(_) => return None,
        })
    }

    fn text(self) -> Option<Cow<'a, str>> {
        Some(match self {
            Self::Text(text) => {
                said(&text)?;
                text
            }
            Self::Whole(int) => Cow::Owned(int.to_string()),
            Self::Float(float) => Cow::Owned(float.to_string()),
            Self::Flag(_) => return None,
        })
    }

    fn whole(&self) -> Option<u64> {
        match self {
            Self::Text(text) => number::whole(text),
            Self::Whole(int) => u64::try_from(*int).ok(),
            Self::Float(float) => number::float(*float, 1),
            Self::Flag(_) => None,
        }
    }

    fn nanos(&self, unit: u64) -> Option<u64> {
        match self {
            Self::Text(text) => number::lasted(text, unit),
            Self::Whole(int) => u64::try_from(*int).ok()?.checked_mul(unit),
            Self::Float(float) => number::float(*float, unit),
            Self::Flag(_) => None,
        }
    }

    /// Whether it is more than a program's ways to say that there is nothing.
    fn says(&self) -> bool {
        match self {
            Self::Text(text) => text.bytes().any(|byte| !b"-,: ".contains(&byte)),
            Self::Whole(whole) => *whole > 0,
            Self::Float(float) => *float > 0.0,
            Self::Flag(_) => false,
        }
    }

    fn time(&self) -> Option<Time> {
        match self {
            Self::Text(text) => time::any(text),
            Self::Whole(int) => time::epoch_whole(u64::try_from(*int).ok()?),
            Self::Float(float) => time::epoch_number(*float),
            Self::Flag(_) => None,
        }
    }
}

impl<'a> Row<'a> {
    /// Takes what a field says; of two that say the same thing the first, of two times the finer.
    pub(super) fn put(&mut self, field: Field, value: Value<'a>) {
        self.asked |= field.asks();
        match field {
            Field::Request => {
                if let Some(request) = value.text() {
                    self.request(request);
                }
            }
            Field::Status => self.status(&value),
            Field::LooseStatus => self.loose_status(&value),
            Field::Started | Field::Ended => {
                let time = value.time();
                self.unread.time |= time.is_none() && value.says();
                finer(if field == Field::Started { &mut self.started } else { &mut self.ended }, time);
            }
            Field::Duration(unit) => {
                let lasted = value.nanos(unit);
                self.unread.duration |= lasted.is_none() && value.says();
                first(&mut self.duration, || lasted);
            }
            Field::Latency(unit) => {
                let lasted = value.nanos(unit);
                self.unread.latency |= lasted.is_none() && value.says();
                first(&mut self.latency, || lasted);
            }
            Field::BytesIn => first(&mut self.bytes_in, || value.whole()),
            Field::BytesOut => first(&mut self.bytes_out, || value.whole()),
            Field::InputTokens => first(&mut self.input_tokens, || value.whole()),
            Field::OutputTokens => first(&mut self.output_tokens, || value.whole()),
            Field::TotalTokens => first(&mut self.total_tokens, || value.whole()),
            Field::Cached => {
                if let Value::Flag(cached) = value {
                    self.cached = Some(cached);
                }
            }
            // A flag that says that there was none is no error.
            Field::Error => match value {
                Value::Flag(true) => first(&mut self.error, || Some(Cow::Borrowed("true"))),
                value => first(&mut self.error, || value.text()),
            },
            field => self.name(field, value),
        }
    }

    fn name(&mut self, field: Field, value: Value<'a>) {
        let slot = match field {
            Field::Method => &mut self.method,
            Field::Path => &mut self.path,
            Field::Query => &mut self.query,
            Field::Url => &mut self.url,
            Field::Tool => &mut self.tool,
            Field::Model => &mut self.model,
            Field::Principal => &mut self.principal,
            Field::Session => &mut self.session,
            Field::Tenant => &mut self.tenant,
            Field::RequestId => &mut self.request_id,
            Field::Traceparent => &mut self.traceparent,
            Field::ErrorType => &mut self.error_type,
            Field::Flags => &mut self.flags,
            Field::Gateway => &mut self.gateway,
            field => {
                let Some(key) = fact_key(field) else { return };
                let value = if field == Field::Host { host(value) } else { value };
                if let Some(text) = value.text().filter(|_| self.facts.iter().all(|(known, _)| *known != key))
                {
                    self.facts.push((key, text));
                }
                return;
            }
        };
        first(slot, || value.text());
    }

    /// Three digits, or `0`, `-1` and `-` for a request that was never answered. A word is none.
    fn status(&mut self, value: &Value<'a>) {
        if self.status.is_some() {
            return;
        }
        let code = match value {
            Value::Text(text) => match text.as_ref() {
                "-1" | "-" => Some(0),
                // Of more digits than any number has too.
                text if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                    Some(number::whole(text).unwrap_or(u64::MAX))
                }
                text => answered(text),
            },
            Value::Whole(-1) => Some(0),
            Value::Whole(code) => Some(u64::try_from(*code).unwrap_or(u64::MAX)),
            Value::Float(code) => Some(number::float(*code, 1).unwrap_or(u64::MAX)),
            Value::Flag(_) => None,
        };
        match code.map(u16::try_from) {
            Some(Ok(code @ (0 | 100..=999))) => self.status = Some(code),
            Some(_) => self.bad_status = true,
            None => self.unclear_status = true,
        }
        self.status_is_text = matches!(value, Value::Text(_));
    }

    /// A status under a name that others use for other codes.
    fn loose_status(&mut self, value: &Value<'a>) {
        let told = match value {
            Value::Text(text) => number::whole(text),
            Value::Whole(code) => u64::try_from(*code).ok(),
            _ => None,
        };
        let code = told.and_then(|code| u16::try_from(code).ok()).filter(|code| (100..=599).contains(code));
        self.loose_status = self.loose_status.or(code);
    }

    /// A request's first line: method, target, protocol.
    pub(super) fn request(&mut self, line: Cow<'a, str>) {
        let parsed = match &line {
            Cow::Borrowed(line) => request_line(line).map(|(method, target)| (method.into(), target.into())),
            Cow::Owned(line) => request_line(line)
                .map(|(method, target)| (Cow::Owned(method.to_owned()), Cow::Owned(target.to_owned()))),
        };
        match parsed {
            Some((method, target)) => {
                first(&mut self.method, || Some(method));
                first(&mut self.path, || Some(target));
            }
            None => self.malformed = true,
        }
    }

    pub(super) fn target(&self) -> Target<'a> {
        match self.path.clone().or_else(|| self.url.clone()) {
            Some(target) => Target::of(target, self.query.as_deref()),
            None => Target::default(),
        }
    }

    /// The names of what is not understood, and said by nothing else.
    pub(super) fn unread(&self) -> Vec<&'static str> {
        let no_time = self.started.is_none() && self.ended.is_none();
        let no_status = self.status.is_none() && self.loose_status.is_none();
        let unread = [
            ("duration", self.unread.duration && self.duration.is_none()),
            ("status", self.unclear_status && no_status),
            ("time", self.unread.time && no_time),
            ("upstream_time", self.unread.latency && self.latency.is_none()),
        ];
        unread.into_iter().filter(|(_, unread)| *unread).map(|(name, _)| name).collect()
    }

    /// Whether it says anything that only a request has.
    pub(super) fn is_request(&self) -> bool {
        self.path.is_some()
            || self.url.is_some()
            || self.malformed
            || self.tool.is_some()
            || self.model.is_some()
            || self.status.is_some()
    }

    pub(super) fn into_owned(self) -> Row<'static> {
        let own = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
        Row {
            method: own(self.method),
            path: own(self.path),
            query: own(self.query),
            url: own(self.url),
            tool: own(self.tool),
            model: own(self.model),
            principal: own(self.principal),
            session: own(self.session),
            tenant: own(self.tenant),
            request_id: own(self.request_id),
            traceparent: own(self.traceparent),
            error: own(self.error),
            error_type: own(self.error_type),
            flags: own(self.flags),
            gateway: own(self.gateway),
            facts: self.facts.into_iter().map(|(key, text)| (key, Cow::Owned(text.into_owned()))).collect(),
            status: self.status,
            status_is_text: self.status_is_text,
            started: self.started,
            ended: self.ended,
            duration: self.duration,
            latency: self.latency,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            total_tokens: self.total_tokens,
            cached: self.cached,
            bad_status: self.bad_status,
            unclear_status: self.unclear_status,
            unread: self.unread,
            loose_status: self.loose_status,
            malformed: self.malformed,
            asked: self.asked,
            aborted: self.aborted,
            denied: self.denied,
            cut: self.cut,
            damaged: self.damaged,
        }
    }
}

/// The code in what is more than one: that of the last of several upstreams (`502, 200`), or with the reason
/// behind it (`502 Bad Gateway`).
fn answered(text: &str) -> Option<u64> {
    let last = text.rsplit([',', ':']).map(str::trim).find(|part| !matches!(*part, "" | "-"))?;
    let code = last.split(' ').next().unwrap_or(last);
    if code.len() == 3 { number::whole(code) } else { None }
}

/// What a field that only goes into `data` is called there.
fn fact_key(field: Field) -> Option<&'static str> {
    Some(match field {
        Field::Host => "host",
        Field::Provider => "provider",
        Field::Client => "client",
        Field::ForwardedFor => "forwarded_for",
        Field::XRequestId => "x_request_id",
        Field::CallId => "call_id",
        Field::TraceId => "trace_id",
        Field::SpanId => "span_id",
        Field::Upstream => "upstream",
        Field::UpstreamStatus => "upstream_status",
        Field::UserAgent => "user_agent",
        _ => return None,
    })
}

/// Without a user's name and password before it, which some gateways take and log.
fn host(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Text(text) => Value::Text(match text.rfind('@') {
            Some(at) => match text {
                Cow::Borrowed(text) => Cow::Borrowed(&text[at + 1..]),
                Cow::Owned(text) => Cow::Owned(text[at + 1..].to_owned()),
            },
            None => text,
        }),
        value => value,
    }
}

fn first<T>(slot: &mut Option<T>, value: impl FnOnce() -> Option<T>) {
    if slot.is_none() {
        *slot = value();
    }
}

fn finer(slot: &mut Option<Time>, time: Option<Time>) {
    if let Some(time) = time
        && slot.is_none_or(|known| time.fine && !known.fine)
    {
        *slot = Some(time);
    }
}

/// Method and target, unless this is no request at all.
fn request_line(line: &str) -> Option<(&str, &str)> {
    let (method, rest) = line.split_once(' ')?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if method.is_empty() || method.len() > 40 || !method.bytes().all(token) {
        return None;
    }
    // HTTP/0.9 has no protocol, and a target may have blanks.
    let target = match rest.rsplit_once(' ') {
        Some((target, protocol)) if protocol.starts_with("HTTP/") => target,
        _ => rest,
    };
    let target = target.trim();
    (!target.is_empty()).then_some((method, target))
}
