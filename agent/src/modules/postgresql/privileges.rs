//! `postgresql_privs`: who may do what with which things. What is granted is read from the catalogs (`aclexplode`) and compared with
//! what the task asks for, so that a check knows without granting anything.

use super::session::{DATABASE, ROLE, Row, Session, identifier, literal, literals, qualified, text};
use super::{Args, Check, Failure, Module, diff};
use crate::worker::{Prediction, View};
use muster_api::diff::Change;
use std::collections::BTreeSet;

pub(in super::super) struct Privileges;

const KIND: &str = "postgresql privilege";

impl Module for Privileges {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let session = Session::of(args, args.needed("login_db")?, view)?;
        let task = Task::of(args, session, view)?;
        let check = match task.kind {
            "group" => task.members(view)?,
            "default_privs" => task.defaults(view)?,
            _ => task.things(view)?,
        };
        Ok(check)
    }
}

/// Where things of a kind are kept: the catalog, the columns of name, owner and privileges, the schema's, and the letter of `acldefault`.
struct Catalog {
    word: &'static str,
    table: &'static str,
    name: &'static str,
    owner: &'static str,
    acl: &'static str,
    schema: Option<&'static str>,
    letter: char,
    only: &'static str,
}

fn catalog(kind: &str) -> Option<Catalog> {
    let of = |word, table, prefix: [&'static str; 3], schema, letter, only| Catalog {
        word,
        table,
        name: prefix[0],
        owner: prefix[1],
        acl: prefix[2],
        schema,
        letter,
        only,
    };
    Some(match kind {
        "table" => of(
            "TABLE",
            "pg_class",
            ["relname", "relowner", "relacl"],
            Some("relnamespace"),
            'r',
            "relkind IN ('r','v','m','f','p')",
        ),
        "sequence" => of(
            "SEQUENCE",
            "pg_class",
            ["relname", "relowner", "relacl"],
            Some("relnamespace"),
            's',
            "relkind = 'S'",
        ),
        "function" => of(
            "FUNCTION",
            "pg_proc",
            ["proname", "proowner", "proacl"],
            Some("pronamespace"),
            'f',
            "prokind <> 'p'",
        ),
        "procedure" => of(
            "PROCEDURE",
            "pg_proc",
            ["proname", "proowner", "proacl"],
            Some("pronamespace"),
            'f',
            "prokind = 'p'",
        ),
        "type" => of("TYPE", "pg_type", ["typname", "typowner", "typacl"], Some("typnamespace"), 'T', "true"),
        "database" => of("DATABASE", "pg_database", ["datname", "datdba", "datacl"], None, 'd', "true"),
        "schema" => of("SCHEMA", "pg_namespace", ["nspname", "nspowner", "nspacl"], None, 'n', "true"),
        "language" => of("LANGUAGE", "pg_language", ["lanname", "lanowner", "lanacl"], None, 'l', "true"),
        "tablespace" => {
            of("TABLESPACE", "pg_tablespace", ["spcname", "spcowner", "spcacl"], None, 't', "true")
        }
        "foreign_data_wrapper" => of(
            "FOREIGN DATA WRAPPER",
            "pg_foreign_data_wrapper",
            ["fdwname", "fdwowner", "fdwacl"],
            None,
            'F',
            "true",
        ),
        "foreign_server" => {
            of("FOREIGN SERVER", "pg_foreign_server", ["srvname", "srvowner", "srvacl"], None, 'S', "true")
        }
        _ => return None,
    })
}

/// One privilege of one role on one thing, and whether it may be passed on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    thing: String,
    role: String,
    privilege: String,
    can_grant: bool,
}

/// Rows of a catalog, and how a thing is written there.
struct Selection {
    shown: String,
    table: &'static str,
    is_it: String,
}

impl Selection {
    fn names(&self) -> String {
        format!("SELECT {} AS thing FROM {} o WHERE {}", self.shown, self.table, self.is_it)
    }

    /// What is granted on them; a thing on which nothing was ever granted has the rights of its kind.
    fn grants(&self, catalog: &Catalog) -> String {
        let Catalog { acl, letter, owner, .. } = catalog;
        format!(
            "SELECT {} AS thing, coalesce(r.rolname, 'public') AS role, a.privilege_type AS privilege, a.is_grantable \
             FROM {} o, aclexplode(coalesce(o.{acl}, acldefault('{letter}', o.{owner}))) a \
             LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE {}",
            self.shown, self.table, self.is_it
        )
    }
}

