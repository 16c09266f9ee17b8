//! Text: comments, quoting for shells, and Jinja's own filters on text in which minijinja differs.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::Table;
use crate::template::args::{Args, described};
use crate::template::python;

pub(super) const TABLE: Table = &[
    ("center", center),
    ("comment", comment),
    ("forceescape", force_escape),
    ("quote", quote),
    ("split", split),
    ("truncate", truncate),
    ("wordcount", word_count),
    ("wordwrap", word_wrap),
    ("xmlattr", xml_attributes),
];

fn center(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let width = args.integer("width")?.unwrap_or(80).max(0) as usize;
    Ok(Value::from(centered(&text, width, ' ')))
}

/// `str.center`: of an odd number of blanks, the bigger half stands left when the width is odd.
pub(crate) fn centered(text: &str, width: usize, fill: char) -> String {
    let blanks = width.saturating_sub(text.chars().count());
    let left = blanks / 2 + (blanks & width & 1);
    let fill = |count: usize| fill.to_string().repeat(count);
    format!("{}{text}{}", fill(left), fill(blanks - left))
}

/// How a style of comment begins, ends and starts its lines.
struct Style {
    beginning: &'static str,
    decoration: &'static str,
    end: &'static str,
}

fn style(name: &str) -> Option<Style> {
    let (beginning, decoration, end) = match name {
        "plain" => ("", "# ", ""),
        "erlang" => ("", "% ", ""),
        "c" => ("", "// ", ""),
        "cblock" => ("/*", " * ", " */"),
        "xml" => ("<!--", " - ", "-->"),
        _ => return None,
    };
    Some(Style { beginning, decoration, end })
}

/// The text of a comment block: beginning, prefix lines, the decorated text, postfix lines, end.
fn comment(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let name = args.text("style")?.unwrap_or_else(|| "plain".into());
    let style = style(&name).ok_or_else(|| {
        args.refuse(format!("Invalid style `{name}`: there are plain, erlang, c, cblock and xml"))
    })?;
    let mut named = |name: &str| args.named(name).map(|value| python::text(&value));
    let newline = named("newline").unwrap_or_else(|| "\n".into());
    let beginning = named("beginning").unwrap_or_else(|| style.beginning.into());
    let end = named("end").unwrap_or_else(|| style.end.into());
    let given_decoration = named("decoration");
    let decoration = given_decoration.unwrap_or_else(|| style.decoration.into());
    let prefix = named("prefix").unwrap_or_else(|| decoration.trim_end().into());
    let postfix = named("postfix").unwrap_or_else(|| decoration.trim_end().into());
    let count = |args: &mut Args, name: &str| match args.named(name) {
        Some(value) => args.as_integer(name, &value).map(|count| count.max(0) as usize),
        None => Ok(1),
    };
    let prefix_count = count(args, "prefix_count")?;
    let postfix_count = count(args, "postfix_count")?;
    let line = |text: &str| if text.is_empty() { String::new() } else { format!("{text}{newline}") };
    let decorated = format!("{decoration}{}", text.replace(&newline, &format!("{newline}{decoration}")));
    let bare = format!("{}{newline}", decoration.trim_end());
    let decorated = decorated.replace(&format!("{decoration}{newline}"), &bare);
    let after = format!("{newline}{postfix}").repeat(postfix_count);
    let before = if prefix == newline { newline.clone() } else { line(&prefix) };
    let end = if end.is_empty() { String::new() } else { format!("{newline}{end}") };
    Ok(Value::from(format!("{}{}{decorated}{after}{end}", line(&beginning), before.repeat(prefix_count))))
}

fn quote(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let text = if value.is_none() { String::new() } else { python::text(&value) };
    Ok(Value::from(shell_quoted(&text)))
}

