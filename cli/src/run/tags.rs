//! Which tasks `--tags`, `--skip-tags` and `--start-at-task` leave.

use crate::playbook::Task;
use crate::playbook::keyword::Keyword;
use std::collections::BTreeSet;

/// The tags that were asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct TagFilter {
    only: Vec<String>,
    skip: Vec<String>,
}

impl TagFilter {
    /// From lists as they are written on the command line: repeated, or with commas.
    pub(crate) fn new(only: &[String], skip: &[String]) -> Self {
        let split = |lists: &[String]| -> Vec<String> {
            let tags = lists.iter().flat_map(|list| list.split(',')).map(str::trim);
            tags.filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
        };
        let mut only = split(only);
        if only.is_empty() {
            only.push("all".into());
        }
        Self { only, skip: split(skip) }
    }

    /// `ansible_run_tags`
    pub(crate) fn only(&self) -> &[String] {
        &self.only
    }

    /// `ansible_skip_tags`
    pub(crate) fn skip(&self) -> &[String] {
        &self.skip
    }

    /// Whether a task with these tags runs.
    pub(crate) fn selects(&self, tags: &BTreeSet<String>) -> bool {
        let has = |tag: &str| tags.contains(tag);
        let asks = |list: &[String], tag: &str| list.iter().any(|asked| asked == tag);
        let names = |list: &[String]| list.iter().any(|asked| tags.contains(asked));
        let is_tagged = !tags.is_empty();
        let mut runs = if has("always") || names(&self.only) {
            true
        } else if asks(&self.only, "all") {
            !has("never")
        } else if asks(&self.only, "tagged") {
            is_tagged && !has("never")
        } else {
            asks(&self.only, "untagged") && !is_tagged
        };
        if runs && !self.skip.is_empty() {
            let skips_all = asks(&self.skip, "all") && (!has("always") || asks(&self.skip, "always"));
            let skips_kind =
                (asks(&self.skip, "tagged") && is_tagged) || (asks(&self.skip, "untagged") && !is_tagged);
            runs = !(skips_all || skips_kind || names(&self.skip));
        }
        runs
    }
}

/// The tags of a task as they are written, of all that it stands in.
pub(crate) fn tags_of(task: &Task) -> BTreeSet<String> {
    let texts = task.scope.each(Keyword::Tags);
    let tags = texts.iter().filter_map(|node| node.scalar_text());
    tags.flat_map(|text| text.split(',').map(|tag| tag.trim().to_owned()).collect::<Vec<_>>())
        .filter(|tag| !tag.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(only: &str, skip: &str, tags: &[&str]) -> bool {
        let filter = TagFilter::new(&[only.to_owned()], &[skip.to_owned()]);
        filter.selects(&tags.iter().map(|tag| (*tag).to_owned()).collect())
    }

    #[test]
    fn without_options_all_but_never_runs() {
        assert!(runs("", "", &[]) && runs("", "", &["web"]) && !runs("", "", &["never"]));
    }

    #[test]
    fn asked_tags_and_always_run() {
        assert!(runs("web", "", &["web", "db"]) && runs("web", "", &["always"]) && !runs("web", "", &["db"]));
        assert!(runs("debug", "", &["never", "debug"]));
    }

    #[test]
    fn tagged_and_untagged_are_kinds() {
        assert!(runs("tagged", "", &["web"]) && !runs("tagged", "", &[]));
        assert!(runs("untagged", "", &[]) && !runs("untagged", "", &["web"]));
    }

    #[test]
    fn what_is_skipped_does_not_run_even_with_always() {
        assert!(!runs("", "web", &["web", "always"]) && !runs("", "always", &["always"]));
        assert!(!runs("", "tagged", &["web"]) && runs("", "tagged", &[]));
        assert!(runs("", "all", &["always"]) && !runs("", "all", &["web"]));
    }
}
