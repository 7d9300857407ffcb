//! What a rule asks of one field.

use halod_record::field::{Field, Kind, field};
use halod_record::json::{Json, Text};
use halod_record::redact::invisible;
use std::borrow::Cow;

const TYPES: [(&str, &[&str]); 2] = [
    (
        "findings[].type",
        &[
            "api_key",
            "aws_secret_key",
            "bearer_token",
            "bot_token",
            "credential_field",
            "credit_card",
            "db_conn",
            "email",
            "gcp_api_key",
            "github_token",
            "high_entropy_path_value",
            "high_entropy_secret",
            "iban",
            "ip_internal",
            "jwt",
            "password",
            "phone",
            "private_key",
            "ssn",
            "stripe_key",
            "webhook_url",
        ],
    ),
    (
        "threats[].type",
        &["policy_violation", "prompt_injection_direct", "prompt_injection_indirect", "tool_misuse"],
    ),
];

/// Numbers beyond this are not told apart by every reader.
const SAFE: f64 = 9_007_199_254_740_991.0;

/// A field and what it must be.
#[derive(Debug)]
pub(super) struct Matcher {
    pub(super) path: String,
    field: Field,
    asks: Vec<Ask>,
}

#[derive(Debug)]
enum Ask {
    Exists(bool),
    Eq(Json<'static>),
    Ne(Json<'static>),
    In(Vec<Json<'static>>),
    Nin(Vec<Json<'static>>),
    Contains(Json<'static>),
    Bound { above: bool, strict: bool, limit: f64 },
}

impl Matcher {
    /// Reads one `field: matcher`.
    pub(super) fn parse(path: &str, given: &Json<'_>) -> Result<Self, String> {
        let mut found = field(path).map_err(|error| error.to_string())?;
        if let Some((_, values)) = TYPES.iter().find(|(name, _)| *name == path) {
            found.kind = Kind::OneOf(values);
        }
        let mut own = Self { path: path.to_owned(), field: found, asks: Vec::new() };
        match given {
            Json::Object(entries) if entries.is_empty() => {
                return Err(format!("{path:?} has an empty matcher"));
            }
            Json::Object(entries) => {
                for (key, value) in entries {
                    own.asks.push(own.ask(&key.to_lossy(), value)?);
                }
            }
            value => own.asks.push(own.ask("eq", value)?),
        }
        own.contradiction().map_or(Ok(()), |why| Err(format!("{path:?} can never match: {why}")))?;
        Ok(own)
    }

    fn ask(&self, name: &str, value: &Json<'_>) -> Result<Ask, String> {
        let (path, kind) = (&self.path, self.field.kind);
        let structure = matches!(kind, Kind::Object | Kind::List { .. });
        match name {
            "exists" => match value {
                Json::Bool(exists) => Ok(Ask::Exists(*exists)),
                _ => Err(format!("\"exists\" of {path:?} is neither true nor false")),
            },
            "eq" | "ne" | "in" | "nin" | "gt" | "gte" | "lt" | "lte" if structure => Err(format!(
                "{path:?} is a structure, to which {name:?} does not apply; \"exists\" does, and \"contains\" to a list"
            )),
            "contains" => match kind {
                Kind::List { of_texts: true } => self.value(value, Kind::Text).map(Ask::Contains),
                Kind::List { of_texts: false } => self.value(value, Kind::Free).map(Ask::Contains),
                _ => Err(format!("\"contains\" applies to lists, and {path:?} is none")),
            },
            "eq" => self.value(value, kind).map(Ask::Eq),
            "ne" => self.value(value, kind).map(Ask::Ne),
            "in" | "nin" => {
                let Json::Array(items) = value else {
                    return Err(format!("{name:?} of {path:?} is no list"));
                };
                let items: Vec<_> =
                    items.iter().map(|item| self.value(item, kind)).collect::<Result<_, _>>()?;
                match name {
                    "in" if items.is_empty() => {
                        Err(format!("\"in\" of {path:?} is empty, so it can never match"))
                    }
                    "in" => Ok(Ask::In(items)),
                    _ => Ok(Ask::Nin(items)),
                }
            }
            "gt" | "gte" | "lt" | "lte" => {
                let number = number(value).filter(|_| !matches!(value, Json::Bool(_)));
                let limit = number.ok_or_else(|| format!("{name:?} of {path:?} is no number"))?;
                if !matches!(kind, Kind::Number | Kind::Free) {
                    return Err(format!("{name:?} applies to numbers, and {path:?} is none"));
                }
                self.value(value, Kind::Free)?;
                Ok(Ask::Bound { above: name.starts_with('g'), strict: name.len() == 2, limit })
            }
            _ => Err(format!(
                "{name:?} of {path:?} is no matcher; these are: contains, eq, exists, gt, gte, in, lt, lte, ne, nin"
            )),
        }
    }

    /// A value that the field can hold.
    fn value(&self, value: &Json<'_>, kind: Kind) -> Result<Json<'static>, String> {
        let path = &self.path;
        let fits = match (kind, value) {
            (_, Json::Null) => {
                return Err(format!(
                    "{path:?} is never null; {{\"exists\": false}} is for what is not there"
                ));
            }
            (_, Json::Array(_) | Json::Object(_)) => false,
            (Kind::Text, Json::Str(_)) | (Kind::Bool, Json::Bool(_)) | (Kind::Free, _) => true,
            (Kind::Number, value) => !matches!(value, Json::Bool(_) | Json::Str(_)),
            (Kind::OneOf(values), Json::Str(text)) => {
                values.iter().any(|one| one.as_bytes() == text.as_bytes())
            }
            _ => false,
        };
        if !fits {
            let can = match kind {
                Kind::OneOf(values) => format!("one of {}", values.join(", ")),
                Kind::Text => "a text".to_owned(),
                Kind::Bool => "true or false".to_owned(),
                Kind::Number => "a number".to_owned(),
                _ => "a single value".to_owned(),
            };
            return Err(format!("{path:?} holds {can}, which a value beside it is not"));
        }
        if !matches!(value, Json::Bool(_)) && number(value).is_some_and(|number| number.abs() > SAFE) {
            return Err(format!("{path:?} has a number beyond 2^53-1, which not every reader can compare"));
        }
        Ok(value.clone().into_owned())
    }

    /// Why no value at all could match. What is not found here is left to the author, as the reference leaves it.
    fn contradiction(&self) -> Option<&'static str> {
        let of = |wanted: fn(&Ask) -> bool| self.asks.iter().find(|ask| wanted(ask));
        let absent = of(|ask| matches!(ask, Ask::Exists(false))).is_some();
        let compares = of(|ask| !matches!(ask, Ask::Exists(_) | Ask::Ne(_) | Ask::Nin(_))).is_some();
        if absent && compares {
            return Some("what is absent has no value");
        }
        let nin = self.asks.iter().find_map(|ask| if let Ask::Nin(items) = ask { Some(items) } else { None });
        let within =
            self.asks.iter().find_map(|ask| if let Ask::In(items) = ask { Some(items) } else { None });
        let has = |items: &Vec<Json<'_>>, value: &Json<'_>| items.iter().any(|item| same(item, value));
        if let Some(eq) =
            self.asks.iter().find_map(|ask| if let Ask::Eq(value) = ask { Some(value) } else { None })
        {
            if self.asks.iter().any(|ask| matches!(ask, Ask::Ne(ne) if same(eq, ne))) {
                return Some("eq and ne are the same");
            }
            if nin.is_some_and(|nin| has(nin, eq)) {
                return Some("nin has what eq is");
            }
            if !self.field.fans && within.is_some_and(|within| !has(within, eq)) {
                return Some("eq is not among in");
            }
        }
        if let (Some(within), Some(nin)) = (within, nin)
            && within.iter().all(|value| has(nin, value))
        {
            return Some("nin has all that is among in");
        }
        (!self.field.fans && bounds_exclude(self.asks.iter())).then_some("the bounds leave no number")
    }

    /// There is one value of the field in a record, which `when` may decide.
    fn is_single(&self) -> bool {
        !self.field.fans && matches!(self.field.kind, Kind::Text | Kind::Bool | Kind::Number | Kind::OneOf(_))
    }

    /// The values that it can match, where those are few.
    fn candidates(&self) -> Option<Vec<Option<&Json<'static>>>> {
        let mut within = None;
        for ask in &self.asks {
            match ask {
                Ask::Eq(value) => return Some(vec![Some(value)]),
                Ask::In(items) => within = Some(items.iter().map(Some).collect()),
                Ask::Exists(false) => return Some(vec![None]),
                _ => {}
            }
        }
        within
    }

    /// No record that `when` selects can match this.
    pub(super) fn never_under(&self, when: &Matcher) -> bool {
        if !self.is_single() {
            return false;
        }
        match when.candidates().or_else(|| self.candidates()) {
            Some(values) => !values.into_iter().any(|value| self.takes(value) && when.takes(value)),
            None => bounds_exclude(self.asks.iter().chain(&when.asks)),
        }
    }

    /// Every record that `when` selects matches this.
    pub(super) fn always_under(&self, when: &Matcher) -> bool {
        self.is_single()
            && when.candidates().is_some_and(|values| {
                values.into_iter().filter(|value| when.takes(*value)).all(|value| self.takes(value))
            })
    }

    fn takes(&self, value: Option<&Json<'_>>) -> bool {
        let values: Vec<_> = value.into_iter().collect();
        self.asks.iter().all(|ask| ask.holds(&values))
    }

    pub(super) fn matches(&self, record: &Json<'_>) -> bool {
        let mut values = vec![record];
        for step in self.path.split('.') {
            let (name, items) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
            values = values.into_iter().filter_map(|value| value.get(name)).collect();
            if items {
                let lists = values
                    .into_iter()
                    .filter_map(|value| if let Json::Array(items) = value { Some(items) } else { None });
                values = lists.flatten().collect();
            }
        }
        self.asks.iter().all(|ask| ask.holds(&values))
    }
}

impl Ask {
    /// Of several values one must be as asked; what is excluded must be none of them.
    fn holds(&self, values: &[&Json<'_>]) -> bool {
        let any = |wanted: &Json<'_>| values.iter().any(|value| equal(value, wanted));
        match self {
            Self::Exists(exists) => values.is_empty() != *exists,
            Self::Eq(wanted) => any(wanted),
            Self::Ne(other) => !any(other),
            Self::In(items) => items.iter().any(any),
            Self::Nin(items) => !items.iter().any(any),
            Self::Contains(wanted) => values.iter().any(
                |value| matches!(value, Json::Array(items) if items.iter().any(|item| equal(item, wanted))),
            ),
            Self::Bound { above, strict, limit } => values.iter().any(|value| {
                let number = number(value).filter(|_| !matches!(value, Json::Bool(_)));
                number.is_some_and(|number| {
                    (!*strict && number == *limit) || if *above { number > *limit } else { number < *limit }
                })
            }),
        }
    }
}

fn bounds_exclude<'a>(asks: impl Iterator<Item = &'a Ask>) -> bool {
    let (mut low, mut high) = ((f64::NEG_INFINITY, false), (f64::INFINITY, false));
    for ask in asks {
        if let Ask::Bound { above, strict, limit } = ask {
            let bound = if *above { &mut low } else { &mut high };
            let closer = if *above { *limit > bound.0 } else { *limit < bound.0 };
            if closer || (*limit == bound.0 && *strict) {
                *bound = (*limit, *strict);
            }
        }
    }
    low.0 > high.0 || (low.0 == high.0 && (low.1 || high.1))
}

/// The number that a value is to Python, for which true is 1.
fn number(value: &Json<'_>) -> Option<f64> {
    match value {
        Json::Bool(bool) => Some(f64::from(u8::from(*bool))),
        Json::Int(int) => Some(*int as f64),
        Json::BigInt(digits) => digits.parse().ok(),
        Json::Float(float) => Some(*float),
        _ => None,
    }
}

/// Equal as Python has it.
fn same(one: &Json<'_>, other: &Json<'_>) -> bool {
    match (one, other) {
        (Json::Str(one), Json::Str(other)) => one == other,
        _ => number(one).is_some_and(|one| number(other) == Some(one)),
    }
}

/// Equal to who reads it: characters that show nothing do not count.
fn equal(one: &Json<'_>, other: &Json<'_>) -> bool {
    match (one, other) {
        (Json::Str(one), Json::Str(other)) => visible(one) == visible(other),
        _ => same(one, other),
    }
}

fn visible<'t>(text: &'t Text<'_>) -> Cow<'t, [u8]> {
    match text.as_str() {
        Some(text) if !text.is_ascii() && text.chars().any(invisible) => {
            Cow::Owned(text.chars().filter(|c| !invisible(*c)).collect::<String>().into_bytes())
        }
        _ => Cow::Borrowed(text.as_bytes()),
    }
}
