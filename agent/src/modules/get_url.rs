//! `get_url`: a download to a file. Without `force` a file that is there stays, unless its checksum says otherwise.

use super::http::{self, Answer};
use super::placing::{self, Before};
use super::{Args, Check, Failure, Module, Report, checksum};
use crate::worker::{Hands, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use std::path::PathBuf;
use std::time::Instant;

pub(super) struct GetUrl;

impl Module for GetUrl {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = file(args, view)?;
        let before = Before::at(&path, true, view)?;
        let wanted = Wanted::of(args, view)?;
        let is_right = match &wanted {
            Some(wanted) => before.is_file() && wanted.is_of(&before.content)?,
            None => before.is_file() && !args.flag("force"),
        };
        let check = if is_right {
            placing::place(&before, before.content.clone(), args, view)?
        } else if before.is_file() && wanted.is_none() {
            // Whether it differs is known only from the content.
            placing::place(&before, fetch(args, view)?.body, args, view)?
        } else {
            to_come(&before, wanted.as_ref(), args, view)?
        };
        Ok(check.with("dest", path.to_string_lossy()).with("url", args.needed("url")?))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let must_fetch = check.outcome.changed && check.operations.is_empty();
        let mut outcome = check.outcome;
        if !must_fetch {
            hands.carry_out(&check.operations)?;
            check.report.fill(&mut outcome, &hands.view());
            return Ok(outcome);
        }
        let began = Instant::now();
        let view = hands.view();
        let answer = fetch(args, &view)?;
        if let Some(wanted) = Wanted::of(args, &view)?
            && !wanted.is_of(&answer.body)?
        {
            let sum = checksum::by_name(&wanted.algorithm, &answer.body).unwrap_or_default();
            return Err(Failure::new(format!(
                "`{}` has {} {sum}, `checksum` says {}",
                answer.url, wanted.algorithm, wanted.sum
            )));
        }
        let before = Before::at(&file(args, &view)?, true, &view)?;
        let sums = [("checksum_dest", &before.content), ("checksum_src", &answer.body)]
            .map(|(name, content)| (name, checksum::sha1(content)));
        let md5 = checksum::md5(&answer.body);
        let is_small =
            answer.url.starts_with("file://") || answer.announced().is_some_and(|size| size <= FETCHED_MAX);
        let msg = format!("{} ({} bytes)", answer.reason, answer.body.len());
        let placed = placing::place(&before, answer.body, args, &view)?;
        hands.carry_out(&placed.operations)?;
        outcome.changed = placed.outcome.changed;
        // Of a large file, a check can tell no more than that it comes.
        if is_small {
            outcome.diffs = placed.outcome.diffs.clone();
        }
        outcome.result.extend(placed.outcome.result.clone());
        outcome.result.extend(sums.map(|(name, sum)| (name.to_owned(), sum.into())));
        let told: [(&str, serde_json::Value); 4] = [
            ("md5sum", md5.into()),
            ("status_code", answer.status.into()),
            ("msg", msg.into()),
            ("elapsed", began.elapsed().as_secs().into()),
        ];
        outcome.result.extend(told.map(|(name, value)| (name.to_owned(), value)));
        placed.report.fill(&mut outcome, &hands.view());
        Ok(outcome)
    }
}

fn file(args: &Args<'_>, view: &View<'_>) -> Result<PathBuf, Failure> {
    http::file_of(args.needed_path("dest", view)?, args.needed("url")?, view)
}

/// A file that is missing or wrong will be fetched: its content is known then.
fn to_come(
    before: &Before,
    wanted: Option<&Wanted>,
    args: &Args<'_>,
    view: &View<'_>,
) -> Result<Check, Failure> {
    let folder = before.path.parent().unwrap_or(&before.path);
    if !view.may_have_folder(folder) {
        return Err(Failure::missing(format!(
            "the folder `{}` does not exist; create it first with module `file`",
            folder.display()
        )));
    }
    super::attributes::Wanted::of(args, view)?;
    if view.is_check() {
        match small(args, view) {
            Ok(Some(content)) => return known(before, content, wanted, args, view),
            Ok(None) => {}
            // What answers may be started by an earlier step of this plan.
            Err(failure) if !view.overlay().units().is_empty() => return Ok(Check::unknown(failure.msg)),
            Err(failure) => return Err(Failure { is_missing: true, ..failure }),
        }
    }
    let state = if before.is_file() { "another file" } else { "absent" };
    let change =
        Change::Presence { before: state.into(), after: format!("download of {}", args.needed("url")?) };
    let diff =
        Diff { kind: "file".into(), name: before.path.to_string_lossy().into_owned(), changes: vec![change] };
    let mut check = Check::change(diff, Vec::new());
    check.report = Report::File(before.path.clone());
    check.doubt = Some("a download is not fetched in check mode".to_owned());
    Ok(check)
}

/// Larger files are not fetched twice: a check asks only whether they are there.
const FETCHED_MAX: usize = 1024 * 1024;

/// The content, where it is not large.
fn small(args: &Args<'_>, view: &View<'_>) -> Result<Option<Vec<u8>>, Failure> {
    let url = args.needed("url")?;
    if url.starts_with("file://") {
        return Ok(Some(fetch(args, view)?.body));
    }
    let answer = http::head(url, args, view).map_err(|why| Failure::new(why).with("status_code", -1))?;
    match (answer.status, answer.announced()) {
        (200, Some(size)) if size <= FETCHED_MAX => Ok(Some(fetch(args, view)?.body)),
        (401 | 403 | 404 | 410, _) => {
            Err(Failure::new(format!("`{url}` answered {} {}", answer.status, answer.reason))
                .with("status_code", answer.status))
        }
        // Not every server answers this question.
        _ => Ok(None),
    }
}

