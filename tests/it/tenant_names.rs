//! Chains are named as the reference names them.

use crate::support::reference;
use halod_record::tenant::Tenant;

fn ids() -> Vec<String> {
    let pieces = [
        "a", "Z", "9", "-", "_", ".", "~", "/", "\\", " ", ":", "\0", "\n", "é", "É", "ß", "字", "😀", "²",
        "½", "ⅷ", "٣", "\u{301}", "\u{345}", "\u{93f}", "Ⓐ", "‿", "ǅ", "İ", "acme", "..", "%2e",
    ];
    let mut ids: Vec<String> = pieces.map(str::to_owned).into();
    for first in pieces {
        ids.extend(pieces.map(|second| format!("{first}{second}")));
        ids.push(format!("tenant{first}x"));
    }
    for length in [127, 128, 129, 218, 219, 220, 221, 243, 244, 245, 246, 400, 512] {
        ids.extend(["a", "A", "-"].map(|letter| letter.repeat(length)));
        ids.push(format!("{}é", "a".repeat(length - 2)));
        ids.push(format!("{}_", "b".repeat(length - 1)));
        ids.push(format!("{}.X", "b".repeat(length - 2)));
    }
    ids.extend(["local", "LOCAL", "con", "nul", "a.jsonl", "acme corp", "-rf", "_local"].map(str::to_owned));
    ids
}

#[test]
fn every_id_gets_the_references_file() {
    let ids = ids();
    assert!(ids.len() >= 500);
    let dir = tempfile::tempdir().unwrap();
    let input: String = ids.iter().map(|id| serde_json::to_string(id).unwrap() + "\n").collect();
    let said = reference::ask_python("tenants.py", &[dir.path()], &input);
    assert_eq!(said.lines().count(), ids.len());
    for (id, line) in ids.iter().zip(said.lines()) {
        let [name, legacy]: [String; 2] = serde_json::from_str(line).unwrap();
        let tenant = Tenant::stored(id);
        assert_eq!(format!("{}.jsonl", tenant.file_stem()), name, "{id:?}");
        match tenant.legacy_stem() {
            Some(stem) => assert_eq!(format!("{stem}.jsonl"), legacy, "{id:?}"),
            None => assert!(legacy == name || legacy.len() > 250, "{id:?}: {legacy}"),
        }
        assert!(tenant.digest_stem().len() <= 244 && tenant.digest_stem().contains('~'));
    }
}
