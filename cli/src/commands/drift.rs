//! `muster drift`: three things that should be one. What playbooks declare, what is on the disks of the hosts, and what the agents
//! run with: the dry run compares the first with the second (and a `cluster` task with what the cluster runs with), the agents
//! compare the second with the third.
//!
//! Exit codes: 0 no drift; 2 drift; 4 no drift was found, and a host could not be looked at, or a task of it not be predicted to
//! its end.

use super::basis::{Basis, tell, tell_warnings};
use super::cluster::{Asker, GROUP, NO_PROGRAM, NOT_RUNNING};
use super::walk::{Walk, folder_of, network};
use crate::args::{DriftArgs, Output};
use crate::error::Result;
use crate::exit::Exit;
use crate::inventory::Tolerance;
use crate::report::{Event, Events, Kind, Screen, reasons};
use crate::run::keywords::BecomeDefaults;
use crate::run::result::{Status, TaskResult};
use crate::run::room::lock;
use crate::run::task_run::Mode;
use crate::run::way::WayDefaults;
use crate::vars::Secrets;
use indexmap::IndexMap;
use muster_api::diff::{Change, Diff};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Runs `muster drift`.
pub(crate) fn run(args: &DriftArgs) -> Exit {
    go(args).unwrap_or_else(|mistakes| tell(&mistakes))
}

/// What is not as it should be on one host.
#[derive(Debug, Default, Serialize)]
struct HostDrift {
    /// What the playbooks declare and the host does not have: on its disk, or, of a `cluster` task, in the cluster.
    declared: Vec<Difference>,
    /// What the running agent has and the disk does not.
    running: Vec<String>,
    /// Tasks of which it is not known what they would do.
    unknown: Vec<String>,
    /// Why the host could not be looked at.
    failed: Vec<String>,
}

/// One thing that a task would change.
#[derive(Debug, Serialize)]
struct Difference {
    task: String,
    /// Where the task stands.
    place: String,
    /// `file /etc/hosts`
    thing: String,
    /// `content`, `mode 0600 → 0644`
    what: Vec<String>,
}

#[derive(Debug, Default)]
struct Drift {
    hosts: IndexMap<String, HostDrift>,
    places: IndexMap<String, String>,
    is_handler: bool,
}

/// Inventory and variables, and how hosts are reached: asked for and read once, for the playbooks and for the agents.
struct Reached {
    basis: Basis,
    way: WayDefaults,
    identity: BecomeDefaults,
}

