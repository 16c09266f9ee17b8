//! Interfaces, addresses, routes and the resolver.

use super::facts;
use crate::worker::View;
use serde_json::{Map, Value, json};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

pub(super) fn interfaces(view: &View<'_>) -> Map<String, Value> {
    let (links, v4, v6) = if view.program("ip").is_some() {
        let route = |family| ask(&["-j", family, "route", "show", "default"], view);
        (ask(&["-j", "address"], view), route("-4"), route("-6"))
    } else {
        (links_of_kernel(view), routes_of_kernel(&view.text("/proc/net/route")), Vec::new())
    };
    let mut facts = told(&links, &v4, &v6);
    for link in &links {
        let Some(name) = link["ifname"].as_str() else { continue };
        let folder = Path::new("/sys/class/net").join(name);
        if let Some(Value::Object(interface)) = facts.get_mut(&fact_name(name)) {
            kernel_details(&folder, view, interface);
        }
    }
    facts
}

fn ask(words: &[&str], view: &View<'_>) -> Vec<Value> {
    let ran = view.ask("ip", words);
    let text = ran.ok().filter(|ran| ran.is_fine()).map(|ran| ran.out()).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// What `ip` would say of interfaces, on a host without it.
fn links_of_kernel(view: &View<'_>) -> Vec<Value> {
    let addresses = crate::host::own_addresses().unwrap_or_default();
    let names = view.list(Path::new("/sys/class/net")).unwrap_or_default();
    let names = names.into_iter().map(|name| name.to_string_lossy().into_owned());
    names
        .map(|name| {
            let read = |file: &str| view.text(&format!("/sys/class/net/{name}/{file}")).trim().to_owned();
            let own = addresses.iter().filter(|address| address.interface == name);
            let told = own.map(|own| {
                let family = if own.address.is_ipv4() { "inet" } else { "inet6" };
                json!({"family": family, "local": own.address.to_string(), "prefixlen": own.prefix, "scope": "global"})
            });
            // ARPHRD_LOOPBACK of if_arp.h.
            let kind = if read("type") == "772" { "loopback" } else { "ether" };
            json!({
                "ifname": name,
                "link_type": kind,
                "address": read("address"),
                "mtu": read("mtu").parse::<u64>().unwrap_or(0),
                "flags": if read("operstate") == "down" { json!([]) } else { json!(["UP"]) },
                "addr_info": told.collect::<Vec<_>>(),
            })
        })
        .collect()
}

/// The default routes of /proc/net/route: addresses there are words of the host's byte order, in hexadecimal.
fn routes_of_kernel(table: &str) -> Vec<Value> {
    let address =
        |word: &str| u32::from_str_radix(word, 16).ok().map(|word| Ipv4Addr::from(word.to_ne_bytes()));
    let routes = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [interface, destination, gateway, _, _, _, metric, mask] = words.first_chunk::<8>()?;
        let is_default = *destination == "00000000" && *mask == "00000000";
        let metric = metric.parse::<u64>().unwrap_or(0);
        is_default.then(|| json!({"dev": interface, "gateway": address(gateway).map(|to| to.to_string()), "metric": metric}))
    });
    routes.collect()
}

/// A fact's name has no characters that a variable cannot have.
fn fact_name(interface: &str) -> String {
    interface.replace(['-', '.', ':', '@'], "_")
}

fn told(links: &[Value], default_v4: &[Value], default_v6: &[Value]) -> Map<String, Value> {
    let mut facts = Map::new();
    let (mut names, mut all_v4, mut all_v6): (Vec<Value>, Vec<Value>, Vec<Value>) = Default::default();
    for link in links {
        let Some(name) = link["ifname"].as_str() else { continue };
        let interface = interface(link);
        let is_loopback = interface["type"] == "loopback";
        for address in addresses(link, "inet").filter(|_| !is_loopback) {
            all_v4.push(address["local"].clone());
        }
        for address in addresses(link, "inet6").filter(|_| !is_loopback) {
            all_v6.push(address["local"].clone());
        }
        names.push(name.into());
        facts.insert(fact_name(name), interface);
    }
    facts.insert("default_ipv4".into(), default_of(links, default_v4, "inet"));
    facts.insert("default_ipv6".into(), default_of(links, default_v6, "inet6"));
    facts.insert("interfaces".into(), names.into());
    facts.insert("all_ipv4_addresses".into(), all_v4.into());
    facts.insert("all_ipv6_addresses".into(), all_v6.into());
    facts
}

