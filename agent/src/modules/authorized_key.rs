//! `authorized_key`: the keys with which a user may log in over ssh (sshd(8), AUTHORIZED_KEYS FILE FORMAT).

use super::placing::{self, Before};
use super::{Args, Check, Failure, Module, http};
use crate::worker::accounts::User;
use crate::worker::{Attributes, Operation, View};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

pub(super) struct AuthorizedKey;

const KINDS: [&str; 4] = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];

impl Module for AuthorizedKey {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("user")?;
        let user = view.user(name).ok_or_else(|| {
            Failure::missing(format!("Failed to lookup user {name}: there is none on this host"))
        })?;
        let path =
            args.path("path", view).unwrap_or_else(|| Path::new(&user.home).join(".ssh/authorized_keys"));
        let keys = wanted(args, view)?;
        let before = Before::at(&path, args.flag("follow"), view)?;
        let text = String::from_utf8_lossy(&before.content).into_owned();
        let new = edited(&text, &keys, args);
        let mut check = match new == text {
            true => Check::unchanged(),
            false => place(&path, &before, new, &user, args, view)?,
        };
        check.report = super::Report::Nothing;
        Ok(check.with("keyfile", path.to_string_lossy()).with("user", name))
    }
}

/// The file belongs to the user and only the user may write it: sshd trusts it then.
fn place(
    path: &Path,
    before: &Before,
    new: String,
    user: &User,
    args: &Args<'_>,
    view: &View<'_>,
) -> Result<Check, Failure> {
    let manages = args.choice("manage_dir") != Some(false);
    let own: Map<String, Value> =
        [("mode", "0600".to_owned()), ("owner", user.uid.to_string()), ("group", user.gid.to_string())]
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into_iter()
            .collect();
    let own = Args { values: &own };
    if !manages {
        return placing::place(before, new.into_bytes(), &own, view);
    }
    let mut check = placing::place_with_folders(before, new.into_bytes(), &own, view)?;
    let made: Vec<PathBuf> = check
        .operations
        .iter()
        .filter_map(|operation| match operation {
            Operation::MakeDirectory { path } => Some(path.clone()),
            _ => None,
        })
        .collect();
    let folder = path.parent().unwrap_or(path);
    if made.iter().any(|made| made == folder) {
        let attributes = Attributes { mode: Some(0o700), uid: Some(user.uid), gid: Some(user.gid) };
        check.operations.push(Operation::Set { path: folder.to_owned(), attributes });
    }
    Ok(check)
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    options: String,
    kind: String,
    key: String,
    comment: String,
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let words = split(line);
        let at = words.iter().position(|word| KINDS.iter().any(|kind| word.starts_with(kind)))?;
        Some(Self {
            options: words[..at].join(" "),
            kind: words[at].clone(),
            key: words.get(at + 1)?.clone(),
            comment: words[at + 2..].join(" "),
        })
    }

    fn text(&self) -> String {
        let parts = [&self.options, &self.kind, &self.key, &self.comment];
        let parts: Vec<&str> =
            parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    }
}

/// At blanks that are not between quotes: options have such.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for letter in line.chars() {
        is_quoted ^= letter == '"';
        match letter.is_whitespace() && !is_quoted {
            true => words.push(String::new()),
            false => words.last_mut().into_iter().for_each(|word| word.push(letter)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn wanted(args: &Args<'_>, view: &View<'_>) -> Result<Vec<Line>, Failure> {
    let mut text = args.needed("key")?.to_owned();
    if text.starts_with("http://") || text.starts_with("https://") {
        let question = http::Question {
            method: "GET".into(),
            body: Vec::new(),
            content_type: None,
            follows: true,
            headers: Vec::new(),
        };
        let answer = http::send(&text, question, args, view).map_err(Failure::new)?;
        if answer.status != 200 {
            return Err(Failure::new(format!("Error getting key from: {text}")));
        }
        text = String::from_utf8_lossy(&answer.body).into_owned();
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parsed = lines.map(|line| {
        let mut key =
            Line::parse(line).ok_or_else(|| Failure::new(format!("invalid key specified: {line}")))?;
        if let Some(options) = args.text("key_options") {
            key.options = options.to_owned();
        }
        if let Some(comment) = args.text("comment") {
            key.comment = comment.to_owned();
        }
        Ok(key)
    });
    parsed.collect()
}

fn edited(text: &str, keys: &[Line], args: &Args<'_>) -> String {
    let is_present = args.text("state") != Some("absent");
    let mut lines: Vec<String> = Vec::new();
    let mut found = vec![false; keys.len()];
    for line in text.lines() {
        let known = Line::parse(line);
        let at = known.as_ref().and_then(|known| keys.iter().position(|key| key.key == known.key));
        match (at, known) {
            (Some(at), Some(known)) if is_present && !found[at] => {
                found[at] = true;
                let has_options = args.text("key_options").is_none() && keys[at].options.is_empty()
                    || known.options == keys[at].options;
                lines.push(if has_options && known.comment == keys[at].comment {
                    line.to_owned()
                } else {
                    keys[at].text()
                });
            }
            (Some(_), Some(_)) => {}
            (_, Some(_)) if args.flag("exclusive") && is_present => {}
            _ => lines.push(line.to_owned()),
        }
    }
    if is_present {
        lines.extend(keys.iter().zip(&found).filter(|(_, found)| !**found).map(|(key, _)| key.text()));
    }
    match lines.is_empty() {
        true => String::new(),
        false => lines.join("\n") + "\n",
    }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn key_is_added_once_made_the_only_one_and_removed() {
        let trial = Trial::new("authorized_key");
        let path = trial.write("keys", "ssh-rsa AAAA old\n# note\n");
        let step = |state: &str, exclusive: bool| {
            json!({"user": "root", "path": path, "state": state, "exclusive": exclusive, "manage_dir": false,
                "key": "command=\"ls -l\",no-pty ssh-ed25519 BBBB me@here"})
        };
        trial.changes_once(step("present", false));
        assert_eq!(
            trial.text("keys"),
            "ssh-rsa AAAA old\n# note\ncommand=\"ls -l\",no-pty ssh-ed25519 BBBB me@here\n"
        );
        trial.changes_once(step("present", true));
        assert!(!trial.text("keys").contains("AAAA"));
        trial.changes_once(step("absent", false));
        assert_eq!(trial.text("keys"), "# note\n");
    }

    #[test]
    fn unknown_user_and_bad_key_are_refused() {
        let trial = Trial::new("authorized_key");
        assert!(trial.refuse(json!({"user": "no-such", "key": "ssh-rsa A"})).contains("no-such"));
        assert!(trial.refuse(json!({"user": "root", "key": "nonsense"})).contains("invalid key"));
    }
}
