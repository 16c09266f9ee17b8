//! Operation history -> the state of a resource on a node. Records are read as Pacemaker reads them: in the order of
//! their calls, each exit code against what that operation should have returned; a failure stays until something
//! that clears it succeeds or until it has aged out.

use crate::planted::{Bug, planted};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::constraint::RoleName;
use muster_api::history::{OpRecord, OpStatus, rc};
use muster_api::reload;
use muster_api::resource::{AgentName, OnFail, Operation, Primitive};

/// What is believed of a resource on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Sighting {
    /// Nobody has looked.
    #[default]
    Unknown,
    /// It does not run there.
    Stopped,
    /// It runs there, or may run there: whatever failed counts as active until it was stopped.
    Started,
    /// It runs there, and could be promoted.
    Unpromoted,
    /// It is promoted there.
    Promoted,
}

impl Sighting {
    /// Whether it runs there.
    pub fn is_active(self) -> bool {
        self >= Self::Started
    }
}

/// What a failure that has not been cleared asks for; where there are several the later variant wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Response {
    /// Nothing.
    #[default]
    Ignore,
    /// Demote it and promote it again.
    Demote,
    /// Stop it and start it again.
    Restart,
    /// Fence the node that the connection leads to, unless that was done, and connect again.
    ResetConnection,
    /// Stop the container that it runs in and start it again.
    RestartContainer,
    /// Leave it alone until a person has looked.
    Block,
    /// Stop it and keep it stopped.
    Stop,
    /// Move everything away from the node.
    Standby,
    /// Fence the node.
    Fence,
}

/// The last failure that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The operation.
    pub operation: String,
    /// Its interval, milliseconds.
    pub interval_ms: u64,
    /// What came of it: a timeout, an exit code, and what the agent said.
    pub what: String,
}

/// Agent and parameters that a resource was started (or found) with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The agent.
    pub agent: AgentName,
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    /// Of both; zero is unknown.
    pub digest: u64,
}

/// What the records of one resource on one node add up to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Whether it is there.
    pub state: Sighting,
    /// A start is under way.
    pub is_start_pending: bool,
    /// A promotion is under way.
    pub is_promotion_pending: bool,
    /// Its promotion failed: it is not promoted again.
    pub stays_unpromoted: bool,
    /// What its failures ask for.
    pub response: Response,
    /// It must not run on this node, for this reason.
    pub ban_here: Option<String>,
    /// It must not run on any node, for this reason.
    pub ban_everywhere: Option<String>,
    /// A failure says that its configuration is wrong: no fencing cures that.
    pub is_fatal: bool,
    /// The last failure that counts.
    pub failure: Option<Failure>,
    /// A failure was met that the configuration says to ignore.
    pub ignores_failures: bool,
    /// Intervals of the monitors that are repeated.
    pub monitors: BTreeSet<u64>,
    /// What it runs with.
    pub definition: Option<Definition>,
}

/// What is needed to judge records.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The configured resource; `None` where it was removed from the configuration.
    pub primitive: Option<&'a Primitive>,
    /// `on-fail` of the operation defaults.
    pub default_on_fail: Option<OnFail>,
    /// Whether the cluster may act on it.
    pub is_managed: bool,
    /// Whether it can be promoted: then what runs is unpromoted.
    pub is_promotable: bool,
    /// Whether it runs in a container (the meta attribute `container`): then a failure is the container's.
    pub is_in_container: bool,
    /// Where it is the connection to a node that is no member.
    pub connection: Option<ConnectionRules>,
    /// `stonith-enabled`.
    pub is_fencing_enabled: bool,
    /// Whether the node is a member: what is not known of a member can be probed.
    pub is_online: bool,
    /// Whether this node could be fenced now.
    pub can_fence: bool,
    /// `failure-timeout`; zero is never.
    pub failure_timeout_ms: u64,
    /// A fail count is younger than the timeout, so the records behind it still count.
    pub has_fresh_fail_count: bool,
    /// Milliseconds since the epoch.
    pub now_ms: u64,
    /// The exit codes that repeated monitors were ordered to find, by the number of their call, where that is known: what the
    /// configuration wants now may be something else.
    pub ordered_codes: Option<&'a BTreeMap<u64, u8>>,
}

