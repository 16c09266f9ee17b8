//! `<status>`: who is there, what was seen, how often it failed.

use super::xml::{self, Element};
use super::{CibError, Imported, digests, resources};
use muster_api::cluster::{ClusterConfig, Owner, Ticket, parse_bool};
use muster_api::history::{FailCount, OpRecord, OpStatus, definition_digest, rc};
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::{AgentName, Resource};
use muster_core::schedule::NodeState;
use std::collections::BTreeMap;

pub(super) fn read(cib: Element<'_>, imported: &mut Imported) -> Result<(), CibError> {
    read_tickets(cib, imported);
    let names = names_by_id(cib);
    add_removed_connections(cib, imported);
    let states = xml::child(cib, "status").into_iter().flat_map(xml::children);
    for (order, state) in states.filter(|state| state.has_tag_name("node_state")).enumerate() {
        let named = state.attribute("uname").or_else(|| names.get(state.attribute("id")?).copied());
        let Some(name) = named.map(NodeName::from).filter(|name| imported.states.contains_key(name)) else {
            imported
                .notes
                .push(format!("the status of an unknown node at line {} is not read", xml::line(state)));
            continue;
        };
        let transient = transient_attributes(state)?;
        let unfenced_otherwise = digests::other_device(&imported.config, &transient);
        let node = match imported.states.get(&name) {
            Some(known) if known.is_remote => remote_state(state, &transient),
            _ => node_state(state, &transient, imported.config.is_fencing_enabled()),
        };
        read_failures(&name, &transient, imported);
        let id = state.attribute("id");
        let attributes = transient.into_iter().chain(id.map(|id| ("#id".to_string(), id.to_string())));
        let is_coordinator = id.is_some() && id == cib.attribute("dc-uuid");
        let attributes = attributes.collect();
        let capacity = xml::child(state, "transient_attributes").into_iter().collect::<Vec<_>>();
        let capacity = resources::read_utilization(&capacity)?;
        let node = NodeState { order, is_coordinator, attributes, capacity, unfenced_otherwise, ..node };
        imported.states.insert(name.clone(), node);
        read_history(state, &name, imported)?;
    }
    Ok(())
}

/// A connection that is no longer configured may still lead to a node.
fn add_removed_connections(cib: Element<'_>, imported: &mut Imported) {
    let status = xml::child(cib, "status");
    let is_connection = |one: &Element<'_>| {
        let is = |name: &str, value: &str| one.attribute(name) == Some(value);
        one.has_tag_name("lrm_resource")
            && is("class", "ocf")
            && is("provider", "pacemaker")
            && is("type", "remote")
    };
    let connections = status.into_iter().flat_map(|status| status.descendants()).filter(is_connection);
    for name in connections.filter_map(|connection| connection.attribute("id")) {
        let unseen = NodeState { is_unseen: true, is_remote: true, ..NodeState::default() };
        imported.states.entry(name.into()).or_insert(unseen);
    }
}

fn read_tickets(cib: Element<'_>, imported: &mut Imported) {
    let tickets = xml::child(cib, "status").and_then(|status| xml::child(status, "tickets"));
    for ticket in tickets.into_iter().flat_map(xml::children) {
        let Some(id) = ticket.attribute("id") else { continue };
        let is_set = |name: &str| ticket.attribute(name).and_then(parse_bool) == Some(true);
        let state = Ticket {
            is_granted: is_set("granted"),
            is_standby: is_set("standby"),
            last_granted_s: ticket.attribute("last-granted").and_then(|at| at.parse().ok()),
        };
        imported.config.tickets.insert(id.to_string(), state);
    }
}

fn names_by_id(cib: Element<'_>) -> BTreeMap<&str, &str> {
    let configuration = xml::child(cib, "configuration");
    let nodes = configuration.and_then(|configuration| xml::child(configuration, "nodes"));
    let nodes = nodes.into_iter().flat_map(xml::children);
    nodes.filter_map(|node| Some((node.attribute("id")?, node.attribute("uname")?))).collect()
}

fn transient_attributes(state: Element<'_>) -> Result<BTreeMap<String, String>, CibError> {
    xml::child(state, "transient_attributes")
        .map_or(Ok(BTreeMap::new()), |sets| Ok(xml::values(&[sets], "instance_attributes")?.plain))
}

