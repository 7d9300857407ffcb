//! Tells the program which commit it is built from: `HALOD_REVISION` where that is set, else what git knows of
//! this checkout, else `unknown`. A build without git, or from an archive, is a build like any other.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=HALOD_REVISION");
    let given = std::env::var("HALOD_REVISION").ok();
    let given = given.map(|text| text.trim().to_owned()).filter(|text| is_revision(text));
    // Each commit would have everything compiled again, so that only a release asks git.
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let revision = given.or_else(|| if release { of_checkout() } else { None });
    println!("cargo:rustc-env=HALOD_BUILD_REVISION={}", revision.as_deref().unwrap_or("unknown"));
}

/// A name that can stand in a label: of a commit, a tag or a build.
fn is_revision(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    (1..=64).contains(&text.len()) && text.chars().all(fits)
}

/// The commit of this directory's own checkout; one that surrounds it is another project's.
fn of_checkout() -> Option<String> {
    let own = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR")?).canonicalize().ok()?;
    let top = Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    if own != top {
        return None;
    }
    // `HEAD` names a branch, whose file, or the packed one, has the commit. A file that is not there would have
    // the script run at every build.
    let branch = git(&["symbolic-ref", "-q", "HEAD"]);
    for name in ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        if let Some(file) = git(&["rev-parse", "--git-path", name]).filter(|file| own.join(file).exists()) {
            println!("cargo:rerun-if-changed={}", own.join(file).display());
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"]).filter(|revision| is_revision(revision))
}

fn git(arguments: &[&str]) -> Option<String> {
    let out = Command::new("git").args(arguments).output().ok().filter(|out| out.status.success())?;
    String::from_utf8(out.stdout).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