/// What a download of this content will come to.
fn known(
    before: &Before,
    content: Vec<u8>,
    wanted: Option<&Wanted>,
    args: &Args<'_>,
    view: &View<'_>,
) -> Result<Check, Failure> {
    if let Some(wanted) = wanted
        && !wanted.is_of(&content)?
    {
        let sum = checksum::by_name(&wanted.algorithm, &content).unwrap_or_default();
        return Err(Failure::new(format!(
            "`{}` has {} {sum}, `checksum` says {}",
            args.needed("url")?,
            wanted.algorithm,
            wanted.sum
        )));
    }
    placing::place(before, content, args, view)
}

fn fetch(args: &Args<'_>, view: &View<'_>) -> Result<Answer, Failure> {
    let url = args.needed("url")?;
    let failed =
        |msg: String| Failure::new(msg).with("url", url).with("dest", args.text("dest").unwrap_or_default());
    let answer = http::get(url, args, view).map_err(|why| failed(why).with("status_code", -1))?;
    if answer.status == 200 {
        return Ok(answer);
    }
    Err(failed(format!("`{url}` answered {} {}", answer.status, answer.reason))
        .with("status_code", answer.status))
}

/// The checksum that the file must have.
struct Wanted {
    algorithm: String,
    sum: String,
}

impl Wanted {
    fn of(args: &Args<'_>, view: &View<'_>) -> Result<Option<Self>, Failure> {
        let Some(written) = args.text("checksum").filter(|written| !written.is_empty()) else {
            return Ok(None);
        };
        let form =
            || Failure::new(format!("`checksum` is `{written}`; it is written `sha256:HEX` or `sha256:URL`"));
        let (algorithm, sum) = written.split_once(':').ok_or_else(form)?;
        let algorithm = algorithm.trim().to_ascii_lowercase();
        if checksum::by_name(&algorithm, b"").is_none() {
            return Err(Failure::new(format!(
                "`{algorithm}` is no checksum that muster knows: md5, sha1, sha224, sha256, sha384, sha512"
            )));
        }
        let sum =
            if sum.contains("://") { listed(sum, args, view)? } else { sum.trim().to_ascii_lowercase() };
        if sum.is_empty() || !sum.chars().all(|letter| letter.is_ascii_hexdigit()) {
            return Err(form());
        }
        Ok(Some(Self { algorithm, sum }))
    }

    fn is_of(&self, content: &[u8]) -> Result<bool, Failure> {
        let sum = checksum::by_name(&self.algorithm, content);
        Ok(sum.ok_or_else(|| Failure::new(format!("unknown checksum `{}`", self.algorithm)))? == self.sum)
    }
}

/// The file's line in a list of checksums.
fn listed(list: &str, args: &Args<'_>, view: &View<'_>) -> Result<String, Failure> {
    let answer = http::get(list, args, view).map_err(Failure::new)?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let url = args.needed("url")?;
    let name = url.split(['?', '#']).next().unwrap_or(url).rsplit('/').next().unwrap_or(url);
    sum_in_list(&text, name)
        .ok_or_else(|| Failure::new(format!("the list `{list}` has no checksum of `{name}`")))
}

fn sum_in_list(list: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = list.lines().filter(|line| !line.trim().is_empty()).collect();
    if let [only] = lines[..]
        && only.split_whitespace().count() == 1
    {
        return Some(only.trim().to_ascii_lowercase());
    }
    lines.iter().find_map(|line| {
        let (sum, file) = line.split_once(char::is_whitespace)?;
        let file = file.trim().trim_start_matches(['*', '.', '/']);
        (file == name || file.ends_with(&format!("/{name}"))).then(|| sum.to_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn file_that_is_there_or_has_its_checksum_is_not_fetched() {
        let trial = Trial::new("get_url");
        let path = trial.write("f", "muster");
        trial.is_silent(json!({"url": "http://192.0.2.1/f", "dest": path}));
        let sum = format!("sha256:{}", checksum::sha256(b"muster"));
        trial.is_silent(json!({"url": "http://192.0.2.1/f", "dest": trial.path(""), "checksum": sum}));
        let source = format!("file://{}", trial.write("source", "other").display());
        let sum = format!("sha256:{}", checksum::sha256(b"other"));
        for step in [
            json!({"url": source, "dest": path, "checksum": sum}),
            json!({"url": source, "dest": trial.path("g")}),
        ] {
            let checked = trial.check(step.clone());
            assert!(checked.changed, "{checked:?}");
            assert_eq!(checked.diffs, trial.apply(step.clone()).diffs);
            trial.is_silent(step);
        }
        trial.refuse(
            json!({"url": source, "dest": trial.path("h"), "checksum": sum.replace("256:", "256:0")}),
        );
        assert!(
            trial
                .refuse(json!({"url": "http://192.0.2.1/g", "dest": path, "checksum": "crc:00"}))
                .contains("`crc`")
        );
    }

    #[test]
    fn file_of_the_host_is_an_address_too() {
        let trial = Trial::new("get_url");
        let url = format!("file://{}", trial.write("f", "muster").display());
        let outcome = trial.apply(json!({"url": url, "dest": trial.path("copy")}));
        assert_eq!(outcome.result["msg"], "OK (6 bytes)", "{outcome:?}");
        assert_eq!(trial.text("copy"), "muster");
    }

    #[test]
    fn checksums_are_found_in_lists_of_both_kinds() {
        let list = "AA  other\nBB *./f.tar.gz\n";
        assert_eq!(sum_in_list(list, "f.tar.gz").as_deref(), Some("bb"));
        assert_eq!(sum_in_list("CC\n", "f").as_deref(), Some("cc"));
        assert_eq!(sum_in_list(list, "g"), None);
    }
}
