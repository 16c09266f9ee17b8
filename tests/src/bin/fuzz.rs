//! Gives spoilt input to everything that reads bytes from outside.
//!
//! ```text
//! make fuzz SECONDS=60                 every target for so long
//! fuzz packet --seconds 60             one
//! fuzz playbook --muster target/release/muster
//! fuzz packet FILE…                    inputs that were saved
//! ```
//!
//! Targets inside this process: `packet` (what a peer sends, to a node in a view), `durable` (what a node finds on its
//! disk), `frame` (messages between controller, worker, agent and clients), `corosync-conf`, `recording`, `script`. Targets of
//! the program `muster`, which is run for each input: `inventory`, `playbook`, `cib`. An input that ends in a panic, a signal or in
//! no answer within ten seconds is saved in `tests/fuzz/TARGET/`, and the exit code is 1.

use muster_api::control::{Request, Response};
use muster_api::corosync_conf;
use muster_api::frame::{FromWorker, ToWorker};
use muster_core::input::Input;
use muster_core::node::{Boot, Node};
use muster_core::recording::Record;
use muster_core::time::{Instant as Moment, Now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use world::mutate::Mutator;
use world::replay::replay;
use world::script::Script;
use world::trace::Trace;
use world::world::World;

const TARGETS: &[&str] =
    &["packet", "durable", "frame", "corosync-conf", "recording", "script", "inventory", "playbook", "cib"];
/// A program that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many packets go to one node before the next begins.
const PACKETS_A_NODE: u32 = 200;

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
            let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
            if let Err(why) = target.take(&bytes) {
                println!("{}: {why}", file.display());
                return Ok(ExitCode::from(1));
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut mutator = Mutator::new(arguments.seed, target.corpus());
    let (begin, mut inputs) = (Instant::now(), 0_u64);
    while begin.elapsed() < Duration::from_secs(arguments.seconds) {
        let bytes = mutator.spoil();
        inputs += 1;
        if let Err(why) = target.take(&bytes) {
            let place = save(&arguments.target, &bytes)?;
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

fn save(target: &str, bytes: &[u8]) -> Result<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(target);
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let file = folder.join(format!("{hash:016x}"));
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&file, bytes))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file.display().to_string())
}

/// What reads the bytes.
struct Target {
    name: &'static str,
    muster: PathBuf,
    /// What a node was told in a run: packets, and what it has on its disk.
    records: Vec<Record>,
    node: Option<(Node, u32)>,
}

impl Target {
    fn new(arguments: &Arguments) -> Result<Self, String> {
        let name = TARGETS.iter().find(|name| **name == arguments.target);
        let name = name.ok_or(format!("there is no target `{}`", arguments.target))?;
        Ok(Self { name, muster: arguments.muster.clone(), records: recorded(), node: None })
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let mut corpus = match self.name {
            "packet" => packets(&self.records),
            "durable" => states(&self.records),
            "frame" => frames(),
            "recording" => vec![lines(&self.records[..self.records.len().min(40)]).into_bytes()],
            "corosync-conf" => configurations(),
            _ => Vec::new(),
        };
        corpus.extend(examples(self.name));
        corpus
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        match self.name {
            "inventory" => self.run(&["inventory", "--list", "-i"], "hosts.yml", bytes),
            "playbook" => self.run(&["apply", "-i", "localhost,", "--syntax-check"], "site.yml", bytes),
            "cib" => self.run(&["simulate", "--cib"], "cib.xml", bytes),
            _ => catch_unwind(AssertUnwindSafe(|| self.read(bytes))).map_err(|_| "it panics".to_string()),
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        match self.name {
            "packet" => self.receive(bytes),
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
    fn receive(&mut self, bytes: &[u8]) {
        let (mut node, heard) = self.node.take().unwrap_or_else(|| (in_a_view(&self.records), 0));
        let from = self.records.iter().find_map(|record| match record {
            Record::Step { input: Input::Received { from, .. }, .. } => Some(*from),
            _ => None,
        });
        let from = from.expect("a node of two hears the other one");
        let at = now(100_000 + u64::from(heard));
        node.step(at, Input::Received { link: 0, from, bytes: bytes.to_vec() });
        node.step(at, Input::Tick);
        self.node = (heard < PACKETS_A_NODE).then_some((node, heard + 1));
    }

    /// The program itself, with the bytes as its file.
    fn run(&self, words: &[&str], name: &str, bytes: &[u8]) -> Result<(), String> {
        let folder = std::env::temp_dir().join(format!("muster-fuzz-{}", std::process::id()));
        let file = folder.join(name);
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&file, bytes))
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

fn in_a_view(records: &[Record]) -> Node {
    let mut node = None;
    for record in records.iter().take(400) {
        match record {
            Record::Boot { now, boot } => node = Node::new(*now, boot.clone()).ok(),
            Record::Step { now, input, .. } => {
                node.iter_mut().for_each(|node| drop(node.step(*now, input.clone())));
            }
        }
    }
    node.expect("a recording begins with the start of the agent")
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

fn frames() -> Vec<Vec<u8>> {
    let requests = [
        Request::Status,
        Request::Snapshot,
        Request::Leave,
        Request::Cleanup { resource: None },
        Request::WaitIdle { timeout_ms: 5 },
        Request::Standby { node: "n1".into(), on: true },
    ];
    let requests = requests.iter().map(|request| serde_json::to_vec(request).expect("a request is JSON"));
    let workers = [
        ToWorker::Hello { protocol: 1, run: "a run".into(), check: true },
        ToWorker::NoContent { sha256: "00".into(), why: "it is gone".into() },
        ToWorker::Goodbye,
    ];
    requests.chain(workers.iter().map(|word| serde_json::to_vec(word).expect("a word is JSON"))).collect()
}

fn configurations() -> Vec<Vec<u8>> {
    let drawn = (0..20).map(|seed| world::run::draw_plan(seed, None).corosync);
    drawn.map(|corosync| corosync_conf::print(&corosync).into_bytes()).collect()
}

/// The files of `tests/fuzz/TARGET`, and what else the repository has of the kind.
fn examples(target: &str) -> Vec<Vec<u8>> {
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
    files.into_iter().filter_map(|file| std::fs::read(file).ok()).collect()
}
