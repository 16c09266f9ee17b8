//! Template files: their options, the header that sets them, and the files that they include.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use minijinja::Value;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;

use super::blame::{Blamed, Marking, Sites, as_one, traced};
use super::cache::Cache;
use super::dialect::{self, Marks};
use super::engine::{Engine, Output, Renderer, environment};
use super::error::{FailureKind, SyntaxProblem, TemplateError, carry};
use crate::local_files::Unread;
use crate::suggest::nearest;
use crate::vars::Scope;

/// How a template file is to be read: the `template` module's options of the same names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FileOptions {
    /// `{%`
    pub(crate) block_start_string: String,
    /// `%}`
    pub(crate) block_end_string: String,
    /// `{{`
    pub(crate) variable_start_string: String,
    /// `}}`
    pub(crate) variable_end_string: String,
    /// `{#`
    pub(crate) comment_start_string: String,
    /// `#}`
    pub(crate) comment_end_string: String,
    /// Statements on a line of their own after this.
    pub(crate) line_statement_prefix: Option<String>,
    /// Comments to the end of the line after this.
    pub(crate) line_comment_prefix: Option<String>,
    /// Drop the newline after a block.
    pub(crate) trim_blocks: bool,
    /// Drop blanks before a block.
    pub(crate) lstrip_blocks: bool,
    /// Keep the newline at the end of each included file; that of the template itself is kept in any case.
    pub(crate) keep_trailing_newline: bool,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            block_start_string: "{%".into(),
            block_end_string: "%}".into(),
            variable_start_string: "{{".into(),
            variable_end_string: "}}".into(),
            comment_start_string: "{#".into(),
            comment_end_string: "#}".into(),
            line_statement_prefix: None,
            line_comment_prefix: None,
            trim_blocks: true,
            lstrip_blocks: false,
            keep_trailing_newline: false,
        }
    }
}

const HEADER: &str = "#jinja2:";

impl FileOptions {
    fn syntax(&self) -> Result<SyntaxConfig, SyntaxProblem> {
        let mut builder = SyntaxConfig::builder();
        builder
            .block_delimiters(self.block_start_string.clone(), self.block_end_string.clone())
            .variable_delimiters(self.variable_start_string.clone(), self.variable_end_string.clone())
            .comment_delimiters(self.comment_start_string.clone(), self.comment_end_string.clone())
            .trim_blocks(self.trim_blocks)
            .lstrip_blocks(self.lstrip_blocks)
            .keep_trailing_newline(self.keep_trailing_newline);
        if let Some(prefix) = &self.line_statement_prefix {
            builder.line_statement_prefix(prefix.clone());
        }
        if let Some(prefix) = &self.line_comment_prefix {
            builder.line_comment_prefix(prefix.clone());
        }
        builder.build().map_err(|err| {
            let detail = err.detail().unwrap_or("they cannot be told apart").to_owned();
            SyntaxProblem::new(0..0, format!("the template's delimiters: {detail}"))
        })
    }

    /// Applies a first line such as `#jinja2: trim_blocks: False, lstrip_blocks: True`, and gives the text's
    /// length up to what follows it.
    fn apply_header(&mut self, text: &str) -> Result<usize, SyntaxProblem> {
        let Some(rest) = text.strip_prefix(HEADER) else { return Ok(0) };
        let line = rest.split('\n').next().unwrap_or_default();
        for pair in line.split(',').filter(|pair| !pair.trim().is_empty()) {
            let at = HEADER.len() + (pair.as_ptr() as usize - rest.as_ptr() as usize);
            let range = at..at + pair.len();
            let Some((name, value)) = pair.split_once(':') else {
                return Err(SyntaxProblem::new(
                    range,
                    "Missing key-value separator: `option: value` is expected in this header",
                ));
            };
            self.set(name.trim(), value.trim()).map_err(|message| SyntaxProblem::new(range, message))?;
        }
        Ok((HEADER.len() + line.len() + 1).min(text.len()))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let unquoted = value.trim_matches(['\'', '"']);
        let text = match name {
            "trim_blocks" => return set_flag(&mut self.trim_blocks, name, unquoted),
            "lstrip_blocks" => return set_flag(&mut self.lstrip_blocks, name, unquoted),
            "keep_trailing_newline" => return set_flag(&mut self.keep_trailing_newline, name, unquoted),
            "line_statement_prefix" => self.line_statement_prefix.insert(String::new()),
            "line_comment_prefix" => self.line_comment_prefix.insert(String::new()),
            "block_start_string" => &mut self.block_start_string,
            "block_end_string" => &mut self.block_end_string,
            "variable_start_string" => &mut self.variable_start_string,
            "variable_end_string" => &mut self.variable_end_string,
            "comment_start_string" => &mut self.comment_start_string,
            "comment_end_string" => &mut self.comment_end_string,
            other => return Err(unknown_option(other)),
        };
        unquoted.clone_into(text);
        Ok(())
    }
}

