//! `password`: a random password that is kept in a file, so that the next run gives the same one.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use minijinja::{Error, Value};

use super::Table;
use crate::template::args::Args;
use crate::template::filters::{encoding, math};
use crate::template::python;
use crate::template::value::items;
use crate::vars::Scope;

pub(super) const TABLE: Table = &[("password", password)];

/// One password at a time: two hosts that ask for the same file must get the same one.
static WRITING: Mutex<()> = Mutex::new(());

#[derive(Debug)]
struct Wish {
    path: PathBuf,
    length: usize,
    chars: Vec<String>,
    encrypt: Option<String>,
    seed: Option<Value>,
    /// None for the usual ones.
    rounds: Option<i64>,
}

fn password(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let length = args.named("length");
    let chars = args.named("chars");
    let encrypt = args.named("encrypt").filter(|value| !value.is_none() && value.as_str() != Some(""));
    let seed = args.named("seed").filter(|value| !value.is_none());
    if args.named("ident").is_some() {
        return Err(args.refuse("`ident` belongs to bcrypt, which is not supported"));
    }
    let mut found = Vec::new();
    for term in terms {
        let mut wish = Wish {
            path: PathBuf::new(),
            length: match &length {
                Some(length) => args.as_integer("length", length)?.max(1) as usize,
                None => 20,
            },
            chars: match &chars {
                Some(chars) if chars.as_str().is_none() => items(chars)?.iter().map(python::text).collect(),
                Some(chars) => character_sets(&python::text(chars)),
                None => usual_sets(),
            },
            encrypt: encrypt.as_ref().map(python::text),
            seed: seed.clone(),
            rounds: None,
        };
        wish.read_term(&python::text(term)).map_err(|err| args.refuse(err))?;
        if wish.path.is_relative() {
            wish.path = scope.playbook_dir().join(&wish.path);
        }
        let password =
            wish.password().map_err(|err| args.refuse(format!("`{}`: {err}", wish.path.display())))?;
        scope.secrets().add(&password);
        found.push(Value::from(password));
    }
    Ok(found)
}

/// Names of sets and characters, separated by commas; two commas are a comma.
fn character_sets(text: &str) -> Vec<String> {
    let mut sets: Vec<String> = Vec::new();
    if text.contains(",,") {
        sets.push(",".into());
    }
    sets.extend(text.replace(",,", ",").split(',').filter(|part| !part.is_empty()).map(str::to_owned));
    sets
}

fn usual_sets() -> Vec<String> {
    ["ascii_letters", "digits", ".,:-_"].map(str::to_owned).to_vec()
}

impl Wish {
    /// `PATH` and the old `length=… chars=… encrypt=… seed=…` after it.
    fn read_term(&mut self, term: &str) -> Result<(), String> {
        let mut path: Vec<&str> = Vec::new();
        for word in term.split_whitespace() {
            match word.split_once('=') {
                Some(("length", length)) => {
                    self.length = length.parse().map_err(|_| format!("`length` is no number: {length}"))?;
                }
                Some(("chars", chars)) => self.chars = character_sets(chars),
                Some(("encrypt", scheme)) => {
                    self.encrypt = Some(scheme.to_owned()).filter(|scheme| !scheme.is_empty());
                }
                Some(("seed", seed)) => self.seed = Some(Value::from(seed)),
                _ => path.push(word),
            }
        }
        self.path = PathBuf::from(path.join(" "));
        if path.is_empty() { Err("the path of the password's file is missing".into()) } else { Ok(()) }
    }

    fn candidates(&self) -> Result<Vec<char>, String> {
        let set = |name: &String| match name.as_str() {
            "ascii_letters" => ('a'..='z').chain('A'..='Z').collect(),
            "ascii_lowercase" => ('a'..='z').collect(),
            "ascii_uppercase" => ('A'..='Z').collect(),
            "digits" => ('0'..='9').collect(),
            "hexdigits" => "0123456789abcdefABCDEF".to_owned(),
            "octdigits" => ('0'..='7').collect(),
            "punctuation" => "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".to_owned(),
            other => other.to_owned(),
        };
        let all: String = self.chars.iter().map(set).collect();
        let all: Vec<char> = all.chars().filter(|char| !matches!(char, '"' | '\'')).collect();
        if all.is_empty() { Err("`chars` leaves no characters".into()) } else { Ok(all) }
    }

    fn random(&self) -> Result<String, String> {
        let candidates = self.candidates()?;
        Ok(math::random_choices(self.seed.as_ref(), &candidates, self.length).into_iter().collect())
    }

    /// The kept password, else a new one that is kept now; encrypted if that is wished.
    fn password(&self) -> Result<String, String> {
        let _one = WRITING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_kept = self.path != Path::new("/dev/null");
        let kept = if is_kept { read_kept(&self.path)? } else { None };
        let (plain, salt) = match &kept {
            Some((plain, salt)) => (plain.clone(), salt.clone()),
            None => (self.random()?, None),
        };
        let salt = match (&self.encrypt, salt) {
            (Some(_), None) => Some(encoding::random_salt()?),
            (_, salt) => salt,
        };
        let content = match &salt {
            Some(salt) => format!("{plain} salt={salt}\n"),
            None => format!("{plain}\n"),
        };
        let is_new = kept.is_none_or(|(_, kept_salt)| kept_salt != salt);
        if is_kept && is_new {
            write(&self.path, &content)?;
        }
        match &self.encrypt {
            Some(scheme) => encoding::crypt(&plain, scheme, salt.as_deref(), self.rounds),
            None => Ok(plain),
        }
    }
}

fn read_kept(path: &Path) -> Result<Option<(String, Option<String>)>, String> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let text = text.trim_end();
            Ok(Some(match text.rsplit_once(" salt=") {
                Some((plain, salt)) => (plain.to_owned(), Some(salt.to_owned())),
                None => (text.to_owned(), None),
            }))
        }
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err.to_string()),
    }
}

/// Whole or not at all, and for no one else to read.
fn write(path: &Path, content: &str) -> Result<(), String> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = dir.join(format!(".{name}.{}", std::process::id()));
    let write = || {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|err| {
        // The next try must find no half-written file.
        let _ = fs::remove_file(&temporary);
        err.to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(path: &Path, term: &str) -> Wish {
        let mut wish = Wish {
            path: PathBuf::new(),
            length: 20,
            chars: usual_sets(),
            encrypt: None,
            seed: None,
            rounds: Some(1000),
        };
        wish.read_term(&format!("{} {term}", path.display())).unwrap();
        wish
    }

    #[test]
    fn the_second_run_gives_the_password_that_the_first_one_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets/web");
        let first = wish(&path, "length=12 chars=digits").password().unwrap();
        assert!(first.len() == 12 && first.bytes().all(|byte| byte.is_ascii_digit()));
        assert_eq!(wish(&path, "").password().unwrap(), first);
    }

    #[test]
    fn an_encrypted_password_keeps_its_salt() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web");
        let first = wish(&path, "encrypt=sha256_crypt").password().unwrap();
        assert!(first.starts_with("$5$"));
        assert_eq!(wish(&path, "encrypt=sha256_crypt").password().unwrap(), first);
    }
}
