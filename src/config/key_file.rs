//! The file with the secret by which hashes are keyed.

use super::secret_file;
use halod_record::keyed::HashKey;
use std::path::Path;

/// Bytes that a secret may have.
const MOST: usize = 4096;

/// Who may read a file that is anybody's to read.
const OTHERS: u32 = 0o007;

/// Reads the secret: all of the file, without the line break at its end.
///
/// # Errors
/// Why it can't be used, in words that tell nothing of it.
pub fn read(path: &Path) -> Result<HashKey, String> {
    let (secret, mode) =
        secret_file::read_with_mode(path, MOST).map_err(|what| format!("{}: {what}", path.display()))?;
    if mode & OTHERS != 0 {
        return Err(format!("{0}: anybody may read or change it; chmod o= {0}", path.display()));
    }
    let end = secret.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    HashKey::new(&secret[..end]).map_err(|short| format!("{}: {short}", path.display()))
}
