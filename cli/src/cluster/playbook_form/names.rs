//! The names that Pacemaker knows: which muster decides by, and which it does not have yet.

use super::value::Reader;
use muster_api::cluster::parse_bool;
use muster_api::duration::parse_ms;
use muster_api::resource::Score;

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Boolean,
    Duration,
    Score,
    Count,
    One(&'static [&'static str]),
}

/// A name with the kind of its value.
pub(super) type Known = (&'static str, Kind);

/// Cluster properties.
pub(super) const PROPERTIES: &[Known] = &[
    ("batch-limit", Kind::Count),
    ("dc-deadtime", Kind::Duration),
    ("default-action-timeout", Kind::Duration),
    ("maintenance-mode", Kind::Boolean),
    ("no-quorum-policy", Kind::One(&["stop", "freeze", "ignore", "demote", "suicide"])),
    ("placement-strategy", Kind::One(&["default", "utilization", "minimal", "balanced"])),
    ("priority-fencing-delay", Kind::Duration),
    ("start-failure-is-fatal", Kind::Boolean),
    ("startup-fencing", Kind::Boolean),
    ("stonith-action", Kind::One(&["reboot", "off"])),
    ("stonith-enabled", Kind::Boolean),
    ("stonith-max-attempts", Kind::Count),
    ("stonith-timeout", Kind::Duration),
    ("stop-all-resources", Kind::Boolean),
    ("stop-orphan-resources", Kind::Boolean),
    ("symmetric-cluster", Kind::Boolean),
];

/// Pacemaker's other cluster properties.
pub(super) const PROPERTIES_NOT_YET: &[&str] = &[
    "cluster-delay",
    "cluster-infrastructure",
    "cluster-ipc-limit",
    "cluster-name",
    "cluster-recheck-interval",
    "concurrent-fencing",
    "dc-version",
    "election-timeout",
    "enable-acl",
    "enable-startup-probes",
    "fence-reaction",
    "have-watchdog",
    "join-finalization-timeout",
    "join-integration-timeout",
    "load-threshold",
    "migration-limit",
    "node-action-limit",
    "node-health-base",
    "node-health-green",
    "node-health-red",
    "node-health-strategy",
    "node-health-yellow",
    "node-pending-timeout",
    "pe-error-series-max",
    "pe-input-series-max",
    "pe-warn-series-max",
    "remove-after-stop",
    "shutdown-escalation",
    "shutdown-lock",
    "shutdown-lock-limit",
    "stonith-watchdog-timeout",
    "transition-delay",
];

/// Meta attributes of resources.
pub(super) const META: &[Known] = &[
    ("allow-migrate", Kind::Boolean),
    ("critical", Kind::Boolean),
    ("failure-timeout", Kind::Duration),
    ("is-managed", Kind::Boolean),
    ("maintenance", Kind::Boolean),
    ("migration-threshold", Kind::Score),
    ("multiple-active", Kind::One(&["stop_start", "stop_only", "stop_unexpected", "block"])),
    ("priority", Kind::Score),
    ("requires", Kind::One(&["nothing", "quorum", "fencing"])),
    ("resource-stickiness", Kind::Score),
    ("target-role", Kind::One(&["Started", "Stopped", "Unpromoted", "Promoted"])),
];

/// Meta attributes of clones, beside those of all resources.
pub(super) const CLONE_META: &[Known] = &[
    ("clone-max", Kind::Count),
    ("clone-min", Kind::Count),
    ("clone-node-max", Kind::Count),
    ("globally-unique", Kind::Boolean),
    ("interleave", Kind::Boolean),
    ("notify", Kind::Boolean),
    ("ordered", Kind::Boolean),
    ("promotable", Kind::Boolean),
    ("promoted-max", Kind::Count),
    ("promoted-node-max", Kind::Count),
];

/// Pacemaker's other meta attributes.
pub(super) const META_NOT_YET: &[&str] = &[
    "allow-unhealthy-nodes",
    "collocated",
    "container-attribute-target",
    "remote-addr",
    "remote-allow-migrate",
    "remote-connect-timeout",
    "remote-node",
    "remote-port",
    "resource-discovery",
];

/// What an operation's defaults may say.
pub(super) const OPERATION_DEFAULTS: &[Known] =
    &[("timeout", Kind::Duration), ("on-fail", Kind::One(ON_FAIL))];

/// Pacemaker's other operation defaults.
pub(super) const OPERATION_DEFAULTS_NOT_YET: &[&str] =
    &["enabled", "interval", "interval-origin", "record-pending", "role", "start-delay"];

/// `on-fail`.
pub(super) const ON_FAIL: &[&str] = &["ignore", "block", "stop", "restart", "fence", "standby", "demote"];

/// Values of `on-fail` that muster does not have yet.
pub(super) const ON_FAIL_NOT_YET: &[&str] = &["migrate", "restart-container"];

/// Checks a name and its value. What is known to Pacemaker and not to muster is refused by name.
pub(super) fn check(
    reader: &mut Reader,
    what: &str,
    name: &str,
    value: &str,
    known: &[Known],
    not_yet: &[&str],
) {
    if !reader.is_to_run() {
        return;
    }
    if let Some((_, kind)) = known.iter().find(|(one, _)| *one == name) {
        if !reader.is_template(value) {
            reader.within(name, |reader| check_value(reader, value, *kind));
        }
    } else if not_yet.contains(&name) {
        let sentence = format!("the {what} `{name}` is Pacemaker's; muster does not have it yet");
        reader.bad_key(name, sentence, []);
    } else {
        let names = known.iter().map(|(one, _)| *one);
        reader.bad_key(name, format!("there is no {what} `{name}`"), names);
    }
}

fn check_value(reader: &mut Reader, value: &str, kind: Kind) {
    let expected = match kind {
        Kind::Boolean if parse_bool(value).is_none() => "`true` or `false`".to_string(),
        Kind::Duration if parse_ms(value).is_none() => "a duration (`30s`, `2min`)".to_string(),
        Kind::Score if Score::parse(value).is_none() => {
            "a whole number, `INFINITY` or `-INFINITY`".to_string()
        }
        Kind::Count if value.parse::<u32>().is_err() => "a whole number".to_string(),
        Kind::One(values) if !values.contains(&value) => {
            let hint = crate::suggest::did_you_mean(value, values.iter().copied());
            let listed = values.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ");
            reader.problem_with_hint(format!("`{value}` is not one of {listed}"), hint);
            return;
        }
        _ => return,
    };
    reader.problem(format!("`{value}` is not {expected}"));
}