impl Reached {
    fn read(args: &DriftArgs) -> Result<Self> {
        let walk = &args.walk;
        let (extra_vars, folder) = (&walk.vars.extra_vars, folder_of(Path::new("x")));
        let basis = Basis::read(&walk.hosts, &walk.vault, extra_vars, Some(&folder), Tolerance::Nothing)?;
        tell_warnings(&basis.reader);
        let (way, identity) = (basis.way(&walk.connection)?, basis.identity(&walk.r#become)?);
        Ok(Self { basis, way, identity })
    }
}

fn go(args: &DriftArgs) -> Result<Exit> {
    let (mut drift, reached) = match args.playbooks.is_empty() {
        true => (Drift::default(), Reached::read(args)?),
        false => declared(args)?,
    };
    let store = reached.basis.store.clone();
    running(args, &reached, &mut drift)?;
    let text = match args.walk.output.output {
        Output::Json => drift.json(),
        Output::Text => drift.text(),
    };
    anstream::print!("{}", store.secrets().mask(&text));
    Ok(drift.exit())
}

/// What the dry run finds.
fn declared(args: &DriftArgs) -> Result<(Drift, Reached)> {
    let dry_run = args.walk.of(&args.playbooks);
    let walk = Walk::read(&dry_run)?;
    let store = walk.basis.store.clone();
    let options = walk.options(&dry_run)?;
    let (way, identity) = (options.way.clone(), options.r#become.clone());
    let reached = Reached { basis: walk.basis.clone(), way, identity };
    let mode = Mode {
        check: true,
        diff: true,
        timeout: walk.basis.settings.task_timeout(),
        no_log: walk.basis.settings.no_log(),
        ..Mode::default()
    };
    let (events, told) = Events::channel();
    let drift: Arc<Mutex<Drift>> = Arc::default();
    let following = drift.clone();
    let watch = move |event: &Event, _: &Secrets| lock(&following).follow(event);
    let screen = Screen::watched(Kind::Silent, &args.walk.output, told, store.clone(), None, Box::new(watch));
    let end = walk.lead("drift", options, mode, events);
    screen.finish();
    end?;
    let drift = std::mem::take(&mut *lock(&drift));
    Ok((drift, reached))
}

/// What the agents say of their own disks, and of each other.
fn running(args: &DriftArgs, reached: &Reached, drift: &mut Drift) -> Result<()> {
    let Reached { basis, way, identity } = reached;
    let group = if basis.inventory.groups.contains_key(GROUP) { GROUP } else { "all" };
    let hosts = basis.select(group)?;
    let asker = Asker::reaching(way.clone(), identity.clone(), args.walk.r#become.r#become, basis);
    network()?.block_on(async {
        for host in &hosts {
            let found = drift.hosts.entry(host.clone()).or_default();
            match asker.output(host, "drift", &["--output=json".to_owned()]).await {
                // A host without an agent runs with nothing: what it lacks is what the playbooks declare.
                Ok((_, _, Some(NO_PROGRAM | NOT_RUNNING))) => {}
                Ok((text, _, Some(0))) => match serde_json::from_slice::<Vec<String>>(&text) {
                    Ok(differences) => found.running.extend(differences),
                    Err(why) => found.failed.push(format!("the agent's answer cannot be read: {why}")),
                },
                Ok((_, errors, _)) => found.failed.push(format!("the agent cannot say it: {errors}")),
                Err(why) => found.failed.push(why),
            }
        }
    });
    Ok(())
}

impl Drift {
    fn follow(&mut self, event: &Event) {
        match event {
            Event::Play { hosts, .. } => {
                for host in hosts {
                    self.hosts.entry(host.clone()).or_default();
                }
            }
            Event::Task { name, place, is_handler, .. } => {
                self.places.insert(name.clone(), place.clone());
                self.is_handler = *is_handler;
            }
            Event::Done { host, task, result } => self.done(host, task, result),
            _ => {}
        }
    }

    fn done(&mut self, host: &str, task: &str, result: &TaskResult) {
        let place = self.places.get(task).cloned().unwrap_or_default();
        let found = self.hosts.entry(host.to_owned()).or_default();
        match result.status {
            Status::Failed | Status::Unreachable if !result.ignored => {
                let why =
                    if result.no_log { "not shown (no_log)".to_owned() } else { reasons(result).join("; ") };
                found.failed.push(format!("`{task}` ({place}): {why}"));
            }
            // What a handler would do follows from the changes that are named already.
            _ if result.changed && !self.is_handler => {
                let of_items = result.items.iter().filter(|item| item.changed).flat_map(|item| &item.diffs);
                let diffs: Vec<&Diff> = result.diffs.iter().chain(of_items).collect();
                let difference = |thing: String, what: Vec<String>| Difference {
                    task: task.to_owned(),
                    place: place.clone(),
                    thing,
                    what,
                };
                if diffs.is_empty() || result.no_log {
                    let thing = match result.no_log {
                        true => "something of a task with no_log".to_owned(),
                        false => "something that the task does not name".to_owned(),
                    };
                    found.declared.push(difference(thing, Vec::new()));
                } else {
                    let each = diffs.iter().map(|diff| {
                        let what = diff.changes.iter().map(shown).collect();
                        difference(format!("{} {}", diff.kind, diff.name), what)
                    });
                    found.declared.extend(each);
                }
            }
            _ => {
                if let Some(why) = &result.unknown {
                    found.unknown.push(format!("`{task}` ({place}): {why}"));
                }
            }
        }
    }

    fn exit(&self) -> Exit {
        let has_drift = |host: &HostDrift| !host.declared.is_empty() || !host.running.is_empty();
        match () {
            () if self.hosts.values().any(has_drift) => Exit::HostFailed,
            () if self.hosts.values().any(|host| !host.failed.is_empty()) => Exit::HostUnreachable,
            () => Exit::Fine,
        }
    }

    fn json(&self) -> String {
        let has_drift = self.exit() == Exit::HostFailed;
        let hosts: serde_json::Map<String, Json> = self
            .hosts
            .iter()
            .map(|(name, host)| (name.clone(), serde_json::to_value(host).unwrap_or_default()))
            .collect();
        format!("{}\n", json!({"drift": has_drift, "hosts": hosts}))
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, host) in &self.hosts {
            for Difference { task, place, thing, what } in &host.declared {
                let what = if what.is_empty() { String::new() } else { format!(": {}", what.join(", ")) };
                text += &format!("{name}: not as declared: {thing}{what}\n    by `{task}` ({place})\n");
            }
            for difference in &host.running {
                text += &format!(
                    "{name}: {difference}\n    `musterd reload` there takes what is on the disk; `muster apply` puts back what is declared\n"
                );
            }
            text += &host.unknown.iter().map(|why| format!("{name}: not known: {why}\n")).collect::<String>();
            text +=
                &host.failed.iter().map(|why| format!("{name}: not looked at: {why}\n")).collect::<String>();
        }
        let drifted =
            self.hosts.values().filter(|host| !host.declared.is_empty() || !host.running.is_empty());
        let (drifted, all) = (drifted.count(), self.hosts.len());
        let unknown: usize = self.hosts.values().map(|host| host.unknown.len()).sum();
        let summary = match drifted {
            0 => format!("no drift on {all} hosts"),
            _ => format!("drift on {drifted} of {all} hosts"),
        };
        text + &match unknown {
            0 => format!("{summary}\n"),
            _ => format!("{summary}; {unknown} not known\n"),
        }
    }
}

/// What changes of a thing, in few words.
fn shown(change: &Change) -> String {
    match change {
        Change::Presence { before, after } => format!("{before} → {after}"),
        Change::Content { .. } => "content".to_owned(),
        Change::Attribute { attribute, before, after } => {
            let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
            format!("{attribute} {} → {}", or_none(before), or_none(after))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift(results: Vec<TaskResult>) -> Drift {
        let mut drift = Drift::default();
        drift.follow(&Event::Play { name: "p".into(), hosts: vec!["n1".into()], check: true });
        for result in results {
            let place = "site.yml:3:5".to_owned();
            drift.follow(&Event::Task { name: "Settings".into(), is_handler: false, place, hosts: 1 });
            let (host, task) = ("n1".into(), "Settings".into());
            drift.follow(&Event::Done { host, task, result: Box::new(result) });
        }
        drift
    }

    #[test]
    fn a_file_that_somebody_changed_is_named_with_the_task_that_declares_it() {
        let mode = Change::Attribute {
            attribute: "mode".into(),
            before: Some("0666".into()),
            after: Some("0644".into()),
        };
        let diff = Diff { kind: "file".into(), name: "/etc/a".into(), changes: vec![mode] };
        let result = TaskResult { changed: true, diffs: vec![diff], ..TaskResult::default() };
        let drift = drift(vec![result]);
        assert_eq!(drift.exit(), Exit::HostFailed);
        let expected = "n1: not as declared: file /etc/a: mode 0666 → 0644\n    by `Settings` (site.yml:3:5)\ndrift on 1 of 1 hosts\n";
        assert_eq!(drift.text(), expected);
    }

    #[test]
    fn what_is_not_known_is_no_drift_and_is_told() {
        let drift = drift(vec![TaskResult::unknown("the command is not run"), TaskResult::default()]);
        assert_eq!(drift.exit(), Exit::Fine);
        assert!(drift.text().ends_with("no drift on 1 hosts; 1 not known\n"), "{}", drift.text());
    }

    #[test]
    fn a_host_that_cannot_be_looked_at_is_not_called_free_of_drift() {
        assert_eq!(drift(vec![TaskResult::failed("it is gone")]).exit(), Exit::HostUnreachable);
    }
}
