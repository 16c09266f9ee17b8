//! A second opinion on the quorum rules, written from votequorum(5) alone and without a word of `judge` or `Memory`: nodes are bits,
//! every node keeps its own book. A thousand random scripts must be answered alike by both.

use super::rehearsal::{Answer, rehearse};
use std::format;
use std::string::String;
use std::vec::Vec;

type Bits = u32;

/// The options of one random cluster.
#[derive(Debug, Clone, Default)]
struct Rules {
    votes: Vec<u32>,
    expected: Option<u32>,
    two_node: bool,
    wait: bool,
    tie: Option<Tie>,
    standing_window: Option<u64>,
    downscale: bool,
    tracking: bool,
    device: Option<u32>,
}

#[derive(Debug, Clone)]
enum Tie {
    Lowest,
    Highest,
    List(Vec<usize>),
}

/// What one node has written down.
#[derive(Debug, Clone, Default)]
struct Book {
    expected: Option<u32>,
    most: u32,
    seen_all: bool,
    quorate_with: Bits,
    /// When that was.
    quorate_at: u64,
    /// Whose votes are left, after the window of last_man_standing.
    voters: Option<Bits>,
    /// The number of the last sure part that it was in.
    sure: u64,
}

struct Oracle {
    rules: Rules,
    books: Vec<Book>,
    up: Bits,
    left: Bits,
    device: Bits,
    net: Vec<u32>,
    nets: u32,
    clock: u64,
    sures: u64,
    fencing: bool,
    /// The parts: members, since when, whether sure, whether quorate, whether the window is open.
    parts: Vec<(Bits, u64, bool, bool, bool)>,
}

/// What both must say alike: members, votes, expected votes, quorum, quorate, primary.
type Line = Vec<(Bits, u32, u32, u32, bool, bool)>;

impl Oracle {
    fn new(rules: Rules) -> Self {
        let count = rules.votes.len();
        Self {
            rules,
            books: std::vec![Book::default(); count],
            up: 0,
            left: 0,
            device: 0,
            net: std::vec![0; count],
            nets: 0,
            clock: 0,
            sures: 0,
            fencing: true,
            parts: Vec::new(),
        }
    }

    fn weight(&self, set: Bits) -> u32 {
        (0..self.books.len()).filter(|at| set & 1 << at != 0).map(|at| self.rules.votes[at]).sum()
    }

    fn all_votes(&self) -> u32 {
        self.weight(Bits::MAX) + self.rules.device.unwrap_or(0)
    }

    fn configured(&self) -> u32 {
        self.rules.expected.unwrap_or(self.all_votes())
    }

    /// Who knows best: the latest sure one, before those that have just started, the lowest of equals.
    fn writer(&self, set: Bits) -> usize {
        let mut best = set.trailing_zeros() as usize;
        for at in 0..self.books.len() {
            let (a, b) = (&self.books[at], &self.books[best]);
            if set & 1 << at != 0 && (a.sure, a.expected.is_some()) > (b.sure, b.expected.is_some()) {
                best = at;
            }
        }
        best
    }

    /// What the best of them has written, with the latest quorate part that any of them was in.
    fn book(&self, set: Bits) -> Book {
        let members = (0..self.books.len()).filter(|at| set & 1 << at != 0);
        let latest = members.max_by_key(|at| self.books[*at].quorate_at).unwrap_or(0);
        let Book { quorate_with, quorate_at, .. } = self.books[latest];
        Book { quorate_with, quorate_at, ..self.books[self.writer(set)].clone() }
    }

