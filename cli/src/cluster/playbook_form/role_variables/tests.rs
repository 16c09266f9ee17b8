//! The variables of the role, and what they come to.

use super::super::{Declared, Desired, read, read_exchanged};
use super::*;
use muster_api::resource::Resource;

fn nodes() -> Vec<NodeName> {
    ["db1", "db2", "db3"].map(NodeName::from).to_vec()
}

fn args(variables: &Value) -> Map<String, Value> {
    Map::from_iter([(ROLE_VARIABLES.to_string(), variables.clone())])
}

fn declared(variables: &Value) -> Declared {
    read(&args(variables), &nodes()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn refused(variables: &Value) -> Vec<String> {
    let problems = read(&args(variables), &nodes()).expect_err("there are mistakes");
    problems.iter().map(ToString::to_string).collect()
}

fn exchanged(variables: &Value) -> Desired {
    read_exchanged(&args(variables)).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn attrs(pairs: Value) -> Value {
    let pairs = pairs.as_object().cloned().unwrap_or_default();
    let pairs = pairs.into_iter().map(|(name, value)| json!({"name": name, "value": value}));
    json!([{"attrs": pairs.collect::<Vec<_>>()}])
}

fn options(pairs: Value) -> Value {
    attrs(pairs)[0]["attrs"].clone()
}

fn database() -> Value {
    json!({
        "ha_cluster_cluster_name": "books",
        "ha_cluster_cluster_properties": attrs(json!({"no-quorum-policy": "freeze"})),
        "ha_cluster_node_options": [
            {"node_name": "db1", "corosync_addresses": ["192.0.2.1"], "attributes": attrs(json!({"room": "a"})),
             "utilization": attrs(json!({"memory": 64}))},
            {"node_name": "db2", "attributes": attrs(json!({"room": "b"}))},
            {"node_name": "db3", "attributes": attrs(json!({"room": "b"}))},
        ],
        "ha_cluster_resource_primitives": [
            {"id": "power", "agent": "stonith:fence_ipmilan", "instance_attrs": attrs(json!({"pcmk_host_list": "db1 db2 db3"}))},
            {"id": "disk", "agent": "ocf:heartbeat:Filesystem",
             "instance_attrs": attrs(json!({"device": "/dev/vg/books", "directory": "/srv", "fstype": "xfs"})),
             "meta_attrs": attrs(json!({"is-managed": "true"})), "copy_operations_from_agent": false,
             "operations": [{"action": "start", "attrs": options(json!({"timeout": "90s"}))}],
             "utilization": attrs(json!({"memory": 8}))},
            {"id": "engine", "agent": "systemd:postgresql"},
            {"id": "watch", "agent": "ocf:pacemaker:Dummy"},
        ],
        "ha_cluster_resource_groups": [
            {"id": "store", "resource_ids": ["disk", "engine"], "meta_attrs": attrs(json!({"priority": 5}))},
        ],
        "ha_cluster_resource_clones": [
            {"resource_id": "watch", "promotable": true, "id": "watchers", "meta_attrs": attrs(json!({"clone-max": "2"}))},
        ],
        "ha_cluster_resource_defaults": {"meta_attrs": [{"id": "all", "attrs": options(json!({"resource-stickiness": 7}))}]},
        "ha_cluster_resource_operation_defaults": {"meta_attrs": [{"attrs": options(json!({"timeout": "30s"}))}]},
        "ha_cluster_stonith_levels": [
            {"level": 1, "target": "db1", "resource_ids": ["power"]},
            {"level": 2, "target_attribute": "room", "target_value": "b", "resource_ids": ["power"]},
            {"level": 3, "target_pattern": "db[12]$", "resource_ids": ["power"]},
        ],
        "ha_cluster_constraints_location": [
            {"resource": {"id": "store"}, "node": "db1"},
            {"resource": {"pattern": "^wat"}, "node": "db3", "options": options(json!({"score": -20}))},
            {"resource": {"id": "store", "role": "Started"}, "id": "by-day",
             "rule": "room eq a and date-spec hours=8-18", "options": options(json!({"score": 15}))},
        ],
        "ha_cluster_constraints_colocation": [
            {"resource_leader": {"id": "watchers", "role": "Promoted"}, "resource_follower": {"id": "store"}},
            {"resource_sets": [{"resource_ids": ["store"]}, {"resource_ids": ["watchers"],
              "options": options(json!({"sequential": "false"}))}], "options": options(json!({"score": 3}))},
        ],
        "ha_cluster_constraints_order": [
            {"resource_first": {"id": "watchers", "action": "promote"}, "resource_then": {"id": "store"},
             "options": options(json!({"symmetrical": "false"}))},
        ],
    })
}

#[test]
fn the_variables_of_the_role_come_to_a_configuration() {
    let Declared { name, config, .. } = declared(&database());
    assert_eq!(name, "books");
    let ids: Vec<&str> = config.resources.iter().map(|resource| resource.id().as_str()).collect();
    assert_eq!(ids, ["store", "watchers"]);
    assert_eq!(config.fence_devices[0].agent, "fence_ipmilan");
    assert_eq!(config.node_attributes[&"db2".into()]["room"], "b");
    assert_eq!(config.node_utilization[&"db1".into()]["memory"], 64);
    assert_eq!(config.utilization[&"disk".into()]["memory"], 8);
    assert_eq!(config.resource_defaults["resource-stickiness"], "7");
    let levels: Vec<(&str, u8)> =
        config.fence_levels.iter().map(|level| (level.target.as_str(), level.index)).collect();
    assert_eq!(levels, [("db1", 1), ("db2", 2), ("db3", 2), ("db1", 3), ("db2", 3)]);
    let constraints: Vec<&str> = config.constraints.iter().map(|constraint| constraint.id()).collect();
    assert_eq!(
        constraints,
        [
            "location-store-db1",
            "location-wat-db3",
            "by-day",
            "colocation-store-with-promoted-watchers",
            "colocation-store-watchers",
            "order-promote-watchers-then-start-store",
        ]
    );
}

#[test]
fn an_agent_s_own_monitor_is_taken_over_unless_that_is_switched_off() {
    let config = declared(&database()).config;
    let operations = |id: &str| -> Vec<(String, u64)> {
        let primitive = config.primitive(&id.into()).expect("it is there");
        primitive.operations.iter().map(|one| (one.name.clone(), one.interval_ms)).collect()
    };
    assert_eq!(operations("disk"), [("start".to_string(), 0)]);
    assert_eq!(operations("engine"), [("monitor".to_string(), 60_000)]);
    assert_eq!(operations("watch"), [("monitor".to_string(), 10_000)]);
}

#[test]
fn what_agents_do_not_run_is_refused_by_name_and_can_be_exported() {
    let mut variables = database();
    variables["ha_cluster_resource_bundles"] = json!([{
        "id": "pages", "resource_id": "page", "container": {"type": "podman", "options": options(json!({"image": "a:1"}))},
        "network_options": options(json!({"control-port": 3121})),
        "port_map": [options(json!({"port": 8080}))],
        "storage_map": [options(json!({"source-dir": "/srv", "target-dir": "/srv"}))],
    }]);
    variables["ha_cluster_resource_primitives"].as_array_mut().expect("a list").push(json!(
        {"id": "page", "agent": "ocf:heartbeat:apache"}
    ));
    variables["ha_cluster_constraints_ticket"] = json!([{"resource": {"id": "store"}, "ticket": "main", "options": options(json!({"loss-policy": "stop"}))}]);
    let sets = variables["ha_cluster_resource_defaults"]["meta_attrs"].as_array_mut().expect("a list");
    sets.push(json!({
        "rule": "resource ::apache", "score": 9, "attrs": options(json!({"resource-stickiness": "INFINITY"})),
    }));
    assert_eq!(
        refused(&variables),
        [
            "bundles: bundles are not supported: muster runs primitives, groups and clones",
            "constraints.ticket: tickets are not supported: they need several clusters",
        ]
    );
    let Desired { config, .. } = exchanged(&variables);
    assert!(matches!(&config.resources[3], Resource::Bundle(bundle) if bundle.primitive.is_some()));
    assert_eq!(config.conditional[0].values.values["resource-stickiness"], "INFINITY");
    let written = crate::cluster::cib::write(&Desired { config, ..Desired::default() });
    assert!(written.expect("it can be written").contains(r#"<rsc_ticket id="ticket-main-store""#));
}

#[test]
fn what_the_role_has_and_muster_has_not_is_refused_with_the_reason() {
    let mut variables = database();
    variables["ha_cluster_sbd_enabled"] = json!(true);
    variables["ha_cluster_alerts"] = json!([{"id": "mail", "path": "/bin/mail"}]);
    variables["ha_cluster_acls"] = json!({});
    variables["ha_cluster_cluster_present"] = json!(false);
    variables["ha_cluster_resource_primitve"] = json!([]);
    variables["ha_cluster_cluster_properties"] = json!([{"attrs": []}, {"attrs": []}]);
    assert_eq!(
        refused(&variables),
        [
            "role_variables.ha_cluster_alerts: `ha_cluster_alerts` is not supported: muster calls no alert programs; \
             `musterd events --follow` tells what happens",
            "role_variables.ha_cluster_sbd_enabled: `ha_cluster_sbd_enabled` is not supported: muster does not use sbd",
            "role_variables.ha_cluster_resource_primitve: there is no `ha_cluster_resource_primitve` here; expected one of \
             `ha_cluster_cluster_name`, `ha_cluster_cluster_properties`, `ha_cluster_node_options`, \
             `ha_cluster_resource_primitives`, `ha_cluster_resource_groups`, `ha_cluster_resource_clones`, \
             `ha_cluster_resource_bundles`, `ha_cluster_resource_defaults`, `ha_cluster_resource_operation_defaults`, \
             `ha_cluster_stonith_levels`, `ha_cluster_constraints_location`, `ha_cluster_constraints_colocation`, \
             `ha_cluster_constraints_order`, `ha_cluster_constraints_ticket`, `ha_cluster_cluster_present` \
             (did you mean `ha_cluster_resource_primitives`?)",
            "role_variables.ha_cluster_cluster_present: a `cluster` task declares what runs; a cluster that is to be gone is \
             stopped with `musterd leave`",
            "role_variables.ha_cluster_cluster_properties: several sets are not supported: write their `attrs` into one",
        ]
    );
}

#[test]
fn other_arguments_do_not_stand_beside_the_variables() {
    let mut args = args(&database());
    args.insert("resources".to_string(), json!([]));
    args.insert("wait".to_string(), json!("5s"));
    let problems = read(&args, &nodes()).expect_err("there is a mistake");
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["resources: `resources` cannot stand beside `role_variables`: only `wait` can"]
    );
}

#[test]
fn the_task_of_the_shipped_role_has_no_mistakes_before_its_templates_are_rendered() {
    let tasks = include_str!("../../../../../playbooks/roles/ha_cluster/tasks/present.yml");
    let tasks: Vec<Value> = serde_yaml::from_str(tasks).unwrap();
    let task = tasks.iter().find_map(|task| task.get("cluster")).unwrap();
    let problems = super::super::check_unrendered(task.as_object().unwrap(), Some(&nodes()));
    assert!(problems.is_empty(), "{problems:#?}");
}