impl Grant {
    fn is(&self, thing: &str, role: &str, privilege: &str) -> bool {
        self.thing == thing && self.role == role && self.privilege == privilege
    }
}

struct Task<'a> {
    kind: &'a str,
    is_present: bool,
    privileges: Vec<String>,
    things: Vec<String>,
    schema: &'a str,
    roles: Vec<String>,
    target_roles: Vec<String>,
    grant_option: Option<bool>,
    session: Session,
    /// Where the database itself would be made by an earlier step of this plan.
    elsewhere: Option<Session>,
}

impl<'a> Task<'a> {
    fn of(args: &'a Args<'a>, session: Session, view: &View<'_>) -> Result<Self, Failure> {
        let kind = args.text("type").unwrap_or("table");
        let upper = |list: Vec<String>| -> Vec<String> {
            list.iter().map(|word| word.trim().to_uppercase()).collect()
        };
        let privileges = upper(args.list("privs").unwrap_or_default());
        let mut things = args.list("objs").unwrap_or_default();
        if things.is_empty() && kind == "database" {
            things.push(session.database.clone());
        }
        if kind != "group" && privileges.is_empty() {
            return Err(Failure::new("`privs` must be given, unless `type` is `group`"));
        }
        if things.is_empty() {
            return Err(Failure::new(format!("`objs` must be given for `type: {kind}`")));
        }
        let mut task = Self {
            kind,
            is_present: args.text("state") != Some("absent"),
            privileges,
            things,
            schema: args.text("schema").unwrap_or("public"),
            roles: Vec::new(),
            target_roles: args.list("target_roles").unwrap_or_default(),
            grant_option: args.choice("grant_option"),
            session,
            elsewhere: view.is_check().then(|| Session::of(args, "template1", view)).transpose()?,
        };
        task.roles = task.roles_there(args, view)?;
        Ok(task)
    }

    /// `PUBLIC` is everybody; a role that is not there is left out where the task allows it.
    fn roles_there(&self, args: &Args<'_>, view: &View<'_>) -> Result<Vec<String>, Failure> {
        let written = args.list("roles").unwrap_or_default();
        let name = |role: &String| {
            if role.eq_ignore_ascii_case("public") { "public".to_owned() } else { role.clone() }
        };
        let written: Vec<String> = written.iter().map(name).collect();
        let is_new =
            |role: &String| role == "public" || matches!(view.overlay().thing(ROLE, role), Some(Some(_)));
        let asked: Vec<String> = written.iter().filter(|role| !is_new(role)).cloned().collect();
        let query = format!("SELECT rolname FROM pg_roles WHERE rolname IN ({})", literals(&asked));
        let known: Vec<String> = if asked.is_empty() {
            Vec::new()
        } else {
            self.anywhere(&query, view)?.iter().map(|row| text(row, "rolname").to_owned()).collect()
        };
        let missing: Vec<&String> = asked.iter().filter(|role| !known.contains(role)).collect();
        match missing.first() {
            Some(role) if args.choice("fail_on_role") != Some(false) => {
                Err(Failure::missing(format!("Role '{role}' does not exist")))
            }
            _ => Ok(written.into_iter().filter(|role| is_new(role) || known.contains(role)).collect()),
        }
    }

    /// A database that is still to be made is as its template.
    fn anywhere(&self, query: &str, view: &View<'_>) -> Result<Vec<Row>, Failure> {
        match &self.elsewhere {
            Some(other) if self.session.is_fresh(view) => other.ask(query, view),
            _ => self.session.ask(query, view),
        }
    }

    /// The names of the things, and what is granted on them; nothing where an earlier step of this plan would make them.
    fn things(&self, view: &View<'_>) -> Result<Check, Failure> {
        let Some(catalog) = catalog(self.kind) else {
            return Err(Failure::new(format!("type `{}` is not supported", self.kind)));
        };
        let selection = self.selection(&catalog);
        let wanted = self.things.iter().map(|thing| self.plain(thing));
        let (new, asked): (Vec<String>, Vec<String>) = wanted.partition(|thing| self.is_new(thing, view));
        let mut there = match asked.is_empty() {
            true => Vec::new(),
            false => self.names(&self.anywhere(&selection.names(), view)?, &asked)?,
        };
        let known: BTreeSet<Grant> = match there.is_empty() {
            true => BTreeSet::new(),
            false => self.anywhere(&selection.grants(&catalog), view)?.iter().map(grant).collect(),
        };
        there.extend(new);
        let privileges = self.expanded(&catalog, view)?;
        let on = |thing: &str| format!("{} {}", catalog.word, self.quoted(thing, &catalog));
        let mut found = Found::default();
        for thing in &there {
            found.add(self.compared(thing, &privileges, &known, &on, view));
        }
        Ok(found.check(&self.session))
    }

