//! Modules of the collection `ansible.posix`: mounts, kernel settings, keys of users, SELinux.

use super::super::ArgKind::{Bool, Int, List, Path, Str};
use super::super::{ArgSpec, ModuleSpec, Rule};
use super::{NOTHING, arg};

const POSIX: ModuleSpec = ModuleSpec { collection: "ansible.posix", ..NOTHING };
const STATE: ArgSpec =
    arg("state", Str, "Whether it shall be there.").one_of(&["absent", "present"]).default("present");

pub(super) const AUTHORIZED_KEY: ModuleSpec = ModuleSpec {
    name: "authorized_key",
    summary: "Keeps the keys with which a user may log in over ssh.",
    args: &[
        arg("user", Str, "The user.").required(),
        arg("key", Str, "The key, several lines of them, or an address that has them.").required(),
        STATE,
        arg("path", Path, "The file; `~/.ssh/authorized_keys` of the user without it."),
        arg("manage_dir", Bool, "Whether the directory of the file is made.").default("true"),
        arg("key_options", Str, "Options before the key."),
        arg("comment", Str, "The comment behind the key."),
        arg("exclusive", Bool, "All other keys go.").default("false"),
        arg("follow", Bool, "Whether a link at `path` is followed.").default("false"),
        arg("validate_certs", Bool, "Whether the server's certificate is checked.").default("true"),
    ],
    ..POSIX
};

pub(super) const MOUNT: ModuleSpec = ModuleSpec {
    name: "mount",
    summary: "Keeps a line of fstab, and mounts and unmounts.",
    args: &[
        arg("path", Path, "Where it is mounted.").or(&["name"]).required(),
        arg(
            "state",
            Str,
            "`mounted`: the line and the mount; `present`: only the line; `ephemeral`: only the mount.",
        )
        .one_of(&["absent", "absent_from_fstab", "mounted", "present", "unmounted", "remounted", "ephemeral"])
        .required(),
        arg("src", Path, "What is mounted."),
        arg("fstype", Str, "The type of its file system."),
        arg("opts", Str, "The options of the mount."),
        arg("dump", Str, "The fifth field of the line.").default("\"0\""),
        arg("passno", Str, "The sixth field of the line.").default("\"0\""),
        arg("fstab", Path, "Another file than /etc/fstab."),
        arg("boot", Bool, "Whether it is mounted at the start of the host.").default("true"),
        arg("backup", Bool, "Keeps the old file beside it, with the time in its name.").default("false"),
    ],
    ..POSIX
};

pub(super) const SELINUX: ModuleSpec = ModuleSpec {
    name: "selinux",
    summary: "Sets the mode and the policy of SELinux.",
    args: &[
        arg("state", Str, "The mode.").one_of(&["disabled", "enforcing", "permissive"]).required(),
        arg("policy", Str, "The policy, such as `targeted`."),
        arg("configfile", Path, "The file of settings.").or(&["conf", "file"]).default("/etc/selinux/config"),
    ],
    unsupported: &["update_kernel_param"],
    ..POSIX
};

pub(super) const SEBOOLEAN: ModuleSpec = ModuleSpec {
    name: "seboolean",
    summary: "Sets a switch of the SELinux policy.",
    args: &[
        arg("name", Str, "The switch.").required(),
        arg("state", Bool, "On or off.").required(),
        arg("persistent", Bool, "Also after the next start.").default("false"),
        arg("ignore_selinux_state", Bool, "Tries it also where SELinux is off.").default("false"),
    ],
    ..POSIX
};

pub(super) const SYSCTL: ModuleSpec = ModuleSpec {
    name: "sysctl",
    summary: "Keeps a setting of the kernel.",
    args: &[
        arg("name", Str, "The setting.").or(&["key"]).required(),
        arg("value", Str, "Its value.").or(&["val"]),
        STATE,
        arg("sysctl_file", Path, "The file of settings.").default("/etc/sysctl.conf"),
        arg("sysctl_set", Bool, "Sets it in the running kernel too.").default("false"),
        arg("reload", Bool, "Reads the file again where it changed.").default("true"),
        arg("ignoreerrors", Bool, "Settings that the kernel does not know are no failure.").default("false"),
    ],
    rules: &[Rule::RequiredIf { argument: "state", value: "present", needs: &["value"] }],
    ..POSIX
};

pub(super) const FIREWALLD: ModuleSpec = ModuleSpec {
    name: "firewalld",
    summary: "Keeps services, ports and rules in a zone of firewalld.",
    args: &[
        arg("state", Str, "Whether it shall be on.")
            .one_of(&["absent", "disabled", "enabled", "present"])
            .required(),
        arg("service", Str, "The service."),
        arg("port", Str, "The port, as `80/tcp`."),
        arg("rich_rule", Str, "The rule, as of firewalld.richlanguage(5)."),
        arg("source", Str, "The addresses."),
        arg("interface", Str, "The interface."),
        arg("icmp_block", Str, "The kind of ICMP that is refused."),
        arg("icmp_block_inversion", Bool, "Refuses all other kinds."),
        arg("protocol", Str, "The protocol."),
        arg("masquerade", Bool, "Whether addresses are hidden."),
        arg("zone", Str, "The zone; the default zone without it."),
        arg("permanent", Bool, "For the next start."),
        arg("immediate", Bool, "Now; so without `permanent`."),
        arg("port_forward", List, "One mapping: port, proto, toport, toaddr."),
        arg("target", Str, "What becomes of packets that no rule of the zone is about.").one_of(&[
            "default",
            "ACCEPT",
            "DROP",
            "%%REJECT%%",
        ]),
        arg("timeout", Int, "Seconds for which it is on.").default("0"),
        arg("offline", Bool, "Also where firewalld does not run.").default("false"),
    ],
    ..POSIX
};
