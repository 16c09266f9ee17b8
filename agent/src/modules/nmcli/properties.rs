//! The properties of a connection: as nmcli tells them, as a task asks for them, and whether both are the same.

use super::super::{Args, Failure};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The properties of a connection, as `nmcli -t` tells them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Profile(BTreeMap<String, String>);

impl Profile {
    pub(super) fn parse(text: &str) -> Self {
        let pair = |line: &str| {
            let (property, value) = line.split_once(':')?;
            Some((property.to_owned(), value.to_owned()))
        };
        Self(text.lines().filter_map(pair).collect())
    }

    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(property, value)| format!("{property}:{value}\n")).collect()
    }

    /// Empty where there is none.
    pub(super) fn get(&self, property: &str) -> &str {
        self.0.get(property).map_or("", String::as_str)
    }

    pub(super) fn set(&mut self, property: &str, value: &str) {
        self.0.insert(property.to_owned(), value.to_owned());
    }
}

/// What `nmcli connection add type` takes.
pub(super) fn add_type(kind: &str) -> &str {
    match kind {
        "bond-slave" | "bridge-slave" | "team-slave" => "ethernet",
        "gre" | "ipip" | "sit" => "ip-tunnel",
        other => other,
    }
}

/// What `connection.type` is then.
pub(super) fn told_type(kind: &str) -> &str {
    match add_type(kind) {
        "ethernet" => "802-3-ethernet",
        other => other,
    }
}

/// The kind of a connection for a task that names none.
pub(super) fn type_of_told(told: &str) -> &str {
    match told {
        "802-3-ethernet" => "ethernet",
        "ip-tunnel" => "ipip",
        other => other,
    }
}

/// What a task asks for, in the order in which it is set.
pub(super) struct Wanted {
    pub(super) properties: Vec<(String, String)>,
}

/// Those whose argument is the value.
const GENERAL: [(&str, &str); 4] = [
    ("autoconnect", "connection.autoconnect"),
    ("autoconnect_priority", "connection.autoconnect-priority"),
    ("autoconnect_retries", "connection.autoconnect-retries"),
    ("zone", "connection.zone"),
];
const IP: [(&str, &str); 25] = [
    ("method4", "ipv4.method"),
    ("gw4", "ipv4.gateway"),
    ("gw4_ignore_auto", "ipv4.ignore-auto-routes"),
    ("never_default4", "ipv4.never-default"),
    ("routes4", "ipv4.routes"),
    ("route_metric4", "ipv4.route-metric"),
    ("routing_rules4", "ipv4.routing-rules"),
    ("dns4", "ipv4.dns"),
    ("dns4_search", "ipv4.dns-search"),
    ("dns4_options", "ipv4.dns-options"),
    ("dns4_ignore_auto", "ipv4.ignore-auto-dns"),
    ("may_fail4", "ipv4.may-fail"),
    ("dhcp_client_id", "ipv4.dhcp-client-id"),
    ("method6", "ipv6.method"),
    ("gw6", "ipv6.gateway"),
    ("gw6_ignore_auto", "ipv6.ignore-auto-routes"),
    ("never_default6", "ipv6.never-default"),
    ("routes6", "ipv6.routes"),
    ("route_metric6", "ipv6.route-metric"),
    ("dns6", "ipv6.dns"),
    ("dns6_search", "ipv6.dns-search"),
    ("dns6_options", "ipv6.dns-options"),
    ("dns6_ignore_auto", "ipv6.ignore-auto-dns"),
    ("may_fail6", "ipv6.may-fail"),
    ("addr_gen_mode6", "ipv6.addr-gen-mode"),
];
const BRIDGE: [(&str, &str); 7] = [
    ("stp", "bridge.stp"),
    ("priority", "bridge.priority"),
    ("forwarddelay", "bridge.forward-delay"),
    ("hellotime", "bridge.hello-time"),
    ("maxage", "bridge.max-age"),
    ("ageingtime", "bridge.ageing-time"),
    ("mac", "bridge.mac-address"),
];
const BRIDGE_PORT: [(&str, &str); 3] = [
    ("slavepriority", "bridge-port.priority"),
    ("path_cost", "bridge-port.path-cost"),
    ("hairpin", "bridge-port.hairpin-mode"),
];
const TEAM: [(&str, &str); 3] = [
    ("runner", "team.runner"),
    ("runner_hwaddr_policy", "team.runner-hwaddr-policy"),
    ("runner_fast_rate", "team.runner-fast-rate"),
];
const VLAN: [(&str, &str); 5] = [
    ("vlanid", "vlan.id"),
    ("vlandev", "vlan.parent"),
    ("flags", "vlan.flags"),
    ("ingress", "vlan.ingress-priority-map"),
    ("egress", "vlan.egress-priority-map"),
];
const VXLAN: [(&str, &str); 4] = [
    ("vxlan_id", "vxlan.id"),
    ("vxlan_remote", "vxlan.remote"),
    ("vxlan_local", "vxlan.local"),
    ("vxlan_parent", "vxlan.parent"),
];
const TUNNEL: [(&str, &str); 5] = [
    ("ip_tunnel_dev", "ip-tunnel.parent"),
    ("ip_tunnel_local", "ip-tunnel.local"),
    ("ip_tunnel_remote", "ip-tunnel.remote"),
    ("ip_tunnel_input_key", "ip-tunnel.input-key"),
    ("ip_tunnel_output_key", "ip-tunnel.output-key"),
];
const BOND: [(&str, &str); 9] = [
    ("mode", "mode"),
    ("miimon", "miimon"),
    ("downdelay", "downdelay"),
    ("updelay", "updelay"),
    ("arp_interval", "arp_interval"),
    ("arp_ip_target", "arp_ip_target"),
    ("primary", "primary"),
    ("xmit_hash_policy", "xmit_hash_policy"),
    ("fail_over_mac", "fail_over_mac"),
];

