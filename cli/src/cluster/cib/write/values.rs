//! Sets of name-value pairs, plain and with the rule under which they count.

use super::Writer;
use super::element::Element;
use muster_api::cluster::Capacity;
use muster_api::rule::ConditionalValues;
use std::collections::BTreeMap;

type Attributes = BTreeMap<String, String>;

impl Writer<'_> {
    /// Adds the sets of a kind: those with a rule, the first of which counts most, and then the plain one.
    pub(super) fn sets(
        &mut self,
        mut parent: Element,
        kind: &str,
        id: &str,
        plain: &Attributes,
        conditional: &[&ConditionalValues],
    ) -> Element {
        for (place, one) in conditional.iter().enumerate() {
            let id = self.ids.make(&format!("{id}-rule-{}", place + 1));
            let score = (conditional.len() - place).to_string();
            let set = Element::new(kind).attribute("id", id.as_str()).attribute("score", score);
            let rule = self.plain_rule(&one.rule, &format!("{id}-rule"));
            parent = parent.child(self.pairs(set.child(rule), &id, &one.values));
        }
        if plain.is_empty() {
            return parent;
        }
        let id = self.ids.make(id);
        let set = Element::new(kind).attribute("id", id.as_str());
        parent.child(self.pairs(set, &id, plain))
    }

    fn pairs(&mut self, set: Element, id: &str, values: &Attributes) -> Element {
        values.iter().fold(set, |set, (name, value)| {
            let id = self.ids.make(&format!("{id}-{name}"));
            let pair = Element::new("nvpair").attribute("id", id);
            set.child(pair.attribute("name", name.as_str()).attribute("value", value.as_str()))
        })
    }

    /// Adds what something needs, or has, of capacity.
    pub(super) fn capacity(&mut self, parent: Element, id: &str, capacity: Option<&Capacity>) -> Element {
        let Some(capacity) = capacity else { return parent };
        let texts = capacity.iter().map(|(name, amount)| (name.clone(), amount.to_string())).collect();
        self.sets(parent, "utilization", &format!("{id}-utilization"), &texts, &[])
    }
}
