//! `muster lab`.

use crate::exit::Exit;
use clap::Args;

/// Options of `muster lab`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LabArgs {}

/// Runs `muster lab`.
pub(crate) fn run(args: LabArgs) -> Exit {
    let LabArgs {} = args;
    eprintln!("error: `muster lab` is not in this build");
    Exit::Unexpected
}
