//! Inventory files that configure a plugin: `plugin: constructed` makes variables and groups from those that hosts
//! have, `plugin: generator` makes hosts from lists of words.

use super::{Inventory, constructed, generator};
use crate::error::{Diagnostic, Diagnostics};
use crate::suggest;
use crate::template::Engine;
use crate::vars::{Level, PlayInfo, Scope, ScopeInputs, Store, Vars};
use crate::yaml::{Kind, Mapping, Node};
use std::sync::Arc;

const NAMES: [&str; 2] = ["constructed", "generator"];

/// Whether a document configures a plugin rather than naming groups.
pub(super) fn is_config(document: &Node) -> bool {
    document.get("plugin").is_some_and(|plugin| plugin.as_str().is_some())
}

/// Carries a configuration out on the inventory as it stands.
pub(super) fn run(document: &Node, inventory: &mut Inventory, extra: &Arc<Vars>) -> Diagnostics {
    let mut mistakes = Diagnostics::default();
    let Some((plugin, config)) = document.get("plugin").zip(document.as_map()) else { return mistakes };
    let name = plugin.as_str().unwrap_or_default();
    let done = match name.strip_prefix("ansible.builtin.").unwrap_or(name) {
        "constructed" => constructed::run(config, inventory, extra),
        "generator" => generator::run(config, inventory, extra),
        _ => {
            let mistake = Diagnostic::error(format!("the inventory plugin `{name}` is not supported"))
                .at(&plugin.span, "this file configures an inventory plugin")
                .maybe_hint(suggest::did_you_mean(name, NAMES))
                .hint("use a YAML or INI inventory, or an executable that prints one as JSON");
            Err(mistake)
        }
    };
    if let Err(mistake) = done {
        mistakes.push(mistake);
    }
    mistakes
}

/// Refuses options that the plugin does not have.
pub(super) fn check_options(config: &Mapping, known: &[&str]) -> Result<(), Diagnostic> {
    let unknown = config.keys().find(|key| !known.contains(&key.key_text().as_ref()));
    let Some(key) = unknown else { return Ok(()) };
    let name = key.key_text();
    Err(Diagnostic::error(format!("this inventory plugin has no option `{name}`"))
        .at(&key.span, "not known")
        .maybe_hint(suggest::did_you_mean(&name, known.iter().copied())))
}

/// Templates of a plugin see the variables that they are given, and nothing of a play.
pub(super) struct Templates {
    engine: Arc<Engine>,
    store: Arc<Store>,
    play: Arc<PlayInfo>,
}

impl Templates {
    pub(super) fn new() -> Self {
        let (engine, store) = (Arc::new(Engine::new()), Arc::new(Store::new(Vars::new())));
        Self { engine, store, play: Arc::default() }
    }

    /// A scope of these definitions; later ones win.
    pub(super) fn scope(&self, layers: impl IntoIterator<Item = Arc<Vars>>) -> Scope {
        Scope::new(ScopeInputs {
            engine: &self.engine,
            store: &self.store,
            host: None,
            play: &self.play,
            role: None,
            search: Arc::default(),
            layers: layers.into_iter().map(|vars| (Level::InventoryFileHost, vars)).collect(),
        })
    }
}

/// The flag of that name in a configuration.
pub(super) fn flag(config: &Mapping, name: &str, default: bool) -> bool {
    config.get(name).and_then(Node::truth).unwrap_or(default)
}

/// A name that templates can use: other characters than letters, digits and `_` become `_`, as does a digit in front.
pub(super) fn safe_name(name: &str) -> String {
    let safe = |(at, char): (usize, char)| {
        let is_fine = char.is_alphanumeric() || char == '_';
        if is_fine && !(at == 0 && char.is_ascii_digit()) { char } else { '_' }
    };
    name.chars().enumerate().map(safe).collect()
}

/// The entries of an option that is a mapping.
pub(super) fn entries<'a>(config: &'a Mapping, name: &str) -> Result<Vec<(&'a Node, &'a Node)>, Diagnostic> {
    match config.get(name) {
        None => Ok(Vec::new()),
        Some(Node { kind: Kind::Null, .. }) => Ok(Vec::new()),
        Some(Node { kind: Kind::Map(mapping), .. }) => Ok(mapping.iter().collect()),
        Some(other) => {
            let found = other.describe();
            Err(Diagnostic::error(format!("`{name}` is a mapping, found {found}"))
                .at(&other.span.first_line(), ""))
        }
    }
}
