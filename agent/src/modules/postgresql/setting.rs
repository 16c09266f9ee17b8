//! `postgresql_set`: a parameter of the server, by `ALTER SYSTEM`. What postgresql.auto.conf has is what counts: a parameter that
//! waits for a restart of the server is set already.

use super::session::{Row, Session, identifier, literal, text};
use super::{Args, Check, Failure, Module, attribute, diff};
use crate::worker::{Operation, Prediction, View};
use serde_json::json;

pub(in super::super) struct Setting;

const KIND: &str = "postgresql setting";

impl Module for Setting {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?.to_lowercase();
        let session = Session::of(args, args.text("login_db").unwrap_or("postgres"), view)?;
        let Some(known) = known(&name, &session, view)? else {
            return Err(Failure::missing(format!(
                "No such parameter: {name}. Please check its spelling or presence in your PostgreSQL version (https://www.postgresql.org/docs/current/runtime-config.html)"
            )));
        };
        let context = text(&known, "context");
        if context == "internal" {
            return Err(Failure::new(format!(
                "{name} : cannot be changed (internal context). See https://www.postgresql.org/docs/current/runtime-config-preset.html"
            )));
        }
        let predicted = view.overlay().thing(KIND, &name);
        let file = predicted.unwrap_or_else(|| known.get("auto").and_then(|auto| auto.as_str()));
        let wanted = args.text("value").filter(|_| !args.flag("reset"));
        let is_right = match wanted {
            None => file.is_none(),
            Some(wanted) => is_same(wanted, file, &known, predicted.is_some()),
        };
        let needs_restart = context == "postmaster";
        let check = if is_right { Check::unchanged() } else { set(&name, wanted, file, &known, &session) };
        let mut check = check.with("name", name.as_str()).with("context", context);
        if check.outcome.changed && needs_restart {
            check.outcome.warnings.push(format!("Restart of PostgreSQL is required for setting {name}"));
        }
        let shown = text(&known, "shown");
        let value = json!({"value": text(&known, "setting"), "unit": known.get("unit")});
        Ok(check
            .with("prev_val_pretty", shown)
            .with("value_pretty", wanted.filter(|_| !is_right).unwrap_or(shown))
            .with("value", value)
            .with("restart_required", needs_restart && !is_right))
    }
}

fn known(name: &str, session: &Session, view: &View<'_>) -> Result<Option<Row>, Failure> {
    // The last line of postgresql.auto.conf counts; only superusers see the file.
    let auto = "(SELECT f.setting FROM pg_file_settings f WHERE lower(f.name) = lower(s.name) AND f.sourcefile LIKE '%postgresql.auto.conf' \
                ORDER BY f.seqno DESC LIMIT 1) AS auto";
    let query = |auto: &str| {
        format!(
            "SELECT s.name, s.setting, s.unit, s.context, s.vartype, s.boot_val, s.source, current_setting(s.name) AS shown, {auto} \
             FROM pg_settings s WHERE lower(s.name) = {}",
            literal(name)
        )
    };
    let rows = session.ask(&query(auto), view).or_else(|failure| match failure.is_missing {
        true => Err(failure),
        false => session.ask(&query("NULL::text AS auto"), view),
    })?;
    Ok(rows.into_iter().next())
}

/// Whether the value is in the file already, or in force from elsewhere.
fn is_same(wanted: &str, file: Option<&str>, known: &Row, is_predicted: bool) -> bool {
    let plain = |value: &str| plain(value, text(known, "vartype"), text(known, "unit"));
    match file {
        Some(file) => plain(file) == plain(wanted),
        None if is_predicted => false,
        None => plain(text(known, "shown")) == plain(wanted) || text(known, "setting") == wanted,
    }
}

/// A value in which units and spellings make no difference.
fn plain(value: &str, kind: &str, unit: &str) -> String {
    let value = value.trim().trim_matches('\'').to_lowercase();
    match kind {
        "bool" => match value.as_str() {
            "on" | "true" | "yes" | "1" => "on".to_owned(),
            "off" | "false" | "no" | "0" => "off".to_owned(),
            _ => value,
        },
        "integer" | "real" => number(&value, unit).map_or(value, |number| format!("{number}")),
        _ => value,
    }
}

/// In bytes or milliseconds, where there is a unit.
fn number(value: &str, unit: &str) -> Option<f64> {
    let end =
        value.find(|letter: char| !letter.is_ascii_digit() && !".-+".contains(letter)).unwrap_or(value.len());
    let (digits, written) = value.split_at(end);
    let number: f64 = digits.parse().ok()?;
    let unit = if written.trim().is_empty() { unit.to_lowercase() } else { written.trim().to_owned() };
    let (times, unit) = match unit.strip_prefix(|letter: char| letter.is_ascii_digit()) {
        // `8kB`, as blocks are counted.
        Some(rest) => (unit[..unit.len() - rest.len()].parse().ok()?, rest.to_owned()),
        None => (1.0, unit),
    };
    let factor = match unit.as_str() {
        "" | "b" | "ms" => 1.0,
        "kb" => 1024.0,
        "mb" => 1024.0 * 1024.0,
        "gb" => 1024.0 * 1024.0 * 1024.0,
        "tb" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "us" => 0.001,
        "s" => 1000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    Some(number * times * factor)
}

fn set(name: &str, wanted: Option<&str>, file: Option<&str>, known: &Row, session: &Session) -> Check {
    let statement = match wanted {
        // The server takes these as a list of names.
        Some(value) if is_list(name) => {
            let items: Vec<String> = value.split(',').map(|item| literal(item.trim())).collect();
            format!("ALTER SYSTEM SET {} = {}", identifier(name), items.join(", "))
        }
        Some(value) => format!("ALTER SYSTEM SET {} = {}", identifier(name), literal(value)),
        None => format!("ALTER SYSTEM RESET {}", identifier(name)),
    };
    let before = file.unwrap_or_else(|| text(known, "shown"));
    let after = wanted.unwrap_or_else(|| text(known, "boot_val"));
    let brings =
        vec![Prediction::Thing { kind: KIND, name: name.to_owned(), state: wanted.map(str::to_owned) }];
    let mut operations: Vec<Operation> = vec![session.operation_alone(&[statement], brings)];
    if text(known, "context") != "postmaster" {
        operations.push(session.operation_alone(&["SELECT pg_reload_conf()".to_owned()], Vec::new()));
    }
    Check::change(diff("setting", name, vec![attribute("value", before, after)]), operations)
}

fn is_list(name: &str) -> bool {
    matches!(
        name,
        "shared_preload_libraries"
            | "session_preload_libraries"
            | "local_preload_libraries"
            | "search_path"
            | "temp_tablespaces"
            | "unix_socket_directories"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_spellings_make_no_difference() {
        assert_eq!(plain("128MB", "integer", "8kB"), plain("16384", "integer", "8kB"));
        assert_eq!(plain("1min", "integer", "ms"), plain("60s", "integer", "ms"));
        assert_ne!(plain("1GB", "integer", "kB"), plain("1MB", "integer", "kB"));
        assert_eq!(plain("true", "bool", ""), "on");
        assert_eq!(plain("Replica", "enum", ""), "replica");
    }
}
