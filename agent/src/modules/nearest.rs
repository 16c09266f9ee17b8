//! The known name that a mistyped one most likely means.

/// The nearest of the names, where one is near enough.
pub(super) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters wrong is another word.
    let far = written.chars().count() / 3 + 1;
    let close = known.filter(|name| name.len().abs_diff(written.len()) <= far);
    close
        .map(|name| (distance(written, name), name))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, name)| name)
}

/// Letters to add, remove, change or swap with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![(0..=other.len()).collect::<Vec<usize>>()];
    for (i, left) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, right) in other.iter().enumerate() {
            let changed = rows[i][j] + usize::from(left != right);
            let mut best = changed.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *left == other[j - 1] && one[i - 1] == *right {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_mistakes_are_near_and_other_words_are_not() {
        let known = ["apache2", "chrony", "nginx"];
        assert_eq!(nearest("apahce2", known.into_iter()), Some("apache2"));
        assert_eq!(nearest("cron", known.into_iter()), Some("chrony"));
        assert_eq!(nearest("postgresql", known.into_iter()), None);
    }
}
