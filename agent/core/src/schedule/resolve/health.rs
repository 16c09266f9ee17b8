//! Node health: what `#health…` attributes and `node-health-strategy` come to as locations of every resource.

use super::locations::location;
use super::{Attributes, Resolver};
use alloc::string::ToString;
use alloc::vec::Vec;
use muster_api::cluster::parse_bool;
use muster_api::constraint::{Constraint, Discovery};
use muster_api::resource::Score;

/// What the colours count, and where the sum begins.
#[derive(Debug, Clone, Copy)]
struct Colours {
    red: Score,
    yellow: Score,
    green: Score,
    base: Score,
}

impl Resolver<'_> {
    /// One location for each resource on each node whose health counts.
    pub(super) fn health_locations(&self) -> Vec<Constraint> {
        let Some(colours) = self.colours() else { return Vec::new() };
        let mut locations = Vec::new();
        for (node, attributes) in &self.nodes {
            let health = health(attributes, colours);
            if health == Score(0) {
                continue;
            }
            for resource in &self.config.resources {
                let allows_unhealthy = resource.meta_value("allow-unhealthy-nodes").and_then(parse_bool);
                if health < Score(0) && allows_unhealthy == Some(true) {
                    continue;
                }
                let (id, resource) = ("node health".to_string(), resource.id().clone());
                locations.push(location(id, resource, node.clone(), health, None, Discovery::Always));
            }
        }
        locations
    }

    /// `None` where the strategy lets nothing count. A strategy of the user's own (`custom`) counts as a progressive one,
    /// and his rules do the rest.
    fn colours(&self) -> Option<Colours> {
        let property = |name: &str, default| {
            self.config.properties.get(name).and_then(|text| Score::parse(text)).unwrap_or(default)
        };
        let none = Score(0);
        let avoid = Score::MINUS_INFINITY;
        Some(match self.config.properties.get("node-health-strategy")?.as_str() {
            "migrate-on-red" => Colours { red: avoid, yellow: none, green: none, base: none },
            "only-green" => Colours { red: avoid, yellow: avoid, green: none, base: none },
            "progressive" | "custom" => Colours {
                red: property("node-health-red", avoid),
                yellow: property("node-health-yellow", none),
                green: property("node-health-green", none),
                base: property("node-health-base", none),
            },
            _ => return None,
        })
    }
}

/// The sum over all attributes whose names begin with `#health`: a colour, or a score of its own.
fn health(attributes: &Attributes, colours: Colours) -> Score {
    let values = attributes.iter().filter(|(name, _)| name.starts_with("#health")).map(|(_, value)| value);
    let scores = values.map(|value| match value.to_ascii_lowercase().as_str() {
        "red" => colours.red,
        "yellow" => colours.yellow,
        "green" => colours.green,
        _ => Score::parse(value).unwrap_or_default(),
    });
    scores.fold(colours.base, |sum, score| sum + score)
}
