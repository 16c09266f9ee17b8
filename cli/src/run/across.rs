//! What tasks would make of a cluster's hosts, laid side by side while a play is led: a task that writes one of a cluster's files is
//! rendered for all hosts of its batch before any of them is asked to write it, and a contradiction stops it there.

use super::blame::Inquiry;
use super::carry::rendered_parts;
use super::conduct::{Conductor, Finished};
use super::corosync;
use super::files::Part;
use super::outlook::all_went_well;
use super::result::TaskResult;
use super::room::{Room, compute, lock};
use super::task_run::{Demand, Request, TaskRun};
use crate::lint::{
    self, Drafts, Extent, FIREWALL_MODULES, Finding, HostFacts, LINE_MODULES, PACKAGE_MODULES,
    SERVICE_MODULES, Severity, Unjudged,
};
use crate::playbook::Task;
use crate::report::Event;
use crate::source::Span;
use crate::template::to_json;
use crate::vars::PlayInfo;
use muster_api::corosync_conf::verdict::{self, Verdict};
use muster_api::diff::{Change, Content, Diff};
use muster_api::outcome::Outcome;
use muster_api::step::Shows;
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

/// Whether what hosts would get is compared.
#[derive(Debug, Clone, Default)]
pub(crate) enum Across {
    /// It is not.
    #[default]
    Off,
    /// A contradiction ends the task, unless its code is among these.
    Stops { allowed: BTreeSet<String> },
    /// What tasks put into one file of one host is told apart.
    Blames(Inquiry),
    /// What is wrong with all of it is put there at the end.
    Collects { into: Arc<Mutex<Collected>> },
}

/// What a whole run came to.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) findings: Vec<Finding>,
    /// How many hosts and how many of their files were compared.
    pub(crate) hosts: usize,
    pub(crate) files: usize,
    /// The hosts whose tasks bring corosync, and that have a corosync.conf which no corosync has seen.
    pub(crate) unjudged: Vec<String>,
}

impl Across {
    fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }
}

const FILE_MODULES: [&str; 3] = ["assemble", "copy", "template"];

impl Conductor {
    /// Renders a task that may write one of a cluster's files for all its hosts. Where they contradict each other it fails on all
    /// of them, and none was written.
    pub(super) async fn look_across(
        self: &Arc<Self>,
        hosts: &[String],
        task: &Arc<Task>,
        name: &str,
    ) -> Option<Vec<Finished>> {
        let compares = !matches!(self.room.options.across, Across::Off | Across::Blames(_));
        if !compares || !may_write_a_file(task) {
            return None;
        }
        let (conductor, task, names) = (self.clone(), task.clone(), hosts.to_vec());
        compute(move || names.iter().for_each(|host| conductor.draft(host, &task))).await;
        let why = contradictions(&self.room)?;
        Some(self.all_failed(hosts, name, &why))
    }

    /// The drafts of a task on a host, as if each of its steps went well.
    fn draft(&self, host: &str, task: &Arc<Task>) {
        let info = Arc::new(PlayInfo { is_ahead: true, keeps_passwords: true, ..(*self.info()).clone() });
        let Ok(scope) = self.scope_with(host, task, info) else { return };
        let mut machine = TaskRun::new(task.clone(), scope, self.room.mode.clone());
        let mut demand = machine.next(None);
        while let Demand::Run(request) = demand {
            note(&self.room, host, &request);
            demand = machine.next(Some(all_went_well()));
        }
    }
}

/// Whether a task may be about one of a cluster's files: its arguments or its loop name one.
fn may_write_a_file(task: &Task) -> bool {
    let module = task.module.bare();
    if !FILE_MODULES.contains(&module) && !LINE_MODULES.contains(&module) {
        return false;
    }
    let of_arguments = task.args.named.values().chain(&task.args.free_form);
    let of_loop = task.loop_over.iter().map(|repeat| &repeat.over);
    of_arguments.chain(of_loop).any(|node| lint::names_a_file(&node.to_json().to_string()))
}

