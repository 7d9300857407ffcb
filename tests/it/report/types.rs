//! The page's modules have types that fit, by TypeScript's own checker, which they do not need to run.

use crate::support::clients::web_tools;
use crate::support::root;
use std::process::Command;

#[test]
fn the_pages_types_fit() {
    let tsc = web_tools().dir().join("node_modules/typescript/bin/tsc");
    let out = Command::new("node").arg(tsc).arg("-p").arg(root().join("web")).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn the_pages_modules_are_small_and_import_in_one_line() {
    for entry in std::fs::read_dir(root().join("web")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().count() <= 400, "{} has more than 400 lines", path.display());
        if path.extension().is_some_and(|end| end == "js") {
            let imports = text.lines().filter(|line| line.starts_with("import "));
            assert!(imports.clone().all(|line| line.ends_with(".js\";")), "{}", path.display());
            // What would make of a text more than a text.
            for word in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
            {
                assert!(!text.contains(word), "{} has {word}", path.display());
            }
        }
    }
}
