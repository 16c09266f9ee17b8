//! The words of one line.

use std::time::Duration;

/// Reads one line word by word.
pub(super) struct Words<'a> {
    words: Vec<&'a str>,
    next: usize,
    /// How many nodes there are.
    nodes: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(line: &'a str, nodes: usize) -> Self {
        Self { words: line.split_whitespace().collect(), next: 0, nodes }
    }

    pub(super) fn peek(&self) -> Option<&'a str> {
        self.words.get(self.next).copied()
    }

    pub(super) fn next(&mut self, what: &str) -> Result<&'a str, String> {
        let word = self.peek().ok_or_else(|| format!("{what} is missing"))?;
        self.next += 1;
        Ok(word)
    }

    /// Takes the word where it comes next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let is_next = self.peek() == Some(word);
        self.next += usize::from(is_next);
        is_next
    }

    pub(super) fn exactly(&mut self, word: &str) -> Result<(), String> {
        if self.take(word) { Ok(()) } else { Err(format!("`{word}` is missing")) }
    }

    /// All words that are left, as one text.
    pub(super) fn rest(&mut self) -> String {
        let rest = self.words[self.next..].join(" ");
        self.next = self.words.len();
        rest
    }

    pub(super) fn end(&self) -> Result<(), String> {
        self.peek().map_or(Ok(()), |word| Err(format!("`{word}` is too much")))
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let word = self.next("a number")?;
        word.parse().map_err(|_| format!("`{word}` is not a number that fits here"))
    }

    pub(super) fn duration(&mut self) -> Result<Duration, String> {
        duration(self.next("a time")?)
    }

    /// `for 3s`, where it is there.
    pub(super) fn lasts(&mut self) -> Result<Option<Duration>, String> {
        if self.take("for") { self.duration().map(Some) } else { Ok(None) }
    }

    /// `n3`, as an index.
    pub(super) fn machine(&mut self) -> Result<usize, String> {
        machine(self.next("a node")?, self.nodes)
    }

    /// `n1,n2`, as indices.
    pub(super) fn machines(&mut self) -> Result<Vec<usize>, String> {
        let nodes = self.nodes;
        self.next("nodes")?.split(',').map(|word| machine(word, nodes)).collect()
    }
}

fn machine(word: &str, nodes: usize) -> Result<usize, String> {
    let number = word.strip_prefix('n').and_then(|number| number.parse::<usize>().ok());
    let number = number.ok_or_else(|| format!("`{word}` is not a node like `n1`"))?;
    if (1..=nodes).contains(&number) { Ok(number - 1) } else { Err(format!("there is no node `{word}`")) }
}

fn duration(word: &str) -> Result<Duration, String> {
    let why = || format!("`{word}` is not a time like `3s`, `20ms` or `5us`");
    let end = word.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(why)?;
    let number: u64 = word[..end].parse().map_err(|_| why())?;
    match &word[end..] {
        "ns" => Ok(Duration::from_nanos(number)),
        "us" => Ok(Duration::from_micros(number)),
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err(why()),
    }
}

/// A time in the largest unit that needs no fraction.
pub(super) fn text_of(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us")];
    let unit = units.iter().find(|(size, _)| nanos.is_multiple_of(*size));
    unit.map_or_else(|| format!("{nanos}ns"), |(size, name)| format!("{}{name}", nanos / size))
}

/// `n1,n2` of indices.
pub(super) fn names_of(machines: &[usize]) -> String {
    machines.iter().map(|machine| format!("n{}", machine + 1)).collect::<Vec<_>>().join(",")
}
