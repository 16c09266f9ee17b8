//! As whom a task runs on a host, and how one gets there: sudo or su, with or without a password.

use crate::vault::Secret;
use std::time::Duration;

/// As whom a task runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Identity {
    /// As the user who logged in.
    #[default]
    Login,
    /// As someone else.
    Become(Become),
    /// In a plan: as root, who stands in for an account that the plan makes.
    StandIn {
        account: String,
        /// How to become root; none where root logged in.
        root: Option<Become>,
    },
}

/// How to become someone else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Become {
    pub(crate) user: String,
    pub(crate) method: Method,
    /// `become_exe`: another program than the method's.
    pub(crate) exe: Option<String>,
    /// `become_flags`, instead of `-H` for sudo.
    pub(crate) flags: Option<String>,
    pub(crate) password: Option<Secret>,
    /// The directory that sudo is called in.
    pub(crate) chdir: Option<String>,
    /// What su asks with, where the user says so; else any question that ends with a colon is one.
    pub(crate) prompts: Vec<String>,
    /// How long the question for a password may take to come.
    pub(crate) patience: Duration,
}

/// How long that may take where nobody says: a connection's 10 s, and what Ansible adds to them.
pub(crate) const USUAL_PATIENCE: Duration = Duration::from_secs(12);

/// Through which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// sudo(8)
    Sudo,
    /// su(1)
    Su,
}

impl Method {
    /// The method of that name.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        match name {
            "sudo" | "ansible.builtin.sudo" => Ok(Self::Sudo),
            "su" | "ansible.builtin.su" => Ok(Self::Su),
            other => Err(format!("become_method `{other}` is not supported: there are `sudo` and `su`")),
        }
    }

    /// As users write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sudo => "sudo",
            Self::Su => "su",
        }
    }
}

impl Identity {
    /// Who stands in for an account of the plan that this one would become; none where it takes another password than is known to
    /// be root here.
    pub(crate) fn stand_in(account: &Become, login: &str) -> Option<Self> {
        let sudo =
            || (account.method == Method::Sudo).then(|| Become { user: "root".into(), ..account.clone() });
        let root = if login == "root" { None } else { Some(sudo()?) };
        Some(Self::StandIn { account: account.user.clone(), root })
    }

    /// The account for which it stands in.
    pub(crate) fn stands_in_for(&self) -> Option<&str> {
        match self {
            Self::StandIn { account, .. } => Some(account),
            _ => None,
        }
    }

    fn become_(&self) -> Option<&Become> {
        match self {
            Self::Login => None,
            Self::Become(become_) => Some(become_),
            Self::StandIn { root, .. } => root.as_ref(),
        }
    }

    /// The user that it becomes.
    pub(crate) fn user(&self) -> Option<&str> {
        self.become_().map(|become_| become_.user.as_str())
    }

    /// The password that a prompt is to be answered with.
    pub(crate) fn password(&self) -> Option<&Secret> {
        self.become_()?.password.as_ref()
    }

    /// The command line that runs `script` by `sh` as this identity. `prompt` is what sudo shall ask with. No
    /// password is in it: command lines can be read by everyone on the host.
    pub(crate) fn command_line(&self, script: &str, prompt: &str) -> String {
        let script = quote(script);
        let Some(become_) = self.become_() else { return format!("exec sh -c {script}") };
        let program = become_.exe.as_deref().unwrap_or(become_.method.name());
        let user = quote(&become_.user);
        match become_.method {
            Method::Sudo => {
                let flags = become_.flags.as_deref().map_or_else(|| "-H".to_owned(), without_password_flags);
                let ask = match become_.password {
                    Some(_) => format!("-S -p {}", quote(prompt)),
                    None => "-S -n".to_owned(),
                };
                let folder = become_.chdir.as_deref().map(|folder| format!("cd {} && ", quote(folder)));
                let folder = folder.unwrap_or_default();
                format!("{folder}exec {program} {flags} {ask} -u {user} -- sh -c {script}")
            }
            Method::Su => {
                let flags = become_.flags.as_deref().unwrap_or("");
                format!("exec {program} {flags} {user} -c {}", quote(&format!("exec sh -c {script}")))
            }
        }
    }

    /// Whether `text` on standard error asks for the password.
    pub(crate) fn asks(&self, text: &str, prompt: &str) -> bool {
        match self.become_() {
            None => false,
            Some(Become { method: Method::Sudo, .. }) => text.contains(prompt),
            // su's question is in the language of the host.
            Some(Become { method: Method::Su, prompts, .. }) => {
                let text = text.trim_end();
                let is_known = |prompt: &String| text.contains(prompt.as_str());
                text.ends_with([':', '：']) && (prompts.is_empty() || prompts.iter().any(is_known))
            }
        }
    }

