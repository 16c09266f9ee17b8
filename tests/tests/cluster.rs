//! The cluster's text cases, `tests/cluster/*.txt`: nodes, faults and what must come of them (`world::script` says how they
//! are written). `cargo sim --script FILE` shows one with its trace.

use std::path::{Path, PathBuf};
use world::run::run_script;
use world::script::Script;
use world::trace::Trace;

#[test]
fn every_text_case_holds() {
    let wrong: Vec<String> = files().iter().filter_map(|file| check(file).err()).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster");
    let entries = std::fs::read_dir(&folder).expect("the folder of the cases is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a case can be listed").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no case in {}", folder.display());
    files
}

fn check(file: &Path) -> Result<(), String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    let script = Script::parse(&text).map_err(|why| format!("{name}: {why}"))?;
    if script.prose.is_empty() {
        return Err(format!("{name}: it does not say what it is about"));
    }
    let outcome = run_script(&script, Trace::default());
    match (&script.fails, outcome.violation) {
        (None, None) => Ok(()),
        (Some(known), Some(found)) if found.invariant == known => Ok(()),
        (Some(known), None) => Err(format!("{name}: {known} holds now: take out the line `fails {known}`")),
        (_, Some(found)) => Err(format!("{name}: {found}\n{}", outcome.story.join("\n"))),
    }
}
