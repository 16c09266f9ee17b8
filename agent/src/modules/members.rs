//! The members of an archive, and what of them differs from what is below a folder: as tar(1) lists and compares them, but on
//! the host as a plan sees it. The tools themselves see nothing of what earlier steps would have changed.

use crate::worker::file::{Kind, Stat, Time};
use crate::worker::process::Command;
use crate::worker::{Content, Member, View};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Contents of more bytes than this in one archive are not looked at beforehand.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Options of tar that make its list one that can be read again.
pub(super) const LISTED: [&str; 5] = ["--list", "--verbose", "--full-time", "--utc", "--quoting-style=c"];

/// The members of a tar archive; `tar` gives the command with these options for it. `None` where the list cannot be read.
pub(super) fn of_tar(tar: impl Fn(&[&str]) -> Command, view: &View<'_>) -> Option<Vec<Member>> {
    let list = |options: &[&str]| {
        let ran = tar(options).run().ok().filter(|ran| ran.is_fine())?;
        ran.out().lines().map(parse).collect::<Option<Vec<Line>>>()
    };
    let by_name = list(&LISTED)?;
    let by_number = list(&[&LISTED[..], &["--numeric-owner"]].concat())?;
    let mut members: Vec<Member> =
        by_name.into_iter().zip(by_number).map(|(name, number)| member(name, &number, view)).collect();
    let is_small = members.iter().map(|member| member.stat.size).sum::<u64>() <= BYTES_MAX;
    let contents = is_small.then(|| tar(&["--extract", "--to-stdout"]).run().ok()).flatten();
    fill(&mut members, &contents.filter(|ran| ran.is_fine()).map(|ran| ran.stdout).unwrap_or_default());
    Some(members)
}

/// Gives each file its part of all bytes that follow each other.
fn fill(members: &mut [Member], mut bytes: &[u8]) {
    for member in members.iter_mut().filter(|member| member.stat.is_file() && member.same_as.is_none()) {
        let Some((own, rest)) =
            usize::try_from(member.stat.size).ok().and_then(|size| bytes.split_at_checked(size))
        else {
            return;
        };
        member.content = Content::Own(own.into());
        bytes = rest;
    }
}

/// One line of tar's list.
#[derive(Debug, PartialEq)]
struct Line {
    letter: char,
    mode: u32,
    owner: String,
    group: String,
    size: u64,
    modified: Time,
    name: String,
    target: Option<String>,
}

fn parse(line: &str) -> Option<Line> {
    let (head, quoted) = line.split_once(" \"")?;
    let mut words = head.split_whitespace();
    let (permissions, owners, size) = (words.next()?, words.next()?, words.next()?);
    let (date, time) = (words.next()?, words.next()?);
    let at: jiff::Timestamp = format!("{date}T{time}Z").parse().ok()?;
    let (owner, group) = owners.split_once('/')?;
    let (name, rest) = unquoted(quoted)?;
    let target = rest.split_once('"').and_then(|(_, quoted)| unquoted(quoted)).map(|(target, _)| target);
    Some(Line {
        letter: permissions.chars().next()?,
        mode: mode(permissions.get(1..)?),
        owner: owner.to_owned(),
        group: group.to_owned(),
        // A device has two numbers here.
        size: size.parse().unwrap_or(0),
        modified: Time { seconds: at.as_second(), nanoseconds: at.subsec_nanosecond().into() },
        name: name.trim_end_matches('/').to_owned(),
        target,
    })
}

/// What is quoted as in C, without its first quotation mark, and what comes after it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut bytes = Vec::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((String::from_utf8_lossy(&bytes).into_owned(), &text[at + 1..])),
            '\\' => bytes.push(match letters.next()?.1 {
                'n' => b'\n',
                't' => b'\t',
                'r' => b'\r',
                'a' => 7,
                'b' => 8,
                'f' => 12,
                'v' => 11,
                digit @ '0'..='7' => {
                    let octal: String = [digit, letters.next()?.1, letters.next()?.1].iter().collect();
                    u8::from_str_radix(&octal, 8).ok()?
                }
                other => u8::try_from(other).ok()?,
            }),
            other => bytes.extend(other.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    None
}

/// `rwxr-sr-t` as a number.
fn mode(letters: &str) -> u32 {
    let bit = |(at, letter): (usize, char)| {
        let plain = if matches!(letter, '-' | 'S' | 'T') { 0 } else { 0o400 >> at };
        let special = match (at, letter) {
            (2, 's' | 'S') => 0o4000,
            (5, 's' | 'S') => 0o2000,
            (8, 't' | 'T') => 0o1000,
            _ => 0,
        };
        plain | special
    };
    letters.chars().enumerate().take(9).map(bit).sum()
}

/// Owners go by their names where the host has such accounts, else by their numbers.
fn member(by_name: Line, by_number: &Line, view: &View<'_>) -> Member {
    let kind = match by_name.letter {
        'd' => Kind::Directory,
        'l' => Kind::Link,
        'p' => Kind::Fifo,
        'c' => Kind::CharacterDevice,
        'b' => Kind::BlockDevice,
        _ => Kind::File,
    };
    let number = |text: &str| text.parse().unwrap_or(0);
    let mut stat = Stat::new(kind, by_name.mode);
    stat.uid = view.user(&by_name.owner).map_or_else(|| number(&by_number.owner), |user| user.uid);
    stat.gid = view.group(&by_name.group).map_or_else(|| number(&by_number.group), |group| group.gid);
    (stat.size, stat.modified) = (by_name.size, by_name.modified);
    let is_second_name = by_name.letter == 'h';
    let same_as = by_name.target.clone().filter(|_| is_second_name);
    stat.target = by_name.target.filter(|_| kind == Kind::Link).map(PathBuf::from);
    let why = "it is in an archive, and more than is looked at beforehand";
    let content = if stat.is_file() { Content::Later(why.into()) } else { Content::None };
    Member { name: by_name.name, stat, same_as, content }
}

