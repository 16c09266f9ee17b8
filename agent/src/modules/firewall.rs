//! `firewall`: opens and closes ports on whichever firewall is in charge of the host, now and for the next start.
//! Where none is in charge nothing is done: muster does not put up a firewall that nobody asked for.

mod firewalld;
mod nftables;
mod ufw;

use super::{Args, Check, Failure, Module, systemctl};
use crate::worker::{Operation, Prediction, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;

pub(super) struct Firewall;

/// One port or range of one protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Port {
    first: u16,
    last: u16,
    protocol: String,
}

/// A firewall that is in charge.
trait InCharge {
    fn name(&self) -> &'static str;
    /// Whether the port is open now and at the next start.
    fn is_open(&self, port: &Port) -> Result<bool, Failure>;
    /// What opens or closes these ports; the last operation runs a command.
    fn operations(&self, ports: &[&Port], open: bool) -> Result<Vec<Operation>, Failure>;
    /// What a person should know about it.
    fn warning(&self) -> Option<String> {
        None
    }
}

impl Module for Firewall {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let open = args.text("state") != Some("absent");
        let ports = args.list("ports").unwrap_or_default();
        let ports = ports.iter().map(|port| Port::parse(port)).collect::<Result<Vec<_>, _>>()?;
        if view.overlay().unit("nftables.service").active.is_some() {
            let why =
                "nftables would be started or stopped by an earlier step: what it lets through is known then";
            return Ok(Check::unknown(why));
        }
        let Some(firewall) = in_charge(args, view)? else {
            let msg = "no firewall is in charge of this host: every port is open";
            return Ok(Check::unchanged().with("firewall", "none").with("msg", msg));
        };
        let is_open =
            |port: &Port| view.overlay().port(&port.text('-')).map_or_else(|| firewall.is_open(port), Ok);
        let mut wrong = Vec::new();
        for port in &ports {
            if is_open(port)? != open {
                wrong.push(port);
            }
        }
        let mut outcome = Outcome { changed: !wrong.is_empty(), ..Outcome::default() };
        outcome.diffs = wrong.iter().map(|port| diff(&port.text('-'), open)).collect();
        let mut operations = Vec::new();
        if outcome.changed {
            operations = firewall.operations(&wrong, open)?;
            remember(&mut operations, &wrong, open);
        }
        outcome.warnings.extend(firewall.warning().filter(|_| outcome.changed));
        let check = Check { outcome, operations, ..Check::default() };
        Ok(check
            .with("firewall", firewall.name())
            .with("ports", ports.iter().map(|port| port.text('-')).collect::<Vec<_>>()))
    }
}

/// The last command leaves all of the ports as they shall be.
fn remember(operations: &mut [Operation], ports: &[&Port], is_open: bool) {
    if let Some(Operation::Run { brings, .. }) = operations.last_mut() {
        brings.extend(ports.iter().map(|port| Prediction::Port { port: port.text('-'), is_open }));
    }
}

fn diff(port: &str, open: bool) -> Diff {
    let word = |open: bool| Some(if open { "open" } else { "closed" }.to_owned());
    let change = Change::Attribute { attribute: "state".into(), before: word(!open), after: word(open) };
    Diff { kind: "firewall".into(), name: port.to_owned(), changes: vec![change] }
}

/// The firewall that decides what comes in; none where nothing is filtered.
fn in_charge<'a>(args: &Args<'_>, view: &'a View<'a>) -> Result<Option<Box<dyn InCharge + 'a>>, Failure> {
    let zone = args.text("zone").map(str::to_owned);
    if let Some(firewalld) = firewalld::Firewalld::of(zone.clone(), view) {
        return Ok(Some(Box::new(firewalld)));
    }
    if zone.is_some() {
        return Err(Failure::new("`zone` is a word of firewalld, which is not in charge of this host"));
    }
    if let Some(ufw) = ufw::Ufw::of(view)? {
        return Ok(Some(Box::new(ufw)));
    }
    let nftables = nftables::Nftables::of(view)?;
    Ok(nftables.map(|nftables| Box::new(nftables) as Box<dyn InCharge>))
}

/// Whether a service would run by now, though it does not run yet.
fn is_planned(name: &str, view: &View<'_>) -> bool {
    view.overlay().has_new_packages()
        && view.overlay().package(name).is_some()
        && systemctl::unit(name, systemctl::Owner::System, view).is_ok_and(|unit| unit.is_active)
}

impl Port {
    /// `80/tcp`, `80` and `5404-5405/udp`.
    fn parse(written: &str) -> Result<Self, Failure> {
        let wrong =
            || Failure::new(format!("`{written}` is not a port: it is written `80/tcp` or `5404-5405/udp`"));
        let (numbers, protocol) = written.split_once('/').unwrap_or((written, "tcp"));
        let (first, last) = numbers.split_once(['-', ':']).unwrap_or((numbers, numbers));
        let number = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong);
        let port = Self {
            first: number(first)?,
            last: number(last)?,
            protocol: protocol.trim().to_ascii_lowercase(),
        };
        let is_fine =
            port.first <= port.last && matches!(port.protocol.as_str(), "tcp" | "udp" | "sctp" | "dccp");
        if is_fine { Ok(port) } else { Err(wrong()) }
    }

    fn numbers(&self, between: char) -> String {
        if self.first == self.last {
            self.first.to_string()
        } else {
            format!("{}{between}{}", self.first, self.last)
        }
    }

    fn text(&self, between: char) -> String {
        format!("{}/{}", self.numbers(between), self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::Port;
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn ports_are_read_and_wrong_ones_refused() {
        assert_eq!(Port::parse("80").expect("a port").text('-'), "80/tcp");
        assert_eq!(Port::parse("5404-5405/UDP").expect("a range").text(':'), "5404:5405/udp");
        for wrong in ["", "0", "http", "80/icmp", "9-5/tcp", "70000"] {
            Port::parse(wrong).expect_err(wrong);
        }
        assert!(Trial::new("firewall").refuse(json!({"ports": "http"})).contains("`http` is not a port"));
    }
}
