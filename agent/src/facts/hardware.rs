//! Processors, memory, firmware.

use super::facts;
use crate::worker::View;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn processor(view: &View<'_>) -> Map<String, Value> {
    processor_of(&view.text("/proc/cpuinfo"), std::thread::available_parallelism().map_or(1, usize::from))
}

fn processor_of(text: &str, usable: usize) -> Map<String, Value> {
    let mut names: Vec<Value> = Vec::new();
    let (mut sockets, mut cores, mut threads) = (BTreeSet::new(), 0_u64, 0_u64);
    let mut siblings = 0_u64;
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (key.trim(), value.trim());
        match key {
            "processor" => {
                threads += 1;
                names.push(value.into());
            }
            "vendor_id" | "model name" | "Model" | "CPU" => names.push(value.into()),
            "physical id" => {
                sockets.insert(value.to_owned());
            }
            "cpu cores" => cores = value.parse().unwrap_or(cores),
            "siblings" => siblings = value.parse().unwrap_or(siblings),
            _ => {}
        }
    }
    let count = (sockets.len() as u64).max(1);
    // Architectures that tell neither have one socket for each processor.
    let (count, cores) = if cores == 0 { (threads.max(1), 1) } else { (count, cores) };
    let per_core = if siblings == 0 { 1 } else { (siblings / cores.max(1)).max(1) };
    facts! {
        "processor": names,
        "processor_count": count,
        "processor_cores": cores,
        "processor_threads_per_core": per_core,
        "processor_vcpus": per_core * count * cores,
        "processor_nproc": usable as u64,
    }
}

pub(super) fn memory(view: &View<'_>) -> Map<String, Value> {
    memory_of(&view.text("/proc/meminfo"))
}

fn memory_of(text: &str) -> Map<String, Value> {
    let kilobytes: BTreeMap<&str, u64> = text
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            Some((name, rest.split_whitespace().next()?.parse().ok()?))
        })
        .collect();
    let mb = |name: &str| kilobytes.get(name).copied().unwrap_or(0) / 1024;
    let (total, free, swap, swap_free) = (mb("MemTotal"), mb("MemFree"), mb("SwapTotal"), mb("SwapFree"));
    let cached = mb("Cached") + mb("Buffers");
    facts! {
        "memtotal_mb": total,
        "memfree_mb": free,
        "swaptotal_mb": swap,
        "swapfree_mb": swap_free,
        "memory_mb": json!({
            "real": {"total": total, "used": total.saturating_sub(free), "free": free},
            "nocache": {"free": free + cached, "used": total.saturating_sub(free + cached)},
            "swap": {"total": swap, "free": swap_free, "used": swap.saturating_sub(swap_free), "cached": mb("SwapCached")},
        }),
    }
}

pub(super) fn uptime(view: &View<'_>) -> Map<String, Value> {
    let text = view.text("/proc/uptime");
    let seconds = text.split('.').next().and_then(|seconds| seconds.parse::<u64>().ok());
    seconds.map_or_else(Map::new, |seconds| facts! { "uptime_seconds": seconds })
}

/// What the firmware says of the machine; `NA` where it says nothing or nobody may know.
pub(super) fn firmware(view: &View<'_>) -> Map<String, Value> {
    let read = |name: &str| {
        let text = view.text(&format!("/sys/devices/virtual/dmi/id/{name}"));
        Value::from(if text.trim().is_empty() { "NA" } else { text.trim() })
    };
    let files = [
        ("bios_date", "bios_date"),
        ("bios_vendor", "bios_vendor"),
        ("bios_version", "bios_version"),
        ("board_asset_tag", "board_asset_tag"),
        ("board_name", "board_name"),
        ("board_serial", "board_serial"),
        ("board_vendor", "board_vendor"),
        ("board_version", "board_version"),
        ("chassis_asset_tag", "chassis_asset_tag"),
        ("chassis_serial", "chassis_serial"),
        ("chassis_vendor", "chassis_vendor"),
        ("chassis_version", "chassis_version"),
        ("product_name", "product_name"),
        ("product_serial", "product_serial"),
        ("product_uuid", "product_uuid"),
        ("product_version", "product_version"),
        ("system_vendor", "sys_vendor"),
    ];
    let mut facts: Map<String, Value> =
        files.iter().map(|(fact, file)| ((*fact).to_owned(), read(file))).collect();
    let form = view.text("/sys/devices/virtual/dmi/id/chassis_type");
    facts.insert("form_factor".into(), form_factor(form.trim()).into());
    facts
}

/// SMBIOS, section 7.4.1.
fn form_factor(number: &str) -> &'static str {
    match number {
        "1" => "Other",
        "3" => "Desktop",
        "4" => "Low Profile Desktop",
        "6" => "Mini Tower",
        "7" => "Tower",
        "8" => "Portable",
        "9" => "Laptop",
        "10" => "Notebook",
        "13" => "All In One",
        "17" => "Main Server Chassis",
        "23" => "Rack Mount Chassis",
        "28" => "Blade",
        "29" => "Blade Enclosure",
        "30" => "Tablet",
        "31" => "Convertible",
        "32" => "Detachable",
        "35" => "Mini PC",
        "" => "NA",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_by_socket_core_and_thread() {
        let one = |id: u32| {
            format!(
                "processor\t: {id}\nvendor_id\t: X\nmodel name\t: Y 9\nphysical id\t: 0\nsiblings\t: 4\ncpu cores\t: 2\n\n"
            )
        };
        let facts = processor_of(&(0..4).map(one).collect::<String>(), 4);
        assert_eq!(
            (&facts["processor_count"], &facts["processor_cores"], &facts["processor_vcpus"]),
            (&json!(1), &json!(2), &json!(4))
        );
        assert_eq!(facts["processor_threads_per_core"], 2);
    }

    #[test]
    fn memory_is_told_in_megabytes() {
        let facts = memory_of("MemTotal:  2048000 kB\nMemFree: 1024000 kB\nSwapTotal: 0 kB\n");
        assert_eq!(
            (&facts["memtotal_mb"], &facts["memory_mb"]["real"]["used"]),
            (&json!(2000), &json!(1000))
        );
    }
}
