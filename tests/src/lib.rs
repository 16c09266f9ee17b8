//! The simulated world that the cluster core is tested in: network, disks, power, clocks, resources, fence devices and
//! clients around the real [`muster_core::node::Node`] of one to nine nodes. Nothing here waits, and nothing is left
//! to chance but by the seed: the same seed gives the same run.
//!
//! A run has two phases. In the first, faults happen and [`invariants`] are checked after every step; in the second the
//! faults stop, and in bounded time the cluster must be whole again ([`calm`]).
//!
//! `cargo sim 42` runs one seed and prints its trace; `cargo sim --seeds 0..1000` looks for a seed that fails; `--shrink`
//! makes a short [`script`] of one that does.

pub mod calm;
pub mod client;
pub mod clock;
pub mod deed;
pub mod disk;
pub mod executor;
pub mod fault;
pub mod invariants;
pub mod machine;
pub mod mutate;
pub mod network;
pub mod plan;
pub mod power;
pub mod queue;
pub mod random;
pub mod replay;
pub mod run;
pub mod script;
pub mod search;
pub mod shrink;
pub mod switch;
pub mod tally;
pub mod trace;
pub mod world;