fn set_flag(flag: &mut bool, name: &str, value: &str) -> Result<(), String> {
    *flag = match value.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => true,
        "false" | "no" | "off" | "0" => false,
        _ => return Err(format!("`{name}` is True or False, not `{value}`")),
    };
    Ok(())
}

fn unknown_option(name: &str) -> String {
    const NAMES: [&str; 11] = [
        "trim_blocks",
        "lstrip_blocks",
        "keep_trailing_newline",
        "line_statement_prefix",
        "line_comment_prefix",
        "block_start_string",
        "block_end_string",
        "variable_start_string",
        "variable_end_string",
        "comment_start_string",
        "comment_end_string",
    ];
    match nearest(name, NAMES) {
        Some(near) => format!("there is no option `{name}`; did you mean `{near}`?"),
        None => format!("there is no option `{name}`"),
    }
}

/// A template file, read.
#[derive(Debug, Clone)]
pub(crate) struct TemplateFile<'f> {
    /// Its content.
    pub(crate) text: &'f str,
    /// Its full path on this machine.
    pub(crate) path: &'f Path,
    /// Its options.
    pub(crate) options: FileOptions,
    /// Folders to find included files in, after the file's own.
    pub(crate) search: &'f [PathBuf],
}

/// Renderers of template files, one for each file and its options.
#[derive(Debug, Default)]
pub(super) struct Files(RwLock<HashMap<FileKey, Arc<Renderer>>>);

type FileKey = (PathBuf, String, FileOptions, Vec<PathBuf>);

impl Engine {
    /// Renders a template file to text.
    pub(crate) fn render_file(
        &self,
        file: &TemplateFile<'_>,
        scope: &Scope,
    ) -> Result<String, TemplateError> {
        let rendered = self.run_file(file, scope, Output::Text)?;
        Ok(Self::with_newlines(file, &rendered))
    }

    /// Renders a template file: to the value that it puts out, if it puts out nothing else, and else to text.
    pub(crate) fn render_file_to_value(
        &self,
        file: &TemplateFile<'_>,
        scope: &Scope,
    ) -> Result<Value, TemplateError> {
        let rendered = self.run_file(file, scope, Output::Native)?;
        Ok(match rendered.kind() {
            ValueKind::String => Value::from(Self::with_newlines(file, &rendered)),
            _ => rendered,
        })
    }

    /// The text of a template file, with where each line comes from.
    pub(crate) fn blame_file(&self, file: &TemplateFile<'_>, scope: &Scope) -> Result<Blamed, TemplateError> {
        let plain = self.render_file(file, scope)?;
        for marking in [Marking::Everything, Marking::Direct] {
            let sites = Sites::default();
            let renderer = new_renderer(file, Some((&sites, marking)))?;
            let key = file.path.to_string_lossy();
            let prepared = renderer.cache.get(&key).ok_or_else(|| no_such_file(&key))?;
            let run = || {
                // What a scope has templated it keeps: a second time nothing would be seen of it.
                let text = renderer.run(&key, &prepared, &scope.afresh(), Output::Text)?;
                Ok(text.as_str().unwrap_or_default().to_owned())
            };
            if let Some(blamed) = traced(&plain, &sites, run)? {
                return Ok(Blamed { is_coarse: marking == Marking::Direct, ..blamed });
            }
        }
        Ok(as_one(&plain, Some(file.path), file.text.len()))
    }

    fn run_file(
        &self,
        file: &TemplateFile<'_>,
        scope: &Scope,
        output: Output,
    ) -> Result<Value, TemplateError> {
        let renderer = self.renderer(file)?;
        let key = file.path.to_string_lossy();
        let prepared = renderer.cache.get(&key).ok_or_else(|| no_such_file(&key))?;
        renderer.run(&key, &prepared, scope, output)
    }

    fn with_newlines(file: &TemplateFile<'_>, rendered: &Value) -> String {
        let mut text = rendered.as_str().unwrap_or_default().to_owned();
        // As Ansible does: the text ends with at least as many newlines as the file.
        let newlines = |text: &str| text.len() - text.trim_end_matches('\n').len();
        let lacking = newlines(file.text).saturating_sub(newlines(&text));
        text.push_str(&"\n".repeat(lacking));
        text
    }

    fn renderer(&self, file: &TemplateFile<'_>) -> Result<Arc<Renderer>, TemplateError> {
        let key: FileKey =
            (file.path.to_owned(), file.text.to_owned(), file.options.clone(), file.search.to_vec());
        if let Some(known) = self.files.read().get(&key) {
            return Ok(known.clone());
        }
        let renderer = Arc::new(new_renderer(file, None)?);
        self.files.write().insert(key, renderer.clone());
        Ok(renderer)
    }
}

