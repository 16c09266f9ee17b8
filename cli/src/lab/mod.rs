//! The lab: real systemd nodes on this machine, with a network, sshd, a package manager and a power switch, to
//! rehearse on before touching production.
//!
//! | noun | file |
//! |---|---|
//! | what a lab is, and its files | `state.rs` `name.rs` |
//! | making and removing it | `up.rs` `down.rs` `prerequisites.rs` `base_image.rs` `host.rs` |
//! | a node: its power, its machine, its disk | `node.rs` `machine.rs` `disk.rs` `cgroup.rs` |
//! | the wires: bridges, the way out, cuts | `network.rs` `subnet.rs` `partition.rs` |
//! | the power switch | `power_switch/` |
//! | what others get to know | `status.rs` `inventory.rs` `ssh.rs` `enter.rs` |

mod base_image;
mod cgroup;
mod disk;
pub(crate) mod down;
pub(crate) mod enter;
mod error;
mod host;
mod interrupt;
pub(crate) mod inventory;
pub(crate) mod machine;
mod mounts;
pub(crate) mod name;
mod network;
pub(crate) mod node;
pub(crate) mod partition;
pub(crate) mod power_switch;
mod prerequisites;
mod ssh;
pub(crate) mod state;
pub(crate) mod status;
mod subnet;
mod tool;
pub(crate) mod up;

pub(crate) use base_image::remove_unused as remove_unused_images;
pub(crate) use error::{LabError, Result};

use cgroup::Cgroup;
use name::{LabName, Label};
use node::Node;
use state::{LabFiles, LabState, Store};

/// A lab that has been made, or is being made.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) store: Store,
    pub(crate) files: LabFiles,
    pub(crate) state: LabState,
    pub(crate) label: Label,
    pub(crate) group: Cgroup,
}

impl Lab {
    /// Errs when there is no such lab.
    pub(crate) fn open(store: &Store, name: &LabName) -> Result<Self> {
        let Some(state) = store.lab(name).load()? else {
            let known = store.lab_names().iter().map(ToString::to_string).collect();
            return Err(LabError::NoSuchLab { name: name.to_string(), known });
        };
        Self::with_state(store, state)
    }

    fn with_state(store: &Store, state: LabState) -> Result<Self> {
        let Some(group) = Cgroup::of_lab(store, &state.name)? else {
            let why = "this machine has no unified cgroup hierarchy (cgroup2)".to_owned();
            return Err(LabError::Usage(why));
        };
        let (files, label) = (store.lab(&state.name), store.label(&state.name));
        Ok(Self { store: store.clone(), files, state, label, group })
    }

    pub(crate) fn node(&self, name: &str) -> Result<Node<'_>> {
        Ok(Node::new(self, self.state.node(name)?))
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        self.state.nodes.iter().map(|state| Node::new(self, state))
    }

    pub(crate) fn save(&self) -> Result<()> {
        self.files.save(&self.state)
    }
}

/// A lab as `lab up` would describe it, for tests.
#[cfg(test)]
pub(crate) fn test_lab(nodes: u8, links: u8) -> LabState {
    let subnet = |link| format!("10.77.{link}.0/24").parse().unwrap();
    LabState {
        name: "test".parse().unwrap(),
        is_complete: true,
        system: state::SystemChoice::default(),
        base_image: "bookworm-000000000000".into(),
        nodes: (1..=nodes).map(|number| state::NodeState { name: format!("n{number}"), number }).collect(),
        links: (0..links).map(subnet).collect(),
        mtu: 1500,
        switch: state::SwitchState {
            https_port: 8443,
            http_port: 8080,
            username: "fence".into(),
            password: "fence-secret".into(),
            delay_ms: 0,
        },
        ops_password: "ops-secret".into(),
        cuts: Vec::new(),
    }
}

#[cfg(test)]
pub(crate) fn test_label() -> Label {
    Label::new(None, &"test".parse().unwrap())
}
