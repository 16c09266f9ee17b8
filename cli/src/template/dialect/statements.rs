//! Prints statements: `{% … %}` and the text between them.

use std::ops::Range;

use minijinja::machinery::ast;

use super::printer::Printer;
use super::{BLOCK, EMIT, UsedKind, bytes, hooks};

/// Whether a file is included anywhere in these statements.
fn includes(statements: &[ast::Stmt<'_>]) -> bool {
    statements.iter().any(|statement| match statement {
        ast::Stmt::Include(_) => true,
        ast::Stmt::ForLoop(each) => includes(&each.body) || includes(&each.else_body),
        ast::Stmt::IfCond(choice) => includes(&choice.true_body) || includes(&choice.false_body),
        ast::Stmt::WithBlock(with) => includes(&with.body),
        ast::Stmt::FilterBlock(block) => includes(&block.body),
        _ => false,
    })
}

impl Printer<'_> {
    /// A whole template. Behind `extends` only blocks, and what is set for them, count: what else would be put out is not even
    /// evaluated, as in Jinja.
    pub(super) fn template(&mut self, statements: &[ast::Stmt<'_>]) {
        let mut extends = false;
        for statement in statements {
            let is_output = matches!(statement, ast::Stmt::EmitExpr(_) | ast::Stmt::EmitRaw(_));
            if !(extends && is_output) {
                self.statement(statement);
            }
            extends |= matches!(statement, ast::Stmt::Extends(_));
        }
    }

    pub(super) fn body(&mut self, statements: &[ast::Stmt<'_>]) {
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

    pub(super) fn emit(&mut self, expr: &ast::Expr<'_>, source: Range<usize>) {
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
            ast::Stmt::Template(template) => self.template(&template.children),
            ast::Stmt::EmitRaw(raw) => self.raw(raw.raw),
            ast::Stmt::EmitExpr(emit) => {
                let at = bytes(emit.span());
                let site = self.mark(at.clone());
                self.emit(&emit.expr, at);
                self.settle(site);
            }
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
                self.aside(|this| this.body(&block.body));
                self.end("endfilter");
            }
            ast::Stmt::Block(block) => self.block(block),
            ast::Stmt::Import(import) => {
                let from = self.open("import");
                self.expr(&import.expr);
                self.push(" as ");
                self.target(&import.name);
                self.note_name(&import.name);
                self.close();
                self.place(from, bytes(import.span()));
            }
            ast::Stmt::FromImport(import) => self.names_import(import),
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
                if includes(&item.body) {
                    self.keep_names();
                }
                self.aside(|this| this.body(&item.body));
                self.end("endmacro");
            }
            ast::Stmt::CallBlock(block) => {
                self.open("call");
                self.signature(&block.macro_decl);
                self.push(" ");
                self.plain_call(&block.call);
                self.close();
                self.aside(|this| this.body(&block.macro_decl.body));
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

    fn note_name(&mut self, target: &ast::Expr<'_>) {
        if let ast::Expr::Var(var) = target {
            self.set_names.push(var.id.to_owned());
        }
    }

    /// A macro sees only the names that it uses itself. One that includes a file sees what the template has set before it:
    /// the file may use that.
    fn keep_names(&mut self) {
        self.open("if false");
        self.close();
        for name in self.set_names.clone() {
            self.push(&format!("{} {name} {}", EMIT.0, EMIT.1));
        }
        self.end("endif");
    }

    fn for_loop(&mut self, each: &ast::ForLoop<'_>) {
        let site = self.visit(bytes(each.iter.span()), false);
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
        self.settle(site);
        let bound = self.bind(&each.target, site);
        self.inside(site, |this| this.body(&each.body));
        self.unbind(bound);
        if !each.else_body.is_empty() {
            self.end("else");
            self.body(&each.else_body);
        }
        self.end("endfor");
    }

    fn if_statement(&mut self, choice: &ast::IfCond<'_>) {
        let site = self.visit(bytes(choice.expr.span()), true);
        self.open("if");
        self.expr(&choice.expr);
        self.close();
        self.settle(site);
        self.inside(site, |this| this.body(&choice.true_body));
        if !choice.false_body.is_empty() {
            self.end("else");
            self.inside(site, |this| this.body(&choice.false_body));
        }
        self.end("endif");
    }

    fn with_block(&mut self, with: &ast::WithBlock<'_>) {
        let first = with.assignments.first().map(|(target, _)| bytes(target.span()));
        let site = self.visit(first.unwrap_or_default(), false);
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
        self.settle(site);
        let bound: Vec<usize> = with.assignments.iter().map(|(target, _)| self.bind(target, site)).collect();
        self.body(&with.body);
        bound.into_iter().rev().for_each(|bound| self.unbind(bound));
        self.end("endwith");
    }

    fn set(&mut self, set: &ast::Set<'_>) {
        let site = self.visit(bytes(set.target.span()), false);
        self.open("set");
        self.target(&set.target);
        self.note_name(&set.target);
        self.push(" = ");
        self.expr(&set.expr);
        if matches!(set.expr, ast::Expr::List(_) | ast::Expr::Map(_)) {
            self.push("|");
            self.push(hooks::MUTABLE);
        }
        self.close();
        self.settle(site);
        self.bind(&set.target, site);
    }

    fn set_block(&mut self, set: &ast::SetBlock<'_>) {
        let site = self.visit(bytes(set.target.span()), false);
        self.open("set");
        self.target(&set.target);
        if let Some(filter) = &set.filter {
            self.push(" | ");
            self.filter_chain(filter);
        }
        self.close();
        self.settle(site);
        self.aside(|this| this.body(&set.body));
        self.end("endset");
        self.bind(&set.target, site);
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

    fn names_import(&mut self, import: &ast::Spanned<ast::FromImport<'_>>) {
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
    pub(super) fn target(&mut self, target: &ast::Expr<'_>) {
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
}
