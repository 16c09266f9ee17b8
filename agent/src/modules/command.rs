//! `command`, `shell` and `raw`: a command of the user's. What it would change cannot be known without running it.

use super::words;
use super::{Args, Check, Failure, Module, glob};
use crate::worker::process::{Command, Ran};
use crate::worker::{Hands, Operation, Prediction, View};
use jiff::tz::TimeZone;
use muster_api::outcome::Outcome;
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime};

pub(super) const PROGRAM: Run = Run { by_shell: false };
pub(super) const SHELL: Run = Run { by_shell: true };
/// The same as a shell: the agent is always there, so there is no host without it to be spoken to.
pub(super) const RAW: Run = SHELL;

pub(super) struct Run {
    by_shell: bool,
}

impl Module for Run {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        if let Some(reason) = reason_to_skip(args, view) {
            // Not "skipped": Ansible reports this one as ok.
            let check = Check::unchanged().with("msg", format!("Did not run command since {reason}"));
            return Ok(check
                .with("rc", 0)
                .with("stdout", format!("skipped, since {reason}"))
                .with("stderr", ""));
        }
        let command = self.command(args, view)?;
        if !view.is_check() {
            return Ok(Check::unchanged());
        }
        let line = command.line();
        let line = line.trim_end();
        if args.text("creates").is_none() && args.text("removes").is_none() {
            let reason =
                if view.is_secret() { "a command is not run".into() } else { format!("`{line}` is not run") };
            let reason = format!("{reason} in check mode, and nothing says what it changes");
            return Ok(Check::unknown(reason)
                .with("msg", "Command would have run if not in check mode")
                .with("skipped", true));
        }
        let mut check =
            Check::unchanged().with("msg", "Command would have run if not in check mode").with("rc", 0);
        check.outcome.changed = true;
        check.outcome.unknown = Some(match view.is_secret() {
            true => "a command is not run in check mode".to_owned(),
            false => format!("`{line}` is not run in check mode"),
        });
        check.doubt = Some("what it leaves behind is known to it alone".to_owned());
        let why = format!("`{}` makes or removes it", if view.is_secret() { "a command" } else { line });
        let brings = touched(args, view).map(|path| Prediction::Perhaps { path, why: why.clone() }).collect();
        check.operations.push(Operation::Run { command, brings });
        Ok(check)
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        if check.outcome.result.contains_key("msg") {
            return Ok(check.outcome);
        }
        let command = self.command(args, &hands.view())?;
        let strips = args.choice("strip_empty_ends") != Some(false);
        let mut outcome = run(&command, self.shown(args, &command), strips, hands)?;
        if let Some(executable) = args.text("executable").filter(|_| !self.by_shell) {
            outcome.warnings.push(format!(
                "As of Ansible 2.4, the parameter 'executable' is no longer supported with the 'command' module. Not using '{executable}'."
            ));
        }
        Ok(outcome)
    }
}

impl Run {
    fn command(&self, args: &Args<'_>, view: &View<'_>) -> Result<Command, Failure> {
        let (program, arguments) = if self.by_shell {
            let shell = args.text("executable").unwrap_or("/bin/sh");
            (view.expand(shell), vec!["-c".to_owned(), line(args)?.to_owned()])
        } else {
            let mut words = program_and_arguments(args, view)?.into_iter();
            let program = words.next().filter(|program| !program.is_empty());
            (
                program.ok_or_else(|| Failure::new("there is no command to run").with("rc", 256))?,
                words.collect(),
            )
        };
        Ok(Command {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: view.environment().clone(),
            folder: folder(args, view)?,
            stdin: input(args),
            must_finish: false,
            deadline: view.deadline(),
        })
    }

    /// `cmd` of the result: words for `command`, the line for a shell.
    fn shown(&self, args: &Args<'_>, command: &Command) -> Value {
        if self.by_shell {
            return line(args).unwrap_or_default().into();
        }
        let words = std::iter::once(&command.program).chain(&command.arguments);
        words.map(|word| Value::from(word.to_string_lossy())).collect::<Vec<_>>().into()
    }
}

fn line<'a>(args: &Args<'a>) -> Result<&'a str, Failure> {
    let line = args.text("_raw_params").or_else(|| args.text("cmd"));
    line.ok_or_else(|| Failure::new("there is no command to run"))
}

