//! `cron`: a job or a variable in a user's crontab or in a file of /etc/cron.d.

use super::crontab::{Crontab, Known};
use super::placing::{self, Before};
use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Attributes, Hands, Operation, Prediction, Put, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub(super) struct Cron;

/// Where crons keep users' crontabs: Debian's, then Red Hat's.
const SPOOLS: [&str; 2] = ["/var/spool/cron/crontabs", "/var/spool/cron"];

impl Module for Cron {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        refuse_bad(args)?;
        let place = Place::of(args, view)?;
        let text = place.read(view)?;
        let mut tab = Crontab::parse(&text);
        let mut changed = edit(&mut tab, args)?;
        // cron ignores a last line without an end.
        changed |= !text.is_empty() && !text.ends_with(['\r', '\n']);
        // What cron itself wrote above the lines is not of the crontab.
        let old = Crontab::parse(&text).text();
        let mut check = if changed { place.write(&old, &tab, args, view)? } else { Check::unchanged() };
        check.outcome.warnings = warnings(args);
        check = check.with("jobs", tab.jobs()).with("envs", tab.variables());
        Ok(match args.text("cron_file") {
            Some(file) => check.with("cron_file", file),
            None => check,
        })
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let mut outcome = check.outcome;
        if outcome.changed && args.flag("backup") {
            let view = hands.view();
            let text = Place::of(args, &view)?.read(&view)?;
            let copy = back_up(&text)
                .map_err(|error| Failure::new(format!("cannot back up the crontab: {error}")))?;
            outcome.result.insert("backup_file".into(), copy);
        }
        hands.carry_out(&check.operations)?;
        Ok(outcome)
    }
}

fn refuse_bad(args: &Args<'_>) -> Result<(), Failure> {
    let times = ["minute", "hour", "day", "month", "weekday"];
    let is_present = args.text("state") != Some("absent");
    let (env, job) = (args.flag("env"), args.text("job"));
    let wrong = if args.text("special_time").is_some()
        && times.iter().any(|name| args.text(name).is_some_and(|value| value != "*"))
    {
        "You must specify time and date fields or special time."
    } else if args.text("cron_file") == Some("/etc/crontab") {
        "Will not manage /etc/crontab via cron_file, see documentation."
    } else if is_present && args.text("cron_file").is_some() && args.text("user").is_none() {
        "To use cron_file=... parameter you must specify user=... as well"
    } else if is_present && job.is_none() {
        "You must specify 'job' to install a new cron job or variable"
    } else if is_present
        && !env
        && (args.text("insertafter").is_some() || args.text("insertbefore").is_some())
    {
        "Insertafter and insertbefore parameters are valid only with env=yes"
    } else if env && args.text("name").is_some_and(|name| name.contains(' ')) {
        "Invalid name for environment variable"
    } else {
        return Ok(());
    };
    Err(Failure::new(wrong))
}

fn warnings(args: &Args<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let name = args
        .text("cron_file")
        .and_then(|file| Path::new(file).file_name())
        .map(|name| name.to_string_lossy());
    let is_run =
        |name: &str| name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter));
    if let Some(name) = name.filter(|name| !is_run(name)) {
        warnings.push(format!(
            "Filename portion of cron_file (\"{name}\") should consist solely of upper- and lower-case letters, digits, underscores, and hyphens"
        ));
    }
    let job = args.text("job").unwrap_or("").trim_matches(['\r', '\n']);
    if !args.flag("env") && args.text("state") != Some("absent") && job.contains(['\r', '\n']) {
        warnings.push("Job should not contain line breaks".to_owned());
    }
    warnings
}

/// Edits the lines, and says whether something changed.
fn edit(tab: &mut Crontab, args: &Args<'_>) -> Result<bool, Failure> {
    let name = args.needed("name")?;
    let is_present = args.text("state") != Some("absent");
    if args.flag("env") {
        return edit_variable(tab, name, is_present, args);
    }
    let line = job_line(args);
    if !is_present {
        let is_there = matches!(tab.find_job(name, ""), Known::Named(_));
        tab.set_job(name, None);
        return Ok(is_there);
    }
    Ok(match tab.find_job(name, &line) {
        Known::No => {
            tab.add_job(name, &line);
            true
        }
        Known::Named(known) => {
            tab.set_job(name, Some(&line));
            known != line
        }
        Known::Adopted => true,
    })
}

