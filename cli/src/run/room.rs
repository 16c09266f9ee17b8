//! What all plays of a run share: hosts and what is known of them, settings, and where events go.

use super::across::Across;
use super::content::Contents;
use super::hosts::Hosts;
use super::identity::{Become, Identity};
use super::keywords::BecomeDefaults;
use super::tags::TagFilter;
use super::task_run::Mode;
use super::way::{Way, WayDefaults};
use crate::error::Diagnostics;
use crate::inventory::Inventory;
use crate::journal::{Journal, Results};
use crate::lint::Drafts;
use crate::playbook::Loader;
use crate::report::{CustomStats, Event, Events, Stats};
use crate::settings::Settings;
use crate::template::Engine;
use crate::vars::Store;
use indexmap::IndexMap;
use muster_api::cluster::ClusterConfig;
use muster_api::control::Snapshot;
use muster_api::diff::{Change, Diff};
use muster_api::id::NodeName;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::sync::Semaphore;

/// What all plays of a run share.
pub(crate) struct Room {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Arc<Store>,
    pub(crate) inventory: RwLock<Inventory>,
    pub(crate) loader: Arc<Loader>,
    pub(crate) hosts: Hosts,
    pub(crate) contents: Arc<Contents>,
    pub(crate) events: Events,
    pub(crate) mode: Arc<Mode>,
    pub(crate) options: Options,
    pub(crate) stats: Mutex<IndexMap<String, Stats>>,
    /// What `set_stats` kept.
    pub(crate) custom_stats: Mutex<CustomStats>,
    /// Hosts on which something failed or that could not be reached: later plays leave them out.
    pub(crate) lost: Mutex<Lost>,
    /// The mistakes that end the run.
    pub(crate) broken_off: Mutex<Option<Diagnostics>>,
    /// In a plan: accounts that tasks would make (`true`) or remove, by host.
    changed_users: Mutex<HashMap<(String, String), bool>>,
    /// In a plan: the hosts on which an earlier task would install or remove packages.
    new_packages: Mutex<HashSet<String>>,
    /// In a plan: the first step on each host of which it is not known what it does.
    doubted: Mutex<HashMap<String, String>>,
    /// What the tasks so far would make of the hosts, to be compared.
    pub(crate) drafts: Mutex<Drafts>,
    /// What was found in them and told already: codes and titles.
    pub(crate) told_findings: Mutex<HashSet<(&'static str, String)>>,
    /// `--start-at-task`, until its task was found.
    pub(crate) start_at: Mutex<Option<String>>,
    /// What tasks added to the inventory: it is added again where the inventory is read again.
    pub(crate) additions: Mutex<Vec<Addition>>,
    /// How many hosts are worked on at the same time.
    pub(crate) slots: Arc<Semaphore>,
    /// Ctrl-C: finish what runs, start nothing more.
    pub(crate) is_stopping: AtomicBool,
    is_stepping: AtomicBool,
    next_step: AtomicU64,
    began: std::time::Instant,
}

/// A host in a group, or a group in a group, that a task added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Addition {
    Host {
        name: String,
        group: String,
    },
    /// Only while the inventory has the host.
    Member {
        name: String,
        group: String,
    },
    Group {
        parent: String,
        child: String,
    },
}

impl Addition {
    /// Adds it.
    pub(crate) fn to(&self, inventory: &mut Inventory) {
        match self {
            Self::Host { name, group } => inventory.add_host(name, group, None),
            Self::Member { name, group } => inventory.add_member(name, group),
            Self::Group { parent, child } => {
                // A group that is above its parent already stays where it is.
                let _ = inventory.add_child(parent, child);
            }
        }
    }
}

/// Hosts that are out.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    pub(crate) failed: Vec<String>,
    pub(crate) unreachable: Vec<String>,
}

