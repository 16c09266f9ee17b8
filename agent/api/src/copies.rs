//! How many copies of one thing a configuration may ask for. Copies that are all alike need no bound: there is never more than
//! one on a node. Those that are told apart exist, each with its number, whether or not there is a place for them.

use crate::cluster::{ClusterConfig, Owner, parse_bool};
use crate::id::ResourceId;
use crate::resource::{Bundle, CloneSet, Resource};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// The most copies of one clone that are told apart: far more than clusters have, and few enough that every one can be looked
/// at in each decision.
pub const COPIES_MAX: usize = 1000;

/// The most replicas of one bundle. Each is four resources and a node, and each must have an address: a network of 24 bits has
/// room for no more.
pub const REPLICAS_MAX: usize = 250;

/// A count that asks for more copies than there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooMany {
    /// The clone or the bundle.
    pub resource: ResourceId,
    /// The name of the count, as it is written (`clone-max`, `replicas`, …).
    pub count: String,
    /// The value, as it is written.
    pub value: String,
    bound: Bound,
}

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Copies,
    Replicas,
}

impl Bound {
    fn max(self) -> usize {
        match self {
            Self::Copies => COPIES_MAX,
            Self::Replicas => REPLICAS_MAX,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Copies => "a clone whose copies are told apart (`globally-unique`)",
            Self::Replicas => "a bundle",
        };
        write!(formatter, "{what} has at most {}", self.max())
    }
}

impl fmt::Display for TooMany {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, count, value, bound } = self;
        write!(formatter, "`{count}` of `{resource}` is `{value}`, and {bound}; lower it")
    }
}

/// The counts that are too high.
pub fn too_many(config: &ClusterConfig) -> Vec<TooMany> {
    let mut found = Vec::new();
    for resource in &config.resources {
        match resource {
            Resource::Clone(clone) if may_be_unique(config, clone) => {
                let names = ["clone-max", "clone-node-max"];
                let layers = layers(config, clone).into_iter();
                found.extend(layers.filter_map(|layer| above(Bound::Copies, &clone.id, layer, &names)));
            }
            Resource::Bundle(bundle) => found.extend(too_many_replicas(bundle)),
            _ => {}
        }
    }
    found
}

type Attributes = BTreeMap<String, String>;

/// All that may say something of a clone: its own attributes, those that a rule turns on, the defaults.
fn layers<'c>(config: &'c ClusterConfig, clone: &'c CloneSet) -> Vec<&'c Attributes> {
    let is_about = |owner: &Owner| match owner {
        Owner::Meta(id) => *id == clone.id,
        Owner::ResourceDefaults => true,
        _ => false,
    };
    let conditional = config.conditional.iter().filter(|one| is_about(&one.owner));
    [&clone.meta, &config.resource_defaults]
        .into_iter()
        .chain(conditional.map(|one| &one.values.values))
        .collect()
}

fn may_be_unique(config: &ClusterConfig, clone: &CloneSet) -> bool {
    let says_so = |attributes: &&Attributes| {
        attributes.get("globally-unique").and_then(|text| parse_bool(text)) == Some(true)
    };
    layers(config, clone).iter().any(says_so)
}

fn too_many_replicas(bundle: &Bundle) -> Option<TooMany> {
    let names = ["replicas", "replicas-per-host", "promoted-max", "masters"];
    above(Bound::Replicas, &bundle.id, &bundle.container, &names)
}

fn above(bound: Bound, resource: &ResourceId, attributes: &Attributes, names: &[&str]) -> Option<TooMany> {
    let is_above = |text: &str| {
        let digits = text.trim().trim_start_matches('+');
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // A number that no integer holds is above the bound too.
        is_number && digits.parse().map_or(true, |count: usize| count > bound.max())
    };
    let (count, value) =
        names.iter().find_map(|name| Some((*name, attributes.get(*name).filter(|text| is_above(text))?)))?;
    Some(TooMany { resource: resource.clone(), count: count.to_string(), value: value.clone(), bound })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{AgentName, Content, Primitive};
    use alloc::vec;

    fn attributes(pairs: &[(&str, &str)]) -> Attributes {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn clone(meta: &[(&str, &str)]) -> ClusterConfig {
        let primitive = Primitive {
            id: "lock".into(),
            agent: AgentName::parse("ocf:pacemaker:controld").unwrap(),
            params: Attributes::new(),
            meta: Attributes::new(),
            operations: Vec::new(),
        };
        let content = Content::Primitive(primitive);
        let clone = CloneSet { id: "locks".into(), content, meta: attributes(meta) };
        ClusterConfig { resources: vec![Resource::Clone(clone)], ..ClusterConfig::default() }
    }

    #[test]
    fn copies_that_are_told_apart_have_a_bound_and_others_have_none() {
        let alike = clone(&[("clone-max", "4294967295")]);
        assert_eq!(too_many(&alike), []);
        let unique = clone(&[("clone-max", "99999999999999999999999"), ("globally-unique", "true")]);
        let sentence = too_many(&unique)[0].to_string();
        assert!(
            sentence.starts_with("`clone-max` of `locks` is `99999999999999999999999`, and"),
            "{sentence}"
        );
        let enough = clone(&[("clone-max", "1000"), ("globally-unique", "true")]);
        assert_eq!(too_many(&enough), []);
    }

    #[test]
    fn defaults_count_for_a_clone_too() {
        let mut config = clone(&[("clone-node-max", "1001")]);
        config.resource_defaults = attributes(&[("globally-unique", "yes")]);
        assert_eq!(too_many(&config)[0].count, "clone-node-max");
    }

    #[test]
    fn replicas_have_a_bound() {
        let bundle = Bundle {
            id: "web".into(),
            technology: "podman".into(),
            container: attributes(&[("promoted-max", "2000")]),
            network: Attributes::new(),
            mappings: Vec::new(),
            primitive: None,
            meta: Attributes::new(),
        };
        let config = ClusterConfig { resources: vec![Resource::Bundle(bundle)], ..ClusterConfig::default() };
        assert_eq!(
            too_many(&config)[0].to_string(),
            "`promoted-max` of `web` is `2000`, and a bundle has at most 250; lower it"
        );
    }
}
