//! One file for each command: from options to exit code, one line for each stage.

pub(crate) mod lab;
pub(crate) mod simulate;