/// What the cluster layer said of a node: membership and process are flags, or the time since when.
fn node_state(
    state: Element<'_>,
    transient: &BTreeMap<String, String>,
    is_fencing_enabled: bool,
) -> NodeState {
    let is_set = |name: &str| {
        let value = state.attribute(name)?;
        let is_offline = value == "offline";
        Some(!is_offline && (value == "online" || parse_bool(value).unwrap_or(value != "0")))
    };
    let seen = Seen {
        is_member: is_set("in_ccm"),
        is_process: is_set("crmd").unwrap_or(false),
        join: state.attribute("join").unwrap_or("down"),
        expected: state.attribute("expected"),
        is_leaving: is_leaving(transient),
        is_doomed: transient.get("terminate").is_some_and(|value| parse_bool(value).unwrap_or(value != "0")),
    };
    let node = if is_fencing_enabled { seen.with_fencing() } else { seen.without_fencing() };
    NodeState {
        is_leaving: seen.is_leaving && node.is_online,
        is_standby: transient.get("standby").and_then(|value| parse_bool(value)) == Some(true),
        ..node
    }
}

/// Whether a node that is no member is there says the record of its connection; here stands what else is known.
fn remote_state(state: Element<'_>, transient: &BTreeMap<String, String>) -> NodeState {
    let is_set = |name: &str| state.attribute(name).is_some_and(|value| value != "0" && value != "false");
    NodeState {
        is_remote: true,
        is_fenced: is_set("node_fenced"),
        is_leaving: is_leaving(transient),
        is_standby: transient.get("standby").and_then(|value| parse_bool(value)) == Some(true),
        ..NodeState::default()
    }
}

fn is_leaving(transient: &BTreeMap<String, String>) -> bool {
    transient.get("shutdown").is_some_and(|since| since.parse::<i64>().is_ok_and(|since| since > 0))
}

struct Seen<'a> {
    is_member: Option<bool>,
    is_process: bool,
    join: &'a str,
    expected: Option<&'a str>,
    is_leaving: bool,
    is_doomed: bool,
}

impl Seen<'_> {
    fn with_fencing(&self) -> NodeState {
        let is_member = self.is_member.unwrap_or(false);
        let unclean = |why: &str| NodeState {
            is_online: is_member,
            unclean: Some(why.to_string()),
            ..NodeState::default()
        };
        let pending = || NodeState { is_online: is_member, is_pending: true, ..NodeState::default() };
        if self.is_leaving {
            NodeState { is_online: self.is_process, ..NodeState::default() }
        } else if self.is_member.is_none() {
            unclean("it has not been seen by the cluster")
        } else if self.join == "banned" {
            unclean("it was refused as a member")
        } else if self.is_doomed {
            let is_gone = !is_member && !self.is_process && self.join == "down";
            if is_gone { NodeState::default() } else { unclean("its fencing was asked for") }
        } else if self.expected.is_none_or(|expected| expected == "down") {
            if is_member || self.is_process { pending() } else { NodeState::default() }
        } else if !is_member {
            unclean("it is no longer part of the cluster")
        } else if !self.is_process {
            unclean("its cluster process is gone")
        } else {
            match self.join {
                "member" => NodeState { is_online: true, ..NodeState::default() },
                "pending" | "down" => pending(),
                _ => unclean("it is in an unknown state"),
            }
        }
    }

    fn without_fencing(&self) -> NodeState {
        let is_member = self.is_member.unwrap_or(false);
        let is_online = is_member && self.is_process && self.join == "member";
        let is_gone = is_member && !self.is_process && self.expected == Some("member");
        let unclean = is_gone.then(|| "its cluster process is gone".to_string());
        NodeState { is_online, unclean, ..NodeState::default() }
    }
}

/// `fail-count-RSC#OPERATION_INTERVAL` and `last-failure-…`, added up by resource.
fn read_failures(node: &NodeName, transient: &BTreeMap<String, String>, imported: &mut Imported) {
    for (name, value) in transient {
        let Some(what) = name.strip_prefix("fail-count-") else { continue };
        let (resource, operation) = what.split_once('#').unwrap_or((what, ""));
        let count = if value == "INFINITY" { 1_000_000 } else { value.parse().unwrap_or(0) };
        let last = transient.get(&format!("last-failure-{what}")).and_then(|at| at.parse::<u64>().ok());
        let failures = imported.history.failures.entry(node.clone()).or_default();
        let entry = failures.entry(recorded_id(&imported.config, resource)).or_insert_with(|| FailCount {
            count: 0,
            last_ms: 0,
            operation: operation.rsplit_once('_').map_or(operation, |(name, _)| name).to_string(),
            reason: String::new(),
        });
        entry.count = entry.count.saturating_add(count).min(1_000_000);
        entry.last_ms = entry.last_ms.max(last.unwrap_or(0) * 1000);
    }
}

