//! Every word that the controller and the agent share. One meaning each; where two words are easily
//! confused, the glossary says which one to use.
//!
//! | word | meaning | not |
//! |---|---|---|
//! | task | what the user wrote in a playbook | step |
//! | step | a task made concrete for one host | task, job |
//! | module | checks and applies one kind of step | plugin |
//! | outcome | what a step came to | result (that is the module's own return values) |
//! | diff | what a module would change, before it does | patch |
//! | plan | what the controller would do | transition |
//! | node | a member of `nodelist {}` of corosync.conf | host (that is the controller's word) |
//! | link | one network path between two nodes | ring, interface |
//! | view | an agreed membership, numbered | ring, membership |
//! | coordinator | the member that sequences commands and runs policy | DC, leader |
//! | quorate | the view has enough votes | |
//! | primary | the view may change state and start resources | |
//! | resource | what the cluster keeps running | service (that is systemd's) |
//! | action | what the cluster does to a resource on a node | operation (that is the configured kind) |
//! | transition | the graph of actions from the actual to the desired state | plan |
//! | fence | to confirm through a device that a node is off | kill, STONITH |
//! | fact | what the cluster knows of a configured node | state |
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod calendar;
pub mod cluster;
pub mod cluster_diff;
pub mod constraint;
pub mod control;
pub mod copies;
pub mod corosync_conf;
pub mod diff;
pub mod drift;
pub mod duration;
pub mod explanation;
pub mod fencing;
pub mod foreseen;
pub mod frame;
pub mod history;
pub mod id;
pub mod module;
pub mod nearest;
pub mod outcome;
pub mod reload;
pub mod resource;
pub mod rule;
pub mod status;
pub mod step;
