//! Where each line of a rendered text comes from. The template is printed with a mark before each of its parts (`dialect`): the mark
//! goes into the text, and which variables were read since the last mark goes into a log. Without the marks the text must be the
//! very one that is rendered without them; where filters around parts of the template see the marks, and the text differs, only
//! what stands outside of such parts is marked.

use super::TemplateError;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Around the number of a mark: noncharacters of Unicode, which no text is meant to hold.
pub(super) const MARK: (char, char) = ('\u{FDD1}', '\u{FDD2}');

/// A variable of a host; of none where there is no host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Read {
    pub(crate) host: Option<String>,
    pub(crate) name: String,
}

/// A part of a template: a text of one line, an expression, or the head of a statement.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// The file; none for a text in YAML.
    pub(crate) file: Option<PathBuf>,
    /// In bytes of the author's text.
    pub(crate) range: Range<usize>,
    /// Counted from one.
    pub(crate) line: usize,
    /// Names that it uses and that statements around it set, with the sites of these.
    pub(super) locals: Vec<(String, usize)>,
    /// The conditions and loops that it stands in, the innermost last.
    pub(super) inside: Vec<usize>,
    pub(super) is_condition: bool,
}

/// The sites of a template and of all that it includes. Shared, so that each has a number of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Sites(Arc<Mutex<Vec<Site>>>);

impl Sites {
    pub(super) fn add(&self, site: Site) -> usize {
        let mut sites = lock(&self.0);
        sites.push(site);
        sites.len() - 1
    }

    fn all(&self) -> Vec<Site> {
        lock(&self.0).clone()
    }

    pub(super) fn set_locals(&self, site: usize, locals: Vec<(String, usize)>) {
        if let Some(site) = lock(&self.0).get_mut(site) {
            site.locals = locals;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What happened while a template ran.
#[derive(Debug, Default)]
struct Log {
    /// Each time that a site was come to: its number, and what was read until the next.
    visits: Vec<(usize, BTreeSet<Read>)>,
    /// The variables that are being templated.
    within: Vec<Read>,
    /// What a variable's own template read.
    needs: BTreeMap<Read, BTreeSet<Read>>,
}

thread_local! {
    static LOG: RefCell<Option<Arc<Mutex<Log>>>> = const { RefCell::new(None) };
}

/// The log of this thread, to be handed to another that goes on for it.
pub(super) struct Handed(Option<Arc<Mutex<Log>>>);

pub(super) fn handed() -> Handed {
    Handed(LOG.with_borrow(Clone::clone))
}

impl Handed {
    pub(super) fn take_over(self) {
        LOG.set(self.0);
    }
}

fn with_log<R>(act: impl FnOnce(&mut Log) -> R) -> Option<R> {
    let log = LOG.with_borrow(Clone::clone)?;
    Some(act(&mut lock(&log)))
}

/// A site was come to: the number of the visit.
pub(super) fn visit(site: usize) -> Option<usize> {
    with_log(|log| {
        log.visits.push((site, BTreeSet::new()));
        log.visits.len() - 1
    })
}

/// A variable was read.
pub(crate) fn note_read(host: Option<&str>, name: &str) {
    with_log(|log| {
        let read = Read { host: host.map(str::to_owned), name: name.to_owned() };
        match log.within.last().cloned() {
            Some(outer) if outer != read => {
                log.needs.entry(outer).or_default().insert(read);
            }
            Some(_) => {}
            None => {
                if let Some((_, reads)) = log.visits.last_mut() {
                    reads.insert(read);
                }
            }
        }
    });
}

/// Templates a variable: what is read meanwhile is what the variable needs.
pub(crate) fn templating<R>(host: Option<&str>, name: &str, template: impl FnOnce() -> R) -> R {
    let read = || Read { host: host.map(str::to_owned), name: name.to_owned() };
    let is_logged = with_log(|log| log.within.push(read())).is_some();
    let result = template();
    if is_logged {
        with_log(|log| log.within.pop());
    }
    result
}

/// A line of a rendered text and where it comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct BlamedLine {
    pub(crate) text: String,
    /// The parts of the template that put it out, in their order.
    pub(crate) sites: Vec<Site>,
    /// The variables that these read, and those behind names that loops and assignments gave.
    pub(crate) reads: BTreeSet<Read>,
    /// The conditions that it stands in: their places and what they read.
    pub(crate) conditions: Vec<(Site, BTreeSet<Read>)>,
}

/// A rendered text, line by line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blamed {
    pub(crate) lines: Vec<BlamedLine>,
    /// What the templates of variables read.
    pub(crate) needs: BTreeMap<Read, BTreeSet<Read>>,
    /// Some parts could not be told apart: their lines name the part around them.
    pub(crate) is_coarse: bool,
}

/// Runs a template whose parts are marked by `sites`; `plain` is its text without marks. None where marks change the text.
pub(super) fn traced(
    plain: &str,
    sites: &Sites,
    run: impl FnOnce() -> Result<String, TemplateError>,
) -> Result<Option<Blamed>, TemplateError> {
    let log: Arc<Mutex<Log>> = Arc::default();
    let before = LOG.replace(Some(log.clone()));
    let ran = run();
    LOG.set(before);
    let marked = ran?;
    let (text, marks) = without_marks(&marked);
    // What a text has at its end is settled after the template has run.
    if text.trim_end_matches('\n') != plain.trim_end_matches('\n') {
        return Ok(None);
    }
    let log = std::mem::take(&mut *lock(&log));
    let blame = Blame { sites: sites.all(), visits: log.visits };
    Ok(Some(Blamed { lines: blame.lines(plain, &marks), needs: log.needs, is_coarse: false }))
}

/// The text, and at which byte of it which visit's part begins.
fn without_marks(marked: &str) -> (String, Vec<(usize, usize)>) {
    let (mut text, mut marks) = (String::with_capacity(marked.len()), Vec::new());
    let mut rest = marked;
    while let Some((before, after)) = rest.split_once(MARK.0) {
        text.push_str(before);
        let Some((number, after)) = after.split_once(MARK.1) else { break };
        marks.extend(number.parse().ok().map(|visit| (text.len(), visit)));
        rest = after;
    }
    text.push_str(rest);
    (text, marks)
}

impl Blamed {
    /// A text that is no template: each line is that of its file.
    pub(crate) fn verbatim(text: &str, file: &Path) -> Self {
        let mut start = 0;
        let mut lines = Vec::new();
        for (line, number) in text.split_inclusive('\n').zip(1..) {
            let site = Site {
                file: Some(file.to_owned()),
                range: start..start + line.len(),
                line: number,
                locals: Vec::new(),
                inside: Vec::new(),
                is_condition: false,
            };
            start += line.len();
            let text = line.trim_end_matches('\n').to_owned();
            lines.push(BlamedLine { text, sites: vec![site], ..BlamedLine::default() });
        }
        Self { lines, ..Self::default() }
    }
}

struct Blame {
    sites: Vec<Site>,
    visits: Vec<(usize, BTreeSet<Read>)>,
}

impl Blame {
    fn lines(&self, text: &str, marks: &[(usize, usize)]) -> Vec<BlamedLine> {
        let mut lines = Vec::new();
        let (mut start, mut next) = (0, 0);
        // The part that reaches into a line from the one before.
        let mut open: Option<usize> = None;
        for line in text.split_inclusive('\n') {
            let end = start + line.len();
            let content = line.trim_end_matches('\n');
            let mut visits: Vec<usize> = Vec::new();
            while let Some((at, visit)) = marks.get(next).filter(|(at, _)| *at < end) {
                if *at > start {
                    visits.extend(open);
                }
                open = Some(*visit);
                let is_line_end = line.get(at - start..) == Some("\n") && !visits.is_empty();
                if is_line_end {
                    next += 1;
                    continue;
                }
                if marks.get(next + 1).is_none_or(|(following, _)| following > at) {
                    // Of several marks at one byte only the last one puts text out; the others are empty.
                    visits.push(*visit);
                }
                next += 1;
            }
            if visits.is_empty() {
                visits.extend(open);
            }
            visits.dedup();
            lines.push(self.line(content, &visits));
            start = end;
        }
        lines
    }

