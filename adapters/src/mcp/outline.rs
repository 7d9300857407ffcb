//! What a message says that nobody can hold: read byte by byte, in constant memory, however deep or long it is.

use memchr::memchr2;

/// Bytes of a name or an id that are kept.
const MOST: usize = 512;

/// What is known of a message that was only looked through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// As it is written; `None` where there is none, or it is longer than what is kept.
    pub(super) id: Option<Vec<u8>>,
    pub(super) method: Option<String>,
    /// `params.name`, or `params.uri`.
    pub(super) subject: Option<String>,
    pub(super) is_error: bool,
    pub(super) error_code: Option<String>,
    pub(super) has_result: bool,
    pub(super) has_error: bool,
    at: At,
}

/// Where the scan is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct At {
    depth: u64,
    /// Whether the containers of the first two levels are objects.
    objects: [bool; 2],
    /// The last key of each of the two.
    keys: [Key; 2],
    key_is_next: bool,
    token: Token,
    /// Of a key, or of a value that is wanted.
    text: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Token {
    #[default]
    None,
    Key {
        escaped: bool,
    },
    Text {
        escaped: bool,
    },
    Scalar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Key {
    #[default]
    Other,
    Id,
    Method,
    Params,
    Result,
    Error,
    Name,
    IsError,
    Code,
}

impl Key {
    fn of(depth: u64, text: &[u8]) -> Self {
        match (depth, text) {
            (1, b"id") => Self::Id,
            (1, b"method") => Self::Method,
            (1, b"params") => Self::Params,
            (1, b"result") => Self::Result,
            (1, b"error") => Self::Error,
            (2, b"name" | b"uri") => Self::Name,
            (2, b"isError") => Self::IsError,
            (2, b"code") => Self::Code,
            _ => Self::Other,
        }
    }
}

impl Outline {
    /// Looks through the next bytes of the message.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match self.at.token {
                Token::Key { escaped } | Token::Text { escaped } if escaped || byte == b'\\' => {
                    self.keep(byte);
                    self.escape(!escaped);
                }
                Token::Key { .. } | Token::Text { .. } if byte == b'"' => self.end_text(),
                Token::Key { .. } => self.keep(byte),
                Token::Text { .. } if self.wanted() => self.keep(byte),
                Token::Text { .. } => {
                    // Most of what is large is one text.
                    let end = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                    rest = rest.get(end..).unwrap_or_default();
                }
                Token::None | Token::Scalar => self.structure(byte),
            }
        }
    }

    fn structure(&mut self, byte: u8) {
        if matches!(byte, b'"' | b'{' | b'[' | b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\r' | b'\n') {
            self.end_scalar();
        }
        let at = &mut self.at;
        match byte {
            b'"' => {
                let is_key = at.key_is_next && at.in_object();
                at.text.clear();
                at.token =
                    if is_key { Token::Key { escaped: false } } else { Token::Text { escaped: false } };
            }
            b'{' | b'[' => {
                at.depth += 1;
                if let Some(place) = at.level().and_then(|level| at.objects.get_mut(level)) {
                    *place = byte == b'{';
                }
                at.key_is_next = byte == b'{';
                match (at.depth, at.keys[0]) {
                    (2, Key::Result) => self.has_result = true,
                    (2, Key::Error) => self.has_error = true,
                    _ => {}
                }
            }
            b'}' | b']' => {
                at.depth = at.depth.saturating_sub(1);
                at.key_is_next = false;
            }
            b':' => at.key_is_next = false,
            b',' => at.key_is_next = at.in_object(),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => {
                if at.token == Token::None {
                    at.token = Token::Scalar;
                    at.text.clear();
                }
                if self.wanted() {
                    self.keep(byte);
                }
            }
        }
    }

    /// Whether the value that is read now is one of those that are kept.
    fn wanted(&self) -> bool {
        matches!(
            (self.at.depth, self.at.keys),
            (1, [Key::Id | Key::Method, _])
                | (2, [Key::Params, Key::Name] | [Key::Result, Key::IsError] | [Key::Error, Key::Code])
        )
    }

    fn keep(&mut self, byte: u8) {
        if self.at.text.len() <= MOST {
            self.at.text.push(byte);
        }
    }

    fn escape(&mut self, now: bool) {
        if let Token::Key { escaped } | Token::Text { escaped } = &mut self.at.token {
            *escaped = now;
        }
    }

    fn end_text(&mut self) {
        let is_key = matches!(self.at.token, Token::Key { .. });
        self.at.token = Token::None;
        if is_key {
            let at = &mut self.at;
            let key = Key::of(at.depth, &at.text);
            if let Some(place) = at.level().and_then(|level| at.keys.get_mut(level)) {
                *place = key;
            }
            if at.depth == 1 {
                at.keys[1] = Key::Other;
            }
        } else if self.wanted() {
            let text = std::mem::take(&mut self.at.text);
            self.value(&text, true);
        }
    }

    fn end_scalar(&mut self) {
        if self.at.token != Token::Scalar {
            return;
        }
        self.at.token = Token::None;
        if self.wanted() {
            let text = std::mem::take(&mut self.at.text);
            self.value(&text, false);
        }
    }

    fn value(&mut self, text: &[u8], quoted: bool) {
        let short = text.len() <= MOST;
        let word = || String::from_utf8_lossy(text).into_owned();
        match self.at.keys {
            [Key::Id, _] if self.at.depth == 1 => {
                let quote: &[u8] = if quoted { b"\"" } else { b"" };
                self.id = short.then(|| [quote, text, quote].concat());
            }
            [Key::Method, _] if self.at.depth == 1 => self.method = (short && quoted).then(word),
            [Key::Params, Key::Name] => self.subject = (short && quoted).then(word),
            [Key::Result, Key::IsError] => self.is_error = text == b"true",
            [Key::Error, Key::Code] => self.error_code = short.then(word),
            _ => {}
        }
    }
}

