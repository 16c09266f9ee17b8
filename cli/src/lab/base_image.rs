//! The base image: a small Debian of the host's release, which every node's disk begins as.
//!
//! It is built by mmdebstrap once for each recipe, under a temporary name, and renamed when it is whole. Its
//! id is a hash of everything that decides its content, so another recipe is another image.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::cgroup::Cgroup;
use super::error::{LabError, Result, Said};
use super::mounts;
use super::state::{Store, SystemChoice, make_folder};
use super::tool::Tool;

/// Turns the bootstrapped Debian into a node of a lab.
const CUSTOMIZE: &str = include_str!("base_image.sh");

const PACKAGES: [&str; 14] = [
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "iputils-ping",
    "kmod",
    "netbase",
    "nftables",
    "openssh-server",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
    "tzdata",
];

/// What Ansible needs on a node, and muster does not.
const PYTHON_PACKAGES: [&str; 2] = ["python3", "python3-apt"];

/// Settings of the host's apt that decide how packages are fetched; all others stay the host's own matter.
const FETCH_SETTINGS: [&str; 7] = [
    "Acquire::http::",
    "Acquire::https::",
    "Acquire::ftp::",
    "Acquire::Check-",
    "Acquire::Allow",
    "Acquire::Retries",
    "Acquire::ForceIP",
];

const UNFINISHED: &str = ".building";
const FAILED: &str = ".failed.log";

/// Everything that decides what is in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipe {
    release: String,
    packages: Vec<String>,
    /// Files with package sources for this release, and their text.
    sources: Vec<(String, String)>,
    apt_options: Vec<String>,
}

impl Recipe {
    /// The recipe for this host's release, with its way to fetch packages.
    pub(crate) fn new(choice: &SystemChoice) -> Result<Self> {
        let os_release = Path::new("/etc/os-release");
        let text = fs::read_to_string(os_release).map_err(LabError::io("read", os_release))?;
        let release = codename(&text).unwrap_or("bookworm").to_owned();
        let sources = sources_of(&release);
        Ok(Self { sources, packages: packages(choice), apt_options: apt_options()?, release })
    }

    pub(crate) fn id(&self) -> String {
        let content =
            (&self.release, std::env::consts::ARCH, &self.packages, &self.sources, &self.apt_options);
        let digest = Sha256::digest(format!("{content:?}\n{CUSTOMIZE}"));
        let hash: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{hash}", self.release)
    }

    /// Builds the image unless it is there, or waits while somebody else builds it. `announce` is called
    /// before a build. Returns the image's id.
    pub(crate) fn ensure(&self, store: &Store, announce: impl FnOnce()) -> Result<String> {
        let id = self.id();
        let image = store.image(&id);
        if image.exists() {
            return Ok(id);
        }
        make_folder(&store.images())?;
        let _lock = store.lock_image(&id)?;
        if !image.exists() {
            announce();
            discard(store, &id)?;
            self.build(store, &id).inspect_err(|_| {
                let _ = discard(store, &id);
            })?;
        }
        Ok(id)
    }

    fn build(&self, store: &Store, id: &str) -> Result<()> {
        let unfinished = store.image(&format!("{id}{UNFINISHED}"));
        let log_path = log_of(store, id);
        let log = File::create(&log_path).map_err(LabError::io("write", &log_path))?;
        let group = build_group(store, id)?;
        let tool = self.mmdebstrap(&unfinished);
        let tool = if let Some(group) = &group { tool.inside(group)? } else { tool };
        let status = tool.run_interruptibly(&log)?;
        group.map_or(Ok(()), |group| group.remove())?;
        if !status.success() {
            let said = Said(errors(&fs::read_to_string(&log_path).unwrap_or_default()));
            let kept = store.image(&format!("{id}{FAILED}"));
            fs::rename(&log_path, &kept).map_err(LabError::io("keep the log as", &kept))?;
            return Err(LabError::BaseImage { status, log: kept, said });
        }
        let _ = fs::remove_file(&log_path);
        let image = store.image(id);
        fs::rename(&unfinished, &image).map_err(LabError::io("rename to", &image))
    }

