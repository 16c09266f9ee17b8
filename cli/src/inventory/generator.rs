//! The `generator` plugin: one host for each combination of the words in `layers`, named by a template, in groups
//! that templates name.

use super::Inventory;
use super::plugin::{Templates, check_options, entries};
use crate::error::Diagnostic;
use crate::run::inventory_vars::plain_node;
use crate::template::text_of;
use crate::vars::{Data, Scope, Vars};
use crate::yaml::{Kind, Mapping, Node};
use std::sync::Arc;

const OPTIONS: [&str; 4] = ["plugin", "hosts", "layers", "use_extra_vars"];

/// Adds the hosts and groups that `config` describes.
pub(super) fn run(config: &Mapping, inventory: &mut Inventory, extra: &Arc<Vars>) -> Result<(), Diagnostic> {
    check_options(config, &OPTIONS)?;
    let Some(hosts) = config.get("hosts").filter(|hosts| hosts.get("name").is_some()) else {
        let place = config.keys().next().map(|key| key.span.clone());
        let mistake = Diagnostic::error("the generator needs `hosts` with a `name`");
        return Err(place.iter().fold(mistake, |mistake, place| mistake.at(place, "")));
    };
    let templates = Templates::new();
    let extra = extra.clone();
    for words in combinations(&entries(config, "layers")?) {
        let scope = templates.scope([Arc::new(words), extra.clone()]);
        let name = named(hosts, &scope)?.unwrap_or_default();
        inventory.add_host(&name, "all", Some(&hosts.span));
        let generator = Generator { scope: &scope };
        generator.parents(&name, hosts, true, inventory)?;
    }
    Ok(())
}

/// Every choice of one word of each layer.
fn combinations(layers: &[(&Node, &Node)]) -> Vec<Vars> {
    let mut all = vec![Vars::new()];
    for (name, words) in layers {
        let extended = all.iter().flat_map(|vars| {
            words.one_or_many().iter().map(move |word| {
                let mut vars = vars.clone();
                vars.set(&name.key_text(), Data::of(word));
                vars
            })
        });
        all = extended.collect();
    }
    all
}

fn named(part: &Node, scope: &Scope) -> Result<Option<String>, Diagnostic> {
    let Some(name) = part.get("name") else { return Ok(None) };
    let value = scope.render_node(name).map_err(|err| mistake(&err, name))?;
    Ok(Some(text_of(&value)))
}

fn mistake(err: &crate::template::TemplateError, node: &Node) -> Diagnostic {
    Diagnostic::error(err.to_string()).at(&node.span.first_line(), "")
}

struct Generator<'a> {
    scope: &'a Scope,
}

impl Generator<'_> {
    /// Puts a host or a group into the groups that its `parents` name, these into theirs, and so on.
    fn parents(
        &self,
        child: &str,
        part: &Node,
        is_host: bool,
        inventory: &mut Inventory,
    ) -> Result<(), Diagnostic> {
        for parent in part.get("parents").map(Node::one_or_many).unwrap_or_default() {
            let Some(group) = named(parent, self.scope)? else {
                let why = format!("Element {child} has a parent with no name.");
                return Err(Diagnostic::error(why).at(&parent.span.first_line(), "expected `name`"));
            };
            inventory.add_group(&group, Some(&parent.span));
            if is_host {
                inventory.add_host(child, &group, None);
            } else if inventory.add_child(&group, child).is_err() {
                let why = format!("group `{child}` cannot be below itself");
                return Err(Diagnostic::error(why).at(&parent.span.first_line(), ""));
            }
            for (name, value) in parent.get("vars").and_then(Node::as_map).iter().flat_map(|vars| vars.iter())
            {
                inventory.set_group_var(&group, &name.key_text(), self.value(value)?)?;
            }
            self.parents(&group, parent, false, inventory)?;
        }
        Ok(())
    }

    /// A text is rendered now; what is inside of lists and mappings is left to the plays.
    fn value(&self, node: &Node) -> Result<Node, Diagnostic> {
        if !matches!(node.kind, Kind::Str(_)) || !node.has_template() {
            return Ok(node.clone());
        }
        let value = self.scope.render_node(node).map_err(|err| mistake(&err, node))?;
        Ok(plain_node(&value, &node.span))
    }
}
