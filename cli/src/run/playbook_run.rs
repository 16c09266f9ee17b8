//! All plays of all playbooks, one after the other: which hosts, in which batches, and what the run came to.

use super::conduct::{Conductor, Fatality, Strategy, Verdict};
use super::due::DueHandlers;
use super::keywords::is_true;
use super::layers::{LayerBook, Layers};
use super::play_info::{self, PlayHosts};
use super::play_run::{HostState, PlayRun};
use super::program::{gathers, program};
use super::rolling::Rolling;
use super::room::{Room, lock};
use super::serial::batches;
use crate::error::{Diagnostic, Diagnostics};
use crate::exit::Exit;
use crate::inventory::HostOrder;
use crate::playbook::keyword::{Given, Keyword};
use crate::playbook::{Play, Playbook, Prompt, Scope as Written, Task};
use crate::report::Event;
use crate::template::{Value, text_of, to_json};
use crate::vars::{Data, Level, PlayInfo, Scope, Vars};
use crate::yaml::Node;
use indexmap::IndexSet;
use std::sync::{Arc, Mutex, RwLock};

/// A run of playbooks.
pub(crate) struct PlaybookRun {
    pub(crate) room: Arc<Room>,
    /// The hosts that `--limit` leaves; none is no limit.
    pub(crate) limit: Option<IndexSet<String>>,
}

/// Why a run stopped before its end.
pub(crate) type Stopped = Diagnostics;

impl PlaybookRun {
    /// Runs them.
    ///
    /// # Errors
    ///
    /// A mistake that shows only now: in a play's hosts, in files of variables.
    pub(crate) async fn run(&self, playbooks: Vec<Playbook>) -> Result<Exit, Stopped> {
        for text in super::reserved::in_playbooks(&playbooks) {
            self.room.events.tell(Event::Warning { text });
        }
        for playbook in playbooks {
            let path = playbook.path.display().to_string();
            self.room.events.tell(Event::Playbook { path, plays: playbook.plays.len() });
            for play in playbook.plays {
                let verdict = self.play(Arc::new(play)).await?;
                if let Some(mistakes) = lock(&self.room.broken_off).take() {
                    return Err(mistakes);
                }
                if verdict == Verdict::Broken {
                    return Ok(self.exit());
                }
            }
        }
        Ok(self.exit())
    }

    /// As ansible-playbook ends: a host that is not there weighs more than one on which a task failed.
    fn exit(&self) -> Exit {
        if self.room.is_stopping() {
            return Exit::Interrupted;
        }
        let lost = lock(&self.room.lost);
        match () {
            () if !lost.unreachable.is_empty() => Exit::HostUnreachable,
            () if !lost.failed.is_empty() => Exit::HostFailed,
            () => Exit::Fine,
        }
    }

    async fn play(&self, play: Arc<Play>) -> Result<Verdict, Stopped> {
        let room = &self.room;
        let mut layers = play_info::usual_layers(room);
        layers.extend(play_info::own_layers(&play));
        layers.extend(self.prompts(&play).await?);
        let info = Arc::new(play_info::play_info(room, &play, &PlayHosts::default(), &[]));
        let scope = play_info::scope(room, &info, layers.clone(), None);
        let of_play = self.hosts(&play, &scope)?;
        let hosts = &of_play.left;
        let name =
            render_text(&scope, play.scope.keywords.get(Keyword::Name)).unwrap_or_else(|| info.name.clone());
        room.events.tell(Event::Play { name: name.clone(), hosts: hosts.clone(), check: room.mode.check });
        if hosts.is_empty() {
            let why = if of_play.all.is_empty() { "no hosts matched" } else { "no hosts remaining" };
            room.events.tell(Event::NoHosts { why });
            return Ok(Verdict::Through);
        }
        let serial = match play.scope.keywords.get(Keyword::Serial) {
            Some(node) => {
                let value =
                    scope.render_or_omit(&Data::of(node)).map_err(|err| mistake(&err.to_string(), node))?;
                value.map_or(serde_json::Value::Null, |value| to_json(&value))
            }
            None => serde_json::Value::Null,
        };
        let sizes = batches(&serial, hosts.len())
            .map_err(|why| mistake(&why, play.scope.keywords.get(Keyword::Serial).unwrap_or(&play.hosts)))?;
        let mut rest = hosts.as_slice();
        for size in sizes {
            let (batch, others) = rest.split_at(size.min(rest.len()));
            rest = others;
            let mut info = play_info::play_info(room, &play, &of_play, batch);
            info.name.clone_from(&name);
            match self.batch(&play, batch, info, layers.clone(), &scope).await? {
                Verdict::Through => {}
                Verdict::PlayEnded => break,
                Verdict::Broken => return Ok(Verdict::Broken),
            }
        }
        Ok(Verdict::Through)
    }