    /// Votes, expected votes, quorum, quorate, sure.
    fn weigh(&self, set: Bits, book: &Book) -> (u32, u32, u32, bool, bool) {
        let device = if set & self.device != 0 { self.rules.device.unwrap_or(0) } else { 0 };
        let votes = self.weight(set) + device;
        let start = if self.rules.tracking { self.configured().max(book.most) } else { self.configured() };
        let before = book.expected.unwrap_or(start);
        // Who has no vote can add to nothing: what counts is enough without them, or it is not.
        let barred = self.weight(set & !book.voters.unwrap_or(Bits::MAX));
        let is_barred = barred > 0
            && 2 * (votes - barred) <= before
            && !self.breaks_tie(set, book.quorate_with, votes - barred, before, before / 2 + 1);
        let votes = if is_barred { votes - barred } else { votes };
        let expected = before.max(votes);
        let quorum = if self.rules.two_node { 1 } else { (expected + 2) / 2 };
        let has_started = (0..self.books.len()).any(|at| set & 1 << at != 0 && self.books[at].seen_all);
        let quorate = if self.rules.wait && !has_started && votes != expected {
            false
        } else if barred > 0 {
            !is_barred
        } else {
            votes >= quorum || self.breaks_tie(set, book.quorate_with, votes, expected, quorum)
        };
        let absent = !set & ((1 << self.books.len()) - 1);
        // Those who are off come back: together they must not be enough.
        let all_wait = self.rules.wait && self.configured() >= self.all_votes();
        let are_few = 2 * self.weight(absent) <= self.all_votes() || all_wait || self.rules.downscale;
        let is_alone = absent & self.up == 0 && are_few;
        let sure = quorate && (!self.fencing || 2 * self.weight(set) > self.weight(Bits::MAX) || is_alone);
        (votes, expected, quorum, quorate, sure)
    }

    fn breaks_tie(&self, set: Bits, before: Bits, votes: u32, expected: u32, quorum: u32) -> bool {
        let half = votes == expected / 2 && self.weight(before & !set) < quorum;
        let breaker = match &self.rules.tie {
            None => return false,
            _ if before == 0 || !half => return false,
            Some(Tie::Lowest) => before.trailing_zeros() as usize,
            Some(Tie::Highest) => 31 - before.leading_zeros() as usize,
            Some(Tie::List(list)) => match list.iter().find(|at| before & 1 << **at != 0) {
                Some(at) => *at,
                None => return false,
            },
        };
        set & 1 << breaker != 0
    }

    fn settle(&mut self) {
        let old = std::mem::take(&mut self.parts);
        let mut nets: Vec<u32> = self.net.clone();
        nets.sort_unstable();
        nets.dedup();
        for net in nets {
            let set = (0..self.net.len()).filter(|at| self.net[*at] == net && self.up & 1 << at != 0);
            let set: Bits = set.fold(0, |bits, at| bits | 1 << at);
            if set == 0 {
                continue;
            }
            let same = old.iter().find(|part| part.0 == set).copied();
            let (.., quorate, sure) = self.weigh(set, &self.book(set));
            match same.filter(|part| (quorate || !part.3) && (part.2 || !sure)) {
                Some(part) => self.parts.push(part),
                None => self.assemble(set),
            }
        }
        self.parts.sort_by_key(|part| part.0.trailing_zeros());
    }

    fn assemble(&mut self, set: Bits) {
        let mut book = self.book(set);
        if self.rules.downscale {
            let gone = book.quorate_with & self.left & !set;
            if let Some(expected) = book.expected {
                let fewer = expected.saturating_sub(self.weight(gone)).max(self.configured());
                book.expected = Some(if expected > self.configured() { fewer } else { expected });
            }
            book.quorate_with &= !gone;
        }
        let (_, expected, _, quorate, sure) = self.weigh(set, &book);
        if book.voters.is_none() || sure {
            book.expected = Some(expected);
        }
        book.most = if self.rules.tracking { book.most.max(expected) } else { book.most };
        self.sures += 1;
        if quorate {
            (book.quorate_with, book.quorate_at) = (set, self.sures);
        }
        if sure {
            book.voters = match book.voters {
                Some(_) if expected >= self.all_votes() => None,
                Some(voters) if set & !voters != 0 => Some(set),
                same => same,
            };
        }
        for at in (0..self.books.len()).filter(|at| set & 1 << at != 0) {
            let (seen_all, was_sure) = (self.books[at].seen_all || quorate, self.books[at].sure);
            self.books[at] =
                Book { seen_all, sure: if sure { self.sures } else { was_sure }, ..book.clone() };
        }
        self.parts.push((set, self.clock, sure, quorate, self.rules.standing_window.is_some()));
    }

    fn pass(&mut self, ms: u64) {
        let end = self.clock + ms;
        let Some(window) = self.rules.standing_window else {
            self.clock = end;
            return;
        };
        loop {
            let open = self.parts.iter().filter(|part| part.4).map(|part| part.1 + window);
            let Some(at) = open.min().filter(|at| *at <= end) else { break };
            self.clock = at;
            for index in 0..self.parts.len() {
                let (set, since, sure, _, is_open) = self.parts[index];
                if !is_open || since + window != at {
                    continue;
                }
                self.parts[index].4 = false;
                let votes = self.weight(set).max(if self.rules.downscale { self.configured() } else { 0 });
                if sure && (votes >= 2 || self.rules.tie.is_some()) {
                    for member in (0..self.books.len()).filter(|at| set & 1 << at != 0) {
                        let expected = self.books[member].expected.unwrap_or(votes);
                        if votes < expected {
                            self.books[member].expected = Some(votes);
                            self.books[member].voters = Some(set);
                        }
                    }
                }
            }
            self.settle();
        }
        self.clock = end;
    }

