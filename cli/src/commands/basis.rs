//! What every command starts from: settings, vault passwords, the inventory, variables. All mistakes in these are
//! told before any host is touched.

use crate::args::{BecomeArgs, ConnectionArgs, HostArgs, HostKeyChecking, VaultKeyArgs};
use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use crate::inventory::{self, InvalidNames, Inventory, Tolerance};
use crate::load::{DuplicateKeys, Reader};
use crate::report::Log;
use crate::run::keywords::BecomeDefaults;
use crate::run::way::WayDefaults;
use crate::run::{expand_home, inventory_vars};
use crate::settings::Settings;
use crate::source::{SourceFile, Span};
use crate::vars::{HashBehaviour, Store, Vars};
use crate::vault::{Keyring, Secret};
use crate::{prompt, yaml};
use indexmap::IndexSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// What every command starts from.
#[derive(Clone)]
pub(crate) struct Basis {
    pub(crate) settings: Settings,
    pub(crate) reader: Arc<Reader>,
    pub(crate) inventory: Inventory,
    pub(crate) inventory_sources: Vec<String>,
    pub(crate) store: Arc<Store>,
    /// The hosts that `--limit` leaves; none is no limit.
    pub(crate) limit: Option<IndexSet<String>>,
    pub(crate) limit_text: Option<String>,
}

impl Basis {
    /// Reads it all. `playbook_dir` is where `group_vars` and `host_vars` may be as well; `usual` is how many sources
    /// may be bad where no setting says so.
    pub(crate) fn read(
        hosts: &HostArgs,
        vault: &VaultKeyArgs,
        extra_vars: &[String],
        playbook_dir: Option<&Path>,
        usual: Tolerance,
    ) -> Result<Self> {
        let settings = Settings::read()?;
        if let Some(why) = settings.unreadable() {
            return Err(Diagnostic::error(why).exits_with(Exit::WrongUse).into());
        }
        let hash_behaviour = hash_behaviour(&settings)?;
        let reader = Reader::new(keyring(vault, &settings)?)
            .with_duplicate_keys(duplicate_keys(&settings)?)
            .with_hash_behaviour(hash_behaviour);
        let reader = Arc::new(reader);
        let mut mistakes = Diagnostics::default();
        let extra = mistakes.collect(self::extra_vars(extra_vars, &reader)).unwrap_or_default();
        let sources = match hosts.source.inventory.as_slice() {
            [] => settings.inventory(),
            given => given.to_vec(),
        };
        let store = Arc::new(
            Store::new(extra)
                .with_hash_behaviour(hash_behaviour)
                .with_fact_cache(settings.fact_cache()?)
                .with_files(reader.files().clone()),
        );
        let inventory = inventory::load(&sources, &reader, &store.extra(), tolerance(&settings, usual));
        let mut inventory = mistakes.collect(inventory).unwrap_or_default();
        if let Some(warning) = inventory.settle_group_names(group_names(&settings)?) {
            reader.warn(Diagnostic::warning(warning));
        }
        let opener = reader.clone();
        store.set_unsealer(move |text| {
            opener.keyring().decrypt(text).map(|secret| secret.expose().to_owned()).map_err(|problem| {
                match problem.sentence() {
                    Some(sentence) => format!("{problem}: {sentence}"),
                    None => problem.to_string(),
                }
            })
        });
        let read = reader.clone();
        store.set_sealed(move || read.take_sealed());
        mistakes.collect(inventory_vars::put_all(&inventory, playbook_dir, &reader, &store));
        let limit_text = Some(hosts.limit.join(",")).filter(|limit| !limit.is_empty());
        let limit = limit_text.as_ref().and_then(|limit| mistakes.collect(inventory.limit(limit)));
        mistakes.or_value(Self {
            settings,
            reader,
            inventory,
            inventory_sources: sources,
            store,
            limit,
            limit_text,
        })
    }

    /// The hosts of patterns that the limit leaves.
    pub(crate) fn select(&self, pattern: &str) -> Result<Vec<String>> {
        let selection = self.inventory.select([pattern])?;
        let is_left = |host: &String| self.limit.as_ref().is_none_or(|limit| limit.contains(host));
        Ok(selection.hosts.into_iter().filter(is_left).collect())
    }

    /// How hosts are reached where they do not say themselves.
    pub(crate) fn way(&self, args: &ConnectionArgs) -> Result<WayDefaults> {
        let settings = &self.settings;
        let password = match &args.connection_password_file {
            Some(file) => Some(password_of(file)?),
            None if args.ask_pass || settings.asks_password() => Some(ask("SSH password: ")?),
            None => None,
        };
        if let Some(password) = &password {
            self.store.secrets().add(password.expose());
        }
        let checks = |checks: bool| if checks { HostKeyChecking::Strict } else { HostKeyChecking::Off };
        Ok(WayDefaults {
            connection: args.connection.clone().or_else(|| settings.transport()),
            user: args.user.clone().or_else(|| settings.remote_user()),
            port: settings.remote_port(),
            private_key: args.private_key.clone().or_else(|| settings.private_key()),
            password,
            timeout: args.timeout.or_else(|| settings.timeout()),
            ssh_common_args: args.ssh_common_args.clone().or_else(|| settings.ssh_common_args()),
            ssh_extra_args: args.ssh_extra_args.clone().or_else(|| settings.ssh_extra_args()),
            checking: args.host_key_checking,
            default_checking: settings.checks_host_keys().map(checks),
        })
    }

