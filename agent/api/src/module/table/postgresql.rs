//! Modules of `community.postgresql` for which psql on the host is enough.

use super::super::ArgKind::{Bool, Dict, Int, List, ListOfStr, Path, Raw, Str};
use super::super::{ArgSpec, ModuleSpec, Rule};
use super::{NOTHING, arg};

const POSTGRESQL: ModuleSpec = ModuleSpec { collection: "community.postgresql", ..NOTHING };
const STATE: ArgSpec =
    arg("state", Str, "Whether it shall be there.").one_of(&["absent", "present"]).default("present");
const LOGIN_DB: ArgSpec = arg("login_db", Str, "The database to connect to.").or(&["db", "database"]);
const SESSION_ROLE: ArgSpec = arg("session_role", Str, "The role that is taken after the login.");
const TRUST_INPUT: ArgSpec =
    arg("trust_input", Bool, "Has no effect: names and values are quoted in any case.").default("true");

/// The given arguments, and those of a connection.
macro_rules! with_login {
    ($($argument:expr),* $(,)?) => {
        &[
            $($argument,)*
            arg("login_user", Str, "The role that logs in; the user of the task without it.").or(&["login"]),
            arg("login_password", Str, "Its password.").secret(),
            arg("login_host", Str, "The host of the server; a socket of this host without it.").or(&["host"]),
            arg("login_port", Int, "The port of the server.").or(&["port"]).default("5432"),
            arg("login_unix_socket", Path, "The folder of the socket.").or(&["unix_socket"]),
            arg("ssl_mode", Str, "How much TLS is needed.")
                .one_of(&["allow", "disable", "prefer", "require", "verify-ca", "verify-full"])
                .default("prefer"),
            arg("ca_cert", Path, "The authorities to trust.").or(&["ssl_rootcert"]),
            arg("ssl_cert", Path, "The certificate to show."),
            arg("ssl_key", Path, "Its key."),
            arg("connect_params", Dict, "Further parameters of the connection, as libpq names them.").default("{}"),
        ]
    };
}

pub(super) const DB: ModuleSpec = ModuleSpec {
    name: "postgresql_db",
    summary: "Keeps a database of PostgreSQL, writes it to a file and reads it back.",
    args: with_login![
        arg("name", Str, "The database.").or(&["db"]).required(),
        arg("owner", Str, "Its owner.").default("\"\""),
        arg("template", Str, "The database that it is copied from.").default("\"\""),
        arg("encoding", Str, "Its encoding.").default("\"\""),
        arg("lc_collate", Str, "Its order of letters.").default("\"\""),
        arg("lc_ctype", Str, "Its classes of letters.").default("\"\""),
        arg("conn_limit", Str, "The most connections.").default("\"\""),
        arg("tablespace", Path, "Its tablespace.").default("\"\""),
        arg("state", Str, "What shall be.")
            .one_of(&["absent", "dump", "present", "rename", "restore"])
            .default("present"),
        arg("target", Path, "The file of `dump` and `restore`, or the new name.").default("\"\""),
        arg("target_opts", Str, "Options for pg_dump, pg_restore or psql.").default("\"\""),
        arg("dump_extra_args", Str, "Further options for pg_dump."),
        arg("maintenance_db", Str, "The database to connect to.").default("postgres"),
        arg("force", Bool, "Ends connections to a database that goes.").default("false"),
        SESSION_ROLE,
        TRUST_INPUT,
    ],
    unsupported: &["comment", "icu_locale", "locale_provider"],
    ..POSTGRESQL
};

pub(super) const USER: ModuleSpec = ModuleSpec {
    name: "postgresql_user",
    summary: "Keeps a role of PostgreSQL that may log in.",
    args: with_login![
        arg("name", Str, "The role.").or(&["user"]).required(),
        arg("password", Str, "Its password, or what the server keeps of it (`md5…`, `SCRAM-SHA-256$…`).")
            .secret(),
        LOGIN_DB,
        STATE,
        arg("role_attr_flags", Str, "What it may do: `CREATEDB,NOSUPERUSER`.").default("\"\""),
        arg("conn_limit", Int, "The most connections."),
        arg("expires", Str, "When the password ends: a time, or `infinity`."),
        arg(
            "encrypted",
            Bool,
            "Whether the server keeps a hash only; no server of today knows anything else."
        )
        .default("true"),
        arg("no_password_changes", Bool, "Leaves the password of a role that is there alone.")
            .default("false"),
        arg("fail_on_user", Bool, "Whether a role that cannot be removed is a failure.")
            .or(&["fail_on_role"])
            .default("true"),
        arg("configuration", Dict, "Settings of its sessions.").default("{}"),
        arg("reset_unspecified_configuration", Bool, "Other settings of its sessions go.").default("false"),
        SESSION_ROLE,
        TRUST_INPUT,
    ],
    unsupported: &["comment", "groups", "priv", "quote_configuration_values"],
    ..POSTGRESQL
};

