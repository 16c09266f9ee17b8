//! The pages of `muster explain`: the broken example of each must give its finding and no other, the mended one none. And the
//! findings of `tests/lint`: each folder has a playbook, its inventory, and the `finding` that is expected. No host is touched.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The codes that `muster lint` finds in a folder, and what it says.
fn lint(folder: &Path, line: &[&str]) -> (BTreeSet<String>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command.args(["lint", "--fresh", "--output", "json"]).args(line);
    command.current_dir(folder).env_clear();
    // Of the corosync that may be installed here nothing is asked.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/lint/bin:/usr/bin:/bin");
    command.env("HOME", folder).env("PATH", path).env("TERM", "dumb");
    let output = command.output().expect("muster runs");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let findings = report["findings"].as_array().expect("a list of findings");
    let is_error = findings.iter().any(|finding| finding["severity"] == "error");
    assert_eq!(output.status.code(), Some(if is_error { 2 } else { 0 }), "{said}");
    let code = |finding: &serde_json::Value| finding["code"].as_str().expect("a code").to_owned();
    (findings.iter().map(code).collect(), said)
}

/// The files of one of the page's examples: fenced blocks whose first line names a file.
fn example(page: &str, part: &str) -> Vec<(String, String)> {
    let heading = format!("\n## {part}\n");
    let text = page.split_once(&heading).expect("the page has the example").1;
    let text = text.split("\n## ").next().unwrap_or_default();
    let mut files = Vec::new();
    for block in
        text.split("\n```").filter(|block| block.lines().next().is_some_and(|line| line.contains(' ')))
    {
        let (first, content) = block.split_once('\n').expect("a block has lines");
        if let Some((_, name)) = first.split_once(' ').filter(|(kind, _)| matches!(*kind, "ini" | "yaml")) {
            files.push((name.to_owned(), format!("{content}\n")));
        }
    }
    files
}

#[test]
fn each_page_of_explain_shows_an_input_with_its_finding_and_one_without_any() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lint/pages");
    let pages = fs::read_dir(folder).expect("there are pages").flatten();
    let mut wrong = String::new();
    for page in pages {
        let text = fs::read_to_string(page.path()).expect("a page is text");
        let code = page.path().file_stem().expect("a name").to_string_lossy().into_owned();
        for (part, wanted) in [("Broken", BTreeSet::from([code.clone()])), ("Mended", BTreeSet::new())] {
            let at = tempfile::tempdir().expect("a folder");
            let files = example(&text, part);
            assert!(files.iter().any(|(name, _)| name == "site.yml"), "{code}: {part} has a site.yml");
            for (name, content) in &files {
                fs::write(at.path().join(name), content).expect("a file");
            }
            let has_facts = files.iter().any(|(name, _)| name == "facts.yml");
            let facts: &[&str] = if has_facts { &["--facts", "facts.yml"] } else { &[] };
            let (found, said) = lint(at.path(), &[&["-i", "hosts.ini", "site.yml"], facts].concat());
            if found != wanted {
                wrong += &format!("\n== {code}, {part}: found {found:?}\n{said}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn each_broken_inventory_gives_the_finding_that_it_is_there_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/lint");
    let cases = fs::read_dir(folder).expect("tests/lint is there").flatten().map(|entry| entry.path());
    let cases: Vec<PathBuf> = cases.filter(|path| path.join("finding").is_file()).collect();
    assert!(cases.len() >= 10, "there are ten cases or more");
    let mut wrong = String::new();
    for case in cases {
        let wanted = fs::read_to_string(case.join("finding")).expect("a list of codes");
        let wanted: BTreeSet<String> = wanted.split_whitespace().map(str::to_owned).collect();
        let line = fs::read_to_string(case.join("command")).expect("a command line");
        let line: Vec<&str> = line.split_whitespace().collect();
        let (found, said) = lint(&case, &line);
        if found != wanted {
            wrong += &format!("\n== {}: wanted {wanted:?}, found {found:?}\n{said}", case.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
