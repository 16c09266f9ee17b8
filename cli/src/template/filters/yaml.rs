//! YAML text shaped as PyYAML writes it with libyaml: what `to_yaml` and `to_nice_yaml` give.
//!
//! A file that Ansible wrote must not change when muster writes it again, so line breaks and quotes follow libyaml:
//! block collections, lists in mappings not indented, texts quoted only where YAML 1.1 would read them as something
//! else, long lines folded at a blank once they are past the width.

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::template::python;
use crate::template::value::{items, pairs};
use crate::yaml::{Kind, resolve_plain};

/// Which collections are written in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// Only empty ones.
    Nothing,
    /// Those that have no collections in them.
    Leaves,
    /// All.
    All,
}

/// PyYAML's options.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) indent: usize,
    pub(super) width: usize,
    pub(super) flow: Flow,
    pub(super) sort_keys: bool,
    pub(super) allow_unicode: bool,
    pub(super) explicit_start: bool,
    pub(super) explicit_end: bool,
    /// Instead of the style that a scalar needs least marks in.
    pub(super) default_style: Option<ScalarStyle>,
}

/// A document. The end marker that libyaml puts after a lone scalar is left out, as Ansible does.
pub(super) fn write(value: &Value, layout: &Layout) -> String {
    let mut emitter = Emitter {
        layout,
        out: String::new(),
        column: 0,
        indent: None,
        flow_level: 0,
        is_after_blank: true,
        is_in_indentation: true,
    };
    if layout.explicit_start {
        emitter.indicator("---", true, false, false);
    }
    emitter.node(value, Place::Root);
    emitter.write_indent();
    if layout.explicit_end {
        emitter.indicator("...", true, false, false);
        emitter.write_indent();
    }
    emitter.out
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Item,
    /// A key on one line with its value.
    SimpleKey,
    /// A key or value of a mapping.
    Mapping,
}

/// A key longer than this is written after `? `.
const LONGEST_SIMPLE_KEY: usize = 128;

struct Emitter<'l> {
    layout: &'l Layout,
    out: String,
    column: usize,
    /// None before the first collection.
    indent: Option<usize>,
    flow_level: usize,
    is_after_blank: bool,
    is_in_indentation: bool,
}

