//! Where the lines of a file come from that a task would put on a host.

use super::files::{self, RenderFailure};
use super::layers::find_file;
use super::room::{Room, lock};
use super::task_run::Request;
use super::template_error::sentence;
use crate::lint::LINE_MODULES;
use crate::local_files::NoFile;
use crate::playbook::FileKind;
use crate::source::{Span, shown_path};
use crate::template::{Blamed, BlamedLine, FileOptions, Read, Site, TemplateFile};
use crate::vars::{Scope, VariableOrigin};
use crate::yaml::Node;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The file that is asked about, and what was found.
#[derive(Debug, Clone)]
pub(crate) struct Inquiry {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) into: Arc<Mutex<Vec<BlamedTask>>>,
}

/// What one task would put into the file.
#[derive(Debug)]
pub(crate) struct BlamedTask {
    pub(crate) module: &'static str,
    pub(crate) place: Span,
    /// Nothing of it may be shown but places.
    pub(crate) is_hidden: bool,
    /// It puts in these lines among others.
    pub(crate) is_part: bool,
    pub(crate) outcome: Result<Vec<OriginLine>, String>,
    pub(crate) is_coarse: bool,
}

/// A line and where it comes from.
#[derive(Debug)]
pub(crate) struct OriginLine {
    pub(crate) text: String,
    /// `file:line` of the template's parts, or places in the playbook.
    pub(crate) places: Vec<String>,
    pub(crate) variables: Vec<VariableOrigin>,
    /// The conditions of the template that it stands in.
    pub(crate) conditions: Vec<(String, Vec<VariableOrigin>)>,
}

impl Inquiry {
    /// Takes a request that would write the file.
    pub(super) fn take(&self, room: &Arc<Room>, host: &str, request: &Request) {
        let path = ["path", "dest"].iter().find_map(|name| request.args.get(*name).and_then(Json::as_str));
        let source = request.args.get("src").and_then(Json::as_str);
        let is_meant = path.is_some_and(|path| super::across::full_path(path, source) == self.path);
        if host != self.host || !is_meant {
            return;
        }
        let is_part = LINE_MODULES.contains(&request.spec.name);
        if is_part && request.args.get("state").and_then(Json::as_str) == Some("absent") {
            // It takes lines away and brings none.
            return;
        }
        let blamed = blamed(room, request);
        let task = BlamedTask {
            module: request.spec.name,
            place: request.task.span().first_line(),
            is_hidden: request.no_log,
            is_part,
            is_coarse: blamed.as_ref().is_ok_and(|(_, blamed, _)| blamed.is_coarse),
            outcome: blamed.map(|(scope, blamed, node)| lines(&scope, &blamed, node.as_ref())),
        };
        lock(&self.into).push(task);
    }
}

/// The text of a request with where it comes from; with the value in the playbook, where it is a text of that.
fn blamed(room: &Arc<Room>, request: &Request) -> Result<(Scope, Blamed, Option<Node>), String> {
    let args = &request.args;
    let reader = room.loader.reader();
    let argument = match request.spec.name {
        "template" => {
            let (scope, blamed) = files::blame(request, reader).map_err(|failure| match failure {
                RenderFailure::File(NoFile::Refused(why) | NoFile::Unknown(why)) => why,
                RenderFailure::Template(err) => sentence(&err),
            })?;
            return Ok((scope, blamed, None));
        }
        "lineinfile" => "line",
        "blockinfile" => "block",
        _ => "content",
    };
    if args.get(argument).is_none_or(Json::is_null) {
        let name = args.get("src").and_then(Json::as_str).unwrap_or_default();
        let found = find_file(&request.task, FileKind::Files, name, reader.files());
        let path = found.map_err(|missing| match missing {
            NoFile::Refused(why) | NoFile::Unknown(why) => why,
        })?;
        let text = reader.text(&path).map_err(|problem| problem.to_string())?;
        return Ok((request.scope.clone(), Blamed::verbatim(text.text(), &path), None));
    }
    let Some(node) = request.task.args.named.get(argument) else {
        return Err(format!("`{argument}` is not written in the task itself"));
    };
    let text = node.as_str().unwrap_or_default();
    let options = FileOptions { keep_trailing_newline: true, ..FileOptions::default() };
    let file = TemplateFile { text, path: Path::new(IN_PLAYBOOK), options, search: request.scope.search() };
    let blamed = request.scope.blame_file(&file).map_err(|err| sentence(&err))?;
    Ok((request.scope.afresh(), blamed, Some(node.clone())))
}

/// Stands for the file of a template that is a value in a playbook.
const IN_PLAYBOOK: &str = "";

fn lines(scope: &Scope, blamed: &Blamed, node: Option<&Node>) -> Vec<OriginLine> {
    let line = |line: &BlamedLine| OriginLine {
        text: line.text.clone(),
        places: line.sites.iter().map(|site| place(site, node)).collect(),
        variables: variables(scope, blamed, &line.reads),
        conditions: line
            .conditions
            .iter()
            .map(|(site, reads)| (place(site, node), variables(scope, blamed, reads)))
            .collect(),
    };
    blamed.lines.iter().map(line).collect()
}

fn place(site: &Site, node: Option<&Node>) -> String {
    match (&site.file, node) {
        (Some(file), Some(node)) if file.as_os_str().is_empty() => {
            node.span_of(site.range.clone()).to_string()
        }
        (Some(file), _) => format!("{}:{}", shown_path(file), site.line),
        (None, _) => format!("line {}", site.line),
    }
}

/// The variables of a line with those that they are made of, each behind the one that needs it.
fn variables(scope: &Scope, blamed: &Blamed, reads: &BTreeSet<Read>) -> Vec<VariableOrigin> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for read in reads {
        add(scope, blamed, read, &mut seen, &mut found);
    }
    found
}

fn add(
    scope: &Scope,
    blamed: &Blamed,
    read: &Read,
    seen: &mut BTreeSet<Read>,
    found: &mut Vec<VariableOrigin>,
) {
    if matches!(read.name.as_str(), "hostvars" | "vars" | "omit") || !seen.insert(read.clone()) {
        return;
    }
    let is_own = read.host.is_none() || read.host.as_deref() == scope.host();
    let other = read.host.as_deref().filter(|_| !is_own).and_then(|host| scope.of_host(host));
    let origin = VariableOrigin::of(other.as_ref().unwrap_or(scope), &read.name);
    found.extend(origin);
    for needed in blamed.needs.get(read).into_iter().flatten() {
        add(scope, blamed, needed, seen, found);
    }
}
