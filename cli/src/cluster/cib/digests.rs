//! What a resource was started with: the digest that a record holds of the parameters, as Pacemaker computes it (MD5 over
//! the parameters as an XML element, sorted by name).

use super::xml::Element;
use md5::{Digest, Md5};
use muster_api::cluster::ClusterConfig;
use muster_api::resource::{AgentClass, AgentName};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Whether a record that says how the resource came up was made with other parameters than these.
pub(super) fn differ(op: Element<'_>, agent: &AgentName, params: &BTreeMap<String, String>) -> bool {
    let comes_up = match op.attribute("operation") {
        Some("start" | "promote" | "migrate_from") => true,
        Some("monitor") => op.attribute("interval").is_none_or(|interval| interval == "0"),
        _ => false,
    };
    let is_different = |attribute: &str, params: &BTreeMap<String, String>| {
        op.attribute(attribute).map(|recorded| recorded != digest(params))
    };
    // A saved CIB may show asterisks for secrets: then only the others can be compared.
    comes_up
        && is_different("op-digest", params) == Some(true)
        && is_different("op-secure-digest", &without_secrets(op, agent, params)) != Some(false)
}

/// Whether the agent can take over changed parameters while the resource runs: those that it cannot, which the record
/// names, are as they were.
pub(super) fn can_reload(op: Element<'_>, params: &BTreeMap<String, String>) -> bool {
    let (Some(recorded), Some(names)) = (op.attribute("op-restart-digest"), op.attribute("op-force-restart"))
    else {
        return false;
    };
    let names: Vec<&str> = names.split_whitespace().collect();
    let mut decisive = params.clone();
    decisive.retain(|name, _| names.contains(&name.as_str()));
    recorded == digest(&decisive)
}

/// Whether the last failure that a resource has on record was one of other parameters than these: it says nothing of them.
pub(super) fn failed_with_others(op: Element<'_>, params: &BTreeMap<String, String>) -> bool {
    let is_last_failure = op.attribute("id").is_some_and(|id| id.contains("_last_failure"));
    let is_once = op.attribute("interval").is_none_or(|interval| interval == "0");
    let comes_up = is_once && matches!(op.attribute("operation"), Some("start" | "monitor"));
    is_last_failure
        && comes_up
        && op.attribute("op-digest").is_some_and(|recorded| recorded != digest(params))
}

/// The parameters that are no secrets; of a fence device without those that only the cluster reads.
fn without_secrets(
    op: Element<'_>,
    agent: &AgentName,
    params: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let secrets: Vec<&str> =
        op.attribute("op-secure-params").unwrap_or_default().split_whitespace().collect();
    let is_for_cluster = |name: &str| agent.class == AgentClass::Stonith && name.starts_with("pcmk_");
    let mut rest = params.clone();
    rest.retain(|name, _| !secrets.contains(&name.as_str()) && !is_for_cluster(name));
    rest
}

/// Why a node is to be unfenced again: it was with other devices, or others of their parameters, than there are now. The
/// node's attributes hold `DEVICE:AGENT:DIGEST,` for each.
pub(super) fn other_device(config: &ClusterConfig, attributes: &BTreeMap<String, String>) -> Option<String> {
    let recorded = |name: &str| attributes.get(name).map(String::as_str);
    let (all, secure) = (recorded("#digests-all")?, recorded("#digests-secure").unwrap_or_default());
    let devices = config.primitives().map(|(primitive, _)| primitive).filter(|primitive| {
        let provides = primitive.meta.get("provides").map(String::as_str);
        primitive.agent.class == AgentClass::Stonith && provides == Some("unfencing")
    });
    let mut devices = devices.filter(|device| {
        let entry = |params: &BTreeMap<String, String>| {
            format!("{}:{}:{},", device.id, device.agent.name, digest(params))
        };
        let mut open = device.params.clone();
        open.retain(|name, _| !name.starts_with("pcmk_") && !SECRETS.contains(&name.as_str()));
        !all.contains(&entry(&device.params)) && !secure.contains(&entry(&open))
    });
    let device = devices.next()?;
    Some(format!("it was unfenced before its fence device {} changed", device.id))
}

/// Parameters of fence devices that are secrets.
const SECRETS: &[&str] = &["passwd", "password"];

fn digest(params: &BTreeMap<String, String>) -> String {
    let mut text = String::from(" <parameters");
    for (name, value) in params {
        // Writing to a string does not fail.
        let _ = write!(text, " {name}=\"{}\"", escaped(value));
    }
    text.push_str("/>\n");
    Md5::digest(text.as_bytes()).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn escaped(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_no_parameters_is_the_one_that_pacemaker_records() {
        assert_eq!(digest(&BTreeMap::new()), "f2317cad3d54cec5d7d7aa7d0bf35cf8");
    }
}
