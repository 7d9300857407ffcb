//! The rules of the house that a compiler doesn't check.

use crate::support::halod::halod;
use crate::support::root;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules of the daemon from the bottom up; each may use its own layer and those before it. What is below
/// them are crates, whose dependencies say what they may use.
const LAYERS: &[&[&str]] = &[
    &["clock", "recent"],
    &["pipeline"],
    &["hold", "tee", "checkpointer", "tsa"],
    &["net"],
    &["auth"],
    &["ingest"],
    &["receivers"],
    &["spool"],
    &["import", "check"],
    &["config", "telemetry", "daemon", "witness"],
    &["reader", "capture"],
    &["cli"],
];

/// Where files are read and written. The hold keeps what was acknowledged and is not whole, a tee its queue,
/// each on a thread of its own; imports and followed logs are files; the metrics read the process's own size,
/// and nothing else.
const MAY_USE_FILES: &[&str] = &[
    "chain/src",
    "tlog/src",
    "record/src/verify",
    "src/hold",
    "src/tee",
    "src/import",
    "src/check",
    "src/capture",
    "src/reader",
    "src/spool",
    "src/receivers/tail",
    "src/config",
    "src/cli",
    "src/daemon",
    "src/telemetry/metrics",
    "src/tsa",
    "src/witness",
];

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 90;

struct Source {
    /// Relative to the root, with slashes.
    path: String,
    text: String,
}

impl Source {
    /// The part that ships: without the tests at the end of the file, or in a file of their own.
    fn shipped(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap();
        if name == "tests.rs" || name.ends_with("_tests.rs") || self.path.contains("/tests/") {
            return "";
        }
        let tests = self.text.match_indices("#[cfg(test)]\n").find(|(at, _)| {
            let rest = &self.text[*at..];
            rest.lines()
                .skip(1)
                .find(|l| !l.starts_with("#["))
                .is_some_and(|l| l.starts_with("mod ") && l.ends_with('{'))
        });
        tests.map_or(&self.text, |(at, _)| &self.text[..at])
    }

    /// Code lines of the shipped part, numbered from 1.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.shipped().lines().enumerate().map(|(i, line)| (i + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn within(&self, places: &[&str]) -> bool {
        places.iter().any(|place| {
            self.path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
        })
    }
}

fn walk(dir: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | "node_modules" | ".git" | "__pycache__" | "records") {
                walk(&path, extensions, found);
            }
        } else if extensions.is_empty() || extensions.iter().any(|ext| name.ends_with(ext)) {
            found.push(path);
        }
    }
}

fn sources(extensions: &[&str]) -> Vec<Source> {
    let mut files = Vec::new();
    walk(root(), extensions, &mut files);
    files.sort();
    let read = |file: PathBuf| {
        let path = file.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        Some(Source { path, text: fs::read_to_string(&file).ok()? })
    };
    files.into_iter().filter_map(read).collect()
}

/// Rust that ships.
fn rust() -> Vec<Source> {
    let ours = |s: &Source| {
        let crates = [
            "adapters/src/",
            "chain/src/",
            "client/src/",
            "evidence/src/",
            "proto/src/",
            "record/src/",
            "src/",
            "timestamp/src/",
            "tlog/src/",
        ];
        crates.iter().any(|of| s.path.starts_with(of))
    };
    sources(&[".rs"]).into_iter().filter(ours).collect()
}

fn none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn layers_use_only_what_is_below_them() {
    let layer = |module: &str| LAYERS.iter().position(|names| names.contains(&module));
    let mut broken = Vec::new();
    for source in rust() {
        let Some(rest) = source.path.strip_prefix("src/") else { continue };
        let module = rest.split('/').next().unwrap().trim_end_matches(".rs");
        if matches!(module, "lib" | "main") {
            continue;
        }
        let Some(own) = layer(module) else {
            broken.push(format!("{}: the module is in no layer; add it to LAYERS", source.path));
            continue;
        };
        for (line, text) in source.code() {
            for used in text.match_indices("crate::").map(|(at, m)| &text[at + m.len()..]) {
                let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                if layer(used).is_some_and(|used| used > own) {
                    broken.push(format!("{}:{line}: {module} uses {used}, which is above it", source.path));
                }
            }
        }
    }
    none(&broken);
}

#[test]
fn only_some_touch_files() {
    let mut broken = Vec::new();
    for source in rust() {
        for (line, text) in source.code() {
            if !source.within(MAY_USE_FILES) && (text.contains("std::fs") || text.contains("rustix::fs")) {
                broken.push(format!("{}:{line}: file access", source.path));
            }
        }
    }
    none(&broken);
}

