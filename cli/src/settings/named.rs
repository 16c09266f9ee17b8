//! Settings by the names that playbooks ask for with the lookup `config`, with the values that count here.

use super::{Setting, Settings};
use serde_json::{Value as Json, json};

/// What a setting's text is read as.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Flag,
    Number,
    List,
    /// Paths with colons between.
    Paths,
}

struct Named {
    name: &'static str,
    setting: Setting,
    kind: Kind,
    /// What counts where nothing is set, as text; none is null.
    default: Option<&'static str>,
}

macro_rules! named {
    ($($name:literal $kind:ident $section:literal $key:literal [$($environment:literal)*] $default:expr;)*) => {
        &[$(Named {
            name: $name,
            setting: Setting { section: $section, name: $key, environment: &[$($environment),*] },
            kind: Kind::$kind,
            default: $default,
        }),*]
    };
}

/// Ansible's names and defaults.
const NAMED: &[Named] = named! {
    "ALLOW_BROKEN_CONDITIONALS" Flag "defaults" "allow_broken_conditionals" ["ANSIBLE_ALLOW_BROKEN_CONDITIONALS"]
        Some("false");
    "ANY_ERRORS_FATAL" Flag "defaults" "any_errors_fatal" ["ANSIBLE_ANY_ERRORS_FATAL"] Some("false");
    "COLOR_OK" Text "colors" "ok" ["ANSIBLE_COLOR_OK"] Some("green");
    "COLOR_CHANGED" Text "colors" "changed" ["ANSIBLE_COLOR_CHANGED"] Some("yellow");
    "COLOR_SKIP" Text "colors" "skip" ["ANSIBLE_COLOR_SKIP"] Some("cyan");
    "COLOR_ERROR" Text "colors" "error" ["ANSIBLE_COLOR_ERROR"] Some("red");
    "DEFAULT_ASK_PASS" Flag "defaults" "ask_pass" ["ANSIBLE_ASK_PASS"] Some("false");
    "DEFAULT_ASK_VAULT_PASS" Flag "defaults" "ask_vault_pass" ["ANSIBLE_ASK_VAULT_PASS"] Some("false");
    "DEFAULT_BECOME" Flag "privilege_escalation" "become" ["ANSIBLE_BECOME"] Some("false");
    "DEFAULT_BECOME_ASK_PASS" Flag "privilege_escalation" "become_ask_pass" ["ANSIBLE_BECOME_ASK_PASS"] Some("false");
    "DEFAULT_BECOME_METHOD" Text "privilege_escalation" "become_method" ["ANSIBLE_BECOME_METHOD"] Some("sudo");
    "DEFAULT_BECOME_USER" Text "privilege_escalation" "become_user" ["ANSIBLE_BECOME_USER"] Some("root");
    "DEFAULT_FORCE_HANDLERS" Flag "defaults" "force_handlers" ["ANSIBLE_FORCE_HANDLERS"] Some("false");
    "DEFAULT_FORKS" Number "defaults" "forks" ["ANSIBLE_FORKS"] Some("5");
    "DEFAULT_GATHERING" Text "defaults" "gathering" ["ANSIBLE_GATHERING"] Some("implicit");
    "DEFAULT_HASH_BEHAVIOUR" Text "defaults" "hash_behaviour" ["ANSIBLE_HASH_BEHAVIOUR"] Some("replace");
    "DEFAULT_HOST_LIST" List "defaults" "inventory" ["ANSIBLE_INVENTORY"] Some("/etc/ansible/hosts");
    "DEFAULT_JINJA2_NATIVE" Flag "defaults" "jinja2_native" ["ANSIBLE_JINJA2_NATIVE"] Some("true");
    "DEFAULT_LOG_PATH" Text "defaults" "log_path" ["ANSIBLE_LOG_PATH"] None;
    "LOG_VERBOSITY" Number "defaults" "log_verbosity" ["ANSIBLE_LOG_VERBOSITY"] None;
    "DEFAULT_NO_LOG" Flag "defaults" "no_log" ["ANSIBLE_NO_LOG"] Some("false");
    "DEFAULT_PRIVATE_KEY_FILE" Text "defaults" "private_key_file" ["ANSIBLE_PRIVATE_KEY_FILE"] None;
    "DEFAULT_PRIVATE_ROLE_VARS" Flag "defaults" "private_role_vars" ["ANSIBLE_PRIVATE_ROLE_VARS"] Some("false");
    "DEFAULT_REMOTE_PORT" Number "defaults" "remote_port" ["ANSIBLE_REMOTE_PORT"] None;
    "DEFAULT_REMOTE_USER" Text "defaults" "remote_user" ["ANSIBLE_REMOTE_USER"] None;
    "DEFAULT_ROLES_PATH" Paths "defaults" "roles_path" ["ANSIBLE_ROLES_PATH"]
        Some("~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles");
    "DEFAULT_STRATEGY" Text "defaults" "strategy" ["ANSIBLE_STRATEGY"] Some("linear");
    "DEFAULT_TIMEOUT" Number "defaults" "timeout" ["ANSIBLE_TIMEOUT"] Some("10");
    "DEFAULT_TRANSPORT" Text "defaults" "transport" ["ANSIBLE_TRANSPORT"] Some("ssh");
    "DEFAULT_UNDEFINED_VAR_BEHAVIOR" Flag "defaults" "error_on_undefined_vars" ["ANSIBLE_ERROR_ON_UNDEFINED_VARS"]
        Some("true");
    "DEFAULT_VAULT_IDENTITY" Text "defaults" "vault_identity" ["ANSIBLE_VAULT_IDENTITY"] Some("default");
    "DEFAULT_VAULT_IDENTITY_LIST" List "defaults" "vault_identity_list" ["ANSIBLE_VAULT_IDENTITY_LIST"] Some("");
    "DEFAULT_VAULT_PASSWORD_FILE" Text "defaults" "vault_password_file" ["ANSIBLE_VAULT_PASSWORD_FILE"] None;
    "DEFAULT_VERBOSITY" Number "defaults" "verbosity" ["ANSIBLE_VERBOSITY"] Some("0");
    "DEPRECATION_WARNINGS" Flag "defaults" "deprecation_warnings" ["ANSIBLE_DEPRECATION_WARNINGS"] Some("true");
    "DIFF_ALWAYS" Flag "diff" "always" ["ANSIBLE_DIFF_ALWAYS"] Some("false");
    "ERROR_ON_MISSING_HANDLER" Flag "defaults" "error_on_missing_handler" ["ANSIBLE_ERROR_ON_MISSING_HANDLER"]
        Some("true");
    "HOST_KEY_CHECKING" Flag "defaults" "host_key_checking" ["ANSIBLE_HOST_KEY_CHECKING"] Some("true");
    "INVENTORY_ANY_UNPARSED_IS_FAILED" Flag "inventory" "any_unparsed_is_failed"
        ["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] Some("false");
    "INVENTORY_UNPARSED_IS_FAILED" Flag "inventory" "unparsed_is_failed" ["ANSIBLE_INVENTORY_UNPARSED_FAILED"]
        Some("false");
    "SHOW_CUSTOM_STATS" Flag "defaults" "show_custom_stats" ["ANSIBLE_SHOW_CUSTOM_STATS"] Some("false");
    "TAGS_RUN" List "tags" "run" ["ANSIBLE_RUN_TAGS"] Some("");
    "TAGS_SKIP" List "tags" "skip" ["ANSIBLE_SKIP_TAGS"] Some("");
    "TASK_TIMEOUT" Number "defaults" "task_timeout" ["ANSIBLE_TASK_TIMEOUT"] Some("0");
};

/// Options of the ways to become someone else: method, option, default.
const BECOME: &[(&str, &str, &str)] = &[
    ("sudo", "become_user", "root"),
    ("sudo", "become_exe", "sudo"),
    ("sudo", "become_flags", "-H -S -n"),
    ("su", "become_user", "root"),
    ("su", "become_exe", "su"),
    ("su", "become_flags", ""),
];

impl Settings {
    /// The value of the setting of that name, and where it is from (`default` where nothing is set).
    pub(crate) fn named(&self, name: &str) -> Option<(Json, String)> {
        let known = NAMED.iter().find(|known| known.name == name)?;
        let (text, origin) = self.text_or(&known.setting, known.default);
        Some((text.map_or(Json::Null, |text| value(known.kind, &text)), origin))
    }

    /// Why a setting cannot be read: it is no number, and one is expected.
    pub(crate) fn unreadable(&self) -> Option<String> {
        let numbers = NAMED.iter().filter(|known| matches!(known.kind, Kind::Number));
        numbers
            .filter_map(|known| {
                let (text, origin) = self.text_or(&known.setting, None);
                let text = text.filter(|text| text.trim().parse::<i64>().is_err())?;
                Some(format!(
                    "Config '{}' from '{origin}' has an invalid value: `{text}` is no whole number",
                    known.name
                ))
            })
            .next()
    }

    /// An option of a way to become someone else.
    pub(crate) fn of_become(&self, method: &str, option: &str) -> Option<(Json, String)> {
        let (_, _, default) = BECOME.iter().find(|(of, name, _)| *of == method && *name == option)?;
        let names: &'static [&'static str] = match option {
            "become_user" => &["ANSIBLE_BECOME_USER"],
            "become_exe" => &["ANSIBLE_BECOME_EXE"],
            _ => &["ANSIBLE_BECOME_FLAGS"],
        };
        let option = BECOME.iter().map(|(_, name, _)| *name).find(|name| *name == option)?;
        let setting = Setting { section: "privilege_escalation", name: option, environment: names };
        let (text, origin) = self.text_or(&setting, Some(default));
        Some((text.map_or(Json::Null, Json::from), origin))
    }

    pub(super) fn text_or(&self, setting: &Setting, default: Option<&str>) -> (Option<String>, String) {
        match self.find(setting) {
            Some((text, true)) => {
                (Some(text), self.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default())
            }
            Some((text, false)) => {
                let name = setting.environment.iter().find(|name| self.environment(name).is_some());
                (Some(text), format!("env: {}", name.copied().unwrap_or_default()))
            }
            None => (default.map(str::to_owned), "default".to_owned()),
        }
    }
}

pub(super) fn value(kind: Kind, text: &str) -> Json {
    let parts = |separator: char| {
        let parts = text.split(separator).map(str::trim).filter(|part| !part.is_empty());
        json!(parts.collect::<Vec<_>>())
    };
    match kind {
        Kind::Text => text.into(),
        Kind::Flag => super::is_true(text).into(),
        Kind::Number => text.trim().parse::<i64>().map_or_else(|_| text.into(), Json::from),
        Kind::List => parts(','),
        Kind::Paths => {
            let paths = text.split(':').map(str::trim).filter(|path| !path.is_empty());
            json!(paths.map(super::expand).collect::<Vec<_>>())
        }
    }
}
