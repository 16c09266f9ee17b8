//! `lineinfile`: one line is in a file, or no such line is.

use super::lines::{self, Place};
use super::pattern::{Flags, Pattern, Replacement};
use super::placing::{self, Before};
use super::{Args, Check, Failure, Module};
use crate::worker::View;

pub(super) struct LineInFile;

impl Module for LineInFile {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        let before = if args.flag("create") || args.text("state") == Some("absent") {
            Before::at(&path, true, view)?
        } else {
            Before::existing_as("Destination", &path, view)?
        };
        let mut lines = lines::split(&lines::text_of(&before.content, &path)?);
        if args.text("state") == Some("absent") {
            if before.stat.is_none() {
                return Ok(Check::unchanged().with("msg", "file not present"));
            }
            let removed = remove(&mut lines, &Line::of(args)?)?;
            let msg = if removed == 0 { String::new() } else { format!("{removed} line(s) removed") };
            let check = placing::place(&before, lines.concat().into_bytes(), args, view)?;
            return Ok(told(check, &msg).with("found", removed));
        }
        let msg = ensure(&mut lines, args)?;
        let is_new = before.stat.is_none() && msg.is_empty();
        if is_new {
            return Ok(Check::unchanged().with("msg", ""));
        }
        let check = placing::place_with_folders(&before, lines.concat().into_bytes(), args, view)?;
        let mut check = told(check, msg);
        check.outcome.warnings.extend(matches_everything(args));
        Ok(check)
    }
}

/// A warning where every line of the file is meant.
fn matches_everything(args: &Args<'_>) -> Option<String> {
    let what = match (args.text("regexp"), args.text("search_string")) {
        (Some(""), _) => "regular expression",
        (_, Some("")) => "search string",
        _ => return None,
    };
    let way_out = match what {
        "search string" => "",
        _ => " If this is desired, use '^' to match every line in the file and avoid this warning.",
    };
    Some(format!(
        "The {what} is an empty string, which will match every line in the file. This may have unintended consequences, such as replacing the last line in the file rather than appending.{way_out}"
    ))
}

fn told(check: Check, msg: &str) -> Check {
    let is_more = check.outcome.changed && msg.is_empty();
    let backup = check.outcome.result.get("backup_file").cloned().unwrap_or_else(|| "".into());
    check.with("msg", if is_more { "ownership or permissions changed" } else { msg }).with("backup", backup)
}

