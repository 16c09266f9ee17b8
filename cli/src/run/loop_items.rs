//! What a task is repeated for: the items of `loop` and `with_…`, and the variables that each repetition sees.

use crate::playbook::{Loop, LoopKind, Task};
use crate::template::{FailureKind, TemplateError, Value, text_of};
use crate::vars::{Data, Level, Scope, Vars};
use crate::yaml::Node;
use std::time::Duration;

/// The items, and how they are gone through.
#[derive(Debug, Clone)]
pub(crate) struct Items {
    pub(crate) values: Vec<Value>,
    pub(crate) variable: String,
    index_variable: Option<String>,
    label: Option<Node>,
    is_extended: bool,
    has_all_items: bool,
    pub(crate) break_when: Option<Node>,
    pub(crate) pause: Option<Duration>,
}

impl Items {
    /// The items of a task that has a loop.
    pub(crate) fn of(task: &Task, scope: &Scope) -> Result<Option<Self>, TemplateError> {
        let Some(repeat) = &task.loop_over else { return Ok(None) };
        let control = |name: &str| repeat.control.get(name).filter(|node| !node.is_null());
        let text = |name: &str| -> Result<Option<String>, TemplateError> {
            control(name).map(|node| Ok(text_of(&scope.render_node(node)?))).transpose()
        };
        let truth = |name: &str, default: bool| -> Result<bool, TemplateError> {
            match control(name) {
                Some(node) => Ok(super::keywords::is_true(&scope.render_node(node)?)),
                None => Ok(default),
            }
        };
        let pause = text("pause")?.and_then(|text| text.parse::<f64>().ok());
        Ok(Some(Self {
            values: values(repeat, scope, task.module.bare())?,
            variable: text("loop_var")?.unwrap_or_else(|| "item".into()),
            index_variable: text("index_var")?,
            label: control("label").cloned(),
            is_extended: truth("extended", false)?,
            has_all_items: truth("extended_allitems", true)?,
            break_when: control("break_when").cloned(),
            pause: pause.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e9))),
        }))
    }

    /// The scope of one repetition.
    pub(crate) fn scope(&self, scope: &Scope, index: usize) -> Scope {
        let mut vars = Vars::new();
        for (name, value) in self.variables(index) {
            vars.set_plain(&name, value);
        }
        scope.with(Level::LoopVars, vars)
    }

    /// The variables of one repetition.
    pub(crate) fn variables(&self, index: usize) -> Vec<(String, Value)> {
        let mut vars = vec![
            (self.variable.clone(), self.values[index].clone()),
            ("ansible_loop_var".into(), Value::from(self.variable.as_str())),
        ];
        if let Some(name) = &self.index_variable {
            vars.push((name.clone(), Value::from(index)));
            vars.push(("ansible_index_var".into(), Value::from(name.as_str())));
        }
        if self.is_extended {
            vars.push(("ansible_loop".into(), self.extended(index)));
        }
        vars
    }

    fn extended(&self, index: usize) -> Value {
        let length = self.values.len();
        let mut entries = vec![
            ("index", Value::from(index + 1)),
            ("index0", Value::from(index)),
            ("first", Value::from(index == 0)),
            ("last", Value::from(index + 1 == length)),
            ("length", Value::from(length)),
            ("revindex", Value::from(length - index)),
            ("revindex0", Value::from(length - index - 1)),
        ];
        if self.has_all_items {
            entries.push(("allitems", Value::from(self.values.clone())));
        }
        if let Some(previous) = index.checked_sub(1).and_then(|index| self.values.get(index)) {
            entries.push(("previtem", previous.clone()));
        }
        if let Some(next) = self.values.get(index + 1) {
            entries.push(("nextitem", next.clone()));
        }
        Value::from_pairs(entries)
    }

    /// What stands for the item in reports.
    pub(crate) fn label(&self, scope: &Scope, index: usize) -> Result<String, TemplateError> {
        let label = self.label.as_ref().map(|node| scope.render_node(node)).transpose()?;
        Ok(label.map_or_else(|| self.item_text(index), |label| text_of(&label)))
    }

    /// The item as text.
    pub(crate) fn item_text(&self, index: usize) -> String {
        text_of(&self.values[index])
    }
}

fn values(repeat: &Loop, scope: &Scope, module: &str) -> Result<Vec<Value>, TemplateError> {
    let over = scope.render_to_pass_on(&Data::of(&repeat.over))?;
    let (over, what) = match &repeat.kind {
        LoopKind::Loop => (over, "loop".to_owned()),
        LoopKind::With(lookup) => (look_up(lookup, &over, scope, module)?, format!("with_{lookup}")),
    };
    let is_list =
        matches!(over.kind(), minijinja::value::ValueKind::Seq | minijinja::value::ValueKind::Iterable);
    if !is_list {
        let found = crate::template::type_name(&over);
        let mut err =
            TemplateError::new(FailureKind::Failed, format!("`{what}` needs a list, found a {found}"));
        err.node = Some(repeat.over.clone());
        return Err(err.with_hint("a dictionary becomes a list by `| dict2items`"));
    }
    Ok(over.try_iter().into_iter().flatten().collect())
}

/// Where `with_first_found` looks: where the module itself would.
fn folder_of(module: &str) -> &'static str {
    match () {
        () if module.contains("template") => "templates",
        () if module.contains("var") => "vars",
        () => "files",
    }
}

/// `with_NAME` is what lookup NAME gives for the terms, one or many.
fn look_up(lookup: &str, over: &Value, scope: &Scope, module: &str) -> Result<Value, TemplateError> {
    const TERMS: &str = "muster_terms";
    let mut vars = Vars::new();
    let terms: Vec<Value> = match over.kind() {
        minijinja::value::ValueKind::Seq => over.try_iter().into_iter().flatten().collect(),
        _ => vec![over.clone()],
    };
    let names: Vec<String> = (0..terms.len()).map(|index| format!("{TERMS}[{index}]")).collect();
    vars.set_plain(TERMS, Value::from(terms));
    let scope = scope.with(Level::LoopVars, vars);
    let span = crate::source::Span::outside(&format!("with_{lookup}"));
    let options = (lookup == "first_found").then(|| format!("subdir='{}'", folder_of(module)));
    let call =
        std::iter::once(format!("'{lookup}'")).chain(names).chain(options).collect::<Vec<_>>().join(", ");
    scope.expression_to_pass_on(&Node::text(&span, format!("query({call})")))
}
