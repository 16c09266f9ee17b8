//! Nodes are added, removed and readdressed while the cluster runs.

use super::{World, id};
use crate::input::{ClientId, Input};
use crate::unmerged::Mismatch;
use muster_api::cluster::{Corosync, NodeEntry};
use muster_api::control::Response;
use muster_api::id::{NodeId, NodeName};
use muster_api::status::Fact;
use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec::Vec;

fn with_nodes(corosync: &Corosync, ids: &[u32]) -> Corosync {
    let entry = |number: &u32| NodeEntry {
        id: NodeId(*number),
        name: NodeName(format!("n{number}")),
        votes: 1,
        addresses: BTreeMap::from([(0, format!("10.0.0.{number}"))]),
    };
    let mut changed = corosync.clone();
    changed.nodes = ids.iter().map(entry).collect();
    changed
}

impl World {
    fn reload(&mut self, number: u32, corosync: &Corosync) -> Result<String, String> {
        self.counter += 1;
        let client = ClientId(self.counter);
        let input = Input::Reconfigured { client: Some(client), corosync: corosync.clone() };
        self.input(id(number), input);
        match self.replies.remove(&client) {
            Some(Response::Done { note, .. }) => Ok(note.unwrap_or_default()),
            Some(Response::Refused { why }) => Err(why),
            other => panic!("{other:?}"),
        }
    }

    fn add_host(&mut self, number: u32) {
        let host = super::Host { node: None, life: 0, disk: None, active: std::collections::BTreeSet::new() };
        self.hosts.insert(id(number), host);
    }

    fn listed(&self, number: u32) -> Vec<u32> {
        let node = self.hosts[&id(number)].node.as_ref();
        node.map(|node| node.corosync.nodes.iter().map(|entry| entry.id.0).collect()).unwrap_or_default()
    }

    fn alarms(&self, number: u32) -> Vec<String> {
        let node = self.hosts[&id(number)].node.as_ref();
        node.map(|node| node.status(self.now()).alarms).unwrap_or_default()
    }
}

fn three_nodes() -> World {
    let mut world = World::new(3, "");
    (1..=3).for_each(|number| world.start(number));
    world.run(1500);
    world.configure(&["web"]);
    world.run(1000);
    world
}

#[test]
fn a_longer_token_is_in_force_at_once_and_costs_no_view() {
    let mut world = three_nodes();
    let views = world.story().matches("view ").count();
    let mut corosync = world.corosync.clone();
    corosync.totem.token_ms = 5000;
    for number in 1..=3 {
        assert_eq!(world.reload(number, &corosync), Ok("in force: token 3000 -> 5000".into()));
    }
    assert_eq!(world.reload(1, &corosync), Ok("corosync.conf says what is in force already".into()));
    world.run(10_000);
    assert_eq!(world.story().matches("view ").count(), views, "{}", world.story());
    world.crash(3);
    world.run(5500);
    assert_eq!(world.members(1), [1, 2, 3], "5000 and 650 for the third node have not passed");
    world.run(1000);
    assert_eq!(world.members(1), [1, 2]);
}

#[test]
fn a_node_is_added_once_all_have_read_of_it_and_is_not_fenced_before_it_starts() {
    let mut world = three_nodes();
    let corosync = with_nodes(&world.corosync, &[1, 2, 3, 4]);
    for number in 1..=3 {
        let note = world.reload(number, &corosync).expect("it is taken");
        assert!(note.contains("n4 is added"), "{note}");
        world.run(500);
        let expected: &[u32] = if number < 3 { &[1, 2, 3] } else { &[1, 2, 3, 4] };
        assert_eq!(world.listed(1), expected, "after node {number}");
        let waiting = world.alarms(1).iter().any(|alarm| alarm.contains("is not in force yet"));
        assert_eq!(waiting, number < 3, "{:?}", world.alarms(1));
    }
    world.run(20_000);
    assert!(world.fenced.is_empty(), "{}", world.story());
    assert_eq!(world.fact(1, 4), Some(Fact::Left));
    world.corosync = corosync;
    world.add_host(4);
    world.start(4);
    world.run(3000);
    assert_eq!(world.members(4), [1, 2, 3, 4], "{}", world.story());
    assert_eq!(world.where_is("web").len(), 1);
}

