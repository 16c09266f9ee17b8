//! What a changed configuration comes to: which change restarts what, what the cluster does then, what will not run and why, and
//! which faults it survives no more.

use muster_api::diff::{Change, Diff};
use muster_api::id::ResourceId;
use muster_core::schedule::{ChangeKind, Course, Decision, Rehearsal, fencing_lost, survivals_lost};

/// What the cluster does, in order; then what will not run; then what a person must know.
pub(super) fn consequences(before: &Rehearsal, after: &Rehearsal) -> Vec<String> {
    let course = Course::of(after.clone());
    let mut lines = in_order(&course);
    lines.extend(left_out(&course));
    lines.extend(course.decisions.first().map(|first| first.report.alarms.clone()).unwrap_or_default());
    lines.extend(course.assumed);
    let lost = fencing_lost(before, after).into_iter().chain(survivals_lost(before, after));
    lines.extend(lost.map(|lost| format!("warning: {lost}")));
    lines
}

/// What is done until all is at rest; of a cluster that goes in a circle, what it begins with.
fn in_order(course: &Course) -> Vec<String> {
    let rounds = if course.comes_to_rest() { course.decisions.len() } else { 1 };
    let decisions = course.decisions.iter().take(rounds);
    decisions.flat_map(|decision| decision.report.consequences.iter().cloned()).collect()
}

/// What is configured and will run nowhere, once all is done; what is disabled is meant so.
fn left_out(course: &Course) -> Vec<String> {
    let Some(rest) = course.end() else { return Vec::new() };
    let nowhere = rest.active_after.iter().filter(|(_, places)| places.is_empty());
    let lines = nowhere.filter_map(|(id, _)| {
        let status = rest.report.resources.iter().find(|status| status.id == *id)?;
        if status.is_disabled || !status.is_managed {
            return None;
        }
        let next = status.next.as_ref().map_or(String::new(), |next| format!(" -> {next}"));
        Some(format!("{id} would not run: {}{next}", status.why))
    });
    lines.collect()
}

/// Differences with what each change of a resource comes to: `(restart)`, `(reload)`, `(no restart)`, `(not running)`.
pub(super) fn marked(diffs: Vec<Diff>, before: &Rehearsal, after: &Rehearsal) -> Vec<Diff> {
    let decision = after.decide();
    diffs.into_iter().map(|diff| marked_one(diff, before, &decision)).collect()
}

fn marked_one(diff: Diff, before: &Rehearsal, decision: &Decision) -> Diff {
    let id = ResourceId::from(diff.name.as_str());
    let is_known = matches!(diff.kind.as_str(), "resource" | "group" | "clone") && is_configured(before, &id);
    let is_replaced = diff.changes.iter().any(|change| matches!(change, Change::Presence { .. }));
    if !is_known || is_replaced {
        return diff;
    }
    let changes = diff.changes.into_iter().map(|change| match change {
        Change::Attribute { attribute, before, after } => {
            let mark = mark(&attribute, &id, decision);
            Change::Attribute { attribute: format!("{attribute} ({mark})"), before, after }
        }
        other => other,
    });
    Diff { changes: changes.collect(), ..diff }
}

fn is_configured(rehearsal: &Rehearsal, id: &ResourceId) -> bool {
    let mut resources = rehearsal.config.resources.iter();
    rehearsal.config.primitive(id).is_some() || resources.any(|resource| resource.id() == id)
}

