//! `blockinfile`: a block of lines between two marker lines.

use super::lines::{self, Place};
use super::placing::{self, Before};
use super::{Args, Check, Failure, Module};
use crate::worker::View;

pub(super) struct BlockInFile;

impl Module for BlockInFile {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        let is_present = args.text("state") != Some("absent");
        let before = if args.flag("create") || !is_present {
            Before::at(&path, true, view)?
        } else {
            Before::existing(&path, view)?
        };
        if before.stat.is_none() && !is_present {
            return Ok(Check::unchanged().with("msg", format!("File {} not present", path.display())));
        }
        let text = lines::text_of(&before.content, &path)?;
        let block = if is_present { args.text("block").unwrap_or("") } else { "" };
        let new = edit(&text, block, args)?;
        let msg = match (before.stat.is_some(), new == text, block.is_empty()) {
            (false, ..) => "File created",
            (true, true, _) => "",
            (true, false, true) => "Block removed",
            (true, false, false) => "Block inserted",
        };
        Ok(placing::place_with_folders(&before, new.into_bytes(), args, view)?.with("msg", msg))
    }
}

fn edit(text: &str, block: &str, args: &Args<'_>) -> Result<String, Failure> {
    let mut lines = lines::split(text);
    let (begin, end) = markers(args)?;
    let index = take_out(&mut lines, &begin, &end);
    let index = match index {
        Some(index) => index,
        None => Place::of(args)?.index(&lines, false)?,
    };
    if let Some(before) = index.checked_sub(1).map(|before| &mut lines[before])
        && !before.ends_with('\n')
    {
        before.push('\n');
    }
    let is_present = args.text("state") != Some("absent");
    let mut new = Vec::new();
    if args.flag("prepend_newline") && is_present && index > 0 && lines[index - 1] != "\n" {
        new.push("\n".to_owned());
    }
    if !block.is_empty() {
        let ended = if block.ends_with('\n') { block.to_owned() } else { format!("{block}\n") };
        new.extend([begin, ended, end]);
    }
    if args.flag("append_newline") && is_present && lines.get(index).is_some_and(|next| next != "\n") {
        new.push("\n".to_owned());
    }
    lines.splice(index..index, new);
    Ok(lines.concat())
}

fn markers(args: &Args<'_>) -> Result<(String, String), Failure> {
    let marker = args.text("marker").unwrap_or("# {mark} ANSIBLE MANAGED BLOCK");
    let line = |word: &str| format!("{}\n", marker.replace("{mark}", word));
    let begin = line(args.text("marker_begin").unwrap_or("BEGIN"));
    let end = line(args.text("marker_end").unwrap_or("END"));
    if begin == end {
        return Err(Failure::new(format!(
            "`marker` `{marker}` needs `{{mark}}`: both marker lines would be the same"
        )));
    }
    Ok((begin, end))
}

/// Removes the block with its markers, and says where it was.
fn take_out(lines: &mut Vec<String>, begin: &str, end: &str) -> Option<usize> {
    let last = |marker: &str| lines.iter().rposition(|line| line == marker || format!("{line}\n") == marker);
    let (begin, end) = (last(begin)?, last(end)?);
    let (first, last) = (begin.min(end), begin.max(end));
    lines.drain(first..=last);
    Some(first)
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::{Value, json};

    fn edited(text: &str, mut args: Value) -> String {
        let trial = Trial::new("blockinfile");
        args["path"] = json!(trial.write("f", text));
        trial.changes_once(args);
        trial.text("f")
    }

    #[test]
    fn block_is_added_replaced_and_removed() {
        let with = edited("a\n", json!({"block": "x\ny", "marker": "# {mark} of muster"}));
        assert_eq!(with, "a\n# BEGIN of muster\nx\ny\n# END of muster\n");
        let other = edited(&with, json!({"block": "z", "marker": "# {mark} of muster"}));
        assert_eq!(other, "a\n# BEGIN of muster\nz\n# END of muster\n");
        assert_eq!(edited(&other, json!({"state": "absent", "marker": "# {mark} of muster"})), "a\n");
        assert_eq!(edited(&other, json!({"block": "", "marker": "# {mark} of muster"})), "a\n");
    }

    #[test]
    fn block_goes_after_a_match_with_empty_lines_around_it() {
        let args =
            json!({"block": "x", "insertafter": "^a", "prepend_newline": true, "append_newline": true});
        let expected = "a\n\n# BEGIN ANSIBLE MANAGED BLOCK\nx\n# END ANSIBLE MANAGED BLOCK\n\nb\n";
        assert_eq!(edited("a\nb\n", args), expected);
    }

    #[test]
    fn end_marker_without_a_newline_is_still_the_end() {
        let text = "# BEGIN ANSIBLE MANAGED BLOCK\nx\n# END ANSIBLE MANAGED BLOCK";
        assert_eq!(
            edited(text, json!({"block": "y"})),
            "# BEGIN ANSIBLE MANAGED BLOCK\ny\n# END ANSIBLE MANAGED BLOCK\n"
        );
    }

    #[test]
    fn marker_without_mark_is_refused() {
        let trial = Trial::new("blockinfile");
        let path = trial.write("f", "");
        assert!(trial.refuse(json!({"path": path, "block": "x", "marker": "# same"})).contains("{mark}"));
    }
}
