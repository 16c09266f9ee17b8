//! `mount_facts`: what is mounted, as the fact `mount_points`, with the lines of fstab beside the kernel's list.

use super::mount::unescaped;
use super::{Args, Check, Failure, Module, glob};
use crate::worker::View;
use rustix::fs::statvfs;
use serde_json::{Map, Value, json};

pub(super) struct MountFacts;

const DYNAMIC: [&str; 3] = ["/etc/mtab", "/proc/mounts", "/etc/mnttab"];
const STATIC: [&str; 4] = ["/etc/fstab", "/etc/vfstab", "/etc/filesystems", ""];

impl Module for MountFacts {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let mut points: Map<String, Value> = Map::new();
        let mut all = Vec::new();
        for source in sources(args) {
            for line in view.text(&source).lines() {
                let Some(entry) = entry(line, &source).filter(|entry| is_wanted(entry, args)) else {
                    continue;
                };
                let entry = with_sizes(entry);
                all.push(entry.clone());
                let mount = entry["mount"].as_str().unwrap_or_default().to_owned();
                // The first source that knows a place has the word.
                points.entry(mount).or_insert(entry);
            }
        }
        let mut check = Check::unchanged();
        check.outcome.facts.insert("mount_points".into(), points.into());
        let aggregates = if args.flag("include_aggregate_mounts") { all } else { Vec::new() };
        check.outcome.facts.insert("aggregate_mounts".into(), aggregates.into());
        Ok(check)
    }
}

fn sources(args: &Args<'_>) -> Vec<String> {
    let written = args.list("sources").unwrap_or_else(|| vec!["all".to_owned()]);
    let mut files = Vec::new();
    for source in written {
        match source.as_str() {
            "all" => files.extend(DYNAMIC.iter().chain(&STATIC).map(|file| (*file).to_owned())),
            "dynamic" => files.extend(DYNAMIC.map(str::to_owned)),
            "static" => files.extend(STATIC.map(str::to_owned)),
            file => files.push(file.to_owned()),
        }
    }
    files.retain(|file| !file.is_empty());
    files
}

fn entry(line: &str, source: &str) -> Option<Value> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if line.trim_start().starts_with('#') || fields.len() < 4 {
        return None;
    }
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Some(json!({
        "device": unescaped(fields[0]),
        "mount": unescaped(fields[1]),
        "fstype": fields[2],
        "options": fields[3],
        "dump": number(4),
        "passno": number(5),
        "ansible_context": {"source": source, "source_data": line},
    }))
}

fn is_wanted(entry: &Value, args: &Args<'_>) -> bool {
    let fits = |argument: &str, key: &str| {
        let patterns = args.list(argument).unwrap_or_default();
        let value = entry[key].as_str().unwrap_or_default();
        patterns.is_empty() || patterns.iter().any(|pattern| glob::matches(pattern, value))
    };
    fits("devices", "device") && fits("fstypes", "fstype")
}

fn with_sizes(mut entry: Value) -> Value {
    let mount = entry["mount"].as_str().unwrap_or_default().to_owned();
    if let Ok(stat) = statvfs(mount.as_str()) {
        entry["block_size"] = json!(stat.f_bsize);
        entry["block_total"] = json!(stat.f_blocks);
        entry["block_available"] = json!(stat.f_bavail);
        entry["block_used"] = json!(stat.f_blocks.saturating_sub(stat.f_bfree));
        entry["inode_total"] = json!(stat.f_files);
        entry["inode_available"] = json!(stat.f_favail);
        entry["inode_used"] = json!(stat.f_files.saturating_sub(stat.f_favail));
        entry["size_total"] = json!(stat.f_frsize * stat.f_blocks);
        entry["size_available"] = json!(stat.f_frsize * stat.f_bavail);
    }
    entry["uuid"] = entry.get("uuid").cloned().unwrap_or_else(|| "N/A".into());
    entry
}
