//! What a request was for: its path and query without secrets, and the model that the path names.

use super::text::hex;
use std::borrow::Cow;

/// Of a request's target, what may be said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Without the query.
    pub(super) path: Option<Cow<'a, str>>,
    /// With the query's keys, and of its values those that can be no secrets.
    pub(super) shown: Option<Cow<'a, str>>,
    /// Of an absolute URL, without user and password.
    pub(super) host: Option<Cow<'a, str>>,
    pub(super) model: Option<Cow<'a, str>>,
}

/// What stands for a value.
const MASK: &str = "****";

/// Query parameters that say how, not who or what.
const HARMLESS: [&str; 19] = [
    "alt",
    "api-version",
    "api_version",
    "beta",
    "deployment",
    "encoding_format",
    "format",
    "include_usage",
    "lang",
    "language",
    "limit",
    "model",
    "offset",
    "order",
    "page",
    "page_size",
    "stream",
    "v",
    "version",
];

impl<'a> Target<'a> {
    /// `query`: where it is logged apart.
    pub(super) fn of(target: Cow<'a, str>, query: Option<&str>) -> Self {
        match target {
            Cow::Borrowed(text) => Self::of_text(text, query),
            Cow::Owned(text) => Target::of_text(&text, query).into_owned(),
        }
    }

    fn of_text(text: &'a str, query: Option<&str>) -> Self {
        let (host, rest) = authority(text);
        let cut = memchr::memchr2(b'?', b'#', rest.as_bytes());
        let (path, inline) = cut.map_or((rest, ""), |at| rest.split_at(at));
        let path: Cow<'a, str> = match (path, host) {
            ("", Some(_)) => Cow::Borrowed("/"),
            (path, _) => Cow::Borrowed(path),
        };
        let query =
            query.map(|query| query.strip_prefix('?').unwrap_or(query)).filter(|query| !query.is_empty());
        let query = query.or_else(|| inline.get(1..)).filter(|query| !query.is_empty());
        let model = model(&path).or_else(|| query.and_then(model_in_query));
        let shown = match query {
            None => path.clone(),
            Some(query) => Cow::Owned([path.as_ref(), "?", &redacted(query)].concat()),
        };
        Self { path: Some(path), shown: Some(shown), host: host.map(Cow::Borrowed), model }
    }

    fn into_owned(self) -> Target<'static> {
        let own = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
        Target { path: own(self.path), shown: own(self.shown), host: own(self.host), model: own(self.model) }
    }
}

/// A URL with its query masked and without user and password.
pub(crate) fn url(text: &str) -> String {
    let scheme = text.find("://").map_or("", |at| &text[..at + 3]);
    let (host, _) = authority(text);
    let target = Target::of_text(text, None);
    [if host.is_some() { scheme } else { "" }, host.unwrap_or(""), target.shown.as_deref().unwrap_or("")]
        .concat()
}

/// Host and port of an absolute URL, without user and password, and what follows.
pub(crate) fn authority(text: &str) -> (Option<&str>, &str) {
    let Some(colon) = memchr::memchr(b':', text.as_bytes()).filter(|at| text[*at..].starts_with("://"))
    else {
        return (None, text);
    };
    if !text.bytes().take(colon).all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) {
        return (None, text);
    }
    let rest = &text[colon + 3..];
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (Some(host), rest)
}

fn redacted(query: &str) -> String {
    let mut out = String::with_capacity(query.len().min(256));
    for (at, pair) in query.split('&').enumerate() {
        if at > 0 {
            out.push('&');
        }
        let (key, value) = pair.split_once('=').unwrap_or(("", pair));
        let plain = |text: &str, most: usize| {
            text.len() <= most && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:[]".contains(&b))
        };
        if !key.is_empty() {
            out.push_str(if plain(key, 64) { key } else { MASK });
            out.push('=');
        }
        let stays = value.is_empty() || plain(value, 40) && HARMLESS.contains(&key);
        out.push_str(if stays { value } else { MASK });
    }
    out
}

fn model_in_query<'a>(query: &str) -> Option<Cow<'a, str>> {
    let value =
        query.split('&').find_map(|pair| pair.strip_prefix("model=").or(pair.strip_prefix("deployment=")))?;
    let model = percent_decoded(value);
    let name = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/@".contains(&b);
    (!model.is_empty() && model.len() <= 100 && model.bytes().all(name))
        .then(|| Cow::Owned(model.into_owned()))
}

