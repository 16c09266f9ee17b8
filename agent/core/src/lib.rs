//! What one node of a cluster decides: a state machine that is fed inputs and returns effects. It owns no clock,
//! socket, file, thread or random source; the agent and the simulator drive the same code.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod durable;
pub mod effect;
pub mod input;
pub mod message;
pub mod node;
pub mod observed;
pub mod schedule;
pub mod time;