/// What of a member differs from what is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    Missing,
    Kind,
    Mode,
    Uid,
    Gid,
    Time,
    /// Both are of the time when the plan is applied, which may be the same second.
    PerhapsTime,
    Size,
    Content,
    Target,
    Link,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(match self {
            Self::Missing => "No such file or directory",
            Self::Kind => "File type differs",
            Self::Mode => "Mode differs",
            Self::Uid => "Uid differs",
            Self::Gid => "Gid differs",
            Self::Time | Self::PerhapsTime => "Mod time differs",
            Self::Size => "Size differs",
            Self::Content => "Contents differ",
            Self::Target => "Symlink differs",
            Self::Link => "Not linked to",
        })
    }
}

/// What `tar --compare` would say of the member.
pub(super) fn differences(member: &Member, folder: &Path, view: &View<'_>) -> Vec<Difference> {
    let path = folder.join(&member.name);
    let Ok(Some(stat)) = view.lstat(&path) else { return vec![Difference::Missing] };
    let packed = &member.stat;
    if stat.kind != packed.kind {
        return vec![Difference::Kind];
    }
    if let Some(other) = &member.same_as {
        let other = view.lstat(&folder.join(other)).ok().flatten();
        let is_same = other.is_some_and(|other| (other.device, other.inode) == (stat.device, stat.inode));
        return if is_same { Vec::new() } else { vec![Difference::Link] };
    }
    if stat.is_link() {
        return if stat.target == packed.target { Vec::new() } else { vec![Difference::Target] };
    }
    let mut found = Vec::new();
    let mut note = |differs: bool, difference| {
        if differs {
            found.push(difference);
        }
    };
    note(stat.mode != packed.mode, Difference::Mode);
    if stat.is_file() {
        note(stat.uid != packed.uid, Difference::Uid);
        note(stat.gid != packed.gid, Difference::Gid);
        let (was_of_plan, is_of_plan) = (is_of_the_plan(packed, view), is_of_the_plan(&stat, view));
        // The apply writes later than now, and so in another second than what is packed already.
        let is_later = is_of_plan && !was_of_plan;
        let is_another = stat.modified.seconds != packed.modified.seconds && !(is_of_plan && was_of_plan);
        note(is_later || is_another, Difference::Time);
        note(is_of_plan && was_of_plan && stat.modified != packed.modified, Difference::PerhapsTime);
        note(stat.size != packed.size, Difference::Size);
        note(stat.size == packed.size && !has_content(member, &path, view), Difference::Content);
    }
    found
}

/// Whether a member of a zip archive is not below the folder, or with another content: more is not compared of those.
pub(super) fn is_not_unzipped(member: &Member, folder: &Path, view: &View<'_>) -> bool {
    let path = folder.join(&member.name);
    match view.stat(&path) {
        Ok(Some(stat)) if member.stat.is_directory() => !stat.is_directory(),
        Ok(Some(stat)) => {
            !stat.is_file() || stat.size != member.stat.size || !has_content(member, &path, view)
        }
        _ => true,
    }
}

/// Whether the time is one of the plan, where the apply will have another.
fn is_of_the_plan(stat: &Stat, view: &View<'_>) -> bool {
    view.overlay().begun().is_some_and(|begun| stat.modified >= begun)
}

/// Whether the file has the bytes of the member.
fn has_content(member: &Member, path: &Path, view: &View<'_>) -> bool {
    let is_same_file = match (&member.content, view.overlay().content_of(path)) {
        (Content::Real(one), Ok(Content::Real(other))) => *one == other,
        (Content::Own(one), Ok(Content::Own(other))) => Arc::ptr_eq(one, &other),
        _ => false,
    };
    is_same_file
        || view
            .overlay()
            .bytes(&member.content)
            .is_ok_and(|bytes| view.read(path).is_ok_and(|own| own == bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tar_are_read_with_names_that_are_quoted() {
        let line = r#"-rwsr-xr-t root/adm         3 2026-11-22 06:54:58 "src/a \"b\"\303\274""#;
        let read = parse(line).expect("a line");
        assert_eq!((read.name.as_str(), read.mode, read.size), ("src/a \"b\"ü", 0o5755, 3));
        assert_eq!((read.owner.as_str(), read.group.as_str(), read.letter), ("root", "adm", '-'));
        let link =
            parse(r#"lrwxrwxrwx 0/0 0 2026-11-22 06:54:58.719373806 "l" -> "x -> y""#).expect("a line");
        assert_eq!(link.target.as_deref(), Some("x -> y"));
        assert_eq!(link.modified.nanoseconds, 719_373_806);
        let second = parse(r#"hrw-r--r-- 0/0 0 2026-11-22 06:54:58 "b" link to "a b""#).expect("a line");
        assert_eq!((second.letter, second.target.as_deref()), ('h', Some("a b")));
        assert_eq!(parse("tar: a word"), None);
    }
}
