//! What a lab is, as its `state.json` says it, and where its files are.
//!
//! The file is written, whole, before the first thing that it describes is made: a `lab up` that is killed in
//! the middle leaves a description from which `lab down` or the next `lab up` can go on. What a node is doing
//! right now is never in it: that is asked of the kernel (see `cgroup.rs`).

use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{LabError, Result};
use super::interrupt;
use super::name::{LabName, Label};
use super::partition::Cut;
use super::subnet::Subnet;

/// Nodes get the addresses `.11` and up.
const FIRST_NODE_ADDRESS: u8 = 10;
/// From here on the addresses of each subnet are free for floating IPs.
pub(crate) const FIRST_FLOATING_ADDRESS: u8 = 200;
/// As many nodes as there are addresses between the two.
pub(crate) const MOST_NODES: u8 = FIRST_FLOATING_ADDRESS - FIRST_NODE_ADDRESS - 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LabState {
    pub(crate) name: LabName,
    /// `false` until the first `lab up` has come to its end.
    pub(crate) is_complete: bool,
    pub(crate) system: SystemChoice,
    /// The cached base image that every node's disk begins as.
    pub(crate) base_image: String,
    pub(crate) nodes: Vec<NodeState>,
    /// One bridge and subnet each; every node is plugged into all of them.
    pub(crate) links: Vec<Subnet>,
    /// The largest packet that gets from a node to the outside in one piece.
    pub(crate) mtu: u32,
    pub(crate) switch: SwitchState,
    /// The password of the user `ops`, who may use sudo with it.
    pub(crate) ops_password: String,
    /// Traffic that is being dropped.
    pub(crate) cuts: Vec<Cut>,
}