    /// As whom tasks run where nothing else says so.
    pub(crate) fn identity(&self, args: &BecomeArgs) -> Result<BecomeDefaults> {
        let password = match &args.become_password_file {
            Some(file) => Some(password_of(file)?),
            None if args.ask_become_pass || self.settings.asks_become_password() => {
                Some(ask("BECOME password: ")?)
            }
            None => None,
        };
        if let Some(password) = &password {
            self.store.secrets().add(password.expose());
        }
        Ok(BecomeDefaults {
            on: args.r#become || self.settings.becomes(),
            allows_same_user: self.settings.becomes_same_user(),
            user: args.become_user.clone().or_else(|| self.settings.become_user()),
            method: args.become_method.clone().or_else(|| self.settings.become_method()),
            password,
        })
    }
}

/// The settings say how many sources may be bad; without them the command does.
fn tolerance(settings: &Settings, usual: Tolerance) -> Tolerance {
    match (settings.any_unparsed_is_failed(), settings.unparsed_is_failed()) {
        (None, None) => usual,
        (Some(true), _) => Tolerance::Nothing,
        (_, Some(true)) => Tolerance::AllButOne,
        (..) => Tolerance::All,
    }
}

/// What keys are taken for that a mapping has twice.
fn duplicate_keys(settings: &Settings) -> Result<DuplicateKeys> {
    let Some(name) = settings.duplicate_keys() else { return Ok(DuplicateKeys::default()) };
    DuplicateKeys::parse(&name).ok_or_else(|| {
        Diagnostic::error(format!("the setting `duplicate_dict_key` is `{name}`"))
            .exits_with(Exit::WrongUse)
            .hint("it is one of `warn`, `error` and `ignore`")
            .into()
    })
}

/// The file that the run is told to as well, where a setting names one.
pub(crate) fn log(settings: &Settings) -> Result<Option<Log>> {
    let Some(path) = settings.log_path() else { return Ok(None) };
    Log::open(&path).map(|log| Some(log.saying(settings.log_verbosity()))).map_err(|cause| {
        Diagnostic::error(format!("the log file `{}` cannot be written", path.display()))
            .cause(cause)
            .exits_with(Exit::Unexpected)
            .hint("set `log_path` (`ANSIBLE_LOG_PATH`) to a file in a folder of yours")
            .into()
    })
}

/// What two mappings of one name come to.
fn hash_behaviour(settings: &Settings) -> Result<HashBehaviour> {
    let Some(name) = settings.hash_behaviour() else { return Ok(HashBehaviour::default()) };
    HashBehaviour::parse(&name).ok_or_else(|| {
        let why = format!("the setting `hash_behaviour` is `{name}`");
        Diagnostic::error(why).exits_with(Exit::WrongUse).hint("it is `replace` or `merge`").into()
    })
}

/// What happens to names of groups that templates cannot use.
fn group_names(settings: &Settings) -> Result<InvalidNames> {
    let Some(name) = settings.group_names() else { return Ok(InvalidNames::Never) };
    InvalidNames::parse(&name).ok_or_else(|| {
        let why = format!("the setting `force_valid_group_names` is `{name}`");
        let next = "it is one of `never`, `always`, `ignore` and `silently`";
        Diagnostic::error(why).exits_with(Exit::WrongUse).hint(next).into()
    })
}

/// Prints mistakes and says how the program ends because of them.
pub(crate) fn tell(mistakes: &Diagnostics) -> Exit {
    use std::io::IsTerminal;
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    eprint!("{}", mistakes.render(color));
    mistakes.exit()
}

/// Prints warnings that came up while reading.
pub(crate) fn tell_warnings(reader: &Reader) {
    let warnings = reader.take_warnings();
    if !warnings.is_empty() {
        tell(&warnings);
    }
}

/// Vault passwords, from options and settings. One that cannot be had is only warned of where there is another.
fn keyring(args: &VaultKeyArgs, settings: &Settings) -> Result<Keyring> {
    let mut keyring = Keyring::default().matching_ids(settings.matches_vault_ids());
    let mut failures = Diagnostics::default();
    for (id, source) in password_sources(args, settings) {
        let password = match source.as_str() {
            "prompt" | "prompt_ask_vault_pass" => ask(&format!("Vault password ({id}): ")),
            file => vault_password_of(Path::new(file), &id),
        };
        match password {
            Ok(password) => keyring.add(id, password),
            Err(why) => failures.append(why),
        }
    }
    if args.ask_vault_pass {
        keyring.add("default", ask("Vault password: ")?);
    }
    if keyring.is_empty() {
        return failures.or_value(keyring);
    }
    failures.into_iter().for_each(|failure| {
        tell(&failure.into_warning().into());
    });
    Ok(keyring)
}

