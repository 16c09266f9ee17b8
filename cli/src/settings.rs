//! Settings: `ansible.cfg` and the environment, as far as they make sense here. The command line wins over the
//! environment, the environment over the file.

mod facts;
mod named;
mod of_plugins;

pub(crate) use of_plugins::PluginOption;

use crate::error::{Diagnostic, Result};
use crate::exit::Exit;
use indexmap::IndexMap;
use std::path::{Path, PathBuf};

/// What was set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// The file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// `(section, name)` of the file.
    values: IndexMap<(String, String), String>,
    /// Instead of the process's environment, in tests.
    environment: Option<IndexMap<String, String>>,
}

/// A setting: where the file has it, which variables of the environment, whether it is a path in the file's folder.
struct Setting {
    section: &'static str,
    name: &'static str,
    environment: &'static [&'static str],
}

macro_rules! settings {
    ($($constant:ident $section:literal $name:literal [$($environment:literal)*];)*) => {
        $(const $constant: Setting = Setting { section: $section, name: $name, environment: &[$($environment),*] };)*
    };
}

settings! {
    INVENTORY "defaults" "inventory" ["ANSIBLE_INVENTORY"];
    ALLOW_BROKEN_CONDITIONALS "defaults" "allow_broken_conditionals" ["ANSIBLE_ALLOW_BROKEN_CONDITIONALS"];
    ANY_UNPARSED_IS_FAILED "inventory" "any_unparsed_is_failed" ["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"];
    UNPARSED_IS_FAILED "inventory" "unparsed_is_failed" ["ANSIBLE_INVENTORY_UNPARSED_FAILED"];
    DUPLICATE_KEYS "defaults" "duplicate_dict_key" ["ANSIBLE_DUPLICATE_YAML_DICT_KEY"];
    HASH_BEHAVIOUR "defaults" "hash_behaviour" ["ANSIBLE_HASH_BEHAVIOUR"];
    GROUP_NAMES "defaults" "force_valid_group_names" ["ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS"];
    REMOTE_USER "defaults" "remote_user" ["ANSIBLE_REMOTE_USER"];
    REMOTE_PORT "defaults" "remote_port" ["ANSIBLE_REMOTE_PORT"];
    PRIVATE_KEY "defaults" "private_key_file" ["ANSIBLE_PRIVATE_KEY_FILE"];
    HOST_KEY_CHECKING "defaults" "host_key_checking" ["ANSIBLE_HOST_KEY_CHECKING"];
    SSH_HOST_KEY_CHECKING "ssh_connection" "host_key_checking" ["ANSIBLE_SSH_HOST_KEY_CHECKING"];
    FORKS "defaults" "forks" ["ANSIBLE_FORKS"];
    LIBRARY "defaults" "library" ["ANSIBLE_LIBRARY"];
    MODULE_UTILS "defaults" "module_utils" ["ANSIBLE_MODULE_UTILS"];
    ROLES_PATH "defaults" "roles_path" ["ANSIBLE_ROLES_PATH"];
    TIMEOUT "defaults" "timeout" ["ANSIBLE_TIMEOUT"];
    TASK_TIMEOUT "defaults" "task_timeout" ["ANSIBLE_TASK_TIMEOUT"];
    DEPRECATION_WARNINGS "defaults" "deprecation_warnings" ["ANSIBLE_DEPRECATION_WARNINGS"];
    BECOME_ALLOW_SAME_USER "privilege_escalation" "become_allow_same_user" ["ANSIBLE_BECOME_ALLOW_SAME_USER"];
    LOG_VERBOSITY "defaults" "log_verbosity" ["ANSIBLE_LOG_VERBOSITY"];
    LOG_PATH "defaults" "log_path" ["ANSIBLE_LOG_PATH"];
    NO_LOG "defaults" "no_log" ["ANSIBLE_NO_LOG"];
    PLAYBOOK_DIR "defaults" "playbook_dir" ["ANSIBLE_PLAYBOOK_DIR"];
    PRIVATE_ROLE_VARS "defaults" "private_role_vars" ["ANSIBLE_PRIVATE_ROLE_VARS"];
    STRATEGY "defaults" "strategy" ["ANSIBLE_STRATEGY"];
    GATHERING "defaults" "gathering" ["ANSIBLE_GATHERING"];
    FORCE_HANDLERS "defaults" "force_handlers" ["ANSIBLE_FORCE_HANDLERS"];
    ERROR_ON_MISSING_HANDLER "defaults" "error_on_missing_handler" ["ANSIBLE_ERROR_ON_MISSING_HANDLER"];
    SHOW_CUSTOM_STATS "defaults" "show_custom_stats" ["ANSIBLE_SHOW_CUSTOM_STATS"];
    ANY_ERRORS_FATAL "defaults" "any_errors_fatal" ["ANSIBLE_ANY_ERRORS_FATAL"];
    VAULT_PASSWORD_FILE "defaults" "vault_password_file" ["ANSIBLE_VAULT_PASSWORD_FILE"];
    VAULT_IDENTITY_LIST "defaults" "vault_identity_list" ["ANSIBLE_VAULT_IDENTITY_LIST"];
    VAULT_ID_MATCH "defaults" "vault_id_match" ["ANSIBLE_VAULT_ID_MATCH"];
    VAULT_ENCRYPT_IDENTITY "defaults" "vault_encrypt_identity" ["ANSIBLE_VAULT_ENCRYPT_IDENTITY"];
    VAULT_ENCRYPT_SALT "defaults" "vault_encrypt_salt" ["ANSIBLE_VAULT_ENCRYPT_SALT"];
    TRANSPORT "defaults" "transport" ["ANSIBLE_TRANSPORT"];
    VERBOSITY "defaults" "verbosity" ["ANSIBLE_VERBOSITY"];
    DIFF_ALWAYS "diff" "always" ["ANSIBLE_DIFF_ALWAYS"];
    RUN_TAGS "tags" "run" ["ANSIBLE_RUN_TAGS"];
    SKIP_TAGS "tags" "skip" ["ANSIBLE_SKIP_TAGS"];
    BECOME "privilege_escalation" "become" ["ANSIBLE_BECOME"];
    BECOME_USER "privilege_escalation" "become_user" ["ANSIBLE_BECOME_USER"];
    BECOME_METHOD "privilege_escalation" "become_method" ["ANSIBLE_BECOME_METHOD"];
    BECOME_ASK_PASS "privilege_escalation" "become_ask_pass" ["ANSIBLE_BECOME_ASK_PASS"];
    ASK_PASS "defaults" "ask_pass" ["ANSIBLE_ASK_PASS"];
    SSH_ARGS "ssh_connection" "ssh_args" ["ANSIBLE_SSH_ARGS"];
    SSH_COMMON_ARGS "ssh_connection" "ssh_common_args" ["ANSIBLE_SSH_COMMON_ARGS"];
    SSH_EXTRA_ARGS "ssh_connection" "ssh_extra_args" ["ANSIBLE_SSH_EXTRA_ARGS"];
}

