//! The inventory of a lab: an INI file that muster and Ansible both read.

use super::Lab;
use super::error::Result;
use super::state::{LabFiles, LabState, NodeState, write_private};

/// Where the switch shows a node as a system; see `power_switch/redfish.rs`.
pub(crate) fn system_path(node: &str) -> String {
    format!("/redfish/v1/Systems/{node}")
}

pub(crate) fn write(lab: &Lab) -> Result<()> {
    write_private(&lab.files.inventory(), &render(&lab.state, &lab.files))
}

fn render(lab: &LabState, files: &LabFiles) -> String {
    let mut text = format!("# The lab `{}`, written by `muster lab up`.\n[cluster]\n", lab.name);
    for node in &lab.nodes {
        text += &host_line(lab, node);
    }
    text += "\n[cluster:vars]\n";
    for (name, value) in shared_variables(lab, files) {
        text += &format!("{name}={value}\n");
    }
    text
}

fn host_line(lab: &LabState, node: &NodeState) -> String {
    let mut line = format!("{} ansible_host={}", node.name, node.address(lab.first_link()));
    for (ring, link) in lab.links.iter().enumerate() {
        line += &format!(" ring{ring}_addr={}", node.address(*link));
    }
    line += &format!(" fence_system={}\n", system_path(&node.name));
    line
}

fn shared_variables(lab: &LabState, files: &LabFiles) -> Vec<(&'static str, String)> {
    let known_hosts = files.known_hosts();
    let ssh = format!("-o UserKnownHostsFile={} -o StrictHostKeyChecking=yes", known_hosts.display());
    vec![
        ("ansible_user", "root".to_owned()),
        ("ansible_ssh_private_key_file", files.ssh_key().display().to_string()),
        ("ansible_ssh_common_args", ssh),
        ("fence_address", lab.gateway().to_string()),
        ("fence_port", lab.switch.https_port.to_string()),
        ("fence_http_port", lab.switch.http_port.to_string()),
        ("fence_username", lab.switch.username.clone()),
        ("fence_password", lab.switch.password.clone()),
        // The certificate is the lab's own; whoever wants to check it finds it there.
        ("fence_ssl_insecure", "true".to_owned()),
        ("fence_certificate", files.switch_certificate().display().to_string()),
        ("cluster_vip", lab.floating_address().to_string()),
        ("lab_name", lab.name.to_string()),
        ("lab_vip", lab.floating_address().to_string()),
        ("lab_cidr", lab.first_link().to_string()),
        ("lab_gateway", lab.gateway().to_string()),
        ("lab_ops_user", "ops".to_owned()),
        ("lab_ops_password", lab.ops_password.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::state::Store;
    use crate::lab::test_lab;

    #[test]
    fn each_node_has_its_addresses_and_its_place_on_the_switch() {
        let lab = test_lab(2, 2);
        assert_eq!(
            host_line(&lab, &lab.nodes[1]),
            "n2 ansible_host=10.77.0.12 ring0_addr=10.77.0.12 ring1_addr=10.77.1.12 \
             fence_system=/redfish/v1/Systems/n2\n"
        );
    }

    #[test]
    fn what_all_nodes_share_is_said_once() {
        let lab = test_lab(1, 1);
        let text = render(&lab, &Store::open().lab(&lab.name));
        assert!(text.contains("\nansible_ssh_common_args=-o UserKnownHostsFile="), "{text}");
        assert!(text.contains("\nlab_vip=10.77.0.200\n"), "{text}");
    }
}
