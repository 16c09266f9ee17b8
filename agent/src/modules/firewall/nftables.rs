//! nftables without a firewall program above it: a chain on the input hook that drops what no rule accepts. A rule
//! of ours goes to its top, and for the next start to a file that the host's configuration includes.

use super::{InCharge, Port};
use crate::modules::{Failure, systemctl};
use crate::worker::process::Command;
use crate::worker::{Attributes, Operation, Put, View};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Our rules, one a line.
const RULES: &str = "/etc/nftables.d/muster.nft";

pub(super) struct Nftables<'a> {
    view: &'a View<'a>,
    ruleset: Vec<Value>,
    /// Family, table and name of the chain that drops.
    chain: [String; 3],
    /// What is loaded at the next start.
    configuration: Option<PathBuf>,
}

impl<'a> Nftables<'a> {
    pub(super) fn of(view: &'a View<'a>) -> Result<Option<Self>, Failure> {
        if view.program("nft").is_none() {
            return Ok(None);
        }
        let ran = view
            .ask("nft", &["-j", "list", "ruleset"])
            .map_err(|error| Failure::new(format!("cannot run `nft`: {error}")))?;
        if !ran.is_fine() {
            return Err(Failure::new(format!("nft refuses: {}", ran.complaint())));
        }
        let parsed: Value = serde_json::from_str(&ran.out()).unwrap_or_default();
        let ruleset = parsed["nftables"].as_array().cloned().unwrap_or_default();
        let Some(chain) = dropping_chain(&ruleset) else { return Ok(None) };
        let is_loaded =
            systemctl::unit("nftables", systemctl::Owner::System, view).is_ok_and(|unit| unit.is_enabled);
        let files = ["/etc/nftables.conf", "/etc/sysconfig/nftables.conf"];
        let configuration =
            files.iter().map(Path::new).find(|path| is_loaded && view.exists(path)).map(Path::to_owned);
        Ok(Some(Self { view, ruleset, chain, configuration }))
    }

    fn rule(&self, port: &Port) -> String {
        let [family, table, chain] = &self.chain;
        format!(
            "insert rule {family} {table} {chain} {} dport {} accept comment \"muster {}\"\n",
            port.protocol,
            port.numbers('-'),
            port.text('-')
        )
    }

    /// Whether our rule is loaded at the next start, as far as anything is.
    fn is_kept(&self, port: &Port) -> bool {
        let is_in_file = || self.view.text(RULES).contains(&self.rule(port));
        self.configuration
            .as_ref()
            .is_none_or(|configuration| is_in_file() && self.is_included(configuration))
    }

    fn is_included(&self, configuration: &Path) -> bool {
        let is_ours = |line: &str| {
            line.starts_with("include") && (line.contains("/etc/nftables.d/*") || line.contains(RULES))
        };
        self.view.text(&configuration.to_string_lossy()).lines().any(|line| is_ours(line.trim()))
    }

    /// The rules' lines in our file, and the file's place in the host's configuration.
    fn keep(&self, ports: &[&Port], open: bool) -> Vec<Operation> {
        let Some(configuration) = &self.configuration else { return Vec::new() };
        let text = self.view.text(RULES);
        let rules: Vec<String> = ports.iter().map(|port| self.rule(port)).collect();
        let is_other = |line: &&str| !rules.iter().any(|rule| rule == line);
        let mut kept: String = text.split_inclusive('\n').filter(is_other).collect();
        if open {
            kept.extend(rules);
        }
        let mut operations = Vec::new();
        let folder = Path::new(RULES).parent().unwrap_or(Path::new("/"));
        if !self.view.exists(folder) {
            operations.push(Operation::MakeDirectory { path: folder.to_owned() });
        }
        operations.push(put(RULES.into(), &kept));
        if !self.is_included(configuration) {
            let own = self.view.text(&configuration.to_string_lossy());
            let end = if own.is_empty() || own.ends_with('\n') { "" } else { "\n" };
            operations.push(put(configuration.clone(), &format!("{own}{end}include \"{RULES}\"\n")));
        }
        operations
    }
}

fn put(path: PathBuf, text: &str) -> Operation {
    Operation::Put(Put {
        path,
        content: text.as_bytes().into(),
        attributes: Attributes::default(),
        validate: None,
        may_write_in_place: false,
    })
}

impl InCharge for Nftables<'_> {
    fn name(&self) -> &'static str {
        "nftables"
    }

    fn is_open(&self, port: &Port) -> Result<bool, Failure> {
        let comment = format!("muster {}", port.text('-'));
        let mut accepting =
            rules_of(&self.ruleset, &self.chain).filter(|rule| accepts(rule, port)).peekable();
        // A rule of the administrator's own is kept by the administrator.
        let is_open = accepting.peek().is_some();
        let is_ours = accepting.all(|rule| rule["comment"] == comment);
        Ok(is_open && (!is_ours || self.is_kept(port)))
    }

    fn operations(&self, ports: &[&Port], open: bool) -> Result<Vec<Operation>, Failure> {
        let lines = ports.iter().map(|port| if open { Ok(self.rule(port)) } else { self.removal(port) });
        let script = lines.collect::<Result<String, Failure>>()?;
        let mut operations = self.keep(ports, open);
        operations.push(Operation::Run {
            command: Command::new("nft", &["-f", "-"]).fed(script),
            brings: Vec::new(),
        });
        Ok(operations)
    }

    fn warning(&self) -> Option<String> {
        let sentence = "the nftables rules of this host are not loaded by its nftables service: the change lasts until the next start";
        self.configuration.is_none().then(|| sentence.to_owned())
    }
}