/// What the command line and the settings say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) forks: usize,
    pub(crate) verbosity: u8,
    pub(crate) way: WayDefaults,
    pub(crate) r#become: BecomeDefaults,
    pub(crate) tags: TagFilter,
    pub(crate) start_at: Option<String>,
    /// Ask before each task.
    pub(crate) step: bool,
    pub(crate) force_handlers: bool,
    pub(crate) limit: Option<String>,
    pub(crate) inventory_sources: Vec<String>,
    /// Where the run is recorded.
    pub(crate) journal: Option<Arc<Journal>>,
    /// What is taken over from a run that broke off.
    pub(crate) before_this: Option<Arc<Results>>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) gathering: Gathering,
    /// How hosts go through a play that does not say.
    pub(crate) strategy: Option<String>,
    pub(crate) any_errors_fatal: bool,
    /// `private_role_vars`, where it is set.
    pub(crate) private_role_vars: Option<bool>,
    pub(crate) playbook_dir: std::path::PathBuf,
    /// What `cluster` tasks declare is kept here, to be rehearsed.
    pub(crate) kept: Option<Arc<Mutex<Vec<DeclaredCluster>>>>,
    /// Whether what hosts would get is compared before it is written.
    pub(crate) across: Across,
}

/// What a `cluster` task declares, and for which nodes.
#[derive(Debug, Clone)]
pub(crate) struct DeclaredCluster {
    pub(crate) name: String,
    pub(crate) config: ClusterConfig,
    pub(crate) nodes: Vec<NodeName>,
    /// The cluster before that, where a host was asked: as it is, or as the tasks before make it.
    pub(crate) before: Option<Box<Snapshot>>,
}

/// Whether facts are gathered where a play does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Gathering {
    /// In each play.
    #[default]
    Implicit,
    /// Where a play asks for it.
    Explicit,
    /// For hosts whose facts are not known yet.
    Smart,
}

impl Room {
    /// With nothing done yet.
    pub(crate) fn new(parts: Parts) -> Self {
        let slots = Arc::new(Semaphore::new(parts.options.forks.max(1)));
        let is_stepping = AtomicBool::new(parts.options.step);
        Self {
            start_at: Mutex::new(parts.options.start_at.clone()),
            engine: parts.engine,
            store: parts.store,
            inventory: RwLock::new(parts.inventory),
            loader: parts.loader,
            hosts: parts.hosts,
            contents: parts.contents,
            events: parts.events,
            mode: Arc::new(parts.mode),
            options: parts.options,
            stats: Mutex::default(),
            custom_stats: Mutex::default(),
            lost: Mutex::default(),
            broken_off: Mutex::default(),
            changed_users: Mutex::default(),
            new_packages: Mutex::default(),
            doubted: Mutex::default(),
            drafts: Mutex::default(),
            told_findings: Mutex::default(),
            additions: Mutex::default(),
            slots,
            is_stopping: AtomicBool::new(false),
            is_stepping,
            next_step: AtomicU64::new(1),
            began: std::time::Instant::now(),
        }
    }

    /// Mistakes in what the run itself is made of end it: no rescue mends a file of tasks that cannot be read.
    pub(crate) fn break_off(&self, mistakes: Diagnostics) {
        *lock(&self.broken_off) = Some(mistakes);
    }

    /// Remembers what a task of a plan would do to the accounts of a host: make or remove them, or install packages, which may.
    pub(crate) fn expect_users(&self, host: &str, diffs: &[Diff]) {
        if diffs.iter().any(|diff| diff.kind == "package") {
            lock(&self.new_packages).insert(host.to_owned());
        }
        let presence = |change: &Change| match change {
            Change::Presence { after, .. } => Some(after == "present"),
            _ => None,
        };
        for diff in diffs.iter().filter(|diff| diff.kind == "user") {
            if let Some(comes) = diff.changes.iter().find_map(presence) {
                lock(&self.changed_users).insert((host.to_owned(), diff.name.clone()), comes);
            }
        }
    }

