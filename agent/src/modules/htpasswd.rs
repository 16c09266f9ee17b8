//! `htpasswd`: users of a password file of a web server. The hashes are made by the host's own openssl.

use super::placing::{self, Before};
use super::{Args, Check, Failure, Module};
use crate::worker::View;
use crate::worker::process::Command;
use muster_api::diff::Change;

pub(super) struct Htpasswd;

impl Module for Htpasswd {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        let name = args.needed("name")?;
        let before = Before::at(&path, true, view)?;
        if !before.is_file() && args.choice("create") == Some(false) {
            return Err(Failure::missing(format!("Destination {} does not exist", path.display())));
        }
        let text = String::from_utf8_lossy(&before.content).into_owned();
        let start = format!("{name}:");
        let known = text.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned);
        let others: String =
            text.lines().filter(|line| !line.starts_with(&start)).map(|line| format!("{line}\n")).collect();
        if args.text("state") == Some("absent") {
            return match known {
                None => Ok(Check::unchanged().with("msg", format!("{name} not present"))),
                Some(_) => Ok(placing::place(&before, others.into_bytes(), args, view)?
                    .with("msg", format!("Remove {name}"))),
            };
        }
        let password = args
            .text("password")
            .ok_or_else(|| Failure::new("state is present but all of the following are missing: password"))?;
        if known.as_deref().is_some_and(|known| is_password(known, password, view)) {
            return Ok(placing::place(&before, text.into_bytes(), args, view)?
                .with("msg", format!("{name} already present")));
        }
        let msg = if known.is_some() { format!("Updated {name}") } else { format!("Add {name}") };
        let hash = hashed(password, args.text("hash_scheme").unwrap_or("apr_md5_crypt"), None, view)?;
        let new = format!("{others}{name}:{hash}\n");
        let mut check = placing::place(&before, new.into_bytes(), args, view)?;
        // The content has a hash of the password in it.
        check.outcome.diffs.iter_mut().flat_map(|diff| &mut diff.changes).for_each(|change| {
            if let Change::Content { before, after } = change {
                (*before, *after) = (muster_api::diff::Content::Secret, muster_api::diff::Content::Secret);
            }
        });
        Ok(check.with("msg", msg))
    }
}

fn is_password(known: &str, password: &str, view: &View<'_>) -> bool {
    let parts: Vec<&str> = known.split('$').collect();
    let scheme = match parts.as_slice() {
        ["", "apr1", ..] => "apr_md5_crypt",
        ["", "5", ..] => "sha256_crypt",
        ["", "6", ..] => "sha512_crypt",
        [_] => return known == password,
        _ => return false,
    };
    hashed(password, scheme, parts.get(2).copied(), view).is_ok_and(|hash| hash == known)
}

/// The password goes through stdin, where no process list shows it.
fn hashed(password: &str, scheme: &str, salt: Option<&str>, view: &View<'_>) -> Result<String, Failure> {
    let option = match scheme {
        "apr_md5_crypt" => "-apr1",
        "sha256_crypt" => "-5",
        "sha512_crypt" => "-6",
        "plaintext" => return Ok(password.to_owned()),
        other => {
            return Err(Failure::new(format!(
                "the scheme `{other}` is not supported: apr_md5_crypt, sha256_crypt, sha512_crypt and plaintext are"
            )));
        }
    };
    super::openssl::needs_openssl(view)?;
    let mut command = Command::new("openssl", &["passwd", option, "-stdin"]);
    if let Some(salt) = salt {
        command = command.argument("-salt").argument(salt);
    }
    command.deadline = view.deadline();
    let ran = command.fed(format!("{password}\n")).run();
    let ran = ran.map_err(|error| Failure::new(format!("cannot run `openssl`: {error}")))?;
    match ran.is_fine() {
        true => Ok(ran.out().trim().to_owned()),
        false => Err(Failure::new(ran.complaint())),
    }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn password_is_added_once_changed_and_removed() {
        let trial = Trial::new("htpasswd");
        let path = trial.write("users", "other:x\n");
        let step = |password: &str| json!({"path": path, "name": "ann", "password": password});
        assert!(trial.apply(step("one")).changed);
        assert!(trial.text("users").starts_with("other:x\nann:$apr1$"));
        assert!(!trial.apply(step("one")).changed);
        assert!(trial.apply(step("two")).changed);
        trial.changes_once(json!({"path": path, "name": "ann", "state": "absent"}));
        assert_eq!(trial.text("users"), "other:x\n");
    }
}
