//! Whether the host is a virtual machine or a container.

use super::facts;
use crate::worker::View;
use serde_json::{Map, Value};
use std::path::Path;

pub(super) fn virtualization(view: &View<'_>) -> Map<String, Value> {
    let container = container(view);
    let machine = machine(view);
    let guests: Vec<Value> =
        container.iter().chain(&machine).map(|kind| Value::from(kind.as_str())).collect();
    let is_host = Path::new("/dev/kvm").exists();
    let (kind, role) = match (container.or(machine), is_host) {
        (Some(kind), _) => (kind, "guest"),
        (None, true) => ("kvm".to_owned(), "host"),
        (None, false) => ("NA".to_owned(), "NA"),
    };
    let hosts: Vec<Value> = if is_host { vec!["kvm".into()] } else { Vec::new() };
    facts! {
        "virtualization_type": kind,
        "virtualization_role": role,
        "virtualization_tech_guest": guests,
        "virtualization_tech_host": hosts,
    }
}

fn container(view: &View<'_>) -> Option<String> {
    let named = view.text("/run/systemd/container").trim().to_owned();
    if !named.is_empty() {
        return Some(named);
    }
    if Path::new("/run/.containerenv").exists() {
        return Some("podman".to_owned());
    }
    if Path::new("/.dockerenv").exists() {
        return Some("docker".to_owned());
    }
    // Only root may look at the first process's environment.
    let first = view.text("/proc/1/environ");
    let word = first.split('\0').find_map(|variable| variable.strip_prefix("container=")).map(str::to_owned);
    word.filter(|word| !word.is_empty())
}

fn machine(view: &View<'_>) -> Option<String> {
    let dmi = |name: &str| view.text(&format!("/sys/devices/virtual/dmi/id/{name}")).trim().to_owned();
    let (product, vendor, bios) = (dmi("product_name"), dmi("sys_vendor"), dmi("bios_vendor"));
    let kind = match (product.as_str(), vendor.as_str()) {
        ("VMware Virtual Platform" | "VMware7,1", _) => "VMware",
        ("VirtualBox", _) => "virtualbox",
        ("Virtual Machine", "Microsoft Corporation") => "VirtualPC",
        ("HVM domU", _) => "xen",
        ("OpenStack Nova", _) => "openstack",
        (_, "QEMU") | ("KVM" | "KVM Server" | "Bochs" | "AHV", _) => "kvm",
        (_, "Amazon EC2" | "DigitalOcean" | "Hetzner" | "oVirt" | "Red Hat") => "kvm",
        ("Google Compute Engine" | "Google", _) => "kvm",
        _ if bios == "Amazon EC2" => "kvm",
        _ if view.text("/sys/hypervisor/type").trim() == "xen" => "xen",
        _ => return view.text("/proc/cpuinfo").contains("QEMU").then(|| "kvm".to_owned()),
    };
    Some(kind.to_owned())
}
