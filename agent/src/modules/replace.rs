//! `replace`: every match of an expression in a file.

use super::lines;
use super::pattern::{Flags, Pattern, Replacement};
use super::placing::{self, Before};
use super::{Args, Check, Failure, Module};
use crate::worker::View;
use std::ops::Range;

pub(super) struct Replace;

impl Module for Replace {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        let before = Before::existing(&path, view)?;
        let text = lines::text_of(&before.content, &path)?;
        let Some(section) = section(&text, args)? else {
            let check = placing::place(&before, text.into_bytes(), args, view)?;
            return Ok(check.with(
                "msg",
                format!(
                    "Pattern for before/after params did not match the given file: {}",
                    section_pattern(args).unwrap_or_default()
                ),
            ));
        };
        let pattern = Pattern::of("regexp", args.needed("regexp")?, Flags::Multiline)?;
        let unable = |failure: Failure| {
            Failure::new(format!("Unable to process replace due to error: {}", failure.msg))
        };
        let replacement = Replacement::of(args.text("replace").unwrap_or("")).map_err(unable)?;
        let (replaced, count) = pattern.replace_all(&text[section.clone()], &replacement).map_err(unable)?;
        let msg = if replaced == text[section.clone()] {
            String::new()
        } else {
            format!("{count} replacements made")
        };
        let new = format!("{}{replaced}{}", &text[..section.start], &text[section.end..]);
        Ok(placing::place(&before, new.into_bytes(), args, view)?.with("msg", msg).with("rc", 0))
    }
}

/// The part of the text that is looked at; `None` where it is not there.
fn section(text: &str, args: &Args<'_>) -> Result<Option<Range<usize>>, Failure> {
    let Some(pattern) = section_pattern(args) else { return Ok(Some(0..text.len())) };
    let found = Pattern::of("after and before", &pattern, Flags::DotAll)?;
    let found = found.find(text)?;
    Ok(found.and_then(|found| found.name("subsection").map(|section| section.range())))
}

/// The expression that finds it.
fn section_pattern(args: &Args<'_>) -> Option<String> {
    Some(match (args.text("after"), args.text("before")) {
        (None, None) => return None,
        (Some(after), None) => format!("{after}(?P<subsection>.*)"),
        (None, Some(before)) => format!("(?P<subsection>.*){before}"),
        (Some(after), Some(before)) => format!("{after}(?P<subsection>.*?){before}"),
    })
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn every_match_is_replaced_and_counted() {
        let trial = Trial::new("replace");
        let path = trial.write("f", "a 1\na 2\nb\n");
        let outcome = trial.changes_once(json!({"path": path, "regexp": r"^a (\d)$", "replace": r"c \1"}));
        assert_eq!(trial.text("f"), "c 1\nc 2\nb\n");
        assert_eq!(outcome.result["msg"], "2 replacements made");
    }

    #[test]
    fn only_the_part_between_after_and_before_is_changed() {
        let trial = Trial::new("replace");
        let path = trial.write("f", "x\n[a]\nx\n[b]\nx\n");
        trial.changes_once(
            json!({"path": path, "regexp": "x", "replace": "y", "after": r"\[a\]", "before": r"\[b\]"}),
        );
        assert_eq!(trial.text("f"), "x\n[a]\ny\n[b]\nx\n");
        trial.is_silent(json!({"path": path, "regexp": "x", "replace": "y", "after": "nothing"}));
    }

    #[test]
    fn what_an_earlier_step_may_have_written_is_not_foretold() {
        let trial = Trial::new("replace");
        let path = trial.write("f", "a\n");
        let step = json!({"path": path, "regexp": "a", "replace": "b"});
        assert!(trial.plan(step.clone()).changed);
        trial.forget_plan();
        trial.plan_perhaps("copy", json!({"dest": path}), true);
        assert_eq!(trial.plan(step.clone()).unknown.as_deref(), Some("it depends"));
        trial.forget_plan();
        trial.plan_perhaps("file", json!({"path": path, "state": "absent"}), false);
        assert_eq!(trial.plan(step.clone()).unknown.as_deref(), Some("it depends"));
        trial.forget_plan();
        trial.plan_perhaps("file", json!({"path": path, "state": "file"}), false);
        assert!(trial.plan(step).changed, "that would have changed nothing");
    }
}
