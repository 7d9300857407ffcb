//! Numbers: cards, accounts, phones, addresses. All start from a run of digits, which is looked at
//! once; digits of other scripts count where they do for the reference.

use super::super::chars::{
    Digits, Lenient, Run, WORD, at, before, boundary, byte, byte_run, digit, digits_at, ends, space, starts,
};
use super::super::checks;
use super::super::skip;
use super::super::text::{Span, add};
use memchr::memchr2;

/// Writes `mask` and the last four digits of what was found.
pub(in super::super) fn last_four(mask: &str, found: &str, out: &mut String) {
    let from = found.char_indices().rev().filter(|(_, c)| digit(*c)).nth(3).map_or(0, |(at, _)| at);
    out.push_str(mask);
    out.extend(found.get(from..).unwrap_or_default().chars().filter(|c| digit(*c)));
}

/// The length of what may separate an IBAN's groups at `from`: at most two characters.
fn iban_gap(text: &str, from: usize) -> usize {
    if byte(text, from + 1).is_ascii_alphanumeric() || byte(text, from).is_ascii_alphanumeric() {
        return usize::from(matches!(byte(text, from), b' ' | b'\t' | b'.' | b'-'));
    }
    let rest = text.get(from..).unwrap_or_default();
    let gap = |c: &char| matches!(c, ' ' | '\t' | '.' | '-' | '\u{a0}' | '\u{2007}' | '\u{202f}');
    rest.chars().take(2).take_while(gap).map(char::len_utf8).sum()
}

fn alnum_run(text: &str, from: usize, most: usize) -> usize {
    byte_run(text, from, most, |b| b.is_ascii_alphanumeric())
}

/// Where the longest shape of an IBAN that starts at `start` ends.
fn iban_shape(text: &str, start: usize) -> Option<usize> {
    let mut groups = [start + 4; 8];
    let mut count = 0;
    for i in 1..8 {
        let from = groups.get(i - 1)?;
        let group = from + iban_gap(text, *from);
        let four = text.as_bytes().get(group..group + 4);
        if !four.is_some_and(|four| four.iter().all(u8::is_ascii_alphanumeric)) {
            break;
        }
        *groups.get_mut(i)? = group + 4;
        count = i;
    }
    for &from in groups.get(2..=count)?.iter().rev() {
        let tail = from + iban_gap(text, from);
        let end = alnum_run(text, tail, 4);
        if end > tail && boundary::<false>(text, end) {
            return Some(end);
        }
        if boundary::<false>(text, from) {
            return Some(from);
        }
    }
    None
}

/// Where a group of an account number begins, and the sum of all before it.
#[derive(Clone, Copy, Default)]
struct Place {
    start: usize,
    sum: checks::Running,
}

impl Place {
    /// Reads `count` letters and digits; the gap after them isn't read.
    fn after(&self, text: &str, count: usize) -> Option<Self> {
        let group = text.as_bytes().get(self.start..self.start + count)?;
        let whole = group.iter().all(u8::is_ascii_alphanumeric);
        whole.then(|| Self { start: self.start + count, sum: self.sum.with(group) })
    }
}

/// Groups of four in a row. An account number may begin at each of them: then what was read for the one
/// before is not read again.
#[derive(Default)]
struct Groups {
    /// The last ones; the number of a group modulo 16 is its place here.
    places: [Place; 16],
    first: usize,
    /// What comes after the last group: not read yet.
    next: usize,
}

impl Groups {
    fn place(&self, at: usize) -> Place {
        self.places[at % 16]
    }

    /// Where the account number that starts at `start` ends, if it is as long as its country's are and
    /// its checksum is right. Each `start` is after the one before.
    fn iban(&mut self, text: &str, start: usize) -> Option<usize> {
        let head = text.as_bytes().get(start..start + 4)?;
        let length = checks::iban_length(head)?;
        while self.first < self.next && self.place(self.first).start < start {
            self.first += 1;
        }
        if self.place(self.first).start != start {
            self.next = self.first;
            self.places[self.first % 16] = Place { start, ..Place::default() };
        }
        let last = self.first + length / 4;
        while self.next < last {
            let mut after = self.place(self.next).after(text, 4)?;
            after.start += iban_gap(text, after.start);
            self.next += 1;
            self.places[self.next % 16] = after;
        }
        let end = match length % 4 {
            0 => Place { start: self.place(last - 1).start + 4, ..self.place(last) },
            more => self.place(last).after(text, more)?,
        };
        let valid = || end.sum.valid_since(self.place(self.first + 1).sum, head);
        (boundary::<true>(text, end.start) && valid()).then_some(end.start)
    }
}