/// The ids with where their passwords are from: those of the settings, then those of the command line.
fn password_sources(args: &VaultKeyArgs, settings: &Settings) -> Vec<(String, String)> {
    let ids = settings.vault_ids().into_iter().chain(args.vault_id.iter().cloned());
    let named = ids.map(|given| {
        let (id, source) = given.split_once('@').unwrap_or(("default", given.as_str()));
        (if id.is_empty() { "default" } else { id }.to_owned(), source.to_owned())
    });
    let files = settings.vault_password_file().into_iter().chain(args.vault_password_file.iter().cloned());
    let unnamed = files.map(|file| ("default".to_owned(), file.to_string_lossy().into_owned()));
    named.chain(unnamed).collect()
}

/// The keyring of a command that has no inventory.
pub(crate) fn keyring_only(args: &VaultKeyArgs) -> Result<Keyring> {
    keyring(args, &Settings::read()?)
}

/// What a file says, or what it prints where it is a program.
fn vault_password_of(file: &Path, id: &str) -> Result<Secret> {
    let file = expand_home(&file.to_string_lossy());
    let is_program = std::fs::metadata(&file)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
    if !is_program {
        let text = std::fs::read_to_string(&file).map_err(|cause| {
            let words = match cause.kind() {
                std::io::ErrorKind::NotFound => format!("Error getting vault password file ({id})"),
                _ => format!("Error in vault password file loading ({id})"),
            };
            unreadable(&file, &cause).into_warning().known_as(words).into_error()
        })?;
        return secret(&text, &file);
    }
    let path = if file.components().count() == 1 { Path::new(".").join(&file) } else { file.clone() };
    let mut command = Command::new(path);
    let is_client = file.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("-client"));
    if is_client {
        command.args(["--vault-id", id]);
    }
    let output = command.output().map_err(|cause| unreadable(&file, &cause))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Diagnostic::error(format!("`{}` gave no vault password", file.display()))
            .cause(format!("{}: {said}", output.status))
            .exits_with(Exit::Unexpected)
            .into());
    }
    secret(&String::from_utf8_lossy(&output.stdout), &file)
}

fn password_of(file: &Path) -> Result<Secret> {
    let text = std::fs::read_to_string(file).map_err(|cause| unreadable(file, &cause))?;
    secret(&text, file)
}

fn secret(text: &str, file: &Path) -> Result<Secret> {
    match text.trim() {
        "" => Err(Diagnostic::error(format!("`{}` holds no password", file.display()))
            .exits_with(Exit::Unexpected)
            .into()),
        text => Ok(Secret::new(text)),
    }
}

/// A password that somebody types.
pub(crate) fn ask(question: &str) -> Result<Secret> {
    let answer = prompt::password(question);
    let answer = answer.map_err(|cause| {
        Diagnostic::error("no password can be asked for").cause(cause).exits_with(Exit::Unexpected)
    })?;
    Ok(Secret::new(answer))
}

fn unreadable(file: &Path, cause: &std::io::Error) -> Diagnostic {
    Diagnostic::error(format!("could not read `{}`", file.display()))
        .cause(cause)
        .exits_with(Exit::Unexpected)
}

/// `-e`: `key=value …`, JSON or YAML, or `@FILE`; a later one wins.
fn extra_vars(given: &[String], reader: &Reader) -> Result<Vars> {
    let mut vars = Vars::new();
    let add = |vars: &mut Vars, more: &Vars| reader.hash_behaviour().vars(vars, more);
    for text in given {
        let trimmed = text.trim();
        if let Some(file) = trimmed.strip_prefix('@') {
            add(&mut vars, &Vars::from(&reader.vars(&expand_home(file))?));
        } else if trimmed.starts_with(['{', '[']) {
            let node = yaml::parse_text("--extra-vars", trimmed)?.with_marks();
            let Some(mapping) = node.as_map() else {
                let found = node.describe();
                return Err(Diagnostic::error(format!("`--extra-vars` needs a mapping, found {found}"))
                    .at(&node.span, "")
                    .exits_with(Exit::WrongUse)
                    .into());
            };
            add(&mut vars, &Vars::from(mapping));
        } else {
            add(&mut vars, &words(trimmed)?);
        }
    }
    Ok(vars)
}

/// `key=value key2='two words'`: values are text.
fn words(text: &str) -> Result<Vars> {
    let wrong = |why: String| Diagnostic::error(why).exits_with(Exit::WrongUse);
    let span = Span::new(&SourceFile::new("--extra-vars", text), 0..text.len());
    let mut vars = Vars::new();
    for word in crate::playbook::split_arguments(text).map_err(wrong)? {
        let Some((name, value)) = word.split_once('=') else {
            return Err(wrong(format!(
                "`--extra-vars`: `{word}` is neither `name=value` nor JSON, YAML or `@FILE`"
            ))
            .into());
        };
        vars.set(name, crate::vars::Data::text(value, &span));
    }
    Ok(vars)
}
