//! Where one host stands in a play: pure, "this went well, this failed" in, next task out.
//!
//! All hosts walk the same tree of blocks, each at its own pace. A position has a `Key`; keys are ordered as the
//! tree is written, so that hosts which took different ways (a rescue, an include) meet again.

use crate::playbook::{Block, Item, Scope, ScopeKind, Task};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The order of positions: what comes first in the playbook is smaller.
pub(crate) type Key = Vec<u32>;

/// What all hosts of a play walk through.
#[derive(Debug, Default)]
pub(crate) struct Program {
    /// The tasks, with the points at which handlers run.
    pub(crate) entries: Vec<Entry>,
    /// Failed hosts run their handlers too.
    pub(crate) force_handlers: bool,
}

/// One thing to do.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A task or a block.
    Item(Item),
    /// Run the handlers that were notified.
    Flush,
}

/// What a host does next.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    /// Where that is.
    pub(crate) key: Key,
    /// The task.
    pub(crate) task: Arc<Task>,
    /// The handler that it is, by its place in the list of handlers.
    pub(crate) handler: Option<usize>,
}

/// Where a failure leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A rescue takes over.
    Rescued,
    /// The host is out; an `always` or handlers may still run.
    Failed,
}

/// Where one host stands.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    program: Arc<Program>,
    frames: Vec<Frame>,
    notified: BTreeSet<usize>,
    /// Handlers that may be notified, and why that is not known.
    perhaps_notified: BTreeMap<usize, String>,
    /// Uses of roles that are done: a second one is left out unless the role allows it.
    done_roles: BTreeSet<String>,
    /// Uses of roles of which at least one task was carried out here: one that was skipped as a whole is not done.
    begun_roles: BTreeSet<String>,
    has_failed: bool,
    /// The handler that is current has begun: it is not due any more, and may be notified again.
    handler_has_begun: bool,
}

#[derive(Debug, Clone)]
struct Frame {
    kind: FrameKind,
    /// In a plan: why it is not known which task of it fails first, if one does.
    doubt: Option<Arc<str>>,
    /// With the place of each in the order of the playbook.
    entries: Arc<[(u32, Entry)]>,
    index: usize,
}

#[derive(Debug, Clone)]
enum FrameKind {
    Root,
    Block { block: Arc<Block>, section: Section, is_failing: bool },
    Included,
    Handlers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Body,
    Rescue,
    Always,
}

/// What the cursor asks while it walks.
pub(crate) struct Course<'a> {
    /// All handlers of the play, in the order in which they run.
    pub(crate) handlers: &'a [Arc<Task>],
    /// Whether a task is selected by `--tags` and its like.
    pub(crate) is_selected: &'a dyn Fn(&Task) -> bool,
}

impl Cursor {
    /// At the start.
    pub(crate) fn new(program: &Arc<Program>) -> Self {
        let entries: Vec<Entry> = program.entries.clone();
        let root = Frame { kind: FrameKind::Root, doubt: None, entries: numbered(entries), index: 0 };
        Self {
            program: program.clone(),
            frames: vec![root],
            notified: BTreeSet::new(),
            perhaps_notified: BTreeMap::new(),
            done_roles: BTreeSet::new(),
            begun_roles: BTreeSet::new(),
            has_failed: false,
            handler_has_begun: false,
        }
    }

    /// The next task, if there is one.
    pub(crate) fn current(&mut self, course: &Course<'_>) -> Option<Position> {
        loop {
            let frame = self.frames.last_mut()?;
            let Some((ordinal, entry)) = frame.entries.get(frame.index).cloned() else {
                self.leave();
                continue;
            };
            let is_handler_list = matches!(frame.kind, FrameKind::Handlers);
            match entry {
                Entry::Flush => self.flush(course),
                Entry::Item(Item::Block(block)) if self.is_done_already(&block) => self.step(),
                Entry::Item(Item::Block(block)) => self.enter(block),
                Entry::Item(Item::Task(task)) => {
                    let handler = is_handler_list.then_some(ordinal as usize);
                    let is_due = match handler {
                        Some(handler) => {
                            self.notified.contains(&handler) || self.perhaps_notified.contains_key(&handler)
                        }
                        None => (course.is_selected)(&task),
                    };
                    if is_due {
                        return Some(Position { key: self.key(), task, handler });
                    }
                    self.step();
                }
            }
        }
    }

