//! The agent's binaries on this machine, one for each kind of processor, found by target triple.

use super::content::hash_file;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// A binary of the agent.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    /// As `uname -m` says it.
    pub(crate) machine: String,
    pub(crate) path: PathBuf,
    /// Lower-case hexadecimal.
    pub(crate) sha256: String,
    pub(crate) size: u64,
    pub(crate) contents: Arc<Contents>,
}

/// The bytes of a binary, once for all hosts that it is pushed to.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    plain: OnceCell<Arc<[u8]>>,
    packed: OnceCell<Arc<[u8]>>,
}

/// All binaries that were found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agents {
    found: Arc<Vec<Agent>>,
    looked_in: Arc<Vec<PathBuf>>,
}

/// Kinds of processors that hosts may have, as `uname -m` and as target triples say it.
const MACHINES: [(&str, &str); 7] = [
    ("x86_64", "x86_64"),
    ("aarch64", "aarch64"),
    ("armv7l", "armv7"),
    ("ppc64le", "powerpc64le"),
    ("s390x", "s390x"),
    ("riscv64", "riscv64gc"),
    ("i686", "i686"),
];
/// musl first: it runs on every Linux.
const SYSTEMS: [&str; 4] =
    ["unknown-linux-musl", "unknown-linux-gnu", "unknown-linux-musleabihf", "unknown-linux-gnueabihf"];

/// How much of the hash is in a file's name: enough that no two builds share it.
const NAME_DIGITS: usize = 16;

impl Agents {
    /// Looks in `$MUSTER_AGENT_DIR/<triple>/`, in `agents/<triple>/` beside the program and in `../lib/muster/`, and
    /// in the build folder of the source tree.
    pub(crate) fn find() -> Self {
        let folders = folders();
        let found = MACHINES.iter().filter_map(|(machine, arch)| find_one(machine, arch, &folders)).collect();
        Self { found: Arc::new(found), looked_in: Arc::new(folders) }
    }

    /// Those that were found.
    pub(crate) fn all(&self) -> &[Agent] {
        &self.found
    }

    /// The binary for a kind of processor.
    ///
    /// # Errors
    ///
    /// A sentence that says where one was looked for and how to build it.
    pub(crate) fn for_machine(&self, machine: &str) -> Result<&Agent, String> {
        self.found.iter().find(|agent| agent.machine == machine).ok_or_else(|| {
            let folders: Vec<String> = self.looked_in.iter().map(|folder| folder.display().to_string()).collect();
            format!(
                "there is no agent for `{machine}`: looked for <triple>/musterd in {}; `make agent` builds it, \
                 MUSTER_AGENT_DIR names another folder",
                folders.join(", ")
            )
        })
    }
}

impl Agent {
    /// The file's name on a host.
    pub(crate) fn file_name(&self) -> String {
        format!("musterd-{}", &self.sha256[..NAME_DIGITS])
    }

    /// What is pushed to a host: as it is, or packed with zstd. Read and packed once, however many hosts need it.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub(crate) async fn bytes(&self, is_packed: bool) -> io::Result<Arc<[u8]>> {
        match is_packed {
            true => self.contents.packed.get_or_try_init(|| packed(&self.path)).await.cloned(),
            false => {
                let read = async || tokio::fs::read(&self.path).await.map(Arc::from);
                self.contents.plain.get_or_try_init(read).await.cloned()
            }
        }
    }
}

/// Level 3: better is slower than the network that it would spare.
async fn packed(path: &Path) -> io::Result<Arc<[u8]>> {
    let bytes = tokio::fs::read(path).await?;
    tokio::task::spawn_blocking(move || zstd::encode_all(bytes.as_slice(), 3).map(Arc::from)).await?
}

fn find_one(machine: &str, arch: &str, folders: &[PathBuf]) -> Option<Agent> {
    let triples = SYSTEMS.iter().map(|system| format!("{arch}-{system}"));
    let candidates = triples.flat_map(|triple| folders.iter().map(move |folder| folder.join(&triple)));
    let files = candidates.flat_map(|folder| [folder.join("musterd"), folder.join("agent/musterd")]);
    let path = files.into_iter().find(|file| file.is_file())?;
    let (sha256, size) = hash_file(&path).ok()?;
    Some(Agent { machine: machine.to_owned(), path, sha256, size, contents: Arc::default() })
}

fn folders() -> Vec<PathBuf> {
    if let Some(folder) = std::env::var_os("MUSTER_AGENT_DIR") {
        return vec![folder.into()];
    }
    let Some(program) = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok()) else {
        return Vec::new();
    };
    let Some(beside) = program.parent() else { return Vec::new() };
    let mut folders = vec![beside.join("agents")];
    if let Some(prefix) = beside.parent() {
        folders.push(prefix.join("lib/muster/agents"));
        // target/release/muster: the agent is in target/<triple>/agent/.
        if is_build_folder(beside) {
            folders.push(prefix.to_owned());
        }
    }
    folders
}

fn is_build_folder(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == "debug" || name == "release" || name == "deps")
}

#[cfg(test)]
mod tests {
    use super::Agent;
    use std::sync::Arc;

    #[tokio::test]
    async fn bytes_are_read_and_packed_once_for_all_hosts() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "an agent").expect("written");
        let agent = Agent {
            machine: "x86_64".to_owned(),
            path: file.path().to_owned(),
            sha256: "0".repeat(64),
            size: 8,
            contents: Arc::default(),
        };
        let first = agent.bytes(true).await.expect("packed");
        assert_eq!(zstd::decode_all(&*first).expect("unpacked"), b"an agent");
        assert!(Arc::ptr_eq(&first, &agent.clone().bytes(true).await.expect("packed")));
        assert_eq!(&*agent.bytes(false).await.expect("plain"), b"an agent");
    }
}
