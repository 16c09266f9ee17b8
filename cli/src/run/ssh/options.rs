//! Options for ssh as users write them: `ansible_ssh_common_args`, `~/.ssh/config` through `ssh -G`.

use std::path::PathBuf;
use std::process::Stdio;

/// ssh's options by lower-case name, in the order in which they were given: for most the first one counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SshOptions(Vec<(String, String)>);

/// Options that we act on.
const ACTED_ON: &[&str] = &[
    "connecttimeout",
    "globalknownhostsfile",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "passwordauthentication",
    "port",
    "preferredauthentications",
    "proxycommand",
    "proxyjump",
    "pubkeyauthentication",
    "serveralivecountmax",
    "serveraliveinterval",
    "stricthostkeychecking",
    "user",
    "userknownhostsfile",
    "kbdinteractiveauthentication",
];

/// Options that change nothing for a program that keeps one connection of its own.
const WITHOUT_EFFECT: &[&str] = &[
    "batchmode",
    "checkhostip",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "compression",
    "escapechar",
    "forwardagent",
    "forwardx11",
    "gssapiauthentication",
    "loglevel",
    "requesttty",
    "tcpkeepalive",
    "updatehostkeys",
    "visualhostkey",
    "addkeystoagent",
    "sendenv",
    "canonicalizehostname",
];

impl SshOptions {
    /// Reads arguments as for ssh: `-o Name=value`, `-J`, `-i`, `-p`, `-l`, `-F` and flags without effect here.
    ///
    /// # Errors
    ///
    /// A sentence that names an option which we would have to ignore.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = split_words(text)?.into_iter();
        while let Some(word) = words.next() {
            options.add_word(&word, &mut words)?;
        }
        Ok(options)
    }

    fn add_word(&mut self, word: &str, rest: &mut impl Iterator<Item = String>) -> Result<(), String> {
        let flag = word.get(..2).unwrap_or(word);
        let mut value = || match word.get(2..) {
            Some(value) if !value.is_empty() => Ok(value.to_owned()),
            _ => rest.next().ok_or(format!("`{word}` needs a value")),
        };
        match flag {
            "-o" => self.add_option(&value()?),
            "-J" => self.add("proxyjump", value()?),
            "-i" => self.add("identityfile", value()?),
            "-p" => self.add("port", value()?),
            "-l" => self.add("user", value()?),
            "-C" | "-A" | "-a" | "-x" | "-q" | "-T" | "-4" | "-6" if word.len() == 2 => Ok(()),
            _ if word.starts_with("-v") => Ok(()),
            _ => Err(format!("ssh's option `{word}` is not supported here")),
        }
    }

    fn add_option(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text
            .split_once(['=', ' '])
            .ok_or_else(|| format!("ssh's option `{text}` has no value: write `-o Name=value`"))?;
        self.add(&name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned())
    }

    fn add(&mut self, name: &str, value: String) -> Result<(), String> {
        if ACTED_ON.contains(&name) {
            self.0.push((name.to_owned(), value));
            return Ok(());
        }
        if WITHOUT_EFFECT.contains(&name) {
            Ok(())
        } else {
            Err(format!("ssh's option `{name}` is not supported here"))
        }
    }

    /// The first value of an option.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of an option.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// These options, and behind them those of `other`.
    pub(crate) fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// What `ssh -G` says about a host: its configuration files with `Match`, `Include` and tokens resolved. Nothing
    /// where there is no ssh.
    pub(crate) async fn of_config(host: &str, given: &Self) -> Self {
        let mut command = tokio::process::Command::new("ssh");
        command.arg("-G").stdin(Stdio::null()).stderr(Stdio::null());
        for (name, value) in &given.0 {
            command.arg("-o").arg(format!("{name}={value}"));
        }
        match command.arg("--").arg(host).output().await {
            Ok(output) if output.status.success() => {
                Self::parse_config(&String::from_utf8_lossy(&output.stdout))
            }
            _ => Self::default(),
        }
    }

    fn parse_config(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let known = lines.filter(|(name, _)| ACTED_ON.contains(name));
        Self(known.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// `~` at the start of a path is the user's home.
pub(crate) fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => path.into(),
    }
}

/// Words as a shell splits them: quotes and backslashes, nothing else.
pub(crate) fn split_words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            (char, Some(open)) if char == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (char, None) if char.is_whitespace() => words.extend(word.take()),
            (char, _) => word.get_or_insert_default().push(char),
        }
    }
    match quote {
        Some(open) => Err(format!("the quote {open} is not closed in `{text}`")),
        None => Ok(words.into_iter().chain(word).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_in_every_form_and_the_first_counts() {
        let text = r#"-o UserKnownHostsFile=/dev/null -oPort=2222 -o "ProxyJump bastion" -p 22 -C"#;
        let options = SshOptions::parse(text).expect("all are supported");
        assert_eq!(options.get("userknownhostsfile"), Some("/dev/null"));
        assert_eq!(options.get("port"), Some("2222"));
        assert_eq!(options.get("proxyjump"), Some("bastion"));
    }

    #[test]
    fn an_option_that_would_be_ignored_is_refused_by_name() {
        assert_eq!(
            SshOptions::parse("-o Tunnel=yes").expect_err("it is not supported"),
            "ssh's option `tunnel` is not supported here"
        );
    }

    #[test]
    fn words_keep_what_quotes_hold() {
        assert_eq!(
            split_words(r#"a "b c" 'd "e' f\ g"#).expect("quotes are closed"),
            ["a", "b c", "d \"e", "f g"]
        );
        assert!(split_words("a 'b").is_err());
    }
}
