//! A CIB (Pacemaker's configuration and status in XML) -> what the scheduler decides from. What the model does not have is an
//! error that names it; what has no bearing on a decision is passed over with a note.

mod constraints;
mod digests;
mod fencing;
mod leftover;
mod nodes;
mod resources;
mod rules;
mod status;
mod write;
mod xml;

pub(super) use rules::read_range;
pub(crate) use write::{is_storage, write};

use super::desired::{Desired, DesiredNode, OperationExtras, OperationKey};

use muster_api::cluster::ClusterConfig;
use muster_api::constraint::Constraint;
use muster_api::copies::{TooMany, too_many};
use muster_api::history::History;
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::Primitive;
use muster_core::schedule::NodeState;
use std::collections::BTreeMap;

/// Why a CIB cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CibError {
    /// It is not XML.
    #[error("the CIB is not well-formed XML: {0}")]
    Xml(#[from] roxmltree::Error),
    /// It is XML, but not a CIB.
    #[error("expected {expected} at line {line}, found {found}")]
    Unexpected {
        /// What should be there.
        expected: String,
        /// What is.
        found: String,
        /// Where.
        line: u32,
    },
    /// A number that nothing can be made of.
    #[error("{0} (line {1}); nothing was decided")]
    TooMany(TooMany, u32),
    /// muster does not have that yet.
    #[error("{what} is not supported (line {line}); nothing was decided")]
    Unsupported {
        /// The thing, named as in the CIB.
        what: String,
        /// Where.
        line: u32,
    },
}

/// All that a CIB says.
#[derive(Debug, Default)]
pub(crate) struct Imported {
    /// The configuration.
    pub(crate) config: ClusterConfig,
    /// What is known of each node.
    pub(crate) states: BTreeMap<NodeName, NodeState>,
    /// What was seen.
    pub(crate) history: History,
    /// The nodes as they are written.
    pub(crate) nodes: Vec<DesiredNode>,
    /// Parameters and options of single operations: only the digests of records know them.
    pub(crate) operations: BTreeMap<OperationKey, OperationExtras>,
    /// The primitives of the configuration by id: there may be a million records to read against them.
    primitives: BTreeMap<ResourceId, Primitive>,
    /// `have-quorum`.
    pub(crate) is_quorate: bool,
    /// What was passed over because it decides nothing.
    pub(crate) notes: Vec<String>,
}

impl Imported {
    /// The parameters that an operation that is run once has beside those of its resource.
    fn parameters_of(&self, resource: &ResourceId, operation: &str) -> Option<&BTreeMap<String, String>> {
        let key = (resource.clone(), operation.to_string(), 0);
        self.operations.get(&key).map(|extras| &extras.params).filter(|params| !params.is_empty())
    }
}

/// Reads a CIB: its configuration and its status.
pub(crate) fn read(text: &str) -> Result<Imported, CibError> {
    let document = parse(text)?;
    let cib = root(&document)?;
    let mut imported = Imported::default();
    if let Some(configuration) = xml::child(cib, "configuration") {
        read_configuration(configuration, &mut imported)?;
        nodes::add_base_scores(&mut imported);
    }
    imported.is_quorate =
        cib.attribute("have-quorum").and_then(muster_api::cluster::parse_bool).unwrap_or(false);
    let by_id = |(primitive, _): (&Primitive, _)| (primitive.id.clone(), primitive.clone());
    imported.primitives = imported.config.primitives().map(by_id).collect();
    status::read(cib, &mut imported)?;
    Ok(imported)
}

/// Reads what a CIB says shall be, and names what of it is not taken over or written in another way.
pub(crate) fn read_desired(text: &str) -> Result<(Desired, Vec<String>), CibError> {
    let document = parse(text)?;
    let cib = root(&document)?;
    let mut imported = Imported::default();
    if let Some(configuration) = xml::child(cib, "configuration") {
        read_configuration(configuration, &mut imported)?;
        leftover::note(configuration, &mut imported.notes);
    }
    let Imported { mut config, nodes, operations, notes, .. } = imported;
    // Between constraints of different kinds there is no order.
    config.constraints.sort_by_key(kind_of);
    Ok((Desired { config, nodes, operations }, notes))
}

/// The place of a constraint's kind where they stand kind by kind.
fn kind_of(constraint: &Constraint) -> u8 {
    match constraint {
        Constraint::Location { .. } | Constraint::LocationRule { .. } => 0,
        Constraint::Colocation { .. } | Constraint::ColocationSets { .. } => 1,
        Constraint::Order { .. } | Constraint::OrderSets { .. } => 2,
        Constraint::Ticket { .. } => 3,
    }
}

fn parse(text: &str) -> Result<roxmltree::Document<'_>, CibError> {
    let options = roxmltree::ParsingOptions { allow_dtd: false, ..Default::default() };
    Ok(roxmltree::Document::parse_with_options(text, options)?)
}

fn root<'d>(document: &'d roxmltree::Document<'d>) -> Result<xml::Element<'d>, CibError> {
    let cib = document.root_element();
    if cib.has_tag_name("cib") { Ok(cib) } else { Err(xml::unexpected(cib, "the element `cib`")) }
}

fn read_configuration(configuration: xml::Element<'_>, imported: &mut Imported) -> Result<(), CibError> {
    for section in xml::children(configuration) {
        match section.tag_name().name() {
            "crm_config" => resources::read_properties(section, imported)?,
            "nodes" => nodes::read(section, imported)?,
            "rsc_defaults" => resources::read_resource_defaults(section, imported)?,
            "op_defaults" => resources::read_operation_defaults(section, imported)?,
            "resources" => resources::read(section, imported)?,
            // What they refer to must be known first.
            "constraints" | "fencing-topology" => {}
            // They decide nothing.
            "alerts" | "acls" => {}
            "tags" => read_tags(section, imported)?,
            other => return Err(xml::unsupported(section, format!("`<{other}>`"))),
        }
    }
    if let Some(section) = xml::child(configuration, "constraints") {
        constraints::read(section, imported)?;
    }
    if let Some(section) = xml::child(configuration, "fencing-topology") {
        fencing::read(section, imported)?;
    }
    // Only the order of one owner's values decides something.
    imported.config.conditional.sort_by(|one, other| one.owner.cmp(&other.owner));
    if let Some(count) = too_many(&imported.config).into_iter().next() {
        let line = xml::line_of(configuration, count.resource.as_str());
        return Err(CibError::TooMany(count, line));
    }
    nodes::add_connected(imported);
    Ok(())
}

fn read_tags(section: xml::Element<'_>, imported: &mut Imported) -> Result<(), CibError> {
    for tag in xml::children(section) {
        let references = xml::children(tag).filter(|child| child.has_tag_name("obj_ref"));
        let ids = references.map(|reference| Ok(xml::required(reference, "id")?.into()));
        let tagged = ids.collect::<Result<Vec<_>, CibError>>()?;
        imported.config.tags.insert(xml::required(tag, "id")?.into(), tagged);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
