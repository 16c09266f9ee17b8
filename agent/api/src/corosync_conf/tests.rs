//! corosync.conf as people write it, and the mistakes that they make in it.

use super::{parse, print};
use crate::cluster::{Cipher, LinkMode};
use crate::id::NodeId;
use std::string::{String, ToString};

const TWO_NODES: &str = "\
# made by hand
totem {
    version: 2
    cluster_name: web
    transport: knet
    crypto_cipher: aes256
    crypto_hash: sha256
    token: 1000
    interface {
        linknumber: 1
        knet_link_priority: 5
    }
}

nodelist {
    node {
        ring0_addr: 10.0.0.1
        ring1_addr: 10.1.0.1
        name: n1
        nodeid: 1
    }
    node {
        ring0_addr: 10.0.0.2
        ring1_addr: 10.1.0.2
        name: n2
        nodeid: 2
    }
}

quorum {
    provider: corosync_votequorum
    two_node: 1
}

logging {
    to_syslog: yes
    logger_subsys {
        subsys: QUORUM
        debug: off
    }
}
";

fn error_of(text: &str) -> String {
    parse(text).expect_err("the text has a mistake").to_string()
}

#[test]
fn two_nodes_with_two_links_are_read_and_printed() {
    let read = parse(TWO_NODES).expect("the text is right");
    assert_eq!(read.totem.token_ms, 1000);
    assert_eq!(read.totem.cipher, Cipher::Aes256);
    assert_eq!(read.totem.link_mode, LinkMode::Passive);
    assert_eq!(read.totem.links[&1].priority, 5);
    assert_eq!(read.nodes[1].id, NodeId(2));
    assert_eq!(read.nodes[1].addresses[&1], "10.1.0.2");
    assert!(read.quorum.two_node && read.quorum.wait_for_all, "two_node implies wait_for_all");
    assert_eq!(parse(&print(&read)), Ok(read));
}

#[test]
fn wait_for_all_written_out_as_zero_stays_off() {
    let read = parse(&TWO_NODES.replace("two_node: 1", "two_node: 1\n    wait_for_all: 0")).expect("right");
    assert!(!read.quorum.wait_for_all);
    assert_eq!(parse(&print(&read)), Ok(read));
}