fn addresses<'a>(link: &'a Value, family: &'a str) -> impl Iterator<Item = &'a Value> {
    link["addr_info"].as_array().into_iter().flatten().filter(move |address| address["family"] == family)
}

fn interface(link: &Value) -> Value {
    let flags: Vec<&str> = link["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut told = json!({
        "device": link["ifname"],
        "macaddress": link["address"],
        "mtu": link["mtu"],
        "active": flags.contains(&"UP"),
        "promisc": flags.contains(&"PROMISC"),
        "type": match link["link_type"].as_str().unwrap_or("") {
            "loopback" => "loopback",
            "ether" => "ether",
            other => other,
        },
    });
    let mut v4 = addresses(link, "inet").filter_map(ipv4);
    if let Some(first) = v4.next() {
        told["ipv4"] = first;
        let others: Vec<Value> = v4.collect();
        if !others.is_empty() {
            told["ipv4_secondaries"] = others.into();
        }
    }
    let v6: Vec<Value> = addresses(link, "inet6")
        .map(|address| json!({"address": address["local"], "prefix": address["prefixlen"].to_string(), "scope": address["scope"]}))
        .collect();
    if !v6.is_empty() {
        told["ipv6"] = v6.into();
    }
    told
}

fn ipv4(address: &Value) -> Option<Value> {
    let local: Ipv4Addr = address["local"].as_str()?.parse().ok()?;
    let prefix = u32::try_from(address["prefixlen"].as_u64()?).ok().filter(|prefix| *prefix <= 32)?;
    let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
    let broadcast = address["broadcast"].as_str().unwrap_or("");
    Some(json!({
        "address": local.to_string(),
        "netmask": Ipv4Addr::from(mask).to_string(),
        "network": Ipv4Addr::from(u32::from(local) & mask).to_string(),
        "broadcast": broadcast,
        "prefix": prefix.to_string(),
    }))
}

/// The address that the default route leaves from.
fn default_of(links: &[Value], routes: &[Value], family: &str) -> Value {
    let Some(route) = routes.iter().min_by_key(|route| route["metric"].as_u64().unwrap_or(0)) else {
        return json!({});
    };
    let link = links.iter().find(|link| link["ifname"] == route["dev"]);
    let mut told = json!({"gateway": route["gateway"], "interface": route["dev"]});
    let Some(link) = link else { return told };
    told["macaddress"] = link["address"].clone();
    told["mtu"] = link["mtu"].clone();
    told["type"] = link["link_type"].clone();
    let preferred = route["prefsrc"].as_str();
    let is_usable = |address: &&Value| family == "inet" || address["scope"] == "global";
    let usable: Vec<&Value> = addresses(link, family).filter(is_usable).collect();
    let address = usable
        .iter()
        .find(|address| preferred.is_some() && address["local"].as_str() == preferred)
        .or_else(|| usable.first())
        .copied();
    let Some(address) = address else { return told };
    let details = if family == "inet" { ipv4(address) } else { Some(ipv6(address)) };
    if let (Value::Object(told), Some(Value::Object(details))) = (&mut told, details) {
        told.extend(details);
    }
    if family == "inet" {
        told["alias"] = link["ifname"].clone();
    }
    told
}

fn ipv6(address: &Value) -> Value {
    let local = address["local"].as_str().and_then(|text| text.parse::<Ipv6Addr>().ok());
    json!({
        "address": local.map_or_else(String::new, |local| local.to_string()),
        "prefix": address["prefixlen"].to_string(),
        "scope": address["scope"],
    })
}

