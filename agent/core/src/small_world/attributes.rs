//! What resource agents say of their node: who knows it, and for how long.

use super::World;
use alloc::string::{String, ToString};
use muster_api::control::{Request, Response};
use muster_api::id::NodeName;

impl World {
    fn say(&mut self, number: u32, value: Option<&str>) {
        let request = Request::Attribute { name: "master-db".to_string(), value: value.map(String::from) };
        assert!(matches!(self.ask(number, request), Some(Response::Done { .. })));
    }

    /// What node `at` knows that was said of node `of`.
    fn said(&mut self, at: u32, of: u32) -> Option<String> {
        let Some(Response::Snapshot { snapshot }) = self.ask(at, Request::Snapshot) else { return None };
        let of = &self.corosync.nodes[of as usize - 1].name;
        snapshot.history.attributes.get::<NodeName>(of)?.get("master-db").cloned()
    }
}

#[test]
fn what_is_said_of_a_node_is_known_everywhere_until_it_is_taken_back() {
    let mut world = World::two_nodes();
    world.say(2, Some("10"));
    assert_eq!(world.said(1, 2).as_deref(), Some("10"));
    assert_eq!(world.said(1, 1), None);
    world.say(2, None);
    assert_eq!(world.said(1, 2), None);
}

#[test]
fn it_outlives_a_restart_of_the_agent_and_not_one_of_the_node() {
    let mut world = World::two_nodes();
    world.say(2, Some("10"));
    world.kill_agent(2);
    world.run(800);
    world.start(2);
    world.run(5000);
    assert!(world.fenced.is_empty(), "{}", world.story());
    assert_eq!(world.said(1, 2).as_deref(), Some("10"), "{}", world.story());
    world.configure(&["web"]);
    world.crash(2);
    world.run(20_000);
    assert!(!world.fenced.is_empty(), "{}", world.story());
    assert_eq!(world.said(1, 2), None);
}

#[test]
fn what_was_said_before_the_others_came_is_told_to_them() {
    let mut world = World::new(2, "two_node: 1");
    world.start(2);
    world.say(2, Some("10"));
    world.start(1);
    world.run(5000);
    assert_eq!(world.members(1), [1, 2]);
    assert_eq!(world.said(1, 2).as_deref(), Some("10"), "{}", world.story());
}