    fn line(&self) -> Line {
        let parts = self.parts.iter().map(|part| {
            let (votes, expected, quorum, quorate, sure) = self.weigh(part.0, &self.book(part.0));
            (part.0, votes, expected, quorum, quorate, sure)
        });
        parts.collect()
    }
}

fn line_of(answer: &Answer) -> Line {
    let bit = |name: &str| 1 << (name[1..].parse::<u32>().expect("nodes are named n1, n2, …") - 1);
    let parts = answer.parts.iter().map(|part| {
        let members = part.members.iter().fold(0, |bits, name| bits | bit(name.as_str()));
        (members, part.votes, part.expected_votes, part.quorum, part.is_quorate, part.is_primary)
    });
    parts.collect()
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn some(&mut self, count: usize) -> Bits {
        let set = (0..count).filter(|_| self.one_in(3)).fold(0, |bits, at| bits | 1 << at);
        if set == 0 { 1 << self.roll(count as u64) } else { set }
    }
}

fn random_rules(dice: &mut Dice) -> Rules {
    let count = 1 + dice.roll(8) as usize;
    let is_even = dice.one_in(2);
    let votes: Vec<u32> = (0..count).map(|_| if is_even { 1 } else { dice.roll(4) as u32 }).collect();
    let total: u32 = votes.iter().sum();
    let mut rules = Rules { votes, ..Rules::default() };
    if count == 2 && is_even && dice.one_in(2) {
        rules.two_node = true;
        rules.wait = !dice.one_in(3);
        return rules;
    }
    rules.wait = dice.one_in(2);
    if dice.one_in(3) {
        rules.device = Some(dice.roll(u64::from(total) + 1) as u32);
        rules.tracking = dice.one_in(3);
        return rules;
    }
    if dice.one_in(2) && (total.is_multiple_of(2) || rules.wait) {
        let list = (0..count).filter(|_| dice.one_in(2)).collect::<Vec<_>>();
        rules.tie = Some(match dice.roll(3) {
            0 => Tie::Lowest,
            1 => Tie::Highest,
            _ if list.is_empty() => Tie::Lowest,
            _ => Tie::List(list),
        });
    }
    rules.standing_window = (is_even && dice.one_in(2)).then(|| 1000 * (1 + dice.roll(20)));
    rules.downscale = dice.one_in(3);
    rules.tracking = rules.downscale || dice.one_in(4);
    rules.expected = dice.one_in(3).then(|| 1 + dice.roll(u64::from(total) + 2) as u32);
    rules
}

fn setup(rules: &Rules) -> String {
    let nodes: String = rules
        .votes
        .iter()
        .enumerate()
        .map(|(at, votes)| format!("node {} votes {votes}\n", at + 1))
        .collect();
    let mut text = nodes;
    let mut flag =
        |key: &str, is_on: bool| text.push_str(&if is_on { format!("{key}: 1\n") } else { String::new() });
    flag("two_node", rules.two_node);
    flag("auto_tie_breaker", rules.tie.is_some());
    flag("last_man_standing", rules.standing_window.is_some());
    flag("allow_downscale", rules.downscale);
    flag("expected_votes_tracking", rules.tracking);
    text += &format!("wait_for_all: {}\n", u8::from(rules.wait));
    match &rules.tie {
        Some(Tie::Highest) => text += "auto_tie_breaker_node: highest\n",
        Some(Tie::List(list)) => {
            let ids: Vec<String> = list.iter().map(|at| format!("{}", at + 1)).collect();
            text += &format!("auto_tie_breaker_node: {}\n", ids.join(" "));
        }
        Some(Tie::Lowest) | None => {}
    }
    for (key, value) in [
        ("last_man_standing_window", rules.standing_window),
        ("expected_votes", rules.expected.map(u64::from)),
        ("device.votes", rules.device.map(u64::from)),
    ] {
        text += &value.map(|value| format!("{key}: {value}\n")).unwrap_or_default();
    }
    text
}

