//! The body of the fuzz target of files of identities; a test of the usual suite runs this body as well. Whatever stands in
//! one, each identity of it has a name and errors repeat no credential.

use halod::auth::{Table, lines};

/// How many identities it has.
pub(crate) fn identities(data: &[u8]) -> usize {
    let Ok(text) = std::str::from_utf8(data) else { return 0 };
    match Table::parse(text) {
        Ok(table) => {
            let names: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
            let named = names.iter().filter(|name| lines::check_name(&name.replace('"', "")).is_ok()).count();
            assert!(table.len() <= named, "{text}");
            table.len()
        }
        Err(wrong) => {
            let credentials = ["token=", "password="];
            let shown =
                |word: &str| credentials.iter().find_map(|key| word.strip_prefix(key)).map(str::to_owned);
            for secret in text.split_whitespace().filter_map(shown).filter(|secret| secret.len() > 20) {
                assert!(wrong.iter().all(|bad| !bad.to_string().contains(&secret)), "{secret}");
            }
            assert!(wrong.iter().all(|bad| bad.line >= 1 && bad.line <= text.lines().count()));
            0
        }
    }
}
