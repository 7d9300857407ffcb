//! The programs that halod is tested against, at pinned versions, in environments of their own
//! under the target directory: built once, shared by every test process, rebuilt when a pin changes.

use super::root;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A Python environment.
pub struct Python {
    dir: PathBuf,
}

/// A directory with `node_modules`.
pub struct Npm {
    dir: PathBuf,
}

/// Counts instructions.
pub struct Valgrind {
    /// Where its package was unpacked; `None` when the machine has it.
    dir: Option<PathBuf>,
}

/// The Python clients and the reference verifier (`tests/clients/requirements.txt`).
pub fn python() -> &'static Python {
    static PYTHON: OnceLock<Python> = OnceLock::new();
    PYTHON.get_or_init(|| Python::of("python", "requirements.txt"))
}

/// The agent frameworks and what watches them (`tests/clients/agents.txt`).
pub fn agents() -> &'static Python {
    static AGENTS: OnceLock<Python> = OnceLock::new();
    AGENTS.get_or_init(|| Python::of("agents", "agents.txt"))
}

/// LiteLLM, the library and the proxy (`tests/clients/litellm.txt`).
pub fn litellm() -> &'static Python {
    static LITELLM: OnceLock<Python> = OnceLock::new();
    LITELLM.get_or_init(|| Python::of("litellm", "litellm.txt"))
}

/// The OpenTelemetry Collector, as a Python package carries it (`tests/clients/collector.txt`).
pub fn collector() -> &'static Python {
    static COLLECTOR: OnceLock<Python> = OnceLock::new();
    COLLECTOR.get_or_init(|| Python::of("collector", "collector.txt"))
}

/// Envoy and Traefik, as Python packages carry them (`tests/clients/gateways.txt`).
pub fn gateways() -> &'static Python {
    static GATEWAYS: OnceLock<Python> = OnceLock::new();
    GATEWAYS.get_or_init(|| Python::of("gateways", "gateways.txt"))
}

/// grpcio with the clients of gRPC's own services (`tests/clients/grpc.txt`).
pub fn grpcio() -> &'static Python {
    static GRPCIO: OnceLock<Python> = OnceLock::new();
    GRPCIO.get_or_init(|| Python::of("grpcio", "grpc.txt"))
}

/// What writes Parquet (`tests/clients/parquet.txt`).
pub fn parquet() -> &'static Python {
    static PARQUET: OnceLock<Python> = OnceLock::new();
    PARQUET.get_or_init(|| Python::of("parquet", "parquet.txt"))
}

/// The Node clients and the npm verifier (`tests/clients/package-lock.json`).
pub fn npm() -> &'static Npm {
    static NPM: OnceLock<Npm> = OnceLock::new();
    NPM.get_or_init(|| Npm::of("npm", "."))
}

/// LlamaIndex, LangWatch, FastMCP and Haystack (`tests/clients/live.txt`).
pub fn live_python() -> &'static Python {
    static LIVE: OnceLock<Python> = OnceLock::new();
    LIVE.get_or_init(|| Python::of("live", "live.txt"))
}

/// Vercel's AI SDK 7, Mastra and the coding agents (`tests/clients/live`).
pub fn live_npm() -> &'static Npm {
    static LIVE: OnceLock<Npm> = OnceLock::new();
    LIVE.get_or_init(|| Npm::of("live-npm", "live"))
}

/// Langfuse's SDKs: the last for Python that sends to the ingestion API, the current one, those for Node.
pub fn langfuse2() -> &'static Python {
    static LANGFUSE: OnceLock<Python> = OnceLock::new();
    LANGFUSE.get_or_init(|| Python::of("langfuse2", "langfuse2.txt"))
}

pub fn langfuse5() -> &'static Python {
    static LANGFUSE: OnceLock<Python> = OnceLock::new();
    LANGFUSE.get_or_init(|| Python::of("langfuse5", "langfuse5.txt"))
}

pub fn langfuse_npm() -> &'static Npm {
    static LANGFUSE: OnceLock<Npm> = OnceLock::new();
    LANGFUSE.get_or_init(|| Npm::of("langfuse-npm", "langfuse"))
}

/// What drives a browser (`tests/clients/browser.txt`).
pub fn driver() -> &'static Python {
    static DRIVER: OnceLock<Python> = OnceLock::new();
    DRIVER.get_or_init(|| Python::of("driver", "browser.txt"))
}

/// What checks the report's page: its types, and how accessible it is (`tests/clients/web`).
pub fn web_tools() -> &'static Npm {
    static NPM: OnceLock<Npm> = OnceLock::new();
    NPM.get_or_init(|| Npm::of("web-tools", "web"))
}

/// LangSmith's SDK for JavaScript (`tests/clients/langsmith_js`).
pub fn langsmith_js() -> &'static Npm {
    static NPM: OnceLock<Npm> = OnceLock::new();
    NPM.get_or_init(|| Npm::of("langsmith-js", "langsmith_js"))
}

