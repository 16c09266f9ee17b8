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

use std::ops::Range;
use std::sync::Arc;

use minijinja::machinery::{self, Span, ast};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;

use super::error::{SyntaxProblem, syntax_problem};

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
    /// `x|__slice(from, to, step)`: `x[from:to:step]`; undefined is passed on.
    pub(crate) const SLICE: &str = "__slice";
    /// `x|__call("name", …)`: a method; undefined is passed on.
    pub(crate) const CALL: &str = "__call";
    /// `x|__percent(y)`: `x % y`, which formats when `x` is text.
    pub(crate) const PERCENT: &str = "__percent";
    /// `x|__minus(y)`: `x - y`, also of dates.
    pub(crate) const MINUS: &str = "__minus";
    /// `x|__concat(y)`: `x ~ y`, as Python writes both.
    pub(crate) const CONCAT: &str = "__concat";
    /// `"{{ x }}"|__template`: a template inside a text of a condition, which Ansible still renders.
    pub(crate) const TEMPLATE: &str = "__template";
    /// `[…]|__mutable`: a list or dictionary that its template may append to.
    pub(crate) const MUTABLE: &str = "__mutable";
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
    prepare_text(source, syntax, true)
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
    let source = &whole[start..];
    let mut prepared = prepare_text(source, syntax, false).map_err(|mut problem| {
        problem.range = problem.range.start + start..problem.range.end + start;
        problem
    })?;
    if start > 0 {
        prepared.source = whole.into();
        prepared.start = start;
    }
    Ok(prepared)
}

fn prepare_text(source: &str, syntax: SyntaxConfig, raw_text: bool) -> Result<Prepared, SyntaxProblem> {
    if let Some(at) = source.find(MARK) {
        return Err(SyntaxProblem::new(
            at..at + MARK.len_utf8(),
            "the Unicode noncharacter U+FDD0 cannot be used in a template",
        ));
    }
    let tree = machinery::parse(source, "<template>", syntax).map_err(|err| syntax_problem(source, &err))?;
    let ast::Stmt::Template(template) = &tree else {
        return Err(SyntaxProblem::new(0..source.len(), "not a template"));
    };
    let mut printer = Printer::new(source);
    printer.raw_text = raw_text;
    printer.body(&template.children);
    Ok(printer.finish(shape(&template.children)))
}

/// Parses an expression, as `when:` has it, as the template that consists of it.
pub(crate) fn prepare_expression(source: &str) -> Result<Prepared, SyntaxProblem> {
    let expr = machinery::parse_expr(source).map_err(|err| syntax_problem(source, &err))?;
    let mut printer = Printer::new(source);
    printer.nested = true;
    printer.raw_text = true;
    printer.emit(&expr, 0..source.len());
    Ok(printer.finish(Shape::Expression))
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

/// Whether a value that is not known yet may pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Refused,
    Passes,
}

struct Printer<'s> {
    source: &'s str,
    out: String,
    /// Whether texts in the expression may be templates themselves.
    nested: bool,
    /// Whether `\` in a text of an expression is itself.
    raw_text: bool,
    places: Vec<(Range<usize>, Range<usize>)>,
    uses: Vec<Used>,
}

impl<'s> Printer<'s> {
    fn new(source: &'s str) -> Self {
        Self {
            source,
            out: String::with_capacity(source.len() * 2),
            nested: false,
            raw_text: false,
            places: Vec::new(),
            uses: Vec::new(),
        }
    }

    fn finish(self, shape: Shape) -> Prepared {
        Prepared {
            source: self.source.into(),
            printed: self.out,
            shape,
            uses: self.uses,
            start: 0,
            places: self.places,
        }
    }