    /// The current task has run: from now on a notification of the same handler is a new one.
    pub(crate) fn begin_handler(&mut self) {
        self.forget_handler();
        self.handler_has_begun = true;
    }

    /// The current task is done.
    pub(crate) fn advance(&mut self) {
        self.forget_handler();
        self.step();
    }

    /// The current task brought in others: each with its place among all that hosts bring in here.
    pub(crate) fn include(&mut self, blocks: Vec<(u32, Arc<Block>)>) {
        self.forget_handler();
        let entries = blocks.into_iter().map(|(ordinal, block)| (ordinal, Entry::Item(Item::Block(block))));
        self.frames.push(Frame {
            kind: FrameKind::Included,
            doubt: None,
            entries: entries.collect(),
            index: 0,
        });
    }

    /// The current task asks that handlers run now.
    pub(crate) fn flush_now(&mut self, course: &Course<'_>) {
        self.forget_handler();
        self.flush(course);
    }

    /// The current task failed.
    pub(crate) fn fail(&mut self) -> Fate {
        self.forget_handler();
        while let Some(frame) = self.frames.last_mut() {
            if let FrameKind::Block { block, section, is_failing } = &mut frame.kind {
                if *section == Section::Body && !block.rescue.is_empty() {
                    *section = Section::Rescue;
                    (frame.entries, frame.index) = (items(&block.rescue), 0);
                    return Fate::Rescued;
                }
                if *section != Section::Always && !block.always.is_empty() {
                    *section = Section::Always;
                    *is_failing = true;
                    (frame.entries, frame.index) = (items(&block.always), 0);
                    return if self.is_rescued_outside() { Fate::Rescued } else { Fate::Failed };
                }
            }
            if matches!(frame.kind, FrameKind::Root) {
                break;
            }
            self.frames.pop();
        }
        self.die();
        Fate::Failed
    }

    /// In a plan: the current task may fail, for all that is known.
    pub(crate) fn doubt(&mut self, why: &str) {
        let is_body =
            |frame: &&mut Frame| matches!(frame.kind, FrameKind::Block { section: Section::Body, .. });
        for frame in self.frames.iter_mut().filter(is_body) {
            frame.doubt.get_or_insert_with(|| why.into());
        }
    }

    /// In a plan, after a failure that is rescued: why it is not known whether that was the task that fails.
    pub(crate) fn doubt_of_rescue(&self) -> Option<&str> {
        let rescues = |frame: &&Frame| match &frame.kind {
            FrameKind::Block { block, section, .. } => {
                *section != Section::Always && !block.rescue.is_empty()
            }
            _ => false,
        };
        self.frames.iter().rev().find(rescues)?.doubt.as_deref()
    }

    /// Whether a block around the innermost one catches what fails in it.
    fn is_rescued_outside(&self) -> bool {
        let catches = |frame: &Frame| match &frame.kind {
            FrameKind::Block { block, section, .. } => *section == Section::Body && !block.rescue.is_empty(),
            _ => false,
        };
        self.frames.iter().rev().skip(1).any(catches)
    }

    /// The host does nothing more in this play.
    pub(crate) fn end(&mut self) {
        self.frames.clear();
    }

    /// The host does nothing more of the innermost role that it is in.
    pub(crate) fn end_role(&mut self) {
        while let Some(frame) = self.frames.last() {
            let role = match &frame.kind {
                FrameKind::Root => return self.step(),
                FrameKind::Block { block, .. } if is_role(block) => block.scope.role.clone(),
                _ => None,
            };
            self.frames.pop();
            if let Some(role) = role {
                self.done_roles.insert(role.identity.clone());
                return self.step();
            }
        }
    }

