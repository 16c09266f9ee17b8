//! Settings of the host that labs need: IP forwarding, and enough inotify instances for many systemds.
//!
//! The old values are kept in `host.json` when a lab changes them, and put back when the last lab goes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{LabError, Result};
use super::state::{Store, write_private};

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
const INOTIFY_INSTANCES: &str = "/proc/sys/fs/inotify/max_user_instances";

/// One node's services use up to about 20 of the 128 that Linux gives all processes of root together.
const INOTIFY_INSTANCES_PER_NODE: u64 = 24;
const INOTIFY_INSTANCES_OF_THE_HOST: u64 = 64;

/// Makes the settings fit for `nodes` nodes in all labs together. The caller holds the host's lock.
pub(crate) fn prepare(store: &Store, nodes: usize) -> Result<()> {
    raise(store, IP_FORWARD, 1)?;
    let needed = INOTIFY_INSTANCES_OF_THE_HOST + INOTIFY_INSTANCES_PER_NODE * nodes as u64;
    raise(store, INOTIFY_INSTANCES, needed)
}

/// Puts the old values back. The caller holds the host's lock, and no lab is left.
pub(crate) fn restore(store: &Store) -> Result<()> {
    for (path, value) in saved(store) {
        let path = Path::new(&path);
        fs::write(path, value.to_string()).map_err(LabError::io("write", path))?;
    }
    let path = file(store);
    if path.exists() {
        fs::remove_file(&path).map_err(LabError::io("remove", &path))?;
    }
    Ok(())
}

/// Raises a setting, and never lowers it.
fn raise(store: &Store, setting: &str, needed: u64) -> Result<()> {
    let path = Path::new(setting);
    let text = fs::read_to_string(path).map_err(LabError::io("read", path))?;
    let current: u64 = text.trim().parse().unwrap_or(0);
    if current >= needed {
        return Ok(());
    }
    let mut old = saved(store);
    old.entry(setting.to_owned()).or_insert(current);
    let json = serde_json::to_string_pretty(&old).expect("a map of numbers can be written as JSON");
    write_private(&file(store), &json)?;
    fs::write(path, needed.to_string()).map_err(LabError::io("write", path))
}

fn saved(store: &Store) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(file(store)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn file(store: &Store) -> PathBuf {
    store.path().join("host.json")
}
