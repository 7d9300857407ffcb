//! `${env:NAME}` in a configuration value.
//!
//! Expansion works on one parsed scalar at a time, after the YAML is read, so whatever a variable
//! holds stays inside that scalar: it can't add keys, end a line or open a list, and it is not
//! expanded again. Shape as in the OpenTelemetry Collector, with one difference on purpose: a
//! variable that is not set and has no default is an error, because an empty directory name or
//! tenant rule would be taken silently.

/// Why a value could not be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    #[error("environment variable {0} is not set; set it, or give a default: ${{env:{0}:-value}}")]
    Unset(String),
    #[error("environment variable {0} is not valid UTF-8")]
    NotUtf8(String),
    #[error("`${{` without a closing `}}`; write `$$` for a literal dollar sign")]
    Unclosed,
    #[error("`${{{0}}}` is not understood; write `${{env:{0}}}` for an environment variable")]
    NoScheme(String),
    #[error("`{0}:` is not understood; only `${{env:NAME}}` and `${{env:NAME:-default}}` are")]
    Scheme(String),
    #[error("`{0}` is not the name of an environment variable: letters, digits and `_`, not first a digit")]
    Name(String),
    #[error("the default of {0} contains `${{`; defaults are not expanded")]
    Nested(String),
}

/// Looks a variable up; `None` when it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<std::ffi::OsString>;

/// Expands every `${env:NAME}`, `${env:NAME:-default}` and `$$` of one scalar. A default is used
/// when the variable is unset or empty, as in a shell.
///
/// # Errors
/// The first reference that can't be expanded.
pub fn expand(text: &str, lookup: Lookup<'_>) -> Result<String, EnvError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, dollar) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = dollar.strip_prefix("$$") {
            out.push('$');
            rest = after;
        } else if let Some(after) = dollar.strip_prefix("${") {
            let (reference, after) = after.split_once('}').ok_or(EnvError::Unclosed)?;
            out.push_str(&resolve(reference, lookup)?);
            rest = after;
        } else {
            out.push('$');
            rest = dollar.strip_prefix('$').unwrap_or_default();
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Whether `expand` would do anything to `text`.
#[must_use]
pub fn has_reference(text: &str) -> bool {
    text.contains("${")
}

fn resolve(reference: &str, lookup: Lookup<'_>) -> Result<String, EnvError> {
    let Some((scheme, rest)) = reference.split_once(':') else {
        return Err(EnvError::NoScheme(reference.to_owned()));
    };
    if rest.starts_with('-') && is_name(scheme) {
        return Err(EnvError::NoScheme(reference.to_owned()));
    }
    if scheme != "env" {
        return Err(EnvError::Scheme(scheme.to_owned()));
    }
    let (name, default) = match rest.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (rest, None),
    };
    if !is_name(name) {
        return Err(EnvError::Name(name.to_owned()));
    }
    if default.is_some_and(|text| text.contains("${")) {
        return Err(EnvError::Nested(name.to_owned()));
    }
    match (lookup(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => value.into_string().map_err(|_| EnvError::NotUtf8(name.to_owned())),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(EnvError::Unset(name.to_owned())),
    }
}

fn is_name(text: &str) -> bool {
    text.bytes()
        .enumerate()
        .all(|(i, b)| b == b'_' || b.is_ascii_alphabetic() || (i > 0 && b.is_ascii_digit()))
        && !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<String, EnvError> {
        expand(text, &|name| match name {
            "HOST" => Some("10.0.0.1".into()),
            "EMPTY" => Some("".into()),
            "REF" => Some("${env:HOST}".into()),
            "YAML" => Some("a\nadmin: { endpoint: 0.0.0.0:1 }".into()),
            _ => None,
        })
    }

    #[test]
    fn expands_names_defaults_and_escapes() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${env:HOST}:4317", "10.0.0.1:4317"),
            ("${env:HOST}${env:HOST}", "10.0.0.110.0.0.1"),
            ("${env:NOPE:-./records}", "./records"),
            ("${env:NOPE:-}", ""),
            ("${env:NOPE:-a:-b}", "a:-b"),
            ("${env:EMPTY}", ""),
            ("${env:EMPTY:-x}", "x"),
            ("$${env:HOST}", "${env:HOST}"),
            ("cost$$", "cost$"),
            ("a$b $", "a$b $"),
            ("${env:REF}", "${env:HOST}"),
            ("${env:YAML}", "a\nadmin: { endpoint: 0.0.0.0:1 }"),
        ] {
            assert_eq!(with(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, expected) in [
            ("${env:NOPE}", EnvError::Unset("NOPE".into())),
            ("${env:NOPE", EnvError::Unclosed),
            ("${HOST}", EnvError::NoScheme("HOST".into())),
            ("${HOST:-x}", EnvError::NoScheme("HOST:-x".into())),
            ("${file:/etc/passwd}", EnvError::Scheme("file".into())),
            ("${env:1X}", EnvError::Name("1X".into())),
            ("${env:}", EnvError::Name(String::new())),
            ("${env:A:-${env:HOST}}", EnvError::Nested("A".into())),
        ] {
            assert_eq!(with(text), Err(expected), "{text}");
        }
        let message = EnvError::Unset("DATA".into()).to_string();
        assert!(message.ends_with("${env:DATA:-value}"), "{message}");
    }
}