    fn is_all_of_the_schema(&self) -> bool {
        self.things.iter().any(|thing| thing == "ALL_IN_SCHEMA")
    }

    /// Which rows of the catalog the things are.
    fn selection(&self, catalog: &Catalog) -> Selection {
        let in_schema = |column: &str| {
            format!("o.{column} = (SELECT oid FROM pg_namespace WHERE nspname = {})", literal(self.schema))
        };
        let in_schema = catalog.schema.map_or_else(|| "true".to_owned(), in_schema);
        let shown = match self.kind {
            "function" | "procedure" => {
                "o.proname || '(' || replace(oidvectortypes(o.proargtypes), ', ', ',') || ')'".to_owned()
            }
            _ => format!("o.{}::text", catalog.name),
        };
        let wanted: Vec<String> = self.things.iter().map(|thing| self.plain(thing)).collect();
        let named = match self.is_all_of_the_schema() {
            true => "true".to_owned(),
            false => format!("{shown} IN ({})", literals(&wanted)),
        };
        Selection {
            shown,
            table: catalog.table,
            is_it: format!("{} AND {in_schema} AND {named}", catalog.only),
        }
    }

    /// The names that were found; one that is missing is an error.
    fn names(&self, rows: &[Row], asked: &[String]) -> Result<Vec<String>, Failure> {
        let there: Vec<String> = rows.iter().map(|row| text(row, "thing").to_owned()).collect();
        match asked.iter().find(|thing| !self.is_all_of_the_schema() && !there.contains(thing)) {
            Some(missing) => Err(Failure::missing(format!("{} `{missing}` does not exist", self.kind))),
            None => Ok(there),
        }
    }

    /// `name(args:args)` of a function is written with commas by the catalogs.
    fn plain(&self, thing: &str) -> String {
        match self.kind {
            "function" | "procedure" => thing.replace(':', ",").replace(", ", ","),
            _ => thing.to_owned(),
        }
    }

    fn is_new(&self, thing: &str, view: &View<'_>) -> bool {
        let predicted = match self.kind {
            "database" => view.overlay().thing(DATABASE, thing),
            "schema" => view.overlay().thing(super::schema::KIND, &super::schema::key(thing, &self.session)),
            _ => None,
        };
        matches!(predicted, Some(Some(_)))
    }

    fn quoted(&self, thing: &str, catalog: &Catalog) -> String {
        let name = match thing.split_once('(') {
            Some((name, arguments)) if matches!(self.kind, "function" | "procedure") => {
                format!("{}({arguments}", identifier(name))
            }
            _ => identifier(thing),
        };
        match catalog.schema {
            Some(_) => format!("{}.{name}", identifier(self.schema)),
            None => name,
        }
    }

    /// `ALL` is what the owner of a thing of this kind has at first.
    fn expanded(&self, catalog: &Catalog, view: &View<'_>) -> Result<Vec<String>, Failure> {
        if !self.privileges.iter().any(|word| word == "ALL" || word == "ALL PRIVILEGES") {
            let alias = |word: &String| if word == "TEMP" { "TEMPORARY".to_owned() } else { word.clone() };
            return Ok(self.privileges.iter().map(alias).collect());
        }
        let query = format!(
            "SELECT privilege_type AS privilege FROM aclexplode(acldefault('{}', 10)) WHERE grantee = 10",
            catalog.letter
        );
        Ok(self.anywhere(&query, view)?.iter().map(|row| text(row, "privilege").to_owned()).collect())
    }