    /// A task of a role was carried out, and not only skipped.
    pub(crate) fn begin_role(&mut self, identity: &str) {
        if !self.begun_roles.contains(identity) {
            self.begun_roles.insert(identity.to_owned());
        }
    }

    /// A handler is to run at the next flush.
    pub(crate) fn notify(&mut self, handler: usize) -> bool {
        self.notified.insert(handler)
    }

    /// A handler may have to run at the next flush.
    pub(crate) fn may_notify(&mut self, handler: usize, why: &str) {
        self.perhaps_notified.entry(handler).or_insert_with(|| why.to_owned());
    }

    /// Why it is not known whether a handler runs at the next flush.
    pub(crate) fn doubt_of(&self, handler: usize) -> Option<String> {
        self.perhaps_notified.get(&handler).filter(|_| !self.notified.contains(&handler)).cloned()
    }

    /// Whether a handler was notified and has not begun.
    pub(crate) fn is_notified(&self, handler: usize) -> bool {
        self.notified.contains(&handler)
    }

    /// The scopes that the host is in by the way that it came, the innermost first: those of blocks around what was included
    /// and around where handlers are flushed.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &Arc<Scope>> {
        self.frames.iter().rev().filter_map(|frame| match &frame.kind {
            FrameKind::Block { block, .. } => Some(&block.scope),
            _ => None,
        })
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_finished(&self) -> bool {
        self.frames.is_empty()
    }

    /// Failures count no more: a host that is in an `always` goes on behind it. One that is out stays out.
    pub(crate) fn forgive(&mut self) {
        self.has_failed = false;
        for frame in &mut self.frames {
            if let FrameKind::Block { is_failing, .. } = &mut frame.kind {
                *is_failing = false;
            }
        }
    }

    /// Whether something failed that nothing caught.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    fn is_done_already(&self, block: &Block) -> bool {
        let role = block.scope.role.as_ref().filter(|_| block.scope.kind == ScopeKind::Role);
        role.is_some_and(|role| !role.meta.allow_duplicates && self.done_roles.contains(&role.identity))
    }

    fn enter(&mut self, block: Arc<Block>) {
        let entries = items(&block.body);
        let kind = FrameKind::Block { block, section: Section::Body, is_failing: false };
        self.frames.push(Frame { kind, doubt: None, entries, index: 0 });
    }

    fn flush(&mut self, course: &Course<'_>) {
        let handlers = course.handlers.iter().cloned().map(|task| Entry::Item(Item::Task(task)));
        self.frames.push(Frame {
            kind: FrameKind::Handlers,
            doubt: None,
            entries: numbered(handlers.collect()),
            index: 0,
        });
    }

    /// The list of the innermost frame is done.
    fn leave(&mut self) {
        let Some(mut frame) = self.frames.pop() else { return };
        if let FrameKind::Block { block, section, is_failing } = &mut frame.kind {
            if *is_failing {
                self.fail();
                return;
            }
            if *section != Section::Always && !block.always.is_empty() {
                *section = Section::Always;
                (frame.entries, frame.index) = (items(&block.always), 0);
                self.frames.push(frame);
                return;
            }
        }
        if let FrameKind::Block { block, .. } = &frame.kind
            && block.scope.kind == ScopeKind::Role
        {
            let role = block.scope.role.as_ref().map(|role| &role.identity);
            self.done_roles.extend(role.filter(|role| self.begun_roles.contains(*role)).cloned());
        }
        match self.has_failed && matches!(frame.kind, FrameKind::Handlers) {
            true => self.frames.clear(),
            false => self.step(),
        }
    }

    fn step(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.index += 1;
        }
    }

    /// A handler that was started is not due any more, however it ends.
    fn forget_handler(&mut self) {
        if std::mem::take(&mut self.handler_has_begun) {
            return;
        }
        let Some(Frame { kind: FrameKind::Handlers, entries, index, .. }) = self.frames.last() else {
            return;
        };
        if let Some((handler, _)) = entries.get(*index) {
            self.notified.remove(&(*handler as usize));
            self.perhaps_notified.remove(&(*handler as usize));
        }
    }

    /// Nothing caught the failure: with `force_handlers` the next flush is all that is left.
    fn die(&mut self) {
        let may_flush = self.program.force_handlers && !self.has_failed;
        self.has_failed = true;
        let flush = self.frames.first_mut().filter(|_| may_flush).and_then(|root| {
            let rest = root.entries.iter().enumerate().skip(root.index);
            rest.filter(|(_, (_, entry))| matches!(entry, Entry::Flush)).map(|(index, _)| index).next()
        });
        match (flush, self.frames.first_mut()) {
            (Some(index), Some(root)) => root.index = index,
            _ => self.frames.clear(),
        }
    }

    fn key(&self) -> Key {
        let part = |frame: &Frame| {
            let section = match frame.kind {
                FrameKind::Block { section, .. } => section as u32,
                _ => 0,
            };
            let ordinal = frame.entries.get(frame.index).map_or(u32::MAX, |(ordinal, _)| *ordinal);
            [section, ordinal]
        };
        self.frames.iter().flat_map(part).collect()
    }
}

