//! `filesystem`, `lvg`, `lvol` and `parted`: file systems, volume groups, logical volumes and partitions, with the host's own tools.
//! Nothing that holds data is overwritten without `force`.

mod partition;

use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Attributes, Operation, Prediction, Put, View};
use muster_api::diff::{Change, Diff};

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
        // blkid's own word for what pvcreate makes.
        let known = if known.trim() == "LVM2_member" { "lvm" } else { known.trim() };
        let predicted = view.overlay().thing(FILE_SYSTEM, device);
        let known = predicted.map_or(known, Option::unwrap_or_default);
        if args.text("state") == Some("absent") {
            return Ok(match known {
                "" => Check::unchanged(),
                known => {
                    let command = Command::new("wipefs", &["--all", device]);
                    let check = change("filesystem", device, known, "absent", vec![command]);
                    remembered(check, FILE_SYSTEM, device, None)
                }
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
        let command = make(device, wanted, args);
        let program = command.program.to_string_lossy().into_owned();
        if view.program(&program).is_none() {
            return Err(Failure::missing(format!(
                "this host has no `{program}`; install the package that brings it first"
            )));
        }
        let check = change("filesystem", device, before, wanted, vec![command]);
        Ok(remembered(check, FILE_SYSTEM, device, Some(wanted)))
    }
}

const FILE_SYSTEM: &str = "file system";

/// With what later steps of a plan see of it.
fn remembered(mut check: Check, kind: &'static str, name: &str, state: Option<&str>) -> Check {
    if let Some(Operation::Run { brings, .. }) = check.operations.last_mut() {
        brings.push(Prediction::Thing { kind, name: name.to_owned(), state: state.map(str::to_owned) });
    }
    check
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
        let members = pairs.iter().filter(|(_, group)| *group == name).map(|(device, _)| *device);
        let members: Vec<&str> = match view.overlay().thing(GROUP, name) {
            Some(predicted) => predicted.unwrap_or_default().split_whitespace().collect(),
            None => members.collect(),
        };
        if args.text("state") == Some("absent") {
            if members.is_empty() {
                return Ok(Check::unchanged());
            }
            let force: &[&str] = if args.flag("force") { &["--force"] } else { &[] };
            let command = Command::new("vgremove", force).argument(name);
            let check = change(GROUP, name, "present", "absent", vec![command]);
            return Ok(remembered(check, GROUP, name, None));
        }
        if wanted.is_empty() {
            return Err(Failure::new("No physical volumes given."));
        }
        if let Some((device, other)) = pairs.iter().find(|(device, group)| {
            wanted.iter().any(|wanted| wanted == device) && !group.is_empty() && *group != name
        }) {
            return Err(Failure::new(format!("Device {device} is already in {other} volume group.")));
        }
        Ok(remembered(group_of(name, &wanted, &members, &pairs, args), GROUP, name, Some(&wanted.join(" "))))
    }
}

const GROUP: &str = "volume group";
const VOLUME: &str = "logical volume";

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
        return change(GROUP, name, "absent", "present", commands);
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
    change(GROUP, name, &members.join(" "), &wanted.join(" "), commands)
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
        let path = format!("{group}/{name}");
        let predicted = view.overlay().thing(VOLUME, &path);
        let has_group = view.overlay().thing(GROUP, group).map_or(is_fine, |state| state.is_some());
        if !has_group {
            return match is_absent {
                true => Ok(Check::unchanged()),
                false => Err(Failure::missing(format!("Volume group {group} does not exist."))),
            };
        }
        let known =
            listed.lines().filter_map(|line| line.trim().split_once(';')).find(|(known, _)| *known == name);
        let known = predicted.unwrap_or_else(|| known.map(|(_, size)| size));
        let known: Option<u64> = known.map(|size| size.parse().unwrap_or(0));
        match (known, is_absent) {
            (None, true) => Ok(Check::unchanged()),
            (Some(_), true) if !args.flag("force") => {
                Err(Failure::new(format!("Sorry, no removal of logical volume {name} without force=true.")))
            }
            (Some(_), true) => {
                let command = Command::new("lvremove", &["--force", &path]);
                let check = change(VOLUME, &path, "present", "absent", vec![command]);
                Ok(remembered(check, VOLUME, &path, None))
            }
            (None, false) => create(&path, group, name, args),
            // Of an earlier step of this plan, whose size is known when it is there.
            (Some(0), false) => Ok(Check::unchanged()),
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
    let bytes = bytes(size).unwrap_or(0).to_string();
    let check = remembered(change(VOLUME, path, "absent", size, vec![command]), VOLUME, path, Some(&bytes));
    Ok(with_device(check, &format!("/dev/{path}")))
}

/// The device that is there then, for later steps of a plan.
fn with_device(mut check: Check, path: &str) -> Check {
    let put = Operation::Put(Put {
        path: path.into(),
        content: [].into(),
        attributes: Attributes::default(),
        validate: None,
        may_write_in_place: false,
    });
    if let Some(Operation::Run { brings, .. }) = check.operations.last_mut() {
        brings.push(Prediction::Also(Box::new(put)));
    }
    check
}

/// A size in bytes is compared; a part of the group is left to whoever made the volume.
fn resize(path: &str, known: u64, args: &Args<'_>) -> Result<Check, Failure> {
    let Some(size) = args.text("size").filter(|size| !size.contains('%')) else {
        return Ok(Check::unchanged());
    };
    let wanted = bytes(size.trim_start_matches(['+', '-']))
        .ok_or_else(|| Failure::new(format!("Bad size specification of '{size}'")))?;
    // With a sign it is added or taken away, each time anew.
    let wanted = match size.as_bytes().first() {
        Some(b'+') => known + wanted,
        Some(b'-') => known.saturating_sub(wanted),
        _ => wanted,
    };
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
    let check = change(VOLUME, path, &known.to_string(), size, vec![command.argument(path)]);
    Ok(remembered(check, VOLUME, path, Some(&wanted.to_string())))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_megabytes_unless_they_say_otherwise() {
        assert_eq!(bytes("512"), Some(512 << 20));
        assert_eq!(bytes("1.5g"), Some(3 << 29));
        assert_eq!(bytes("4x"), None);
    }
}
