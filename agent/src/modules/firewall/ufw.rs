//! ufw: its rules are running and permanent at once.

use super::{InCharge, Port};
use crate::modules::Failure;
use crate::worker::process::Command;
use crate::worker::{Operation, View};

pub(super) struct Ufw {
    /// As `ufw show added` prints them.
    added: Vec<String>,
}

impl Ufw {
    pub(super) fn of(view: &View<'_>) -> Result<Option<Self>, Failure> {
        if view.program("ufw").is_none() {
            return Ok(None);
        }
        let ask = |words: &[&str]| {
            let ran =
                view.ask("ufw", words).map_err(|error| Failure::new(format!("cannot run `ufw`: {error}")))?;
            if ran.is_fine() {
                Ok(ran.out())
            } else {
                Err(Failure::new(format!("ufw refuses: {}", ran.complaint())))
            }
        };
        if !ask(&["status"])?.contains("Status: active") {
            return Ok(None);
        }
        let added = ask(&["show", "added"])?.lines().map(|line| line.trim().to_owned()).collect();
        Ok(Some(Self { added }))
    }
}

impl InCharge for Ufw {
    fn name(&self) -> &'static str {
        "ufw"
    }

    fn is_open(&self, port: &Port) -> Result<bool, Failure> {
        let rule = format!("ufw allow {}", port.text(':'));
        Ok(self.added.iter().any(|line| *line == rule || line.starts_with(&format!("{rule} comment"))))
    }

    fn operations(&self, ports: &[&Port], open: bool) -> Result<Vec<Operation>, Failure> {
        let run = |port: &&Port| {
            let rule = port.text(':');
            let words: &[&str] = if open { &["allow", &rule] } else { &["delete", "allow", &rule] };
            Operation::Run { command: Command::new("ufw", words), brings: Vec::new() }
        };
        Ok(ports.iter().map(run).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_recognised_with_and_without_a_comment() {
        let ufw =
            Ufw { added: vec!["ufw allow 80/tcp".into(), "ufw allow 5404:5405/udp comment 'x'".into()] };
        let is_open = |port| ufw.is_open(&Port::parse(port).expect("a port")).expect("known");
        assert!(is_open("80/tcp") && is_open("5404-5405/udp"));
        assert!(!is_open("80/udp") && !is_open("8/tcp"));
    }
}
