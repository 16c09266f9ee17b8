//! `quorum {}`: its options, its device, and which of them do not go together. Source: votequorum(5), and what corosync's
//! votequorum refuses when it starts.

use super::ConfError;
use super::read::{boolean, expect_word, number, number_or, only_or_none, positive, wrong};
use super::text::Section;
use crate::cluster::{NodeEntry, QuorumDevice, QuorumOptions};
use crate::id::NodeId;
use alloc::format;
use alloc::string::String;

/// How long a vote of the device counts where `timeout` is not set (corosync-qdevice(8)).
const DEVICE_TIMEOUT_MS: u64 = 10_000;

pub(super) fn quorum(section: &Section, nodes: &[NodeEntry]) -> Result<QuorumOptions, ConfError> {
    expect_word(section, "provider", &["corosync_votequorum"])?;
    if section.get("provider").is_none() {
        return Err(section
            .place
            .error("`provider` is missing in `quorum`: expected `provider: corosync_votequorum`"));
    }
    let two_node = boolean(section, "two_node")?.unwrap_or(false);
    let allow_downscale = boolean(section, "allow_downscale")?.unwrap_or(false);
    let tracking = boolean(section, "expected_votes_tracking")?.unwrap_or(false);
    let options = QuorumOptions {
        expected_votes: positive(section, "expected_votes")?,
        two_node,
        wait_for_all: boolean(section, "wait_for_all")?.unwrap_or(two_node),
        auto_tie_breaker: boolean(section, "auto_tie_breaker")?.unwrap_or(false),
        auto_tie_breaker_node: tie_breaker(section, nodes)?,
        last_man_standing: boolean(section, "last_man_standing")?.unwrap_or(false),
        last_man_standing_window_ms: positive(section, "last_man_standing_window")?,
        allow_downscale,
        expected_votes_tracking: tracking || allow_downscale,
        device: device(section, nodes)?,
    };
    check_two_node(section, &options, nodes)?;
    check_tie_breaker(section, &options, nodes)?;
    check_last_man_standing(section, &options, nodes)?;
    check_device(section, &options)?;
    Ok(options)
}

fn tie_breaker(section: &Section, nodes: &[NodeEntry]) -> Result<Option<String>, ConfError> {
    let Some(entry) = section.get("auto_tie_breaker_node") else { return Ok(None) };
    if !["lowest", "highest"].contains(&entry.value.as_str()) {
        for word in entry.value.split_whitespace() {
            let id =
                word.parse::<u32>().map_err(|_| wrong(entry, "`lowest`, `highest` or a list of node ids"))?;
            if !nodes.iter().any(|node| node.id == NodeId(id)) {
                return Err(entry.value_place.error(format!(
                    "`auto_tie_breaker_node` names node {id}, which `nodelist` does not have"
                )));
            }
        }
    }
    Ok(Some(entry.value.clone()))
}

/// Its votes are one less than those of the nodes, so that the device and one node are enough; where nodes have other votes
/// than one, or `expected_votes` is written, nobody can know what is meant.
fn device(section: &Section, nodes: &[NodeEntry]) -> Result<Option<QuorumDevice>, ConfError> {
    let Some(device) = only_or_none(section, "device")? else { return Ok(None) };
    if device.get("model").is_none() {
        return Err(device.place.error("`model` is missing in `device`: expected `model: external`"));
    }
    if let Some(model) = device.get("model").filter(|model| model.value == "net") {
        return Err(model.value_place.error_with_hint(
            "`model: net` is refused: muster has no client of corosync-qnetd",
            "write `model: external`, and let a program of yours tell the vote with `musterd quorum vote`",
        ));
    }
    expect_word(device, "model", &["external"])?;
    let votes = match number(device, "votes")? {
        Some(votes) => votes,
        None if section.get("expected_votes").is_some() => {
            return Err(device
                .place
                .error("`votes` is missing in `device`: `expected_votes` is set, so it must be written"));
        }
        None if nodes.iter().any(|node| node.votes != 1) => {
            return Err(device.place.error(
                "`votes` is missing in `device`: not all nodes have one vote, so it must be written",
            ));
        }
        None => u32::try_from(nodes.len().saturating_sub(1)).unwrap_or(u32::MAX),
    };
    let timeout_ms = number_or(device, "timeout", DEVICE_TIMEOUT_MS)?;
    Ok(Some(QuorumDevice { votes, timeout_ms }))
}

