//! What all members of a view hold alike: the state, the commands that change it, and their order.

pub(crate) mod activity;
pub(crate) mod apply;
pub(crate) mod command;
pub(crate) mod sequencer;
pub(crate) mod state;
