//! Keys and settings for SSH into a lab: a key pair for each lab, a host key for each node, and a known_hosts
//! with all of them, so that the checking of host keys stays strict.

use std::fs;
use std::path::Path;

use super::Lab;
use super::error::{LabError, Result};
use super::state::{LabFiles, write_private};
use super::tool::Tool;

const HOST_KEY: &str = "etc/ssh/ssh_host_ed25519_key";

/// Makes the key that opens all nodes of the lab.
pub(crate) fn make_lab_key(files: &LabFiles) -> Result<()> {
    make_key(&files.ssh_key(), "muster-lab")
}

pub(crate) fn make_host_key(root: &Path) -> Result<()> {
    make_key(&root.join(HOST_KEY), "root")
}

/// The lab's public key, as a line of `authorized_keys`.
pub(crate) fn public_key(files: &LabFiles) -> Result<String> {
    let path = files.ssh_key().with_extension("pub");
    fs::read_to_string(&path).map_err(LabError::io("read", &path))
}

/// Writes `known_hosts` and `ssh_config` for the nodes as they are.
pub(crate) fn write_client_files(lab: &Lab) -> Result<()> {
    let mut known_hosts = String::new();
    for node in &lab.state.nodes {
        let path = lab.files.node(&node.name).root().join(HOST_KEY).with_extension("pub");
        let key = fs::read_to_string(&path).map_err(LabError::io("read", &path))?;
        known_hosts += &known_host(&names(lab, &node.name)?, &key);
    }
    write_private(&lab.files.known_hosts(), &known_hosts)?;
    write_private(&lab.files.ssh_config(), &client_config(lab))
}

fn make_key(path: &Path, comment: &str) -> Result<()> {
    Tool::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(path)
        .run()
        .map(drop)
}

/// The names and addresses under which a node may be called.
fn names(lab: &Lab, node: &str) -> Result<Vec<String>> {
    let state = lab.state.node(node)?;
    let addresses = lab.state.links.iter().map(|link| state.address(*link).to_string());
    Ok(addresses.chain([node.to_owned()]).collect())
}

fn known_host(names: &[String], public_key: &str) -> String {
    let mut fields = public_key.split_whitespace();
    let (kind, key) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    format!("{} {kind} {key}\n", names.join(","))
}

/// For `ssh -F`.
fn client_config(lab: &Lab) -> String {
    let mut text = String::new();
    for node in &lab.state.nodes {
        let address = node.address(lab.state.first_link());
        text += &format!("Host {}\n  HostName {address}\n", node.name);
    }
    let (key, known_hosts) = (lab.files.ssh_key(), lab.files.known_hosts());
    text + &format!(
        "Host *\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  \
         StrictHostKeyChecking yes\n  LogLevel ERROR\n",
        key.display(),
        known_hosts.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_known_by_all_its_names() {
        let names = ["10.77.0.11".to_owned(), "n1".to_owned()];
        assert_eq!(known_host(&names, "ssh-ed25519 AAAA root\n"), "10.77.0.11,n1 ssh-ed25519 AAAA\n");
    }
}