    fn mmdebstrap(&self, target: &Path) -> Tool {
        let options = self.apt_options.iter().map(|option| format!("--aptopt={option}"));
        Tool::new("mmdebstrap")
            .args(["--mode=root", "--variant=minbase", "--format=directory"])
            // The lists of packages stay, as on a host that was installed the usual way.
            .args(["--skip=cleanup/apt/lists"])
            .arg(format!("--include={}", self.packages.join(",")))
            .args(options)
            .args(["/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*"].map(dpkg_exclude))
            .args(["--dpkgopt=path-include=/usr/share/doc/*/copyright"])
            .arg(format!("--customize-hook={CUSTOMIZE}"))
            .arg(&self.release)
            .arg(target)
            .args(self.sources.iter().map(|(path, _)| path))
    }
}

/// Removes what is left of builds that were killed. Builds that are going on are left alone.
pub(crate) fn sweep(store: &Store) -> Result<()> {
    for id in unfinished(store) {
        if let Some(_lock) = store.try_lock_image(&id)? {
            discard(store, &id)?;
        }
    }
    Ok(())
}

/// Removes the images that no lab uses, and the logs of builds that failed; returns the ids of the images.
pub(crate) fn remove_unused(store: &Store) -> Result<Vec<String>> {
    for log in names(store).filter(|name| name.ends_with(FAILED)) {
        let path = store.image(&log);
        fs::remove_file(&path).map_err(LabError::io("remove", &path))?;
    }
    let used: Vec<String> = store.states().into_iter().map(|lab| lab.base_image).collect();
    let mut removed = Vec::new();
    for id in ids(store).into_iter().filter(|id| !used.contains(id)) {
        if let Some(_lock) = store.try_lock_image(&id)? {
            mounts::remove_tree(&store.image(&id))?;
            removed.push(id);
        }
    }
    Ok(removed)
}

/// Ends a build that nobody waits for any more, and removes its files. The caller holds the image's lock.
fn discard(store: &Store, id: &str) -> Result<()> {
    if let Some(group) = build_group(store, id)? {
        group.kill()?;
        group.remove()?;
        group.remove_top_if_empty();
    }
    let _ = fs::remove_file(log_of(store, id));
    mounts::remove_tree(&store.image(&format!("{id}{UNFINISHED}")))
}

fn log_of(store: &Store, id: &str) -> PathBuf {
    store.image(&format!("{id}.log"))
}

/// The process group of a build: it has no name that a lab could have.
fn build_group(store: &Store, id: &str) -> Result<Option<Cgroup>> {
    Ok(Cgroup::top(store)?.map(|top| top.child(&format!(".image-{id}"))))
}

fn unfinished(store: &Store) -> Vec<String> {
    names(store).filter_map(|name| Some(name.strip_suffix(UNFINISHED)?.to_owned())).collect()
}

fn ids(store: &Store) -> Vec<String> {
    names(store).filter(|name| !name.contains('.')).collect()
}

fn names(store: &Store) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(store.images()).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

fn dpkg_exclude(path: &str) -> String {
    format!("--dpkgopt=path-exclude={path}")
}

fn packages(choice: &SystemChoice) -> Vec<String> {
    let python = choice.python.then_some(PYTHON_PACKAGES).into_iter().flatten();
    let named = PACKAGES.into_iter().chain(python).map(str::to_owned);
    let mut all: Vec<String> = named.chain(choice.packages.iter().cloned()).collect();
    all.sort();
    all.dedup();
    all
}

fn codename(os_release: &str) -> Option<&str> {
    let line = os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(line.trim_matches('"')).filter(|name| !name.is_empty())
}

/// The host's files with package sources for its release. Others (of vendors) are left to the nodes' own apt.
fn sources_of(release: &str) -> Vec<(String, String)> {
    let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten();
    let in_folder = folder.filter_map(|entry| entry.ok()?.path().to_str().map(str::to_owned));
    let mut paths: Vec<String> = in_folder.chain(["/etc/apt/sources.list".to_owned()]).collect();
    paths.sort();
    let is_source = |path: &String| path.ends_with(".list") || path.ends_with(".sources");
    let files = paths.into_iter().filter(is_source).filter_map(|path| {
        let text = fs::read_to_string(&path).ok()?;
        offers(&text, release).then_some((path, text))
    });
    files.collect()
}