    fn place(&mut self, from: usize, source: Range<usize>) {
        self.places.push((from..self.out.len(), source));
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    // Statements.

    fn body(&mut self, statements: &[ast::Stmt<'_>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn open(&mut self, keyword: &str) -> usize {
        let from = self.out.len();
        self.push(BLOCK.0);
        self.push(" ");
        self.push(keyword);
        self.push(" ");
        from
    }

    fn close(&mut self) {
        self.push(" ");
        self.push(BLOCK.1);
    }

    fn end(&mut self, keyword: &str) {
        self.open(keyword);
        self.close();
    }

    fn emit(&mut self, expr: &ast::Expr<'_>, source: Range<usize>) {
        let from = self.out.len();
        self.push(EMIT.0);
        self.push(" ");
        self.expr(expr);
        self.push(" ");
        self.push(EMIT.1);
        self.place(from, source);
    }

    fn statement(&mut self, statement: &ast::Stmt<'_>) {
        match statement {
            ast::Stmt::Template(template) => self.body(&template.children),
            ast::Stmt::EmitRaw(raw) => self.push(raw.raw),
            ast::Stmt::EmitExpr(emit) => self.emit(&emit.expr, bytes(emit.span())),
            ast::Stmt::ForLoop(each) => self.for_loop(each),
            ast::Stmt::IfCond(choice) => self.if_statement(choice),
            ast::Stmt::WithBlock(with) => self.with_block(with),
            ast::Stmt::Set(set) => self.set(set),
            ast::Stmt::SetBlock(set) => self.set_block(set),
            ast::Stmt::AutoEscape(block) => {
                self.open("autoescape");
                self.expr(&block.enabled);
                self.close();
                self.body(&block.body);
                self.end("endautoescape");
            }
            ast::Stmt::FilterBlock(block) => {
                self.open("filter");
                self.filter_chain(&block.filter);
                self.close();
                self.body(&block.body);
                self.end("endfilter");
            }
            ast::Stmt::Block(block) => self.block(block),
            ast::Stmt::Import(import) => {
                let from = self.open("import");
                self.expr(&import.expr);
                self.push(" as ");
                self.target(&import.name);
                self.close();
                self.place(from, bytes(import.span()));
            }
            ast::Stmt::FromImport(import) => self.from_import(import),
            ast::Stmt::Extends(extends) => {
                let from = self.open("extends");
                self.expr(&extends.name);
                self.close();
                self.place(from, bytes(extends.span()));
            }
            ast::Stmt::Include(include) => {
                let from = self.open("include");
                self.expr(&include.name);
                if include.ignore_missing {
                    self.push(" ignore missing");
                }
                self.close();
                self.place(from, bytes(include.span()));
            }
            ast::Stmt::Macro(item) => {
                self.open("macro");
                self.push(item.name);
                self.signature(item);
                self.close();
                self.body(&item.body);
                self.end("endmacro");
            }
            ast::Stmt::CallBlock(block) => {
                self.open("call");
                self.signature(&block.macro_decl);
                self.push(" ");
                self.plain_call(&block.call);
                self.close();
                self.body(&block.macro_decl.body);
                self.end("endcall");
            }
            ast::Stmt::Continue(_) => self.end("continue"),
            ast::Stmt::Break(_) => self.end("break"),
            ast::Stmt::Do(item) => {
                let from = self.open("do");
                self.plain_call(&item.call);
                self.close();
                self.place(from, bytes(item.span()));
            }
        }
    }

    fn for_loop(&mut self, each: &ast::ForLoop<'_>) {
        self.open("for");
        self.target(&each.target);
        self.push(" in ");
        self.expr(&each.iter);
        if let Some(filter) = &each.filter_expr {
            self.push(" if ");
            self.expr(filter);
        }
        if each.recursive {
            self.push(" recursive");
        }
        self.close();
        self.body(&each.body);
        if !each.else_body.is_empty() {
            self.end("else");
            self.body(&each.else_body);
        }
        self.end("endfor");
    }

    fn if_statement(&mut self, choice: &ast::IfCond<'_>) {
        self.open("if");
        self.expr(&choice.expr);
        self.close();
        self.body(&choice.true_body);
        if !choice.false_body.is_empty() {
            self.end("else");
            self.body(&choice.false_body);
        }
        self.end("endif");
    }

    fn with_block(&mut self, with: &ast::WithBlock<'_>) {
        self.open("with");
        for (index, (target, value)) in with.assignments.iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            self.target(target);
            self.push(" = ");
            self.expr(value);
        }
        self.close();
        self.body(&with.body);
        self.end("endwith");
    }

    fn set(&mut self, set: &ast::Set<'_>) {
        self.open("set");
        self.target(&set.target);
        self.push(" = ");
        self.expr(&set.expr);
        if matches!(set.expr, ast::Expr::List(_) | ast::Expr::Map(_)) {
            self.push("|");
            self.push(hooks::MUTABLE);
        }
        self.close();
    }

    fn set_block(&mut self, set: &ast::SetBlock<'_>) {
        self.open("set");
        self.target(&set.target);
        if let Some(filter) = &set.filter {
            self.push(" | ");
            self.filter_chain(filter);
        }
        self.close();
        self.body(&set.body);
        self.end("endset");
    }

    fn block(&mut self, block: &ast::Block<'_>) {
        self.open("block");
        self.push(block.name);
        if block.required {
            self.push(" required");
        }
        self.close();
        self.body(&block.body);
        self.end("endblock");
    }

    fn from_import(&mut self, import: &ast::Spanned<ast::FromImport<'_>>) {
        let from = self.open("from");
        self.expr(&import.expr);
        self.push(" import ");
        for (index, (name, alias)) in import.names.iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            self.target(name);
            if let Some(alias) = alias {
                self.push(" as ");
                self.target(alias);
            }
        }
        self.close();
        self.place(from, bytes(import.span()));
    }

