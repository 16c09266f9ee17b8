//! Whether what the agent runs with is what is on this node's disk: corosync.conf and the key. Somebody may change a file and tell the
//! agent nothing, or the agent may have refused it; the next restart would then bring a surprise. The files are looked at when
//! their times or sizes change; what differs becomes a node attribute ([`drift::ATTRIBUTE`]), an event and an alarm.

use crate::keys::Keyring;
use crate::serve::read_corosync_conf;
use muster_api::cluster::Corosync;
use muster_api::drift;
use muster_core::input::Input;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

/// How often times and sizes are looked at: three calls of `stat`.
const EVERY: Duration = Duration::from_secs(5);

/// The files, and what was read of them last.
pub(crate) struct Disk {
    config: PathBuf,
    key: PathBuf,
    taken: Mutex<Option<Taken>>,
    news: Notify,
}

/// What the agent has read and accepted.
struct Taken {
    corosync: Corosync,
    key_digest: [u8; 32],
}

/// By what a file is taken for unchanged: number, size, and times of content and of everything else.
type Stamp = Option<(u64, u64, i64, i64, i64, i64)>;

impl Disk {
    /// `key` is the key's file where corosync.conf names none.
    pub(crate) fn new(config: &Path, key: &Path) -> Arc<Self> {
        let (config, key) = (config.to_path_buf(), key.to_path_buf());
        Arc::new(Self { config, key, taken: Mutex::default(), news: Notify::new() })
    }

    /// The agent runs with this from now on, or will once all members have read it.
    pub(crate) fn taken(&self, corosync: Corosync, key_digest: [u8; 32]) {
        *self.lock() = Some(Taken { corosync, key_digest });
        self.news.notify_one();
    }

    /// A sentence for each file that is not what the agent has read. A comment is no difference.
    pub(crate) fn differences(&self) -> Vec<String> {
        let taken = self.lock();
        let Some(taken) = &*taken else { return Vec::new() };
        let config = self.config.display();
        let corosync = match read_corosync_conf(&self.config) {
            Ok(corosync) => corosync,
            Err(why) => return vec![format!("{config} is not what the agent runs with: {why}")],
        };
        let mut differences = Vec::new();
        if corosync != taken.corosync {
            differences.push(format!("{config} is not what the agent runs with"));
        }
        let key = corosync.totem.keyfile.as_ref().map_or_else(|| self.key.clone(), PathBuf::from);
        match Keyring::read(&corosync, &self.key) {
            Ok(keyring) if keyring.digest() == taken.key_digest => {}
            Ok(_) => differences.push(format!("the key {} is not what the agent runs with", key.display())),
            Err(why) => differences.push(format!("the key is not what the agent runs with: {why}")),
        }
        differences
    }

    /// Tells the core what differs, whenever that changes.
    pub(crate) async fn watch(self: Arc<Self>, inputs: UnboundedSender<Input>) {
        let (mut seen, mut said) = (None, None);
        loop {
            let stamps = self.stamps();
            if seen.as_ref() != Some(&stamps) {
                let differences = self.differences();
                let value = (!differences.is_empty()).then(|| differences.join("; "));
                if said.as_ref() != Some(&value) {
                    let name = drift::ATTRIBUTE.to_owned();
                    if inputs.send(Input::Said { name, value: value.clone() }).is_err() {
                        return;
                    }
                    said = Some(value);
                }
                seen = Some(stamps);
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.news.notified() => seen = None,
            }
        }
    }

    fn stamps(&self) -> Vec<Stamp> {
        let key = self.lock().as_ref().and_then(|taken| taken.corosync.totem.keyfile.clone());
        let key = key.map_or_else(|| self.key.clone(), PathBuf::from);
        let mut next = key.clone().into_os_string();
        next.push(".next");
        [self.config.clone(), key, PathBuf::from(next)].iter().map(|path| stamp(path)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = std::fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str = "totem {\n version: 2\n cluster_name: web\n crypto_cipher: aes256\n crypto_hash: sha256\n}\nnodelist {\n node {\n ring0_addr: 192.0.2.1\n name: n1\n nodeid: 1\n }\n}\nquorum {\n provider: corosync_votequorum\n}\n";

    #[test]
    fn a_file_that_was_changed_behind_the_agents_back_is_named_and_a_comment_is_no_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, key) = (folder.path().join("corosync.conf"), folder.path().join("authkey"));
        std::fs::write(&config, CONF).expect("a file");
        std::fs::write(&key, [7; 32]).expect("a key");
        let disk = Disk::new(&config, &key);
        let corosync = read_corosync_conf(&config).expect("it is right");
        let keyring = Keyring::read(&corosync, &key).expect("there is a key");
        disk.taken(corosync, keyring.digest());
        assert_eq!(disk.differences(), Vec::<String>::new());

        std::fs::write(&config, format!("# seen\n{CONF}")).expect("a file");
        assert_eq!(disk.differences(), Vec::<String>::new());

        std::fs::write(&config, CONF.replace("192.0.2.1", "192.0.2.9")).expect("a file");
        std::fs::write(&key, [8; 32]).expect("a key");
        let differences = disk.differences();
        assert_eq!(differences.len(), 2, "{differences:?}");
        assert!(differences[0].ends_with("corosync.conf is not what the agent runs with"), "{differences:?}");
        assert!(differences[1].contains("authkey"), "{differences:?}");

        std::fs::write(&config, "totem {").expect("a file");
        assert!(disk.differences()[0].contains("not closed"), "{:?}", disk.differences());
    }
}
