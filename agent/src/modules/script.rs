//! `script`: a script of the controller, run on the host. The controller sends it as the step's content.

use super::command;
use super::passing_file::PassingFile;
use super::{Args, Check, Failure, Module, words};
use crate::worker::process::Command;
use crate::worker::{Hands, View};
use muster_api::outcome::Outcome;

pub(super) struct Script;

impl Module for Script {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        if let Some(msg) = reason_to_skip(args, view) {
            return Ok(Check::skipped(msg));
        }
        words_of(args)?;
        command::folder(args, view)?;
        if !view.is_check() {
            return Ok(Check::unchanged());
        }
        let reason = "a script is not run in check mode, and nothing says what it changes";
        if args.text("creates").is_none() && args.text("removes").is_none() {
            return Ok(Check::unknown(reason));
        }
        let mut check = Check::unchanged();
        check.outcome.changed = true;
        check.outcome.unknown = Some("a script is not run in check mode".to_owned());
        check.doubt = Some(reason.to_owned());
        Ok(check)
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        if check.outcome.skipped {
            return Ok(check.outcome);
        }
        let view = hands.view();
        let wanted = view.content_ref().ok_or_else(|| Failure::new("the controller sent no script"))?;
        let content =
            view.content(wanted).map_err(|why| Failure::new(format!("the script did not arrive: {why}")))?;
        let words = words_of(args)?;
        let script = PassingFile::write("script", &content, 0o700)
            .map_err(|error| Failure::new(format!("cannot write the script: {error}")))?;
        let line = match args.text("executable") {
            Some(executable) => format!("{executable} {}", script.path().display()),
            None => script.path().to_string_lossy().into_owned(),
        };
        let arguments = words.iter().skip(1).map(|word| format!(" '{}'", word.replace('\'', r"'\''")));
        let full = line + &arguments.collect::<String>();
        let command = Command {
            folder: command::folder(args, &view)?,
            environment: view.environment().clone(),
            deadline: view.deadline(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), full.into()],
            ..Command::default()
        };
        let shown = args.text("_raw_params").or_else(|| args.text("cmd")).unwrap_or_default().into();
        command::run(&command, shown, true, hands)
    }
}

/// What `creates` and `removes` say, in the words of this module.
fn reason_to_skip(args: &Args<'_>, view: &View<'_>) -> Option<String> {
    let written = |name| args.text(name).map(|path| view.expand(path));
    let reason = command::reason_to_skip(args, view)?;
    Some(match reason.ends_with("does not exist") {
        true => format!("{} does not exist, matching removes option", written("removes")?),
        false => format!("{} exists, matching creates option", written("creates")?),
    })
}

/// The script's path on the controller, and its arguments.
fn words_of(args: &Args<'_>) -> Result<Vec<String>, Failure> {
    let line = args.text("_raw_params").or_else(|| args.text("cmd")).unwrap_or_default();
    words::split(line).map_err(|wrong| Failure::new(format!("cannot split `{line}` into words: {wrong}")))
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn script_runs_with_its_arguments() {
        let trial = Trial::sending("script", "#!/bin/sh\nprintf '%s-' \"$@\"\n");
        let outcome = trial.apply(json!({"_raw_params": "do.sh 'a b' c"}));
        assert_eq!(outcome.result["stdout"], "a b-c-", "{outcome:?}");
        let outcome = trial.apply(json!({"_raw_params": "do.sh x", "executable": "cat"}));
        assert!(outcome.failed, "cat has no file x: {outcome:?}");
        assert!(trial.check(json!({"_raw_params": "do.sh"})).unknown.is_some());
    }
}
