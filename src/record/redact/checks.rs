//! Checksums: they tell a card or account number from other digits.

/// The Luhn checksum (ISO/IEC 7812-1, annex B) over the ASCII digits of `text`, of which there must
/// be 13 to 19.
pub(super) fn luhn(text: &str) -> bool {
    let digits = text.bytes().rev().filter(u8::is_ascii_digit).map(|b| u32::from(b - b'0'));
    let (mut sum, mut count) = (0, 0usize);
    for digit in digits {
        let doubled = digit * 2;
        sum += match count % 2 {
            0 => digit,
            _ if doubled > 9 => doubled - 9,
            _ => doubled,
        };
        count += 1;
    }
    (13..=19).contains(&count) && sum % 10 == 0
}

/// How many bytes of `text`, which starts with an IBAN's country and check digits and may hold
/// separators, form the longest prefix of at least 15 letters and digits with a valid checksum
/// (ISO 13616, ISO/IEC 7064 MOD 97-10).
pub(super) fn iban(text: &str) -> Option<usize> {
    let mut characters = text.bytes().enumerate().filter(|(_, b)| b.is_ascii_alphanumeric());
    let head: Vec<u8> = characters.by_ref().take(4).map(|(_, b)| b).collect();
    let add = |rest: u32, b: u8| match b {
        b'0'..=b'9' => (rest * 10 + u32::from(b - b'0')) % 97,
        _ => (rest * 100 + u32::from(b.to_ascii_uppercase() - b'A') + 10) % 97,
    };
    // The head moves to the end: two letters and two digits are six decimal digits.
    let head = head.iter().fold(0, |rest, &b| add(rest, b));
    let mut rest = 0;
    let mut valid = None;
    for (count, (at, b)) in characters.enumerate() {
        rest = add(rest, b);
        if count + 5 >= 15 && (rest * (1_000_000 % 97) + head) % 97 == 1 {
            valid = Some(at + 1);
        }
    }
    valid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_have_a_luhn_sum() {
        assert!(luhn("4111 1111 1111 1111") && luhn("378282246310005"));
        assert!(!luhn("4111111111111112") && !luhn("0000"));
    }

    #[test]
    fn the_longest_valid_prefix_is_an_iban() {
        assert_eq!(iban("DE89370400440532013000"), Some(22));
        assert_eq!(iban("DE89 3704 0044 0532 0130 00 food"), Some(27));
        assert_eq!(iban("DE89370400440532013001"), None);
    }
}