impl Emitter<'_> {
    fn put(&mut self, char: char) {
        self.out.push(char);
        self.column += 1;
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn indicator(&mut self, text: &str, needs_blank: bool, is_blank: bool, is_indentation: bool) {
        if needs_blank && !self.is_after_blank {
            self.put(' ');
        }
        text.chars().for_each(|char| self.put(char));
        self.is_after_blank = is_blank;
        self.is_in_indentation &= is_indentation;
    }

    fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.is_in_indentation || self.column > indent || (self.column == indent && !self.is_after_blank)
        {
            self.line_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.is_after_blank = true;
        self.is_in_indentation = true;
    }

    /// Runs `write` one level deeper.
    fn indented(&mut self, is_flow: bool, is_indentless: bool, write: impl FnOnce(&mut Self)) {
        let before = self.indent;
        self.indent = match before {
            None => Some(if is_flow { self.layout.indent } else { 0 }),
            Some(indent) if is_indentless => Some(indent),
            Some(indent) => Some(indent + self.layout.indent),
        };
        write(self);
        self.indent = before;
    }

    fn node(&mut self, value: &Value, place: Place) {
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                let list = items(value).unwrap_or_default();
                if self.is_flow(&mut list.iter()) {
                    self.flow_list(&list)
                } else {
                    self.block_list(&list, place)
                }
            }
            ValueKind::Map => {
                let mut entries = pairs(value);
                if self.layout.sort_keys {
                    entries.sort_by(|left, right| left.0.cmp(&right.0));
                }
                let mut parts = entries.iter().flat_map(|(key, item)| [key, item]);
                if self.is_flow(&mut parts) { self.flow_map(&entries) } else { self.block_map(&entries) }
            }
            _ => self.scalar(value, place),
        }
    }

    fn is_flow(&self, parts: &mut dyn Iterator<Item = &Value>) -> bool {
        let mut parts = parts.peekable();
        if self.flow_level > 0 || parts.peek().is_none() {
            return true;
        }
        match self.layout.flow {
            Flow::Nothing => false,
            Flow::All => true,
            Flow::Leaves => parts.all(|part| !is_collection(part)),
        }
    }

    fn flow_list(&mut self, list: &[Value]) {
        self.indicator("[", true, true, false);
        self.flow_level += 1;
        self.indented(true, false, |this| {
            for (index, item) in list.iter().enumerate() {
                this.flow_separator(index);
                this.node(item, Place::Item);
            }
        });
        self.flow_level -= 1;
        self.indicator("]", false, false, false);
    }

    fn flow_map(&mut self, entries: &[(Value, Value)]) {
        self.indicator("{", true, true, false);
        self.flow_level += 1;
        self.indented(true, false, |this| {
            for (index, (key, item)) in entries.iter().enumerate() {
                this.flow_separator(index);
                if is_simple_key(key) {
                    this.node(key, Place::SimpleKey);
                    this.indicator(":", false, false, false);
                } else {
                    this.indicator("?", true, false, false);
                    this.node(key, Place::Mapping);
                    this.indicator(":", true, false, false);
                }
                this.node(item, Place::Mapping);
            }
        });
        self.flow_level -= 1;
        self.indicator("}", false, false, false);
    }

    fn flow_separator(&mut self, index: usize) {
        if index > 0 {
            self.indicator(",", false, false, false);
        }
        if self.column > self.layout.width {
            self.write_indent();
        }
    }

    fn block_list(&mut self, list: &[Value], place: Place) {
        let is_indentless = place == Place::Mapping && !self.is_in_indentation;
        self.indented(false, is_indentless, |this| {
            for item in list {
                this.write_indent();
                this.indicator("-", true, false, true);
                this.node(item, Place::Item);
            }
        });
    }

    fn block_map(&mut self, entries: &[(Value, Value)]) {
        self.indented(false, false, |this| {
            for (key, item) in entries {
                this.write_indent();
                if is_simple_key(key) {
                    this.node(key, Place::SimpleKey);
                    this.indicator(":", false, false, false);
                } else {
                    this.indicator("?", true, false, true);
                    this.node(key, Place::Mapping);
                    this.write_indent();
                    this.indicator(":", true, false, true);
                }
                this.node(item, Place::Mapping);
            }
        });
    }

    fn scalar(&mut self, value: &Value, place: Place) {
        let text = scalar_text(value);
        let may_fold = place != Place::SimpleKey;
        // libyaml writes every other scalar with a level of indentation for its further lines.
        self.indented(true, false, |this| match this.style(value, &text, place) {
            ScalarStyle::Plain => this.plain(&text, may_fold),
            ScalarStyle::Single => this.single_quoted(&text, may_fold),
            ScalarStyle::Double => this.double_quoted(&text, may_fold),
            ScalarStyle::Literal => this.literal(&text),
        });
    }

    /// A block of lines; a text without a last line's end says so.
    fn literal(&mut self, text: &str) {
        let keep = if text.ends_with('\n') { "|" } else { "|-" };
        self.indicator(keep, true, false, false);
        for line in text.trim_end_matches('\n').split('\n') {
            self.write_indent();
            line.chars().for_each(|char| self.put(char));
        }
        self.is_after_blank = false;
        self.is_in_indentation = false;
    }

    fn style(&self, value: &Value, text: &str, place: Place) -> ScalarStyle {
        match self.layout.default_style {
            Some(ScalarStyle::Literal) if place == Place::SimpleKey => return ScalarStyle::Double,
            Some(style) if value.kind() == ValueKind::String => return style,
            _ => {}
        }
        if value.kind() != ValueKind::String {
            return ScalarStyle::Plain;
        }
        let found = Analysis::of(text, self.layout.allow_unicode);
        let is_plain = if self.flow_level > 0 { found.flow_plain } else { found.block_plain };
        let is_multiline_key = place == Place::SimpleKey && text.contains('\n');
        if is_plain && !is_multiline_key && reads_back_as_text(text) {
            ScalarStyle::Plain
        } else if found.single_quoted && !is_multiline_key {
            ScalarStyle::Single
        } else {
            ScalarStyle::Double
        }
    }

    fn plain(&mut self, text: &str, may_fold: bool) {
        if !self.is_after_blank && (!text.is_empty() || self.flow_level > 0) {
            self.put(' ');
        }
        let chars: Vec<char> = text.chars().collect();
        let mut was_blank = false;
        for (index, char) in chars.iter().enumerate() {
            let is_blank = *char == ' ';
            let next_is_blank = chars.get(index + 1) == Some(&' ');
            if is_blank && may_fold && !was_blank && self.column > self.layout.width && !next_is_blank {
                self.write_indent();
            } else {
                self.put(*char);
            }
            was_blank = is_blank;
        }
        self.is_after_blank = false;
        self.is_in_indentation = false;
    }

    fn single_quoted(&mut self, text: &str, may_fold: bool) {
        self.indicator("'", true, false, false);
        let chars: Vec<char> = text.chars().collect();
        let (mut was_blank, mut was_break) = (false, false);
        for (index, char) in chars.iter().enumerate() {
            let is_inside = index > 0 && index + 1 < chars.len();
            let next_is_blank = chars.get(index + 1) == Some(&' ');
            match char {
                ' ' => {
                    let may_break = may_fold && !was_blank && is_inside && !next_is_blank;
                    if may_break && self.column > self.layout.width {
                        self.write_indent();
                    } else {
                        self.put(' ');
                    }
                }
                '\n' => {
                    if !was_break {
                        self.line_break();
                    }
                    self.line_break();
                    self.is_in_indentation = true;
                }
                other => {
                    if was_break {
                        self.write_indent();
                    }
                    self.put(*other);
                    if *other == '\'' {
                        self.put('\'');
                    }
                    self.is_in_indentation = false;
                }
            }
            (was_blank, was_break) = (*char == ' ', *char == '\n');
        }
        if was_break {
            self.write_indent();
        }
        self.indicator("'", false, false, false);
        self.is_after_blank = false;
        self.is_in_indentation = false;
    }

    fn double_quoted(&mut self, text: &str, may_fold: bool) {
        self.indicator("\"", true, false, false);
        let chars: Vec<char> = text.chars().collect();
        let mut was_blank = false;
        for (index, char) in chars.iter().enumerate() {
            let is_inside = index > 0 && index + 1 < chars.len();
            if *char == ' ' && may_fold && !was_blank && is_inside && self.column > self.layout.width {
                self.write_indent();
                if chars.get(index + 1) == Some(&' ') {
                    self.put('\\');
                }
            } else if needs_escape(*char, self.layout.allow_unicode) {
                escape(*char).chars().for_each(|char| self.put(char));
            } else {
                self.put(*char);
            }
            was_blank = *char == ' ';
        }
        self.indicator("\"", false, false, false);
        self.is_after_blank = false;
        self.is_in_indentation = false;
    }
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScalarStyle {
    Plain,
    Single,
    Double,
    /// A block after `|`.
    Literal,
}

