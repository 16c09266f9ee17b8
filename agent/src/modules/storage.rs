//! `filesystem`, `lvg`, `lvol` and `parted`: file systems, volume groups, logical volumes and partitions, with the host's own tools.
//! Nothing that holds data is overwritten without `force`.

use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};
use serde_json::json;

pub(super) struct Filesystem;
pub(super) struct VolumeGroup;
pub(super) struct LogicalVolume;
pub(super) struct Parted;

fn change(kind: &str, name: &str, before: &str, after: &str, commands: Vec<Command>) -> Check {
    let change = Change::Presence { before: before.to_owned(), after: after.to_owned() };
    let diff = Diff { kind: kind.to_owned(), name: name.to_owned(), changes: vec![change] };
    let run = |command| Operation::Run { command, brings: Vec::new() };
    Check::change(diff, commands.into_iter().map(run).collect())
}

/// What a tool of the host says; its absence is told with the package that has it.
fn ask(view: &View<'_>, package: &str, program: &str, words: &[&str]) -> Result<(bool, String), Failure> {
    if view.program(program).is_none() {
        return Err(Failure::missing(format!(
            "this host has no `{program}`; install package {package} first"
        )));
    }
    let ran = view.ask(program, words);
    let ran = ran.map_err(|error| Failure::new(format!("cannot run `{program}`: {error}")))?;
    Ok((ran.is_fine(), ran.out()))
}

impl Module for Filesystem {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let device = args.needed("dev")?;
        if !view.exists(std::path::Path::new(device)) {
            return match args.text("state") {
                Some("absent") => Ok(Check::unchanged().with("msg", format!("Device {device} not found."))),
                _ => Err(Failure::missing(format!("Device {device} not found."))),
            };
        }
        let (_, known) =
            ask(view, "util-linux", "blkid", &["-c", "/dev/null", "-o", "value", "-s", "TYPE", device])?;
        let known = known.trim();
        if args.text("state") == Some("absent") {
            return Ok(match known {
                "" => Check::unchanged(),
                known => change(
                    "filesystem",
                    device,
                    known,
                    "absent",
                    vec![Command::new("wipefs", &["--all", device])],
                ),
            });
        }
        let wanted = args
            .text("fstype")
            .ok_or_else(|| Failure::new("state is present but all of the following are missing: fstype"))?;
        if known == wanted {
            return grow(device, wanted, args, view);
        }
        if !known.is_empty() && !args.flag("force") {
            return Err(Failure::new(format!(
                "'{device}' is already used as {known}, use force=true to overwrite"
            )));
        }
        let before = if known.is_empty() { "absent" } else { known };
        Ok(change("filesystem", device, before, wanted, vec![make(device, wanted, args)]))
    }
}

fn make(device: &str, kind: &str, args: &Args<'_>) -> Command {
    let program = if kind == "lvm" {
        "pvcreate".to_owned()
    } else if kind == "swap" {
        "mkswap".to_owned()
    } else {
        format!("mkfs.{kind}")
    };
    let force: &[&str] = match kind {
        "ext2" | "ext3" | "ext4" => &["-F"],
        "xfs" | "btrfs" | "f2fs" | "swap" | "lvm" => &["-f"],
        _ => &[],
    };
    let mut command = Command::new(&program, force);
    for word in args.text("opts").unwrap_or("").split_whitespace() {
        command = command.argument(word);
    }
    command.argument(device)
}

/// With `resizefs` the file system fills its device.
fn grow(device: &str, kind: &str, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    if !args.flag("resizefs") {
        return Ok(Check::unchanged());
    }
    let (_, size) = ask(view, "util-linux", "blockdev", &["--getsize64", device])?;
    let size: u64 = size.trim().parse().unwrap_or(0);
    let (program, used) = match kind {
        "ext2" | "ext3" | "ext4" => {
            let (_, told) = ask(view, "e2fsprogs", "dumpe2fs", &["-h", device])?;
            let field = |name: &str| {
                told.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok()).unwrap_or(0)
            };
            ("resize2fs", field("Block count:") * field("Block size:"))
        }
        other => {
            return Err(Failure::new(format!(
                "module does not support resizing {other} filesystem yet: ext2, ext3 and ext4 it can"
            )));
        }
    };
    // The last, incomplete block cannot be used.
    if used + 4096 > size {
        return Ok(Check::unchanged());
    }
    Ok(change(
        "filesystem",
        device,
        &used.to_string(),
        &size.to_string(),
        vec![Command::new(program, &[device])],
    ))
}

