//! Gets a worker of the agent running on a host: one round trip where the host has the binary, else it is pushed.
//!
//! The binary goes to a file system in memory, so that a plan leaves the disks of a host as they were.

use super::agents::{Agent, Agents};
use super::identity::{Identity, quote};
use super::process::{Piece, Process};
use super::ssh::Client;
use super::unreachable::Unreachable;
use std::collections::VecDeque;
use tokio::io::AsyncWriteExt;

/// A worker that is up: its input and output carry frames from here on.
pub(crate) struct Launched {
    pub(crate) process: Process,
    /// What came behind the greeting in the same piece.
    pub(crate) surplus: Vec<u8>,
    /// Where the binary is on the host.
    pub(crate) path: String,
    pub(crate) sha256: String,
}

/// Why no worker runs.
#[derive(Debug)]
pub(crate) enum LaunchFailure {
    /// The host cannot be reached any more.
    Unreachable(Unreachable),
    /// The host can be reached, but the worker cannot be started there: a sentence.
    Refused(String),
    /// So because there is no user whom it could run as.
    NoUser(String),
}

impl From<Unreachable> for LaunchFailure {
    fn from(why: Unreachable) -> Self {
        Self::Unreachable(why)
    }
}

/// Where a worker is to run.
pub(crate) enum Place<'a> {
    /// On a host, over its connection.
    Host(&'a Client),
    /// On this machine.
    Here,
}

/// Starts a worker.
pub(crate) async fn launch(
    place: &Place<'_>,
    agents: &Agents,
    identity: &Identity,
) -> Result<Launched, LaunchFailure> {
    match greet(place, identity, &find_script(agents, place)).await? {
        Greeting::Ready { launched, file } => finish(launched, &file, agents),
        Greeting::Missing(missing) => {
            let agent = agents.for_machine(&missing.machine).map_err(LaunchFailure::Refused)?;
            push(place, identity, agent, &missing).await?;
            match greet(place, identity, &find_script(agents, place)).await? {
                Greeting::Ready { launched, file } => finish(launched, &file, agents),
                Greeting::Missing(_) => Err(LaunchFailure::Refused(format!(
                    "the agent was pushed to {} but is not there",
                    missing.folder
                ))),
            }
        }
    }
}

/// What the host lacks, and what it has to put it there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Missing {
    machine: String,
    folder: String,
    has_zstd: bool,
}

enum Greeting {
    Ready { launched: Launched, file: String },
    Missing(Missing),
}

fn finish(mut launched: Launched, file: &str, agents: &Agents) -> Result<Launched, LaunchFailure> {
    let is_this = |agent: &&Agent| file.ends_with(&agent.file_name()) || file == agent.path.to_string_lossy();
    let agent = agents.all().iter().find(is_this);
    launched.sha256 = agent.map(|agent| agent.sha256.clone()).unwrap_or_default();
    launched.path = file.to_owned();
    Ok(launched)
}

/// Folders for the binary, the best first. What is not root's own is only trusted where it is the user's.
const FOLDERS: &str = r#"u=$(id -u)
if [ "$u" = 0 ]; then set -- /run/muster /dev/shm/muster-0 /var/lib/muster
else set -- /run/muster "${XDG_RUNTIME_DIR:-/nonexistent}/muster" "${HOME:-/nonexistent}/.cache/muster" "/dev/shm/muster-$u" "/tmp/.muster-$u"
fi"#;

