//! Lookups of single values in CSV, INI and properties files.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::{Table, file, read_in};
use crate::encoding::Encoding;
use crate::template::args::Args;
use crate::template::filters::regex;
use crate::template::python;
use crate::vars::Scope;

pub(super) const TABLE: Table = &[("csvfile", csv_file), ("ini", ini)];

/// A term's words: a key, and `option=value` pairs, the old way to give options.
fn words(term: &str, names: &[&str]) -> (String, Vec<(String, String)>) {
    let mut key: Vec<&str> = Vec::new();
    let mut options: Vec<(String, String)> = Vec::new();
    for word in term.split_whitespace() {
        match word.split_once('=') {
            Some((name, value)) if names.contains(&name) => options.push((name.into(), value.into())),
            _ => match options.last_mut() {
                Some((_, value)) => {
                    value.push(' ');
                    value.push_str(word);
                }
                None => key.push(word),
            },
        }
    }
    (key.join(" "), options)
}

/// A key as it is written, quotes included, and `option=value` words whose values may be quoted.
fn key_and_options(term: &str) -> (String, Vec<(String, String)>) {
    let mut key: Vec<&str> = Vec::new();
    let mut options = Vec::new();
    for word in quoted_words(term) {
        match word.split_once('=') {
            Some((name, value)) => options.push((name.to_owned(), unescaped(unquoted(value)))),
            None => key.push(word),
        }
    }
    (key.join(" "), options)
}

/// Words between blanks that are not inside quotes.
fn quoted_words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut quote) = (0, None);
    for (at, char) in text.char_indices() {
        match quote {
            Some(open) if char == open => quote = None,
            None if matches!(char, '"' | '\'') => quote = Some(char),
            None if char == ' ' => {
                words.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    words.push(&text[start..]);
    words.retain(|word| !word.is_empty());
    words
}

fn unquoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

/// `\t`, `\n` and `\x1a` as the characters that they stand for.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let code = after.strip_prefix('x').and_then(|hex| u8::from_str_radix(hex.get(..2)?, 16).ok());
        let (char, length) = match (after.chars().next(), code) {
            (Some('x'), Some(code)) => (char::from(code), 3),
            (Some('t'), _) => ('\t', 1),
            (Some('n'), _) => ('\n', 1),
            (Some('\\'), _) => ('\\', 1),
            _ => ('\\', 0),
        };
        out.push(char);
        rest = &after[length..];
    }
    out + rest
}

/// Options by name: those of the call, and those in a term over them.
struct Options(Vec<(String, String)>);

impl Options {
    fn of(args: &mut Args, names: &[&str]) -> Self {
        let taken = names.iter().filter_map(|name| {
            let value = args.named(name)?;
            (!value.is_none()).then(|| ((*name).to_owned(), python::text(&value)))
        });
        Self(taken.collect())
    }

