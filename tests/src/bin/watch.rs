//! Watches a service from outside, as its users see it: asks for a page every ten milliseconds and looks on which
//! nodes the floating address is. Prints a line for each change and a summary at the end.
//!
//! ```text
//! watch --url http://10.77.0.200/ --address 10.77.0.200 --node n1=/sys/fs/cgroup/unified/… --seconds 60
//! ```
//!
//! `--node` names a node and the cgroup folder of its processes: the address is read from the `fib_trie` of whatever process
//! runs there, so a node that was switched off and on is found again. Standard input closed, SIGTERM or the
//! end of `--seconds` end the watch. Exit code 1: the address was on two nodes at once.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two looks: short beside any outage that matters.
const INTERVAL: Duration = Duration::from_millis(10);
/// How long a watch lasts that nobody ends, in seconds.
const A_DAY: u64 = 86_400;
/// A page that takes longer was not served.
const DEADLINE: Duration = Duration::from_millis(400);

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!(
                "error: {problem}\n  hint: watch --url URL [--address IP --node NAME=CGROUP …] [--seconds N]"
            );
            return ExitCode::from(2);
        }
    };
    let overlaps = Watch::new(arguments).run();
    if overlaps == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

struct Arguments {
    server: SocketAddr,
    path: String,
    address: Option<String>,
    nodes: BTreeMap<String, PathBuf>,
    seconds: u64,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut url, mut address, mut nodes, mut seconds) = (None, None, BTreeMap::new(), A_DAY);
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{option}` needs a value"))?;
            match option.as_str() {
                "--url" => url = Some(value),
                "--address" => address = Some(value),
                "--seconds" => {
                    seconds = value.parse().map_err(|_| format!("`{value}` is not a number of seconds"))?
                }
                "--node" => {
                    let (name, cgroup) = value.split_once('=').ok_or("`--node` needs NAME=CGROUP")?;
                    nodes.insert(name.to_owned(), PathBuf::from(cgroup));
                }
                other => return Err(format!("`{other}` is not an option")),
            }
        }
        let url = url.ok_or("`--url` is missing")?;
        let rest = url.strip_prefix("http://").ok_or("the URL must start with `http://`")?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let server = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let server = server.parse().map_err(|_| format!("`{host}` is not an address"))?;
        Ok(Self { server, path: format!("/{path}"), address, nodes, seconds })
    }
}

struct Watch {
    arguments: Arguments,
    started: Instant,
    answers: Receiver<Answer>,
    sender: Sender<Answer>,
    /// When the last page came, and what it said.
    last_good: Option<(Instant, String)>,
    is_out: bool,
    /// When each question was asked, and whether it was answered in time.
    asked: Vec<(Instant, bool)>,
    holders: Vec<String>,
    overlaps: u32,
    looks: u64,
}

struct Answer {
    asked: Instant,
    page: Option<String>,
}

impl Watch {
    fn new(arguments: Arguments) -> Self {
        let (sender, answers) = channel();
        Self {
            arguments,
            started: Instant::now(),
            answers,
            sender,
            last_good: None,
            is_out: false,
            asked: Vec::new(),
            holders: Vec::new(),
            overlaps: 0,
            looks: 0,
        }
    }