impl Settings {
    /// Reads `$ANSIBLE_CONFIG`, or else `./ansible.cfg`, `~/.ansible.cfg` or `/etc/ansible/ansible.cfg`.
    ///
    /// # Errors
    ///
    /// A file that `ANSIBLE_CONFIG` names and that cannot be read, or a line that is no setting.
    pub(crate) fn read() -> Result<Self> {
        let Some(path) = config_file() else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(&path).map_err(|cause| {
            Diagnostic::error(format!("could not read `{}`", path.display()))
                .cause(cause)
                .exits_with(Exit::WrongUse)
        })?;
        Ok(Self { values: parse(&text), file: Some(path), environment: None })
    }

    /// Inventory sources.
    pub(crate) fn inventory(&self) -> Vec<String> {
        let Some((text, is_from_file)) = self.find(&INVENTORY) else { return Vec::new() };
        let sources = text.split(',').map(str::trim).filter(|source| !source.is_empty());
        if text.trim_end().ends_with(',') {
            return vec![text];
        }
        sources.map(|source| if is_from_file { self.in_folder(source) } else { source.to_owned() }).collect()
    }

    /// `any_unparsed_is_failed` of `[inventory]`
    pub(crate) fn any_unparsed_is_failed(&self) -> Option<bool> {
        self.flag(&ANY_UNPARSED_IS_FAILED)
    }

