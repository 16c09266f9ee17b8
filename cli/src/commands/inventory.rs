//! `muster inventory`: hosts, groups and their variables, as ansible-inventory shows them.

use super::basis::{Basis, tell, tell_warnings};
use crate::args::InventoryArgs;
use crate::error::{Diagnostic, Result};
use crate::exit::Exit;
use crate::inventory::Tolerance;
use crate::inventory::{Shown, graph, list};
use crate::report::text::indented;
use crate::run::inventory_vars;
use crate::template::{Engine, Value, to_json};
use crate::vars::{Definition, Level, PlayInfo, Scope, ScopeInputs, VariableOrigin};
use indexmap::IndexSet;
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// Runs `muster inventory`.
pub(crate) fn run(args: InventoryArgs) -> Exit {
    go(&args).unwrap_or_else(|mistakes| tell(&mistakes))
}

fn go(args: &InventoryArgs) -> Result<Exit> {
    if !args.list && !args.graph && args.host.is_none() && !args.origin {
        let mistake = Diagnostic::error(
            "No action selected, at least one of --host, --graph or --list needs to be specified.",
        );
        return Err(mistake.exits_with(Exit::WrongUse).into());
    }
    let basis = Basis::read(
        &args.hosts,
        &args.vault,
        &args.extra_vars,
        args.playbook_dir.as_deref(),
        Tolerance::All,
    )?;
    tell_warnings(&basis.reader);
    let text = match (&args.host, args.graph) {
        _ if args.origin => origins(args, &basis)?,
        (Some(host), _) => printed(args, &Json::Object(of_host(args, &basis, host)?)),
        (None, true) => tree(args, &basis)?,
        (None, false) => printed(args, &listed(args, &basis)),
    };
    match &args.output_file {
        None => println!("{text}"),
        Some(file) => std::fs::write(file, text + "\n").map_err(|cause| {
            Diagnostic::error(format!("could not write `{}`", file.display()))
                .cause(cause)
                .exits_with(Exit::Unexpected)
        })?,
    }
    Ok(Exit::Fine)
}

fn printed(args: &InventoryArgs, value: &Json) -> String {
    match value {
        _ if args.yaml => serde_yaml::to_string(value).unwrap_or_default().trim_end().to_owned(),
        Json::Object(map) => indented(map),
        other => other.to_string(),
    }
}

fn listed(args: &InventoryArgs, basis: &Basis) -> Json {
    let all: IndexSet<String> = basis.inventory.hosts.keys().cloned().collect();
    let available = basis.limit.clone().unwrap_or(all);
    list(&basis.inventory, &available, |host| vars(args, basis, host))
}

fn of_host(args: &InventoryArgs, basis: &Basis, host: &str) -> Result<Map<String, Json>> {
    if basis.inventory.host(host).is_none() {
        let why = format!("Could not match supplied host pattern, ignoring: {host}");
        let next = basis.inventory.did_you_mean(host).unwrap_or_else(|| "`--list` shows all hosts".into());
        return Err(Diagnostic::error(why).hint(next).exits_with(Exit::WrongUse).into());
    }
    Ok(vars(args, basis, host))
}

fn tree(args: &InventoryArgs, basis: &Basis) -> Result<String> {
    let top = args.group.as_deref().unwrap_or("all");
    if !basis.inventory.groups.contains_key(top) {
        let why = format!("Pattern must be valid group name when using --graph: there is no group `{top}`");
        let mistake = Diagnostic::error(why).maybe_hint(basis.inventory.did_you_mean(top));
        return Err(mistake.exits_with(Exit::WrongUse).into());
    }
    let lines = graph(&basis.inventory, top, |shown| match shown {
        _ if !args.vars => Vec::new(),
        Shown::Host(host) => entries(&vars(args, basis, host)),
        Shown::Group(group) => {
            let vars = group.vars.iter().map(|(name, node)| (name.clone(), node.to_json()));
            entries(&vars.collect())
        }
    });
    Ok(lines.join("\n"))
}

