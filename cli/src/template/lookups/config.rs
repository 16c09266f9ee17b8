//! The lookup `config`: settings by Ansible's names.

use minijinja::{Error, Value};

use super::Table;
use crate::settings::PluginOption;
use crate::template::args::Args;
use crate::template::{from_json, python};
use crate::vars::Scope;
use serde_json::Value as Json;

pub(super) const TABLE: Table = &[("config", config)];

/// What a setting that nobody knows gives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnMissing {
    Fail,
    Warn,
    Skip,
}

fn config(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let option = |args: &mut Args, name: &str| args.named(name).filter(|value| !value.is_none());
    let on_missing = match option(args, "on_missing").map(|value| python::text(&value)).as_deref() {
        None | Some("error") => OnMissing::Fail,
        Some("warn") => OnMissing::Warn,
        Some("skip") => OnMissing::Skip,
        Some(other) => {
            return Err(args.refuse(format!(
                "Invalid value '{other}' for `on_missing`: it is 'error', 'warn' or 'skip'"
            )));
        }
    };
    let shows_origin = args.named("show_origin").is_some_and(|value| value.is_true());
    let plugin = (option(args, "plugin_type"), option(args, "plugin_name"));
    let mut found = Vec::new();
    for term in terms {
        let Some(name) = term.as_str() else {
            let given = crate::template::repr(term);
            return Err(args.refuse(format!("Invalid setting identifier, \"{given}\" is not a string")));
        };
        match (setting(scope, name, &plugin, args)?, on_missing) {
            (Some((value, origin)), _) if shows_origin => {
                found.push(Value::from(vec![from_json(&value), Value::from(origin)]));
            }
            (Some((value, _)), _) => found.push(from_json(&value)),
            (None, OnMissing::Skip) => {}
            (None, OnMissing::Warn) => {
                anstream::eprintln!("[WARNING]: Skipping, did not find setting {name}")
            }
            (None, OnMissing::Fail) => {
                return Err(args.refuse(format!("No config definition exists for '{name}'")));
            }
        }
    }
    Ok(found)
}

/// The value of a setting, and where it is from: variables of the host come before what is configured for a plugin.
fn setting(
    scope: &Scope,
    name: &str,
    plugin: &(Option<Value>, Option<Value>),
    args: &Args,
) -> Result<Option<(Json, String)>, Error> {
    let settings = &scope.play().settings;
    let (kind, plugin) = match plugin {
        (None, None) => return Ok(settings.named(name)),
        (Some(kind), Some(plugin)) => (python::text(kind), python::text(plugin)),
        _ => {
            return Err(args
                .refuse("Both plugin_type and plugin_name are required, cannot use one without the other"));
        }
    };
    if PluginOption::knows(&kind, &plugin) {
        return of_plugin(scope, PluginOption::find(&kind, &plugin, name));
    }
    if kind != "become" {
        let why = format!("Unable to load {kind} plugin `{plugin}`: its settings are not known");
        return Err(
            args.refuse(format!("{why}; those of the connection `ssh`, the shell `sh` and `become` are"))
        );
    }
    let variable = format!("ansible_{name}");
    match scope.get(&variable).map_err(crate::template::error::carry)? {
        Some(value) => Ok(Some((crate::template::to_json(&value), format!("var: {variable}")))),
        None => Ok(settings.of_become(&plugin, name)),
    }
}

type Found = Option<(Json, String)>;

/// Variables come before what is configured, the last one first.
fn of_plugin(scope: &Scope, option: Option<&PluginOption>) -> Result<Found, Error> {
    let Some(option) = option else { return Ok(None) };
    for variable in option.variables.iter().rev() {
        if let Some(value) = scope.get(variable).map_err(crate::template::error::carry)? {
            let value =
                value.as_str().map_or_else(|| crate::template::to_json(&value), |text| option.read(text));
            return Ok(Some((value, format!("var: {variable}"))));
        }
    }
    Ok(Some(scope.play().settings.of_plugin(option)))
}
