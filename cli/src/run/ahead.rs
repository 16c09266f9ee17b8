//! What a worker says of steps before their turn: those that find nothing to do need no exchange of their own.
//!
//! An answer is taken where the step that comes is the one that was asked about, byte for byte, and where nothing can have
//! made it untrue meanwhile: no step did anything on the host, no task reported a change elsewhere, and not much time went by.

use muster_api::module::is_answered_ahead;
use muster_api::outcome::Outcome;
use muster_api::step::Step;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many steps are asked about at once, as long as the answers are of use.
const STEPS_MAX: usize = 64;
/// How many more are asked about after an answer was of use, and how many fewer after none was.
const PACE: usize = 4;
/// An answer that is older says nothing any more.
const AGE_MAX: Duration = Duration::from_secs(10);

/// What may have changed on hosts, and what tasks report to have changed: that may matter on all other hosts.
#[derive(Debug, Default)]
pub(crate) struct Unrest(Mutex<Changes>);

#[derive(Debug, Default)]
struct Changes {
    reported: u64,
    of_host: HashMap<String, OfHost>,
}

#[derive(Debug, Default)]
struct OfHost {
    reported: u64,
    stirred: u64,
    is_restless: bool,
}

/// The state of things in which an answer was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// How often a step may have changed something on the host.
    pub(crate) here: u64,
    /// How often a task has reported a change, not counting those of the host itself: its worker knows of them.
    pub(crate) outside: u64,
}

impl Unrest {
    /// A task for `host` reports a change; `None` where it is not known on which host that was.
    pub(crate) fn report(&self, host: Option<&str>) {
        let mut changes = self.changes();
        changes.reported += 1;
        if let Some(host) = host {
            changes.of_host.entry(host.to_owned()).or_default().reported += 1;
        }
    }

    /// A step may have changed something on `host`.
    pub(crate) fn stir(&self, host: &str) {
        self.changes().of_host.entry(host.to_owned()).or_default().stirred += 1;
    }

    /// Something goes on in the background on `host`, which may change it at any time.
    pub(crate) fn leave_restless(&self, host: &str) {
        self.changes().of_host.entry(host.to_owned()).or_default().is_restless = true;
    }