    fn with(&self, more: Vec<(String, String)>) -> Self {
        Self(self.0.iter().cloned().chain(more).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn flag(&self, name: &str, usual: bool) -> bool {
        self.get(name)
            .map_or(usual, |value| matches!(value.to_lowercase().as_str(), "true" | "yes" | "1" | "on"))
    }
}

const CSV_OPTIONS: [&str; 6] = ["file", "delimiter", "col", "encoding", "keycol", "default"];

fn csv_file(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let usual = Options::of(args, &CSV_OPTIONS[..5]);
    let default = args.named("default");
    const NO_KEY: &str = "Search key is required but was not found";
    if terms.is_empty() {
        return Err(args.refuse(NO_KEY));
    }
    let mut found = Vec::new();
    for term in terms {
        let (key, more) = key_and_options(&python::text(term));
        if key.is_empty() {
            return Err(args.refuse(NO_KEY));
        }
        if let Some((name, _)) = more.iter().find(|(name, _)| !CSV_OPTIONS.contains(&name.as_str())) {
            return Err(args.refuse(format!("'{name}' is not a valid option")));
        }
        let options = usual.with(more);
        let encoding = encoding(&options, args)?;
        let path = file(scope, "files", options.get("file").unwrap_or("ansible.csv"), args)?;
        let delimiter = match options.get("delimiter") {
            None | Some("TAB" | "\\t" | "\t") => '\t',
            Some(other) => other.chars().next().unwrap_or('\t'),
        };
        let column = |name: &str, usual: usize| match options.get(name) {
            None => Ok(usual),
            Some(text) => text.parse().map_err(|_| {
                args.refuse(format!("`{name}` has an invalid value: `{text}` is no column number"))
            }),
        };
        let (wanted, key_column) = (column("col", 1)?, column("keycol", 0)?);
        let rows = csv_rows(&read_in(encoding, scope, &path, args)?, delimiter);
        let row = rows.iter().find(|row| row.get(key_column) == Some(&key));
        match row {
            Some(row) => found.push(Value::from(
                row.get(wanted)
                    .map(String::as_str)
                    .ok_or_else(|| args.refuse(format!("the row of `{key}` has no column {wanted}")))?,
            )),
            None => match (options.get("default"), &default) {
                (Some(text), _) => found.push(Value::from(text)),
                (None, Some(list)) if list.kind() == ValueKind::Seq => found.extend(args.items(list)?),
                (None, Some(value)) if !value.is_none() => found.push(value.clone()),
                _ => {}
            },
        }
    }
    Ok(found)
}

fn encoding(options: &Options, args: &Args) -> Result<Encoding, Error> {
    Encoding::named(options.get("encoding").unwrap_or_default()).map_err(|err| args.refuse(err))
}

/// RFC 4180: fields may be quoted, quotes inside are doubled.
fn csv_rows(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = vec![String::new()];
    let mut is_quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let Some(field) = row.last_mut() else { break };
        match char {
            '"' if is_quoted && chars.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if is_quoted || field.is_empty() => is_quoted = !is_quoted,
            char if is_quoted => field.push(char),
            char if char == delimiter => row.push(String::new()),
            '\n' => rows.push(std::mem::replace(&mut row, vec![String::new()])),
            '\r' => {}
            char => field.push(char),
        }
    }
    if row.len() > 1 || !row[0].is_empty() {
        rows.push(row);
    }
    rows
}

const INI_OPTIONS: [&str; 9] = [
    "file",
    "section",
    "type",
    "re",
    "default",
    "encoding",
    "case_sensitive",
    "allow_no_value",
    "interpolation",
];

fn ini(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let allow_none = args.named("allow_none");
    let mut usual = Options::of(args, &INI_OPTIONS);
    if let Some(allow) = allow_none {
        usual.0.push(("allow_no_value".into(), python::text(&allow)));
    }
    let mut found = Vec::new();
    for term in terms {
        let (key, more) = words(&python::text(term), &INI_OPTIONS);
        if key.is_empty() {
            return Err(
                args.refuse("No key to look up was provided as first term within string inline options")
            );
        }
        if let Some((name, _)) = key.split_once('=') {
            return Err(args.refuse(format!("{name} is not a valid option")));
        }
        let options = usual.with(more);
        let encoding = encoding(&options, args)?;
        let name = options.get("file").unwrap_or("ansible.ini");
        let path = file(scope, "files", name, args)?;
        let content = Ini::parse(&read_in(encoding, scope, &path, args)?, &options)
            .map_err(|err| args.refuse(format!("`{}`: {err}", path.display())))?;
        found.extend(content.find(&key, &options).map_err(|err| args.refuse(format!("{err} in `{name}`")))?);
    }
    Ok(found)
}

/// Keys in order; some files have keys without a value.
type Keys = Vec<(String, Option<String>)>;

/// Sections in order, each with its keys.
struct Ini {
    sections: Vec<(String, Keys)>,
    is_case_sensitive: bool,
    interpolates: bool,
}

const PROPERTIES: &str = "java_properties";

impl Ini {
    fn parse(text: &str, options: &Options) -> Result<Self, String> {
        let is_properties = options.get("type") == Some("properties");
        let mut ini = Self {
            sections: if is_properties { vec![(PROPERTIES.into(), Vec::new())] } else { Vec::new() },
            is_case_sensitive: options.flag("case_sensitive", false),
            interpolates: options.flag("interpolation", true),
        };
        let allows_none = options.flag("allow_no_value", false);
        for (index, line) in text.lines().enumerate() {
            let bare = line.trim();
            if bare.is_empty() || bare.starts_with(['#', ';']) {
                continue;
            }
            ini.line(line, bare, allows_none).map_err(|err| format!("line {}: {err}", index + 1))?;
        }
        Ok(ini)
    }