/// Whether the requests of a task are of use to the comparison.
pub(super) fn is_drafted(module: &str) -> bool {
    let tables: [&[&str]; 5] =
        [&FILE_MODULES, &LINE_MODULES, &FIREWALL_MODULES, &SERVICE_MODULES, &PACKAGE_MODULES];
    tables.iter().any(|table| table.contains(&module))
}

/// Takes what a request would make of a host. Where it contradicts what others would get, says so: nothing was written yet.
pub(super) fn take(room: &Arc<Room>, host: &str, request: &Request) -> Option<String> {
    if room.options.across.is_off() || !is_drafted(request.spec.name) {
        return None;
    }
    let host = request.delegate_to.as_deref().unwrap_or(host);
    if let Across::Blames(inquiry) = &room.options.across {
        inquiry.take(room, host, request);
        return None;
    }
    let is_new = note(room, host, request);
    if is_new { contradictions(room) } else { None }
}

/// Whether a file came to the drafts that was not among them.
fn note(room: &Arc<Room>, host: &str, request: &Request) -> bool {
    let (module, place) = (request.spec.name, request.task.span());
    let args = &request.args;
    let path = ["path", "dest"].iter().find_map(|name| args.get(*name).and_then(Json::as_str));
    if LINE_MODULES.contains(&module) {
        let is_there = args.get("state").and_then(Json::as_str) != Some("absent");
        let text = ["block", "line"].iter().find_map(|name| args.get(*name).and_then(Json::as_str));
        if let (Some(path), Some(text), true) = (path, text, is_there) {
            let mut drafts = lock(&room.drafts);
            if !drafts.has(host, path, place) {
                drafts.lines(host, path, text, place);
                return true;
            }
        }
        return false;
    }
    if !FILE_MODULES.contains(&module) {
        lock(&room.drafts).task(host, module, args, place);
        return false;
    }
    let source = args.get("src").and_then(Json::as_str);
    let Some(path) = path.map(|path| full_path(path, source)).filter(|path| lint::file_of(path).is_some())
    else {
        return false;
    };
    if lock(&room.drafts).has(host, &path, place) {
        return false;
    }
    let mut is_new = false;
    for part in rendered_parts(room, request) {
        is_new |= note_part(room, host, request, &path, &part);
    }
    is_new
}

/// Where a file goes: behind a folder its name is that of its source.
pub(super) fn full_path(dest: &str, source: Option<&str>) -> String {
    let name = source.and_then(|source| source.rsplit('/').next()).unwrap_or_default();
    match dest.strip_suffix('/') {
        Some(folder) => format!("{folder}/{name}"),
        None => dest.to_owned(),
    }
}

fn note_part(room: &Room, host: &str, request: &Request, path: &str, part: &Part) -> bool {
    let Some(content) = &part.content else { return false };
    let Ok(bytes) = room.contents.read(&content.sha256) else { return false };
    lock(&room.drafts).file(host, path, &bytes, request.task.span());
    true
}

/// What the host's check of a task says a file will be: all of it, also where the task changes lines only.
pub(super) fn take_diffs(room: &Room, host: &str, task: &Task, result: &TaskResult) {
    if room.options.across.is_off() || result.no_log {
        return;
    }
    let of_items = result.items.iter().filter(|item| !item.no_log).flat_map(|item| &item.diffs);
    for Diff { name, changes, .. } in result.diffs.iter().chain(of_items) {
        for change in changes.iter().filter(|_| lint::file_of(name).is_some()) {
            if let Change::Content { after: Content::Text { text }, .. } = change {
                lock(&room.drafts).file(host, name, text.as_bytes(), task.span());
            }
        }
    }
}

/// Whether a step of that module has corosync itself judge a corosync.conf.
pub(super) fn shows(room: &Room, module: &str) -> Shows {
    let may_write = FILE_MODULES.contains(&module) || LINE_MODULES.contains(&module) || module == "replace";
    match &room.options.across {
        Across::Stops { allowed } if may_write && !allowed.contains(verdict::CODE) => Shows::BeforeWrite,
        Across::Collects { .. } if may_write => Shows::Always,
        _ => Shows::Nothing,
    }
}

