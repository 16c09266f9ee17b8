//! `find`: files below directories, chosen by name, kind, age, size, mode and content.

use super::pattern::{Flags, Pattern};
use super::{Args, Check, Failure, Module, attributes, checksum, glob, stat};
use crate::worker::View;
use crate::worker::file::{Kind, Stat, Time};
use crate::worker::process::{Command, Ran};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(super) struct Find;

impl Module for Find {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let filter = Filter::of(args)?;
        let mut search = Search { args, view, filter: &filter, found: Found::default() };
        for path in args.list("paths").unwrap_or_default() {
            search.root(&path)?;
        }
        Ok(search.found.told())
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    files: Vec<Value>,
    examined: usize,
    skipped: Map<String, Value>,
}

impl Found {
    fn told(self) -> Check {
        let msg = match self.skipped.is_empty() {
            true => "All paths examined",
            false => "Not all paths examined, check warnings for details",
        };
        let warning = |(path, why): (&String, &Value)| {
            format!("Skipped '{path}' path due to this access issue: {}\n", why.as_str().unwrap_or_default())
        };
        let warnings = self.skipped.iter().map(warning).collect();
        let mut check = Check::unchanged()
            .with("matched", self.files.len())
            .with("files", self.files)
            .with("examined", self.examined)
            .with("skipped_paths", self.skipped)
            .with("msg", msg);
        check.outcome.warnings = warnings;
        check
    }
}

/// One search through all paths.
struct Search<'a> {
    args: &'a Args<'a>,
    view: &'a View<'a>,
    filter: &'a Filter,
    found: Found,
}

impl Search<'_> {
    fn root(&mut self, written: &str) -> Result<(), Failure> {
        let path = PathBuf::from(self.view.expand(written));
        if !self.view.is_directory(&path) {
            let why = format!("'{}' is not a directory", path.display());
            self.found.skipped.insert(written.to_owned(), why.into());
            return Ok(());
        }
        self.folder(&path, 1, &mut BTreeSet::new())?;
        // As in Ansible, under the folder that was asked for.
        for why in self.filter.unread.take() {
            self.found.skipped.insert(written.to_owned(), why.into());
        }
        Ok(())
    }

    /// All entries of a directory, then those of the directories in it.
    fn folder(&mut self, folder: &Path, depth: i64, seen: &mut BTreeSet<(u64, u64)>) -> Result<(), Failure> {
        let names = match self.view.list(folder) {
            Ok(names) => names,
            Err(error) => {
                self.found.skipped.insert(folder.to_string_lossy().into_owned(), error.to_string().into());
                return Ok(());
            }
        };
        self.found.examined += names.len();
        if self.args.int("depth").is_some_and(|deepest| depth > deepest) {
            return Ok(());
        }
        let mut below = Vec::new();
        for name in names {
            let path = folder.join(&name);
            let Ok(Some(stat)) = self.view.lstat(&path) else { continue };
            if self.is_full() {
                return Ok(());
            }
            let is_hidden = name.to_string_lossy().starts_with('.') && !self.args.flag("hidden");
            if !is_hidden && self.filter.takes(&path, &stat, self.view)? {
                let told = self.told(&path, &stat);
                self.found.files.push(told);
            }
            if self.is_entered(&path, &stat, seen) {
                below.push(path);
            }
        }
        match self.args.flag("recurse") {
            true => below.iter().try_for_each(|path| self.folder(path, depth + 1, seen)),
            false => Ok(()),
        }
    }

    fn is_full(&self) -> bool {
        self.args.count("limit").is_some_and(|limit| self.found.files.len() as u64 >= limit)
    }

    /// Directories, and with `follow` links to directories where that does not go in a circle.
    fn is_entered(&self, path: &Path, stat: &Stat, seen: &mut BTreeSet<(u64, u64)>) -> bool {
        if !stat.is_link() {
            return stat.is_directory();
        }
        let target = if self.args.flag("follow") { self.view.stat(path).ok().flatten() } else { None };
        target.is_some_and(|target| target.is_directory() && seen.insert((target.device, target.inode)))
    }

    fn told(&self, path: &Path, stat: &Stat) -> Value {
        let mut told = stat::numbers(stat, self.view);
        told.insert("path".into(), path.to_string_lossy().into());
        if stat.is_file() && self.args.flag("get_checksum") {
            let algorithm = self.args.text("checksum_algorithm").unwrap_or("sha1");
            let content = self.view.read(path).ok();
            let sum = content.and_then(|content| checksum::by_name(algorithm, &content));
            told.insert("checksum".into(), sum.into());
        }
        told.into()
    }
}

/// What a file must be like.
struct Filter {
    kind: Option<Kind>,
    patterns: Names,
    excludes: Names,
    contains: Option<Pattern>,
    whole: bool,
    age: Option<i64>,
    stamp: Stamp,
    size: Option<i64>,
    mode: Option<String>,
    exact_mode: bool,
    now: i64,
    encoding: String,
    /// Files whose content is no text of the encoding.
    unread: RefCell<Vec<String>>,
}