    async fn batch(
        &self,
        play: &Arc<Play>,
        batch: &[String],
        info: PlayInfo,
        layers: Layers,
        scope: &Scope,
    ) -> Result<Verdict, Stopped> {
        let room = &self.room;
        let gathering = room.options.gathering;
        let are_known = batch
            .iter()
            .all(|host| room.store.host(host).is_some_and(|vars| vars.facts.contains_key("module_setup")));
        let has_work = play_info::has_tasks(play)
            || play.scope.keywords.get(Keyword::GatherFacts).is_some()
            || !play.handlers.is_empty();
        let gathers = has_work && gathers(play, gathering, are_known);
        let force = self.flag(play, scope, Keyword::ForceHandlers)?.unwrap_or(room.options.force_handlers);
        let run = PlayRun::new(
            program(play, gathers, force),
            batch,
            named_handlers(&play.handlers, scope),
            room.options.tags.clone(),
            lock(&room.start_at).clone(),
        );
        let conductor = Arc::new(Conductor {
            room: room.clone(),
            play: play.clone(),
            run: Mutex::new(run),
            info: RwLock::new(Arc::new(info)),
            book: LayerBook::of(play, room.options.private_role_vars == Some(true)),
            layers,
            strategy: self.strategy(play, scope)?,
            fatality: Fatality {
                any_errors: self
                    .flag(play, scope, Keyword::AnyErrorsFatal)?
                    .unwrap_or(room.options.any_errors_fatal),
                max_fail_percentage: self.percentage(play, scope)?,
                batch_size: batch.len(),
            },
            included: Mutex::default(),
            due: DueHandlers::default(),
            turns: Mutex::default(),
            rolling: Rolling::default(),
        });
        let verdict = conductor.lead().await;
        let run = lock(&conductor.run);
        if !run.is_waiting() {
            *lock(&room.start_at) = None;
        }
        let failed = run.hosts_in(HostState::Failed);
        let unreachable = run.hosts_in(HostState::Unreachable).len();
        let are_all_lost = failed.len() + unreachable == batch.len();
        lock(&room.lost).failed.extend(failed);
        Ok(if are_all_lost { Verdict::Broken } else { verdict })
    }

    fn hosts(&self, play: &Play, scope: &Scope) -> Result<PlayHosts, Stopped> {
        let value = scope
            .render_node(&play.hosts)
            .map_err(|err| mistake(&super::template_error::sentence(&err), &play.hosts))?;
        let patterns = super::keywords::list_of_texts(&value);
        let inventory = self.room.inventory();
        let selection = inventory
            .select(patterns.iter().map(String::as_str))
            .map_err(|problem| Diagnostics::from(problem.at(&play.hosts.span, "")))?;
        for unknown in &selection.unknown {
            let hint = inventory.did_you_mean(unknown).map_or_else(String::new, |hint| format!(": {hint}"));
            let text = format!(
                "no host or group matches `{unknown}` (hosts of play `{}`){hint}",
                play_info::written_name(play)
            );
            self.room.events.tell(Event::Warning { text });
        }
        let named: Vec<String> = selection.hosts.into_iter().collect();
        let is_within = |host: &&String| self.limit.as_ref().is_none_or(|limit| limit.contains(*host));
        let all = self.ordered(play, scope, named.iter().filter(is_within).cloned().collect())?;
        let lost = lock(&self.room.lost);
        let is_there = |host: &&String| !lost.failed.contains(host) && !lost.unreachable.contains(host);
        let left = all.iter().filter(is_there).cloned().collect();
        Ok(PlayHosts { named, all, left })
    }

