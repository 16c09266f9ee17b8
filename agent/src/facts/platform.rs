//! Kernel, names, users, environment and what manages packages and services.

use super::facts;
use crate::worker::View;
use serde_json::{Map, Value, json};
use std::path::Path;

pub(super) fn platform(view: &View<'_>) -> Map<String, Value> {
    let kernel = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let machine = text(kernel.machine());
    let nodename = view.overlay().hostname().map_or_else(|| text(kernel.nodename()), str::to_owned);
    let fqdn = full_name(&nodename, view);
    let bits = if machine.ends_with("64") || machine == "s390x" { "64" } else { "32" };
    let machine_id = view.text("/etc/machine-id").trim().to_owned();
    facts! {
        "system": text(kernel.sysname()),
        "kernel": text(kernel.release()),
        "kernel_version": text(kernel.version()),
        "machine": machine.clone(),
        "architecture": if machine == "i686" { "i386".to_owned() } else { machine.clone() },
        "userspace_bits": bits,
        "userspace_architecture": machine,
        "hostname": nodename.split('.').next().unwrap_or("").to_owned(),
        "nodename": nodename,
        "domain": fqdn.split_once('.').map_or("", |(_, domain)| domain).to_owned(),
        "fqdn": fqdn,
        "machine_id": machine_id,
        "is_chroot": is_chroot(),
    }
}

/// The name with its domain, as /etc/hosts or the host's name service has it.
fn full_name(nodename: &str, view: &View<'_>) -> String {
    if nodename.contains('.') {
        return nodename.to_owned();
    }
    let hosts = view.text("/etc/hosts");
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or(""));
    let listed = lines
        .map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>())
        .find(|names| names.contains(&nodename));
    listed
        .and_then(|names| names.first().map(|name| (*name).to_owned()))
        .unwrap_or_else(|| nodename.to_owned())
}

fn is_chroot() -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |path: &str| std::fs::metadata(path).ok().map(|metadata| (metadata.ino(), metadata.dev()));
    // Who may not look at the first process's root cannot tell.
    place("/proc/1/root/.").is_some_and(|first| place("/") != Some(first))
}

pub(super) fn package_manager(view: &View<'_>) -> Map<String, Value> {
    let managers = [
        ("apt-get", "apt"),
        ("dnf5", "dnf5"),
        ("dnf", "dnf"),
        ("yum", "yum"),
        ("zypper", "zypper"),
        ("pacman", "pacman"),
        ("apk", "apk"),
    ];
    let found = managers.iter().find(|(program, _)| view.program(program).is_some());
    facts! { "pkg_mgr": found.map_or("unknown", |(_, name)| name) }
}

pub(super) fn service_manager(view: &View<'_>) -> Map<String, Value> {
    let first = view.text("/proc/1/comm");
    let manager = match first.trim() {
        _ if Path::new("/run/systemd/system").exists() => "systemd",
        "systemd" => "systemd",
        "runit-init" | "runit" => "runit",
        "init" if view.exists(Path::new("/sbin/openrc")) => "openrc",
        "init" => "sysvinit",
        "" => "service",
        other => return facts! { "service_mgr": other },
    };
    facts! { "service_mgr": manager }
}

/// What `systemctl --version` says: a number, and what it was built with.
pub(super) fn systemd(view: &View<'_>) -> Map<String, Value> {
    let said = match view.program("systemctl") {
        Some(_) => view.ask("systemctl", &["--version"]).map(|ran| ran.out()).unwrap_or_default(),
        None => return Map::new(),
    };
    let (first, features) = said.split_once('\n').unwrap_or((&said, ""));
    let Some(version) = first.split_whitespace().nth(1) else { return Map::new() };
    facts! { "systemd": serde_json::json!({"version": version, "features": features.trim()}) }
}

pub(super) fn user(view: &View<'_>) -> Map<String, Value> {
    let (real, effective) = (rustix::process::getuid().as_raw(), rustix::process::geteuid().as_raw());
    let (real_group, effective_group) =
        (rustix::process::getgid().as_raw(), rustix::process::getegid().as_raw());
    let user = view.users().into_iter().find(|user| user.uid == real);
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    facts! {
        "user_id": user.as_ref().map_or_else(|| real.to_string(), |user| user.name.clone()),
        "user_uid": real,
        "user_gid": user.as_ref().map_or(real_group, |user| user.gid),
        "user_gecos": text(user.as_ref().map(|user| &user.comment)),
        "user_dir": text(user.as_ref().map(|user| &user.home)),
        "user_shell": text(user.as_ref().map(|user| &user.shell)),
        "real_user_id": real,
        "effective_user_id": effective,
        "real_group_id": real_group,
        "effective_group_id": effective_group,
    }
}

