//! `timezone`: the host's time zone.

use super::{Args, Check, Failure, Module};
use crate::worker::{Attributes, Operation, Put, View};
use muster_api::diff::{Change, Diff};
use std::path::{Path, PathBuf};

pub(super) struct Timezone;

const ZONES: &str = "/usr/share/zoneinfo";
const LINK: &str = "/etc/localtime";
/// Debian's own record of it.
const FILE: &str = "/etc/timezone";

impl Module for Timezone {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        let zone = Path::new(ZONES).join(name);
        if name.contains("..") || !matches!(view.stat(&zone), Ok(Some(stat)) if stat.is_file()) {
            return Err(Failure::missing(format!(
                "there is no time zone `{name}` on this host; names are like `Europe/Berlin`, and package tzdata brings them"
            )));
        }
        let now = current(view);
        let written = view.text(FILE);
        let mut operations = Vec::new();
        if now.as_deref() != Some(name) {
            operations.push(Operation::Symlink { path: LINK.into(), target: zone });
        }
        if !written.is_empty() && written.trim() != name {
            operations.push(Operation::Put(Put {
                path: FILE.into(),
                content: format!("{name}\n").into_bytes().into(),
                attributes: Attributes::default(),
                validate: None,
                may_write_in_place: false,
            }));
        }
        if operations.is_empty() {
            return Ok(Check::unchanged());
        }
        let change =
            Change::Attribute { attribute: "name".into(), before: now, after: Some(name.to_owned()) };
        Ok(Check::change(
            Diff { kind: "timezone".into(), name: name.to_owned(), changes: vec![change] },
            operations,
        ))
    }
}

fn current(view: &View<'_>) -> Option<String> {
    let target = view.lstat(Path::new(LINK)).ok()??.target?;
    let target: PathBuf = if target.is_absolute() { target } else { Path::new("/etc").join(target) };
    let text = target.to_string_lossy().into_owned();
    text.split_once("zoneinfo/").map(|(_, name)| name.to_owned())
}
