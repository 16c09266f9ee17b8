//! Modules whose files are on the controller: what they put on a host is found, read or rendered here, and travels
//! by its hash.

mod assemble;
mod copy;
mod fetch;
mod own_module;
mod own_utils;
mod script;
mod template;
mod unarchive;

pub(crate) use assemble::assemble_part;
pub(crate) use copy::{Part, copy_parts};
pub(crate) use fetch::{destination, write as write_fetched};
pub(crate) use own_module::own_module_part;
pub(crate) use script::script_part;
pub(crate) use template::{RenderFailure, blame, render};
pub(crate) use unarchive::unarchive_part;
