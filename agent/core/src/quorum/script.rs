//! Scripts for `rehearsal`: first the votes and the options, then what happens, one thing a line.
//!
//! ```text
//! nodes 4                     four nodes, 1 to 4, of one vote each
//! node 5 votes 2 name big     one more, or other votes and another name for one of them
//! auto_tie_breaker: 1         any option of `quorum {}` as in corosync.conf; `device.votes: 3` for a quorum device
//! up all                      nodes start: `1 2 3`, `1-3,5`, names or `all`
//! partition 1 2 / 3 4         the network breaks; whoever is not named stays together
//! down 3                      nodes crash, and are fenced where somebody is left who may do so
//! leave 2                     nodes leave cleanly
//! join                        the network is whole again; `join 3`: node 3 starts and reaches the others again
//! device on 1                 the quorum device votes for the part of that node; `device off`
//! fencing off                 `stonith-enabled: false`
//! time 10s                    time passes
//! show                        nothing happens
//! ```

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::cluster::Corosync;
use muster_api::id::NodeId;
use muster_api::{corosync_conf, duration, nearest};

const WORDS: &[&str] =
    &["up", "down", "leave", "partition", "join", "device", "fencing", "time", "show", "nodes", "node"];

/// What is wrong with a script, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ScriptError {
    /// Counts from one.
    pub line: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

/// What happens in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Happening {
    Up(BTreeSet<NodeId>),
    Down(BTreeSet<NodeId>),
    Leave(BTreeSet<NodeId>),
    Partition(Vec<BTreeSet<NodeId>>),
    Join(BTreeSet<NodeId>),
    Device { is_given: bool, nodes: BTreeSet<NodeId> },
    Fencing(bool),
    Time { ms: u64 },
    Show,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) happening: Happening,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) corosync: Corosync,
    pub(super) lines: Vec<Line>,
}

/// A line of the script without its comment.
#[derive(Debug, Clone, Copy)]
struct Source<'a> {
    number: usize,
    text: &'a str,
}

impl Source<'_> {
    fn error(self, message: impl Into<String>) -> ScriptError {
        ScriptError { line: self.number, message: message.into() }
    }

    fn is_setup(self) -> bool {
        let first = self.text.split_whitespace().next().unwrap_or_default();
        first == "node" || first == "nodes" || self.text.contains(':')
    }
}

/// Reads a script; `given` is the cluster where the script does not describe one.
pub(super) fn read(text: &str, given: Option<&Corosync>) -> Result<Script, ScriptError> {
    let lines = text.lines().enumerate().map(|(index, line)| Source {
        number: index + 1,
        text: line.split('#').next().unwrap_or_default().trim(),
    });
    let lines: Vec<Source<'_>> = lines.filter(|line| !line.text.is_empty()).collect();
    let begin = lines.iter().position(|line| !line.is_setup()).unwrap_or(lines.len());
    let (setup, happenings) = lines.split_at(begin);
    let corosync = match given {
        Some(given) if setup.is_empty() => given.clone(),
        _ => cluster(setup)?,
    };
    let lines = happenings.iter().map(|line| {
        let happening = happening(*line, &corosync)?;
        Ok(Line { number: line.number, text: line.text.to_string(), happening })
    });
    Ok(Script { lines: lines.collect::<Result<_, _>>()?, corosync })
}

/// A node as the script describes it.
struct Voter {
    id: u32,
    votes: u32,
    name: String,
    line: usize,
}