/// A document in YAML's canonical form: every node with its tag, texts in double quotes, one entry a line.
pub(super) fn canonical(value: &Value) -> String {
    let mut out = String::from("---\n");
    canonical_node(value, 0, &mut out);
    out + "\n"
}

fn canonical_node(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth + 1);
    let (tag, open, close) = match value.kind() {
        ValueKind::Map => ("map", '{', '}'),
        _ => ("seq", '[', ']'),
    };
    if !is_collection(value) {
        let quoted = serde_json::Value::from(scalar_text(value)).to_string();
        out.push_str(&format!("!!{} {quoted}", scalar_tag(value)));
        return;
    }
    if value.len() == Some(0) {
        out.push_str(&format!("!!{tag} {open}{close}"));
        return;
    }
    out.push_str(&format!("!!{tag} {open}\n"));
    if value.kind() == ValueKind::Map {
        for (key, entry) in pairs(value) {
            out.push_str(&format!("{indent}? "));
            canonical_node(&key, depth + 1, out);
            out.push_str(&format!("\n{indent}: "));
            canonical_node(&entry, depth + 1, out);
            out.push_str(",\n");
        }
    } else {
        for item in items(value).unwrap_or_default() {
            out.push_str(&indent);
            canonical_node(&item, depth + 1, out);
            out.push_str(",\n");
        }
    }
    out.push_str(&format!("{}{close}", "  ".repeat(depth)));
}

fn scalar_tag(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => "null",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        _ => "str",
    }
}

fn is_collection(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map)
}

fn is_simple_key(key: &Value) -> bool {
    if is_collection(key) {
        return key.len() == Some(0);
    }
    let text = scalar_text(key);
    text.len() <= LONGEST_SIMPLE_KEY && !text.contains('\n')
}

fn scalar_text(value: &Value) -> String {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => "null".into(),
        ValueKind::Bool => if value.is_true() { "true" } else { "false" }.into(),
        ValueKind::Number if !value.is_integer() => float_text(value),
        _ => python::text(value),
    }
}

