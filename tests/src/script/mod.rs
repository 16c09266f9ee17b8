//! Runs of the world written down as text: nodes, deeds, expectations. `tests/cluster/*.txt` are such scripts.
//!
//! ```text
//! # Prose: what this is about.
//! nodes 2                          the head: everything that has a default can be left out
//! quorum two_node wait_for_all
//! wait 60s for calm                the steps, one after the other
//! crash n1
//! wait 10s for web on n2
//! expect fenced n1 1
//! ```
//!
//! A step is a deed (`deed`), a deed at a time (`at 12s crash n1 for 3s`), `run 5s` and `until 90s` (time passes),
//! `wait 30s for STATE`, `expect STATE` and `hold 5s STATE` (`state`). After the last step all faults end and the cluster must
//! become whole again by itself. Every invariant is checked all the time. `fails S1` in the head: it is known that this
//! invariant does not hold here, and why is in the prose; once it holds the line must go.

mod deed;
mod head;
mod play;
mod state;
mod words;

pub(crate) use head::set_links;
pub use state::State;

use crate::deed::Deed;
use crate::plan::Plan;
use std::fmt;
use std::time::Duration;
use words::{Words, text_of};

/// A script.
#[derive(Debug, Clone)]
pub struct Script {
    /// The lines of prose, without `# `.
    pub prose: Vec<String>,
    /// What the world is like. Its faults and requests are those of the steps.
    pub plan: Plan,
    /// What happens by chance: delays of packets, times that actions take.
    pub seed: u64,
    /// The invariant that is known not to hold.
    pub fails: Option<String>,
    /// What happens.
    pub steps: Vec<Step>,
}

/// One line of a script.
#[derive(Debug, Clone)]
pub enum Step {
    /// A deed, at once or at a time since the beginning.
    Deed(Option<Duration>, Deed),
    /// Time passes.
    Run(Duration),
    /// Time passes until that much has passed since the beginning.
    Until(Duration),
    /// Time passes until it is so, and not longer than that.
    Wait(Duration, State),
    /// It is so.
    Expect(State),
    /// It is so all the time.
    Hold(Duration, State),
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    ///
    /// The line that cannot be read, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plan = Plan::scripted(2);
        let mut script = Self { prose: Vec::new(), plan, seed: 1, fails: None, steps: Vec::new() };
        let mut head = head::Head::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(prose) = line.strip_prefix('#') {
                script.prose.push(prose.trim().to_string());
            } else if !line.is_empty() {
                let mut words = Words::new(line, script.plan.corosync.nodes.len());
                script
                    .read_line(&mut head, &mut words)
                    .and_then(|()| words.end())
                    .map_err(|why| format!("line {}: `{line}`: {why}", number + 1))?;
            }
        }
        Ok(script)
    }

    fn read_line(&mut self, head: &mut head::Head, words: &mut Words<'_>) -> Result<(), String> {
        let word = words.next("a word")?;
        match word {
            "seed" => self.seed = words.number()?,
            "fails" => self.fails = Some(words.next("an invariant")?.to_string()),
            "at" => {
                let at = words.duration()?;
                let word = words.next("a deed")?;
                self.steps.push(Step::Deed(Some(at), deed::read(word, words)?));
            }
            "run" => self.steps.push(Step::Run(words.duration()?)),
            "until" => self.steps.push(Step::Until(words.duration()?)),
            "wait" => {
                let limit = words.duration()?;
                words.exactly("for")?;
                self.steps.push(Step::Wait(limit, State::read(words)?));
            }
            "expect" => self.steps.push(Step::Expect(State::read(words)?)),
            "hold" => self.steps.push(Step::Hold(words.duration()?, State::read(words)?)),
            word if head::is_of_head(word) => {
                if !self.steps.is_empty() {
                    return Err("what the world is like comes before what happens in it".into());
                }
                head.read(word, words, &mut self.plan)?;
            }
            word => self.steps.push(Step::Deed(None, deed::read(word, words)?)),
        }
        Ok(())
    }

    /// The script of a run that was drawn.
    pub fn of_run(seed: u64, plan: Plan, deeds: Vec<(Duration, Deed)>) -> Self {
        let end = plan.duration;
        let mut steps: Vec<Step> = deeds.into_iter().map(|(at, deed)| Step::Deed(Some(at), deed)).collect();
        steps.push(Step::Until(end));
        Self { prose: Vec::new(), plan, seed, fails: None, steps }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.prose {
            writeln!(formatter, "# {line}")?;
        }
        head::write(&self.plan, formatter)?;
        writeln!(formatter, "seed {}", self.seed)?;
        if let Some(invariant) = &self.fails {
            writeln!(formatter, "fails {invariant}")?;
        }
        self.steps.iter().try_for_each(|step| writeln!(formatter, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deed(None, deed) => write!(formatter, "{deed}"),
            Self::Deed(Some(at), deed) => write!(formatter, "at {} {deed}", text_of(*at)),
            Self::Run(duration) => write!(formatter, "run {}", text_of(*duration)),
            Self::Until(at) => write!(formatter, "until {}", text_of(*at)),
            Self::Wait(limit, state) => write!(formatter, "wait {} for {state}", text_of(*limit)),
            Self::Expect(state) => write!(formatter, "expect {state}"),
            Self::Hold(duration, state) => write!(formatter, "hold {} {state}", text_of(*duration)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::run_seed;
    use crate::trace::Trace;

    #[test]
    fn a_seed_that_is_written_down_and_read_back_is_the_same_run() {
        for (seed, nodes) in [(3, Some(2)), (5, Some(3)), (11, None)] {
            let drawn = run_seed(seed, nodes, Trace::kept());
            let script = Script::of_run(seed, drawn.plan, drawn.deeds);
            let text = script.to_string();
            let read = Script::parse(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
            assert_eq!(read.to_string(), text);
            let played = read.play(Trace::kept());
            let differ =
                drawn.trace.lines().iter().zip(played.trace.lines()).find(|(one, other)| one != other);
            assert_eq!(differ, None, "seed {seed}");
            assert_eq!(drawn.trace.lines().len(), played.trace.lines().len(), "seed {seed}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_with_its_reason() {
        let why = |text: &str| Script::parse(text).map(|_| ()).unwrap_err();
        assert_eq!(why("nodes 2\ncrush n1"), "line 2: `crush n1`: no deed is called `crush`");
        assert_eq!(why("crash n9"), "line 1: `crash n9`: there is no node `n9`");
        assert_eq!(why("run 5"), "line 1: `run 5`: `5` is not a time like `3s`, `20ms` or `5us`");
        assert_eq!(why("mend all"), "line 1: `mend all`: `all` is too much");
    }
}
