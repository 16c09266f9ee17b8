//! Prints marks between the parts of a template, for who wants to know where a line comes from (`template/blame.rs`).

use std::ops::Range;
use std::path::PathBuf;

use minijinja::machinery::ast;

use super::printer::Printer;
use super::{EMIT, hooks};
use crate::template::blame::{Marking, Site, Sites};

/// What is marked, and the sites so far.
#[derive(Debug, Clone)]
pub(in crate::template) struct Marks {
    sites: Sites,
    marking: Marking,
    file: Option<PathBuf>,
    /// Where the parsed text is in memory: the parts of it are slices of it.
    base: usize,
    /// Names that statements gave so far, with their sites.
    bound: Vec<(String, usize)>,
    inside: Vec<usize>,
    /// Inside of what does not go straight to the text.
    is_aside: bool,
}

impl Marks {
    pub(in crate::template) fn new(sites: Sites, marking: Marking, file: Option<PathBuf>) -> Self {
        Self { sites, marking, file, base: 0, bound: Vec::new(), inside: Vec::new(), is_aside: false }
    }

    pub(super) fn of(self, parsed: &str) -> Self {
        Self { base: parsed.as_ptr() as usize, ..self }
    }

    fn is_silent(&self) -> bool {
        self.is_aside && self.marking == Marking::Direct
    }
}

impl Printer<'_> {
    /// A text, with a mark before each of its lines.
    pub(super) fn raw(&mut self, text: &str) {
        let Some(marks) = self.marks.as_ref().filter(|marks| !marks.is_silent()) else {
            return self.push(text);
        };
        let mut at = (text.as_ptr() as usize).saturating_sub(marks.base);
        for line in text.split_inclusive('\n') {
            self.mark(at..at + line.len());
            self.push(line);
            at += line.len();
        }
    }

    /// A mark that is put out.
    pub(super) fn mark(&mut self, at: Range<usize>) -> Option<usize> {
        self.marks.as_ref().filter(|marks| !marks.is_silent())?;
        self.come_to(at, false, hooks::MARK)
    }

    /// The head of a statement: what it reads is noted, and nothing is put out.
    pub(super) fn visit(&mut self, at: Range<usize>, is_condition: bool) -> Option<usize> {
        self.come_to(at, is_condition, hooks::VISIT)
    }

    fn come_to(&mut self, at: Range<usize>, is_condition: bool, hook: &str) -> Option<usize> {
        let line = self.source.get(..at.start).unwrap_or_default().matches('\n').count() + 1;
        let marks = self.marks.as_ref()?;
        let site = marks.sites.add(Site {
            file: marks.file.clone(),
            range: self.start + at.start..self.start + at.end,
            line: line + if self.start > 0 { 1 } else { 0 },
            locals: Vec::new(),
            inside: marks.inside.clone(),
            is_condition,
        });
        self.push(&format!("{} {site}|{hook} {}", EMIT.0, EMIT.1));
        self.names.clear();
        Some(site)
    }

    /// The expression of a site is printed: which of its names come from statements is known now.
    pub(super) fn settle(&mut self, site: Option<usize>) {
        let (Some(marks), Some(site)) = (&self.marks, site) else { return };
        let giver = |name: &String| marks.bound.iter().rev().find(|(bound, _)| bound == name).cloned();
        marks.sites.set_locals(site, self.names.iter().filter_map(giver).collect());
    }

    /// Names that a statement gives to what comes after it; says how many there were before.
    pub(super) fn bind(&mut self, target: &ast::Expr<'_>, site: Option<usize>) -> usize {
        let Some(marks) = &mut self.marks else { return 0 };
        let before = marks.bound.len();
        if let Some(site) = site {
            bind_names(target, site, &mut marks.bound);
        }
        before
    }

    pub(super) fn unbind(&mut self, before: usize) {
        if let Some(marks) = &mut self.marks {
            marks.bound.truncate(before);
        }
    }

    /// Prints what stands inside of a statement.
    pub(super) fn inside(&mut self, site: Option<usize>, print: impl FnOnce(&mut Self)) {
        if let (Some(marks), Some(site)) = (&mut self.marks, site) {
            marks.inside.push(site);
        }
        print(self);
        if let (Some(marks), Some(_)) = (&mut self.marks, site) {
            marks.inside.pop();
        }
    }

    /// Prints what does not go straight to the text: a macro, what is set or filtered.
    pub(super) fn aside(&mut self, print: impl FnOnce(&mut Self)) {
        let was = self.marks.as_mut().map(|marks| std::mem::replace(&mut marks.is_aside, true));
        print(self);
        if let (Some(marks), Some(was)) = (&mut self.marks, was) {
            marks.is_aside = was;
        }
    }
}

fn bind_names(target: &ast::Expr<'_>, site: usize, bound: &mut Vec<(String, usize)>) {
    match target {
        ast::Expr::Var(var) => bound.push((var.id.to_owned(), site)),
        ast::Expr::List(list) => list.items.iter().for_each(|item| bind_names(item, site, bound)),
        _ => {}
    }
}