    fn ordered(&self, play: &Play, scope: &Scope, hosts: Vec<String>) -> Result<Vec<String>, Stopped> {
        let Some(node) = play.scope.keywords.get(Keyword::Order) else { return Ok(hosts) };
        let name = render_text(scope, Some(node)).unwrap_or_default();
        match HostOrder::find(&name) {
            Some(order) => Ok(in_order(order, hosts)),
            None => Err(mistake(
                &format!("`order` is one of {}, not `{name}`", HostOrder::NAMES.join(", ")),
                node,
            )),
        }
    }

    fn strategy(&self, play: &Play, scope: &Scope) -> Result<Strategy, Stopped> {
        let node = play.scope.keywords.get(Keyword::Strategy);
        let name = render_text(scope, node).or_else(|| self.room.options.strategy.clone());
        let bare = name.as_deref().map(|name| name.strip_prefix("ansible.builtin.").unwrap_or(name));
        match (bare, node) {
            (None | Some("linear"), _) => Ok(Strategy::Linear),
            (Some("free" | "host_pinned"), _) => Ok(Strategy::Free),
            (Some(other), node) => {
                let why = format!(
                    "strategy `{other}` is not supported: there are `linear`, `free` and `host_pinned`"
                );
                Err(mistake(&why, node.unwrap_or(&play.hosts)))
            }
        }
    }

    fn flag(&self, play: &Play, scope: &Scope, keyword: Keyword) -> Result<Option<bool>, Stopped> {
        match play.scope.keywords.get(keyword) {
            Some(node) => Ok(Some(is_true(&self.value(scope, node)?))),
            None => Ok(None),
        }
    }

    fn percentage(&self, play: &Play, scope: &Scope) -> Result<Option<f64>, Stopped> {
        let Some(node) = play.scope.keywords.get(Keyword::MaxFailPercentage) else { return Ok(None) };
        let text = text_of(&self.value(scope, node)?);
        let percentage = text.trim().trim_end_matches('%').parse();
        percentage
            .map(Some)
            .map_err(|_| mistake(&format!("`max_fail_percentage` is a number, not `{text}`"), node))
    }

    fn value(&self, scope: &Scope, node: &Node) -> Result<Value, Stopped> {
        scope.render_node(node).map_err(|err| mistake(&super::template_error::sentence(&err), node))
    }

    /// `vars_prompt`: asks for what the command line did not give.
    async fn prompts(&self, play: &Play) -> Result<Layers, Stopped> {
        let mut vars = Vars::new();
        let extra = self.room.store.extra();
        for prompt in &play.vars_prompt {
            let name = prompt.name.key_text().into_owned();
            if extra.get(&name).is_some() {
                continue;
            }
            let default = prompt.default.as_ref().and_then(Node::scalar_text).map(|text| text.into_owned());
            let question = prompt
                .prompt
                .as_ref()
                .and_then(Node::scalar_text)
                .map_or_else(|| name.clone(), |text| text.into_owned());
            let question = match &default {
                Some(default) if !prompt.private => format!("{question} [{default}]"),
                _ => question,
            };
            let (echo, confirm) = (!prompt.private, prompt.confirm);
            let answer = tokio::task::spawn_blocking(move || ask(&question, echo, confirm)).await;
            let answer = answer.ok().and_then(Result::ok).unwrap_or_default();
            let answer = if answer.is_empty() { default.unwrap_or_default() } else { answer };
            match &prompt.encrypt {
                Some(scheme) => vars.set_plain(&name, self.encrypted(prompt, scheme, &answer)?),
                None if prompt.is_unsafe => vars.set_plain(&name, answer.into()),
                // An answer may be a template, unless the prompt says `unsafe`.
                None => vars.set(&name, Data::text(&answer, &prompt.name.span)),
            }
        }
        Ok(if vars.is_empty() { Vec::new() } else { vec![(Level::PlayPrompt, Arc::new(vars))] })
    }
}

