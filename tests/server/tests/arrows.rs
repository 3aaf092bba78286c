//! Arrows between crates run down only, and the core stays free of everything that talks to the outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{collections::BTreeSet, process::Command};

/// All crates in the normal dependency tree of a package, the package included.
fn tree(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--package", package])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn ours(tree: &BTreeSet<String>) -> BTreeSet<&str> {
    tree.iter().map(String::as_str).filter(|name| name.starts_with("headstart-")).collect()
}

#[test]
fn the_core_drags_in_no_http_client_store_tls_framework_or_provider() {
    let core = tree("headstart-core");
    assert!(core.contains("serde_json"), "the tree was read");
    for banned in [
        "reqwest",
        "hyper",
        "hyper-util",
        "h2",
        "s2-sdk",
        "s2-lite",
        "rustls",
        "openssl",
        "native-tls",
        "axum",
        "axum-core",
        "actix-web",
        "tower",
        "tower-http",
        "opentelemetry",
    ] {
        assert!(!core.contains(banned), "headstart-core drags in {banned}");
    }
}

#[test]
fn arrows_run_down_only() {
    for (package, below) in [
        ("headstart-core", &[][..]),
        ("headstart-trigger", &["headstart-core"]),
        ("headstart-providers", &["headstart-core"]),
        ("headstart-tower", &["headstart-core"]),
        ("headstart-axum", &["headstart-core", "headstart-tower"]),
        ("headstart-actix", &["headstart-core"]),
        ("headstart-dev", &["headstart-core", "headstart-providers"]),
    ] {
        let tree = tree(package);
        let expected: BTreeSet<&str> = below.iter().copied().chain([package]).collect();
        assert_eq!(ours(&tree), expected, "{package}");
    }
}

#[test]
fn the_s2_server_is_only_in_the_embedded_platform() {
    for package in
        ["headstart-trigger", "headstart-providers", "headstart-tower", "headstart-axum", "headstart-actix"]
    {
        assert!(!tree(package).contains("s2-lite"), "{package}");
    }
    assert!(tree("headstart-dev").contains("s2-lite"));
}
