//! Addresses of host names, without the C library: a literal, /etc/hosts, else the host's own `getent`, which asks
//! whatever name service the host is configured for.

use super::process::Command;
use std::net::IpAddr;
use std::time::Instant;

/// The addresses of a host, in the order to try them; empty where it has none.
pub(crate) fn resolve(host: &str, deadline: Option<Instant>) -> Vec<IpAddr> {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = literal.parse() {
        return vec![address];
    }
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let listed = from_hosts(&hosts, host);
    if !listed.is_empty() {
        return listed;
    }
    let mut command = Command::new("getent", &["ahosts", host]);
    command.deadline = deadline;
    let text = command.run().map(|ran| ran.out()).unwrap_or_default();
    let mut addresses = Vec::new();
    for address in text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

fn from_hosts(hosts: &str, host: &str) -> Vec<IpAddr> {
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or(""));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let address = words.next()?.parse().ok()?;
            words.any(|name| name.eq_ignore_ascii_case(host)).then_some(address)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_names_of_the_hosts_file_are_resolved() {
        assert_eq!(resolve("192.0.2.1", None), ["192.0.2.1".parse::<IpAddr>().expect("an address")]);
        assert_eq!(resolve("[::1]", None).len(), 1);
        let hosts = "127.0.0.1 localhost\n# 192.0.2.9 web\n192.0.2.7 Web web.example # it\n";
        assert_eq!(from_hosts(hosts, "web"), ["192.0.2.7".parse::<IpAddr>().expect("an address")]);
        assert!(from_hosts(hosts, "it").is_empty());
    }
}
