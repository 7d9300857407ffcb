//! The file with the secret by which hashes are keyed.

use halod_record::keyed::HashKey;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Bytes that a secret may have.
const MOST: u64 = 4096;

/// Who may read a file that is anybody's to read.
const OTHERS: u32 = 0o007;

/// Reads the secret: all of the file, without the line break at its end.
///
/// # Errors
/// Why it can't be used, in words that tell nothing of it.
pub fn read(path: &Path) -> Result<HashKey, String> {
    let unreadable = |error| format!("{}: can't be read: {error}", path.display());
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("{}: is no file", path.display()));
    }
    if metadata.permissions().mode() & OTHERS != 0 {
        return Err(format!("{0}: anybody may read or change it; chmod o= {0}", path.display()));
    }
    let mut secret = Vec::new();
    File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut secret)).map_err(unreadable)?;
    if secret.len() as u64 > MOST {
        return Err(format!("{}: has more than {MOST} bytes", path.display()));
    }
    let end = secret.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    HashKey::new(&secret[..end]).map_err(|short| format!("{}: {short}", path.display()))
}
