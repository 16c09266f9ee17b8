//! `expect`: a command on a terminal, and answers to what it asks there.

use super::command;
use super::pattern::{Flags, Pattern};
use super::{Args, Check, Failure, Module, words};
use crate::worker::process::{Command, converse};
use crate::worker::{Hands, View};
use muster_api::outcome::Outcome;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;

pub(super) struct Expect;

impl Module for Expect {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        if let Some(reason) = command::reason_to_skip(args, view) {
            let stdout = match reason.strip_suffix(" exists") {
                Some(path) => format!("skipped, since {} exists", path.trim_matches('\'')),
                None => format!("skipped, since {}", reason.replace('\'', "")),
            };
            let check = Check::unchanged().with("cmd", args.needed("command")?).with("stdout", stdout);
            return Ok(check.with("rc", 0).with("skips", true));
        }
        answers(args)?;
        command::folder(args, view)?;
        if view.is_check() {
            return Ok(Check::unknown(
                "a command is not run in check mode, and nothing says what it changes",
            ));
        }
        Ok(Check::unchanged())
    }

    fn apply(&self, args: &Args<'_>, mut check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        if check.outcome.result.remove("skips").is_some() {
            return Ok(check.outcome);
        }
        let line = args.needed("command")?;
        let split = words::split(line)
            .map_err(|why| Failure::new(format!("cannot split `{line}` into words: {why}")))?;
        let view = hands.view();
        let mut words = split.into_iter();
        let command = Command {
            program: words
                .next()
                .filter(|word| !word.is_empty())
                .ok_or_else(|| Failure::new("no command given"))?
                .into(),
            arguments: words.map(Into::into).collect(),
            environment: view.environment().clone(),
            folder: command::folder(args, &view)?,
            deadline: view.deadline(),
            ..Command::default()
        };
        let mut answers = answers(args)?;
        let patience = args.count("timeout").map(Duration::from_secs);
        let mut answer = |printed: &str| next(&mut answers, printed);
        let mut ran = converse(&command, args.flag("echo"), patience, &mut answer)?;
        // A terminal ends its lines with both.
        ran.stdout = String::from_utf8_lossy(&ran.stdout).replace("\r\n", "\n").into_bytes();
        let mut result = command::told(&ran, true);
        result.remove("stderr");
        result.remove("stderr_lines");
        result.insert("cmd".into(), line.into());
        let msg = match (ran.timed_out, ran.rc) {
            (true, _) => "command exceeded timeout",
            (false, 0) => "",
            (false, _) => "non-zero return code",
        };
        if !msg.is_empty() {
            result.insert("msg".into(), msg.into());
        }
        Ok(Outcome { changed: true, failed: !ran.is_fine(), result, ..Outcome::default() })
    }
}

/// What is typed where a pattern is printed: always the same, or one after the other.
enum Typed {
    Always(String),
    InTurn(VecDeque<String>),
}

struct Answers {
    written: String,
    pattern: Pattern,
    typed: Typed,
}

fn answers(args: &Args<'_>) -> Result<Vec<Answers>, Failure> {
    let responses = args.raw("responses").and_then(Value::as_object).cloned().unwrap_or_default();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let line = |value: &Value| text(value).trim_end_matches('\n').to_owned() + "\n";
    let one = |(written, value): (&String, &Value)| {
        let typed = match value {
            Value::Array(items) => Typed::InTurn(items.iter().map(line).collect()),
            other => Typed::Always(line(other)),
        };
        let pattern = Pattern::of("responses", written, Flags::None)?;
        Ok(Answers { written: written.clone(), pattern, typed })
    };
    responses.iter().map(one).collect()
}

/// The answer to the first pattern that was printed.
fn next(answers: &mut [Answers], printed: &str) -> Result<Option<String>, Failure> {
    for answer in answers {
        if !answer.pattern.is_in(printed)? {
            continue;
        }
        return match &mut answer.typed {
            Typed::Always(line) => Ok(Some(line.clone())),
            Typed::InTurn(lines) => lines.pop_front().map(Some).ok_or_else(|| {
                let said = printed.trim();
                Failure::new(format!("No remaining responses for '{}', output was '{said}'", answer.written))
            }),
        };
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn what_a_terminal_asks_is_answered_in_turn_and_its_end_is_told() {
        let trial = Trial::new("expect");
        let script = trial.write(
            "ask",
            "printf 'name: '; read a; printf 'name: '; read b; test -t 0 && echo $a-$b; exit 3\n",
        );
        let line = format!("/bin/sh {}", script.display());
        let outcome = trial.apply(json!({"command": line, "responses": {"(?i)NAME": ["ann", "bob"]}}));
        assert!(outcome.failed && outcome.result["rc"] == 3, "{outcome:?}");
        assert!(outcome.result["stdout"].as_str().expect("text").ends_with("ann-bob"), "{outcome:?}");
        let refused = trial.apply(json!({"command": line, "responses": {"name": ["ann"]}}));
        assert!(
            refused.result["msg"].as_str().expect("a sentence").contains("No remaining responses for 'name'")
        );
    }

    #[test]
    fn a_question_without_an_answer_is_not_waited_for_longer_than_asked() {
        let trial = Trial::new("expect");
        let script = trial.write("ask", "printf 'name: '; read a\n");
        let line = format!("/bin/sh {}", script.display());
        let outcome = trial.apply(json!({"command": line, "responses": {"other": "x"}, "timeout": 1}));
        assert_eq!(outcome.result["msg"], "command exceeded timeout");
    }
}
