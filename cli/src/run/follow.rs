//! What follows from a task that is done: variables, handlers, counts, includes, failures, `meta`.

mod notification;

use super::conduct::{Conductor, Finished, Verdict};
use super::cursor::Fate;
use super::include::{Included, Wanted};
use super::inventory_vars;
use super::keywords::Lookup;
use super::play_run::{Batch, End, HostState};
use super::result::{Effect, Status, TaskResult};
use super::room::{Addition, Room, lock};
use super::task_run::registered_value;
use crate::inventory::{Tolerance, load as load_inventory};
use crate::local_files::NoFile;
use crate::playbook::keyword::Keyword;
use crate::playbook::{Role, Task};
use crate::report::{Event, Stats};
use crate::template::{Value, from_json, unknown};
use crate::vars::{Data, HostVars};
use std::sync::{Arc, PoisonError};

/// Roles that are included keep their variables to themselves, unless the setting says explicitly that none does.
fn room_is_open(room: &Room) -> bool {
    room.options.private_role_vars == Some(false)
}

/// Something that hosts of a batch include.
struct Inclusion {
    hosts: Vec<String>,
    /// Its place among all that is included here.
    ordinal: u32,
    what: Result<Included, NoFile>,
}

/// Takes over what a task came to on the hosts of a batch.
pub(super) struct Follow<'a> {
    pub(super) conductor: &'a Conductor,
    pub(super) batch: &'a Batch,
    pub(super) is_once: bool,
}

