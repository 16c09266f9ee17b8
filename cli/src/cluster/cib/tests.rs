//! What a CIB is read as, and what is refused.

use super::*;
use muster_api::constraint::Nodes;
use muster_api::resource::Score;
use muster_api::rule::{Condition, RuleScore};

fn cib(configuration: &str, status: &str) -> String {
    format!(
        r#"<cib have-quorum="1"><configuration>
<crm_config><cluster_property_set id="p"><nvpair id="a" name="fencing-enabled" value="false"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
{configuration}</configuration><status>{status}</status></cib>"#
    )
}

const DUMMY: &str =
    r#"<resources><primitive id="d" class="ocf" provider="pacemaker" type="Dummy"/></resources>"#;

#[test]
fn a_rule_on_the_name_of_a_node_stays_a_rule() {
    let constraints = r##"<constraints><rsc_location id="l" rsc="d"><rule id="r" score="-INFINITY">
        <expression id="e" attribute="#uname" operation="eq" value="n2"/></rule></rsc_location></constraints>"##;
    let imported = read(&cib(&format!("{DUMMY}{constraints}"), "")).expect("it can be read");
    let [Constraint::LocationRule { nodes: Nodes::Rules(rules), .. }] =
        imported.config.constraints.as_slice()
    else {
        panic!("one location by rule, found {:?}", imported.config.constraints);
    };
    let [scored] = rules.as_slice() else { panic!("one rule, found {rules:?}") };
    assert!(matches!(scored.score, RuleScore::Fixed(Score::MINUS_INFINITY)));
    let Condition::Attribute(condition) = &scored.rule.conditions[0] else {
        panic!("found {:?}", scored.rule)
    };
    assert_eq!((condition.attribute.as_str(), condition.value.as_deref()), ("#uname", Some("n2")));
    assert!(!imported.config.is_fencing_enabled(), "the new name of the property counts");
}

#[test]
fn what_the_model_has_not_is_named_with_its_line() {
    let error = |configuration: &str| match read(&cib(configuration, "")) {
        Ok(_) => panic!("it was read"),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        error(r#"<resources><bundle id="b"><lxc image="i"/></bundle></resources>"#),
        "`<lxc>` in a bundle is not supported (line 4); nothing was decided"
    );
    assert_eq!(
        error(r#"<resources><flock id="f"/></resources>"#),
        "`<flock>` is not supported (line 4); nothing was decided"
    );
}

#[test]
fn more_copies_than_can_be_looked_at_are_refused_with_the_line() {
    let clone = |meta: &str| {
        let resources = format!(
            r#"<resources><clone id="many"><meta_attributes id="m">{meta}
            <nvpair id="c" name="clone-max" value="4294967295"/></meta_attributes>
            <primitive id="d" class="ocf" provider="pacemaker" type="Dummy"/></clone></resources>"#
        );
        read(&cib(&resources, ""))
    };
    assert!(clone("").is_ok(), "copies that are alike are as many as there are nodes");
    let refused =
        clone(r#"<nvpair id="u" name="globally-unique" value="true"/>"#).expect_err("it is refused");
    assert_eq!(
        refused.to_string(),
        "`clone-max` of `many` is `4294967295`, and a clone whose copies are told apart (`globally-unique`) has at \
         most 1000; lower it (line 4); nothing was decided"
    );
}

#[test]
fn guests_and_the_insides_of_bundles_are_nodes() {
    let configuration = r#"<resources>
        <primitive id="vm" class="ocf" provider="pacemaker" type="Dummy"><meta_attributes id="m">
        <nvpair id="x" name="remote-node" value="guest"/></meta_attributes></primitive>
        <bundle id="web"><podman image="i" replicas="2"/><network control-port="9999"/>
        <primitive id="app" class="ocf" provider="pacemaker" type="Dummy"/></bundle></resources>"#;
    let imported = read(&cib(configuration, "")).unwrap();
    let connected: Vec<&str> =
        imported.states.iter().filter(|(_, state)| state.is_remote).map(|(name, _)| name.as_str()).collect();
    assert_eq!(connected, ["guest", "web-0", "web-1"]);
}

#[test]
fn a_node_that_was_never_in_the_status_is_unseen_and_one_that_fell_out_is_unclean() {
    let with_fencing = cib(
        DUMMY,
        r#"<node_state id="1" uname="n1" in_ccm="false" crmd="offline" join="down" expected="member"/>"#,
    )
    .replace(r#"value="false""#, r#"value="true""#);
    let imported = read(&with_fencing).expect("it can be read");
    assert!(imported.states[&"n1".into()].unclean.is_some());
    assert!(imported.states[&"n2".into()].is_unseen);
}

#[test]
fn fail_counts_of_all_operations_add_up_and_history_keeps_its_order() {
    let status = r##"<node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member">
        <transient_attributes id="1"><instance_attributes id="i">
        <nvpair id="a" name="fail-count-d#monitor_10000" value="2"/>
        <nvpair id="b" name="fail-count-d#start_0" value="INFINITY"/>
        <nvpair id="c" name="last-failure-d#start_0" value="77"/></instance_attributes></transient_attributes>
        <lrm id="1"><lrm_resources><lrm_resource id="d" class="ocf" provider="pacemaker" type="Dummy">
        <lrm_rsc_op id="d_last_0" operation="stop" call-id="9" rc-code="0" op-status="0" interval="0"/>
        <lrm_rsc_op id="d_x" operation="start" call-id="3" rc-code="0" op-status="0" interval="0"/>
        </lrm_resource></lrm_resources></lrm></node_state>"##;
    let imported = read(&cib(DUMMY, status)).expect("it can be read");
    let failures = &imported.history.failures[&"n1".into()][&"d".into()];
    assert_eq!((failures.count, failures.last_ms), (1_000_000, 77_000));
    let records = &imported.history.nodes[&"n1".into()][&"d".into()];
    let operations: Vec<&str> = records.iter().map(|record| record.operation.as_str()).collect();
    assert_eq!(operations, ["start", "stop"]);
}
