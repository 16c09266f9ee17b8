//! Inventories that a program prints: `PROGRAM --list` gives groups as JSON, and the variables of hosts in
//! `_meta.hostvars` or by `PROGRAM --host NAME`.

use super::Inventory;
use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use crate::load::Reader;
use crate::source::SourceFile;
use crate::yaml::{Kind, Node};
use indexmap::IndexSet;
use std::path::Path;
use std::process::Command;

/// Runs the program and adds what it prints to the inventory.
pub(super) fn read(path: &Path, inventory: &mut Inventory, reader: &Reader) -> Result<()> {
    let output = run(path, &["--list"], reader)?;
    let Some(groups) = output.as_map() else {
        let found = output.describe();
        return Err(Diagnostic::error(format!(
            "`{} --list` printed no mapping, but {found}",
            path.display()
        ))
        .at(&output.span.first_line(), "expected a mapping of groups")
        .into());
    };
    let mut mistakes = Diagnostics::default();
    let mut hosts = IndexSet::new();
    for (name, group) in groups.iter().filter(|(name, _)| name.as_str() != Some("_meta")) {
        if let Some(more) = mistakes.collect(add_group(&name.key_text(), group, inventory)) {
            hosts.extend(more);
        }
    }
    let known_vars = output.get("_meta").and_then(|meta| meta.get("hostvars"));
    for host in hosts {
        let vars = match known_vars {
            Some(all) => Ok(all.get(&host).cloned()),
            None => run(path, &["--host", &host], reader).map(Some),
        };
        let vars = mistakes.collect(vars).flatten();
        for (name, value) in vars.iter().filter_map(Node::as_map).flat_map(|vars| vars.iter()) {
            inventory.set_host_var(&host, &name.key_text(), value.clone());
        }
    }
    mistakes.or_value(())
}

/// Adds a group; gives the hosts that it names. A bare list is its hosts.
fn add_group(name: &str, group: &Node, inventory: &mut Inventory) -> Result<Vec<String>, Diagnostic> {
    inventory.add_group(name, Some(&group.span));
    let is_bare = group.as_seq().is_some();
    let hosts = if is_bare { Some(group) } else { group.get("hosts") };
    let hosts: Vec<String> = texts(name, "hosts", hosts)?;
    for host in &hosts {
        inventory.add_host(host, name, Some(&group.span));
    }
    for child in texts(name, "children", group.get("children"))? {
        inventory.add_child(name, &child).map_err(|_| {
            Diagnostic::error(format!("group `{child}` cannot be below itself"))
                .at(&group.span.first_line(), "")
        })?;
    }
    for (variable, value) in group.get("vars").and_then(Node::as_map).iter().flat_map(|vars| vars.iter()) {
        inventory.set_group_var(name, &variable.key_text(), value.clone())?;
    }
    Ok(hosts)
}

fn texts(group: &str, part: &str, list: Option<&Node>) -> Result<Vec<String>, Diagnostic> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let items = match &list.kind {
        Kind::Seq(items) => items,
        _ => {
            let found = list.describe();
            return Err(Diagnostic::error(format!("`{part}` of group `{group}` is a list, found {found}"))
                .at(&list.span.first_line(), ""));
        }
    };
    Ok(items.iter().filter_map(Node::scalar_text).map(|text| text.into_owned()).collect())
}

fn run(path: &Path, args: &[&str], reader: &Reader) -> Result<Node> {
    let shown = format!("{} {}", path.display(), args.join(" "));
    let failed = |why: String| Diagnostic::error(format!("inventory program `{shown}` failed")).cause(why);
    let output = Command::new(path)
        .args(args)
        .output()
        .map_err(|cause| failed(cause.to_string()).exits_with(Exit::Unexpected))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let why = format!("{}: {}", output.status, said.trim());
        return Err(failed(why).exits_with(Exit::Unexpected).into());
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|_| failed("it printed something else than text in UTF-8".into()))?;
    reader.parse(&SourceFile::new(shown, text))
}
