//! The worker: one process for one connection of a controller. It takes steps from stdin, lets the modules
//! check and apply them, and answers on stdout. It decides nothing about the order of steps.
//!
//! What a module may do is in two types: a [`View`] reads the host, and in a check session it sees what earlier
//! steps would have changed; [`Hands`] write, and there are none in a check session.

pub(crate) mod accounts;
pub(crate) mod address;
mod atomic;
mod away;
pub(crate) mod background;
pub(crate) mod before;
mod belongings;
mod confinement;
mod corosync;
mod due;
pub(crate) mod file;
mod hands;
mod lock;
pub(crate) mod mounts;
mod operation;
mod overlay;
mod packed;
mod permission;
pub(crate) mod process;
mod session;
mod stand_in;
mod step;
#[cfg(test)]
pub(crate) mod trial;
mod view;
mod wire;

pub(crate) use away::Away;
pub(crate) use hands::Hands;
pub(crate) use operation::{Attributes, Operation, Prediction, Put};
pub(crate) use overlay::{Content, Package, UnitStart};
pub(crate) use packed::{Member, Packed};
pub(crate) use view::View;

use std::process::ExitCode;

/// The handlers that runs which broke off have left due on this host.
pub(crate) fn due_handlers() -> Vec<muster_api::step::Due> {
    due::Note::of_this_user().all()
}

/// Serves one controller over stdin and stdout until it says goodbye or goes away.
pub(crate) fn run() -> ExitCode {
    match session::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The controller may be gone already; stderr is all that is left.
            eprintln!("musterd worker: {error}");
            ExitCode::FAILURE
        }
    }
}
