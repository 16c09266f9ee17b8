//! Arguments of a role against its specification (`meta/argument_specs.yml`), and of the module
//! `validate_argument_spec`. The sentences are Ansible's: playbooks look for them.

use crate::template::{from_json, repr, text_of};
use serde_json::{Map, Value as Json};

/// All that is wrong with `given`; empty where nothing is. Names that the specification does not have are passed over
/// at the top, where all variables are arguments.
pub(crate) fn errors(spec: &Map<String, Json>, given: &Map<String, Json>) -> Vec<String> {
    let mut found = Vec::new();
    Level { spec, rules: None, path: Vec::new() }.check(given, &mut found);
    found
}

/// The options of one mapping: those of the role, or of an option that has options itself.
struct Level<'a> {
    spec: &'a Map<String, Json>,
    /// Where `required_together` and the like stand.
    rules: Option<&'a Json>,
    /// The options around it, the outermost first.
    path: Vec<&'a str>,
}

impl<'a> Level<'a> {
    fn check(&self, given: &Map<String, Json>, found: &mut Vec<String>) {
        let given = self.with_aliases(given);
        self.exclusive(&given, found);
        self.required(&given, found);
        for (name, option) in self.spec {
            self.option(name, option, &given, found);
        }
        self.rules(&given, found);
        for (name, option) in self.spec {
            self.below(name, option, &given, found);
        }
        self.unknown(&given, found);
    }

    fn with_aliases(&self, given: &Map<String, Json>) -> Map<String, Json> {
        let mut renamed = given.clone();
        for (name, option) in self.spec {
            for alias in texts(option.get("aliases")) {
                if let Some(value) = renamed.remove(&alias) {
                    renamed.insert(name.clone(), value);
                }
            }
        }
        renamed
    }

    /// ` found in a -> b`, inside of options.
    fn inside(&self) -> String {
        if self.path.is_empty() { String::new() } else { format!(" found in {}", self.path.join(" -> ")) }
    }

    fn required(&self, given: &Map<String, Json>, found: &mut Vec<String>) {
        let is_missing = |(name, option): &(&String, &Json)| {
            truth(option.get("required")) && !given.contains_key(name.as_str())
        };
        let mut missing: Vec<&str> =
            self.spec.iter().filter(is_missing).map(|(name, _)| name.as_str()).collect();
        missing.sort_unstable();
        if !missing.is_empty() {
            found.push(format!("missing required arguments: {}{}", missing.join(", "), self.inside()));
        }
    }

    fn option(&self, name: &str, option: &Json, given: &Map<String, Json>, found: &mut Vec<String>) {
        let Some(value) = given.get(name) else { return };
        if value.is_null() && !truth(option.get("required")) {
            return;
        }
        let kind = kind_of(option);
        let converted = match convert(kind, value) {
            Ok(converted) => converted,
            Err(why) => return found.push(self.not_converted("argument", name, value, kind, &why)),
        };
        if let (Some(elements), Json::Array(items)) = (text(option.get("elements")), &converted) {
            let wrong = items.iter().find_map(|item| Some((item, convert(elements, item).err()?)));
            if let Some((item, why)) = wrong {
                found.push(self.not_converted("Elements value for option", name, item, elements, &why));
            }
        }
        self.choices(name, option, &converted, found);
    }

    fn not_converted(&self, what: &str, name: &str, value: &Json, kind: &str, why: &str) -> String {
        let place = match self.path.as_slice() {
            [] => String::new(),
            path => format!(" found in '{}'.", path.join(" -> ")),
        };
        let found = python_type(value);
        format!("{what} '{name}' is of type {found}{place} and we were unable to convert to {kind}: {why}")
    }

    fn choices(&self, name: &str, option: &Json, value: &Json, found: &mut Vec<String>) {
        let Some(choices) = option.get("choices").and_then(Json::as_array) else { return };
        let list = choices.iter().map(plain).collect::<Vec<_>>().join(", ");
        let inside = self.inside();
        match value {
            Json::Array(items) => {
                let other: Vec<String> =
                    items.iter().filter(|item| !choices.contains(item)).map(plain).collect();
                if !other.is_empty() {
                    let other = other.join(", ");
                    found.push(format!(
                        "value of {name} must be one or more of: {list}. Got no match for: {other}{inside}"
                    ));
                }
            }
            value if !choices.iter().any(|choice| plain(choice) == plain(value)) => {
                found.push(format!("value of {name} must be one of: {list}, got: {}{inside}", plain(value)));
            }
            _ => {}
        }
    }

