//! systemd's units, as `systemctl` shows them, and as earlier steps of a plan would have left them.

use super::Failure;
use crate::worker::View;
use crate::worker::process::Command;
use serde_json::{Map, Value};
use std::path::Path;

/// Whose systemd is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The host's.
    System,
    /// That of the user as whom the step runs.
    User,
    /// What every user's systemd will do: units can be enabled there, and not started.
    AllUsers,
}

impl Owner {
    /// What the argument `scope` says.
    pub(super) fn of(scope: Option<&str>) -> Self {
        match scope {
            Some("user") => Self::User,
            Some("global") => Self::AllUsers,
            _ => Self::System,
        }
    }

    /// The options of systemctl.
    pub(super) const fn options(self) -> &'static [&'static str] {
        match self {
            Self::System => &[],
            Self::User => &["--user"],
            Self::AllUsers => &["--global"],
        }
    }

    /// A call of systemctl. A user's systemd is found through a folder that not every session names.
    pub(super) fn systemctl(self, words: &[&str], view: &View<'_>) -> Command {
        let words: Vec<&str> = self.options().iter().chain(words).copied().collect();
        let mut command = Command::new("systemctl", &words);
        command.environment.extend(view.environment().clone());
        command.deadline = view.deadline();
        if self == Self::User && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
            let folder = format!("/run/user/{}", rustix::process::geteuid().as_raw());
            command.environment.entry("XDG_RUNTIME_DIR".to_owned()).or_insert(folder);
        }
        command
    }

    /// The name under which predictions about a unit are kept.
    pub(super) fn key(self, unit: &str) -> String {
        match self {
            Self::System => unit.to_owned(),
            Self::User => format!("user/{unit}"),
            Self::AllUsers => format!("global/{unit}"),
        }
    }
}

/// A unit as a step finds it.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    /// The full name that systemd knows it by.
    pub(super) name: String,
    pub(super) is_active: bool,
    pub(super) is_enabled: bool,
    pub(super) is_masked: bool,
    /// Why a start does nothing on this host, whatever is configured.
    pub(super) cannot_start: Option<String>,
    /// Everything that systemctl shows.
    pub(super) status: Map<String, Value>,
}

const SUFFIXES: &[&str] = &[
    "service",
    "socket",
    "target",
    "timer",
    "mount",
    "automount",
    "path",
    "slice",
    "scope",
    "swap",
    "device",
];

/// `chrony` is `chrony.service`.
pub(super) fn full_name(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((_, suffix)) if SUFFIXES.contains(&suffix) => name.to_owned(),
        _ => format!("{name}.service"),
    }
}

/// The unit of that name, or a failure that says that there is none.
pub(super) fn unit(name: &str, owner: Owner, view: &View<'_>) -> Result<Unit, Failure> {
    let name = full_name(name);
    if owner == Owner::AllUsers {
        return Ok(of_all_users(name, view));
    }
    let status = show(&name, owner, view)?;
    let text = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or("");
    let mut unit = match text("LoadState") {
        "not-found" | "error" | "bad-setting" | "" => unknown(&name, text("LoadState"), view)?,
        load => Unit {
            name: text("Id").to_owned(),
            is_active: matches!(text("ActiveState"), "active" | "activating" | "reloading" | "refreshing"),
            is_enabled: is_enabled(&name, text("UnitFileState"), owner, view),
            is_masked: load == "masked",
            cannot_start: None,
            status: Map::new(),
        },
    };
    if text("ConditionResult") == "no" && !unit.is_active && owner == Owner::System {
        unit.cannot_start = lasting_condition(&name, view);
    }
    unit.status = status;
    Ok(planned(unit, owner, view))
}

/// As earlier steps of a plan would have left it.
fn planned(mut unit: Unit, owner: Owner, view: &View<'_>) -> Unit {
    let planned = view.overlay().unit(&owner.key(&unit.name));
    unit.is_active = planned.active.unwrap_or(unit.is_active);
    unit.is_enabled = planned.enabled.unwrap_or(unit.is_enabled);
    unit.is_masked = planned.masked.unwrap_or(unit.is_masked);
    unit
}

/// For all users there is nothing that runs: only whether it is enabled can be asked.
fn of_all_users(name: String, view: &View<'_>) -> Unit {
    let asked = Owner::AllUsers.systemctl(&["is-enabled", "--", &name], view).run();
    let said = asked.map(|ran| ran.out().trim().to_owned()).unwrap_or_default();
    let unit = Unit {
        name,
        is_active: false,
        is_enabled: matches!(said.as_str(), "enabled" | "static"),
        is_masked: said == "masked",
        cannot_start: Some("systemd of all users starts nothing".to_owned()),
        status: Map::new(),
    };
    planned(unit, Owner::AllUsers, view)
}

fn show(name: &str, owner: Owner, view: &View<'_>) -> Result<Map<String, Value>, Failure> {
    let asked = owner.systemctl(&["show", "--no-pager", "--", name], view).run();
    let ran = asked.map_err(|error| {
        Failure::new(format!("cannot run `systemctl`: {error}; muster knows no other service manager yet"))
    })?;
    if !ran.is_fine() {
        return Err(Failure::new(format!(
            "`systemctl show {name}` ended with {}: {}",
            ran.rc,
            ran.complaint()
        )));
    }
    let text = ran.out();
    let lines = text.lines().filter_map(|line| line.split_once('='));
    Ok(lines.map(|(key, value)| (key.to_owned(), value.into())).collect())
}