impl Wanted {
    pub(super) fn of(name: &str, kind: &str, args: &Args<'_>) -> Result<Self, Failure> {
        let mut wanted = Self { properties: Vec::new() };
        let interface = args.text("ifname").unwrap_or(name);
        wanted.put("connection.interface-name", if interface == "*" { "" } else { interface });
        wanted.all(&GENERAL, args);
        wanted.part_of(kind, args)?;
        if args.text("master").is_none() {
            wanted.addresses(args)?;
        }
        wanted.device(kind, args);
        wanted.kind(kind, args)?;
        Ok(wanted)
    }

    fn put(&mut self, property: &str, value: impl Into<String>) {
        self.properties.push((property.to_owned(), value.into()));
    }

    fn all(&mut self, pairs: &[(&str, &str)], args: &Args<'_>) {
        for (argument, property) in pairs {
            if let Some(value) = args.raw(argument) {
                self.put(property, written(value));
            }
        }
    }

    /// What it is a part of, where it is.
    fn part_of(&mut self, kind: &str, args: &Args<'_>) -> Result<(), Failure> {
        let by_kind = kind.strip_suffix("-slave");
        let Some(master) = args.text("master") else {
            return match by_kind {
                Some(_) => Err(Failure::new(format!("a connection of type `{kind}` needs `master`"))),
                None => Ok(()),
            };
        };
        let Some(of) = by_kind.or_else(|| args.text("slave_type")) else {
            return Err(Failure::new("`master` needs `slave_type`: what the master is"));
        };
        self.put("connection.master", master);
        self.put("connection.slave-type", of);
        if of == "bridge" {
            self.all(&BRIDGE_PORT, args);
        }
        Ok(())
    }

    fn addresses(&mut self, args: &Args<'_>) -> Result<(), Failure> {
        for (argument, family, method, whole) in
            [("ip4", "ipv4", "method4", 32), ("ip6", "ipv6", "method6", 128)]
        {
            let Some(addresses) = args.list(argument) else { continue };
            let with_prefix = |address: String| {
                if address.contains('/') { address } else { format!("{address}/{whole}") }
            };
            let addresses: Vec<String> = addresses.into_iter().map(with_prefix).collect();
            if !addresses.is_empty() && args.text(method).is_none() {
                self.put(&format!("{family}.method"), "manual");
            }
            self.put(&format!("{family}.addresses"), addresses.join(","));
        }
        self.all(&IP, args);
        for (argument, property) in [("routes4_extended", "ipv4.routes"), ("routes6_extended", "ipv6.routes")]
        {
            if let Some(routes) = args.raw(argument).and_then(Value::as_array) {
                let routes: Result<Vec<String>, Failure> = routes.iter().map(route).collect();
                self.put(property, routes?.join(","));
            }
        }
        if let Some(privacy) = args.text("ip_privacy6") {
            let number = match privacy {
                "disabled" => "0",
                "prefer-public-addr" => "1",
                "prefer-temp-addr" => "2",
                _ => "-1",
            };
            self.put("ipv6.ip6-privacy", number);
        }
        Ok(())
    }

