//! Host patterns: `web:db`, `web:!db`, `web:&prod`, `web*`, `~web\d+`, `web[0]`, `web[1:3]`, with commas or colons
//! between them, and `@file` in a limit.

use super::{Inventory, LOCALHOST, address};
use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use crate::suggest;
use fancy_regex::Regex;
use indexmap::IndexSet;
use std::path::Path;

/// In which order the hosts of a play come (`order:`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostOrder {
    Inventory,
    ReverseInventory,
    Sorted,
    ReverseSorted,
    Shuffle,
}

/// What patterns stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Names of hosts, each once.
    pub(crate) hosts: IndexSet<String>,
    /// Patterns that match no host and no group.
    pub(crate) unknown: Vec<String>,
}

impl HostOrder {
    /// All, as they are written.
    pub(crate) const NAMES: [&'static str; 5] =
        ["inventory", "reverse_inventory", "sorted", "reverse_sorted", "shuffle"];

    /// The order of that name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        match name {
            "inventory" => Some(Self::Inventory),
            "reverse_inventory" => Some(Self::ReverseInventory),
            "sorted" => Some(Self::Sorted),
            "reverse_sorted" => Some(Self::ReverseSorted),
            "shuffle" => Some(Self::Shuffle),
            _ => None,
        }
    }
}

impl Inventory {
    /// The hosts that patterns stand for, in the order of the patterns. An empty list stands for all hosts.
    ///
    /// # Errors
    ///
    /// Where a pattern is no pattern: a broken regular expression, or an index past the last host.
    pub(crate) fn select<'p>(
        &self,
        patterns: impl IntoIterator<Item = &'p str>,
    ) -> Result<Selection, Diagnostic> {
        let pieces: Vec<&str> = patterns.into_iter().flat_map(split).collect();
        let is_plain = |piece: &&&str| !piece.starts_with(['!', '&']);
        let mut ordered: Vec<&str> = pieces.iter().filter(is_plain).copied().collect();
        if ordered.is_empty() {
            ordered.push("all");
        }
        ordered.extend(pieces.iter().filter(|piece| piece.starts_with('&')));
        ordered.extend(pieces.iter().filter(|piece| piece.starts_with('!')));
        let mut selection = Selection::default();
        for piece in ordered {
            self.apply(piece, &mut selection)?;
        }
        Ok(selection)
    }

    fn apply(&self, piece: &str, selection: &mut Selection) -> Result<(), Diagnostic> {
        let pattern = piece.strip_prefix(['!', '&']).unwrap_or(piece);
        let matched = self.matches(pattern)?;
        if matched.is_none() && pattern != "all" {
            selection.unknown.push(pattern.to_owned());
        }
        let matched = matched.unwrap_or_default();
        match piece.as_bytes().first() {
            Some(b'!') => selection.hosts.retain(|host| !matched.contains(host.as_str())),
            Some(b'&') => selection.hosts.retain(|host| matched.contains(host.as_str())),
            _ => selection.hosts.extend(matched.into_iter().map(str::to_owned)),
        }
        Ok(())
    }

    /// None where neither a group nor a host matches; an empty group matches.
    fn matches<'a>(&'a self, pattern: &str) -> Result<Option<IndexSet<&'a str>>, Diagnostic> {
        if let Some(host) = self.hosts.get(pattern) {
            return Ok(Some(IndexSet::from([host.name.as_str()])));
        }
        let (expression, index) = split_index(pattern);
        let matcher = Matcher::new(expression)?;
        let mut hosts: IndexSet<&str> = IndexSet::new();
        let mut any_group = false;
        for group in self.groups.keys().filter(|group| matcher.is_match(group)) {
            any_group = true;
            hosts.extend(self.hosts_of(group));
        }
        if !any_group || expression.starts_with('~') || expression.contains(['.', '?', '*', '[']) {
            hosts.extend(self.hosts.keys().map(String::as_str).filter(|host| matcher.is_match(host)));
        }
        if hosts.is_empty() && LOCALHOST.contains(&expression) {
            hosts.extend(self.host(expression).map(|host| host.name.as_str()));
        }
        if hosts.is_empty() && !any_group {
            return Ok(None);
        }
        match index {
            Some(index) => index.apply(&hosts, pattern).map(Some),
            None => Ok(Some(hosts)),
        }
    }

    /// The hosts that `--limit` allows. `@FILE` stands for the lines of a file.
    ///
    /// # Errors
    ///
    /// Where a name in it is neither a host nor a group, and where a file cannot be read. Globs, regular expressions
    /// and what is excluded may match nothing.
    pub(crate) fn limit(&self, limit: &str) -> Result<IndexSet<String>> {
        let mut pieces = Vec::new();
        for piece in split(limit) {
            match piece.strip_prefix('@') {
                Some(path) => pieces.extend(read_limit_file(Path::new(path))?),
                None => pieces.push(piece.to_owned()),
            }
        }
        let selection = self.select(pieces.iter().map(String::as_str))?;
        let mut mistakes = Diagnostics::default();
        let is_name = |pattern: &&String| !pattern.starts_with('~') && !pattern.contains(['*', '?', '[']);
        let is_excluded = |pattern: &&String| pieces.contains(&format!("!{pattern}"));
        for unknown in selection.unknown.iter().filter(is_name).filter(|pattern| !is_excluded(pattern)) {
            mistakes.push(self.unknown(unknown, "the limit names").exits_with(Exit::Unexpected));
        }
        mistakes.or_value(selection.hosts)
    }

    /// That no host and no group has a name; `who` uses it.
    pub(crate) fn unknown(&self, name: &str, who: &str) -> Diagnostic {
        Diagnostic::error(format!("{who} `{name}`, which is no host and no group of the inventory"))
            .maybe_hint(self.did_you_mean(name))
    }

    /// The host or group whose name is nearest, as a question.
    pub(crate) fn did_you_mean(&self, name: &str) -> Option<String> {
        suggest::did_you_mean(name, self.groups.keys().chain(self.hosts.keys()).map(String::as_str))
    }
}

