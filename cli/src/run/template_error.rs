//! What is said on a host's line where a template failed: one sentence, the place, the next step.

use crate::template::TemplateError;

/// The failure as one line.
pub(crate) fn sentence(err: &TemplateError) -> String {
    let root = err.root();
    let mut text = root.message.clone();
    if let Some(place) = place(root).or_else(|| place(err)) {
        text += &format!(" (at {place})");
    }
    if let Some(hint) = root.hint.as_ref().or(err.hint.as_ref()) {
        text += &format!("; {hint}");
    }
    text
}

fn place(err: &TemplateError) -> Option<String> {
    if let Some(file) = &err.file {
        let (line, column) = err.line_and_column().unwrap_or((1, 1));
        return Some(format!("{}:{line}:{column}", file.display()));
    }
    let node = err.node.as_ref()?;
    let span = err.range.clone().map_or_else(|| node.span.clone(), |range| node.span_of(range));
    Some(span.to_string())
}
