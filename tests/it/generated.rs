//! What is generated from `proto/` is what is checked in. `UPDATE_EXPECT=1` renews it.

use crate::support::root;
use prost::Message;
use std::fs;
use std::path::{Path, PathBuf};

/// Those that are compiled; what they import comes with them.
const FILES: [&str; 4] = [
    "halo/ingest/v1/record.proto",
    "opentelemetry/proto/collector/trace/v1/trace_service.proto",
    "opentelemetry/proto/collector/logs/v1/logs_service.proto",
    "opentelemetry/proto/collector/metrics/v1/metrics_service.proto",
];

/// The packages whose messages are code: OTLP's are read in place.
const CODE: &str = "halo";

fn generate(into: &Path) {
    let mut compiler = protox::Compiler::new([root().join("proto")]).unwrap();
    compiler.include_imports(true).include_source_info(true).open_files(FILES).unwrap();
    let mut all = compiler.file_descriptor_set();
    let mut code = all.clone();
    code.file.retain(|file| file.package().split('.').next() == Some(CODE));
    tonic_prost_build::configure()
        .build_server(false)
        .client_mod_attribute(".", r#"#[cfg(feature = "client")]"#)
        .out_dir(into)
        .compile_fds(code)
        .unwrap();
    for file in &mut all.file {
        file.source_code_info = None;
    }
    fs::write(into.join("descriptors.bin"), all.encode_to_vec()).unwrap();
}

#[test]
fn what_is_generated_is_checked_in() {
    let made = tempfile::tempdir().unwrap();
    generate(made.path());
    let kept = root().join("proto/src/generated");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::create_dir_all(&kept).unwrap();
        for file in files(made.path()) {
            fs::copy(&file, kept.join(file.file_name().unwrap())).unwrap();
        }
    }
    let names = |dir: &Path| -> Vec<_> {
        files(dir).iter().map(|file| file.file_name().unwrap().to_owned()).collect()
    };
    assert_eq!(names(made.path()), names(&kept));
    for file in files(made.path()) {
        let name = file.file_name().unwrap();
        let same = fs::read(&file).unwrap() == fs::read(kept.join(name)).unwrap();
        assert!(same, "{name:?} is not what proto/ makes; UPDATE_EXPECT=1 renews it");
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
