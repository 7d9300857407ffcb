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

/// The checksum of an account number (ISO 13616, ISO/IEC 7064 MOD 97-10), character by character.
pub(super) struct Iban {
    /// What the sum over the characters after the first four must be.
    expected: u32,
    sum: u32,
}

impl Iban {
    /// From the country's letters and the check digits, which count as if they stood at the end.
    pub(super) fn new(head: &[u8]) -> Self {
        let mut all = Self { expected: 0, sum: 0 };
        head.iter().for_each(|&b| all.add(b));
        // The head is six decimal digits. The inverse of a million modulo 97 is 18.
        Self { expected: (97 + 1 - all.sum) * 18 % 97, sum: 0 }
    }

    pub(super) fn add(&mut self, b: u8) {
        let digit = VALUE[usize::from(b)];
        // A letter is two digits, and 100 is 3 modulo 97.
        let next = self.sum * if digit < 10 { 10 } else { 3 } + u32::from(digit);
        self.sum = next % 97;
    }

    pub(super) fn valid(&self) -> bool {
        self.sum == self.expected
    }
}

/// What a digit or letter counts.
static VALUE: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 36 {
        let b = if at < 10 { b'0' + at } else { b'A' - 10 + at };
        table[b as usize] = at;
        table[b.to_ascii_lowercase() as usize] = at;
        at += 1;
    }
    table
};

/// How many bytes of `text`, which starts with an account number's country and check digits and may
/// hold separators, form the longest prefix of at least 15 letters and digits with a valid checksum.
pub(super) fn iban(text: &str) -> Option<usize> {
    let mut sum = Iban::new(text.as_bytes().get(..4)?);
    let rest = text.bytes().enumerate().skip(4).filter(|(_, b)| b.is_ascii_alphanumeric());
    let mut valid = None;
    for (count, (at, b)) in rest.enumerate() {
        sum.add(b);
        if count + 5 >= 15 && sum.valid() {
            valid = Some(at + 1);
        }
    }
    valid
}

/// The lengths of account numbers by country, from the registry of ISO 13616 that SWIFT keeps.
const IBAN_LENGTHS: [(usize, &str); 18] = [
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FK FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

/// The same as a table.
static LENGTH: [[u8; 26]; 26] = {
    let mut table = [[0; 26]; 26];
    let mut row = 0;
    while row < IBAN_LENGTHS.len() {
        let (length, countries) = IBAN_LENGTHS[row];
        let countries = countries.as_bytes();
        let mut at = 0;
        while at + 1 < countries.len() {
            table[(countries[at] - b'A') as usize][(countries[at + 1] - b'A') as usize] = length as u8;
            at += 3;
        }
        row += 1;
    }
    table
};

/// How long the account numbers of a country are.
pub(super) fn iban_length(country: &[u8]) -> Option<usize> {
    let letter = |at: usize| country.get(at)?.to_ascii_uppercase().checked_sub(b'A').map(usize::from);
    let length = *LENGTH.get(letter(0)?)?.get(letter(1)?)?;
    (length > 0).then_some(usize::from(length))
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
