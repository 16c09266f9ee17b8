//! `muster status`, `why`, `node`, `resource`, `fence`, `events`, `quorum`: asks the agent on a node of the cluster. The
//! agent's own program answers there; its output and exit code are passed on.

use super::basis::{Basis, tell, tell_warnings};
use super::walk::{folder_of, name_of_run, network};
use crate::args::{AskArgs, ClusterArgs, HostArgs};
use crate::error::{Diagnostic, Result};
use crate::exit::Exit;
use crate::inventory::Tolerance;
use crate::run::agents::Agents;
use crate::run::content::Contents;
use crate::run::hosts::{Errand, Hosts, StepFailure};
use crate::run::identity::{Become, Identity, Method, USUAL_PATIENCE, quote};
use crate::run::keywords::BecomeDefaults;
use crate::run::process::Piece;
use crate::run::way::{Way, WayDefaults, WayError, way};
use crate::template::Engine;
use crate::vars::{PlayInfo, Scope, ScopeInputs};
use clap::{Args, FromArgMatches};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// The exit code of a shell that does not find a program.
pub(super) const NO_PROGRAM: u32 = 127;
/// The exit code of the agent's program where no agent runs.
pub(super) const NOT_RUNNING: u32 = 3;

/// The group whose hosts are the cluster.
pub(super) const GROUP: &str = "cluster";

/// Runs `muster COMMAND` by `musterd COMMAND` on a node.
pub(crate) fn run(command: &str, mut args: ClusterArgs) -> Exit {
    take_own_options(&mut args);
    go(command, &args).unwrap_or_else(|mistakes| tell(&mistakes))
}

/// Options of the controller count wherever they stand, also behind what the agent is asked.
fn take_own_options(args: &mut ClusterArgs) {
    let command = ClusterArgs::augment_args(clap::Command::new("muster").no_binary_name(true));
    let (own, rest) = own_options(&command, std::mem::take(&mut args.rest));
    args.rest = rest;
    if !own.is_empty() {
        let matches = command.try_get_matches_from(own).unwrap_or_else(|wrong| wrong.exit());
        // They were parsed by the same table.
        args.update_from_arg_matches(&matches).unwrap_or_else(|wrong| wrong.exit());
    }
}

/// The words that are options in the table, with their values, and all others.
fn own_options(command: &clap::Command, words: Vec<String>) -> (Vec<String>, Vec<String>) {
    let (mut own, mut rest) = (Vec::new(), Vec::new());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            rest.extend(words);
            break;
        }
        match command.get_arguments().find_map(|option| Some((option, written_as(option, &word)?))) {
            Some((option, has_value)) => {
                own.push(word);
                if option.get_action().takes_values() && !has_value {
                    own.extend(words.next());
                }
            }
            None => rest.push(word),
        }
    }
    (own, rest)
}

/// Whether a word is this option, and then whether its value is part of the word.
fn written_as(option: &clap::Arg, word: &str) -> Option<bool> {
    if let Some(long) = word.strip_prefix("--") {
        let (name, has_value) = long.split_once('=').map_or((long, false), |(name, _)| (name, true));
        let names = option.get_long_and_visible_aliases().unwrap_or_default();
        return names.contains(&name).then_some(has_value);
    }
    let mut letters = word.strip_prefix('-')?.chars();
    let is_it = letters.next().is_some_and(|letter| option.get_short() == Some(letter));
    is_it.then(|| letters.next().is_some())
}

/// Runs `muster why`: `--on` names the node that the question is about.
pub(crate) fn why(mut args: ClusterArgs) -> Exit {
    take_own_options(&mut args);
    if let Some(node) = args.on.take() {
        args.rest.extend(["--on".to_owned(), node]);
    }
    go("why", &args).unwrap_or_else(|mistakes| tell(&mistakes))
}

/// Settings, inventory and variables, for asking its hosts.
pub(super) fn basis(args: &AskArgs) -> Result<Basis> {
    let hosts = HostArgs { source: args.hosts.clone(), limit: Vec::new() };
    let basis = Basis::read(&hosts, &args.vault, &[], Some(&folder_of(Path::new("x"))), Tolerance::Nothing)?;
    tell_warnings(&basis.reader);
    Ok(basis)
}

/// What came of asking hosts, one after the other.
pub(super) enum Answered {
    /// What the first one that knows printed.
    Text(Vec<u8>),
    /// No agent runs on any of them.
    NoAgent,
    /// Nobody can be asked, for these reasons.
    Nobody(Vec<String>),
}