/// Takes what corosync said of a file on a host; a step that was refused is told as a finding.
pub(super) fn judged(room: &Room, host: &str, place: &Span, mut outcome: Outcome) -> Outcome {
    let Some(verdict) = outcome.verdict.take() else { return outcome };
    if let Some(finding) = lint::refused_by_corosync(host, &verdict, place).filter(|_| outcome.failed) {
        outcome.result.insert("msg".to_owned(), finding.sentence().into());
    }
    // What was refused is told with its task, and is not there for later ones.
    if !outcome.failed {
        lock(&room.drafts).verdict(host, verdict, place);
    }
    outcome
}

/// Shows the corosync of this machine what hosts had none for.
fn show_here(drafts: &mut Drafts) {
    let mut shown = HashMap::new();
    for Unjudged { host, path, text, place } in drafts.unjudged() {
        let refused = shown.entry(text).or_insert_with_key(|text| corosync::refusal(text));
        if let Some(refused) = refused.clone() {
            drafts.verdict(&host, Verdict { path, refused }, &place);
        }
    }
}

/// The errors in what was drafted so far, which were not told yet; warnings are told here.
fn contradictions(room: &Room) -> Option<String> {
    let Across::Stops { allowed } = &room.options.across else { return None };
    let mut sentences = Vec::new();
    for finding in found(room, Extent::SoFar) {
        let is_new = lock(&room.told_findings).insert((finding.code, finding.title.clone()));
        if !is_new || allowed.contains(finding.code) {
            continue;
        }
        match finding.severity() {
            Severity::Error => sentences.push(finding.sentence()),
            Severity::Warning => room.events.tell(Event::Warning { text: finding.sentence() }),
        }
    }
    (!sentences.is_empty()).then(|| sentences.join("\n"))
}

/// The end of a run, for who collects.
pub(crate) fn conclude(room: &Room) {
    if let Across::Collects { into } = &room.options.across {
        show_here(&mut lock(&room.drafts));
        let mut findings = found(room, Extent::Whole);
        // Of a host that was left out on the way it is not known what later tasks would have brought.
        let lost = lock(&room.lost);
        let is_lost = |host: &String| lost.failed.contains(host) || lost.unreachable.contains(host);
        let of_a_part: Vec<&str> = found(room, Extent::SoFar).iter().map(|finding| finding.code).collect();
        findings.retain(|finding| of_a_part.contains(&finding.code) || !finding.hosts.iter().any(is_lost));
        let drafts = lock(&room.drafts);
        *lock(into) = Collected {
            findings,
            hosts: drafts.names().len(),
            files: drafts.file_count(),
            unjudged: drafts.meant_for_corosync(),
        };
    }
}

/// What is wrong with all that was drafted.
fn found(room: &Room, extent: Extent) -> Vec<Finding> {
    let mut drafts = lock(&room.drafts);
    for host in drafts.names() {
        if let Some(facts) = facts(room, &host) {
            drafts.facts(&host, facts);
        }
    }
    lint::findings(&drafts, extent)
}

/// The names and addresses of a host, where it was asked for its facts.
fn facts(room: &Room, host: &str) -> Option<HostFacts> {
    let vars = room.store.host(host)?;
    let texts = |names: &[&str]| {
        let values = names.iter().filter_map(|name| vars.facts.get(*name)).map(to_json);
        let each = values.flat_map(|value| match value {
            Json::Array(items) => items,
            one => vec![one],
        });
        each.filter_map(|value| value.as_str().map(str::to_owned)).collect()
    };
    let facts = HostFacts {
        names: texts(&["ansible_hostname", "ansible_nodename", "ansible_fqdn"]),
        addresses: texts(&["ansible_all_ipv4_addresses", "ansible_all_ipv6_addresses"]),
    };
    (!facts.addresses.is_empty()).then_some(facts)
}
