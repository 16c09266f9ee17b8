//! Turns a template as its author wrote it into the one that minijinja runs.
//!
//! Ansible's undefined values can be passed on (`a.b.c | default(1)`), its `%` formats text and its results may be
//! unknown until a task has run. minijinja's own operators stop at the first undefined value. So a template is
//! parsed by minijinja, and its syntax tree is printed again with those accesses as calls of [`hooks`]:
//!
//! ```text
//! {{ a.b | default('%s' % c) }}
//! {{ a|__use(..)|__get("b",..)|default("%s"|__percent(c|__use(..))) }}      (simplified)
//! ```
//!
//! The printed text has delimiters of its own, so custom delimiters, `trim_blocks` and line statements are settled
//! here, and an included file goes the same way. [`Prepared::locate`] maps a place in the printed text back to the
//! author's text. Only the published interface of minijinja is used (its `machinery` module; the version is pinned).

mod certain;
mod expressions;
mod marks;
mod printer;
mod statements;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use minijinja::machinery::{self, Span, ast};
use minijinja::syntax::SyntaxConfig;

use super::error::{SyntaxProblem, syntax_problem};
use certain::Needs;
use printer::Printer;

pub(crate) use certain::Need;
pub(super) use marks::Marks;

/// Names of the filters that the printed template calls.
pub(crate) mod hooks {
    /// `x|__use("x", start, end)`: the variable's value; not known yet is an error.
    pub(crate) const USE: &str = "__use";
    /// `x|__peek("x", start, end)`: the same, and not known yet is let through.
    pub(crate) const PEEK: &str = "__peek";
    /// `x|__get(key, start, end)`: attribute or item; undefined is passed on.
    pub(crate) const GET: &str = "__get";
    /// `x|__get_peek(key, start, end)`: the same, and not known yet is let through.
    pub(crate) const GET_PEEK: &str = "__get_peek";
    /// `x|__has("key")`: what is searched for the key; not known whether it has it is an error.
    pub(crate) const HAS: &str = "__has";
    /// `x|__slice(from, to, step)`: `x[from:to:step]`; undefined is passed on.
    pub(crate) const SLICE: &str = "__slice";
    /// `x|__call("name", …)`: a method; undefined is passed on.
    pub(crate) const CALL: &str = "__call";
    /// `x|__percent(y)`: `x % y`, which formats when `x` is text.
    pub(crate) const PERCENT: &str = "__percent";
    /// `x|__minus(y)`: `x - y`, also of dates.
    pub(crate) const MINUS: &str = "__minus";
    /// `x|__order(y,"<")`: `x < y` of things that have an order.
    pub(crate) const ORDER: &str = "__order";
    /// `x|__concat(y)`: `x ~ y`, as Python writes both.
    pub(crate) const CONCAT: &str = "__concat";
    /// `"{{ x }}"|__template`: a template inside a text of a condition, which Ansible still renders.
    pub(crate) const TEMPLATE: &str = "__template";
    /// `"x"|__sealed`: whether the variable is an encrypted value, which is not decrypted to tell.
    pub(crate) const SEALED: &str = "__sealed";
    /// `[…]|__mutable`: a list or dictionary that its template may append to.
    pub(crate) const MUTABLE: &str = "__mutable";
    /// `7|__mark`: site 7 is come to; put out as a mark.
    pub(crate) const MARK: &str = "__mark";
    /// `7|__visit`: the same, and nothing is put out.
    pub(crate) const VISIT: &str = "__visit";
}

// Noncharacters of Unicode: no text is meant to hold them, and one that does is refused.
const MARK: char = '\u{FDD0}';
const BLOCK: (&str, &str) = ("\u{FDD0}%", "%\u{FDD0}");
const EMIT: (&str, &str) = ("\u{FDD0}{", "}\u{FDD0}");
const COMMENT: (&str, &str) = ("\u{FDD0}#", "#\u{FDD0}");

/// The delimiters of printed templates; whitespace was settled when the author's text was parsed.
pub(crate) fn printed_syntax() -> SyntaxConfig {
    SyntaxConfig::builder()
        .block_delimiters(BLOCK.0, BLOCK.1)
        .variable_delimiters(EMIT.0, EMIT.1)
        .comment_delimiters(COMMENT.0, COMMENT.1)
        .trim_blocks(false)
        .lstrip_blocks(false)
        .keep_trailing_newline(true)
        .build()
        .expect("the delimiters are constant, distinct and not empty")
}

