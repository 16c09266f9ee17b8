//! `wait_for`: until a port answers or is closed, a file is there or gone, or a text is in either.

use super::pattern::{Flags, Pattern};
use super::{Args, Check, Failure, Module};
use crate::worker::process::controller_is_gone;
use crate::worker::{Hands, View, address};
use fancy_regex::Captures;
use muster_api::outcome::Outcome;
use serde_json::{Map, Value};
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

pub(super) struct WaitFor;

impl Module for WaitFor {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        refuse_contradictions(args)?;
        if let Some(regex) = args.text("search_regex") {
            Pattern::of("search_regex", regex, Flags::Multiline)?;
        }
        if !view.is_check() {
            return Ok(Check::unchanged());
        }
        let wait = Wait::of(args, view)?;
        // What is so already needs no waiting; a step before this one that starts or stops something may change it.
        if !wait.is_only_time()
            && view.overlay().units().is_empty()
            && let Some(found) = wait.look(view)?
        {
            let mut check = Check::unchanged();
            check.outcome.result = wait.told(found, Duration::ZERO);
            return Ok(check);
        }
        Ok(Check::unknown(
            "nothing is waited for in check mode: what an earlier step would start does not run",
        ))
    }

    fn apply(&self, args: &Args<'_>, _check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let began = Instant::now();
        let wait = Wait::of(args, &hands.view())?;
        let pause = |seconds: u64| std::thread::sleep(Duration::from_secs(seconds));
        pause(args.count("delay").unwrap_or(0));
        let limit = Duration::from_secs(args.count("timeout").unwrap_or(300));
        let result = |found| wait.told(found, began.elapsed());
        if wait.is_only_time() {
            pause(limit.as_secs());
            return Ok(Outcome { result: result(Map::new()), ..Outcome::default() });
        }
        hands.view().progress(&wait.purpose());
        loop {
            if let Some(found) = wait.look(&hands.view())? {
                return Ok(Outcome { result: result(found), ..Outcome::default() });
            }
            let is_late = hands.view().deadline().is_some_and(|deadline| Instant::now() >= deadline);
            if began.elapsed() >= limit || is_late || controller_is_gone() {
                let msg = args.text("msg").map_or_else(|| wait.complaint(), str::to_owned);
                return Err(Failure::new(msg).with("elapsed", began.elapsed().as_secs()));
            }
            pause(args.count("sleep").unwrap_or(1));
        }
    }
}

struct Wait<'a> {
    args: &'a Args<'a>,
    state: &'a str,
    port: Option<u16>,
    path: Option<std::path::PathBuf>,
    pattern: Option<Pattern>,
}

impl<'a> Wait<'a> {
    fn of(args: &'a Args<'a>, view: &View<'_>) -> Result<Self, Failure> {
        let port = args.int("port").map(|port| {
            u16::try_from(port)
                .map_err(|_| Failure::new(format!("`port` is {port}; it is a number from 1 to 65535")))
        });
        let pattern =
            args.text("search_regex").map(|regex| Pattern::of("search_regex", regex, Flags::Multiline));
        Ok(Self {
            args,
            state: args.text("state").unwrap_or("started"),
            port: port.transpose()?,
            path: args.path("path", view),
            pattern: pattern.transpose()?,
        })
    }

    /// The return values.
    fn told(&self, found: Map<String, Value>, elapsed: Duration) -> Map<String, Value> {
        let mut result = found;
        result.insert("elapsed".into(), elapsed.as_secs().into());
        result.entry("match_groups").or_insert_with(|| Value::Array(Vec::new()));
        result.entry("match_groupdict").or_insert_with(|| Map::new().into());
        for name in ["path", "port", "search_regex", "state"] {
            result.insert(name.into(), self.args.raw(name).cloned().unwrap_or(Value::Null));
        }
        result
    }

    fn is_only_time(&self) -> bool {
        self.port.is_none() && self.path.is_none()
    }