fn program_and_arguments(args: &Args<'_>, view: &View<'_>) -> Result<Vec<String>, Failure> {
    let words = match args.list("argv") {
        Some(words) => words,
        None => {
            let line = line(args)?;
            words::split(line)
                .map_err(|wrong| Failure::new(format!("cannot split `{line}` into words: {wrong}")))?
        }
    };
    let expands = args.choice("expand_argument_vars") != Some(false);
    Ok(if expands { words.iter().map(|word| view.expand(word)).collect() } else { words })
}

/// The directory to run in.
pub(super) fn folder(args: &Args<'_>, view: &View<'_>) -> Result<Option<std::path::PathBuf>, Failure> {
    let Some(folder) = args.path("chdir", view) else { return Ok(None) };
    if view.is_directory(&folder) {
        return Ok(Some(folder));
    }
    Err(Failure::missing(format!(
        "Unable to change directory before execution: there is no such directory: '{}'",
        folder.display()
    )))
}

fn input(args: &Args<'_>) -> Vec<u8> {
    let mut input = args.text("stdin").map(str::to_owned);
    if let Some(input) = &mut input
        && args.choice("stdin_add_newline") != Some(false)
    {
        input.push('\n');
    }
    input.unwrap_or_default().into_bytes()
}

/// What `creates` and `removes` say.
pub(super) fn reason_to_skip(args: &Args<'_>, view: &View<'_>) -> Option<String> {
    let base = args.path("chdir", view);
    let path = |name| {
        let path = view.expand(args.text(name)?);
        let folder = base.clone().or_else(|| std::env::current_dir().ok()).unwrap_or_default();
        Some((folder.join(&path), path))
    };
    if let Some((_, written)) = path("creates").filter(|(full, _)| glob::any(full, view)) {
        return Some(format!("'{written}' exists"));
    }
    let (full, written) = path("removes")?;
    (!glob::any(&full, view)).then(|| format!("'{written}' does not exist"))
}

/// What `creates` and `removes` name, as far as it is one path.
fn touched<'a>(args: &'a Args<'_>, view: &'a View<'_>) -> impl Iterator<Item = std::path::PathBuf> + 'a {
    let folder = args.path("chdir", view).or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    let named = ["creates", "removes"].into_iter().filter_map(|name| args.text(name));
    named.filter(|path| !path.contains(['*', '?', '['])).map(move |path| folder.join(view.expand(path)))
}

/// Runs it and makes an outcome of what it said.
pub(super) fn run(
    command: &Command,
    shown: Value,
    strips: bool,
    hands: &mut Hands<'_>,
) -> Result<Outcome, Failure> {
    let ran = hands.run(command).map_err(|error| {
        Failure::new(format!(
            "cannot run `{}`: {}",
            command.program.to_string_lossy(),
            why_not(command, &error)
        ))
        .with("rc", 2)
        .with("cmd", shown.clone())
        .with("stdout", "")
        .with("stderr", "")
    })?;
    let mut result = told(&ran, strips);
    result.insert("cmd".into(), shown);
    let msg = match (ran.timed_out, ran.rc) {
        (true, _) => "the command was ended at the task's timeout",
        (false, 0) => "",
        (false, _) => "non-zero return code",
    };
    result.insert("msg".into(), msg.into());
    Ok(Outcome { changed: true, failed: !ran.is_fine(), result, ..Outcome::default() })
}

fn why_not(command: &Command, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound if !command.program.to_string_lossy().contains('/') => {
            "No such file or directory: is the package that has it installed?".to_owned()
        }
        _ => error.to_string(),
    }
}

