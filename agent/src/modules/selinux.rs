//! `selinux` and `seboolean`: the mode and the policy of SELinux, and its switches.

use super::placing::{self, Before};
use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};
use serde_json::Map;
use std::path::Path;

pub(super) struct Selinux;
pub(super) struct Seboolean;

const CONFIG: &str = "/etc/selinux/config";

impl Module for Selinux {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let state = args.needed("state")?;
        let config = args.path("configfile", view).unwrap_or_else(|| CONFIG.into());
        let before = Before::existing(&config, view)?;
        let text = String::from_utf8_lossy(&before.content).into_owned();
        let known_policy = setting(&text, "SELINUXTYPE").unwrap_or_default();
        let policy = match (args.text("policy"), state) {
            (Some(policy), _) => policy.to_owned(),
            (None, "disabled") => known_policy,
            (None, _) => return Err(Failure::new("Policy is required if state is not 'disabled'")),
        };
        let new = set(&set(&text, "SELINUX", state), "SELINUXTYPE", &policy);
        let nothing = Map::new();
        let mut check = placing::place(&before, new.into_bytes(), &Args { values: &nothing }, view)?;
        check.report = super::Report::Nothing;
        let running = view.text("/sys/fs/selinux/enforce");
        let is_on = !running.is_empty();
        let wanted = if state == "enforcing" { "1" } else { "0" };
        if is_on && running.trim() != wanted {
            let change = Change::Attribute {
                attribute: "enforcing".into(),
                before: Some(running.trim().to_owned()),
                after: Some(wanted.to_owned()),
            };
            check.outcome.changed = true;
            check.outcome.diffs.push(Diff {
                kind: "selinux".into(),
                name: "mode".into(),
                changes: vec![change],
            });
            let command = Command::new("setenforce", &[wanted]);
            check.operations.push(Operation::Run { command, brings: Vec::new() });
        }
        let must_reboot = is_on == (state == "disabled");
        Ok(check
            .with("state", state)
            .with("policy", policy)
            .with("configfile", config.to_string_lossy())
            .with("reboot_required", must_reboot))
    }
}

fn setting(text: &str, name: &str) -> Option<String> {
    let start = format!("{name}=");
    text.lines().find_map(|line| line.strip_prefix(&start)).map(|value| value.trim().to_owned())
}

fn set(text: &str, name: &str, value: &str) -> String {
    let start = format!("{name}=");
    let mut is_there = false;
    let mut new: String = text
        .lines()
        .map(|line| match line.starts_with(&start) {
            true => {
                is_there = true;
                format!("{start}{value}\n")
            }
            false => format!("{line}\n"),
        })
        .collect();
    if !is_there {
        new.push_str(&format!("{start}{value}\n"));
    }
    new
}

impl Module for Seboolean {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        if !Path::new("/sys/fs/selinux/enforce").exists() && !args.flag("ignore_selinux_state") {
            return Err(Failure::missing("SELinux is disabled on this host."));
        }
        let wanted = args.flag("state");
        let known = view.text(&format!("/sys/fs/selinux/booleans/{name}"));
        let Some(now) = known.split_whitespace().next() else {
            return Err(Failure::missing(format!("SELinux boolean {name} does not exist.")));
        };
        let is_kept = !args.flag("persistent") || is_kept(name, wanted, view);
        let word = |on: bool| if on { "on" } else { "off" };
        let check = if (now == "1") == wanted && is_kept {
            Check::unchanged()
        } else {
            let options: &[&str] = if args.flag("persistent") { &["-P"] } else { &[] };
            let command = Command::new("setsebool", options).argument(name).argument(word(wanted));
            let change = Change::Attribute {
                attribute: "state".into(),
                before: Some(word(now == "1").into()),
                after: Some(word(wanted).into()),
            };
            let diff = Diff { kind: "seboolean".into(), name: name.to_owned(), changes: vec![change] };
            Check::change(diff, vec![Operation::Run { command, brings: Vec::new() }])
        };
        Ok(check.with("name", name).with("state", wanted).with("persistent", args.flag("persistent")))
    }
}

/// What the policy store has: `name (on , off) description`, the second being the one that is kept.
fn is_kept(name: &str, wanted: bool, view: &View<'_>) -> bool {
    let asked = view.ask("semanage", &["boolean", "-l"]).map(|ran| ran.out()).unwrap_or_default();
    let line = asked.lines().find(|line| line.split_whitespace().next() == Some(name));
    let kept = line.and_then(|line| Some(line.split_once(',')?.1.split(')').next()?.trim() == "on"));
    kept == Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_is_read_and_replaced() {
        let text = "# a\nSELINUX=permissive\n";
        assert_eq!(setting(text, "SELINUX").as_deref(), Some("permissive"));
        assert_eq!(set(text, "SELINUX", "enforcing"), "# a\nSELINUX=enforcing\n");
        assert_eq!(set(text, "SELINUXTYPE", "mls"), "# a\nSELINUX=permissive\nSELINUXTYPE=mls\n");
    }
}
