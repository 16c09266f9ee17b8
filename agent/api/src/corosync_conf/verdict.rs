//! Corosync's own verdict on a corosync.conf: with what `corosync -t` is asked, and what its answer says. Who runs it is not
//! decided here. Source: corosync(8), corosync.conf(5).
//!
//! It is asked about the file alone. What it would look up on the host at that moment is taken out of the question, because later
//! tasks may bring it: the key, the addresses of names, the folder of its state, and the log file, which it would make. It seeks its
//! own host among the nodes: the first one is given an address that every host has.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// The program that is asked.
pub const PROGRAM: &str = "corosync";
/// Its arguments; the question is its input.
pub const ARGUMENTS: [&str; 3] = ["-t", "-c", "/dev/stdin"];
/// It looks up the names of addresses; where no server answers, that shall take no minutes.
pub const ENVIRONMENT: (&str, &str) = ("RES_OPTIONS", "timeout:1 attempts:1");
/// Whoever has not answered by then has no verdict: a question takes it a few milliseconds.
pub const PATIENCE_MS: u64 = 10_000;
/// The finding of a file that it refuses.
pub const CODE: &str = "MU118";

/// Exit codes of corosync that say: the logging section, or another one, cannot be used. All others are not about the file.
const REFUSES: [i32; 2] = [7, 8];
/// A key of any content, of which enough can be read.
const SOME_KEY: &str = "\ntotem {\n\tkeyfile: /dev/urandom\n}\n";
/// What it says of itself and of the host.
const NOT_OF_THE_FILE: [&str; 3] =
    ["Corosync Cluster Engine", "Can't read file", "No valid name found for local host"];
/// Keys whose values are looked up on the host.
const LOOKED_UP: [&str; 4] = ["keyfile", "logfile", "state_dir", "to_logfile"];

/// What corosync says of a file on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Of the file.
    pub path: String,
    /// Why it is refused; `None` where it is not.
    pub refused: Option<String>,
}

/// The text that corosync is asked about: line for line the file, without what belongs to the host.
pub fn question(text: &str) -> String {
    let mut asked = String::new();
    let mut is_found = false;
    for (number, line) in text.lines().enumerate() {
        match entry(line) {
            Some((key, _)) if LOOKED_UP.contains(&key) => {}
            Some((key, value)) if super::link_of(key).is_some() => {
                let address = match (is_found, has_v6(text, key)) {
                    (false, is_v6) if key == "ring0_addr" => {
                        is_found = true;
                        if is_v6 { "::1".to_string() } else { "127.0.0.1".to_string() }
                    }
                    _ if value.parse::<IpAddr>().is_ok() => value.to_string(),
                    (_, true) => format!("2001:db8::{}", number + 1),
                    (_, false) => format!("198.18.{}.{}", number / 250 % 250, number % 250 + 1),
                };
                asked.push_str(&format!("{key}: {address}"));
            }
            _ => asked.push_str(line),
        }
        asked.push('\n');
    }
    asked + SOME_KEY
}

/// Whether a link has addresses of version 6: those of all its nodes must be of one.
fn has_v6(text: &str, link: &str) -> bool {
    let is_v6 = |(key, value): (&str, &str)| match key {
        "ip_version" => value == "ipv6",
        key => key == link && value.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()),
    };
    text.lines().filter_map(entry).any(is_v6)
}

/// What the answer to the question about a text says: whether it is refused, and why; `None` where it says nothing of that.
pub fn answer(text: &str, rc: i32, said: &str) -> Option<Result<(), String>> {
    if rc == 0 {
        return Some(Ok(()));
    }
    let lines = text.lines().count();
    let complaints: Vec<String> = said.lines().filter_map(|line| complaint(line, lines)).collect();
    (REFUSES.contains(&rc) && !complaints.is_empty()).then(|| Err(complaints.join("; ")))
}

/// Whether a comment `muster: allow CODE` is in the file.
pub fn allows(text: &str, code: &str) -> bool {
    text.lines().any(|line| {
        let comment = line.trim_start().strip_prefix('#').unwrap_or_default();
        let rest = comment.trim_start().strip_prefix("muster: allow ").unwrap_or_default();
        rest.split([' ', ',']).any(|word| word == code)
    })
}

fn entry(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    Some((key.trim(), value.trim()))
}

