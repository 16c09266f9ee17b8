//! `musterd run --record FILE`: every input of the core and a digest of what it wanted done, one JSON line each. Where the
//! agent is developed, `cargo sim --replay FILE` tells the core the same again. Recording is for looking into a fault: a file that
//! cannot be written any more ends the recording, never the agent.

use crate::log;
use muster_core::effect::Effect;
use muster_core::input::Input;
use muster_core::node::Boot;
use muster_core::recording::{Record, digest};
use muster_core::time::Now;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Only the owner may read what holds passwords.
const MODE: u32 = 0o600;

/// An open recording.
#[derive(Debug)]
pub(crate) struct Recorder {
    file: Option<File>,
}

impl Recorder {
    /// Begins a recording, or goes on with one: the new life of the agent is a record of it.
    pub(crate) fn begin(path: &Path, now: Now, boot: &Boot) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(MODE).open(path)?;
        let mut recorder = Self { file: Some(file) };
        recorder.write(&Record::Boot { now, boot: boot.clone() })?;
        Ok(recorder)
    }

    /// Writes down one step.
    pub(crate) fn note(&mut self, now: Now, input: Input, effects: &[Effect]) {
        if let Err(error) = self.write(&Record::Step { now, input, effects: digest(effects) }) {
            log::warning(format!("the recording ends here, it cannot be written: {error}"));
            self.file = None;
        }
    }

    fn write(&mut self, record: &Record) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut line = serde_json::to_vec(record).map_err(std::io::Error::other)?;
        line.push(b'\n');
        file.write_all(&line)
    }
}
