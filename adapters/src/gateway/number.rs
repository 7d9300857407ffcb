//! Numbers as logs write them.

/// A whole number of digits alone.
pub(super) fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 19 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.bytes().fold(0, |sum, b| sum * 10 + u64::from(b - b'0')))
}

/// A decimal of so many nanoseconds each, to the nanosecond.
pub(super) fn decimal(text: &str, unit: u64) -> Option<u64> {
    let (before, after) = text.split_once('.').unwrap_or((text, ""));
    let mut nanos = whole(if before.is_empty() { "0" } else { before })?.checked_mul(unit)?;
    if before.is_empty() && after.is_empty() || !after.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut place = unit;
    for digit in after.bytes() {
        place /= 10;
        nanos = nanos.checked_add(u64::from(digit - b'0') * place)?;
    }
    Some(nanos)
}

/// How long something took: a decimal, with its unit after it or without, or several where a request was
/// tried on several upstreams (`0.001, 0.002 : 0.001`).
pub(super) fn lasted(text: &str, unit: u64) -> Option<u64> {
    if let Some(nanos) = decimal(text, unit) {
        return Some(nanos);
    }
    if text.ends_with('s') {
        return spelled(text);
    }
    let mut sum = None;
    for part in text.split([',', ':']).map(str::trim).filter(|part| !matches!(*part, "-" | "")) {
        sum = Some(decimal(part, unit)?.checked_add(sum.unwrap_or(0))?);
    }
    sum
}

/// A duration as Go writes it: `1m2.5s`, `12.5ms`, `350µs`.
fn spelled(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 7] = [
        ("h", 3600 * super::fields::SECOND),
        ("ms", super::fields::MILLI),
        ("m", 60 * super::fields::SECOND),
        ("µs", 1000),
        ("us", 1000),
        ("ns", 1),
        ("s", super::fields::SECOND),
    ];
    let (mut rest, mut sum) = (text, 0_u64);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let (unit, after) = UNITS.iter().find_map(|(name, unit)| Some((unit, after.strip_prefix(name)?)))?;
        sum = sum.checked_add(decimal(number, *unit)?)?;
        rest = after;
    }
    Some(sum)
}

/// The nanoseconds of a JSON number of so many each; none of what is negative or no number.
pub(super) fn float(number: f64, unit: u64) -> Option<u64> {
    let nanos = number * unit as f64;
    // Casts saturate; what is over the top is no duration.
    (nanos >= 0.0 && nanos < u64::MAX as f64).then(|| nanos.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn decimals_are_exact() {
        let table = [
            ("0.002", Some(2_000_000)),
            ("12", Some(12 * SECOND)),
            (".5", Some(500_000_000)),
            ("1.", Some(SECOND)),
            ("0.0000000019", Some(1)),
            ("", None),
            (".", None),
            ("-1", None),
            ("1e3", None),
            ("99999999999999999999", None),
            ("9999999999999999999", None),
        ];
        for (text, nanos) in table {
            assert_eq!(decimal(text, SECOND), nanos, "{text}");
        }
    }

    #[test]
    fn tries_on_several_upstreams_add_up() {
        assert_eq!(lasted("0.001, 0.002 : 0.003", SECOND), Some(6_000_000));
        assert_eq!(lasted("-, 0.002", SECOND), Some(2_000_000));
        assert_eq!(lasted("-", SECOND), None);
        assert_eq!(lasted("17ms", SECOND), Some(17_000_000));
        assert_eq!(lasted("x", SECOND), None);
        assert_eq!(float(-1.0, SECOND), None);
        assert_eq!(float(f64::NAN, SECOND), None);
        assert_eq!(float(0.5, SECOND), Some(500_000_000));
    }
}
