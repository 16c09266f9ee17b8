//! Variables: where they are defined, which definition wins, and how a template sees them.
//!
//! [`Store`] has what belongs to hosts; a [`Scope`] is what one task on one host sees: the layers of
//! [`precedence`], Ansible's magic variables, and every value templated when it is read.

mod combine;
mod data;
mod fact_cache;
mod lazy;
mod magic;
mod origin;
pub(crate) mod precedence;
mod scope;
mod secrets;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use combine::HashBehaviour;
pub(crate) use data::{Data, Var, Vars};
pub(crate) use fact_cache::FactCache;
pub(crate) use magic::{NAMES as MAGIC_NAMES, PlayInfo, RoleInfo};
pub(crate) use origin::{Definition, VariableOrigin};
pub(crate) use precedence::Level;
pub(crate) use scope::{Scope, ScopeInputs};
pub(crate) use secrets::Secrets;
pub(crate) use store::{HostVars, Store};
