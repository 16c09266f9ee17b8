//! YAML as Ansible reads it: a tree of nodes that keep their place in the file.
//!
//! `compose` builds the tree from the parser's events, `scalar` says what a plain word means, `problem` turns
//! a syntax error into something a person can act on.

mod compose;
mod events;
mod problem;
mod scalar;

pub(crate) use compose::{parse, parse_documents};
pub(crate) use scalar::{boolean, resolve as resolve_plain};

use crate::source::{SourceFile, Span};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A value with the place it comes from. Cheap to clone.
#[derive(Clone, PartialEq)]
pub(crate) struct Node {
    /// Where it is written; for a collection from its first to its last line.
    pub(crate) span: Span,
    /// What its tag says about how it is to be used.
    pub(crate) tag: Tag,
    /// How it is written.
    pub(crate) style: Style,
    /// The value.
    pub(crate) kind: Kind,
}

/// A value.
#[derive(Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Arc<str>),
    Seq(Arc<[Node]>),
    Map(Arc<Mapping>),
}

/// What `!vault` and `!unsafe` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    /// An ordinary value: text in it may be a template.
    None,
    /// Text is never a template.
    Unsafe,
    /// Text is encrypted; see `vault`.
    Vault,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// As `|` or `>` block.
    Block,
    /// Not a scalar, or not from a file.
    Other,
}

impl Node {
    /// A value that no YAML was written for, with the place that gave rise to it.
    pub(crate) fn new(span: &Span, kind: Kind) -> Self {
        Self { span: span.clone(), tag: Tag::None, style: Style::Other, kind }
    }

    /// Text.
    pub(crate) fn text(span: &Span, text: impl AsRef<str>) -> Self {
        Self::new(span, Kind::Str(text.as_ref().into()))
    }

    /// A mapping.
    pub(crate) fn map(span: &Span, mapping: Mapping) -> Self {
        Self::new(span, Kind::Map(Arc::new(mapping)))
    }

    /// A list.
    pub(crate) fn seq(span: &Span, items: Vec<Self>) -> Self {
        Self::new(span, Kind::Seq(items.into()))
    }

    /// JSON has no tags: Ansible writes `{"__ansible_unsafe": text}` for `!unsafe` and `{"__ansible_vault": text}` for
    /// `!vault`. The same value with tags in their place, at any depth.
    pub(crate) fn with_marks(self) -> Self {
        let kind = match &self.kind {
            Kind::Seq(items) => Kind::Seq(items.iter().cloned().map(Self::with_marks).collect()),
            Kind::Map(mapping) => {
                if let Some(marked) = marked(mapping) {
                    return marked;
                }
                let entries = mapping.iter().map(|(key, value)| (key.clone(), value.clone().with_marks()));
                Kind::Map(Arc::new(entries.collect()))
            }
            _ => return self,
        };
        Self { kind, ..self }
    }

    /// The text of a text.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list.
    pub(crate) fn as_seq(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping.
    pub(crate) fn as_map(&self) -> Option<&Mapping> {
        match &self.kind {
            Kind::Map(mapping) => Some(mapping),
            _ => None,
        }
    }

    /// Whether it is null, or nothing was written.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// The value under a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key)
    }

