//! The screens that users get: each folder of `tests/cli/` has a `command`, its files, and the `screen` with the exit
//! code. No host is touched. `UPDATE_SCREENS=1 cargo test -p muster --test screens` writes what is seen now.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_command_shows_its_screen() {
    let mut wrong = String::new();
    let cases = cases();
    assert!(!cases.is_empty(), "tests/cli has cases");
    for case in cases {
        let seen = run(&case);
        let screen = case.join("screen");
        if std::env::var_os("UPDATE_SCREENS").is_some() {
            fs::write(&screen, &seen).expect("a screen can be written");
        }
        let wanted = fs::read_to_string(&screen).unwrap_or_default();
        if seen != wanted {
            // Writing into memory does not fail.
            let _ = write!(wrong, "\n== {}\n-- wanted\n{wanted}\n-- seen\n{seen}", case.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cli");
    let entries = fs::read_dir(&folder).expect("tests/cli is there");
    let paths = entries.flatten().map(|entry| entry.path().canonicalize().expect("an entry has a path"));
    let mut cases: Vec<PathBuf> = paths.filter(|path| path.join("command").is_file()).collect();
    cases.sort();
    cases
}

fn run(case: &Path) -> String {
    let line = fs::read_to_string(case.join("command")).expect("a command is text");
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command.args(line.split_whitespace()).current_dir(case).env_clear();
    // Nothing of the machine: no settings, no keys, no terminal.
    command.env("HOME", case).env("PATH", "/usr/bin:/bin").env("TERM", "dumb");
    // What a run leaves behind is not left among the cases.
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
    command.env("MUSTER_RUNS", kept.join("runs")).env("MUSTER_PLAN_KEY", kept.join("plan.key"));
    let output = command.output().expect("muster runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&case.display().to_string(), "CASE");
    let code = output.status.code().map_or("none".to_owned(), |code| code.to_string());
    format!("{}{}exit code {code}\n", text(&output.stdout), text(&output.stderr))
}