pub(in super::super) fn mask_iban(found: &str, out: &mut String) {
    out.extend(found.chars().take(2).flat_map(char::to_uppercase));
    out.push_str("****");
}

/// As the reference finds them: what has the shape of an account number hides what starts inside it,
/// also when its checksum is wrong.
pub(in super::super) fn iban(text: &str, out: &mut Vec<Span>) {
    folded_ibans(text, out, |text, out| {
        let mut done = 0;
        for start in iban_starts(text) {
            if start < done || !starts::<false>(text, start) {
                continue;
            }
            let Some(end) = iban_shape(text, start) else { continue };
            if let Some(length) = text.get(start..end).and_then(checks::iban) {
                add(out, Span::new(start, start + length));
            }
            done = end;
        }
    });
}

/// All that are as long as their country's: words and numbers in a row often have the shape.
pub(in super::super) fn hidden_iban(text: &str, out: &mut Vec<Span>) {
    folded_ibans(text, out, |text, out| {
        let mut done = 0;
        let mut groups = Groups::default();
        for start in iban_starts(text) {
            if start >= done
                && starts::<true>(text, start)
                && let Some(end) = groups.iban(text, start)
            {
                add(out, Span::new(start, end));
                done = end;
            }
        }
    });
}

/// `(?i)` folds `ſ` to S and `ı` to I, here with the checksum: such a text, which is rare, is looked at
/// in ASCII.
fn folded_ibans(text: &str, out: &mut Vec<Span>, find: fn(&str, &mut Vec<Span>)) {
    let folds = memchr2(0xC4, 0xC5, text.as_bytes()).is_some() && text.contains(['ſ', 'ı']);
    if !folds {
        return find(text, out);
    }
    let ascii = text.replace('ſ', "S").replace('ı', "I");
    // Where each byte of the copy stands in the text, and where both end.
    let places = text.char_indices().flat_map(|(at, c)| {
        let kept = if matches!(c, 'ſ' | 'ı') { 1 } else { c.len_utf8() };
        (0..kept).map(move |i| at + i)
    });
    let places: Vec<usize> = places.chain([text.len()]).collect();
    let first = out.len();
    find(&ascii, out);
    for span in out.iter_mut().skip(first) {
        let place = |at: usize| places.get(at).copied().unwrap_or(text.len());
        *span = Span::new(place(span.start), place(span.end));
    }
}

/// Two letters and two digits that do not continue a word, as far as its ASCII tells.
pub(in super::super) fn iban_starts(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let (mut from, mut all) = (0, skip::Digits::of(bytes));
    std::iter::from_fn(move || {
        loop {
            let digit = all.next_from(from);
            if digit >= bytes.len() {
                return None;
            }
            // In the rest of the word no other begins.
            from = byte_run(text, digit, usize::MAX, |b| WORD[usize::from(b)]);
            let Some(start) = digit.checked_sub(2) else { continue };
            let letters = bytes.get(start..digit).unwrap_or_default().iter().all(u8::is_ascii_alphabetic);
            let glued = || start > 0 && WORD[usize::from(byte(text, start - 1))];
            if letters && byte(text, digit + 1).is_ascii_digit() && !glued() {
                return Some(start);
            }
        }
    })
}

/// The length of what may stand between two digits of a card's number.
fn card_gap(text: &str, from: usize) -> usize {
    match byte(text, from) {
        b'0'..=b'9' => 0,
        b' ' | b'.' | b'-' => 1,
        0..=0x7F => 0,
        _ => at(text, from)
            .filter(|c| matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}'))
            .map_or(0, char::len_utf8),
    }
}