/// Only parameters reach the agent of what runs; meta attributes and operations are the cluster's own.
fn mark(attribute: &str, id: &ResourceId, decision: &Decision) -> &'static str {
    if !attribute.starts_with("options.") {
        return "no restart";
    }
    let mut of_it = decision.changes.iter().filter(|change| change.resource == *id);
    let mut statuses = decision.report.resources.iter();
    let is_running = statuses.any(|status| status.id == *id && !status.nodes.is_empty());
    match of_it.next().map(|change| change.kind) {
        Some(ChangeKind::Reload) => "reload",
        Some(_) if is_running => "restart",
        _ if is_running => "no restart",
        _ => "not running",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::cluster::ClusterConfig;
    use muster_api::cluster_diff::config_diff;
    use muster_api::constraint::{Constraint, Discovery};
    use muster_api::reload;
    use muster_api::resource::{AgentName, Operation, Primitive, Resource, Score};

    fn config() -> ClusterConfig {
        let monitor = Operation {
            name: "monitor".into(),
            interval_ms: 30_000,
            timeout_ms: None,
            on_fail: None,
            role: None,
            enabled: true,
        };
        let primitive = |id: &str| {
            Resource::Primitive(Primitive {
                id: id.into(),
                agent: AgentName::parse("ocf:heartbeat:Dummy").expect("it is a name"),
                params: [("state".to_string(), format!("/run/{id}"))].into(),
                meta: [].into(),
                operations: vec![monitor.clone()],
            })
        };
        ClusterConfig {
            properties: [("stonith-enabled".to_string(), "false".to_string())].into(),
            resources: vec![primitive("vip"), primitive("page")],
            ..ClusterConfig::default()
        }
    }

    fn running() -> Rehearsal {
        let mut rehearsal = Rehearsal::from_nothing(config(), &["n1".into(), "n2".into()], 1_000_000);
        rehearsal.run_to_rest();
        rehearsal
    }

    fn ban(id: &str, resource: &str, node: &str) -> Constraint {
        Constraint::Location {
            id: id.into(),
            resource: resource.into(),
            node: node.into(),
            score: Score::MINUS_INFINITY,
            role: None,
            discovery: Discovery::Always,
            until_ms: None,
        }
    }

    #[test]
    fn a_changed_parameter_restarts_and_a_changed_interval_or_meta_attribute_does_not() {
        let before = running();
        let mut after = before.clone();
        for vip in after.config.resources[0].primitives_mut() {
            vip.params.insert("state".into(), "/run/other".into());
            vip.meta.insert("migration-threshold".into(), "3".into());
            vip.operations[0].interval_ms = 10_000;
        }
        let diffs = marked(config_diff(&before.config, &after.config), &before, &after);
        let attributes = diffs[0].changes.iter().map(|change| match change {
            Change::Attribute { attribute, .. } => attribute.as_str(),
            _ => "",
        });
        assert_eq!(
            attributes.collect::<Vec<_>>(),
            [
                "meta.migration-threshold (no restart)",
                "monitor every 10s (no restart)",
                "monitor every 30s (no restart)",
                "options.state (restart)",
            ]
        );
        assert!(consequences(&before, &after).contains(&"restart vip on n1".to_string()));
    }

    #[test]
    fn what_the_agents_there_take_over_is_a_reload_and_is_over_once_it_is_done() {
        let mut before = running();
        let dummy = AgentName::parse("ocf:heartbeat:Dummy").expect("it is a name");
        for state in before.states.values_mut() {
            state.attributes.insert(reload::attribute_of(&dummy), "state".into());
        }
        let with = |changed: &[(&str, &str)]| {
            let mut after = before.clone();
            for vip in after.config.resources[0].primitives_mut() {
                vip.params.extend(changed.iter().map(|(name, value)| (name.to_string(), value.to_string())));
            }
            after
        };
        let mut reloaded = with(&[("fake", "2")]);
        assert_eq!(consequences(&before, &reloaded)[0], "reload vip on n1");
        let marks = |after: &Rehearsal| {
            let diffs = marked(config_diff(&before.config, &after.config), &before, after);
            diffs[0].changes.iter().map(|change| format!("{change:?}")).collect::<String>()
        };
        assert!(marks(&reloaded).contains("options.fake (reload)"), "{}", marks(&reloaded));
        // The monitor is repeated with the new parameter, and that is all.
        let decisions = reloaded.run_to_rest();
        assert_eq!(decisions.len(), 2, "{decisions:?}");
        assert_eq!(decisions[0].transition.actions.len(), 2, "{decisions:?}");
        let restarted = with(&[("fake", "2"), ("state", "/run/other")]);
        assert_eq!(consequences(&before, &restarted)[0], "restart vip on n1");
    }

    #[test]
    fn a_plan_that_pins_a_resource_to_a_node_says_which_fault_it_no_longer_survives() {
        let before = running();
        let mut after = before.clone();
        after.config.constraints.push(ban("only-n1", "vip", "n2"));
        let lines = consequences(&before, &after);
        let warning = lines.last().expect("there is a warning");
        let begin = "warning: the cluster would no longer survive: node n1 lost (it costs vip: ";
        assert!(warning.starts_with(begin), "{lines:?}");
        assert!(consequences(&before, &before).iter().all(|line| !line.starts_with("warning")));
    }

    #[test]
    fn what_would_run_nowhere_is_named_with_the_reason_and_the_way_out() {
        let before = running();
        let mut after = before.clone();
        after.config.constraints.push(ban("cli-ban-page-on-n1", "page", "n1"));
        after.config.constraints.push(ban("cli-ban-page-on-n2", "page", "n2"));
        let lines = consequences(&before, &after);
        let line = lines.iter().find(|line| line.starts_with("page would not run: ")).expect("it is named");
        assert!(line.ends_with("musterd resource clear page"), "{line}");
    }
}
