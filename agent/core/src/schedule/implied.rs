//! What is configured in few words and comes to resources of its own: the connection to a guest node, and all that a
//! bundle consists of (Pacemaker Explained, "Bundles"; Pacemaker Remote, "Guest Nodes").

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use muster_api::cluster::ClusterConfig;
use muster_api::copies::REPLICAS_MAX;
use muster_api::duration::parse_ms;
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::{
    AgentClass, AgentName, Bundle, CloneSet, Content, Operation, Primitive, Resource,
};

/// The port on which the other end of a connection listens unless another is configured.
const CONNECTION_PORT: u16 = 3121;
const CONNECTION_MONITOR_MS: u64 = 30_000;
const CONTAINER_MONITOR_MS: u64 = 60_000;

type Attributes = BTreeMap<String, String>;

/// A bundle with everything that it consists of.
#[derive(Debug)]
pub(crate) struct BundleParts {
    pub(crate) id: ResourceId,
    pub(crate) replicas: Vec<ReplicaParts>,
    /// `replicas-per-host`.
    pub(crate) max_on_node: usize,
    /// A clone of the resource inside, where there is one.
    pub(crate) content: Option<CloneSet>,
}

/// One replica of a bundle.
#[derive(Debug)]
pub(crate) struct ReplicaParts {
    pub(crate) container: Primitive,
    pub(crate) address: Option<Primitive>,
    /// To the node that the container is for the resource inside.
    pub(crate) connection: Option<Primitive>,
}

/// The nodes that a configuration knows beside the members: remote nodes, guest nodes, the insides of bundles.
pub fn connected_nodes(config: &ClusterConfig) -> Vec<NodeName> {
    let name = |id: &ResourceId| NodeName::from(id.as_str());
    let mut names = Vec::new();
    for (primitive, _) in config.primitives() {
        names.extend(primitive.agent.is_connection().then(|| name(&primitive.id)));
        names.extend(primitive.meta.get("remote-node").map(|guest| NodeName::from(guest.as_str())));
    }
    let connections = bundles(config).into_iter().flat_map(|bundle| bundle.replicas);
    names.extend(connections.filter_map(|replica| Some(name(&replica.connection?.id))));
    names
}

