//! `parted`: the partitions of a disk, or of a file that stands for one.

use super::{Args, Check, Failure, Module, Parted, ask, change, remembered, with_device};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};
use serde_json::json;

impl Module for Parted {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let device = args.needed("device")?;
        let unit = args.text("unit").unwrap_or("KiB");
        let (_, listed) = ask(view, "parted", "parted", &["-s", "-m", device, "--", "unit", unit, "print"])?;
        let (label, partitions) = disk(&listed);
        let check = match (args.text("state"), args.int("number")) {
            (Some("present"), Some(number)) => {
                let known = partitions.iter().find(|(known, _)| *known == number);
                match (view.overlay().thing(PARTITION, &part(device, number)), known) {
                    (Some(Some(_)), _) => Check::unchanged(),
                    (None, Some((_, fields))) => changed_partition(device, &label, number, fields, args),
                    _ => partition(device, &label, number, args),
                }
            }
            (Some("absent"), Some(number)) => {
                let known = partitions.iter().any(|(known, _)| *known == number);
                let predicted = view.overlay().thing(PARTITION, &part(device, number));
                match predicted.map_or(known, |state| state.is_some()) {
                    true => removed_partition(device, number),
                    false => Check::unchanged(),
                }
            }
            (Some("present" | "absent"), None) => {
                return Err(Failure::new("`number` of the partition must be given"));
            }
            _ => Check::unchanged(),
        };
        let told: Vec<_> = partitions
            .iter()
            .map(|(number, fields)| {
                let field = |at: usize| fields.get(at).cloned().unwrap_or_default();
                json!({"num": number, "begin": field(0), "end": field(1), "size": field(2), "fstype": field(3), "name": field(4), "flags": field(5)})
            })
            .collect();
        Ok(check.with("disk", json!({"dev": device, "table": label, "unit": unit})).with("partitions", told))
    }
}

/// The label, and each partition's number with its fields, as `parted -m` prints them.
fn disk(listed: &str) -> (String, Vec<(i64, Vec<String>)>) {
    let mut label = "unknown".to_owned();
    let mut partitions = Vec::new();
    for line in listed.lines() {
        let fields: Vec<String> = line.trim_end_matches(';').split(':').map(str::to_owned).collect();
        match fields.first().and_then(|first| first.parse().ok()) {
            Some(number) => partitions.push((number, fields[1..].to_vec())),
            None if line.starts_with('/') => label = fields.get(5).cloned().unwrap_or(label),
            None => {}
        }
    }
    (label, partitions)
}

const PARTITION: &str = "partition";

fn part(device: &str, number: i64) -> String {
    format!("{device} {number}")
}

/// parted with the alignment that the task asks for.
fn parted(device: &str, args: &Args<'_>, words: Vec<String>) -> Command {
    let mut command = Command::new("parted", &["-s"]);
    if let Some(align) = args.text("align").filter(|align| *align != "undefined") {
        command = command.argument("-a").argument(align);
    }
    let unit = args.text("unit").unwrap_or("KiB");
    command = command.argument(device).argument("--").argument("unit").argument(unit);
    words.into_iter().fold(command, Command::argument)
}

fn removed_partition(device: &str, number: i64) -> Check {
    let command = Command::new("parted", &["-s", device, "--", "rm", &number.to_string()]);
    let check = change("partition", &part(device, number), "present", "absent", vec![command]);
    remembered(check, PARTITION, &part(device, number), None)
}

fn partition(device: &str, label: &str, number: i64, args: &Args<'_>) -> Check {
    let wanted = args.text("label").unwrap_or("msdos");
    let mut words: Vec<String> = Vec::new();
    if label != wanted {
        words.extend(["mklabel".into(), wanted.into()]);
    }
    let kind = match wanted {
        "gpt" => args.text("name").unwrap_or("primary"),
        _ => args.text("part_type").unwrap_or("primary"),
    };
    words.extend(["mkpart".into(), kind.into()]);
    words.extend(args.text("fs_type").map(str::to_owned));
    words.extend([
        args.text("part_start").unwrap_or("0%").into(),
        args.text("part_end").unwrap_or("100%").into(),
    ]);
    for flag in args.list("flags").unwrap_or_default() {
        words.extend(["set".into(), number.to_string(), flag, "on".into()]);
    }
    let command = parted(device, args, words);
    let check = change("partition", &part(device, number), "absent", "present", vec![command]);
    // `/dev/nvme0n1p1`: a name that ends with a digit gets a letter before the number.
    let between = if device.ends_with(|end: char| end.is_ascii_digit()) { "p" } else { "" };
    let check = remembered(check, PARTITION, &part(device, number), Some("present"));
    if device.starts_with("/dev/") {
        with_device(check, &format!("{device}{between}{number}"))
    } else {
        check
    }
}

/// Name and flags of a partition that is there; its place stays.
fn changed_partition(device: &str, label: &str, number: i64, fields: &[String], args: &Args<'_>) -> Check {
    let field = |at: usize| fields.get(at).map_or("", String::as_str);
    let (mut words, mut changes) = (Vec::new(), Vec::new());
    let mut note = |attribute: &str, before: &str, after: &str| {
        let (before, after) = (Some(before.to_owned()), Some(after.to_owned()));
        changes.push(Change::Attribute { attribute: attribute.to_owned(), before, after });
    };
    if let Some(name) = args.text("name").filter(|name| label == "gpt" && *name != field(4)) {
        words.extend(["name".to_owned(), number.to_string(), name.to_owned()]);
        note("name", field(4), name);
    }
    if let Some(wanted) = args.list("flags") {
        let present: Vec<&str> = field(5).split(',').map(str::trim).filter(|flag| !flag.is_empty()).collect();
        let mut set = |flag: &str, to: &str| {
            words.extend(["set".to_owned(), number.to_string(), flag.to_owned(), to.to_owned()]);
        };
        // In a GPT the flags `boot` and `esp` are one.
        let is_boot = |flag: &str| label == "gpt" && matches!(flag, "boot" | "esp");
        let has = |list: &[&str], flag: &str| {
            list.contains(&flag) || is_boot(flag) && list.iter().any(|one| is_boot(one))
        };
        let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let on: Vec<&str> = names.iter().copied().filter(|flag| !has(&present, flag)).collect();
        let off: Vec<&str> = present.iter().copied().filter(|flag| !has(&names, flag)).collect();
        on.iter().for_each(|flag| set(flag, "on"));
        off.iter().for_each(|flag| set(flag, "off"));
        if !on.is_empty() || !off.is_empty() {
            note("flags", field(5), &wanted.join(", "));
        }
    }
    if changes.is_empty() {
        return Check::unchanged();
    }
    let diff = Diff { kind: "partition".into(), name: part(device, number), changes };
    let command = parted(device, args, words);
    Check::change(diff, vec![Operation::Run { command, brings: Vec::new() }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_is_read_from_what_parted_prints_for_machines() {
        let text = "BYT;\n/dev/sda:1000KiB:scsi:512:512:gpt:ATA X:;\n1:17KiB:900KiB:883KiB:ext4:data:boot;\n";
        let (label, partitions) = disk(text);
        assert_eq!(label, "gpt");
        assert_eq!(partitions[0].0, 1);
        assert_eq!(partitions[0].1[3], "ext4");
    }
}
