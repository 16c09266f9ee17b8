//! `firewalld`: services, ports, sources, interfaces and rules of a zone, now (`immediate`) and for the next start (`permanent`).

use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, Prediction, View};
use muster_api::diff::{Change, Diff};
use serde_json::Value;

pub(super) struct Firewalld;

impl Module for Firewalld {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let offline = args.flag("offline") && !is_running(view);
        let program = if offline { "firewall-offline-cmd" } else { "firewall-cmd" };
        if view.program(program).is_none() {
            return Err(Failure::missing(format!(
                "this host has no `{program}`; install package firewalld first"
            )));
        }
        if !offline && !is_running(view) {
            return Err(Failure::missing(
                "firewalld is not running on this host: start it, or set `offline: true`",
            ));
        }
        if args.raw("target").is_some() || Thing::is_none(args) {
            return zone_itself(args, program, view);
        }
        let thing = Thing::of(args)?;
        let is_on = matches!(args.text("state"), Some("enabled" | "present"));
        let permanent = args.choice("permanent").unwrap_or(false);
        let immediate = args.choice("immediate").unwrap_or(!permanent);
        let zone = zone(args, offline, view)?;
        let mut check = Check::unchanged();
        let wheres = [(permanent || offline, true), (immediate && !offline, false)];
        for (_, is_kept) in wheres.into_iter().filter(|(wanted, _)| *wanted) {
            let rule = Rule { program, thing: &thing, zone: &zone, is_kept: is_kept && !offline };
            rule.set(is_on, args, view, &mut check)?;
        }
        let kind = match (permanent, immediate) {
            (true, true) => "Permanent and Non-Permanent(immediate) operation",
            (true, false) => "Permanent operation",
            _ => "Non-permanent operation",
        };
        let did = match check.outcome.changed {
            true => format!(
                ", Changed {} {} to {}",
                thing.option,
                thing.value,
                if is_on { "enabled" } else { "disabled" }
            ),
            false => String::new(),
        };
        Ok(check.with("msg", format!("{kind}{did}")))
    }
}

fn is_running(view: &View<'_>) -> bool {
    view.program("firewall-cmd").is_some()
        && view.ask("firewall-cmd", &["--state"]).is_ok_and(|ran| ran.is_fine())
}

fn zone(args: &Args<'_>, offline: bool, view: &View<'_>) -> Result<String, Failure> {
    if let Some(zone) = args.text("zone") {
        return Ok(zone.to_owned());
    }
    let program = if offline { "firewall-offline-cmd" } else { "firewall-cmd" };
    let ran = view.ask(program, &["--get-default-zone"]);
    let ran = ran.map_err(|error| Failure::new(format!("cannot run `{program}`: {error}")))?;
    Ok(ran.out().trim().to_owned())
}

/// What is switched on or off, with the option's name.
struct Thing {
    option: &'static str,
    value: String,
}

const THINGS: [(&str, &str); 9] = [
    ("service", "service"),
    ("port", "port"),
    ("rich_rule", "rich-rule"),
    ("source", "source"),
    ("interface", "interface"),
    ("icmp_block", "icmp-block"),
    ("protocol", "protocol"),
    ("masquerade", "masquerade"),
    ("icmp_block_inversion", "icmp-block-inversion"),
];

impl Thing {
    /// The task is about the zone itself.
    fn is_none(args: &Args<'_>) -> bool {
        let has_state = matches!(args.text("state"), Some("present" | "absent"));
        has_state
            && args.text("zone").is_some()
            && !has_forward(args)
            && THINGS.iter().all(|(argument, _)| args.raw(argument).is_none())
    }

    fn of(args: &Args<'_>) -> Result<Self, Failure> {
        if has_forward(args) {
            return forward(args);
        }
        let mut given = THINGS.iter().filter_map(|(argument, option)| {
            let value = args.raw(argument)?;
            let value = value.as_str().map_or_else(String::new, str::to_owned);
            Some(Self { option, value })
        });
        match (given.next(), given.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(Failure::new(
                "there is nothing to set: give one of service, port, rich_rule, source, interface, icmp_block, protocol, masquerade",
            )),
            _ => Err(Failure::new(
                "can only operate on port, service, rich_rule, masquerade, icmp_block, icmp_block_inversion, interface or source at once",
            )),
        }
    }

    fn word(&self, act: &str) -> String {
        match self.value.as_str() {
            "" => format!("--{act}-{}", self.option),
            value => format!("--{act}-{}={value}", self.option),
        }
    }
}