/// What is special about the failures of a connection to a node.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionRules {
    /// `reconnect_interval`: after a failure it is not tried at once, but when the failure has aged out.
    pub is_tried_later: bool,
    /// The node was fenced since it was last reached.
    pub was_node_fenced: bool,
}

/// Reads the records of one resource on one node.
pub fn observe(records: &[OpRecord], rules: &Rules<'_>) -> Observed {
    let mut ordered: Vec<&OpRecord> = records.iter().collect();
    // A pending action is the newest whatever its number.
    ordered.sort_by_key(|record| (record.status == OpStatus::Pending, record.call));
    let mut observed = Observed::default();
    for record in ordered {
        observed.read(record, rules);
    }
    observed
}

/// Adds a record to those of a resource on a node and drops what it makes needless: kept are the last record of each
/// operation and interval, and the last failure, which stays until a success of the right kind outweighs it, until it
/// ages out, or until a person cleans up.
pub fn remember(records: &mut Vec<OpRecord>, record: OpRecord) {
    let last_failure = records.iter().filter(|old| is_failure(old)).map(|old| old.call).max();
    let is_outdone =
        |old: &OpRecord| old.operation == record.operation && old.interval_ms == record.interval_ms;
    let is_kept = |old: &OpRecord| is_failure(old) && Some(old.call) == last_failure && !is_failure(&record);
    records.retain(|old| !is_outdone(old) || is_kept(old));
    records.push(record);
}

/// Whether it is a failure whatever the configuration says.
fn is_failure(record: &OpRecord) -> bool {
    match (record.status, record.rc) {
        (OpStatus::Pending, _) => false,
        (OpStatus::TimedOut | OpStatus::Error, _) | (_, None) => true,
        (OpStatus::Done, Some(code)) => {
            let is_fine =
                matches!(code, rc::OK | rc::RUNNING_PROMOTED | rc::DEGRADED | rc::DEGRADED_PROMOTED);
            !(is_fine || (code == rc::NOT_RUNNING && is_probe(record)))
        }
    }
}

/// How a record is to be taken.
enum Verdict {
    Pending,
    /// As expected, or as good; with the exit code that stands for the state.
    Fine(u8),
    Failed(Hardness),
}

/// How far a failure reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hardness {
    /// It may be tried again.
    Soft,
    /// Not on this node.
    Hard,
    /// Not on any node.
    Fatal,
}

impl Observed {
    fn read(&mut self, record: &OpRecord, rules: &Rules<'_>) {
        if matches!(record.operation.as_str(), "notify" | "cancel" | "delete" | "meta-data" | "validate-all")
        {
            return;
        }
        self.note_monitor(record);
        match rules.judge(record) {
            Verdict::Pending => self.read_pending(record, rules),
            Verdict::Fine(code) => self.read_success(record, code, rules),
            Verdict::Failed(_) if rules.is_expired(record) => self.read_expired(record, rules),
            Verdict::Failed(hardness) => self.read_failure(record, hardness, rules),
        }
        // A promotion takes the place of the start in what some clusters remember.
        if self.state.is_active() && self.definition.is_none() {
            self.define(record);
        }
        let has_known_end = record.status == OpStatus::Done;
        if planted(Bug::UnknownIsStopped) && record.operation == "start" && !has_known_end {
            self.state = Sighting::Stopped;
        }
    }

    /// Start and stop end the monitors of before; those of before a reload are repeated with the parameters of then.
    fn note_monitor(&mut self, record: &OpRecord) {
        match record.operation.as_str() {
            "start" | "stop" | reload::OPERATION => self.monitors.clear(),
            "monitor" if record.interval_ms > 0 => {
                self.monitors.insert(record.interval_ms);
            }
            _ => {}
        }
    }

