//! The pages of `muster explain`: one for each code. The examples in them are run by a test (`cli/tests/lint.rs`): the broken one
//! must give the page's finding and no other, the mended one none.

use super::Severity;

/// What is to be known of a finding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    /// What is shown of it, Markdown.
    pub(crate) text: &'static str,
}

impl Page {
    /// The finding in one line: the page's heading without the code.
    pub(crate) fn title(&self) -> &'static str {
        let heading = self.text.lines().next().unwrap_or_default();
        heading.split_once(": ").map_or(heading, |(_, title)| title)
    }
}

macro_rules! pages {
    ($($code:literal $severity:ident),+ $(,)?) => {
        &[$(Page {
            code: $code,
            severity: Severity::$severity,
            text: include_str!(concat!("pages/", $code, ".md")),
        }),+]
    };
}

const PAGES: &[Page] = pages!(
    "MU101" Error,
    "MU102" Error,
    "MU103" Error,
    "MU104" Error,
    "MU105" Error,
    "MU106" Error,
    "MU107" Error,
    "MU108" Error,
    "MU109" Error,
    "MU110" Error,
    "MU111" Error,
    "MU112" Error,
    "MU113" Warning,
    "MU114" Error,
    "MU115" Error,
    "MU116" Error,
    "MU117" Error,
    "MU118" Error,
    "MU120" Error,
    "MU121" Error,
    "MU130" Warning,
    "MU131" Warning,
);

/// All pages, by their codes.
pub(crate) fn pages() -> &'static [Page] {
    PAGES
}

/// The page of a code, however it is written.
pub(crate) fn page(code: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.code.eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_headed_by_its_code_and_has_its_parts() {
        for page in pages() {
            assert!(page.text.starts_with(&format!("# {}: ", page.code)), "{}", page.code);
            for part in ["\n## Why\n", "\n## Broken\n", "\n## Mended\n"] {
                assert!(page.text.contains(part), "{} lacks {part}", page.code);
            }
        }
        assert!(pages().is_sorted_by_key(|page| page.code));
    }
}