/// The configuration with a connection for each guest node.
pub(crate) fn with_guests(config: Cow<'_, ClusterConfig>) -> Cow<'_, ClusterConfig> {
    let guests: Vec<Resource> =
        config.primitives().filter_map(|(host, _)| guest_connection(host)).map(Resource::Primitive).collect();
    if guests.is_empty() {
        return config;
    }
    let mut config = config.into_owned();
    config.resources.extend(guests);
    Cow::Owned(config)
}

/// The connection to the node that a resource is (`remote-node`).
fn guest_connection(host: &Primitive) -> Option<Primitive> {
    let name = host.meta.get("remote-node")?;
    let of_host = |meta: &str| host.meta.get(meta).cloned();
    let address = of_host("remote-addr").unwrap_or_else(|| name.clone());
    let port = of_host("remote-port").unwrap_or_else(|| CONNECTION_PORT.to_string());
    let mut connection = connection(name, &host.id, address, port);
    if let Some(timeout_ms) = of_host("remote-connect-timeout").and_then(|text| parse_ms(&text)) {
        connection.operations.push(Operation { timeout_ms: Some(timeout_ms), ..operation("start", 0) });
    }
    for (meta, value) in
        [("allow-migrate", of_host("remote-allow-migrate")), ("is-managed", of_host("is-managed"))]
    {
        connection.meta.extend(value.map(|value| (meta.to_string(), value)));
    }
    Some(connection)
}

fn connection(name: &str, container: &ResourceId, address: String, port: String) -> Primitive {
    Primitive {
        id: name.into(),
        agent: ocf("pacemaker", "remote"),
        params: [("addr".to_string(), address), ("port".to_string(), port)].into(),
        meta: [("container".to_string(), container.to_string())].into(),
        operations: alloc::vec![Operation {
            timeout_ms: Some(CONNECTION_MONITOR_MS),
            ..operation("monitor", CONNECTION_MONITOR_MS)
        }],
    }
}

fn ocf(provider: &str, name: &str) -> AgentName {
    AgentName { class: AgentClass::Ocf, provider: Some(provider.to_string()), name: name.to_string() }
}

fn operation(name: &str, interval_ms: u64) -> Operation {
    Operation {
        name: name.to_string(),
        interval_ms,
        timeout_ms: None,
        on_fail: None,
        role: None,
        enabled: true,
    }
}

/// What each bundle consists of. One whose inside could not be reached has no parts.
pub(crate) fn bundles(config: &ClusterConfig) -> Vec<BundleParts> {
    let bundles = config.resources.iter().filter_map(|resource| match resource {
        Resource::Bundle(bundle) => Some(bundle),
        _ => None,
    });
    bundles.filter_map(parts).collect()
}

fn parts(bundle: &Bundle) -> Option<BundleParts> {
    let network = |name: &str| bundle.network.get(name);
    let (has_range, has_port) = (network("ip-range-start").is_some(), network("control-port").is_some());
    if bundle.primitive.is_some() && !has_range && !has_port {
        return None;
    }
    let promoted_max = count(bundle, "promoted-max").or_else(|| count(bundle, "masters")).unwrap_or(0);
    let replicas = count(bundle, "replicas").unwrap_or(promoted_max).clamp(1, REPLICAS_MAX);
    // Several on one host could not share a port.
    let is_one_per_host = bundle.primitive.is_some() && !has_range;
    let max_on_node =
        if is_one_per_host { 1 } else { count(bundle, "replicas-per-host").unwrap_or(1).max(1) };
    let content = bundle.primitive.as_ref().map(|primitive| {
        let meta = content_meta(replicas, max_on_node, promoted_max);
        let id = format!("{}-clone", bundle.id).as_str().into();
        CloneSet { id, content: Content::Primitive(primitive.clone()), meta }
    });
    let replicas = (0..replicas).map(|number| replica(bundle, number)).collect();
    Some(BundleParts { id: bundle.id.clone(), replicas, max_on_node, content })
}

fn count(bundle: &Bundle, name: &str) -> Option<usize> {
    bundle.container.get(name).and_then(|text| text.trim().parse().ok())
}

fn content_meta(replicas: usize, max_on_node: usize, promoted_max: usize) -> Attributes {
    let mut meta = Attributes::from([
        ("ordered".to_string(), "true".to_string()),
        ("clone-max".to_string(), replicas.to_string()),
        ("clone-node-max".to_string(), max_on_node.to_string()),
        ("globally-unique".to_string(), (max_on_node > 1).to_string()),
    ]);
    if promoted_max > 0 {
        meta.insert("promotable".to_string(), "true".to_string());
        meta.insert("promoted-max".to_string(), promoted_max.to_string());
    }
    meta
}

fn replica(bundle: &Bundle, number: usize) -> ReplicaParts {
    let container_id = ResourceId::from(format!("{}-{}-{number}", bundle.id, bundle.technology).as_str());
    let address = address(bundle, number);
    let connection = bundle.primitive.as_ref().map(|_| {
        let port = bundle.network.get("control-port").cloned();
        let port = port.unwrap_or_else(|| CONNECTION_PORT.to_string());
        let at = address.map_or_else(|| "#uname".to_string(), |address| address.to_string());
        connection(&format!("{}-{number}", bundle.id), &container_id, at, port)
    });
    let image = bundle.container.get("image").cloned().unwrap_or_default();
    let container = Primitive {
        id: container_id,
        agent: ocf("heartbeat", &bundle.technology),
        params: [("image".to_string(), image)].into(),
        meta: Attributes::new(),
        operations: alloc::vec![operation("monitor", CONTAINER_MONITOR_MS)],
    };
    let address = address.map(|address| address_resource(bundle, address));
    ReplicaParts { container, address, connection }
}

/// The addresses of replicas follow each other; those that end in 0 or 255 are left out.
fn address(bundle: &Bundle, number: usize) -> Option<Ipv4Addr> {
    let start: Ipv4Addr = bundle.network.get("ip-range-start")?.trim().parse().ok()?;
    (0..number).try_fold(start, |address, _| next_address(address))
}

fn next_address(address: Ipv4Addr) -> Option<Ipv4Addr> {
    let [a, b, c, last] = address.octets();
    match (c < 254, last < 254) {
        (_, true) => Some(Ipv4Addr::new(a, b, c, last + 1)),
        (true, false) => Some(Ipv4Addr::new(a, b, c + 1, 1)),
        (false, false) => None,
    }
}

fn address_resource(bundle: &Bundle, address: Ipv4Addr) -> Primitive {
    let option = |name: &str| bundle.network.get(name).cloned();
    let netmask = option("host-netmask").unwrap_or_else(|| "32".to_string());
    let mut params =
        Attributes::from([("ip".to_string(), address.to_string()), ("cidr_netmask".to_string(), netmask)]);
    params.extend(option("host-interface").map(|interface| ("nic".to_string(), interface)));
    Primitive {
        id: format!("{}-ip-{address}", bundle.id).as_str().into(),
        agent: ocf("heartbeat", "IPaddr2"),
        params,
        meta: Attributes::new(),
        operations: alloc::vec![operation("monitor", CONTAINER_MONITOR_MS)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(container: &[(&str, &str)], network: &[(&str, &str)]) -> Bundle {
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect()
        };
        Bundle {
            id: "web".into(),
            technology: "podman".into(),
            container: owned(container),
            network: owned(network),
            mappings: Vec::new(),
            primitive: Some(Primitive {
                id: "httpd".into(),
                agent: ocf("heartbeat", "apache"),
                params: Attributes::new(),
                meta: Attributes::new(),
                operations: Vec::new(),
            }),
            meta: Attributes::new(),
        }
    }

    #[test]
    fn a_replica_has_a_container_an_address_and_a_connection() {
        let parts = parts(&bundle(&[("replicas", "2")], &[("ip-range-start", "10.0.0.254")])).unwrap();
        let ids: Vec<String> =
            parts.replicas.iter().map(|replica| replica.container.id.to_string()).collect();
        assert_eq!(ids, ["web-podman-0", "web-podman-1"]);
        let addresses: Vec<&str> =
            parts.replicas[1].address.iter().map(|address| address.id.as_str()).collect();
        assert_eq!(addresses, ["web-ip-10.0.1.1"]);
        assert_eq!(parts.replicas[0].connection.as_ref().unwrap().params["port"], "3121");
    }

    #[test]
    fn a_resource_that_nothing_leads_to_makes_no_bundle() {
        assert!(parts(&bundle(&[], &[])).is_none());
    }

    #[test]
    fn replicas_default_to_the_promoted_ones() {
        let parts = parts(&bundle(&[("promoted-max", "3")], &[("control-port", "9999")])).unwrap();
        assert_eq!(parts.replicas.len(), 3);
        assert_eq!(parts.content.unwrap().meta["promoted-max"], "3");
    }
}