/// The id of what an instance is a copy of: `web` of `web:3`.
fn base(id: &ResourceId) -> Option<ResourceId> {
    let (base, number) = id.as_str().rsplit_once(':')?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| ResourceId::from(base))
}

/// Under which id the failures of a resource count: those of instances that are all the same count as one.
fn recorded_id(config: &ClusterConfig, id: &str) -> ResourceId {
    let id = ResourceId::from(id);
    let Some(base) = base(&id) else { return id };
    let holds = |resource: &&Resource| resource.primitives().iter().any(|one| one.id == base);
    let is_alike =
        config.resources.iter().find(holds).is_some_and(|resource| {
            resource.meta_value("globally-unique").and_then(parse_bool) != Some(true)
        });
    if is_alike { base } else { id }
}

fn read_history(state: Element<'_>, node: &NodeName, imported: &mut Imported) -> Result<(), CibError> {
    let resources = xml::child(state, "lrm").and_then(|lrm| xml::child(lrm, "lrm_resources"));
    let mut history = BTreeMap::new();
    for resource in resources.into_iter().flat_map(xml::children) {
        let id = ResourceId::from(xml::required(resource, "id")?);
        let agent = resources::read_agent(resource)?;
        let mut records = Vec::new();
        let ops = || xml::children(resource).filter(|child| child.has_tag_name("lrm_rsc_op"));
        for op in ops().filter(|op| !ops().any(|other| is_followed_by(*op, other))) {
            records.extend(read_record(op, &id, &agent, (node, imported))?);
            forget_failures_of_others(op, &id, node, imported);
        }
        records.sort_by_key(|record: &OpRecord| (record.call, record.at_ms));
        if let Some(since_s) = resource.attribute("shutdown-lock").and_then(|at| at.parse::<u64>().ok()) {
            let locks = imported.history.locks.entry(node.clone()).or_default();
            locks.insert(id.clone(), since_s.saturating_mul(1000));
        }
        history.insert(id, records);
    }
    imported.history.nodes.insert(node.clone(), history);
    Ok(())
}

/// Whether an action that seems to be under way was followed by a start or a stop: then it has ended. Where it has no call yet the
/// transitions that ordered both tell.
fn is_followed_by(pending: Element<'_>, other: Element<'_>) -> bool {
    let number = |op: Element<'_>, name: &str| op.attribute(name).and_then(|text| text.parse::<i64>().ok());
    let is_pending = |op: Element<'_>| number(op, "op-status") == Some(-1);
    let is_act = matches!(other.attribute("operation"), Some("start" | "stop"));
    if !is_pending(pending) || is_pending(other) || !is_act {
        return false;
    }
    match (number(pending, "call-id").filter(|call| *call >= 0), number(other, "call-id")) {
        (Some(call), Some(other)) => call < other,
        _ => {
            let (Some((one, of_one)), Some((two, of_two))) = (ordered_by(pending), ordered_by(other)) else {
                return false;
            };
            of_one == of_two && one >= 0 && one < two
        }
    }
}

/// Which transition ordered an action, and of which coordinator that was: the second and the last part of its `transition-key`.
fn ordered_by<'a>(op: Element<'a>) -> Option<(i64, &'a str)> {
    let mut parts = op.attribute("transition-key")?.splitn(4, ':');
    let transition = parts.nth(1)?.parse().ok()?;
    Some((transition, parts.nth(1)?))
}

/// A resource is not kept from a node because it failed there with other parameters.
fn forget_failures_of_others(op: Element<'_>, id: &ResourceId, node: &NodeName, imported: &mut Imported) {
    let configured = imported.primitives.get(id);
    let is_of_others = configured.is_some_and(|primitive| {
        !has_conditional_params(&imported.config, id) && digests::failed_with_others(op, &primitive.params)
    });
    if let Some(failures) = imported.history.failures.get_mut(node).filter(|_| is_of_others) {
        failures.remove(id);
    }
}

