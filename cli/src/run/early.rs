//! Names that must be known before a play runs, such as the file of an `import_tasks`: rendered with `-e` and with the
//! variables written around them.

use super::keywords::list_of_texts;
use super::layers::{Layers, role_info};
use crate::error::Diagnostic;
use crate::exit::Exit;
use crate::playbook::{EarlyNames, Scope as Written};
use crate::template::{Engine, TemplateError, Value, text_of};
use crate::vars::{Level, PlayInfo, Scope, ScopeInputs, Store, Vars};
use crate::yaml::Node;
use std::path::PathBuf;
use std::sync::Arc;

/// Renders early names.
pub(crate) struct Early {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Arc<Store>,
    pub(crate) playbook_dir: PathBuf,
}

impl EarlyNames for Early {
    fn render(&self, text: &Node, scope: &Written) -> Result<String, Diagnostic> {
        self.value(text, scope).map(|value| text_of(&value)).map_err(|err| {
            let mistake = Diagnostic::error("this name must be known before any host is asked").at(&text.span, err.message.clone());
            mistake.hint("variables of hosts and facts are not known yet: use the `include_…` form, or set it with `-e`")
        })
    }

    fn texts(&self, list: &Node, scope: &Written) -> Option<Vec<String>> {
        self.value(list, scope).ok().map(|value| list_of_texts(&value))
    }
}

impl Early {
    /// A text of the command line.
    ///
    /// # Errors
    ///
    /// It needs what is not known yet.
    pub(crate) fn text(&self, text: &str) -> Result<String, Diagnostic> {
        let value = self.outermost().render_str(text).map_err(|err| {
            let why = format!("`{text}` cannot be rendered: {}", err.message);
            Diagnostic::error(why).exits_with(Exit::WrongUse).hint("set what it needs with `-e`")
        })?;
        Ok(text_of(&value))
    }

    fn outermost(&self) -> Scope {
        Scope::new(ScopeInputs {
            engine: &self.engine,
            store: &self.store,
            host: None,
            play: &Arc::new(PlayInfo { playbook_dir: self.playbook_dir.clone(), ..PlayInfo::default() }),
            role: None,
            search: Arc::from([self.playbook_dir.clone()]),
            layers: Layers::new(),
        })
    }

    fn value(&self, text: &Node, scope: &Written) -> Result<Value, TemplateError> {
        let role = scope.outer().find_map(|scope| scope.role.as_ref()).map(|role| Arc::new(role_info(role)));
        let info = Arc::new(PlayInfo { playbook_dir: self.playbook_dir.clone(), ..PlayInfo::default() });
        let scope = Scope::new(ScopeInputs {
            engine: &self.engine,
            store: &self.store,
            host: None,
            play: &info,
            role: role.as_ref(),
            search: Arc::from([self.playbook_dir.clone()]),
            layers: layers(scope),
        });
        scope.render_node(text)
    }
}

fn layers(scope: &Written) -> Layers {
    let around: Vec<&Written> = scope.outer().collect();
    let mut layers = Layers::new();
    for scope in around.into_iter().rev() {
        let own: Vec<_> = scope.own_vars().collect();
        for vars in own.into_iter().rev() {
            layers.push((Level::BlockVars, Arc::new(Vars::from(vars))));
        }
        if let Some(role) = &scope.role {
            layers.push((Level::RoleDefaults, Arc::new(Vars::from(&role.defaults))));
            layers.push((Level::RoleVars, Arc::new(Vars::from(&role.vars))));
            layers.push((Level::RoleParams, Arc::new(Vars::from(&role.params))));
        }
    }
    layers
}
