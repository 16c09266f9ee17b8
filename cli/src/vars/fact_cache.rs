//! Facts that are kept between runs (`fact_caching = jsonfile`): one file of JSON for each host, in the folder that
//! `fact_caching_connection` names. A file older than `fact_caching_timeout` counts no more.

use indexmap::IndexMap;
use minijinja::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::template::{from_json, to_json};

/// Where facts are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FactCache {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// What the name of each file begins with, before that of the host.
    pub(crate) prefix: String,
    /// How long a file counts; none is for ever.
    pub(crate) timeout: Option<Duration>,
}

impl FactCache {
    /// What is known of a host; nothing where its file is missing, too old, or no mapping.
    pub(super) fn read(&self, host: &str) -> IndexMap<String, Value> {
        let path = self.path(host);
        if self.is_too_old(&path) {
            return IndexMap::new();
        }
        let text = std::fs::read(&path).unwrap_or_default();
        let facts: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&text).unwrap_or_default();
        facts.iter().map(|(name, value)| (name.clone(), from_json(value))).collect()
    }

    /// Keeps the facts of a host. Never half a file: another run may read it meanwhile.
    pub(super) fn write(&self, host: &str, facts: &IndexMap<String, Value>) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let map: serde_json::Map<String, serde_json::Value> =
            facts.iter().map(|(name, value)| (name.clone(), to_json(value))).collect();
        let path = self.path(host);
        let new = self.folder.join(format!(".{}.{}", file_name(host), std::process::id()));
        std::fs::write(&new, serde_json::Value::Object(map).to_string())?;
        std::fs::rename(new, path)
    }

    /// Forgets a host.
    pub(crate) fn remove(&self, host: &str) {
        // What is not there is forgotten already.
        let _ = std::fs::remove_file(self.path(host));
    }

    fn is_too_old(&self, path: &Path) -> bool {
        let Some(timeout) = self.timeout else { return false };
        let modified = path.metadata().and_then(|metadata| metadata.modified());
        // A clock that went back makes no file old.
        modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age >= timeout))
    }

    fn path(&self, host: &str) -> PathBuf {
        self.folder.join(format!("{}{}", self.prefix, file_name(host)))
    }
}

/// A host's name as one part of a path.
fn file_name(host: &str) -> String {
    host.replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(folder: &Path, timeout: Option<Duration>) -> FactCache {
        FactCache { folder: folder.join("facts"), prefix: "of_".into(), timeout }
    }

    #[test]
    fn facts_of_one_run_are_those_of_the_next_until_they_are_too_old_or_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let facts = IndexMap::from([("ansible_os_family".to_owned(), Value::from("Debian"))]);
        let kept = cache(folder.path(), None);
        kept.write("web/1", &facts).expect("written");
        assert_eq!(kept.read("web/1"), facts);
        assert!(folder.path().join("facts/of_web_1").is_file());
        assert!(cache(folder.path(), Some(Duration::ZERO)).read("web/1").is_empty());
        kept.remove("web/1");
        assert!(kept.read("web/1").is_empty());
    }
}