    /// The options of an option.
    fn below(&self, name: &'a str, option: &'a Json, given: &Map<String, Json>, found: &mut Vec<String>) {
        let Some(spec) = option.get("options").and_then(Json::as_object) else { return };
        let Some(value) = given.get(name).filter(|value| !value.is_null()) else { return };
        let mut path = self.path.clone();
        path.push(name);
        let level = Level { spec, rules: Some(option), path };
        let items = match value {
            Json::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        for item in items {
            match convert("dict", item) {
                Ok(Json::Object(entries)) => level.check(&entries, found),
                _ => found.push(format!("value of '{name}' must be of type dict or list of dicts")),
            }
        }
    }

    fn unknown(&self, given: &Map<String, Json>, found: &mut Vec<String>) {
        if self.path.is_empty() {
            return;
        }
        let prefix = self.path.join(".");
        let mut unknown: Vec<String> = given
            .keys()
            .filter(|name| !self.spec.contains_key(*name))
            .map(|name| format!("{prefix}.{name}"))
            .collect();
        unknown.sort();
        if unknown.is_empty() {
            return;
        }
        let mut known: Vec<&str> = self.spec.keys().map(String::as_str).collect();
        known.sort_unstable();
        let known = known.join(", ");
        found.push(format!("{}. Supported parameters include: {known}.", unknown.join(", ")));
    }

    fn rule(&self, name: &str) -> Vec<&'a Json> {
        let rules = self.rules.and_then(|rules| rules.get(name)).and_then(Json::as_array);
        rules.map(|rules| rules.iter().collect()).unwrap_or_default()
    }

    fn exclusive(&self, given: &Map<String, Json>, found: &mut Vec<String>) {
        for names in self.rule("mutually_exclusive").into_iter().map(|rule| texts(Some(rule))) {
            if names.iter().filter(|name| given.contains_key(*name)).count() > 1 {
                found.push(format!(
                    "parameters are mutually exclusive: {}{}",
                    names.join("|"),
                    self.inside()
                ));
            }
        }
    }

    fn rules(&self, given: &Map<String, Json>, found: &mut Vec<String>) {
        let is_given = |name: &String| given.get(name).is_some_and(|value| !value.is_null());
        let inside = self.inside();
        for names in self.rule("required_together").into_iter().map(|rule| texts(Some(rule))) {
            let count = names.iter().filter(|name| is_given(name)).count();
            if count > 0 && count < names.len() {
                found.push(format!("parameters are required together: {}{inside}", names.join(", ")));
            }
        }
        for names in self.rule("required_one_of").into_iter().map(|rule| texts(Some(rule))) {
            if !names.iter().any(is_given) {
                found.push(format!("one of the following is required: {}{inside}", names.join(", ")));
            }
        }
        for rule in self.rule("required_if") {
            let Some([key, value, names, rest @ ..]) = rule.as_array().map(Vec::as_slice) else { continue };
            let key = plain(key);
            if given.get(&key) != Some(value) {
                continue;
            }
            let (names, any) = (texts(Some(names)), truth(rest.first()));
            let missing: Vec<String> = names.iter().filter(|name| !is_given(name)).cloned().collect();
            let fails = if any { missing.len() == names.len() } else { !missing.is_empty() };
            if fails {
                let which = if any { "any" } else { "all" };
                found.push(format!(
                    "{key} is {} but {which} of the following are missing: {}{inside}",
                    plain(value),
                    missing.join(", ")
                ));
            }
        }
    }
}

fn kind_of(option: &Json) -> &str {
    text(option.get("type")).unwrap_or("str")
}

/// The value as the type has it, or why it cannot be.
fn convert(kind: &str, value: &Json) -> Result<Json, String> {
    let cannot = |what: &str| format!("<class '{}'> cannot be converted to {what}", python_type(value));
    match kind {
        "str" | "path" | "json" | "jsonarg" => Ok(match value {
            Json::String(_) => value.clone(),
            Json::Array(_) | Json::Object(_) if kind != "str" => value.to_string().into(),
            other => plain(other).into(),
        }),
        "int" => whole(value).ok_or_else(|| match value {
            Json::Null => "\"None\" cannot be converted to an int".into(),
            _ => cannot("an int"),
        }),
        "float" => {
            let number = match value {
                Json::Number(number) => number.as_f64(),
                Json::String(text) => text.trim().parse().ok(),
                _ => None,
            };
            number.map(Json::from).ok_or_else(|| cannot("a float"))
        }
        "bool" => boolean(value).map(Json::from).ok_or_else(|| {
            format!(
                "The value {} is not a valid boolean. Valid booleans include: 0, 1, '0', '1', 'f', 'false', \
                 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'",
                repr(&from_json(&plain(value).into()))
            )
        }),
        "list" => match value {
            Json::Array(_) => Ok(value.clone()),
            Json::String(text) => Ok(text.split(',').collect::<Vec<_>>().into()),
            Json::Number(_) => Ok(vec![Json::from(plain(value))].into()),
            _ => Err(cannot("a list")),
        },
        "dict" => match value {
            Json::Object(_) => Ok(value.clone()),
            Json::String(text) => pairs(text),
            _ => Err(cannot("a dict")),
        },
        "bytes" => size(value).ok_or_else(|| cannot("a Byte value")),
        "bits" => size(value).ok_or_else(|| cannot("a Bit value")),
        _ => Ok(value.clone()),
    }
}