/// What is preinstalled on the nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SystemChoice {
    pub(crate) python: bool,
    pub(crate) packages: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NodeState {
    pub(crate) name: String,
    /// Counted from 1; decides addresses and interface names.
    pub(crate) number: u8,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SwitchState {
    pub(crate) https_port: u16,
    pub(crate) http_port: u16,
    pub(crate) username: String,
    pub(crate) password: String,
    /// How long the switch hesitates before it acts, as slow devices do.
    pub(crate) delay_ms: u64,
}

impl NodeState {
    pub(crate) fn address(&self, subnet: Subnet) -> Ipv4Addr {
        subnet.host(FIRST_NODE_ADDRESS + self.number)
    }
}

impl LabState {
    /// The subnet over which the nodes reach the host, the switch and the outside.
    pub(crate) fn first_link(&self) -> Subnet {
        self.links[0] // A lab has at least one link: the command line refuses 0.
    }

    /// The host's address on the first link, where the power switch listens.
    pub(crate) fn gateway(&self) -> Ipv4Addr {
        self.first_link().gateway()
    }

    pub(crate) fn floating_address(&self) -> Ipv4Addr {
        self.first_link().host(FIRST_FLOATING_ADDRESS)
    }

    pub(crate) fn node(&self, name: &str) -> Result<&NodeState> {
        self.nodes.iter().find(|node| node.name == name).ok_or_else(|| LabError::NoSuchNode {
            lab: self.name.to_string(),
            node: name.to_owned(),
            known: self.nodes.iter().map(|node| node.name.clone()).collect(),
        })
    }

    /// The node that has this address, for logs.
    pub(crate) fn node_at(&self, address: Ipv4Addr) -> Option<&NodeState> {
        self.nodes.iter().find(|node| self.links.iter().any(|link| node.address(*link) == address))
    }
}

const USUAL_FOLDER: &str = "/var/lib/muster/lab";

/// The folder that holds labs and base images; a machine can have several, which know nothing of each other.
#[derive(Debug, Clone)]
pub(crate) struct Store(PathBuf);

impl Store {
    /// `$MUSTER_LAB_DIR`, or the usual place.
    pub(crate) fn open() -> Self {
        let path = std::env::var_os("MUSTER_LAB_DIR").filter(|path| !path.is_empty());
        Self(path.map_or_else(|| PathBuf::from(USUAL_FOLDER), PathBuf::from))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Tells this folder from other ones in names on the host. `None` for the usual folder.
    pub(crate) fn scope(&self) -> Option<String> {
        let is_usual = self.0 == Path::new(USUAL_FOLDER);
        let digest = Sha256::digest(self.0.as_os_str().as_encoded_bytes());
        (!is_usual).then(|| digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect())
    }

    pub(crate) fn label(&self, name: &LabName) -> Label {
        Label::new(self.scope().as_deref(), name)
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    pub(crate) fn image(&self, id: &str) -> PathBuf {
        self.images().join(id)
    }

    pub(crate) fn lab(&self, name: &LabName) -> LabFiles {
        LabFiles(self.0.join("labs").join(name.as_str()))
    }

    /// The labs that have files here, complete or not, by name.
    pub(crate) fn lab_names(&self) -> Vec<LabName> {
        let Ok(entries) = fs::read_dir(self.0.join("labs")) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut names: Vec<LabName> = names.collect();
        names.sort();
        names
    }

    /// The states of all labs that can be read.
    pub(crate) fn states(&self) -> Vec<LabState> {
        self.lab_names().iter().filter_map(|name| self.lab(name).load().ok().flatten()).collect()
    }

    /// Waits until nobody else makes, changes or removes this lab.
    pub(crate) fn lock_lab(&self, name: &LabName) -> Result<Lock> {
        let path = self.0.join("locks").join(format!("{name}.lock"));
        if let Some(lock) = Lock::try_take(&path)? {
            return Ok(lock);
        }
        eprintln!("waiting for another `muster lab` that works on the lab `{name}`");
        Lock::take(&path)
    }

    /// Waits until nobody else builds or removes this image.
    pub(crate) fn lock_image(&self, id: &str) -> Result<Lock> {
        Lock::take(&self.image_lock(id))
    }

    /// `None` when somebody builds or removes this image.
    pub(crate) fn try_lock_image(&self, id: &str) -> Result<Option<Lock>> {
        Lock::try_take(&self.image_lock(id))
    }

    fn image_lock(&self, id: &str) -> PathBuf {
        self.0.join("locks").join(format!(".image-{id}.lock"))
    }
}

/// The files of one lab.
#[derive(Debug, Clone)]
pub(crate) struct LabFiles(PathBuf);

impl LabFiles {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.0.join("state.json")
    }

    pub(crate) fn inventory(&self) -> PathBuf {
        self.0.join("inventory.ini")
    }

    pub(crate) fn ssh_key(&self) -> PathBuf {
        self.0.join("id_ed25519")
    }

    pub(crate) fn ssh_config(&self) -> PathBuf {
        self.0.join("ssh_config")
    }

    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.0.join("known_hosts")
    }

    pub(crate) fn switch_certificate(&self) -> PathBuf {
        self.0.join("switch.crt")
    }

    pub(crate) fn switch_key(&self) -> PathBuf {
        self.0.join("switch.key")
    }

    pub(crate) fn switch_log(&self) -> PathBuf {
        self.0.join("switch.log")
    }

    pub(crate) fn power_log(&self) -> PathBuf {
        self.0.join("power.jsonl")
    }

    pub(crate) fn nodes(&self) -> PathBuf {
        self.0.join("nodes")
    }

    pub(crate) fn node(&self, name: &str) -> NodeFiles {
        NodeFiles(self.nodes().join(name))
    }

    /// `None` when there is no such lab.
    pub(crate) fn load(&self) -> Result<Option<LabState>> {
        let path = self.state();
        let text = match fs::read_to_string(&path) {
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(LabError::io("read", &path))?,
        };
        serde_json::from_str(&text).map(Some).map_err(|source| LabError::State { path, source })
    }

    pub(crate) fn save(&self, state: &LabState) -> Result<()> {
        make_private_folder(&self.0)?;
        let text = serde_json::to_string_pretty(state).expect("a state has only strings, numbers and lists");
        write_private(&self.state(), &text)
    }
}

/// The files of one node of a lab.
#[derive(Debug, Clone)]
pub(crate) struct NodeFiles(PathBuf);

impl NodeFiles {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What the node has written to its disk.
    pub(crate) fn upper(&self) -> PathBuf {
        self.0.join("upper")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// The node's disk as the node sees it.
    pub(crate) fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    pub(crate) fn console(&self) -> PathBuf {
        self.0.join("console.log")
    }

    /// What is known about the run from power on to power off; see `machine.rs`.
    pub(crate) fn run(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// Held by whoever switches the node's power.
    pub(crate) fn lock_power(&self) -> Result<Lock> {
        Lock::take(&self.0.join("power.lock"))
    }
}

/// An exclusive lock between processes; it ends with this value, or with the process.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "holding the open file is what holds the lock")] File);

impl Lock {
    /// Waits for the other process, but not when muster is interrupted.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        loop {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(lock);
            }
            interrupt::check()?;
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// `None` when another process has it.
    fn try_take(path: &Path) -> Result<Option<Self>> {
        let file = Self::open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(LabError::io("lock", path)(error.into())),
        }
    }

    fn open(path: &Path) -> Result<File> {
        path.parent().map_or(Ok(()), make_folder)?;
        File::create(path).map_err(LabError::io("open the lock", path))
    }
}

pub(crate) fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(LabError::io("make the folder", path))
}

/// Makes a folder for keys and passwords.
pub(crate) fn make_private_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    make_folder(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(LabError::io("protect", path))
}

/// Writes a file that only its owner may read; a reader sees the old or the new text, never a part.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let failed = || LabError::io("write", path);
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed())?;
    io::Write::write_all(&mut file, text.as_bytes()).map_err(failed())?;
    file.persist(path).map(drop).map_err(|error| failed()(error.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_node_keeps_clear_of_the_floating_addresses() {
        let subnet: Subnet = "10.77.3.0/24".parse().unwrap();
        let last = NodeState { name: "n189".into(), number: MOST_NODES };
        assert_eq!(last.address(subnet), Ipv4Addr::new(10, 77, 3, 199));
    }
}