impl At {
    fn level(&self) -> Option<usize> {
        usize::try_from(self.depth).ok()?.checked_sub(1)
    }

    fn in_object(&self) -> bool {
        self.level().and_then(|level| self.objects.get(level)).copied().unwrap_or(false)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn outline(text: &str) -> Outline {
        let mut outline = Outline::default();
        // However the bytes come.
        for byte in text.as_bytes() {
            outline.push(&[*byte]);
        }
        let mut whole = Outline::default();
        whole.push(text.as_bytes());
        assert_eq!(whole, outline);
        outline
    }

    #[test]
    fn a_request_is_known_by_its_outline() {
        let told = outline(
            r#" {"jsonrpc":"2.0","params":{"arguments":{"name":"no","a":[1,{"id":3}]},"name":"look\"up"},
                "id" : "x-1" ,"method":"tools/call"}"#,
        );
        assert_eq!(told.id.unwrap(), b"\"x-1\"");
        assert_eq!(told.method.unwrap(), "tools/call");
        assert_eq!(told.subject.unwrap(), "look\\\"up");
        assert!(!told.has_result && !told.has_error);
    }

    #[test]
    fn an_answer_is_known_by_its_outline() {
        let told =
            outline(r#"{"id":17,"result":{"content":[{"type":"text","text":"isError"}],"isError":true}}"#);
        assert_eq!((told.id.unwrap(), told.is_error, told.has_result), (b"17".to_vec(), true, true));
        let told = outline(r#"{"error":{"code":-32602,"message":"no","data":{"code":1}},"id":1.5}"#);
        assert_eq!((told.id.unwrap(), told.has_error), (b"1.5".to_vec(), true));
        assert_eq!(told.error_code.unwrap(), "-32602");
    }

    #[test]
    fn what_is_no_message_is_looked_through_as_well() {
        let deep = "[".repeat(100_000);
        assert_eq!(outline(&deep).id, None);
        let long = format!(r#"{{"id":"{}","method":{{}}}}"#, "x".repeat(MOST + 1));
        assert_eq!((outline(&long).id, outline(&long).method), (None, None));
        for text in ["", "}}}}", "\"", "{\"", "nul", "{:,{]}", "\\", "{\"id\""] {
            assert_eq!(outline(text).method, None, "{text}");
        }
    }
}
