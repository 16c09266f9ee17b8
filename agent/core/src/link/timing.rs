//! How long to wait for what, derived from corosync.conf as corosync and knet derive it.

use crate::planted::{Bug, planted};
use core::time::Duration;
use muster_api::cluster::{Corosync, LinkOptions};

/// How many pongs bring a link up, where `knet_pong_count` is not set.
const PONG_COUNT: u8 = 2;

/// The times of a whole cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    /// A peer that was silent for so long is lost.
    pub(crate) token: Duration,
    /// A proposal that is not answered for so long goes on without the mute; a limit, never a wait.
    pub(crate) consensus: Duration,
}

impl Timing {
    pub(crate) fn new(corosync: &Corosync) -> Self {
        let totem = &corosync.totem;
        let above_two = u64::try_from(corosync.nodes.len().saturating_sub(2)).unwrap_or(0);
        let extra_ms = totem.token_coefficient_ms.saturating_mul(above_two);
        let token_ms = totem.token_ms.saturating_add(extra_ms);
        let consensus_ms = totem.consensus_ms.unwrap_or(token_ms.saturating_mul(6) / 5);
        let token_ms = match (planted(Bug::LossNoticedLate), planted(Bug::FencedOnSuspicion)) {
            (true, _) => token_ms * 10,
            (_, true) => token_ms / 4,
            _ => token_ms,
        };
        Self { token: Duration::from_millis(token_ms), consensus: Duration::from_millis(consensus_ms) }
    }
}

/// The times of one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkTiming {
    /// Between two pings.
    pub(crate) interval: Duration,
    /// Without a proof for so long the link is down.
    pub(crate) timeout: Duration,
    /// Proofs that bring it up.
    pub(crate) pong_count: u8,
    /// The highest is used first.
    pub(crate) priority: u8,
}

impl LinkTiming {
    pub(crate) fn new(token: Duration, options: Option<&LinkOptions>) -> Self {
        let pong_count = options.and_then(|options| options.pong_count).unwrap_or(PONG_COUNT).max(1);
        let written = |ms: Option<u64>| ms.map(Duration::from_millis);
        Self {
            interval: written(options.and_then(|options| options.ping_interval_ms))
                .unwrap_or(token / (u32::from(pong_count) * 2)),
            timeout: written(options.and_then(|options| options.ping_timeout_ms))
                .unwrap_or(token / u32::from(pong_count)),
            pong_count,
            priority: options.map_or(1, |options| options.priority),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_without_options_is_pinged_four_times_in_a_token() {
        let timing = LinkTiming::new(Duration::from_secs(3), None);
        assert_eq!((timing.interval.as_millis(), timing.timeout.as_millis()), (750, 1500));
    }
}
