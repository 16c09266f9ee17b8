//! The names that a template needs whatever happens: not in a branch that may not be taken, not where `default` or a test
//! lets a name be undefined.

use super::super::filters::OF_UNDEFINED;
use super::bytes;
use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt};
use std::collections::HashSet;
use std::ops::Range;

/// Such a name, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) name: String,
    /// Bytes of the author's text.
    pub(crate) range: Range<usize>,
}

/// Collects the needs of statements and expressions.
#[derive(Default)]
pub(super) struct Needs {
    needs: Vec<Need>,
    /// What the template defines itself, anywhere.
    own: HashSet<String>,
}

impl Needs {
    /// What is needed from outside.
    pub(super) fn finish(mut self) -> Vec<Need> {
        self.needs.retain(|need| !self.own.contains(&need.name));
        self.needs
    }

    /// Statements that are always carried out.
    pub(super) fn body(&mut self, statements: &[Stmt<'_>]) {
        statements.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::EmitExpr(emit) => self.expr(&emit.expr),
            Stmt::ForLoop(each) => self.expr(&each.iter),
            Stmt::IfCond(choice) => self.expr(&choice.expr),
            Stmt::Set(set) => self.expr(&set.expr),
            Stmt::FilterBlock(block) => self.body(&block.body),
            Stmt::AutoEscape(block) => self.body(&block.body),
            _ => {}
        }
        self.defined_by(statement);
    }

    /// What a statement, or one in it, gives a name to.
    fn defined_by(&mut self, statement: &Stmt<'_>) {
        let mut inside = |body: &[Stmt<'_>]| body.iter().for_each(|statement| self.defined_by(statement));
        match statement {
            Stmt::ForLoop(each) => {
                inside(&each.body);
                inside(&each.else_body);
                self.target(&each.target);
            }
            Stmt::IfCond(choice) => {
                inside(&choice.true_body);
                inside(&choice.false_body);
            }
            Stmt::WithBlock(with) => {
                inside(&with.body);
                with.assignments.iter().for_each(|(target, _)| self.target(target));
            }
            Stmt::Set(set) => self.target(&set.target),
            Stmt::SetBlock(set) => self.target(&set.target),
            Stmt::Import(import) => self.target(&import.name),
            Stmt::FromImport(import) => import.names.iter().for_each(|(name, as_name)| {
                self.target(as_name.as_ref().unwrap_or(name));
            }),
            Stmt::Macro(declared) => {
                self.own.insert(declared.name.to_owned());
            }
            Stmt::Block(block) => inside(&block.body),
            _ => {}
        }
    }

    fn target(&mut self, target: &Expr<'_>) {
        match target {
            Expr::Var(var) => {
                self.own.insert(var.id.to_owned());
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.target(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.target(item)),
            _ => {}
        }
    }

    /// An expression that is always evaluated.
    pub(super) fn expr(&mut self, expr: &Expr<'_>) {
        match expr {
            Expr::Var(var) => {
                self.needs.push(Need { name: var.id.to_owned(), range: bytes(var.span()) });
            }
            Expr::Const(_) => {}
            Expr::GetAttr(get) => self.expr(&get.expr),
            Expr::GetItem(get) => {
                self.expr(&get.expr);
                self.expr(&get.subscript_expr);
            }
            Expr::Slice(slice) => self.expr(&slice.expr),
            Expr::UnaryOp(op) => self.expr(&op.expr),
            Expr::BinOp(op) => {
                self.expr(&op.left);
                if !matches!(op.op, BinOpKind::ScAnd | BinOpKind::ScOr) {
                    self.expr(&op.right);
                }
            }
            Expr::Compare(compare) => {
                self.expr(&compare.expr);
                compare.ops.first().into_iter().for_each(|op| self.expr(&op.expr));
            }
            Expr::IfExpr(choice) => self.expr(&choice.test_expr),
            Expr::Filter(filter) if OF_UNDEFINED.contains(&super::bare_name(filter.name)) => {}
            Expr::Filter(filter) => {
                filter.expr.iter().for_each(|of| self.expr(of));
                self.args(&filter.args);
            }
            // `is defined`, and tests that some collection has, may be asked about anything.
            Expr::Test(_) => {}
            Expr::Call(call) => {
                if !matches!(call.expr, Expr::Var(_)) {
                    self.expr(&call.expr);
                }
                self.args(&call.args);
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.expr(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expr(item)),
            Expr::Map(map) => map.values.iter().for_each(|value| self.expr(value)),
        }
    }

    fn args(&mut self, args: &[CallArg<'_>]) {
        for arg in args {
            match arg {
                CallArg::Pos(expr) | CallArg::Kwarg(_, expr) => self.expr(expr),
                CallArg::PosSplat(expr) | CallArg::KwargSplat(expr) => self.expr(expr),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::template::needs_of_text;

    fn names(text: &str) -> Vec<String> {
        needs_of_text(text).into_iter().map(|need| need.name).collect()
    }

    #[test]
    fn what_is_always_evaluated_is_needed() {
        assert_eq!(names("{{ a.b[c] | join(d) }} {{ e ~ f + 1 }}"), ["a", "c", "d", "e", "f"]);
        assert_eq!(
            names("{% for x in list %}{{ x }}{% endfor %}{% if on %}{{ y }}{% endif %}"),
            ["list", "on"]
        );
    }

    #[test]
    fn what_may_be_undefined_is_not() {
        for text in [
            "{{ a | default('x') }}",
            "{{ a is defined }}",
            "{{ 'x' if yes is defined and a else 'y' }}",
            "{{ a.b | upper | d(omit) }}",
            "{{ false and a }}",
            "{% set a = 1 %}{{ a }}",
            "{% macro a(x) %}{{ x }}{% endmacro %}{{ a(1) }}",
            "{% raw %}{{ a }}{% endraw %}",
            "{% extends 'base.j2' %}{{ a }}{% block b %}{% endblock %}",
        ] {
            assert!(names(text).iter().all(|name| name != "a"), "{text}: {:?}", names(text));
        }
    }

    #[test]
    fn a_need_has_its_place() {
        let needs = needs_of_text("addr {{ cluster_adress }}");
        assert_eq!(needs[0].range, 8..22);
    }
}