    fn read_pending(&mut self, record: &OpRecord, rules: &Rules<'_>) {
        match record.operation.as_str() {
            "start" => {
                self.is_start_pending = true;
                self.state = rules.active();
                self.define(record);
            }
            "promote" => {
                self.is_promotion_pending = true;
                self.state = Sighting::Promoted;
            }
            _ => {}
        }
    }

    fn read_success(&mut self, record: &OpRecord, code: u8, rules: &Rules<'_>) {
        let clears = match (record.operation.as_str(), code) {
            (_, rc::NOT_RUNNING) | ("stop", _) => {
                self.state = Sighting::Stopped;
                self.is_start_pending = false;
                self.definition = None;
                true
            }
            ("start" | "migrate_from", _) => {
                self.state = rules.active();
                self.is_start_pending = false;
                self.define(record);
                true
            }
            (reload::OPERATION, _) => {
                self.state = self.state.max(rules.active());
                self.define(record);
                true
            }
            ("promote", _) => {
                self.state = Sighting::Promoted;
                // It took the place of the start in the records, and the parameters were read again.
                self.define(record);
                true
            }
            ("demote", _) => {
                self.state = Sighting::Unpromoted;
                self.response == Response::Demote
            }
            (_, code) => {
                if !self.state.is_active() || self.definition.is_none() {
                    self.define(record);
                }
                self.state = if code == rc::RUNNING_PROMOTED {
                    Sighting::Promoted
                } else {
                    self.state.max(rules.active())
                };
                self.is_same_as_failure(record)
            }
        };
        // A stop, a standby or a fencing that a failure asked for is not undone by a later success.
        let waits = self.response == Response::ResetConnection
            && rules.connection.is_some_and(|connection| connection.is_tried_later);
        if clears && self.response <= Response::Block && !waits {
            self.response = Response::Ignore;
            self.stays_unpromoted = false;
            self.failure = None;
        }
    }

    fn define(&mut self, record: &OpRecord) {
        self.definition = Some(Definition {
            agent: record.agent.clone(),
            params: record.params.clone(),
            digest: record.digest,
        });
    }

    fn is_same_as_failure(&self, record: &OpRecord) -> bool {
        self.failure.as_ref().is_some_and(|failure| {
            failure.operation == record.operation && failure.interval_ms == record.interval_ms
        })
    }

    /// A failure that has aged out asks for nothing. Where nobody can look, what was started may still be there.
    fn read_expired(&mut self, record: &OpRecord, rules: &Rules<'_>) {
        let is_absent = cannot_be_there(record);
        if !rules.is_online && !is_absent && record.operation != "start" && !self.state.is_active() {
            self.define(record);
            self.state = rules.active();
        }
    }

    fn read_failure(&mut self, record: &OpRecord, hardness: Hardness, rules: &Rules<'_>) {
        let response = match rules.response_to(record) {
            // A missing agent cannot be ignored: nothing watches the resource.
            Response::Ignore if is_agent_missing(record) => Response::Restart,
            response => response,
        };
        if response == Response::Ignore {
            self.ignores_failures = true;
            self.read_success(record, rules.expected(record), rules);
            return;
        }
        let what = describe(record);
        if response == Response::RestartContainer && record.operation == "stop" {
            // The stop of the container ends it.
            self.read_success(record, rules.expected(record), rules);
            self.ignores_failures = true;
            self.response = self.response.max(response);
            self.note_failure(record, what);
            return;
        }
        self.is_start_pending = false;
        self.response = self.response.max(response);
        // A node that cannot even stop it, and cannot be fenced: nothing is left to try.
        if record.operation == "stop" && hardness == Hardness::Hard && !rules.can_fence {
            self.response = self.response.max(Response::Block);
        }
        if record.operation == "stop" {
            self.ban_here = Some(format!("its stop failed there ({what})"));
        }
        self.note_role_after_failure(record, response, rules);
        match hardness {
            Hardness::Soft => {}
            Hardness::Hard => self.ban_here = Some(format!("it cannot run there ({what})")),
            Hardness::Fatal => {
                self.is_fatal = true;
                self.ban_everywhere = Some(format!("it cannot run anywhere ({what})"));
            }
        }
        if response == Response::Stop {
            self.ban_everywhere =
                Some(format!("its {} failed and `on-fail` is `stop` ({what})", record.operation));
        }
        if response == Response::ResetConnection
            && rules.connection.is_some_and(|connection| connection.is_tried_later)
        {
            self.ban_everywhere =
                Some(format!("its connection broke, and `reconnect_interval` has not passed ({what})"));
        }
        self.stays_unpromoted |= record.operation == "promote";
        self.note_failure(record, what);
    }

