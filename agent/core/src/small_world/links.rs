//! Links that fail under a running cluster, in every mode.

use super::World;
use muster_api::cluster::{LinkMode, LinkOptions};
use std::collections::BTreeMap;

fn two_links(mode: LinkMode, priorities: [u8; 2]) -> World {
    let mut world = World::with_links(2, 2, "two_node: 1");
    world.corosync.totem.link_mode = mode;
    let options = |priority| LinkOptions { priority, ..LinkOptions::default() };
    world.corosync.totem.links = BTreeMap::from([(0, options(priorities[0])), (1, options(priorities[1]))]);
    world.start(1);
    world.start(2);
    world.run(1500);
    world.configure(&["web"]);
    world.run(1000);
    assert_eq!(world.members(1), [1, 2]);
    world
}

#[test]
fn in_every_mode_either_link_may_die_without_a_view_change() {
    for mode in [LinkMode::Passive, LinkMode::Active, LinkMode::Rr] {
        for dead in [0, 1] {
            let mut world = two_links(mode, [1, 2]);
            let views = world.story().matches("view ").count();
            world.dead_links.insert(dead);
            world.run(10_000);
            let request = muster_api::control::Request::Standby { node: "n1".into(), on: true };
            assert!(world.ask(1, request).is_some(), "{mode:?}: commands go on over the other link");
            world.run(1000);
            assert_eq!(world.where_is("web"), [2], "{mode:?} {dead}: {}", world.story());
            assert_eq!(world.story().matches("view ").count(), views, "{mode:?} {dead}: {}", world.story());
            assert!(world.story().contains(&std::format!("link {dead} to n2 is down")), "{}", world.story());
            world.dead_links.clear();
            world.run(10_000);
            assert!(world.story().contains(&std::format!("link {dead} to n2 is up")), "{}", world.story());
            assert_eq!(world.story().matches("view ").count(), views);
        }
    }
}

#[test]
fn a_passive_cluster_uses_the_link_of_the_highest_priority_and_comes_back_to_it() {
    for (priorities, best) in [([1, 2], 1_u8), ([2, 1], 0), ([1, 1], 0)] {
        let mut world = two_links(LinkMode::Passive, priorities);
        let carried = |world: &mut World| {
            world.carried.clear();
            let node = std::format!("n{}", 1);
            for on in [true, false] {
                let request = muster_api::control::Request::Standby { node: node.as_str().into(), on };
                assert!(world.ask(2, request).is_some());
            }
            world.carried.clone()
        };
        assert_eq!(carried(&mut world).into_iter().collect::<std::vec::Vec<_>>(), [best], "{priorities:?}");
        world.dead_links.insert(best);
        world.run(5000);
        assert_eq!(carried(&mut world).into_iter().collect::<std::vec::Vec<_>>(), [1 - best]);
        world.dead_links.clear();
        world.run(20_000);
        assert_eq!(carried(&mut world).into_iter().collect::<std::vec::Vec<_>>(), [best]);
    }
}

#[test]
fn active_and_rr_use_all_links() {
    for mode in [LinkMode::Active, LinkMode::Rr] {
        let mut world = two_links(mode, [1, 2]);
        world.carried.clear();
        let request = muster_api::control::Request::Standby { node: "n1".into(), on: true };
        assert!(world.ask(2, request).is_some());
        assert_eq!(world.carried.len(), 2, "{mode:?}");
    }
}
