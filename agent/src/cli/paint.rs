//! Colour for terminals, and text that fits them. Everything reads as well without colour.

use std::io::IsTerminal;

/// Lines are broken so that they fit the smallest terminal in use.
pub(super) const WIDTH: usize = 80;

/// Whether to use colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    is_on: bool,
}

/// What a colour means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tone {
    /// As it should be.
    Good,
    /// Look at it.
    Warning,
    /// Act.
    Bad,
    /// A heading.
    Head,
    /// Detail.
    Faint,
}

impl Paint {
    /// Colour where stdout is a terminal and `NO_COLOR` is not set.
    pub(super) fn for_stdout() -> Self {
        let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { is_on: !is_unwanted && std::io::stdout().is_terminal() }
    }

    /// No colour.
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self { is_on: false }
    }

    /// The text in that tone.
    pub(super) fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "1;31",
            Tone::Head => "1",
            Tone::Faint => "2",
        };
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Breaks a sentence into lines that start with `indent`; the first one starts with `first`, which is as wide.
pub(super) fn wrap(first: &str, indent: usize, text: &str) -> String {
    let mut lines = vec![first.to_owned()];
    let mut width = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        let gap = usize::from(width > indent);
        if width + gap + length > WIDTH && width > indent {
            lines.push(" ".repeat(indent));
            width = indent;
        }
        let line = lines.last_mut().expect("there is the first line");
        if width > indent {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += length;
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sentence_is_broken_at_words_and_indented() {
        let text = "word ".repeat(20);
        let wrapped = wrap("  ! ", 4, text.trim());
        assert!(wrapped.lines().all(|line| line.len() <= WIDTH), "{wrapped}");
        assert!(wrapped.starts_with("  ! word") && wrapped.contains("\n    word"), "{wrapped}");
    }

    #[test]
    fn a_word_that_fits_nowhere_stays_whole() {
        let word = "x".repeat(100);
        assert_eq!(wrap("- ", 2, &word), format!("- {word}\n"));
    }
}
