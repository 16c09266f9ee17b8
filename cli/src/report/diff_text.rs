//! Typed diffs as text: unified diffs for contents, one line for an attribute.

use muster_api::diff::{Change, Content, Diff};
use serde_json::{Value as Json, json};
use similar::{Algorithm, ChangeTag, TextDiff};
use std::time::Duration;

/// A line of a diff, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) kind: LineKind,
    /// The pieces of the line; those that differ within a changed line are marked.
    pub(crate) pieces: Vec<(bool, String)>,
}

/// What a line of a diff is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// Names what is compared.
    Header,
    /// Names a place.
    Hunk,
    /// Stays.
    Same,
    /// Goes away.
    Removed,
    /// Comes.
    Added,
    /// Says something about the diff.
    Note,
}

/// Above this the words of a line are not compared, and the lines only for as long as `PATIENCE`.
const LARGE: usize = 1 << 20;
/// A huge file must not hang the run.
const PATIENCE: Duration = Duration::from_millis(200);

impl Line {
    fn plain(kind: LineKind, text: impl Into<String>) -> Self {
        Self { kind, pieces: vec![(false, text.into())] }
    }

    /// The whole line, with its sign.
    pub(crate) fn text(&self) -> String {
        let sign = match self.kind {
            LineKind::Removed => "-",
            LineKind::Added => "+",
            LineKind::Same => " ",
            LineKind::Header | LineKind::Hunk | LineKind::Note => "",
        };
        let body: String = self.pieces.iter().map(|(_, piece)| piece.as_str()).collect();
        format!("{sign}{body}")
    }
}

/// All changes of a thing as lines.
pub(crate) fn diff_lines(diff: &Diff) -> Vec<Line> {
    if let Some(line) = new_thing(diff) {
        return vec![line];
    }
    let mut lines = Vec::new();
    let is_written = diff.changes.iter().any(is_new_text);
    for change in &diff.changes {
        match change {
            // The content says it.
            Change::Presence { .. } if is_written => {}
            Change::Content { before, after } => content_lines(&diff.name, before, after, &mut lines),
            Change::Presence { before, after } => lines.push(Line::plain(
                LineKind::Note,
                format!("{} {}: {before} -> {after}", diff.kind, diff.name),
            )),
            Change::Attribute { attribute, before, after } => {
                let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".into());
                let text =
                    format!("{} {}: {attribute} {} -> {}", diff.kind, diff.name, shown(before), shown(after));
                lines.push(Line::plain(LineKind::Note, text));
            }
        }
    }
    lines
}

/// Something that comes with attributes and no content takes one line.
fn new_thing(diff: &Diff) -> Option<Line> {
    let [Change::Presence { before, after }, attributes @ ..] = diff.changes.as_slice() else { return None };
    let given = attributes.iter().map(|change| match change {
        Change::Attribute { attribute, before: None, after: Some(after) } => {
            Some(format!("{attribute} {after}"))
        }
        _ => None,
    });
    let given: Vec<String> = given.collect::<Option<_>>()?;
    if given.is_empty() {
        return None;
    }
    let text = format!("{} {}: {before} -> {after} ({})", diff.kind, diff.name, given.join(", "));
    Some(Line::plain(LineKind::Note, text))
}

fn is_new_text(change: &Change) -> bool {
    matches!(change, Change::Content { before: Content::Absent, after: Content::Text { .. } })
}

fn content_lines(name: &str, before: &Content, after: &Content, lines: &mut Vec<Line>) {
    match (text(before), text(after)) {
        (Some(old), Some(new)) => {
            let absent = if *before == Content::Absent { " (absent)" } else { "" };
            lines.push(Line::plain(LineKind::Header, format!("--- before: {name}{absent}")));
            let absent = if *after == Content::Absent { " (absent)" } else { "" };
            lines.push(Line::plain(LineKind::Header, format!("+++ after: {name}{absent}")));
            text_lines(old, new, lines);
        }
        _ => lines.push(Line::plain(
            LineKind::Note,
            format!("{name}: {} -> {}", describe(before), describe(after)),
        )),
    }
}

fn text(content: &Content) -> Option<&str> {
    match content {
        Content::Absent => Some(""),
        Content::Text { text } => Some(text),
        Content::Opaque { .. } | Content::Secret => None,
    }
}

