//! `iptables`: one rule or chain of the kernel's packet filter. `iptables -C` says whether the rule is there.

use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};
use serde_json::Value;

pub(super) struct Iptables;

impl Module for Iptables {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let rule = Rule { args, view, program: program(args, view)? };
        let chain = args.text("chain");
        let is_present = args.text("state") != Some("absent");
        let check = if args.flag("flush") {
            rule.flush(chain)
        } else if let Some(policy) = args.text("policy") {
            rule.policy(needed(chain, "policy")?, policy)?
        } else if args.flag("chain_management") && rule.words().is_empty() {
            rule.chain(needed(chain, "chain_management")?, is_present)
        } else {
            rule.rule(needed(chain, "a rule")?, is_present)?
        };
        let told = ["chain", "table", "ip_version", "state", "flush", "chain_management"];
        let check = told.iter().fold(check, |check, name| match args.raw(name) {
            Some(value) => check.with(name, value.clone()),
            None => check,
        });
        Ok(check.with("rule", rule.words().join(" ")))
    }
}

fn needed<'a>(chain: Option<&'a str>, what: &str) -> Result<&'a str, Failure> {
    chain.ok_or_else(|| Failure::new(format!("{what} needs `chain`")))
}

fn program(args: &Args<'_>, view: &View<'_>) -> Result<&'static str, Failure> {
    let program = if args.text("ip_version") == Some("ipv6") { "ip6tables" } else { "iptables" };
    match view.program(program) {
        Some(_) => Ok(program),
        None => Err(Failure::missing(format!(
            "Failed to find required executable \"{program}\": install package iptables first"
        ))),
    }
}

struct Rule<'a> {
    args: &'a Args<'a>,
    view: &'a View<'a>,
    program: &'static str,
}

/// Arguments with their options, in the order in which iptables takes them.
const OPTIONS: [(&str, &str); 14] = [
    ("protocol", "-p"),
    ("source", "-s"),
    ("destination", "-d"),
    ("match", "-m"),
    ("tcp_flags", "--tcp-flags"),
    ("jump", "-j"),
    ("gateway", "--gateway"),
    ("log_prefix", "--log-prefix"),
    ("log_level", "--log-level"),
    ("to_destination", "--to-destination"),
    ("destination_ports", "--dports"),
    ("to_source", "--to-source"),
    ("goto", "-g"),
    ("in_interface", "-i"),
];

const MORE_OPTIONS: [(&str, &str); 9] = [
    ("out_interface", "-o"),
    ("fragment", "-f"),
    ("set_counters", "-c"),
    ("source_port", "--source-port"),
    ("destination_port", "--destination-port"),
    ("to_ports", "--to-ports"),
    ("set_dscp_mark", "--set-dscp"),
    ("set_dscp_mark_class", "--set-dscp-class"),
    ("syn", "--syn"),
];