    fn device(&mut self, kind: &str, args: &Args<'_>) {
        let setting = match kind {
            "infiniband" => "infiniband",
            "gre" | "ipip" | "sit" => "ip-tunnel",
            _ => "802-3-ethernet",
        };
        if let Some(mtu) = args.int("mtu") {
            let mtu = if mtu == 0 { "auto".to_owned() } else { mtu.to_string() };
            self.put(&format!("{setting}.mtu"), mtu);
        }
        if let Some(mac) = args.text("mac").filter(|_| kind != "bridge") {
            self.put(&format!("{setting}.mac-address"), mac);
        }
    }

    fn kind(&mut self, kind: &str, args: &Args<'_>) -> Result<(), Failure> {
        match kind {
            "bond" => {
                let option = |(argument, option): &(&str, &str)| {
                    Some(format!("{option}={}", written(args.raw(argument)?)))
                };
                let options: Vec<String> = BOND.iter().filter_map(option).collect();
                self.put("bond.options", options.join(","));
            }
            "bridge" => self.all(&BRIDGE, args),
            "team" => self.all(&TEAM, args),
            "vlan" => {
                for (argument, what) in [("vlanid", "number"), ("vlandev", "device")] {
                    if args.raw(argument).is_none() {
                        return Err(Failure::new(format!("a VLAN needs its {what}: `{argument}`")));
                    }
                }
                self.all(&VLAN, args);
            }
            "vxlan" => self.all(&VXLAN, args),
            "gre" | "ipip" | "sit" => {
                self.put("ip-tunnel.mode", kind);
                self.all(&TUNNEL, args);
            }
            "macvlan" => {
                let given = args.raw("macvlan").and_then(Value::as_object);
                let given =
                    given.ok_or_else(|| Failure::new("a MACVLAN needs `macvlan`: mode and parent"))?;
                for (name, value) in given {
                    self.put(&format!("macvlan.{name}"), written(value));
                }
            }
            "infiniband" => self.all(&[("transport_mode", "infiniband.transport-mode")], args),
            _ => {}
        }
        Ok(())
    }
}

/// A value as nmcli takes it.
fn written(value: &Value) -> String {
    match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(written).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// `IP/PREFIX GATEWAY METRIC attribute=value …`
fn route(given: &Value) -> Result<String, Failure> {
    let wrong =
        || Failure::new(format!("a route is a mapping with `ip`, `next_hop`, `metric`, …: `{given}`"));
    let given: &Map<String, Value> = given.as_object().ok_or_else(wrong)?;
    let mut parts = vec![given.get("ip").and_then(Value::as_str).ok_or_else(wrong)?.to_owned()];
    for name in ["next_hop", "metric"] {
        parts.extend(given.get(name).filter(|value| !value.is_null()).map(written));
    }
    for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "ip" | "next_hop" | "metric" => {}
            "cwnd" | "mtu" | "onlink" | "table" | "tos" | "src" => {
                let value = value.as_bool().map_or_else(|| written(value), |flag| flag.to_string());
                parts.push(format!("{name}={value}"));
            }
            _ => {
                return Err(Failure::new(format!(
                    "a route has no `{name}`: ip, next_hop, metric, table, mtu, cwnd, onlink, tos, src"
                )));
            }
        }
    }
    Ok(parts.join(" "))
}

/// The value to set, where what is there is another one.
pub(super) fn differing(property: &str, known: &str, wanted: &str) -> Option<String> {
    let is_same = match property {
        "bond.options" => return bond_options(known, wanted),
        _ if property.ends_with("mac-address") => known.eq_ignore_ascii_case(wanted),
        _ if property.ends_with(".routes") || property.ends_with(".routing-rules") => {
            sets(known) == sets(wanted)
        }
        _ if property.ends_with(".dns") => {
            let list = |text: &str| {
                text.split([',', ' ']).filter(|one| !one.is_empty()).map(str::to_owned).collect::<Vec<_>>()
            };
            list(known) == list(wanted)
        }
        "ipv4.addresses" | "ipv6.addresses" | "vlan.ingress-priority-map" | "vlan.egress-priority-map" => {
            items(known) == items(wanted)
        }
        _ => known == wanted || items(known) == items(wanted),
    };
    (!is_same).then(|| wanted.to_owned())
}