impl Follow<'_> {
    /// All at once, in the order of the hosts.
    pub(super) fn take(&self, finished: Vec<Finished>) -> Verdict {
        let task = &self.batch.position.task;
        if self.is_once {
            let hosts = lock(&self.conductor.run).hosts_left();
            for one in &finished {
                self.conductor.remember(&hosts, task, &one.result);
            }
        }
        if task.module.bare() == "meta" {
            return self.meta(&finished);
        }
        let includes = self.includes(&finished);
        if lock(&self.conductor.room.broken_off).is_some() {
            return Verdict::Broken;
        }
        let finished = self.with_failed_includes(finished, &includes);
        let mut bad = Vec::new();
        for one in &finished {
            self.count(one);
            if Conductor::is_bad(&one.result) {
                bad.push(one);
            }
            if let Some(handler) = self.batch.position.handler {
                let mut run = lock(&self.conductor.run);
                run.begin_handler(&one.host);
                if Conductor::is_bad(&one.result) {
                    run.leave_due(&one.host, handler);
                }
            }
            self.notify(one);
            self.may_notify(one);
            self.begin_role(one);
        }
        if lock(&self.conductor.room.broken_off).is_some() {
            return Verdict::Broken;
        }
        for one in &finished {
            let is_include = includes.iter().any(|included| included.what.is_err());
            if is_include { self.end_include(one, &includes) } else { self.end(one, &includes) }
        }
        if self.is_once {
            self.end_others(&finished);
        }
        self.judge(&bad)
    }

    /// A host for which something cannot be included has failed.
    fn with_failed_includes(&self, mut finished: Vec<Finished>, includes: &[Inclusion]) -> Vec<Finished> {
        for one in &mut finished {
            let mine = includes.iter().filter(|included| included.hosts.contains(&one.host));
            let Some(why) = mine.filter_map(|included| included.what.as_ref().err()).next() else { continue };
            let ignored = one.result.ignored;
            one.result = TaskResult { ignored, ..TaskResult::without_file(why.clone()) };
            if let NoFile::Refused(why) = why {
                one.result.result.insert("reason".into(), why.clone().into());
            }
            let (host, task) = (one.host.clone(), String::new());
            self.conductor.room.events.tell(Event::Done { host, task, result: Box::new(one.result.clone()) });
        }
        finished
    }

    /// Where each host of the batch goes on.
    fn end(&self, one: &Finished, includes: &[Inclusion]) {
        let end = match one.result.status {
            Status::Unreachable if !one.result.ignored => {
                lock(&self.conductor.room.lost).unreachable.push(one.host.clone());
                self.conductor.room.hosts.forget(&one.host);
                End::Unreachable
            }
            Status::Failed if !one.result.ignored => {
                self.fail(&one.host, &one.result);
                return;
            }
            _ => Self::included_end(&one.host, includes),
        };
        if let Some(why) = one.result.unknown.as_ref().filter(|_| !self.ignores_errors(&one.host)) {
            lock(&self.conductor.run).doubt(&one.host, why);
        }
        lock(&self.conductor.run).finish(&one.host, end);
    }

    /// What cannot be included counts as failed for each time it was asked for, even where a rescue takes over.
    fn end_include(&self, one: &Finished, includes: &[Inclusion]) {
        let is_broken = |included: &&Inclusion| {
            included.hosts.contains(&one.host) && matches!(included.what, Err(NoFile::Refused(_)))
        };
        let count = includes.iter().filter(is_broken).count() as u64;
        if count == 0 || one.result.ignored {
            return self.end(one, includes);
        }
        if self.conductor.fail(&one.host) == Some(Fate::Rescued) {
            self.tell_rescue(&one.host, &one.result);
        }
        self.conductor.room.count(&one.host, |stats: &mut Stats| stats.failed += count);
    }

    fn ignores_errors(&self, host: &str) -> bool {
        let task = &self.batch.position.task;
        let scope = self.conductor.scope(host, task).ok();
        let ignores = scope.map(|scope| Lookup { task, scope: &scope }.truth(Keyword::IgnoreErrors));
        ignores.is_some_and(|ignores| ignores.ok().flatten().unwrap_or(false))
    }

    fn included_end(host: &String, includes: &[Inclusion]) -> End {
        let mine = includes.iter().filter(|included| included.hosts.contains(host));
        let blocks: Vec<_> =
            mine.filter_map(|one| Some((one.ordinal, one.what.as_ref().ok()?.block.clone()))).collect();
        if blocks.is_empty() { End::Done } else { End::Include(blocks) }
    }

    fn fail(&self, host: &str, result: &TaskResult) {
        let room = &self.conductor.room;
        let fate = self.conductor.fail(host);
        room.count(host, |stats: &mut Stats| match fate {
            Some(Fate::Rescued) => stats.rescued += 1,
            _ => stats.failed += 1,
        });
        if fate == Some(Fate::Rescued) {
            self.tell_rescue(host, result);
        }
    }

    /// `ansible_failed_task` and `ansible_failed_result`, for the tasks of the rescue.
    fn tell_rescue(&self, host: &str, result: &TaskResult) {
        let task = &self.batch.position.task;
        let scope = self.conductor.scope(host, task).ok();
        let name = super::conduct::own_name(task, scope.as_ref());
        let told = serde_json::json!({"name": name, "action": task.module.written()});
        let doubt = lock(&self.conductor.run).doubt_of_rescue(host);
        let doubt = doubt.map(|why| format!("a task before it may fail first: {why}"));
        self.conductor.room.store.change(host, |vars: &mut HostVars| {
            if let Some(why) = &doubt {
                vars.set("ansible_failed_task", unknown(why));
                vars.set("ansible_failed_result", unknown(why));
                return;
            }
            vars.set("ansible_failed_task", from_json(&told));
            vars.set("ansible_failed_result", registered_value(result));
        });
    }

    /// With `run_once` the other hosts go on where the first one goes on.
    fn end_others(&self, finished: &[Finished]) {
        let Some(first) = finished.first() else { return };
        for host in self.batch.hosts.iter().filter(|host| **host != first.host) {
            let end = match Conductor::is_bad(&first.result) {
                true => End::Failed,
                // What is included is done by the first host alone.
                false => End::Done,
            };
            lock(&self.conductor.run).finish(host, end);
        }
    }

    fn count(&self, one: &Finished) {
        let result = &one.result;
        self.conductor.room.count(&one.host, |stats: &mut Stats| match result.status {
            Status::Ok => {
                stats.ok += 1;
                stats.changed += u64::from(result.changed && !result.was_done_before);
                stats.unknown += u64::from(result.is_open());
            }
            Status::Skipped => {
                stats.skipped += 1;
                stats.unknown += u64::from(result.is_open());
            }
            Status::Unknown => stats.unknown += u64::from(result.is_open()),
            Status::Failed | Status::Unreachable if result.ignored => {
                stats.ok += 1;
                stats.ignored += 1;
                stats.changed += u64::from(result.changed);
            }
            Status::Unreachable => stats.unreachable += 1,
            // Counted where it is known whether a rescue takes over.
            Status::Failed => {}
        });
    }

    /// A role counts as done only where one of its tasks was carried out.
    fn begin_role(&self, one: &Finished) {
        let was_carried_out = !matches!(one.result.status, Status::Skipped | Status::Unreachable);
        if let Some(role) = self.batch.position.task.role().filter(|_| was_carried_out) {
            lock(&self.conductor.run).begin_role(&one.host, &role.identity);
        }
    }

    /// Whether the play goes on, after failures on some hosts.
    fn judge(&self, bad: &[&Finished]) -> Verdict {
        if bad.is_empty() {
            return Verdict::Through;
        }
        let Conductor { fatality, .. } = self.conductor;
        let task = &self.batch.position.task;
        let is_fatal = fatality.any_errors || self.is_once || self.any_errors_fatal(task);
        let (failed, total) = {
            let run = lock(&self.conductor.run);
            let lost = run.hosts_in(HostState::Failed).len() + run.hosts_in(HostState::Unreachable).len();
            (lost, fatality.batch_size.max(1))
        };
        let is_too_many =
            fatality.max_fail_percentage.is_some_and(|most| failed as f64 / total as f64 * 100.0 > most);
        if !is_fatal && !is_too_many {
            return Verdict::Through;
        }
        let others: Vec<String> = {
            let run = lock(&self.conductor.run);
            let is_bad = |host: &String| bad.iter().any(|one| one.host == *host);
            run.hosts_in(HostState::Active)
                .into_iter()
                .filter(|host| !is_bad(host) && !run.is_finished(host))
                .collect()
        };
        for host in others {
            self.conductor.fail(&host);
        }
        let run = lock(&self.conductor.run);
        let goes_on = run.hosts().any(|host| !run.is_finished(host));
        if goes_on { Verdict::Through } else { Verdict::Broken }
    }

    fn any_errors_fatal(&self, task: &Arc<Task>) -> bool {
        let Some(host) = self.batch.hosts.first() else { return false };
        self.conductor.scope(host, task).is_ok_and(|scope| {
            Lookup { task, scope: &scope }.truth(Keyword::AnyErrorsFatal).ok().flatten().unwrap_or(false)
        })
    }

    /// What the hosts include, each thing once, with the hosts that do.
    fn includes(&self, finished: &[Finished]) -> Vec<Inclusion> {
        let task = &self.batch.position.task;
        let mut wanted: Vec<(Wanted, Vec<String>)> = Vec::new();
        for one in finished.iter().filter(|one| !Conductor::is_bad(&one.result)) {
            for effect in &one.result.effects {
                let Effect::Include { name, vars } = effect else { continue };
                let Ok(scope) = self.conductor.scope(&one.host, task) else { continue };
                let this = Wanted::new(task, name, vars, &scope);
                // An item that a loop has twice is included twice.
                let is_new_to = |hosts: &Vec<String>| !hosts.contains(&one.host);
                match wanted.iter_mut().find(|(known, hosts)| known.is_same(&this) && is_new_to(hosts)) {
                    Some((_, hosts)) => hosts.push(one.host.clone()),
                    None => wanted.push((this, vec![one.host.clone()])),
                }
            }
        }
        let numbered = wanted.into_iter().zip(0..);
        let bring = |((wanted, hosts), ordinal): ((Wanted, Vec<String>), u32)| Inclusion {
            what: self.bring_in(&wanted, hosts.clone()),
            hosts,
            ordinal,
        };
        numbered.map(bring).collect()
    }

    fn bring_in(&self, wanted: &Wanted, hosts: Vec<String>) -> Result<Included, NoFile> {
        let known = {
            let included = lock(&self.conductor.included);
            included.iter().find(|(known, _)| known.is_same(wanted)).map(|(_, included)| included.clone())
        };
        let included = known.unwrap_or_else(|| {
            let included = wanted.load(&self.conductor.room);
            lock(&self.conductor.included).push((wanted.clone(), included.clone()));
            included
        });
        if let Ok(included) = &included {
            let (what, label) = (included.what.clone(), wanted.label());
            self.conductor.room.events.tell(Event::Included { what, hosts, label });
            lock(&self.conductor.run).add_handlers(&included.handlers);
            let shows = |role: &&Arc<Role>| role.is_public.unwrap_or(room_is_open(&self.conductor.room));
            if let Some(role) = included.role.as_ref().filter(shows) {
                self.conductor.book.export(role);
            }
        }
        included
    }

    fn meta(&self, finished: &[Finished]) -> Verdict {
        let mut broken = Verdict::Through;
        for one in finished {
            if one.result.status == Status::Unknown {
                self.tell_unknown(one);
                lock(&self.conductor.run).finish(&one.host, End::Done);
                continue;
            }
            let what = one.result.effects.iter().find_map(|effect| match effect {
                Effect::Meta(what) => Some(what.as_str()),
                _ => None,
            });
            let end = match what {
                None => {
                    self.tell_untaken(&one.host);
                    End::Done
                }
                Some("noop") => {
                    self.tell_meta("noop".into());
                    End::Done
                }
                Some("flush_handlers") => End::Flush,
                Some("end_host") => {
                    self.tell_meta(format!("ending play for {}", one.host));
                    End::Host
                }
                Some("end_role") => End::Role,
                Some("end_play") => {
                    self.tell_meta("ending play".into());
                    lock(&self.conductor.run).end_all();
                    return Verdict::PlayEnded;
                }
                Some("end_batch") => {
                    self.tell_meta("ending batch".into());
                    lock(&self.conductor.run).end_all();
                    return Verdict::Through;
                }
                Some(other) => {
                    if let Err(why) = self.meta_on_host(other, &one.host) {
                        self.conductor.room.events.tell(Event::Done {
                            host: one.host.clone(),
                            task: "meta".into(),
                            result: Box::new(TaskResult::failed(why)),
                        });
                        broken = Verdict::Broken;
                    }
                    End::Done
                }
            };
            let end = if Conductor::is_bad(&one.result) { End::Failed } else { end };
            lock(&self.conductor.run).finish(&one.host, end);
        }
        for host in self.batch.hosts.iter().filter(|host| finished.iter().all(|one| one.host != **host)) {
            lock(&self.conductor.run).finish(host, End::Done);
        }
        broken
    }

    /// Whether the play takes the turn is not known: the plan goes on as if it did not, and says so.
    fn tell_unknown(&self, one: &Finished) {
        self.count(one);
        let result = Box::new(one.result.clone());
        self.conductor.room.events.tell(Event::Done { host: one.host.clone(), task: "meta".into(), result });
    }

    fn tell_meta(&self, text: String) {
        self.conductor.room.events.tell(Event::Meta { text, skipped_on: None });
    }

    /// The condition of a `meta` does not hold for a host.
    fn tell_untaken(&self, host: &str) {
        let task = &self.batch.position.task;
        let what = task.args.free_form.as_ref().or_else(|| task.args.named.get("_raw_params"));
        let what = what.and_then(crate::yaml::Node::as_str).unwrap_or_default();
        let rest = if what == "end_host" {
            format!(", continuing execution for {host}")
        } else {
            ", continuing play".into()
        };
        let text = format!("{what} conditional evaluated to False{rest}");
        self.conductor.room.events.tell(Event::Meta { text, skipped_on: Some(host.to_owned()) });
    }

    fn meta_on_host(&self, what: &str, host: &str) -> Result<(), String> {
        let room = &self.conductor.room;
        match what {
            "clear_facts" => room.store.clear_facts(host),
            "clear_host_errors" => {
                let mut lost = lock(&room.lost);
                (lost.failed, lost.unreachable) = (Vec::new(), Vec::new());
                lock(&self.conductor.run).clear_errors();
            }
            "reset_connection" => room.hosts.forget(host),
            "refresh_inventory" => {
                let sources = room.options.inventory_sources.clone();
                let reader = room.loader.reader();
                let loaded = load_inventory(&sources, reader, &room.store.extra(), Tolerance::All);
                let mut inventory = loaded.map_err(|mistakes| mistakes.to_string())?;
                lock(&room.additions).iter().for_each(|addition| addition.to(&mut inventory));
                inventory.reconcile();
                let folder = Some(room.options.playbook_dir.as_path());
                inventory_vars::put_all(&inventory, folder, reader, &room.store)
                    .map_err(|mistakes| mistakes.to_string())?;
                lock(&self.conductor.run).leave_out(|host| inventory.host(host).is_none());
                *room.inventory.write().unwrap_or_else(PoisonError::into_inner) = inventory;
            }
            other => return Err(format!("there is no `meta: {other}`")),
        }
        Ok(())
    }
}

