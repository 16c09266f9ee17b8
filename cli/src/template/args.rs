//! Arguments of a filter, test, lookup or function, taken one after another as Python binds them: by position,
//! else by name.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::python;

/// The arguments of one call.
#[derive(Debug)]
pub(crate) struct Args {
    /// The operand of a filter or test is the first.
    positional: std::collections::VecDeque<Value>,
    named: Vec<(String, Value)>,
    /// How errors name what is called, such as "filter `combine`".
    what: String,
}

/// Why a call failed, as an error of minijinja.
pub(crate) fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

impl Args {
    /// Splits values as minijinja hands them over: keyword arguments are the last.
    pub(crate) fn new(what: String, mut values: Vec<Value>) -> Self {
        let mut named = Vec::new();
        if values.last().is_some_and(Value::is_kwargs)
            && let Some(last) = values.pop()
            && let Ok(kwargs) = Kwargs::try_from(last)
        {
            named = kwargs
                .args()
                .filter_map(|name| Some((name.to_owned(), kwargs.peek::<Value>(name).ok()?)))
                .collect();
        }
        Self { positional: values.into(), named, what }
    }

    /// Arguments that were split already, all of them named.
    pub(crate) fn options(what: String, named: Vec<(String, Value)>) -> Self {
        Self { positional: Default::default(), named, what }
    }

    /// Whether an argument is undefined, and which.
    pub(crate) fn undefined(&self) -> Option<&Value> {
        self.positional.iter().chain(self.named.iter().map(|(_, value)| value)).find(|arg| arg.is_undefined())
    }

    /// A failure that names what was called.
    pub(crate) fn refuse(&self, message: impl std::fmt::Display) -> Error {
        refuse(format!("{}: {message}", self.what))
    }

    /// The next argument, or the one called `name`.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.positional.pop_front().or_else(|| self.named(name))
    }

    /// The argument called `name`, which cannot be given by position.
    pub(crate) fn named(&mut self, name: &str) -> Option<Value> {
        let index = self.named.iter().position(|(known, _)| known == name)?;
        Some(self.named.remove(index).1)
    }

    /// The next argument, which must be there.
    pub(crate) fn need(&mut self, name: &str) -> Result<Value, Error> {
        self.take(name).ok_or_else(|| self.refuse(format!("missing argument `{name}`")))
    }

    /// The operand of a filter or test.
    pub(crate) fn operand(&mut self) -> Result<Value, Error> {
        self.need("value")
    }

    /// The operand as text; other kinds are written as Python writes them.
    pub(crate) fn operand_text(&mut self) -> Result<String, Error> {
        Ok(python::text(&self.operand()?))
    }

    /// The operand's items; a mapping gives its keys.
    pub(crate) fn operand_items(&mut self) -> Result<Vec<Value>, Error> {
        let value = self.operand()?;
        self.items(&value)
    }

    /// The items of a list, which text is not.
    pub(crate) fn items(&self, value: &Value) -> Result<Vec<Value>, Error> {
        super::value::items(value).map_err(|err| match super::error::carried(&err) {
            Some(_) => err,
            None => self.refuse(format!(
                "a list is needed, not {}: '{}' object is not iterable",
                described(value),
                python::type_name(value)
            )),
        })
    }

    /// An optional text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(value) if value.is_none() => Ok(None),
            Some(value) => Ok(Some(python::text(&value))),
        }
    }

    /// A text that must be there.
    pub(crate) fn need_text(&mut self, name: &str) -> Result<String, Error> {
        Ok(python::text(&self.need(name)?))
    }

    /// An optional yes or no; anything counts by its truth, as in Python.
    pub(crate) fn flag(&mut self, name: &str, default: bool) -> bool {
        self.take(name).map_or(default, |value| value.is_true())
    }

    /// An optional whole number.
    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(value) if value.is_none() => Ok(None),
            Some(value) => self.as_integer(name, &value).map(Some),
        }
    }

    /// A whole number, also one written as text.
    pub(crate) fn as_integer(&self, name: &str, value: &Value) -> Result<i64, Error> {
        let parsed = match value.kind() {
            ValueKind::Bool => Some(i64::from(value.is_true())),
            ValueKind::String => value.as_str().and_then(|text| text.trim().parse().ok()),
            _ if value.is_integer() => value.as_i64(),
            _ => None,
        };
        parsed.ok_or_else(|| self.refuse(format!("`{name}` needs a whole number, not {}", described(value))))
    }

    /// A number that must be there.
    pub(crate) fn as_float(&self, name: &str, value: &Value) -> Result<f64, Error> {
        let parsed = match value.kind() {
            ValueKind::String => value.as_str().and_then(|text| text.trim().parse().ok()),
            ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
            _ => f64::try_from(value.clone()).ok(),
        };
        parsed.ok_or_else(|| self.refuse(format!("`{name}` needs a number, not {}", described(value))))
    }

    /// All positional arguments that are left.
    pub(crate) fn rest(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.positional).into()
    }

    /// All named arguments that are left.
    pub(crate) fn rest_named(&mut self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.named)
    }

    /// Refuses what no parameter took.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        if let Some((name, _)) = self.named.first() {
            return Err(self.refuse(format!("there is no argument `{name}`")));
        }
        match self.positional.len() {
            0 => Ok(()),
            1 => Err(self.refuse("one argument too many")),
            more => Err(self.refuse(format!("{more} arguments too many"))),
        }
    }
}

/// A value for an error message: its type and, when short, itself.
pub(crate) fn described(value: &Value) -> String {
    let text = python::repr(value);
    let kind = python::type_name(value);
    if text.chars().count() <= 40 { format!("{kind} `{text}`") } else { format!("a {kind}") }
}
