//! `stat`: what is at a path.

use super::{Args, Check, Failure, Module, checksum};
use crate::worker::View;
use crate::worker::file::{Kind, Stat as FileStat};
use crate::worker::process::Command;
use rustix::fs::Access;
use serde_json::{Map, Value, json};
use std::path::Path;

pub(super) struct Stat;

impl Module for Stat {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        let found = if args.flag("follow") { view.stat(&path) } else { view.lstat(&path) };
        let found =
            found.map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))?;
        let Some(stat) = found else {
            return Ok(Check::unchanged().with("stat", json!({"exists": false})));
        };
        let mut told = describe(&path, &stat, view);
        if stat.is_file() && args.flag("get_checksum") {
            let algorithm = args.text("checksum_algorithm").unwrap_or("sha1");
            // A file that may not be read has no checksum, as in Ansible.
            let sum = view.read(&path).ok().and_then(|content| checksum::by_name(algorithm, &content));
            told.extend(sum.map(|sum| ("checksum".to_owned(), sum.into())));
        }
        if args.flag("get_mime") {
            let (mimetype, charset) = mime(&path, &stat, view);
            told.insert("mimetype".into(), mimetype.into());
            told.insert("charset".into(), charset.into());
        }
        if args.flag("get_attributes") {
            attributes(&path, view, &mut told);
        }
        if args.flag("get_selinux_context") {
            told.insert("selinux_context".into(), label(&path));
        }
        Ok(Check::unchanged().with("stat", told))
    }
}

/// User, role, type and level; nulls where the host has no SELinux.
fn label(path: &Path) -> Value {
    let mut buffer = vec![0; 512];
    let Ok(size) = rustix::fs::getxattr(path, "security.selinux", &mut buffer[..]) else {
        return vec![Value::Null; 4].into();
    };
    let text = String::from_utf8_lossy(&buffer[..size]).into_owned();
    let parts: Vec<Value> = text.trim_end_matches('\0').splitn(4, ':').map(Value::from).collect();
    parts.into()
}

fn describe(path: &Path, stat: &FileStat, view: &View<'_>) -> Map<String, Value> {
    let may = |wanted: Access| view.may(path, wanted);
    let mut told = numbers(stat, view);
    let more: [(&str, Value); 8] = [
        ("exists", true.into()),
        ("path", path.to_string_lossy().into()),
        ("device_type", stat.device_type.into()),
        ("blocks", stat.blocks.into()),
        ("block_size", stat.block_size.into()),
        ("readable", may(Access::READ_OK).into()),
        ("writeable", may(Access::WRITE_OK).into()),
        ("executable", may(Access::EXEC_OK).into()),
    ];
    told.extend(more.map(|(name, value)| (name.to_owned(), value)));
    if let Some(target) = &stat.target {
        told.insert("lnk_target".into(), target.to_string_lossy().into());
        let source = view.locate(path, true).map(|located| located.path);
        let source = source.unwrap_or_else(|_| path.to_owned());
        told.insert("lnk_source".into(), source.to_string_lossy().into());
    }
    told
}

/// What `stat` and `find` both tell of a file.
pub(super) fn numbers(stat: &FileStat, view: &View<'_>) -> Map<String, Value> {
    let is = |bit: u32| stat.mode & bit != 0;
    let told = json!({
        "mode": stat.octal(),
        "isdir": stat.kind == Kind::Directory,
        "isreg": stat.kind == Kind::File,
        "islnk": stat.kind == Kind::Link,
        "ischr": stat.kind == Kind::CharacterDevice,
        "isblk": stat.kind == Kind::BlockDevice,
        "isfifo": stat.kind == Kind::Fifo,
        "issock": stat.kind == Kind::Socket,
        "uid": stat.uid,
        "gid": stat.gid,
        "pw_name": view.user_name(stat.uid),
        "gr_name": view.group_name(stat.gid),
        "size": stat.size,
        "inode": stat.inode,
        "dev": stat.device,
        "nlink": stat.links,
        "atime": stat.accessed.as_seconds(),
        "mtime": stat.modified.as_seconds(),
        "ctime": stat.changed.as_seconds(),
        "wusr": is(0o200), "rusr": is(0o400), "xusr": is(0o100),
        "wgrp": is(0o020), "rgrp": is(0o040), "xgrp": is(0o010),
        "woth": is(0o002), "roth": is(0o004), "xoth": is(0o001),
        "isuid": is(0o4000),
        "isgid": is(0o2000),
    });
    match told {
        Value::Object(told) => told,
        _ => Map::new(),
    }
}