impl Nftables<'_> {
    /// Only rules that muster made are taken away.
    fn removal(&self, port: &Port) -> Result<String, Failure> {
        let [family, table, chain] = &self.chain;
        let comment = format!("muster {}", port.text('-'));
        let ours = rules_of(&self.ruleset, &self.chain).filter(|rule| rule["comment"] == comment);
        let lines: String = ours
            .map(|rule| format!("delete rule {family} {table} {chain} handle {}\n", rule["handle"]))
            .collect();
        if lines.is_empty() {
            let text = port.text('-');
            return Err(Failure::new(format!(
                "port {text} is opened by a rule that muster did not make; close it in {family} {table} {chain}"
            )));
        }
        Ok(lines)
    }
}

/// A chain on the input hook whose policy drops, or whose last rule drops or rejects everything.
fn dropping_chain(ruleset: &[Value]) -> Option<[String; 3]> {
    ruleset.iter().filter_map(|object| object.get("chain")).find_map(|chain| {
        let text = |key: &str| chain[key].as_str().map(str::to_owned);
        let name = [text("family")?, text("table")?, text("name")?];
        let is_input = chain["hook"] == "input"
            && chain["type"] == "filter"
            && matches!(name[0].as_str(), "ip" | "ip6" | "inet");
        let ends = || {
            let last = rules_of(ruleset, &name).last();
            last.and_then(|rule| rule["expr"].as_array()).is_some_and(|parts| {
                let is_end = |part: &Value| part.get("drop").is_some() || part.get("reject").is_some();
                parts.iter().any(is_end) && !parts.iter().any(|part| part.get("match").is_some())
            })
        };
        (is_input && (chain["policy"] == "drop" || ends())).then_some(name)
    })
}

fn rules_of<'r>(ruleset: &'r [Value], chain: &'r [String; 3]) -> impl Iterator<Item = &'r Value> {
    ruleset.iter().filter_map(|object| object.get("rule")).filter(move |rule| {
        rule["family"] == chain[0].as_str()
            && rule["table"] == chain[1].as_str()
            && rule["chain"] == chain[2].as_str()
    })
}

/// Whether the rule accepts the whole port range from anywhere.
fn accepts(rule: &Value, port: &Port) -> bool {
    let Some(parts) = rule["expr"].as_array() else { return false };
    let conditions: Vec<&Value> = parts.iter().filter_map(|part| part.get("match")).collect();
    let is_accept = parts.iter().any(|part| part.get("accept").is_some());
    let [condition] = conditions[..] else { return false };
    let payload = &condition["left"]["payload"];
    is_accept
        && condition["op"] == "=="
        && payload["protocol"] == port.protocol.as_str()
        && payload["field"] == "dport"
        && covers(&condition["right"], port)
}

fn covers(right: &Value, port: &Port) -> bool {
    let number = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
    if let Some(only) = number(right) {
        return only == port.first && only == port.last;
    }
    if let (Some(first), Some(last)) = (number(&right["range"][0]), number(&right["range"][1])) {
        return first <= port.first && port.last <= last;
    }
    right["set"].as_array().is_some_and(|members| members.iter().any(|member| covers(member, port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ruleset(policy: &str) -> Vec<Value> {
        let rule = |right: Value| {
            json!({"rule": {"family": "inet", "table": "filter", "chain": "input", "handle": 4, "expr": [
                {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": right}},
                {"accept": null}
            ]}})
        };
        vec![
            json!({"chain": {"family": "inet", "table": "filter", "name": "input", "type": "filter", "hook": "input", "policy": policy}}),
            rule(json!(22)),
            rule(json!({"set": [80, {"range": [8000, 8100]}]})),
        ]
    }

    #[test]
    fn only_a_chain_that_drops_is_in_charge() {
        assert_eq!(dropping_chain(&ruleset("accept")), None);
        let mut ends = ruleset("accept");
        ends.push(json!({"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [{"counter": null}, {"drop": null}]}}));
        assert!(dropping_chain(&ends).is_some());
    }

    #[test]
    fn open_ports_are_found_alone_in_sets_and_in_ranges() {
        let ruleset = ruleset("drop");
        let chain = dropping_chain(&ruleset).expect("in charge");
        let is_open = |port| {
            let port = Port::parse(port).expect("a port");
            rules_of(&ruleset, &chain).any(|rule| accepts(rule, &port))
        };
        assert!(is_open("22/tcp") && is_open("80/tcp") && is_open("8001-8099/tcp"));
        assert!(!is_open("22/udp") && !is_open("8001-8200/tcp") && !is_open("443"));
    }
}