    fn line(&mut self, line: &str, bare: &str, allows_none: bool) -> Result<(), String> {
        if let Some(section) = bare.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            self.sections.push((section.0.to_owned(), Vec::new()));
            return Ok(());
        }
        let Some((_, keys)) = self.sections.last_mut() else {
            return Err("there is no section before it".into());
        };
        if line.starts_with([' ', '\t'])
            && let Some((_, Some(value))) = keys.last_mut()
        {
            value.push('\n');
            value.push_str(bare);
            return Ok(());
        }
        let fold = |key: &str| {
            let key = key.trim();
            if self.is_case_sensitive { key.to_owned() } else { key.to_lowercase() }
        };
        let (key, value) = match bare.split_once(['=', ':']) {
            Some((key, value)) => (fold(key), Some(value.trim().to_owned())),
            None if allows_none => (fold(bare), None),
            None => return Err(format!("`{bare}` is not KEY = VALUE")),
        };
        if keys.iter().any(|(known, _)| *known == key) {
            return Err(format!("Duplicate option in this section: the key `{key}` is there twice"));
        }
        keys.push((key, value));
        Ok(())
    }

    fn keys(&self, section: &str) -> Option<Vec<(&str, Option<&str>)>> {
        let own = self.sections.iter().filter(|(name, _)| name == section).flat_map(|(_, keys)| keys);
        let exists = self.sections.iter().any(|(name, _)| name == section);
        // What `[DEFAULT]` sets holds in every section.
        let defaults = self.sections.iter().filter(|(name, _)| name == "DEFAULT").flat_map(|(_, keys)| keys);
        let all = own.chain(defaults).map(|(key, value)| (key.as_str(), value.as_deref())).collect();
        (exists || section == "DEFAULT").then_some(all)
    }

    fn find(&self, key: &str, options: &Options) -> Result<Vec<Value>, String> {
        let usual = if options.get("type") == Some("properties") { PROPERTIES } else { "global" };
        let section = if usual == PROPERTIES { PROPERTIES } else { options.get("section").unwrap_or(usual) };
        let keys = self.keys(section).ok_or_else(|| format!("No section: there is no `[{section}]`"))?;
        let value = |text: Option<&str>| match text {
            Some(text) => self.interpolated(text, &keys).map(Value::from),
            None => Ok(Value::from(())),
        };
        if options.flag("re", false) {
            let pattern = regex::compile(&format!("\\A(?:{key})"), regex::Options::default());
            let pattern = pattern.map_err(|err| err.to_string())?;
            let fitting = keys.iter().filter(|(known, _)| pattern.is_match(*known).unwrap_or(false));
            return fitting.map(|(_, text)| value(*text)).collect();
        }
        let folded = if self.is_case_sensitive { key.to_owned() } else { key.to_lowercase() };
        match keys.iter().find(|(known, _)| *known == folded) {
            // A key without a value gives nothing.
            Some((_, None)) => Ok(Vec::new()),
            Some((_, text)) => Ok(vec![value(*text)?]),
            None => Ok(vec![Value::from(options.get("default").unwrap_or_default())]),
        }
    }

    /// `%(key)s` is the value of another key of the section, `%%` a percent sign.
    fn interpolated(&self, text: &str, keys: &[(&str, Option<&str>)]) -> Result<String, String> {
        if !self.interpolates || !text.contains('%') {
            return Ok(text.to_owned());
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(percent) = rest.find('%') {
            out.push_str(&rest[..percent]);
            rest = &rest[percent + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                out.push('%');
                rest = after;
                continue;
            }
            let inner = rest.strip_prefix('(').and_then(|inner| inner.split_once(")s"));
            let Some((name, after)) = inner else { return Err(format!("`%` in `{text}` is no `%(key)s`")) };
            let found = keys.iter().find(|(known, _)| *known == name.to_lowercase() || *known == name);
            let value =
                found.and_then(|(_, value)| *value).ok_or_else(|| format!("there is no key `{name}`"))?;
            // A value that needs itself would never end.
            if value.contains(&format!("%({name})s")) {
                return Err(format!("the key `{name}` needs itself"));
            }
            out.push_str(&self.interpolated(value, keys)?);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_csv_fields_keep_delimiters_and_quotes() {
        let rows = csv_rows("a,\"b,\"\"c\"\"\"\r\nd,e", ',');
        assert_eq!(rows, [["a", "b,\"c\""], ["d", "e"]]);
    }

    #[test]
    fn ini_values_are_found_by_section_and_filled_in() {
        let options = Options(vec![("section".into(), "web".into())]);
        let text = "[DEFAULT]\nroot = /srv\n[web]\nPath = %(root)s/www\n";
        let found = Ini::parse(text, &options).unwrap().find("path", &options).unwrap();
        assert_eq!(found, [Value::from("/srv/www")]);
    }

    #[test]
    fn a_section_that_is_not_there_is_named() {
        let options = Options(vec![("section".into(), "db".into())]);
        let found = Ini::parse("[web]\na = 1\n", &options).unwrap().find("a", &options);
        assert_eq!(found.unwrap_err(), "No section: there is no `[db]`");
    }
}