/// The model that a path names: Azure's deployments, Gemini's and Vertex's `models/<m>:<verb>`, Bedrock's
/// `model/<id>/<verb>`, Workers AI's `ai/run/<m>`, and the engines of old.
fn model<'a>(path: &Cow<'a, str>) -> Option<Cow<'a, str>> {
    match path {
        Cow::Borrowed(path) => model_of(path),
        Cow::Owned(path) => model_of(path).map(|model| Cow::Owned(model.into_owned())),
    }
}

fn model_of(path: &str) -> Option<Cow<'_, str>> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
    let mut before = "";
    while let Some(segment) = segments.next() {
        let next = segments.peek().copied();
        let found = match segment {
            "deployments" | "engines" => next,
            "models" | "tunedModels" | "endpoints" => next.and_then(|next| {
                let (model, verb) = next.rsplit_once(':')?;
                (!verb.is_empty() && verb.bytes().all(|b| b.is_ascii_alphabetic())).then_some(model)
            }),
            "model" => next.filter(|_| {
                let verb = path.rsplit('/').next().unwrap_or("");
                verb.starts_with("invoke") || verb.starts_with("converse") || verb == "count-tokens"
            }),
            // A model of Workers AI has slashes.
            "run" if before == "ai" => {
                let at = path.find("ai/run/")? + "ai/run/".len();
                path.get(at..)
            }
            _ => None,
        };
        if let Some(found) = found.filter(|found| !found.is_empty()) {
            return Some(percent_decoded(found));
        }
        before = segment;
    }
    None
}

/// The text with its `%HH` decoded, if that is UTF-8.
pub(super) fn percent_decoded(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match *tail {
            [high, low, ..] if byte == b'%' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(high) << 4 | hex(low));
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shown(target: &str) -> String {
        Target::of(target.into(), None).shown.unwrap().into_owned()
    }

    #[test]
    fn a_query_keeps_its_keys() {
        let table = [
            ("/v1/chat/completions", "/v1/chat/completions"),
            ("/a?api-version=2024-10-21&user=zoe@example.com", "/a?api-version=2024-10-21&user=****"),
            ("/a?key=AIzaFAKE&alt=sse", "/a?key=****&alt=sse"),
            ("/a?sk-proj-abc", "/a?****"),
            ("/a?stream=sk-proj-abcdefghijklmnopqrstuvwxyz01234567890", "/a?stream=****"),
            ("/a?q=%22x%22&sk proj=1&e=", "/a?q=****&****=****&e="),
            ("/a#token=x", "/a?token=****"),
            ("http://user:pw@llm.example/v1/models?key=x", "/v1/models?key=****"),
            ("https://a@b@host", "/"),
            ("*", "*"),
            ("/x://y", "/x://y"),
        ];
        for (target, expected) in table {
            assert_eq!(shown(target), expected, "{target}");
        }
        assert_eq!(url("http://user:pw@llm.example:8080/v1?key=x"), "http://llm.example:8080/v1?key=****");
        assert_eq!(Target::of("/v1/x".into(), Some("?key=abc")).shown.as_deref(), Some("/v1/x?key=****"));
    }

    #[test]
    fn paths_name_models() {
        let table = [
            ("/openai/deployments/gpt-4o-mini/chat/completions?api-version=1", Some("gpt-4o-mini")),
            ("/v1beta/models/gemini-2.5-flash:generateContent?key=x", Some("gemini-2.5-flash")),
            (
                "/v1/projects/p/locations/l/publishers/google/models/gemini-pro:streamGenerateContent",
                Some("gemini-pro"),
            ),
            (
                "/model/anthropic.claude-3-haiku-20240307-v1%3A0/invoke",
                Some("anthropic.claude-3-haiku-20240307-v1:0"),
            ),
            ("/model/us.amazon.nova-lite-v1:0/converse-stream", Some("us.amazon.nova-lite-v1:0")),
            ("/client/v4/accounts/a/ai/run/@cf/meta/llama-3-8b", Some("@cf/meta/llama-3-8b")),
            ("/v1/engines/davinci/completions", Some("davinci")),
            ("/v1/realtime?model=gpt-4o-realtime", Some("gpt-4o-realtime")),
            ("/v1/models/gpt-4o", None),
            ("/v1/models", None),
            ("/v1/chat/completions", None),
            ("/model/x/edit", None),
        ];
        for (target, expected) in table {
            assert_eq!(Target::of(target.into(), None).model.as_deref(), expected, "{target}");
        }
    }
}
