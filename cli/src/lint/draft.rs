//! What the tasks of a run would make of each host, as far as a cluster depends on it: files, open ports, services. Drafts are
//! taken from tasks whose arguments are rendered, before anything is written.

use crate::run::content::hex;
use crate::source::Span;
use indexmap::IndexMap;
use muster_api::corosync_conf::verdict::{PROGRAM, Verdict};
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The drafts of all hosts, in the order in which tasks came to them.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    hosts: IndexMap<String, Draft>,
}

/// What one host would get.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// By their paths.
    pub(super) files: BTreeMap<String, DraftFile>,
    /// `5404-5405/udp`, with the task that opens it.
    pub(super) open_ports: BTreeMap<String, Span>,
    /// The first task that has to do with a firewall.
    pub(super) firewall: Option<Span>,
    pub(super) services: BTreeMap<String, DraftService>,
    pub(super) packages: BTreeSet<String>,
    /// What the host says of itself, where it was asked.
    pub(super) facts: Option<HostFacts>,
    /// What corosync itself says of its corosync.conf, with the task that writes it.
    pub(super) verdict: Option<(Verdict, Span)>,
}

/// A corosync.conf that no corosync has seen yet.
pub(crate) struct Unjudged {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) place: Span,
}

/// A file that a host would get.
#[derive(Debug, Clone)]
pub(crate) struct DraftFile {
    pub(super) content: Content,
    /// The task.
    pub(super) place: Span,
}

/// What is known of the content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// All of it.
    Whole(String),
    /// Lines that will be in it, among others.
    Lines(Vec<String>),
    /// A secret: its digest alone, to be compared.
    Sealed(String),
}

/// What the tasks say of a service.
#[derive(Debug, Clone)]
pub(crate) struct DraftService {
    pub(super) runs: Option<bool>,
    pub(super) is_enabled: Option<bool>,
    pub(super) place: Span,
}

/// What a host says of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostFacts {
    /// Its short and its full name.
    pub(crate) names: BTreeSet<String>,
    pub(crate) addresses: BTreeSet<String>,
}

/// Which of a cluster's files a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileOf {
    Configuration,
    Key,
    Hosts,
    Time,
}

/// Which of a cluster's files stands at that path on a host.
pub(crate) fn file_of(path: &str) -> Option<FileOf> {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        "corosync.conf" => Some(FileOf::Configuration),
        "authkey" if path.contains("/corosync/") || path.contains("/pacemaker/") => Some(FileOf::Key),
        "hosts" if path == "/etc/hosts" => Some(FileOf::Hosts),
        "chrony.conf" => Some(FileOf::Time),
        _ => None,
    }
}

/// Whether a text names one of them, so that a task that has it may be about one.
pub(crate) fn names_a_file(text: &str) -> bool {
    ["corosync.conf", "authkey", "/etc/hosts", "chrony.conf"].iter().any(|name| text.contains(name))
}

/// The modules that open ports.
pub(crate) const FIREWALL_MODULES: [&str; 4] = ["firewall", "firewalld", "iptables", "ufw"];
/// The modules that say whether a service runs.
pub(crate) const SERVICE_MODULES: [&str; 4] = ["service", "systemd", "systemd_service", "sysvinit"];
/// The modules that install packages.
pub(crate) const PACKAGE_MODULES: [&str; 5] = ["apt", "dnf", "dnf5", "package", "yum"];
/// The modules that change lines of a file.
pub(crate) const LINE_MODULES: [&str; 2] = ["blockinfile", "lineinfile"];

impl Drafts {
    pub(super) fn hosts(&self) -> impl Iterator<Item = (&str, &Draft)> {
        self.hosts.iter().map(|(name, draft)| (name.as_str(), draft))
    }

    /// A host would get this file.
    pub(crate) fn file(&mut self, host: &str, path: &str, bytes: &[u8], place: &Span) {
        let Some(kind) = file_of(path) else { return };
        let content = match kind {
            FileOf::Key => Content::Sealed(hex(&Sha256::digest(bytes))),
            _ => Content::Whole(String::from_utf8_lossy(bytes).into_owned()),
        };
        let file = DraftFile { content, place: place.clone() };
        self.of(host).files.insert(path.to_owned(), file);
    }

    /// Lines that a host would have in a file, where not all of it is known.
    pub(crate) fn lines(&mut self, host: &str, path: &str, text: &str, place: &Span) {
        if file_of(path).is_none_or(|kind| kind == FileOf::Key) {
            return;
        }
        let nothing = || DraftFile { content: Content::Lines(Vec::new()), place: place.clone() };
        let file = self.of(host).files.entry(path.to_owned()).or_insert_with(nothing);
        let lines = text.lines().map(str::to_owned);
        match &mut file.content {
            Content::Lines(known) => known.extend(lines),
            Content::Whole(known) => lines.for_each(|line| *known += &(line + "\n")),
            Content::Sealed(_) => {}
        }
    }

    /// Whether the file of a host was drafted from this very task.
    pub(crate) fn has(&self, host: &str, path: &str, place: &Span) -> bool {
        let file = self.hosts.get(host).and_then(|draft| draft.files.get(path));
        file.is_some_and(|file| file.place == *place)
    }

    /// A task of a module that opens ports, runs services or installs packages, by the module's short name.
    pub(crate) fn task(&mut self, host: &str, module: &str, args: &Map<String, Json>, place: &Span) {
        let draft = self.of(host);
        match module {
            _ if FIREWALL_MODULES.contains(&module) => draft.firewall_task(module, args, place),
            _ if SERVICE_MODULES.contains(&module) => draft.service_task(args, place),
            _ if PACKAGE_MODULES.contains(&module) => {
                let is_there = !matches!(text(args, "state"), Some("absent" | "removed"));
                draft.packages.extend(texts(args, "name").into_iter().filter(|_| is_there));
            }
            _ => {}
        }
    }

