//! House rules that a machine can hold: which package may depend on which, and what a file must have or must not.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The walls of ARCHITECTURE.md: for each package, the packages of ours that it may depend on.
const WALLS: &[(&str, &[&str])] = &[
    ("muster-api", &[]),
    ("muster-core", &["muster-api"]),
    ("musterd", &["muster-api", "muster-core"]),
    ("muster", &["muster-api", "muster-core"]),
    ("muster-tests", &["muster-api", "muster-core"]),
];

/// What the two pure packages may depend on besides.
const PURE: &[(&str, &[&str])] = &[
    ("muster-api", &["serde", "serde_json", "thiserror"]),
    ("muster-core", &["postcard", "regex-automata", "serde", "thiserror"]),
];

#[test]
fn packages_depend_only_on_what_the_architecture_allows() {
    let packages = metadata()["packages"].as_array().expect("cargo metadata lists packages").clone();
    for (name, allowed) in WALLS {
        let ours =
            dependencies(&packages, name).into_iter().filter(|dependency| dependency.starts_with("muster"));
        for dependency in ours {
            assert!(allowed.contains(&dependency.as_str()), "`{name}` must not depend on `{dependency}`");
        }
    }
}

#[test]
fn pure_packages_have_no_std_and_few_dependencies() {
    let packages = metadata()["packages"].as_array().expect("cargo metadata lists packages").clone();
    for (name, allowed) in PURE {
        for dependency in dependencies(&packages, name) {
            let is_ours = dependency.starts_with("muster");
            assert!(
                is_ours || allowed.contains(&dependency.as_str()),
                "`{name}` must not depend on `{dependency}`"
            );
        }
    }
    for file in ["agent/api/src/lib.rs", "agent/core/src/lib.rs"] {
        let text = fs::read_to_string(root().join(file)).expect("the file is there");
        assert!(text.contains("#![no_std]"), "{file} must be no_std: the compiler then holds the wall");
    }
}

/// What stands at the top level, besides the folders that ARCHITECTURE.md names.
const PLAIN_FILES: &[&str] = &[
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "COMPATIBILITY.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "Makefile",
    "README.md",
    "deny.toml",
    "rustfmt.toml",
];
const FOLDERS: &[&str] = &[".cargo", ".ci", "agent", "cli", "inventory", "playbooks", "templates", "tests"];

#[test]
fn nothing_else_strays_into_the_top_level() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Ok(listed) = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()) else {
        return;
    };
    for file in listed.split_terminator('\0') {
        let is_known = match file.split_once('/') {
            Some((folder, _)) => FOLDERS.contains(&folder),
            None => PLAIN_FILES.contains(&file),
        };
        assert!(is_known, "`{file}` has no place in the tree");
    }
}

#[test]
fn every_source_file_says_what_it_is_for() {
    for file in sources() {
        let text = fs::read_to_string(&file).expect("a source file is text");
        assert!(text.starts_with("//!"), "{} must start with `//!`", file.display());
    }
}

#[test]
fn no_source_file_is_a_room_without_a_noun() {
    for file in sources() {
        let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
        assert!(
            !["util", "utils", "common", "helper", "helpers", "misc", "manager"].contains(&name),
            "{}",
            file.display()
        );
    }
}

#[test]
fn every_module_document_and_playbook_ends_with_a_newline() {
    for file in tracked(&["*.rs", "*.md", "*.yml", "*.j2", "*.toml"]) {
        let text = fs::read_to_string(&file).expect("a tracked file is text");
        assert!(text.is_empty() || text.ends_with('\n'), "{} has no newline at its end", file.display());
    }
}

fn dependencies(packages: &[Value], name: &str) -> BTreeSet<String> {
    let package =
        packages.iter().find(|package| package["name"] == name).expect("the package is in the workspace");
    let all = package["dependencies"].as_array().expect("a package has dependencies");
    all.iter()
        .filter(|dependency| dependency["kind"].is_null())
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

fn sources() -> Vec<PathBuf> {
    tracked(&["*.rs"])
}

fn tracked(patterns: &[&str]) -> Vec<PathBuf> {
    let output =
        Command::new("git").arg("ls-files").args(patterns).current_dir(root()).output().expect("git runs");
    let names = String::from_utf8(output.stdout).expect("file names are text");
    let files: Vec<PathBuf> =
        names.lines().map(|name| root().join(name)).filter(|file| file.exists()).collect();
    assert!(!files.is_empty(), "git lists no file for {patterns:?}");
    files
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
