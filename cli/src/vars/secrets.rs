//! Texts that no report may show: decrypted values, passwords.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::RwLock;

/// What stands for a secret.
const MASK: &str = "***";
/// Characters of a line that counts as a secret because a task with `no_log` printed it.
const PRINTED_LEAST: usize = 8;

/// All secrets that a run came to know. Templates see the real texts; whatever is printed goes through `mask`.
#[derive(Default)]
pub(crate) struct Secrets(RwLock<BTreeSet<String>>);

impl Secrets {
    /// Adds a secret, and each line of one that has several, also as JSON writes them. A text under three characters is
    /// not masked: it would hide every `a` of a report and still be guessed.
    pub(crate) fn add(&self, secret: &str) {
        let mut known = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let whole = std::iter::once(secret.trim());
        for text in whole.chain(secret.lines().map(str::trim)).filter(|text| text.chars().count() > 2) {
            let quoted = serde_json::Value::from(text).to_string();
            known.insert(quoted[1..quoted.len() - 1].to_owned());
            known.insert(text.to_owned());
        }
    }

    /// Adds the lines of what a hidden program printed. Short ones are words such as `active`, which are no secrets and would be
    /// masked all over a report.
    pub(crate) fn add_printed(&self, text: &str) {
        text.lines()
            .filter(|line| line.trim().chars().count() >= PRINTED_LEAST)
            .for_each(|line| self.add(line));
    }

    /// Whether a secret is in the text.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        let known = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.iter().any(|secret| text.contains(secret.as_str()))
    }

    /// The text with each secret in it replaced by `***`; longer secrets first.
    pub(crate) fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let known = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut found: Vec<&String> = known.iter().filter(|secret| text.contains(secret.as_str())).collect();
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let masked = found.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK));
        Cow::Owned(masked)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_hidden_program_printed_is_masked_but_not_each_word() {
        let secrets = Secrets::default();
        secrets.add_printed("active\ntoken-1234567\n");
        assert_eq!(secrets.mask("active: token-1234567"), "active: ***");
        assert!(secrets.are_in("a token-1234567 b") && !secrets.are_in("active"));
    }

    #[test]
    fn a_secret_inside_a_text_is_masked() {
        let secrets = Secrets::default();
        secrets.add("s3cret");
        assert_eq!(secrets.mask("password=s3cret;"), "password=***;");
        secrets.add("pa\"ss");
        assert_eq!(secrets.mask(r#"{"msg": "pa\"ss"} pa"ss"#), r#"{"msg": "***"} ***"#);
        assert_eq!(format!("{secrets:?}"), "Secrets(***)");
    }
}