/// Runs a command of the agent on the first host that can do it, and keeps what it prints.
pub(super) fn ask_first(args: &AskArgs, basis: &Basis, hosts: &[String], command: &str) -> Result<Answered> {
    let asker = Asker::new(args, basis)?;
    let line = line(command, &[]);
    network()?.block_on(async {
        let (mut refusals, mut without_agent) = (Vec::new(), 0);
        for host in hosts {
            let (mut text, mut errors) = (Vec::new(), Vec::new());
            let asked = asker.pieces(host, &line, |piece| match piece {
                Piece::Out(bytes) => text.extend(bytes),
                Piece::Err(bytes) => errors.extend(bytes),
                Piece::Exit(_) => {}
            });
            match asked.await {
                Ok(Some(0)) => return Ok(Answered::Text(text)),
                Ok(Some(NO_PROGRAM | NOT_RUNNING)) => without_agent += 1,
                Ok(_) => refusals.push(format!("{host}: {}", String::from_utf8_lossy(&errors).trim())),
                Err(why) => refusals.push(format!("{host}: {why}")),
            }
        }
        Ok(if without_agent == hosts.len() { Answered::NoAgent } else { Answered::Nobody(refusals) })
    })
}

fn go(command: &str, args: &ClusterArgs) -> Result<Exit> {
    let basis = basis(&args.ask)?;
    let candidates = candidates(args.on.as_deref(), &basis)?;
    let asker = Asker::new(&args.ask, &basis)?;
    let line = line(command, &args.rest);
    network()?.block_on(async {
        let mut refusals = Vec::new();
        for host in &candidates {
            match asker.ask(host, &line).await {
                Ok(code) => return Ok(Exit::Code(code)),
                Err(why) => refusals.push(format!("{host}: {why}")),
            }
        }
        let mut mistake =
            Diagnostic::error("no node of the cluster can be asked").exits_with(Exit::HostUnreachable);
        for refusal in refusals {
            mistake = mistake.note(refusal);
        }
        Err(mistake.into())
    })
}

/// The hosts to try, in the order of the inventory.
pub(super) fn candidates(on: Option<&str>, basis: &Basis) -> Result<Vec<String>> {
    if let Some(host) = on {
        if basis.inventory.host(host).is_none() {
            return Err(basis.inventory.unknown(host, "`--on` names").exits_with(Exit::WrongUse).into());
        }
        return Ok(vec![host.to_owned()]);
    }
    let group = if basis.inventory.groups.contains_key(GROUP) { GROUP } else { "all" };
    let hosts = basis.select(group)?;
    if hosts.is_empty() {
        let mistake = Diagnostic::error("the inventory has no hosts").exits_with(Exit::WrongUse);
        return Err(mistake.hint("name an inventory with `-i`, or run `musterd` on a node").into());
    }
    Ok(hosts)
}

fn line(command: &str, rest: &[String]) -> String {
    let words: Vec<String> =
        std::iter::once(command).chain(rest.iter().map(String::as_str)).map(quote).collect();
    // Logins that are not interactive often lack the folders of system programs.
    format!("PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; exec musterd {}", words.join(" "))
}

/// Asks the agents of hosts.
pub(super) struct Asker<'a> {
    becomes: bool,
    basis: &'a Basis,
    hosts: Hosts,
    way: WayDefaults,
    identity: BecomeDefaults,
}

