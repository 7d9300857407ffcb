//! A value as a cell of CSV (RFC 4180), which no spreadsheet takes for a formula.

/// Appends a row with its line end.
pub fn row<'c>(cells: impl IntoIterator<Item = &'c str>, out: &mut Vec<u8>) {
    for (at, text) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        cell(text, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a cell: in quotes where it has to be, and with `'` before what would be a formula.
pub fn cell(text: &str, out: &mut Vec<u8>) {
    let is_quoted = text.contains(['"', ',', '\r', '\n']);
    if is_quoted {
        out.push(b'"');
    }
    if is_formula(text) {
        out.push(b'\'');
    }
    if is_quoted {
        for (at, part) in text.split('"').enumerate() {
            if at > 0 {
                out.extend_from_slice(b"\"\"");
            }
            out.extend_from_slice(part.as_bytes());
        }
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Whether a spreadsheet might compute what begins so. A negative number is none; blanks before it don't help.
fn is_formula(text: &str) -> bool {
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    match text.chars().next() {
        Some('-') => !text.get(1..).is_some_and(is_number),
        Some('\t' | '\r' | '\n') => true,
        _ => text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formula() {
        let of = |cells: &[&str]| {
            let mut out = Vec::new();
            row(cells.iter().copied(), &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!(of(&["a", "", "b c"]), "a,,b c\r\n");
        assert_eq!(of(&["a,b", "say \"x\"", "1\n2", "\r"]), "\"a,b\",\"say \"\"x\"\"\",\"1\n2\",\"'\r\"\r\n");
        assert_eq!(of(&["=1+1", "-5", "-5+cmd", "+1", "@x", "-"]), "'=1+1,-5,'-5+cmd,'+1,'@x,'-\r\n");
        assert_eq!(of(&["\t=1", " =1", "＝1", "=\"a\""]), "'\t=1,' =1,'＝1,\"'=\"\"a\"\"\"\r\n");
    }
}