/// A text as one word of a shell.
pub(crate) fn shell_quoted(text: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(is_safe) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

fn split(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let separator = args.take("sep");
    let most = args.integer("maxsplit")?.unwrap_or(-1);
    let Some(text) = value.as_str() else {
        return Err(args.refuse(format!("text is needed, not {}", described(&value))));
    };
    let separator = separator.filter(|separator| !separator.is_none()).map(|value| python::text(&value));
    let parts = split_text(text, separator.as_deref(), most);
    parts
        .map(|parts| parts.into_iter().map(Value::from).collect::<Vec<_>>().into())
        .ok_or_else(|| args.refuse("an empty separator"))
}

/// `str.split`; none for an empty separator.
pub(crate) fn split_text(text: &str, separator: Option<&str>, most: i64) -> Option<Vec<String>> {
    let limit = usize::try_from(most).map_or(usize::MAX, |most| most.saturating_add(1));
    match separator {
        Some("") => None,
        Some(separator) => Some(text.splitn(limit, separator).map(str::to_owned).collect()),
        None => {
            let mut parts = Vec::new();
            let mut rest = text.trim_start();
            while !rest.is_empty() {
                if parts.len() + 1 == limit {
                    parts.push(rest.trim_end().to_owned());
                    break;
                }
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                parts.push(rest[..end].to_owned());
                rest = rest[end..].trim_start();
            }
            Some(parts)
        }
    }
}

fn truncate(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let length = args.integer("length")?.unwrap_or(255).max(0) as usize;
    let kill_words = args.flag("killwords", false);
    let end = args.text("end")?.unwrap_or_else(|| "...".into());
    let leeway = args.integer("leeway")?.unwrap_or(5).max(0) as usize;
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= length + leeway {
        return Ok(Value::from(text));
    }
    let kept: String = chars[..length.saturating_sub(end.chars().count())].iter().collect();
    let kept = match kept.rsplit_once(' ') {
        Some((words, _)) if !kill_words => words.to_owned(),
        _ => kept,
    };
    Ok(Value::from(kept + &end))
}

fn word_count(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    Ok(Value::from(text.split(|c| !is_part(c)).filter(|word| !word.is_empty()).count()))
}

fn word_wrap(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let width = args.integer("width")?.unwrap_or(79).max(1) as usize;
    let break_words = args.flag("break_long_words", true);
    let newline = args.text("wrapstring")?.unwrap_or_else(|| "\n".into());
    let break_hyphens = args.flag("break_on_hyphens", true);
    let lines = text.lines().map(|line| wrapped(line, width, break_words, break_hyphens).join(&newline));
    Ok(Value::from(lines.collect::<Vec<_>>().join(&newline)))
}

fn wrapped(line: &str, width: usize, break_words: bool, break_hyphens: bool) -> Vec<String> {
    let mut lines = vec![String::new()];
    for chunk in chunks(line, break_hyphens) {
        let used = lines.last().map_or(0, |line| line.chars().count());
        let length = chunk.chars().count();
        if used + length <= width {
            if let Some(line) = lines.last_mut() {
                line.push_str(&chunk);
            }
            continue;
        }
        if chunk.trim().is_empty() {
            lines.push(String::new());
            continue;
        }
        place(&chunk, used, width, break_words, &mut lines);
    }
    let mut lines: Vec<String> = lines.into_iter().map(|line| line.trim_end().to_owned()).collect();
    lines.retain(|line| !line.is_empty());
    lines
}

/// Puts a word that does not fit: on a line of its own, or in pieces if it is longer than a line.
fn place(word: &str, used: usize, width: usize, break_words: bool, lines: &mut Vec<String>) {
    let chars: Vec<char> = word.chars().collect();
    if chars.len() <= width || !break_words {
        return lines.push(word.to_owned());
    }
    let first = width - used.min(width);
    if let Some(line) = lines.last_mut() {
        line.extend(&chars[..first]);
    }
    lines.extend(chars[first..].chunks(width).map(|piece| piece.iter().collect::<String>()));
}

/// Words, the blanks between them, and the parts of words with hyphens.
fn chunks(line: &str, break_hyphens: bool) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    let mut was_blank = None;
    for char in line.chars() {
        let is_blank = char.is_whitespace();
        let after_hyphen = break_hyphens
            && !is_blank
            && chunks.last().is_some_and(|chunk| chunk.ends_with('-') && chunk.len() > 2);
        match chunks.last_mut() {
            Some(chunk) if was_blank == Some(is_blank) && !after_hyphen => chunk.push(char),
            _ => chunks.push(char.to_string()),
        }
        was_blank = Some(is_blank);
    }
    chunks
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn force_escape(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(escaped(&args.operand_text()?)))
}

fn xml_attributes(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let attributes = args.operand()?;
    let autospace = args.flag("autospace", true);
    if attributes.kind() != ValueKind::Map {
        return Err(args.refuse(format!("a dictionary is needed, not {}", described(&attributes))));
    }
    let one = |(key, value): (Value, Value)| {
        let key = python::text(&key);
        (!value.is_none() && !value.is_undefined())
            .then(|| format!("{}=\"{}\"", escaped(&key), escaped(&python::text(&value))))
    };
    let all = crate::template::value::pairs(&attributes).into_iter().filter_map(one).collect::<Vec<_>>();
    let space = if autospace && !all.is_empty() { " " } else { "" };
    Ok(Value::from(format!("{space}{}", all.join(" "))))
}
