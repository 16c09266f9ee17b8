//! `musterd check-config FILE`: a corosync.conf, read as the agent would read it.

use muster_api::corosync_conf;
use std::path::Path;
use std::process::ExitCode;

/// Says nothing where it is right.
pub(super) fn check(file: &Path) -> ExitCode {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("error: cannot read {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    };
    let Err(error) = corosync_conf::parse(&text) else { return ExitCode::SUCCESS };
    eprintln!("{}:{}:{}: error: {}", file.display(), error.line, error.column, error.message);
    if let Some(line) = error.line.checked_sub(1).and_then(|line| text.lines().nth(line)) {
        let before: String = line.chars().take(error.column.saturating_sub(1)).collect();
        // Tabs stay tabs, so that the mark stands below the place.
        let gap: String = before.chars().map(|letter| if letter == '\t' { '\t' } else { ' ' }).collect();
        eprintln!("{:5} | {line}\n      | {gap}^", error.line);
    }
    if let Some(hint) = &error.hint {
        eprintln!("  hint: {hint}");
    }
    ExitCode::FAILURE
}