/// The machine's valgrind, else what its package holds.
pub fn valgrind() -> &'static Valgrind {
    static VALGRIND: OnceLock<Valgrind> = OnceLock::new();
    VALGRIND.get_or_init(|| Valgrind { dir: unpacked("valgrind", "valgrind") })
}

/// Prometheus' own checker of what it is to scrape: the machine's, else what its package holds.
pub fn promtool() -> Command {
    static PROMTOOL: OnceLock<Option<PathBuf>> = OnceLock::new();
    let dir = PROMTOOL.get_or_init(|| unpacked("promtool", "prometheus"));
    Command::new(dir.as_ref().map_or("promtool".into(), |dir| dir.join("usr/bin/promtool")))
}

/// A witness that others wrote, which speaks tlog-witness on both ends (`tests/clients/witness-log.txt`). The build takes under
/// a minute of processor time.
pub fn witness_log() -> Command {
    static WITNESS_LOG: OnceLock<PathBuf> = OnceLock::new();
    let dir = WITNESS_LOG.get_or_init(|| {
        let pin = root().join("tests/clients/witness-log.txt");
        environment("witness-log", &[&pin], |dir| {
            let pinned = fs::read_to_string(&pin).unwrap();
            let (name, version) = pinned.trim().split_once(' ').unwrap();
            let build = dir.join("build");
            // As it is needed here: not fast, and without TLS.
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args([
                "install",
                name,
                "--version",
                version,
                "--locked",
                "--debug",
                "--no-default-features",
                "--quiet",
            ]);
            cargo.arg("--root").arg(dir).arg("--target-dir").arg(&build).env_remove("CARGO_TARGET_DIR");
            run(&mut cargo, "a crates.io that cargo can reach");
            fs::remove_dir_all(build).unwrap();
        })
    });
    Command::new(dir.join("bin/witness-log"))
}

/// The machine's openssl, else what its package holds.
pub fn openssl() -> Command {
    static OPENSSL: OnceLock<Option<PathBuf>> = OnceLock::new();
    let dir = OPENSSL.get_or_init(|| {
        // Its older versions know no `--version`.
        let is_there = Command::new("openssl").arg("version").output().is_ok_and(|out| out.status.success());
        if is_there { None } else { unpacked("openssl", "openssl") }
    });
    Command::new(dir.as_ref().map_or("openssl".into(), |dir| dir.join("usr/bin/openssl")))
}

/// A browser, without a window: the machine's, else what its package and those that it needs hold.
pub fn chromium() -> Command {
    static CHROMIUM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let dir = CHROMIUM.get_or_init(|| unpacked_with("chromium", "chromium", missing));
    let Some(dir) = dir else { return Command::new("chromium") };
    let mut command = Command::new(dir.join("usr/lib/chromium/chromium"));
    let libraries = dir.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let path = std::env::join_paths([libraries.clone(), libraries.join("pulseaudio")]).unwrap();
    command.env("LD_LIBRARY_PATH", path);
    command
}

/// A package and those that it needs and this machine has not.
fn missing(package: &str) -> Vec<String> {
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--simulate", "--no-install-recommends", package]);
    let out = apt.output().unwrap_or_else(|e| panic!("{apt:?}: {e}"));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let named = text.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
    named.map(str::to_owned).collect()
}

/// Where a package of Debian's lies unpacked, which needs no root and installs nothing; nowhere when the
/// machine has the program.
fn unpacked(program: &str, package: &str) -> Option<PathBuf> {
    unpacked_with(program, package, |package| vec![package.to_owned()])
}

/// The same, with the packages that `all` tells.
fn unpacked_with(program: &str, package: &str, all: fn(&str) -> Vec<String>) -> Option<PathBuf> {
    if Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success()) {
        return None;
    }
    let needs = format!("{program} (apt-get install {package}), or an apt that can download it");
    Some(environment(package, &[], |dir| {
        fs::create_dir_all(dir).unwrap();
        let download = || {
            let mut apt = Command::new("apt-get");
            // Without a package there is nothing to do, which is no success.
            let all = Some(all(package)).filter(|all| !all.is_empty());
            apt.args(["download", "--quiet"])
                .args(all.unwrap_or_else(|| vec![package.to_owned()]))
                .current_dir(dir);
            apt
        };
        // A fresh machine has no lists of packages yet, and only root may fetch them.
        if !download().output().is_ok_and(|out| out.status.success()) {
            let _ = Command::new("apt-get").args(["update", "--quiet"]).output();
            run(&mut download(), &needs);
        }
        let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let packages: Vec<PathBuf> =
            files.filter(|file| file.extension().is_some_and(|end| end == "deb")).collect();
        assert!(!packages.is_empty(), "no package came; the tests need {needs}");
        for file in packages {
            run(Command::new("dpkg").arg("-x").arg(&file).arg(dir), &needs);
            fs::remove_file(file).unwrap();
        }
    }))
}

