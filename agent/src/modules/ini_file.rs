//! `ini_file`: an option in a section of an INI file. Comments and everything else stay as they are.

use super::placing::{self, Before};
use super::{Args, Check, Failure, Module, lines};
use crate::worker::View;

pub(super) struct IniFile;

impl Module for IniFile {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        let before = Before::at(&path, args.flag("follow"), view)?;
        if !before.is_file() && args.choice("create") == Some(false) {
            return Err(
                Failure::missing(format!("Destination {} does not exist!", path.display())).with("rc", 257)
            );
        }
        let text = lines::text_of(&before.content, &path)?;
        let mut ini = Ini { lines: text.lines().map(str::to_owned).collect(), args };
        let msg = if args.text("state") == Some("absent") { ini.remove() } else { ini.set()? };
        let new = match ini.lines.is_empty() {
            true => String::new(),
            false => ini.lines.join("\n") + "\n",
        };
        let new = if msg == "OK" { text } else { new };
        let check = placing::place_with_folders(&before, new.into_bytes(), args, view)?;
        Ok(check.with("path", path.to_string_lossy()).with("msg", msg))
    }
}

struct Ini<'a> {
    lines: Vec<String>,
    args: &'a Args<'a>,
}

impl Ini<'_> {
    /// The lines of the section, without its head; before the first head without a section.
    fn section(&self) -> Option<(usize, usize)> {
        let is_head = |line: &String| line.trim_start().starts_with('[') && line.contains(']');
        let from = |start: usize| {
            let length = self.lines[start..].iter().position(is_head);
            (start, length.map_or(self.lines.len(), |length| start + length))
        };
        match self.args.text("section").filter(|section| !section.is_empty()) {
            None => Some(from(0)),
            Some(section) => {
                let head = format!("[{section}]");
                self.lines.iter().position(|line| line.trim() == head).map(|at| from(at + 1))
            }
        }
    }

    fn set(&mut self) -> Result<&'static str, Failure> {
        let (start, end) = match self.section() {
            Some(found) => found,
            None => return Ok(self.add_section()),
        };
        let Some(option) = self.args.text("option") else { return Ok("OK") };
        let wanted = self.wanted(option)?;
        let known: Vec<usize> = (start..end).filter(|at| is_option(&self.lines[*at], option)).collect();
        // An option that is only switched off by a comment is switched on where it stands.
        let (active, commented): (Vec<usize>, Vec<usize>) =
            known.into_iter().partition(|at| !is_comment(&self.lines[*at]));
        let wakes = self.args.choice("modify_inactive_option") != Some(false);
        let places = match active.is_empty() {
            true if wakes => commented.into_iter().take(1).collect(),
            _ => active,
        };
        let has_all =
            |lines: &[String]| wanted.iter().all(|line| lines.iter().any(|known| self.same(known, line)));
        let exclusive = self.args.choice("exclusive") != Some(false);
        let current: Vec<String> = places.iter().map(|at| self.lines[*at].clone()).collect();
        if has_all(&current) && (!exclusive || current.len() == wanted.len()) {
            return Ok("OK");
        }
        let kept: Vec<String> = match exclusive {
            true => Vec::new(),
            false => {
                current.iter().filter(|line| !wanted.contains(line) && !is_comment(line)).cloned().collect()
            }
        };
        let at = places.first().copied().unwrap_or_else(|| self.end_of(start, end));
        for place in places.iter().rev() {
            self.lines.remove(*place);
        }
        let new: Vec<String> = kept.into_iter().chain(wanted).collect();
        self.lines.splice(at..at, new);
        Ok(if current.is_empty() { "option added" } else { "option changed" })
    }

    /// Whether two lines say the same; blanks around `=` do not count where the task says so.
    fn same(&self, one: &str, other: &str) -> bool {
        if self.args.flag("ignore_spaces") { same(one, other) } else { one == other }
    }

    fn add_section(&mut self) -> &'static str {
        let section = self.args.text("section").unwrap_or("");
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(String::new());
        }
        self.lines.push(format!("[{section}]"));
        if let Some(option) = self.args.text("option") {
            let wanted = self.wanted(option).unwrap_or_default();
            self.lines.extend(wanted);
            return "section and option added";
        }
        "only section added"
    }

    /// Before the empty lines at the section's end.
    fn end_of(&self, start: usize, end: usize) -> usize {
        let blank = self.lines[start..end].iter().rev().take_while(|line| line.trim().is_empty()).count();
        end - blank
    }

    fn wanted(&self, option: &str) -> Result<Vec<String>, Failure> {
        let values = self.args.list("values").unwrap_or_default();
        let value = self.args.text("value").map(str::to_owned);
        let values: Vec<String> = value.into_iter().chain(values).collect();
        if values.is_empty() {
            return match self.args.flag("allow_no_value") {
                true => Ok(vec![option.to_owned()]),
                false => Err(Failure::new(
                    "value or values is required with an option, unless allow_no_value is set",
                )),
            };
        }
        let spaces = if self.args.flag("no_extra_spaces") { "=" } else { " = " };
        Ok(values.iter().map(|value| format!("{option}{spaces}{value}")).collect())
    }

    fn remove(&mut self) -> &'static str {
        let Some((start, end)) = self.section() else { return "OK" };
        let Some(option) = self.args.text("option") else {
            let start = if self.args.text("section").is_some_and(|section| !section.is_empty()) {
                start - 1
            } else {
                start
            };
            self.lines.drain(start..end);
            return "section removed";
        };
        let wanted = self.wanted(option).unwrap_or_default();
        let exclusive = self.args.choice("exclusive") != Some(false);
        let count = self.lines.len();
        let goes = |at: usize, line: &str| {
            (start..end).contains(&at)
                && is_option(line, option)
                && !is_comment(line)
                && (exclusive || wanted.iter().any(|wanted| same(wanted, line)))
        };
        let mut at = 0;
        self.lines.retain(|line| {
            at += 1;
            !goes(at - 1, line)
        });
        if self.lines.len() == count { "OK" } else { "option changed" }
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}