    fn signature(&mut self, item: &ast::Macro<'_>) {
        self.push("(");
        let required = item.args.len() - item.defaults.len();
        for (index, arg) in item.args.iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            self.target(arg);
            if let Some(default) = index.checked_sub(required).and_then(|index| item.defaults.get(index)) {
                self.push("=");
                self.expr(default);
            }
        }
        self.push(")");
    }

    /// What is assigned to: names, `ns.name`, and lists of them.
    fn target(&mut self, target: &ast::Expr<'_>) {
        match target {
            ast::Expr::Var(var) => self.push(var.id),
            ast::Expr::GetAttr(get) => {
                self.target(&get.expr);
                self.push(".");
                self.push(get.name);
            }
            ast::Expr::List(list) => self.target_list(&list.items),
            // An import's name is any expression to the parser, and only a name to the compiler.
            other => self.expr(other),
        }
    }

    fn target_list(&mut self, items: &[ast::Expr<'_>]) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            match item {
                ast::Expr::List(inner) => {
                    self.push("(");
                    self.target_list(&inner.items);
                    self.push(")");
                }
                other => self.target(other),
            }
        }
        if items.len() == 1 {
            self.push(",");
        }
    }

    /// `a | b(c)` of a block: filters that have no first operand.
    fn filter_chain(&mut self, filter: &ast::Expr<'_>) {
        let ast::Expr::Filter(filter) = filter else { return self.expr(filter) };
        if let Some(before) = &filter.expr {
            self.filter_chain(before);
            self.push("|");
        }
        let from = self.out.len();
        self.named(UsedKind::Filter, filter.name, bytes(filter.span()));
        self.args(&filter.args, "");
        self.place(from, bytes(filter.span()));
    }

    // Expressions. Each prints as something that binds as tightly as a name.

    fn expr(&mut self, expr: &ast::Expr<'_>) {
        self.expr_with(expr, Unknown::Refused);
    }

    fn expr_with(&mut self, expr: &ast::Expr<'_>, unknown: Unknown) {
        let from = self.out.len();
        let at = range(expr);
        match expr {
            ast::Expr::Var(var) => self.variable(var, &at, unknown),
            ast::Expr::Const(constant) => self.constant(&constant.value, bytes(constant.span())),
            ast::Expr::GetAttr(get) => {
                self.get(&get.expr, |this| this.text(get.name), &at, unknown);
            }
            ast::Expr::GetItem(get) => {
                self.get(&get.expr, |this| this.expr(&get.subscript_expr), &at, unknown)
            }
            ast::Expr::Slice(slice) => self.slice(slice),
            ast::Expr::UnaryOp(op) => {
                self.push(if matches!(op.op, ast::UnaryOpKind::Not) { "(not " } else { "(-" });
                self.expr(&op.expr);
                self.push(")");
            }
            ast::Expr::BinOp(op) => self.binary(op),
            ast::Expr::Compare(compare) => self.compare(compare),
            ast::Expr::IfExpr(choice) => self.choice(choice),
            ast::Expr::Filter(filter) => self.filter(filter, &at),
            ast::Expr::Test(test) => self.test(test, &at),
            ast::Expr::Call(call) => self.call(call),
            ast::Expr::List(list) => self.sequence("[", &list.items, "]"),
            ast::Expr::Tuple(tuple) => {
                let end = if tuple.items.len() == 1 { ",)" } else { ")" };
                self.sequence("(", &tuple.items, end);
            }
            ast::Expr::Map(map) => self.map(map),
        }
        self.place(from, at);
    }

    fn variable(&mut self, var: &ast::Var<'_>, at: &Range<usize>, unknown: Unknown) {
        self.push("(");
        self.push(var.id);
        self.push("|");
        self.push(if unknown == Unknown::Passes { hooks::PEEK } else { hooks::USE });
        self.push("(");
        self.text(var.id);
        self.numbers(at);
        self.push("))");
    }

    fn get(&mut self, of: &ast::Expr<'_>, key: impl FnOnce(&mut Self), at: &Range<usize>, unknown: Unknown) {
        self.push("(");
        self.expr_with(of, Unknown::Passes);
        self.push("|");
        self.push(if unknown == Unknown::Passes { hooks::GET_PEEK } else { hooks::GET });
        self.push("(");
        key(self);
        self.numbers(at);
        self.push("))");
    }

    fn numbers(&mut self, at: &Range<usize>) {
        self.push(&format!(",{},{}", at.start, at.end));
    }

    fn slice(&mut self, slice: &ast::Slice<'_>) {
        self.push("(");
        self.expr(&slice.expr);
        self.push("|");
        self.push(hooks::SLICE);
        self.push("(");
        for (index, part) in [&slice.start, &slice.stop, &slice.step].into_iter().enumerate() {
            if index > 0 {
                self.push(",");
            }
            match part {
                Some(part) => self.expr(part),
                None => self.push("none"),
            }
        }
        self.push("))");
    }

    fn binary(&mut self, op: &ast::BinOp<'_>) {
        let sign = match op.op {
            ast::BinOpKind::Rem => return self.operator(hooks::PERCENT, op),
            ast::BinOpKind::Sub => return self.operator(hooks::MINUS, op),
            ast::BinOpKind::Concat => return self.operator(hooks::CONCAT, op),
            ast::BinOpKind::Eq => "==",
            ast::BinOpKind::Ne => "!=",
            ast::BinOpKind::Lt => "<",
            ast::BinOpKind::Lte => "<=",
            ast::BinOpKind::Gt => ">",
            ast::BinOpKind::Gte => ">=",
            ast::BinOpKind::ScAnd => "and",
            ast::BinOpKind::ScOr => "or",
            ast::BinOpKind::Add => "+",
            ast::BinOpKind::Mul => "*",
            ast::BinOpKind::Div => "/",
            ast::BinOpKind::FloorDiv => "//",
            ast::BinOpKind::Pow => "**",
            ast::BinOpKind::In => "in",
        };
        self.push("(");
        self.expr(&op.left);
        self.push(" ");
        self.push(sign);
        self.push(" ");
        self.expr(&op.right);
        self.push(")");
    }

    fn operator(&mut self, hook: &str, op: &ast::BinOp<'_>) {
        self.push("(");
        self.expr(&op.left);
        self.push("|");
        self.push(hook);
        self.push("(");
        self.expr(&op.right);
        self.push("))");
    }

    fn compare(&mut self, compare: &ast::Compare<'_>) {
        self.push("(");
        self.expr(&compare.expr);
        for next in &compare.ops {
            self.push(match next.op {
                ast::CompareOpKind::Eq => " == ",
                ast::CompareOpKind::Ne => " != ",
                ast::CompareOpKind::Lt => " < ",
                ast::CompareOpKind::Lte => " <= ",
                ast::CompareOpKind::Gt => " > ",
                ast::CompareOpKind::Gte => " >= ",
                ast::CompareOpKind::In => " in ",
                ast::CompareOpKind::NotIn => " not in ",
            });
            self.expr(&next.expr);
        }
        self.push(")");
    }

    fn choice(&mut self, choice: &ast::IfExpr<'_>) {
        self.push("(");
        self.expr(&choice.true_expr);
        self.push(" if ");
        self.expr(&choice.test_expr);
        if let Some(other) = &choice.false_expr {
            self.push(" else ");
            self.expr(other);
        }
        self.push(")");
    }

    fn filter(&mut self, filter: &ast::Filter<'_>, at: &Range<usize>) {
        self.push("(");
        if let Some(operand) = &filter.expr {
            self.expr(operand);
            self.push("|");
        }
        self.named(UsedKind::Filter, filter.name, self.name_range(filter.name, at));
        self.args(&filter.args, "");
        self.push(")");
    }

    fn test(&mut self, test: &ast::Test<'_>, at: &Range<usize>) {
        let asks_only = matches!(bare_name(test.name), "defined" | "undefined");
        self.push("(");
        self.expr_with(&test.expr, if asks_only { Unknown::Passes } else { Unknown::Refused });
        self.push(" is ");
        let range = self.name_range(test.name, at);
        self.named(UsedKind::Test, test.name, range);
        self.args(&test.args, "");
        self.push(")");
    }

    /// Where the name of a filter or test stands: its last occurrence before the arguments. The parser keeps
    /// only the span of the whole.
    fn name_range(&self, name: &str, at: &Range<usize>) -> Range<usize> {
        let text = self.source.get(at.clone()).unwrap_or_default();
        text.rfind(name).map_or(at.clone(), |found| at.start + found..at.start + found + name.len())
    }

    fn named(&mut self, kind: UsedKind, name: &str, range: Range<usize>) {
        let name = bare_name(name);
        self.push(name);
        self.uses.push(Used { kind, name: name.to_owned(), range });
    }

    fn call(&mut self, call: &ast::Spanned<ast::Call<'_>>) {
        match call.identify_call() {
            ast::CallType::Method(of, name) => {
                self.push("(");
                self.expr(of);
                self.push("|");
                self.push(hooks::CALL);
                self.args(&call.args, &quoted(name));
                self.push(")");
            }
            _ => self.plain_call(call),
        }
    }

    /// A call that minijinja has to see as one: functions, macros, blocks, `caller`, `super`, `loop`.
    fn plain_call(&mut self, call: &ast::Spanned<ast::Call<'_>>) {
        let from = self.out.len();
        match call.identify_call() {
            ast::CallType::Function(name) => {
                self.note_lookup(name, &call.args);
                self.push(name);
            }
            ast::CallType::Block(name) => {
                self.push("self.");
                self.push(name);
            }
            ast::CallType::Method(of, name) => {
                self.expr(of);
                self.push(".");
                self.push(name);
            }
            ast::CallType::Object(of) => self.expr(of),
        }
        self.args(&call.args, "");
        if call.args.is_empty() {
            self.push("()");
        }
        let at = range(&call.expr).start..bytes(call.span()).end;
        self.place(from, at);
    }

    fn note_lookup(&mut self, function: &str, args: &[ast::CallArg<'_>]) {
        if !matches!(function, "lookup" | "query" | "q") {
            return;
        }
        if let Some(ast::CallArg::Pos(ast::Expr::Const(name))) = args.first()
            && let Some(text) = name.value.as_str()
        {
            let name_text = bare_name(text).to_owned();
            self.uses.push(Used { kind: UsedKind::Lookup, name: name_text, range: bytes(name.span()) });
        }
    }

    fn args(&mut self, args: &[ast::CallArg<'_>], first: &str) {
        if args.is_empty() && first.is_empty() {
            return;
        }
        self.push("(");
        self.push(first);
        for (index, arg) in args.iter().enumerate() {
            if index > 0 || !first.is_empty() {
                self.push(",");
            }
            match arg {
                ast::CallArg::Pos(value) => self.expr(value),
                ast::CallArg::Kwarg(name, value) => {
                    self.push(name);
                    self.push("=");
                    self.expr(value);
                }
                ast::CallArg::PosSplat(value) => {
                    self.push("*");
                    self.expr(value);
                }
                ast::CallArg::KwargSplat(value) => {
                    self.push("**");
                    self.expr(value);
                }
            }
        }
        self.push(")");
    }

    fn sequence(&mut self, open: &str, items: &[ast::Expr<'_>], close: &str) {
        self.push(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.push(",");
            }
            self.expr(item);
        }
        self.push(close);
    }

    fn map(&mut self, map: &ast::Map<'_>) {
        self.push("{");
        for (index, (key, value)) in map.keys.iter().zip(&map.values).enumerate() {
            if index > 0 {
                self.push(",");
            }
            self.expr(key);
            self.push(":");
            self.expr(value);
        }
        self.push("}");
    }

    fn text(&mut self, text: &str) {
        self.push(&quoted(text));
    }

    fn constant(&mut self, value: &minijinja::Value, at: Range<usize>) {
        match value.kind() {
            ValueKind::String => {
                let written = self.source.get(at).filter(|_| self.raw_text).and_then(unescaped);
                let text = written.as_deref().or(value.as_str()).unwrap_or_default();
                let is_template = self.nested && crate::yaml::is_template(text);
                self.push(if is_template { "(" } else { "" });
                self.text(text);
                if is_template {
                    self.push("|");
                    self.push(hooks::TEMPLATE);
                    self.push(")");
                }
            }
            ValueKind::Bool => self.push(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number if !value.is_integer() => {
                let number = f64::try_from(value.clone()).unwrap_or_default();
                self.push(&format!("{number:?}"));
            }
            ValueKind::Number => self.push(&value.to_string()),
            _ => self.push("none"),
        }
    }
}

/// The text between the quotes of one literal, where only the quote itself is escaped.
fn unescaped(literal: &str) -> Option<String> {
    let quote = literal.chars().next().filter(|char| matches!(char, '\'' | '"'))?;
    let inner = literal.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match (char, chars.clone().next()) {
            // Two literals side by side are one text to the parser; its value is right unless they have a `\`.
            (char, _) if char == quote => return None,
            ('\\', Some(next)) if next == quote => out.extend(chars.next()),
            ('\\', Some('\\')) => {
                out.push_str("\\\\");
                chars.next();
            }
            (char, _) => out.push(char),
        }
    }
    Some(out)
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