impl Valgrind {
    /// valgrind, with no other environment than its own, which the program inherits.
    pub fn command(&self) -> Command {
        let Some(dir) = &self.dir else {
            let mut command = Command::new("valgrind");
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
            return command;
        };
        let mut command = Command::new(dir.join("usr/bin/valgrind"));
        command.env_clear().env("VALGRIND_LIB", dir.join("usr/libexec/valgrind"));
        command
    }
}

impl Python {
    /// The environment that a requirement file of `tests/clients` describes.
    fn of(name: &str, requirements: &str) -> Self {
        let pins = root().join("tests/clients").join(requirements);
        let dir = environment(name, &[&pins], |dir| {
            run(Command::new("python3").args(["-m", "venv"]).arg(dir), "python3 and its venv module");
            let mut pip = Command::new(dir.join("bin/pip"));
            pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"]).arg(&pins);
            run(&mut pip, "a PyPI that pip can reach");
        });
        Self { dir }
    }

    /// Where the environment is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A program of the environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.dir.join("bin").join(program));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// A script with arguments, not yet started.
    pub fn script(&self, script: &Path, arguments: &[&str]) -> Command {
        let mut command = self.command("python");
        command.arg(script).args(arguments);
        command
    }
}

impl Npm {
    /// The environment that a folder of `tests/clients` describes.
    fn of(name: &str, folder: &str) -> Self {
        let folder = root().join("tests/clients").join(folder);
        let [manifest, lock] = ["package.json", "package-lock.json"].map(|file| folder.join(file));
        let dir = environment(name, &[&manifest, &lock], |dir| {
            fs::create_dir_all(dir).unwrap();
            for file in [&manifest, &lock] {
                fs::copy(file, dir.join(file.file_name().unwrap())).unwrap();
            }
            let mut npm = Command::new("npm");
            npm.args(["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(dir);
            run(&mut npm, "node 20 or later, npm, and an npm registry that it can reach");
        });
        Self { dir }
    }

    /// Where `node_modules` is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A program that a package has for each machine in a package of its own: `<package>-<machine>`.
    pub fn program(&self, scope: &str, package: &str, program: &str) -> PathBuf {
        let of_machine = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(&format!("{package}-")) && path.join(program).is_file()
        };
        let scope = self.dir.join("node_modules").join(scope);
        let packages = fs::read_dir(&scope).unwrap_or_else(|e| panic!("{}: {e}", scope.display()));
        let found = packages.map(|entry| entry.unwrap().path()).find(of_machine);
        found.unwrap_or_else(|| panic!("{package} has no program for this machine")).join(program)
    }

    /// Runs a module script to its end; returns what it printed.
    pub fn run(&self, script: &Path, arguments: &[PathBuf], env: &[(&str, &str)]) -> String {
        text_of(self.output(script, arguments, env), &script.display().to_string())
    }

    /// Runs a module script to its end, however that is. A copy of it runs, inside the environment, because Node looks modules
    /// up from where the importing file lies.
    pub fn output(&self, script: &Path, arguments: &[PathBuf], env: &[(&str, &str)]) -> Output {
        static COPIES: AtomicU32 = AtomicU32::new(0);
        let n = COPIES.fetch_add(1, Ordering::Relaxed);
        let copy = self.dir.join(format!("run-{}-{n}.mjs", std::process::id()));
        fs::copy(script, &copy).unwrap();
        let out = Command::new("node").arg(&copy).args(arguments).envs(env.iter().copied()).output();
        fs::remove_file(&copy).unwrap();
        out.expect("run node")
    }
}

/// What a finished client printed; panics when it failed.
pub fn text_of(out: Output, what: &str) -> String {
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{what}: {}\n{text}{errors}", out.status);
    text
}

/// A directory built from `pins`, by the first process that needs it; the others wait for it.
fn environment(name: &str, pins: &[&Path], build: impl FnOnce(&Path)) -> PathBuf {
    let mut digest = Sha256::new();
    for pin in pins {
        digest.update(fs::read(pin).unwrap_or_else(|e| panic!("{}: {e}", pin.display())));
    }
    let digest = super::spans::hex(&digest.finalize()[..8]);
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    fs::create_dir_all(&base).unwrap();
    let dir = base.join(format!("{name}-{digest}"));
    let lock = File::create(base.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if !dir.join(".done").exists() {
        let _ = fs::remove_dir_all(&dir);
        build(&dir);
        File::create(dir.join(".done")).unwrap();
    }
    dir
}

fn run(command: &mut Command, needs: &str) {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; the tests need {needs}"));
    assert!(
        out.status.success(),
        "{command:?}: {}; the tests need {needs}\n{}{}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
}