/// Whether sources, in either of apt's two formats, name a suite of the release (`bookworm-security`).
fn offers(text: &str, release: &str) -> bool {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter(|line| line.starts_with("Suites:") || line.starts_with("deb")).any(|line| {
        line.split_whitespace().any(|word| {
            word == release || word.strip_prefix(release).is_some_and(|rest| rest.starts_with('-'))
        })
    })
}

/// How the host fetches packages, for mmdebstrap and for the nodes.
fn apt_options() -> Result<Vec<String>> {
    let settings = Tool::new("apt-config").arg("dump").run()?;
    let mut options = fetch_settings(&settings);
    for (variable, setting) in [("http_proxy", "http"), ("https_proxy", "https")] {
        let proxy = std::env::var(variable).or_else(|_| std::env::var(variable.to_uppercase()));
        if let Some(proxy) = proxy.ok().filter(|proxy| !proxy.is_empty()) {
            options.push(format!("Acquire::{setting}::Proxy \"{proxy}\";"));
        }
    }
    Ok(options)
}

fn fetch_settings(dump: &str) -> Vec<String> {
    let is_fetch = |line: &&str| FETCH_SETTINGS.iter().any(|prefix| line.starts_with(prefix));
    let is_set = |line: &&str| !line.ends_with(" \"\";");
    dump.lines().filter(is_fetch).filter(is_set).map(str::to_owned).collect()
}

/// What a log of mmdebstrap says went wrong: its first errors, which cause the later ones.
fn errors(log: &str) -> String {
    let is_error = |line: &&str| line.starts_with("E: ");
    let first: Vec<&str> = log.lines().filter(is_error).take(2).collect();
    let last = || log.lines().last().unwrap_or("it said nothing").to_owned();
    if first.is_empty() { last() } else { first.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(packages: &[&str]) -> Recipe {
        let choice = SystemChoice { python: false, packages: packages.iter().map(|p| (*p).into()).collect() };
        Recipe {
            release: "bookworm".into(),
            packages: super::packages(&choice),
            sources: vec![("/etc/apt/sources.list".into(), "deb http://mirror/debian bookworm main".into())],
            apt_options: vec![],
        }
    }

    #[test]
    fn the_order_in_which_packages_are_named_makes_no_new_image() {
        assert_eq!(recipe(&["chrony", "apache2"]).id(), recipe(&["apache2", "chrony", "curl"]).id());
    }

    #[test]
    fn another_package_or_another_mirror_makes_a_new_image() {
        let plain = recipe(&[]);
        let mirrored = Recipe { sources: vec![], ..plain.clone() };
        assert_ne!(plain.id(), recipe(&["chrony"]).id());
        assert_ne!(plain.id(), mirrored.id());
    }

    #[test]
    fn sources_count_in_both_formats_and_only_for_the_release() {
        assert!(offers("deb [signed-by=/k] http://x/debian bookworm main", "bookworm"));
        assert!(offers("Types: deb\nSuites: bookworm-security\n", "bookworm"));
        assert!(!offers("# deb http://x/debian bookworm main", "bookworm"));
        assert!(!offers("Types: deb\nSuites: nodistro\nURIs: http://x/bookworm\n", "bookworm"));
    }

    #[test]
    fn the_first_errors_of_a_build_are_its_cause() {
        let log =
            "I: installing\nE: Unable to locate package x\nE: setup failed\nE: mmdebstrap failed to run\n";
        assert_eq!(errors(log), "E: Unable to locate package x\nE: setup failed");
    }

    #[test]
    fn only_settings_about_fetching_travel_to_the_nodes() {
        let dump = "APT::Architecture \"amd64\";\nAcquire::http::Proxy \"http://cache:3142\";\n\
                    Acquire::Check-Date \"false\";\nAcquire::Languages \"none\";\nAcquire::http::Timeout \"\";\n";
        assert_eq!(
            fetch_settings(dump),
            ["Acquire::http::Proxy \"http://cache:3142\";", "Acquire::Check-Date \"false\";"]
        );
    }
}
