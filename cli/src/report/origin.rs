//! The place in a playbook that a failure comes from, with the lines before it, as Ansible shows it.

use crate::source::Span;

/// How many lines are shown before the one that is meant.
const BEFORE: usize = 2;

/// Path, line and column, and the lines with a mark below the column. A file that was encrypted shows none.
pub(crate) fn excerpt(span: &Span) -> String {
    let (file, place) = (span.file(), span.place());
    let path = file.path().canonicalize().unwrap_or_else(|_| file.path().to_owned());
    let mut text = format!("Origin: {}:{}:{}\n", path.display(), place.line, place.column);
    if file.is_secret() || file.text().is_empty() {
        return text;
    }
    let width = place.line.to_string().len();
    text.push('\n');
    for line in place.line.saturating_sub(BEFORE).max(1)..=place.line {
        text += format!("{line:>width$} {}", file.line(line)).trim_end();
        text.push('\n');
    }
    let indent = " ".repeat(width + place.column);
    text + &format!("{indent}^ column {}\n", place.column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceFile;

    #[test]
    fn the_line_is_shown_with_two_before_it() {
        let file = SourceFile::new("site.yml", "- hosts: a\n  tasks:\n    - fail:\n    - debug:\n");
        let text = excerpt(&Span::new(&file, 26..30));
        assert_eq!(
            text,
            "Origin: site.yml:3:7\n\n1 - hosts: a\n2   tasks:\n3     - fail:\n        ^ column 7\n"
        );
    }
}