    /// `unparsed_is_failed` of `[inventory]`
    pub(crate) fn unparsed_is_failed(&self) -> Option<bool> {
        self.flag(&UNPARSED_IS_FAILED)
    }

    /// `private_role_vars`
    pub(crate) fn private_role_vars(&self) -> Option<bool> {
        self.flag(&PRIVATE_ROLE_VARS)
    }

    /// Folders with modules of the user.
    pub(crate) fn library(&self) -> Vec<PathBuf> {
        self.folders(&LIBRARY)
    }

    /// Folders with what modules of the user import.
    pub(crate) fn module_utils(&self) -> Vec<PathBuf> {
        self.folders(&MODULE_UTILS)
    }

    fn folders(&self, setting: &Setting) -> Vec<PathBuf> {
        let Some((text, is_from_file)) = self.find(setting) else { return Vec::new() };
        let folders = text.split(':').map(str::trim).filter(|folder| !folder.is_empty());
        folders
            .map(|folder| PathBuf::from(if is_from_file { self.in_folder(folder) } else { expand(folder) }))
            .collect()
    }

    /// Folders with roles.
    pub(crate) fn roles_path(&self) -> Vec<PathBuf> {
        const DEFAULT: &str = "~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles";
        let (text, is_from_file) = self.find(&ROLES_PATH).unwrap_or((DEFAULT.to_owned(), false));
        let folders = text.split(':').map(str::trim).filter(|folder| !folder.is_empty());
        folders
            .map(|folder| PathBuf::from(if is_from_file { self.in_folder(folder) } else { expand(folder) }))
            .collect()
    }

    /// `private_key_file`
    pub(crate) fn private_key(&self) -> Option<PathBuf> {
        self.path(&PRIVATE_KEY)
    }

    /// `playbook_dir`, for commands without a playbook.
    pub(crate) fn playbook_dir(&self) -> Option<PathBuf> {
        self.path(&PLAYBOOK_DIR)
    }

    /// `vault_password_file`
    pub(crate) fn vault_password_file(&self) -> Option<PathBuf> {
        self.path(&VAULT_PASSWORD_FILE)
    }

    /// `vault_identity_list`
    pub(crate) fn vault_ids(&self) -> Vec<String> {
        let text = self.text(&VAULT_IDENTITY_LIST).unwrap_or_default();
        text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect()
    }

    /// `vault_id_match`
    pub(crate) fn matches_vault_ids(&self) -> bool {
        self.flag(&VAULT_ID_MATCH).unwrap_or(false)
    }

    /// `vault_encrypt_identity`
    pub(crate) fn vault_encrypt_id(&self) -> Option<String> {
        self.text(&VAULT_ENCRYPT_IDENTITY)
    }

    /// `vault_encrypt_salt`
    pub(crate) fn vault_salt(&self) -> Option<String> {
        self.text(&VAULT_ENCRYPT_SALT)
    }

    /// `host_key_checking`
    pub(crate) fn checks_host_keys(&self) -> Option<bool> {
        self.flag(&SSH_HOST_KEY_CHECKING).or_else(|| self.flag(&HOST_KEY_CHECKING))
    }

    pub(crate) fn remote_user(&self) -> Option<String> {
        self.text(&REMOTE_USER)
    }

    pub(crate) fn remote_port(&self) -> Option<u16> {
        self.text(&REMOTE_PORT)?.parse().ok()
    }

    pub(crate) fn forks(&self) -> Option<usize> {
        self.text(&FORKS)?.parse().ok()
    }

    pub(crate) fn timeout(&self) -> Option<u64> {
        self.text(&TIMEOUT)?.parse().ok()
    }

    pub(crate) fn task_timeout(&self) -> Option<u64> {
        self.text(&TASK_TIMEOUT)?.parse().ok().filter(|seconds| *seconds > 0)
    }

    /// Whether the truth of a value counts where a condition is neither true nor false.
    pub(crate) fn allows_broken_conditionals(&self) -> bool {
        self.flag(&ALLOW_BROKEN_CONDITIONALS).unwrap_or(false)
    }

    /// `deprecation_warnings`
    pub(crate) fn warns_of_deprecations(&self) -> bool {
        self.flag(&DEPRECATION_WARNINGS).unwrap_or(true)
    }