/// What the host's `file` says, and `unknown` where there is none.
fn mime(path: &Path, stat: &FileStat, view: &View<'_>) -> (String, String) {
    let unknown = || ("unknown".to_owned(), "unknown".to_owned());
    if view.program("file").is_none() {
        return unknown();
    }
    let options = ["--brief", "--mime-type", "--mime-encoding"];
    let asked = match (stat.kind, view.real(path)) {
        (Kind::File, None) => {
            let content = view.read(path).unwrap_or_default();
            Command::new("file", &options).argument("-").fed(content).run()
        }
        (Kind::Directory, None) => return ("inode/directory".into(), "binary".into()),
        (Kind::Link, None) => return ("inode/symlink".into(), "binary".into()),
        _ => view.ask("file", &[&options[..], &[&path.to_string_lossy()]].concat()),
    };
    let Some(text) = asked.ok().filter(|ran| ran.is_fine()).map(|ran| ran.out()) else { return unknown() };
    match text.trim().split_once("; charset=") {
        Some((mimetype, charset)) => (mimetype.to_owned(), charset.to_owned()),
        None => (text.trim().to_owned(), "unknown".to_owned()),
    }
}

/// The attributes of `lsattr`, where the file system has them.
fn attributes(path: &Path, view: &View<'_>, told: &mut Map<String, Value>) {
    let asked = view.ask("lsattr", &["-vd", &path.to_string_lossy()]);
    let text = asked.ok().filter(|ran| ran.is_fine()).map(|ran| ran.out()).unwrap_or_default();
    let mut words = text.split_whitespace();
    let (version, flags) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let letters: String = flags.chars().filter(|letter| *letter != '-').collect();
    let names = letters.chars().filter_map(attribute_name).map(Value::from).collect::<Vec<_>>();
    told.insert("version".into(), if version.is_empty() { Value::Null } else { version.into() });
    told.insert("attr_flags".into(), letters.into());
    told.insert("attributes".into(), names.into());
}

/// As chattr(1) names them.
const fn attribute_name(letter: char) -> Option<&'static str> {
    Some(match letter {
        'A' => "noatime",
        'a' => "append",
        'c' => "compressed",
        'C' => "nocow",
        'd' => "nodump",
        'D' => "dirsync",
        'e' => "extents",
        'E' => "encrypted",
        'i' => "immutable",
        'I' => "indexed",
        'j' => "journalled",
        'N' => "inline",
        's' => "zero",
        'S' => "synchronous",
        't' => "notail",
        'T' => "blockroot",
        'u' => "undelete",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn file_link_and_nothing_are_told_apart() {
        let trial = Trial::new("stat");
        let path = trial.write("f", "muster");
        std::os::unix::fs::symlink(&path, trial.path("l")).expect("linked");
        let stat = trial.is_silent(json!({"path": path})).result["stat"].clone();
        assert_eq!((&stat["isreg"], &stat["size"]), (&json!(true), &json!(6)));
        assert_eq!(stat["checksum"], super::checksum::sha1(b"muster"));
        let link = trial.is_silent(json!({"path": trial.path("l")})).result["stat"].clone();
        assert_eq!((&link["islnk"], &link["lnk_source"]), (&json!(true), &json!(path)));
        let followed =
            trial.is_silent(json!({"path": trial.path("l"), "follow": true})).result["stat"].clone();
        assert_eq!(followed["isreg"], true);
        assert_eq!(
            trial.is_silent(json!({"path": trial.path("no")})).result["stat"],
            json!({"exists": false})
        );
    }

    #[test]
    fn what_one_may_do_with_a_file_of_the_plan_is_told_by_its_mode() {
        let trial = Trial::new("stat");
        let path = trial.path("new");
        trial.plan_with("copy", json!({"dest": path, "content": "#!/bin/sh\n", "mode": "0755"}));
        let stat = trial.plan(json!({"path": path})).result["stat"].clone();
        let may = ["readable", "writeable", "executable"].map(|right| stat[right] == true);
        assert_eq!(may, [true, true, true], "{stat}");
        trial.plan_with("file", json!({"path": path, "mode": "0644"}));
        assert_eq!(trial.plan(json!({"path": path})).result["stat"]["executable"], false);
    }

    #[test]
    fn what_an_earlier_step_may_change_is_not_answered_ahead() {
        let trial = Trial::new("stat");
        let path = trial.write("f", "muster");
        let stat = json!({"path": path});
        assert!(trial.plan_ahead(stat.clone()).is_some());
        trial.plan_perhaps("file", json!({"path": path, "mode": "0600"}), false);
        assert_eq!(trial.plan_ahead(stat), None);
        assert!(trial.plan_ahead(json!({"path": trial.path("other")})).is_some(), "nothing touches that");
    }
}
