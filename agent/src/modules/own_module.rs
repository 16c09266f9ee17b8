//! Modules of the user: the file that the controller sent is run, and what it prints as JSON is the outcome.

use super::passing_file::PassingFile;
use super::{Args, Check, Failure, Module};
use crate::worker::process::{Command, Ran};
use crate::worker::{Hands, View};
use muster_api::module::{OwnModule, OwnStyle};
use muster_api::outcome::Outcome;
use serde_json::{Map, Value};

pub(super) struct Own;

impl Module for Own {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let own = own(args)?;
        if !view.is_check() {
            return Ok(Check::unchanged());
        }
        Ok(Check::unknown(format!(
            "module `{}` is not run in check mode: only it knows what it changes",
            own.name
        )))
    }

    fn apply(&self, args: &Args<'_>, _: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let own = own(args)?;
        let view = hands.view();
        let wanted = view.content_ref().ok_or_else(|| Failure::new("the controller sent no module"))?;
        let content =
            view.content(wanted).map_err(|why| Failure::new(format!("the module did not arrive: {why}")))?;
        let unwritten = |error| Failure::new(format!("cannot write the module: {error}"));
        let module = PassingFile::write("module", &content, 0o700).map_err(unwritten)?;
        let arguments = match own.style {
            OwnStyle::File => {
                Some(PassingFile::write("arguments", own.arguments.as_bytes(), 0o600).map_err(unwritten)?)
            }
            OwnStyle::Inline => None,
        };
        let mut words: Vec<String> = interpreter(&own, &view)?.into_iter().collect();
        words.push(module.path().to_string_lossy().into_owned());
        words.extend(arguments.as_ref().map(|file| file.path().to_string_lossy().into_owned()));
        let quoted: Vec<String> =
            words.iter().skip(1).map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        let command = Command {
            environment: view.environment().clone(),
            deadline: view.deadline(),
            // An interpreter may come with options.
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), format!("{} {}", words[0], quoted.join(" ")).into()],
            ..Command::default()
        };
        let ran = hands
            .run(&command)
            .map_err(|error| Failure::new(format!("cannot run module `{}`: {error}", own.name)))?;
        Ok(outcome(&own, &ran))
    }
}

fn own(args: &Args<'_>) -> Result<OwnModule, Failure> {
    let whole = Value::Object(args.all().clone());
    serde_json::from_value(whole)
        .map_err(|error| Failure::new(format!("the module was not described: {error}")))
}

fn interpreter(own: &OwnModule, view: &View<'_>) -> Result<Option<String>, Failure> {
    if !own.needs_python || own.interpreter.is_some() {
        return Ok(own.interpreter.clone());
    }
    let found =
        ["python3", "python", "/usr/libexec/platform-python"].into_iter().find_map(|name| view.program(name));
    found.map(|path| Some(path.to_string_lossy().into_owned())).ok_or_else(|| {
        Failure::missing(format!(
            "module `{}` is written in Python, and this host has none: install `python3`, or set \
             `ansible_python_interpreter`",
            own.name
        ))
    })
}

/// What the module printed; one that printed no JSON has failed.
fn outcome(own: &OwnModule, ran: &Ran) -> Outcome {
    let out = ran.out();
    let Some((mut result, junk)) = json_in(&out) else { return unreadable(own, ran, &out) };
    let mut warnings: Vec<String> = match result.remove("warnings") {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    if !junk.is_empty() {
        warnings.push(format!("Module invocation had junk after the JSON data: {junk}"));
    }
    if !ran.err().is_empty() {
        result.entry("stderr").or_insert_with(|| ran.err().into());
    }
    let flag = |value: Option<Value>| value.as_ref().is_some_and(truth);
    let facts = match result.remove("ansible_facts") {
        Some(Value::Object(facts)) => facts,
        _ => Map::new(),
    };
    let failed = match result.remove("failed") {
        Some(failed) => truth(&failed),
        None => result.get("rc").and_then(Value::as_i64).is_some_and(|rc| rc != 0),
    };
    Outcome {
        changed: flag(result.remove("changed")),
        failed,
        skipped: flag(result.remove("skipped")),
        facts,
        warnings,
        result,
        ..Outcome::default()
    }
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::String(text) => matches!(text.to_ascii_lowercase().as_str(), "yes" | "true" | "on" | "1"),
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => false,
    }
}

/// The object that begins on a line of its own, and what follows it.
fn json_in(out: &str) -> Option<(Map<String, Value>, &str)> {
    let mut start = 0;
    for line in out.split_inclusive('\n') {
        if line.trim_start().starts_with('{') {
            let mut values = serde_json::Deserializer::from_str(&out[start..]).into_iter::<Value>();
            if let Some(Ok(Value::Object(map))) = values.next() {
                let rest = &out[start + values.byte_offset()..];
                return Some((map, rest.trim()));
            }
        }
        start += line.len();
    }
    None
}

fn unreadable(own: &OwnModule, ran: &Ran, out: &str) -> Outcome {
    let msg = match ran.timed_out {
        true => "the module was ended at the task's timeout".to_owned(),
        false => format!(
            "MODULE FAILURE: No start of json char found\nSee stdout/stderr for the exact error of module `{}`",
            own.name
        ),
    };
    let result = [
        ("msg", Value::from(msg)),
        ("module_stdout", out.into()),
        ("module_stderr", ran.err().into()),
        ("rc", ran.rc.into()),
    ];
    let result = result.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
    Outcome { failed: true, result, ..Outcome::default() }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    fn described(style: &str, arguments: &str) -> serde_json::Value {
        json!({"name": "mine", "style": style, "arguments": arguments, "interpreter": null, "needs_python": false})
    }

    #[test]
    fn what_it_prints_as_json_is_the_outcome_and_noise_around_it_is_not() {
        let script = "#!/bin/sh\necho noise\necho \"[ a list]\"\nprintf '{\"changed\": true, \"said\": \"%s\"}\\n' \"$(cat $1)\"\n";
        let trial = Trial::sending("own_module", script);
        let outcome = trial.apply(described("file", "hello"));
        assert!(outcome.changed && !outcome.failed, "{outcome:?}");
        assert_eq!(outcome.result["said"], "hello");
    }

    #[test]
    fn what_it_writes_to_stderr_stands_beside_its_own_result() {
        let trial = Trial::sending("own_module", "#!/bin/sh\necho '{}'; echo beware >&2\n");
        assert_eq!(trial.apply(described("file", "")).result["stderr"], "beware\n");
    }

    #[test]
    fn one_that_prints_no_json_has_failed_and_is_shown() {
        let trial = Trial::sending("own_module", "#!/bin/sh\necho gone >&2; exit 3\n");
        let outcome = trial.apply(described("inline", ""));
        assert!(outcome.failed && outcome.result["rc"] == 3 && outcome.result["module_stderr"] == "gone\n");
        assert!(trial.check(described("inline", "")).unknown.is_some());
    }
}
