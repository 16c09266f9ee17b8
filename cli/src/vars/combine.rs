//! What two definitions of one variable come to where both are mappings: the setting `hash_behaviour`.

use super::{Data, Vars};
use crate::yaml::{Kind, Mapping, Node};

/// Whether a mapping takes the place of one of the same name, or is joined with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum HashBehaviour {
    /// The stronger definition is the value.
    #[default]
    Replace,
    /// Entries of the stronger one over those of the weaker one, at every depth.
    Merge,
}

impl HashBehaviour {
    /// As the setting has it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "replace" => Self::Replace,
            "merge" => Self::Merge,
            _ => return None,
        })
    }

    /// `over` after `known`.
    pub(super) fn data(self, known: &Data, over: &Data) -> Data {
        match self {
            Self::Replace => over.clone(),
            Self::Merge => known.joined(over),
        }
    }

    /// Takes over all variables of `more`, after those that are known.
    pub(crate) fn vars(self, known: &mut Vars, more: &Vars) {
        for (name, var) in more.iter() {
            let data =
                known.get(name).map_or_else(|| var.data.clone(), |old| self.data(&old.data, &var.data));
            known.set_var(name, super::Var { data, place: var.place.clone() });
        }
    }

    /// Sets a variable of an inventory or of a file beside it.
    pub(crate) fn set(self, vars: &mut crate::inventory::Vars, name: &str, value: Node) {
        let value = match (self, vars.get(name)) {
            (Self::Merge, Some(known)) => joined(known, &value),
            _ => value,
        };
        vars.insert(name.to_owned(), value);
    }
}

/// Two mappings as one; anything else is the second.
fn joined(known: &Node, over: &Node) -> Node {
    let (Some(known), Some(entries)) = (known.as_map(), over.as_map()) else { return over.clone() };
    let mut all: Mapping = known.clone();
    for (key, value) in entries.iter() {
        let old = known.iter().find(|(name, _)| name.kind == key.kind).map(|(_, value)| value);
        all.insert(key.clone(), old.map_or_else(|| value.clone(), |old| joined(old, value)));
    }
    Node { kind: Kind::Map(all.into()), ..over.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse_text;

    #[test]
    fn mappings_of_two_sources_are_joined_at_every_depth_or_replaced() {
        let node = |text: &str| parse_text("test", text).unwrap();
        for (behaviour, expected) in [
            (HashBehaviour::Merge, r#"{"a":{"x":1,"y":3},"l":[2],"b":1}"#),
            (HashBehaviour::Replace, r#"{"a":{"y":3},"l":[2]}"#),
        ] {
            let mut vars = crate::inventory::Vars::new();
            behaviour.set(&mut vars, "v", node("{a: {x: 1, y: 2}, l: [1], b: 1}"));
            behaviour.set(&mut vars, "v", node("{a: {y: 3}, l: [2]}"));
            assert_eq!(vars["v"].to_json().to_string(), expected);
        }
    }
}