    /// `duplicate_dict_key`
    pub(crate) fn duplicate_keys(&self) -> Option<String> {
        self.text(&DUPLICATE_KEYS)
    }

    /// `log_path`
    pub(crate) fn log_path(&self) -> Option<PathBuf> {
        self.path(&LOG_PATH)
    }

    /// `log_verbosity`
    pub(crate) fn log_verbosity(&self) -> Option<u8> {
        self.text(&LOG_VERBOSITY)?.parse().ok()
    }

    /// `hash_behaviour`
    pub(crate) fn hash_behaviour(&self) -> Option<String> {
        self.text(&HASH_BEHAVIOUR)
    }

    /// `force_valid_group_names`
    pub(crate) fn group_names(&self) -> Option<String> {
        self.text(&GROUP_NAMES)
    }

    /// Whether what tasks come to is hidden, unless they say that it is not.
    pub(crate) fn no_log(&self) -> bool {
        self.flag(&NO_LOG).unwrap_or(false)
    }

    pub(crate) fn gathering(&self) -> Option<String> {
        self.text(&GATHERING)
    }

    pub(crate) fn strategy(&self) -> Option<String> {
        self.text(&STRATEGY)
    }

    pub(crate) fn force_handlers(&self) -> bool {
        self.flag(&FORCE_HANDLERS).unwrap_or(false)
    }

    pub(crate) fn any_errors_fatal(&self) -> bool {
        self.flag(&ANY_ERRORS_FATAL).unwrap_or(false)
    }

    /// Whether a notification that no handler answers is an error.
    pub(crate) fn minds_missing_handlers(&self) -> bool {
        self.flag(&ERROR_ON_MISSING_HANDLER).unwrap_or(true)
    }

    /// Whether the figures of `set_stats` are shown at the end.
    pub(crate) fn shows_custom_stats(&self) -> bool {
        self.flag(&SHOW_CUSTOM_STATS).unwrap_or(false)
    }

    pub(crate) fn transport(&self) -> Option<String> {
        self.text(&TRANSPORT).filter(|transport| transport != "smart")
    }

    pub(crate) fn verbosity(&self) -> u8 {
        self.text(&VERBOSITY).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn diff(&self) -> bool {
        self.flag(&DIFF_ALWAYS).unwrap_or(false)
    }

    pub(crate) fn tags(&self) -> Vec<String> {
        self.text(&RUN_TAGS).into_iter().collect()
    }

    pub(crate) fn skip_tags(&self) -> Vec<String> {
        self.text(&SKIP_TAGS).into_iter().collect()
    }

    pub(crate) fn becomes(&self) -> bool {
        self.flag(&BECOME).unwrap_or(false)
    }

    /// `become_allow_same_user`
    pub(crate) fn becomes_same_user(&self) -> bool {
        self.flag(&BECOME_ALLOW_SAME_USER).unwrap_or(false)
    }

    pub(crate) fn become_user(&self) -> Option<String> {
        self.text(&BECOME_USER)
    }

    pub(crate) fn become_method(&self) -> Option<String> {
        self.text(&BECOME_METHOD)
    }

    pub(crate) fn asks_become_password(&self) -> bool {
        self.flag(&BECOME_ASK_PASS).unwrap_or(false)
    }

    pub(crate) fn asks_password(&self) -> bool {
        self.flag(&ASK_PASS).unwrap_or(false)
    }

    /// `ssh_args` and `ssh_common_args`
    pub(crate) fn ssh_common_args(&self) -> Option<String> {
        let all: Vec<String> = self.text(&SSH_ARGS).into_iter().chain(self.text(&SSH_COMMON_ARGS)).collect();
        Some(all.join(" ")).filter(|args| !args.is_empty())
    }

    pub(crate) fn ssh_extra_args(&self) -> Option<String> {
        self.text(&SSH_EXTRA_ARGS)
    }

    fn text(&self, setting: &Setting) -> Option<String> {
        self.find(setting).map(|(text, _)| text)
    }

    fn flag(&self, setting: &Setting) -> Option<bool> {
        self.text(setting).map(|text| is_true(&text))
    }

    fn path(&self, setting: &Setting) -> Option<PathBuf> {
        let (text, is_from_file) = self.find(setting)?;
        Some(PathBuf::from(if is_from_file { self.in_folder(&text) } else { expand(&text) }))
    }

    /// The value, and whether it is from the file.
    fn find(&self, setting: &Setting) -> Option<(String, bool)> {
        let of_environment = setting.environment.iter().find_map(|name| self.environment(name));
        if let Some(text) = of_environment.filter(|text| !text.is_empty()) {
            return Some((text, false));
        }
        let key = (setting.section.to_owned(), setting.name.to_owned());
        self.values.get(&key).filter(|text| !text.is_empty()).map(|text| (text.clone(), true))
    }

    fn environment(&self, name: &str) -> Option<String> {
        match &self.environment {
            Some(environment) => environment.get(name).cloned(),
            None => std::env::var(name).ok(),
        }
    }

    /// Paths of the file count from its folder.
    fn in_folder(&self, path: &str) -> String {
        let path = PathBuf::from(expand(path));
        let folder = self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        folder.join(path).to_string_lossy().into_owned()
    }
}

fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "1" | "y" | "t")
}

