//! Every section and option of corosync.conf(5) and votequorum(5), and what muster does with it.

use alloc::string::ToString;
use alloc::vec::Vec;

/// What muster does with an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// What it says.
    Meant,
    /// Nothing, and nothing is lost by it.
    Harmless,
    /// It is an error: ignoring it would not do what the user wants.
    Refused(&'static str),
}

use Use::{Harmless, Meant, Refused};

const UDP_ONLY: &str = "it belongs to the transports udp and udpu, and muster speaks knet's";

const NO_QNETD: &str =
    "muster has no client of corosync-qnetd; a program of yours tells the vote with `musterd quorum vote`";

/// Sections by their path.
const SECTIONS: &[(&str, Use)] = &[
    ("totem", Meant),
    ("totem.interface", Meant),
    ("nodelist", Meant),
    ("nodelist.node", Meant),
    ("quorum", Meant),
    ("quorum.device", Meant),
    ("quorum.device.net", Refused(NO_QNETD)),
    ("quorum.device.heuristics", Refused(NO_QNETD)),
    ("logging", Harmless),
    ("logging.logger_subsys", Harmless),
    ("system", Harmless),
    (
        "resources",
        Refused("muster takes the watchdog's device from its own command line, not from corosync.conf"),
    ),
    ("nozzle", Refused("muster has no tunnel device over the cluster's links")),
];

/// Options by section; `ringX_addr` stands for link 0 to 7.
const KEYS: &[(&str, &str, Use)] = &[
    ("totem", "version", Meant),
    ("totem", "cluster_name", Meant),
    ("totem", "config_version", Meant),
    ("totem", "transport", Meant),
    ("totem", "token", Meant),
    ("totem", "token_coefficient", Meant),
    ("totem", "consensus", Meant),
    ("totem", "crypto_cipher", Meant),
    ("totem", "crypto_hash", Meant),
    ("totem", "secauth", Meant),
    ("totem", "keyfile", Meant),
    ("totem", "link_mode", Meant),
    ("totem", "ip_version", Meant),
    ("totem", "block_unlisted_ips", Meant),
    (
        "totem",
        "key",
        Refused("corosync.conf is readable by everybody; put the key into a `keyfile` of mode 0400"),
    ),
    // Names the cluster for pcs; packets of another cluster have another key.
    ("totem", "cluster_uuid", Harmless),
    // One library seals packets here.
    ("totem", "crypto_model", Harmless),
    // Node ids are written out, so none is derived from an address.
    ("totem", "clear_node_high_bit", Harmless),
    // Packets of muster always fit 1,400 bytes; nothing is compressed.
    ("totem", "netmtu", Harmless),
    ("totem", "knet_mtu", Harmless),
    ("totem", "knet_pmtud_interval", Harmless),
    ("totem", "knet_compression_model", Harmless),
    ("totem", "knet_compression_threshold", Harmless),
    ("totem", "knet_compression_level", Harmless),
    // Timers and windows of Totem's token ring: muster has no token that goes round.
    ("totem", "token_warning", Harmless),
    ("totem", "token_retransmit", Harmless),
    ("totem", "token_retransmits_before_loss_const", Harmless),
    ("totem", "hold", Harmless),
    ("totem", "join", Harmless),
    ("totem", "send_join", Harmless),
    ("totem", "merge", Harmless),
    ("totem", "downcheck", Harmless),
    ("totem", "fail_recv_const", Harmless),
    ("totem", "seqno_unchanged_const", Harmless),
    ("totem", "heartbeat_failures_allowed", Harmless),
    ("totem", "max_network_delay", Harmless),
    ("totem", "window_size", Harmless),
    ("totem", "max_messages", Harmless),
    ("totem", "miss_count_const", Harmless),
    ("totem", "cancel_token_hold_on_retransmit", Harmless),
    ("interface", "linknumber", Meant),
    ("interface", "mcastport", Meant),
    ("interface", "knet_link_priority", Meant),
    ("interface", "knet_ping_interval", Meant),
    ("interface", "knet_ping_timeout", Meant),
    ("interface", "knet_pong_count", Meant),
    ("interface", "knet_transport", Meant),
    // Averages of latency are shown, nothing is decided from them.
    ("interface", "knet_ping_precision", Harmless),
    ("interface", "bindnetaddr", Refused(UDP_ONLY)),
    ("interface", "mcastaddr", Refused(UDP_ONLY)),
    ("interface", "broadcast", Refused(UDP_ONLY)),
    ("interface", "ttl", Refused(UDP_ONLY)),
    ("node", "nodeid", Meant),
    ("node", "name", Meant),
    ("node", "quorum_votes", Meant),
    ("node", "ringX_addr", Meant),
    ("quorum", "provider", Meant),
    ("quorum", "expected_votes", Meant),
    ("quorum", "votes", Meant),
    ("quorum", "two_node", Meant),
    ("quorum", "wait_for_all", Meant),
    ("quorum", "auto_tie_breaker", Meant),
    ("quorum", "auto_tie_breaker_node", Meant),
    ("quorum", "last_man_standing", Meant),
    ("quorum", "last_man_standing_window", Meant),
    ("quorum", "allow_downscale", Meant),
    ("quorum", "expected_votes_tracking", Meant),
    ("device", "model", Meant),
    ("device", "votes", Meant),
    ("device", "timeout", Meant),
    // A view waits for nobody: a vote that comes later counts from then on.
    ("device", "sync_timeout", Harmless),
    ("device", "master_wins", Refused(NO_QNETD)),
    // The agent logs to the journal, which has all of this for every line.
    ("logging", "timestamp", Harmless),
    ("logging", "fileline", Harmless),
    ("logging", "function_name", Harmless),
    ("logging", "blackbox", Harmless),
    ("logging", "to_stderr", Harmless),
    ("logging", "to_logfile", Harmless),
    ("logging", "to_syslog", Harmless),
    ("logging", "logfile", Harmless),
    ("logging", "logfile_priority", Harmless),
    ("logging", "syslog_facility", Harmless),
    ("logging", "syslog_priority", Harmless),
    ("logging", "debug", Harmless),
    ("logger_subsys", "subsys", Harmless),
    ("logger_subsys", "to_stderr", Harmless),
    ("logger_subsys", "to_logfile", Harmless),
    ("logger_subsys", "to_syslog", Harmless),
    ("logger_subsys", "logfile", Harmless),
    ("logger_subsys", "logfile_priority", Harmless),
    ("logger_subsys", "syslog_facility", Harmless),
    ("logger_subsys", "syslog_priority", Harmless),
    ("logger_subsys", "debug", Harmless),
    // How corosync's own process is run: systemd decides that for the agent.
    ("system", "qb_ipc_type", Harmless),
    ("system", "sched_rr", Harmless),
    ("system", "priority", Harmless),
    ("system", "move_to_root_cgroup", Harmless),
    ("system", "allow_knet_handle_fallback", Harmless),
    ("system", "state_dir", Harmless),
];

