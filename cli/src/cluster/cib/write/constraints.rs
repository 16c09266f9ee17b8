//! `<constraints>`.

use super::Writer;
use super::element::Element;
use muster_api::constraint::{
    Constraint, Discovery, Nodes, OrderKind, ResourceSet, RoleName, SetOrdering, Subject,
};
use muster_api::rule::{
    AttributeCondition, Comparison, Condition, DateCondition, Join, Rule, RuleScore, ScoredRule, ValueSource,
};

impl Writer<'_> {
    pub(super) fn constraints(&mut self) -> Element {
        let constraints = &self.desired.config.constraints;
        constraints.iter().fold(Element::new("constraints"), |all, one| all.child(self.constraint(one)))
    }

    fn constraint(&mut self, constraint: &Constraint) -> Element {
        match constraint {
            Constraint::Location { .. } | Constraint::LocationRule { .. } => self.location(constraint),
            Constraint::Colocation { .. } | Constraint::ColocationSets { .. } => self.colocation(constraint),
            Constraint::Order { .. } | Constraint::OrderSets { .. } => self.order(constraint),
            Constraint::Ticket { id, ticket, resources, role, loss_policy } => {
                let element = named("rsc_ticket", id).attribute("ticket", ticket.as_str());
                let element = element.attribute("loss-policy", loss_policy.name());
                let element = element.optional("rsc-role", role.map(RoleName::name));
                self.subject(element, id, resources)
            }
        }
    }

    fn location(&mut self, constraint: &Constraint) -> Element {
        let element = named("rsc_location", constraint.id());
        match constraint {
            Constraint::Location { id, resource, node, score, role, discovery, until_ms } => {
                let element = element.attribute("rsc", resource.as_str());
                let element = with_place(element, *role, *discovery);
                let Some(until_ms) = until_ms else {
                    return element.attribute("node", node.as_str()).attribute("score", score.to_string());
                };
                // An end is a rule on the moment beside one on the node's name.
                let rule = ScoredRule {
                    score: RuleScore::Fixed(*score),
                    role: None,
                    rule: until(node.as_str(), i64::try_from(until_ms / 1000).unwrap_or(i64::MAX)),
                };
                element.child(self.scored_rule(&rule, &format!("{id}-rule")))
            }
            Constraint::LocationRule { id, resources, nodes, role, discovery } => {
                let element = with_place(element, *role, *discovery);
                let element = self.subject(element, id, resources);
                match nodes {
                    Nodes::Node { node, score } => {
                        element.attribute("node", node.as_str()).attribute("score", score.to_string())
                    }
                    Nodes::Rules(rules) => rules.iter().fold(element, |element, rule| {
                        element.child(self.scored_rule(rule, &format!("{id}-rule")))
                    }),
                }
            }
            _ => element,
        }
    }

    fn subject(&mut self, element: Element, id: &str, subject: &Subject) -> Element {
        match subject {
            Subject::Resource(resource) => element.attribute("rsc", resource.as_str()),
            Subject::Pattern(pattern) => element.attribute("rsc-pattern", pattern.as_str()),
            Subject::Sets(sets) => self.with_sets(element, id, sets),
        }
    }

    fn with_sets(&mut self, element: Element, id: &str, sets: &[ResourceSet]) -> Element {
        sets.iter().fold(element, |element, set| element.child(self.set(id, set)))
    }

    fn set(&mut self, constraint: &str, set: &ResourceSet) -> Element {
        if self.written_sets.get(&set.id) == Some(set) {
            return Element::new("resource_set").attribute("id-ref", set.id.as_str());
        }
        let wanted = if set.id.is_empty() { format!("{constraint}_set") } else { set.id.clone() };
        let id = self.ids.make(&wanted);
        self.written_sets.insert(set.id.clone(), set.clone());
        let kind = set.kind.map(kind_name);
        let ordering = set.ordering.map(|ordering| match ordering {
            SetOrdering::Group => "group",
            SetOrdering::Listed => "listed",
        });
        let element = Element::new("resource_set")
            .attribute("id", id)
            .optional("sequential", (!set.sequential).then_some("false"))
            .optional("require-all", (!set.require_all).then_some("false"))
            .optional("ordering", ordering)
            .optional("action", set.action.as_deref())
            .optional("role", set.role.map(RoleName::name))
            .optional("score", set.score.map(|score| score.to_string()))
            .optional("kind", kind);
        let references = set.resources.iter();
        element.children(references.map(|id| Element::new("resource_ref").attribute("id", id.as_str())))
    }

    fn colocation(&mut self, constraint: &Constraint) -> Element {
        let element = named("rsc_colocation", constraint.id());
        match constraint {
            Constraint::Colocation {
                resource,
                role,
                with,
                with_role,
                score,
                node_attribute,
                influence,
                ..
            } => element
                .attribute("score", score.to_string())
                .attribute("rsc", resource.as_str())
                .optional("rsc-role", role.map(RoleName::name))
                .attribute("with-rsc", with.as_str())
                .optional("with-rsc-role", with_role.map(RoleName::name))
                .optional("node-attribute", node_attribute.as_deref())
                .optional("influence", influence.map(|influence| influence.to_string())),
            Constraint::ColocationSets { id, score, node_attribute, sets } => {
                let element = element
                    .attribute("score", score.to_string())
                    .optional("node-attribute", node_attribute.as_deref());
                self.with_sets(element, id, sets)
            }
            _ => element,
        }
    }

    fn order(&mut self, constraint: &Constraint) -> Element {
        let element = named("rsc_order", constraint.id());
        match constraint {
            Constraint::Order {
                first,
                first_action,
                then,
                then_action,
                kind,
                symmetrical,
                require_all,
                ..
            } => with_kind(element, *kind, *symmetrical)
                .attribute("first", first.as_str())
                .attribute("first-action", first_action.as_str())
                .attribute("then", then.as_str())
                .attribute("then-action", then_action.as_str())
                .optional("require-all", (!require_all).then_some("false")),
            Constraint::OrderSets { id, kind, symmetrical, sets } => {
                self.with_sets(with_kind(element, *kind, *symmetrical), id, sets)
            }
            _ => element,
        }
    }
}

fn named(name: &str, id: &str) -> Element {
    Element::new(name).attribute("id", id)
}

fn with_place(element: Element, role: Option<RoleName>, discovery: Discovery) -> Element {
    let discovery = (discovery != Discovery::Always).then(|| discovery.name());
    element.optional("role", role.map(RoleName::name)).optional("resource-discovery", discovery)
}

fn with_kind(element: Element, kind: OrderKind, symmetrical: bool) -> Element {
    let is_usual = symmetrical == (kind != OrderKind::Serialize);
    let symmetrical = (!is_usual).then(|| symmetrical.to_string());
    element.attribute("kind", kind_name(kind)).optional("symmetrical", symmetrical)
}

fn kind_name(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Optional => "Optional",
        OrderKind::Mandatory => "Mandatory",
        OrderKind::Serialize => "Serialize",
    }
}

/// On that node, until then.
fn until(node: &str, end_s: i64) -> Rule {
    let is_node = AttributeCondition {
        attribute: "#uname".to_string(),
        comparison: Comparison::Equal,
        value_type: None,
        value: Some(node.to_string()),
        source: ValueSource::Literal,
    };
    let is_before = Condition::Date(DateCondition::Before(end_s));
    Rule { join: Join::And, conditions: vec![Condition::Attribute(is_node), is_before] }
}
