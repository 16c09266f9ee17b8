//! Regular expressions with Python's meaning: `regex_search`, `regex_findall`, `regex_replace`, `regex_escape`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use fancy_regex::{Captures, Regex, RegexBuilder};
use minijinja::{Error, State, Value};

use super::Table;
use crate::template::args::{Args, refuse};
use crate::template::python;

pub(super) const TABLE: Table = &[
    ("regex_escape", regex_escape),
    ("regex_findall", regex_findall),
    ("regex_replace", regex_replace),
    ("regex_search", regex_search),
];

/// Python's flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Options {
    /// `re.IGNORECASE`
    pub(crate) ignore_case: bool,
    /// `re.MULTILINE`
    pub(crate) multiline: bool,
}

/// Expressions that were compiled before: a filter in a loop compiles once.
static COMPILED: Mutex<Option<Compiled>> = Mutex::new(None);
type Compiled = HashMap<(String, Options), Arc<Regex>>;
const MOST_COMPILED: usize = 500;
/// Steps after which an expression is taken for one that never ends.
const BACKTRACK_LIMIT: usize = 5_000_000;

/// A compiled expression.
pub(crate) fn compile(pattern: &str, options: Options) -> Result<Arc<Regex>, Error> {
    let key = (pattern.to_owned(), options);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let compiled = compiled.get_or_insert_default();
    if let Some(known) = compiled.get(&key) {
        return Ok(known.clone());
    }
    let regex = RegexBuilder::new(&translated(pattern))
        .case_insensitive(options.ignore_case)
        .multi_line(options.multiline)
        .backtrack_limit(BACKTRACK_LIMIT)
        .build()
        .map_err(|err| refuse(format!("`{pattern}` is not a regular expression: {err}")))?;
    if compiled.len() >= MOST_COMPILED {
        compiled.clear();
    }
    let regex = Arc::new(regex);
    compiled.insert(key, regex.clone());
    Ok(regex)
}

/// What Python writes in another way: `\Z` is the very end of the text, and `$` is also before its last newline.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    let mut in_class = false;
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some('Z') if !in_class => out.push_str("\\z"),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            // In Python a `[` inside a class is itself.
            '[' if in_class => out.push_str("\\["),
            '[' => {
                in_class = true;
                out.push('[');
                let mut ahead = chars.clone();
                let mut next = ahead.next();
                if next == Some('^') {
                    out.push('^');
                    chars = ahead.clone();
                    next = ahead.next();
                }
                if next == Some(']') {
                    out.push_str("\\]");
                    chars = ahead;
                }
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            // These are set operators in Rust's classes and plain characters in Python's.
            '&' | '~' if in_class => out.extend(['\\', char]),
            other => out.push(other),
        }
    }
    out
}

fn failed(err: fancy_regex::Error) -> Error {
    refuse(format!("the regular expression takes too long or fails: {err}"))
}

fn flags(args: &mut Args) -> Options {
    let multiline = args.flag("multiline", false);
    Options { multiline, ignore_case: args.flag("ignorecase", false) }
}

fn regex_search(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let pattern = args.need_text("regex")?;
    let options = Options {
        ignore_case: args.named("ignorecase").is_some_and(|value| value.is_true()),
        multiline: args.named("multiline").is_some_and(|value| value.is_true()),
    };
    let regex = compile(&pattern, options)?;
    let wanted = args.rest();
    let Some(found) = regex.captures(text.as_str()).map_err(failed)? else { return Ok(Value::from(())) };
    if wanted.is_empty() {
        return Ok(Value::from(found.get(0).map_or("", |group| group.as_str())));
    }
    let groups = wanted.iter().map(|name| wanted_group(&python::text(name), &found, args));
    Ok(Value::from(groups.collect::<Result<Vec<_>, _>>()?))
}

/// The group that `\1` or `\g<name>` names.
fn wanted_group(name: &str, found: &Captures<'_, str>, args: &Args) -> Result<Value, Error> {
    let group = if let Some(name) = name.strip_prefix("\\g<").and_then(|name| name.strip_suffix('>')) {
        match name.parse::<usize>() {
            Ok(number) if number < found.len() => found.get(number),
            Ok(_) => return Err(args.refuse(format!("there is no group {name}"))),
            Err(_) => found.name(name),
        }
    } else {
        let number = name.trim_start_matches('\\').parse::<usize>();
        match number {
            Ok(number) if name.starts_with('\\') && number < found.len() => found.get(number),
            _ => return Err(args.refuse(format!("`{name}` is not a group such as `\\1` or `\\g<name>`"))),
        }
    };
    Ok(group.map_or_else(|| Value::from(()), |group| Value::from(group.as_str())))
}

fn regex_findall(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let pattern = args.need_text("regex")?;
    let options = flags(args);
    let regex = compile(&pattern, options)?;
    let mut all = Vec::new();
    for found in all_matches(&regex, &text, usize::MAX)? {
        let group = |index: usize| Value::from(found.get(index).map_or("", |group| group.as_str()));
        all.push(match found.len() {
            1 => group(0),
            2 => group(1),
            more => (1..more).map(group).collect::<Vec<_>>().into(),
        });
    }
    Ok(all.into())
}

