//! Templates and what they give, read as YAML: for tests of this folder and of `vars`.

use std::sync::Arc;

use super::{Engine, TemplateError, text_of};
use crate::source::SourceFile;
use crate::vars::{Level, PlayInfo, Scope, ScopeInputs, Store, Vars};
use crate::yaml::{Node, parse};

/// A YAML text as a value with places.
pub(crate) fn yaml(text: &str) -> Node {
    let mut warnings = crate::error::Diagnostics::default();
    parse(&SourceFile::new("test.yml", text), &mut warnings).expect("the test's YAML is well-formed")
}

/// The variables of a YAML mapping.
pub(crate) fn vars(text: &str) -> Vars {
    yaml(text).as_map().map(Vars::from).unwrap_or_default()
}

/// A scope of one host `web1` whose play has these variables.
pub(crate) fn scope(variables: &str) -> Scope {
    scope_with(&Arc::new(Store::new(Vars::new())), vec![(Level::PlayVars, Arc::new(vars(variables)))])
}

/// A scope of `web1` with a store and layers.
pub(crate) fn scope_with(store: &Arc<Store>, layers: Vec<(Level, Arc<Vars>)>) -> Scope {
    Scope::new(ScopeInputs {
        engine: &Arc::new(Engine::new()),
        store,
        host: Some("web1"),
        play: &Arc::new(PlayInfo::default()),
        role: None,
        search: Arc::from([]),
        layers,
    })
}

/// What a template gives, as Python would print it, or its error.
pub(crate) fn shown(scope: &Scope, template: &str) -> String {
    show(scope.render_node(&Node::text(&crate::source::Span::outside("test"), template)))
}

/// A result as Python would print it, or its error with hint.
pub(crate) fn show(result: Result<super::Value, TemplateError>) -> String {
    match result {
        Ok(value) if value.as_str().is_some() => text_of(&value),
        Ok(value) => super::python::repr(&value),
        Err(err) => match &err.hint {
            Some(hint) => format!("error: {} ({hint})", err.message),
            None => format!("error: {}", err.message),
        },
    }
}

/// Checks pairs of a template and what it gives.
pub(crate) fn check(variables: &str, pairs: &[(&str, &str)]) {
    let scope = scope(variables);
    for (template, expected) in pairs {
        assert_eq!(shown(&scope, template), *expected, "{template}");
    }
}
