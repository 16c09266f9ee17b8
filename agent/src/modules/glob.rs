//! Shell patterns: `*`, `?` and `[…]`, for names and for paths of the host.

use crate::worker::View;
use std::path::{Path, PathBuf};

/// Whether the whole name matches the pattern.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    matches_from(&pattern, &name)
}

fn matches_from(pattern: &[char], name: &[char]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return name.is_empty() };
    match first {
        '*' => (0..=name.len()).any(|skipped| matches_from(rest, &name[skipped..])),
        '?' => !name.is_empty() && matches_from(rest, &name[1..]),
        '[' => match (class(rest), name.split_first()) {
            (Some((members, after)), Some((letter, others))) => {
                is_member(members, *letter) && matches_from(&rest[after..], others)
            }
            (None, Some(('[', others))) => matches_from(rest, others),
            _ => false,
        },
        letter => name.first() == Some(letter) && matches_from(rest, &name[1..]),
    }
}

/// What stands between the brackets, and where the pattern goes on.
fn class(after_bracket: &[char]) -> Option<(&[char], usize)> {
    let start = usize::from(matches!(after_bracket.first(), Some('!' | '^')));
    // A bracket that stands first is a member.
    let end = after_bracket.iter().skip(start + 1).position(|letter| *letter == ']')? + start + 1;
    Some((&after_bracket[..end], end + 1))
}

fn is_member(members: &[char], letter: char) -> bool {
    let is_negated = matches!(members.first(), Some('!' | '^'));
    let members = &members[usize::from(is_negated)..];
    let mut at = 0;
    let mut found = false;
    while at < members.len() {
        if at + 2 < members.len() && members[at + 1] == '-' {
            found |= (members[at]..=members[at + 2]).contains(&letter);
            at += 3;
        } else {
            found |= members[at] == letter;
            at += 1;
        }
    }
    found != is_negated
}

/// Whether any path of the host matches.
pub(super) fn any(pattern: &Path, view: &View<'_>) -> bool {
    let mut found = vec![PathBuf::from("/")];
    for component in pattern.components().skip(1) {
        let wanted = component.as_os_str().to_string_lossy().into_owned();
        let is_plain = !wanted.contains(['*', '?', '[']);
        found = found
            .into_iter()
            .flat_map(
                |folder| if is_plain { vec![folder.join(&wanted)] } else { below(&folder, &wanted, view) },
            )
            .collect();
    }
    found.iter().any(|path| matches!(view.lstat(path), Ok(Some(_))))
}

fn below(folder: &Path, pattern: &str, view: &View<'_>) -> Vec<PathBuf> {
    // A leading dot is matched only by a dot, as in a shell.
    let is_shown = |name: &str| !name.starts_with('.') || pattern.starts_with('.');
    let names = view.list(folder).unwrap_or_default();
    let names = names.into_iter().filter(|name| {
        let name = name.to_string_lossy();
        is_shown(&name) && matches(pattern, &name)
    });
    names.map(|name| folder.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name) in [
            ("*", "a"),
            ("a*c", "abbc"),
            ("a?c", "abc"),
            ("[a-c]x", "bx"),
            ("[!a]", "b"),
            ("[]]", "]"),
            ("2.4.*", "2.4.1-3"),
            ("[x", "[x"),
        ] {
            assert!(matches(pattern, name), "`{pattern}` and `{name}`");
        }
        for (pattern, name) in [("a", "b"), ("a?", "a"), ("[!a]", "a"), ("*.conf", "x.con")] {
            assert!(!matches(pattern, name), "`{pattern}` and `{name}`");
        }
    }
}