/// The script that starts the worker or says what is missing. `[ -x ]` is false on file systems mounted `noexec`.
fn find_script(agents: &Agents, place: &Place<'_>) -> String {
    let files = agents.all().iter().map(|agent| match place {
        Place::Host(_) => format!("{}) f={};;", agent.machine, agent.file_name()),
        Place::Here => format!("{}) f={};;", agent.machine, quote(&agent.path.to_string_lossy())),
    });
    let files: Vec<String> = files.collect();
    let case = format!("m=$(uname -m); f=; case $m in {} esac", files.join(" "));
    if matches!(place, Place::Here) {
        return format!(
            "{case}\nif [ -x \"$f\" ]; then printf '\\nmuster:ready %s\\n' \"$f\"; exec \"$f\" worker; fi\n\
             printf '\\nmuster:missing %s - raw\\n' \"$m\""
        );
    }
    format!(
        r#"{case}
{FOLDERS}
for d do
  if [ -n "$f" ] && [ -x "$d/$f" ] && {{ [ "$d" = /run/muster ] || [ -O "$d" ]; }}; then
    printf '\nmuster:ready %s\n' "$d/$f"; exec "$d/$f" worker
  fi
done
z=raw; command -v zstd >/dev/null 2>&1 && z=zstd
for d do
  [ "$u" = 0 ] && mode=755 || mode=700
  if mkdir -p -m $mode "$d" 2>/dev/null && [ -O "$d" ] && : 2>/dev/null > "$d/.x$$"; then
    chmod 700 "$d/.x$$"; [ -x "$d/.x$$" ] && ok=1 || ok=; rm -f "$d/.x$$"
    [ "$ok" ] && {{ printf '\nmuster:missing %s %s %s\n' "$m" "$d" "$z"; exit 0; }}
  fi
done
echo "no folder for the agent: $* cannot be written or are mounted noexec" >&2; exit 1"#
    )
}

fn push_script(agent: &Agent, missing: &Missing) -> String {
    let unpack = if missing.has_zstd { "zstd -dcq" } else { "cat" };
    let file = quote(&format!("{}/{}", missing.folder, agent.file_name()));
    format!(
        r#"t={file}.$$; trap 'rm -f "$t"' EXIT; {FOLDERS}; [ "$u" = 0 ] && mode=755 || mode=700
{unpack} > "$t" && [ "$(wc -c < "$t")" -eq {} ] && chmod $mode "$t" && mv -f "$t" {file} && printf '\nmuster:pushed\n'"#,
        agent.size
    )
}

async fn push(
    place: &Place<'_>,
    identity: &Identity,
    agent: &Agent,
    missing: &Missing,
) -> Result<(), LaunchFailure> {
    let bytes = agent.bytes(missing.has_zstd).await;
    let bytes =
        bytes.map_err(|cause| LaunchFailure::Refused(format!("{}: {cause}", agent.path.display())))?;
    let script = format!("printf '\\nmuster:go\\n'\n{}", push_script(agent, missing));
    let mut talk = Talk::start(place, identity, &script).await?;
    talk.wait_for("muster:go").await?;
    let input = &mut talk.process.input;
    let sent = async {
        input.write_all(&bytes).await?;
        input.shutdown().await
    };
    let sent = sent.await;
    match talk.wait_for("muster:pushed").await {
        Ok(_) => Ok(()),
        Err(LaunchFailure::Refused(why)) => {
            Err(LaunchFailure::Refused(format!("the agent cannot be written to {}: {why}", missing.folder)))
        }
        Err(other) => Err(sent.err().map_or(other, |cause| Unreachable::lost(cause).into())),
    }
}

async fn greet(place: &Place<'_>, identity: &Identity, script: &str) -> Result<Greeting, LaunchFailure> {
    let mut talk = Talk::start(place, identity, script).await?;
    let line = talk.wait_for("muster:").await?;
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["muster:ready", ..] => {
            let file = line["muster:ready ".len()..].to_owned();
            let launched = Launched {
                process: talk.process,
                surplus: talk.out.into(),
                path: String::new(),
                sha256: String::new(),
            };
            Ok(Greeting::Ready { launched, file })
        }
        ["muster:missing", machine, folder, how] => Ok(Greeting::Missing(Missing {
            machine: machine.to_owned(),
            folder: folder.to_owned(),
            has_zstd: how == "zstd",
        })),
        _ => Err(LaunchFailure::Refused(format!("the host answered `{line}`"))),
    }
}

/// A script that is starting: questions for passwords are answered, what shells say before it is passed over.
struct Talk<'a> {
    process: Process,
    identity: &'a Identity,
    prompt: String,
    out: VecDeque<u8>,
    err: String,
    was_asked: bool,
    /// The script runs: no question comes any more.
    was_heard: bool,
}

