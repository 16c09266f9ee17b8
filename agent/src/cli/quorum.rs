//! `musterd quorum`: the votes, with the words of corosync-quorumtool.

use super::answer::{Failure, ask, print, print_json};
use super::{Output, Vote};
use muster_api::control::{Request, Response, Snapshot};
use muster_api::status::{ClusterStatus, Fact};
use std::fmt::Write;
use std::path::Path;

/// Asks and prints.
pub(super) fn show(socket: &Path, output: Output) -> Result<(), Failure> {
    let Response::Status { status } = ask(socket, &Request::Status)? else { return Err(Failure::Unexpected) };
    if output == Output::Json {
        return print_json(&status.quorum);
    }
    let Response::Snapshot { snapshot } = ask(socket, &Request::Snapshot)? else {
        return Err(Failure::Unexpected);
    };
    print(&render(&status, &snapshot));
    Ok(())
}

/// Tells the quorum device's vote.
pub(super) fn vote(socket: &Path, vote: Vote) -> Result<(), Failure> {
    let request = Request::DeviceVote { is_given: vote == Vote::Yes };
    let Response::Done { .. } = ask(socket, &request)? else { return Err(Failure::Unexpected) };
    Ok(())
}

fn render(status: &ClusterStatus, snapshot: &Snapshot) -> String {
    let quorum = &status.quorum;
    let members = status.nodes.iter().filter(|node| matches!(node.fact, Fact::Member | Fact::Leaving));
    let mut flags: Vec<&str> = if quorum.is_quorate { vec!["Quorate"] } else { Vec::new() };
    flags.extend(quorum.flags.iter().map(String::as_str));
    let view = status.view.as_ref().map_or("none".to_owned(), |view| view.epoch.to_string());
    let mut text = format!(
        "Quorum information\n------------------\nQuorum provider:  corosync_votequorum\nNodes:            {}\nView:             \
         {view}\nQuorate:          {}\n\nVotequorum information\n----------------------\nExpected votes:   {}\nTotal votes:      \
         {}\nQuorum:           {}{}\nFlags:            {}\n",
        members.clone().count(),
        if quorum.is_quorate { "Yes" } else { "No" },
        quorum.votes_expected,
        quorum.votes_present,
        quorum.votes_needed,
        if quorum.is_quorate { "" } else { " Activity blocked" },
        flags.join(" ")
    );
    if let Some(why) = &quorum.why {
        let _ = writeln!(text, "Why not:          {why}");
    }
    text += "\nMembership information\n----------------------\n    Nodeid      Votes Name\n";
    for node in members {
        let entry = snapshot.corosync.nodes.iter().find(|entry| entry.id == node.id);
        let votes = entry.map_or(0, |entry| entry.votes);
        let local = if node.name == status.node { " (local)" } else { "" };
        let _ = writeln!(text, "{:>10} {votes:>10} {}{local}", node.id.0, node.name);
    }
    text
}
