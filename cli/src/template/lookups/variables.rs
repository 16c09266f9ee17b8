//! Lookups of variables and hosts by name.

use minijinja::{Error, Value};

use super::Table;
use crate::template::args::Args;
use crate::template::error::{FailureKind, TemplateError, carry};
use crate::template::filters::regex;
use crate::template::python;
use crate::vars::Scope;

pub(super) const TABLE: Table =
    &[("inventory_hostnames", inventory_hostnames), ("varnames", variable_names), ("vars", variables)];

fn variables(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let default = args.named("default");
    let one = |term: &Value| {
        let Some(name) = term.as_str().map(str::to_owned) else {
            let kind = crate::template::type_name(term);
            return Err(args.refuse(format!("Variable name must be 'str' not '{kind}'.")));
        };
        match (scope.get(&name), &default) {
            (Ok(Some(value)), _) => Ok(value),
            (Ok(None), Some(default)) => Ok(default.clone()),
            (Err(err), Some(default)) if err.is_undefined() => Ok(default.clone()),
            (Err(err), _) => Err(carry(err)),
            (Ok(None), None) => {
                let kind = FailureKind::Undefined { name: name.clone() };
                Err(carry(TemplateError::new(kind, format!("No variable named '{name}' was found."))))
            }
        }
    };
    terms.iter().map(one).collect()
}

fn variable_names(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let mut found = Vec::new();
    for term in terms {
        let Some(text) = term.as_str() else {
            let given = crate::template::repr(term);
            return Err(args.refuse(format!("Invalid setting identifier, {given} is not a string")));
        };
        if text.starts_with(['*', '+', '?']) {
            // Python's own words for what Rust's engine takes for a literal.
            let why =
                format!("Unable to use \"{text}\" as a search parameter: nothing to repeat at position 0");
            return Err(args.refuse(why));
        }
        let pattern = regex::compile(text, regex::Options::default())?;
        let names = scope.all_names();
        found.extend(names.into_iter().filter(|name| pattern.is_match(name.as_str()).unwrap_or(false)));
    }
    Ok(found.into_iter().map(Value::from).collect())
}

/// The hosts that patterns such as `web*:!db:&prod` name, in the order of the inventory.
fn inventory_hostnames(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let mut chosen: Vec<String> = Vec::new();
    let patterns: Vec<String> = terms
        .iter()
        .flat_map(|term| {
            let text = python::text(term);
            text.split([':', ',']).map(|part| part.trim().to_owned()).collect::<Vec<_>>()
        })
        .filter(|part| !part.is_empty())
        .collect();
    // As in Ansible: all that add come first, then those that narrow, then those that take away.
    let order = |pattern: &String| match pattern.chars().next() {
        Some('&') => 1,
        Some('!') => 2,
        _ => 0,
    };
    let mut sorted = patterns;
    sorted.sort_by_key(order);
    for pattern in &sorted {
        let named =
            named_by(scope, pattern.trim_start_matches(['&', '!'])).map_err(|err| args.refuse(err))?;
        match order(pattern) {
            0 => chosen.extend(named.into_iter().filter(|host| !chosen.contains(host)).collect::<Vec<_>>()),
            1 => chosen.retain(|host| named.contains(host)),
            _ => chosen.retain(|host| !named.contains(host)),
        }
    }
    Ok(chosen.into_iter().map(Value::from).collect())
}

/// Hosts whose name, or one of whose groups, fits.
fn named_by(scope: &Scope, pattern: &str) -> Result<Vec<String>, String> {
    let groups = &scope.play().groups;
    let expression = match pattern.strip_prefix('~') {
        Some(expression) => expression.to_owned(),
        None => super::files::expression(pattern),
    };
    let regex = regex::compile(&expression, regex::Options::default()).map_err(|err| err.to_string())?;
    let fits = |name: &str| regex.is_match(name).unwrap_or(false);
    let mut found: Vec<String> = Vec::new();
    let all = groups.get("all").into_iter().flatten().filter(|host| fits(host));
    let in_groups = groups.iter().filter(|(group, _)| fits(group)).flat_map(|(_, hosts)| hosts);
    for host in in_groups.chain(all) {
        if !found.contains(host) {
            found.push(host.clone());
        }
    }
    Ok(found)
}