/// What a template consists of, which decides whether its result can be more than text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// No expression at all.
    Text,
    /// Exactly one `{{ expression }}`.
    Expression,
    /// Anything else.
    Mixed,
}

/// A name that a template uses: a filter, a test or a function, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Used {
    /// Which table it is looked up in.
    pub(crate) kind: UsedKind,
    /// Its name, without `ansible.builtin.`.
    pub(crate) name: String,
    /// Where, as bytes of the author's text.
    pub(crate) range: Range<usize>,
}

/// The tables that a name can be looked up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UsedKind {
    /// `x | name`
    Filter,
    /// `x is name`
    Test,
    /// `lookup('name')`, `query('name')`, `q('name')`
    Lookup,
}

/// A template ready to run.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// What the author wrote.
    pub(crate) source: Arc<str>,
    /// What minijinja compiles.
    pub(crate) printed: String,
    /// Text, one expression, or both.
    pub(crate) shape: Shape,
    /// Filters, tests and lookups, in order of appearance.
    pub(crate) uses: Vec<Used>,
    /// Where the template starts in the source, after a header.
    pub(crate) start: usize,
    places: Vec<(Range<usize>, Range<usize>)>,
}

impl Prepared {
    /// The author's bytes behind a range of the printed text: those of the smallest expression around it.
    pub(crate) fn locate(&self, printed: Range<usize>) -> Option<Range<usize>> {
        let around = |place: &&(Range<usize>, Range<usize>)| {
            place.0.start <= printed.start && printed.end <= place.0.end
        };
        let smallest = self.places.iter().filter(around).min_by_key(|place| place.0.len())?;
        Some(self.start + smallest.1.start..self.start + smallest.1.end)
    }
}

/// Parses a template of a YAML value. There, a `\` in a text of an expression is itself (`'\1'` is a group of
/// a regular expression): YAML has had its turn at escapes.
pub(crate) fn prepare_value(source: &str, syntax: SyntaxConfig) -> Result<Prepared, SyntaxProblem> {
    prepare_text(source, 0, syntax, true, None)
}

/// Parses a template file with the author's delimiters.
pub(crate) fn prepare_file(source: &str, syntax: SyntaxConfig) -> Result<Prepared, SyntaxProblem> {
    prepare_after(source, 0, syntax)
}

/// Parses a template that starts at byte `start` of its file; places count from the file's start.
pub(crate) fn prepare_after(
    whole: &str,
    start: usize,
    syntax: SyntaxConfig,
) -> Result<Prepared, SyntaxProblem> {
    prepare_marked(whole, start, syntax, None)
}

/// The same, with marks for `marks` in it.
pub(super) fn prepare_marked(
    whole: &str,
    start: usize,
    syntax: SyntaxConfig,
    marks: Option<Marks>,
) -> Result<Prepared, SyntaxProblem> {
    let source = &whole[start..];
    let mut prepared = prepare_text(source, start, syntax, false, marks).map_err(|mut problem| {
        problem.range = problem.range.start + start..problem.range.end + start;
        problem
    })?;
    if start > 0 {
        prepared.source = whole.into();
        prepared.start = start;
    }
    Ok(prepared)
}

fn prepare_text(
    source: &str,
    start: usize,
    syntax: SyntaxConfig,
    raw_text: bool,
    marks: Option<Marks>,
) -> Result<Prepared, SyntaxProblem> {
    if let Some(at) = source.find(MARK) {
        return Err(SyntaxProblem::new(
            at..at + MARK.len_utf8(),
            "the Unicode noncharacter U+FDD0 cannot be used in a template",
        ));
    }
    let parsed =
        without_unary_plus(source, |text| machinery::parse(text, "<template>", syntax.clone()).map(drop))?;
    let tree = machinery::parse(&parsed, "<template>", syntax).map_err(|err| syntax_problem(source, &err))?;
    let ast::Stmt::Template(template) = &tree else {
        return Err(SyntaxProblem::new(0..source.len(), "not a template"));
    };
    let mut printer = Printer::new(source);
    printer.raw_text = raw_text;
    printer.start = start;
    printer.marks = marks.map(|marks| marks.of(&parsed));
    printer.template(&template.children);
    Ok(printer.finish(shape(&template.children)))
}