fn kernel_details(folder: &Path, view: &View<'_>, interface: &mut Map<String, Value>) {
    let read = |name: &str| view.text(&folder.join(name).to_string_lossy()).trim().to_owned();
    if let Some(driver) =
        std::fs::read_link(folder.join("device/driver/module")).ok().as_deref().and_then(Path::file_name)
    {
        interface.insert("module".into(), driver.to_string_lossy().into());
    }
    if let Ok(speed) = read("speed").parse::<i64>() {
        interface.insert("speed".into(), speed.into());
    }
    let members = |name: &str| -> Vec<Value> {
        view.list(&folder.join(name))
            .unwrap_or_default()
            .into_iter()
            .map(|name| name.to_string_lossy().into())
            .collect()
    };
    if view.is_directory(&folder.join("bridge")) {
        interface.insert("type".into(), "bridge".into());
        interface.insert("interfaces".into(), members("brif").into());
        interface.insert("stp".into(), (read("bridge/stp_state") == "1").into());
        interface.insert("id".into(), read("bridge/bridge_id").into());
    }
    if view.is_directory(&folder.join("bonding")) {
        interface.insert("type".into(), "bonding".into());
        let slaves: Vec<Value> = read("bonding/slaves").split_whitespace().map(Value::from).collect();
        interface.insert("slaves".into(), slaves.into());
        interface.insert("mode".into(), read("bonding/mode").split(' ').next().unwrap_or("").into());
    }
}

pub(super) fn dns(view: &View<'_>) -> Map<String, Value> {
    facts! { "dns": resolver(&view.text("/etc/resolv.conf")) }
}

/// resolv.conf(5).
fn resolver(text: &str) -> Map<String, Value> {
    let mut dns: Map<String, Value> = Map::new();
    for line in text.lines().map(|line| line.split(['#', ';']).next().unwrap_or("")) {
        let mut words = line.split_whitespace();
        let Some(key) = words.next() else { continue };
        let values: Vec<Value> = words.map(Value::from).collect();
        match (key, values.first()) {
            ("nameserver", Some(first)) => match dns.entry("nameservers").or_insert_with(|| json!([])) {
                Value::Array(servers) => servers.push(first.clone()),
                _ => continue,
            },
            ("domain", Some(first)) => {
                dns.insert("domain".into(), first.clone());
            }
            ("search" | "sortlist", Some(_)) => {
                dns.insert(key.into(), values.into());
            }
            ("options", Some(_)) => {
                let options = values.iter().filter_map(Value::as_str).map(|option| {
                    let (name, value) = option
                        .split_once(':')
                        .map_or((option, json!(true)), |(name, value)| (name, json!(value)));
                    (name.to_owned(), value)
                });
                dns.insert("options".into(), options.collect::<Map<_, _>>().into());
            }
            _ => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_interfaces_and_of_the_default_route_are_told() {
        let links = json!([
            {"ifname": "lo", "link_type": "loopback", "address": "00:00:00:00:00:00", "mtu": 65536, "flags": ["LOOPBACK", "UP"],
             "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8, "scope": "host"}]},
            {"ifname": "br-1", "link_type": "ether", "address": "02:00:00:00:00:01", "mtu": 1500, "flags": ["UP"],
             "addr_info": [{"family": "inet", "local": "192.0.2.7", "prefixlen": 24, "broadcast": "192.0.2.255", "scope": "global"},
                           {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"}]}
        ]);
        let routes = json!([{"dst": "default", "gateway": "192.0.2.1", "dev": "br-1"}]);
        let facts = told(links.as_array().expect("a list"), routes.as_array().expect("a list"), &[]);
        assert_eq!(facts["default_ipv4"]["address"], "192.0.2.7");
        assert_eq!(
            (&facts["default_ipv4"]["network"], &facts["default_ipv4"]["netmask"]),
            (&json!("192.0.2.0"), &json!("255.255.255.0"))
        );
        assert_eq!(
            (&facts["all_ipv4_addresses"], &facts["default_ipv6"]),
            (&json!(["192.0.2.7"]), &json!({}))
        );
        assert_eq!(facts["br_1"]["ipv6"][0]["prefix"], "64");
    }

    #[test]
    fn default_route_is_read_from_the_kernels_table() {
        let gateway = u32::from_ne_bytes([192, 0, 2, 1]);
        let table = format!(
            "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\neth0 00000000 {gateway:08X} 0003 0 0 100 00000000 0 0 0\n"
        );
        assert_eq!(routes_of_kernel(&table), [json!({"dev": "eth0", "gateway": "192.0.2.1", "metric": 100})]);
    }

    #[test]
    fn resolver_configuration_is_read() {
        let dns = resolver(
            "nameserver 192.0.2.53\nnameserver 192.0.2.54\nsearch a.example b.example\noptions ndots:2 rotate\n",
        );
        assert_eq!(
            Value::from(dns),
            json!({"nameservers": ["192.0.2.53", "192.0.2.54"], "search": ["a.example", "b.example"], "options": {"ndots": "2", "rotate": true}})
        );
    }
}
