//! `pam_limits`: one limit of a user or group in `limits.conf`. Everything else in the file stays as it is.

use super::placing::{self, Before};
use super::{Args, Check, Failure, Module, lines};
use crate::worker::View;

pub(super) struct PamLimits;

impl Module for PamLimits {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("dest", view)?;
        let before = Before::at(&path, true, view)?;
        let text = lines::text_of(&before.content, &path)?;
        let limit = Limit::of(args)?;
        let (new, line) = limit.set_in(&text, args);
        let check = placing::place(&before, new.into_bytes(), args, view)?;
        Ok(check.with("msg", line))
    }
}

struct Limit<'a> {
    /// Domain, type and item.
    key: [&'a str; 3],
    value: &'a str,
}

impl<'a> Limit<'a> {
    fn of(args: &Args<'a>) -> Result<Self, Failure> {
        if args.flag("use_max") && args.flag("use_min") {
            return Err(Failure::new("Cannot use use_min and use_max at the same time."));
        }
        let [domain, kind, item] =
            [args.needed("domain")?, args.needed("limit_type")?, args.needed("limit_item")?];
        let value = args.needed("value")?;
        if !is_valid(item, value) {
            let range = match is_priority(item) {
                true => "a number from -20 to 19",
                false => "a number from 0 on, or one of unlimited, infinity and -1",
            };
            return Err(Failure::new(format!("value `{value}` of limit {item}: expected {range}")));
        }
        Ok(Self { key: [domain, kind, item], value })
    }

    /// The file with the limit, and the limit's line. Every line of the same key gets the value; one is added where there is none.
    fn set_in(&self, text: &str, args: &Args<'_>) -> (String, String) {
        let mut new = String::new();
        let mut ours = None;
        for line in text.split_inclusive('\n') {
            let written = match fields(line) {
                Some((key, known)) if key == self.key => {
                    let value = chosen(self.value, known, args);
                    let kept =
                        if value == known { line.to_owned() } else { self.line(value, args, Some(line)) };
                    ours.insert(kept).clone()
                }
                _ => line.to_owned(),
            };
            new.push_str(&written);
        }
        let line = ours.unwrap_or_else(|| {
            if !new.is_empty() && !new.ends_with('\n') {
                new.push('\n');
            }
            let line = self.line(self.value, args, None);
            new.push_str(&line);
            line
        });
        (new, line)
    }

    /// A comment of the line's own stays, where the task gives none.
    fn line(&self, value: &str, args: &Args<'_>, old: Option<&str>) -> String {
        let [domain, kind, item] = self.key;
        let kept = old.and_then(|line| line.split_once('#')).map(|(_, comment)| comment.trim_end());
        let comment = args.text("comment").filter(|comment| !comment.is_empty()).or(kept);
        let comment = comment.map(|comment| format!("\t#{comment}")).unwrap_or_default();
        format!("{domain}\t{kind}\t{item}\t{value}{comment}\n")
    }
}

/// The key and the value of a line that sets a limit.
fn fields(line: &str) -> Option<([&str; 3], &str)> {
    let line = line.split('#').next().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [domain, kind, item, value] => Some(([*domain, *kind, *item], *value)),
        _ => None,
    }
}

/// The greater of both values with `use_max`, the smaller with `use_min`, else the task's.
fn chosen<'a>(wanted: &'a str, known: &'a str, args: &Args<'_>) -> &'a str {
    let size = |value: &str| if is_unlimited(value) { i64::MAX } else { value.parse().unwrap_or(i64::MAX) };
    let keeps_known = match (args.flag("use_max"), args.flag("use_min")) {
        (true, _) => size(known) >= size(wanted),
        (_, true) => size(known) <= size(wanted),
        _ => false,
    };
    if keeps_known { known } else { wanted }
}

fn is_unlimited(value: &str) -> bool {
    matches!(value, "unlimited" | "infinity" | "-1")
}

/// Of these a negative number is a value like any other.
fn is_priority(item: &str) -> bool {
    matches!(item, "nice" | "priority")
}

fn is_valid(item: &str, value: &str) -> bool {
    let number = value.parse::<i64>();
    match is_priority(item) {
        true => number.is_ok_and(|number| (-20..=19).contains(&number)),
        false => is_unlimited(value) || number.is_ok_and(|number| number >= 0),
    }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::{Value, json};

    const FILE: &str = "# head\n*  soft  nofile 1024 # as ever\nroot\thard\tnofile\t4096\n";

    fn limit(mut args: Value) -> (Trial, Value) {
        let trial = Trial::new("pam_limits");
        args["dest"] = json!(trial.write("limits.conf", FILE));
        (trial, args)
    }

    fn changed(args: Value) -> String {
        let (trial, args) = limit(args);
        let outcome = trial.changes_once(args);
        assert!(trial.text("limits.conf").contains(outcome.result["msg"].as_str().unwrap_or_default()));
        trial.text("limits.conf")
    }

    #[test]
    fn limit_is_added_at_the_end_or_changed_where_it_stands() {
        let new =
            changed(json!({"domain": "db", "limit_type": "-", "limit_item": "nproc", "value": "64000"}));
        assert_eq!(new, format!("{FILE}db\t-\tnproc\t64000\n"));
        let new = changed(
            json!({"domain": "*", "limit_type": "soft", "limit_item": "nofile", "value": "unlimited"}),
        );
        assert_eq!(new, "# head\n*\tsoft\tnofile\tunlimited\t# as ever\nroot\thard\tnofile\t4096\n");
    }

    #[test]
    fn greater_or_smaller_value_is_kept_on_request() {
        let root = json!({"domain": "root", "limit_type": "hard", "limit_item": "nofile", "value": "512"});
        let with = |flag: &str, value: &str| {
            let mut args = root.clone();
            args[flag] = json!(true);
            args["value"] = json!(value);
            args
        };
        for kept in [with("use_max", "512"), with("use_min", "8192"), with("use_min", "-1")] {
            let (trial, args) = limit(kept);
            trial.is_silent(args);
            assert_eq!(trial.text("limits.conf"), FILE);
        }
        assert!(changed(with("use_max", "unlimited")).ends_with("root\thard\tnofile\tunlimited\n"));
    }

    #[test]
    fn value_that_no_limit_can_have_is_refused() {
        for (item, value) in [("nofile", "many"), ("nofile", "-2"), ("nice", "20"), ("priority", "unlimited")]
        {
            let (trial, args) =
                limit(json!({"domain": "x", "limit_type": "-", "limit_item": item, "value": value}));
            assert!(trial.refuse(args).contains("expected"), "{item} {value}");
        }
    }
}