impl Rule<'_> {
    /// The words of the rule itself.
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for (argument, option) in OPTIONS.into_iter().chain(MORE_OPTIONS) {
            self.push(argument, option, &mut words);
        }
        let text = |name: &str| self.args.text(name).map(str::to_owned);
        let mut push = |given: &[&str], value: Option<String>| {
            if let Some(value) = value {
                words.extend(given.iter().map(|word| (*word).to_owned()));
                words.push(value);
            }
        };
        let states =
            self.args.list("ctstate").filter(|states| !states.is_empty()).map(|states| states.join(","));
        match self.args.list("match").unwrap_or_default().iter().any(|name| name == "state") {
            true => push(&["--state"], states),
            false => push(&["-m", "conntrack", "--ctstate"], states),
        }
        push(&["-m", "iprange", "--src-range"], text("src_range"));
        push(&["-m", "iprange", "--dst-range"], text("dst_range"));
        push(&["-m", "set", "--match-set"], text("match_set"));
        push(&[], text("match_set_flags").filter(|_| self.args.text("match_set").is_some()));
        push(&["-m", "limit", "--limit"], text("limit"));
        push(&["--limit-burst"], text("limit_burst"));
        push(&["-m", "owner", "--uid-owner"], text("uid_owner"));
        push(&["-m", "owner", "--gid-owner"], text("gid_owner"));
        push(&["--reject-with"], text("reject_with"));
        push(&["--icmp-type"], text("icmp_type").filter(|_| self.program == "iptables"));
        push(&["--icmpv6-type"], text("icmp_type").filter(|_| self.program == "ip6tables"));
        push(&["-m", "comment", "--comment"], text("comment"));
        words
    }

    fn push(&self, argument: &str, option: &str, words: &mut Vec<String>) {
        match (argument, self.args.raw(argument)) {
            ("match", Some(Value::Array(names))) => {
                let names = names.iter().filter_map(Value::as_str);
                words.extend(names.flat_map(|name| [option.to_owned(), name.to_owned()]));
            }
            ("tcp_flags", Some(Value::Object(flags))) => {
                let joined = |name: &str| {
                    let flags = flags.get(name).and_then(Value::as_array)?;
                    Some(flags.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
                };
                if let (Some(all), Some(set)) = (joined("flags"), joined("flags_set")) {
                    words.extend([option.to_owned(), all, set]);
                }
            }
            ("destination_ports", Some(Value::Array(ports))) if !ports.is_empty() => {
                let ports: Vec<&str> = ports.iter().filter_map(Value::as_str).collect();
                words.extend(["-m".to_owned(), "multiport".to_owned(), option.to_owned(), ports.join(",")]);
            }
            ("syn", Some(Value::String(syn))) => match syn.as_str() {
                "match" => words.push("--syn".to_owned()),
                "negate" => words.extend(["!".to_owned(), "--syn".to_owned()]),
                _ => {}
            },
            ("set_dscp_mark" | "set_dscp_mark_class", Some(Value::String(value))) => {
                words.extend([option.to_owned(), value.clone()]);
            }
            (_, Some(Value::String(value))) => match value.strip_prefix('!') {
                Some(value) => words.extend(["!".to_owned(), option.to_owned(), value.trim().to_owned()]),
                None => words.extend([option.to_owned(), value.clone()]),
            },
            _ => {}
        }
    }

    fn command(&self, act: &[&str], words: &[String]) -> Command {
        let wait = self.args.text("wait").map(|seconds| vec!["-w", seconds]).unwrap_or_default();
        let table = self.args.text("table").unwrap_or("filter");
        let mut command = Command::new(self.program, &["-t", table]);
        command.arguments.extend(wait.into_iter().chain(act.iter().copied()).map(Into::into));
        command.arguments.extend(words.iter().map(Into::into));
        command
    }

    fn says_yes(&self, act: &[&str], words: &[String]) -> bool {
        let mut command = self.command(act, words);
        command.deadline = self.view.deadline();
        command.run().is_ok_and(|ran| ran.is_fine())
    }

    fn change(&self, name: &str, before: &str, after: &str, commands: Vec<Command>) -> Check {
        let change = Change::Presence { before: before.into(), after: after.into() };
        let diff = Diff { kind: "firewall".into(), name: name.to_owned(), changes: vec![change] };
        let run = |command| Operation::Run { command, brings: Vec::new() };
        Check::change(diff, commands.into_iter().map(run).collect())
    }

    fn flush(&self, chain: Option<&str>) -> Check {
        let act: Vec<&str> = std::iter::once("-F").chain(chain).collect();
        self.change(chain.unwrap_or("all chains"), "rules", "no rules", vec![self.command(&act, &[])])
    }

    fn policy(&self, chain: &str, wanted: &str) -> Result<Check, Failure> {
        let mut list = self.command(&["-L", chain, "-n"], &[]);
        list.deadline = self.view.deadline();
        let listed = list.run().map(|ran| ran.out()).unwrap_or_default();
        let known = listed.split("(policy ").nth(1).and_then(|rest| rest.split([' ', ')']).next());
        let known = known.ok_or_else(|| {
            Failure::new(format!("the chain `{chain}` has no policy: only built-in chains have"))
        })?;
        if known == wanted {
            return Ok(Check::unchanged());
        }
        Ok(self.change(chain, known, wanted, vec![self.command(&["-P", chain, wanted], &[])]))
    }

    fn chain(&self, chain: &str, is_present: bool) -> Check {
        match (self.says_yes(&["-L", chain, "-n"], &[]), is_present) {
            (false, true) => self.change(chain, "absent", "present", vec![self.command(&["-N", chain], &[])]),
            (true, false) => self.change(chain, "present", "absent", vec![self.command(&["-X", chain], &[])]),
            _ => Check::unchanged(),
        }
    }

    fn rule(&self, chain: &str, is_present: bool) -> Result<Check, Failure> {
        let words = self.words();
        let is_there = self.says_yes(&["-C", chain], &words);
        if is_there == is_present {
            return Ok(Check::unchanged());
        }
        let name = format!("{chain} {}", words.join(" "));
        if !is_present {
            return Ok(self.change(&name, "present", "absent", vec![self.command(&["-D", chain], &words)]));
        }
        let mut commands = Vec::new();
        if self.args.flag("chain_management") && !self.says_yes(&["-L", chain, "-n"], &[]) {
            commands.push(self.command(&["-N", chain], &[]));
        }
        let number = self.args.text("rule_num");
        let act: Vec<&str> = match (self.args.text("action"), number) {
            (Some("insert"), Some(number)) => vec!["-I", chain, number],
            (Some("insert"), None) => vec!["-I", chain],
            _ => vec!["-A", chain],
        };
        commands.push(self.command(&act, &words));
        Ok(self.change(&name, "absent", "present", commands))
    }
}