impl Module for VolumeGroup {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("vg")?;
        let wanted = args.list("pvs").unwrap_or_default();
        let words = ["--noheadings", "-o", "pv_name,vg_name", "--separator", ";"];
        let (_, listed) = ask(view, "lvm2", "pvs", &words)?;
        let pairs: Vec<(&str, &str)> =
            listed.lines().filter_map(|line| line.trim().split_once(';')).collect();
        let members: Vec<&str> =
            pairs.iter().filter(|(_, group)| *group == name).map(|(device, _)| *device).collect();
        if args.text("state") == Some("absent") {
            if members.is_empty() {
                return Ok(Check::unchanged());
            }
            let force: &[&str] = if args.flag("force") { &["--force"] } else { &[] };
            return Ok(change(
                "volume group",
                name,
                "present",
                "absent",
                vec![Command::new("vgremove", force).argument(name)],
            ));
        }
        if wanted.is_empty() {
            return Err(Failure::new("No physical volumes given."));
        }
        if let Some((device, other)) = pairs.iter().find(|(device, group)| {
            wanted.iter().any(|wanted| wanted == device) && !group.is_empty() && *group != name
        }) {
            return Err(Failure::new(format!("Device {device} is already in {other} volume group.")));
        }
        Ok(group_of(name, &wanted, &members, &pairs, args))
    }
}

fn group_of(
    name: &str,
    wanted: &[String],
    members: &[&str],
    pairs: &[(&str, &str)],
    args: &Args<'_>,
) -> Check {
    let is_prepared = |device: &String| pairs.iter().any(|(known, _)| known == device);
    let new: Vec<&String> = wanted.iter().filter(|device| !members.contains(&device.as_str())).collect();
    let extra: Vec<&&str> =
        members.iter().filter(|device| !wanted.iter().any(|wanted| wanted == **device)).collect();
    let removes = args.choice("remove_extra_pvs") != Some(false) && !extra.is_empty();
    if new.is_empty() && !removes {
        return Check::unchanged();
    }
    let mut commands: Vec<Command> = new
        .iter()
        .filter(|device| !is_prepared(device))
        .map(|device| Command::new("pvcreate", &["-f"]).argument(device))
        .collect();
    let with = |command: Command, devices: &[&String]| {
        devices.iter().fold(command, |command, device| command.argument(device))
    };
    if members.is_empty() {
        let mut command = Command::new("vgcreate", &[]);
        if let Some(size) = args.text("pesize") {
            command = command.argument("-s").argument(size);
        }
        for word in args.text("vg_options").unwrap_or("").split_whitespace() {
            command = command.argument(word);
        }
        commands.push(with(command.argument(name), &new));
        return change("volume group", name, "absent", "present", commands);
    }
    if !new.is_empty() {
        commands.push(with(Command::new("vgextend", &[name]), &new));
    }
    if removes {
        commands.push(
            extra.iter().fold(Command::new("vgreduce", &["--force", name]), |command, device| {
                command.argument(device)
            }),
        );
    }
    change("volume group", name, &members.join(" "), &wanted.join(" "), commands)
}

impl Module for LogicalVolume {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let (group, name) = (args.needed("vg")?, args.needed("lv")?);
        let words = [
            "--noheadings",
            "--nosuffix",
            "--units",
            "b",
            "-o",
            "lv_name,lv_size",
            "--separator",
            ";",
            group,
        ];
        let (is_fine, listed) = ask(view, "lvm2", "lvs", &words)?;
        let is_absent = args.text("state") == Some("absent");
        if !is_fine {
            return match is_absent {
                true => Ok(Check::unchanged()),
                false => Err(Failure::missing(format!("Volume group {group} does not exist."))),
            };
        }
        let known =
            listed.lines().filter_map(|line| line.trim().split_once(';')).find(|(known, _)| *known == name);
        let known: Option<u64> = known.and_then(|(_, size)| size.parse().ok());
        let path = format!("{group}/{name}");
        match (known, is_absent) {
            (None, true) => Ok(Check::unchanged()),
            (Some(_), true) if !args.flag("force") => {
                Err(Failure::new(format!("Sorry, no removal of logical volume {name} without force=true.")))
            }
            (Some(_), true) => Ok(change(
                "logical volume",
                &path,
                "present",
                "absent",
                vec![Command::new("lvremove", &["--force", &path])],
            )),
            (None, false) => create(&path, group, name, args),
            (Some(size), false) => resize(&path, size, args),
        }
    }
}