fn edit_variable(tab: &mut Crontab, name: &str, is_present: bool, args: &Args<'_>) -> Result<bool, Failure> {
    let line = format!("{name}=\"{}\"", args.text("job").unwrap_or(""));
    let known = tab.find_variable(name);
    if !is_present {
        let start = format!("{name}=");
        tab.lines.retain(|line| !line.starts_with(&start));
        return Ok(known.is_some());
    }
    if let Some(at) = known {
        let changed = tab.lines[at] != line;
        tab.lines[at] = line;
        return Ok(changed);
    }
    let (other, offset) = match (args.text("insertafter"), args.text("insertbefore")) {
        (Some(other), _) => (other, 1),
        (None, Some(other)) => (other, 0),
        (None, None) => {
            tab.lines.insert(0, line);
            return Ok(true);
        }
    };
    let at = tab.find_variable(other);
    let at = at.ok_or_else(|| Failure::new(format!("Variable named '{other}' not found.")))?;
    tab.lines.insert(at + offset, line);
    Ok(true)
}

fn job_line(args: &Args<'_>) -> String {
    let time = match args.text("special_time") {
        Some(special) => format!("@{special}"),
        None => {
            let field = |name| args.text(name).unwrap_or("*");
            ["minute", "hour", "day", "month", "weekday"].map(field).join(" ")
        }
    };
    let user = match args.text("cron_file") {
        Some(_) => format!(" {}", args.text("user").unwrap_or("root")),
        None => String::new(),
    };
    let comment = if args.flag("disabled") { "#" } else { "" };
    format!("{comment}{time}{user} {}", args.text("job").unwrap_or("").trim_matches(['\r', '\n']))
}

/// Where the crontab is kept.
enum Place {
    File(PathBuf),
    /// Of that user, or of the one that the worker is.
    User(Option<String>),
}

impl Place {
    fn of(args: &Args<'_>, view: &View<'_>) -> Result<Self, Failure> {
        if let Some(file) = args.text("cron_file") {
            return Ok(Self::File(Path::new("/etc/cron.d").join(view.expand(file))));
        }
        if view.program("crontab").is_none() {
            return Err(Failure::missing(
                "this host has no `crontab`; install a cron first, or give `cron_file`",
            ));
        }
        Ok(Self::User(args.text("user").map(str::to_owned)))
    }

