//! Lists and mappings whose items are templated when they are read, so that one undefined item does not spoil the
//! others.

use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use super::scope::WeakScope;
use super::{Data, Scope};
use crate::template::{TemplateError, read_failed};

/// A value of `data` for templates: a lone template is rendered now, the items of collections later.
pub(super) fn value(data: &Data, scope: &Scope) -> Result<Value, TemplateError> {
    match data {
        Data::Plain(value) => Ok(value.clone()),
        Data::Text(node) => scope.render_text(node),
        Data::Sealed(node) => scope.unseal(node),
        Data::List(items) => Ok(Value::from_object(LazyList {
            scope: scope.downgrade(),
            items: items.clone(),
            read: items.iter().map(|_| OnceLock::new()).collect(),
        })),
        Data::Map(entries) => Ok(Value::from_object(LazyMap {
            scope: scope.downgrade(),
            entries: entries.clone(),
            read: entries.iter().map(|_| OnceLock::new()).collect(),
        })),
    }
}

type Read = OnceLock<Result<Value, TemplateError>>;

fn read(key: &Value, cell: &Read, data: &Data, scope: &WeakScope) -> Value {
    match cell.get_or_init(|| value(data, &scope.upgrade()?)) {
        Ok(value) => value.clone(),
        Err(err) => read_failed(&crate::template::text_of(key), err),
    }
}

/// A list with a template in it.
#[derive(Debug)]
struct LazyList {
    /// Weak, because the scope keeps what it gave.
    scope: WeakScope,
    items: Arc<Vec<Data>>,
    read: Vec<Read>,
}

impl Object for LazyList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = key.as_usize()?;
        Some(read(key, self.read.get(index)?, self.items.get(index)?, &self.scope))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.items.len())
    }
}

/// A mapping with a template in one of its values.
#[derive(Debug)]
struct LazyMap {
    /// Weak, because the scope keeps what it gave.
    scope: WeakScope,
    entries: Arc<IndexMap<Value, Data>>,
    read: Vec<Read>,
}

impl Object for LazyMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (index, _, data) = self.entries.get_full(key)?;
        Some(read(key, self.read.get(index)?, data, &self.scope))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.entries.keys().cloned().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.entries.len())
    }
}
