//! The control socket: how a person, a script or the controller talks to the running agent on its node.

pub(crate) mod client;
pub(crate) mod events;
pub(crate) mod server;
mod wire;
