//! What one evaluation leaves behind for its error message and its result: which accesses found nothing, and which
//! values were put out.
//!
//! Evaluations nest (a variable's own template runs when the variable is read) and each stays on one thread, so
//! they are a stack per thread.

use std::cell::RefCell;
use std::ops::Range;

use minijinja::Value;

use super::error::{TemplateError, carry};
use crate::local_files::LocalFiles;
use crate::vars::Scope;

/// An access that found nothing.
#[derive(Debug, Clone)]
pub(crate) struct Miss {
    /// The template that has it.
    pub(crate) template: String,
    /// Where in the author's text.
    pub(crate) at: Range<usize>,
    /// The value that lacks the key; none for a variable.
    pub(crate) of: Option<(Value, Value)>,
    /// The failure of the variable's own template, if it exists and needs something undefined.
    pub(crate) cause: Option<TemplateError>,
}

/// One running evaluation.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The variables it sees.
    pub(crate) scope: Scope,
    /// Whether values are kept as they are instead of being written as text.
    pub(crate) native: bool,
    /// Accesses that found nothing, in order.
    pub(crate) misses: Vec<Miss>,
    /// Whether all values that were put out have the text of the first: one value, or one that a macro passed on.
    pub(crate) is_one: bool,
    /// The first value that was put out, and its text.
    pub(crate) first: Option<(Value, String)>,
}

/// How deep variables may need each other.
const DEPTH: usize = 100;

/// From this depth on, evaluation goes on in a thread of its own: each level takes tens of kilobytes of stack, and
/// the threads of a pool have two megabytes.
const SHALLOW: usize = 16;
const DEEP_STACK: usize = 32 << 20;

thread_local! {
    static FRAMES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
    static PENDING: RefCell<Option<(String, TemplateError)>> = const { RefCell::new(None) };
    static READING: RefCell<Vec<(usize, String)>> = const { RefCell::new(Vec::new()) };
}

/// Runs an evaluation inside a new frame and returns both its result and what it left behind. `None` if
/// evaluations are nested too deep.
pub(crate) fn evaluate<R: Send>(
    scope: &Scope,
    native: bool,
    run: impl FnOnce() -> R + Send,
) -> Option<(R, Frame)> {
    let frame = Frame { scope: scope.clone(), native, misses: Vec::new(), is_one: true, first: None };
    let depth = FRAMES.with_borrow_mut(|frames| {
        frames.push(frame);
        frames.len()
    });
    if depth == 1 {
        PENDING.set(None);
    }
    let popped = Pop;
    let result = match depth {
        SHALLOW => deep(run),
        depth => (depth <= DEPTH).then(run),
    };
    let frame = FRAMES.with_borrow_mut(Vec::pop);
    std::mem::forget(popped);
    Some((result?, frame?))
}

/// Runs in a thread with a large stack that takes over what this one knows. None if there can be no such thread.
fn deep<R: Send>(run: impl FnOnce() -> R + Send) -> Option<R> {
    let known = (FRAMES.take(), READING.take(), PENDING.take());
    let log = super::blame::handed();
    let (result, known) = std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().stack_size(DEEP_STACK);
        let handle = thread.spawn_scoped(threads, move || {
            FRAMES.set(known.0);
            READING.set(known.1);
            PENDING.set(known.2);
            log.take_over();
            let result = run();
            (result, (FRAMES.take(), READING.take(), PENDING.take()))
        });
        match handle.ok()?.join() {
            Ok(done) => Some(done),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    FRAMES.set(known.0);
    READING.set(known.1);
    PENDING.set(known.2);
    Some(result)
}

/// Removes the frame when an evaluation panics.
struct Pop;

impl Drop for Pop {
    fn drop(&mut self) {
        FRAMES.with_borrow_mut(Vec::pop);
    }
}

/// Does something with the innermost running evaluation; nothing if none runs.
pub(crate) fn current<R>(act: impl FnOnce(&mut Frame) -> R) -> Option<R> {
    FRAMES.with_borrow_mut(|frames| frames.last_mut().map(act))
}

/// The variables that the innermost evaluation sees.
pub(crate) fn scope() -> Option<Scope> {
    current(|frame| frame.scope.clone())
}

/// The files of this machine, as the innermost evaluation sees them.
pub(crate) fn with_files<R>(look: impl FnOnce(&LocalFiles) -> R) -> R {
    match scope() {
        Some(scope) => look(scope.files()),
        None => look(&LocalFiles::default()),
    }
}

/// Refuses to draw lots in a plan: what is drawn then is another thing.
pub(crate) fn draw(what: &str) -> Result<(), minijinja::Error> {
    match scope() {
        Some(scope) if scope.play().is_plan => {
            Err(carry(TemplateError::unknown(&format!("{what} draws lots when the plan is applied"))))
        }
        _ => Ok(()),
    }
}

/// Remembers why the variable or entry `key`, which is being read, is undefined.
pub(crate) fn pend(key: &str, err: TemplateError) {
    PENDING.set(Some((key.to_owned(), err)));
}

/// Why the variable or entry `key`, which was just read, is undefined.
pub(crate) fn pending(key: &str) -> Option<TemplateError> {
    PENDING.with_borrow_mut(|pending| pending.take_if(|(known, _)| known == key)).map(|(_, err)| err)
}

/// Why the value that was read last is undefined, whatever its name.
pub(crate) fn last_pending() -> Option<TemplateError> {
    PENDING.take().map(|(_, err)| err)
}

/// Runs `read`, unless `name` of the same scope is being read already: then the circle of names.
pub(crate) fn reading<R>(scope: usize, name: &str, read: impl FnOnce() -> R) -> Result<R, Vec<String>> {
    let circle = READING.with_borrow(|names| {
        let start = names.iter().position(|(of, known)| *of == scope && known == name)?;
        Some(names[start..].iter().map(|(_, name)| name.clone()).chain([name.to_owned()]).collect())
    });
    if let Some(circle) = circle {
        return Err(circle);
    }
    READING.with_borrow_mut(|names| names.push((scope, name.to_owned())));
    let done = Done;
    let result = read();
    drop(done);
    Ok(result)
}

struct Done;

impl Drop for Done {
    fn drop(&mut self) {
        READING.with_borrow_mut(Vec::pop);
    }
}