fn whole(value: &Json) -> Option<Json> {
    match value {
        Json::Number(number) if number.is_f64() => {
            let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
            Some(Json::from(float as i64))
        }
        Json::Number(_) => Some(value.clone()),
        Json::Bool(value) => Some(Json::from(i64::from(*value))),
        Json::String(text) => text.trim().parse::<i64>().ok().map(Json::from),
        _ => None,
    }
}

fn boolean(value: &Json) -> Option<bool> {
    match plain(value).to_lowercase().as_str() {
        "1" | "1.0" | "on" | "t" | "true" | "y" | "yes" => Some(true),
        "0" | "0.0" | "off" | "f" | "false" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// A mapping as JSON, or `key=value` pairs with commas or blanks between them.
fn pairs(text: &str) -> Result<Json, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|_| "unable to evaluate string as dictionary".into());
    }
    if !text.contains('=') {
        return Err("dictionary requested, could not parse JSON or key=value".into());
    }
    let words = text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
    let entries =
        words.filter_map(|word| word.split_once('=')).map(|(name, value)| (name.into(), value.into()));
    Ok(Json::Object(entries.collect()))
}

/// `10MB`: a number and a unit of powers of 1024.
fn size(value: &Json) -> Option<Json> {
    let text = plain(value);
    let digits = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim().to_ascii_uppercase();
    let unit = unit.strip_suffix('B').unwrap_or(&unit);
    let power = ["", "K", "M", "G", "T", "P", "E", "Z", "Y"].iter().position(|known| *known == unit)?;
    Some(Json::from((number * 1024_f64.powi(power as i32)) as u64))
}

fn python_type(value: &Json) -> &'static str {
    match value {
        Json::Null => "NoneType",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "float",
        Json::Number(_) => "int",
        Json::String(_) => "str",
        Json::Array(_) => "list",
        Json::Object(_) => "dict",
    }
}

fn plain(value: &Json) -> String {
    text_of(&from_json(value))
}

fn text(value: Option<&Json>) -> Option<&str> {
    value.and_then(Json::as_str)
}

fn truth(value: Option<&Json>) -> bool {
    value.is_some_and(|value| boolean(value) == Some(true))
}

fn texts(value: Option<&Json>) -> Vec<String> {
    match value {
        Some(Json::Array(items)) => items.iter().map(plain).collect(),
        Some(Json::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(spec: Json, given: Json) -> Vec<String> {
        errors(spec.as_object().unwrap(), given.as_object().unwrap())
    }

    #[test]
    fn what_is_missing_is_said_once() {
        let spec = json!({"b": {"required": true}, "a": {"required": true}, "c": {}});
        assert_eq!(said(spec, json!({"other": 1})), ["missing required arguments: a, b"]);
    }

    #[test]
    fn values_of_another_type_and_outside_of_the_choices_are_refused() {
        let spec = json!({
            "flag": {"type": "bool"}, "number": {"type": "int", "required": true},
            "list": {"type": "list", "elements": "int"}, "choice": {"choices": ["x", "y"]},
        });
        let given = json!({"flag": 7, "number": null, "list": ["1", "b"], "choice": "z"});
        let errors = said(spec, given);
        assert!(
            errors[0].starts_with("argument 'flag' is of type int and we were unable to convert to bool: ")
        );
        assert_eq!(
            errors[1..],
            [
                "argument 'number' is of type NoneType and we were unable to convert to int: \"None\" cannot \
                 be converted to an int",
                "Elements value for option 'list' is of type str and we were unable to convert to int: \
                 <class 'str'> cannot be converted to an int",
                "value of choice must be one of: x, y, got: z",
            ]
        );
    }

    #[test]
    fn options_of_options_are_looked_at_with_their_path() {
        let spec = json!({"a": {"type": "dict", "options": {"b": {"type": "dict", "options": {
            "c": {"type": "int", "required": true}}}}}});
        assert_eq!(
            said(spec, json!({"a": {"b": {"d": 1}}})),
            ["missing required arguments: c found in a -> b", "a.b.d. Supported parameters include: c."]
        );
    }
}
