//! `muster simulate`.

use crate::exit::Exit;
use clap::Args;

/// Options of `muster simulate`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SimulateArgs {}

/// Runs `muster simulate`.
pub(crate) fn run(args: SimulateArgs) -> Exit {
    let SimulateArgs {} = args;
    eprintln!("error: `muster simulate` is not in this build");
    Exit::Unexpected
}