    fn run(mut self) -> u32 {
        let end = self.started + Duration::from_secs(self.arguments.seconds);
        let ended = until_stdin_closes();
        let mut next = Instant::now();
        while Instant::now() < end && ended.try_recv().is_err() {
            self.ask();
            self.look();
            self.read_answers();
            next += INTERVAL;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        std::thread::sleep(DEADLINE);
        self.read_answers();
        self.summarise();
        self.overlaps
    }

    fn ask(&self) {
        let (server, path, sender) =
            (self.arguments.server, self.arguments.path.clone(), self.sender.clone());
        let asked = Instant::now();
        std::thread::spawn(move || {
            let page = fetch(server, &path);
            // The watch may have ended: nobody listens, nothing is lost.
            let _ = sender.send(Answer { asked, page });
        });
    }

    fn read_answers(&mut self) {
        while let Ok(answer) = self.answers.try_recv() {
            self.asked.push((answer.asked, answer.page.is_some()));
            match answer.page {
                Some(page) => self.good(answer.asked, page),
                None => self.bad(answer.asked),
            }
        }
    }

    fn good(&mut self, asked: Instant, page: String) {
        let previous = self.last_good.take();
        if self.is_out {
            let length =
                previous.as_ref().map_or(Duration::ZERO, |(last, _)| asked.saturating_duration_since(*last));
            self.is_out = false;
            self.say(&format!("answers again after {} ms: {page}", length.as_millis()));
        } else if previous.as_ref().is_none_or(|(_, last_page)| *last_page != page) {
            self.say(&format!("answers: {page}"));
        }
        let latest = previous.map_or(asked, |(last, _)| last.max(asked));
        self.last_good = Some((latest, page));
    }

    fn bad(&mut self, asked: Instant) {
        let is_newer = self.last_good.as_ref().is_some_and(|(last, _)| asked > *last);
        if is_newer && !self.is_out {
            self.is_out = true;
            self.say("no answer");
        }
    }

    fn look(&mut self) {
        let Some(address) = &self.arguments.address else { return };
        self.looks += 1;
        let nodes = self.arguments.nodes.iter();
        let mut holding: Vec<(&String, &PathBuf)> =
            nodes.filter(|(_, cgroup)| holds(cgroup, address)).collect();
        // The address may have moved between two looks: who held it before and after the last look held it then, too.
        if let Some(last) = holding.pop() {
            holding.retain(|(_, cgroup)| holds(cgroup, address));
            holding.push(last);
        }
        let holders: Vec<String> = holding.into_iter().map(|(name, _)| name.clone()).collect();
        if holders == self.holders {
            return;
        }
        if holders.len() > 1 {
            self.overlaps += 1;
        }
        let text = if holders.is_empty() { "no node".to_owned() } else { holders.join(" and ") };
        self.say(&format!("{address} is on {text}"));
        self.holders = holders;
    }

    fn summarise(&mut self) {
        self.asked.sort();
        let outages = outages(&self.asked);
        let total: Duration = outages.iter().sum();
        let longest = outages.iter().max().copied().unwrap_or_default();
        self.say(&format!(
            "summary: {} outages, longest {} ms, together {} ms; address on two nodes: {} times in {} looks",
            outages.len(),
            longest.as_millis(),
            total.as_millis(),
            self.overlaps,
            self.looks
        ));
    }

    fn say(&self, text: &str) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line =
            format!("{:.3} {:9.3} s  {text}\n", wall.as_secs_f64(), self.started.elapsed().as_secs_f64());
        let mut output = std::io::stdout().lock();
        // A reader that went away ends nothing that matters.
        let _ = output.write_all(line.as_bytes()).and_then(|()| output.flush());
    }
}

/// From the last question that was answered to the first that was answered again; answers come in any order, so this is
/// read from the questions in order.
fn outages(asked: &[(Instant, bool)]) -> Vec<Duration> {
    let mut outages = Vec::new();
    let mut last_good = None;
    let mut is_out = false;
    for (moment, is_answered) in asked {
        if *is_answered {
            outages.extend(last_good.filter(|_| is_out).map(|last: Instant| moment.duration_since(last)));
            last_good = Some(*moment);
        }
        is_out = !*is_answered;
    }
    outages
}

fn until_stdin_closes() -> Receiver<()> {
    let (sender, ended) = channel();
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        let _ = sender.send(());
    });
    ended
}

/// The last line of the page with a word in it, or nothing where it was not served in time.
fn fetch(server: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&server, DEADLINE).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", server.ip()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let is_good = answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200");
    let (_, body) = answer.split_once("\r\n\r\n")?;
    is_good.then(|| body.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("").to_owned())
}

/// Whether some process of this cgroup sees the address as its own.
fn holds(cgroup: &Path, address: &str) -> bool {
    let Some(process) = any_process(cgroup) else { return false };
    let Ok(table) = std::fs::read_to_string(format!("/proc/{process}/net/fib_trie")) else { return false };
    let mut was_address = false;
    for line in table.lines() {
        if was_address && line.contains("host LOCAL") {
            return true;
        }
        was_address = line.trim_start().strip_prefix("|-- ").is_some_and(|found| found == address);
    }
    false
}

/// A process that lives as long as the node runs: its systemd, in `init.scope`; else whatever runs there.
fn any_process(cgroup: &Path) -> Option<String> {
    let below =
        || std::fs::read_dir(cgroup).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    let inits = below().filter(|entry| entry.file_name() == "init.scope");
    for entry in inits.chain(below()) {
        if let Some(process) = any_process(&entry.path()) {
            return Some(process);
        }
    }
    let processes = std::fs::read_to_string(cgroup.join("cgroup.procs")).ok()?;
    processes.lines().next().map(str::to_owned)
}