    /// What a host said of itself.
    pub(crate) fn facts(&mut self, host: &str, facts: HostFacts) {
        if let Some(draft) = self.hosts.get_mut(host) {
            draft.facts = Some(facts);
        }
    }

    /// What corosync says of a file that a host would get.
    pub(crate) fn verdict(&mut self, host: &str, verdict: Verdict, place: &Span) {
        self.of(host).verdict = Some((verdict, place.clone()));
    }

    /// What no corosync has seen, of the files that are known whole.
    pub(crate) fn unjudged(&self) -> Vec<Unjudged> {
        let of_host = |(host, draft): (&String, &Draft)| {
            let (path, file) = draft.file(FileOf::Configuration).filter(|_| draft.verdict.is_none())?;
            let Content::Whole(text) = &file.content else { return None };
            Some(Unjudged {
                host: host.clone(),
                path: path.to_owned(),
                text: text.clone(),
                place: file.place.clone(),
            })
        };
        self.hosts.iter().filter_map(of_host).collect()
    }

    /// Those of them whose hosts get corosync by other tasks.
    pub(crate) fn meant_for_corosync(&self) -> Vec<String> {
        let gets_it =
            |draft: &Draft| draft.packages.contains(PROGRAM) || draft.services.contains_key(PROGRAM);
        let hosts = self.unjudged().into_iter().map(|unjudged| unjudged.host);
        hosts.filter(|host| self.hosts.get(host).is_some_and(gets_it)).collect()
    }

    /// The hosts that something was drafted for.
    pub(crate) fn names(&self) -> Vec<String> {
        self.hosts.keys().cloned().collect()
    }

    /// How many files hosts would get, each counted for each host.
    pub(crate) fn file_count(&self) -> usize {
        self.hosts.values().map(|draft| draft.files.len()).sum()
    }

    fn of(&mut self, host: &str) -> &mut Draft {
        self.hosts.entry(host.to_owned()).or_default()
    }
}

impl Draft {
    /// The file of that kind, with its path.
    pub(super) fn file(&self, kind: FileOf) -> Option<(&str, &DraftFile)> {
        let found = self.files.iter().find(|(path, _)| file_of(path) == Some(kind));
        found.map(|(path, file)| (path.as_str(), file))
    }

    fn firewall_task(&mut self, module: &str, args: &Map<String, Json>, place: &Span) {
        self.firewall.get_or_insert_with(|| place.clone());
        let ports = match module {
            "firewall" => texts(args, "ports"),
            "firewalld" => {
                let of_service = texts(args, "service").into_iter().flat_map(|name| ports_of(&name));
                of_service.chain(texts(args, "port")).collect()
            }
            "iptables" if text(args, "jump") != Some("ACCEPT") => Vec::new(),
            "ufw" if !matches!(text(args, "rule"), Some("allow" | "limit")) => Vec::new(),
            _ => of_rule(args),
        };
        let closes = matches!(text(args, "state"), Some("absent" | "disabled"))
            || args.get("delete").and_then(Json::as_bool) == Some(true);
        for port in ports {
            if closes {
                self.open_ports.remove(&port);
            } else {
                self.open_ports.insert(port, place.clone());
            }
        }
    }

    fn service_task(&mut self, args: &Map<String, Json>, place: &Span) {
        let Some(name) = text(args, "name") else { return };
        let name = name.strip_suffix(".service").unwrap_or(name);
        let runs = match text(args, "state") {
            Some("started" | "restarted" | "reloaded") => Some(true),
            Some("stopped") => Some(false),
            _ => None,
        };
        let is_enabled = args.get("enabled").and_then(Json::as_bool);
        let unsaid = || DraftService { runs: None, is_enabled: None, place: place.clone() };
        let service = self.services.entry(name.to_owned()).or_insert_with(unsaid);
        service.runs = runs.or(service.runs);
        service.is_enabled = is_enabled.or(service.is_enabled);
        service.place = place.clone();
    }
}

/// What firewalld's service definitions open, of those that a cluster needs.
fn ports_of(service: &str) -> Vec<String> {
    let ports: &[&str] = match service {
        "high-availability" => &["2224/tcp", "3121/tcp", "5403/tcp", "5404-5412/udp", "9929/tcp", "9929/udp"],
        _ => &[],
    };
    ports.iter().map(|port| (*port).to_owned()).collect()
}

/// The ports of one rule: `destination_port` and `protocol`, or `port` and `proto`.
fn of_rule(args: &Map<String, Json>) -> Vec<String> {
    let named = |names: [&str; 3]| names.iter().map(|name| texts(args, name)).find(|found| !found.is_empty());
    let protocol = text(args, "protocol").or_else(|| text(args, "proto")).unwrap_or("any");
    let ports = named(["destination_port", "destination_ports", "port"]).unwrap_or_default();
    ports.into_iter().map(|port| format!("{}/{protocol}", port.replace(':', "-"))).collect()
}

fn text<'a>(args: &'a Map<String, Json>, name: &str) -> Option<&'a str> {
    args.get(name).and_then(Json::as_str)
}

fn texts(args: &Map<String, Json>, name: &str) -> Vec<String> {
    match args.get(name) {
        Some(Json::Array(items)) => items.iter().map(crate::report::json_text).collect(),
        Some(Json::Null) | None => Vec::new(),
        Some(one) => vec![crate::report::json_text(one)],
    }
}
