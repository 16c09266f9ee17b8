//! What one node of a cluster decides: a state machine that is fed inputs and returns effects. It owns no clock,
//! socket, file, thread or random source; the agent and the simulator drive the same code.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod clients;
mod device;
pub mod durable;
pub mod effect;
mod executor;
mod fencing;
pub mod input;
mod inspection;
mod lead;
mod leaving;
mod link;
mod membership;
pub mod message;
pub mod node;
pub mod observed;
pub mod planted;
pub mod quorum;
mod reconfiguration;
pub mod recording;
mod recovery;
mod replica;
mod request;
pub mod rolling;
pub mod schedule;
pub mod shutdown_lock;
mod status;
pub mod store;
mod story;
pub mod time;
mod transition;
pub mod unmerged;

pub use membership::view::{Member, ViewId};
pub use replica::state::Position;

#[cfg(test)]
mod small_world;