/// The names that a template needs whatever happens; none of one that cannot be parsed, or that extends another: of such a
/// one only blocks are rendered.
pub(crate) fn needs(source: &str, syntax: SyntaxConfig) -> Vec<Need> {
    let Ok(ast::Stmt::Template(template)) = machinery::parse(source, "<template>", syntax) else {
        return Vec::new();
    };
    let mut needs = Needs::default();
    if !template.children.iter().any(|child| matches!(child, ast::Stmt::Extends(_))) {
        needs.body(&template.children);
    }
    needs.finish()
}

/// Parses an expression, as `debug: var` has it, as the template that consists of it.
pub(crate) fn prepare_expression(source: &str) -> Result<Prepared, SyntaxProblem> {
    prepare_whole(source, true)
}

/// Parses a condition, as `when:` has it. Unlike in other expressions of YAML, a `\` in a text of it escapes.
pub(crate) fn prepare_condition(source: &str) -> Result<Prepared, SyntaxProblem> {
    prepare_whole(source, false)
}

fn prepare_whole(source: &str, raw_text: bool) -> Result<Prepared, SyntaxProblem> {
    let parsed = without_unary_plus(source, |text| machinery::parse_expr(text).map(drop))?;
    let expr = machinery::parse_expr(&parsed).map_err(|err| syntax_problem(source, &err))?;
    let mut printer = Printer::new(source);
    printer.nested = true;
    printer.raw_text = raw_text;
    printer.emit(&expr, 0..source.len());
    Ok(printer.finish(Shape::Expression))
}

/// The text without the `+` of `+2.5`, which minijinja does not know: it stands where an operand is expected, and says
/// nothing. A blank takes its place, so that all places stay what they are.
fn without_unary_plus<'s>(
    source: &'s str,
    parse: impl Fn(&str) -> Result<(), minijinja::Error>,
) -> Result<Cow<'s, str>, SyntaxProblem> {
    let mut text = Cow::Borrowed(source);
    // Only a text with a `+` can need a second look.
    while source.contains('+') {
        let Err(err) = parse(&text) else { break };
        let sign = err.range().filter(|range| text.get(range.clone()) == Some("+"));
        match sign {
            Some(range) => text.to_mut().replace_range(range, " "),
            None => return Err(syntax_problem(source, &err)),
        }
    }
    Ok(text)
}

fn shape(children: &[ast::Stmt<'_>]) -> Shape {
    match children {
        [ast::Stmt::EmitExpr(_)] => Shape::Expression,
        _ if children.iter().all(|child| matches!(child, ast::Stmt::EmitRaw(_))) => Shape::Text,
        _ => Shape::Mixed,
    }
}

/// The name without the collection that Ansible ships it in.
pub(crate) fn bare_name(name: &str) -> &str {
    const COLLECTIONS: [&str; 6] = [
        "ansible.builtin.",
        "ansible.legacy.",
        "ansible.utils.",
        "ansible.netcommon.",
        "community.general.",
        "community.crypto.",
    ];
    COLLECTIONS.iter().find_map(|collection| name.strip_prefix(collection)).unwrap_or(name)
}

/// The bytes that an expression stands on, from the first of its first part: the parser's span of `.c` in
/// `a.b.c` starts at `.b`.
fn range(expr: &ast::Expr<'_>) -> Range<usize> {
    let own = bytes(expr.span());
    let first = match expr {
        ast::Expr::GetAttr(get) => range(&get.expr),
        ast::Expr::GetItem(get) => range(&get.expr),
        ast::Expr::Slice(slice) => range(&slice.expr),
        ast::Expr::Call(call) => range(&call.expr),
        ast::Expr::Filter(filter) => filter.expr.as_ref().map_or(own.clone(), range),
        ast::Expr::Test(test) => range(&test.expr),
        ast::Expr::BinOp(op) => range(&op.left),
        ast::Expr::Compare(compare) => range(&compare.expr),
        ast::Expr::IfExpr(choice) => range(&choice.true_expr),
        _ => own.clone(),
    };
    first.start..own.end.max(first.end)
}

fn bytes(span: Span) -> Range<usize> {
    span.start_offset as usize..(span.end_offset as usize).max(span.start_offset as usize)
}
