//! Modules for users and groups.

use super::super::ArgKind::{Bool, Float, Int, ListOfStr, Path, Str};
use super::super::{ModuleSpec, Rule};
use super::{NOTHING, arg};

pub(super) const USER: ModuleSpec = ModuleSpec {
    name: "user",
    summary: "Creates, changes and removes a user.",
    args: &[
        arg("name", Str, "The login name.").or(&["user"]).required(),
        arg("state", Str, "Whether the user shall be there.")
            .one_of(&["absent", "present"])
            .default("present"),
        arg("uid", Int, "The number."),
        arg("uid_min", Int, "The lowest number that a new user gets."),
        arg("uid_max", Int, "The highest number that a new user gets."),
        arg("non_unique", Bool, "Another user may have the same number.").default("false"),
        arg("comment", Str, "The full name (GECOS)."),
        arg("group", Str, "The primary group, by name or number."),
        arg("groups", ListOfStr, "The other groups; an empty list is none."),
        arg("append", Bool, "Adds to the groups that the user has already.").default("false"),
        arg("shell", Path, "The login shell."),
        arg("home", Path, "The home directory."),
        arg("skeleton", Str, "The directory that a new home is copied from."),
        arg("password", Str, "The password, as crypt(5) text.").secret(),
        arg("update_password", Str, "Whether the password of an existing user is changed.")
            .one_of(&["always", "on_create"])
            .default("always"),
        arg("password_lock", Bool, "Whether the password is locked."),
        arg("create_home", Bool, "Whether the home directory is created.")
            .or(&["createhome"])
            .default("true"),
        arg("move_home", Bool, "Moves the home directory when `home` changes.").default("false"),
        arg("system", Bool, "A new user is a system account.").default("false"),
        arg("force", Bool, "With `absent`: removes also a user who is logged in.").default("false"),
        arg("remove", Bool, "With `absent`: removes the home directory and the mail spool.").default("false"),
        arg("generate_ssh_key", Bool, "Whether a key pair is made where there is none.").default("false"),
        arg("ssh_key_bits", Int, "The size of the key; ssh-keygen's own without it."),
        arg("ssh_key_type", Str, "The type of the key.").default("rsa"),
        arg("ssh_key_file", Path, "The file of the key; below the home directory where it is relative."),
        arg("ssh_key_comment", Str, "The comment in the key.").default("ansible-generated on $HOSTNAME"),
        arg("ssh_key_passphrase", Str, "The passphrase of the key.").secret(),
        arg("expires", Float, "When the account ends, in seconds since 1970; negative for never."),
        arg("password_expire_max", Int, "Days after which a password must be changed."),
        arg("password_expire_min", Int, "Days before a password may be changed."),
        arg("password_expire_warn", Int, "Days of warning before that."),
        arg("password_expire_account_disable", Int, "Days after that until the account is closed."),
        arg("umask", Str, "The umask for a new home directory."),
        arg("local", Bool, "Only the host's own files count and change, no directory service.")
            .default("false"),
    ],
    unsupported: &["hidden", "seuser", "login_class", "profile", "authorization", "role"],
    rules: &[Rule::RequiredIf { argument: "non_unique", value: "true", needs: &["uid"] }],
    ..NOTHING
};

pub(super) const GROUP: ModuleSpec = ModuleSpec {
    name: "group",
    summary: "Creates, changes and removes a group.",
    args: &[
        arg("name", Str, "The group.").required(),
        arg("state", Str, "Whether the group shall be there.")
            .one_of(&["absent", "present"])
            .default("present"),
        arg("gid", Int, "The number."),
        arg("gid_min", Int, "The lowest number that a new group gets."),
        arg("gid_max", Int, "The highest number that a new group gets."),
        arg("non_unique", Bool, "Another group may have the same number.").default("false"),
        arg("system", Bool, "A new group is a system group.").default("false"),
        arg("force", Bool, "With `absent`: removes also the primary group of a user.").default("false"),
        arg("local", Bool, "Only the host's own files count and change, no directory service.")
            .default("false"),
    ],
    rules: &[Rule::RequiredIf { argument: "non_unique", value: "true", needs: &["gid"] }],
    ..NOTHING
};
