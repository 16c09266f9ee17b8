//! `muster lint`: what the playbooks would make of the hosts, compared. The playbooks are walked as `plan` walks them; with
//! `--fresh` no host is asked.
//!
//! Exit codes: 0 nothing is wrong, or only warnings; 2 an error was found; else as `plan`.

use super::basis::tell;
use super::dry_walk::dry_walk;
use crate::args::{LintArgs, Output};
use crate::error::{Diagnostics, Result};
use crate::exit::Exit;
use crate::lint::{Finding, Severity};
use crate::run::across::{Across, Collected};
use crate::run::room::lock;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// Runs `muster lint`.
pub(crate) fn run(args: &LintArgs) -> Exit {
    go(args).unwrap_or_else(|mistakes| tell(&mistakes))
}

fn go(args: &LintArgs) -> Result<Exit> {
    let found: Arc<Mutex<Collected>> = Arc::default();
    let walked = dry_walk(&args.dry_run, &args.playbooks, "lint", Across::Collects { into: found.clone() })?;
    if walked.exit == Exit::Interrupted {
        return Ok(walked.exit);
    }
    let mut found = std::mem::take(&mut *lock(&found));
    found.findings.retain(|finding| !args.allow_finding.iter().any(|code| code == finding.code));
    let notes = &walked.notes.into_iter().chain(unjudged(&found)).collect::<Vec<_>>();
    let text = match args.dry_run.walk.output.output {
        Output::Json => as_json(&found, notes),
        Output::Text => as_text(&found, notes),
    };
    anstream::print!("{}", walked.store.secrets().mask(&text));
    let has_errors = found.findings.iter().any(|finding| finding.severity() == Severity::Error);
    Ok(if has_errors { Exit::HostFailed } else { Exit::Fine })
}

/// What corosync itself would have to say, and nobody could ask.
fn unjudged(found: &Collected) -> Option<String> {
    let hosts = &found.unjudged;
    let why = "corosync is not there yet to say what it thinks of corosync.conf, neither there nor here";
    (!hosts.is_empty()).then(|| format!("{}: {why}", hosts.join(", ")))
}

fn as_json(found: &Collected, notes: &[String]) -> String {
    let findings: Vec<_> = found.findings.iter().map(Finding::json).collect();
    let report =
        json!({"findings": findings, "not_looked_at": notes, "hosts": found.hosts, "files": found.files});
    format!("{report}\n")
}

fn as_text(collected: &Collected, notes: &[String]) -> String {
    let found = &collected.findings;
    let shown: Diagnostics = found.iter().map(Finding::diagnostic).collect();
    let count = |severity: Severity| found.iter().filter(|finding| finding.severity() == severity).count();
    let mut text = shown.render(false);
    if !found.is_empty() {
        text.push('\n');
    }
    for note in notes {
        text += &format!("not looked at: {note}\n");
    }
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let of = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    text += &match (errors, warnings) {
        (0, 0) if collected.files == 0 => {
            "nothing to compare: no task writes a file of a cluster\n".to_owned()
        }
        (0, 0) => {
            format!("nothing found in {} on {}\n", of(collected.files, "file"), of(collected.hosts, "host"))
        }
        _ => {
            format!("{}, {}: `muster explain CODE` says more\n", of(errors, "error"), of(warnings, "warning"))
        }
    };
    text
}