    /// What is to be granted on one thing, or taken back.
    fn compared(
        &self,
        thing: &str,
        privileges: &[String],
        known: &BTreeSet<Grant>,
        on: &dyn Fn(&str) -> String,
        view: &View<'_>,
    ) -> Found {
        let mut found = Found::default();
        for role in &self.roles {
            let has = |privilege: &str, can_grant: bool| {
                let predicted = view.overlay().thing(KIND, &self.key(thing, role, privilege));
                predicted.map_or_else(
                    || {
                        known
                            .iter()
                            .any(|grant| grant.is(thing, role, privilege) && (!can_grant || grant.can_grant))
                    },
                    |state| state.is_some_and(|state| !can_grant || state == "grantable"),
                )
            };
            let differs = |privilege: &&String| match (self.is_present, self.grant_option) {
                (true, Some(true)) => !has(privilege, true),
                (true, Some(false)) => !has(privilege, false) || has(privilege, true),
                (true, None) => !has(privilege, false),
                (false, _) => has(privilege, false),
            };
            let differing: Vec<&str> = privileges.iter().filter(differs).map(String::as_str).collect();
            if !differing.is_empty() {
                found.statements.extend(self.statements(&differing.join(", "), &on(thing), role));
                let name = |privilege: &str| self.key(thing, role, privilege);
                found.brings.extend(differing.iter().map(|privilege| self.brings(name(privilege))));
                found.change(&format!("{role}: {} on {thing}", differing.join(", ")), self.is_present);
            }
        }
        found
    }

    fn statements(&self, words: &str, on: &str, role: &str) -> Vec<String> {
        let role = if role == "public" { "PUBLIC".to_owned() } else { identifier(role) };
        let grant = format!("GRANT {words} ON {on} TO {role}");
        match (self.is_present, self.grant_option) {
            (false, _) => vec![format!("REVOKE {words} ON {on} FROM {role}")],
            (true, None) => vec![grant],
            (true, Some(true)) => vec![grant + " WITH GRANT OPTION"],
            (true, Some(false)) => {
                vec![grant, format!("REVOKE GRANT OPTION FOR {words} ON {on} FROM {role}")]
            }
        }
    }

    fn brings(&self, name: String) -> Prediction {
        let word = if self.grant_option == Some(true) { "grantable" } else { "granted" };
        Prediction::Thing { kind: KIND, name, state: self.is_present.then(|| word.to_owned()) }
    }

    fn key(&self, thing: &str, role: &str, privilege: &str) -> String {
        format!("{} {} {} {thing} {role} {privilege}", self.session.database, self.kind, self.schema)
    }

    /// Membership: `objs` are the groups.
    fn members(&self, view: &View<'_>) -> Result<Check, Failure> {
        let query = format!(
            "SELECT g.rolname AS thing, m.rolname AS role, 'MEMBER' AS privilege, bool_or(a.admin_option) AS is_grantable \
             FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member \
             WHERE g.rolname IN ({}) GROUP BY 1, 2",
            literals(&self.things)
        );
        let known: BTreeSet<Grant> = self.anywhere(&query, view)?.iter().map(grant).collect();
        let mut found = Found::default();
        for (group, role) in
            self.things.iter().flat_map(|group| self.roles.iter().map(move |role| (group, role)))
        {
            let key = self.key(group, role, "MEMBER");
            let present = known.iter().find(|grant| grant.thing == *group && grant.role == *role);
            let predicted = view.overlay().thing(KIND, &key);
            let is_member = predicted.map_or(present.is_some(), |state| state.is_some());
            let is_admin = predicted
                .map_or(present.is_some_and(|grant| grant.can_grant), |state| state == Some("grantable"));
            let (group_name, role_name) = (identifier(group), identifier(role));
            let statement = match (self.is_present, self.grant_option) {
                (true, Some(true)) if !is_admin => {
                    format!("GRANT {group_name} TO {role_name} WITH ADMIN OPTION")
                }
                (true, Some(false)) if is_admin => {
                    format!("REVOKE ADMIN OPTION FOR {group_name} FROM {role_name}")
                }
                (true, _) if !is_member => format!("GRANT {group_name} TO {role_name}"),
                (false, _) if is_member => format!("REVOKE {group_name} FROM {role_name}"),
                _ => continue,
            };
            found.statements.push(statement);
            found.brings.push(self.brings(key));
            found.change(&format!("{role}: member of {group}"), self.is_present);
        }
        Ok(found.check(&self.session))
    }

