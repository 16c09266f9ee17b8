//! `dpkg_selections`: what dpkg shall do with a package.

use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, Prediction, View};
use muster_api::diff::{Change, Diff};

pub(super) struct DpkgSelections;

impl Module for DpkgSelections {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let (name, wanted) = (args.needed("name")?, args.needed("selection")?);
        let asked = view.ask("dpkg", &["--get-selections", name]);
        let asked = asked.map_err(|error| Failure::missing(format!("cannot run `dpkg`: {error}")))?;
        let text = asked.out();
        let told = view.overlay().thing(KIND, name).flatten();
        let Some(known) = told.or_else(|| text.split_whitespace().nth(1)) else {
            return Err(Failure::missing(format!(
                "Failed to find package '{name}' to perform selection '{wanted}'."
            )));
        };
        let check = if known == wanted { Check::unchanged() } else { select(name, known, wanted) };
        Ok(check.with("before", known).with("after", wanted))
    }
}

const KIND: &str = "dpkg selection";

fn select(name: &str, known: &str, wanted: &str) -> Check {
    let command = Command::new("dpkg", &["--set-selections"]).fed(format!("{name} {wanted}\n"));
    let change = Change::Attribute {
        attribute: "selection".into(),
        before: Some(known.to_owned()),
        after: Some(wanted.to_owned()),
    };
    let diff = Diff { kind: "package".into(), name: name.to_owned(), changes: vec![change] };
    Check::change(
        diff,
        vec![Operation::Run {
            command,
            brings: vec![Prediction::Thing {
                kind: KIND,
                name: name.to_owned(),
                state: Some(wanted.to_owned()),
            }],
        }],
    )
}
