//! The class of an exception, out of the text that a run has for its error.

/// The class's name, where the text shows one:
///
/// - Python's tracers write `repr(error)` and the traceback after it: `ValueError('no')Traceback ...`
/// - or the traceback alone, whose last line is `module.ValueError: no`;
/// - JavaScript's write `TypeError: no` and the stack, or the message alone.
pub(super) fn class(text: &str) -> Option<&str> {
    let text = text.trim();
    let first = text.lines().next()?;
    let traceback = first.starts_with("Traceback (most recent call last)");
    if !traceback {
        let name = leading(first);
        let rest = first.get(name.len()..)?;
        if is_class(name) && rest.starts_with('(') {
            return Some(last_part(name));
        }
        if says_error(name) && (rest.is_empty() || rest.starts_with(':')) {
            return Some(last_part(name));
        }
    }
    if !traceback && !text.contains("Traceback (most recent call last)") {
        return None;
    }
    let raised = text.lines().rev().find_map(|line| {
        let name = leading(line);
        let rest = line.get(name.len()..)?;
        (is_class(name) && (rest.is_empty() || rest.starts_with(": "))).then_some(name)
    });
    raised.map(last_part)
}

/// The dotted name that a line begins with.
fn leading(line: &str) -> &str {
    let end = line.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    line.get(..end.count()).unwrap_or_default()
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn is_class(name: &str) -> bool {
    let last = last_part(name);
    (2..=120).contains(&last.len()) && last.starts_with(|first: char| first.is_ascii_uppercase())
}

/// Without a bracket or a traceback anything may stand before a colon.
fn says_error(name: &str) -> bool {
    is_class(name) && ["Error", "Exception", "Interrupt", "Timeout"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::class;

    #[test]
    fn the_class_is_read_where_there_is_one() {
        for (text, expected) in [
            (
                "RuntimeError('no: (x)')Traceback (most recent call last):\n\n  File \"a.py\"\n\nRuntimeError: no",
                Some("RuntimeError"),
            ),
            ("OpenAIRateLimitError('Error code: 429')", Some("OpenAIRateLimitError")),
            (
                "Traceback (most recent call last):\n  File \"a.py\", line 1\n    x()\nopenai.RateLimitError: no\n",
                Some("RateLimitError"),
            ),
            ("TypeError: x is not a function\n    at f (a.js:1:2)", Some("TypeError")),
            ("Error: refused", Some("Error")),
            ("GraphInterrupt((Interrupt(value='ok?'),))", Some("GraphInterrupt")),
            ("KeyboardInterrupt()", Some("KeyboardInterrupt")),
            ("refused", None),
            ("Order: not found", None),
            ("", None),
            ("(x)", None),
            ("é: no", None),
            ("The order (A-1042) is gone", None),
        ] {
            assert_eq!(class(text), expected, "{text}");
        }
    }
}