pub(super) fn environment(view: &View<'_>) -> Map<String, Value> {
    let own = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    let mut all: Map<String, Value> = own.map(|(name, value)| (name, value.into())).collect();
    all.extend(view.environment().iter().map(|(name, value)| (name.clone(), value.as_str().into())));
    facts! { "env": all }
}

pub(super) fn command_line(view: &View<'_>) -> Map<String, Value> {
    let text = view.text("/proc/cmdline");
    let (mut last, mut all): (Map<String, Value>, Map<String, Value>) = Default::default();
    for word in text.split_whitespace() {
        let (name, value) =
            word.split_once('=').map_or((word, json!(true)), |(name, value)| (name, json!(value)));
        last.insert(name.to_owned(), value.clone());
        match all.get_mut(name) {
            None => {
                all.insert(name.to_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(one) => *one = json!([one.clone(), value]),
        }
    }
    facts! { "cmdline": last, "proc_cmdline": all }
}

pub(super) fn selinux(view: &View<'_>) -> Map<String, Value> {
    let Ok(enforce) = std::fs::read_to_string("/sys/fs/selinux/enforce") else {
        return facts! { "selinux": json!({"status": "disabled"}), "selinux_python_present": true };
    };
    let configured = view.text("/etc/selinux/config");
    let setting = |name: &str| {
        let line = configured
            .lines()
            .find_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix('='));
        line.map_or("unknown", str::trim).to_owned()
    };
    let version = std::fs::read_to_string("/sys/fs/selinux/policyvers").unwrap_or_default();
    let told = json!({
        "status": "enabled",
        "mode": if enforce.trim() == "1" { "enforcing" } else { "permissive" },
        "config_mode": setting("SELINUX"),
        "type": setting("SELINUXTYPE"),
        "policyvers": version.trim().parse::<u64>().map_or_else(|_| json!("unknown"), |version| json!(version)),
    });
    facts! { "selinux": told, "selinux_python_present": true }
}

pub(super) fn apparmor(_view: &View<'_>) -> Map<String, Value> {
    let status = if Path::new("/sys/kernel/security/apparmor").exists() { "enabled" } else { "disabled" };
    facts! { "apparmor": json!({"status": status}) }
}

pub(super) fn fips(view: &View<'_>) -> Map<String, Value> {
    facts! { "fips": view.text("/proc/sys/crypto/fips_enabled").trim() == "1" }
}

pub(super) fn ssh_keys(view: &View<'_>) -> Map<String, Value> {
    let mut keys = Map::new();
    for kind in ["rsa", "dsa", "ecdsa", "ed25519"] {
        let text = view.text(&format!("/etc/ssh/ssh_host_{kind}_key.pub"));
        let mut words = text.split_whitespace();
        if let (Some(name), Some(key)) = (words.next(), words.next()) {
            keys.insert(format!("ssh_host_key_{kind}_public"), key.into());
            keys.insert(format!("ssh_host_key_{kind}_public_keytype"), name.into());
        }
    }
    keys
}

/// muster needs no Python on the host; playbooks that ask get an honest answer.
pub(super) fn python(view: &View<'_>) -> Map<String, Value> {
    let Some(path) = view.program("python3") else { return Map::new() };
    let path = path.to_string_lossy().into_owned();
    let told = view.ask(&path, &["--version"]).map(|ran| ran.out()).unwrap_or_default();
    let version = told.trim().strip_prefix("Python ").unwrap_or_default();
    let numbers: Vec<u64> = version.split('.').map_while(|number| number.parse().ok()).collect();
    let [major, minor, micro] = numbers[..] else { return facts! { "python": json!({"executable": path}) } };
    facts! {
        "python": json!({
            "executable": path,
            "type": "cpython",
            "version": {"major": major, "minor": minor, "micro": micro, "releaselevel": "final", "serial": 0},
            "version_info": [major, minor, micro, "final", 0],
        }),
        "python_version": version,
    }
}

pub(super) fn load(view: &View<'_>) -> Map<String, Value> {
    let text = view.text("/proc/loadavg");
    let number = |index: usize| text.split_whitespace().nth(index).and_then(|word| word.parse::<f64>().ok());
    facts! { "loadavg": json!({"1m": number(0), "5m": number(1), "15m": number(2)}) }
}
