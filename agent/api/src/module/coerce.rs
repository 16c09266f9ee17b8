//! From arguments as written to arguments as the module gets them: aliases resolved, values converted,
//! defaults filled in, rules checked.

use super::{ArgKind, ArgSpec, ModuleSpec, Rule};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::{Map, Number, Value};

/// One thing that is wrong with the arguments of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgProblem {
    /// The module has no argument of that name.
    Unknown {
        /// The name as written.
        name: String,
    },
    /// Ansible's module has that argument and muster's does not have it yet.
    Unsupported {
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
    /// The same argument was given under two names, with two values.
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
    let mut problems = Vec::new();
    let mut args = convert_all(spec, given, &mut problems);
    let is_broken = |name: &str| {
        problems.iter().any(|problem| match problem {
            ArgProblem::BadValue { name: written, .. } => {
                spec.argument(written).is_some_and(|argument| argument.name == name)
            }
            _ => false,
        })
    };
    let missing: Vec<ArgProblem> = spec
        .args
        .iter()
        .filter(|argument| {
            argument.required && !args.contains_key(argument.name) && !is_broken(argument.name)
        })
        .map(|argument| ArgProblem::Missing { name: argument.name })
        .collect();
    problems.extend(missing);
    let exclusive = check_exclusive(spec, &args);
    fill_defaults(spec, &mut args);
    if problems.is_empty() {
        problems.extend(exclusive);
        problems.extend(spec.rules.iter().filter_map(|rule| check_need(rule, &args)));
    }
    if problems.is_empty() { Ok(args) } else { Err(problems) }
}

fn convert_all(
    spec: &ModuleSpec,
    given: &Map<String, Value>,
    problems: &mut Vec<ArgProblem>,
) -> Map<String, Value> {
    let mut args = Map::new();
    for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        let Some(argument) = spec.argument(name) else {
            if spec.open_ended {
                args.insert(name.clone(), value.clone());
            } else if spec.unsupported.contains(&name.as_str()) {
                problems.push(ArgProblem::Unsupported { name: name.clone() });
            } else {
                problems.push(ArgProblem::Unknown { name: name.clone() });
            }
            continue;
        };
        match convert(argument, value) {
            Err(expected) => problems.push(ArgProblem::BadValue { name: name.clone(), expected }),
            Ok(value) => {
                let before = args.insert(argument.name.to_owned(), value);
                if before.is_some() && before.as_ref() != args.get(argument.name) {
                    problems.push(ArgProblem::Twice { name: argument.name });
                }
            }
        }
    }
    args
}

/// Fills in defaults, except where another argument was given that excludes the one with the default.
fn fill_defaults(spec: &ModuleSpec, args: &mut Map<String, Value>) {
    let excluded = |name: &str, args: &Map<String, Value>| {
        spec.rules.iter().any(|rule| match rule {
            Rule::MutuallyExclusive(names) => {
                names.contains(&name) && names.iter().any(|other| args.contains_key(*other))
            }
            _ => false,
        })
    };
    for argument in spec.args {
        let Some(default) = argument.default else { continue };
        if !args.contains_key(argument.name) && !excluded(argument.name, args) {
            let value = default_value(argument.kind, default);
            args.insert(argument.name.to_owned(), value);
        }
    }
}