pub(super) const QUERY: ModuleSpec = ModuleSpec {
    name: "postgresql_query",
    summary: "Runs queries.",
    args: with_login![
        arg("query", Raw, "The query, or several one after the other.").required(),
        arg("positional_args", List, "What stands for each `%s`."),
        arg("named_args", Dict, "What stands for `%(name)s`."),
        LOGIN_DB,
        arg("autocommit", Bool, "Each query is a transaction of its own, as VACUUM needs it.")
            .default("false"),
        arg("encoding", Str, "The encoding of the connection."),
        arg("search_path", ListOfStr, "The schemas in which names are looked for."),
        SESSION_ROLE,
        TRUST_INPUT,
    ],
    rules: &[Rule::MutuallyExclusive(&["positional_args", "named_args"])],
    ..POSTGRESQL
};

pub(super) const PRIVS: ModuleSpec = ModuleSpec {
    name: "postgresql_privs",
    summary: "Grants privileges on things of a database to roles, or takes them back.",
    args: with_login![
        arg("login_db", Str, "The database to connect to.").or(&["db", "database"]).required(),
        STATE,
        arg("privs", ListOfStr, "The privileges; `ALL` for all.").or(&["priv"]),
        arg("type", Str, "What kind of thing they are on.")
            .one_of(&[
                "database",
                "default_privs",
                "foreign_data_wrapper",
                "foreign_server",
                "function",
                "group",
                "language",
                "procedure",
                "schema",
                "sequence",
                "table",
                "tablespace",
                "type",
            ])
            .default("table"),
        arg("objs", ListOfStr, "The things; `ALL_IN_SCHEMA` for all of the schema. For `group`, the groups.")
            .or(&["obj"]),
        arg("schema", Str, "The schema of the things; `public` without it."),
        arg("roles", ListOfStr, "The roles; `PUBLIC` is everybody.").or(&["role"]).required(),
        arg("target_roles", ListOfStr, "For `default_privs`: the roles that make the things."),
        arg("grant_option", Bool, "Whether they may grant it too.").or(&["admin_option"]),
        arg("fail_on_role", Bool, "Whether a role that is not there is a failure.").default("true"),
        SESSION_ROLE,
        TRUST_INPUT,
    ],
    ..POSTGRESQL
};

pub(super) const EXT: ModuleSpec = ModuleSpec {
    name: "postgresql_ext",
    summary: "Keeps an extension in a database.",
    args: with_login![
        arg("name", Str, "The extension.").or(&["ext"]).required(),
        arg("login_db", Str, "The database.").or(&["db", "database"]).required(),
        arg("schema", Str, "The schema of its things."),
        arg("version", Str, "Its version, or `latest`."),
        arg("cascade", Bool, "What it needs comes along, what needs it goes along.").default("false"),
        STATE,
        SESSION_ROLE,
        TRUST_INPUT,
    ],
    unsupported: &["comment"],
    ..POSTGRESQL
};

pub(super) const SCHEMA: ModuleSpec = ModuleSpec {
    name: "postgresql_schema",
    summary: "Keeps a schema in a database.",
    args: with_login![
        arg("name", Str, "The schema.").or(&["schema"]).required(),
        arg("login_db", Str, "The database.").or(&["db", "database"]).default("postgres"),
        arg("owner", Str, "Its owner.").default("\"\""),
        arg("cascade_drop", Bool, "What is in it goes with it.").default("false"),
        STATE,
        SESSION_ROLE,
        TRUST_INPUT,
    ],
    unsupported: &["comment"],
    ..POSTGRESQL
};

pub(super) const SET: ModuleSpec = ModuleSpec {
    name: "postgresql_set",
    summary: "Sets a parameter of the server, in postgresql.auto.conf.",
    args: with_login![
        arg("name", Str, "The parameter.").required(),
        arg("value", Str, "Its value."),
        arg("reset", Bool, "It gets back what it has without postgresql.auto.conf.").default("false"),
        LOGIN_DB,
        SESSION_ROLE,
        TRUST_INPUT,
    ],
    rules: &[Rule::RequiredOneOf(&["reset", "value"])],
    ..POSTGRESQL
};

pub(super) const PING: ModuleSpec = ModuleSpec {
    name: "postgresql_ping",
    summary: "Tells whether the server can be used, and its version.",
    args: with_login![LOGIN_DB, SESSION_ROLE, TRUST_INPUT],
    ..POSTGRESQL
};

pub(super) const INFO: ModuleSpec = ModuleSpec {
    name: "postgresql_info",
    summary: "Tells of the server: version, databases, roles, settings, tablespaces, replication.",
    args: with_login![
        arg("filter", ListOfStr, "Only these parts; `!name` all but that one."),
        LOGIN_DB,
        SESSION_ROLE,
        TRUST_INPUT,
    ],
    ..POSTGRESQL
};
