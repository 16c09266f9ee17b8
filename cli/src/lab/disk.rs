//! A node's disk: what the node wrote, over the shared base image. It survives power cuts.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use super::error::{LabError, Result};
use super::mounts;
use super::node::Node;
use super::ssh;
use super::state::{LabState, NodeFiles, NodeState, make_folder};
use super::subnet::Subnet;
use super::tool::Tool;

/// Makes the disk and gives the node its identity: name, addresses, keys, passwords.
pub(crate) fn create(node: &Node<'_>) -> Result<()> {
    let root = node.files().root();
    let lab = &node.lab().state;
    mount(node)?;
    write(&root.join("etc/hostname"), &format!("{}\n", node.name()), 0o644)?;
    write(&root.join("etc/machine-id"), &format!("{}\n", random_hex(16)), 0o444)?;
    write_hosts(&root, node.name())?;
    write(&root.join("etc/resolv.conf"), &resolv_conf()?, 0o644)?;
    for (link, subnet) in lab.links.iter().enumerate() {
        let path = root.join(format!("etc/systemd/network/10-eth{link}.network"));
        write(&path, &network_file(lab, node.state(), link, *subnet), 0o644)?;
    }
    ssh::make_host_key(&root)?;
    authorize(&root, &ssh::public_key(&node.lab().files)?)?;
    set_password(&root, "ops", &lab.ops_password)
}

/// Mounts the disk, unless it is mounted.
pub(crate) fn mount(node: &Node<'_>) -> Result<()> {
    let files = node.files();
    let root = files.root();
    if mounts::is_mounted(&root)? {
        return Ok(());
    }
    for folder in [files.upper(), files.work(), root.clone()] {
        make_folder(&folder)?;
    }
    let base = node.lab().store.image(&node.lab().state.base_image);
    let [base, upper, work] = [base, files.upper(), files.work()].map(|path| path.display().to_string());
    let options = format!("lowerdir={base},upperdir={upper},workdir={work}");
    Tool::new("mount").args(["-t", "overlay", "muster-lab", "-o", &options]).arg(&root).run().map(drop)
}

/// Removes what a killed systemd-nspawn leaves in /run: the lock of the disk, and a folder by the machine's
/// name. It removes them itself when it ends by itself.
pub(crate) fn forget(machine: &str, files: &NodeFiles) {
    let run = Path::new("/run/systemd/nspawn");
    if let Ok(root) = fs::metadata(files.root()) {
        let device = rustix::fs::minor(root.dev());
        let _ = fs::remove_file(run.join(format!("locks/inode-{device}:{}", root.ino())));
    }
    let _ = fs::remove_dir(run.join("propagate").join(machine));
    let _ = fs::remove_dir(run.join("unix-export").join(machine));
}

/// As Debian's installer leaves it: the node's own name on a loopback address.
fn write_hosts(root: &Path, name: &str) -> Result<()> {
    let path = root.join("etc/hosts");
    let base = fs::read_to_string(&path).map_err(LabError::io("read", &path))?;
    let (first, rest) = base.split_once('\n').unwrap_or((&base, ""));
    write(&path, &format!("{first}\n127.0.1.1\t{name}\n{rest}"), 0o644)
}

fn network_file(lab: &LabState, node: &NodeState, link: usize, subnet: Subnet) -> String {
    let address = node.address(subnet);
    let length = Subnet::PREFIX_LENGTH;
    let way_out = if link == 0 { format!("Gateway={}\n", subnet.gateway()) } else { String::new() };
    format!(
        "[Match]\nName=eth{link}\n\n[Link]\nMTUBytes={mtu}\n\n\
         [Network]\nAddress={address}/{length}\n{way_out}LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
        mtu = lab.mtu
    )
}

/// The host's name servers, as far as a node can reach them.
fn resolv_conf() -> Result<String> {
    let path = Path::new("/etc/resolv.conf");
    let text = fs::read_to_string(path).map_err(LabError::io("read", path))?;
    let is_stub = !has_reachable_server(&text);
    // systemd-resolved keeps the servers behind its stub here.
    let behind = fs::read_to_string("/run/systemd/resolve/resolv.conf").ok();
    Ok(behind.filter(|_| is_stub).unwrap_or(text))
}

fn has_reachable_server(resolv_conf: &str) -> bool {
    let servers = resolv_conf.lines().filter_map(|line| line.strip_prefix("nameserver")?.trim().parse().ok());
    servers.into_iter().any(|server: IpAddr| !server.is_loopback())
}

/// Lets the lab's key in as root and as `ops`.
fn authorize(root: &Path, public_key: &str) -> Result<()> {
    for home in ["root", "home/ops"] {
        let home = root.join(home);
        let owner = fs::metadata(&home).map_err(LabError::io("read", &home))?;
        let folder = home.join(".ssh");
        make_folder(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o700))
            .map_err(LabError::io("protect", &folder))?;
        let keys = folder.join("authorized_keys");
        write(&keys, public_key, 0o600)?;
        for path in [&folder, &keys] {
            chown(path, Some(owner.uid()), Some(owner.gid())).map_err(LabError::io("give away", path))?;
        }
    }
    Ok(())
}

fn set_password(root: &Path, user: &str, password: &str) -> Result<()> {
    let line = format!("{user}:{password}\n");
    Tool::new("chpasswd").arg("--root").arg(root).input(line).run().map(drop)
}

/// Writes a file of the node. What was there is removed first: a symbolic link would lead out of the node.
fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        fs::remove_file(path).map_err(LabError::io("replace", path))?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(LabError::io("make", path))?;
    file.set_permissions(Permissions::from_mode(mode)).map_err(LabError::io("protect", path))?;
    file.write_all(text.as_bytes()).map_err(LabError::io("write", path))
}

/// Random bytes as text, for ids and passwords.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).expect("the kernel has random numbers once it runs programs");
    buffer.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::test_lab;

    #[test]
    fn only_the_first_link_leads_out() {
        let lab = test_lab(2, 2);
        let file = |link: usize| network_file(&lab, &lab.nodes[1], link, lab.links[link]);
        assert!(file(0).contains("Address=10.77.0.12/24\nGateway=10.77.0.1\n"), "{}", file(0));
        assert!(file(1).contains("Address=10.77.1.12/24\nLinkLocalAddressing=no\n"), "{}", file(1));
    }

    #[test]
    fn a_name_server_on_loopback_is_none_that_a_node_can_reach() {
        assert!(!has_reachable_server("nameserver 127.0.0.53\noptions edns0\n"));
        assert!(has_reachable_server("nameserver 127.0.0.1\nnameserver 192.0.2.53\n"));
    }
}
