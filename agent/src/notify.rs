//! Tells the service manager how the agent is (sd_notify(3)): ready, reloading, stopping, a status line, alive.

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// The service manager's socket; without one every call does nothing.
#[derive(Debug)]
pub(crate) struct Notify {
    socket: Option<(OwnedFd, SocketAddrUnix)>,
}

impl Notify {
    /// Connects to what `NOTIFY_SOCKET` names.
    pub(crate) fn from_environment() -> Self {
        let name = std::env::var("NOTIFY_SOCKET").ok();
        let address = name.and_then(|name| match name.strip_prefix('@') {
            Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()).ok(),
            None => SocketAddrUnix::new(name.as_str()).ok(),
        });
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok();
        Self { socket: socket.zip(address) }
    }

    /// The agent works.
    pub(crate) fn ready(&self) {
        self.send("READY=1");
    }

    /// The agent is about to exit.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// One line for `systemctl status`.
    pub(crate) fn status(&self, line: &str) {
        self.send(&format!("STATUS={}", line.replace('\n', " ")));
    }

    /// The loop that matters still turns.
    pub(crate) fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.socket {
            // A service manager that does not listen will find out by itself.
            let _ = sendto(socket, message.as_bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL, address);
        }
    }
}

/// Waits where a service manager would start the agent again at once (the unit's `RestartSec=` is made for an agent that was
/// killed), so that a cause that stays neither fills the journal nor keeps a processor busy.
pub(crate) fn pause_before_restart() {
    if std::env::var_os("NOTIFY_SOCKET").is_some() {
        std::thread::sleep(Duration::from_secs(2));
    }
}

/// How often the service manager wants to hear that the agent is alive: half of the time after which it would end it.
pub(crate) fn watchdog_interval() -> Option<Duration> {
    let micros = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let is_meant = std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
    is_meant.then(|| Duration::from_micros(micros) / 2)
}