fn create(path: &str, group: &str, name: &str, args: &Args<'_>) -> Result<Check, Failure> {
    let size = args.text("size").ok_or_else(|| Failure::new("No size given."))?;
    let option = if size.contains('%') { "-l" } else { "-L" };
    let mut command = Command::new("lvcreate", &["--yes", "-n", name, option, size]);
    for word in args.text("opts").unwrap_or("").split_whitespace() {
        command = command.argument(word);
    }
    command = command.argument(group);
    for device in args.list("pvs").unwrap_or_default() {
        command = command.argument(device);
    }
    Ok(change("logical volume", path, "absent", size, vec![command]))
}

/// A size in bytes is compared; a part of the group is left to whoever made the volume.
fn resize(path: &str, known: u64, args: &Args<'_>) -> Result<Check, Failure> {
    let Some(size) = args.text("size").filter(|size| !size.contains('%')) else {
        return Ok(Check::unchanged());
    };
    let wanted = bytes(size).ok_or_else(|| Failure::new(format!("Bad size specification of '{size}'")))?;
    // lvm rounds up to whole extents, of 4 MiB unless the group says otherwise.
    if wanted.abs_diff(known) < 4 << 20 {
        return Ok(Check::unchanged());
    }
    let fs = args.flag("resizefs").then_some("--resizefs");
    let (program, words): (_, Vec<&str>) = if wanted > known {
        ("lvextend", vec!["-L", size])
    } else if !args.choice("shrink").unwrap_or(true) {
        return Ok(Check::unchanged());
    } else if !args.flag("force") {
        return Err(Failure::new(format!("Sorry, no shrinking of {path} without force=true.")));
    } else {
        ("lvreduce", vec!["--force", "-L", size])
    };
    let mut command = Command::new(program, &words);
    command.arguments.extend(fs.map(Into::into));
    Ok(change("logical volume", path, &known.to_string(), size, vec![command.argument(path)]))
}

/// `512`, `10g`, `1.5T`; megabytes without a letter.
fn bytes(size: &str) -> Option<u64> {
    let size = size.trim().trim_end_matches(['b', 'B']);
    let end = size.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(size.len());
    let number: f64 = size[..end].parse().ok()?;
    let power = match size[end..].to_lowercase().as_str() {
        "" | "m" => 2,
        "k" => 1,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    Some((number * 1024_f64.powi(power)) as u64)
}

impl Module for Parted {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let device = args.needed("device")?;
        let unit = args.text("unit").unwrap_or("KiB");
        let (_, listed) = ask(view, "parted", "parted", &["-s", "-m", device, "--", "unit", unit, "print"])?;
        let (label, partitions) = disk(&listed);
        let check = match (args.text("state"), args.int("number")) {
            (Some("present"), Some(number)) => {
                let is_there = partitions.iter().any(|(known, _)| *known == number);
                partition(device, &label, number, is_there, args)
            }
            (Some("absent"), Some(number)) if partitions.iter().any(|(known, _)| *known == number) => {
                let command = Command::new("parted", &["-s", device, "--", "rm", &number.to_string()]);
                change("partition", &format!("{device} {number}"), "present", "absent", vec![command])
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

fn partition(device: &str, label: &str, number: i64, is_there: bool, args: &Args<'_>) -> Check {
    if is_there {
        return Check::unchanged();
    }
    let wanted = args.text("label").unwrap_or("msdos");
    let mut words: Vec<String> = vec![
        "-s".into(),
        device.into(),
        "--".into(),
        "unit".into(),
        args.text("unit").unwrap_or("KiB").into(),
    ];
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
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    change(
        "partition",
        &format!("{device} {number}"),
        "absent",
        "present",
        vec![Command::new("parted", &words)],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_megabytes_unless_they_say_otherwise() {
        assert_eq!(bytes("512"), Some(512 << 20));
        assert_eq!(bytes("1.5g"), Some(3 << 29));
        assert_eq!(bytes("4x"), None);
    }

    #[test]
    fn disk_is_read_from_what_parted_prints_for_machines() {
        let text = "BYT;\n/dev/sda:1000KiB:scsi:512:512:gpt:ATA X:;\n1:17KiB:900KiB:883KiB:ext4:data:boot;\n";
        let (label, partitions) = disk(text);
        assert_eq!(label, "gpt");
        assert_eq!(partitions[0].0, 1);
        assert_eq!(partitions[0].1[3], "ext4");
    }
}
