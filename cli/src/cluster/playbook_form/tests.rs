//! The form: what is read, what is refused and how.

use super::*;
use serde_json::json;

fn nodes() -> Vec<NodeName> {
    vec!["n1".into(), "n2".into()]
}

fn args(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("the arguments are a mapping")
}

fn web_cluster() -> Value {
    json!({
        "name": "webcluster",
        "properties": {"stonith-enabled": true},
        "resource_defaults": {"resource-stickiness": 100},
        "operation_defaults": {"timeout": "30s"},
        "resources": [
            {"id": "other", "agent": "systemd:other"},
            {"id": "vip", "agent": "ocf:heartbeat:IPaddr2", "options": {"ip": "10.0.0.9", "cidr_netmask": 24},
             "operations": [{"name": "monitor", "interval": "30s", "timeout": 20}]},
            {"id": "apache", "agent": "ocf:heartbeat:apache"},
        ],
        "groups": [{"id": "web", "resources": ["vip", "apache"], "meta": {"priority": 10}}],
        "constraints": {
            "location": [{"resource": "web", "node": "n1", "score": 50}],
            "colocation": [{"resource": "other", "with": "web", "score": "-INFINITY"}],
            "order": [{"first": "web", "then": "other", "kind": "Optional"}],
        },
        "fence_devices": [
            {"id": "fence-n1", "agent": "fence_redfish", "options": {"ip": "10.0.0.1"}, "targets": ["n1"]},
        ],
        "fence_levels": [{"target": "n1", "level": 1, "devices": ["fence-n1"]}],
        "wait": "90s",
    })
}

/// As the arguments of a task again.
fn written(declared: &Declared) -> Map<String, Value> {
    let desired = Desired { config: declared.config.clone(), ..Desired::default() };
    write(&declared.name, &desired).expect("all of it can be written")
}

/// What agents get of a CIB that says the same.
fn through_a_cib(declared: &Declared) -> Declared {
    let desired = Desired { config: declared.config.clone(), ..Desired::default() };
    let cib = crate::cluster::cib::write(&desired).expect("it can be written");
    let (imported, _) = crate::cluster::cib::read_desired(&cib).expect("it can be read");
    let imported = Declared { config: imported.config, ..declared.clone() };
    read(&written(&imported), &nodes()).expect("it can be run")
}

