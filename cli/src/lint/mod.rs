//! Mistakes that only show when what several hosts would get is laid side by side, found before any of it is written: two nodes
//! with one address, keys that differ, ports that stay closed. Pure: drafts in, findings out. Who collects drafts is
//! `run/across.rs`; what each finding means is told by its page (`page.rs`).

mod configuration;
mod draft;
mod hosts_file;
mod page;
mod surroundings;

pub(crate) use configuration::refused_by_corosync;
pub(crate) use draft::{
    Drafts, FIREWALL_MODULES, HostFacts, LINE_MODULES, PACKAGE_MODULES, SERVICE_MODULES, Unjudged, file_of,
    names_a_file,
};
pub(crate) use page::{Page, page, pages};

use crate::error::Diagnostic;
use crate::exit::Exit;
use crate::source::Span;
use draft::{Content, Draft, DraftFile, FileOf};
use muster_api::corosync_conf::verdict::allows;
use serde_json::{Value as Json, json};

/// How much of the run the drafts are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What was rendered so far: only contradictions in it count.
    SoFar,
    /// All of it: what is missing counts as well.
    Whole,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The cluster will not work: the run stops before it writes.
    Error,
    /// It may not work as intended.
    Warning,
}

/// Something that is wrong with what hosts would get.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// `MU101`: stable for ever.
    pub(crate) code: &'static str,
    pub(crate) title: String,
    pub(crate) hosts: Vec<String>,
    /// The task that it comes from.
    pub(crate) place: Option<Span>,
    /// Where in the files of the hosts, and what else a person should know.
    pub(crate) notes: Vec<String>,
    pub(crate) next: String,
}

impl Finding {
    fn new(code: &'static str, title: String, next: &str) -> Self {
        Self { code, title, hosts: Vec::new(), place: None, notes: Vec::new(), next: next.to_owned() }
    }

    fn on(mut self, host: &str) -> Self {
        self.hosts.push(host.to_owned());
        self
    }

    fn at(mut self, place: &Span) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    fn note(mut self, note: String) -> Self {
        self.notes.push(note);
        self
    }

    /// Whether it is about that host.
    pub(crate) fn is_of(&self, host: &str) -> bool {
        self.hosts.iter().any(|name| name == host)
    }

    pub(crate) fn severity(&self) -> Severity {
        page(self.code).map_or(Severity::Error, |page| page.severity)
    }

    /// In one sentence, for a message about a host.
    pub(crate) fn sentence(&self) -> String {
        let place = self.place.as_ref().map_or_else(String::new, |place| format!(" ({place})"));
        format!("{}: {}{place}: {} (`muster explain {}`)", self.code, self.title, self.next, self.code)
    }

    /// For people.
    pub(crate) fn diagnostic(&self) -> Diagnostic {
        let title = format!("{}: {}", self.code, self.title);
        let diagnostic = match self.severity() {
            Severity::Error => Diagnostic::error(title).exits_with(Exit::HostFailed),
            Severity::Warning => Diagnostic::warning(title),
        };
        let placed = match &self.place {
            Some(place) => diagnostic.at(&place.first_line(), "this task"),
            None => diagnostic,
        };
        let noted = self.notes.iter().fold(placed, Diagnostic::note);
        noted.note(format!("on {}", self.hosts.join(", "))).hint(&self.next)
    }

    /// For programs.
    pub(crate) fn json(&self) -> Json {
        let severity = match self.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        json!({
            "code": self.code,
            "severity": severity,
            "title": self.title,
            "hosts": self.hosts,
            "place": self.place.as_ref().map(ToString::to_string),
            "notes": self.notes,
            "next": self.next,
        })
    }
}

/// All that is wrong with the drafts; hosts with the same finding share it.
pub(crate) fn findings(drafts: &Drafts, extent: Extent) -> Vec<Finding> {
    let mut found = configuration::findings(drafts);
    found.extend(hosts_file::findings(drafts));
    found.extend(surroundings::findings(drafts));
    if extent == Extent::Whole {
        found.extend(configuration::missing(drafts));
        found.extend(surroundings::missing(drafts));
    }
    let mut shared: Vec<Finding> = Vec::new();
    for finding in found {
        match shared.iter_mut().find(|known| (known.code, &known.title) == (finding.code, &finding.title)) {
            Some(known) => {
                let new = finding.hosts.into_iter().filter(|host| !known.hosts.contains(host));
                let new: Vec<String> = new.collect();
                known.hosts.extend(new);
            }
            None => shared.push(finding),
        }
    }
    shared.retain(|finding| !is_allowed_inside(drafts, finding));
    shared.sort_by_key(|finding| finding.code);
    shared
}

/// A comment `muster: allow MU113` in a file that a host would get silences the finding there.
fn is_allowed_inside(drafts: &Drafts, finding: &Finding) -> bool {
    let allows = |file: &DraftFile| match &file.content {
        Content::Whole(text) => allows(text, finding.code),
        Content::Lines(lines) => lines.iter().any(|line| allows(line, finding.code)),
        Content::Sealed(_) => false,
    };
    let of_host = |draft: &Draft| draft.files.values().any(allows);
    let mut drafted = drafts.hosts().filter(|(host, _)| finding.hosts.iter().any(|name| name == host));
    drafted.any(|(_, draft)| of_host(draft))
}

/// The hosts that would get a file of that kind, with the file.
fn with_file(drafts: &Drafts, kind: FileOf) -> Vec<(&str, &str, &DraftFile)> {
    let found =
        drafts.hosts().filter_map(|(host, draft)| draft.file(kind).map(|(path, file)| (host, path, file)));
    found.collect()
}
