//! What a plan predicts for each host, in a form that can be compared: a plan that is made again gives the same, unless
//! something that it was made from is not as it was.

use crate::report::Event;
use crate::run::content::hex;
use crate::run::result::{Status, TaskResult};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// All tasks of all hosts, by host, name of the task, and how often that name was there before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prediction {
    tasks: Vec<(String, String, usize, Effect)>,
}

/// What a task would do on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "effect")]
enum Effect {
    /// Nothing, or it is left out.
    Nothing,
    /// These things change; the digest is of all before and after.
    Change { things: BTreeSet<String>, sha256: String },
    /// It is not known, for this reason.
    Unknown { why: String },
    /// It fails.
    Failure { why: String },
}

impl Prediction {
    /// Takes over what an event says.
    pub(super) fn follow(&mut self, event: &Event) {
        let Event::Done { host, task, result } = event else { return };
        let before = self.tasks.iter().filter(|(on, name, ..)| (on, name) == (host, task)).count();
        self.tasks.push((host.clone(), task.clone(), before, Effect::of(result)));
    }

    /// The hosts on which something fails.
    pub(super) fn failing(&self) -> BTreeSet<&str> {
        let failing = self.tasks.iter().filter(|(.., effect)| matches!(effect, Effect::Failure { .. }));
        failing.map(|(host, ..)| host.as_str()).collect()
    }

    /// What is not as it was when the plan was made, a sentence for each.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let (then, now) = (self.by_task(), now.by_task());
        let keys: BTreeSet<_> = then.keys().chain(now.keys()).collect();
        let nothing = Effect::Nothing;
        let mut sentences = Vec::new();
        for key in keys {
            let before = then.get(key).copied().unwrap_or(&nothing);
            let after = now.get(key).copied().unwrap_or(&nothing);
            if before != after {
                let (host, task, _) = key;
                sentences.push(format!("{host}: `{task}`: {}", difference(before, after)));
            }
        }
        sentences
    }

    fn by_task(&self) -> BTreeMap<(&str, &str, usize), &Effect> {
        let each = self.tasks.iter();
        each.map(|(host, task, nth, effect)| ((host.as_str(), task.as_str(), *nth), effect)).collect()
    }
}

impl Effect {
    fn of(result: &TaskResult) -> Self {
        let why = || result.result.get("msg").and_then(|msg| msg.as_str()).unwrap_or_default().to_owned();
        match (result.status, &result.unknown) {
            (Status::Failed | Status::Unreachable, _) if !result.ignored => Self::Failure { why: why() },
            _ if result.changed => Self::change(result),
            (_, Some(why)) => Self::Unknown { why: why.clone() },
            _ => Self::Nothing,
        }
    }

    fn change(result: &TaskResult) -> Self {
        let things = result.diffs.iter().map(|diff| format!("{} {}", diff.kind, diff.name)).collect();
        let whole = serde_json::to_vec(&(&result.diffs, &result.unknown)).unwrap_or_default();
        Self::Change { things, sha256: hex(&Sha256::digest(whole)) }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Nothing => "nothing to do".to_owned(),
            Self::Change { things, .. } if things.is_empty() => "a change".to_owned(),
            Self::Change { things, .. } => {
                format!("a change of {}", things.iter().cloned().collect::<Vec<_>>().join(", "))
            }
            Self::Unknown { why } => format!("not known ({why})"),
            Self::Failure { why } => format!("a failure ({why})"),
        }
    }
}

fn difference(before: &Effect, after: &Effect) -> String {
    match (before, after) {
        (Effect::Change { things, .. }, Effect::Change { things: same, .. }) if things == same => {
            let named = after.sentence();
            format!("{named}, but not from the same to the same")
        }
        _ => format!("the plan has {}, now it is {}", before.sentence(), after.sentence()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::diff::{Change, Diff};

    fn done(host: &str, before: Option<&str>) -> Event {
        let change = |before: &str| Change::Attribute {
            attribute: "mode".into(),
            before: Some(before.into()),
            after: Some("0644".into()),
        };
        let diff =
            |before| Diff { kind: "file".into(), name: "/etc/a".into(), changes: vec![change(before)] };
        let diffs: Vec<Diff> = before.map(diff).into_iter().collect();
        let result = TaskResult { changed: !diffs.is_empty(), diffs, ..TaskResult::default() };
        Event::Done { host: host.into(), task: "Settings".into(), result: Box::new(result) }
    }

    fn prediction(events: &[Event]) -> Prediction {
        let mut prediction = Prediction::default();
        events.iter().for_each(|event| prediction.follow(event));
        prediction
    }

    #[test]
    fn the_same_plan_made_again_does_not_differ_whatever_the_order_of_hosts() {
        let one = prediction(&[done("n1", Some("0600")), done("n2", None)]);
        let other = prediction(&[done("n2", None), done("n1", Some("0600"))]);
        assert_eq!(one.differences(&other), Vec::<String>::new());
    }

    #[test]
    fn what_somebody_changed_meanwhile_is_named_with_its_host() {
        let then = prediction(&[done("n1", Some("0600")), done("n2", None)]);
        let now = prediction(&[done("n1", Some("0666")), done("n2", Some("0600"))]);
        assert_eq!(
            then.differences(&now),
            [
                "n1: `Settings`: a change of file /etc/a, but not from the same to the same",
                "n2: `Settings`: the plan has nothing to do, now it is a change of file /etc/a",
            ]
        );
    }
}