/// The issuers' prefixes that the reference knows: Visa, Mastercard, American Express, Discover.
fn card_prefix(four: &[u8]) -> bool {
    matches!(
        four,
        [b'4', ..] | [b'5', b'1'..=b'5', ..] | [b'3', b'4' | b'7', ..] | b"6011" | [b'6', b'5', ..]
    )
}

/// Where the longest shape of a card's number that starts at `start` ends, and whether its checksum is
/// right.
fn card_shape<const LENIENT: Lenient>(text: &str, start: usize) -> Option<(usize, bool)> {
    let four = text.as_bytes().get(start..start + 4)?;
    if !four.iter().all(u8::is_ascii_digit) || !card_prefix(four) {
        return None;
    }
    let mut sum = checks::Luhn::default();
    four.iter().for_each(|digit| sum.add(*digit));
    let mut end = start + 4;
    let mut shape = None;
    for more in 1..=13 {
        let at = end + card_gap(text, end);
        let digit = byte(text, at);
        if !digit.is_ascii_digit() {
            break;
        }
        sum.add(digit);
        end = at + 1;
        if more >= 9 && boundary::<LENIENT>(text, end) {
            shape = Some((end, sum.valid()));
        }
    }
    shape
}

pub(in super::super) fn credit_card<const LENIENT: Lenient>(text: &str, out: &mut Vec<Span>) {
    let mut runs = Digits::of(text);
    while let Some(run) = runs.next() {
        if !starts::<LENIENT>(text, run.start) {
            continue;
        }
        let Some((end, valid)) = card_shape::<LENIENT>(text, run.start) else { continue };
        if valid {
            add(out, Span::new(run.start, end));
        }
        runs.skip_to(end);
    }
}

/// The run of exactly `count` digits that starts at `start`.
fn exactly(text: &str, start: usize, count: usize) -> Option<Run> {
    digits_at(text, start).filter(|run| run.count == count)
}

pub(in super::super) fn ssn<const LENIENT: Lenient>(text: &str, out: &mut Vec<Span>) {
    ssns::<LENIENT>(text, b"- ", out);
}

pub(in super::super) fn dotted_ssn(text: &str, out: &mut Vec<Span>) {
    ssns::<true>(text, b".", out);
}

fn ssns<const LENIENT: Lenient>(text: &str, separators: &[u8], out: &mut Vec<Span>) {
    let mut runs = Digits::of(text);
    while let Some(run) = runs.next() {
        if run.count == 3
            && starts::<LENIENT>(text, run.start)
            && let Some(end) = ssn_rest::<LENIENT>(text, run.end, separators)
        {
            add(out, Span::new(run.start, end));
            runs.skip_to(end);
        }
    }
}

fn ssn_rest<const LENIENT: Lenient>(text: &str, from: usize, separators: &[u8]) -> Option<usize> {
    let separator = |at: usize| separators.contains(&byte(text, at)).then_some(at + 1);
    let group = exactly(text, separator(from)?, 2)?;
    let serial = exactly(text, separator(group.end)?, 4)?;
    ends::<LENIENT>(text, serial.end).then_some(serial.end)
}

/// By hand for its look-around: no ASCII digit before, no character of a token after.
pub(in super::super) fn bot_token(text: &str, out: &mut Vec<Span>) {
    let mut runs = Digits::of(text);
    while let Some(run) = runs.next() {
        if run.count < 8 || byte(text, run.end) != b':' {
            continue;
        }
        let id = text.get(run.start..run.end).unwrap_or_default();
        let last = id.char_indices().rev().take(10).skip(7);
        let free = |&at: &usize| !before(text, at).is_some_and(|c| c.is_ascii_digit());
        let start = last.map(|(at, _)| run.start + at).filter(free).min();
        let body = run.end + 1;
        let end = byte_run(text, body, 41, super::token::base64url);
        if let Some(start) = start.filter(|_| (30..=40).contains(&(end - body))) {
            add(out, Span::new(start, end));
            runs.skip_to(end);
        }
    }
}