fn check_two_node(section: &Section, options: &QuorumOptions, nodes: &[NodeEntry]) -> Result<(), ConfError> {
    if !options.two_node {
        return Ok(());
    }
    let refused = |key: &str, why: String| {
        Err(section.get(key).map_or(section.place, |entry| entry.key_place).error(why))
    };
    if nodes.len() != 2 {
        return refused(
            "two_node",
            format!("`two_node` needs exactly two nodes, `nodelist` has {}", nodes.len()),
        );
    }
    if nodes.iter().any(|node| node.votes != 1) {
        return refused("two_node", "`two_node` needs nodes of one vote each".into());
    }
    if options.expected_votes.is_some_and(|votes| votes != 2) {
        return refused("expected_votes", "`two_node` needs 2 expected votes".into());
    }
    if options.auto_tie_breaker {
        let why =
            "`auto_tie_breaker` does not go with `two_node`: one decides by node id, the other by fencing";
        return refused("auto_tie_breaker", why.into());
    }
    if options.last_man_standing {
        return refused("last_man_standing", "`last_man_standing` does not go with `two_node`".into());
    }
    Ok(())
}

fn check_tie_breaker(
    section: &Section,
    options: &QuorumOptions,
    nodes: &[NodeEntry],
) -> Result<(), ConfError> {
    let at = |key: &str| section.get(key).map_or(section.place, |entry| entry.key_place);
    if options.auto_tie_breaker_node.is_some() && !options.auto_tie_breaker {
        return Err(at("auto_tie_breaker_node").error("`auto_tie_breaker_node` needs `auto_tie_breaker: 1`"));
    }
    let votes: u32 = nodes.iter().map(|node| node.votes).sum();
    if options.auto_tie_breaker && votes % 2 == 1 && !options.wait_for_all {
        // Half + 1 without the breaker, started anew, would else be quorate beside half - 1 with it.
        return Err(at("auto_tie_breaker").error_with_hint(
            format!("`auto_tie_breaker` with an odd number of votes ({votes}) needs `wait_for_all: 1`"),
            "write `wait_for_all: 1`, or leave `auto_tie_breaker` out: a majority decides where votes are odd",
        ));
    }
    Ok(())
}

fn check_last_man_standing(
    section: &Section,
    options: &QuorumOptions,
    nodes: &[NodeEntry],
) -> Result<(), ConfError> {
    let at = |key: &str| section.get(key).map_or(section.place, |entry| entry.key_place);
    if options.last_man_standing && nodes.iter().any(|node| node.votes != 1) {
        return Err(at("last_man_standing").error("`last_man_standing` needs nodes of one vote each"));
    }
    if options.last_man_standing_window_ms.is_some() && !options.last_man_standing {
        return Err(
            at("last_man_standing_window").error("`last_man_standing_window` needs `last_man_standing: 1`")
        );
    }
    Ok(())
}

fn check_device(section: &Section, options: &QuorumOptions) -> Result<(), ConfError> {
    let Some(device) = &options.device else { return Ok(()) };
    let place = section.named("device").next().map_or(section.place, |device| device.place);
    let others = [
        ("two_node", options.two_node),
        ("last_man_standing", options.last_man_standing),
        ("auto_tie_breaker", options.auto_tie_breaker),
        ("allow_downscale", options.allow_downscale),
    ];
    if let Some((key, _)) = others.iter().find(|(_, is_on)| *is_on) {
        return Err(place.error(format!("a quorum `device` does not go with `{key}`")));
    }
    if let Some(expected) =
        options.expected_votes.filter(|expected| *expected < device.votes.saturating_add(2))
    {
        return Err(place.error(format!(
            "the device has {} of {expected} expected votes: expected at least 2 that are left for the nodes",
            device.votes
        )));
    }
    Ok(())
}
