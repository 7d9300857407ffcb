//! The page of `web/`, put together into one file that asks nothing of anybody.
//!
//! Modules of `web/` are joined in the order of their layers: their imports are left out, since what they import stands before them,
//! and so is the word `export`. The browser runs only the texts whose hashes its policy has.

use data_encoding::BASE64;
use halod_record::hash::hex_text;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// What the page and its worker share, from the bottom up.
const LIBRARY: &[&str] = &[
    include_str!("../../../web/bytes.js"),
    include_str!("../../../web/sha256.js"),
    include_str!("../../../web/json.js"),
    include_str!("../../../web/canon.js"),
    include_str!("../../../web/schema.js"),
    include_str!("../../../web/time.js"),
    include_str!("../../../web/ids.js"),
    include_str!("../../../web/verify.js"),
    include_str!("../../../web/tree.js"),
    include_str!("../../../web/note.js"),
    include_str!("../../../web/policy.js"),
    include_str!("../../../web/proof.js"),
    include_str!("../../../web/words.js"),
];
/// What runs in the worker.
const WORKER: &[&str] = &[
    include_str!("../../../web/columns.js"),
    include_str!("../../../web/source.js"),
    include_str!("../../../web/chain.js"),
    include_str!("../../../web/judge.js"),
    include_str!("../../../web/worker.js"),
];
/// What runs in the page.
const PAGE: &[&str] = &[
    include_str!("../../../web/dom.js"),
    include_str!("../../../web/open.js"),
    include_str!("../../../web/verdict.js"),
    include_str!("../../../web/list.js"),
    include_str!("../../../web/record.js"),
    include_str!("../../../web/view.js"),
    include_str!("../../../web/main.js"),
];
const STYLE: &str = include_str!("../../../web/page.css");
const SHELL: &str = include_str!("../../../web/page.html");

/// Texts of the page that the browser may run or apply.
struct Texts {
    library: String,
    worker: String,
    page: String,
}

/// Modules as one script: without their imports, and with nothing exported.
fn joined(modules: &[&str]) -> String {
    let mut script = String::from("\"use strict\";\n");
    for line in modules.iter().flat_map(|module| module.lines()) {
        if line.starts_with("import ") {
            continue;
        }
        script.push_str(line.strip_prefix("export ").unwrap_or(line));
        script.push('\n');
    }
    script
}

fn texts() -> &'static Texts {
    static TEXTS: OnceLock<Texts> = OnceLock::new();
    TEXTS.get_or_init(|| Texts { library: joined(LIBRARY), worker: joined(WORKER), page: joined(PAGE) })
}

fn source(text: &str) -> String {
    format!("'sha256-{}'", BASE64.encode(&Sha256::digest(text)))
}

/// What the browser lets the page do, `connect` being the sources that it may ask, like `'self'`.
fn directives(connect: &str) -> String {
    let Texts { library, page, .. } = texts();
    format!(
        "default-src 'none'; script-src {} {}; style-src {}; worker-src blob:; connect-src {connect}; img-src data:; \
         base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types halod",
        source(library),
        source(page),
        source(STYLE)
    )
}

/// The value of the header `Content-Security-Policy` for the page, `connect` being the sources that it may ask, like `'self'`.
#[must_use]
pub fn content_security_policy(connect: &str) -> String {
    // A page can't say of itself who may frame it.
    format!("{}; frame-ancestors 'none'", directives(connect))
}

/// The page, which is the same wherever it is opened.
#[must_use]
pub fn html() -> &'static str {
    static HTML: OnceLock<String> = OnceLock::new();
    HTML.get_or_init(|| {
        let Texts { library, worker, page } = texts();
        let parts = [
            ("{{policy}}", directives("'self'").as_str()),
            ("{{style}}", STYLE),
            ("{{version}}", env!("CARGO_PKG_VERSION")),
            ("{{library}}", library),
            ("{{worker}}", worker),
            ("{{page}}", page),
        ]
        .map(|(name, text)| (name, text.to_owned()));
        // Each text comes once, and none is looked through for the others' names.
        let mut html = String::with_capacity(SHELL.len() + library.len() + worker.len() + page.len());
        let mut rest = SHELL;
        for (name, text) in parts {
            let Some((before, after)) = rest.split_once(name) else { continue };
            html.push_str(before);
            html.push_str(&text);
            rest = after;
        }
        html.push_str(rest);
        html
    })
}

/// The SHA-256 of the page, in hexadecimal digits: that of the first bytes of each report in a file.
#[must_use]
pub fn hash() -> String {
    hex_text(&halod_record::hash::sha256(html().as_bytes()))
}

/// What stands behind the page in a file: a text that no script runs and no tag ends.
#[must_use]
pub fn attached(id: &str, bytes: &[u8]) -> String {
    format!("<script type=\"application/x-halo\" id=\"{id}\">{}</script>\n", BASE64.encode(bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_its_scripts_have_their_hashes() {
        let html = html();
        for part in ["policy", "style", "version", "library", "worker", "page"] {
            assert!(!html.contains(&format!("{{{{{part}}}}}")), "{part} is not in the page");
        }
        // Neither a tag nor a comment within a script could end it.
        assert_eq!(html.matches("</script").count(), 3);
        assert_eq!(html.matches("<!--").count(), 0);
        assert_eq!(html.matches("<script").count(), 3);
        let texts = texts();
        for text in [&texts.library, &texts.page] {
            let at = html.find(text.as_str()).unwrap();
            assert!(html[..at].ends_with('>') && html[at + text.len()..].starts_with("</script>"));
            assert!(content_security_policy("'self'").contains(&source(text)));
        }
        for text in [&texts.library, &texts.worker, &texts.page] {
            let is_module = |line: &str| line.starts_with("import") || line.starts_with("export");
            assert!(!text.lines().any(is_module), "a module is not joined");
        }
        assert!(html.ends_with("</html>\n"));
        assert!(html.len() < 200_000, "{} bytes", html.len());
    }

    #[test]
    fn who_may_be_asked_is_the_callers() {
        let policy = content_security_policy("'self' https://witness.example");
        assert!(policy.contains("connect-src 'self' https://witness.example;"), "{policy}");
        assert!(!html().contains("frame-ancestors"));
    }
}