    fn line(&self, text: &str, visits: &[usize]) -> BlamedLine {
        let mut line = BlamedLine { text: text.to_owned(), ..BlamedLine::default() };
        let mut conditions: BTreeSet<usize> = BTreeSet::new();
        for visit in visits {
            let Some((site, _)) = self.visits.get(*visit) else { continue };
            self.add_reads(*visit, &mut line.reads, &mut BTreeSet::new());
            let Some(site) = self.sites.get(*site) else { continue };
            conditions.extend(site.inside.iter().copied().filter(|outer| self.sites[*outer].is_condition));
            let is_new =
                line.sites.last().is_none_or(|last| (&last.file, last.line) != (&site.file, site.line));
            if is_new {
                line.sites.push(site.clone());
            }
        }
        let last = visits.last().copied().unwrap_or_default();
        for condition in conditions {
            let mut reads = BTreeSet::new();
            if let Some(visit) = self.visit_before(condition, last) {
                self.add_reads(visit, &mut reads, &mut BTreeSet::new());
            }
            line.conditions.push((self.sites[condition].clone(), reads));
        }
        line
    }

    /// What a visit read, and what the visits read that gave it its local names.
    fn add_reads(&self, visit: usize, reads: &mut BTreeSet<Read>, seen: &mut BTreeSet<usize>) {
        let Some((site, own)) = self.visits.get(visit).filter(|_| seen.insert(visit)) else { return };
        reads.extend(own.iter().cloned());
        for (_, giver) in self.sites.get(*site).map(|site| site.locals.as_slice()).unwrap_or_default() {
            if let Some(visit) = self.visit_before(*giver, visit) {
                self.add_reads(visit, reads, seen);
            }
        }
    }

    /// The last visit of a site before another visit.
    fn visit_before(&self, site: usize, visit: usize) -> Option<usize> {
        self.visits.get(..visit)?.iter().rposition(|(of, _)| *of == site)
    }
}

/// How much of a template is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marking {
    /// All of it.
    Everything,
    /// What goes straight to the text: nothing in macros, and in what is set or filtered.
    Direct,
}

/// All that is known of a text whose parts cannot be told apart: it is one part.
pub(super) fn as_one(plain: &str, file: Option<&Path>, length: usize) -> Blamed {
    let site = Site {
        file: file.map(Path::to_owned),
        range: 0..length,
        line: 1,
        locals: Vec::new(),
        inside: Vec::new(),
        is_condition: false,
    };
    let line =
        |text: &str| BlamedLine { text: text.to_owned(), sites: vec![site.clone()], ..BlamedLine::default() };
    Blamed { lines: plain.lines().map(line).collect(), needs: BTreeMap::new(), is_coarse: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_out_and_their_places_kept() {
        let (text, marks) = without_marks("\u{FDD1}0\u{FDD2}a: \u{FDD1}1\u{FDD2}b\n\u{FDD1}2\u{FDD2}c");
        assert_eq!(text, "a: b\nc");
        assert_eq!(marks, [(0, 0), (3, 1), (5, 2)]);
    }
}
