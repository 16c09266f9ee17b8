//! Templates that were prepared before.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::dialect::Prepared;
use super::error::SyntaxProblem;

/// A prepared template, and the file that it is.
type Entry = (Arc<Prepared>, Option<Arc<Path>>);
type Entries = HashMap<String, Entry>;

/// Prepared templates by the name that minijinja knows them by, and the files that they are.
#[derive(Debug, Default)]
pub(super) struct Cache(RwLock<Entries>);

impl Cache {
    pub(super) fn get(&self, key: &str) -> Option<Arc<Prepared>> {
        self.read().get(key).map(|(prepared, _)| prepared.clone())
    }

    pub(super) fn file(&self, key: &str) -> Option<Arc<Path>> {
        self.read().get(key).and_then(|(_, file)| file.clone())
    }

    pub(super) fn put(&self, key: &str, prepared: Prepared, file: Option<Arc<Path>>) -> Arc<Prepared> {
        let prepared = Arc::new(prepared);
        self.write().insert(key.to_owned(), (prepared.clone(), file));
        prepared
    }

    pub(super) fn get_or_prepare(
        &self,
        key: &str,
        prepare: impl FnOnce() -> Result<Prepared, SyntaxProblem>,
    ) -> Result<Arc<Prepared>, SyntaxProblem> {
        match self.get(key) {
            Some(prepared) => Ok(prepared),
            None => Ok(self.put(key, prepare()?, None)),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
