//! The hardware of one node: a process that runs from power on to power off.
//!
//! It joins the node's process group, starts systemd-nspawn with the node's disk, plugs the network cables into
//! their bridges, and starts it again when the system inside reboots. Being inside the group it dies with
//! everything else when the power is cut. What others may want to know goes into `run.json`.

use std::fs::{self, File};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cgroup::wait_until;
use super::error::{LabError, Result};
use super::network;
use super::node::Node;
use super::state::write_private;

/// How systemd-nspawn says that the system inside wants to boot again.
const REBOOT: i32 = 133;

/// What is known about a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The node's process 1, by its number on the host.
    pub(crate) leader: Option<u32>,
    /// When the power came on, or the last reboot began.
    pub(crate) since: String,
    /// Whether the node's systemd has started everything that it starts when booting.
    pub(crate) is_booted: bool,
}

impl Run {
    /// `None` when the node is off, or a moment after power on.
    pub(crate) fn load(path: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    }

    fn save(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_string(self).expect("a run has only strings and numbers");
        write_private(path, &json)
    }
}

/// Runs a node until its system powers off. Called in a process of its own.
pub(crate) fn run(node: &Node<'_>) -> Result<()> {
    // Fails only for the leader of a process group, which has a session of its own already or is a shell's job.
    let _ = rustix::process::setsid();
    node.group().join()?;
    while run_once(node)?.code() == Some(REBOOT) {
        println!("muster lab: the node reboots");
    }
    let path = node.files().run();
    fs::remove_file(&path).map_err(LabError::io("remove", &path))
}

fn run_once(node: &Node<'_>) -> Result<ExitStatus> {
    network::remove_interfaces(&node.cables())?;
    let run = Run { leader: None, since: jiff::Timestamp::now().to_string(), is_booted: false };
    run.save(&node.files().run())?;
    let notifications = listen(node)?;
    let failed = |source| LabError::Start { program: "systemd-nspawn".into(), source };
    let mut child = nspawn(node).spawn().map_err(failed)?;
    thread::scope(|scope| {
        scope.spawn(|| plug_cables(node).unwrap_or_else(|error| println!("muster lab: {error}")));
        let path = node.files().run();
        thread::spawn(move || record(&notifications, run, &path));
        child.wait().map_err(failed)
    })
}

fn nspawn(node: &Node<'_>) -> Command {
    let mut command = Command::new("systemd-nspawn");
    command
        .args(["--register=no", "--keep-unit", "--boot", "--settings=no", "--notify-ready=yes"])
        // Nothing of the host inside; a node that set the clock would set the host's.
        .args(["--resolv-conf=off", "--timezone=off", "--link-journal=no"])
        .args(["--capability=all", "--drop-capability=CAP_SYS_TIME"])
        .arg(format!("--machine={}", node.machine()))
        .arg(format!("--hostname={}", node.name()))
        .arg("--directory")
        .arg(node.files().root())
        .args(
            node.cables()
                .iter()
                .enumerate()
                .map(|(link, cable)| format!("--network-veth-extra={cable}:eth{link}")),
        )
        .env("NOTIFY_SOCKET", format!("@{}", socket_name(node)))
        .stdin(Stdio::null());
    command
}

/// Waits for each cable to appear, and plugs it in.
fn plug_cables(node: &Node<'_>) -> Result<()> {
    for (link, cable) in node.cables().iter().enumerate() {
        if wait_until(Duration::from_secs(20), || network::exists(cable)) {
            network::plug(cable, &node.lab().label.bridge(link), node.lab().state.mtu)?;
        }
    }
    Ok(())
}

/// The socket on which systemd-nspawn tells how far it is (sd_notify(3)); without a file, so without a limit
/// to the length of the lab's path.
fn listen(node: &Node<'_>) -> Result<UnixDatagram> {
    let name = socket_name(node);
    let failed = || LabError::io("listen on", Path::new(&name));
    let address = SocketAddr::from_abstract_name(&name).map_err(failed())?;
    UnixDatagram::bind_addr(&address).map_err(failed())
}

fn socket_name(node: &Node<'_>) -> String {
    format!("muster-lab/{}/{}", node.machine(), std::process::id())
}

/// Writes what systemd-nspawn tells into `run.json`, until it has told everything.
fn record(notifications: &UnixDatagram, mut run: Run, path: &Path) {
    let mut buffer = [0; 4096];
    while !(run.is_booted && run.leader.is_some()) {
        let Ok(length) = notifications.recv(&mut buffer) else { return };
        note(&mut run, &String::from_utf8_lossy(&buffer[..length]));
        if let Err(error) = run.save(path) {
            println!("muster lab: {error}");
        }
    }
}

fn note(run: &mut Run, notification: &str) {
    for line in notification.lines() {
        if let Some(pid) = line.strip_prefix("X_NSPAWN_LEADER_PID=") {
            run.leader = pid.parse().ok();
        }
        run.is_booted |= line == "READY=1";
    }
}

/// Where a machine's console goes: at the end of what earlier runs wrote.
pub(crate) fn console(path: &Path) -> Result<File> {
    File::options().create(true).append(true).open(path).map_err(LabError::io("open", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_learns_its_leader_and_when_it_has_booted() {
        let mut run = Run { leader: None, since: String::new(), is_booted: false };
        note(&mut run, "STATUS=Container running.\nX_NSPAWN_LEADER_PID=4711");
        assert_eq!((run.leader, run.is_booted), (Some(4711), false));
        note(&mut run, "READY=1\n");
        assert!(run.is_booted);
    }
}
