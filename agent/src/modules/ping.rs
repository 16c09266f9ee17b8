//! `ping`: the worker answers.

use super::{Args, Check, Failure, Module};
use crate::worker::View;

pub(super) struct Ping;

impl Module for Ping {
    fn check(&self, args: &Args<'_>, _view: &View<'_>) -> Result<Check, Failure> {
        match args.text("data") {
            Some("crash") => Err(Failure::new("Task failed: Module failed: boom")),
            data => Ok(Check::unchanged().with("ping", data.unwrap_or("pong"))),
        }
    }
}