fn describe(content: &Content) -> String {
    match content {
        Content::Absent => "nothing".into(),
        Content::Text { text } => format!("text of {} bytes", text.len()),
        Content::Opaque { size, sha256 } => {
            format!("{size} bytes, sha256 {}", sha256.get(..12).unwrap_or(sha256))
        }
        Content::Secret => "a secret that is not shown".into(),
    }
}

fn text_lines(old: &str, new: &str, lines: &mut Vec<Line>) {
    let is_large = old.len() + new.len() > LARGE;
    let diff = TextDiff::configure().algorithm(Algorithm::Myers).timeout(PATIENCE).diff_lines(old, new);
    for group in diff.grouped_ops(3) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let range =
            |start: usize, end: usize| format!("{},{}", start + usize::from(end > start), end - start);
        let old_range = range(first.old_range().start, last.old_range().end);
        let new_range = range(first.new_range().start, last.new_range().end);
        lines.push(Line::plain(LineKind::Hunk, format!("@@ -{old_range} +{new_range} @@")));
        for op in &group {
            if is_large {
                let changes = diff.iter_changes(op);
                lines.extend(changes.map(|change| Line::plain(kind(change.tag()), trimmed(change.value()))));
            } else {
                lines.extend(diff.iter_inline_changes(op).map(|change| {
                    Line {
                        kind: kind(change.tag()),
                        pieces: change
                            .iter_strings_lossy()
                            .map(|(marked, piece)| (marked, trimmed(&piece)))
                            .filter(|(_, piece)| !piece.is_empty())
                            .collect(),
                    }
                }));
            }
        }
    }
    if !new.is_empty() && !new.ends_with('\n') {
        lines.push(Line::plain(LineKind::Note, "\\ No newline at end of file"));
    }
}

fn trimmed(text: &str) -> String {
    text.trim_end_matches(['\n', '\r']).to_owned()
}

fn kind(tag: ChangeTag) -> LineKind {
    match tag {
        ChangeTag::Equal => LineKind::Same,
        ChangeTag::Delete => LineKind::Removed,
        ChangeTag::Insert => LineKind::Added,
    }
}

/// Diffs in the shape in which playbooks see them under `diff`.
pub(crate) fn diff_json(diffs: &[Diff]) -> Json {
    let entries = diffs.iter().flat_map(|diff| diff.changes.iter().map(move |change| (diff, change)));
    entries
        .map(|(diff, change)| match change {
            Change::Content { before, after } => json!({
                "before_header": diff.name,
                "after_header": diff.name,
                "before": text(before).map_or_else(|| describe(before), str::to_owned),
                "after": text(after).map_or_else(|| describe(after), str::to_owned),
            }),
            Change::Presence { before, after } => json!({
                "before": {"path": diff.name, "state": before},
                "after": {"path": diff.name, "state": after},
            }),
            Change::Attribute { attribute, before, after } => json!({
                "before": {"path": diff.name, attribute: before},
                "after": {"path": diff.name, attribute: after},
            }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        Content::Text { text: text.into() }
    }

    fn shown(before: Content, after: Content) -> Vec<String> {
        let diff = Diff {
            kind: "file".into(),
            name: "/etc/motd".into(),
            changes: vec![Change::Content { before, after }],
        };
        diff_lines(&diff).iter().map(Line::text).collect()
    }

    #[test]
    fn a_changed_line_is_shown_old_and_new() {
        assert_eq!(
            shown(content("a\nport 80\nz\n"), content("a\nport 81\nz\n")),
            [
                "--- before: /etc/motd",
                "+++ after: /etc/motd",
                "@@ -1,3 +1,3 @@",
                " a",
                "-port 80",
                "+port 81",
                " z"
            ]
        );
    }

    #[test]
    fn the_words_that_differ_are_marked() {
        let diff = Diff {
            kind: "file".into(),
            name: "x".into(),
            changes: vec![Change::Content { before: content("port 80\n"), after: content("port 81\n") }],
        };
        let added =
            diff_lines(&diff).into_iter().find(|line| line.kind == LineKind::Added).expect("one was added");
        assert_eq!(added.pieces, [(false, "port ".to_owned()), (true, "81".to_owned())]);
    }

    #[test]
    fn a_secret_is_not_shown() {
        let lines = shown(Content::Absent, Content::Secret).join("\n");
        assert_eq!(lines, "/etc/motd: nothing -> a secret that is not shown");
    }
}
