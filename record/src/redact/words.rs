//! Words: what a name is made of, and a random key is not.

/// The longest word, and the longest number.
const WORD: usize = 16;
const NUMBER: usize = 8;

/// A word in lower case, or words run together each with a capital, or a number, with or without `v`.
pub(super) fn words(part: &str) -> bool {
    let number = part.strip_prefix(['v', 'V']).unwrap_or(part);
    if number.bytes().all(|b| b.is_ascii_digit()) {
        return number.len() <= NUMBER;
    }
    let mut words = part.split_inclusive(|c: char| c.is_ascii_uppercase()).peekable();
    // Each piece but the last ends in the capital of the next word.
    let mut capital = false;
    while let Some(piece) = words.next() {
        let word = if words.peek().is_some() || piece.ends_with(|c: char| c.is_ascii_uppercase()) {
            piece.get(..piece.len() - 1).unwrap_or_default()
        } else {
            piece
        };
        let least = if capital { 2 } else { 0 };
        if !(least..=WORD).contains(&word.len()) || !word.bytes().all(|b| b.is_ascii_lowercase()) {
            return false;
        }
        capital = word.len() < piece.len();
    }
    !capital
}
