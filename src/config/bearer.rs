//! The file with the key that a witness knows a vendor by.

use super::secret_file;
use http::HeaderValue;
use std::path::Path;

/// Bytes that the file may have.
const MOST: usize = 4096;

/// Who may read or change a file that is anybody's.
const OTHERS: u32 = 0o007;

/// What a request says with the key of a file: its one line.
///
/// # Errors
/// Why it can't be used, in words that tell nothing of it.
pub fn read(path: &Path) -> Result<HeaderValue, String> {
    let shown = path.display();
    let (key, mode) = secret_file::read_with_mode(path, MOST).map_err(|what| format!("{shown}: {what}"))?;
    if mode & OTHERS != 0 {
        return Err(format!("{shown}: anybody may read or change it; chmod o= {shown}"));
    }
    let text = std::str::from_utf8(&key).unwrap_or_default();
    header(text.trim()).map_err(|what| format!("{shown}: {what}"))
}

/// What a request says with a key (RFC 6750, section 2.1).
///
/// # Errors
/// It is none.
pub fn header(key: &str) -> Result<HeaderValue, &'static str> {
    let wrong = "the key is not one line of visible ASCII characters without blanks";
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| wrong)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_line_is_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let of = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read(&path)
        };
        assert_eq!(of("se-cret=\n", 0o640).unwrap(), "Bearer se-cret=");
        for (text, mode, what) in [
            ("", 0o600, "one line"),
            ("a\nb\n", 0o600, "one line"),
            ("a b", 0o600, "one line"),
            ("schlüssel", 0o600, "one line"),
            ("key", 0o644, "chmod"),
            (&"k".repeat(5000), 0o600, "more than 4096"),
        ] {
            let told = of(text, mode).unwrap_err();
            assert!(told.contains(what) && !told.contains("schl"), "{told}");
        }
        assert!(read(&dir.path().join("none")).unwrap_err().contains("can't be read"));
    }
}
