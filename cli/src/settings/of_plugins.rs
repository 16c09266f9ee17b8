//! Options of connections and shells by the names that playbooks ask for with the lookup `config`.

use super::named::{Kind, value};
use super::{Setting, Settings};
use serde_json::Value as Json;

/// An option of a plugin of Ansible: the variables that set it, the last of which wins, then what is configured.
pub(crate) struct PluginOption {
    kind: &'static str,
    plugin: &'static str,
    name: &'static str,
    /// Variables of the host.
    pub(crate) variables: &'static [&'static str],
    setting: Setting,
    reads: Kind,
    default: Option<&'static str>,
}

macro_rules! options {
    ($($kind:literal $plugin:literal $name:literal $reads:ident [$($variable:literal)*] $section:literal $key:literal
       [$($environment:literal)*] $default:expr;)*) => {
        &[$(PluginOption {
            kind: $kind,
            plugin: $plugin,
            name: $name,
            variables: &[$($variable),*],
            setting: Setting { section: $section, name: $key, environment: &[$($environment),*] },
            reads: Kind::$reads,
            default: $default,
        }),*]
    };
}

const OPTIONS: &[PluginOption] = options! {
    "connection" "ssh" "host" Text ["inventory_hostname" "ansible_host" "ansible_ssh_host"] "" "" [] None;
    "connection" "ssh" "port" Number ["ansible_port" "ansible_ssh_port"] "defaults" "remote_port" ["ANSIBLE_REMOTE_PORT"] None;
    "connection" "ssh" "remote_user" Text ["ansible_user" "ansible_ssh_user"] "defaults" "remote_user" ["ANSIBLE_REMOTE_USER"]
        None;
    "connection" "ssh" "private_key_file" Text ["ansible_private_key_file" "ansible_ssh_private_key_file"]
        "defaults" "private_key_file" ["ANSIBLE_PRIVATE_KEY_FILE"] None;
    "connection" "ssh" "timeout" Number ["ansible_ssh_timeout"] "defaults" "timeout" ["ANSIBLE_TIMEOUT" "ANSIBLE_SSH_TIMEOUT"]
        Some("10");
    "connection" "ssh" "host_key_checking" Flag ["ansible_host_key_checking" "ansible_ssh_host_key_checking"]
        "defaults" "host_key_checking" ["ANSIBLE_HOST_KEY_CHECKING" "ANSIBLE_SSH_HOST_KEY_CHECKING"] Some("true");
    "connection" "ssh" "pipelining" Flag ["ansible_pipelining" "ansible_ssh_pipelining"]
        "ssh_connection" "pipelining" ["ANSIBLE_PIPELINING" "ANSIBLE_SSH_PIPELINING"] Some("false");
    "connection" "ssh" "ssh_executable" Text ["ansible_ssh_executable"] "ssh_connection" "ssh_executable"
        ["ANSIBLE_SSH_EXECUTABLE"] Some("ssh");
    "connection" "ssh" "ssh_transfer_method" Text ["ansible_ssh_transfer_method"] "ssh_connection" "transfer_method"
        ["ANSIBLE_SSH_TRANSFER_METHOD"] Some("smart");
    "connection" "ssh" "ssh_args" Text ["ansible_ssh_args"] "ssh_connection" "ssh_args" ["ANSIBLE_SSH_ARGS"]
        Some("-C -o ControlMaster=auto -o ControlPersist=60s");
    "connection" "ssh" "ssh_common_args" Text ["ansible_ssh_common_args"] "ssh_connection" "ssh_common_args"
        ["ANSIBLE_SSH_COMMON_ARGS"] Some("");
    "connection" "ssh" "ssh_extra_args" Text ["ansible_ssh_extra_args"] "ssh_connection" "ssh_extra_args"
        ["ANSIBLE_SSH_EXTRA_ARGS"] Some("");
    "connection" "ssh" "sftp_extra_args" Text ["ansible_sftp_extra_args"] "ssh_connection" "sftp_extra_args"
        ["ANSIBLE_SFTP_EXTRA_ARGS"] Some("");
    "connection" "ssh" "scp_extra_args" Text ["ansible_scp_extra_args"] "ssh_connection" "scp_extra_args"
        ["ANSIBLE_SCP_EXTRA_ARGS"] Some("");
    "shell" "sh" "remote_tmp" Text ["ansible_remote_tmp"] "defaults" "remote_tmp"
        ["ANSIBLE_REMOTE_TEMP" "ANSIBLE_REMOTE_TMP"] Some("~/.ansible/tmp");
    "shell" "sh" "async_dir" Text ["ansible_async_dir"] "defaults" "async_dir" ["ANSIBLE_ASYNC_DIR"] Some("~/.ansible_async");
};

impl PluginOption {
    /// The option of that name, if it is known.
    pub(crate) fn find(kind: &str, plugin: &str, name: &str) -> Option<&'static Self> {
        OPTIONS.iter().find(|option| option.kind == kind && option.plugin == plugin && option.name == name)
    }

    /// Whether anything is known of such a plugin.
    pub(crate) fn knows(kind: &str, plugin: &str) -> bool {
        OPTIONS.iter().any(|option| option.kind == kind && option.plugin == plugin)
    }

    /// A text as what the option is.
    pub(crate) fn read(&self, text: &str) -> Json {
        value(self.reads, text)
    }
}

impl Settings {
    /// What is configured for an option, and where.
    pub(crate) fn of_plugin(&self, option: &PluginOption) -> (Json, String) {
        let (text, origin) = self.text_or(&option.setting, option.default);
        (text.map_or(Json::Null, |text| option.read(&text)), origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_has_its_default_where_nothing_is_set() {
        let option = PluginOption::find("connection", "ssh", "scp_extra_args").expect("it is known");
        assert_eq!(Settings::default().of_plugin(option).0, Json::from(""));
        assert!(PluginOption::find("connection", "ssh", "nothing").is_none());
        assert!(PluginOption::knows("shell", "sh") && !PluginOption::knows("shell", "fish"));
    }
}
