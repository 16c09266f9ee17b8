//! What resource agents say of their node: who knows it, and for how long.

use super::{Due, World, device, id, primitive};
use crate::input::{ClientId, Input};
use alloc::string::{String, ToString};
use muster_api::cluster::ClusterConfig;
use muster_api::constraint::{Constraint, OrderKind};
use muster_api::control::{Request, Response};
use muster_api::id::NodeName;
use muster_api::resource::Resource;

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

impl World {
    fn is_starting(&self, resource: &str) -> bool {
        let is_it = |due: &Due| match due {
            Due::Ended { action, .. } => action.operation == "start" && action.resource.as_str() == resource,
            _ => false,
        };
        self.queue.values().any(is_it)
    }

    /// Asks without waiting for the answer.
    fn tell(&mut self, number: u32, request: Request) {
        self.counter += 1;
        self.input(id(number), Input::Request { client: ClientId(self.counter), request });
    }
}

#[test]
fn a_plan_that_is_made_while_a_start_is_under_way_lets_what_comes_after_it_wait() {
    let mut world = World::two_nodes();
    let order = Constraint::Order {
        id: "order".to_string(),
        first: "db".into(),
        first_action: "start".to_string(),
        then: "web".into(),
        then_action: "start".to_string(),
        kind: OrderKind::Mandatory,
        symmetrical: true,
        require_all: true,
    };
    let config = ClusterConfig {
        resources: ["db", "web"].map(|one| Resource::Primitive(primitive(one))).into(),
        constraints: [order].into(),
        fence_devices: world.corosync.nodes.iter().map(|node| device(&node.name)).collect(),
        ..ClusterConfig::default()
    };
    world.tell(1, Request::Configure { config, expected_generation: 0 });
    let mut said = 0;
    for _ in 0..1000 {
        world.run(1);
        if world.is_starting("db") {
            said += 1;
            let value = Some(said.to_string());
            world.tell(2, Request::Attribute { name: "master-db".to_string(), value });
        }
        let is_too_early = world.is_starting("web") && world.where_is("db").is_empty();
        assert!(!is_too_early, "web starts before db has: {}", world.story());
    }
    assert!(said > 2, "said {said} times while db started");
    assert_eq!(world.where_is("web").len(), 1, "{}", world.story());
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

#[test]
fn every_member_is_told_which_node_runs_with_something_else_than_its_disk_has() {
    let mut world = World::two_nodes();
    let drift = |value: Option<&str>| Request::Attribute {
        name: muster_api::drift::ATTRIBUTE.to_string(),
        value: value.map(String::from),
    };
    let alarms = |world: &mut World, at: u32| match world.ask(at, Request::Status) {
        Some(Response::Status { status }) => status.alarms,
        _ => Default::default(),
    };
    world.ask(2, drift(Some("the key is another one")));
    world.run(100);
    let expected = "n2: the key is another one: `musterd reload` there, or put the file back".to_string();
    for at in [1, 2] {
        assert!(alarms(&mut world, at).contains(&expected), "{at}: {}", world.story());
    }
    world.ask(2, drift(None));
    world.run(100);
    assert!(!alarms(&mut world, 1).contains(&expected));
    assert!(world.story().contains("n2 runs with what is on its disk again"), "{}", world.story());
}