#[test]
fn a_node_that_has_left_is_removed_and_a_member_or_a_lost_one_is_not() {
    let mut world = three_nodes();
    let corosync = with_nodes(&world.corosync, &[1, 2]);
    let why = world.reload(1, &corosync).expect_err("it is a member");
    assert!(why.contains("n3 cannot be removed: it is a member"), "{why}");
    let why = world.reload(3, &corosync).expect_err("it is this node");
    assert!(why.contains("does not have this node any more"), "{why}");
    world.ask(3, muster_api::control::Request::Leave);
    world.run(1000);
    for number in 1..=2 {
        world.reload(number, &corosync).expect("it is taken");
    }
    world.run(1000);
    assert_eq!((world.listed(1), world.listed(2)), (std::vec![1, 2], std::vec![1, 2]), "{}", world.story());
    assert!(world.is_primary(1) && world.is_primary(2));
    assert_eq!(world.fact(1, 3), None);
}

#[test]
fn what_cannot_change_while_the_cluster_runs_is_named_all_at_once() {
    let mut world = three_nodes();
    let mut corosync = world.corosync.clone();
    corosync.totem.cluster_name = "other".into();
    corosync.totem.cipher = muster_api::cluster::Cipher::Aes256;
    corosync.nodes[1].name = NodeName("web2".into());
    let why = world.reload(1, &corosync).expect_err("it cannot be taken");
    for part in [
        "`cluster_name` cannot change",
        "`crypto_cipher` cannot change",
        "node 2 is `n2` and would be `web2`",
    ] {
        assert!(why.contains(part), "{why}");
    }
    let five_more = with_nodes(&world.corosync, &[1, 2, 3, 4, 5, 6, 7, 8]);
    let why = world.reload(1, &five_more).expect_err("three of eight are no quorum");
    assert!(why.contains("3 of 8 expected votes, 5 needed"), "{why}");
    assert_eq!(world.listed(1), [1, 2, 3]);
}

#[test]
fn until_all_have_read_it_a_view_must_be_quorate_by_both_files() {
    let mut world = three_nodes();
    let old = world.corosync.clone();
    let five = with_nodes(&old, &[1, 2, 3, 4, 5]);
    world.reload(1, &five).expect("three of five are enough");
    world.reload(2, &five).expect("three of five are enough");
    world.crash(3);
    world.run(6000);
    assert_eq!(world.members(1), [1, 2], "{}", world.story());
    assert!(!world.is_primary(1), "two of five are not enough, although two of three are");
    world.reload(1, &old).expect("back to what is in force");
    world.reload(2, &old).expect("back to what is in force");
    world.run(3000);
    assert!(world.is_primary(1) && world.is_primary(2), "{}", world.story());
}

#[test]
fn a_node_with_another_key_is_an_alarm_and_an_event_until_it_is_silent() {
    let mut world = World::new(2, "two_node: 1");
    world.start(1);
    let unreadable = |mismatch| Input::Unreadable { from: id(2), mismatch };
    for _ in 0..10 {
        world.input(id(1), unreadable(Mismatch::Key));
        world.run(500);
    }
    let text =
        "n2 is reachable but not in the view: it seals its packets with another key: its authkey differs";
    assert!(world.alarms(1).iter().any(|alarm| alarm == text), "{:?}", world.alarms(1));
    assert_eq!(world.story().matches(text).count(), 1, "it is told once");
    world.input(id(1), unreadable(Mismatch::ClusterName));
    assert!(world.story().contains("its `cluster_name` differs"));
    world.run(10_000);
    assert!(!world.alarms(1).iter().any(|alarm| alarm.contains("reachable")), "{:?}", world.alarms(1));
}

#[test]
fn a_node_that_is_not_listed_is_an_alarm() {
    let mut world = World::new(2, "");
    world.start(1);
    world.start(2);
    world.run(1000);
    world.corosync = with_nodes(&world.corosync, &[1, 2, 3]);
    world.add_host(3);
    world.start(3);
    world.run(2000);
    let text = "node 3 is reachable but not in the view: it has this cluster's key, but this node's corosync.conf does not list it";
    assert!(world.alarms(1).iter().any(|alarm| alarm == text), "{:?}\n{}", world.alarms(1), world.story());
}
