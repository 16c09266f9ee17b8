//! Inventories in TOML: groups as tables, with `hosts` and `vars` as tables and `children` as a list of names. The
//! document becomes the tree that the YAML form has, and is read as that.

use crate::error::Diagnostic;
use crate::source::{SourceFile, Span};
use crate::yaml::{Kind, Mapping, Node, Style};
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The document as a tree of groups.
pub(super) fn parse(file: &Arc<SourceFile>) -> Result<Node, Diagnostic> {
    let document = DeTable::parse(file.text()).map_err(|bad| {
        let range = bad.span().unwrap_or_default();
        Diagnostic::error("this is not TOML").at(&Span::new(file, range), bad.message())
    })?;
    let tree = Tree { file };
    let span = tree.span(&document.span());
    let groups = document.get_ref().iter().map(|(name, group)| (tree.key(name), tree.group(group)));
    Ok(Node::map(&span, groups.collect()))
}

struct Tree<'a> {
    file: &'a Arc<SourceFile>,
}

impl Tree<'_> {
    fn span(&self, range: &std::ops::Range<usize>) -> Span {
        Span::new(self.file, range.clone())
    }

    fn key(&self, key: &Spanned<toml::de::DeString<'_>>) -> Node {
        Node::text(&self.span(&key.span()), key.get_ref())
    }

    /// A group's `children` are a list of names here, and a mapping in the YAML form.
    fn group(&self, group: &Spanned<DeValue<'_>>) -> Node {
        let DeValue::Table(parts) = group.get_ref() else { return self.node(group) };
        let part = |(name, value): (&Spanned<toml::de::DeString<'_>>, &Spanned<DeValue<'_>>)| {
            let value = if name.get_ref() == "children" { self.children(value) } else { self.node(value) };
            (self.key(name), value)
        };
        Node::map(&self.span(&group.span()), parts.iter().map(part).collect())
    }

    fn children(&self, names: &Spanned<DeValue<'_>>) -> Node {
        let node = self.node(names);
        let Kind::Seq(names) = &node.kind else { return node };
        let empty = |name: &Node| (name.clone(), Node::new(&name.span, Kind::Null));
        Node::map(&node.span, names.iter().map(empty).collect())
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let span = self.span(&value.span());
        match value.get_ref() {
            DeValue::String(text) => Node { style: Style::Quoted, ..Node::text(&span, text) },
            DeValue::Boolean(value) => Node::new(&span, Kind::Bool(*value)),
            DeValue::Integer(number) => {
                let value = i128::from_str_radix(number.as_str(), number.radix());
                value.map_or_else(|_| Node::text(&span, number.as_str()), |v| Node::new(&span, Kind::Int(v)))
            }
            DeValue::Float(number) => {
                let value = number.as_str().parse();
                value
                    .map_or_else(|_| Node::text(&span, number.as_str()), |v| Node::new(&span, Kind::Float(v)))
            }
            // Dates and times are what a plain word of that form is in YAML.
            DeValue::Datetime(moment) => {
                Node { style: Style::Plain, ..Node::text(&span, moment.to_string()) }
            }
            DeValue::Array(items) => Node::seq(&span, items.iter().map(|item| self.node(item)).collect()),
            DeValue::Table(entries) => {
                let entries = entries.iter().map(|(key, value)| (self.key(key), self.node(value)));
                Node::map(&span, entries.collect::<Mapping>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Inventory, yaml};
    use super::*;

    #[test]
    fn tables_are_groups_and_children_a_list() {
        let text = "[web]\nchildren = ['db']\n[web.hosts.n1]\nport = 0x50\nlist = [1, 'a']\n[web.vars]\nx = 1.5\n[db]\n";
        let mut inventory = Inventory::default();
        let mistakes = yaml::read(&parse(&SourceFile::new("hosts.toml", text)).unwrap(), &mut inventory);
        assert_eq!(mistakes.render(false), "");
        assert_eq!(format!("{:?}", inventory.hosts["n1"].vars), r#"{"port": 80, "list": [1, "a"]}"#);
        assert_eq!(format!("{:?}", inventory.groups["web"].vars), r#"{"x": 1.5}"#);
        assert!(inventory.groups["web"].children.contains("db"));
    }

    #[test]
    fn a_mistake_has_its_place() {
        let mistake = parse(&SourceFile::new("hosts.toml", "[web\nx = 1\n")).unwrap_err();
        assert_eq!(mistake.title(), "this is not TOML");
        assert!(mistake.span().is_some_and(|span| span.place().line == 1));
    }
}
