//! Checksums: they tell a card or account number from other digits.

/// The Luhn checksum (ISO/IEC 7812-1, annex B), digit by digit.
#[derive(Default)]
pub(super) struct Luhn {
    /// The sum if the last digit so far is the number's last.
    sum: u32,
    /// The sum if one digit follows: then the last so far is doubled.
    next: u32,
}

impl Luhn {
    /// Adds an ASCII digit.
    pub(super) fn add(&mut self, digit: u8) {
        let digit = u32::from(digit & 0xF);
        let doubled = if digit > 4 { digit * 2 - 9 } else { digit * 2 };
        (self.sum, self.next) = (self.next + digit, self.sum + doubled);
    }

    pub(super) fn valid(&self) -> bool {
        self.sum.is_multiple_of(10)
    }
}

/// The checksum of an account number (ISO 13616, ISO/IEC 7064 MOD 97-10), character by character.
pub(super) struct Iban {
    /// What the sum over the characters after the first four must be.
    expected: u8,
    sum: u8,
}

impl Iban {
    /// From the country's letters and the check digits, which count as if they stood at the end.
    pub(super) fn new(head: &[u8]) -> Self {
        let mut all = Self { expected: 0, sum: 0 };
        head.iter().for_each(|&b| all.add(b));
        // The head is six decimal digits. The inverse of a million modulo 97 is 18.
        Self { expected: ((97 + 1 - u32::from(all.sum)) * 18 % 97) as u8, sum: 0 }
    }

    pub(super) fn add(&mut self, b: u8) {
        self.sum = NEXT[usize::from(VALUE[usize::from(b)])][usize::from(self.sum)];
    }

    pub(super) fn valid(&self) -> bool {
        self.sum == self.expected
    }
}

/// Powers of ten modulo 97, which repeat: ten to the power of 96 is one.
static POWER: [u32; 193] = {
    let mut table = [1; 193];
    let mut at = 1;
    while at < table.len() {
        table[at] = table[at - 1] * 10 % 97;
        at += 1;
    }
    table
};

/// A running sum over letters and digits, from which the checksum of any part between two of its
/// states follows without reading that part again.
#[derive(Clone, Copy, Default)]
pub(super) struct Running {
    /// Each value divided by the power of ten of the digits up to it, modulo 97.
    sum: u32,
    /// Digits so far, modulo 96. A letter counts as two.
    digits: usize,
}

impl Running {
    /// With one group of letters and digits more.
    pub(super) fn with(self, group: &[u8]) -> Self {
        let Self { mut sum, mut digits } = self;
        for &b in group {
            let value = VALUE[usize::from(b)];
            digits += if value < 10 { 1 } else { 2 };
            sum += u32::from(value) * POWER[192 - digits];
        }
        Self { sum: sum % 97, digits: digits % 96 }
    }

    /// Whether the account number is valid that begins with `head` and whose rest was added since `from`.
    pub(super) fn valid_since(&self, from: Self, head: &[u8]) -> bool {
        (self.sum + 97 - from.sum) * POWER[self.digits] % 97 == u32::from(Iban::new(head).expected)
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

/// For each digit or letter and sum modulo 97 the next sum. A letter counts as two digits.
static NEXT: [[u8; 97]; 36] = {
    let mut table = [[0; 97]; 36];
    let mut at = 0;
    while at < 36 * 97 {
        let (value, sum) = (at / 97, at % 97);
        table[value][sum] = ((sum * if value < 10 { 10 } else { 100 } + value) % 97) as u8;
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
        let luhn = |number: &str| {
            let mut sum = Luhn::default();
            number.bytes().for_each(|digit| sum.add(digit));
            sum.valid()
        };
        assert!(luhn("4111111111111111") && luhn("378282246310005") && luhn("4222222222222"));
        assert!(!luhn("4111111111111112") && !luhn("378282246310050"));
    }

    #[test]
    fn a_running_sum_tells_of_every_part() {
        let text = b"GB82WEST12345698765432DE89370400440532013000";
        let sums: Vec<Running> = std::iter::once(Running::default())
            .chain(text.iter().scan(Running::default(), |sum, b| {
                *sum = sum.with(&[*b]);
                Some(*sum)
            }))
            .collect();
        let mut valid = Vec::new();
        for start in 0..text.len() - 4 {
            for end in start + 4..=text.len() {
                let mut one = Iban::new(&text[start..start + 4]);
                text[start + 4..end].iter().for_each(|b| one.add(*b));
                let head = &text[start..start + 4];
                let known = sums[end].valid_since(sums[start + 4], head);
                assert_eq!(known, one.valid(), "{start} {end}");
                valid.extend(known.then_some((start, end)));
            }
        }
        assert!(valid.contains(&(0, 22)) && valid.contains(&(22, 44)), "{valid:?}");
    }

    #[test]
    fn the_longest_valid_prefix_is_an_iban() {
        assert_eq!(iban("DE89370400440532013000"), Some(22));
        assert_eq!(iban("DE89 3704 0044 0532 0130 00 food"), Some(27));
        assert_eq!(iban("DE89370400440532013001"), None);
    }
}