impl<'a> Asker<'a> {
    fn new(args: &AskArgs, basis: &'a Basis) -> Result<Self> {
        let (way, identity) = (basis.way(&args.connection())?, basis.identity(&args.r#become)?);
        Ok(Self::reaching(way, identity, args.r#become.r#become, basis))
    }

    /// The same where it is known already how hosts are reached.
    pub(super) fn reaching(
        way: WayDefaults,
        identity: BecomeDefaults,
        becomes: bool,
        basis: &'a Basis,
    ) -> Self {
        let hosts = Hosts::new(Agents::default(), Arc::new(Contents::default()), name_of_run("status", &[]));
        Self { becomes, basis, hosts, way, identity }
    }

    /// What a command of the agent prints on a host, and its exit code.
    ///
    /// # Errors
    ///
    /// Why the host cannot be asked.
    pub(super) async fn output(
        &self,
        host: &str,
        command: &str,
        rest: &[String],
    ) -> std::result::Result<(Vec<u8>, String, Option<u32>), String> {
        let (mut text, mut errors) = (Vec::new(), Vec::new());
        let line = line(command, rest);
        let code = self.pieces(host, &line, |piece| match piece {
            Piece::Out(bytes) => text.extend(bytes),
            Piece::Err(bytes) => errors.extend(bytes),
            Piece::Exit(_) => {}
        });
        let code = code.await?;
        Ok((text, String::from_utf8_lossy(&errors).trim().to_owned(), code))
    }

    /// Output and exit code are passed on.
    async fn ask(&self, host: &str, line: &str) -> std::result::Result<u8, String> {
        let asked = self.pieces(host, line, |piece| match piece {
            // A reader that went away (`| head`) ends the program by itself.
            Piece::Out(bytes) => {
                drop(std::io::stdout().write_all(&bytes).and_then(|()| std::io::stdout().flush()))
            }
            Piece::Err(bytes) => drop(std::io::stderr().write_all(&bytes)),
            Piece::Exit(_) => {}
        });
        match asked.await? {
            Some(NO_PROGRAM) => Err("there is no `musterd`: apply a playbook that installs it".into()),
            code => Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        }
    }

    /// Hands on what a command on a host prints; returns its exit code.
    async fn pieces(
        &self,
        host: &str,
        line: &str,
        on_piece: impl FnMut(Piece),
    ) -> std::result::Result<Option<u32>, String> {
        let way = self.way_to(host)?;
        let identity = self.identity_on(&way)?;
        if identity.password().is_some() {
            return Err(
                "becoming another user with a password is not supported here: log in as root with `-u root`"
                    .into(),
            );
        }
        let line = identity.command_line(line, "");
        let errand = Errand {
            host,
            way: &way,
            identity: &identity,
            is_delegated: false,
            check: false,
            predicts_on: false,
        };
        match self.hosts.command(&errand, &line, on_piece).await {
            Ok(code) => Ok(code),
            Err(StepFailure::Unreachable(why)) => Err(why.to_string()),
            Err(StepFailure::Failed(why) | StepFailure::NoUser(why)) => Err(why),
        }
    }

    fn way_to(&self, host: &str) -> std::result::Result<Way, String> {
        let engine = Arc::new(Engine::new());
        let info: Arc<PlayInfo> = Arc::default();
        let scope = Scope::new(ScopeInputs {
            engine: &engine,
            store: &self.basis.store,
            host: Some(host),
            play: &info,
            role: None,
            search: Arc::default(),
            layers: Vec::new(),
        });
        way(host, &scope, None, &self.way).map_err(|err| match err {
            WayError::Template(err) => err.to_string(),
            WayError::Refused(why) => why,
        })
    }

    /// The agent's socket is root's: whoever is not root becomes it.
    fn identity_on(&self, way: &Way) -> std::result::Result<Identity, String> {
        let login = way.login();
        let is_root =
            login == "root" || (login.is_empty() && std::env::var("USER").is_ok_and(|user| user == "root"));
        if is_root && !self.becomes {
            return Ok(Identity::Login);
        }
        Ok(Identity::Become(Become {
            user: self.identity.user.clone().unwrap_or_else(|| "root".into()),
            method: Method::parse(self.identity.method.as_deref().unwrap_or("sudo"))?,
            exe: None,
            flags: None,
            password: self.identity.password.clone(),
            chdir: None,
            prompts: Vec::new(),
            patience: USUAL_PATIENCE,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(words: &[&str]) -> ClusterArgs {
        let rest = words.iter().map(|word| (*word).to_owned()).collect();
        let mut args = ClusterArgs { rest, ..ClusterArgs::default() };
        take_own_options(&mut args);
        args
    }

    #[test]
    fn options_of_the_controller_count_behind_what_is_asked() {
        let args = settled(&["move", "vip", "n2", "-i", "hosts.ini", "--wait", "--user=ops", "-b"]);
        assert_eq!(args.rest, ["move", "vip", "n2", "--wait"]);
        assert_eq!(args.ask.hosts.inventory, ["hosts.ini"]);
        assert_eq!(args.ask.user.as_deref(), Some("ops"));
        assert!(args.ask.r#become.r#become);
    }

    #[test]
    fn what_follows_two_dashes_is_the_agents() {
        assert_eq!(settled(&["enable", "--", "-i"]).rest, ["enable", "-i"]);
    }
}
