//! Conditional values whose rule holds become plain ones.

use super::Resolver;
use super::condition::{Facts, holds};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::cluster::{ClusterConfig, Owner};
use muster_api::duration::parse_ms;
use muster_api::resource::{AttributesOf, OnFail, Operation, Primitive, Resource};

type Attributes = BTreeMap<String, String>;

/// Operations that are run although nothing is configured for them; defaults with a rule may be about them.
const IMPLIED_OPERATIONS: [&str; 2] = ["start", "stop"];

impl<'a> Resolver<'a> {
    /// The configuration with all conditional values decided.
    pub(super) fn with_plain_values(&self) -> Cow<'a, ClusterConfig> {
        if self.config.conditional.is_empty() {
            return Cow::Borrowed(self.config);
        }
        let mut plain = self.config.clone();
        plain.conditional.clear();
        plain.properties.extend(self.valid(&Owner::Properties, &self.facts()));
        self.decide_parameters_and_meta(&mut plain);
        self.decide_operations(&mut plain);
        Cow::Owned(plain)
    }

    /// The values of an owner whose rules hold; of several the first counts.
    fn valid(&self, owner: &Owner, facts: &Facts<'_>) -> Attributes {
        let mut valid = Attributes::new();
        for conditional in self.config.conditional.iter().filter(|conditional| conditional.owner == *owner) {
            if holds(&conditional.values.rule, facts) {
                for (name, value) in &conditional.values.values {
                    valid.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        valid
    }

    fn decide_parameters_and_meta(&self, plain: &mut ClusterConfig) {
        for resource in &mut plain.resources {
            resource.for_each_attributes(&mut |attributes| self.decide_attributes(attributes));
        }
    }

    /// Its own values, then those of the resource defaults that nothing else says. What is inside of something else
    /// has that one's values before the defaults.
    fn decide_attributes(&self, attributes: AttributesOf<'_>) {
        let AttributesOf { id, agent, params, meta, outer } = attributes;
        let facts = Facts { agent, ..self.facts() };
        if let Some(params) = params {
            params.extend(self.valid(&Owner::Parameters(id.clone()), &facts));
        }
        meta.extend(self.valid(&Owner::Meta(id.clone()), &facts));
        for (name, value) in self.valid(&Owner::ResourceDefaults, &facts) {
            let comes_from_outside = outer.is_some_and(|outer| {
                outer.contains_key(&name) || self.config.resource_defaults.contains_key(&name)
            });
            if !comes_from_outside {
                meta.entry(name).or_insert(value);
            }
        }
    }

    fn decide_operations(&self, plain: &mut ClusterConfig) {
        for primitive in plain.resources.iter_mut().flat_map(Resource::primitives_mut) {
            self.add_implied_operations(primitive);
            let agent = primitive.agent.clone();
            for operation in &mut primitive.operations {
                let facts = Facts {
                    agent: Some(&agent),
                    operation: Some((&operation.name.clone(), operation.interval_ms)),
                    ..self.facts()
                };
                let owner = Owner::Operation {
                    resource: primitive.id.clone(),
                    name: operation.name.clone(),
                    interval_ms: operation.interval_ms,
                };
                set_operation(operation, &self.valid(&owner, &facts));
                default_operation(operation, &self.valid(&Owner::OperationDefaults, &facts));
            }
        }
    }

    fn add_implied_operations(&self, primitive: &mut Primitive) {
        let has_defaults =
            self.config.conditional.iter().any(|conditional| conditional.owner == Owner::OperationDefaults);
        let missing: Vec<&str> = IMPLIED_OPERATIONS
            .into_iter()
            .filter(|name| has_defaults && !primitive.operations.iter().any(|one| one.name == *name))
            .collect();
        primitive.operations.extend(missing.into_iter().map(|name| Operation {
            name: name.to_string(),
            interval_ms: 0,
            timeout_ms: None,
            on_fail: None,
            role: None,
            enabled: true,
        }));
    }
}

fn set_operation(operation: &mut Operation, values: &Attributes) {
    let value = |name: &str| values.get(name).map(String::as_str);
    operation.timeout_ms = value("timeout").and_then(parse_ms).or(operation.timeout_ms);
    operation.on_fail = value("on-fail").and_then(OnFail::parse).or(operation.on_fail);
}

fn default_operation(operation: &mut Operation, values: &Attributes) {
    let value = |name: &str| values.get(name).map(String::as_str);
    operation.timeout_ms = operation.timeout_ms.or(value("timeout").and_then(parse_ms));
    operation.on_fail = operation.on_fail.or(value("on-fail").and_then(OnFail::parse));
    if value("enabled").and_then(muster_api::cluster::parse_bool) == Some(false) {
        operation.enabled = false;
    }
}