#[test]
fn nothing_that_ships_unwraps() {
    let mut broken = Vec::new();
    for source in rust() {
        for (line, text) in source.code() {
            // A method of that name on `self` is the module's own.
            let words = text.replace("self.expect(", "");
            if [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!("]
                .iter()
                .any(|w| words.contains(w))
            {
                broken.push(format!("{}:{line}: {}", source.path, text.trim()));
            }
        }
    }
    none(&broken);
}

/// The allocator's settings have a name that it looks them up under; nothing else needs it.
#[test]
fn one_attribute_is_unsafe() {
    let lines = rust().into_iter().flat_map(|file| {
        let word = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "unsafe");
        let found: Vec<String> =
            file.code().filter(|(_, line)| word(line)).map(|(_, l)| l.to_owned()).collect();
        found.into_iter().map(move |line| (file.path.clone(), line))
    });
    let attribute = r#"#[unsafe(export_name = "_rjem_malloc_conf")]"#;
    assert_eq!(lines.collect::<Vec<_>>(), [("src/main.rs".to_owned(), attribute.to_owned())]);
}

/// They are in the program however it is built.
#[test]
fn the_allocator_has_its_settings() {
    let mut halod = std::process::Command::new(crate::support::halod::BINARY);
    let told = halod.arg("--version").env("_RJEM_MALLOC_CONF", "stats_print:true").output().unwrap();
    let told = String::from_utf8(told.stderr).unwrap();
    for setting in ["narenas: 2", "dirty_decay_ms: 100 ", "muzzy_decay_ms: 0 ", "background_thread: true "] {
        assert!(told.contains(format!("opt.{setting}").trim_end()), "{setting}: {told}");
    }
}

#[test]
fn files_and_functions_stay_small() {
    let mut broken = Vec::new();
    for source in sources(&[".rs"]) {
        let lines = source.text.lines().count();
        if lines > FILE_LINES {
            broken.push(format!("{}: {lines} lines of at most {FILE_LINES}", source.path));
        }
        for (line, name, length) in functions(source.shipped()) {
            if length > FUNCTION_LINES {
                broken.push(format!(
                    "{}:{line}: {name} has {length} lines of at most {FUNCTION_LINES}",
                    source.path
                ));
            }
        }
    }
    none(&broken);
}

/// First line, signature and length of each function, as rustfmt lays them out.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let words = code.split('(').next().unwrap_or_default();
        if code.starts_with("//") || !words.split(' ').any(|word| word == "fn") {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - code.len()]);
        let length = lines[at..].iter().position(|line| *line == end).unwrap_or(0);
        found.push((at + 1, words.to_owned(), length + 1));
    }
    found
}

#[test]
fn every_setting_is_explained_and_every_example_loads() {
    let shipped = fs::read_to_string(root().join("config/halod.yaml")).unwrap();
    let mut broken = Vec::new();
    let mut explained = false;
    for (at, line) in shipped.lines().enumerate() {
        let text = line.trim_start();
        if text.contains(": ") && !text.starts_with('#') && !explained {
            broken.push(format!("config/halod.yaml:{}: no comment above it", at + 1));
        }
        explained = text.starts_with('#');
    }
    none(&broken);
    let mut files = vec![root().join("config/halod.yaml")];
    walk(&root().join("config/examples"), &[".yaml"], &mut files);
    for file in files {
        let out = halod(&["validate", "--config"], std::slice::from_ref(&file));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{}: {said}", file.display());
    }
}

#[test]
fn no_file_names_a_developers_machine() {
    // Put together here, so that this file doesn't name them.
    let roots = ["home", "Users", "root", "work"].map(|dir| format!("/{dir}/"));
    let mut broken = Vec::new();
    for source in
        sources(&[".rs", ".toml", ".md", ".yaml", ".yml", ".py", ".mjs", ".sh", ".service", "run", ".txt"])
    {
        for (line, text) in source.text.lines().enumerate() {
            if let Some(root) = roots.iter().find(|root| names_path(text, root)) {
                broken.push(format!("{}:{}: a path below {root}", source.path, line + 1));
            }
        }
    }
    none(&broken);
}

/// Whether an absolute path below `root` stands in `text`: not a part of a longer one or of a URL.
fn names_path(text: &str, root: &str) -> bool {
    text.match_indices(root).any(|(at, _)| {
        !text[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '/' | ':'))
    })
}

#[test]
fn the_top_level_is_what_the_architecture_says() {
    let allowed: BTreeSet<&str> = [
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "src",
        "proto",
        "config",
        "adapters",
        "chain",
        "client",
        "evidence",
        "tlog",
        "record",
        "timestamp",
        "web",
        "docs",
        "tests",
        "benches",
        "examples",
        "README.md",
        "ARCHITECTURE.md",
        "LIMITS.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE",
        "target",
        "records",
    ]
    .into();
    let entries = fs::read_dir(root()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let strangers: Vec<String> =
        entries.filter(|n| !n.starts_with('.') && !allowed.contains(n.as_str())).collect();
    none(&strangers);
}
