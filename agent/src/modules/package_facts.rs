//! `package_facts`: the installed packages as a fact.

use super::dpkg::Packages;
use super::{Args, Check, Failure, Module};
use crate::worker::View;
use serde_json::{Map, Value, json};

pub(super) struct PackageFacts;

impl Module for PackageFacts {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let asked = args.list("manager").unwrap_or_default();
        let wants =
            |names: &[&str]| asked.iter().any(|name| name == "auto" || names.contains(&name.as_str()));
        let mut packages = Map::new();
        if wants(&["apt"]) && view.program("dpkg").is_some() {
            packages.extend(from_dpkg(view));
        }
        let goes_on = packages.is_empty() || args.text("strategy") == Some("all");
        if goes_on && wants(&["rpm", "dnf", "dnf5", "yum"]) && view.program("rpm").is_some() {
            packages.extend(from_rpm(view)?);
        }
        if packages.is_empty() {
            return Err(Failure::new(format!(
                "Could not detect a supported package manager from the following list: {}",
                asked.join(", ")
            )));
        }
        let mut check = Check::unchanged();
        check.outcome.facts.insert("packages".into(), packages.into());
        Ok(check)
    }
}

fn from_dpkg(view: &View<'_>) -> Map<String, Value> {
    let packages = Packages::of_host(view);
    let told = packages.iter().map(|(name, installed)| {
        let each = installed.iter().map(|package| {
            json!({
                "name": name,
                "version": package.version,
                "arch": package.architecture,
                "category": package.section,
                "origin": "",
                "source": "apt",
            })
        });
        (name.clone(), each.collect())
    });
    told.collect()
}

fn from_rpm(view: &View<'_>) -> Result<Map<String, Value>, Failure> {
    let format = "%{NAME}\t%{VERSION}\t%{RELEASE}\t%{EPOCHNUM}\t%{ARCH}\n";
    let asked = view.ask("rpm", &["-qa", "--qf", format]);
    let text = asked.map_err(|error| Failure::new(format!("cannot run `rpm`: {error}")))?.out();
    let mut packages: Map<String, Value> = Map::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, version, release, epoch, arch] = fields[..] else { continue };
        let epoch: Value =
            epoch.parse::<u64>().ok().filter(|epoch| *epoch > 0).map_or(Value::Null, Value::from);
        let package = json!({"name": name, "version": version, "release": release, "epoch": epoch, "arch": arch, "source": "rpm"});
        match packages.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(all) => all.push(package),
            _ => continue,
        }
    }
    Ok(packages)
}
