//! `muster blame FILE@HOST`: where each line of a file comes from that playbooks would put on a host.
//!
//! Exit codes: 0 a task writes the file; 4 none does, or what it writes is not known; else as `plan`.

use super::basis::tell;
use super::dry_walk::dry_walk;
use crate::args::{BlameArgs, Output};
use crate::error::{Diagnostic, Result};
use crate::exit::Exit;
use crate::run::across::Across;
use crate::run::blame::{BlamedTask, Inquiry, OriginLine};
use crate::run::room::lock;
use crate::vars::{Secrets, VariableOrigin};
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};

/// Runs `muster blame`.
pub(crate) fn run(args: &BlameArgs) -> Exit {
    go(args).unwrap_or_else(|mistakes| tell(&mistakes))
}

fn go(args: &BlameArgs) -> Result<Exit> {
    let (path, host) = &args.file;
    let into: Arc<Mutex<Vec<BlamedTask>>> = Arc::default();
    let inquiry = Inquiry { host: host.clone(), path: path.clone(), into: into.clone() };
    let walked = dry_walk(&args.dry_run, &args.playbooks, "blame", Across::Blames(inquiry))?;
    if walked.exit == Exit::Interrupted {
        return Ok(walked.exit);
    }
    if walked.store.host(host).is_none() {
        let mistake = Diagnostic::error(format!("the inventory has no host `{host}`"));
        return Err(mistake
            .exits_with(Exit::WrongUse)
            .hint("`muster inventory --graph` shows all hosts")
            .into());
    }
    let tasks = std::mem::take(&mut *lock(&into));
    if tasks.is_empty() {
        let mistake = Diagnostic::error(format!("no task writes the content of `{path}` on {host}"));
        let noted = walked.notes.iter().fold(mistake, Diagnostic::note);
        let next = "`blame` knows template, copy, blockinfile and lineinfile; the path is the one of the task's `dest` or `path`";
        return Err(noted.exits_with(Exit::HostUnreachable).hint(next).into());
    }
    let print = Print { args, secrets: walked.store.secrets() };
    let text = match args.dry_run.walk.output.output {
        Output::Json => format!("{}\n", print.json(&tasks)),
        Output::Text => tasks.iter().map(|task| print.task(task)).collect::<Vec<_>>().join("\n"),
    };
    anstream::print!("{text}");
    let is_known = tasks.iter().all(|task| task.outcome.is_ok());
    Ok(if is_known { Exit::Fine } else { Exit::HostUnreachable })
}

struct Print<'a> {
    args: &'a BlameArgs,
    secrets: &'a Secrets,
}

impl Print<'_> {
    fn task(&self, task: &BlamedTask) -> String {
        let (path, host) = &self.args.file;
        let what = if task.is_part { "lines of " } else { "" };
        let mut text = format!("{what}{path} on {host}: {} at {}\n", task.module, task.place);
        if task.is_coarse {
            text += "parts inside of macros, assignments or filters are not told apart\n";
        }
        if task.is_hidden {
            text += "no_log: texts and values are not shown\n";
        }
        match &task.outcome {
            Err(why) => text += &format!("  not known: {}\n", self.secrets.mask(why)),
            Ok(lines) => {
                let width = lines.len().to_string().len();
                for (line, number) in lines.iter().zip(1..).filter(|(_, number)| self.is_asked(*number)) {
                    text += &self.line(task, line, number, width);
                }
            }
        }
        text
    }

    fn is_asked(&self, number: usize) -> bool {
        self.args.lines.is_none_or(|(first, last)| (first..=last).contains(&number))
    }

    fn line(&self, task: &BlamedTask, line: &OriginLine, number: usize, width: usize) -> String {
        let shown = if task.is_hidden { "***".into() } else { self.secrets.mask(&line.text) };
        let mut text = format!("{number:>width$}  {shown}").trim_end().to_owned() + "\n";
        let indent = " ".repeat(width + 6);
        text += &format!("{indent}{}\n", line.places.join(", "));
        for variable in &line.variables {
            text += &self.variable(task, variable, &indent);
        }
        for (place, variables) in &line.conditions {
            text += &format!("{indent}condition at {place}\n");
            let indent = indent.clone() + "  ";
            text += &variables.iter().map(|one| self.variable(task, one, &indent)).collect::<String>();
        }
        text
    }

    fn variable(&self, task: &BlamedTask, origin: &VariableOrigin, indent: &str) -> String {
        let of_host = origin.host.as_deref().filter(|host| *host != self.args.file.1);
        let of_host = of_host.map_or_else(String::new, |host| format!(" of {host}"));
        let value = origin.value.as_deref().map_or_else(String::new, |value| {
            let value = if task.is_hidden { "***".into() } else { self.secrets.mask(value) };
            format!(" = {value}")
        });
        let mut text = format!("{indent}{}{of_host}{value}: {}\n", origin.name, origin.place());
        if self.args.dry_run.walk.output.verbose > 0 {
            for lost in origin.definitions.iter().skip(1) {
                text += &format!("{indent}  over {}\n", lost.shown());
            }
        }
        text
    }

    fn json(&self, tasks: &[BlamedTask]) -> Json {
        let (path, host) = &self.args.file;
        let task = |task: &BlamedTask| {
            let lines = task.outcome.as_ref().ok().map(|lines| {
                let numbered = lines.iter().zip(1..).filter(|(_, number)| self.is_asked(*number));
                numbered.map(|(line, number)| self.line_json(task, line, number)).collect::<Vec<_>>()
            });
            let why = task.outcome.as_ref().err().map(|why| self.secrets.mask(why));
            json!({
                "module": task.module,
                "place": task.place.to_string(),
                "is_part": task.is_part,
                "is_coarse": task.is_coarse,
                "lines": lines,
                "not_known": why,
            })
        };
        json!({"path": path, "host": host, "tasks": tasks.iter().map(task).collect::<Vec<_>>()})
    }

    fn line_json(&self, task: &BlamedTask, line: &OriginLine, number: usize) -> Json {
        let masked = |text: &str| match task.is_hidden {
            true => Json::from("***"),
            false => Json::from(self.secrets.mask(text).into_owned()),
        };
        let variable = |origin: &VariableOrigin| {
            let definition = |definition: &crate::vars::Definition| {
                json!({
                    "place": definition.place.as_ref().map(ToString::to_string),
                    "level": definition.level.number(),
                    "of": definition.level.description(),
                })
            };
            json!({
                "name": origin.name,
                "host": origin.host,
                "value": origin.value.as_deref().map(masked),
                "definitions": origin.definitions.iter().map(definition).collect::<Vec<_>>(),
            })
        };
        let all = |origins: &[VariableOrigin]| origins.iter().map(variable).collect::<Vec<_>>();
        let condition = |(place, variables): &(String, Vec<VariableOrigin>)| json!({"place": place, "variables": all(variables)});
        json!({
            "line": number,
            "text": masked(&line.text),
            "places": line.places,
            "variables": all(&line.variables),
            "conditions": line.conditions.iter().map(condition).collect::<Vec<_>>(),
        })
    }
}
