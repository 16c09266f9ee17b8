//! `<fencing-topology>`: which devices fence a node. Levels for several nodes are written out for each.

use super::xml::{self, Element};
use super::{CibError, Imported};
use muster_api::fencing::FenceLevel;
use muster_api::id::NodeName;

pub(super) fn read(section: Element<'_>, imported: &mut Imported) -> Result<(), CibError> {
    for level in xml::children(section) {
        if !level.has_tag_name("fencing-level") {
            return Err(xml::unsupported(level, format!("`<{}>`", level.tag_name().name())));
        }
        let index = xml::required(level, "index")?
            .parse()
            .map_err(|_| xml::bad_value(level, "index", "a whole number"))?;
        let devices = xml::required(level, "devices")?.split(',').map(str::trim);
        let devices: Vec<_> = devices.filter(|id| !id.is_empty()).map(Into::into).collect();
        let targets = targets(level, imported)?;
        let one = |target| FenceLevel { target, index, devices: devices.clone() };
        imported.config.fence_levels.extend(targets.into_iter().map(one));
    }
    Ok(())
}

/// The nodes that a level is for: one by its name, or all that a pattern or an attribute says.
fn targets(level: Element<'_>, imported: &mut Imported) -> Result<Vec<NodeName>, CibError> {
    if let Some(target) = level.attribute("target") {
        return Ok(vec![target.into()]);
    }
    let names = imported.nodes.iter().map(|node| &node.name);
    let (targets, what): (Vec<NodeName>, String) = if let Some(pattern) = level.attribute("target-pattern") {
        let expression = fancy_regex::Regex::new(pattern)
            .map_err(|_| xml::bad_value(level, "target-pattern", "a regular expression"))?;
        let is_it = |name: &&NodeName| expression.is_match(name.as_str()).unwrap_or(false);
        (names.filter(is_it).cloned().collect(), format!("all nodes that match `{pattern}`"))
    } else {
        let attribute = xml::required(level, "target-attribute")?;
        let value = xml::required(level, "target-value")?;
        let is_it = |name: &&NodeName| imported.config.node_attribute(name, attribute) == Some(value);
        (names.filter(is_it).cloned().collect(), format!("all nodes whose `{attribute}` is `{value}`"))
    };
    let line = xml::line(level);
    imported
        .notes
        .push(format!("the fence level at line {line} is for {what}: it is written out for each of them"));
    Ok(targets)
}
