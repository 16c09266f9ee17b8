//! What nodes say to each other.

/// The largest packet that a node sends: with the seal and the headers of IPv6 and UDP it fits an Ethernet frame.
pub const PACKET_SIZE_MAX: usize = 1380;
