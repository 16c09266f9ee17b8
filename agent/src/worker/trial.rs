//! For tests of modules: check, apply, check, apply. What was predicted is what is applied, and the second run is silent.

use super::before::Keeper;
use super::due::Note;
use super::overlay::Overlay;
use super::step;
use super::view::Controller;
use muster_api::module::{coerce, find, is_answered_ahead};
use muster_api::outcome::Outcome;
use muster_api::step::{ContentRef, Perhaps, Shows, Step};
use serde_json::Value;
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// A module and a folder of its own.
pub(crate) struct Trial {
    module: &'static str,
    folder: tempfile::TempDir,
    /// What the controller would send.
    content: Option<Vec<u8>>,
    overlay: RefCell<Overlay>,
    keeper: Keeper,
    /// Where it keeps things; apart from the folder, which is compared.
    kept: tempfile::TempDir,
}

struct Sender<'a>(Option<&'a [u8]>);

impl Controller for Sender<'_> {
    fn content(&self, wanted: &ContentRef) -> Result<Vec<u8>, String> {
        let content = self.0.ok_or("there is none")?;
        assert_eq!(wanted.sha256, crate::modules::sha256(content));
        Ok(content.to_vec())
    }

    fn progress(&self, _id: u64, _text: &str) {}
}

impl Trial {
    pub(crate) fn new(module: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = tempfile::tempdir().expect("a folder");
        Self { module, folder, content: None, overlay: RefCell::default(), keeper: Keeper::default(), kept }
    }

    /// The step brings this content.
    pub(crate) fn sending(module: &'static str, content: &str) -> Self {
        Self { content: Some(content.into()), ..Self::new(module) }
    }

    /// What is replaced is kept as that of this run.
    pub(crate) fn keeping(self, run: &str) -> Self {
        Self { keeper: Keeper::below(self.kept.path(), run), ..self }
    }

    /// What was kept last is lost, as where a run breaks off.
    pub(crate) fn forget_last_line(&self) {
        let file = self.kept.path().join(self.keeper.run()).join("changes");
        let text = std::fs::read_to_string(&file).expect("there");
        let (lines, _) = text.trim_end().rsplit_once('\n').expect("two lines");
        std::fs::write(&file, format!("{lines}\n")).expect("written");
    }

