//! What well-known resource agents take, so that a misspelt parameter is found before any host is touched.

use super::value::Reader;
use muster_api::resource::{AgentClass, AgentName};
use std::collections::BTreeMap;

/// The parameters of one agent.
struct Known {
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

const IPADDR2: Known = Known {
    required: &["ip"],
    optional: &[
        "arp_bg",
        "arp_count",
        "arp_count_refresh",
        "arp_interval",
        "arp_sender",
        "broadcast",
        "cidr_netmask",
        "clusterip_hash",
        "flush_routes",
        "iflabel",
        "lvs_ipv6_addrlabel",
        "lvs_ipv6_addrlabel_value",
        "lvs_support",
        "mac",
        "network_namespace",
        "nic",
        "nodad",
        "noprefixroute",
        "preferred_lft",
        "run_arping",
        "send_arp_opts",
        "unique_clone_address",
    ],
};

const APACHE: Known = Known {
    required: &[],
    optional: &[
        "client",
        "configfile",
        "envfiles",
        "httpd",
        "options",
        "port",
        "statusurl",
        "testconffile",
        "testname",
        "testregex",
        "testregex10",
        "testurl",
        "use_ipv6",
    ],
};

/// Units and init scripts take none.
const NONE: Known = Known { required: &[], optional: &[] };

fn known(agent: &AgentName) -> Option<Known> {
    match (agent.class, agent.provider.as_deref(), agent.name.as_str()) {
        (AgentClass::Ocf, Some("heartbeat"), "IPaddr2") => Some(IPADDR2),
        (AgentClass::Ocf, Some("heartbeat"), "apache") => Some(APACHE),
        (AgentClass::Systemd | AgentClass::Lsb | AgentClass::Service, ..) => Some(NONE),
        _ => None,
    }
}

/// Checks the names of an agent's parameters, where the agent is known; `options` is `None` where a template hides them.
pub(super) fn check(reader: &mut Reader, agent: &AgentName, options: Option<&BTreeMap<String, String>>) {
    let Some(options) = options.filter(|_| reader.is_to_run()) else { return };
    let Some(known) = known(agent) else { return };
    let names = || known.required.iter().chain(known.optional).copied();
    for name in options.keys().filter(|name| !names().any(|known| known == name.as_str())) {
        let sentence = match agent.class {
            AgentClass::Ocf => format!("`{agent}` has no parameter `{name}`"),
            _ => format!("`{agent}` takes no parameters; `{name}` would not reach it"),
        };
        reader.within("options", |reader| reader.bad_key(name, sentence, names()));
    }
    for name in known.required.iter().filter(|name| !options.contains_key(**name)) {
        reader.problem(format!("`{agent}` needs `{name}` in `options`"));
    }
}