fn words(set: Bits) -> String {
    let ids: Vec<String> = (0..32).filter(|at| set & 1 << at != 0).map(|at| format!("{}", at + 1)).collect();
    ids.join(" ")
}

/// One random event: done to the oracle, and written for the script.
fn happen(oracle: &mut Oracle, dice: &mut Dice) -> String {
    let count = oracle.books.len();
    let set = dice.some(count);
    let members = move |at: &usize| set & 1 << at != 0;
    let text = match dice.roll(9) {
        0..=2 => {
            start(oracle, set);
            format!("up {}", words(set))
        }
        3 | 4 => {
            let is_clean = dice.one_in(2);
            let gone = set & oracle.up;
            oracle.left = if is_clean { oracle.left | gone } else { oracle.left & !set };
            oracle.up &= !set;
            oracle.device &= !set;
            format!("{} {}", if is_clean { "leave" } else { "down" }, words(set))
        }
        5 => {
            oracle.nets += 1;
            (0..count).filter(members).for_each(|at| oracle.net[at] = oracle.nets);
            format!("partition {}", words(set))
        }
        6 if dice.one_in(2) => {
            let first = oracle.net.iter().copied().min().unwrap_or(0);
            oracle.net.fill(first);
            "join".into()
        }
        6 => {
            let mut nets: Vec<u32> = (0..count).filter(members).map(|at| oracle.net[at]).collect();
            nets.sort_unstable();
            nets.dedup();
            if nets.len() == 1 {
                let ups = |net: u32| {
                    (0..count).filter(|at| oracle.net[*at] == net && oracle.up & 1 << at != 0).count()
                };
                // The first of the largest.
                let mut others: Vec<u32> = oracle.net.iter().copied().filter(|net| *net != nets[0]).collect();
                others.sort_by_key(|net| core::cmp::Reverse(ups(*net)));
                nets.extend(others.first());
            }
            let first = nets.iter().copied().min().unwrap_or(0);
            oracle.net.iter_mut().filter(|net| nets.contains(net)).for_each(|net| *net = first);
            start(oracle, set);
            format!("join {}", words(set))
        }
        7 if oracle.rules.device.is_some() => {
            let is_on = dice.one_in(2);
            oracle.device = if is_on { oracle.device | set & oracle.up } else { oracle.device & !set };
            format!("device {} {}", if is_on { "on" } else { "off" }, words(set))
        }
        7 if dice.one_in(4) => {
            oracle.fencing = !oracle.fencing;
            format!("fencing {}", if oracle.fencing { "on" } else { "off" })
        }
        _ => {
            let ms = 500 * dice.roll(60);
            oracle.pass(ms);
            format!("time {ms}ms")
        }
    };
    oracle.settle();
    text
}

fn start(oracle: &mut Oracle, set: Bits) {
    for at in (0..oracle.books.len()).filter(|at| set & !oracle.up & 1 << at != 0) {
        let Book { most, sure, .. } = oracle.books[at];
        oracle.books[at] = Book { most, sure, ..Book::default() };
    }
    oracle.up |= set;
    oracle.left &= !set;
}

#[test]
fn a_thousand_random_scripts_are_answered_as_the_oracle_answers_them() {
    let (mut quorate, mut ties, mut lowered) = (0, 0, 0);
    for seed in 1..=1000_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let rules = random_rules(&mut dice);
        let mut text = setup(&rules);
        let mut oracle = Oracle::new(rules);
        let mut expected: Vec<Line> = Vec::new();
        for _ in 0..20 {
            text += &happen(&mut oracle, &mut dice);
            text.push('\n');
            expected.push(oracle.line());
        }
        let answers = rehearse(&text, None).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
        for (answer, expected) in answers.iter().zip(&expected) {
            assert_eq!(line_of(answer), *expected, "seed {seed}: {answer}\n{text}");
            quorate += usize::from(answer.parts.iter().any(|part| part.is_quorate));
            ties += usize::from(answer.parts.iter().any(|part| part.is_quorate && part.votes < part.quorum));
            lowered += usize::from(answer.parts.iter().any(|part| part.expected_votes < oracle.configured()));
        }
    }
    // What never happened was not compared.
    assert!(
        quorate > 5000 && ties > 100 && lowered > 100,
        "quorate {quorate}, ties {ties}, lowered {lowered}"
    );
}
