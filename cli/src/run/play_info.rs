//! What a play says about itself to its tasks, and the variables that belong to the play.

use super::inventory_vars;
use super::layers::Layers;
use super::room::Room;
use crate::error::Diagnostic;
use crate::playbook::keyword::Keyword;
use crate::playbook::{Item, Play};
use crate::vars::{Level, PlayInfo, Scope, ScopeInputs, Vars};
use crate::yaml::Node;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The hosts of a play.
#[derive(Default)]
pub(crate) struct PlayHosts {
    /// All that its pattern matches.
    pub(crate) named: Vec<String>,
    /// Those of them that `--limit` leaves.
    pub(crate) all: Vec<String>,
    /// Those of them that earlier plays have not lost.
    pub(crate) left: Vec<String>,
}

/// The magic variables of a play that is to run on `batch`.
pub(crate) fn play_info(room: &Room, play: &Play, hosts: &PlayHosts, batch: &[String]) -> PlayInfo {
    let roles = play.roles.iter().filter_map(|block| block.scope.role.as_ref());
    let (own, dependent): (Vec<_>, Vec<_>) = roles.partition(|role| role.pulled_in_by.is_empty());
    let names = |roles: Vec<&Arc<crate::playbook::Role>>| -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for role in roles {
            if !names.contains(&role.name) {
                names.push(role.name.clone());
            }
        }
        names
    };
    let inventory = room.inventory();
    let name = written_name(play);
    let file = play.path.file_name().unwrap_or_default().to_string_lossy();
    PlayInfo {
        place: format!("{file}: {name}"),
        name,
        playbook_dir: room.options.playbook_dir.clone(),
        groups: Arc::new(inventory_vars::groups(&inventory)),
        hosts_named: Arc::new(hosts.named.clone()),
        hosts_all: Arc::new(hosts.all.clone()),
        hosts: Arc::new(hosts.left.clone()),
        batch: Arc::new(batch.to_vec()),
        check_mode: room.mode.check,
        diff_mode: room.mode.diff,
        forks: room.options.forks,
        verbosity: room.options.verbosity,
        limit: room.options.limit.clone(),
        run_tags: room.options.tags.only().to_vec(),
        skip_tags: room.options.tags.skip().to_vec(),
        inventory_sources: room.options.inventory_sources.clone(),
        settings: room.options.settings.clone(),
        role_names: names(own),
        dependent_role_names: names(dependent),
        is_ahead: false,
        is_plan: room.mode.foresight.is_some(),
        keeps_passwords: true,
    }
}

/// The name as it is written, or else the hosts.
pub(crate) fn written_name(play: &Play) -> String {
    let name = play.scope.keywords.get(Keyword::Name).and_then(Node::as_str).map(str::to_owned);
    name.unwrap_or_else(|| {
        let hosts = play.hosts.one_or_many().iter().filter_map(Node::scalar_text);
        hosts.map(|host| host.into_owned()).collect::<Vec<_>>().join(",")
    })
}

/// Whether a play has anything to do.
pub(crate) fn has_tasks(play: &Play) -> bool {
    let has = |items: &[Item]| items.iter().any(|item| !item.tasks().is_empty());
    has(&play.pre_tasks)
        || has(&play.tasks)
        || has(&play.post_tasks)
        || play.roles.iter().any(|block| !block.tasks().is_empty())
}

/// A scope for what belongs to a play and to no task: its name, its hosts, its files of variables.
pub(crate) fn scope(room: &Room, info: &Arc<PlayInfo>, layers: Layers, host: Option<&str>) -> Scope {
    Scope::new(ScopeInputs {
        engine: &room.engine,
        store: &room.store,
        host,
        play: info,
        role: None,
        search: Arc::from([info.playbook_dir.clone()]),
        layers,
    })
}

/// What every task knows unless something else says so, weaker than all that is written anywhere.
pub(crate) fn usual_layers(room: &Room) -> Layers {
    let mut vars = Vars::new();
    vars.set_plain("ansible_connection", room.options.way.connection.as_deref().unwrap_or("ssh").into());
    vars.set_plain("ansible_managed", "Ansible managed".into());
    vec![(Level::RoleDefaults, Arc::new(vars))]
}

/// `vars` of the play.
pub(crate) fn own_layers(play: &Play) -> Layers {
    let vars = Vars::from(&play.vars);
    if vars.is_empty() { Vec::new() } else { vec![(Level::PlayVars, Arc::new(vars))] }
}

/// The files of `vars_files`, as they are for one host: of an entry that is a list the first that exists counts.
///
/// # Errors
///
/// A file that is named in plain text and is not there, or cannot be read.
pub(crate) fn vars_files(room: &Room, play: &Play, scope: &Scope) -> Result<Layers, Diagnostic> {
    let mut layers = Layers::new();
    for entry in &play.vars_files {
        let mut looked = Vec::new();
        let mut found = None;
        for node in entry.one_or_many() {
            // A name that needs what is not known yet (facts before they are gathered) is left out, as Ansible does.
            let Ok(name) = scope.render_node(node) else { continue };
            match find(&crate::template::text_of(&name), play) {
                Ok(path) => {
                    found = Some(path);
                    break;
                }
                Err(places) => looked.extend(places),
            }
        }
        match found {
            Some(path) => {
                let mapping =
                    room.loader.reader().listed_vars(&path).map_err(|mistakes| first(mistakes, entry))?;
                layers.push((Level::PlayVarsFiles, Arc::new(Vars::from(&mapping))));
            }
            None if looked.is_empty() => {}
            None => {
                let mut mistake =
                    Diagnostic::error("a file of variables is not there").at(&entry.span, "not found");
                for place in looked {
                    mistake = mistake.note(format!("looked for `{}`", place.display()));
                }
                return Err(mistake);
            }
        }
    }
    Ok(layers)
}

fn first(mistakes: crate::error::Diagnostics, entry: &Node) -> Diagnostic {
    let first = mistakes.into_iter().next();
    first.unwrap_or_else(|| Diagnostic::error("a file of variables cannot be read").at(&entry.span, ""))
}

fn find(name: &str, play: &Play) -> Result<PathBuf, Vec<PathBuf>> {
    let folder = play.path.parent().unwrap_or(Path::new(""));
    let name = super::ssh::options::expand_home(name);
    let candidates = [folder.join("vars").join(&name), folder.join(&name)];
    match candidates.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(candidates.to_vec()),
    }
}
