//! What a resource was started with: the digest that a record holds of the parameters, as Pacemaker computes it (MD5 over
//! the parameters as an XML element, sorted by name).

use super::xml::Element;
use md5::{Digest, Md5};
use muster_api::resource::{AgentClass, AgentName};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Whether a record that says how the resource came up was made with other parameters than these.
pub(super) fn differ(op: Element<'_>, agent: &AgentName, params: &BTreeMap<String, String>) -> bool {
    let comes_up = match op.attribute("operation") {
        Some("start" | "migrate_from") => true,
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
