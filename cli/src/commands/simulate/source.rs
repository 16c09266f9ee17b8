//! Where a rehearsal begins: a saved CIB, the live cluster, or what a playbook would make of it.

use super::super::basis::Basis;
use super::super::cluster::{Answered, ask_first, basis, candidates};
use super::{SimulateArgs, declared};
use crate::cluster::cib;
use crate::error::{Diagnostic, Result};
use crate::exit::Exit;
use crate::run::room::DeclaredCluster;
use muster_api::cluster_diff::merge;
use muster_api::control::Snapshot;
use muster_core::schedule::Rehearsal;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What is rehearsed from.
pub(super) struct Source {
    pub(super) rehearsal: Rehearsal,
    /// What a person should know about it.
    pub(super) notes: Vec<String>,
    /// It is a file, and no cluster.
    pub(super) is_saved: bool,
}

/// Reads it, or asks for it.
pub(super) fn read(args: &SimulateArgs) -> Result<Source> {
    let mut source = match (&args.cib, &args.playbook) {
        (Some(cib), _) => saved(cib)?,
        (None, Some(playbook)) => of_playbook(args, playbook)?,
        (None, None) => live(args)?,
    };
    if let Some(now) = args.now {
        source.rehearsal.now_ms = now * 1000;
    }
    Ok(source)
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A saved CIB; it is now, until it is said otherwise.
pub(super) fn saved(file: &Path) -> Result<Source> {
    let unreadable = |what: String| Diagnostic::error(what).exits_with(Exit::HostUnreachable);
    let text = std::fs::read_to_string(file)
        .map_err(|error| unreadable(format!("cannot read {}: {error}", file.display())))?;
    let imported = cib::read(&text).map_err(|error| unreadable(error.to_string()))?;
    let rehearsal = Rehearsal {
        config: imported.config,
        states: imported.states,
        history: imported.history,
        is_quorate: imported.is_quorate,
        now_ms: now_ms() / 1000 * 1000,
        ..Rehearsal::default()
    };
    Ok(Source { rehearsal, notes: imported.notes, is_saved: true })
}

fn live(args: &SimulateArgs) -> Result<Source> {
    let basis = basis(&args.ask)?;
    let hosts = candidates(None, &basis)?;
    match snapshot(args, &basis, &hosts)? {
        Some(snapshot) => {
            Ok(Source { rehearsal: Rehearsal::of_live(&snapshot), notes: Vec::new(), is_saved: false })
        }
        None => {
            let mistake = Diagnostic::error(format!("no agent runs on {}", hosts.join(", ")));
            let hint = "name the playbook that makes the cluster: it is rehearsed from nothing";
            Err(mistake.hint(hint).exits_with(Exit::HostUnreachable).into())
        }
    }
}

fn of_playbook(args: &SimulateArgs, playbook: &Path) -> Result<Source> {
    let (declared, mut notes) = declared::read(args, playbook)?;
    let DeclaredCluster { name, config, nodes, before } = declared;
    let rehearsal = match before {
        Some(before) => {
            let config = merge(&config, &before.config);
            Rehearsal { config, ..Rehearsal::of_live(&before) }
        }
        None => Rehearsal::from_nothing(config, &nodes, now_ms()),
    };
    if rehearsal.history.nodes.is_empty() {
        let members = rehearsal.members().len();
        notes
            .push(format!("cluster `{name}` from nothing: {members} of {} nodes up", rehearsal.states.len()));
    }
    Ok(Source { rehearsal, notes, is_saved: false })
}

fn snapshot(args: &SimulateArgs, basis: &Basis, hosts: &[String]) -> Result<Option<Snapshot>> {
    let text = match ask_first(&args.ask, basis, hosts, "snapshot")? {
        Answered::Text(text) => text,
        Answered::NoAgent => return Ok(None),
        Answered::Nobody(refusals) => {
            let mut mistake = Diagnostic::error("no node of the cluster can be asked");
            for refusal in refusals {
                mistake = mistake.note(refusal);
            }
            return Err(mistake.exits_with(Exit::HostUnreachable).into());
        }
    };
    let snapshot = serde_json::from_slice(&text).map_err(|error| {
        let mistake = Diagnostic::error(format!("the agent's answer cannot be read: {error}"));
        mistake.hint("upgrade the agents: `muster apply`").exits_with(Exit::HostUnreachable)
    })?;
    Ok(Some(snapshot))
}
