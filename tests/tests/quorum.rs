//! Votes: text cases (`tests/quorum/*.txt`), among them every worked example of votequorum(5).
//!
//! Each case is a script of `musterd quorum simulate`, then `---`, then its answers. `BLESS=1 cargo test -p muster-tests --test
//! quorum` writes the answers anew; read the difference before you commit it.

use muster_core::quorum::rehearsal::rehearse;
use std::path::{Path, PathBuf};

fn check(file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).expect("the case is there");
    let (script, expected) = text.split_once("---\n").unwrap_or((&text, ""));
    let answers = match rehearse(script, None) {
        Ok(answers) => answers.iter().map(|answer| format!("{answer}\n")).collect(),
        Err(error) => format!("{error}\n"),
    };
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(file, format!("{script}---\n{answers}")).expect("the case can be written");
    } else if answers != expected {
        return Err(format!("{}:\nexpected\n{expected}\nfound\n{answers}", file.display()));
    }
    Ok(())
}

#[test]
fn every_script_gets_the_answers_that_stand_in_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("quorum");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    assert!(files.len() > 20, "few cases in {}", folder.display());
    let wrong: Vec<String> = files.iter().filter_map(|file| check(file).err()).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn options_that_do_not_go_together_are_refused_with_their_line() {
    let cases = [
        ("nodes 3\ntwo_node: 1", "line 2: `two_node` needs exactly two nodes, `nodelist` has 3"),
        ("nodes 2\nnode 2 votes 2\ntwo_node: 1", "line 3: `two_node` needs nodes of one vote each"),
        ("nodes 2\ntwo_node: 1\nexpected_votes: 3", "line 3: `two_node` needs 2 expected votes"),
        (
            "nodes 2\ntwo_node: 1\nlast_man_standing: 1",
            "line 3: `last_man_standing` does not go with `two_node`",
        ),
        ("nodes 2\ntwo_node: 1\ndevice.votes: 1", "line 3: a quorum `device` does not go with `two_node`"),
        (
            "nodes 4\nlast_man_standing: 1\ndevice.votes: 1",
            "line 3: a quorum `device` does not go with `last_man_standing`",
        ),
        (
            "nodes 4\nauto_tie_breaker: 1\ndevice.votes: 1",
            "line 3: a quorum `device` does not go with `auto_tie_breaker`",
        ),
        (
            "nodes 4\nallow_downscale: 1\ndevice.votes: 1",
            "line 3: a quorum `device` does not go with `allow_downscale`",
        ),
        (
            "nodes 2\nnode 2 votes 3\nlast_man_standing: 1",
            "line 3: `last_man_standing` needs nodes of one vote each",
        ),
        ("nodes 2\nauto_tie_breaker_node: 1", "line 2: `auto_tie_breaker_node` needs `auto_tie_breaker: 1`"),
        ("nodes 2\ntow_node: 1", "line 2: unknown option `tow_node` in `quorum`"),
        ("nodes 2\nup 3", "line 2: there is no node 3"),
        (
            "nodes 2\nup 1\nwait_for_all: 1",
            "line 3: options come too late: write them before the first event",
        ),
        ("nodes 2\nupp 1", "line 2: unknown word `upp`: expected one of up, down, leave"),
        ("up 1", "line 1: no nodes are described: expected `nodes 3` first"),
        ("nodes 2\npartition 1 / 1 2", "line 2: node 1 is in two parts"),
        ("nodes 2\ndevice on", "line 2: there is no quorum device"),
        ("nodes 2\ntime soon", "line 2: `soon` is no time: expected for example `time 10s`"),
    ];
    for (script, expected) in cases {
        let error = rehearse(script, None).expect_err(script).to_string();
        assert!(error.starts_with(expected), "{script}\nexpected {expected}\nfound    {error}");
    }
}