fn regex_replace(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let pattern = args.text("pattern")?.unwrap_or_default();
    let replacement = args.text("replacement")?.unwrap_or_default();
    let ignore_case = args.flag("ignorecase", false);
    let multiline = args.flag("multiline", false);
    let count = args.integer("count")?.unwrap_or(0).max(0) as usize;
    let mandatory = args.integer("mandatory_count")?.unwrap_or(0);
    let regex = compile(&pattern, Options { ignore_case, multiline })?;
    let parts = replacement_parts(&replacement, &regex).map_err(|err| args.refuse(err))?;
    let mut out = String::new();
    let (mut copied, mut replaced) = (0, 0);
    let most = if count == 0 { usize::MAX } else { count };
    for found in all_matches(&regex, &text, most)? {
        let Some(whole) = found.get(0) else { continue };
        out.push_str(&text[copied..whole.start()]);
        parts.iter().for_each(|part| part.write(&found, &mut out));
        copied = whole.end();
        replaced += 1;
    }
    out.push_str(&text[copied..]);
    if mandatory > 0 && replaced != mandatory as usize {
        let why = format!("'{pattern}' should match {mandatory} times, but matches {replaced} in {text:?}");
        return Err(args.refuse(why));
    }
    Ok(Value::from(out))
}

/// Matches from left to right as Python finds them: also an empty one right after another.
fn all_matches<'t>(regex: &Regex, text: &'t str, most: usize) -> Result<Vec<Captures<'t, str>>, Error> {
    let mut all = Vec::new();
    let mut from = 0;
    while all.len() < most && from <= text.len() {
        let Some(found) = regex.captures_from_pos(text, from).map_err(failed)? else { break };
        let Some(whole) = found.get(0) else { break };
        let next = text[whole.end()..].chars().next().map_or(1, char::len_utf8);
        from = if whole.start() == whole.end() { whole.end() + next } else { whole.end() };
        all.push(found);
    }
    Ok(all)
}

/// A piece of a replacement.
enum Part {
    Text(String),
    Group(usize),
}

impl Part {
    fn write(&self, found: &Captures<'_, str>, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Group(index) => out.push_str(found.get(*index).map_or("", |group| group.as_str())),
        }
    }
}

/// A replacement as Python reads it: `\1`, `\g<1>`, `\g<name>`, and the escapes of text.
fn replacement_parts(text: &str, regex: &Regex) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(slash) = rest.find('\\') {
        plain.push_str(&rest[..slash]);
        rest = &rest[slash + 1..];
        let Some(next) = rest.chars().next() else {
            plain.push('\\');
            break;
        };
        let group = if next == 'g' { named_group(&mut rest, regex)? } else { numbered_group(&mut rest) };
        match group {
            Some(group) if group >= regex.captures_len() => return Err(format!("there is no group {group}")),
            Some(group) => {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Group(group));
            }
            None => {
                match next {
                    'n' => plain.push('\n'),
                    't' => plain.push('\t'),
                    'r' => plain.push('\r'),
                    'a' => plain.push('\u{7}'),
                    'f' => plain.push('\u{c}'),
                    'v' => plain.push('\u{b}'),
                    '0' => plain.push('\0'),
                    '\\' => plain.push('\\'),
                    other if other.is_ascii_alphabetic() => {
                        return Err(format!("`\\{other}` means nothing in a replacement"));
                    }
                    other => plain.extend(['\\', other]),
                }
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    plain.push_str(rest);
    parts.push(Part::Text(plain));
    Ok(parts)
}

fn named_group(rest: &mut &str, regex: &Regex) -> Result<Option<usize>, String> {
    let name = rest.strip_prefix("g<").and_then(|inner| inner.split_once('>'));
    let Some((name, after)) = name else { return Err("`\\g` needs a group: `\\g<name>`".into()) };
    *rest = after;
    let number = name.parse().ok().or_else(|| regex.capture_names().position(|known| known == Some(name)));
    number.map(Some).ok_or_else(|| format!("there is no group `{name}`"))
}

/// One or two digits; `\0` is no group.
fn numbered_group(rest: &mut &str) -> Option<usize> {
    let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if digits == 0 || rest.starts_with('0') {
        return None;
    }
    let group = rest[..digits].parse().ok();
    *rest = &rest[digits..];
    group
}

fn regex_escape(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let kind = args.text("re_type")?.unwrap_or_else(|| "python".into());
    // What `re.escape` escapes: everything that means something in some place of an expression.
    let special = match kind.as_str() {
        "python" => "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}",
        "posix_basic" => "].[^$*\\",
        other => {
            // The words that playbooks look for: Ansible has no such kind either.
            let what = match other {
                "posix_extended" => format!("Regex type ({other}) not yet implemented"),
                _ => format!("Invalid regex type ({other})"),
            };
            return Err(args.refuse(format!("{what}: there are python and posix_basic")));
        }
    };
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if special.contains(char) {
            out.push('\\');
        }
        out.push(char);
    }
    Ok(Value::from(out))
}
