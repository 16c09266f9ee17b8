//! A configuration -> a CIB that Pacemaker takes and [`super::read_desired`] reads back to the same configuration. Ids of what
//! the model has no ids for are made as `pcs` makes them.

mod constraints;
mod element;
mod nodes;
mod resources;
mod rules;
mod values;

pub(crate) use resources::is_storage;

use super::super::desired::Desired;
use element::{Element, Ids, is_xml_id};
use muster_api::cluster::{Conditional, Owner};
use muster_api::constraint::{Constraint, ResourceSet};
use muster_api::rule::ConditionalValues;
use std::collections::BTreeMap;

/// The schema that is written: every Pacemaker since 2.1.3 knows it.
const SCHEMA: &str = "pacemaker-3.9";
/// What Pacemaker's controllers of that release say of themselves.
const FEATURE_SET: &str = "3.16.2";

/// Writes a CIB.
///
/// # Errors
///
/// What a CIB has no way to say, a sentence each.
pub(crate) fn write(desired: &Desired) -> Result<String, Vec<String>> {
    let mut writer =
        Writer { desired, ids: Ids::default(), written_sets: BTreeMap::new(), problems: Vec::new() };
    writer.reserve_ids();
    let cib = writer.cib();
    if writer.problems.is_empty() { Ok(cib.to_xml()) } else { Err(writer.problems) }
}

/// What all sections share while they are written.
struct Writer<'d> {
    desired: &'d Desired,
    ids: Ids,
    /// By the id that they have in the model: one that stands in two constraints is written once.
    written_sets: BTreeMap<String, ResourceSet>,
    problems: Vec<String>,
}

impl<'d> Writer<'d> {
    /// What was given an id keeps it; ids that are made step aside.
    fn reserve_ids(&mut self) {
        let config = &self.desired.config;
        let mut given: Vec<&str> = Vec::new();
        for resource in &config.resources {
            given.push(resource.id().as_str());
            given.extend(resource.metas().into_iter().map(|(id, _)| id.as_str()));
        }
        given.extend(config.fence_devices.iter().map(|device| device.id.as_str()));
        given.extend(config.constraints.iter().map(Constraint::id));
        given.extend(config.tags.keys().map(|tag| tag.as_str()));
        given.dedup();
        for id in given {
            if !is_xml_id(id) {
                self.problems.push(format!(
                    "`{id}` cannot be an id in a CIB: letters, digits, `_`, `-` and `.`, a letter or `_` first"
                ));
            }
            self.ids.reserve(id);
        }
    }

    fn cib(&mut self) -> Element {
        let sections = [
            self.properties(),
            self.nodes(),
            self.resources(),
            self.constraints(),
            self.defaults("rsc_defaults", &Owner::ResourceDefaults),
            self.defaults("op_defaults", &Owner::OperationDefaults),
            self.fencing_topology(),
            self.tags(),
        ];
        let configuration = sections.into_iter().fold(Element::new("configuration"), |all, section| {
            let is_needed = ["crm_config", "nodes", "resources", "constraints"].contains(&section.name());
            if is_needed || !section.is_empty() { all.child(section) } else { all }
        });
        Element::new("cib")
            .attribute("crm_feature_set", FEATURE_SET)
            .attribute("validate-with", SCHEMA)
            .attribute("admin_epoch", "0")
            .attribute("epoch", "1")
            .attribute("num_updates", "0")
            .child(configuration)
            .child(Element::new("status"))
    }

    /// The values of an owner that count while a rule holds.
    fn conditional(&self, owner: &Owner) -> Vec<&'d ConditionalValues> {
        let all = self.desired.config.conditional.iter();
        all.filter(|one: &&Conditional| one.owner == *owner).map(|one| &one.values).collect()
    }

    fn properties(&mut self) -> Element {
        let conditional = self.conditional(&Owner::Properties);
        let plain = &self.desired.config.properties;
        // Pacemaker has the set of this id come before all others, whatever their scores.
        let comes_first = "cib-bootstrap-options";
        let is_overruled =
            conditional.iter().any(|one| one.values.keys().any(|name| plain.contains_key(name)));
        let id = if is_overruled { "cib-options" } else { comes_first };
        self.sets(Element::new("crm_config"), "cluster_property_set", id, plain, &conditional)
    }

    fn defaults(&mut self, name: &'static str, owner: &Owner) -> Element {
        let config = &self.desired.config;
        let plain =
            if name == "rsc_defaults" { &config.resource_defaults } else { &config.operation_defaults };
        let conditional = self.conditional(owner);
        let id = format!("{name}-meta_attributes");
        self.sets(Element::new(name), "meta_attributes", &id, plain, &conditional)
    }

    fn tags(&mut self) -> Element {
        let tags = self.desired.config.tags.iter();
        tags.fold(Element::new("tags"), |all, (id, tagged)| {
            let references = tagged.iter().map(|id| Element::new("obj_ref").attribute("id", id.as_str()));
            all.child(references.fold(Element::new("tag").attribute("id", id.as_str()), Element::child))
        })
    }

    fn fencing_topology(&mut self) -> Element {
        let levels = &self.desired.config.fence_levels;
        levels.iter().fold(Element::new("fencing-topology"), |all, level| {
            let devices: Vec<&str> = level.devices.iter().map(|device| device.as_str()).collect();
            let id = self.ids.make(&format!("fl-{}-{}", level.target, level.index));
            all.child(
                Element::new("fencing-level")
                    .attribute("id", id)
                    .attribute("target", level.target.as_str())
                    .attribute("index", level.index.to_string())
                    .attribute("devices", devices.join(",")),
            )
        })
    }
}