impl Files {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<FileKey, Arc<Renderer>>> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<FileKey, Arc<Renderer>>> {
        self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether a template file parses and uses only filters, tests and lookups that exist. Included files are not read.
pub(crate) fn check_file(text: &str, options: &FileOptions) -> Result<(), SyntaxProblem> {
    let mut options = options.clone();
    let start = options.apply_header(text)?;
    let moved = |mut problem: SyntaxProblem| {
        problem.range = problem.range.start + start..problem.range.end + start;
        problem
    };
    let prepared = dialect::prepare_file(&text[start..], options.syntax()?).map_err(moved)?;
    super::engine::known_names(&prepared.uses).map_err(moved)
}

/// The names that a template file needs whatever happens; none of one that cannot be parsed.
pub(crate) fn needs_of_file(text: &str, options: &FileOptions) -> Vec<dialect::Need> {
    let mut options = options.clone();
    let Ok(start) = options.apply_header(text) else { return Vec::new() };
    let Ok(syntax) = options.syntax() else { return Vec::new() };
    let mut needs = dialect::needs(&text[start..], syntax);
    needs.iter_mut().for_each(|need| need.range = need.range.start + start..need.range.end + start);
    needs
}

/// `marked` says which of its parts are marked, and where they are noted.
fn new_renderer(
    file: &TemplateFile<'_>,
    marked: Option<(&Sites, Marking)>,
) -> Result<Renderer, TemplateError> {
    let text: Arc<str> = file.text.into();
    let failed = |problem| TemplateError::syntax(&text, problem).in_file(file.path);
    let mut options = file.options.clone();
    let header = options.apply_header(file.text).map_err(failed)?;
    let syntax = options.syntax().map_err(failed)?;
    let marked = marked.map(|(sites, marking)| (sites.clone(), marking));
    let marks = move |path: &Path| {
        let (sites, marking) = marked.as_ref()?;
        Some(Marks::new(sites.clone(), *marking, Some(path.to_owned())))
    };
    let prepared =
        dialect::prepare_marked(file.text, header, syntax.clone(), marks(file.path)).map_err(failed)?;
    let cache = Arc::new(Cache::default());
    cache.put(&file.path.to_string_lossy(), prepared, Some(file.path.into()));
    let own = file.path.parent().map(Path::to_owned);
    let search: Vec<PathBuf> = own.into_iter().chain(file.search.iter().cloned()).collect();
    let mut env = environment();
    let loaded = cache.clone();
    env.set_loader(move |name| load(name, &loaded, &search, &syntax, &marks));
    Ok(Renderer { env, cache })
}

/// Reads a file that a template includes.
fn load(
    name: &str,
    cache: &Cache,
    search: &[PathBuf],
    syntax: &SyntaxConfig,
    marks: impl Fn(&Path) -> Option<Marks>,
) -> Result<Option<String>, minijinja::Error> {
    if let Some(prepared) = cache.get(name) {
        return Ok(Some(prepared.printed.clone()));
    }
    let found = search.iter().flat_map(|dir| [dir.join(name), dir.join("templates").join(name)]);
    for path in found {
        let text = match super::trace::with_files(|files| files.read(&path)) {
            Ok(bytes) => String::from_utf8(bytes).ok(),
            Err(Unread::Unknown(why)) => return Err(carry(TemplateError::unknown(&why))),
            Err(Unread::Failed(_)) => None,
        };
        let Some(text) = text else { continue };
        let prepared = dialect::prepare_marked(&text, 0, syntax.clone(), marks(&path))
            .map_err(|problem| carry(TemplateError::syntax(&text.as_str().into(), problem).in_file(&path)))?;
        return Ok(Some(cache.put(name, prepared, Some(path.into())).printed.clone()));
    }
    Ok(None)
}

fn no_such_file(name: &str) -> TemplateError {
    TemplateError::new(FailureKind::NoSuchFile, format!("there is no template `{name}`"))
}

/// When a file was changed last, here.
fn modified(metadata: &rustix::fs::Stat) -> Value {
    let at = jiff::Timestamp::from_second(metadata.st_mtime).unwrap_or_default();
    super::filters::time::moment(at.to_zoned(jiff::tz::TimeZone::system()).datetime(), None)
}

/// The variables that every template file sees: `template_path` and the others.
pub(crate) fn file_variables(path: &Path, destination: Option<&str>) -> Vec<(&'static str, Value)> {
    let metadata = rustix::fs::stat(path).ok();
    let owner = metadata.as_ref().map(|found| super::lookups::files::user_name(found.st_uid));
    let run_date = jiff::Zoned::now();
    let full = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut found = vec![
        ("template_host", Value::from(rustix::system::uname().nodename().to_string_lossy().into_owned())),
        ("template_path", Value::from(path.to_string_lossy().into_owned())),
        ("template_fullpath", Value::from(full.to_string_lossy().into_owned())),
        ("template_run_date", super::filters::time::moment(run_date.datetime(), None)),
        ("template_mtime", metadata.as_ref().map_or(Value::from(()), modified)),
        ("template_uid", owner.map_or(Value::from(()), Value::from)),
    ];
    if let Some(destination) = destination {
        found.push(("template_destpath", Value::from(destination)));
    }
    found
}
