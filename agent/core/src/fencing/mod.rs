//! Fencing: the only source of the fact that a node is off. Which devices in which order is in `devices`, how long to
//! wait before in `delay`; the coordinator walks one record from request to confirmation in `drive`, and switches what has several
//! supplies on again in `switch_on`.

pub(crate) mod delay;
pub(crate) mod devices;
pub(crate) mod drive;
mod switch_on;
