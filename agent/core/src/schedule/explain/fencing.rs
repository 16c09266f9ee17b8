//! Why a node that must be fenced is not off yet.

use super::Explaining;
use crate::fencing::devices;
use crate::schedule::nodes::NodeIx;
use muster_api::explanation::FencingObstacle;
use muster_api::fencing::{FencingRecord, FencingState};

impl Explaining<'_, '_> {
    pub(super) fn fencing_obstacle(&self, node: NodeIx) -> FencingObstacle {
        let (world, settings) = (self.world, &self.world.settings);
        let config = world.situation.config;
        let name = &world[node].name;
        if !settings.is_fencing_enabled {
            FencingObstacle::Disabled
        } else if !settings.has_fence_device {
            FencingObstacle::NoDevice
        } else if !config.fence_devices.is_empty() && devices::levels(config, name).is_empty() {
            FencingObstacle::NoDeviceForIt
        } else if !world.can_fence(node) {
            FencingObstacle::NoQuorum
        } else {
            let of_node = self.fencing.iter().filter(|record| record.target == *name);
            of_node.max_by_key(|record| record.number).map_or(FencingObstacle::Due, of_record)
        }
    }
}

fn of_record(record: &FencingRecord) -> FencingObstacle {
    let device = record.device.clone();
    match &record.state {
        FencingState::Pending => FencingObstacle::Waits,
        FencingState::Running => FencingObstacle::Running { device },
        FencingState::Failed { why } => FencingObstacle::Failed { device, why: why.clone() },
        FencingState::Confirmed | FencingState::ConfirmedByHand | FencingState::Withdrawn => {
            FencingObstacle::Due
        }
    }
}