fn float_text(value: &Value) -> String {
    let number = f64::try_from(value.clone()).unwrap_or(f64::NAN);
    if number.is_nan() {
        return ".nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.into();
    }
    let text = python::float(number);
    // YAML 1.1 reads an exponent only after a point.
    if text.contains('.') { text } else { text.replacen('e', ".0e", 1) }
}

/// Whether an unquoted text is text to YAML 1.1, and not a number, a boolean, a date or an instruction.
fn reads_back_as_text(text: &str) -> bool {
    matches!(resolve_plain(text), Kind::Str(_)) && !matches!(text, "=" | "<<") && !is_timestamp(text)
}

/// <https://yaml.org/type/timestamp.html>
fn is_timestamp(text: &str) -> bool {
    let digits = |part: &str, counts: &[usize]| {
        counts.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let Some((year, rest)) = text.split_once('-') else { return false };
    let Some((month, rest)) = rest.split_once('-') else { return false };
    if !digits(year, &[4]) || !digits(month, &[1, 2]) {
        return false;
    }
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (day, rest) = rest.split_at(end);
    if rest.is_empty() {
        return month.len() == 2 && digits(day, &[2]);
    }
    let time = rest.trim_start_matches(['T', 't', ' ', '\t']);
    let mut parts = time.split(':');
    let hour = parts.next().unwrap_or_default();
    let minute = parts.next().unwrap_or_default();
    let second = parts.next().unwrap_or_default();
    time.len() < rest.len()
        && digits(day, &[1, 2])
        && digits(hour, &[1, 2])
        && digits(minute, &[2])
        && second.get(..2).is_some_and(|second| digits(second, &[2]))
}

/// In which styles a text can be written without changing it.
struct Analysis {
    flow_plain: bool,
    block_plain: bool,
    single_quoted: bool,
}

impl Analysis {
    fn of(text: &str, allow_unicode: bool) -> Self {
        let chars: Vec<char> = text.chars().collect();
        if chars.is_empty() {
            return Self { flow_plain: false, block_plain: true, single_quoted: true };
        }
        let is_marker = text.starts_with("---") || text.starts_with("...");
        let (mut flow, mut block) = (is_marker, is_marker);
        for (index, char) in chars.iter().enumerate() {
            let after_blank = index == 0 || is_blank_or_break(chars[index - 1]);
            let before_blank = chars.get(index + 1).is_none_or(|next| is_blank_or_break(*next));
            let (flow_here, block_here) = indicates(*char, index == 0, after_blank, before_blank);
            flow |= flow_here;
            block |= block_here;
        }
        let is_special =
            chars.iter().any(|char| *char != '\n' && needs_escape_outside_quotes(*char, allow_unicode));
        let edges = [chars[0], chars[chars.len() - 1]];
        let blank_edges = edges.iter().any(|char| matches!(char, ' ' | '\n'));
        let has_break = chars.contains(&'\n');
        let blank_after_break = text.contains("\n ");
        let blank_before_break = text.contains(" \n");
        let plain = !blank_edges && !has_break && !is_special;
        Self {
            flow_plain: plain && !flow,
            block_plain: plain && !block,
            single_quoted: !is_special && !blank_after_break && !blank_before_break,
        }
    }
}

fn is_blank_or_break(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' | '\0')
}

/// Whether a character means something to YAML at its place, inside brackets and outside of them.
fn indicates(char: char, is_first: bool, after_blank: bool, before_blank: bool) -> (bool, bool) {
    if is_first {
        return match char {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
            | '`' => (true, true),
            '?' | ':' => (true, before_blank),
            '-' => (before_blank, before_blank),
            _ => (false, false),
        };
    }
    match char {
        ',' | '?' | '[' | ']' | '{' | '}' => (true, false),
        ':' => (true, before_blank),
        '#' if after_blank => (true, true),
        _ => (false, false),
    }
}

/// libyaml knows no printable characters beyond the first 65536.
fn is_printable(char: char) -> bool {
    matches!(char, '\n' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && char != '\u{feff}'
}

fn needs_escape_outside_quotes(char: char, allow_unicode: bool) -> bool {
    !is_printable(char) || (!allow_unicode && !char.is_ascii())
}

fn needs_escape(char: char, allow_unicode: bool) -> bool {
    matches!(char, '"' | '\\' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
        || needs_escape_outside_quotes(char, allow_unicode)
}

fn escape(char: char) -> String {
    let short = match char {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        other => {
            let code = u32::from(other);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}
