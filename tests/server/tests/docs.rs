//! What the documents name exists.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All Rust sources below a folder, as one text.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(&*name, "target" | "node_modules" | ".git") {
            sources(&path, text);
        } else if name.ends_with(".rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn each_threat_names_tests_that_exist() {
    let mut all = String::new();
    sources(&root(), &mut all);
    let security = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let rows = security.lines().filter(|line| line.starts_with("| **"));
    let mut seen = 0;
    for row in rows {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for test in tests.split('`').skip(1).step_by(2) {
            assert!(all.contains(&format!("fn {test}(")), "{test}, of: {row}");
            seen += 1;
        }
    }
    assert!(seen > 20, "the table was read");
}

#[test]
fn the_map_of_the_architecture_leads_to_files_that_exist() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, map) = text.split_once("## Where to find a rule").unwrap();
    let (map, _) = map.split_once("\n## ").unwrap();
    let mut seen = 0;
    for name in map.split('`').skip(1).step_by(2).filter(|name| name.contains('/') || name.ends_with(".rs")) {
        let exists = [root().join(name), root().join("headstart-core/src").join(name)];
        assert!(exists.iter().any(|path| path.exists()), "{name}");
        seen += 1;
    }
    assert!(seen > 10, "the map was read");
}
