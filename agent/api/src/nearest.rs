//! The known name that a person may have meant.

use alloc::vec;
use alloc::vec::Vec;

/// The candidate that is fewest edits away from `name`, where that is close enough to be meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bound = (name.chars().count() / 3).max(1) + 1;
    let scored = candidates.into_iter().map(|candidate| (distance(name, candidate), candidate));
    let (edits, candidate) = scored.min_by_key(|(edits, _)| *edits)?;
    (edits <= bound).then_some(candidate)
}

/// Edits (insert, delete, replace) that make one of the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.chars().enumerate() {
        let mut next = vec![line + 1];
        for (column, b) in right.iter().enumerate() {
            let replaced = row[column] + usize::from(!a.eq_ignore_ascii_case(b));
            next.push(replaced.min(row[column + 1] + 1).min(next[column] + 1));
        }
        row = next;
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typing_mistake_finds_its_name_and_nonsense_does_not() {
        assert_eq!(nearest("tokne", ["token", "join"]), Some("token"));
        assert_eq!(nearest("zzzzzz", ["token", "join"]), None);
    }
}
