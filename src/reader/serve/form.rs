//! What browsers send: forms, cookies, ranges, addresses of links. Whatever the bytes are, they cost no more than themselves.

use std::ops::Range;

/// Digits of a link.
const TOKEN: usize = 32;

/// The value of a field of a form or query (WHATWG URL, "application/x-www-form-urlencoded parsing"), if it stands there once.
#[must_use]
pub fn field(form: &str, name: &str) -> Option<String> {
    let pairs = form.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut values = pairs.filter(|(own, _)| decoded(own).as_deref() == Some(name)).map(|(_, value)| value);
    let value = values.next()?;
    values.next().is_none().then(|| decoded(value))?
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit =
                    |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(rest.next()?)? << 4 | digit(rest.next()?)?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The value of a cookie in a `Cookie` header (RFC 6265, section 4.2.1), the first of that name.
#[must_use]
pub fn cookie<'c>(header: &'c str, name: &str) -> Option<&'c str> {
    let pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(own, _)| *own == name).map(|(_, value)| value)
}

/// Whether a text has the form of a link's last part.
#[must_use]
pub fn is_token(text: &str) -> bool {
    text.len() == TOKEN && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// What a `Range` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: there is no header, or one that may be passed over (RFC 9110, section 14.2).
    All,
    Part(Range<u64>),
    /// Nothing that there is.
    Nothing,
}

/// Which bytes of `length` a `Range` header asks for. Of several ranges none is served alone, so all of it is.
#[must_use]
pub fn range(header: Option<&str>, length: u64) -> Wanted {
    let Some(set) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Wanted::All;
    };
    let Some((first, last)) = set.trim().split_once('-') else { return Wanted::All };
    // As the grammar has it: a sign or a blank is no digit.
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(last)) if first.is_empty() => length.saturating_sub(last)..length,
        _ => return Wanted::All,
    };
    if range.start < range.end { Wanted::Part(range) } else { Wanted::Nothing }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_read_once() {
        let form = "email=a%2Bb%40x.com&code=1+2&twice=1&twice=2&bad=%zz&short=%4&raw=%ff";
        assert_eq!(field(form, "email").as_deref(), Some("a+b@x.com"));
        assert_eq!(field(form, "code").as_deref(), Some("1 2"));
        for none in ["twice", "bad", "short", "raw", "missing"] {
            assert_eq!(field(form, none), None, "{none}");
        }
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let header = "a=1; halo_x=v.w; xhalo_x=2;halo_x=3";
        assert_eq!(cookie(header, "halo_x"), Some("v.w"));
        assert_eq!(cookie(header, "halo"), None);
        assert_eq!(cookie("", "a"), None);
    }

    #[test]
    fn ranges_are_those_of_http() {
        for (header, wanted) in [
            (None, Wanted::All),
            (Some("bytes=0-0"), Wanted::Part(0..1)),
            (Some("bytes=5-"), Wanted::Part(5..10)),
            (Some("bytes=-3"), Wanted::Part(7..10)),
            (Some("bytes=-30"), Wanted::Part(0..10)),
            (Some("bytes=3-99999999999999999999"), Wanted::Part(3..10)),
            (Some("bytes=10-"), Wanted::Nothing),
            (Some("bytes=-0"), Wanted::Nothing),
            (Some("bytes=3-2"), Wanted::All),
            (Some("bytes=-"), Wanted::All),
            (Some("bytes=0-1,3-4"), Wanted::All),
            (Some("bytes=+1-2"), Wanted::All),
            (Some("lines=0-1"), Wanted::All),
        ] {
            assert_eq!(range(header, 10), wanted, "{header:?}");
        }
        assert_eq!(range(Some("bytes=0-"), 0), Wanted::Nothing);
    }

    proptest! {
        #[test]
        fn what_is_asked_for_is_there(header in "bytes=[0-9]{0,22}-[0-9]{0,22}", length in any::<u64>()) {
            if let Wanted::Part(part) = range(Some(&header), length) {
                prop_assert!(part.start < part.end && part.end <= length);
            }
        }
    }
}
