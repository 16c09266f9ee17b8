//! Gives spoilt input to everything that reads bytes from outside.
//!
//! ```text
//! make fuzz SECONDS=60                 every target for so long
//! fuzz packet --seconds 60             one
//! fuzz playbook --muster target/release/muster
//! fuzz packet FILE…                    inputs that were saved
//! ```
//!
//! Targets inside this process: `packet` (what a peer sends, to a node in a view), `message` (what those packets carry, in
//! the next packet that the node waits for), `durable` (what a node finds on its disk), `frame` (messages between controller,
//! worker, agent and clients), `corosync-conf`, `recording`, `script`. Targets of the program `muster`, which is run for each
//! input: `inventory`, `playbook`, `cib`. All begin with what is in `tests/fuzz/TARGET/`. An input that ends in a panic, a
//! signal or in no answer within ten seconds is saved there, and the exit code is 1.

use muster_api::control::{Request, Response};
use muster_api::corosync_conf;
use muster_api::frame::{FromWorker, PROTOCOL, ToWorker};
use muster_api::id::NodeId;
use muster_core::input::Input;
use muster_core::node::{Boot, Node};
use muster_core::recording::Record;
use muster_core::time::{Instant as Moment, Now};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use world::mutate::{Example, Mutator};
use world::replay::replay;
use world::script::Script;
use world::trace::Trace;
use world::world::World;

const TARGETS: &[&str] = &[
    "packet",
    "message",
    "durable",
    "frame",
    "corosync-conf",
    "recording",
    "script",
    "inventory",
    "playbook",
    "cib",
];
/// A program that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many packets go to one node before the next begins.
const PACKETS_A_NODE: u32 = 200;
/// Of a packet that carries a part of a message, among the kinds of packets.
const DATA: u32 = 3;

struct Arguments {
    target: String,
    seconds: u64,
    muster: PathBuf,
    files: Vec<PathBuf>,
    seed: u64,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(|arguments| fuzz(&arguments)) {
        Ok(code) => code,
        Err(why) => {
            eprintln!(
                "error: {why}\n  hint: fuzz TARGET [--seconds N] [--seed N] [--muster PROGRAM] [FILE…], where TARGET is one of {}",
                TARGETS.join(", ")
            );
            ExitCode::from(2)
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut arguments = Arguments {
        target: words.next().ok_or("a target is missing")?,
        seconds: 60,
        muster: "target/release/muster".into(),
        files: Vec::new(),
        seed: since,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("`{text}` is not a number"));
        match word.as_str() {
            "--seconds" => arguments.seconds = number(value()?)?,
            "--seed" => arguments.seed = number(value()?)?,
            "--muster" => arguments.muster = value()?.into(),
            file => arguments.files.push(file.into()),
        }
    }
    Ok(arguments)
}

fn fuzz(arguments: &Arguments) -> Result<ExitCode, String> {
    let mut target = Target::new(arguments)?;
    if !arguments.files.is_empty() {
        for file in &arguments.files {
            if let Err(why) = target.take(&example(file)?) {
                println!("{}: {why}", file.display());
                return Ok(ExitCode::from(1));
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut mutator = Mutator::new(arguments.seed, target.corpus());
    let (begin, mut inputs) = (Instant::now(), 0_u64);
    while begin.elapsed() < Duration::from_secs(arguments.seconds) {
        let input = mutator.spoil();
        inputs += 1;
        if let Err(why) = target.take(&input) {
            let place = save(&arguments.target, &input)?;
            println!(
                "{}: input {inputs} of seed {}: {why}; saved as {place}",
                arguments.target, arguments.seed
            );
            return Ok(ExitCode::from(1));
        }
    }
    println!("{}: {inputs} inputs in {} s, no crash", arguments.target, begin.elapsed().as_secs());
    Ok(ExitCode::SUCCESS)
}

fn save(target: &str, input: &Example) -> Result<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(target);
    let hash = input.bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let file = folder.join(format!("{hash:016x}")).with_extension(&input.extension);
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&file, &input.bytes))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file.display().to_string())
}