fn items(items: &[Item]) -> Arc<[(u32, Entry)]> {
    numbered(items.iter().cloned().map(Entry::Item).collect())
}

fn numbered(entries: Vec<Entry>) -> Arc<[(u32, Entry)]> {
    entries.into_iter().zip(0..).map(|(entry, ordinal)| (ordinal, entry)).collect()
}

fn is_role(block: &Block) -> bool {
    block.scope.kind == ScopeKind::Role
        || (block.scope.kind == ScopeKind::Include && block.scope.role.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::keyword::{Given, Keyword, Keywords};
    use crate::playbook::{Args, ModuleName};
    use crate::source::Span;
    use crate::yaml::Node;

    fn scope(name: &str) -> Arc<Scope> {
        let span = Span::outside("test");
        let mut keywords = Keywords::default();
        let value = Node::text(&span, name);
        keywords.set(Given { keyword: Keyword::Name, key: span.clone(), value });
        Arc::new(Scope { kind: ScopeKind::Task, keywords, role: None, parent: None, span })
    }

    fn task(name: &str) -> Arc<Task> {
        let module = ModuleName(Node::text(&Span::outside("test"), "debug"));
        let args = Args::default();
        Arc::new(Task {
            scope: scope(name),
            module,
            args,
            own_module: None,
            loop_over: None,
            is_handler: false,
        })
    }

    fn tasks(names: &[&str]) -> Vec<Item> {
        names.iter().map(|name| Item::Task(task(name))).collect()
    }

    fn block(body: &[&str], rescue: &[&str], always: &[&str]) -> Item {
        let (body, rescue, always) = (tasks(body), tasks(rescue), tasks(always));
        Item::Block(Arc::new(Block { scope: scope("block"), body, rescue, always }))
    }

    fn cursor(entries: Vec<Entry>, force_handlers: bool) -> Cursor {
        Cursor::new(&Arc::new(Program { entries, force_handlers }))
    }

    /// Walks to the end; tasks named in `failing` fail. Returns what ran.
    fn walk(cursor: &mut Cursor, handlers: &[Arc<Task>], failing: &[&str]) -> Vec<String> {
        let course = Course { handlers, is_selected: &|_| true };
        let mut ran = Vec::new();
        while let Some(position) = cursor.current(&course) {
            let name = position.task.name().and_then(|name| name.as_str()).unwrap_or("").to_owned();
            if failing.contains(&name.as_str()) {
                cursor.fail();
            } else {
                cursor.advance();
            }
            ran.push(name);
        }
        ran
    }

    #[test]
    fn tasks_and_always_run_in_order() {
        let mut cursor = cursor(
            vec![Entry::Item(block(&["a", "b"], &["r"], &["z"])), Entry::Item(block(&["c"], &[], &[]))],
            false,
        );
        assert_eq!(walk(&mut cursor, &[], &[]), ["a", "b", "z", "c"]);
    }

    #[test]
    fn which_task_failed_is_in_doubt_only_in_the_block_where_one_before_it_may_have() {
        let blocks =
            [block(&["a"], &["r"], &[]), block(&["b", "c"], &["s"], &[]), block(&["d"], &["t"], &[])];
        let mut cursor = cursor(blocks.map(Entry::Item).into(), false);
        let course = Course { handlers: &[], is_selected: &|_| true };
        let mut doubts = Vec::new();
        while let Some(position) = cursor.current(&course) {
            let name = position.task.name().and_then(|name| name.as_str()).unwrap_or("").to_owned();
            match name.as_str() {
                "b" => {
                    cursor.doubt("`make` is not run");
                    cursor.advance();
                }
                "c" | "d" => {
                    cursor.fail();
                    doubts.push(cursor.doubt_of_rescue().map(str::to_owned));
                }
                _ => cursor.advance(),
            }
        }
        assert_eq!(doubts, [Some("`make` is not run".to_owned()), None]);
    }

    #[test]
    fn a_rescued_host_goes_on() {
        let mut cursor = cursor(
            vec![Entry::Item(block(&["a", "b"], &["r"], &["z"])), Entry::Item(block(&["c"], &[], &[]))],
            false,
        );
        assert_eq!(walk(&mut cursor, &[], &["a"]), ["a", "r", "z", "c"]);
    }

    #[test]
    fn a_failed_rescue_still_runs_always_and_then_ends_the_host() {
        let mut cursor = cursor(
            vec![Entry::Item(block(&["a"], &["r"], &["z"])), Entry::Item(block(&["c"], &[], &[]))],
            false,
        );
        assert_eq!(walk(&mut cursor, &[], &["a", "r"]), ["a", "r", "z"]);
    }

    #[test]
    fn an_outer_rescue_catches_what_an_inner_always_passes_on() {
        let inner = block(&["a"], &[], &["z"]);
        let outer = Block { scope: scope("outer"), body: vec![inner], rescue: tasks(&["r"]), always: vec![] };
        let mut cursor = cursor(vec![Entry::Item(Item::Block(Arc::new(outer)))], false);
        assert_eq!(walk(&mut cursor, &[], &["a"]), ["a", "z", "r"]);
    }

    #[test]
    fn handlers_run_once_at_the_flush_in_their_own_order() {
        let handlers = [task("h0"), task("h1"), task("h2")];
        let mut cursor = cursor(vec![Entry::Flush, Entry::Flush], false);
        cursor.notify(2);
        cursor.notify(0);
        cursor.notify(2);
        assert_eq!(walk(&mut cursor, &handlers, &[]), ["h0", "h2"]);
    }

    #[test]
    fn a_failed_host_runs_handlers_only_where_they_are_forced() {
        let entries = || {
            vec![
                Entry::Item(block(&["a"], &[], &[])),
                Entry::Flush,
                Entry::Item(block(&["b"], &[], &[])),
                Entry::Flush,
            ]
        };
        for (force, expected) in [(false, vec!["a"]), (true, vec!["a", "h"])] {
            let mut cursor = cursor(entries(), force);
            cursor.notify(0);
            assert_eq!(walk(&mut cursor, &[task("h")], &["a"]), expected);
        }
    }

    #[test]
    fn what_is_included_comes_before_the_next_task_for_those_who_did_not_include() {
        let course = Course { handlers: &[], is_selected: &|_| true };
        let program = Arc::new(Program {
            entries: tasks(&["include", "next"]).into_iter().map(Entry::Item).collect(),
            force_handlers: false,
        });
        let (mut one, mut other) = (Cursor::new(&program), Cursor::new(&program));
        one.current(&course);
        other.current(&course);
        let Item::Block(included) = block(&["inside"], &[], &[]) else { unreachable!("a block was made") };
        one.include(vec![(0, included)]);
        other.advance();
        let keys = [one.current(&course), other.current(&course)].map(|at| at.expect("both have a task").key);
        assert!(keys[0] < keys[1]);
    }
}
