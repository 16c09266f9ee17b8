//! What `rolling:` says: how many hosts may be down at the same time, whether their resources are moved away before, and how long the
//! cluster may take to be whole again.

use crate::error::Diagnostic;
use crate::suggest;
use crate::yaml::Node;
use muster_api::duration::parse_ms;
use serde_json::{Map, Value as Json};

/// The terms of a rolling change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    most: Most,
    pub(crate) drains: bool,
    pub(crate) wait_ms: u64,
}

/// How many hosts may be down at the same time. Quorum is kept whatever is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Most {
    Hosts(usize),
    Percent(usize),
    /// As many as the votes allow.
    Quorum,
}

const KEYS: &[&str] = &["drain", "max_unavailable", "wait"];
const WAIT_MS: u64 = 300_000;

impl Terms {
    /// Those that a rendered value says; none where it says no.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a sentence.
    pub(crate) fn of(value: &Json) -> Result<Option<Self>, String> {
        let usual = Self { most: Most::Hosts(1), drains: true, wait_ms: WAIT_MS };
        match value {
            Json::Null => Ok(None),
            Json::Object(map) => Self::of_map(usual, map).map(Some),
            other => match truth(other) {
                Some(true) => Ok(Some(usual)),
                Some(false) => Ok(None),
                None => Err(format!("`rolling` is true, false or a mapping of {}, not `{other}`", listed())),
            },
        }
    }

    fn of_map(mut terms: Self, map: &Map<String, Json>) -> Result<Self, String> {
        for (key, value) in map {
            match key.as_str() {
                "max_unavailable" => terms.most = most(value)?,
                "drain" => {
                    let drains = truth(value);
                    terms.drains =
                        drains.ok_or_else(|| format!("`drain` is true or false, not `{value}`"))?;
                }
                "wait" => {
                    let wait = match value {
                        Json::String(text) => parse_ms(text),
                        other => other.as_u64().map(|seconds| seconds.saturating_mul(1000)),
                    };
                    terms.wait_ms = wait.ok_or_else(|| {
                        format!("`wait` is seconds or a duration like `5min`, not `{value}`")
                    })?;
                }
                other => return Err(format!("`rolling` has no `{other}`: it has {}", listed())),
            }
        }
        Ok(terms)
    }

    /// How many of so many hosts may be down at the same time.
    pub(crate) fn most_of(self, hosts: usize) -> usize {
        match self.most {
            Most::Hosts(most) => most,
            Most::Percent(percent) => (hosts * percent / 100).max(1),
            Most::Quorum => hosts,
        }
    }
}

fn most(value: &Json) -> Result<Most, String> {
    let wrong = || format!("`max_unavailable` is a number of hosts, a percentage or `quorum`, not `{value}`");
    let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
    let positive = |text: &str| text.parse::<usize>().ok().filter(|number| *number > 0);
    match (text.as_str(), text.strip_suffix('%')) {
        ("quorum", _) => Ok(Most::Quorum),
        (_, Some(percent)) => {
            positive(percent.trim()).filter(|percent| *percent <= 100).map(Most::Percent).ok_or_else(wrong)
        }
        (number, None) => positive(number).map(Most::Hosts).ok_or_else(wrong),
    }
}

fn truth(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(truth) => Some(*truth),
        Json::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn listed() -> String {
    KEYS.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

/// The mistake in a value as it is written, if there is one; what is a template is seen when it is rendered.
pub(super) fn check(value: &Node) -> Option<Diagnostic> {
    if let Some(map) = value.as_map() {
        let unknown = map.keys().find(|key| !KEYS.contains(&key.key_text().as_ref()));
        if let Some(key) = unknown {
            let name = key.key_text();
            let mistake = Diagnostic::error(format!("`rolling` has no `{name}`")).at(&key.span, "not known");
            return Some(mistake.maybe_hint(suggest::did_you_mean(&name, KEYS.iter().copied())));
        }
    }
    let known = match value.as_map() {
        Some(map) => {
            let written = map.iter().filter(|(_, value)| !value.has_template());
            Json::Object(written.map(|(key, value)| (key.key_text().into_owned(), value.to_json())).collect())
        }
        None => value.to_json(),
    };
    let why = Terms::of(&known).err()?;
    Some(Diagnostic::error(why).at(&value.span.first_line(), "not possible"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn terms(value: &Json) -> Terms {
        Terms::of(value).expect("it can be read").expect("it says yes")
    }

    #[test]
    fn one_host_at_a_time_is_drained_unless_something_else_is_said() {
        let usual = terms(&json!(true));
        assert_eq!((usual.most_of(8), usual.drains, usual.wait_ms), (1, true, 300_000));
        assert_eq!(Terms::of(&json!(false)), Ok(None));
        assert_eq!(Terms::of(&json!("no")), Ok(None));
        let own = terms(&json!({"max_unavailable": "25%", "drain": false, "wait": "30s"}));
        assert_eq!((own.most_of(8), own.drains, own.wait_ms), (2, false, 30_000));
        assert_eq!(own.most_of(2), 1, "less than one host would be no change");
        assert_eq!(terms(&json!({"max_unavailable": 3, "wait": 90})).wait_ms, 90_000);
        assert_eq!(terms(&json!({"max_unavailable": "quorum"})).most_of(5), 5);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_can() {
        let why = |value: Json| Terms::of(&value).expect_err("it is refused");
        assert!(why(json!(2)).starts_with("`rolling` is true, false or a mapping of `drain`"));
        assert!(why(json!({"max_unavailable": 0})).starts_with("`max_unavailable` is a number of hosts"));
        assert!(why(json!({"max_unavailable": "150%"})).ends_with("not `\"150%\"`"));
        assert!(why(json!({"wait": "soon"})).starts_with("`wait` is seconds or a duration"));
        assert!(why(json!({"drian": true})).starts_with("`rolling` has no `drian`"));
    }
}
