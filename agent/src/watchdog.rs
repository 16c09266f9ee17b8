//! The hardware watchdog (`musterd run --watchdog /dev/watchdog`): it resets this node where the membership loop stops turning, so
//! that a node whose agent hangs does not go on with resources that others are about to start.
//!
//! The kernel's protocol (Documentation/watchdog/watchdog-api.rst): to open the device starts the clock, each write sets it back, a `V`
//! before the close stops it. Where the agent dies without that, the clock runs on; the agent that systemd starts next takes it over
//! within the device's timeout, or the node is reset.

use crate::log;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two pats: devices time out after ten seconds or more, and a loaded node may miss some.
pub(crate) const PAT_EVERY: Duration = Duration::from_secs(1);
/// Any byte but the one that stops the clock.
const PAT: &[u8] = b".";
/// The magic close character.
const STOP: &[u8] = b"V";

/// An open watchdog; every copy is the same device.
#[derive(Debug, Clone)]
pub(crate) struct Watchdog {
    path: PathBuf,
    device: Arc<Mutex<Option<File>>>,
}

impl Watchdog {
    /// Opens the device, which starts its clock.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let device = OpenOptions::new().write(true).open(path)?;
        let timeout =
            timeout(path).map(|seconds| format!(", which waits for {seconds} s")).unwrap_or_default();
        log::info(format!("watchdog: {} resets this node if the agent hangs{timeout}", path.display()));
        Ok(Self { path: path.to_path_buf(), device: Arc::new(Mutex::new(Some(device))) })
    }

    /// The membership loop still turns.
    pub(crate) fn pat(&self) {
        if let Err(error) = self.write(PAT) {
            log::error(format!("watchdog: cannot write to {}: {error}", self.path.display()));
        }
    }

    /// Stops the clock: the agent exits because it was told to.
    pub(crate) fn disarm(&self) {
        match self.write(STOP) {
            Ok(()) => *self.device.lock().unwrap_or_else(PoisonError::into_inner) = None,
            Err(error) => log::error(format!("watchdog: cannot stop {}: {error}", self.path.display())),
        }
    }

    fn write(&self, byte: &[u8]) -> std::io::Result<()> {
        match self.device.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(device) => device.write_all(byte),
            None => Ok(()),
        }
    }
}

/// The timeout in seconds, where the kernel tells it: `/dev/watchdog0` is described in `/sys/class/watchdog/watchdog0`.
fn timeout(path: &Path) -> Option<u64> {
    let name = match path.file_name()?.to_str()? {
        "watchdog" => "watchdog0",
        name => name,
    };
    std::fs::read_to_string(Path::new("/sys/class/watchdog").join(name).join("timeout"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake() -> (tempfile::NamedTempFile, Watchdog) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let watchdog = Watchdog::open(file.path()).expect("it is there");
        (file, watchdog)
    }

    fn written(file: &tempfile::NamedTempFile) -> String {
        std::fs::read_to_string(file.path()).expect("it is readable")
    }

    #[test]
    fn a_watchdog_is_patted_while_the_loop_turns_and_stopped_before_a_clean_exit() {
        let (file, watchdog) = fake();
        let of_the_loop = watchdog.clone();
        of_the_loop.pat();
        of_the_loop.pat();
        assert_eq!(written(&file), "..");
        watchdog.disarm();
        of_the_loop.pat();
        assert_eq!(written(&file), "..V", "nothing starts the clock again");
    }

    #[test]
    fn an_agent_that_dies_leaves_the_clock_running() {
        let (file, watchdog) = fake();
        watchdog.pat();
        drop(watchdog);
        assert_eq!(written(&file), ".");
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error() {
        assert!(Watchdog::open(Path::new("/nonexistent/watchdog")).is_err());
    }
}