/// What reads the bytes.
struct Target {
    name: &'static str,
    muster: PathBuf,
    /// What a node was told in a run: packets, and what it has on its disk.
    records: Vec<Record>,
    /// In a view, with the next packet that it waits for, and how many it was given.
    node: Option<(Node, Carrier, u32)>,
}

/// The stream of messages from the peer: what the next packet of it says beside the message.
#[derive(Clone, Copy)]
struct Carrier {
    from: NodeId,
    head: [u8; 4],
    sessions: (u64, u64),
    stream: u32,
    seq: u64,
}

impl Target {
    fn new(arguments: &Arguments) -> Result<Self, String> {
        let name = TARGETS.iter().find(|name| **name == arguments.target);
        let name = name.ok_or(format!("there is no target `{}`", arguments.target))?;
        Ok(Self { name, muster: arguments.muster.clone(), records: recorded(), node: None })
    }

    fn corpus(&self) -> Vec<Example> {
        let (extension, made) = match self.name {
            "packet" => ("", packets(&self.records)),
            "message" => ("", messages(&self.records)),
            "durable" => ("", states(&self.records)),
            "frame" => ("json", frames()),
            "recording" => ("", vec![lines(&self.records[..self.records.len().min(40)]).into_bytes()]),
            "corosync-conf" => ("conf", configurations()),
            _ => ("", Vec::new()),
        };
        let mut corpus: Vec<Example> = made.into_iter().map(|bytes| Example::new(extension, bytes)).collect();
        corpus.extend(examples(self.name));
        corpus
    }

