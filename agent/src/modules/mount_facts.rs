//! `mount_facts`: what is mounted, as the fact `mount_points`, with the lines of fstab beside the kernel's list.

use super::{Args, Check, Failure, Module, glob};
use crate::worker::View;
use crate::worker::mounts::unescaped;
use rustix::fs::statvfs;
use serde_json::{Map, Value, json};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

pub(super) struct MountFacts;

const DYNAMIC: [&str; 3] = ["/etc/mtab", "/proc/mounts", "/etc/mnttab"];
const STATIC: [&str; 4] = ["/etc/fstab", "/etc/vfstab", "/etc/filesystems", ""];

impl Module for MountFacts {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let mut points: Map<String, Value> = Map::new();
        let mut all = Vec::new();
        let mut check = Check::unchanged();
        for entry in entries(args, view)?.into_iter().filter(|entry| is_wanted(entry, args)) {
            let mount = entry["mount"].as_str().unwrap_or_default().to_owned();
            let (entry, is_late) = with_sizes(entry, args);
            if is_late {
                let sentence = format!("Timed out getting extra information for mount '{mount}'");
                match args.text("on_timeout") {
                    Some("ignore") => {}
                    Some("warn") => check.outcome.warnings.push(sentence),
                    _ => return Err(Failure::new(sentence)),
                }
                continue;
            }
            all.push(entry.clone());
            // The first source that knows a place has the word.
            points.entry(mount).or_insert(entry);
        }
        check.outcome.facts.insert("mount_points".into(), points.into());
        let aggregates = if args.flag("include_aggregate_mounts") { all } else { Vec::new() };
        check.outcome.facts.insert("aggregate_mounts".into(), aggregates.into());
        Ok(check)
    }
}

/// What all sources tell, in their order.
fn entries(args: &Args<'_>, view: &View<'_>) -> Result<Vec<Value>, Failure> {
    let binary = args.text("mount_binary").filter(|binary| !binary.is_empty());
    let sources = sources(args);
    let mut entries = Vec::new();
    let is_binary = |source: &String| source == "mount" || Some(source.as_str()) == binary;
    for source in sources.iter().filter(|source| !is_binary(source)) {
        entries.extend(lines_of(source, view).lines().filter_map(|line| entry(line, source)));
    }
    // Hosts without such files are asked through the program.
    let lacks_files = sources.iter().any(|source| DYNAMIC.contains(&source.as_str()))
        && !DYNAMIC.iter().any(|source| !view.text(source).is_empty());
    if let Some(binary) = binary.filter(|_| lacks_files || sources.iter().any(is_binary)) {
        let asked = view.ask(&view.expand(binary), &[]);
        let asked = asked.map_err(|error| Failure::new(format!("cannot run `{binary}`: {error}")))?;
        entries.extend(asked.out().lines().filter_map(|line| spoken(line, binary)));
    }
    Ok(entries)
}

/// What a source says; /etc/mtab is the kernel's list as well, where it leads to /proc.
fn lines_of(source: &str, view: &View<'_>) -> String {
    let is_of_kernel = std::fs::canonicalize(source).is_ok_and(|path| path.starts_with("/proc"));
    if is_of_kernel { view.mounts() } else { view.text(source) }
}

/// A line of mount(8): `DEVICE on PLACE type TYPE (OPTIONS)`.
fn spoken(line: &str, source: &str) -> Option<Value> {
    let (device, rest) = line.split_once(" on ")?;
    let (mount, rest) = rest.split_once(" type ")?;
    let (kind, options) = rest.split_once(" (")?;
    Some(json!({
        "device": device,
        "mount": mount,
        "fstype": kind,
        "options": options.trim_end_matches(')'),
        "ansible_context": {"source": source, "source_data": line},
    }))
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

/// How full it is, and whether it took longer to tell than the task waits for.
fn with_sizes(mut entry: Value, args: &Args<'_>) -> (Value, bool) {
    let mount = entry["mount"].as_str().unwrap_or_default().to_owned();
    let patience = args.raw("timeout").and_then(Value::as_f64).map(|seconds| seconds.clamp(0.0, 1e9));
    let (sender, answer) = std::sync::mpsc::channel();
    // A file server that is gone lets nobody go who asks: whoever does is left behind.
    std::thread::spawn(move || sender.send(statvfs(mount.as_str())));
    let stat = match patience {
        Some(seconds) => answer.recv_timeout(Duration::from_secs_f64(seconds)),
        None => answer.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    if matches!(stat, Err(RecvTimeoutError::Timeout)) {
        return (entry, true);
    }
    if let Ok(Ok(stat)) = stat {
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
    (entry, false)
}

#[cfg(test)]
mod tests {
    use super::spoken;

    #[test]
    fn lines_of_mount_are_read() {
        let entry = spoken("/dev/sda1 on /srv/a b type ext4 (rw,noatime)", "mount").expect("an entry");
        assert_eq!((&entry["mount"], &entry["fstype"]), (&"/srv/a b".into(), &"ext4".into()));
        assert_eq!(entry["options"], "rw,noatime");
    }
}