    /// A scalar as text, as Python's `str` gives it; none for null and collections.
    pub(crate) fn scalar_text(&self) -> Option<Cow<'_, str>> {
        match &self.kind {
            Kind::Str(text) => Some(Cow::Borrowed(text)),
            Kind::Bool(value) => Some(Cow::Borrowed(if *value { "True" } else { "False" })),
            Kind::Int(value) => Some(Cow::Owned(value.to_string())),
            Kind::Float(value) => Some(Cow::Owned(float_text(*value))),
            Kind::Null | Kind::Seq(_) | Kind::Map(_) => None,
        }
    }

    /// The boolean that Ansible takes it for: YAML booleans, and `yes`, `1`, `on` and the like as text.
    pub(crate) fn truth(&self) -> Option<bool> {
        match &self.kind {
            Kind::Bool(value) => Some(*value),
            Kind::Int(0) => Some(false),
            Kind::Int(1) => Some(true),
            Kind::Str(text) => match text.to_ascii_lowercase().as_str() {
                "y" | "yes" | "on" | "1" | "true" | "t" | "1.0" => Some(true),
                "n" | "no" | "off" | "0" | "false" | "f" | "0.0" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// The items of a list, or the value itself as the only item; nothing for null.
    pub(crate) fn one_or_many(&self) -> &[Self] {
        match &self.kind {
            Kind::Seq(items) => items,
            Kind::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// Whether it is text that is a template, or a collection with one inside, at any depth.
    pub(crate) fn has_template(&self) -> bool {
        match &self.kind {
            Kind::Str(text) => self.tag == Tag::None && is_template(text),
            Kind::Seq(items) => items.iter().any(Self::has_template),
            Kind::Map(mapping) => {
                mapping.iter().any(|(key, value)| key.has_template() || value.has_template())
            }
            _ => false,
        }
    }

    /// Whether something in it is encrypted, at any depth.
    pub(crate) fn has_vault(&self) -> bool {
        match &self.kind {
            Kind::Str(_) => self.tag == Tag::Vault,
            Kind::Seq(items) => items.iter().any(Self::has_vault),
            Kind::Map(mapping) => mapping.values().any(Self::has_vault),
            _ => false,
        }
    }

    /// What it is, for "expected a list, found …".
    pub(crate) fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a boolean",
            Kind::Int(_) | Kind::Float(_) => "a number",
            Kind::Str(_) => "text",
            Kind::Seq(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// The place of a part of a text, given as bytes of the value: the very characters where they stand in
    /// the file as they are, otherwise the line or the whole value.
    pub(crate) fn span_of(&self, part: Range<usize>) -> Span {
        match (self.style, self.as_str()) {
            (Style::Plain, Some(text)) if self.span.text() == text => self.shifted(0, part),
            (Style::Quoted, Some(text)) if self.span.text().get(1..1 + text.len()) == Some(text) => {
                self.shifted(1, part)
            }
            (Style::Block, Some(text)) => self.span_in_block(text, &part),
            (Style::Other, Some(text)) if self.span.text() == text => self.shifted(0, part),
            _ => self.span.clone(),
        }
    }

    fn shifted(&self, by: usize, part: Range<usize>) -> Span {
        let start = self.span.range().start + by;
        self.span.with_range(start + part.start..start + part.end)
    }

    /// In a block, the wanted line is looked up by its text, so that folding and indentation do not matter.
    fn span_in_block(&self, text: &str, part: &Range<usize>) -> Span {
        let before = text.get(..part.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].lines().next().unwrap_or("");
        let line_number = before.matches('\n').count();
        let written = self.span.text();
        let mut offset = 0;
        let mut candidates = Vec::new();
        for (index, written_line) in written.split_inclusive('\n').enumerate() {
            let content = written_line.trim_end_matches(['\n', '\r']);
            if index > 0 && content.ends_with(line) && !line.is_empty() {
                candidates.push((index - 1, offset + content.len() - line.len()));
            }
            offset += written_line.len();
        }
        let nearest = candidates.into_iter().min_by_key(|(index, _)| index.abs_diff(line_number));
        let Some((_, at)) = nearest else { return self.span.clone() };
        let end = part.end.min(line_start + line.len()).max(part.start);
        self.shifted(at, part.start - line_start..end - line_start)
    }

    /// The value without its places, for checks and for the wire. Encrypted text stays as it is.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Int(value) => int_to_json(*value),
            Kind::Float(value) => {
                serde_json::Number::from_f64(*value).map_or_else(|| float_text(*value).into(), Value::Number)
            }
            Kind::Str(text) => Value::String(text.to_string()),
            Kind::Seq(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(mapping) => {
                let entry = |(key, value): (&Self, &Self)| (key.key_text().into_owned(), value.to_json());
                Value::Object(mapping.iter().map(entry).collect())
            }
        }
    }

    /// As text for the key of a mapping in JSON.
    pub(crate) fn key_text(&self) -> Cow<'_, str> {
        self.scalar_text().unwrap_or(Cow::Borrowed("null"))
    }
}

/// Whether the text has anything that a template engine would act on.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

fn int_to_json(value: i128) -> serde_json::Value {
    if let Ok(value) = i64::try_from(value) {
        return value.into();
    }
    match u64::try_from(value) {
        Ok(value) => value.into(),
        // JSON numbers of ours end at 64 bits; text keeps every digit.
        Err(_) => value.to_string().into(),
    }
}

/// A float as Python prints it.
fn float_text(value: f64) -> String {
    if value.is_finite() && value != 0.0 && !(1e-4..1e16).contains(&value.abs()) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    match value {
        value if value.is_nan() => "nan".into(),
        value if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.into(),
        value => format!("{value:?}"),
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tag {
            Tag::None => {}
            Tag::Unsafe => f.write_str("!unsafe ")?,
            Tag::Vault => return f.write_str("!vault ***"),
        }
        self.kind.fmt(f)
    }
}

/// As JSON would have it, keys included, for tests and logs.
impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => fmt::Display::fmt(value, f),
            Self::Float(value) => f.write_str(&float_text(*value)),
            Self::Str(text) => text.fmt(f),
            Self::Seq(items) => f.debug_list().entries(items.iter()).finish(),
            Self::Map(mapping) => mapping.fmt(f),
        }
    }
}

/// The entries of a mapping in the order of the file; each key once.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Mapping {
    entries: Vec<(Node, Node)>,
}

impl Mapping {
    /// The value under a text key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Key and value of a text key.
    pub(crate) fn entry(&self, key: &str) -> Option<(&Node, &Node)> {
        self.iter().find(|(node, _)| node.as_str() == Some(key))
    }

    /// Sets a key: a known one keeps its position and gets the new place and value.
    pub(crate) fn insert(&mut self, key: Node, value: Node) -> Option<(Node, Node)> {
        match self.entries.iter_mut().find(|(known, _)| known.kind == key.kind) {
            Some(entry) => Some(std::mem::replace(entry, (key, value))),
            None => {
                self.entries.push((key, value));
                None
            }
        }
    }

    /// In the order of the file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Node, &Node)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// In the order of the file.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Node> {
        self.entries.iter().map(|(key, _)| key)
    }

    /// In the order of the file.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Node> {
        self.entries.iter().map(|(_, value)| value)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The text that a mapping of one mark stands for.
fn marked(mapping: &Mapping) -> Option<Node> {
    let mut entries = mapping.iter();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else { return None };
    let tag = match key.as_str()? {
        "__ansible_unsafe" => Tag::Unsafe,
        "__ansible_vault" => Tag::Vault,
        _ => return None,
    };
    value.as_str()?;
    Some(Node { tag, ..value.clone() })
}

impl FromIterator<(Node, Node)> for Mapping {
    fn from_iter<I: IntoIterator<Item = (Node, Node)>>(entries: I) -> Self {
        let mut mapping = Self::default();
        for (key, value) in entries {
            mapping.insert(key, value);
        }
        mapping
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Reads a text that must hold one value; an empty text is null. Parses what a user writes on a command line.
pub(crate) fn parse_text(name: &str, text: &str) -> crate::error::Result<Node> {
    let mut warnings = crate::error::Diagnostics::default();
    parse(&SourceFile::new(name, text), &mut warnings)
}
