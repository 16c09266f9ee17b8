//! Colours, as Ansible uses them; none where the output is no terminal or the user does not want them.

use crate::args::Color;
use anstyle::{AnsiColor, Style};
use std::io::IsTerminal;

/// Whether to colour, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Palette {
    is_on: bool,
}

/// What a text is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Ok,
    Changed,
    Skipped,
    Failed,
    Unreachable,
    Warning,
    Unknown,
    Removed,
    Added,
    RemovedWord,
    AddedWord,
    Hunk,
    Strong,
    Dim,
}

impl Palette {
    /// For what goes to standard output.
    pub(crate) fn stdout(color: Color) -> Self {
        let is_wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("ANSIBLE_NOCOLOR").is_none();
        let is_forced =
            std::env::var("ANSIBLE_FORCE_COLOR").is_ok_and(|value| value != "0" && value != "false");
        let is_on = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_forced || (is_wanted && std::io::stdout().is_terminal()),
        };
        Self { is_on }
    }

    /// Without colours.
    pub(crate) fn plain() -> Self {
        Self { is_on: false }
    }

    /// The text in the colour of what it is about.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        if !self.is_on || text.is_empty() {
            return text.to_owned();
        }
        let style = style(paint);
        // Line by line: a pager that starts in the middle shows the right colour too.
        let lines = text.split('\n').map(|line| format!("{style}{line}{style:#}"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn style(paint: Paint) -> Style {
    let color = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
    match paint {
        Paint::Ok | Paint::Added => color(AnsiColor::Green),
        Paint::Changed => color(AnsiColor::Yellow),
        Paint::Skipped | Paint::Hunk => color(AnsiColor::Cyan),
        Paint::Failed | Paint::Removed => color(AnsiColor::Red),
        Paint::Unreachable => color(AnsiColor::BrightRed),
        Paint::Warning => color(AnsiColor::BrightMagenta),
        Paint::Unknown => color(AnsiColor::Magenta),
        Paint::RemovedWord => color(AnsiColor::Red).bold().underline(),
        Paint::AddedWord => color(AnsiColor::Green).bold().underline(),
        Paint::Strong => Style::new().bold(),
        Paint::Dim => Style::new().dimmed(),
    }
}