fn default_value(kind: ArgKind, text: &str) -> Value {
    match kind {
        ArgKind::ListOfStr => {
            let inner = text.trim_start_matches('[').trim_end_matches(']');
            split_list(inner)
        }
        ArgKind::Str | ArgKind::Path | ArgKind::Mode | ArgKind::Raw if !text.starts_with('"') => {
            Value::String(text.to_owned())
        }
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}

/// The value as the argument's type.
fn convert(argument: &ArgSpec, value: &Value) -> Result<Value, String> {
    let value = match (argument.kind, value) {
        // `upgrade: yes` is a boolean for YAML and a word for the module.
        (ArgKind::Str, Value::Bool(flag)) if !argument.choices.is_empty() => {
            let words: &[&str] = if *flag { &["yes", "true", "on"] } else { &["no", "false", "off"] };
            let word = words.iter().find(|word| argument.choices.contains(word));
            word.map_or_else(|| python_bool(*flag).into(), |word| Value::String((*word).to_owned()))
        }
        (ArgKind::Str | ArgKind::Path, value) => Value::String(to_text(value).ok_or("text")?),
        (ArgKind::Int, value) => to_int(value).ok_or("a whole number")?.into(),
        (ArgKind::Float, value) => to_float(value).ok_or("a number")?,
        (ArgKind::Bool, value) => {
            Value::Bool(to_bool(value).ok_or("a boolean: yes or no, true or false, on or off, 1 or 0")?)
        }
        (ArgKind::Mode, value) => Value::String(to_mode(value)?),
        (ArgKind::Raw, value) => value.clone(),
        (ArgKind::ListOfStr, value) => to_list_of_text(value)?,
        (ArgKind::List, value) => to_list(value).ok_or("a list")?,
        (ArgKind::Dict, value) => to_dict(value).ok_or("a mapping")?,
    };
    check_choices(argument, &value)?;
    Ok(value)
}

fn check_choices(argument: &ArgSpec, value: &Value) -> Result<(), String> {
    let is_fine = |value: &Value| value.as_str().is_none_or(|text| argument.choices.contains(&text));
    let all_fine = match value {
        Value::Array(items) => items.iter().all(is_fine),
        other => is_fine(other),
    };
    if argument.choices.is_empty() || all_fine {
        return Ok(());
    }
    Err(format!("one of {}", argument.choices.join(", ")))
}

/// Scalars as Python prints them, because that is what playbooks expect of `line: yes`.
fn to_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(python_bool(*flag).to_owned()),
        _ => None,
    }
}

const fn python_bool(flag: bool) -> &'static str {
    if flag { "True" } else { "False" }
}

fn to_int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
        _ => None,
    }
}

/// The number as an integer where it has no fraction and a double holds it exactly.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let integer = number as i64;
    (number.is_finite() && number > -EXACT && number < EXACT && integer as f64 == number).then_some(integer)
}

fn to_float(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => Number::from_f64(text.trim().parse().ok()?).map(Value::Number),
        _ => None,
    }
}

fn to_bool(value: &Value) -> Option<bool> {
    let text = match value {
        Value::Bool(flag) => return Some(*flag),
        Value::String(text) => text.trim().to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    match text.as_str() {
        "y" | "yes" | "on" | "1" | "true" | "t" | "1.0" => Some(true),
        "n" | "no" | "off" | "0" | "false" | "f" | "0.0" => Some(false),
        _ => None,
    }
}

/// A mode as octal text with its leading zero, as symbolic text, or `preserve`.
fn to_mode(value: &Value) -> Result<String, String> {
    const EXPECTED: &str = "an octal mode such as `0644`, a symbolic one such as `u=rw,go=r`, or `preserve`";
    match value {
        Value::Number(number) => match number.as_u64() {
            // YAML reads `0644` as the number 420. Without its zero it is the number 644, octal 1204: the controller warns.
            Some(bits) if bits <= 0o7777 => Ok(format!("{bits:04o}")),
            _ => Err(EXPECTED.to_owned()),
        },
        Value::String(text) => {
            let text = text.trim();
            let digits = text.strip_prefix("0o").unwrap_or(text);
            if let Ok(bits) = u32::from_str_radix(digits, 8)
                && bits <= 0o7777
            {
                return Ok(format!("{bits:04o}"));
            }
            if text == "preserve" || is_symbolic(text) {
                Ok(text.to_owned())
            } else {
                Err(EXPECTED.to_owned())
            }
        }
        _ => Err(EXPECTED.to_owned()),
    }
}

/// Whether the text is a mode as `chmod` takes it: `u=rwX,g+s,o-rwx`.
fn is_symbolic(text: &str) -> bool {
    !text.is_empty() && text.split(',').all(is_symbolic_clause)
}

fn is_symbolic_clause(clause: &str) -> bool {
    let Some(start) = clause.find(['+', '-', '=']) else { return false };
    let (who, actions) = clause.split_at(start);
    let letters = |text: &str, allowed: &str| text.chars().all(|letter| allowed.contains(letter));
    // `a` stands alone.
    (who == "a" || letters(who, "ugo"))
        && actions
            .split(['+', '-', '='])
            .all(|what| letters(what, "rwxXst") || (what.len() == 1 && letters(what, "ugo")))
}

fn to_list_of_text(value: &Value) -> Result<Value, String> {
    match value {
        Value::Array(items) => items
            .iter()
            .filter(|item| !item.is_null())
            .map(|item| to_text(item).map(Value::String).ok_or_else(|| "a list of texts".to_owned()))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array),
        Value::String(text) => Ok(split_list(text)),
        Value::Number(number) => Ok(Value::Array([Value::String(number.to_string())].into())),
        _ => Err("a list, or a text with commas".to_owned()),
    }
}

