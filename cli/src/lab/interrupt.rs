//! Ctrl-C and SIGTERM while a lab is being made: they raise a flag, and the work stops at the next safe place,
//! so that what was made can be removed again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

use super::error::{LabError, Result};

static RAISED: AtomicBool = AtomicBool::new(false);

/// From now on the two signals raise the flag instead of ending the program.
pub(crate) fn watch() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::spawn(move || {
        runtime.block_on(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                RAISED.store(true, Ordering::SeqCst);
            }
        });
    });
    Ok(())
}

pub(crate) fn is_raised() -> bool {
    RAISED.load(Ordering::SeqCst)
}

/// Gives up when the flag is raised.
pub(crate) fn check() -> Result<()> {
    if is_raised() { Err(LabError::Interrupted) } else { Ok(()) }
}