/// How many links there can be (corosync.conf(5), `link_mode`).
pub(super) const LINKS_MAX: u8 = 8;

pub(super) fn section(path: &str) -> Option<Use> {
    SECTIONS.iter().find(|(known, _)| *known == path).map(|(_, usage)| *usage)
}

pub(super) fn key(section: &str, key: &str) -> Option<Use> {
    let key = if section == "node" && link_of(key).is_some() { "ringX_addr" } else { key };
    KEYS.iter().find(|(of, known, _)| *of == section && *known == key).map(|(_, _, usage)| *usage)
}

/// Names that may be meant where an unknown section stands.
pub(super) fn sections_in(outside: &str) -> Vec<&'static str> {
    let known = SECTIONS.iter().filter(|(_, usage)| !matches!(usage, Refused(_))).map(|(path, _)| *path);
    known
        .filter_map(|path| match path.split_once('.') {
            Some((parent, name)) => (parent == outside).then_some(name),
            None => outside.is_empty().then_some(path),
        })
        .collect()
}

/// Names that may be meant where an unknown key stands.
pub(super) fn keys_in(section: &str) -> Vec<&'static str> {
    let of_section = KEYS.iter().filter(|(of, _, usage)| *of == section && *usage == Meant);
    let names = of_section.map(|(_, key, _)| *key);
    match section {
        "node" => names.chain(["ring0_addr", "ring1_addr"]).filter(|key| *key != "ringX_addr").collect(),
        "logging" | "logger_subsys" | "system" => {
            KEYS.iter().filter(|(of, _, _)| *of == section).map(|(_, key, _)| *key).collect()
        }
        _ => names.collect(),
    }
}

/// The link of `ringX_addr`.
pub(super) fn link_of(key: &str) -> Option<u8> {
    let number = key.strip_prefix("ring")?.strip_suffix("_addr")?;
    let link = number.parse::<u8>().ok().filter(|link| *link < LINKS_MAX)?;
    (link.to_string() == number).then_some(link)
}