fn problems(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut value = web_cluster();
    change(&mut value);
    let problems = read(&args(value), &nodes()).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_web_cluster_is_read_and_written_back_the_same() {
    let declared = read(&args(web_cluster()), &nodes()).expect("the form has no mistakes");
    assert_eq!(declared.name, "webcluster");
    assert_eq!(declared.wait_ms, Some(90_000));
    assert_eq!(declared.config.fence_devices[0].params["pcmk_host_list"], "n1");
    let ids: Vec<&str> = declared.config.resources.iter().map(|resource| resource.id().as_str()).collect();
    assert_eq!(ids, ["other", "web"], "the group stands where its first member stood");
    let written = written(&declared);
    let again = read(&written, &nodes()).expect("what is written can be read");
    assert_eq!(again.config, declared.config);
}

#[test]
fn misspelt_names_get_the_nearest_known_one() {
    let found = problems(|value| {
        value["propertis"] = json!({});
        value["properties"]["stonith-enabeld"] = json!(true);
        value["resources"][1]["options"]["cidr_netmsk"] = json!(24);
        value["resources"][1]["meta"] = json!({"resource-stickyness": 1});
        value["constraints"]["location"][0]["node"] = json!("n3");
        value["constraints"]["colocation"][0]["with"] = json!("wbe");
        value["groups"][0]["resources"] = json!(["vip", "apahce"]);
    });
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn what_pacemaker_has_and_muster_has_not_is_refused_by_name() {
    let found = problems(|value| {
        value["properties"]["shutdown-lock"] = json!(true);
        value["resources"][0]["meta"] = json!({"remote-node": "guest"});
        value["resources"][0]["operations"] =
            json!([{"name": "validate-all"}, {"name": "monitor", "on-fail": "restart-container"}]);
        value["clones"] = json!([{"resource": "other", "meta": {"collocated": true}}]);
        value["constraints"]["ticket"] = json!([{"ticket": "t"}]);
    });
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn clones_of_primitives_and_of_groups_are_read_and_written_back_the_same() {
    let mut value = web_cluster();
    value["clones"] = json!([
        {"resource": "web", "meta": {"interleave": true, "clone-max": 2}},
        {"id": "all-others", "resource": "other"},
    ]);
    value["constraints"] = json!({"order": [{"first": "web-clone", "then": "all-others"}]});
    let declared = read(&args(value), &nodes()).expect("the form has no mistakes");
    let ids: Vec<&str> = declared.config.resources.iter().map(|resource| resource.id().as_str()).collect();
    assert_eq!(ids, ["all-others", "web-clone"]);
    let again = read(&written(&declared), &nodes()).expect("what is written can be read");
    assert_eq!(again.config, declared.config);
}

#[test]
fn a_promotable_clone_with_what_follows_its_roles_is_read_and_written_back_the_same() {
    let mut value = web_cluster();
    value["resources"].as_array_mut().expect("a list").push(json!({
        "id": "db", "agent": "ocf:pacemaker:Stateful", "operations": [
            {"name": "monitor", "interval": "10s", "role": "Promoted", "on-fail": "demote"},
            {"name": "monitor", "interval": "11s", "role": "Unpromoted"},
            {"name": "promote", "timeout": "60s"},
        ],
    }));
    value["clones"] = json!([{
        "resource": "db",
        "meta": {"promotable": true, "promoted-max": 1, "promoted-node-max": 1, "target-role": "Promoted"},
    }]);
    value["constraints"] = json!({
        "location": [{
            "resource": "db-clone", "role": "Promoted", "node": "n2", "score": 10, "resource-discovery": "exclusive",
        }],
        "colocation": [{"resource": "web", "with": "db-clone", "with_role": "Promoted", "score": "INFINITY"}],
        "order": [{"first": "db-clone", "then": "web", "first_action": "promote", "then_action": "start"}],
    });
    let declared = read(&args(value), &nodes()).expect("the form has no mistakes");
    let ids: Vec<&str> = declared.config.constraints.iter().map(|constraint| constraint.id()).collect();
    assert_eq!(
        ids,
        [
            "location-db-clone-n2",
            "colocation-web-with-promoted-db-clone",
            "order-promote-db-clone-then-start-web"
        ]
    );
    let again = read(&written(&declared), &nodes()).expect("what is written can be read");
    assert_eq!(again.config, declared.config);
    assert_eq!(through_a_cib(&declared).config, declared.config);
}

#[test]
fn rules_sets_patterns_and_tags_are_read_and_written_back_the_same() {
    let mut value = web_cluster();
    value["tags"] = json!({"front": ["web", "other"]});
    value["constraints"] = json!({
        "location": [
            {"resource": "front", "rule": "#uname eq n1 and defined rack", "score": "-INFINITY"},
            {"pattern": "^o", "node": "n1", "score": 5},
            {"id": "two", "resource": "web", "role": "Started", "rules": [
                {"rule": "date-spec hours=9-16", "score": 10},
                {"rule": "defined speed", "score-attribute": "speed", "role": "Started"},
            ]},
        ],
        "colocation": [{"sets": [{"resources": ["web", "other"], "sequential": false}], "score": 20}],
        "order": [{"kind": "Optional", "sets": [
            {"resources": ["web"], "require-all": false, "action": "start"}, {"resources": "other"},
        ]}],
    });
    let declared = read(&args(value), &nodes()).expect("the form has no mistakes");
    let ids: Vec<&str> = declared.config.constraints.iter().map(|constraint| constraint.id()).collect();
    assert_eq!(
        ids,
        ["location-front-rule", "location-o-n1", "two", "colocation-web-other", "order-web-other"]
    );
    let again = read(&written(&declared), &nodes()).expect("what is written can be read");
    assert_eq!(again.config, declared.config);
    assert_eq!(through_a_cib(&declared).config, declared.config);
}

#[test]
fn mistakes_in_rules_and_sets_are_said_where_they_stand() {
    let found = problems(|value| {
        value["tags"] = json!({"front": ["wbe"]});
        value["constraints"] = json!({
            "location": [
                {"resource": "web", "rule": "#uname is n1", "score": 1},
                {"resource": "web", "pattern": "w", "node": "n1", "score": 1, "lifetime": "1h"},
            ],
            "order": [{"first": "web", "sets": [{"resources": ["web"], "ordering": "gruop"}]}],
        });
    });
    assert_eq!(
        found,
        [
            "constraints.location[0].rule: `is` is not one of `eq`, `ne`, `lt`, `lte`, `gt`, `gte`",
            "constraints.location[1].lifetime: `lifetime` is an end: write it into a `rule` (`date lt 2027-03-01`)",
            "constraints.location[1].resource: `resource` cannot stand beside `pattern`; keep one",
            "constraints.order[0].first: `first` cannot stand beside `sets`; keep one",
            "constraints.order[0].sets[0].ordering: `gruop` is not `group` or `listed` (did you mean `group`?)",
            "tags.front[0]: there is no resource, group or clone `wbe` (did you mean `web`?)",
        ]
    );
}

#[test]
fn capacity_node_attributes_and_values_under_a_rule_are_read_and_written_back_the_same() {
    let mut value = web_cluster();
    value["properties"]["placement-strategy"] = json!("balanced");
    value["nodes"] = json!([{"name": "n1", "attributes": {"rack": "a"}, "utilization": {"memory": 8}}]);
    value["resources"][0]["utilization"] = json!({"memory": 2});
    value["resources"][0]["meta_when"] =
        json!([{"rule": "date-spec hours=9-16", "values": {"resource-stickiness": "INFINITY"}}]);
    value["resource_defaults_when"] =
        json!([{"rule": "resource ocf::IPaddr2", "values": {"migration-threshold": 2}}]);
    value["operation_defaults_when"] = json!([{"rule": "op monitor", "values": {"timeout": "9s"}}]);
    let declared = read(&args(value), &nodes()).expect("the form has no mistakes");
    assert_eq!(declared.config.node_utilization[&"n1".into()]["memory"], 8);
    assert_eq!(declared.config.conditional.len(), 3);
    let again = read(&written(&declared), &nodes()).expect("what is written can be read");
    assert_eq!(again.config, declared.config);
    assert_eq!(through_a_cib(&declared).config, declared.config);
}

#[test]
fn what_only_pacemaker_does_with_nodes_and_rules_is_refused_with_the_way_out() {
    let found = problems(|value| {
        value["nodes"] = json!([{"name": "n3", "id": 3, "utilization": {"memory": "much"}}]);
        value["properties_when"] = json!([{"rule": "op monitor", "values": {"batch-limit": 1}}]);
        value["resources"][1]["options_when"] = json!([{"rule": "#uname eq n1", "values": {"nic": "eth1"}}]);
        value["resources"][0] =
            json!({"id": "power", "agent": "stonith:fence_apc", "operations": [{"name": "monitor"}]});
        value["constraints"] =
            json!({"location": [{"resource": "power", "node": "n1", "score": "-INFINITY"}]});
    });
    assert_eq!(
        found,
        [
            "resources[1].options_when[0].rule: agents decide values by the moment, the agent and the operation; a rule on a \
             node's attribute (`#uname`, …) belongs into a location",
            "properties_when: properties that depend on a rule are not supported by the agents; write them without one",
            "nodes[0].id: the id of a node is its `nodeid` in corosync.conf: leave `id` out",
            "nodes[0].utilization.memory: `much` is not a whole number",
            "resources[0].operations: `power` is a fence device; muster asks it when it fences and does not monitor it: leave \
             `operations` out",
            "nodes[0].name: the cluster has no node `n3`; it has `n1`, `n2` (did you mean `n1`?)",
            "constraints.location[0].resource: `power` is a fence device: it is used by any member and is not placed",
        ]
    );
}

#[test]
fn a_role_that_is_none_names_those_that_are() {
    let found = problems(|value| {
        value["constraints"]["location"][0]["role"] = json!("Promotd");
        value["constraints"]["order"][0]["first_action"] = json!("begin");
    });
    assert_eq!(
        found,
        [
            "constraints.location[0].role: `Promotd` is not one of `Started`, `Stopped`, `Unpromoted`, `Promoted` \
             (did you mean `Promoted`?)",
            "constraints.order[0].first_action: `begin` is not one of `start`, `stop`, `promote`, `demote`"
        ]
    );
}

#[test]
fn what_cannot_be_cloned_and_what_belongs_to_a_clone_is_said() {
    let found = problems(|value| {
        value["resources"][0]["meta"] = json!({"interleave": true});
        value["clones"] = json!([
            {"resource": "apache"},
            {"resource": "webb"},
            {"resource": "web", "meta": {"clone-max": "many"}},
            {"resource": "web", "id": "again"},
        ]);
    });
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn more_copies_than_can_be_looked_at_are_refused() {
    let found = problems(|value| {
        value["clones"] = json!([
            {"resource": "web", "meta": {"clone-max": 4_000_000_000_u32}},
            {"resource": "other", "meta": {"clone-max": 4_000_000_000_u32, "globally-unique": true}},
        ]);
        value["constraints"] = json!({});
    });
    assert_eq!(
        found,
        [
            "clones[1].meta.clone-max: `clone-max` of `other-clone` is `4000000000`, and a clone whose copies are told \
          apart (`globally-unique`) has at most 1000; lower it"
        ]
    );
}

#[test]
fn wrong_values_name_what_was_expected() {
    let found = problems(|value| {
        value["properties"]["no-quorum-policy"] = json!("freze");
        value["resources"][1]["operations"][0]["interval"] = json!("30 parsecs");
        value["resources"][2]["agent"] = json!("heartbeat:apache");
        value["constraints"]["location"][0]["score"] = json!("INFINTY");
        value["fence_levels"][0]["level"] = json!(12);
        value["resources"][0] = json!({"id": "web", "agent": "systemd:other", "options": {"x": 1}});
        value["groups"][0]["resources"] = json!([]);
        value["wait"] = json!("soon");
    });
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn a_cluster_without_a_fence_device_says_what_to_write() {
    let found = problems(|value| {
        value["fence_devices"] = json!([]);
        value["fence_levels"] = json!([]);
    });
    insta::assert_snapshot!(found.join("\n"));
    let accepted = problems(|value| {
        value["fence_devices"] = json!([]);
        value["fence_levels"] = json!([]);
        value["properties"]["stonith-enabled"] = json!(false);
    });
    assert_eq!(accepted, [""; 0]);
}

#[test]
fn orders_in_a_circle_are_shown_as_a_circle() {
    let found = problems(|value| {
        value["constraints"]["order"] =
            json!([{"first": "vip", "then": "other"}, {"first": "other", "then": "web"}]);
    });
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn templates_that_are_not_rendered_yet_are_passed_over() {
    let mut value = web_cluster();
    value["resources"][1]["options"]["ip"] = json!("{{ cluster_vip }}");
    value["fence_devices"] = json!("{{ cluster_fence_devices }}");
    value["constraints"] = json!("{{ cluster_constraints }}");
    value["properties"]["stonith-enabled"] = json!("{{ fencing }}");
    assert_eq!(check_unrendered(&args(value.clone()), None), []);
    value["resources"][1]["options"]["nics"] = json!("{{ interface }}");
    let found = check_unrendered(&args(value), None);
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["resources[1].options.nics: `ocf:heartbeat:IPaddr2` has no parameter `nics` (did you mean `nic`?)"]
    );
}