/// What a line is recognised by.
enum Line<'a> {
    Pattern(Pattern),
    Text(&'a str),
    Whole(&'a str),
}

impl<'a> Line<'a> {
    fn of(args: &'a Args<'a>) -> Result<Self, Failure> {
        if let Some(regexp) = args.text("regexp") {
            return Ok(Self::Pattern(Pattern::of("regexp", regexp, Flags::None)?));
        }
        if let Some(text) = args.text("search_string") {
            return Ok(Self::Text(text));
        }
        let line = args.text("line");
        line.map(Self::Whole)
            .ok_or_else(|| Failure::new("one of `line`, `regexp`, `search_string` is needed"))
    }

    fn is(&self, line: &str) -> Result<bool, Failure> {
        match self {
            Self::Pattern(pattern) => pattern.is_in(line),
            Self::Text(text) => Ok(line.contains(text)),
            Self::Whole(whole) => Ok(lines::bare(line) == *whole),
        }
    }
}

fn remove(lines: &mut Vec<String>, line: &Line<'_>) -> Result<usize, Failure> {
    let mut kept = Vec::with_capacity(lines.len());
    for present in lines.iter() {
        if !line.is(present)? {
            kept.push(present.clone());
        }
    }
    let removed = lines.len() - kept.len();
    *lines = kept;
    Ok(removed)
}

/// Puts the line where it belongs; what was done, or nothing.
fn ensure(lines: &mut Vec<String>, args: &Args<'_>) -> Result<&'static str, Failure> {
    let line = args.needed("line")?;
    let takes_first = args.flag("firstmatch");
    let known = Line::of(args)?;
    let by_pattern = !matches!(known, Line::Whole(_));
    if by_pattern && let Some(index) = lines::find(lines, takes_first, |present| known.is(present))? {
        let new = expanded(&lines[index], line, &known, args)?;
        return Ok(replace(lines, index, &new));
    }
    if let Some(index) = lines::find(lines, false, |present| Ok(lines::bare(present) == line))? {
        return Ok(replace(lines, index, line));
    }
    if args.flag("backrefs") {
        // Without a match there is nothing to fill the references with.
        return Ok("");
    }
    let index = Place::of(args)?.index(lines, takes_first)?;
    lines::insert(lines, index, line);
    Ok("line added")
}

fn replace(lines: &mut [String], index: usize, line: &str) -> &'static str {
    let ended = if line.ends_with('\n') { line.to_owned() } else { format!("{line}\n") };
    if lines[index] == ended {
        return "";
    }
    lines[index] = ended;
    "line replaced"
}

fn expanded(present: &str, line: &str, known: &Line<'_>, args: &Args<'_>) -> Result<String, Failure> {
    match known {
        Line::Pattern(pattern) if args.flag("backrefs") => match pattern.find(present)? {
            Some(found) => Replacement::of(line)?.expand(&found),
            None => Ok(line.to_owned()),
        },
        _ => Ok(line.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::{Value, json};

    /// The file's text after the step, which changes it once.
    fn edited(text: &str, mut args: Value) -> String {
        let trial = Trial::new("lineinfile");
        args["path"] = json!(trial.write("f", text));
        trial.changes_once(args);
        trial.text("f")
    }

    #[test]
    fn line_is_added_at_the_end_with_an_end_to_the_one_before() {
        assert_eq!(edited("a\nb", json!({"line": "c"})), "a\nb\nc\n");
        assert_eq!(edited("", json!({"line": "c"})), "c\n");
    }

    #[test]
    fn last_match_is_replaced_or_the_first_where_asked() {
        assert_eq!(edited("x=1\nx=2\n", json!({"line": "x=3", "regexp": "^x="})), "x=1\nx=3\n");
        assert_eq!(
            edited("x=1\nx=2\n", json!({"line": "x=3", "regexp": "^x=", "firstmatch": true})),
            "x=3\nx=2\n"
        );
    }

    #[test]
    fn line_goes_after_or_before_a_match() {
        assert_eq!(edited("a\nb\na\nc\n", json!({"line": "n", "insertafter": "^a"})), "a\nb\na\nn\nc\n");
        assert_eq!(edited("a\nb\na\nc\n", json!({"line": "n", "insertbefore": "^a"})), "a\nb\nn\na\nc\n");
        assert_eq!(edited("a\nb\n", json!({"line": "n", "insertbefore": "BOF"})), "n\na\nb\n");
        assert_eq!(edited("a\nb\n", json!({"line": "n", "insertafter": "nothing"})), "a\nb\nn\n");
    }

    #[test]
    fn references_are_filled_from_the_match() {
        let args = json!({"line": r"\1=new", "regexp": r"^(\w+)=old$", "backrefs": true});
        assert_eq!(edited("key=old\n", args), "key=new\n");
    }

    #[test]
    fn references_without_a_match_change_nothing() {
        let trial = Trial::new("lineinfile");
        let path = trial.write("f", "a\n");
        trial.is_silent(json!({"path": path, "line": r"\1", "regexp": "^(z)", "backrefs": true}));
    }

    #[test]
    fn lines_go_away_by_expression_by_text_and_whole() {
        assert_eq!(edited("127.0.1.1 \nb\n", json!({"regexp": r"^127\.\S+\s*$", "state": "absent"})), "b\n");
        assert_eq!(edited("a b\nc\n", json!({"search_string": "b", "state": "absent"})), "c\n");
        assert_eq!(edited("a\naa\na\n", json!({"line": "a", "state": "absent"})), "aa\n");
    }

    #[test]
    fn missing_file_is_refused_unless_it_shall_be_created() {
        let trial = Trial::new("lineinfile");
        let path = trial.path("new/f");
        assert!(trial.refuse(json!({"path": path, "line": "x"})).contains("does not exist !"));
        trial.changes_once(json!({"path": path, "line": "x", "create": true, "mode": "0600"}));
        assert_eq!(trial.text("new/f"), "x\n");
    }

    #[test]
    fn backup_keeps_the_old_file_and_only_the_mode_may_change() {
        let trial = Trial::new("lineinfile");
        let path = trial.write("f", "a\n");
        let outcome = trial.changes_once(json!({"path": path, "line": "b", "backup": true}));
        let copy = outcome.result["backup_file"].as_str().expect("a path").to_owned();
        assert_eq!(std::fs::read_to_string(copy).expect("kept"), "a\n");
        let outcome = trial.changes_once(json!({"path": path, "line": "b", "mode": "0600"}));
        assert_eq!(outcome.result["msg"], "ownership or permissions changed");
    }
}