fn items(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().to_lowercase()).filter(|item| !item.is_empty()).collect()
}

/// Each item is a set of words: nmcli tells the attributes of a route in an order of its own.
fn sets(text: &str) -> BTreeSet<BTreeSet<String>> {
    items(text).iter().map(|item| item.split_whitespace().map(str::to_owned).collect()).collect()
}

/// Options that the task does not name stay.
fn bond_options(known: &str, wanted: &str) -> Option<String> {
    let pairs = |text: &str| -> BTreeMap<String, String> {
        // A value may have commas itself: what has no `=` goes on with the one before.
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            match (part.split_once('='), pairs.last_mut()) {
                (Some((name, value)), _) => pairs.push((name.to_owned(), value.to_owned())),
                (None, Some((_, value))) => *value += &format!(",{part}"),
                (None, None) => {}
            }
        }
        pairs.into_iter().collect()
    };
    let (known, wanted) = (pairs(known), pairs(wanted));
    let mut all = known.clone();
    all.extend(wanted);
    let text = |pairs: &BTreeMap<String, String>| {
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
    };
    (all != known).then(|| text(&all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::module::{coerce, find};
    use serde_json::json;

    fn wanted(args: Value) -> Result<Vec<(String, String)>, Failure> {
        let Value::Object(args) = args else { panic!("arguments are a mapping") };
        let args = coerce(find("nmcli").expect("it is there"), &args).expect("good arguments");
        let args = Args { values: &args };
        let kind = args.text("type").expect("a type").to_owned();
        Wanted::of("one", &kind, &args).map(|wanted| wanted.properties)
    }

    fn value(of: &[(String, String)], property: &str) -> Option<String> {
        of.iter().find(|(name, _)| name == property).map(|(_, value)| value.clone())
    }

    #[test]
    fn addresses_make_the_method_manual_and_get_a_prefix() {
        let args = json!({"conn_name": "one", "state": "present", "type": "ethernet", "ip4": ["10.0.0.1", "10.0.0.2/24"],
            "dns4": ["10.0.0.9"], "routes4_extended": [{"ip": "10.1.0.0/16", "next_hop": "10.0.0.9", "table": 5}]});
        let found = wanted(args).expect("good");
        assert_eq!(value(&found, "ipv4.addresses").as_deref(), Some("10.0.0.1/32,10.0.0.2/24"));
        assert_eq!(value(&found, "ipv4.method").as_deref(), Some("manual"));
        assert_eq!(value(&found, "ipv4.routes").as_deref(), Some("10.1.0.0/16 10.0.0.9 table=5"));
        assert_eq!(value(&found, "connection.interface-name").as_deref(), Some("one"));
    }

    #[test]
    fn part_of_a_bond_has_no_addresses() {
        let found =
            wanted(json!({"conn_name": "one", "state": "present", "type": "bond-slave", "master": "b0"}));
        let found = found.expect("good");
        assert_eq!(value(&found, "connection.slave-type").as_deref(), Some("bond"));
        assert!(found.iter().all(|(property, _)| !property.starts_with("ipv")), "{found:?}");
        assert!(wanted(json!({"conn_name": "one", "state": "present", "type": "bond-slave"})).is_err());
    }

    #[test]
    fn values_are_the_same_however_nmcli_writes_them() {
        for (property, known, wanted) in [
            ("ipv4.addresses", "10.0.0.1/24, 10.0.0.2/24", "10.0.0.1/24,10.0.0.2/24"),
            ("ipv4.dns", "10.0.0.1,10.0.0.2", "10.0.0.1 10.0.0.2"),
            ("ipv4.routes", "10.1.0.0/16 10.0.0.9 table=5 mtu=9", "10.1.0.0/16 10.0.0.9 mtu=9 table=5"),
            ("bridge.mac-address", "02:AA:00:00:00:01", "02:aa:00:00:00:01"),
            ("bond.options", "mode=active-backup,miimon=100", "mode=active-backup"),
        ] {
            assert_eq!(differing(property, known, wanted), None, "{property}");
        }
        let merged = differing("bond.options", "mode=802.3ad,miimon=100", "miimon=50");
        assert_eq!(merged.as_deref(), Some("miimon=50,mode=802.3ad"));
    }
}
