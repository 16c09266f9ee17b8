//! `postgresql_ping` and `postgresql_info`: whether the server can be used, and what it tells of itself.

use super::session::{Session, text};
use super::{Args, Check, Failure, Module};
use crate::worker::View;
use serde_json::{Map, Value, json};

pub(in super::super) struct Ping;
pub(in super::super) struct Info;

const VERSION: &str = "SELECT current_setting('server_version_num') AS number, version() AS raw, \
                       current_setting('server_version') AS full";

impl Module for Ping {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let session = Session::of(args, args.text("login_db").unwrap_or("postgres"), view)?;
        let told = Check::unchanged();
        Ok(match session.ask(VERSION, view) {
            Ok(rows) => told
                .with("is_available", true)
                .with("conn_err_msg", "")
                .with("server_version", rows.first().map(version).unwrap_or_default()),
            // In a plan, an earlier step may bring the server.
            Err(failure) if view.is_check() && view.overlay().has_new_packages() => return Err(failure),
            Err(failure) => told
                .with("is_available", false)
                .with("conn_err_msg", failure.msg)
                .with("server_version", json!({})),
        })
    }
}

fn version(row: &Map<String, Value>) -> Value {
    let number: u64 = text(row, "number").parse().unwrap_or(0);
    let full = text(row, "full").split_whitespace().next().unwrap_or("").to_owned();
    json!({"raw": text(row, "raw"), "full": full, "major": number / 10_000, "minor": number % 10_000})
}

/// The parts that need no more than a query, and the column that names each row.
const PARTS: [(&str, &str, &str); 7] = [
    (
        "databases",
        "name",
        "SELECT d.datname AS name, pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS encoding, \
         d.datcollate AS collate, d.datctype AS ctype, coalesce(array_to_string(d.datacl, E'\\n'), '') AS access_priv, \
         pg_database_size(d.datname)::text AS size FROM pg_database d WHERE d.datallowconn",
    ),
    (
        "roles",
        "name",
        "SELECT rolname AS name, rolsuper AS superuser, rolcanlogin AS canlogin, coalesce(rolvaliduntil::text, '') AS valid_until, \
         ARRAY(SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON m.roleid = g.oid WHERE m.member = r.oid) AS member_of \
         FROM pg_roles r",
    ),
    (
        "settings",
        "name",
        "SELECT name, setting, coalesce(unit, '') AS unit, context, vartype, boot_val, min_val, max_val, coalesce(sourcefile, '') AS sourcefile, \
         pending_restart, current_setting(name) AS pretty_val FROM pg_settings",
    ),
    (
        "tablespaces",
        "name",
        "SELECT spcname AS name, pg_get_userbyid(spcowner) AS spcowner, spcacl::text AS spcacl, spcoptions AS spcoptions FROM pg_tablespace",
    ),
    (
        "replications",
        "pid",
        "SELECT pid::text AS pid, usename, application_name AS app_name, client_addr::text AS client_addr, client_hostname, \
         backend_start::text AS backend_start, state FROM pg_stat_replication",
    ),
    (
        "repl_slots",
        "slot_name",
        "SELECT slot_name, plugin, slot_type, database, active FROM pg_replication_slots",
    ),
    (
        "extensions",
        "name",
        "SELECT e.extname AS name, e.extversion AS version, n.nspname AS schema, obj_description(e.oid, 'pg_extension') AS description \
         FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace",
    ),
];

impl Module for Info {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let session = Session::of(args, args.text("login_db").unwrap_or("postgres"), view)?;
        let filter = args.list("filter").unwrap_or_default();
        let is_wanted = |part: &str| {
            let refused =
                filter.iter().any(|word| word.strip_prefix('!').is_some_and(|word| is_part(word, part)));
            let named = filter.iter().any(|word| !word.starts_with('!'));
            !refused && (!named || filter.iter().any(|word| is_part(word, part)))
        };
        let mut check = Check::unchanged();
        let row = session.ask(VERSION, view)?.into_iter().next().unwrap_or_default();
        if is_wanted("version") {
            check = check.with("version", version(&row));
        }
        for (part, key, query) in PARTS.iter().filter(|(part, _, _)| is_wanted(part)) {
            let rows = session.ask(query, view)?;
            check = check.with(part, by_name(rows, key));
        }
        if is_wanted("settings") {
            let pending =
                check.outcome.result.get("settings").and_then(Value::as_object).into_iter().flatten();
            let is_pending = |setting: &Value| setting["pending_restart"] == json!(true);
            let pending: Vec<String> =
                pending.filter(|(_, setting)| is_pending(setting)).map(|(name, _)| name.clone()).collect();
            check = check.with("pending_restart_settings", pending);
        }
        if is_wanted("in_recovery") {
            let rows = session.ask("SELECT pg_is_in_recovery() AS it", view)?;
            check = check.with("in_recovery", rows.first().map_or(Value::Null, |row| row["it"].clone()));
        }
        Ok(check)
    }
}

/// `repl*` is a pattern, as in the filter of `setup`.
fn is_part(word: &str, part: &str) -> bool {
    let word = if word == "ver" { "version" } else { word };
    word.strip_suffix('*').map_or(word == part, |start| part.starts_with(start))
}

fn by_name(rows: Vec<Map<String, Value>>, key: &str) -> Value {
    let pair = |mut row: Map<String, Value>| {
        let name = row.remove(key)?.as_str()?.to_owned();
        Some((name, Value::Object(row)))
    };
    Value::Object(rows.into_iter().filter_map(pair).collect())
}
