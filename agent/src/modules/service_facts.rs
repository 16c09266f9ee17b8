//! `service_facts`: every service and what it does, as a fact.

use super::{Args, Check, Failure, Module};
use crate::worker::View;
use serde_json::{Map, Value, json};

pub(super) struct ServiceFacts;

impl Module for ServiceFacts {
    fn check(&self, _args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let units = ask(&["list-units", "--all", "--plain"], view)?;
        let files = ask(&["list-unit-files"], view)?;
        let mut services = parse(&units, &files);
        for (name, planned) in view.overlay().units().iter().filter(|(name, _)| name.ends_with(".service")) {
            let service = services.entry(name).or_insert_with(|| describe(name, "stopped", "disabled"));
            if let Some(active) = planned.active {
                service["state"] = if active { "running" } else { "stopped" }.into();
            }
            if let Some(enabled) = planned.enabled {
                service["status"] = if enabled { "enabled" } else { "disabled" }.into();
            }
        }
        let mut check = Check::unchanged();
        check.outcome.facts.insert("services".into(), services.into());
        Ok(check)
    }
}

fn ask(words: &[&str], view: &View<'_>) -> Result<String, Failure> {
    let mut arguments = words.to_vec();
    arguments.extend(["--no-pager", "--no-legend", "--type=service"]);
    let ran = view.ask("systemctl", &arguments);
    let ran = ran.map_err(|error| {
        Failure::new(format!("cannot run `systemctl`: {error}; muster knows no other service manager yet"))
    })?;
    if ran.is_fine() {
        Ok(ran.out())
    } else {
        Err(Failure::new(format!("systemctl cannot list services: {}", ran.complaint())))
    }
}

fn describe(name: &str, state: &str, status: &str) -> Value {
    json!({"name": name, "state": state, "status": status, "source": "systemd"})
}

/// `list-units` has what is loaded, `list-unit-files` what is installed.
fn parse(units: &str, files: &str) -> Map<String, Value> {
    let mut services = Map::new();
    for line in files.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(status)) = (words.next(), words.next()) else { continue };
        // A template is no service until it has an instance.
        let state = if name.contains("@.") { "unknown" } else { "inactive" };
        services.insert(name.to_owned(), describe(name, state, status));
    }
    for line in units.lines() {
        let line = line.trim_start_matches(['●', '○', '×', '*', ' ']);
        let mut words = line.split_whitespace();
        let (Some(name), Some(load), Some(active), Some(sub)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let state = match (active, sub) {
            ("failed", _) => "failed",
            (_, "running") => "running",
            ("activating" | "deactivating", other) => other,
            _ => "stopped",
        };
        let status = services.get(name).and_then(|service| service["status"].as_str()).map(str::to_owned);
        let status =
            status.unwrap_or_else(|| if load == "loaded" { "unknown".to_owned() } else { load.to_owned() });
        services.insert(name.to_owned(), describe(name, state, &status));
    }
    services
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn loaded_and_installed_services_become_one_map() {
        let units = "  apache2.service loaded active running The Apache\n● bad.service loaded failed failed Bad\ngone.service not-found inactive dead gone\n";
        let files = "apache2.service enabled enabled\nidle.service disabled enabled\ngetty@.service enabled enabled\n";
        let services = parse(units, files);
        assert_eq!(
            (&services["apache2.service"]["state"], &services["apache2.service"]["status"]),
            (&"running".into(), &"enabled".into())
        );
        assert_eq!(services["bad.service"]["state"], "failed");
        assert_eq!(
            (&services["gone.service"]["state"], &services["gone.service"]["status"]),
            (&"stopped".into(), &"not-found".into())
        );
        assert_eq!(
            (&services["idle.service"]["state"], &services["getty@.service"]["state"]),
            (&"inactive".into(), &"unknown".into())
        );
    }
}
