//! What all labs of this machine share, whatever folders they live in: settings of the kernel that must be
//! raised, and the subnets that are given away.
//!
//! `/run/muster-lab/host.json` says which labs there are and what the settings were before the first one. When
//! the last one goes, the settings are put back. The file goes with a reboot, as the settings do.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{LabError, Result};
use super::name::Label;
use super::state::{LabState, Lock, make_folder, write_private};
use super::subnet::Subnet;

const FOLDER: &str = "/run/muster-lab";

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
const INOTIFY_INSTANCES: &str = "/proc/sys/fs/inotify/max_user_instances";

/// One node's services use up to about 20 of the 128 that Linux gives all processes of root together.
const INOTIFY_INSTANCES_PER_NODE: u64 = 24;
const INOTIFY_INSTANCES_OF_THE_HOST: u64 = 64;

/// The only one at a time who may change what the labs share.
pub(crate) struct Host {
    register: Register,
    _lock: Lock,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Register {
    labs: BTreeMap<Label, Use>,
    /// What the raised settings were before, by path.
    settings_before: BTreeMap<String, u64>,
}

/// What a lab uses of the host.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Use {
    nodes: u64,
    subnets: Vec<Subnet>,
}

impl Host {
    /// Waits until nobody else changes what the labs share.
    pub(crate) fn lock() -> Result<Self> {
        let folder = Path::new(FOLDER);
        make_folder(folder)?;
        let lock = Lock::take(&folder.join("host.lock"))?;
        let register = Register::load(&folder.join("host.json"))?;
        Ok(Self { register, _lock: lock })
    }

    /// The subnets that labs have.
    pub(crate) fn subnets(&self) -> Vec<Subnet> {
        self.register.labs.values().flat_map(|lab| lab.subnets.iter().copied()).collect()
    }

    /// Writes a lab into the register, and makes the kernel's settings fit for it and all others.
    pub(crate) fn admit(mut self, label: &Label, lab: &LabState) -> Result<()> {
        let nodes = lab.nodes.len() as u64;
        self.register.labs.insert(label.clone(), Use { nodes, subnets: lab.links.clone() });
        for (setting, needed) in self.register.needs() {
            self.raise(setting, needed)?;
        }
        self.save()
    }

    /// Strikes a lab out of the register; with the last one, the settings become what they were.
    pub(crate) fn dismiss(mut self, label: &Label) -> Result<()> {
        self.register.labs.remove(label);
        if !self.register.labs.is_empty() {
            return self.save();
        }
        for (setting, before) in &self.register.settings_before {
            write_setting(setting, *before)?;
        }
        let path = Path::new(FOLDER).join("host.json");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LabError::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Raises a setting, and never lowers it. What it was is on disk before it is changed.
    fn raise(&mut self, setting: &str, needed: u64) -> Result<()> {
        let path = Path::new(setting);
        let text = fs::read_to_string(path).map_err(LabError::io("read", path))?;
        let current: u64 = text.trim().parse().unwrap_or(0);
        if current >= needed {
            return Ok(());
        }
        self.register.settings_before.entry(setting.to_owned()).or_insert(current);
        self.save()?;
        write_setting(setting, needed)
    }

    fn save(&self) -> Result<()> {
        let json =
            serde_json::to_string_pretty(&self.register).expect("a register has only strings and numbers");
        write_private(&Path::new(FOLDER).join("host.json"), &json)
    }
}

impl Register {
    fn load(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Err(none) if none.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            text => text.map_err(LabError::io("read", path))?,
        };
        serde_json::from_str(&text).map_err(|source| LabError::State { path: path.to_owned(), source })
    }

    fn needs(&self) -> [(&'static str, u64); 2] {
        let nodes: u64 = self.labs.values().map(|lab| lab.nodes).sum();
        let instances = INOTIFY_INSTANCES_OF_THE_HOST + INOTIFY_INSTANCES_PER_NODE * nodes;
        [(IP_FORWARD, 1), (INOTIFY_INSTANCES, instances)]
    }
}

fn write_setting(setting: &str, value: u64) -> Result<()> {
    let path = Path::new(setting);
    fs::write(path, value.to_string()).map_err(LabError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_of_all_labs_together_decide_what_is_needed() {
        let lab = |nodes| Use { nodes, subnets: Vec::new() };
        let labels = ["one", "two"].map(|name| Label::new(None, &name.parse().unwrap()));
        let register = Register {
            labs: labels.into_iter().zip([lab(2), lab(3)]).collect(),
            settings_before: BTreeMap::new(),
        };
        assert_eq!(register.needs()[1], (INOTIFY_INSTANCES, 64 + 24 * 5));
    }
}