    /// What was found, where it is as it shall be.
    fn look(&self, view: &View<'_>) -> Result<Option<Map<String, Value>>, Failure> {
        let found = match (self.port, &self.path) {
            (Some(port), _) if self.state == "drained" => return Ok(self.is_drained(port).then(Map::new)),
            (Some(port), _) => self.answers(port)?,
            (None, Some(path)) => match view.read(path) {
                Ok(content) => self.matched(&String::from_utf8_lossy(&content))?,
                Err(_) if view.exists(path) && self.pattern.is_none() => Some(Map::new()),
                Err(_) => None,
            },
            (None, None) => Some(Map::new()),
        };
        let wants_absence = matches!(self.state, "absent" | "stopped");
        Ok(if wants_absence { found.is_none().then(Map::new) } else { found })
    }

    fn answers(&self, port: u16) -> Result<Option<Map<String, Value>>, Failure> {
        let patience = Duration::from_secs(self.args.count("connect_timeout").unwrap_or(5).max(1));
        let host = self.args.text("host").unwrap_or("127.0.0.1");
        for address in address::resolve(host, Some(Instant::now() + patience)) {
            if let Ok(stream) = TcpStream::connect_timeout(&SocketAddr::new(address, port), patience) {
                return if self.pattern.is_none() {
                    Ok(Some(Map::new()))
                } else {
                    self.listen(stream, patience)
                };
            }
        }
        Ok(None)
    }

    fn listen(
        &self,
        mut stream: TcpStream,
        patience: Duration,
    ) -> Result<Option<Map<String, Value>>, Failure> {
        let until = Instant::now() + patience;
        let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
        while Instant::now() < until {
            // A socket that cannot have a timeout would be waited for too long, no more.
            let _ = stream.set_read_timeout(Some(
                until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)),
            ));
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(read) => heard.extend_from_slice(&buffer[..read]),
            }
            if let Some(found) = self.matched(&String::from_utf8_lossy(&heard))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn matched(&self, text: &str) -> Result<Option<Map<String, Value>>, Failure> {
        let Some(pattern) = &self.pattern else { return Ok(Some(Map::new())) };
        Ok(pattern.find(text)?.map(|found| groups(pattern, &found)))
    }

    /// Whether no connection to the port is left.
    fn is_drained(&self, port: u16) -> bool {
        let states = self.args.list("active_connection_states").unwrap_or_default();
        let excluded: Vec<IpAddr> = self
            .args
            .list("exclude_hosts")
            .unwrap_or_default()
            .iter()
            .flat_map(|host| address::resolve(host, None))
            .collect();
        let tables =
            ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
        let mut connections = tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(connection);
        !connections.any(|(local, remote, state)| {
            local == port && states.iter().any(|name| name == state) && !excluded.contains(&remote)
        })
    }

    fn purpose(&self) -> String {
        format!("waiting for {}", self.place())
    }

    fn place(&self) -> String {
        match (self.port, &self.path) {
            (Some(port), _) => format!("{}:{port}", self.args.text("host").unwrap_or("127.0.0.1")),
            (None, Some(path)) => path.display().to_string(),
            (None, None) => "time".to_owned(),
        }
    }

    /// The sentences that playbooks compare with: nothing may follow the place.
    fn complaint(&self) -> String {
        let what = self.place();
        match (self.args.text("search_regex"), self.state) {
            (_, "absent" | "stopped") if self.port.is_some() => {
                format!("Timeout when waiting for {what} to stop.")
            }
            (_, "absent" | "stopped") => format!("Timeout when waiting for {what} to be absent."),
            (_, "drained") => format!("Timeout when waiting for {what} to drain"),
            (Some(regex), _) => format!("Timeout when waiting for search string {regex} in {what}"),
            (None, _) if self.port.is_none() => format!("Timeout when waiting for file {what}"),
            (None, _) => format!("Timeout when waiting for {what}"),
        }
    }
}