    /// How long the question for a password may take to come, where one is expected.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.become_().filter(|become_| become_.password.is_some()).map(|become_| become_.patience)
    }

    /// Whether the program on the way says that there is no such user.
    pub(crate) fn has_no_user(&self, said: &str) -> bool {
        self.become_().is_some() && ["unknown user", "does not exist"].iter().any(|text| said.contains(text))
    }

    /// Why the program on the way refused, by what it said.
    pub(crate) fn refusal(&self, said: &str, was_asked: bool) -> Option<String> {
        let become_ = self.become_()?;
        let method = become_.method.name();
        let user = &become_.user;
        let has = |text: &str| said.contains(text);
        if has("password is required") || has("no password was provided") || has("must have a tty") {
            return Some(match become_.password {
                None => format!("{method} wants a password for becoming `{user}`: give it with -K"),
                Some(_) => format!("{method} did not take the password for becoming `{user}`"),
            });
        }
        if has("ncorrect password") || has("Authentication failure") || has("Sorry, try again") {
            return Some(match become_.password {
                Some(_) => {
                    format!(
                        "Incorrect {method} password: it does not let us become `{user}`; give another one with -K"
                    )
                }
                None => format!("{method} wants a password for becoming `{user}`: give it with -K"),
            });
        }
        if has("not in the sudoers") || has("may not run") || has("is not allowed") {
            return Some(format!("{method} does not allow becoming `{user}`: {}", said.trim()));
        }
        if self.has_no_user(said) {
            return Some(format!("there is no user `{user}` to become: {}", said.trim()));
        }
        if has("not found") || has("No such file") {
            return Some(format!("{method} is not on the host: {}", said.trim()));
        }
        was_asked.then(|| format!("becoming `{user}` by {method} failed: {}", said.trim()))
    }
}

/// `-n`, `-S` and `-p` are ours to decide.
fn without_password_flags(flags: &str) -> String {
    let kept = flags
        .split_whitespace()
        .filter(|flag| !matches!(*flag, "-n" | "-S" | "--stdin" | "--non-interactive"));
    kept.collect::<Vec<_>>().join(" ")
}

/// A word for a shell.
pub(crate) fn quote(text: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "@%+=:,./-_".contains(char);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sudo(password: Option<&str>) -> Identity {
        Identity::Become(Become {
            user: "root".into(),
            method: Method::Sudo,
            exe: None,
            flags: None,
            password: password.map(Secret::new),
            chdir: None,
            prompts: Vec::new(),
            patience: USUAL_PATIENCE,
        })
    }

    #[test]
    fn su_is_answered_where_it_asks_and_only_to_its_own_question() {
        let Identity::Become(become_) = sudo(Some("x")) else { panic!("it becomes someone") };
        let su = |prompts: &[&str]| {
            let prompts = prompts.iter().map(|prompt| (*prompt).to_owned()).collect();
            Identity::Become(Become { method: Method::Su, prompts, ..become_.clone() })
        };
        assert!(su(&[]).asks("Passwort: ", "?"));
        assert!(su(&["Passwort"]).asks("Passwort: ", "?"));
        assert!(!su(&["Password"]).asks("Passwort: ", "?"));
    }

    #[test]
    fn who_stands_in_for_an_account_is_root_by_the_way_that_the_account_would_be() {
        let Identity::Become(become_) = sudo(None) else { panic!("it becomes someone") };
        let account = Become { user: "app".into(), ..become_ };
        let line = |login: &str| Some(Identity::stand_in(&account, login)?.command_line("id", "?"));
        assert_eq!(line("root").as_deref(), Some("exec sh -c id"));
        assert_eq!(line("admin").as_deref(), Some("exec sudo -H -S -n -u root -- sh -c id"));
        let by_su = Become { method: Method::Su, ..account.clone() };
        assert!(Identity::stand_in(&by_su, "root").is_some());
        assert_eq!(Identity::stand_in(&by_su, "admin"), None, "the password is the account's, not root's");
    }

    #[test]
    fn sudo_is_called_in_the_folder_that_is_asked_for() {
        let Identity::Become(become_) = sudo(None) else { panic!("it becomes someone") };
        let identity = Identity::Become(Become { chdir: Some("/a b".into()), ..become_ });
        assert_eq!(identity.command_line("id", "?"), "cd '/a b' && exec sudo -H -S -n -u root -- sh -c id");
    }

    #[test]
    fn sudo_never_waits_for_a_password_that_was_not_given() {
        assert_eq!(sudo(None).command_line("id", "?"), "exec sudo -H -S -n -u root -- sh -c id");
    }

    #[test]
    fn a_password_is_not_in_the_command_line() {
        let line = sudo(Some("hunter2")).command_line("echo 'a b'", "[key]");
        assert_eq!(line, r"exec sudo -H -S -p '[key]' -u root -- sh -c 'echo '\''a b'\'''");
    }

    #[test]
    fn a_missing_password_names_the_option() {
        let why = sudo(None).refusal("sudo: a password is required", false);
        assert_eq!(why.as_deref(), Some("sudo wants a password for becoming `root`: give it with -K"));
    }

    #[test]
    fn flags_of_the_user_cannot_bring_back_the_waiting() {
        assert_eq!(without_password_flags("-H -S -n -E"), "-H -E");
    }
}