/// One line of what it says, without its own marks: `Nov 22 06:30:30.211 error   [MAIN  ] parse error in config: …`.
fn complaint(line: &str, lines: usize) -> Option<String> {
    let said = line.split_once("[MAIN  ] ").map_or(line, |(_, said)| said).trim();
    let said = ["parse error in config: ", "parser error: "]
        .iter()
        .find_map(|mark| said.strip_prefix(mark))
        .unwrap_or(said);
    if said.is_empty() || NOT_OF_THE_FILE.iter().any(|start| said.starts_with(start)) {
        return None;
    }
    let placed = said.strip_prefix("/dev/stdin:").and_then(|rest| rest.split_once(": "));
    let said: Cow<'_, str> = match placed {
        // What was added to the question has lines too.
        Some((number, said)) => match number.parse::<usize>() {
            Ok(number) => format!("line {}: {said}", number.min(lines)).into(),
            Err(_) => said.into(),
        },
        None => said.into(),
    };
    Some(said.trim_end_matches('.').to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_task_may_bring_is_not_asked_about() {
        let text = "totem {\n  keyfile: /none\n}\nnodelist {\n  node {\n    ring0_addr: n1\n    ring1_addr: 192.0.2.1\n  }\n  node {\n    ring0_addr: n2\n    ring1_addr: n2-b\n  }\n}\nlogging {\n  to_logfile: yes\n  logfile: /none/log\n}\n";
        let asked = question(text);
        let lines: Vec<&str> = asked.lines().collect();
        assert_eq!(lines[1], "");
        assert_eq!((lines[5], lines[6]), ("ring0_addr: 127.0.0.1", "ring1_addr: 192.0.2.1"));
        assert_eq!((lines[9], lines[10]), ("ring0_addr: 198.18.0.10", "ring1_addr: 198.18.0.11"));
        assert_eq!((lines[14], lines[15]), ("", ""));
        assert!(asked.ends_with("keyfile: /dev/urandom\n}\n"));
    }

    #[test]
    fn all_addresses_of_a_link_are_of_one_version() {
        let asked =
            question("ring0_addr: n1\nring1_addr: n1-b\nring0_addr: 2001:db8::77\nring1_addr: 192.0.2.2\n");
        let lines: Vec<&str> = asked.lines().take(4).collect();
        assert_eq!(
            lines,
            [
                "ring0_addr: ::1",
                "ring1_addr: 198.18.0.2",
                "ring0_addr: 2001:db8::77",
                "ring1_addr: 192.0.2.2"
            ]
        );
        assert!(
            question("ip_version: ipv6\nring0_addr: n1\nring0_addr: n2\n")
                .contains("ring0_addr: 2001:db8::3")
        );
    }

    #[test]
    fn its_complaint_keeps_the_line_and_loses_the_marks() {
        let said = "Nov 22 06:30:30.211 error   [MAIN  ] parse error in config: The token timeout parameter (1 ms) may not be less than (30 ms).\nNov 22 06:30:30.211 error   [MAIN  ] Corosync Cluster Engine exiting with status 8 at main.c:1445.\n";
        let why = "The token timeout parameter (1 ms) may not be less than (30 ms)".to_string();
        assert_eq!(answer("a\n", 8, said), Some(Err(why)));
        let placed = "parser error: /dev/stdin:9: Missing closing brace\n";
        assert_eq!(answer("a\nb\n", 8, placed), Some(Err("line 2: Missing closing brace".to_string())));
    }

    #[test]
    fn an_end_that_is_not_about_the_file_is_no_verdict() {
        assert_eq!(
            answer("", 8, "x [MAIN  ] parse error in config: No valid name found for local host"),
            None
        );
        assert_eq!(answer("", 16, "Cannot chdir to state directory /var/lib/corosync"), None);
        assert_eq!(answer("", 8, "Can't read file /dev/stdin: Permission denied"), None);
        assert_eq!(answer("", 1, "corosync: invalid option -- 'c'"), None);
        assert_eq!(answer("", 0, ""), Some(Ok(())));
    }

    #[test]
    fn a_comment_allows_what_it_names() {
        assert!(allows("a\n  # muster: allow MU113, MU118\n", "MU118"));
        assert!(!allows("# muster: allow MU113", "MU118"));
        assert!(!allows("muster: allow MU118", "MU118"), "only in a comment");
    }
}
