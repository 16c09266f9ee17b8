//! Ctrl-C: once, running tasks are finished and nothing more is started; twice, the program ends now.

use super::room::Room;
use crate::exit::Exit;
use crate::report::Event;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

/// For what has no room at hand: programs that lookups run.
static IS_STOPPING: AtomicBool = AtomicBool::new(false);

/// Whether somebody wants the program to stop.
pub(crate) fn is_stopping() -> bool {
    IS_STOPPING.load(Ordering::Relaxed)
}

/// Ends the watch when it is dropped.
pub(crate) struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Watches for Ctrl-C.
pub(crate) fn watch(room: &Arc<Room>) -> Watch {
    let room = room.clone();
    Watch(tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_err() {
            return;
        }
        room.is_stopping.store(true, Ordering::Relaxed);
        IS_STOPPING.store(true, Ordering::Relaxed);
        let text =
            "[interrupted]: running tasks are finished, nothing more is started; Ctrl-C again stops now";
        room.events.tell(Event::Stopping { text: text.into() });
        if tokio::signal::ctrl_c().await.is_ok() {
            if let Some(journal) = &room.options.journal {
                journal.flush();
            }
            // Workers notice that their input ends: they finish or drop what they write, never leave half of it.
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    }))
}