impl Conductor {
    /// Takes the variables over that a task leaves behind for hosts.
    pub(super) fn remember(&self, hosts: &[String], task: &Arc<Task>, result: &TaskResult) {
        for host in hosts {
            self.remember_for(host, task, result);
        }
    }

    fn remember_for(&self, host: &str, task: &Arc<Task>, result: &TaskResult) {
        let room = &self.room;
        let scope = self.scope(host, task).ok();
        let lookup = scope.as_ref().map(|scope| Lookup { task, scope });
        let register = lookup.as_ref().and_then(|lookup| lookup.text(Keyword::Register).ok().flatten());
        let delegates_facts = lookup
            .as_ref()
            .is_some_and(|lookup| lookup.truth(Keyword::DelegateFacts).ok().flatten().unwrap_or(false));
        // Each item of a loop may be delegated to another host.
        let parts = if result.items.is_empty() { std::slice::from_ref(result) } else { &result.items };
        for part in parts {
            let of_facts = match &part.delegated_to {
                Some(other) if delegates_facts => other.as_str(),
                _ => host,
            };
            if !part.facts.is_empty() {
                let facts = part.facts.iter().map(|(name, value)| (name.clone(), from_json(value)));
                self.add_facts(of_facts, facts);
            }
            for effect in &part.effects {
                self.apply(effect, host, of_facts);
            }
        }
        if let Some(name) = register {
            room.store.change(host, |vars: &mut HostVars| vars.set(&name, registered_value(result)));
        }
    }