    /// What later things of a kind are granted when they are made.
    fn defaults(&self, view: &View<'_>) -> Result<Check, Failure> {
        const KINDS: [(&str, &str); 5] =
            [("TABLES", "r"), ("SEQUENCES", "S"), ("FUNCTIONS", "f"), ("TYPES", "T"), ("SCHEMAS", "n")];
        let wanted: Vec<String> = self.things.iter().map(|thing| thing.to_uppercase()).collect();
        let is_all = wanted.iter().any(|thing| thing == "ALL_DEFAULT");
        let chosen: Vec<&(&str, &str)> = KINDS
            .iter()
            .filter(
                |(word, _)| {
                    if is_all { *word != "SCHEMAS" } else { wanted.iter().any(|wanted| wanted == word) }
                },
            )
            .collect();
        if chosen.is_empty() {
            return Err(Failure::new(
                "`objs` of `default_privs` are TABLES, SEQUENCES, FUNCTIONS, TYPES, SCHEMAS or ALL_DEFAULT",
            ));
        }
        let makers = match self.target_roles.is_empty() {
            true => vec![None],
            false => self.target_roles.iter().map(Some).collect(),
        };
        let mut whole = Found::default();
        for (maker, (word, letter)) in
            makers.iter().flat_map(|maker| chosen.iter().map(move |kind| (maker, *kind)))
        {
            let owner = maker.map_or_else(
                || "(SELECT oid FROM pg_roles WHERE rolname = current_user)".to_owned(),
                |maker| format!("(SELECT oid FROM pg_roles WHERE rolname = {})", literal(maker)),
            );
            let query = format!(
                "SELECT '{word}' AS thing, coalesce(r.rolname, 'public') AS role, a.privilege_type AS privilege, a.is_grantable \
                 FROM pg_default_acl d, aclexplode(d.defaclacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee \
                 WHERE d.defaclrole = {owner} AND d.defaclobjtype = '{letter}' \
                 AND d.defaclnamespace = (SELECT oid FROM pg_namespace WHERE nspname = {})",
                literal(self.schema)
            );
            let known: BTreeSet<Grant> = self.anywhere(&query, view)?.iter().map(grant).collect();
            let kind = match *word {
                "TABLES" => "table",
                "SEQUENCES" => "sequence",
                "FUNCTIONS" => "function",
                "TYPES" => "type",
                _ => "schema",
            };
            let privileges = match catalog(kind) {
                Some(catalog) => self.expanded(&catalog, view)?,
                None => self.privileges.clone(),
            };
            let thing = maker.map_or_else(|| (*word).to_owned(), |maker| format!("{word} of {maker}"));
            let known = known.into_iter().map(|grant| Grant { thing: thing.clone(), ..grant }).collect();
            let by = maker.map(|maker| format!(" FOR ROLE {}", identifier(maker))).unwrap_or_default();
            let on = |_: &str| (*word).to_owned();
            let mut found = self.compared(&thing, &privileges, &known, &on, view);
            let start = format!("ALTER DEFAULT PRIVILEGES{by} IN SCHEMA {} ", qualified(self.schema));
            found.statements =
                found.statements.into_iter().map(|statement| start.clone() + &statement).collect();
            whole.add(found);
        }
        Ok(whole.check(&self.session))
    }
}

/// A row of `aclexplode`.
fn grant(row: &Row) -> Grant {
    Grant {
        thing: text(row, "thing").to_owned(),
        role: text(row, "role").to_owned(),
        privilege: text(row, "privilege").to_owned(),
        can_grant: row.get("is_grantable").and_then(serde_json::Value::as_bool).unwrap_or(false),
    }
}

/// What is to be done.
#[derive(Default)]
struct Found {
    statements: Vec<String>,
    brings: Vec<Prediction>,
    changes: Vec<Change>,
}

impl Found {
    fn change(&mut self, what: &str, is_present: bool) {
        let (before, after) = if is_present { ("absent", "granted") } else { ("granted", "absent") };
        self.changes.push(Change::Attribute {
            attribute: what.to_owned(),
            before: Some(before.to_owned()),
            after: Some(after.to_owned()),
        });
    }

    fn add(&mut self, other: Self) {
        self.statements.extend(other.statements);
        self.brings.extend(other.brings);
        self.changes.extend(other.changes);
    }

    fn check(self, session: &Session) -> Check {
        if self.statements.is_empty() {
            return Check::unchanged().with("queries", Vec::<String>::new());
        }
        let operation = session.operation(&self.statements, self.brings);
        Check::change(diff("privileges", &session.database, self.changes), vec![operation])
            .with("queries", self.statements)
    }
}