#[test]
fn mistakes_are_told_with_place_expectation_and_nearest_name() {
    let cases = [
        (
            ("token: 1000", "tokne: 1000"),
            "8:5: unknown option `tokne` in `totem`: expected one of version, cluster_name, config_version, transport, \
             token, token_coefficient, consensus, crypto_cipher, crypto_hash, secauth, keyfile, link_mode, ip_version, \
             block_unlisted_ips (hint: did you mean `token`?)",
        ),
        (("token: 1000", "token: soon"), "8:12: `token` cannot be `soon`: expected a whole number"),
        (("token: 1000", "token:"), "8:11: `token` has no value"),
        (
            ("quorum {", "qourum {"),
            "30:1: unknown section `qourum`: expected one of totem, nodelist, quorum, logging, system (hint: did you mean \
             `quorum`?)",
        ),
        (
            ("crypto_cipher: aes256", "crypto_cipher: aes192"),
            "6:20: `aes192` is refused: muster seals packets with AES-GCM of 128 or 256 bits; expected `aes256`, `aes128` \
             or `none`",
        ),
        (
            ("transport: knet", "transport: udpu"),
            "5:16: transport `udpu` is refused: it has neither encryption nor more than one link; expected `knet`",
        ),
        (("nodeid: 2", "nodeid: 0"), "26:17: `nodeid` 0 is reserved: expected 1 or higher"),
        (("nodeid: 2", "nodeid: 1"), "26:17: `nodeid` 1 is that of `n1` already: expected a unique one"),
        (("name: n2", "name: n1"), "25:15: two nodes are named `n1`: expected unique names"),
        (
            ("        ring1_addr: 10.1.0.2\n", ""),
            "22:5: node `n2` has ring0_addr, node `n1` has ring0_addr, ring1_addr: expected the same links on every node",
        ),
        (
            ("two_node: 1", "two_node: 1\n    auto_tie_breaker: 1"),
            "33:5: `auto_tie_breaker` does not go with `two_node`: one decides by node id, the other by fencing",
        ),
        (
            ("    two_node: 1\n}", "    two_node: 1\n"),
            "30:1: section `quorum` is not closed: expected `}` before the end of the file (hint: write `}` on a line of its own where `quorum` ends)",
        ),
        (
            ("two_node: 1", "device {\n        model: net\n    }"),
            "33:16: `model: net` is refused: muster has no client of corosync-qnetd (hint: write `model: external`, and let a program of yours tell the vote with `musterd quorum vote`)",
        ),
        (
            ("two_node: 1", "two_node: 1\n    device {\n        model: external\n    }"),
            "33:5: a quorum `device` does not go with `two_node`",
        ),
        (
            (
                "two_node: 1",
                "expected_votes: 3\n    device {\n        model: external\n        votes: 2\n    }",
            ),
            "33:5: the device has 2 of 3 expected votes: expected at least 2 that are left for the nodes",
        ),
        (
            ("two_node: 1", "expected_votes: 3\n    device {\n        model: external\n    }"),
            "33:5: `votes` is missing in `device`: `expected_votes` is set, so it must be written",
        ),
        (
            ("token: 1000", "token 1000"),
            "8:5: `token 1000` is neither an option nor a section: expected `key: value`, `section {` or `}`",
        ),
    ];
    for ((right, wrong), expected) in cases {
        let mut text = TWO_NODES.replace(right, wrong);
        if !wrong.contains('}') && wrong.ends_with("two_node: 1\n") {
            text = text.split("\nlogging").next().unwrap_or("").to_string();
        }
        assert_eq!(error_of(&text), expected, "{wrong}");
    }
}

#[test]
fn packets_without_encryption_must_be_asked_for() {
    let text = TWO_NODES.replace("    crypto_cipher: aes256\n    crypto_hash: sha256\n", "");
    assert!(error_of(&text).starts_with("2:1: `crypto_cipher` is missing in `totem`"));
    let read = parse(&text.replace("version: 2", "version: 2\n    secauth: off")).expect("written out");
    assert_eq!(read.totem.cipher, Cipher::None);
}

fn three_nodes(option: &str) -> String {
    let third =
        "    node {\n ring0_addr: 10.0.0.3\n ring1_addr: 10.1.0.3\n name: n3\n nodeid: 3\n }\n}\n\nquorum {";
    TWO_NODES.replace("}\n\nquorum {", third).replace("two_node: 1", option)
}

#[test]
fn an_odd_cluster_with_a_tie_breaker_must_wait_for_all() {
    let error = error_of(&three_nodes("auto_tie_breaker: 1"));
    assert!(error.contains("odd number of votes (3) needs `wait_for_all: 1`"), "{error}");
    let read = parse(&three_nodes("auto_tie_breaker: 1\n wait_for_all: 1")).expect("right");
    assert_eq!(parse(&print(&read)), Ok(read));
}

#[test]
fn a_device_has_one_vote_less_than_the_nodes_and_a_downscale_tracks_the_votes() {
    let read = parse(&three_nodes("device {\n model: external\n }")).expect("right");
    assert_eq!(
        (read.quorum.device.as_ref().map(|device| device.votes), read.votes_configured()),
        (Some(2), 5)
    );
    assert_eq!(parse(&print(&read)), Ok(read));
    let read = parse(&three_nodes("allow_downscale: 1\n expected_votes: 2")).expect("right");
    assert!(read.quorum.expected_votes_tracking, "allow_downscale implies it");
    assert_eq!(parse(&print(&read)), Ok(read));
}