/// The return values that every module with a command has.
pub(super) fn told(ran: &Ran, strips: bool) -> Map<String, Value> {
    let text = |text: String| if strips { text.trim_end_matches(['\r', '\n']).to_owned() } else { text };
    let (stdout, stderr) = (text(ran.out()), text(ran.err()));
    let lines = |text: &str| Value::from(text.lines().map(Value::from).collect::<Vec<_>>());
    let told: [(&str, Value); 8] = [
        ("rc", ran.rc.into()),
        ("stdout_lines", lines(&stdout)),
        ("stderr_lines", lines(&stderr)),
        ("stdout", stdout.into()),
        ("stderr", stderr.into()),
        ("start", clock(ran.began).into()),
        ("end", clock(ran.ended).into()),
        ("delta", length(ran.ended.duration_since(ran.began).unwrap_or_default()).into()),
    ];
    told.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn clock(time: SystemTime) -> String {
    let timestamp = jiff::Timestamp::try_from(time).unwrap_or_default();
    timestamp.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

/// `1 day, 2:03:04.000005`, as Python prints a length of time.
fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let clock = format!("{hours}:{minutes:02}:{:02}.{:06}", seconds % 60, length.subsec_micros());
    match days {
        0 => clock,
        1 => format!("1 day, {clock}"),
        days => format!("{days} days, {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn what_a_user_may_look_at_only_by_then_is_not_known() {
        if !rustix::process::geteuid().is_root() {
            // Nobody else can become somebody who may not look.
            return;
        }
        let trial = Trial::new("command");
        let path = trial.write("closed/f", "x");
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(trial.path("closed"), closed).expect("closed");
        trial.plan_perhaps("copy", json!({"dest": trial.path("other"), "content": "x"}), false);
        let planned = std::thread::spawn(move || {
            let other = rustix::process::Uid::from_raw(54_711);
            rustix::thread::set_thread_res_uid(other, other, other).expect("root may");
            let planned = trial.plan(json!({"_raw_params": "touch it", "creates": path}));
            (planned, trial)
        });
        let (planned, _trial) = planned.join().expect("no fault");
        let is_unknown = planned.unknown.as_ref().is_some_and(|why| why.contains("Permission denied"));
        assert!(!planned.failed && is_unknown, "{planned:?}");
    }

    #[test]
    fn command_gets_its_words_without_a_shell() {
        let trial = Trial::new("command");
        let outcome = trial.apply(json!({"_raw_params": "printf '%s|' 'a b' ; $UNSET_HERE"}));
        assert_eq!(outcome.result["stdout"], "a b|;|$UNSET_HERE|");
        assert_eq!(outcome.result["cmd"], json!(["printf", "%s|", "a b", ";", "$UNSET_HERE"]));
        assert!(outcome.changed);
    }

    #[test]
    fn shell_gets_its_line_its_folder_and_its_input() {
        let trial = Trial::new("shell");
        let folder = trial.path("");
        let outcome =
            trial.apply(json!({"cmd": "pwd; cat; echo bad >&2; exit 3", "chdir": folder, "stdin": "in"}));
        assert!(outcome.failed);
        assert_eq!(outcome.result["rc"], 3);
        assert_eq!(outcome.result["stdout_lines"][1], "in");
        assert_eq!(
            (&outcome.result["stderr"], &outcome.result["msg"]),
            (&json!("bad"), &json!("non-zero return code"))
        );
    }

    #[test]
    fn creates_and_removes_decide_whether_it_runs() {
        let trial = Trial::new("command");
        trial.write("made.1", "");
        let made = trial.path("made.*");
        assert!(!trial.apply(json!({"cmd": "false", "creates": made})).changed);
        assert!(!trial.apply(json!({"cmd": "false", "removes": trial.path("no")})).changed);
        let planned = trial.check(json!({"cmd": "false", "removes": made}));
        assert!(planned.changed && !planned.failed);
    }

    #[test]
    fn without_them_the_plan_says_that_it_cannot_know() {
        let planned = Trial::new("shell").check(json!({"cmd": "rm x"}));
        assert!(planned.skipped && !planned.changed);
        assert!(planned.unknown.expect("a reason").contains("`/bin/sh -c rm x` is not run"));
    }

    #[test]
    fn what_cannot_be_started_is_named() {
        let outcome = Trial::new("command").apply(json!({"argv": ["/no/such/program"]}));
        assert!(
            outcome.failed
                && outcome.result["msg"].as_str().expect("a sentence").contains("/no/such/program")
        );
        let refused = Trial::new("command").refuse(json!({"cmd": "true", "chdir": "/no/such"}));
        assert!(refused.contains("there is no such directory"), "{refused}");
    }

    #[test]
    fn lengths_are_printed_as_python_does() {
        use std::time::Duration;
        assert_eq!(super::length(Duration::from_micros(2_345)), "0:00:00.002345");
        assert_eq!(super::length(Duration::from_secs(90_061)), "1 day, 1:01:01.000000");
    }
}