    fn take(&mut self, input: &Example) -> Result<(), String> {
        match self.name {
            "inventory" => self.run(&["inventory", "--list", "-i"], "hosts", input),
            "playbook" => self.run(&["apply", "-i", "localhost,", "--syntax-check"], "site", input),
            "cib" => self.run(&["simulate", "--cib"], "cib", input),
            _ => catch_unwind(AssertUnwindSafe(|| self.read(&input.bytes)))
                .map_err(|_| "it panics".to_string()),
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        match self.name {
            "packet" => self.receive(|_| bytes.to_vec()),
            "message" => self.receive(|carrier| carrier.packet(bytes)),
            "durable" => drop(Node::new(now(0), boot(&self.records, Some(bytes.to_vec())))),
            "frame" => {
                let _ = serde_json::from_slice::<ToWorker>(bytes);
                let _ = serde_json::from_slice::<FromWorker>(bytes);
                let _ = serde_json::from_slice::<Request>(bytes);
                let _ = serde_json::from_slice::<Response>(bytes);
            }
            "corosync-conf" => {
                if let Ok(corosync) = corosync_conf::parse(&text) {
                    let printed = corosync_conf::print(&corosync);
                    let again = corosync_conf::parse(&printed).expect("what was printed can be read");
                    assert_eq!(again, corosync, "what was printed says the same");
                }
            }
            "recording" => drop(replay(&text, &mut Trace::default())),
            _ => drop(Script::parse(&text)),
        }
    }

    /// A node that hears it from a peer, in the middle of what it heard before.
    fn receive(&mut self, packet: impl FnOnce(&mut Carrier) -> Vec<u8>) {
        let taken = self.node.take();
        let (mut node, mut carrier, heard) = taken.unwrap_or_else(|| {
            let (node, carrier) = in_a_view(&self.records);
            (node, carrier, 0)
        });
        let at = now(100_000 + u64::from(heard));
        let bytes = packet(&mut carrier);
        node.step(at, Input::Received { link: 0, from: carrier.from, bytes });
        node.step(at, Input::Tick);
        self.node = (heard < PACKETS_A_NODE).then_some((node, carrier, heard + 1));
    }

    /// The program itself, with the bytes as its file.
    fn run(&self, words: &[&str], name: &str, input: &Example) -> Result<(), String> {
        let folder = std::env::temp_dir().join(format!("muster-fuzz-{}", std::process::id()));
        let file = folder.join(name).with_extension(&input.extension);
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&file, &input.bytes))
            .map_err(|error| error.to_string())?;
        let mut child = Command::new(&self.muster)
            .args(words)
            .arg(&file)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{} cannot be run: {error}", self.muster.display()))?;
        let begin = Instant::now();
        loop {
            match child.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.code() == Some(101) => return Err("it panics".into()),
                Some(status) if status.code().is_none() => return Err(format!("it ends by {status}")),
                // The words of the command were not understood: nothing was read.
                Some(status) if status.code() == Some(2) => {
                    return Err("it does not know its arguments".into());
                }
                Some(_) => return Ok(()),
                None if begin.elapsed() > PATIENCE => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err("it does not end".into());
                }
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

/// A run of two nodes, as one of them was told it.
fn recorded() -> Vec<Record> {
    let script =
        "nodes 2\nwait 30s for calm\nask n1 mark\ncrash n1 for 2s\nwait 60s for calm\nask n2 mark\nrun 5s";
    let script = Script::parse(script).expect("the script can be read");
    let mut world = World::new(script.plan.clone(), 1, Trace::default());
    world.recording = Some((1, Vec::new()));
    script.play_in(world).recording.map(|(_, records)| records).unwrap_or_default()
}

fn packets(records: &[Record]) -> Vec<Vec<u8>> {
    let packet = |record: &Record| match record {
        Record::Step { input: Input::Received { bytes, .. }, .. } => Some(bytes.clone()),
        _ => None,
    };
    records.iter().filter_map(packet).collect()
}

/// What the node of the run wrote on its disk.
fn states(records: &[Record]) -> Vec<Vec<u8>> {
    let mut node = Node::new(now(0), boot(records, None)).expect("an empty disk can be read");
    let mut states = Vec::new();
    for record in records {
        let Record::Step { now, input, .. } = record else { continue };
        let effects = node.step(*now, input.clone());
        states.extend(effects.into_iter().filter_map(|effect| match effect {
            muster_core::effect::Effect::Persist { bytes } => Some(bytes),
            _ => None,
        }));
    }
    states
}

/// What those packets carried, put together where it took several.
fn messages(records: &[Record]) -> Vec<Vec<u8>> {
    let mut parts: BTreeMap<(u64, u32, u64), (bool, Vec<u8>)> = BTreeMap::new();
    for packet in packets(records) {
        if let Some((carried, is_last, bytes)) = carried(&packet, NodeId(0)) {
            parts.insert((carried.sessions.0, carried.stream, carried.seq), (is_last, bytes));
        }
    }
    let (mut messages, mut message) = (Vec::new(), Vec::new());
    for (is_last, bytes) in parts.into_values() {
        message.extend(bytes);
        if is_last {
            messages.push(std::mem::take(&mut message));
        }
    }
    messages
}

impl Carrier {
    /// The packet that is waited for, with that message in it.
    fn packet(&mut self, message: &[u8]) -> Vec<u8> {
        // Longer ones take more packets than one; what is longer than a packet is refused before it is read.
        let body = (self.sessions, (DATA, self.stream, self.seq, true, message));
        self.seq += 1;
        let body = postcard::to_allocvec(&body).expect("numbers and bytes can be written");
        [self.head.as_slice(), &body].concat()
    }
}

/// What a packet that carries a part of a message says beside it.
fn carried(packet: &[u8], from: NodeId) -> Option<(Carrier, bool, Vec<u8>)> {
    let (head, body) = packet.split_first_chunk::<4>()?;
    let (sessions, (kind, stream, seq, is_last, bytes)) =
        postcard::from_bytes::<((u64, u64), (u32, u32, u64, bool, Vec<u8>))>(body).ok()?;
    (kind == DATA).then_some((Carrier { from, head: *head, sessions, stream, seq }, is_last, bytes))
}

/// A node in the middle of what it was told, and what its peer would send next.
fn in_a_view(records: &[Record]) -> (Node, Carrier) {
    let (mut node, mut carrier) = (None, None);
    for record in records.iter().take(400) {
        match record {
            Record::Boot { now, boot } => node = Node::new(*now, boot.clone()).ok(),
            Record::Step { now, input, .. } => {
                if let Input::Received { from, bytes, .. } = input {
                    let next = carried(bytes, *from)
                        .map(|(carried, ..)| Carrier { seq: carried.seq + 1, ..carried });
                    carrier = next.or(carrier);
                }
                node.iter_mut().for_each(|node| drop(node.step(*now, input.clone())));
            }
        }
    }
    let carrier = carrier.expect("a node of two hears the other one");
    (node.expect("a recording begins with the start of the agent"), carrier)
}

fn boot(records: &[Record], durable: Option<Vec<u8>>) -> Boot {
    let boot = records.iter().find_map(|record| match record {
        Record::Boot { boot, .. } => Some(boot.clone()),
        Record::Step { .. } => None,
    });
    Boot { durable, ..boot.expect("a recording begins with the start of the agent") }
}

fn now(ms: u64) -> Now {
    Now { at: Moment(ms * 1_000_000), wall_ms: 1_700_000_000_000 + ms }
}

fn lines(records: &[Record]) -> String {
    let lines = records.iter().map(|record| serde_json::to_string(record).expect("a record is JSON"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Requests, and what only opens or closes a session; the others are in the corpus.
fn frames() -> Vec<Vec<u8>> {
    let requests = [
        Request::Status,
        Request::Snapshot,
        Request::Leave,
        Request::Reload,
        Request::CompareDisk,
        Request::Cleanup { resource: None },
        Request::WaitIdle { timeout_ms: 5 },
        Request::Events { since: 7, follow: true },
        Request::Standby { node: "n1".into(), on: true },
        Request::Move { resource: "web".into(), node: Some("n2".into()), lifetime_ms: Some(1000) },
        Request::DeviceVote { is_given: true },
    ];
    let requests = requests.iter().map(|request| serde_json::to_vec(request).expect("a request is JSON"));
    let workers = [
        ToWorker::Hello {
            protocol: PROTOCOL,
            run: "a run".into(),
            check: true,
            is_alone: false,
            shares: false,
            number: None,
            stands_in_for: Some("app".into()),
        },
        ToWorker::NoContent { sha256: "00".into(), why: "it is gone".into() },
        ToWorker::Goodbye,
    ];
    let workers = workers.iter().map(|word| serde_json::to_vec(word).expect("a word is JSON"));
    requests.chain(workers).chain((0..20).map(configure)).collect()
}

/// A request with the configuration of a drawn world.
fn configure(seed: u64) -> Vec<u8> {
    let config = world::run::draw_plan(seed, None).config;
    let request = Request::Configure { config, expected_generation: seed };
    serde_json::to_vec(&request).expect("a request is JSON")
}

fn configurations() -> Vec<Vec<u8>> {
    let drawn = (0..20).map(|seed| world::run::draw_plan(seed, None).corosync);
    drawn.map(|corosync| corosync_conf::print(&corosync).into_bytes()).collect()
}

/// The files of `tests/fuzz/TARGET`, and what else the repository has of the kind.
fn examples(target: &str) -> Vec<Example> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![root.join("tests/fuzz").join(target)];
    match target {
        "script" => folders.push(root.join("tests/cluster")),
        "playbook" => folders.push(root.join("playbooks")),
        "inventory" => folders.push(root.join("inventory")),
        _ => {}
    }
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files.iter().filter_map(|file| example(file).ok()).collect()
}

fn example(file: &Path) -> Result<Example, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Ok(Example::new(extension, bytes))
}