    fn read(&self, view: &View<'_>) -> Result<String, Failure> {
        if let Self::File(path) = self {
            return Ok(view.text(&path.to_string_lossy()));
        }
        if let Some(bytes) = self.spool(view).and_then(|path| view.read(&path).ok()) {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        let asked = view.ask("crontab", &self.words(&["-l"]).iter().map(String::as_str).collect::<Vec<_>>());
        let asked = asked.map_err(|error| Failure::new(format!("cannot run `crontab`: {error}")))?;
        match asked.rc {
            // Of Debian's and of Vixie's cron, for a user without a crontab.
            0 | 1 => Ok(asked.out()),
            rc => Err(Failure::new(format!("Unable to read crontab: {}", asked.complaint())).with("rc", rc)),
        }
    }

    /// The file that `crontab` writes.
    fn spool(&self, view: &View<'_>) -> Option<PathBuf> {
        let Self::User(user) = self else { return None };
        let folder = SPOOLS.iter().find(|folder| view.is_directory(Path::new(folder)))?;
        let own = || view.user_name(rustix::process::geteuid().as_raw());
        Some(Path::new(folder).join(user.clone().unwrap_or_else(own)))
    }

    fn words(&self, rest: &[&str]) -> Vec<String> {
        let user = match self {
            Self::User(Some(user)) => vec!["-u".to_owned(), user.clone()],
            _ => Vec::new(),
        };
        user.into_iter().chain(rest.iter().map(|word| (*word).to_owned())).collect()
    }

    fn write(&self, old: &str, tab: &Crontab, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let text = tab.text();
        match self {
            Self::File(path) if tab.is_empty() && args.text("state") == Some("absent") => {
                let change = Change::Presence { before: "file".into(), after: "absent".into() };
                let name = path.to_string_lossy().into_owned();
                let diff = Diff { kind: "file".into(), name, changes: vec![change] };
                Ok(Check::change(diff, vec![Operation::Remove { path: path.clone() }]))
            }
            Self::File(path) => {
                let nothing = serde_json::Map::new();
                let mut check = placing::place(
                    &Before::at(path, true, view)?,
                    text.into(),
                    &Args { values: &nothing },
                    view,
                )?;
                check.report = super::Report::Nothing;
                Ok(check)
            }
            Self::User(user) => Ok(self.install(user.as_deref(), old, text, view)),
        }
    }

    fn install(&self, user: Option<&str>, old: &str, text: String, view: &View<'_>) -> Check {
        let change = Change::Content {
            before: placing::shown(old.as_bytes(), view),
            after: placing::shown(text.as_bytes(), view),
        };
        let diff =
            Diff { kind: "crontab".into(), name: user.unwrap_or("").to_owned(), changes: vec![change] };
        let put = self.spool(view).map(|path| {
            Operation::Put(Put {
                path,
                content: text.clone().into_bytes().into(),
                attributes: Attributes::default(),
                validate: None,
                may_write_in_place: false,
            })
        });
        let words = self.words(&["-"]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // An empty standard input would be none at all.
        let command = match text.is_empty() {
            true => {
                Command::new("crontab", &self.words(&["-r"]).iter().map(String::as_str).collect::<Vec<_>>())
            }
            false => Command::new("crontab", &words).fed(text),
        };
        let brings = put.map(|put| Prediction::Also(Box::new(put))).into_iter().collect();
        Check::change(diff, vec![Operation::Run { command, brings }])
    }
}

fn back_up(text: &str) -> std::io::Result<Value> {
    let mut random = [0; 6];
    getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
    let path = format!("/tmp/crontab{}", super::hex(&random));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    Ok(path.into())
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn job_of_a_file_is_added_changed_and_removed_with_its_empty_file() {
        let trial = Trial::new("cron");
        let file = trial.path("jobs");
        let job = |minute: &str| json!({"name": "a", "job": "ls", "minute": minute, "user": "root", "cron_file": file});
        let outcome = trial.changes_once(job("5"));
        assert_eq!(trial.text("jobs"), "#Ansible: a\n5 * * * * root ls\n");
        assert_eq!(outcome.result["jobs"], json!(["a"]));
        trial.changes_once(job("6"));
        assert_eq!(trial.text("jobs"), "#Ansible: a\n6 * * * * root ls\n");
        trial.changes_once(json!({"name": "a", "cron_file": file, "state": "absent"}));
        assert!(!file.exists());
    }

    #[test]
    fn variables_go_first_or_beside_another() {
        let trial = Trial::new("cron");
        let file = trial.path("jobs");
        let set =
            |name: &str| json!({"name": name, "job": "1", "env": true, "user": "root", "cron_file": file});
        trial.changes_once(set("A"));
        let mut after = set("B");
        after["insertafter"] = json!("A");
        trial.changes_once(after);
        assert_eq!(trial.text("jobs"), "A=\"1\"\nB=\"1\"\n");
        let mut lost = set("C");
        lost["insertafter"] = json!("Z");
        assert_eq!(trial.refuse(lost), "Variable named 'Z' not found.");
    }

    #[test]
    fn contradictions_are_refused() {
        let refuse = |args| Trial::new("cron").refuse(args);
        assert!(refuse(json!({"name": "x", "job": "y", "cron_file": "z"})).contains("must specify user"));
        assert!(refuse(json!({"name": "x", "user": "root"})).contains("must specify 'job'"));
    }
}
