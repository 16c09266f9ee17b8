//! firewalld, through `firewall-cmd`: the running and the permanent configuration, each on its own.

use super::{InCharge, Port, is_planned};
use crate::modules::Failure;
use crate::worker::process::Command;
use crate::worker::{Operation, View};

pub(super) struct Firewalld<'a> {
    view: &'a View<'a>,
    zone: Option<String>,
    /// It does not run yet, but would by now.
    is_planned: bool,
}

impl<'a> Firewalld<'a> {
    pub(super) fn of(zone: Option<String>, view: &'a View<'a>) -> Option<Self> {
        let runs = view.program("firewall-cmd").is_some()
            && view.ask("firewall-cmd", &["--state"]).is_ok_and(|ran| ran.is_fine());
        let is_planned = !runs && is_planned("firewalld", view);
        (runs || is_planned).then_some(Self { view, zone, is_planned })
    }

    fn words(&self, permanent: bool, verb: &str, ports: &[&Port]) -> Vec<String> {
        let mut words = Vec::new();
        if permanent {
            words.push("--permanent".to_owned());
        }
        words.extend(self.zone.iter().map(|zone| format!("--zone={zone}")));
        words.extend(ports.iter().map(|port| format!("--{verb}-port={}", port.text('-'))));
        words
    }

    fn query(&self, permanent: bool, port: &Port) -> Result<bool, Failure> {
        let words = self.words(permanent, "query", &[port]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = self.view.ask("firewall-cmd", &words);
        let ran = ran.map_err(|error| Failure::new(format!("cannot run `firewall-cmd`: {error}")))?;
        match ran.rc {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(Failure::new(format!("firewalld refuses: {}", ran.complaint()))),
        }
    }
}

impl InCharge for Firewalld<'_> {
    fn name(&self) -> &'static str {
        "firewalld"
    }

    fn is_open(&self, port: &Port) -> Result<bool, Failure> {
        // Half open counts as closed, so that both halves get opened.
        Ok(!self.is_planned && self.query(false, port)? && self.query(true, port)?)
    }

    fn operations(&self, ports: &[&Port], open: bool) -> Result<Vec<Operation>, Failure> {
        let verb = if open { "add" } else { "remove" };
        let run = |permanent| {
            let mut command = Command::new("firewall-cmd", &["--quiet"]);
            command.arguments.extend(self.words(permanent, verb, ports).into_iter().map(Into::into));
            Operation::Run { command, brings: Vec::new() }
        };
        Ok(vec![run(true), run(false)])
    }
}