/// The described cluster, read by the very reader of corosync.conf, so that the same options are refused for the same reasons.
fn cluster(setup: &[Source<'_>]) -> Result<Corosync, ScriptError> {
    let voters = voters(setup)?;
    let first = setup.first().map_or(1, |line| line.number);
    if voters.is_empty() {
        let message = "no nodes are described: expected `nodes 3` first, or a corosync.conf with `--config`";
        return Err(ScriptError { line: first, message: message.into() });
    }
    let mut conf = Conf::default();
    conf.add(first, "totem {\nversion: 2\ncrypto_cipher: none\n}\nnodelist {");
    for voter in &voters {
        let Voter { id, votes, name, line } = voter;
        conf.add(
            *line,
            &format!("node {{\nring0_addr: {name}\nname: {name}\nnodeid: {id}\nquorum_votes: {votes}\n}}"),
        );
    }
    conf.add(first, "}\nquorum {\nprovider: corosync_votequorum");
    let options = setup.iter().filter(|line| line.text.contains(':'));
    let (of_device, of_quorum): (Vec<&Source<'_>>, Vec<&Source<'_>>) =
        options.partition(|line| line.text.starts_with("device."));
    for line in of_quorum {
        conf.add(line.number, line.text);
    }
    if let Some(line) = of_device.first() {
        conf.add(line.number, "device {\nmodel: external");
        of_device.iter().for_each(|line| conf.add(line.number, line.text.trim_start_matches("device.")));
        conf.add(line.number, "}");
    }
    conf.add(first, "}");
    conf.read()
}

/// A corosync.conf that knows from which line of the script each of its lines comes.
#[derive(Default)]
struct Conf {
    text: String,
    origins: Vec<usize>,
}

impl Conf {
    fn add(&mut self, origin: usize, lines: &str) {
        for line in lines.lines() {
            self.text.push_str(line);
            self.text.push('\n');
            self.origins.push(origin);
        }
    }

    fn read(&self) -> Result<Corosync, ScriptError> {
        corosync_conf::parse(&self.text).map_err(|error| {
            let line = self.origins.get(error.line.saturating_sub(1)).copied().unwrap_or(1);
            let hint = error.hint.map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
            ScriptError { line, message: format!("{}{hint}", error.message) }
        })
    }
}

fn voters(setup: &[Source<'_>]) -> Result<Vec<Voter>, ScriptError> {
    let mut voters: Vec<Voter> = Vec::new();
    for line in setup {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        match words.as_slice() {
            [key, ..] if key.contains(':') || line.text.contains(':') => {}
            ["nodes", count] => {
                let count = number(*line, count)?;
                let voter = |id| Voter { id, votes: 1, name: format!("n{id}"), line: line.number };
                voters.extend((1..=count).map(voter));
            }
            ["node", id, rest @ ..] => {
                let id = number(*line, id)?;
                voters.retain(|voter| voter.id != id);
                voters.push(voter(*line, id, rest)?);
            }
            _ => {
                return Err(line.error(format!(
                    "`{}`: expected `nodes COUNT` or `node ID [votes N] [name NAME]`",
                    line.text
                )));
            }
        }
    }
    Ok(voters)
}

fn voter(line: Source<'_>, id: u32, words: &[&str]) -> Result<Voter, ScriptError> {
    let mut voter = Voter { id, votes: 1, name: format!("n{id}"), line: line.number };
    for pair in words.chunks(2) {
        match pair {
            ["votes", votes] => voter.votes = number(line, votes)?,
            ["name", name] => voter.name = (*name).to_string(),
            _ => return Err(line.error(format!("`{}`: expected `votes N` or `name NAME`", pair.join(" ")))),
        }
    }
    Ok(voter)
}

fn number(line: Source<'_>, word: &str) -> Result<u32, ScriptError> {
    word.parse().map_err(|_| line.error(format!("`{word}` is no number")))
}

fn happening(line: Source<'_>, corosync: &Corosync) -> Result<Happening, ScriptError> {
    let (word, rest) = line.text.split_once(char::is_whitespace).unwrap_or((line.text, ""));
    let nodes = |what: &str| nodes(line, what, corosync);
    let some_nodes = || match nodes(rest)? {
        none if none.is_empty() => {
            Err(line.error(format!("`{word}` names no node: expected for example `{word} 1 2`")))
        }
        some => Ok(some),
    };
    Ok(match word {
        "up" => Happening::Up(some_nodes()?),
        "down" => Happening::Down(some_nodes()?),
        "leave" => Happening::Leave(some_nodes()?),
        "join" => Happening::Join(nodes(rest)?),
        "partition" => partition(line, rest, corosync)?,
        "time" => match duration::parse_ms(rest) {
            Some(ms) => Happening::Time { ms },
            None => return Err(line.error(format!("`{rest}` is no time: expected for example `time 10s`"))),
        },
        "device" => device(line, rest, corosync)?,
        "fencing" => Happening::Fencing(is_on(line, rest)?),
        "show" => Happening::Show,
        "node" | "nodes" => {
            return Err(
                line.error(format!("`{word}` comes too late: describe the cluster before the first event"))
            );
        }
        _ if line.text.contains(':') => {
            return Err(line.error("options come too late: write them before the first event"));
        }
        _ => {
            let hint = nearest::nearest(word, WORDS.iter().copied());
            let hint = hint.map(|word| format!(" (did you mean `{word}`?)")).unwrap_or_default();
            return Err(
                line.error(format!("unknown word `{word}`: expected one of {}{hint}", WORDS.join(", ")))
            );
        }
    })
}

fn partition(line: Source<'_>, rest: &str, corosync: &Corosync) -> Result<Happening, ScriptError> {
    let parts =
        rest.split(['/', '|']).map(|part| nodes(line, part, corosync)).collect::<Result<Vec<_>, _>>()?;
    let mut seen = BTreeSet::new();
    if let Some(twice) = parts.iter().flatten().find(|id| !seen.insert(**id)) {
        return Err(line.error(format!("node {twice} is in two parts")));
    }
    if parts.iter().any(BTreeSet::is_empty) {
        return Err(line.error("a part is empty: expected for example `partition 1 2 / 3 4`"));
    }
    Ok(Happening::Partition(parts))
}

fn device(line: Source<'_>, rest: &str, corosync: &Corosync) -> Result<Happening, ScriptError> {
    if corosync.quorum.device.is_none() {
        return Err(line.error("there is no quorum device: write `device.votes: N` before the first event"));
    }
    let (word, of) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let (is_given, named) = (is_on(line, word)?, nodes(line, of, corosync)?);
    let everyone = || corosync.nodes.iter().map(|node| node.id).collect();
    Ok(Happening::Device { is_given, nodes: if named.is_empty() { everyone() } else { named } })
}

fn is_on(line: Source<'_>, word: &str) -> Result<bool, ScriptError> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(line.error(format!("`{word}`: expected `on` or `off`"))),
    }
}

/// Nodes by id, range of ids, name, or all of them.
fn nodes(line: Source<'_>, text: &str, corosync: &Corosync) -> Result<BTreeSet<NodeId>, ScriptError> {
    let known: BTreeSet<NodeId> = corosync.nodes.iter().map(|node| node.id).collect();
    let mut named = BTreeSet::new();
    for word in text.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
        if word == "all" {
            named.extend(&known);
        } else if let Some(node) = corosync.nodes.iter().find(|node| node.name.as_str() == word) {
            named.insert(node.id);
        } else if let Some((first, last)) = word.split_once('-') {
            let range = number(line, first)?..=number(line, last)?;
            named.extend(known.iter().filter(|id| range.contains(&id.0)));
        } else {
            let id = NodeId(word.parse().map_err(|_| line.error(format!("`{word}` is no node")))?);
            if !known.contains(&id) {
                return Err(line.error(format!("there is no node {id}")));
            }
            named.insert(id);
        }
    }
    Ok(named)
}
