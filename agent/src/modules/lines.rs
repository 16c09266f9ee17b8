//! The lines of a text, each with its end, and where a new one goes.

use super::pattern::{Flags, Pattern};
use super::{Args, Failure};

/// The lines with their ends: joined they are the text again.
pub(super) fn split(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// The line without its end.
pub(super) fn bare(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// The text of a file whose lines are edited.
pub(super) fn text_of(content: &[u8], path: &std::path::Path) -> Result<String, Failure> {
    let text = std::str::from_utf8(content).map(str::to_owned);
    text.map_err(|error| {
        Failure::new(format!(
            "`{}` is not UTF-8 text (byte {}); its lines cannot be edited",
            path.display(),
            error.valid_up_to()
        ))
    })
}

/// Where `insertafter` and `insertbefore` point.
pub(super) enum Place {
    Start,
    End,
    After(Pattern),
    Before(Pattern),
}

impl Place {
    pub(super) fn of(args: &Args<'_>) -> Result<Self, Failure> {
        Ok(match (args.text("insertafter"), args.text("insertbefore")) {
            (Some("EOF") | None, None) => Self::End,
            (Some("BOF"), _) | (_, Some("BOF")) => Self::Start,
            (Some(after), _) => Self::After(Pattern::of("insertafter", after, Flags::None)?),
            // Before the end is the end.
            (_, Some("EOF")) => Self::End,
            (None, Some(before)) => Self::Before(Pattern::of("insertbefore", before, Flags::None)?),
        })
    }

    /// The index that a new line gets; the end where nothing matches.
    pub(super) fn index(&self, lines: &[String], takes_first: bool) -> Result<usize, Failure> {
        if let Self::After(pattern) | Self::Before(pattern) = self
            && pattern.spans_lines()
        {
            return self.index_in_text(&lines.concat(), lines.len(), pattern);
        }
        let (pattern, offset) = match self {
            Self::Start => return Ok(0),
            Self::End => return Ok(lines.len()),
            Self::After(pattern) => (pattern, 1),
            Self::Before(pattern) => (pattern, 0),
        };
        let found = find(lines, takes_first, |line| pattern.is_in(line))?;
        Ok(found.map_or(lines.len(), |index| index + offset))
    }
}

impl Place {
    /// After the line in which the match ends, or before the one in which it begins.
    fn index_in_text(&self, text: &str, end: usize, pattern: &Pattern) -> Result<usize, Failure> {
        let Some(found) = pattern.find(text)?.and_then(|found| found.get(0).map(|whole| whole.range()))
        else {
            return Ok(end);
        };
        let lines_before = |at: usize| text[..at].matches('\n').count();
        Ok(match self {
            Self::After(_) => lines_before(found.end) + 1,
            _ => lines_before(found.start),
        })
    }
}

/// The last line that matches, or the first.
pub(super) fn find(
    lines: &[String],
    takes_first: bool,
    mut matches: impl FnMut(&str) -> Result<bool, Failure>,
) -> Result<Option<usize>, Failure> {
    let mut found = None;
    for (index, line) in lines.iter().enumerate() {
        if matches(line)? {
            found = Some(index);
            if takes_first {
                break;
            }
        }
    }
    Ok(found)
}

/// Puts a line in, with an end to the line before it.
pub(super) fn insert(lines: &mut Vec<String>, index: usize, line: &str) {
    if let Some(before) = index.checked_sub(1).and_then(|before| lines.get_mut(before))
        && !before.ends_with(['\n', '\r'])
    {
        before.push('\n');
    }
    lines.insert(index, format!("{line}\n"));
}
