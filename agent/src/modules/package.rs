//! `package`: the host's own package manager.

use super::apt::Apt;
use super::dnf::Dnf;
use super::{Args, Check, Failure, Module};
use crate::worker::{Hands, View};
use muster_api::module::ArgProblem;
use muster_api::outcome::Outcome;
use serde_json::{Map, Value};

pub(super) struct Package;

impl Module for Package {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let (manager, values) = in_charge(args, view)?;
        manager.check(&Args { values: &values }, view)
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let (manager, values) = in_charge(args, &hands.view())?;
        manager.apply(&Args { values: &values }, check, hands)
    }
}

fn refusal(module: &str, problems: &[ArgProblem]) -> Failure {
    let sentences = problems.iter().map(|problem| match problem {
        ArgProblem::Unknown { name } => format!("Unsupported parameters for ({module}) module: {name}"),
        ArgProblem::Unsupported { name } => format!("`{module}`: the argument `{name}` is not supported"),
        ArgProblem::Missing { name } => format!("missing required arguments: {name}"),
        ArgProblem::BadValue { name, expected } => format!("`{module}`: `{name}` must be {expected}"),
        ArgProblem::Twice { name } => format!("`{module}`: `{name}` is given under two names"),
        ArgProblem::Rule { sentence, .. } => sentence.clone(),
    });
    Failure::new(sentences.collect::<Vec<_>>().join("; "))
}

/// The module for the host's package manager, and its arguments.
fn in_charge(args: &Args<'_>, view: &View<'_>) -> Result<(&'static dyn Module, Map<String, Value>), Failure> {
    let has = |program: &str| view.program(program).is_some();
    let (manager, name): (&dyn Module, _) = match args.text("use").unwrap_or("auto") {
        "apt" => (&Apt, "apt"),
        "dnf" | "dnf5" | "yum" => (&Dnf, "dnf"),
        _ if has("apt-get") => (&Apt, "apt"),
        _ if has("dnf5") || has("dnf") || has("yum") => (&Dnf, "dnf"),
        _ => {
            return Err(Failure::new(
                "this host has neither apt nor dnf, and muster knows no other package manager yet",
            ));
        }
    };
    let mut values = args.values.clone();
    values.remove("use");
    let spec = muster_api::module::find(name)
        .ok_or_else(|| Failure::new(format!("module `{name}` has no table")))?;
    let values = muster_api::module::coerce(spec, &values);
    let values = values.map_err(|problems| refusal(name, &problems))?;
    Ok((manager, values))
}
