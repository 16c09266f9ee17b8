//! `ppa:OWNER/NAME`: an archive of Launchpad. Launchpad says which key signs it, a keyserver has the key.

use super::super::placing::{self, Before};
use super::super::{Args, Check, Failure, http};
use crate::worker::View;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// An archive of Launchpad, for one release.
pub(super) struct Ppa {
    owner: String,
    name: String,
    codename: String,
}

impl Ppa {
    /// `OWNER` or `OWNER/NAME`; the release is the task's, or the host's.
    pub(super) fn of(written: &str, args: &Args<'_>, view: &View<'_>) -> Result<Self, Failure> {
        let (owner, name) = written.split_once('/').unwrap_or((written, "ppa"));
        let release = view.text("/etc/os-release");
        let own = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
        let codename = args.text("codename").or(own).ok_or_else(|| {
            Failure::new(format!(
                "`ppa:{written}` needs `codename`: this host does not say which release it is"
            ))
        })?;
        Ok(Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
            codename: codename.trim_matches('"').to_owned(),
        })
    }

    pub(super) fn line(&self) -> String {
        format!(
            "deb [signed-by={}] http://ppa.launchpadcontent.net/{}/{}/ubuntu {} main",
            self.key_file().display(),
            self.owner,
            self.name,
            self.codename
        )
    }

    fn key_file(&self) -> PathBuf {
        format!("/etc/apt/keyrings/ppa-{}-{}.asc", self.owner, self.name).into()
    }

    /// Puts the key where the line says it is; a key that is there already is the right one.
    pub(super) fn key(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let before = Before::at(&self.key_file(), true, view)?;
        if before.is_file() {
            return Ok(Check::unchanged());
        }
        let archive = format!("https://api.launchpad.net/1.0/~{}/+archive/{}", self.owner, self.name);
        let told: Value = serde_json::from_slice(&fetched(&archive, args, view)?).unwrap_or_default();
        let print = told["signing_key_fingerprint"].as_str().ok_or_else(|| {
            Failure::new(format!("Launchpad does not know the key of `ppa:{}/{}`", self.owner, self.name))
        })?;
        let server = format!("https://keyserver.ubuntu.com/pks/lookup?op=get&options=mr&search=0x{print}");
        let key = fetched(&server, args, view)?;
        let mode = Map::from_iter([("mode".to_owned(), Value::from("0644"))]);
        placing::place_with_folders(&before, key, &Args { values: &mode }, view)
    }
}

fn fetched(url: &str, args: &Args<'_>, view: &View<'_>) -> Result<Vec<u8>, Failure> {
    let answer = http::get(url, args, view).map_err(Failure::new)?;
    match answer.status {
        200 => Ok(answer.body),
        status => Err(Failure::new(format!(
            "failed to fetch PPA information, error was: `{url}` answered {status}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_names_the_archive_and_its_key() {
        let ppa = Ppa { owner: "a".into(), name: "b".into(), codename: "noble".into() };
        assert_eq!(
            ppa.line(),
            "deb [signed-by=/etc/apt/keyrings/ppa-a-b.asc] http://ppa.launchpadcontent.net/a/b/ubuntu noble main"
        );
    }
}
