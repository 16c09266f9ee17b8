//! What is known about hosts while a play runs: their inventory variables, facts, registered results.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use indexmap::IndexMap;
use minijinja::Value;

use crate::local_files::LocalFiles;

use super::{Data, FactCache, HashBehaviour, Level, Secrets, Vars};

/// Decrypts a vaulted text, or says why it cannot.
type Unsealer = dyn Fn(&str) -> Result<String, String> + Send + Sync;

/// Encrypted values that were read since it was asked last.
type SealedTexts = dyn Fn() -> Vec<String> + Send + Sync;

/// The variables of all hosts, and those of the command line. Shared by all tasks; hosts change on their own.
#[derive(Default)]
pub(crate) struct Store {
    extra: RwLock<Arc<Vars>>,
    hash_behaviour: HashBehaviour,
    fact_cache: Option<FactCache>,
    files: Arc<LocalFiles>,
    secrets: Secrets,
    unsealer: RwLock<Option<Box<Unsealer>>>,
    sealed: RwLock<Option<Box<SealedTexts>>>,
    hosts: RwLock<IndexMap<Arc<str>, Arc<HostVars>>>,
    are_facts_unknown: AtomicBool,
}

/// What belongs to one host, whatever play or task it is in.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostVars {
    /// Definitions from the inventory and from `group_vars` and `host_vars`, each with its level, parents
    /// before children.
    pub(crate) inventory: Vec<(Level, Arc<Vars>)>,
    /// What `add_host` said, of the level of the inventory's own.
    pub(crate) added: Arc<Vars>,
    /// Facts under the names that modules return them by, such as `ansible_distribution`.
    pub(crate) facts: Arc<IndexMap<String, Value>>,
    /// `include_vars`.
    pub(crate) included: Arc<Vars>,
    /// `set_fact` and `register`.
    pub(crate) set: Arc<Vars>,
    /// The groups that the host is in, without `all`, in the order of their names.
    pub(crate) group_names: Arc<Vec<String>>,
    /// `inventory_dir` and `inventory_file` of the source that named the host.
    pub(crate) inventory_dir: Option<Arc<str>>,
    /// The file that named the host.
    pub(crate) inventory_file: Option<Arc<str>>,
    /// In a plan: why it is not known which variables `include_vars` would have read.
    pub(crate) doubt: Option<Arc<str>>,
    /// In a plan: why facts may be other ones, or more, by the time when they were gathered.
    pub(crate) facts_doubt: Option<Arc<str>>,
}

impl HostVars {
    /// Adds facts that a module returned, over those of the same name.
    pub(crate) fn add_facts(&mut self, facts: impl IntoIterator<Item = (String, Value)>) {
        Arc::make_mut(&mut self.facts).extend(facts);
    }

    /// Sets a variable as `set_fact` and `register` do.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        Arc::make_mut(&mut self.set).set(name, Data::Plain(value));
    }

    /// The same with a value that may still be sealed.
    pub(crate) fn set_data(&mut self, name: &str, data: Data) {
        Arc::make_mut(&mut self.set).set(name, data);
    }

    /// Adds what `include_vars` read.
    pub(crate) fn include(&mut self, vars: &Vars, behaviour: HashBehaviour) {
        behaviour.vars(Arc::make_mut(&mut self.included), vars);
    }

    /// The layers of this host, in no particular order, and `(level, definitions)` within a level from the
    /// weakest.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (Level, Arc<Vars>)> + '_ {
        let added = std::iter::once((Level::InventoryFileHost, self.added.clone()));
        let own = [(Level::IncludeVars, self.included.clone()), (Level::SetFact, self.set.clone())];
        self.inventory.iter().cloned().chain(added).chain(own)
    }
}

impl Store {
    /// A store without hosts.
    pub(crate) fn new(extra: Vars) -> Self {
        Self { extra: RwLock::new(Arc::new(extra)), ..Self::default() }
    }

    /// The same, with another view of mappings that are defined twice.
    pub(crate) fn with_hash_behaviour(self, hash_behaviour: HashBehaviour) -> Self {
        Self { hash_behaviour, ..self }
    }

    /// What two mappings of one name come to.
    pub(crate) fn hash_behaviour(&self) -> HashBehaviour {
        self.hash_behaviour
    }