#[derive(Clone, Copy)]
enum Stamp {
    Accessed,
    Modified,
    Changed,
}

impl Filter {
    fn of(args: &Args<'_>) -> Result<Self, Failure> {
        let is_regex = args.flag("use_regex");
        let contains = args.text("contains");
        Ok(Self {
            kind: match args.text("file_type") {
                Some("any") => None,
                Some("directory") => Some(Kind::Directory),
                Some("link") => Some(Kind::Link),
                _ => Some(Kind::File),
            },
            patterns: Names::of("patterns", args, is_regex)?,
            excludes: Names::of("excludes", args, is_regex)?,
            contains: contains.map(|written| Pattern::of("contains", written, Flags::None)).transpose()?,
            whole: args.flag("read_whole_file"),
            age: args.text("age").map(|age| number("age", age, seconds)).transpose()?,
            stamp: match args.text("age_stamp") {
                Some("atime") => Stamp::Accessed,
                Some("ctime") => Stamp::Changed,
                _ => Stamp::Modified,
            },
            size: args.text("size").map(|size| number("size", size, bytes)).transpose()?,
            mode: args.text("mode").map(str::to_owned),
            exact_mode: args.choice("exact_mode") != Some(false),
            now: Time::now().seconds,
            encoding: args.text("encoding").unwrap_or("utf-8").to_owned(),
            unread: RefCell::default(),
        })
    }