    /// Why it is not known what a task of this plan does that is done as this user, where an earlier one would make or remove it.
    pub(crate) fn doubt_of_user(&self, host: &str, user: &str) -> Option<String> {
        let comes = *lock(&self.changed_users).get(&(host.to_owned(), user.to_owned()))?;
        let verb = if comes { "make" } else { "remove" };
        Some(format!("it is done as `{user}`, an account that an earlier task would {verb}"))
    }

    /// Why there may be a user by then whom a host does not have now.
    pub(crate) fn may_bring_users(&self, host: &str) -> Option<String> {
        let has_packages = lock(&self.new_packages).contains(host);
        let by_packages = || "packages that would be installed may bring one".to_owned();
        self.mode.foresight.as_ref()?;
        has_packages.then(by_packages).or_else(|| self.doubt_of(host))
    }

    /// Who can say what a task comes to that is done as an account which an earlier task of this plan would make; none where nobody
    /// can.
    pub(crate) fn stand_in(&self, host: &str, way: &Way, account: &Become) -> Option<Identity> {
        let comes = *lock(&self.changed_users).get(&(host.to_owned(), account.user.clone()))?;
        let can = comes && self.mode.check;
        can.then(|| Identity::stand_in(account, &way.login_name()))?
    }

    /// Remembers that it is not known what a step of a plan does on a host.
    pub(crate) fn doubt(&self, host: &str, why: &str) {
        lock(&self.doubted).entry(host.to_owned()).or_insert_with(|| why.to_owned());
    }

    /// In a plan: why what is found on a host may be something else by then.
    pub(crate) fn doubt_of(&self, host: &str) -> Option<String> {
        lock(&self.doubted).get(host).cloned()
    }

    /// A number for the next step.
    pub(crate) fn step_number(&self) -> u64 {
        self.next_step.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts something for a host.
    pub(crate) fn count(&self, host: &str, count: impl FnOnce(&mut Stats)) {
        count(lock(&self.stats).entry(host.to_owned()).or_default());
    }

    /// Tells what was counted: the end of a run.
    pub(crate) fn tell_recap(&self) {
        let hosts = lock(&self.stats).clone();
        let custom = self.options.settings.shows_custom_stats().then(|| lock(&self.custom_stats).clone());
        let custom = custom.filter(|custom| !custom.is_empty());
        self.events.tell(Event::Recap { hosts, custom, seconds: self.began.elapsed().as_secs_f64() });
    }

    /// Whether the user is asked before each task.
    pub(crate) fn is_stepping(&self) -> bool {
        self.is_stepping.load(Ordering::Relaxed)
    }

    /// The user is asked no more.
    pub(crate) fn stop_stepping(&self) {
        self.is_stepping.store(false, Ordering::Relaxed);
    }

    /// Whether nothing more is to be started.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// The inventory for reading.
    pub(crate) fn inventory(&self) -> std::sync::RwLockReadGuard<'_, Inventory> {
        self.inventory.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a room is made of.
pub(crate) struct Parts {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Arc<Store>,
    pub(crate) inventory: Inventory,
    pub(crate) loader: Arc<Loader>,
    pub(crate) hosts: Hosts,
    pub(crate) contents: Arc<Contents>,
    pub(crate) events: Events,
    pub(crate) mode: Mode,
    pub(crate) options: Options,
}

/// What is locked is whole at any time: a panic elsewhere leaves nothing half-done in it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does work on the threads for computing, so that the network's are never held up.
pub(crate) async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    rayon::spawn(move || drop(sender.send(work())));
    match receiver.await {
        Ok(value) => value,
        // The sender is only dropped without a value where the work panicked, which was reported there.
        Err(_) => panic!("work of a task panicked"),
    }
}

/// What all of these come to, in their order.
pub(super) async fn joined<T>(running: Vec<tokio::task::JoinHandle<T>>) -> Vec<T> {
    let mut all = Vec::new();
    for task in running {
        match task.await {
            Ok(one) => all.push(one),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    all
}