pub(in super::super) fn ip_internal<const LENIENT: Lenient>(text: &str, out: &mut Vec<Span>) {
    let mut runs = Digits::of(text);
    while let Some(run) = runs.next() {
        if starts::<LENIENT>(text, run.start)
            && let Some(end) = ip_rest::<LENIENT>(text, run)
        {
            add(out, Span::new(run.start, end));
            runs.skip_to(end);
        }
    }
}

fn ip_rest<const LENIENT: Lenient>(text: &str, first: Run) -> Option<usize> {
    let next = |from: usize| digits_at(text, (byte(text, from) == b'.').then_some(from + 1)?);
    let octet = |from: usize| next(from).filter(|run| run.count <= 3);
    let number = |run: Run| text.get(run.start..run.end).unwrap_or_default();
    let second = match number(first) {
        "10" => octet(first.end)?,
        "172" => next(first.end).filter(|&run| sixteen_to_thirty_one(number(run)))?,
        "192" => next(first.end).filter(|&run| number(run) == "168")?,
        _ => return None,
    };
    let last = octet(octet(second.end)?.end)?;
    ends::<LENIENT>(text, last.end).then_some(last.end)
}

/// 16 to 31; the last digit of a number in the twenties may be of any script.
fn sixteen_to_thirty_one(number: &str) -> bool {
    let mut characters = number.chars();
    match (characters.next(), characters.next(), characters.next()) {
        (Some('1'), Some('6'..='9'), None) | (Some('3'), Some('0' | '1'), None) => true,
        (Some('2'), Some(c), None) => digit(c),
        _ => false,
    }
}

/// Keeps the network's half of the address.
pub(in super::super) fn mask_ip(found: &str, out: &mut String) {
    let keep = found.match_indices('.').nth(1).map_or(0, |(at, _)| at);
    out.push_str(found.get(..keep).unwrap_or_default());
    out.push_str(".*.*");
}

/// The length of a phone number's separator at `from`.
fn phone_gap(text: &str, from: usize) -> Option<usize> {
    at(text, from).filter(|&c| matches!(c, '-' | '.') || space(c)).map(char::len_utf8)
}

pub(in super::super) fn phone<const LENIENT: Lenient>(text: &str, out: &mut Vec<Span>) {
    let mut done = 0;
    let mut runs = Digits::of(text);
    while let Some(run) = runs.next() {
        if run.count == 3
            && starts::<LENIENT>(text, run.start)
            && let Some(end) = phone_rest::<LENIENT>(text, run.end)
        {
            add(out, Span::new(phone_start(text, run.start, done), end));
            runs.skip_to(end);
            done = end;
        }
    }
}

fn phone_rest<const LENIENT: Lenient>(text: &str, area: usize) -> Option<usize> {
    let exchange = area + usize::from(byte(text, area) == b')');
    let exchange = exactly(text, exchange + phone_gap(text, exchange)?, 3)?;
    let line = exactly(text, exchange.end + phone_gap(text, exchange.end)?, 4)?;
    ends::<LENIENT>(text, line.end).then_some(line.end)
}

/// How far to the left of its area code, at `area`, a phone number starts: a parenthesis, the country
/// code 1 and its plus sign belong to it where a word boundary, by either reading, is before them.
fn phone_start(text: &str, area: usize, done: usize) -> usize {
    let country = |from: usize| {
        let gap = before(text, from).filter(|&c| matches!(c, '-' | '.') || space(c))?;
        let one =
            from.checked_sub(gap.len_utf8() + 1).filter(|&one| one >= done && byte(text, one) == b'1')?;
        let plus = one.checked_sub(1).filter(|&plus| plus >= done && byte(text, plus) == b'+');
        plus.filter(|&plus| boundary::<true>(text, plus)).or(boundary::<true>(text, one).then_some(one))
    };
    let open = area.checked_sub(1).filter(|&open| open >= done && byte(text, open) == b'(');
    match open {
        Some(open) => country(open).or(boundary::<true>(text, open).then_some(open)).unwrap_or(area),
        None => country(area).unwrap_or(area),
    }
}

/// Whether a whole number, as its decimal digits, is a card's.
pub(in super::super) fn card_number(digits: &str) -> bool {
    digits.bytes().all(|b| b.is_ascii_digit()) && card_shape::<false>(digits, 0) == Some((digits.len(), true))
}