    fn note_failure(&mut self, record: &OpRecord, what: String) {
        self.failure =
            Some(Failure { operation: record.operation.clone(), interval_ms: record.interval_ms, what });
    }

    fn note_role_after_failure(&mut self, record: &OpRecord, response: Response, rules: &Rules<'_>) {
        let is_absent = cannot_be_there(record);
        if !is_absent && self.definition.is_none() {
            self.define(record);
        }
        let is_promoted = matches!(record.rc, Some(rc::RUNNING_PROMOTED | rc::FAILED_PROMOTED));
        self.state = match record.operation.as_str() {
            _ if is_absent => Sighting::Stopped,
            "demote" if response == Response::Block => Sighting::Promoted,
            "demote" if record.rc == Some(rc::NOT_RUNNING) => rules.active(),
            // It is stopped anyway, and nobody is promoted before.
            "demote" => Sighting::Unpromoted,
            "promote" => Sighting::Promoted,
            _ if is_promoted => Sighting::Promoted,
            _ => self.state.max(rules.active()),
        };
    }
}

impl Rules<'_> {
    fn judge(&self, record: &OpRecord) -> Verdict {
        let code = record.rc.map(|code| match code {
            rc::DEGRADED => rc::OK,
            rc::DEGRADED_PROMOTED => rc::RUNNING_PROMOTED,
            code => code,
        });
        match (record.status, code) {
            (OpStatus::Pending, _) => Verdict::Pending,
            (OpStatus::TimedOut, _) | (_, None) => Verdict::Failed(Hardness::Soft),
            (OpStatus::Done | OpStatus::Error, Some(code)) => self.judge_code(record, code),
        }
    }

    fn judge_code(&self, record: &OpRecord, code: u8) -> Verdict {
        let is_expected = code == self.expected(record);
        match code {
            rc::OK | rc::RUNNING_PROMOTED if is_expected || is_probe(record) => Verdict::Fine(code),
            rc::NOT_RUNNING if is_expected || is_probe(record) || !self.is_managed => Verdict::Fine(code),
            rc::CONFIGURED => Verdict::Failed(Hardness::Fatal),
            rc::UNIMPLEMENTED if record.interval_ms > 0 => Verdict::Failed(Hardness::Soft),
            rc::UNIMPLEMENTED | rc::INSTALLED | rc::ARGS | rc::PERM => Verdict::Failed(Hardness::Hard),
            _ => Verdict::Failed(Hardness::Soft),
        }
    }

    /// The exit code that the action should have had.
    fn expected(&self, record: &OpRecord) -> u8 {
        if is_probe(record) {
            return rc::NOT_RUNNING;
        }
        if record.operation != "monitor" {
            return rc::OK;
        }
        if let Some(code) = self.ordered_codes.and_then(|codes| codes.get(&record.call)) {
            return *code;
        }
        // Monitors of several roles may have one interval: the one that got what it expected is the one that ran.
        let expected = self.operations(record).map(|operation| expected_in(operation.role.as_deref()));
        let expected: Vec<u8> = expected.collect();
        let met = expected.iter().find(|code| Some(**code) == record.rc);
        // Of a monitor that is not configured any more nobody knows which role it was for.
        let unknown = if record.rc == Some(rc::RUNNING_PROMOTED) { rc::RUNNING_PROMOTED } else { rc::OK };
        met.or(expected.first()).copied().unwrap_or(unknown)
    }

    /// What it is where it runs and nothing is known of its promotion.
    fn active(&self) -> Sighting {
        if self.is_promotable { Sighting::Unpromoted } else { Sighting::Started }
    }

    fn operation(&self, record: &OpRecord) -> Option<&Operation> {
        self.operations(record).next()
    }

    /// The configured operations that a record may be of.
    fn operations(&self, record: &OpRecord) -> impl Iterator<Item = &Operation> {
        let operations = self.primitive.into_iter().flat_map(|primitive| &primitive.operations);
        operations.filter(|operation| {
            operation.name == record.operation && operation.interval_ms == record.interval_ms
        })
    }

    /// `on-fail`: the operation's own, the default's, or fence (block without fencing) for a stop and restart else.
    fn response_to(&self, record: &OpRecord) -> Response {
        let operation = self.operation(record);
        let own = operation.and_then(|operation| operation.on_fail);
        let of_promoted =
            || own.or_else(|| self.of_promoted_monitor()).filter(|_| record.operation == "demote");
        let on_fail = own.or_else(of_promoted).or(self.default_on_fail);
        // After a stop that failed nobody knows whether it runs: these would let it be.
        let forgets = |on_fail: &OnFail| matches!(on_fail, OnFail::Stop | OnFail::Standby | OnFail::Demote);
        match on_fail.filter(|on_fail| record.operation != "stop" || !forgets(on_fail)) {
            Some(OnFail::Ignore) => Response::Ignore,
            Some(OnFail::Block) => Response::Block,
            Some(OnFail::Stop) => Response::Stop,
            Some(OnFail::Demote) if self.is_about_promoted(record) => Response::Demote,
            Some(OnFail::Restart | OnFail::Demote) => Response::Restart,
            Some(OnFail::RestartContainer) => Response::RestartContainer,
            Some(OnFail::Standby) => Response::Standby,
            Some(OnFail::Fence) if self.is_fencing_enabled => Response::Fence,
            Some(OnFail::Fence) => Response::Stop,
            None if self.is_in_container => Response::RestartContainer,
            // An active connection that is lost may be a node that is lost.
            None if self.connection.is_some() && !is_probe(record) && record.operation != "start" => {
                if self.is_managed { Response::ResetConnection } else { Response::Stop }
            }
            None if record.operation == "stop" && self.is_fencing_enabled => Response::Fence,
            None if record.operation == "stop" => Response::Block,
            None => Response::Restart,
        }
    }

    /// Whether a demotion can be the answer: to a failed promotion, or a failed monitor of the promoted role.
    fn is_about_promoted(&self, record: &OpRecord) -> bool {
        let role = self.operation(record).and_then(|operation| operation.role.as_deref());
        record.operation == "promote" || role.and_then(RoleName::parse) == Some(RoleName::Promoted)
    }

    /// A demotion fails as the monitor of the promoted role does, unless it has an answer of its own.
    fn of_promoted_monitor(&self) -> Option<OnFail> {
        let monitors = self.primitive?.operations.iter().filter(|operation| {
            let role = operation.role.as_deref().and_then(RoleName::parse);
            operation.name == "monitor"
                && operation.interval_ms > 0
                && operation.enabled
                && role == Some(RoleName::Promoted)
        });
        monitors.filter_map(|operation| operation.on_fail).find(|on_fail| *on_fail != OnFail::Demote)
    }

    /// Whether the failure is older than `failure-timeout`. That an agent is not installed does not age.
    fn is_expired(&self, record: &OpRecord) -> bool {
        self.failure_timeout_ms > 0
            && !is_agent_missing(record)
            && !self.waits_for_fencing(record)
            && !self.has_fresh_fail_count
            && record.at_ms > 0
            && self.now_ms >= record.at_ms.saturating_add(self.failure_timeout_ms)
    }
}