    fn add_facts(&self, host: &str, facts: impl IntoIterator<Item = (String, Value)>) {
        if let Err(error) = self.room.store.add_facts(host, facts) {
            let text = format!("the facts of `{host}` could not be kept for later runs: {error}");
            self.room.events.tell(Event::Warning { text });
        }
    }

    fn apply(&self, effect: &Effect, host: &str, of_facts: &str) {
        let room = &self.room;
        match effect {
            Effect::SetFact { name, data, cacheable } => {
                room.store.change(of_facts, |vars: &mut HostVars| vars.set_data(name, data.clone()));
                // What is encrypted is not written into the cache of facts.
                if let (true, Data::Plain(value)) = (*cacheable, data) {
                    self.add_facts(of_facts, [(name.clone(), value.clone())]);
                }
            }
            Effect::IncludeVars(more) => {
                let behaviour = room.store.hash_behaviour();
                room.store.change(of_facts, |vars: &mut HostVars| vars.include(more, behaviour));
            }
            Effect::DoubtVars(why) => {
                room.store.change(of_facts, |vars: &mut HostVars| vars.doubt = Some(why.as_str().into()));
            }
            Effect::DoubtFacts(why) => {
                room.store
                    .change(of_facts, |vars: &mut HostVars| vars.facts_doubt = Some(why.as_str().into()));
            }
            Effect::AddHost { name, groups, vars } => {
                let groups = std::iter::once("all").chain(groups.iter().map(String::as_str));
                let host = |group: &str| Addition::Host { name: name.clone(), group: group.to_owned() };
                self.add(groups.map(host).collect());
                let plain = inventory_vars::plain_vars(vars);
                let behaviour = room.store.hash_behaviour();
                let add = |known: &mut HostVars| behaviour.vars(Arc::make_mut(&mut known.added), &plain);
                room.store.change(name, add);
            }
            Effect::Stats { data, per_host, aggregate } => {
                lock(&room.custom_stats).keep(per_host.then_some(host), data, *aggregate);
            }
            Effect::GroupBy { group, parents } => {
                let of = |parent: &String| Addition::Group { parent: parent.clone(), child: group.clone() };
                let host = Addition::Member { name: host.to_owned(), group: group.clone() };
                self.add(std::iter::once(host).chain(parents.iter().map(of)).collect());
            }
            Effect::Include { .. } | Effect::Meta(_) => {}
        }
    }

    /// Adds to the inventory, and lets hosts and tasks see it.
    fn add(&self, additions: Vec<Addition>) {
        let room = &self.room;
        let groups = {
            let mut inventory = room.inventory.write().unwrap_or_else(PoisonError::into_inner);
            additions.iter().for_each(|addition| addition.to(&mut inventory));
            inventory.reconcile();
            lock(&room.additions).extend(additions);
            let folder = Some(room.options.playbook_dir.as_path());
            if let Err(mistakes) =
                inventory_vars::put_all(&inventory, folder, room.loader.reader(), &room.store)
            {
                room.events.tell(Event::Warning { text: mistakes.to_string() });
            }
            inventory_vars::groups(&inventory)
        };
        let mut info = self.info.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut info).groups = Arc::new(groups);
    }
}