    /// The state of things on `host`; none where it may change by itself.
    pub(crate) fn stamp(&self, host: &str) -> Option<Stamp> {
        let changes = self.changes();
        match changes.of_host.get(host) {
            Some(OfHost { is_restless: true, .. }) => None,
            Some(of_host) => {
                Some(Stamp { here: of_host.stirred, outside: changes.reported - of_host.reported })
            }
            None => Some(Stamp { here: 0, outside: changes.reported }),
        }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a step left the host as it was: its module tells each change, and there was none.
pub(crate) fn leaves_alone(step: &Step, outcome: &Outcome) -> bool {
    const READ_ONLY: [&str; 5] = ["fetch", "find", "mount_facts", "package_facts", "setup"];
    let tells_all = is_answered_ahead(&step.module) || READ_ONLY.contains(&step.module.as_str());
    tells_all && !step.background && !outcome.changed && !outcome.failed && outcome.unknown.is_none()
}

/// The steps that a worker was asked about.
#[derive(Debug)]
pub(crate) struct Ahead {
    asked: Vec<Asked>,
    stamp: Stamp,
    since: Instant,
    /// How many steps were sent.
    sent: u64,
    /// How many steps to ask about next time.
    pace: usize,
    was_useful: bool,
}

#[derive(Debug)]
struct Asked {
    step: Step,
    answer: Answer,
    /// With which of the steps that were sent.
    with: u64,
}

#[derive(Debug)]
enum Answer {
    Awaited,
    /// It has something to do, or cannot say.
    None,
    NothingToDo(Box<Outcome>),
}

/// What is known of a step before it is run.
#[derive(Debug)]
pub(crate) enum Known {
    /// What it came to.
    Outcome(Box<Outcome>),
    /// The worker has yet to answer.
    Awaited,
    /// Nothing: it has to be run.
    Nothing,
}

impl Ahead {
    /// Nothing was asked yet.
    pub(crate) fn new() -> Self {
        let stamp = Stamp { here: 0, outside: 0 };
        Self { asked: Vec::new(), stamp, since: Instant::now(), sent: 0, pace: STEPS_MAX, was_useful: true }
    }

    /// How many steps are worth asking about.
    pub(crate) fn pace(&self) -> usize {
        self.pace
    }

    /// The worker is to be asked about these steps, in this state of things; gives those that it was not asked about already.
    pub(crate) fn ask(&mut self, steps: Vec<Step>, stamp: Stamp) -> Vec<Step> {
        self.forget_unless(stamp);
        let mut known = vec![false; self.asked.len()];
        let is_new = |step: &Step| {
            let before = self
                .asked
                .iter()
                .zip(&mut known)
                .find(|(asked, known)| !**known && is_same(&asked.step, step));
            before.map(|(_, known)| *known = true).is_none()
        };
        let new: Vec<Step> = steps.into_iter().filter(is_new).collect();
        if self.asked.is_empty() {
            (self.stamp, self.since) = (stamp, Instant::now());
        }
        let asked =
            new.iter().map(|step| Asked { step: step.clone(), answer: Answer::Awaited, with: self.sent });
        self.asked.extend(asked);
        self.was_useful &= new.is_empty();
        new
    }

    /// The worker answers. What nobody waits for is passed over.
    pub(crate) fn hear(&mut self, id: u64, outcome: Option<Outcome>) {
        if let Some(asked) = self.asked.iter_mut().find(|asked| asked.step.id == id) {
            asked.answer = outcome.map_or(Answer::None, |outcome| Answer::NothingToDo(Box::new(outcome)));
        }
    }

    /// The step that was sent has changed the host: what was asked with it was looked at after that, what was asked before
    /// it does not hold.
    pub(crate) fn stands_after_a_change(&mut self) {
        self.stamp.here += 1;
        self.asked.retain(|asked| asked.with == self.sent);
    }

    /// What is known of a step whose turn has come. An answer is given once.
    pub(crate) fn take(&mut self, step: &Step, stamp: Stamp) -> Known {
        self.forget_unless(stamp);
        let is_this = |asked: &Asked| is_same(&asked.step, step);
        let Some(index) = self.asked.iter().position(is_this) else { return Known::Nothing };
        if matches!(self.asked[index].answer, Answer::Awaited) {
            return Known::Awaited;
        }
        match self.asked.remove(index).answer {
            Answer::NothingToDo(outcome) => {
                self.was_useful = true;
                Known::Outcome(Box::new(Outcome { id: step.id, ..*outcome }))
            }
            Answer::Awaited | Answer::None => Known::Nothing,
        }
    }

    /// A step is sent: what has no answer yet is given up, and it shows whether asking was worth it.
    pub(crate) fn send(&mut self) {
        self.sent += 1;
        self.pace = match self.was_useful {
            true => (self.pace * PACE).min(STEPS_MAX),
            false => (self.pace / PACE).max(1),
        };
        self.was_useful = true;
        self.asked.retain(|asked| !matches!(asked.answer, Answer::Awaited));
    }

    fn forget_unless(&mut self, stamp: Stamp) {
        if self.stamp != stamp || self.since.elapsed() > AGE_MAX {
            self.asked.clear();
        }
    }
}

/// Whether two steps do the same.
fn is_same(one: &Step, other: &Step) -> bool {
    let Step {
        module,
        args,
        check,
        diff,
        no_log,
        environment,
        content,
        background,
        timeout_ms,
        shows_corosync,
        ..
    } = one;
    (module, args, content, environment) == (&other.module, &other.args, &other.content, &other.environment)
        && (check, diff, no_log) == (&other.check, &other.diff, &other.no_log)
        && (background, timeout_ms, shows_corosync)
            == (&other.background, &other.timeout_ms, &other.shows_corosync)
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::step::Shows;

    fn step(id: u64, path: &str) -> Step {
        Step {
            id,
            module: "file".into(),
            args: serde_json::Map::from_iter([("path".to_owned(), path.into())]),
            check: false,
            diff: false,
            no_log: false,
            environment: [].into(),
            content: None,
            background: false,
            timeout_ms: None,
            notifies: None,
            shows_corosync: Shows::Nothing,
            perhaps: None,
        }
    }

    const CALM: Stamp = Stamp { here: 0, outside: 0 };

    fn answered() -> Ahead {
        let mut ahead = Ahead::new();
        ahead.send();
        ahead.ask(vec![step(1, "/a"), step(2, "/b"), step(3, "/c")], CALM);
        ahead.hear(1, Some(Outcome { id: 1, ..Outcome::default() }));
        ahead.hear(2, None);
        ahead
    }

    #[test]
    fn an_answer_is_taken_once_and_has_the_number_of_the_step_that_comes() {
        let mut ahead = answered();
        assert!(matches!(ahead.take(&step(7, "/a"), CALM), Known::Outcome(outcome) if outcome.id == 7));
        assert!(matches!(ahead.take(&step(8, "/a"), CALM), Known::Nothing));
    }

    #[test]
    fn a_step_with_something_to_do_is_run_and_one_without_an_answer_is_waited_for() {
        let mut ahead = answered();
        assert!(matches!(ahead.take(&step(8, "/b"), CALM), Known::Nothing));
        assert!(matches!(ahead.take(&step(9, "/c"), CALM), Known::Awaited));
    }

    #[test]
    fn a_change_here_or_elsewhere_makes_all_answers_void() {
        for stamp in [Stamp { here: 1, outside: 0 }, Stamp { here: 0, outside: 1 }] {
            assert!(matches!(answered().take(&step(7, "/a"), stamp), Known::Nothing));
        }
    }

    #[test]
    fn what_the_step_before_changed_was_there_when_the_worker_looked() {
        let mut ahead = answered();
        let changed = Stamp { here: 1, outside: 0 };
        ahead.stands_after_a_change();
        assert!(matches!(ahead.take(&step(7, "/a"), changed), Known::Outcome(_)));
    }

    #[test]
    fn what_was_asked_before_a_step_that_changed_something_is_void() {
        let mut ahead = answered();
        ahead.send();
        assert_eq!(ahead.ask(vec![step(5, "/a"), step(6, "/d")], CALM), [step(6, "/d")], "`/a` is answered");
        ahead.hear(6, Some(Outcome::default()));
        ahead.stands_after_a_change();
        let changed = Stamp { here: 1, outside: 0 };
        assert!(matches!(ahead.take(&step(7, "/a"), changed), Known::Nothing));
        assert!(matches!(ahead.take(&step(8, "/d"), changed), Known::Outcome(_)));
    }

    #[test]
    fn an_answer_outlasts_a_step_that_changed_nothing() {
        let mut ahead = answered();
        ahead.send();
        assert!(matches!(ahead.take(&step(7, "/a"), CALM), Known::Outcome(_)));
        assert!(matches!(ahead.take(&step(9, "/c"), CALM), Known::Nothing), "it was given up");
    }

    #[test]
    fn fewer_steps_are_asked_about_where_answers_are_of_no_use() {
        let mut ahead = answered();
        ahead.send();
        assert_eq!(ahead.pace(), STEPS_MAX / PACE);
        ahead.ask(vec![step(4, "/e")], CALM);
        ahead.hear(4, Some(Outcome::default()));
        ahead.take(&step(5, "/e"), CALM);
        ahead.send();
        assert_eq!(ahead.pace(), STEPS_MAX);
    }

    #[test]
    fn what_a_host_changes_itself_is_unrest_for_the_others_only() {
        let unrest = Unrest::default();
        let outside = |host| unrest.stamp(host).map(|stamp| stamp.outside);
        unrest.report(Some("n1"));
        assert_eq!((outside("n1"), outside("n2")), (Some(0), Some(1)));
        unrest.report(None);
        assert_eq!((outside("n1"), outside("n2")), (Some(1), Some(2)));
    }

    #[test]
    fn a_host_with_a_job_in_the_background_has_no_state_that_lasts() {
        let unrest = Unrest::default();
        unrest.stir("n1");
        assert_eq!(unrest.stamp("n1"), Some(Stamp { here: 1, outside: 0 }));
        unrest.leave_restless("n1");
        assert_eq!(unrest.stamp("n1"), None);
        assert!(unrest.stamp("n2").is_some());
    }

    #[test]
    fn a_command_never_leaves_the_host_alone_for_sure() {
        let command = Step { module: "command".into(), ..step(1, "") };
        assert!(!leaves_alone(&command, &Outcome { changed: true, ..Outcome::default() }));
        assert!(leaves_alone(&step(1, "/a"), &Outcome::default()));
        assert!(!leaves_alone(&Step { module: "uri".into(), ..step(1, "") }, &Outcome::default()));
    }
}
