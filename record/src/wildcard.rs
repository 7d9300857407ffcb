//! Names in which `*` stands for any text.

/// Whether `text` is what `pattern` describes.
#[must_use]
pub fn fits(pattern: &[u8], text: &[u8]) -> bool {
    fits_where(pattern, text, |_| true)
}

/// The same, where `*` stands for bytes that it `takes` alone. Where pattern and text part, the last `*` takes a byte
/// more. The ones before it need not be tried again: if one of them took more, the last would begin later, and come to
/// no other place.
pub fn fits_where(pattern: &[u8], text: &[u8], takes: impl Fn(u8) -> bool) -> bool {
    let (mut rest, mut left) = (pattern, text);
    // The pattern behind the last `*`, and the text behind its share.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        match (rest.split_first(), left.split_first()) {
            (Some((b'*', after)), _) => {
                rest = after;
                star = Some((after, left));
            }
            (None, None) => return true,
            (Some((wanted, after)), Some((found, behind))) if wanted == found => {
                (rest, left) = (after, behind);
            }
            _ => match star {
                Some((after, [byte, behind @ ..])) if takes(*byte) => {
                    star = Some((after, behind));
                    (rest, left) = (after, behind);
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, met) in [
            ("a*b", "ab", true),
            ("a*b", "axxb", true),
            ("a*b", "a", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("*a*b*", "xaxb", true),
            ("*a*b*", "xbxa", false),
            ("", "", true),
            ("", "a", false),
            ("abc", "abc", true),
            ("*abab", "ababab", true),
            ("**a", "ba", true),
        ] {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), met, "{pattern} {text}");
        }
        assert!(!fits_where(b"a*c", b"a/c", |byte| byte != b'/'));
    }
}
