//! `lab down`: removes a lab so that nothing of it is left.
//!
//! It does not need the lab's state: everything is found by the lab's name (process group, network interfaces,
//! firewall tables) or below its folder (mounts). So it also removes a lab whose `lab up` was killed.

use std::fs;

use super::cgroup::Cgroup;
use super::error::Result;
use super::host::Host;
use super::name::LabName;
use super::state::Store;
use super::{base_image, disk, mounts, network};

/// Removes a lab. `false`: there was none.
pub(crate) fn down(store: &Store, name: &LabName) -> Result<bool> {
    let _lock = store.lock_lab(name)?;
    let was_there = store.lab(name).path().exists();
    remove(store, name)?;
    base_image::sweep(store)?;
    Ok(was_there)
}

/// Removes everything that carries the lab's name. The caller holds the lab's lock.
pub(crate) fn remove(store: &Store, name: &LabName) -> Result<()> {
    let group = Cgroup::of_lab(store, name)?;
    // First the processes: they hold everything else.
    group.as_ref().map_or(Ok(()), Cgroup::kill)?;
    let (files, label) = (store.lab(name), store.label(name));
    network::remove(&label)?;
    forget_machines(store, name);
    mounts::remove_tree(files.path())?;
    if let Some(group) = group {
        group.remove()?;
        group.remove_top_if_empty();
    }
    Host::lock()?.dismiss(&label)
}

fn forget_machines(store: &Store, name: &LabName) {
    let (files, label) = (store.lab(name), store.label(name));
    let entries = fs::read_dir(files.nodes()).into_iter().flatten();
    for node in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
        disk::forget(&label.machine(&node), &files.node(&node));
    }
}