/// As `systemctl is-enabled` sees it: also what needs no enabling counts.
fn is_enabled(name: &str, file_state: &str, owner: Owner, view: &View<'_>) -> bool {
    let ask = |words: &[&str]| owner.systemctl(words, view).run();
    match file_state {
        "enabled" | "static" | "transient" => true,
        // Until the next start only: Ansible takes that for not enabled.
        "enabled-runtime" | "disabled" | "masked" | "masked-runtime" | "linked" | "linked-runtime"
        | "bad" => false,
        // A unit that others enable is enabled where it has links of its own: they are told below the word.
        "indirect" | "alias" => ask(&["is-enabled", "--full", "--", name])
            .is_ok_and(|ran| ran.is_fine() && ran.out().lines().count() > 1),
        // What comes from an init script is enabled by its links.
        _ => ask(&["is-enabled", "--quiet", "--", name]).is_ok_and(|ran| ran.is_fine()),
    }
}

/// Where units are, as files of packages and of the administrator.
const UNIT_FOLDERS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// systemd does not know it: a file or a package of an earlier step may bring it.
fn unknown(name: &str, load: &str, view: &View<'_>) -> Result<Unit, Failure> {
    let new = |is_active, is_enabled| Unit {
        name: name.to_owned(),
        is_active,
        is_enabled,
        is_masked: false,
        cannot_start: None,
        status: Map::new(),
    };
    let file = name.split_once('@').map_or_else(
        || name.to_owned(),
        |(template, rest)| {
            format!("{template}@.{}", rest.rsplit_once('.').map_or("service", |(_, suffix)| suffix))
        },
    );
    if UNIT_FOLDERS.iter().any(|folder| view.exists(&Path::new(folder).join(&file))) {
        return Ok(new(false, false));
    }
    if view.overlay().has_new_packages() {
        let starts = starts_with_its_package(name, view);
        return Ok(new(starts, starts));
    }
    let bare = name.strip_suffix(".service").unwrap_or(name);
    let why = match load {
        "not-found" | "" => format!("no unit has that name{}", other_name(bare)),
        _ => "systemd cannot load it; `systemctl status` says why".to_owned(),
    };
    Err(Failure::missing(format!("Could not find the requested service {bare}: {why}")))
}

/// What may have been meant: the name that another distribution has for it, or one that is nearly the same.
fn other_name(bare: &str) -> String {
    const ELSEWHERE: [(&str, &str); 7] = [
        ("httpd", "apache2"),
        ("chronyd", "chrony"),
        ("sshd", "ssh"),
        ("crond", "cron"),
        ("named", "bind9"),
        ("nfs-server", "nfs-kernel-server"),
        ("postgresql-server", "postgresql"),
    ];
    let files = UNIT_FOLDERS.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let units: Vec<String> = files
        .filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".service")?.to_owned()))
        .collect();
    let elsewhere = ELSEWHERE.iter().find_map(|(one, other)| match bare {
        _ if bare == *one => Some(*other),
        _ if bare == *other => Some(*one),
        _ => None,
    });
    let is_here = |name: &&str| units.iter().any(|unit| unit == name);
    let meant =
        elsewhere.filter(is_here).or_else(|| super::nearest::nearest(bare, units.iter().map(String::as_str)));
    meant.map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

/// Debian starts and enables what it installs, except where the package says otherwise or `policy-rc.d` forbids it;
/// RHEL leaves both to the administrator.
fn starts_with_its_package(name: &str, view: &View<'_>) -> bool {
    // Packages of Debian that leave their service disabled.
    const LEFT_DISABLED: &[&str] = &["nftables.service", "rsync.service", "iperf3.service", "tor.service"];
    view.program("dpkg").is_some() && !LEFT_DISABLED.contains(&name) && !is_forbidden(name, view)
}

fn is_forbidden(name: &str, view: &View<'_>) -> bool {
    let policy = Path::new("/usr/sbin/policy-rc.d");
    let short = name.trim_end_matches(".service");
    // 101 is its word for: not allowed (invoke-rc.d(8)).
    view.exists(policy) && view.ask("/usr/sbin/policy-rc.d", &[short, "start"]).is_ok_and(|ran| ran.rc == 101)
}

/// A condition that does not change while the host runs, such as being a container.
fn lasting_condition(name: &str, view: &View<'_>) -> Option<String> {
    const LASTING: &[&str] = &[
        "ConditionVirtualization",
        "ConditionCapability",
        "ConditionArchitecture",
        "ConditionSecurity",
        "ConditionKernelVersion",
        "ConditionKernelCommandLine",
    ];
    let text = view.ask("systemctl", &["status", "--no-pager", "--lines=0", "--", name]).ok()?.out();
    let line = text.lines().find(|line| line.contains("was not met"))?;
    let condition = line.trim_start_matches([' ', '└', '├', '─']).trim();
    LASTING.iter().any(|lasting| condition.starts_with(lasting)).then(|| condition.to_owned())
}

#[cfg(test)]
mod tests {
    use super::full_name;

    #[test]
    fn name_without_a_known_suffix_is_a_service() {
        assert_eq!(full_name("chrony"), "chrony.service");
        assert_eq!(full_name("apt-daily.timer"), "apt-daily.timer");
        assert_eq!(full_name("openvpn@site.example"), "openvpn@site.example.service");
    }
}
