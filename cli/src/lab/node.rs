//! One node of a lab: its power, and whether it is frozen.
//!
//! Nobody keeps a record of whether a node is on: it is on while a process lives in its group. So a crash, a
//! `poweroff` inside the node and a fenced node all look alike, and two programs can never disagree.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::Lab;
use super::cgroup::{Cgroup, wait_until};
use super::disk;
use super::error::{LabError, Result};
use super::machine::{Run, console};
use super::network;
use super::state::{NodeFiles, NodeState};
use super::tool::Tool;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    On,
    Off,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'lab> {
    lab: &'lab Lab,
    state: &'lab NodeState,
}

impl<'lab> Node<'lab> {
    pub(crate) fn new(lab: &'lab Lab, state: &'lab NodeState) -> Self {
        Self { lab, state }
    }

    pub(crate) fn lab(&self) -> &'lab Lab {
        self.lab
    }

    pub(crate) fn name(&self) -> &'lab str {
        &self.state.name
    }

    pub(crate) fn state(&self) -> &'lab NodeState {
        self.state
    }

    pub(crate) fn files(&self) -> NodeFiles {
        self.lab.files.node(self.name())
    }

    /// The process group that holds the machine and everything that runs in it.
    pub(crate) fn group(&self) -> Cgroup {
        self.lab.group.child(self.name())
    }

    /// The name under which systemd-nspawn knows it.
    pub(crate) fn machine(&self) -> String {
        self.lab.label.machine(self.name())
    }

    /// The host's ends of its network cables, one a link.
    pub(crate) fn cables(&self) -> Vec<String> {
        (0..self.lab.state.links.len()).map(|link| self.lab.label.cable(self.state.number, link)).collect()
    }

    pub(crate) fn power(&self) -> Power {
        if self.group().is_populated() { Power::On } else { Power::Off }
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.group().is_frozen()
    }

    /// What is known about the present run. `None`: off, or on since a moment ago.
    pub(crate) fn run(&self) -> Option<Run> {
        (self.power() == Power::On).then(|| Run::load(&self.files().run())).flatten()
    }

    /// Switches the power on, unless it is on. Its disk is as the node left it. Returns when the machine
    /// runs; booting goes on.
    pub(crate) fn power_on(&self) -> Result<()> {
        let _lock = self.files().lock_power()?;
        self.start()
    }

    /// Cuts the power: everything in the node dies at once, and nothing of it sends any more when this
    /// returns.
    pub(crate) fn cut_power(&self) -> Result<()> {
        let _lock = self.files().lock_power()?;
        self.kill()
    }

    /// Cuts the power and switches it on again; nobody gets in between.
    pub(crate) fn cycle_power(&self) -> Result<()> {
        let _lock = self.files().lock_power()?;
        self.kill()?;
        self.start()
    }

    /// Asks the node's system to power off or to reboot, as a short press on a button does. Returns at once.
    pub(crate) fn press(&self, button: Button) -> Result<()> {
        let command = match button {
            Button::PowerOff => "poweroff",
            Button::Reboot => "reboot",
        };
        self.enter(self.leader()?).args(["systemctl", "--no-block", command]).run().map(drop)
    }

    pub(crate) fn freeze(&self) -> Result<()> {
        self.require_power()?;
        self.group().freeze(true)
    }

    pub(crate) fn thaw(&self) -> Result<()> {
        self.require_power()?;
        self.group().freeze(false)
    }

    /// The node's process 1. Errs when there is none, or when it could not answer.
    pub(crate) fn leader(&self) -> Result<u32> {
        self.require_power()?;
        if self.is_frozen() {
            return Err(self.is("frozen", "muster lab thaw lets it go on"));
        }
        let run = self.run().and_then(|run| run.leader);
        run.ok_or_else(|| self.is("just being started", "try again in a moment"))
    }

    fn require_power(&self) -> Result<()> {
        match self.power() {
            Power::On => Ok(()),
            Power::Off => Err(self.is("off", "muster lab power on boots it")),
        }
    }

    fn is(&self, state: &'static str, hint: &'static str) -> LabError {
        LabError::NodeIs { lab: self.lab.state.name.to_string(), node: self.name().to_owned(), state, hint }
    }

    /// A program inside the node, as root, on its files, processes and network.
    fn enter(&self, leader: u32) -> Tool {
        Tool::new("nsenter").args(namespaces(leader))
    }

    fn start(&self) -> Result<()> {
        if self.power() == Power::On {
            return Ok(());
        }
        self.clear()?;
        disk::mount(self)?;
        self.lab.group.make()?;
        self.start_machine()
    }

    fn kill(&self) -> Result<()> {
        self.group().kill()?;
        self.clear()
    }

    /// Removes what a run leaves behind when it has not ended by itself.
    fn clear(&self) -> Result<()> {
        network::remove_interfaces(&self.cables())?;
        let run = self.files().run();
        if run.exists() {
            fs::remove_file(&run).map_err(LabError::io("remove", &run))?;
        }
        self.group().remove()
    }

    fn start_machine(&self) -> Result<()> {
        let failed = |source| LabError::Start { program: "muster lab machine".into(), source };
        let path = self.files().console();
        let console = console(&path)?;
        let mut child = this_program()
            .args(["lab", "machine", "--name", self.lab.state.name.as_str(), self.name()])
            .stdin(Stdio::null())
            .stdout(console.try_clone().map_err(failed)?)
            .stderr(console)
            .spawn()
            .map_err(failed)?;
        // It joins the group first of all.
        let group = self.group();
        let has_joined = || group.is_populated();
        let mut has_ended = false;
        wait_until(Duration::from_secs(10), || {
            has_ended = matches!(child.try_wait(), Ok(Some(_)));
            has_joined() || has_ended
        });
        if has_ended && !has_joined() {
            return Err(LabError::NotInTime {
                node: self.name().to_owned(),
                what: "start",
                waited: Duration::ZERO,
                console: path,
            });
        }
        thread::spawn(move || child.wait());
        Ok(())
    }
}

/// What a short press asks of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Button {
    PowerOff,
    Reboot,
}

/// This very program, even if its file has been replaced by a newer one since.
pub(crate) fn this_program() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("muster");
    command
}

/// The arguments with which nsenter goes into a node.
pub(crate) fn namespaces(leader: u32) -> Vec<String> {
    let target = leader.to_string();
    ["--target", &target, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]
        .map(str::to_owned)
        .into()
}
