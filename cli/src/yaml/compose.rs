//! From events to nodes: anchors, merge keys, tags, duplicate keys, and limits that a hostile file hits.

use super::events::{ErrorKind, Event, EventKind, Events, Padding, ScalarStyle};
use super::{Kind, Mapping, Node, Style, Tag, problem, scalar};
use crate::error::{Diagnostic, Diagnostics, Result};
use crate::source::{SourceFile, Span};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Aliases are shared, not copied, but whoever walks the tree walks them all: ten million nodes is far past
/// any real inventory and still walked in seconds.
const MOST_NODES: u64 = 10_000_000;

/// Nested anchors can nest deeper than the parser's own limit of 255 levels.
const MOST_LEVELS: usize = 512;

/// The single value of a text; null where it is empty. Warnings are added to `warnings`.
pub(crate) fn parse(file: &Arc<SourceFile>, warnings: &mut Diagnostics) -> Result<Node> {
    let mut documents = parse_documents(file, warnings)?.into_iter();
    let first = documents.next();
    if let Some(second) = documents.next() {
        let mistake = Diagnostic::error("more than one YAML document in a file that holds one")
            .at(&second.span.first_line(), "the second document")
            .hint("remove the `---` line between them");
        return Err(mistake.into());
    }
    Ok(first.unwrap_or_else(|| Node::new(&Span::new(file, 0..0), Kind::Null)))
}

/// All documents of a text. Warnings are added to `warnings`.
pub(crate) fn parse_documents(file: &Arc<SourceFile>, warnings: &mut Diagnostics) -> Result<Vec<Node>> {
    let mut text = file.text().to_owned();
    let mut padding = Vec::new();
    let mut first_mistake = None;
    loop {
        let mut found = Diagnostics::default();
        let mut composer = Composer::new(file, &text, &padding, &mut found);
        let composed = composer.documents();
        let outdented = composer.outdented_quote;
        match (composed, outdented) {
            (Ok(documents), _) => {
                warnings.append(found);
                return Ok(documents);
            }
            (Err(mistake), Some(at)) if padding.len() < MOST_PADDING => {
                first_mistake.get_or_insert(mistake);
                padding.push(Padding::insert(&mut text, at));
            }
            // A quote that seems to go on in the wrong column was rather never closed.
            (Err(mistake), _) => return Err(first_mistake.unwrap_or(mistake).into()),
        }
    }
}

struct Composer<'a> {
    file: &'a Arc<SourceFile>,
    events: Events<'a>,
    anchors: HashMap<usize, Anchored>,
    unsafe_depth: usize,
    warnings: &'a mut Diagnostics,
    /// Where quoted text goes on in a column that the parser does not take; in the padded text.
    outdented_quote: Option<usize>,
}

/// A node and what it costs to walk it.
#[derive(Clone)]
struct Anchored {
    node: Node,
    size: Size,
}

#[derive(Clone, Copy)]
struct Size {
    nodes: u64,
    levels: usize,
}

impl Size {
    const ONE: Self = Self { nodes: 1, levels: 1 };

    fn holding(self, inner: Self) -> Self {
        Self { nodes: self.nodes.saturating_add(inner.nodes), levels: self.levels.max(inner.levels + 1) }
    }
}

/// Each costs one more reading.
const MOST_PADDING: usize = 100;

type Composed<T> = Result<T, Diagnostic>;

impl<'a> Composer<'a> {
    fn new(
        file: &'a Arc<SourceFile>,
        text: &'a str,
        padding: &'a [Padding],
        warnings: &'a mut Diagnostics,
    ) -> Self {
        let events = Events::new(text, padding);
        Self { file, events, anchors: HashMap::new(), unsafe_depth: 0, warnings, outdented_quote: None }
    }

