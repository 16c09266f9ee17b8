//! `musterd unit`: the agent's systemd unit. `templates/musterd.service.j2` is the same text; a test holds them together.

use std::process::ExitCode;

const TEMPLATE: &str = include_str!("../../../templates/musterd.service.j2");

/// Prints it.
pub(super) fn print() -> ExitCode {
    super::answer::print(&text());
    ExitCode::SUCCESS
}

/// The template without what only the controller knows: its first line is a comment for managed files.
fn text() -> String {
    TEMPLATE.lines().filter(|line| !line.contains("{{")).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_starts_with_its_first_section_and_has_no_templates_left() {
        let unit = text();
        assert!(unit.starts_with("[Unit]\n"), "{unit}");
        assert!(!unit.contains('{'), "{unit}");
        for needed in ["KillMode=process", "Type=notify", "ExecStart=/usr/local/sbin/musterd run"] {
            assert!(unit.contains(needed), "{needed}");
        }
    }
}