/// What cannot be waited for at once.
fn refuse_contradictions(args: &Args<'_>) -> Result<(), Failure> {
    let (port, path) = (args.int("port").is_some(), args.text("path").is_some());
    let state = args.text("state").unwrap_or("started");
    let needs_port = ["stopped", "drained"].contains(&state) && !port;
    let sentence = if port && path {
        "port and path parameter can not both be passed to wait_for".to_owned()
    } else if path && needs_port || state == "drained" && !port {
        format!("state={state} should only be used for checking a port in the wait_for module")
    } else if args.list("exclude_hosts").is_some() && state != "drained" {
        "exclude_hosts should only be with state=drained".to_owned()
    } else {
        return Ok(());
    };
    Err(Failure::new(sentence).with("elapsed", 0))
}

fn groups(pattern: &Pattern, found: &Captures<'_, str>) -> Map<String, Value> {
    let text =
        |group: Option<fancy_regex::Match<'_>>| group.map_or(Value::Null, |group| group.as_str().into());
    let all: Vec<Value> = found.iter().skip(1).map(text).collect();
    let named: Map<String, Value> =
        pattern.names().map(|name| (name.to_owned(), text(found.name(name)))).collect();
    Map::from_iter([("match_groups".to_owned(), all.into()), ("match_groupdict".to_owned(), named.into())])
}

/// A line of /proc/net/tcp: the local port, the remote address and the state's name.
fn connection(line: &str) -> Option<(u16, IpAddr, &'static str)> {
    let mut words = line.split_whitespace().skip(1);
    let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
    let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    let state = match state {
        "01" => "ESTABLISHED",
        "02" => "SYN_SENT",
        "03" => "SYN_RECV",
        "04" => "FIN_WAIT1",
        "05" => "FIN_WAIT2",
        "06" => "TIME_WAIT",
        _ => return None,
    };
    Some((port, kernel_address(remote.rsplit_once(':')?.0)?, state))
}

/// Words of the host's byte order, in hexadecimal.
fn kernel_address(text: &str) -> Option<IpAddr> {
    let words: Vec<[u8; 4]> = (0..text.len() / 8)
        .map(|word| u32::from_str_radix(&text[word * 8..word * 8 + 8], 16).map(u32::to_ne_bytes).ok())
        .collect::<Option<_>>()?;
    match words.as_slice() {
        [v4] => Some(IpAddr::from(*v4)),
        [_, _, _, _] => {
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn what_is_so_already_is_known_to_a_check() {
        let trial = Trial::new("wait_for");
        let path = trial.write("f", "ready");
        let known = trial.check(json!({"path": path, "search_regex": "rea(.)y"}));
        assert_eq!((known.unknown, &known.result["match_groups"]), (None, &json!(["d"])));
        assert!(trial.check(json!({"path": trial.path("none")})).unknown.is_some());
    }

    #[test]
    fn text_in_a_file_is_found_with_its_groups() {
        let trial = Trial::new("wait_for");
        let path = trial.write("log", "a\nstarted in 12 s\n");
        let outcome = trial.apply(json!({"path": path, "search_regex": r"^started in (?P<time>\d+)"}));
        assert_eq!(outcome.result["match_groups"], json!(["12"]), "{outcome:?}");
        assert_eq!(outcome.result["match_groupdict"], json!({"time": "12"}));
        assert!(!trial.apply(json!({"path": trial.path("no"), "state": "absent"})).failed);
    }

    #[test]
    fn what_does_not_come_is_named() {
        let trial = Trial::new("wait_for");
        let outcome = trial.apply(json!({"path": trial.path("no"), "timeout": 0}));
        assert!(
            outcome.failed
                && outcome.result["msg"]
                    .as_str()
                    .expect("a sentence")
                    .starts_with("Timeout when waiting for")
        );
        assert!(trial.check(json!({"port": 80})).unknown.is_some());
    }

    #[test]
    fn connections_are_read_from_the_kernels_table() {
        let line =
            "   0: 0100007F:0050 0200007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 1 1";
        let (port, remote, state) = connection(line).expect("a connection");
        assert_eq!((port, remote.to_string().as_str(), state), (80, "127.0.0.2", "ESTABLISHED"));
    }
}