fn read_limit_file(path: &Path) -> Result<Vec<String>, Diagnostic> {
    let text = std::fs::read_to_string(path).map_err(|cause| {
        let what = if path.is_dir() { "the limit must be a file" } else { "could not read the limit file" };
        Diagnostic::error(format!("{what}: `{}`", path.display())).cause(cause).exits_with(Exit::Unexpected)
    })?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// The single patterns of a text. Colons and spaces separate only where there is no comma and the text is not one address.
fn split(text: &str) -> Vec<&str> {
    let pieces: Vec<&str> = if text.contains(',') {
        text.split(',').collect()
    } else if address::is_address(text) {
        vec![text]
    } else {
        split_at_colons(text)
    };
    pieces.into_iter().map(str::trim).filter(|piece| !piece.is_empty()).collect()
}

fn split_at_colons(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (c == ':' || c.is_whitespace()) && depth == 0
    })
    .collect()
}

/// `[0]`, `[-1]`, `[1:3]` (both ends belong to it) and `[1:]` behind a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Index {
    One(i64),
    Range(usize, Option<usize>),
}

impl Index {
    fn apply<'a>(self, hosts: &IndexSet<&'a str>, pattern: &str) -> Result<IndexSet<&'a str>, Diagnostic> {
        let count = hosts.len();
        match self {
            Self::One(index) => {
                let from_end = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
                let at = if index < 0 { count.checked_sub(from_end) } else { usize::try_from(index).ok() };
                let host = at.and_then(|at| hosts.get_index(at)).ok_or_else(|| {
                    Diagnostic::error(format!("the pattern `{pattern}` asks for a host past the last one"))
                        .note(format!("it picks from {count} hosts, counted from 0"))
                        .exits_with(Exit::Unexpected)
                })?;
                Ok(IndexSet::from([*host]))
            }
            Self::Range(first, last) => {
                let last = last.unwrap_or(count).saturating_add(1).min(count);
                Ok(hosts.iter().take(last).skip(first).copied().collect())
            }
        }
    }
}

fn split_index(pattern: &str) -> (&str, Option<Index>) {
    let index = || {
        let (expression, inner) = pattern.strip_suffix(']')?.rsplit_once('[')?;
        if expression.is_empty() || pattern.starts_with('~') {
            return None;
        }
        let index = match inner.split_once([':', '-']) {
            Some(("", _)) | None => Index::One(inner.parse().ok()?),
            Some((first, "")) => Index::Range(first.parse().ok()?, None),
            Some((first, last)) => Index::Range(first.parse().ok()?, Some(last.parse().ok()?)),
        };
        Some((expression, Some(index)))
    };
    index().unwrap_or((pattern, None))
}

