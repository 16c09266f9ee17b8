//! The quorum device's vote, as a program on this node tells it: it counts until it is withdrawn, or was not repeated for
//! the device's `timeout`.

use crate::node::Node;
use crate::time::{Instant, Now};
use core::time::Duration;
use muster_api::control::Response;

impl Node {
    /// The device votes for this node's part of the cluster, or does not any more.
    pub(crate) fn on_device_vote(&mut self, now: Now, is_given: bool) -> Response {
        let Some(device) = &self.corosync.quorum.device else {
            let why = "corosync.conf has no quorum `device`: add one with `model: external`".into();
            return Response::Refused { why };
        };
        let until = now.at + Duration::from_millis(device.timeout_ms);
        let had_vote = self.device_until.is_some();
        self.device_until = is_given.then_some(until);
        if had_vote != is_given {
            self.tell_device(now, if is_given { "gives its vote" } else { "has withdrawn its vote" });
        }
        Response::Done { generation: self.replica.config.generation, note: None }
    }

    /// Forgets a vote that was not repeated in time.
    pub(crate) fn expire_device(&mut self, now: Now) {
        if self.device_until.is_some_and(|until| now.at >= until) {
            self.device_until = None;
            self.tell_device(now, "has not repeated its vote in time");
        }
    }

    pub(crate) fn device_deadline(&self) -> Option<Instant> {
        self.device_until
    }

    fn tell_device(&mut self, now: Now, what: &str) {
        self.note_quorum(now, alloc::format!("the quorum device {what}"));
    }
}
