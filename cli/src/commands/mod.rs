//! One file for each command: from options to exit code, one line for each stage.

pub(crate) mod apply;
mod basis;
pub(crate) mod lab;
mod listing;
pub(crate) mod simulate;
