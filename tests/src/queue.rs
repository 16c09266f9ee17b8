//! What will happen: ordered by time, and by the order in which it was planned where the time is the same.

use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that is planned.
#[derive(Debug)]
pub struct Queue<T> {
    planned: BTreeMap<(Duration, u64), T>,
    counter: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { planned: BTreeMap::new(), counter: 0 }
    }
}

impl<T> Queue<T> {
    /// Plans something.
    pub fn plan(&mut self, at: Duration, what: T) {
        self.counter += 1;
        self.planned.insert((at, self.counter), what);
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<Duration> {
        self.planned.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next thing out.
    pub fn pop(&mut self) -> Option<(Duration, T)> {
        self.planned.pop_first().map(|((at, _), what)| (at, what))
    }
}