fn to_list(value: &Value) -> Option<Value> {
    match value {
        Value::Array(_) => Some(value.clone()),
        Value::String(text) => Some(split_list(text)),
        Value::Number(_) => Some(Value::Array([value.clone()].into())),
        _ => None,
    }
}

fn split_list(text: &str) -> Value {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
}

/// A mapping, JSON text of one, or `a=1, b=2`.
fn to_dict(value: &Value) -> Option<Value> {
    match value {
        Value::Object(_) => Some(value.clone()),
        Value::String(text) if text.trim_start().starts_with('{') => {
            serde_json::from_str(text).ok().filter(Value::is_object)
        }
        Value::String(text) => text
            .split([',', ' '])
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().into())))
            .collect::<Option<Map<_, _>>>()
            .map(Value::Object),
        _ => None,
    }
}

/// The rules that look at what was given, before defaults are filled in.
fn check_exclusive(spec: &ModuleSpec, args: &Map<String, Value>) -> Vec<ArgProblem> {
    let given =
        |names: &'static [&'static str]| names.iter().filter(|name| args.contains_key(**name)).count();
    let problem = |names: &'static [&'static str], sentence: String| ArgProblem::Rule { names, sentence };
    let mut problems = Vec::new();
    for rule in spec.rules {
        match rule {
            Rule::MutuallyExclusive(names) if given(names) > 1 => {
                problems
                    .push(problem(names, format!("parameters are mutually exclusive: {}", names.join("|"))));
            }
            Rule::RequiredOneOf(names) if given(names) == 0 => {
                problems
                    .push(problem(names, format!("one of the following is required: {}", names.join(", "))));
            }
            Rule::RequiredTogether(names) if given(names) != 0 && given(names) != names.len() => {
                problems
                    .push(problem(names, format!("parameters are required together: {}", names.join(", "))));
            }
            _ => {}
        }
    }
    problems
}

