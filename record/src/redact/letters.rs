//! Text of other scripts that is only letters: most of what is written outside of English. No digit, no
//! separator and nothing invisible is among it, so the rows for numbers can be told from ASCII alone.

/// Whether everything outside ASCII in `text` is a letter of Latin, Cyrillic, Kana, Han or Hangul, a
/// quotation mark, an ellipsis or a pictograph. Not all of those scripts: the blocks that hold nothing else.
pub(super) fn only(text: &str) -> bool {
    // Which is told faster of a whole text than of what stands between two letters.
    if text.is_ascii() {
        return true;
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += ascii_run(bytes.get(at..).unwrap_or_default());
        let Some(&lead) = bytes.get(at) else { return true };
        let next = |by: usize| bytes.get(at + by).copied().unwrap_or(0);
        at += match (lead, next(1)) {
            // U+00C0 to U+027F, U+0400 to U+047F.
            (0xC3..=0xC9 | 0xD0 | 0xD1, _) => 2,
            // U+3040 to U+30FF, U+4000 to U+9FFF, U+B000 to U+CFFF.
            (0xE3, 0x81..=0x83) | (0xE4..=0xE9 | 0xEB | 0xEC, _) => 3,
            // U+2018, U+2019, U+201C, U+201D, U+2026.
            (0xE2, 0x80) if matches!(next(2), 0x98 | 0x99 | 0x9C | 0x9D | 0xA6) => 3,
            // U+1F300 to U+1FAFF.
            (0xF0, 0x9F) if matches!(next(2), 0x8C..=0xAB) => 4,
            _ => return false,
        };
    }
}

/// How many ASCII bytes `bytes` begin with: most text is little else.
fn ascii_run(bytes: &[u8]) -> usize {
    let (eights, _) = bytes.as_chunks::<8>();
    let whole = eights.iter().take_while(|eight| u64::from_le_bytes(**eight) & 0x8080_8080_8080_8080 == 0);
    let start = whole.count() * 8;
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().take_while(|byte| byte.is_ascii()).count()
}

#[cfg(test)]
mod tests {
    use super::super::{chars, invisible};
    use super::*;

    #[test]
    fn no_digit_space_or_invisible_character_passes() {
        let mut passed = 0;
        for c in ('\u{80}'..=char::MAX).filter(|c| only(&c.to_string())) {
            assert!(!c.is_numeric() && !chars::space(c) && !c.is_control(), "{c:?}");
            let between = format!("a{c}b");
            assert_eq!(invisible::visible(&between).0, between, "{c:?}");
            passed += 1;
        }
        assert!(passed > 35_000, "{passed}");
        // What `chars::digit` leaves out of the look-up.
        assert!(('\u{c0}'..'\u{660}').all(|c| !c.is_numeric()));
        assert!(only("naïve café, 東京, “Привет”… 🚀 42"));
        assert!(!only("4111\u{a0}1111") && !only("٤") && !only("a\u{200b}b"));
    }
}