    /// Another module has changed something before.
    pub(crate) fn has_done(&self, module: &'static str, args: Value) {
        let spec = find(module).expect("the module has a table");
        let args = coerce(spec, args.as_object().expect("a mapping")).expect("good arguments");
        let step = Step { module: module.into(), args, ..self.step(serde_json::json!({"run": "x"}), false) };
        let done = step::run(&step, &mut Overlay::default(), &Sender(None), &Note::nowhere(), &self.keeper);
        assert!(done.changed && !done.failed, "{done:?}");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().expect("it exists").join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, content).expect("written");
        path
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a text")
    }

    fn run(&self, args: Value, check: bool, overlay: &mut Overlay) -> Outcome {
        self.run_step(&self.step(args, check), overlay)
    }

    fn run_step(&self, step: &Step, overlay: &mut Overlay) -> Outcome {
        let sender = Sender(self.content.as_deref());
        step::run(step, overlay, &sender, &Note::nowhere(), &self.keeper)
    }

    fn step(&self, args: Value, check: bool) -> Step {
        self.step_of(self.module, args, check)
    }

    fn step_of(&self, module: &'static str, args: Value, check: bool) -> Step {
        let Value::Object(args) = args else { panic!("arguments are a mapping") };
        let own = &muster_api::module::OWN_MODULE;
        let spec = find(module).or((module == own.name).then_some(own)).expect("the module has a table");
        let content = self.content.as_deref().map(|content| ContentRef {
            sha256: crate::modules::sha256(content),
            size: content.len() as u64,
        });
        Step {
            id: 1,
            module: module.into(),
            args: coerce(spec, &args).expect("good arguments"),
            check,
            diff: true,
            no_log: false,
            environment: [].into(),
            content,
            background: false,
            timeout_ms: None,
            notifies: None,
            shows_corosync: Shows::Nothing,
            perhaps: None,
        }
    }

    /// What the worker says of the step before its turn.
    fn ahead(&self, args: Value) -> Option<Outcome> {
        step::answer_ahead(&self.step(args, false), &Overlay::default())
    }

    pub(crate) fn check(&self, args: Value) -> Outcome {
        self.run(args, true, &mut Overlay::default())
    }

    /// Checks with what earlier calls of this would have left behind.
    pub(crate) fn plan(&self, args: Value) -> Outcome {
        self.run(args, true, &mut self.overlay.borrow_mut())
    }

    /// What is said of a step of the plan before its turn.
    pub(crate) fn plan_ahead(&self, args: Value) -> Option<Outcome> {
        step::answer_ahead(&self.step(args, true), &self.overlay.borrow())
    }

    /// The same for a step of another module.
    pub(crate) fn plan_with(&self, module: &'static str, args: Value) -> Outcome {
        self.run_step(&self.step_of(module, args, true), &mut self.overlay.borrow_mut())
    }

    /// The same for a step of which it is not known whether it is done, or all of its arguments.
    pub(crate) fn plan_perhaps(&self, module: &'static str, args: Value, lacks_arguments: bool) -> Outcome {
        let perhaps = Some(Perhaps { why: "it depends".into(), lacks_arguments, done_as: None });
        let args = args.as_object().expect("a mapping").clone();
        let step = Step {
            args,
            module: module.into(),
            perhaps,
            ..self.step_of("ping", serde_json::json!({}), true)
        };
        self.run_step(&step, &mut self.overlay.borrow_mut())
    }

    /// From here on nothing is planned.
    pub(crate) fn forget_plan(&self) {
        *self.overlay.borrow_mut() = Overlay::default();
    }

    /// As if an earlier step of the plan made this group.
    pub(crate) fn foresee_group(&self, name: &str, gid: u32) {
        let group = super::accounts::Group { name: name.to_owned(), gid, members: Vec::new() };
        let command = super::process::Command::new("groupadd", &[name]);
        let made = super::Operation::Run { command, brings: vec![super::Prediction::Group(group)] };
        self.overlay.borrow_mut().predict(&made, 0o022).expect("predicted");
    }

    pub(crate) fn apply(&self, args: Value) -> Outcome {
        self.run(args, false, &mut Overlay::default())
    }

    /// Both check and apply refuse, with the same message.
    pub(crate) fn refuse(&self, args: Value) -> String {
        let checked = self.check(args.clone());
        let applied = self.apply(args);
        assert!(checked.failed && applied.failed, "{checked:?}\n{applied:?}");
        assert_eq!(checked.result["msg"], applied.result["msg"]);
        applied.result["msg"].as_str().expect("a sentence").to_owned()
    }

    /// The step changes something, as its check says, without the check writing anything; then nothing more.
    pub(crate) fn changes_once(&self, args: Value) -> Outcome {
        let before = listing(self.folder.path());
        let checked = self.check(args.clone());
        assert_eq!(listing(self.folder.path()), before, "the check wrote something");
        assert!(checked.changed && !checked.failed, "predicted: {checked:?}");
        self.plan(args.clone());
        let again = self.plan(args.clone());
        assert!(!again.changed && !again.failed, "predicted on what was predicted: {again:?}");
        *self.overlay.borrow_mut() = Overlay::default();
        assert_eq!(self.ahead(args.clone()), None, "a step with something to do is not answered ahead");
        assert_eq!(listing(self.folder.path()), before, "looking ahead wrote something");
        let applied = self.apply(args.clone());
        assert_eq!(same(&applied), same(&checked), "applied is not what was predicted");
        self.is_silent(args);
        applied
    }

    /// Neither check nor apply has anything to change.
    pub(crate) fn is_silent(&self, args: Value) -> Outcome {
        let ahead = self.ahead(args.clone());
        let checked = self.check(args.clone());
        assert!(!checked.changed && !checked.failed && checked.diffs.is_empty(), "{checked:?}");
        let applied = self.apply(args);
        assert!(!applied.changed && !applied.failed && applied.diffs.is_empty(), "{applied:?}");
        let is_ahead = is_answered_ahead(self.module);
        assert_eq!(ahead.as_ref().map(same), is_ahead.then(|| same(&applied)), "answered ahead: {ahead:?}");
        applied
    }
}

/// What a prediction and an application have in common.
fn same(outcome: &Outcome) -> (bool, bool, Vec<muster_api::diff::Diff>, Vec<(String, Value)>) {
    // A backup's name has the time in it, and a directory's size is the file system's own affair.
    let is_directory = outcome.result.get("state").is_some_and(|state| state == "directory");
    let is_told = |name: &str| name != "backup_file" && name != "backup" && !(name == "size" && is_directory);
    let result = outcome.result.iter().filter(|(name, _)| is_told(name));
    let result = result.map(|(name, value)| (name.clone(), without_last_access(value))).collect();
    (outcome.changed, outcome.failed, outcome.diffs.clone(), result)
}

/// Every path below a folder with its content and mode.
fn listing(folder: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("there") {
        let path = entry.expect("readable").path();
        let metadata = std::fs::symlink_metadata(&path).expect("there");
        let content = std::fs::read(&path).unwrap_or_default();
        all.push(format!("{} {:o} {} {content:?}", path.display(), metadata.mode(), metadata.mtime()));
        if metadata.is_dir() {
            all.extend(listing(&path));
        }
    }
    all.sort();
    all
}

/// Reading a file is an access, and each of these runs reads it.
fn without_last_access(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(stat) = value.as_object_mut() {
        stat.remove("atime");
    }
    value
}