/// The rules that look at what the module will get.
fn check_need(rule: &Rule, args: &Map<String, Value>) -> Option<ArgProblem> {
    let lacking = |needs: &[&'static str]| needs.iter().find(|name| !args.contains_key(**name)).copied();
    match rule {
        Rule::RequiredIf { argument, value, needs } => {
            let actual = to_text(args.get(*argument)?)?;
            let name = lacking(needs).filter(|_| actual.eq_ignore_ascii_case(value))?;
            let sentence = format!("{argument} is {value} but all of the following are missing: {name}");
            Some(ArgProblem::Rule { names: needs, sentence })
        }
        Rule::RequiredBy { argument, needs } if args.contains_key(*argument) => {
            let name = lacking(needs)?;
            Some(ArgProblem::Rule {
                names: needs,
                sentence: format!("missing parameter(s) required by '{argument}': {name}"),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{all, find};
    use super::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    fn coerced(module: &str, args: Value) -> Result<Map<String, Value>, Vec<ArgProblem>> {
        let Value::Object(args) = args else { panic!("arguments are a mapping") };
        coerce(find(module).expect("the module exists"), &args)
    }

    fn rule_sentence(result: Result<Map<String, Value>, Vec<ArgProblem>>) -> String {
        match result.expect_err("a rule is broken").remove(0) {
            ArgProblem::Rule { sentence, .. } => sentence,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn aliases_words_and_numbers_become_what_the_module_takes() {
        let args =
            coerced("lineinfile", json!({"dest": "/etc/hosts", "line": true, "create": "yes", "mode": 420}));
        let args = args.expect("fine");
        assert_eq!(args["path"], "/etc/hosts");
        assert_eq!(args["line"], "True");
        assert_eq!(args["create"], true);
        assert_eq!(args["mode"], "0644");
        assert_eq!(args["state"], "present");
    }

    #[test]
    fn mode_without_its_zero_is_the_number_that_it_is() {
        assert_eq!(coerced("file", json!({"path": "/x", "mode": 600})).expect("fine")["mode"], "1130");
    }

    #[test]
    fn modes_may_be_octal_text_symbolic_or_preserve() {
        for (written, meant) in [
            ("644", "0644"),
            ("0o755", "0755"),
            ("u=rwX,g+s,o-rwx", "u=rwX,g+s,o-rwx"),
            ("preserve", "preserve"),
        ] {
            assert_eq!(coerced("file", json!({"path": "/x", "mode": written})).expect("fine")["mode"], meant);
        }
        for wrong in ["u", "rwxr-xr-x", "99999", "z+x", "ao=r", ""] {
            coerced("file", json!({"path": "/x", "mode": wrong})).expect_err(wrong);
        }
    }

    #[test]
    fn choices_are_told_when_the_value_is_none_of_them() {
        let problems = coerced("apt", json!({"name": "a, b", "state": "lateste"})).expect_err("no state");
        assert_eq!(
            problems,
            [ArgProblem::BadValue {
                name: "state".into(),
                expected: "one of absent, build-dep, latest, present, fixed, installed, removed".into()
            }]
        );
    }

    #[test]
    fn yaml_boolean_is_the_word_yes_where_that_is_a_choice() {
        assert_eq!(coerced("apt", json!({"upgrade": true})).expect("fine")["upgrade"], "yes");
    }

    #[test]
    fn text_with_commas_is_a_list() {
        assert_eq!(coerced("apt", json!({"name": "a, b"})).expect("fine")["name"], json!(["a", "b"]));
        assert_eq!(coerced("package_facts", json!({})).expect("fine")["manager"], json!(["auto"]));
    }

    #[test]
    fn known_argument_that_muster_lacks_is_told_apart_from_a_typo() {
        let problems = coerced("user", json!({"seuser": "x", "shel": "y"})).expect_err("neither");
        assert!(problems.contains(&ArgProblem::Unsupported { name: "seuser".into() }));
        assert!(problems.contains(&ArgProblem::Unknown { name: "shel".into() }));
        assert!(problems.contains(&ArgProblem::Missing { name: "name" }));
    }

    #[test]
    fn default_is_left_out_where_a_given_argument_excludes_it() {
        assert!(!coerced("debug", json!({"var": "x"})).expect("fine").contains_key("msg"));
        assert_eq!(coerced("debug", json!({})).expect("fine")["msg"], "Hello world!");
    }

    #[test]
    fn rules_are_sentences() {
        let both = coerced("copy", json!({"src": "a", "content": "b", "dest": "/c"}));
        assert_eq!(rule_sentence(both), "parameters are mutually exclusive: src|content");
        assert_eq!(
            rule_sentence(coerced("copy", json!({"dest": "/c"}))),
            "one of the following is required: src, content"
        );
        assert_eq!(
            rule_sentence(coerced("lineinfile", json!({"path": "/c"}))),
            "state is present but all of the following are missing: line"
        );
        assert_eq!(
            rule_sentence(coerced("systemd", json!({"state": "started"}))),
            "missing parameter(s) required by 'state': name"
        );
    }

    #[test]
    fn null_counts_as_not_given() {
        assert!(!coerced("user", json!({"name": "a", "uid": null})).expect("fine").contains_key("uid"));
    }

    #[test]
    fn tables_are_sorted_and_every_default_passes_its_own_check() {
        let names: Vec<&str> = all().map(|module| module.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        for module in all() {
            let mut seen = BTreeSet::new();
            for argument in module.args {
                for name in argument.aliases.iter().chain([&argument.name]) {
                    assert!(seen.insert(*name), "{}: `{name}` is there twice", module.name);
                    assert!(
                        !module.unsupported.contains(name),
                        "{}: `{name}` is and is not supported",
                        module.name
                    );
                }
                if let Some(default) = argument.default {
                    let value = default_value(argument.kind, default);
                    let converted = convert(argument, &value);
                    assert_eq!(converted.as_ref(), Ok(&value), "{}.{}", module.name, argument.name);
                }
            }
            for rule in module.rules {
                for name in names_of(rule) {
                    assert!(
                        module.args.iter().any(|argument| argument.name == name),
                        "{}: `{name}`",
                        module.name
                    );
                }
            }
        }
    }

    fn names_of(rule: &Rule) -> Vec<&'static str> {
        match rule {
            Rule::MutuallyExclusive(names) | Rule::RequiredOneOf(names) | Rule::RequiredTogether(names) => {
                names.to_vec()
            }
            Rule::RequiredIf { argument, needs, .. } | Rule::RequiredBy { argument, needs } => {
                needs.iter().copied().chain([*argument]).collect()
            }
        }
    }
}