impl Rules<'_> {
    /// A broken connection counts until its node has been fenced, however old that is.
    fn waits_for_fencing(&self, record: &OpRecord) -> bool {
        let connection = self.connection.filter(|connection| connection.is_tried_later);
        self.is_fencing_enabled
            && record.operation == "monitor"
            && record.interval_ms > 0
            && connection.is_some_and(|connection| !connection.was_node_fenced)
    }
}

/// The exit code of a monitor that is for a role.
fn expected_in(role: Option<&str>) -> u8 {
    match role.and_then(RoleName::parse) {
        Some(RoleName::Stopped) => rc::NOT_RUNNING,
        Some(RoleName::Promoted) => rc::RUNNING_PROMOTED,
        _ => rc::OK,
    }
}

fn is_probe(record: &OpRecord) -> bool {
    record.operation == "monitor" && record.interval_ms == 0
}

/// A probe that says that nothing can run there as it is configured: what it needs is missing, or a parameter is wrong there.
fn cannot_be_there(record: &OpRecord) -> bool {
    is_probe(record) && matches!(record.rc, Some(rc::INSTALLED | rc::ARGS))
}

/// The agent itself is not there; exit code 5 of an agent that ran means that something it needs is not.
fn is_agent_missing(record: &OpRecord) -> bool {
    record.status == OpStatus::Error && record.rc == Some(rc::INSTALLED)
}

