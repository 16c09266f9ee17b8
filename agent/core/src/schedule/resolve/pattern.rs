//! Regular expressions of `rsc-pattern`, matched anywhere in an id.

use regex_automata::nfa::thompson::pikevm::PikeVM;

/// Whether the pattern is found in the text; `None` where it is no regular expression.
pub(super) fn is_match(pattern: &str, text: &str) -> Option<bool> {
    let machine = PikeVM::new(pattern).ok()?;
    Some(machine.is_match(&mut machine.create_cache(), text))
}

#[cfg(test)]
mod tests {
    use super::is_match;

    #[test]
    fn a_pattern_is_found_anywhere_unless_it_is_anchored() {
        assert_eq!(is_match("db", "web-db-1"), Some(true));
        assert_eq!(is_match("^db", "web-db-1"), Some(false));
        assert_eq!(is_match("^web-[a-z]+-[0-9]$", "web-db-1"), Some(true));
        assert_eq!(is_match("(", "web"), None);
    }
}