/// `option = value`, `option: value` or `option` alone; also behind a mark of a comment.
fn is_option(line: &str, option: &str) -> bool {
    let line = line.trim_start().trim_start_matches(['#', ';']).trim_start();
    let rest = line.strip_prefix(option).map(str::trim_start);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', ':']))
}

/// Whether two lines say the same; blanks around `=` do not count.
fn same(one: &str, other: &str) -> bool {
    let parts = |line: &str| {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        (name.trim().to_owned(), value.trim().to_owned())
    };
    !is_comment(one) && !is_comment(other) && parts(one) == parts(other)
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::{Value, json};

    fn edited(text: &str, mut args: Value) -> (String, Value) {
        let trial = Trial::new("ini_file");
        args["path"] = json!(trial.write("f", text));
        let outcome = trial.changes_once(args);
        (trial.text("f"), outcome.result["msg"].clone())
    }

    #[test]
    fn option_is_added_changed_switched_on_and_removed() {
        let text = "[a]\nx = 1\n\n[b]\n#y = 2\n";
        let (new, msg) = edited(text, json!({"section": "a", "option": "z", "value": "3"}));
        assert_eq!((new.as_str(), msg), ("[a]\nx = 1\nz = 3\n\n[b]\n#y = 2\n", json!("option added")));
        let (new, msg) = edited(text, json!({"section": "a", "option": "x", "value": "3"}));
        assert_eq!((new.as_str(), msg), ("[a]\nx = 3\n\n[b]\n#y = 2\n", json!("option changed")));
        let (new, _) = edited(text, json!({"section": "b", "option": "y", "value": "2"}));
        assert!(new.ends_with("[b]\ny = 2\n"), "{new}");
        let (new, _) = edited(text, json!({"section": "a", "option": "x", "state": "absent"}));
        assert_eq!(new, "[a]\n\n[b]\n#y = 2\n");
    }

    #[test]
    fn section_is_added_and_removed_whole() {
        let (new, msg) = edited("x=1\n", json!({"section": "n", "option": "o", "value": "v"}));
        assert_eq!((new.as_str(), msg), ("x=1\n\n[n]\no = v\n", json!("section and option added")));
        let (new, _) = edited("[a]\nx=1\n[b]\n", json!({"section": "a", "state": "absent"}));
        assert_eq!(new, "[b]\n");
    }
}
