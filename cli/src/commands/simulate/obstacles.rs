//! What could not be evaluated on the way through a playbook: no host is left out silently.

use crate::error::Diagnostic;
use crate::report::{Event, reasons};
use crate::run::result::{Status, TaskResult};
use crate::run::task_run::NOT_ASKED;
use crate::source::Span;
use indexmap::IndexMap;

/// The tasks that came to nothing, in their order, each with its hosts.
#[derive(Debug, Default)]
pub(in crate::commands) struct Obstacles {
    /// Where each task stands.
    places: IndexMap<String, String>,
    /// By what is said of it.
    found: IndexMap<String, Obstacle>,
}

#[derive(Debug)]
struct Obstacle {
    hosts: Vec<String>,
    origin: Option<Span>,
}

impl Obstacles {
    /// Takes an event of the walk; `mask` hides secrets.
    pub(in crate::commands) fn note(&mut self, event: &Event, mask: impl Fn(&str) -> String) {
        match event {
            Event::Task { name, place, .. } => {
                self.places.insert(name.clone(), place.clone());
            }
            Event::Done { host, task, result } => {
                if let Some(why) = why(result) {
                    let place = self.places.get(task).map_or_else(String::new, |place| format!(" ({place})"));
                    let sentence = mask(&format!("task `{task}`{place} {why}"));
                    let nobody = || Obstacle { hosts: Vec::new(), origin: result.origin.clone() };
                    self.found.entry(sentence).or_insert_with(nobody).hosts.push(host.clone());
                }
            }
            _ => {}
        }
    }

    pub(in crate::commands) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// A sentence for each, in the order of the tasks.
    pub(in crate::commands) fn sentences(&self) -> Vec<String> {
        let sentence = |(why, obstacle): (&String, &Obstacle)| {
            let mut hosts = obstacle.hosts.clone();
            hosts.sort();
            format!("on {}: {why}", hosts.join(", "))
        };
        self.found.iter().map(sentence).collect()
    }

    /// Adds them to a mistake that they are the reason for, with the place that the last one needs.
    pub(in crate::commands) fn explain(&self, mistake: Diagnostic) -> Diagnostic {
        let place = self.found.values().filter_map(|obstacle| obstacle.origin.as_ref()).next_back();
        let mistake = match place {
            Some(place) => mistake.at(place, ""),
            None => mistake,
        };
        self.sentences().into_iter().fold(mistake, Diagnostic::note)
    }
}

/// Why nothing came of a task, where nothing did.
fn why(result: &TaskResult) -> Option<String> {
    let said = |result: &TaskResult| match result.no_log {
        true => "what it says is not shown (no_log)".to_owned(),
        false => reasons(result).join("; "),
    };
    match result.status {
        Status::Failed if !result.ignored => {
            Some(format!("fails, and the host is left out from there on: {}", said(result)))
        }
        Status::Unreachable if !result.ignored => {
            Some(format!("does not reach the host, which is left out: {}", said(result)))
        }
        Status::Unknown => {
            let unknown = result.unknown.as_deref().filter(|reason| *reason != NOT_ASKED)?;
            Some(format!("needs what is not known: {unknown}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(host: &str, result: TaskResult) -> Event {
        Event::Done { host: host.into(), task: "Resources".into(), result: Box::new(result) }
    }

    #[test]
    fn hosts_with_the_same_obstacle_share_a_sentence_with_its_place_and_without_secrets() {
        let mut obstacles = Obstacles::default();
        let place = "site.yml:7:3".to_owned();
        obstacles.note(
            &Event::Task { name: "Resources".into(), is_handler: false, place, hosts: 2 },
            str::to_owned,
        );
        for host in ["n1", "n2"] {
            obstacles
                .note(&done(host, TaskResult::failed("no hunter2")), |text| text.replace("hunter2", "***"));
        }
        assert_eq!(
            obstacles.sentences(),
            [
                "on n1, n2: task `Resources` (site.yml:7:3) fails, and the host is left out from there on: no ***"
            ]
        );
    }

    #[test]
    fn tasks_that_are_passed_over_because_no_host_is_asked_are_no_obstacles() {
        let mut obstacles = Obstacles::default();
        obstacles.note(&done("n1", TaskResult::unknown(NOT_ASKED)), str::to_owned);
        obstacles.note(&done("n1", TaskResult { changed: true, ..TaskResult::default() }), str::to_owned);
        assert!(obstacles.is_empty());
    }
}
