//! Locations with rules, of patterns, tags or sets -> one plain location for each resource and node.

use super::Resolver;
use super::condition::{Facts, holds};
use alloc::vec::Vec;
use muster_api::constraint::{Constraint, Discovery, Nodes, ResourceSet, RoleName, Subject};
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::Score;
use muster_api::rule::{RuleScore, ScoredRule};

/// One resource of a location or a ticket, with what its set says.
pub(super) struct Member<'a> {
    pub(super) id: &'a ResourceId,
    pub(super) role: Option<RoleName>,
    score: Option<Score>,
}

impl Resolver<'_> {
    pub(super) fn plain_locations(&self, constraint: &Constraint) -> Vec<Constraint> {
        match constraint {
            Constraint::Location { resource, .. } => {
                let of = |resource: &ResourceId| with_resource(constraint.clone(), resource.clone());
                self.expand(resource).iter().map(of).collect()
            }
            Constraint::LocationRule { id, resources, nodes, role, discovery } => {
                let mut plain = Vec::new();
                for member in self.members(resources) {
                    for (node, score, role_of_rule) in self.liked_nodes(nodes, &member) {
                        let (id, resource) = (id.clone(), member.id.clone());
                        let role = role_of_rule.or(member.role).or(*role);
                        plain.push(location(id, resource, node, score, role, *discovery));
                    }
                }
                plain
            }
            _ => Vec::new(),
        }
    }

    /// The resources that a subject means.
    pub(super) fn members<'s>(&'s self, subject: &'s Subject) -> Vec<Member<'s>> {
        let plain = |id| Member { id, role: None, score: None };
        match subject {
            Subject::Resource(id) => self.expand(id).iter().map(plain).collect(),
            Subject::Pattern(pattern) => {
                let ids = self.config.resources.iter().map(muster_api::resource::Resource::id);
                ids.filter(|id| matches(pattern, id.as_str())).map(plain).collect()
            }
            Subject::Sets(sets) => sets.iter().flat_map(|set| self.members_of_set(set)).collect(),
        }
    }

    fn members_of_set<'s>(&'s self, set: &'s ResourceSet) -> impl Iterator<Item = Member<'s>> {
        let ids = set.resources.iter().flat_map(|id| self.expand(id));
        ids.map(|id| Member { id, role: set.role, score: set.score })
    }

    fn liked_nodes(&self, nodes: &Nodes, member: &Member<'_>) -> Vec<(NodeName, Score, Option<RoleName>)> {
        match nodes {
            Nodes::Node { node, score } => {
                alloc::vec![(node.clone(), member.score.unwrap_or(*score), None)]
            }
            Nodes::Rules(rules) => {
                let of = |rule| {
                    let nodes = self.nodes_where(rule, member).into_iter();
                    nodes.map(|(node, score)| (node, score, rule.role))
                };
                rules.iter().flat_map(of).collect()
            }
        }
    }

    fn nodes_where(&self, scored: &ScoredRule, member: &Member<'_>) -> Vec<(NodeName, Score)> {
        let primitive = self.config.primitive(member.id);
        let mut liked = Vec::new();
        for (name, attributes) in &self.nodes {
            let facts = Facts {
                node: Some(attributes),
                params: primitive.map(|primitive| &primitive.params),
                meta: primitive.map(|primitive| &primitive.meta),
                ..self.facts()
            };
            if holds(&scored.rule, &facts) {
                let score = match &scored.score {
                    RuleScore::Fixed(score) => *score,
                    RuleScore::OfAttribute(attribute) => attributes
                        .get(attribute)
                        .map_or(Score::MINUS_INFINITY, |value| Score::parse(value).unwrap_or_default()),
                };
                liked.push((name.clone(), score));
            }
        }
        liked
    }

    pub(super) fn plain_tickets(&self, constraint: &Constraint) -> Vec<Constraint> {
        let Constraint::Ticket { id, ticket, resources, role, loss_policy } = constraint else {
            return Vec::new();
        };
        let of = |member: Member<'_>| Constraint::Ticket {
            id: id.clone(),
            ticket: ticket.clone(),
            resources: Subject::Resource(member.id.clone()),
            role: member.role.or(*role),
            loss_policy: *loss_policy,
        };
        self.members(resources).into_iter().map(of).collect()
    }
}

pub(super) fn location(
    id: alloc::string::String,
    resource: ResourceId,
    node: NodeName,
    score: Score,
    role: Option<RoleName>,
    discovery: Discovery,
) -> Constraint {
    Constraint::Location { id, resource, node, score, role, discovery, until_ms: None }
}

fn with_resource(constraint: Constraint, new: ResourceId) -> Constraint {
    match constraint {
        Constraint::Location { id, node, score, role, discovery, until_ms, .. } => {
            Constraint::Location { id, resource: new, node, score, role, discovery, until_ms }
        }
        other => other,
    }
}

/// `!` before a pattern turns it round. A pattern that is no regular expression matches nothing.
fn matches(pattern: &str, id: &str) -> bool {
    match pattern.strip_prefix('!') {
        Some(pattern) => !super::pattern::is_match(pattern, id).unwrap_or(true),
        None => super::pattern::is_match(pattern, id).unwrap_or(false),
    }
}