/// Each variable of a host, or of all hosts, with its value and where that comes from.
fn origins(args: &InventoryArgs, basis: &Basis) -> Result<String> {
    let hosts: Vec<String> = match &args.host {
        Some(host) => {
            of_host(args, basis, host)?;
            vec![host.clone()]
        }
        None => basis.select("all")?,
    };
    let mut lines = Vec::new();
    let mut all = Map::new();
    for host in &hosts {
        let scope = scope(basis, host);
        let origins = scope.names().into_iter().filter_map(|name| VariableOrigin::of(&scope, &name));
        let of_inventory = |origin: &VariableOrigin| {
            let level = origin.definitions.first().map(|definition| definition.level);
            level.is_some_and(|level| level <= Level::PlaybookHostVars || level == Level::ExtraVars)
        };
        let origins: Vec<VariableOrigin> = origins.filter(of_inventory).collect();
        lines.push(format!("{host}:"));
        for origin in &origins {
            let value = origin.value.as_deref().unwrap_or("(needs what is not known here)");
            let value = basis.store.secrets().mask(value).into_owned();
            lines.push(format!("  {} = {value}", origin.name));
            lines.push(format!("      {}", origin.place()));
            let lost = origin.definitions.iter().skip(1).filter(|_| args.verbose > 0);
            lines.extend(lost.map(|definition| {
                let written = definition.written.as_deref().unwrap_or("a list or mapping");
                format!("      over {}: {}", basis.store.secrets().mask(written), definition.shown())
            }));
        }
        let entries = origins.iter().map(|origin| (origin.name.clone(), origin_json(basis, origin)));
        all.insert(host.clone(), Json::Object(entries.collect()));
    }
    Ok(if args.yaml { printed(args, &Json::Object(all)) } else { lines.join("\n") })
}

fn origin_json(basis: &Basis, origin: &VariableOrigin) -> Json {
    let definition = |definition: &Definition| {
        serde_json::json!({
            "place": definition.place.as_ref().map(ToString::to_string),
            "level": definition.level.number(),
            "of": definition.level.description(),
        })
    };
    serde_json::json!({
        "value": origin.value.as_deref().map(|value| basis.store.secrets().mask(value)),
        "definitions": origin.definitions.iter().map(definition).collect::<Vec<_>>(),
    })
}

fn entries(vars: &Map<String, Json>) -> Vec<String> {
    vars.iter().map(|(name, value)| format!("{{{name} = {}}}", crate::report::json_text(value))).collect()
}

/// The variables of a host as the inventory has them: templates stay as they are written.
fn vars(args: &InventoryArgs, basis: &Basis, host: &str) -> Map<String, Json> {
    let scope = scope(basis, host);
    let mut vars = Map::new();
    for name in scope.names() {
        let Some((level, var)) = scope.definition(&name) else { continue };
        // `ansible-inventory` shows what belongs to the inventory, and `-e`.
        if level <= Level::PlaybookHostVars || level == Level::ExtraVars {
            vars.insert(name.clone(), shown(&scope, &name, &var.data, args));
        }
    }
    vars
}

fn scope(basis: &Basis, host: &str) -> Scope {
    Scope::new(ScopeInputs {
        engine: &Arc::new(Engine::new()),
        store: &basis.store,
        host: Some(host),
        play: &Arc::new(PlayInfo {
            groups: Arc::new(inventory_vars::groups(&basis.inventory)),
            ..PlayInfo::default()
        }),
        role: None,
        search: Arc::default(),
        layers: Vec::new(),
    })
}

fn shown(scope: &Scope, name: &str, data: &crate::vars::Data, args: &InventoryArgs) -> Json {
    use crate::vars::Data;
    match data {
        Data::Plain(value) => to_json(value),
        Data::Text(node) => node.to_json(),
        // A secret is not shown unless it can be decrypted, which is what the passwords were given for.
        Data::Sealed(_) if !args.export => {
            scope.get(name).ok().flatten().map_or(Json::Null, |value: Value| to_json(&value))
        }
        Data::Sealed(node) => serde_json::json!({"__ansible_vault": node.as_str()}),
        Data::List(items) => items.iter().map(|item| shown(scope, name, item, args)).collect(),
        Data::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, item)| (crate::template::text_of(key), shown(scope, name, item, args)));
            Json::Object(entries.collect())
        }
    }
}
