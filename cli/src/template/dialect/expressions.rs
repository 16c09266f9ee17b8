//! Prints expressions, each as something that binds as tightly as a name.

use std::ops::Range;

use minijinja::machinery::ast;
use minijinja::value::ValueKind;

use super::printer::{Printer, Unknown};
use super::{Used, UsedKind, bare_name, bytes, hooks, range};

/// Functions whose texts may be templates, and whose first argument is the name of a lookup.
const LOOKUPS: [&str; 3] = ["lookup", "query", "q"];

impl Printer<'_> {
    pub(super) fn expr(&mut self, expr: &ast::Expr<'_>) {
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
        if self.marks.is_some() {
            self.names.push(var.id.to_owned());
        }
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
        self.push(&format!(",{},{}", self.start + at.start, self.start + at.end));
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
            ast::BinOpKind::Lt => return self.order(op, "<"),
            ast::BinOpKind::Lte => return self.order(op, "<="),
            ast::BinOpKind::Gt => return self.order(op, ">"),
            ast::BinOpKind::Gte => return self.order(op, ">="),
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
        match op.op {
            ast::BinOpKind::In => self.searched(&op.right, &op.left),
            _ => self.expr(&op.right),
        }
        self.push(")");
    }

    /// What `in` looks into: of a result that is not wholly known, it may not be known whether it has a key.
    fn searched(&mut self, of: &ast::Expr<'_>, key: &ast::Expr<'_>) {
        let ast::Expr::Const(constant) = key else { return self.expr(of) };
        let Some(key) = constant.value.as_str() else { return self.expr(of) };
        self.push("(");
        self.expr(of);
        self.push("|");
        self.push(hooks::HAS);
        self.push("(");
        self.text(key);
        self.push("))");
    }

    fn order(&mut self, op: &ast::BinOp<'_>, sign: &str) {
        self.push("(");
        self.expr(&op.left);
        self.push("|");
        self.push(hooks::ORDER);
        self.push("(");
        self.expr(&op.right);
        self.push(",\"");
        self.push(sign);
        self.push("\"))");
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
            match (next.op, compare.ops.len()) {
                (ast::CompareOpKind::In | ast::CompareOpKind::NotIn, 1) => {
                    self.searched(&next.expr, &compare.expr);
                }
                _ => self.expr(&next.expr),
            }
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
        if let ("vault_encrypted", ast::Expr::Var(var)) = (bare_name(test.name), &test.expr) {
            self.text(var.id);
            self.push("|");
            self.push(hooks::SEALED);
            self.push(" or ");
        }
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

    pub(super) fn named(&mut self, kind: UsedKind, name: &str, range: Range<usize>) {
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
    pub(super) fn plain_call(&mut self, call: &ast::Spanned<ast::Call<'_>>) {
        let from = self.out.len();
        let was_nested = self.nested;
        match call.identify_call() {
            ast::CallType::Function(name) => {
                self.note_lookup(name, &call.args);
                // As in conditions, Ansible renders templates in the terms of lookups.
                self.nested |= LOOKUPS.contains(&name);
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
        self.nested = was_nested;
        let at = range(&call.expr).start..bytes(call.span()).end;
        self.place(from, at);
    }

    fn note_lookup(&mut self, function: &str, args: &[ast::CallArg<'_>]) {
        if !LOOKUPS.contains(&function) {
            return;
        }
        if let Some(ast::CallArg::Pos(ast::Expr::Const(name))) = args.first()
            && let Some(text) = name.value.as_str()
        {
            let name_text = bare_name(text).to_owned();
            self.uses.push(Used { kind: UsedKind::Lookup, name: name_text, range: bytes(name.span()) });
        }
    }

    pub(super) fn args(&mut self, args: &[ast::CallArg<'_>], first: &str) {
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