/// A glob over whole names, or a regular expression at their start.
struct Matcher(Regex);

impl Matcher {
    fn new(pattern: &str) -> Result<Self, Diagnostic> {
        let expression = match pattern.strip_prefix('~') {
            Some(regex) => format!(r"\A(?:{regex})"),
            None => glob_to_regex(pattern),
        };
        Regex::new(&expression).map(Self).map_err(|cause| {
            Diagnostic::error(format!("the host pattern `{pattern}` is not a regular expression"))
                .cause(cause)
                .exits_with(Exit::Unexpected)
        })
    }

    fn is_match(&self, name: &str) -> bool {
        // An expression that backtracks without end matches nothing.
        self.0.is_match(name).unwrap_or(false)
    }
}

fn glob_to_regex(glob: &str) -> String {
    let mut regex = String::from(r"(?s)\A");
    let mut rest = glob;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => match rest.char_indices().skip(1).find(|(_, c)| *c == ']') {
                Some((close, _)) => {
                    let set = rest[..close].replace('\\', r"\\").replace('[', r"\[");
                    let set = set.strip_prefix('!').map_or(set.clone(), |others| format!("^{others}"));
                    regex.push_str(&format!("[{set}]"));
                    rest = &rest[close + 1..];
                }
                None => regex.push_str(r"\["),
            },
            other => regex.push_str(&fancy_regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    regex + r"\z"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let mut inventory = Inventory::default();
        for (group, hosts) in [("web", ["web1", "web2", "web3"]), ("db", ["db1", "db2", "web3"])] {
            for host in hosts {
                inventory.add_host(host, group, None);
            }
        }
        inventory.add_host("lone.example.org", "ungrouped", None);
        inventory.add_group("empty", None);
        inventory.reconcile();
        inventory
    }

    fn hosts(pattern: &str) -> String {
        let selection = inventory().select([pattern]).unwrap();
        selection.hosts.into_iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn patterns_stand_for_hosts_in_their_order() {
        let all = "lone.example.org web1 web2 web3 db1 db2";
        let cases = [
            ("all", all),
            ("*", all),
            ("", all),
            (" , ,", all),
            ("web", "web1 web2 web3"),
            ("db:web", "db1 db2 web3 web1 web2"),
            ("web,db1", "web1 web2 web3 db1"),
            ("web1  db1:db2", "web1 db1 db2"),
            ("web:!db", "web1 web2"),
            ("!db:web", "web1 web2"),
            ("web:&db", "web3"),
            ("!web", "lone.example.org db1 db2"),
            ("web[0]", "web1"),
            ("web[-1]", "web3"),
            ("web[1:2]", "web2 web3"),
            ("web[1:]", "web2 web3"),
            ("db*", "db1 db2 web3"),
            ("*.example.org", "lone.example.org"),
            ("web[12]", ""),
            ("[wd]*1", "web1 db1"),
            ("~(web|db)1$", "web1 db1"),
            ("~eb1", ""),
            ("empty", ""),
            ("localhost", "localhost"),
            ("ungrouped", "lone.example.org"),
        ];
        for (pattern, expected) in cases {
            let found = inventory().select([pattern]);
            match found {
                Ok(selection) => {
                    let found: Vec<String> = selection.hosts.into_iter().collect();
                    assert_eq!(found.join(" "), expected, "of `{pattern}`");
                }
                Err(_) => assert_eq!(pattern, "web[12]"),
            }
        }
        assert_eq!(hosts("web2"), "web2");
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_told_but_an_empty_group_is_not() {
        assert_eq!(inventory().select(["wbe,empty"]).unwrap().unknown, ["wbe"]);
    }

    #[test]
    fn an_unknown_name_in_a_limit_is_an_error_with_the_nearest_name() {
        insta::assert_snapshot!(inventory().limit("wbe,web9*,!nothere").unwrap_err().render(false));
    }

    #[test]
    fn a_limit_file_names_hosts_on_its_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "web1\n\n  db1 \n").unwrap();
        let limit = inventory().limit(&format!("@{}", file.path().display())).unwrap();
        assert_eq!(limit.into_iter().collect::<Vec<_>>(), ["web1", "db1"]);
    }
}