/// Whether parameters depend on a rule: what they were then cannot be told from what they are.
fn has_conditional_params(config: &ClusterConfig, id: &ResourceId) -> bool {
    config.conditional.iter().any(|conditional| conditional.owner == Owner::Parameters(id.clone()))
}

/// The exit code that the action should have had: the third part of its `transition-key`.
fn expected_code(op: Element<'_>) -> Option<i64> {
    op.attribute("transition-key")?.split(':').nth(2)?.parse().ok()
}

/// One entry; nothing where the action was cancelled.
fn read_record(
    op: Element<'_>,
    id: &ResourceId,
    agent: &AgentName,
    (node, imported): (&NodeName, &mut Imported),
) -> Result<Option<OpRecord>, CibError> {
    let number = |name: &str| op.attribute(name).and_then(|text| text.parse::<i64>().ok());
    let (status, code) = match number("op-status").unwrap_or(0) {
        -1 => (OpStatus::Pending, None),
        0 => (OpStatus::Done, number("rc-code")),
        1 => return Ok(None),
        2 => (OpStatus::TimedOut, number("rc-code")),
        4 => (OpStatus::Error, number("rc-code")),
        // These say themselves what an exit code would: that it cannot run there, or anywhere, or is not installed.
        5 | 10 | 11 => (OpStatus::Error, Some(i64::from(rc::PERM))),
        6 => (OpStatus::Error, Some(i64::from(rc::CONFIGURED))),
        7 => (OpStatus::Error, Some(i64::from(rc::INSTALLED))),
        // Nobody could do it, or nobody was there to ask.
        3 | 8 | 9 => (OpStatus::Error, None),
        _ => return Ok(None),
    };
    let mut operation = xml::required(op, "operation")?;
    // Nothing was to be found, and nothing was: whatever it is called, it was a look.
    let was_a_look = operation != "monitor" && code == Some(7) && expected_code(op) == Some(7);
    if was_a_look {
        operation = "monitor";
    }
    let peer = match operation {
        "migrate_to" => op.attribute("migrate_target"),
        "migrate_from" => op.attribute("migrate_source"),
        _ => None,
    };
    let configured = imported.primitives.get(id).or_else(|| imported.primitives.get(&base(id)?));
    let params = configured.map(|primitive| primitive.params.clone()).unwrap_or_default();
    let digest = definition_digest(agent, &params);
    let is_conditional =
        configured.is_some_and(|primitive| has_conditional_params(&imported.config, &primitive.id));
    let extra = configured.and_then(|primitive| imported.parameters_of(&primitive.id, operation));
    let mut all = params.clone();
    for (name, value) in extra.into_iter().flatten() {
        all.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let is_changed = configured.is_some() && !is_conditional && digests::differ(op, agent, &all);
    if is_changed && extra.is_none() && digests::can_reload(op, &params) {
        imported.states.entry(node.clone()).or_default().can_reload.insert(id.clone());
    }
    // What was removed and was not to run, and did not: that was a look too.
    let was_rightly_stopped = configured.is_none() && code == Some(7) && expected_code(op) == Some(7);
    let interval_ms = number("interval").and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0);
    let call = number("call-id").and_then(|call| u64::try_from(call).ok()).unwrap_or(u64::MAX);
    if let Some(code) = expected_code(op).and_then(|code| u8::try_from(code).ok()).filter(|_| interval_ms > 0)
    {
        let state = imported.states.entry(node.clone()).or_default();
        state.ordered_codes.entry(id.clone()).or_default().insert(call, code);
    }
    Ok(Some(OpRecord {
        operation: operation.to_string(),
        interval_ms: if was_rightly_stopped { 0 } else { interval_ms },
        call,
        status,
        rc: code.and_then(|code| u8::try_from(code).ok()),
        reason: op.attribute("exit-reason").unwrap_or_default().to_string(),
        at_ms: number("last-rc-change").and_then(|at| u64::try_from(at).ok()).unwrap_or(0) * 1000,
        took_ms: number("exec-time").and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0),
        digest: match configured {
            // What a bundle or a guest node implies has no parameters of its own to compare.
            None => 0,
            Some(_) if is_changed => !digest,
            Some(_) => digest,
        },
        peer: peer.map(NodeName::from),
        agent: agent.clone(),
        params,
    }))
}