    fn takes(&self, path: &Path, stat: &Stat, view: &View<'_>) -> Result<bool, Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(self.kind.is_none_or(|kind| kind == stat.kind)
            && (self.patterns.are_none() || self.patterns.have(&name)?)
            && (self.excludes.are_none() || !self.excludes.have(&name)?)
            && self.has_age(stat)
            && self.has_size(stat)
            && self.has_mode(stat, view)
            && self.has_content(path, stat, view)?)
    }

    fn has_age(&self, stat: &Stat) -> bool {
        let time = match self.stamp {
            Stamp::Accessed => stat.accessed,
            Stamp::Modified => stat.modified,
            Stamp::Changed => stat.changed,
        };
        let old = self.now - time.seconds;
        self.age.is_none_or(|age| if age >= 0 { old >= age } else { old <= -age })
    }

    /// Only files have a size that a search can mean.
    fn has_size(&self, stat: &Stat) -> bool {
        let size = i64::try_from(stat.size).unwrap_or(i64::MAX);
        !stat.is_file()
            || self.size.is_none_or(|wanted| if wanted >= 0 { size >= wanted } else { size <= -wanted })
    }

    fn has_mode(&self, stat: &Stat, view: &View<'_>) -> bool {
        let Some(wanted) = &self.mode else { return true };
        // What is looked for stands for itself: it is no change of the mode that a file has.
        let wanted = attributes::mode_of(wanted, 0, stat.is_directory(), view.umask());
        if self.exact_mode { stat.mode == wanted } else { stat.mode & wanted != 0 }
    }

    /// A line must begin with a match, as Ansible reads `contains`; a whole file has it anywhere.
    fn has_content(&self, path: &Path, stat: &Stat, view: &View<'_>) -> Result<bool, Failure> {
        let Some(pattern) =
            self.contains.as_ref().filter(|_| self.kind == Some(Kind::File) && stat.is_file())
        else {
            return Ok(true);
        };
        let Some(text) = view.read(path).ok().and_then(|bytes| self.decoded(bytes, view)) else {
            let why = match self.is_known(view) {
                true => format!(
                    "Failed to read the file {} due to an encoding error. current encoding: {}",
                    path.display(),
                    self.encoding
                ),
                false => format!("unknown encoding: {}", self.encoding),
            };
            self.unread.borrow_mut().push(why);
            return Ok(false);
        };
        if self.whole {
            return pattern.is_in(&text);
        }
        for line in text.split_inclusive('\n') {
            if begins(pattern, line)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Filter {
    /// Whether the host knows the encoding.
    fn is_known(&self, view: &View<'_>) -> bool {
        let name = self.encoding.to_ascii_lowercase();
        matches!(name.as_str(), "utf-8" | "utf8" | "ascii")
            || view.ask("iconv", &["-f", &name, "-t", "utf-8", "/dev/null"]).is_ok_and(|ran| ran.is_fine())
    }

    /// `None` where the bytes are no text of the encoding; the host's iconv knows the rarer ones.
    fn decoded(&self, bytes: Vec<u8>, view: &View<'_>) -> Option<String> {
        let name = self.encoding.to_ascii_lowercase();
        if matches!(name.as_str(), "utf-8" | "utf8" | "ascii") || bytes.is_empty() {
            return String::from_utf8(bytes).ok();
        }
        let mut command = Command::new("iconv", &["-f", &name, "-t", "utf-8"]).fed(bytes);
        command.deadline = view.deadline();
        let ran = command.run().ok().filter(Ran::is_fine)?;
        String::from_utf8(ran.stdout).ok()
    }
}

/// Whether the text begins with a match.
fn begins(pattern: &Pattern, text: &str) -> Result<bool, Failure> {
    Ok(pattern.find(text)?.and_then(|found| found.get(0)).is_some_and(|whole| whole.start() == 0))
}

/// File names as shell patterns or as expressions.
enum Names {
    Globs(Vec<String>),
    Regexes(Vec<Pattern>),
}

impl Names {
    fn of(argument: &str, args: &Args<'_>, is_regex: bool) -> Result<Self, Failure> {
        let written = args.list(argument).unwrap_or_default();
        if !is_regex {
            return Ok(Self::Globs(written));
        }
        // The whole alternative is tried at the start of the name, as Python's `match` does.
        let compiled = written.iter().map(|one| Pattern::of(argument, &format!("^(?:{one})"), Flags::None));
        Ok(Self::Regexes(compiled.collect::<Result<_, _>>()?))
    }

    fn are_none(&self) -> bool {
        match self {
            Self::Globs(globs) => globs.is_empty(),
            Self::Regexes(regexes) => regexes.is_empty(),
        }
    }

    fn have(&self, name: &str) -> Result<bool, Failure> {
        match self {
            Self::Globs(globs) => Ok(globs.iter().any(|pattern| glob::matches(pattern, name))),
            Self::Regexes(regexes) => {
                regexes.iter().try_fold(false, |known, one| Ok(known || one.is_in(name)?))
            }
        }
    }
}

/// A number with a unit: `-2d`, `10m`.
fn number(argument: &str, written: &str, unit: fn(&str) -> Option<i64>) -> Result<i64, Failure> {
    let lower = written.trim().to_ascii_lowercase();
    let end = lower.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(lower.len());
    let (digits, letters) = lower.split_at(end);
    let parsed = digits.parse::<i64>().ok().zip(unit(letters));
    parsed
        .and_then(|(number, unit)| number.checked_mul(unit))
        .ok_or_else(|| Failure::new(format!("failed to process {argument}")).with(argument, written))
}

fn seconds(unit: &str) -> Option<i64> {
    Some(match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    })
}

fn bytes(unit: &str) -> Option<i64> {
    Some(match unit {
        "" | "b" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::{Value, json};

    fn names(trial: &Trial, args: Value) -> Vec<String> {
        let mut args = args;
        args["paths"] = json!(trial.path(""));
        let outcome = trial.is_silent(args);
        let files = outcome.result["files"].as_array().expect("a list").clone();
        let name = |file: &Value| {
            let path = file["path"].as_str().expect("a path");
            path.rsplit('/').next().expect("a name").to_owned()
        };
        files.iter().map(name).collect()
    }

    fn tree() -> Trial {
        let trial = Trial::new("find");
        trial.write("a.log", "error: one\n");
        trial.write("b.txt", "fine\nan error\n");
        trial.write(".hidden", "");
        trial.write("sub/deep/c.log", "x");
        trial
    }

    #[test]
    fn names_kinds_and_depth_choose() {
        let trial = tree();
        assert_eq!(names(&trial, json!({})), ["a.log", "b.txt"]);
        assert_eq!(names(&trial, json!({"patterns": "*.log", "recurse": true})), ["a.log", "c.log"]);
        assert_eq!(
            names(&trial, json!({"patterns": "^[ab]\\..*$", "use_regex": true, "excludes": "b"})),
            ["a.log"]
        );
        assert_eq!(names(&trial, json!({"file_type": "directory", "recurse": true, "depth": 1})), ["sub"]);
        assert_eq!(names(&trial, json!({"hidden": true, "patterns": ".*"})), [".hidden"]);
    }

    #[test]
    fn content_size_and_age_choose() {
        let trial = tree();
        assert_eq!(names(&trial, json!({"contains": "error"})), ["a.log"]);
        assert_eq!(names(&trial, json!({"contains": "error", "read_whole_file": true})).len(), 2);
        assert_eq!(names(&trial, json!({"size": "12"})), ["b.txt"]);
        assert_eq!(names(&trial, json!({"age": "1d"})), [""; 0]);
        assert_eq!(names(&trial, json!({"age": "-1d", "limit": 1})), ["a.log"]);
    }

    #[test]
    fn what_is_no_directory_is_told_and_bad_numbers_are_refused() {
        let trial = tree();
        let outcome = trial.check(json!({"paths": "/no/such"}));
        assert_eq!(outcome.result["skipped_paths"]["/no/such"], "'/no/such' is not a directory");
        assert_eq!(trial.refuse(json!({"paths": "/", "age": "1x"})), "failed to process age");
    }
}