fn describe(record: &OpRecord) -> String {
    let how = match (record.status, record.rc) {
        (OpStatus::TimedOut, _) => "timed out".to_string(),
        (_, Some(code)) => format!("{} returned {code}: {}", record.operation, rc_meaning(code)),
        (_, None) => format!("{} could not be run", record.operation),
    };
    if record.reason.is_empty() { how } else { format!("{how}, {}", record.reason) }
}

fn rc_meaning(code: u8) -> &'static str {
    match code {
        rc::OK => "running",
        rc::ARGS => "a parameter is wrong on this node",
        rc::UNIMPLEMENTED => "the agent does not know the action",
        rc::PERM => "no permission",
        rc::INSTALLED => "something is not installed",
        rc::CONFIGURED => "a parameter is wrong",
        rc::NOT_RUNNING => "not running",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules<'static> {
        Rules {
            primitive: None,
            default_on_fail: None,
            is_managed: true,
            is_promotable: false,
            is_in_container: false,
            connection: None,
            is_fencing_enabled: true,
            is_online: true,
            can_fence: true,
            failure_timeout_ms: 0,
            has_fresh_fail_count: false,
            now_ms: 1_000_000,
            ordered_codes: None,
        }
    }

    fn record(operation: &str, interval_ms: u64, call: u64, status: OpStatus, rc: Option<u8>) -> OpRecord {
        OpRecord {
            operation: operation.into(),
            interval_ms,
            call,
            status,
            rc,
            reason: String::new(),
            at_ms: 1000,
            took_ms: 1,
            digest: 1,
            peer: None,
            agent: AgentName::parse("ocf:muster:Dummy").unwrap(),
            params: BTreeMap::new(),
        }
    }

    fn done(operation: &str, interval_ms: u64, call: u64, rc: u8) -> OpRecord {
        record(operation, interval_ms, call, OpStatus::Done, Some(rc))
    }

    #[test]
    fn a_failed_start_counts_as_active_until_it_was_stopped() {
        let mut records = alloc::vec![done("start", 0, 1, rc::ERROR)];
        let observed = observe(&records, &rules());
        assert_eq!((observed.state, observed.response), (Sighting::Started, Response::Restart));
        remember(&mut records, done("stop", 0, 2, rc::OK));
        let observed = observe(&records, &rules());
        assert_eq!((observed.state, observed.response), (Sighting::Stopped, Response::Ignore));
    }

    #[test]
    fn a_monitor_that_found_what_it_was_ordered_to_find_has_not_failed_though_something_else_is_wanted_now() {
        let records = [done("start", 0, 1, rc::OK), done("monitor", 10_000, 2, rc::NOT_RUNNING)];
        assert_eq!(observe(&records, &rules()).response, Response::Restart);
        let ordered = BTreeMap::from([(2, rc::NOT_RUNNING)]);
        let observed = observe(&records, &Rules { ordered_codes: Some(&ordered), ..rules() });
        assert_eq!((observed.state, observed.response), (Sighting::Stopped, Response::Ignore));
    }

    #[test]
    fn records_are_read_by_call_and_a_pending_one_last() {
        let records = [
            done("stop", 0, 9, rc::OK),
            done("start", 0, 3, rc::OK),
            record("start", 0, 2, OpStatus::Pending, None),
        ];
        let observed = observe(&records, &rules());
        assert!(observed.is_start_pending);
        assert_eq!(observed.state, Sighting::Started);
    }

    #[test]
    fn a_reload_changes_what_it_runs_with_and_a_failed_one_asks_for_a_restart() {
        let promoted =
            [done("start", 0, 1, rc::OK), done("promote", 0, 2, rc::OK), done("monitor", 10_000, 3, rc::OK)];
        let reloaded = OpRecord { digest: 7, ..done(reload::OPERATION, 0, 4, rc::OK) };
        let observed = observe(&[&promoted[..], &[reloaded]].concat(), &rules());
        assert_eq!((observed.state, observed.response), (Sighting::Promoted, Response::Ignore));
        assert_eq!(observed.definition.map(|definition| definition.digest), Some(7));
        assert!(observed.monitors.is_empty(), "they still have the old parameters");
        let failed = OpRecord { digest: 7, ..done(reload::OPERATION, 0, 4, rc::ERROR) };
        let observed = observe(&[&promoted[..], &[failed]].concat(), &rules());
        assert_eq!((observed.state, observed.response), (Sighting::Promoted, Response::Restart));
        assert_eq!(observed.definition.map(|definition| definition.digest), Some(1));
    }

    #[test]
    fn a_probe_that_finds_nothing_or_nothing_installed_is_stopped() {
        assert_eq!(observe(&[done("monitor", 0, 1, rc::NOT_RUNNING)], &rules()).state, Sighting::Stopped);
        let missing = observe(&[done("monitor", 0, 1, rc::INSTALLED)], &rules());
        assert_eq!(missing.state, Sighting::Stopped);
        assert!(missing.ban_here.is_some());
    }

    #[test]
    fn a_failed_stop_asks_for_fencing_and_without_fencing_blocks() {
        let records = [done("start", 0, 1, rc::OK), done("stop", 0, 2, rc::ERROR)];
        assert_eq!(observe(&records, &rules()).response, Response::Fence);
        let without = Rules { is_fencing_enabled: false, ..rules() };
        assert_eq!(observe(&records, &without).response, Response::Block);
    }

    #[test]
    fn a_monitor_of_a_promoted_copy_that_is_not_configured_any_more_is_no_failure() {
        let records = [done("start", 0, 1, 0), done("promote", 0, 2, 0), done("monitor", 10_000, 3, 8)];
        let seen = observe(&records, &rules());
        assert_eq!((seen.state, seen.response), (Sighting::Promoted, Response::Ignore));
    }

    #[test]
    fn a_failure_that_has_aged_out_asks_for_nothing() {
        let records = [done("start", 0, 1, rc::OK), done("monitor", 10_000, 2, rc::NOT_RUNNING)];
        let aged = Rules { failure_timeout_ms: 60_000, ..rules() };
        let observed = observe(&records, &aged);
        assert_eq!((observed.state, observed.response), (Sighting::Started, Response::Ignore));
        let fresh = Rules { has_fresh_fail_count: true, ..aged };
        assert_eq!(observe(&records, &fresh).response, Response::Restart);
    }

    #[test]
    fn the_last_failure_is_remembered_over_later_successes() {
        let mut records = alloc::vec![done("start", 0, 1, rc::OK), done("monitor", 10_000, 2, rc::ERROR)];
        remember(&mut records, done("monitor", 10_000, 3, rc::OK));
        remember(&mut records, done("monitor", 10_000, 4, rc::OK));
        let calls: Vec<u64> = records.iter().map(|record| record.call).collect();
        assert_eq!(calls, [1, 2, 4]);
    }
}
