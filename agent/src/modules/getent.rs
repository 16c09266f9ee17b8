//! `getent`: entries of the host's name service, as facts.

use super::{Args, Check, Failure, Module};
use crate::worker::View;
use crate::worker::accounts::{Group, User};
use serde_json::{Map, Value};

pub(super) struct Getent;

impl Module for Getent {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let database = args.needed("database")?;
        let key = args.text("key");
        let mut words = vec![database];
        words.extend(key);
        words.extend(args.text("service").into_iter().flat_map(|service| ["-s", service]));
        let asked = view
            .ask("getent", &words)
            .map_err(|error| Failure::missing(format!("cannot run `getent`: {error}")))?;
        let separator = separator(args, database);
        let (rc, text) = foreseen(database, key, asked.rc, asked.out(), view);
        let (entries, msg) = match rc {
            0 => (entries(&text, separator), None),
            1 => return Err(Failure::new("Missing arguments, or database unknown.")),
            2 => {
                let msg = "One or more supplied key could not be found in the database.";
                if args.choice("fail_key") != Some(false) {
                    return Err(Failure::new(msg));
                }
                (key.map(|key| (key.to_owned(), Value::Null)).into_iter().collect(), Some(msg))
            }
            3 => return Err(Failure::new("Enumeration not supported on this database.")),
            _ => return Err(Failure::new("Unexpected failure!")),
        };
        let mut check = Check::unchanged();
        check.outcome.facts.insert(format!("getent_{database}"), entries.into());
        Ok(match msg {
            Some(msg) => check.with("msg", msg),
            None => check,
        })
    }
}

/// What the name service would say once earlier steps of the plan are done: they may add and remove users and groups.
fn foreseen(database: &str, key: Option<&str>, rc: i32, said: String, view: &View<'_>) -> (i32, String) {
    let user = |user: &User| {
        let User { name, uid, gid, comment, home, shell } = user;
        format!("{name}:x:{uid}:{gid}:{comment}:{home}:{shell}")
    };
    let group = |group: &Group| format!("{}:x:{}:{}", group.name, group.gid, group.members.join(","));
    let overlay = view.overlay();
    let predicted: Vec<(&String, Option<String>)> = match database {
        "passwd" => overlay.users().iter().map(|(name, there)| (name, there.as_ref().map(user))).collect(),
        "group" => overlay.groups().iter().map(|(name, there)| (name, there.as_ref().map(group))).collect(),
        _ => Vec::new(),
    };
    if predicted.is_empty() || !matches!(rc, 0 | 2) {
        return (rc, said);
    }
    let is_known =
        |line: &&str| predicted.iter().any(|(name, _)| line.split(':').next() == Some(name.as_str()));
    let mut lines: Vec<String> = said.lines().filter(|line| !is_known(line)).map(str::to_owned).collect();
    let is_asked =
        |line: &String| key.is_none_or(|key| line.split(':').step_by(2).take(2).any(|field| field == key));
    lines.extend(predicted.into_iter().filter_map(|(_, line)| line).filter(is_asked));
    let rc = if lines.is_empty() && key.is_some() { 2 } else { 0 };
    (rc, lines.join("\n"))
}

/// What stands between fields: the task's word, or what the database is known to have; `None` is blanks.
fn separator<'a>(args: &Args<'a>, database: &str) -> Option<&'a str> {
    let has_colons = matches!(database, "passwd" | "shadow" | "group" | "gshadow");
    args.text("split").or(has_colons.then_some(":"))
}

/// The first field is the key; a key that comes again has a list of entries.
fn entries(text: &str, separator: Option<&str>) -> Map<String, Value> {
    let mut seen: Map<String, Value> = Map::new();
    let mut repeated: Vec<String> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = match separator {
            Some(separator) => line.split(separator).collect(),
            None => line.split_whitespace().collect(),
        };
        let Some((key, rest)) = fields.split_first() else { continue };
        let rest = Value::from(rest.to_vec());
        match seen.get_mut(*key) {
            None => drop(seen.insert((*key).to_owned(), rest)),
            Some(Value::Array(list)) if repeated.iter().any(|known| known == key) => list.push(rest),
            Some(known) => {
                *known = Value::Array(vec![known.take(), rest]);
                repeated.push((*key).to_owned());
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn entries_are_facts_by_their_first_field() {
        let outcome = Trial::new("getent").is_silent(json!({"database": "passwd", "key": "root"}));
        assert_eq!(outcome.facts["getent_passwd"]["root"][1], "0");
        let entries = super::entries("1.2.3.4 a\n1.2.3.4 b\n::1 c\n", None);
        assert_eq!(serde_json::Value::from(entries), json!({"1.2.3.4": [["a"], ["b"]], "::1": ["c"]}));
    }

    #[test]
    fn accounts_of_earlier_steps_are_found() {
        let view_of = |step: serde_json::Value| {
            let trial = Trial::new("getent");
            trial.foresee_group("muster-new", 59_124);
            trial.plan(step)
        };
        let outcome = view_of(json!({"database": "group", "key": "muster-new"}));
        assert_eq!(outcome.facts["getent_group"]["muster-new"][1], "59124");
        assert!(view_of(json!({"database": "group", "key": "muster-none"})).failed);
    }

    #[test]
    fn missing_key_fails_unless_it_may_be_missing() {
        let trial = Trial::new("getent");
        assert!(trial.refuse(json!({"database": "passwd", "key": "no-such"})).contains("could not be found"));
        let outcome = trial.is_silent(json!({"database": "passwd", "key": "no-such", "fail_key": false}));
        assert_eq!(outcome.facts["getent_passwd"]["no-such"], json!(null));
    }
}