    /// The same, with a place where facts are kept between runs.
    pub(crate) fn with_fact_cache(self, fact_cache: Option<FactCache>) -> Self {
        Self { fact_cache, ..self }
    }

    /// The same, with the files that lookups read.
    pub(crate) fn with_files(self, files: Arc<LocalFiles>) -> Self {
        Self { files, ..self }
    }

    /// The files of this machine.
    pub(crate) fn files(&self) -> &Arc<LocalFiles> {
        &self.files
    }

    /// What is known about a host from earlier runs.
    pub(crate) fn facts_of_earlier_runs(&self, host: &str) -> Arc<IndexMap<String, Value>> {
        Arc::new(self.fact_cache.as_ref().map(|cache| cache.read(host)).unwrap_or_default())
    }

    /// Adds facts of a host, for later runs too where facts are kept.
    ///
    /// # Errors
    ///
    /// They are known in this run, and could not be kept.
    pub(crate) fn add_facts(
        &self,
        host: &str,
        facts: impl IntoIterator<Item = (String, Value)>,
    ) -> std::io::Result<()> {
        self.change(host, |vars| vars.add_facts(facts));
        match (&self.fact_cache, self.host(host)) {
            (Some(cache), Some(vars)) => cache.write(host, &vars.facts),
            _ => Ok(()),
        }
    }

    /// No host is asked in this run: what is not among the facts is not undefined, but unknown.
    pub(crate) fn leave_facts_unknown(&self) {
        self.are_facts_unknown.store(true, Ordering::Relaxed);
    }

    /// Whether facts that are not there may be so all the same.
    pub(super) fn are_facts_unknown(&self) -> bool {
        self.are_facts_unknown.load(Ordering::Relaxed)
    }

    /// Forgets the facts of a host.
    pub(crate) fn clear_facts(&self, host: &str) {
        self.change(host, |vars| vars.facts = Arc::default());
        if let Some(cache) = &self.fact_cache {
            cache.remove(host);
        }
    }

    /// The variables of `-e`.
    pub(crate) fn extra(&self) -> Arc<Vars> {
        self.extra.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How encrypted values are decrypted when a template needs them.
    pub(crate) fn set_unsealer(
        &self,
        unseal: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
    ) {
        *self.unsealer.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(unseal));
    }

    /// The text of an encrypted value; it becomes a secret of the run.
    pub(super) fn unseal(&self, sealed: &str) -> Result<String, String> {
        let unsealer = self.unsealer.read().unwrap_or_else(PoisonError::into_inner);
        let Some(unseal) = &*unsealer else { return Err("no vault password was given".into()) };
        let text = unseal(sealed)?;
        self.secrets.add(&text);
        Ok(text)
    }

    /// Where encrypted values are that were read, each once.
    pub(crate) fn set_sealed(&self, sealed: impl Fn() -> Vec<String> + Send + Sync + 'static) {
        *self.sealed.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(sealed));
    }

    /// Decrypts all values that were read, so that a file of a host that has one is shown without it, although no task of this
    /// run needs it. One without its password stays unknown.
    pub(crate) fn know_all_secrets(&self) {
        let new = self.sealed.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|new| new());
        for sealed in new.unwrap_or_default() {
            let _ = self.unseal(&sealed);
        }
    }

    /// Texts that must not be printed.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Adds a host or replaces what is known about it.
    pub(crate) fn put(&self, name: &str, host: HostVars) {
        self.write().insert(name.into(), Arc::new(host));
    }

    /// What is known about a host now. Later changes do not show in it.
    pub(crate) fn host(&self, name: &str) -> Option<Arc<HostVars>> {
        self.read().get(name).cloned()
    }

    /// All hosts, in the order of the inventory.
    pub(crate) fn hosts(&self) -> Vec<Arc<str>> {
        self.read().keys().cloned().collect()
    }

    /// Changes what is known about a host; a host that is not known yet is added.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&mut HostVars)) {
        let mut hosts = self.write();
        change(Arc::make_mut(hosts.entry(name.into()).or_default()));
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, IndexMap<Arc<str>, Arc<HostVars>>> {
        // A panic of another task leaves whole hosts behind: each is replaced in one step.
        self.hosts.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, IndexMap<Arc<str>, Arc<HostVars>>> {
        self.hosts.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("hosts", &self.hosts()).finish_non_exhaustive()
    }
}