fn has_forward(args: &Args<'_>) -> bool {
    args.raw("port_forward").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

/// `port_forward` is a list with one mapping, as the collection has it.
fn forward(args: &Args<'_>) -> Result<Thing, Failure> {
    let list = args.raw("port_forward").and_then(Value::as_array);
    let one = list.filter(|list| list.len() == 1).and_then(|list| list[0].as_object());
    let one = one.ok_or_else(|| {
        Failure::new("`port_forward` is a list with one mapping: port, proto, toport, toaddr")
    })?;
    let text = |name: &str| {
        one.get(name)
            .filter(|value| !value.is_null())
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let needed =
        |name: &str| text(name).ok_or_else(|| Failure::new(format!("`port_forward` needs `{name}`")));
    let mut value =
        format!("port={}:proto={}:toport={}", needed("port")?, needed("proto")?, needed("toport")?);
    if let Some(address) = text("toaddr") {
        value += &format!(":toaddr={address}");
    }
    Ok(Thing { option: "forward-port", value })
}

/// Whether the zone is there, and what becomes of packets that no rule of it is about. Both are of the next start only.
fn zone_itself(args: &Args<'_>, program: &str, view: &View<'_>) -> Result<Check, Failure> {
    let zone = args.needed("zone").map_err(|_| Failure::new("`target` and a zone itself need `zone`"))?;
    if args.choice("permanent") != Some(true) {
        return Err(Failure::new("a zone itself can only be changed with `permanent: true`"));
    }
    let permanent: &[&str] = if program == "firewall-offline-cmd" { &[] } else { &["--permanent"] };
    let ask = |word: &str| -> Result<String, Failure> {
        let words: Vec<&str> = permanent.iter().copied().chain(word.split(' ')).collect();
        let asked = view.ask(program, &words);
        Ok(asked.map_err(|error| Failure::new(format!("cannot run `{program}`: {error}")))?.out())
    };
    let known = view.overlay().thing(KIND, zone).map_or_else(
        || Ok::<bool, Failure>(ask("--get-zones")?.split_whitespace().any(|known| known == zone)),
        |state| Ok(state.is_some()),
    )?;
    let mut check = Check::unchanged();
    let mut change = |name: String, before: String, after: String, word: String, state: Option<&str>| {
        let change = Change::Attribute {
            attribute: "at the next start".into(),
            before: Some(before),
            after: Some(after),
        };
        check.outcome.changed = true;
        check.outcome.diffs.push(Diff { kind: "firewall".into(), name, changes: vec![change] });
        let words: Vec<&str> = permanent.iter().copied().chain(word.split(' ')).collect();
        let brings =
            vec![Prediction::Thing { kind: KIND, name: zone.to_owned(), state: state.map(str::to_owned) }];
        check.operations.push(Operation::Run { command: Command::new(program, &words), brings });
    };
    let wants = matches!(args.text("state"), Some("present" | "enabled"));
    let Some(target) = args.text("target") else {
        if known != wants {
            let word = |there: bool| if there { "present" } else { "absent" }.to_owned();
            let act = if wants { "new" } else { "delete" };
            change(
                format!("zone {zone}"),
                word(known),
                word(wants),
                format!("--{act}-zone={zone}"),
                wants.then_some("default"),
            );
        }
        return Ok(check.with("msg", ""));
    };
    let predicted = view.overlay().thing(KIND, zone).flatten().map(str::to_owned);
    let present = predicted.map_or_else(|| ask(&format!("--zone={zone} --get-target")), Ok)?;
    let wanted = if wants { target } else { "default" };
    if present.trim().trim_matches('%') != wanted.trim_matches('%') {
        let word = format!("--zone={zone} --set-target={wanted}");
        change(
            format!("target of zone {zone}"),
            present.trim().to_owned(),
            wanted.to_owned(),
            word,
            Some(wanted),
        );
    }
    Ok(check.with("msg", ""))
}

const KIND: &str = "firewalld";

struct Rule<'a> {
    program: &'a str,
    thing: &'a Thing,
    zone: &'a str,
    is_kept: bool,
}

impl Rule<'_> {
    fn words(&self, act: &str) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        if self.is_kept {
            words.push("--permanent".into());
        }
        words.extend([format!("--zone={}", self.zone), self.thing.word(act)]);
        words
    }

    fn set(&self, is_on: bool, args: &Args<'_>, view: &View<'_>, check: &mut Check) -> Result<(), Failure> {
        let key = format!("{} {} {} {}", self.zone, self.thing.option, self.thing.value, self.is_kept);
        let words = self.words("query");
        let asked = view.ask(self.program, &words.iter().map(String::as_str).collect::<Vec<_>>());
        let asked = asked.map_err(|error| Failure::new(format!("cannot run `{}`: {error}", self.program)))?;
        if !matches!(asked.out().trim(), "yes" | "no") {
            return Err(Failure::new(format!("ERROR: Exception caught: {}", asked.complaint())));
        }
        let predicted = view.overlay().thing(KIND, &key).map(|state| state.is_some());
        if predicted.unwrap_or_else(|| asked.is_fine()) == is_on {
            return Ok(());
        }
        let mut words = self.words(if is_on { "add" } else { "remove" });
        if let Some(seconds) = args.count("timeout").filter(|seconds| *seconds > 0 && is_on && !self.is_kept)
        {
            words.push(format!("--timeout={seconds}"));
        }
        let word = |on: bool| if on { "enabled" } else { "disabled" }.to_owned();
        let change = Change::Attribute {
            attribute: if self.is_kept { "at the next start" } else { "now" }.into(),
            before: Some(word(!is_on)),
            after: Some(word(is_on)),
        };
        let name = format!("{} {}", self.thing.option, self.thing.value);
        check.outcome.changed = true;
        check.outcome.diffs.push(Diff { kind: "firewall".into(), name, changes: vec![change] });
        let command = Command::new(self.program, &words.iter().map(String::as_str).collect::<Vec<_>>());
        let state = is_on.then(|| "enabled".to_owned());
        check.operations.push(Operation::Run {
            command,
            brings: vec![Prediction::Thing { kind: KIND, name: key, state }],
        });
        Ok(())
    }
}