impl<'a> Talk<'a> {
    async fn start(place: &Place<'_>, identity: &'a Identity, script: &str) -> Result<Self, LaunchFailure> {
        let prompt = format!("[muster {}] ", random_word());
        let line = identity.command_line(script, &prompt);
        let process = match place {
            Place::Host(client) => Process::remote(client, &line).await?,
            Place::Here => Process::local("sh", &["-c".into(), line])
                .map_err(|cause| LaunchFailure::Refused(format!("`sh` cannot be started: {cause}")))?,
        };
        Ok(Self {
            process,
            identity,
            prompt,
            out: VecDeque::new(),
            err: String::new(),
            was_asked: false,
            was_heard: false,
        })
    }

    /// The first line that starts with `mark`.
    async fn wait_for(&mut self, mark: &str) -> Result<String, LaunchFailure> {
        loop {
            if let Some(line) = self.take_line(mark) {
                return Ok(line);
            }
            match self.next().await? {
                Piece::Out(bytes) => {
                    self.was_heard = true;
                    self.out.extend(bytes);
                }
                Piece::Err(bytes) => {
                    self.err += &String::from_utf8_lossy(&bytes);
                    self.answer().await?;
                }
                Piece::Exit(code) => return Err(self.ended(code)),
            }
        }
    }

    /// What it says next. Where a password will be asked for, the question has to come in time.
    async fn next(&mut self) -> Result<Piece, LaunchFailure> {
        let is_waiting = !self.was_asked && !self.was_heard;
        let Some(patience) = self.identity.patience().filter(|_| is_waiting) else {
            return Ok(self.process.next().await);
        };
        let late = |_| {
            let seconds = patience.as_secs();
            Unreachable::new(format!(
                "Timeout ({seconds}s) waiting for privilege escalation prompt: {}",
                self.err.trim()
            ))
        };
        Ok(tokio::time::timeout(patience, self.process.next()).await.map_err(late)?)
    }

    fn take_line(&mut self, mark: &str) -> Option<String> {
        while let Some(end) = self.out.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.out.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if line.starts_with(mark) {
                return Some(line);
            }
        }
        None
    }

    async fn answer(&mut self) -> Result<(), LaunchFailure> {
        if !self.identity.asks(&self.err, &self.prompt) {
            return Ok(());
        }
        let wrong = |identity: &Identity| {
            let why = identity.refusal("Sorry, try again", true).unwrap_or_default();
            LaunchFailure::Refused(why)
        };
        let Some(password) = self.identity.password() else { return Err(wrong(self.identity)) };
        if self.was_asked {
            return Err(wrong(self.identity));
        }
        self.was_asked = true;
        self.err.clear();
        let line = format!("{}\n", password.expose());
        let input = &mut self.process.input;
        input.write_all(line.as_bytes()).await.map_err(Unreachable::lost)?;
        Ok(input.flush().await.map_err(Unreachable::lost)?)
    }

    fn ended(&self, code: Option<u32>) -> LaunchFailure {
        if let Some(why) = self.identity.refusal(&self.err, self.was_asked) {
            return match self.identity.has_no_user(&self.err) {
                true => LaunchFailure::NoUser(why),
                false => LaunchFailure::Refused(why),
            };
        }
        let said = self.err.trim();
        match (code, said.is_empty()) {
            (None, true) => Unreachable::lost("the host closed it").into(),
            (Some(code), true) => {
                LaunchFailure::Refused(format!("no worker on the host: its shell ended with {code}"))
            }
            (_, false) => LaunchFailure::Refused(format!("no worker on the host: {said}")),
        }
    }
}

fn random_word() -> String {
    let mut bytes = [0; 8];
    // A prompt that repeats would only be less sure to be sudo's.
    let _ = getrandom::fill(&mut bytes);
    super::content::hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn scripts_of_launching_are_valid_shell() {
        let agent = Agent {
            machine: "x86_64".into(),
            path: "/opt/a b/musterd".into(),
            sha256: "0123456789abcdef0123".into(),
            size: 5,
            contents: Arc::default(),
        };
        let missing = Missing { machine: "x86_64".into(), folder: "/run/muster".into(), has_zstd: true };
        for script in [find_script(&Agents::default(), &Place::Here), push_script(&agent, &missing)] {
            let status = std::process::Command::new("sh").args(["-n", "-c", &script]).status();
            assert!(status.is_ok_and(|status| status.success()), "{script}");
        }
    }
}