impl PlaybookRun {
    /// The hash of an answer, as the filter `password_hash` makes it.
    fn encrypted(&self, prompt: &Prompt, scheme: &Node, answer: &str) -> Result<Value, Stopped> {
        let mut vars = Vars::new();
        vars.set_plain("answer", answer.into());
        let mut call = format!("answer | password_hash('{}'", scheme.scalar_text().unwrap_or_default());
        for (name, node) in [("salt", &prompt.salt), ("salt_size", &prompt.salt_size)] {
            if let Some(node) = node {
                vars.set_plain(name, crate::template::from_json(&node.to_json()));
                call += &format!(", {name}={name}");
            }
        }
        self.room.store.secrets().add(answer);
        let scope =
            play_info::scope(&self.room, &Arc::default(), vec![(Level::PlayVars, Arc::new(vars))], None);
        scope
            .expression(&Node::text(&prompt.name.span, call + ")"))
            .map_err(|err| mistake(&err.to_string(), scheme))
    }
}

/// Handlers whose names are templates get those that the play's variables give; others keep what is written.
fn named_handlers(handlers: &[Arc<Task>], scope: &Scope) -> Vec<Arc<Task>> {
    let named = |handler: &Arc<Task>| {
        let given = handler.scope.keywords.given(Keyword::Name).filter(|given| given.value.has_template())?;
        let name = scope.render_node(&given.value).ok()?;
        let value = Node::text(&given.value.span, text_of(&name));
        let mut own = Written::clone(&handler.scope);
        own.keywords.set(Given { value, ..given.clone() });
        Some(Arc::new(Task { scope: Arc::new(own), ..Task::clone(handler) }))
    };
    handlers.iter().map(|handler| named(handler).unwrap_or_else(|| handler.clone())).collect()
}

fn in_order(order: HostOrder, mut hosts: Vec<String>) -> Vec<String> {
    match order {
        HostOrder::Inventory => {}
        HostOrder::ReverseInventory => hosts.reverse(),
        HostOrder::Sorted => hosts.sort(),
        HostOrder::ReverseSorted => hosts.sort_by(|one, other| other.cmp(one)),
        HostOrder::Shuffle => {
            let key = |_: &String| {
                let mut bytes = [0; 8];
                // Without random numbers the order is that of the inventory, which is one of all orders.
                let _ = getrandom::fill(&mut bytes);
                u64::from_ne_bytes(bytes)
            };
            hosts.sort_by_cached_key(key);
        }
    }
    hosts
}

fn ask(question: &str, echo: bool, confirm: bool) -> std::io::Result<String> {
    loop {
        eprint!("{question}: ");
        let answer = crate::prompt::read_line(echo)?;
        if !confirm {
            return Ok(answer);
        }
        eprint!("confirm {question}: ");
        if crate::prompt::read_line(echo)? == answer {
            return Ok(answer);
        }
        eprintln!("***** VALUES ENTERED DO NOT MATCH ****");
    }
}

fn render_text(scope: &Scope, node: Option<&Node>) -> Option<String> {
    let node = node?;
    Some(scope.render_node(node).map_or_else(|_| node.key_text().into_owned(), |value| text_of(&value)))
}

fn mistake(why: &str, node: &Node) -> Stopped {
    Diagnostic::error(why).at(&node.span, "").into()
}