    fn documents(&mut self) -> Composed<Vec<Node>> {
        let mut documents = Vec::new();
        loop {
            match self.next()? {
                Event { kind: EventKind::StreamEnd, .. } => return Ok(documents),
                Event { kind: EventKind::DocumentStart, .. } => {
                    self.anchors.clear();
                    let event = self.next()?;
                    documents.push(self.node(event)?.node);
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Composed<Event> {
        self.events.next().map_err(|error| {
            if error.kind == ErrorKind::InvalidQuotedScalarIndent {
                self.outdented_quote = Some(error.padded_offset);
            }
            problem::explain(self.file, &error)
        })
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.file, range)
    }

    fn node(&mut self, event: Event) -> Composed<Anchored> {
        if let EventKind::Alias(target) = event.kind {
            return self.alias(target, &event.range);
        }
        let anchor = event.anchor;
        let tag = event.tag.clone();
        let is_unsafe = tag.as_ref().is_some_and(|(name, _)| name == "!unsafe");
        self.unsafe_depth += usize::from(is_unsafe);
        let composed = self.untagged(event);
        self.unsafe_depth -= usize::from(is_unsafe);
        let mut anchored = composed?;
        if let Some((name, range)) = tag {
            anchored.node = self.apply_tag(&name, &range, anchored.node)?;
        }
        self.check_size(&anchored)?;
        if anchor > 0 {
            self.anchors.insert(anchor, anchored.clone());
        }
        Ok(anchored)
    }

    fn untagged(&mut self, event: Event) -> Composed<Anchored> {
        match event.kind {
            EventKind::Scalar(text, style) => {
                let is_tagged = event.tag.is_some_and(|(name, _)| name != "!unsafe");
                Ok(Anchored { node: self.scalar(&text, style, event.range, is_tagged), size: Size::ONE })
            }
            EventKind::SequenceStart => self.sequence(&event.range),
            EventKind::MappingStart => self.mapping(&event.range),
            other => unreachable!("the parser nests its events: {other:?} cannot start a node"),
        }
    }

    fn alias(&self, target: usize, range: &Range<usize>) -> Composed<Anchored> {
        let known = self.anchors.get(&target).cloned();
        known.ok_or_else(|| {
            Diagnostic::error("a value contains itself")
                .at(&self.span(range.clone()), "the anchor is not complete here")
        })
    }

    fn check_size(&self, anchored: &Anchored) -> Composed<()> {
        let Size { nodes, levels } = anchored.size;
        if nodes <= MOST_NODES && levels <= MOST_LEVELS {
            return Ok(());
        }
        let what = if nodes > MOST_NODES { "values" } else { "levels" };
        let mistake = Diagnostic::error(format!("aliases multiply to too many {what}"))
            .at(&anchored.node.span.first_line(), "")
            .note(format!("at most {MOST_NODES} values and {MOST_LEVELS} levels are read"));
        Err(mistake)
    }

    fn scalar(&self, text: &str, style: ScalarStyle, range: Range<usize>, is_tagged: bool) -> Node {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
            _ => Style::Block,
        };
        let kind = match style {
            Style::Plain if !is_tagged => scalar::resolve(text),
            _ => Kind::Str(text.into()),
        };
        let tag = if self.unsafe_depth > 0 { Tag::Unsafe } else { Tag::None };
        Node { span: self.span(range), tag, style, kind }
    }

    fn sequence(&mut self, start: &Range<usize>) -> Composed<Anchored> {
        let mut items = Vec::new();
        let mut size = Size::ONE;
        loop {
            let event = self.next()?;
            if matches!(event.kind, EventKind::SequenceEnd) {
                let span = self.collection_span(start, &event.range, items.last());
                return Ok(Anchored { node: Node::seq(&span, items), size });
            }
            let item = self.node(event)?;
            size = size.holding(item.size);
            items.push(item.node);
        }
    }

    fn mapping(&mut self, start: &Range<usize>) -> Composed<Anchored> {
        let mut own = Vec::new();
        let mut merged = Vec::new();
        let mut size = Size::ONE;
        loop {
            let event = self.next()?;
            if matches!(event.kind, EventKind::MappingEnd) {
                let span = self.collection_span(start, &event.range, own.last().map(|(_, value)| value));
                let mapping = self.join(merged, own);
                return Ok(Anchored { node: Node::map(&span, mapping), size });
            }
            let key = self.node(event)?;
            let event = self.next()?;
            let value = self.node(event)?;
            size = size.holding(key.size).holding(value.size);
            if is_merge_key(&key.node) {
                merged.extend(merge_sources(&key.node, &value.node)?);
            } else {
                problem::check_key(&key.node, &value.node)?;
                own.push((key.node, value.node));
            }
        }
    }

    /// Own entries win over merged ones; of merged ones the first source wins.
    fn join(&mut self, merged: Vec<Arc<Mapping>>, own: Vec<(Node, Node)>) -> Mapping {
        let mut joined = Joined::default();
        for source in merged.iter().rev() {
            for (key, value) in source.iter() {
                joined.set(key.clone(), value.clone());
            }
        }
        // To override what was merged is not to give a key twice.
        joined.set_at.clear();
        for (key, value) in own {
            let span = key.span.clone();
            if let Some(first) = joined.set(key, value) {
                self.warnings.push(duplicate_key(&first, &span));
            }
        }
        joined.mapping
    }

    /// The parser ends a block collection where the next token starts: the span shall end with its text.
    fn collection_span(&self, start: &Range<usize>, end: &Range<usize>, last: Option<&Node>) -> Span {
        let whole = &self.file.text()[start.start.min(end.end)..end.end];
        let is_flow = matches!(whole.as_bytes(), [b'{', .., b'}'] | [b'[', .., b']']);
        if is_flow {
            return self.span(start.start..end.end);
        }
        let end = last.map_or(end.end, |last| last.span.range().end);
        let end = if end < start.start { start.end } else { end };
        let text = self.file.text().get(start.start..end).unwrap_or("");
        self.span(start.start..start.start + text.trim_end().len())
    }

    fn apply_tag(&mut self, name: &str, range: &Range<usize>, mut node: Node) -> Composed<Node> {
        const CORE: &str = "tag:yaml.org,2002:";
        match (name.strip_prefix(CORE), name) {
            (_, "!unsafe") => {
                node.tag = Tag::Unsafe;
                Ok(node)
            }
            (_, "!vault" | "!vault-encrypted") => self.vault(range, node),
            (_, "!") => Ok(node),
            (Some(core), _) => self.core_tag(core, range, node),
            (None, unknown) => {
                let hint = crate::suggest::did_you_mean(unknown, ["!vault", "!unsafe"]);
                let mistake = Diagnostic::error(format!("unknown tag `{unknown}`"))
                    .at(&self.span(range.clone()), "expected `!vault` or `!unsafe`");
                Err(match hint {
                    Some(hint) => mistake.hint(hint),
                    None => mistake.hint("a value that begins with `!` needs quotes"),
                })
            }
        }
    }

    fn vault(&self, range: &Range<usize>, mut node: Node) -> Composed<Node> {
        if node.as_str().is_none() {
            let found = node.describe();
            return Err(Diagnostic::error(format!("`!vault` needs encrypted text, found {found}"))
                .at(&self.span(range.clone()), ""));
        }
        node.tag = Tag::Vault;
        Ok(node)
    }

    fn core_tag(&self, core: &str, range: &Range<usize>, mut node: Node) -> Composed<Node> {
        let text = node.as_str().unwrap_or("");
        let kind = match core {
            "str" | "python/unicode" => node.scalar_text().map(|text| Kind::Str(text.as_ref().into())),
            "int" => scalar::int(text).map(Kind::Int),
            "float" => scalar::float(text).or_else(|| text.parse().ok()).map(Kind::Float),
            "bool" => scalar::boolean(text).map(Kind::Bool),
            "null" => Some(Kind::Null),
            "binary" => decoded_text(text).map(|text| Kind::Str(text.into())),
            "timestamp" => node.as_str().map(|text| Kind::Str(text.into())),
            "seq" | "omap" | "pairs" => node.as_seq().map(|items| Kind::Seq(items.into())),
            "map" | "python/dict" => node.as_map().map(|mapping| Kind::Map(Arc::new(mapping.clone()))),
            "set" => node.as_map().map(|mapping| Kind::Seq(mapping.keys().cloned().collect())),
            _ => {
                return Err(Diagnostic::error(format!("the tag `!!{core}` is not supported"))
                    .at(&self.span(range.clone()), ""));
            }
        };
        let Some(kind) = kind else {
            return Err(Diagnostic::error(format!("this is no `!!{core}`")).at(&node.span.first_line(), ""));
        };
        node.kind = kind;
        Ok(node)
    }
}

/// What a `!!binary` says, as text.
fn decoded_text(base64: &str) -> Option<String> {
    use base64::Engine;
    let packed: String = base64.split_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(packed).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_merge_key(key: &Node) -> bool {
    key.style == Style::Plain && key.as_str() == Some("<<")
}

/// The mappings that `<<` takes in, the one that wins first.
fn merge_sources(key: &Node, value: &Node) -> Composed<Vec<Arc<Mapping>>> {
    let source = |node: &Node| match &node.kind {
        Kind::Map(mapping) => Ok(Arc::clone(mapping)),
        _ => Err(Diagnostic::error(format!("`<<` merges mappings, found {}", node.describe()))
            .at(&node.span.first_line(), "expected a mapping, or a list of mappings")
            .at(&key.span, "merged here")),
    };
    match &value.kind {
        Kind::Seq(items) => items.iter().map(source).collect(),
        _ => Ok(vec![source(value)?]),
    }
}

fn duplicate_key(first: &Span, second: &Span) -> Diagnostic {
    let key = second.text().trim_matches(['"', '\'']);
    Diagnostic::warning(format!("the key `{key}` is given twice, the last one is used"))
        .at(second, "used")
        .at(first, "not used")
        .known_as(format!("Found duplicate mapping key '{key}'"))
}

/// A mapping under construction that finds its keys in constant time.
#[derive(Default)]
struct Joined {
    mapping: Mapping,
    positions: HashMap<String, usize>,
    set_at: HashMap<usize, Span>,
}

impl Joined {
    /// Sets a key and gives the place where it was set before.
    fn set(&mut self, key: Node, value: Node) -> Option<Span> {
        let name = format!("{:?}", key.kind);
        let span = key.span.clone();
        let position = match self.positions.get(&name) {
            Some(position) => {
                self.mapping.entries[*position] = (key, value);
                *position
            }
            None => {
                self.positions.insert(name, self.mapping.entries.len());
                self.mapping.entries.push((key, value));
                self.mapping.entries.len() - 1
            }
        };
        self.set_at.insert(position, span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, String) {
        let mut warnings = Diagnostics::default();
        let parsed = parse(&SourceFile::new("t.yml", text), &mut warnings);
        let shown = parsed.map_or_else(|mistakes| mistakes.render(false), |node| format!("{node:?}"));
        (shown, warnings.render(false))
    }

    fn value(text: &str) -> String {
        read(text).0
    }

    #[test]
    fn quoted_words_are_text_and_plain_ones_what_they_say() {
        assert_eq!(value("[yes, 'yes', 0644, \"0644\", ~, y]"), r#"[true, "yes", 420, "0644", null, "y"]"#);
    }

    #[test]
    fn merged_keys_give_way_to_own_ones_and_the_first_source_wins() {
        let text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\n";
        let c = r#""c": {"y": 1, "z": 2, "x": 3}"#;
        let merged = value(text);
        assert!(
            merged.contains(r#""x": 3"#) && merged.contains(r#""y": 1"#) && merged.contains(r#""z": 2"#),
            "{c}"
        );
        assert_eq!(read(text).1, "");
    }

    #[test]
    fn tags_say_how_a_value_is_used() {
        assert_eq!(
            value(
                "a: !unsafe '{{ x }}'\nb: !unsafe [1, '{{ y }}']\nc: !vault |\n  $ANSIBLE_VAULT\nd: !!str 5\ne: !!int '5'\n"
            ),
            r#"{"a": !unsafe "{{ x }}", "b": !unsafe [!unsafe 1, !unsafe "{{ y }}"], "c": !vault ***, "d": "5", "e": 5}"#
        );
    }

    #[test]
    fn a_key_given_twice_is_a_warning_with_both_places_and_the_last_counts() {
        let (value, warning) = read("x:\n  a: 1\n  b: 2\n  a: 3\n");
        assert_eq!(value, r#"{"x": {"a": 3, "b": 2}}"#);
        insta::assert_snapshot!(warning);
    }

    #[test]
    fn aliases_that_multiply_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let refs = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
        }
        assert!(value(&text).starts_with("error: aliases multiply to too many values"));
        assert!(value("a: &a [*a]\n").starts_with("error: a value contains itself"));
    }

    #[test]
    fn quoted_text_may_go_on_in_any_column() {
        let text = "- a:\n    b: \"one\n    two\nthree\"\n    c: 'x'\n";
        assert_eq!(value(text), r#"[{"a": {"b": "one two three", "c": "x"}}]"#);
        let node = parse(&SourceFile::new("t.yml", text), &mut Diagnostics::default()).unwrap();
        let c = node.as_seq().unwrap()[0].get("a").unwrap().get("c").unwrap();
        assert_eq!(c.span.to_string(), "t.yml:5:8");
        assert!(value("- a: \"x\n- b: y\n").starts_with("error: a quote \" that is not closed"));
    }

    #[test]
    fn depth_is_limited() {
        assert!(value(&"[".repeat(100_000)).starts_with("error: "));
    }

    #[test]
    fn a_collection_ends_with_its_text() {
        let file = SourceFile::new("t.yml", "- a:\n    b: c\n\n# end\n- d\n");
        let node = parse(&file, &mut Diagnostics::default()).unwrap();
        assert_eq!(node.as_seq().unwrap()[0].span.text(), "a:\n    b: c");
    }

    #[test]
    fn an_empty_text_is_null_and_two_documents_are_refused() {
        assert_eq!(value("# nothing\n"), "null");
        assert_eq!(value("---\n"), "null");
        assert!(value("a: 1\n---\nb: 2\n").starts_with("error: more than one YAML document"));
    }

    #[test]
    fn a_part_of_a_text_is_found_where_it_is_written() {
        let text = "a: plain text\nb: 'quoted text'\nc: |\n    first\n    second text\n";
        let node = parse(&SourceFile::new("t.yml", text), &mut Diagnostics::default()).unwrap();
        let places: Vec<String> = ["a", "b", "c"]
            .iter()
            .map(|key| {
                let value = node.get(key).unwrap();
                let at = value.as_str().unwrap().find("text").unwrap();
                value.span_of(at..at + 4).to_string()
            })
            .collect();
        assert_eq!(places, ["t.yml:1:10", "t.yml:2:12", "t.yml:5:12"]);
    }
}
