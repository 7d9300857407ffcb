//! Text of other scripts that is only letters: most of what is written outside of English. No digit, no
//! separator and nothing invisible is among it, so the rows for numbers can be told from ASCII alone.

/// The length of the character at the beginning of `bytes` if it is a letter of Latin, Cyrillic, Kana, Han or Hangul, a
/// quotation mark, an ellipsis or a pictograph. Not all of those scripts: the blocks that hold nothing else.
#[inline]
pub(super) fn letter(bytes: &[u8]) -> Option<usize> {
    let &lead = bytes.first()?;
    let next = |by: usize| bytes.get(by).copied().unwrap_or(0);
    match (lead, next(1)) {
        // U+00C0 to U+027F, U+0400 to U+047F.
        (0xC3..=0xC9 | 0xD0 | 0xD1, _) => Some(2),
        // U+3040 to U+30FF, U+4000 to U+9FFF, U+B000 to U+CFFF.
        (0xE3, 0x81..=0x83) | (0xE4..=0xE9 | 0xEB | 0xEC, _) => Some(3),
        // U+2018, U+2019, U+201C, U+201D, U+2026.
        (0xE2, 0x80) if matches!(next(2), 0x98 | 0x99 | 0x9C | 0x9D | 0xA6) => Some(3),
        // U+1F300 to U+1FAFF.
        (0xF0, 0x9F) if matches!(next(2), 0x8C..=0xAB) => Some(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{chars, invisible};
    use super::*;

    fn only(c: char) -> bool {
        letter(c.to_string().as_bytes()) == Some(c.len_utf8())
    }

    #[test]
    fn no_digit_space_or_invisible_character_passes() {
        let mut passed = 0;
        for c in ('\u{80}'..=char::MAX).filter(|c| only(*c)) {
            assert!(!c.is_numeric() && !chars::space(c) && !c.is_control(), "{c:?}");
            let between = format!("a{c}b");
            assert_eq!(invisible::visible(&between), between, "{c:?}");
            passed += 1;
        }
        assert!(passed > 35_000, "{passed}");
        // What `chars::digit` leaves out of the look-up.
        assert!(('\u{c0}'..'\u{660}').all(|c| !c.is_numeric()));
        assert!("ïé東京“Привет”…🚀".chars().all(only) && !"\u{a0}٤\u{200b}a".chars().any(only));
    }
}