fn config_file() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ANSIBLE_CONFIG").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        let path = if path.is_dir() { path.join("ansible.cfg") } else { path };
        // Ansible passes over one that is not there.
        return Some(path).filter(|path| path.exists());
    }
    let places = ["ansible.cfg".to_owned(), expand("~/.ansible.cfg"), "/etc/ansible/ansible.cfg".to_owned()];
    places.into_iter().map(PathBuf::from).find(|path| path.is_file())
}

fn parse(text: &str) -> IndexMap<(String, String), String> {
    let mut section = String::new();
    let mut values = IndexMap::new();
    let mut last: Option<(String, String)> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t'])
            && let Some(value) = last.as_ref().and_then(|key| values.get_mut(key))
        {
            let value: &mut String = value;
            *value += &format!(" {trimmed}");
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim().to_owned();
            continue;
        }
        if let Some((name, value)) = trimmed.split_once(['=', ':']) {
            // ` ;` begins a comment, as in Python's configuration files that Ansible reads.
            let value = value.split(" ;").next().unwrap_or(value);
            let key = (section.clone(), name.trim().to_ascii_lowercase());
            values.insert(key.clone(), value.trim().to_owned());
            last = Some(key);
        }
    }
    values
}

fn expand(path: &str) -> String {
    crate::run::expand_home(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str, environment: &[(&str, &str)]) -> Settings {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings {
            file: Some("/etc/site/ansible.cfg".into()),
            values: parse(text),
            environment: Some(environment.collect()),
        }
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let text = "[defaults]\nforks = 20 ; many\nremote_user=deploy\n";
        let settings = settings(text, &[("ANSIBLE_FORKS", "7")]);
        assert_eq!((settings.forks(), settings.remote_user().as_deref()), (Some(7), Some("deploy")));
    }

    #[test]
    fn a_number_that_is_none_is_named_with_its_setting_and_where_it_is_from() {
        assert_eq!(settings("[defaults]\ntimeout = 7\n", &[]).unreadable(), None);
        let wrong = settings("", &[("ANSIBLE_TIMEOUT", "lola")]).unreadable().expect("a sentence");
        assert!(
            wrong.starts_with("Config 'DEFAULT_TIMEOUT' from 'env: ANSIBLE_TIMEOUT' has an invalid value")
        );
    }

    #[test]
    fn paths_of_the_file_count_from_its_folder() {
        let settings = settings("[defaults]\ninventory = hosts.ini, more\nroles_path = roles\n", &[]);
        assert_eq!(settings.inventory(), ["/etc/site/hosts.ini", "/etc/site/more"]);
        assert_eq!(settings.roles_path(), [PathBuf::from("/etc/site/roles")]);
    }

    #[test]
    fn keys_of_hosts_are_checked_unless_a_setting_says_otherwise() {
        assert_eq!(settings("", &[]).checks_host_keys(), None);
        assert_eq!(settings("", &[("ANSIBLE_HOST_KEY_CHECKING", "False")]).checks_host_keys(), Some(false));
    }
}
